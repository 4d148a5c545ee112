/* How Zeek, conntrack and tshark would label a sequence of segments; Community ID. */
#include "interop.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A picture has a segment a line:
 *     A > FLAGS SEQ [ack ACK] [len BYTES] [at SECONDS] [zero] [bad] [from PORT]
 * A is what finwait calls the client, B the server; FLAGS are tcpdump's letters. `zero` closes the
 * window, `bad` breaks the checksum, `from` gives A another port (B has port 12345). */

static uint16_t flags_of(const char *letters)
{
    uint16_t flags = 0;

    for (; *letters != '\0'; letters++)
        switch (*letters) {
        case 'S':
            flags |= FW_SYN;
            break;
        case 'F':
            flags |= FW_FIN;
            break;
        case 'R':
            flags |= FW_RST;
            break;
        case 'P':
            flags |= FW_PSH;
            break;
        case '.':
            flags |= FW_ACK;
            break;
        default:
            ck_abort_msg("no such flag: %c", *letters);
        }
    return flags;
}

static uint32_t number(char **rest)
{
    return (uint32_t)strtoul(strtok_r(NULL, " ", rest), NULL, 10);
}

/* Reads one line; the time stands until the next `at`. Returns whether A sent it. */
static bool read_segment(char *line, struct fw_segment *segment)
{
    char *rest;
    const bool from_a = *strtok_r(line, " ", &rest) == 'A';

    strtok_r(NULL, " ", &rest); /* > */
    *segment = (struct fw_segment){ .time = segment->time, .window_raw = 1000 };
    segment->from.port = from_a ? 40000 : 12345;
    segment->to.port = from_a ? 12345 : 40000;
    segment->flags = flags_of(strtok_r(NULL, " ", &rest));
    segment->seq = number(&rest);

    const char *word;
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        if (strcmp(word, "ack") == 0)
            segment->ack = number(&rest);
        else if (strcmp(word, "len") == 0)
            segment->payload_bytes = number(&rest);
        else if (strcmp(word, "at") == 0)
            segment->time = number(&rest) * FW_SECOND;
        else if (strcmp(word, "zero") == 0)
            segment->window_raw = 0;
        else if (strcmp(word, "bad") == 0)
            segment->checksum = FW_CHECKSUM_BAD;
        else if (strcmp(word, "from") == 0)
            *(from_a ? &segment->from.port : &segment->to.port) = (uint16_t)number(&rest);
        else
            ck_abort_msg("no such word: %s", word);
    }
    return from_a;
}

static struct fw_connection labels(const char *picture)
{
    struct interop interop = { 0 };
    struct fw_connection connection = { 0 };
    struct fw_segment segment = { .time = 0 };
    char text[2048], *rest;

    ck_assert_uint_lt(strlen(picture), sizeof text);
    strcpy(text, picture);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const bool from_a = read_segment(line, &segment);
        interop_step(&interop, from_a, &segment);
    }
    interop_fill(&interop, &connection);
    return connection;
}

static void zeek_is(const char *picture, const char *conn_state, const char *history)
{
    const struct fw_connection connection = labels(picture);

    ck_assert_str_eq(connection.zeek_conn_state, conn_state);
    ck_assert_str_eq(connection.zeek_history, history);
}

static void conntrack_is(const char *picture, const char *state)
{
    ck_assert_str_eq(labels(picture).conntrack_state, state);
}

static void completeness_is(const char *picture, int completeness)
{
    ck_assert_int_eq(labels(picture).completeness, completeness);
}

#define HANDSHAKE                                                                                  \
    "A > S 100\n"                                                                                  \
    "B > S. 500 ack 101\n"                                                                         \
    "A > . 101 ack 501\n"
#define DATA                                                                                       \
    "A > P. 101 ack 501 len 10\n"                                                                  \
    "B > . 501 ack 111\n"                                                                          \
    "B > P. 501 ack 111 len 20\n"                                                                  \
    "A > . 111 ack 521\n"
#define A_CLOSES_FIRST                                                                             \
    "A > F. 111 ack 521\n"                                                                         \
    "B > . 521 ack 112\n"                                                                          \
    "B > F. 521 ack 112\n"                                                                         \
    "A > . 112 ack 522\n"

/* -------------------------------------------------------------------------------------- Zeek -- */

START_TEST(zeek_calls_an_ordinary_connection_sf)
{
    zeek_is(HANDSHAKE DATA A_CLOSES_FIRST, "SF", "ShADadFf");
}
END_TEST

START_TEST(zeek_calls_an_open_connection_s1)
{
    zeek_is(HANDSHAKE DATA, "S1", "ShADad");
}
END_TEST

START_TEST(zeek_tells_who_of_an_open_connection_has_closed)
{
    zeek_is(HANDSHAKE "A > F. 101 ack 501\n", "S2", "ShAF");
    zeek_is(HANDSHAKE "B > F. 501 ack 101\n", "S3", "ShAf");
}
END_TEST

START_TEST(zeek_calls_a_syn_without_answer_s0)
{
    zeek_is("A > S 100\nA > S 100 at 1\nA > S 100 at 3\n", "S0", "S");
}
END_TEST

START_TEST(zeek_calls_a_refused_syn_rej)
{
    zeek_is("A > S 100\nB > R. 0 ack 101\n", "REJ", "Sr");
}
END_TEST

START_TEST(zeek_tells_who_has_reset)
{
    zeek_is(HANDSHAKE DATA "A > R. 111 ack 521\n", "RSTO", "ShADadR");
    zeek_is(HANDSHAKE DATA "B > R. 521 ack 111\n", "RSTR", "ShADadr");
    zeek_is("A > S 100\nA > R 101\n", "RSTOS0", "SR");
    zeek_is("A > S 100\nA > . 101 ack 1\nA > R 101\n", "OTH", "SAR");
    zeek_is("A > S 100\nB > S. 500 ack 101\nA > R 101\n", "RSTO", "ShR");
}
END_TEST

START_TEST(zeek_takes_a_rst_after_the_fin_of_the_same_side_for_a_close)
{
    zeek_is(HANDSHAKE DATA "A > F. 111 ack 521\nA > R 112\nB > F. 521 ack 112\n", "SF",
            "ShADadFRf");
}
END_TEST

START_TEST(zeek_calls_one_side_of_a_connection_sh)
{
    zeek_is("A > S 100\nA > . 101 ack 501\nA > P. 101 ack 501 len 9\nA > F. 110 ack 501\n", "SH",
            "SADF");
    zeek_is("B > P. 501 ack 111 len 20\n", "OTH", "D"); /* its sender is the originator */
}
END_TEST

START_TEST(zeek_sees_only_data_in_the_middle_of_a_connection)
{
    zeek_is("A > P. 101 ack 501 len 10\nB > P. 501 ack 111 len 5\n", "OTH", "Dd");
}
END_TEST

START_TEST(zeek_flips_roles_by_server_port)
{
    zeek_is("A > P. 101 ack 501 len 10 from 80\nB > . 501 ack 111\n", "OTH", "^dA");
}
END_TEST

START_TEST(zeek_flips_roles_when_a_syn_ack_comes_first)
{
    zeek_is("B > S. 500 ack 101\nA > . 101 ack 501\nA > P. 101 ack 501 len 10\n"
            "B > . 501 ack 111\nB > F. 501 ack 111\nA > F. 111 ack 502\n",
            "SF", "^hADafF");
}
END_TEST

START_TEST(zeek_repairs_a_syn_ack_captured_before_its_syn)
{
    zeek_is("B > S. 500 ack 101\nA > S 100\nA > . 101 ack 501\n", "S1", "Hs^A");
}
END_TEST

START_TEST(zeek_notes_retransmissions_the_first_and_the_tenth_time)
{
    zeek_is(HANDSHAKE "A > P. 101 ack 501 len 10\n"
                      "A > P. 101 ack 501 len 10\n"
                      "A > P. 101 ack 501 len 10\n",
            "S1", "ShADT");
    zeek_is(HANDSHAKE "A > P. 101 ack 501 len 10\n"
                      "A > P. 101 ack 501 len 10\nA > P. 101 ack 501 len 10\n"
                      "A > P. 101 ack 501 len 10\nA > P. 101 ack 501 len 10\n"
                      "A > P. 101 ack 501 len 10\nA > P. 101 ack 501 len 10\n"
                      "A > P. 101 ack 501 len 10\nA > P. 101 ack 501 len 10\n"
                      "A > P. 101 ack 501 len 10\nA > P. 101 ack 501 len 10\n",
            "S1", "ShADTT");
}
END_TEST

START_TEST(zeek_takes_data_on_a_syn_for_a_retransmission)
{
    zeek_is("A > S 100 len 10\nB > S. 500 ack 111\n", "S1", "STh");
}
END_TEST

START_TEST(zeek_notes_what_was_acknowledged_and_never_seen)
{
    zeek_is(HANDSHAKE "A > P. 111 ack 501 len 10\nB > . 501 ack 121\n", "S1", "ShADaG");
    zeek_is(HANDSHAKE "B > . 501 ack 111\n", "S1", "ShAaG");
}
END_TEST

START_TEST(zeek_sees_no_gap_where_segments_came_in_another_order)
{
    zeek_is(HANDSHAKE "A > P. 111 ack 501 len 10\nA > P. 101 ack 501 len 10\nB > . 501 ack 121\n",
            "S1", "ShADTa");
}
END_TEST

START_TEST(zeek_notes_closed_windows_until_the_peer_has_closed)
{
    zeek_is(HANDSHAKE "B > . 501 ack 101 zero\n", "S1", "ShAaw");
    zeek_is(HANDSHAKE "A > F. 101 ack 501\nB > . 501 ack 102 zero\n", "S2", "ShAFa");
}
END_TEST

START_TEST(zeek_drops_bad_checksums_and_notes_them)
{
    zeek_is("A > S 100\nB > S. 500 ack 101\nA > . 101 ack 501 bad\n", "S1", "ShC");
    zeek_is("A > S 100 bad\n", "OTH", "C");
}
END_TEST

START_TEST(zeek_notes_odd_flags)
{
    zeek_is("A > SF 100\n", "SH", "Q");
    zeek_is(HANDSHAKE "A > FR. 101 ack 501\n", "RSTO", "ShAI");
}
END_TEST

START_TEST(zeek_notes_a_reset_again_if_its_number_is_another)
{
    zeek_is(HANDSHAKE "A > R 101\nA > R 101\n", "RSTO", "ShAR");
    zeek_is(HANDSHAKE "A > R 101\nA > R 102\n", "RSTO", "ShARR");
}
END_TEST

START_TEST(zeek_forgets_an_unanswered_syn_after_five_seconds)
{
    zeek_is("A > S 100\nA > P. 101 ack 501 len 5 at 1\nA > F. 106 ack 501 at 5\n", "S0", "SD");
    zeek_is("A > S 100\nA > P. 101 ack 501 len 5 at 1\nA > F. 106 ack 501 at 4\n", "SH", "SDF");
}
END_TEST

START_TEST(zeek_forgets_a_closed_connection_after_five_seconds)
{
    zeek_is(HANDSHAKE DATA A_CLOSES_FIRST "B > R 522 at 4\n", "SF", "ShADadFfr");
    zeek_is(HANDSHAKE DATA A_CLOSES_FIRST "B > R 522 at 5\n", "SF", "ShADadFf");
}
END_TEST

START_TEST(zeek_forgets_an_idle_connection_after_five_minutes)
{
    zeek_is(HANDSHAKE "A > F. 101 ack 501 at 299\n", "S2", "ShAF");
    zeek_is(HANDSHAKE "A > F. 101 ack 501 at 300\n", "S1", "ShA");
}
END_TEST

START_TEST(zeek_begins_another_connection_at_a_syn_with_another_number)
{
    zeek_is("A > S 100\nA > S 900 at 1\nB > S. 500 ack 901\n", "S0", "S");
    zeek_is("A > S 100\nB > S 500\n", "S0", "S"); /* it knows no simultaneous open */
}
END_TEST

START_TEST(zeek_follows_numbers_around_zero)
{
    zeek_is("A > S 4294967290\nB > S. 4294967295 ack 4294967291\nA > . 4294967291 ack 0\n"
            "A > P. 4294967291 ack 0 len 10\nB > . 0 ack 5\nA > F. 5 ack 0\nB > F. 0 ack 6\n",
            "SF", "ShADaFf");
}
END_TEST

/* --------------------------------------------------------------------------------- conntrack -- */

START_TEST(conntrack_names_each_step_of_an_ordinary_connection)
{
    conntrack_is("A > S 100\n", "SYN_SENT");
    conntrack_is("A > S 100\nB > S. 500 ack 101\n", "SYN_RECV");
    conntrack_is(HANDSHAKE, "ESTABLISHED");
    conntrack_is(HANDSHAKE DATA "A > F. 111 ack 521\n", "FIN_WAIT");
    conntrack_is(HANDSHAKE DATA "A > F. 111 ack 521\nB > . 521 ack 112\n", "CLOSE_WAIT");
    conntrack_is(HANDSHAKE DATA "B > F. 521 ack 111\nA > . 111 ack 522\n", "CLOSE_WAIT");
    conntrack_is(HANDSHAKE DATA "A > F. 111 ack 521\nB > F. 521 ack 112\n", "LAST_ACK");
    conntrack_is(HANDSHAKE DATA A_CLOSES_FIRST, "TIME_WAIT");
}
END_TEST

START_TEST(conntrack_follows_a_simultaneous_open)
{
    conntrack_is("A > S 100\nB > S 500\n", "SYN_SENT2");
    conntrack_is("A > S 100\nB > S 500\nA > S. 100 ack 501\n", "SYN_RECV");
    conntrack_is("A > S 100\nB > S 500\nA > S. 100 ack 501\nB > . 501 ack 101\n", "ESTABLISHED");
}
END_TEST

START_TEST(conntrack_picks_up_only_acks_in_the_middle)
{
    conntrack_is("A > P. 101 ack 501 len 10\n", "ESTABLISHED");
    conntrack_is("B > S. 500 ack 101\n", "");
    conntrack_is("A > SF 100\n", "");
}
END_TEST

START_TEST(conntrack_closes_only_on_a_rst_that_could_be_meant)
{
    conntrack_is("A > S 100\nB > R. 0 ack 101\n", "CLOSE");
    conntrack_is(HANDSHAKE DATA "B > R. 521 ack 111\n", "CLOSE");
    conntrack_is(HANDSHAKE DATA "B > R. 520 ack 111\n", "ESTABLISHED");
    conntrack_is(HANDSHAKE DATA "B > R. 600 ack 111\n", "ESTABLISHED");
    conntrack_is(HANDSHAKE "B > P. 501 ack 101 len 20\nB > R. 521 ack 101\n", "CLOSE");
}
END_TEST

START_TEST(conntrack_ignores_a_challenge_ack)
{
    conntrack_is(HANDSHAKE DATA "A > F. 111 ack 521\nB > F. 521 ack 112\n"
                                "A > S 9000\nB > . 522 ack 112\n",
                 "LAST_ACK");
}
END_TEST

START_TEST(conntrack_follows_a_syn_that_it_had_ignored)
{
    conntrack_is(HANDSHAKE "A > S 9000\nB > S. 7000 ack 9001\n", "SYN_RECV");
    conntrack_is(HANDSHAKE "A > S 9000\nB > S. 7000 ack 1\n", "ESTABLISHED");
}
END_TEST

START_TEST(conntrack_forgets_by_its_own_timeouts)
{
    conntrack_is("A > S 100\nB > S. 500 ack 101 at 119\n", "SYN_RECV");
    conntrack_is("A > S 100\nB > S. 500 ack 101 at 120\n", "");
}
END_TEST

/* ------------------------------------------------------------------------------ completeness -- */

START_TEST(completeness_adds_up_what_a_connection_has)
{
    completeness_is("A > S 100\n", 1);
    completeness_is("A > S 100\nB > S. 500 ack 101\n", 3);
    completeness_is(HANDSHAKE, 7);
    completeness_is(HANDSHAKE DATA, 15);
    completeness_is(HANDSHAKE DATA A_CLOSES_FIRST, 31);
    completeness_is(HANDSHAKE "A > R 101\n", 39);
}
END_TEST

START_TEST(completeness_counts_of_the_first_packet_only_a_syn)
{
    completeness_is("A > P. 101 ack 501 len 10\n", 0);
    completeness_is("A > F. 101 ack 501\nB > . 501 ack 102\n", 4);
    completeness_is("B > S. 500 ack 101\nA > S 100\n", 0);
    completeness_is("A > S 100 len 10\n", 9);
}
END_TEST

START_TEST(completeness_wants_an_ack_with_a_fin)
{
    completeness_is(HANDSHAKE "A > F 101\n", 7);
}
END_TEST

START_TEST(completeness_ends_at_a_syn_with_another_number)
{
    completeness_is("A > S 100\nA > S 900\nB > S. 500 ack 901\n", 1);
    completeness_is("A > S 100\nB > R. 0 ack 101\nA > S 100\n", 37);
}
END_TEST

/* ------------------------------------------------------------------------------ Community ID -- */

static void community_id_is(const uint8_t *client, const uint8_t *server, uint16_t family,
                            uint16_t client_port, uint16_t server_port, const char *want)
{
    const size_t bytes = family == FW_IPV4 ? 4 : 16;
    struct fw_identity identity = { .client = { .port = client_port, .family = family },
                                    .server = { .port = server_port, .family = family } };
    char text[32];

    memcpy(identity.client.addr, client, bytes);
    memcpy(identity.server.addr, server, bytes);
    interop_community_id(&identity, text);
    ck_assert_str_eq(text, want);

    const struct fw_endpoint swap = identity.client;
    identity.client = identity.server;
    identity.server = swap;
    interop_community_id(&identity, text);
    ck_assert_str_eq(text, want);
}

/* From the specification's baseline for its tcp.pcap and tcp6.pcap, seed 0. */
START_TEST(community_id_is_that_of_the_specification_whatever_the_direction)
{
    community_id_is((const uint8_t[]){ 128, 232, 110, 120 }, (const uint8_t[]){ 66, 35, 250, 204 },
                    FW_IPV4, 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    community_id_is((const uint8_t[]){ 0x20, 0x01, 0x04, 0x70, 0xe5, 0xbf, 0xde, 0xad, 0x49, 0x57,
                                       0x21, 0x74, 0xe8, 0x2c, 0x48, 0x87 },
                    (const uint8_t[]){ 0x26, 0x07, 0xf8, 0xb0, 0x40, 0x0c, 0x0c, 0x03, 0, 0, 0, 0,
                                       0, 0, 0, 0x1a },
                    FW_IPV6, 63943, 25, "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=");
}
END_TEST

/* ---------------------------------------------------------------------------------- together -- */

START_TEST(labels_need_no_more_than_they_say)
{
    const struct fw_connection connection = labels("A > S 100\n");

    ck_assert_uint_le(sizeof(struct interop), 128);
    ck_assert_str_eq(connection.zeek_conn_state, "S0");
    ck_assert_str_eq(connection.conntrack_state, "SYN_SENT");
    ck_assert_int_eq(connection.completeness, 1);
}
END_TEST

START_TEST(history_stops_where_there_is_no_more_room)
{
    char picture[2048] = HANDSHAKE;
    char line[32];

    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "A > R %d\n", 200 + i);
        strcat(picture, line);
    }
    const struct fw_connection connection = labels(picture);
    ck_assert_uint_eq(strlen(connection.zeek_history), ZEEK_HISTORY_LETTERS);
    ck_assert_str_eq(connection.zeek_conn_state, "RSTO");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interop");
    TCase *zeek = tcase_create("zeek");
    TCase *conntrack = tcase_create("conntrack");
    TCase *others = tcase_create("others");

    tcase_add_test(zeek, zeek_calls_an_ordinary_connection_sf);
    tcase_add_test(zeek, zeek_calls_an_open_connection_s1);
    tcase_add_test(zeek, zeek_tells_who_of_an_open_connection_has_closed);
    tcase_add_test(zeek, zeek_calls_a_syn_without_answer_s0);
    tcase_add_test(zeek, zeek_calls_a_refused_syn_rej);
    tcase_add_test(zeek, zeek_tells_who_has_reset);
    tcase_add_test(zeek, zeek_takes_a_rst_after_the_fin_of_the_same_side_for_a_close);
    tcase_add_test(zeek, zeek_calls_one_side_of_a_connection_sh);
    tcase_add_test(zeek, zeek_sees_only_data_in_the_middle_of_a_connection);
    tcase_add_test(zeek, zeek_flips_roles_by_server_port);
    tcase_add_test(zeek, zeek_flips_roles_when_a_syn_ack_comes_first);
    tcase_add_test(zeek, zeek_repairs_a_syn_ack_captured_before_its_syn);
    tcase_add_test(zeek, zeek_notes_retransmissions_the_first_and_the_tenth_time);
    tcase_add_test(zeek, zeek_takes_data_on_a_syn_for_a_retransmission);
    tcase_add_test(zeek, zeek_notes_what_was_acknowledged_and_never_seen);
    tcase_add_test(zeek, zeek_sees_no_gap_where_segments_came_in_another_order);
    tcase_add_test(zeek, zeek_notes_closed_windows_until_the_peer_has_closed);
    tcase_add_test(zeek, zeek_drops_bad_checksums_and_notes_them);
    tcase_add_test(zeek, zeek_notes_odd_flags);
    tcase_add_test(zeek, zeek_notes_a_reset_again_if_its_number_is_another);
    tcase_add_test(zeek, zeek_forgets_an_unanswered_syn_after_five_seconds);
    tcase_add_test(zeek, zeek_forgets_a_closed_connection_after_five_seconds);
    tcase_add_test(zeek, zeek_forgets_an_idle_connection_after_five_minutes);
    tcase_add_test(zeek, zeek_begins_another_connection_at_a_syn_with_another_number);
    tcase_add_test(zeek, zeek_follows_numbers_around_zero);
    suite_add_tcase(suite, zeek);

    tcase_add_test(conntrack, conntrack_names_each_step_of_an_ordinary_connection);
    tcase_add_test(conntrack, conntrack_follows_a_simultaneous_open);
    tcase_add_test(conntrack, conntrack_picks_up_only_acks_in_the_middle);
    tcase_add_test(conntrack, conntrack_closes_only_on_a_rst_that_could_be_meant);
    tcase_add_test(conntrack, conntrack_ignores_a_challenge_ack);
    tcase_add_test(conntrack, conntrack_follows_a_syn_that_it_had_ignored);
    tcase_add_test(conntrack, conntrack_forgets_by_its_own_timeouts);
    suite_add_tcase(suite, conntrack);

    tcase_add_test(others, completeness_adds_up_what_a_connection_has);
    tcase_add_test(others, completeness_counts_of_the_first_packet_only_a_syn);
    tcase_add_test(others, completeness_wants_an_ack_with_a_fin);
    tcase_add_test(others, completeness_ends_at_a_syn_with_another_number);
    tcase_add_test(others, community_id_is_that_of_the_specification_whatever_the_direction);
    tcase_add_test(others, labels_need_no_more_than_they_say);
    tcase_add_test(others, history_stops_where_there_is_no_more_room);
    suite_add_tcase(suite, others);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
