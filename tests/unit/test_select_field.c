#include "select.h"

#include "addr.h"
#include "unit.h"

#include <string.h>

static struct fw_connection sample(void)
{
    struct fw_connection of = {
        .client_state = FW_FIN_WAIT_2,
        .server_state = FW_CLOSE_WAIT,
        .open = FW_OPEN_COMPLETE,
        .end = FW_END_OPEN,
        .closed_by = FW_CLOSED_BY_CLIENT,
        .dir_by = FW_DIR_SYN,
        .first_time = INT64_C(1706702400) * FW_SECOND, /* 2024-01-31T12:00:00Z */
        .last_time = INT64_C(1706702460) * FW_SECOND,
        .handshake_ns = 21 * FW_MILLISECOND,
        .rtt_client_ns = -1,
        .rtt_server_ns = -1,
        .bytes = { 2000000, 18 },
        .rsts = { 0, 1 },
        .packets = { 200, 0 },
        .retransmits = { 2, 0 },
        .lossy = true,
        .completeness = 15,
    };

    of.identity.id = 7;
    strcpy(of.zeek_history, "ShADaF");
    ck_assert(endpoint_parse("192.168.1.10:50001", 18, &of.identity.client));
    ck_assert(endpoint_parse("10.0.0.1:443", 12, &of.identity.server));
    return of;
}

static const struct {
    const char *text;
    bool expected;
} rows[] = {
    { "handshake_ns > 20ms", true },
    { "handshake_ns > 21ms", false },
    { "handshake_ns = 21000000", true },
    { "handshake_ns <= 0.021s", true },
    { "handshake_ns != null", true },
    { "handshake_ns = null", false },
    { "rtt_client_ns = null", true },
    { "rtt_client_ns < 5s", false },
    { "rtt_client_ns != 5s", true },
    { "duration_ns = 60s", true },
    { "client_bytes >= 2MB", true },
    { "client_bytes = 2M", true },
    { "client_bytes < 2000000B", false },
    { "server_bytes = 18", true },
    { "client_rsts = 0 and server_rsts > 0", true },
    { "client_retransmits <= 1%", true },
    { "client_retransmits < 1%", false },
    { "client_retransmits > 0.99%", true },
    { "client_retransmits = 1.0%", true },
    { "server_retransmits = 0%", true }, /* of no packet at all */
    { "server_rsts > 100%", true },
    { "open = complete", true },
    { "open = no-answer", false },
    { "open != \"no answer\"", true },
    { "closed_by = client", true },
    { "end = open", true },
    { "dir_by = SYN", true },
    { "client_state = fin-wait-2", true },
    { "server_state eq CLOSE_WAIT", true },
    { "server_state = TIMED_WAIT", false },
    { "client_addr = 192.168.1.10", true },
    { "server_addr != 10.0.0.1", false },
    { "server_port = 443", true },
    { "lossy = true", true },
    { "midstream = false", true },
    { "cause = null", true },
    { "cause != null", false },
    { "zeek_history = ShADaF", true },
    { "zeek_history = shadaf", false },
    { "completeness >= 15", true },
    { "conn = 7", true },
    { "first_ts >= 2024-01-31", true },
    { "first_ts = 2024-01-31T12:00:00Z", true },
    { "last_ts > '2024-01-31 12:01:00'", false },
    { "state close-wait and not ( lossy = false or conn > 7 )", true },
};

START_TEST(a_key_of_the_record_compares_as_what_it_holds)
{
    const struct fw_connection of = sample();

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char error[256] = "";
        struct selection *selection = selection_parse(rows[i].text, error, sizeof error);

        ck_assert_msg(selection != NULL, "%s: %s", rows[i].text, error);
        ck_assert_msg(selection_match(selection, &of) == rows[i].expected, "%s", rows[i].text);
        selection_destroy(selection);
    }
}
END_TEST

static void refuses(const char *text, const char *why)
{
    char error[256] = "";

    ck_assert_msg(!selection_parse(text, error, sizeof error), "%s: accepted", text);
    ck_assert_str_eq(error, why);
}

START_TEST(a_comparison_of_the_wrong_type_is_refused)
{
    refuses("handshake_ns", "column 13: a comparison (= != < <= > >=) is missing before the end");
    refuses("handshake_ns 5", "column 14: a comparison (= != < <= > >=) is missing before \"5\"");
    refuses("handshake_ns >", "column 15: a value is missing before the end");
    refuses("handshake_ns > 5x",
            "column 16: \"5x\": handshake_ns is a number of ns, or a time such as 50ms");
    refuses("client_bytes > few",
            "column 16: \"few\": client_bytes is a number of bytes, such as 1500 or 2MB");
    refuses("server_port > https", "column 15: \"https\": server_port is a number");
    refuses("lossy = yes", "column 9: \"yes\": lossy is true or false");
    refuses("lossy > true", "column 9: lossy has no order: only = and !=");
    refuses("open < complete", "column 8: open has no order: only = and !=");
    refuses("handshake_ns > null", "column 16: null has no order: only = and !=");
    refuses("open = refusd", "column 8: \"refusd\": open is never that; did you mean refused?");
    refuses("client_state = ESTABLISHD",
            "column 16: \"ESTABLISHD\": unknown state; did you mean ESTABLISHED?");
    refuses("client_addr = web", "column 15: \"web\": not an address");
    refuses("first_ts > noon",
            "column 12: \"noon\": first_ts is a time, such as 2024-01-31T12:00:00Z");
    refuses("t > 5", "column 1: t counts from the first packet of all: compare ts instead");
    refuses("handshake_n > 5",
            "column 1: \"handshake_n\": unknown word; did you mean handshake_ns?");
    refuses("client_bytes > 1%", "column 16: \"1%\": client_bytes is no share of packets");
    refuses("client_packets > 1%", "column 18: \"1%\": client_packets is no share of packets");
    refuses("client_syns > 101%", "column 15: \"101%\": client_syns is a number");
    refuses("cause = \"data", "column 9: the quote is not closed");
    refuses("\"cause\" = x", "column 2: only a value can stand in quotes");
}
END_TEST

START_TEST(keys_of_other_tools_are_asked_for_by_name)
{
    char error[256];
    struct selection *selection = selection_parse("zeek_conn_state = S1", error, sizeof error);

    ck_assert(selection_wants_interop(selection));
    ck_assert(selection_and(&selection, selection_create_id(7)));
    ck_assert(selection_wants_interop(selection));
    selection_destroy(selection);
    selection = selection_parse("client_fins = 1", error, sizeof error);
    ck_assert(!selection_wants_interop(selection));
    ck_assert(selection_and(&selection, selection_parse("cause = x", error, sizeof error)));
    selection_destroy(selection);
    ck_assert(!selection_wants_interop(NULL));
}
END_TEST

START_TEST(a_single_comparison_is_told_from_more)
{
    char error[256];
    size_t column = 0;
    struct selection *selection = selection_parse_at("client_fins = 1", &column, error, 256);

    ck_assert_ptr_nonnull(selection_field(selection));
    ck_assert_uint_eq(selection_states(selection), 0);
    selection_destroy(selection);
    selection = selection_parse("state close-wait and not state closed", error, sizeof error);
    ck_assert_ptr_null(selection_field(selection));
    ck_assert_uint_eq(selection_states(selection), 1u << FW_CLOSE_WAIT);
    selection_destroy(selection);
    ck_assert_ptr_null(selection_parse_at("src 1.2.3.4 and stat x", &column, error, 256));
    ck_assert_uint_eq(column, 17);
    ck_assert_str_eq(error, "\"stat\": unknown word; did you mean state?");
}
END_TEST

START_TEST(one_connection_is_selected_by_its_number)
{
    struct fw_connection of = sample();
    struct selection *selection = selection_create_id(7);

    ck_assert(selection_match(selection, &of));
    of.identity.id = 8;
    ck_assert(!selection_match(selection, &of));
    selection_destroy(selection);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_key_of_the_record_compares_as_what_it_holds, a_comparison_of_the_wrong_type_is_refused,
        keys_of_other_tools_are_asked_for_by_name,     a_single_comparison_is_told_from_more,
        one_connection_is_selected_by_its_number,
    };
    return UNIT_RUN("select_field", tests);
}
