#include "view_kit.h"

#include "unit.h"

#include <string.h>

static struct kit kit;

static struct summary *begin(void)
{
    kit_begin(&kit, &view_quiet);
    kit.summary.packets = 100;
    kit.summary.verdicts[FW_VERDICT_SEGMENT] = 100;
    kit.summary.tracker.connections = 16;
    return &kit.summary;
}

START_TEST(one_sentence_says_how_connections_ended)
{
    struct summary *summary = begin();
    summary->outcomes[OUTCOME_CLOSED] = 6;
    summary->outcomes[OUTCOME_NEVER_OPENED] = 4;
    summary->outcomes[OUTCOME_RESET] = 1;
    summary->outcomes[OUTCOME_HALF_CLOSED] = 1;
    summary->outcomes[OUTCOME_OPEN] = 4;
    summary->half_closed_id = 2;
    summary->half_closed_ns = 118896 * FW_MILLISECOND;
    kit.options.command_line = "-r lab.pcap";
    ck_assert_text(
        kit_finish(&kit),
        "16 connections: 6 closed, 4 never opened, 1 reset, 1 half-closed (#2, for 118.9 "
        "s), 4 open.\n"
        "finwait diagnose -r lab.pcap explains the 6 that did not end well.\n");
}
END_TEST

START_TEST(of_several_half_closed_the_oldest_is_named)
{
    struct summary *summary = begin();
    summary->outcomes[OUTCOME_HALF_CLOSED] = 16;
    summary->half_closed_id = 3;
    summary->half_closed_ns = 5 * FW_SECOND;
    ck_assert_text(kit_finish(&kit), "16 connections: 16 half-closed (oldest #3, for 5.0 s).\n");
}
END_TEST

START_TEST(under_a_selection_it_says_how_many_match)
{
    struct summary *summary = begin();
    kit.options.selection = (const struct selection *)&kit_selection;
    summary->outcomes[OUTCOME_CLOSED] = 2;
    ck_assert_text(kit_finish(&kit), "2 of 16 connections match: 2 closed.\n");

    begin();
    kit.options.selection = (const struct selection *)&kit_selection;
    ck_assert_text(kit_finish(&kit), "0 of 16 connections match.\n");
}
END_TEST

START_TEST(a_capture_without_tcp_says_so)
{
    struct summary *summary = begin();
    memset(summary->verdicts, 0, sizeof summary->verdicts);
    summary->tracker.connections = 0;
    summary->packets = 120;
    summary->verdicts[FW_VERDICT_NOT_TCP] = 118;
    summary->verdicts[FW_VERDICT_FRAGMENT] = 2;
    ck_assert_text(kit_finish(&kit),
                   "No TCP in 120 packets: 118 of other protocols, 2 later IP fragments.\n"
                   "not used: 2 later IP fragments\n");

    summary = begin();
    memset(summary->verdicts, 0, sizeof summary->verdicts);
    summary->tracker.connections = 0;
    summary->packets = 0;
    ck_assert_text(kit_finish(&kit), "No packet.\n");

    summary = begin();
    memset(summary->verdicts, 0, sizeof summary->verdicts);
    summary->tracker.connections = 0;
    summary->packets = 0;
    summary->filtered = 17;
    ck_assert_text(kit_finish(&kit), "No packet: the filter matches none of 17.\n");
}
END_TEST

START_TEST(tcp_without_a_connection_says_so)
{
    struct summary *summary = begin();
    summary->tracker.connections = 0;
    summary->tracker.lone_rsts = 100;
    ck_assert_text(kit_finish(&kit), "0 connections in 100 TCP segments.\n"
                                     "odd: 100 resets of no connection\n");
}
END_TEST

START_TEST(listeners_are_in_it)
{
    const struct fw_listener listeners[] = {
        { .endpoint = { .addr = { 10, 0, 0, 1 }, .port = 80, .family = FW_IPV4 }, .synacks = 12 },
        { .endpoint = { .addr = { 10, 0, 0, 22 }, .port = 8080, .family = FW_IPV4 },
          .scope = { .vlan = 7, .tunnel = FW_TUNNEL_VXLAN, .tunnel_id = 42 },
          .synacks = 1 },
    };
    struct summary *summary = begin();
    summary->outcomes[OUTCOME_CLOSED] = 13;
    summary->listeners = listeners;
    summary->listener_count = 2;
    ck_assert_text(kit_finish(&kit),
                   "13 connections: 13 closed.\n"
                   "LISTEN  10.0.0.1:80     answered 12 connections\n"
                   "LISTEN  10.0.0.22:8080  answered 1 connection  vlan 7  vxlan:42\n");
}
END_TEST

START_TEST(of_many_listeners_the_first_are_shown)
{
    static struct fw_listener listeners[300];
    struct summary *summary = begin();
    for (size_t i = 0; i < 300; i++)
        listeners[i] = (struct fw_listener){
            .endpoint = { .addr = { 10 }, .port = (uint16_t)i, .family = FW_IPV4 },
            .synacks = 1,
        };
    summary->outcomes[OUTCOME_CLOSED] = 300;
    summary->listeners = listeners;
    summary->listener_count = 300;
    kit.options.command_line = "-r scan.pcap";
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "10.0.0.0:19"));
    ck_assert_ptr_null(strstr(text, "10.0.0.0:20"));
    ck_assert_ptr_nonnull(
        strstr(text, "LISTEN  and 280 more: finwait table --listeners -r scan.pcap\n"));
    free(text);
}
END_TEST

START_TEST(nothing_that_was_not_used_is_silent)
{
    const struct skipped_link skipped[] = {
        { .link_type = 189, .interface = 2, .packets = 310 },
        { .link_type = 65000, .packets = 1 },
    };
    struct summary *summary = begin();
    summary->outcomes[OUTCOME_CLOSED] = 16;
    summary->skipped = skipped;
    summary->skipped_count = 2;
    summary->undecoded[FW_UNDECODED_ESP] = 10;
    summary->undecoded[FW_UNDECODED_GTP] = 2;
    summary->verdicts[FW_VERDICT_FRAGMENT] = 3;
    summary->verdicts[FW_VERDICT_TRUNCATED] = 1;
    summary->verdicts[FW_VERDICT_MALFORMED] = 2;
    summary->fragments = 3;
    summary->tracker.notes[FW_NOTE_DUPLICATE] = 4;
    summary->tracker.notes[FW_NOTE_BAD_CHECKSUM] = 5;
    summary->tracker.time_backwards = 6;
    summary->dropped_kernel = 7;
    summary->dropped_interface = 1;
    summary->tracker.evicted_closed = 8;
    summary->tracker.evicted_half_open = 9;
    summary->tracker.evicted_idle = 10;
    summary->tracker.one_sided = 11;
    summary->why_ended = "interrupted";
    char *text = kit_finish(&kit);
    const char *const parts[] = {
        "not decoded: 310 packets of link type 189 (USB",
        ") on interface 2\n",
        "not decoded: 1 packet of link type 65000",
        "not decoded: packets in tunnels: 10 in ESP, 2 in GTP\n",
        "not used: 3 later IP fragments, 1 packet captured too short for its TCP header, ",
        ", 2 malformed packets, 4 exact duplicates, 5 bad checksums\n",
        "odd: 3 segments in fragmented packets, 6 times that go back\n",
        "lost: 7 packets dropped by the kernel, 1 packet dropped by the interface\n",
        "evicted at the memory cap: 8 closed connections, 9 half-open connections, 10 idle",
        "one-sided: 11 connections seen in one direction only",
        "ended early: interrupted\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg(strstr(text, parts[i]), "%s is not in\n%s", parts[i], text);
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_sentence_says_how_connections_ended,  of_several_half_closed_the_oldest_is_named,
        under_a_selection_it_says_how_many_match, a_capture_without_tcp_says_so,
        tcp_without_a_connection_says_so,         listeners_are_in_it,
        of_many_listeners_the_first_are_shown,    nothing_that_was_not_used_is_silent,
    };
    return UNIT_RUN("summary", tests);
}
