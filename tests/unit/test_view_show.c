#include "view_kit.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct kit kit;

static void segment(double ms, enum fw_side from, uint16_t flags, uint32_t seq, uint32_t ack,
                    uint32_t payload, enum fw_note note, const struct kit_move *moves)
{
    kit_segment(
        &kit, ms, from,
        (struct fw_segment){
            .flags = flags, .seq = seq, .ack = ack, .payload_bytes = payload, .window_raw = 502 },
        note, moves);
}

/* Handshake, a request of 18 bytes sent twice, the client closes. Sequence numbers wrap. */
static void play(void)
{
    const uint32_t c = 0xfffffff0, s = 5000;

    kit_segment(&kit, 0, FW_CLIENT,
                (struct fw_segment){ .flags = FW_SYN,
                                     .seq = c,
                                     .mss = 1460,
                                     .window_scale = 7,
                                     .options = FW_OPT_MSS | FW_OPT_WINDOW_SCALE |
                                                FW_OPT_SACK_PERMITTED | FW_OPT_TIMESTAMPS },
                FW_NOTE_NONE, MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    segment(20, FW_SERVER, FW_SYN | FW_ACK, s, c + 1, 0, FW_NOTE_NONE,
            MOVES(SERVER_MOVES(LISTEN, SYN_RECEIVED, -1)));
    kit.connection.open = FW_OPEN_COMPLETE;
    kit.connection.handshake_ns = 21 * FW_MILLISECOND;
    kit.connection.established_time = kit_epoch + 21 * FW_MILLISECOND;
    kit.connection.rtt_client_ns = FW_MILLISECOND;
    kit.connection.rtt_server_ns = 20 * FW_MILLISECOND;
    segment(
        21, FW_CLIENT, FW_ACK, c + 1, s + 1, 0, FW_NOTE_NONE,
        MOVES(SERVER_MOVES(SYN_RECEIVED, ESTABLISHED, 1), CLIENT_MOVES(SYN_SENT, ESTABLISHED, 21)));
    segment(22, FW_CLIENT, FW_ACK | FW_PSH, c + 1, s + 1, 18, FW_NOTE_NONE, NULL);
    segment(1500, FW_CLIENT, FW_ACK | FW_PSH, c + 1, s + 1, 18, FW_NOTE_RETRANSMISSION, NULL);
    segment(1520, FW_SERVER, FW_ACK, s + 1, c + 19, 0, FW_NOTE_NONE, NULL);
    segment(1600, FW_CLIENT, FW_ACK | FW_FIN, c + 19, s + 1, 0, FW_NOTE_NONE,
            MOVES(CLIENT_MOVES(ESTABLISHED, FIN_WAIT_1, 1579)));
    kit.connection.bytes[FW_CLIENT] = 18;
    kit.connection.retransmits[FW_CLIENT] = 1;
    kit.connection.client_path = FW_SYN_SENT | FW_ESTABLISHED << 4 | FW_FIN_WAIT_1 << 8;
    kit.connection.server_path = FW_SYN_RECEIVED | FW_ESTABLISHED << 4;
}

START_TEST(a_timeline_has_every_packet)
{
    kit_begin(&kit, &view_show);
    kit.options.show_id = 1;
    play();
    kit_end(&kit);
    ck_assert_text(
        kit_finish(&kit),
        "#1  192.168.1.10:50001 → 10.0.0.1:80\n"
        "      TIME  FRAME     PACKET                    CLIENT         SERVER\n"
        "  0.000000      1  →  S 0                       SYN_SENT       -              mss 1460, "
        "wscale 7, SACK, timestamps\n"
        "  0.020000      2  ←  S. 0 ack 1                SYN_SENT       SYN_RECEIVED\n"
        "  0.021000      3  →  . ack 1                   ESTABLISHED    ESTABLISHED    handshake "
        "21 "
        "ms\n"
        "  0.022000      4  →  P. 1:19(18) ack 1\n"
        "  1.500000      5  →  P. 1:19(18) ack 1         retransmission\n"
        "  1.520000      6  ←  . ack 19\n"
        "  1.600000      7  →  F. 19 ack 1               FIN_WAIT_1     ESTABLISHED    client "
        "closes "
        "first, after 1.6 s\n"
        "handshake  21 ms: 20 ms to the server and back, 1.0 ms to the client and back\n"
        "client     SYN_SENT>ESTABLISHED>FIN_WAIT_1\n"
        "server     SYN_RECEIVED>ESTABLISHED\n"
        "data       18 B up in 5 packets, 0 B down in 2 packets; 1 retransmission\n"
        "outcome    half-closed, no ACK of the client's FIN\n");
}
END_TEST

START_TEST(a_ladder_is_a_picture_of_80_columns)
{
    kit_begin(&kit, &view_show);
    kit.options.show_id = 1;
    kit.options.ladder = true;
    kit.options.width = 80;
    play();
    char *text = kit_finish(&kit);
    ck_assert_str_eq(
        text, "#1  192.168.1.10:50001 → 10.0.0.1:80\n"
              "      TIME  FRAME  CLIENT        192.168.1.10:50001    10.0.0.1:80 SERVER\n"
              "  0.000000      1  SYN_SENT      │──── S 0 ─────────────────────▶│\n"
              "  0.020000      2                │◀─── S. 0 ack 1 ───────────────│ SYN_RECEIVED\n"
              "  0.021000      3  ESTABLISHED   │──── . ack 1 ─────────────────▶│ ESTABLISHED\n"
              "                                 │        handshake 21 ms        │\n"
              "  0.022000      4                │──── P. 1:19(18) ack 1 ───────▶│\n"
              "                                 ⋮          1.5 s later          ⋮\n"
              "  1.500000      5                │──── P. 1:19(18) ack 1 ───────▶│\n"
              "                                 │        retransmission         │\n"
              "  1.520000      6                │◀─── . ack 19 ─────────────────│\n"
              "  1.600000      7  FIN_WAIT_1    │──── F. 19 ack 1 ─────────────▶│\n"
              "                                 │     client closes first,      │\n"
              "                                 │          after 1.6 s          │\n");
    free(text);
}
END_TEST

START_TEST(a_ladder_of_ascii_has_the_same_shape)
{
    kit_begin(&kit, &view_show);
    kit.options.show_id = 1;
    kit.options.ladder = true;
    kit.options.utf8 = false;
    play();
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(
        strstr(text, "  0.000000      1  SYN_SENT      |---- S 0 --------------------->|\n"
                     "  0.020000      2                |<--- S. 0 ack 1 ---------------| "
                     "SYN_RECEIVED\n"));
    ck_assert_ptr_nonnull(strstr(text, ":          1.5 s later          :\n"));
    free(text);
}
END_TEST

START_TEST(from_the_middle_numbers_begin_at_1)
{
    kit_begin(&kit, &view_show);
    segment(0, FW_SERVER, FW_ACK | FW_PSH, 777000, 555000, 100, FW_NOTE_NONE, NULL);
    segment(1, FW_CLIENT, FW_ACK, 555000, 777100, 0, FW_NOTE_NONE, NULL);
    segment(2, FW_CLIENT, FW_RST, 555000, 0, 0, FW_NOTE_NONE, NULL);
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "←  P. 1:101(100) ack 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "→  . ack 101\n"));
    ck_assert_ptr_nonnull(strstr(text, "→  R 1\n"));
    free(text);
}
END_TEST

static bool has_odd_id(const struct fw_connection *connection)
{
    return connection->identity.id % 2;
}

START_TEST(several_connections_follow_each_other_by_id)
{
    for (int fixed = 0; fixed < 2; fixed++) {
        kit_begin(&kit, &view_show);
        kit.options.selection = (const struct selection *)&kit_selection;
        kit_wanted = has_odd_id;
        kit_fixed = fixed;
        for (uint64_t id = 3; id > 0; id--) {
            kit_connection(&kit, id);
            segment((double)(3 - id), FW_CLIENT, FW_SYN, 1, 0, 0, FW_NOTE_NONE, NULL);
            kit_end(&kit);
        }
        char *text = kit_finish(&kit);
        const char *first = strstr(text, "#1  192.168.1.10:50001"),
                   *third = strstr(text, "\n\n#3  192.168.1.10:50003");
        ck_assert_ptr_nonnull(first);
        ck_assert_ptr_nonnull(third);
        ck_assert(first < third);
        ck_assert_ptr_null(strstr(text, "#2"));
        free(text);
    }
}
END_TEST

START_TEST(a_number_that_nobody_has_is_told)
{
    kit_begin(&kit, &view_show);
    kit.options.show_id = 7;
    segment(0, FW_CLIENT, FW_SYN, 1, 0, 0, FW_NOTE_NONE, NULL);
    kit_end(&kit);
    ck_assert_text(kit_finish(&kit), "There is no connection #7: the last one is #1.\n");
}
END_TEST

START_TEST(live_lines_come_at_once)
{
    kit_begin(&kit, &view_show);
    kit.options.show_id = 1;
    kit.options.live = true;
    segment(0, FW_CLIENT, FW_SYN, 1, 0, 0, FW_NOTE_NONE, NULL);
    ck_assert_uint_gt(kit.out.used, 0);
    free(kit_finish(&kit));
}
END_TEST

START_TEST(a_timer_is_a_line_without_a_packet)
{
    kit_begin(&kit, &view_show);
    segment(0, FW_CLIENT, FW_SYN, 1, 0, 0, FW_NOTE_NONE, MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_step(&kit, 75000, FW_CLIENT, NULL,
             MOVES({ FW_CLIENT, FW_SYN_SENT, FW_CLOSED, 75000, FW_PROOF_TIMER, false }));
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, " 75.000000            timer                     CLOSED~    "
                                       "    -              no answer for 75.0 s\n"));
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_timeline_has_every_packet,
        a_ladder_is_a_picture_of_80_columns,
        a_ladder_of_ascii_has_the_same_shape,
        from_the_middle_numbers_begin_at_1,
        several_connections_follow_each_other_by_id,
        a_number_that_nobody_has_is_told,
        live_lines_come_at_once,
        a_timer_is_a_line_without_a_packet,
    };
    return UNIT_RUN("view_show", tests);
}
