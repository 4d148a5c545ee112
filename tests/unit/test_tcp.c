/* The machine alone. What it makes of whole connections is in tests/ladders. */
#include "tcp.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* ----------------------------------------------------------------------------- the table -- */

struct row {
    char from[32], proof[64], to[32], label[64];
};

/* The table of the design, from RFC 9293 figure 5. */
static const struct row figure_5[] = {
    { "CLOSED", "sent SYN", "SYN_SENT", "active OPEN / snd SYN" },
    { "LISTEN", "sent SYN+ACK", "SYN_RECEIVED", "rcv SYN / snd SYN,ACK" },
    { "SYN_SENT", "sent SYN+ACK", "SYN_RECEIVED", "rcv SYN / snd SYN,ACK" },
    { "SYN_SENT", "sent ACK of the peer's SYN", "ESTABLISHED", "rcv SYN,ACK / snd ACK" },
    { "SYN_RECEIVED", "peer's ACK of our SYN", "ESTABLISHED", "rcv ACK of SYN / x" },
    { "SYN_RECEIVED", "sent FIN", "FIN_WAIT_1", "CLOSE / snd FIN" },
    { "ESTABLISHED", "sent FIN", "FIN_WAIT_1", "CLOSE / snd FIN" },
    { "ESTABLISHED", "sent ACK of the peer's FIN", "CLOSE_WAIT", "rcv FIN / snd ACK" },
    { "FIN_WAIT_1", "peer's ACK of our FIN", "FIN_WAIT_2", "rcv ACK of FIN / x" },
    { "FIN_WAIT_1", "sent ACK of the peer's FIN", "CLOSING", "rcv FIN / snd ACK" },
    { "FIN_WAIT_2", "sent ACK of the peer's FIN", "TIME_WAIT", "rcv FIN / snd ACK" },
    { "CLOSING", "peer's ACK of our FIN", "TIME_WAIT", "rcv ACK of FIN / x" },
    { "CLOSE_WAIT", "sent FIN", "LAST_ACK", "CLOSE / snd FIN" },
    { "LAST_ACK", "peer's ACK of our FIN", "CLOSED", "rcv ACK of FIN / x" },
    { "TIME_WAIT", "clock", "CLOSED", "Timeout=2MSL" },
};
enum { ROWS = sizeof(figure_5) / sizeof(figure_5[0]) };

static void check_row(const struct row *row, size_t i)
{
    ck_assert_uint_lt(i, tcp_table_rows);
    const struct tcp_row *own = &tcp_table[i];
    const char *proof = tcp_proof_text(own->proof);

    ck_assert_str_eq(fw_state_name(own->from, FW_NAMES_RFC), row->from);
    ck_assert_str_eq(fw_state_name(own->to, FW_NAMES_RFC), row->to);
    ck_assert_str_eq(own->label, row->label);
    /* The manual may say more: "sent SYN+ACK (of a crossed SYN)". */
    ck_assert_msg(strncmp(row->proof, proof, strlen(proof)) == 0 &&
                      (row->proof[strlen(proof)] == '\0' || row->proof[strlen(proof)] == ' '),
                  "row %zu: \"%s\" in the manual, \"%s\" in the code", i + 1, row->proof, proof);
}

START_TEST(the_table_is_that_of_the_figure)
{
    ck_assert_uint_eq(tcp_table_rows, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        check_row(&figure_5[i], i);
}
END_TEST

START_TEST(the_ways_out_of_a_state_are_those_of_its_rows)
{
    unsigned ways_out[FW_STATE_COUNT] = { 0 };

    for (size_t i = 0; i < tcp_table_rows; i++)
        ways_out[tcp_table[i].from] |= 1u << tcp_table[i].proof;
    for (int state = 0; state < FW_STATE_COUNT; state++)
        ck_assert_uint_eq(tcp_ways_out[state], ways_out[state]);
}
END_TEST

static bool read_cell(char **text, char *cell, size_t size)
{
    char *begin = *text + strspn(*text, " `");
    char *stop = strchr(begin, '|');

    if (!stop)
        return false;
    *text = stop + 1;
    while (stop > begin && strchr(" `", stop[-1]))
        stop--;
    snprintf(cell, size, "%.*s", (int)(stop - begin), begin);
    return true;
}

static bool read_row(char *line, struct row *row)
{
    if (*line++ != '|')
        return false;
    return read_cell(&line, row->from, sizeof(row->from)) &&
           read_cell(&line, row->proof, sizeof(row->proof)) &&
           read_cell(&line, row->to, sizeof(row->to)) &&
           read_cell(&line, row->label, sizeof(row->label));
}

START_TEST(the_table_is_that_of_the_manual)
{
    FILE *manual = fopen(SOURCE_ROOT "/docs/states.md", "r");
    char line[512];
    size_t rows = 0;
    struct row row;
    bool in_table = false;

    ck_assert_ptr_nonnull(manual);
    while (fgets(line, sizeof(line), manual)) {
        if (!read_row(line, &row)) {
            if (in_table)
                break;
            continue;
        }
        if (strcmp(row.from, "from") == 0)
            in_table = true;
        else if (in_table && row.from[0] != '-')
            check_row(&row, rows++);
    }
    fclose(manual);
    ck_assert_uint_eq(rows, tcp_table_rows);
}
END_TEST

START_TEST(every_proof_has_words_of_its_own)
{
    for (int i = 0; i < TCP_PROOF_COUNT; i++) {
        ck_assert_ptr_nonnull(tcp_proof_text((enum tcp_proof)i));
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(tcp_proof_text((enum tcp_proof)i), tcp_proof_text((enum tcp_proof)j));
    }
}
END_TEST

START_TEST(no_two_arrows_leave_a_state_by_the_same_proof)
{
    for (size_t i = 0; i < tcp_table_rows; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert(tcp_table[i].from != tcp_table[j].from ||
                      tcp_table[i].proof != tcp_table[j].proof);
}
END_TEST

/* -------------------------------------------------------------------------- a connection -- */

enum { CLIENT_ISN = 1000, SERVER_ISN = 5000 };

/* A connection, played by numbers relative to the ISNs. */
struct play {
    struct tcp_connection connection;
    struct tcp_result result;
    bool begun;
    fw_time now;
    uint16_t mark;
    struct fw_segment next; /* options of the next segment */
};

static void play(struct play *play, enum fw_side from, uint16_t flags, uint32_t seq, uint32_t ack,
                 uint32_t payload_bytes)
{
    struct fw_segment segment = play->next;

    segment.time = play->now += FW_MILLISECOND;
    segment.flags = flags;
    segment.seq = seq + (from == FW_CLIENT ? CLIENT_ISN : SERVER_ISN);
    segment.ack = flags & FW_ACK ? ack + (from == FW_CLIENT ? SERVER_ISN : CLIENT_ISN) : 0;
    segment.payload_bytes = payload_bytes;
    segment.ip_id = segment.checksum_raw = ++play->mark;
    if (segment.window_raw == 0)
        segment.window_raw = 1000;
    if (!play->begun)
        tcp_init(&play->connection, &segment);
    play->begun = true;
    tcp_step(&play->connection, from, &segment, &play->result);
}

static void play_handshake(struct play *play_)
{
    play(play_, FW_CLIENT, FW_SYN, 0, 0, 0);
    play(play_, FW_SERVER, FW_SYN | FW_ACK, 0, 1, 0);
    play_->next.options &= FW_OPT_TIMESTAMPS;
    play(play_, FW_CLIENT, FW_ACK, 1, 1, 0);
}

static void states_are(const struct play *play, enum fw_state client, enum fw_state server)
{
    ck_assert_str_eq(
        fw_state_name((enum fw_state)play->connection.end[FW_CLIENT].state, FW_NAMES_RFC),
        fw_state_name(client, FW_NAMES_RFC));
    ck_assert_str_eq(
        fw_state_name((enum fw_state)play->connection.end[FW_SERVER].state, FW_NAMES_RFC),
        fw_state_name(server, FW_NAMES_RFC));
}

static void path_is(const struct play *play, enum fw_side side, const char *expected)
{
    struct fw_connection record = { 0 };
    char text[256];

    tcp_describe(&play->connection, &record);
    fw_path_text(side == FW_CLIENT ? record.client_path : record.server_path, text, sizeof(text));
    ck_assert_str_eq(text, expected);
}

START_TEST(transitions_of_one_segment_come_in_order_with_the_states_after_each)
{
    struct play game = { 0 };

    play_handshake(&game);
    ck_assert_uint_eq(game.result.count, 2);
    ck_assert_int_eq(game.result.transitions[0].endpoint, FW_CLIENT);
    ck_assert_int_eq(game.result.transitions[0].to, FW_ESTABLISHED);
    ck_assert_int_eq(game.result.transitions[0].server_state, FW_SYN_RECEIVED);
    ck_assert_int_eq(game.result.transitions[0].in_state_ns, 2 * FW_MILLISECOND);
    ck_assert_int_eq(game.result.transitions[1].endpoint, FW_SERVER);
    ck_assert_int_eq(game.result.transitions[1].client_state, FW_ESTABLISHED);
    ck_assert_int_eq(game.result.transitions[1].server_state, FW_ESTABLISHED);
    ck_assert_int_eq(game.result.transitions[1].in_state_ns, FW_MILLISECOND);
}
END_TEST

START_TEST(time_spent_before_the_first_segment_is_unknown)
{
    struct play game = { 0 };

    play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    ck_assert_uint_eq(game.result.count, 1);
    ck_assert_int_eq(game.result.transitions[0].from, FW_CLOSED);
    ck_assert_int_eq(game.result.transitions[0].in_state_ns, -1);
}
END_TEST

START_TEST(fin_that_acks_the_fin_passes_close_wait)
{
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 1, 1, 0);
    play(&game, FW_SERVER, FW_FIN | FW_ACK, 1, 2, 0);
    ck_assert_int_eq(game.result.transitions[0].to, FW_CLOSE_WAIT);
    ck_assert_int_eq(game.result.transitions[1].to, FW_LAST_ACK);
    play(&game, FW_CLIENT, FW_ACK, 2, 2, 0);
    states_are(&game, FW_TIME_WAIT, FW_CLOSED);
    path_is(&game, FW_SERVER, "SYN_RECEIVED>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED");
    path_is(&game, FW_CLIENT, "SYN_SENT>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT");
}
END_TEST

START_TEST(what_is_taken_back_leaves_the_path)
{
    struct play game = { 0 };

    play_handshake(&game);
    for (int i = 0; i < 50; i++) {
        play(&game, FW_SERVER, FW_SYN | FW_ACK, 0, 1, 0);
        ck_assert(game.result.count == 1 && game.result.transitions[0].corrected);
        play(&game, FW_CLIENT, FW_ACK, 1, 1, 0);
    }
    path_is(&game, FW_SERVER, "SYN_RECEIVED>ESTABLISHED");
    path_is(&game, FW_CLIENT, "SYN_SENT>ESTABLISHED");
}
END_TEST

START_TEST(last_closed_of_a_timer_is_not_in_the_path)
{
    struct play game = { 0 };

    play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    tcp_timeout(&game.connection, TCP_TIMER_SYN, game.now + FW_SECOND, &game.result);
    ck_assert_int_eq(game.result.transitions[0].to, FW_CLOSED);
    ck_assert_int_eq(game.result.transitions[0].proof, FW_PROOF_TIMER);
    ck_assert_int_eq(game.result.transitions[0].in_state_ns, FW_SECOND);
    path_is(&game, FW_CLIENT, "SYN_SENT");
}
END_TEST

/* --------------------------------------------------------------------------------- roles -- */

START_TEST(roles_are_told_by_syn_else_syn_ack_else_lower_port)
{
    struct fw_segment first = { .from.port = 80, .to.port = 4000 };
    enum fw_dir_by dir_by;

    first.flags = FW_SYN;
    ck_assert_int_eq(tcp_first_role(&first, &dir_by), FW_CLIENT);
    ck_assert_int_eq(dir_by, FW_DIR_SYN);
    first.flags = FW_SYN | FW_ACK;
    ck_assert_int_eq(tcp_first_role(&first, &dir_by), FW_SERVER);
    ck_assert_int_eq(dir_by, FW_DIR_SYNACK);
    first.flags = FW_ACK;
    ck_assert_int_eq(tcp_first_role(&first, &dir_by), FW_SERVER);
    ck_assert_int_eq(dir_by, FW_DIR_PORT);
    first.from.port = 5000;
    ck_assert_int_eq(tcp_first_role(&first, &dir_by), FW_CLIENT);
}
END_TEST

/* ------------------------------------------------------------------- windows, timestamps -- */

static void play_scaled(struct play *game, int client_scale, int server_scale)
{
    game->next.options = client_scale >= 0 ? FW_OPT_WINDOW_SCALE : 0;
    game->next.window_scale = (uint8_t)(client_scale >= 0 ? client_scale : 0);
    play(game, FW_CLIENT, FW_SYN, 0, 0, 0);
    game->next.options = server_scale >= 0 ? FW_OPT_WINDOW_SCALE : 0;
    game->next.window_scale = (uint8_t)(server_scale >= 0 ? server_scale : 0);
    play(game, FW_SERVER, FW_SYN | FW_ACK, 0, 1, 0);
    game->next.options = 0;
    play(game, FW_CLIENT, FW_ACK, 1, 1, 0);
    play(game, FW_SERVER, FW_ACK, 1, 1, 0);
}

START_TEST(window_is_scaled_if_both_offered_it)
{
    struct play game = { 0 };

    play_scaled(&game, 2, 7);
    ck_assert_uint_eq(game.connection.end[FW_CLIENT].window, 1000u << 2);
    ck_assert_uint_eq(game.connection.end[FW_SERVER].window, 1000u << 7);
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 1 + 128000 + 1, 1, 0);
    ck_assert_int_eq(game.result.note, FW_NOTE_OUT_OF_WINDOW);
    states_are(&game, FW_ESTABLISHED, FW_ESTABLISHED);
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 1 + 128000 - 1, 1, 0);
    states_are(&game, FW_FIN_WAIT_1, FW_ESTABLISHED);
}
END_TEST

START_TEST(window_is_not_scaled_if_one_did_not)
{
    static const int scales[][2] = { { 7, -1 }, { -1, 7 }, { -1, -1 } };

    for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
        struct play game = { 0 };
        play_scaled(&game, scales[i][0], scales[i][1]);
        ck_assert_uint_eq(game.connection.end[FW_CLIENT].window, 1000);
        ck_assert_uint_eq(game.connection.end[FW_SERVER].window, 1000);
    }
}
END_TEST

START_TEST(window_of_a_syn_is_never_scaled)
{
    struct play game = { 0 };

    game.next.options = FW_OPT_WINDOW_SCALE;
    game.next.window_scale = 7;
    play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    play(&game, FW_SERVER, FW_SYN | FW_ACK, 0, 1, 0);
    ck_assert_uint_eq(game.connection.end[FW_CLIENT].window, 1000);
    ck_assert_uint_eq(game.connection.end[FW_SERVER].window, 1000);
}
END_TEST

START_TEST(window_in_the_middle_of_a_connection_may_be_scaled_by_14)
{
    struct play game = { 0 };

    play(&game, FW_CLIENT, FW_ACK, 1, 1, 0);
    play(&game, FW_SERVER, FW_ACK, 1, 1, 0);
    ck_assert_uint_eq(game.connection.end[FW_SERVER].window, 1000u << 14);
}
END_TEST

static void play_timed(struct play *game, uint32_t first)
{
    game->next.options = FW_OPT_TIMESTAMPS;
    game->next.ts_val = first;
    play_handshake(game);
    game->next.options = FW_OPT_TIMESTAMPS;
    game->next.ts_val = first + 100;
    play(game, FW_CLIENT, FW_ACK | FW_PSH, 1, 1, 10);
    play(game, FW_SERVER, FW_ACK, 1, 11, 0);
}

START_TEST(segment_with_an_older_timestamp_is_dropped)
{
    static const uint32_t clocks[] = { 1000, 0, UINT32_MAX - 50, 0x7fffffff };

    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        struct play game = { 0 };
        play_timed(&game, clocks[i]);
        game.next.ts_val = clocks[i] + 50;
        play(&game, FW_CLIENT, FW_FIN | FW_ACK, 11, 1, 0);
        ck_assert_int_eq(game.result.note, FW_NOTE_PAWS);
        states_are(&game, FW_ESTABLISHED, FW_ESTABLISHED);
        game.next.ts_val = clocks[i] + 150;
        play(&game, FW_CLIENT, FW_FIN | FW_ACK, 11, 1, 0);
        states_are(&game, FW_FIN_WAIT_1, FW_ESTABLISHED);
    }
}
END_TEST

START_TEST(rst_is_exempt_from_paws)
{
    struct play game = { 0 };

    play_timed(&game, 1000);
    game.next.ts_val = 1;
    play(&game, FW_CLIENT, FW_RST | FW_ACK, 11, 1, 0);
    states_are(&game, FW_CLOSED, FW_CLOSED);
}
END_TEST

/* -------------------------------------------------------------------------------- clocks -- */

START_TEST(each_state_has_its_clock)
{
    struct play game = { 0 };

    play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    ck_assert_int_eq(tcp_timer(&game.connection), TCP_TIMER_SYN);
    play(&game, FW_SERVER, FW_SYN | FW_ACK, 0, 1, 0);
    ck_assert_int_eq(tcp_timer(&game.connection), TCP_TIMER_SYN);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 0);
    ck_assert_int_eq(tcp_timer(&game.connection), TCP_TIMER_NONE);
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 1, 1, 0);
    ck_assert_int_eq(tcp_timer(&game.connection), TCP_TIMER_NONE);
    play(&game, FW_SERVER, FW_ACK, 1, 2, 0);
    ck_assert_int_eq(tcp_timer(&game.connection), TCP_TIMER_FIN_WAIT_2);
    play(&game, FW_SERVER, FW_FIN | FW_ACK, 1, 2, 0);
    play(&game, FW_CLIENT, FW_ACK, 2, 2, 0);
    ck_assert_int_eq(tcp_timer(&game.connection), TCP_TIMER_TIME_WAIT);
    tcp_timeout(&game.connection, TCP_TIMER_TIME_WAIT, game.now + FW_SECOND, &game.result);
    ck_assert_int_eq(tcp_timer(&game.connection), TCP_TIMER_CLOSED);
    ck_assert(tcp_is_over(&game.connection));
    states_are(&game, FW_CLOSED, FW_CLOSED);
}
END_TEST

START_TEST(a_refused_attempt_is_over)
{
    struct play game = { 0 };

    play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    ck_assert(!tcp_is_over(&game.connection));
    play(&game, FW_SERVER, FW_RST | FW_ACK, 0, 1, 0);
    ck_assert(tcp_is_over(&game.connection));
}
END_TEST

/* --------------------------------------------------------------- the numbers of a record -- */

START_TEST(handshake_and_round_trips_are_measured_on_each_side_of_the_tap)
{
    struct play game = { 0 };
    struct fw_connection record = { 0 };

    play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    game.now += 19 * FW_MILLISECOND;
    play(&game, FW_SERVER, FW_SYN | FW_ACK, 0, 1, 0);
    game.now += 4 * FW_MILLISECOND;
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 0);
    tcp_describe(&game.connection, &record);
    ck_assert_int_eq(record.handshake_ns, 25 * FW_MILLISECOND);
    ck_assert_int_eq(record.rtt_server_ns, 20 * FW_MILLISECOND);
    ck_assert_int_eq(record.rtt_client_ns, 5 * FW_MILLISECOND);
    ck_assert_int_eq(record.established_time, game.now);
}
END_TEST

START_TEST(bytes_are_counted_once_and_without_syn_and_fin)
{
    struct play game = { 0 };
    struct fw_connection record = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 100);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 100);  /* again */
    play(&game, FW_CLIENT, FW_ACK, 51, 1, 100); /* half of it again */
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 151, 1, 10);
    play(&game, FW_SERVER, FW_FIN | FW_ACK, 1, 162, 7);
    tcp_describe(&game.connection, &record);
    ck_assert_uint_eq(record.bytes[FW_CLIENT], 160);
    ck_assert_uint_eq(record.bytes[FW_SERVER], 7);
    ck_assert_uint_eq(record.data_packets[FW_CLIENT], 4);
    ck_assert_uint_eq(record.retransmits[FW_CLIENT], 2);
    ck_assert_uint_eq(record.packets[FW_CLIENT], 6);
}
END_TEST

START_TEST(bytes_across_the_wrap_of_sequence_numbers)
{
    struct play game = { 0 };
    struct fw_connection record = { 0 };
    uint32_t seq = 1;

    play_handshake(&game);
    for (int i = 0; i < 6; i++, seq += 1u << 30) { /* 6 GiB */
        game.next.window_raw = 65535;
        play(&game, FW_CLIENT, FW_ACK, seq, 1, 1u << 30);
        play(&game, FW_SERVER, FW_ACK, 1, seq + (1u << 30), 0);
    }
    tcp_describe(&game.connection, &record);
    ck_assert_uint_eq(record.bytes[FW_CLIENT], UINT64_C(6) << 30);
}
END_TEST

START_TEST(counters_of_flags_saturate)
{
    struct play game = { 0 };
    struct fw_connection record = { 0 };

    for (int i = 0; i < 70000; i++)
        play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    tcp_describe(&game.connection, &record);
    ck_assert_uint_eq(record.packets[FW_CLIENT], 70000);
    ck_assert_uint_eq(record.syns[FW_CLIENT], UINT16_MAX);
}
END_TEST

/* ------------------------------------------------------------ is a SYN a new connection? -- */

static enum tcp_syn classify(const struct play *game, enum fw_side from, uint32_t seq)
{
    const struct fw_segment syn = {
        .flags = FW_SYN,
        .seq = seq + (from == FW_CLIENT ? CLIENT_ISN : SERVER_ISN),
        .time = game->now,
    };
    return tcp_classify_syn(&game->connection, from, &syn);
}

START_TEST(syn_is_told_by_what_it_comes_to)
{
    struct play game = { 0 };

    play(&game, FW_CLIENT, FW_SYN, 0, 0, 0);
    ck_assert_int_eq(classify(&game, FW_CLIENT, 0), TCP_SYN_SAME);
    ck_assert_int_eq(classify(&game, FW_CLIENT, 900), TCP_SYN_HOLD);
    ck_assert_int_eq(classify(&game, FW_SERVER, 0), TCP_SYN_SAME); /* crossed */
    play(&game, FW_SERVER, FW_SYN | FW_ACK, 0, 1, 0);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 0);
    ck_assert_int_eq(classify(&game, FW_CLIENT, 0), TCP_SYN_SAME);
    ck_assert_int_eq(classify(&game, FW_CLIENT, 900), TCP_SYN_SUSPECT);
    ck_assert_int_eq(classify(&game, FW_SERVER, 900), TCP_SYN_SUSPECT);
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 1, 1, 0);
    play(&game, FW_SERVER, FW_FIN | FW_ACK, 1, 2, 0);
    play(&game, FW_CLIENT, FW_ACK, 2, 2, 0);
    ck_assert_int_eq(classify(&game, FW_CLIENT, 900), TCP_SYN_NEW);
    ck_assert_int_eq(classify(&game, FW_SERVER, 900), TCP_SYN_HOLD); /* to TIME_WAIT */
    tcp_timeout(&game.connection, TCP_TIMER_TIME_WAIT, game.now, &game.result);
    ck_assert_int_eq(classify(&game, FW_SERVER, 900), TCP_SYN_NEW);
}
END_TEST

/* ---------------------------------------------------------------------- what segments are -- */

static void note_is(const struct play *play, enum fw_note note)
{
    ck_assert_str_eq(fw_note_name(play->result.note), fw_note_name(note));
}

static void lossy_is(const struct play *play, bool lossy)
{
    struct fw_connection record = { 0 };
    tcp_describe(&play->connection, &record);
    ck_assert_int_eq(record.lossy, lossy);
}

/* The handshake of play_handshake() takes 2 ms. */
START_TEST(data_that_was_overtaken_fills_its_hole)
{
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_ACK, 101, 1, 100);
    note_is(&game, FW_NOTE_GAP);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 100); /* 1 ms later */
    note_is(&game, FW_NOTE_OUT_OF_ORDER);
    play(&game, FW_SERVER, FW_ACK, 1, 201, 0);
    lossy_is(&game, false);
    ck_assert_uint_eq(game.connection.end[FW_CLIENT].retransmits, 0);
    ck_assert_uint_eq(game.connection.end[FW_CLIENT].bytes, 200);
}
END_TEST

START_TEST(data_that_fills_a_hole_a_round_trip_later_was_sent_again)
{
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_ACK, 101, 1, 100);
    game.now += 10 * FW_MILLISECOND;
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 100);
    note_is(&game, FW_NOTE_RETRANSMISSION);
    play(&game, FW_SERVER, FW_ACK, 1, 201, 0);
    lossy_is(&game, false);
    ck_assert_uint_eq(game.connection.end[FW_CLIENT].retransmits, 1);
}
END_TEST

START_TEST(an_ack_of_what_was_not_seen_says_that_the_capture_is_lossy)
{
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_ACK, 101, 1, 100);
    play(&game, FW_SERVER, FW_ACK, 1, 1, 0); /* it lacks them as well */
    lossy_is(&game, false);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 60);
    play(&game, FW_SERVER, FW_ACK, 1, 61, 0);
    lossy_is(&game, false);
    play(&game, FW_SERVER, FW_ACK, 1, 201, 0);
    lossy_is(&game, true);
}
END_TEST

START_TEST(what_is_seen_in_the_midst_of_a_hole_is_not_missing)
{
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_ACK, 301, 1, 100);
    play(&game, FW_CLIENT, FW_ACK, 101, 1, 200);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 100);
    play(&game, FW_SERVER, FW_ACK, 1, 401, 0);
    lossy_is(&game, false);
}
END_TEST

START_TEST(the_ack_that_answers_a_reset_in_the_window_is_a_challenge)
{
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_ACK, 1, 1, 100);
    play(&game, FW_SERVER, FW_ACK, 1, 101, 0);
    play(&game, FW_CLIENT, FW_RST, 150, 0, 0);
    note_is(&game, FW_NOTE_RST_CHALLENGED);
    play(&game, FW_SERVER, FW_ACK, 1, 101, 0);
    note_is(&game, FW_NOTE_CHALLENGE_ACK);
    play(&game, FW_SERVER, FW_ACK, 1, 101, 0); /* only the first */
    note_is(&game, FW_NOTE_DUPLICATE_ACK);
    states_are(&game, FW_ESTABLISHED, FW_ESTABLISHED);
}
END_TEST

START_TEST(an_ack_to_an_end_that_has_closed_is_a_stray)
{
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 1, 1, 0);
    play(&game, FW_SERVER, FW_FIN | FW_ACK, 1, 2, 0);
    play(&game, FW_CLIENT, FW_ACK, 2, 2, 0);
    states_are(&game, FW_TIME_WAIT, FW_CLOSED);
    note_is(&game, FW_NOTE_NONE);
    game.next.window_raw = 2000;
    play(&game, FW_CLIENT, FW_ACK | FW_PSH, 2, 2, 0);
    note_is(&game, FW_NOTE_STRAY);
}
END_TEST

/* The kernel of a client without a TIME_WAIT of its own resets the last ACK if it comes again. */
START_TEST(a_reset_after_both_have_closed_does_not_change_how_they_did)
{
    struct fw_connection record = { 0 };
    struct play game = { 0 };

    play_handshake(&game);
    play(&game, FW_SERVER, FW_FIN | FW_ACK, 1, 1, 0);
    play(&game, FW_CLIENT, FW_FIN | FW_ACK, 1, 2, 0);
    play(&game, FW_SERVER, FW_ACK, 2, 2, 0);
    states_are(&game, FW_CLOSED, FW_TIME_WAIT);
    play(&game, FW_SERVER, FW_ACK, 2, 2, 0);
    play(&game, FW_CLIENT, FW_RST, 2, 0, 0);
    states_are(&game, FW_CLOSED, FW_CLOSED);
    tcp_describe(&game.connection, &record);
    ck_assert_str_eq(fw_end_name(record.end), "fin");
    ck_assert_int_eq(record.closed_by, FW_CLOSED_BY_SERVER);
    ck_assert_ptr_null(record.cause);
    ck_assert_uint_eq(record.rsts[FW_CLIENT], 1);
}
END_TEST

START_TEST(ack_of_an_attempt_is_a_range)
{
    struct fw_segment segment = { .flags = FW_ACK };
    const uint32_t isns[] = { 0, 1000, UINT32_MAX, UINT32_MAX - 5 };

    for (size_t i = 0; i < sizeof(isns) / sizeof(isns[0]); i++) {
        const uint32_t iss = isns[i], nxt = iss + 11;
        for (uint32_t ack = 0; ack < 20; ack++) {
            segment.ack = iss + ack;
            ck_assert_int_eq(tcp_acks_attempt(&segment, iss, nxt), ack >= 1 && ack <= 11);
        }
    }
    segment.flags = 0;
    ck_assert(!tcp_acks_attempt(&segment, 0, 11));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_table_is_that_of_the_figure,
        the_ways_out_of_a_state_are_those_of_its_rows,
        the_table_is_that_of_the_manual,
        every_proof_has_words_of_its_own,
        no_two_arrows_leave_a_state_by_the_same_proof,
        transitions_of_one_segment_come_in_order_with_the_states_after_each,
        time_spent_before_the_first_segment_is_unknown,
        fin_that_acks_the_fin_passes_close_wait,
        what_is_taken_back_leaves_the_path,
        last_closed_of_a_timer_is_not_in_the_path,
        roles_are_told_by_syn_else_syn_ack_else_lower_port,
        window_is_scaled_if_both_offered_it,
        window_is_not_scaled_if_one_did_not,
        window_of_a_syn_is_never_scaled,
        window_in_the_middle_of_a_connection_may_be_scaled_by_14,
        segment_with_an_older_timestamp_is_dropped,
        rst_is_exempt_from_paws,
        each_state_has_its_clock,
        a_refused_attempt_is_over,
        handshake_and_round_trips_are_measured_on_each_side_of_the_tap,
        bytes_are_counted_once_and_without_syn_and_fin,
        bytes_across_the_wrap_of_sequence_numbers,
        counters_of_flags_saturate,
        syn_is_told_by_what_it_comes_to,
        data_that_was_overtaken_fills_its_hole,
        data_that_fills_a_hole_a_round_trip_later_was_sent_again,
        an_ack_of_what_was_not_seen_says_that_the_capture_is_lossy,
        what_is_seen_in_the_midst_of_a_hole_is_not_missing,
        the_ack_that_answers_a_reset_in_the_window_is_a_challenge,
        an_ack_to_an_end_that_has_closed_is_a_stray,
        a_reset_after_both_have_closed_does_not_change_how_they_did,
        ack_of_an_attempt_is_a_range,
    };
    return UNIT_RUN("tcp", tests);
}
