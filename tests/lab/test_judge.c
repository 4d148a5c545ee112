/* The judge, on a recording made by hand: one that it must pass, and many that it must not. */
#include "judging.h"
#include "segment.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define TUPLE                                                                                      \
    "\"client_addr\":\"10.9.0.1\",\"client_port\":40001,"                                          \
    "\"server_addr\":\"10.9.0.2\",\"server_port\":80"
#define TRUTH(frame, from, client, server)                                                         \
    "{\"frame\":" #frame ",\"from\":\"" from "\"," client "," server "," TUPLE "}\n"
#define QUIET(frame, client, server)                                                               \
    "{\"frame\":" #frame ",\"quiet\":true," client "," server "," TUPLE "}\n"
#define CLIENT_IS(state)          "\"client\":\"" state "\""
#define SERVER_IS(state)          "\"server\":\"" state "\""
#define CLIENT_WAS(states, state) "\"client_since\":\"" states "\"," CLIENT_IS(state)
#define SERVER_WAS(states, state) "\"server_since\":\"" states "\"," SERVER_IS(state)
#define EVENT(frame, conn, client, server)                                                         \
    "{\"v\":1,\"type\":\"transition\",\"t\":0.0,\"frame\":" #frame ",\"conn\":" #conn "," TUPLE    \
    ",\"endpoint\":\"client\",\"cause\":\"a \\\"word\\\"\",\"client_state\":\"" client             \
    "\",\"server_state\":\"" server "\"}\n"

/* clang-format off */
/* SYN, SYN+ACK, ACK, FIN, ACK */
static const char truth_of_five[] =
    TRUTH(1, "client", CLIENT_IS("SYN_SENT"), SERVER_WAS("LISTEN SYN_RECEIVED", "SYN_RECEIVED") ",\"server_unheard\":true")
    TRUTH(2, "server", CLIENT_WAS("SYN_SENT ESTABLISHED", "ESTABLISHED"), SERVER_IS("SYN_RECEIVED"))
    TRUTH(3, "client", CLIENT_IS("ESTABLISHED"), SERVER_WAS("SYN_RECEIVED ESTABLISHED", "ESTABLISHED"))
    QUIET(3,           CLIENT_IS("ESTABLISHED"), SERVER_IS("ESTABLISHED"))
    TRUTH(4, "client", CLIENT_IS("FIN_WAIT_1"), SERVER_WAS("ESTABLISHED CLOSE_WAIT", "CLOSE_WAIT"))
    TRUTH(5, "server", CLIENT_WAS("FIN_WAIT_1 FIN_WAIT_2", "FIN_WAIT_2"), SERVER_IS("CLOSE_WAIT"))
    QUIET(5,           CLIENT_IS("FIN_WAIT_2"), SERVER_IS("CLOSE_WAIT"));

#define SYN     EVENT(1, 1, "SYN_SENT", "UNKNOWN")
#define SYN_ACK EVENT(2, 1, "SYN_SENT", "SYN_RECEIVED")
#define OPENING SYN SYN_ACK EVENT(3, 1, "ESTABLISHED", "SYN_RECEIVED") EVENT(3, 1, "ESTABLISHED", "ESTABLISHED")
#define CLOSING EVENT(4, 1, "FIN_WAIT_1", "ESTABLISHED") EVENT(5, 1, "FIN_WAIT_1", "CLOSE_WAIT") EVENT(5, 1, "FIN_WAIT_2", "CLOSE_WAIT")
#define REUSE   EVENT(4, 1, "CLOSED", "TIME_WAIT") EVENT(5, 2, "SYN_SENT", "UNKNOWN")
/* clang-format on */

static char account[65536];
static struct figures figures;

static void put_packet(FILE *pcap, uint8_t flags, bool from_client, uint32_t second)
{
    struct segment segment = { .flags = flags, .seq = 1000, .ack = 2000, .window = 100 };
    struct endpoint client, server;
    uint8_t bytes[PACKET_ROOM];
    endpoint_from_text("10.9.0.1", 40001, &client);
    endpoint_from_text("10.9.0.2", 80, &server);
    segment.from = from_client ? client : server;
    segment.to = from_client ? server : client;
    const uint32_t size = (uint32_t)segment_build(&segment, bytes);
    const uint32_t header[4] = { second, 0, size, size };
    fwrite(header, sizeof(header), 1, pcap);
    fwrite(bytes, size, 1, pcap);
}

static FILE *make_capture(void)
{
    const uint32_t header[6] = { 0xa1b23c4d, 2 | 4 << 16, 0, 0, 65535, 101 };
    FILE *pcap = tmpfile();
    fwrite(header, sizeof(header), 1, pcap);
    put_packet(pcap, TCP_SYN, true, 1);
    put_packet(pcap, TCP_SYN | TCP_ACK, false, 2);
    put_packet(pcap, TCP_ACK, true, 3);
    put_packet(pcap, TCP_FIN | TCP_ACK, true, 4);
    put_packet(pcap, TCP_ACK, false, 5);
    rewind(pcap);
    return pcap;
}

static FILE *make_text(const char *text)
{
    FILE *file = tmpfile();
    fputs(text, file);
    rewind(file);
    return file;
}

static int judge(const char *truth_text, const char *events_text)
{
    FILE *pcap = make_capture(), *truth = make_text(truth_text), *events = make_text(events_text);
    memset(account, 0, sizeof(account));
    memset(&figures, 0, sizeof(figures));
    FILE *out = fmemopen(account, sizeof(account), "w");
    const int wrong = judge_recording("by hand", pcap, truth, events, out, &figures);
    fclose(out);
    fclose(pcap);
    fclose(truth);
    fclose(events);
    return wrong;
}

START_TEST(the_truth_agrees_with_itself)
{
    ck_assert_int_eq(judge(truth_of_five, OPENING CLOSING), 0);
    ck_assert_int_eq(figures.frames, 5);
    ck_assert_int_eq(figures.quiet, 2);
    ck_assert_int_eq(figures.judged, 14);
    ck_assert_int_eq(figures.agreed, 14);
    ck_assert_int_eq(figures.right, 1);
}
END_TEST

START_TEST(silence_is_wrong)
{
    ck_assert_int_gt(judge(truth_of_five, ""), 0);
    ck_assert_int_eq(figures.right, 0);
    ck_assert_ptr_nonnull(strstr(account, "finwait shows none"));
}
END_TEST

START_TEST(a_sender_must_be_exact)
{
    ck_assert_int_gt(judge(truth_of_five, OPENING), 0);
    ck_assert_ptr_nonnull(strstr(account, "frame 4: the client's kernel was in FIN_WAIT_1, "
                                          "finwait shows ESTABLISHED"));
    ck_assert_ptr_nonnull(strstr(account, "client F. seq 0"));
}
END_TEST

START_TEST(the_other_side_may_lag_until_its_own_frame)
{
    const char *lagging = EVENT(1, 1, "SYN_SENT", "UNKNOWN") EVENT(2, 1, "SYN_SENT", "SYN_RECEIVED")
        EVENT(3, 1, "ESTABLISHED", "SYN_RECEIVED");
    ck_assert_int_gt(judge(truth_of_five, lagging), 0);
    ck_assert_ptr_nonnull(strstr(account, "quiet after frame 3"));
    ck_assert_ptr_null(strstr(account, "hand: frame 3"));
}
END_TEST

START_TEST(the_other_side_must_not_be_ahead)
{
    const char *ahead = OPENING EVENT(4, 1, "FIN_WAIT_2", "CLOSE_WAIT");
    ck_assert_int_eq(judge(truth_of_five, ahead), 1);
    ck_assert_ptr_nonnull(strstr(account, "frame 4: the client's kernel was in FIN_WAIT_1"));
}
END_TEST

START_TEST(never_heard_may_be_unknown_and_nothing_else_wrong)
{
    const char *bold = EVENT(1, 1, "SYN_SENT", "ESTABLISHED")
        EVENT(2, 1, "SYN_SENT", "SYN_RECEIVED") EVENT(3, 1, "ESTABLISHED", "ESTABLISHED") CLOSING;
    ck_assert_int_eq(judge(truth_of_five, bold), 1);
    ck_assert_ptr_nonnull(
        strstr(account, "frame 1: the server's kernel was in LISTEN SYN_RECEIVED"));
}
END_TEST

START_TEST(heard_of_must_not_be_unknown)
{
    const char *deaf =
        EVENT(1, 1, "SYN_SENT", "UNKNOWN") EVENT(3, 1, "ESTABLISHED", "ESTABLISHED") CLOSING;
    ck_assert_int_eq(judge(truth_of_five, deaf), 1);
    ck_assert_ptr_nonnull(strstr(account, "frame 2: the server's kernel was in SYN_RECEIVED"));
}
END_TEST

START_TEST(a_hidden_side_is_left_out_and_counted)
{
    const char *truth = TRUTH(5, "server", CLIENT_IS("CLOSED") ",\"client_hidden\":\"a timer\"",
                              SERVER_IS("CLOSE_WAIT"));
    ck_assert_int_eq(judge(truth, EVENT(5, 1, "FIN_WAIT_2", "CLOSE_WAIT")), 0);
    ck_assert_int_eq(figures.hidden, 1);
    ck_assert_int_eq(figures.judged, 1);
}
END_TEST

START_TEST(a_difference_with_the_rfc_is_counted_apart)
{
    const char *truth = TRUTH(5, "server", CLIENT_IS("SYN_SENT"),
                              SERVER_IS("LISTEN") ",\"server_rfc\":\"SYN_RECEIVED, section 3\"");
    ck_assert_int_eq(judge(truth, EVENT(2, 1, "SYN_SENT", "SYN_RECEIVED")), 0);
    ck_assert_int_eq(figures.rfc, 1);
    ck_assert_int_eq(judge(truth, EVENT(2, 1, "SYN_SENT", "ESTABLISHED")), 1);
}
END_TEST

START_TEST(the_old_connection_stands_until_the_new_one_hears_of_that_side)
{
    const char *truth = TRUTH(5, "client", CLIENT_IS("SYN_SENT"), SERVER_IS("TIME_WAIT"));
    ck_assert_int_eq(judge(truth, REUSE), 0);
    ck_assert_int_eq(judge(truth, EVENT(5, 2, "SYN_SENT", "UNKNOWN")), 1);
    ck_assert_int_eq(judge(truth, REUSE EVENT(5, 2, "SYN_SENT", "CLOSED")), 1);
}
END_TEST

START_TEST(the_roles_may_be_swapped)
{
    const char *truth =
        "{\"frame\":5,\"from\":\"client\",\"client\":\"SYN_SENT\",\"server\":\"LISTEN\","
        "\"server_unheard\":true,\"client_addr\":\"10.9.0.2\",\"client_port\":80,"
        "\"server_addr\":\"10.9.0.1\",\"server_port\":40001}\n";
    ck_assert_int_eq(judge(truth, EVENT(5, 1, "UNKNOWN", "SYN_SENT")), 0);
    ck_assert_int_eq(judge(truth, EVENT(5, 1, "SYN_SENT", "UNKNOWN")), 2);
}
END_TEST

START_TEST(a_truth_that_is_not_of_this_capture_is_refused)
{
    ck_assert_int_eq(judge(TRUTH(1, "client", CLIENT_IS("SYN_SENT"), SERVER_IS("LISTEN")), OPENING),
                     -1);
    ck_assert_ptr_nonnull(strstr(account, "do not belong together"));
    ck_assert_int_eq(figures.right, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge");
    TCase *tests = tcase_create("judge");
    tcase_add_test(tests, the_truth_agrees_with_itself);
    tcase_add_test(tests, silence_is_wrong);
    tcase_add_test(tests, a_sender_must_be_exact);
    tcase_add_test(tests, the_other_side_may_lag_until_its_own_frame);
    tcase_add_test(tests, the_other_side_must_not_be_ahead);
    tcase_add_test(tests, never_heard_may_be_unknown_and_nothing_else_wrong);
    tcase_add_test(tests, heard_of_must_not_be_unknown);
    tcase_add_test(tests, a_hidden_side_is_left_out_and_counted);
    tcase_add_test(tests, a_difference_with_the_rfc_is_counted_apart);
    tcase_add_test(tests, the_old_connection_stands_until_the_new_one_hears_of_that_side);
    tcase_add_test(tests, the_roles_may_be_swapped);
    tcase_add_test(tests, a_truth_that_is_not_of_this_capture_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
