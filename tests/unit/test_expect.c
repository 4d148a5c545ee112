#include "expect.h"

#include "addr.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* ----------------------------------------------------------------------------------- errors -- */

static char told[4096];

static void keep_told(void *context, const char *error)
{
    (void)context;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s%s", *told ? "\n" : "", error);
}

static struct expectations *parse(const char *text)
{
    told[0] = '\0';
    return expectations_parse(text, keep_told, NULL);
}

static const struct {
    const char *text, *error;
} wrong[] = {
    { "", "1:1: no expectation in it" },
    { "\n# only a comment\n", "1:1: no expectation in it" },
    { "al : refused", "1:1: \"al\": a line begins with all, any, none, one, exactly N, at-least N "
                      "or name; did you mean all?" },
    { "\n\n  exactyl 2 : refused",
      "3:3: \"exactyl\": a line begins with all, any, none, one, exactly N, at-least N or name; "
      "did you mean exactly?" },
    { "exactly x : refused", "1:9: \"x\": a number is expected here" },
    { "exactly : refused", "1:9: \":\": a number is expected here" },
    { "at-least 0 : refused", "1:10: at-least 0 holds always" },
    { "all dport = :80", "1:16: \" : \" and a check are missing" },
    { "all", "1:4: \" : \" and a check are missing" },
    { "all stat close-wait : refused", "1:5: \"stat\": unknown word; did you mean state?" },
    { "all dport = :443 and state close-wiat : refused",
      "1:28: \"close-wiat\": unknown state; did you mean CLOSE-WAIT?" },
    { "all :", "1:6: a check is missing" },
    { "all : ; refused", "1:7: a check is missing" },
    { "all : hanshake complete", "1:7: \"hanshake\": unknown check; did you mean handshake?" },
    { "all : client_sins = 1", "1:7: \"client_sins\": unknown check; did you mean client_fins?" },
    { "all : handshake", "1:16: complete or within is missing" },
    { "all : handshake wihtin 50ms",
      "1:17: \"wihtin\": complete or within is expected here; did you mean within?" },
    { "all : handshake within", "1:23: a time (such as 50ms, 1.5s, 2m) is missing" },
    { "all : handshake within 50xs",
      "1:24: \"50xs\": a time (such as 50ms, 1.5s, 2m) is expected here" },
    { "all : handshake complete now",
      "1:26: \"now\": not expected here; a semicolon separates checks" },
    { "all : refused closed", "1:15: \"closed\": not expected here; a semicolon separates checks" },
    { "all : closed by me", "1:17: \"me\": client, server or both is expected here" },
    { "all : closed with fni", "1:19: \"fni\": fin or rst is expected here; did you mean fin?" },
    { "all : closed wiht fin", "1:14: \"wiht\": by or with is expected here; did you mean with?" },
    { "all : for 60s", "1:11: \"60s\": a comparison (= != < <= > >=) is expected here" },
    { "all : for > x", "1:13: \"x\": a time (such as 50ms, 1.5s, 2m) is expected here" },
    { "all : for =! 1", "1:11: \"=!\": a comparison (= != < <= > >=) is expected here" },
    { "all : path clint SYN_SENT",
      "1:12: \"clint\": client or server is expected here; did you mean client?" },
    { "all : path client", "1:18: a state is missing" },
    { "all : path client SYN_SEND ESTABLISHD",
      "1:28: \"ESTABLISHD\": unknown state; did you mean ESTABLISHED?" },
    { "all : state server", "1:19: a state is missing" },
    { "all : state server ESTAB now",
      "1:26: \"now\": not expected here; a semicolon separates checks" },
    { "all : packets", "1:14: > or < and flags (such as > S < S. > .) are missing" },
    { "all : packets S",
      "1:15: \"S\": > (from the client) or < (from the server) is expected here" },
    { "all : packets > S <", "1:20: flags (such as S, S., F., R) are missing" },
    { "all : packets > S < SQ",
      "1:22: \"SQ\": not flags; tcpdump's letters are F S R P . U E W e" },
    { "all : no rest", "1:10: \"rest\": reset or answer is expected here; did you mean reset?" },
    { "all : client_syns ~ 1", "1:19: a comparison (= != < <= > >=) is missing before \"~\"" },
    { "all : client_syns = many", "1:21: \"many\": client_syns is a number" },
    { "all : handshake_ns > 2MB",
      "1:22: \"2MB\": handshake_ns is a number of ns, or a time such as 50ms" },
    { "all : open = refusd", "1:14: \"refusd\": open is never that; did you mean refused?" },
    { "all : open < refused", "1:14: open has no order: only = and !=" },
    { "all : client_syns = 1 or client_syns = 2",
      "1:7: one comparison is a check; a semicolon separates checks" },
    { "all : cause = \"x", "1:15: the quote is not closed" },
    { "name", "1:5: name: its words are missing" },
    { "name x", "1:1: the name has no expectation after it" },
    { "name x\nname y\nall : refused", "2:6: the name of line 1 has no expectation" },
    { "all : refused\r\n\r\nal : x\r\nany : y",
      "3:1: \"al\": a line begins with all, any, none, one, exactly N, at-least N or name; did you "
      "mean all?\n4:7: \"y\": unknown check" },
};

START_TEST(an_error_names_line_column_and_the_nearest_word)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct expectations *expectations = parse(wrong[i].text);

        ck_assert_msg(expectations == NULL, "%s: accepted", wrong[i].text);
        ck_assert_str_eq(told, wrong[i].error);
    }
}
END_TEST

START_TEST(many_errors_are_counted_at_the_end)
{
    char text[1024] = "";

    for (int i = 0; i < 30; i++)
        strcat(text, "all : x\n");
    ck_assert_ptr_null(parse(text));
    ck_assert_ptr_nonnull(strstr(told, "20:7: "));
    ck_assert_ptr_null(strstr(told, "21:7: "));
    ck_assert_ptr_nonnull(strstr(told, "10 more lines are wrong"));
}
END_TEST

START_TEST(lines_names_and_comments_are_told_apart)
{
    struct expectations *expectations =
        parse("# first\r\n\r\n name web answers \r\n\tall dport=:443 : refused;\t# why\r\n"
              "exactly 2: no-answer\nat-least 3 src [2001:db8::1]:80 : no answer ; no-reset\n"
              "all src 2001:db8:: : cause = 'a;b : # c'; closed by both with RST");

    ck_assert_msg(expectations != NULL, "%s", told);
    ck_assert_uint_eq(expectations->count, 4);
    const struct expectation *list = expectations->list;
    ck_assert_str_eq(list[0].name, "web answers");
    ck_assert_str_eq(list[0].text, "all dport=:443 : refused;");
    ck_assert_str_eq(list[0].filter, "dport=:443");
    ck_assert_uint_eq(list[0].line, 4);
    ck_assert_uint_eq(list[0].check_count, 1);
    ck_assert_ptr_null(list[1].name);
    ck_assert_int_eq(list[1].quantifier, QUANTIFIER_EXACTLY);
    ck_assert_uint_eq(list[1].count, 2);
    ck_assert_ptr_null(list[1].selection);
    ck_assert_int_eq(list[2].quantifier, QUANTIFIER_AT_LEAST);
    ck_assert_uint_eq(list[2].check_count, 2);
    ck_assert_str_eq(list[3].filter, "src 2001:db8::");
    ck_assert_str_eq(list[3].checks[0].text, "cause = 'a;b : # c'");
    ck_assert_int_eq(list[3].checks[1].with, CLOSED_WITH_RST);
    ck_assert_int_eq(list[3].checks[1].by, FW_CLOSED_BY_BOTH);
    expectations_destroy(expectations);
}
END_TEST

/* ----------------------------------------------------------------------------------- checks -- */

static uint64_t path(const enum fw_state *states, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)states[i] << (4 * i);
    return value;
}

/* The server has not closed: CLOSE_WAIT from second 2, the last packet at second 3. */
static struct fw_connection leak(void)
{
    static const enum fw_state client[] = { FW_SYN_SENT, FW_ESTABLISHED, FW_FIN_WAIT_1,
                                            FW_FIN_WAIT_2 };
    static const enum fw_state server[] = { FW_LISTEN, FW_SYN_RECEIVED, FW_ESTABLISHED,
                                            FW_CLOSE_WAIT };

    return (struct fw_connection){
        .identity.id = 1,
        .client_state = FW_FIN_WAIT_2,
        .server_state = FW_CLOSE_WAIT,
        .client_path = path(client, 4),
        .server_path = path(server, 4),
        .client_since = 1 * FW_SECOND,
        .server_since = 2 * FW_SECOND,
        .last_time = 3 * FW_SECOND,
        .open = FW_OPEN_COMPLETE,
        .closed_by = FW_CLOSED_BY_CLIENT,
        .handshake_ns = 20 * FW_MILLISECOND,
        .syns = { 1, 0 },
        .fins = { 1, 0 },
    };
}

static struct fw_connection closed(void)
{
    struct fw_connection of = leak();

    of.client_state = FW_CLOSED;
    of.client_timed = true;
    of.client_path |= (uint64_t)FW_TIME_WAIT << 16;
    of.server_state = FW_CLOSED;
    of.end = FW_END_FIN;
    of.fins[FW_SERVER] = 1;
    return of;
}

static struct fw_connection reset(void)
{
    struct fw_connection of = leak();

    of.client_state = of.server_state = FW_CLOSED;
    of.closed_by = FW_CLOSED_BY_SERVER;
    of.end = FW_END_RST;
    of.rsts[FW_SERVER] = 1;
    return of;
}

static struct fw_connection refused(void)
{
    return (struct fw_connection){
        .client_state = FW_CLOSED,
        .server_state = FW_CLOSED,
        .open = FW_OPEN_REFUSED,
        .end = FW_END_RST,
        .handshake_ns = -1,
        .syns = { 1, 0 },
        .rsts = { 0, 1 },
    };
}

static struct fw_connection unanswered(void)
{
    return (struct fw_connection){
        .client_state = FW_SYN_SENT,
        .client_path = FW_SYN_SENT,
        .handshake_ns = -1,
        .syns = { 3, 0 },
    };
}

/* Whether the first check of `all FILTER : ...` holds, 10 seconds after the epoch. */
static bool holds(const char *text, const struct fw_connection *of)
{
    struct expectations *expectations = parse(text);

    ck_assert_msg(expectations != NULL, "%s: %s", text, told);
    const struct expectation *one = &expectations->list[0];
    const bool result = check_holds(&one->checks[0], one, of, 10 * FW_SECOND, 0);
    expectations_destroy(expectations);
    return result;
}

static const struct {
    const char *check;
    bool leak, closed, reset, refused, unanswered;
} checks[] = {
    { "all : handshake complete", true, true, true, false, false },
    { "all : handshake within 20ms", true, true, true, false, false },
    { "all : handshake within 19ms", false, false, false, false, false },
    { "all : refused", false, false, false, true, false },
    { "all : no-answer", false, false, false, false, true },
    { "all : closed", false, true, true, false, false },
    { "all : closed by client", false, true, false, false, false },
    { "all : closed by server", false, false, true, false, false },
    { "all : closed by client with fin", false, true, false, false, false },
    { "all : closed with rst", false, false, true, false, false },
    { "all : no reset", true, true, false, false, true },
    { "all : state server CLOSE_WAIT", true, false, false, false, false },
    { "all : state client syn-sent", false, false, false, false, true },
    { "all : state server UNKNOWN", false, false, false, false, true },
    { "all : state client TIMED_WAIT", false, true, false, false, false }, /* a timer ended it */
    { "all : state client CLOSED", false, true, true, true, false },
    { "all : path client SYN_SENT ESTAB FIN-WAIT-1 FIN_WAIT2", true, false, true, false, false },
    { "all : path client CLOSED > SYN_SENT", false, false, false, false, true },
    { "all : path server LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT", true, true, true, false, false },
    { "all : client_syns = 1", true, true, true, true, false },
    { "all : handshake_ns = null", false, false, false, true, true },
    { "all state close-wait : for = 8s", true, false, false, false, false },
    { "all state fin-wait-2 : for >= 9s", true, false, false, false, false },
    { "all state fin-wait-2,close-wait : for >= 9s", true, false, false, false, false },
    { "all : for <= 8s", true, true, true, false, false },
};

START_TEST(a_check_holds_or_does_not)
{
    const struct fw_connection all[] = { leak(), closed(), reset(), refused(), unanswered() };

    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const bool expected[] = { checks[i].leak, checks[i].closed, checks[i].reset,
                                  checks[i].refused, checks[i].unanswered };

        for (size_t j = 0; j < 5; j++) {
            if (strstr(checks[i].check, "for ") && j > 0)
                continue; /* a filter selects only what it is about */
            ck_assert_msg(holds(checks[i].check, &all[j]) == expected[j], "%s: connection %zu",
                          checks[i].check, j);
        }
    }
}
END_TEST

START_TEST(a_packet_fits_by_the_letters_that_decide)
{
    static const struct {
        const char *check;
        uint16_t flags;
        bool fits;
    } rows[] = {
        { "all : packets > S", FW_SYN, true },
        { "all : packets > S", FW_SYN | FW_ECE | FW_CWR, true },
        { "all : packets > SEW", FW_SYN | FW_ECE | FW_CWR, true },
        { "all : packets > SEW", FW_SYN, false },
        { "all : packets > S", FW_SYN | FW_ACK, false },
        { "all : packets > .", FW_ACK | FW_PSH, true },
        { "all : packets > P.", FW_ACK, false },
        { "all : packets > F.", FW_FIN | FW_PSH | FW_ACK, true },
        { "all : packets > R", FW_RST | FW_ACK, false },
        { "all : packets > none", 0, true },
        { "all : packets < S", FW_SYN, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct fw_segment segment = { .flags = rows[i].flags };
        struct fw_step step = { .segment = &segment, .from = FW_CLIENT };
        struct expectations *expectations = parse(rows[i].check);

        ck_assert_msg(expectations != NULL, "%s", told);
        const struct expected_packet *packet = &expectations->list[0].checks[0].packets[0];
        ck_assert_msg(check_packet_fits(packet, &step) == rows[i].fits, "%s", rows[i].check);
        step.note = FW_NOTE_DUPLICATE;
        ck_assert(!check_packet_fits(packet, &step));
        expectations_destroy(expectations);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_error_names_line_column_and_the_nearest_word, many_errors_are_counted_at_the_end,
        lines_names_and_comments_are_told_apart,         a_check_holds_or_does_not,
        a_packet_fits_by_the_letters_that_decide,
    };
    return UNIT_RUN("expect", tests);
}
