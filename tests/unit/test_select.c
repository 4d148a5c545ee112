#include "select.h"

#include "addr.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct fw_endpoint endpoint(const char *text)
{
    struct fw_endpoint value;

    ck_assert(endpoint_parse(text, strlen(text), &value));
    return value;
}

static struct fw_connection connection(const char *client, const char *server,
                                       enum fw_state client_state, enum fw_state server_state)
{
    struct fw_connection value = {
        .client_state = client_state,
        .server_state = server_state,
    };

    value.identity.client = endpoint(client);
    value.identity.server = endpoint(server);
    return value;
}

static bool matches(const char *text, const struct fw_connection *of)
{
    char error[256] = "";
    struct selection *selection = selection_parse(text, error, sizeof error);
    bool matched;

    ck_assert_msg(selection != NULL, "%s: %s", text, error);
    matched = selection_match(selection, of);
    selection_destroy(selection);
    return matched;
}

struct row {
    const char *text;
    bool expected;
};

static void check_rows(const struct row *rows, size_t count, const struct fw_connection *of)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(matches(rows[i].text, of) == rows[i].expected, "%s", rows[i].text);
}

#define CHECK_ROWS(rows, of) check_rows(rows, sizeof(rows) / sizeof(rows)[0], of)

static void refuses(const char *text, const char *why)
{
    char error[256] = "";
    struct selection *selection = selection_parse(text, error, sizeof error);

    ck_assert_msg(selection == NULL, "%s: accepted", text);
    ck_assert_str_eq(error, why);
}

START_TEST(src_is_the_client_and_dst_the_server)
{
    const struct fw_connection of =
        connection("192.168.1.10:50001", "10.0.0.1:443", FW_ESTABLISHED, FW_ESTABLISHED);
    static const struct row rows[] = {
        { "src 192.168.1.10", true },   { "dst 192.168.1.10", false },
        { "dst 10.0.0.1", true },       { "dst = 10.0.0.1", true },
        { "dst == 10.0.0.1", true },    { "dst eq 10.0.0.1", true },
        { "dst != 10.0.0.1", false },   { "dst ne 10.0.0.2", true },
        { "dst neq 10.0.0.1", false },  { "dst 10.0.0.1:443", true },
        { "dst 10.0.0.1:80", false },   { "dst 10.0.0.1:https", true },
        { "dst :443", true },           { "dst :https", true },
        { "dst *:443", true },          { "dst *", true },
        { "dst 10.0.0.1:*", true },     { "dst 10.0.0.0/8", true },
        { "dst 10.0.0.0/8:443", true }, { "dst 10.0.0.0/8:80", false },
        { "dst 11.0.0.0/8", false },    { "dst 0.0.0.0/0", true },
        { "dst=10.0.0.1", true },       { "dst!=10.0.0.1", false },
        { "src ::1", false },
    };

    CHECK_ROWS(rows, &of);
}
END_TEST

START_TEST(addresses_of_ip_version_6_may_stand_in_brackets)
{
    const struct fw_connection of =
        connection("[2001:db8::10]:50001", "[2001:db8:1::1]:22", FW_ESTABLISHED, FW_ESTABLISHED);
    static const struct row rows[] = {
        { "dst 2001:db8:1::1", true },       { "dst [2001:db8:1::1]", true },
        { "dst [2001:db8:1::1]:22", true },  { "dst [2001:db8:1::1]:23", false },
        { "dst [2001:db8:1::1]:ssh", true }, { "dst 2001:db8::/32", true },
        { "dst 2001:db8::/32:22", true },    { "dst [2001:db8::]/32", true },
        { "dst [2001:db8::]/32:22", true },  { "dst [2001:db8::]/32:23", false },
        { "dst 2001:db8::/64", false },      { "dst ::/0", true },
        { "dst 0.0.0.0/0", false },
    };

    CHECK_ROWS(rows, &of);
}
END_TEST

START_TEST(ports_compare_with_every_sign_and_word)
{
    const struct fw_connection of =
        connection("192.168.1.10:50001", "10.0.0.1:443", FW_ESTABLISHED, FW_ESTABLISHED);
    static const struct row rows[] = {
        { "dport = :443", true },   { "dport = 443", true },    { "dport :443", true },
        { "dport 443", true },      { "dport = :https", true }, { "dport = https", true },
        { "dport eq :443", true },  { "dport != :443", false }, { "dport ne :80", true },
        { "dport neq 80", true },   { "dport < :444", true },   { "dport lt :443", false },
        { "dport <= :443", true },  { "dport le :442", false }, { "dport > :442", true },
        { "dport gt :443", false }, { "dport >= :443", true },  { "dport ge :444", false },
        { "sport = :443", false },  { "sport = :50001", true }, { "sport >= :1024", true },
        { "dport = *:443", true },  { "dport>=:443", true },    { "dport = *", true },
    };

    CHECK_ROWS(rows, &of);
}
END_TEST

START_TEST(a_state_is_either_ends_in_any_spelling)
{
    const struct fw_connection of =
        connection("1.2.3.4:5", "6.7.8.9:10", FW_FIN_WAIT_2, FW_CLOSE_WAIT);
    static const struct row rows[] = {
        { "state close-wait", true },         { "state CLOSE_WAIT", true },
        { "state fin-wait-2", true },         { "state FIN_WAIT2", true },
        { "state = close-wait", true },       { "state != close-wait", false },
        { "state established", false },       { "exclude close-wait", false },
        { "exclude established", true },      { "state established,close-wait", true },
        { "state time-wait,closing", false },
    };

    CHECK_ROWS(rows, &of);
}
END_TEST

START_TEST(the_groups_are_those_of_ss)
{
    static const struct {
        enum fw_state state;
        bool connected, synchronized, bucket, big;
    } rows[] = {
        { FW_UNKNOWN, false, false, false, true },    { FW_CLOSED, false, false, false, true },
        { FW_LISTEN, false, false, false, true },     { FW_SYN_SENT, true, false, false, true },
        { FW_SYN_RECEIVED, true, true, true, false }, { FW_ESTABLISHED, true, true, false, true },
        { FW_FIN_WAIT_1, true, true, false, true },   { FW_FIN_WAIT_2, true, true, false, true },
        { FW_CLOSE_WAIT, true, true, false, true },   { FW_CLOSING, true, true, false, true },
        { FW_LAST_ACK, true, true, false, true },     { FW_TIME_WAIT, true, true, true, false },
    };

    ck_assert_uint_eq(sizeof rows / sizeof rows[0], FW_STATE_COUNT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct fw_connection of =
            connection("1.2.3.4:5", "6.7.8.9:10", rows[i].state, rows[i].state);

        ck_assert(matches("state all", &of));
        ck_assert_int_eq(matches("state connected", &of), rows[i].connected);
        ck_assert_int_eq(matches("state synchronized", &of), rows[i].synchronized);
        ck_assert_int_eq(matches("state bucket", &of), rows[i].bucket);
        ck_assert_int_eq(matches("state big", &of), rows[i].big);
        ck_assert_int_eq(matches("state listening", &of), rows[i].state == FW_LISTEN);
        ck_assert_int_eq(matches("state unconnected", &of), rows[i].state == FW_CLOSED);
    }
}
END_TEST

START_TEST(and_binds_tighter_than_or_and_may_be_left_out)
{
    const struct fw_connection of =
        connection("192.168.1.10:50001", "10.0.0.1:443", FW_ESTABLISHED, FW_CLOSE_WAIT);
    static const struct row rows[] = {
        { "dport 443 and sport 50001", true },
        { "dport 443 sport 50001", true },
        { "dport 443 && sport 1", false },
        { "dport 443 & sport 1", false },
        { "dport 1 or sport 50001", true },
        { "dport 1 || sport 1", false },
        { "dport 1 | sport 50001", true },
        { "dport 443 or dport 1 and dport 2", true },
        { "( dport 443 or dport 1 ) and dport 2", false },
        { "(dport 443 or dport 1)dport 2", false },
        { "dport 1 dport 2 or dport 443", true },
        { "not dport 443", false },
        { "! dport 443", false },
        { "!dport 443", false },
        { "not not dport 443", true },
        { "not ( dport 443 and sport 1 )", true },
        { "not dport 1 and dport 443", true },
        { "!(dport=:443)", false },
        { "state close-wait and dport = :443 and dst 10.0.0.0/8", true },
        { "state close-wait ( dport = :443 or sport = :443 )", true },
    };

    CHECK_ROWS(rows, &of);
}
END_TEST

START_TEST(errors_name_the_column_and_the_nearest_word)
{
    refuses("", "column 1: a condition is missing before the end");
    refuses("stat close-wait", "column 1: \"stat\": unknown word; did you mean state?");
    refuses("dport 80 and dprot 443", "column 14: \"dprot\": unknown word; did you mean dport?");
    refuses("state clsoe-wait",
            "column 7: \"clsoe-wait\": unknown state; did you mean CLOSE-WAIT?");
    refuses("state synchronised",
            "column 7: \"synchronised\": unknown state; did you mean synchronized?");
    refuses("state close-wait,tim-wait",
            "column 18: \"tim-wait\": unknown state; did you mean TIME-WAIT?");
    refuses("state", "column 6: a state is missing before the end");
    refuses("src", "column 4: an address is missing before the end");
    refuses("src < 10.0.0.1", "column 5: addresses have no order: only = and !=");
    refuses("dst 10.0.0.256", "column 5: \"10.0.0.256\": not an address (10.0.0.1, 10.0.0.0/8, "
                              "[2001:db8::1]:443, :443); names are not looked up here");
    refuses("dport = :99999", "column 9: \"99999\": not a port (0 to 65535)");
    refuses("dport = :htttps",
            "column 9: \"htttps\": neither a port nor a service that is known by "
            "name; did you mean https?");
    refuses("dport", "column 6: a port is missing before the end");
    refuses("( dport 80", "column 11: \")\" is missing before the end");
    refuses("dport 80 )", "column 10: \")\": not expected here");
    refuses("dport 80 and", "column 13: a condition is missing before the end");
    refuses("or dport 80", "column 1: a condition is missing before \"or\"");
    refuses("= 80", "column 1: a condition is missing before \"=\"");
    refuses("()", "column 2: a condition is missing before \")\"");
}
END_TEST

START_TEST(nesting_is_bounded)
{
    static char text[400000];
    char error[256];
    struct selection *selection;
    size_t used = 0;

    for (int i = 0; i < 64; i++)
        used += (size_t)sprintf(text + used, "dport 1 or dport 2 and (");
    used += (size_t)sprintf(text + used, "dport 3");
    memset(text + used, ')', 64);
    text[used + 64] = '\0';
    selection = selection_parse(text, error, sizeof error);
    ck_assert_msg(selection != NULL, "%s", error);
    selection_destroy(selection);

    memset(text, '(', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    refuses(text, "column 65: more than 64 parentheses within one another");
}
END_TEST

START_TEST(long_chains_need_no_depth)
{
    static char text[400000];
    const struct fw_connection of = connection("1.2.3.4:5", "6.7.8.9:10", FW_CLOSED, FW_CLOSED);
    size_t used = 0;

    for (int i = 0; i < 10000; i++)
        used += (size_t)sprintf(text + used, "not dport 99 and ! ! dport 10 or ");
    sprintf(text + used, "dport 7");
    ck_assert(matches(text, &of));
}
END_TEST

START_TEST(the_short_form_lists_states)
{
    char error[256];
    const struct fw_connection of =
        connection("1.2.3.4:5", "6.7.8.9:10", FW_FIN_WAIT_2, FW_CLOSE_WAIT);
    struct selection *selection =
        selection_parse_states("close-wait,TIME_WAIT", error, sizeof error);

    ck_assert(selection_match(selection, &of));
    selection_destroy(selection);
    selection = selection_parse_states("bucket", error, sizeof error);
    ck_assert(!selection_match(selection, &of));
    selection_destroy(selection);
    ck_assert_ptr_null(selection_parse_states("close-wait,,closing", error, sizeof error));
    ck_assert_str_eq(error, "column 12: \"\": unknown state");
}
END_TEST

START_TEST(a_tuple_is_found_in_either_order)
{
    const struct fw_connection of =
        connection("192.168.1.10:50001", "10.0.0.1:80", FW_ESTABLISHED, FW_ESTABLISHED);
    static const struct row rows[] = {
        { "10.0.0.1:80", true },
        { "192.168.1.10:50001", true },
        { "10.0.0.1:81", false },
        { "192.168.1.10:50001-10.0.0.1:80", true },
        { "10.0.0.1:80-192.168.1.10:50001", true },
        { "10.0.0.1:80-192.168.1.10:50002", false },
        { "10.0.0.1:80-10.0.0.1:80", false },
        { "[2001:db8::1]:80-10.0.0.1:80", false },
        { ":80", true },
    };
    char error[256] = "";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct selection *selection = selection_parse_tuple(rows[i].text, error, sizeof error);

        ck_assert_msg(selection != NULL, "%s: %s", rows[i].text, error);
        ck_assert_msg(selection_match(selection, &of) == rows[i].expected, "%s", rows[i].text);
        selection_destroy(selection);
    }
    ck_assert_ptr_null(selection_parse_tuple("nonsense", error, sizeof error));
    ck_assert_ptr_null(selection_parse_tuple("10.0.0.1:80-", error, sizeof error));
    ck_assert_ptr_null(selection_parse_tuple("", error, sizeof error));
}
END_TEST

START_TEST(two_selections_combine)
{
    const struct fw_connection of =
        connection("192.168.1.10:50001", "10.0.0.1:80", FW_ESTABLISHED, FW_CLOSE_WAIT);
    char error[256];
    struct selection *both = NULL;

    ck_assert(selection_match(NULL, &of));
    ck_assert(selection_and(&both, NULL));
    ck_assert_ptr_null(both);
    ck_assert(selection_and(&both, selection_parse("dport 80 or dport 81", error, sizeof error)));
    ck_assert(selection_match(both, &of));
    ck_assert(selection_and(&both, NULL));
    ck_assert(selection_and(&both, selection_parse_states("close-wait", error, sizeof error)));
    ck_assert(selection_match(both, &of));
    ck_assert(selection_and(&both, selection_parse_states("closing", error, sizeof error)));
    ck_assert(!selection_match(both, &of));
    selection_destroy(both);
    selection_destroy(NULL);
}
END_TEST

static bool is_fixed(const char *text)
{
    char error[256];
    struct selection *selection = selection_parse(text, error, sizeof error);
    ck_assert_msg(selection, "%s", error);
    const bool fixed = selection_is_fixed(selection);
    selection_destroy(selection);
    return fixed;
}

START_TEST(addresses_and_ports_are_known_at_the_first_packet)
{
    ck_assert(selection_is_fixed(NULL));
    ck_assert(is_fixed("dst 10.0.0.1 and not sport = :50001"));
    ck_assert(is_fixed("client_addr = 10.0.0.1 or conn = 7 and vlan = 3 and server_port != 80"));
    ck_assert(!is_fixed("dst 10.0.0.1 and state close-wait"));
    ck_assert(!is_fixed("client_retransmits > 3 or dport = :80"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        src_is_the_client_and_dst_the_server,
        addresses_and_ports_are_known_at_the_first_packet,
        addresses_of_ip_version_6_may_stand_in_brackets,
        ports_compare_with_every_sign_and_word,
        a_state_is_either_ends_in_any_spelling,
        the_groups_are_those_of_ss,
        and_binds_tighter_than_or_and_may_be_left_out,
        errors_name_the_column_and_the_nearest_word,
        nesting_is_bounded,
        long_chains_need_no_depth,
        the_short_form_lists_states,
        a_tuple_is_found_in_either_order,
        two_selections_combine,
    };
    return UNIT_RUN("select", tests);
}
