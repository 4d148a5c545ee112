#include "view_kit.h"

#include "unit.h"

#include <string.h>

static struct kit kit;

START_TEST(an_ordinary_connection_looks_like_this)
{
    kit_begin(&kit, &view_transitions);
    kit_play_ordinary(&kit);
    kit_end(&kit);
    ck_assert_text(
        kit_finish(&kit),
        "   TIME  CONN  PACKET     CLIENT         SERVER\n"
        "  0.000    #1  S      →   SYN_SENT       -              192.168.1.10:50001 → 10.0.0.1:80\n"
        "  0.020    #1  S.     ←   SYN_SENT       SYN_RECEIVED\n"
        "  0.021    #1  .      →   ESTABLISHED    ESTABLISHED    handshake 21 ms\n"
        "  0.104    #1  F.     →   FIN_WAIT_1     ESTABLISHED    client closes first, after 83 ms\n"
        "  0.105    #1  .      ←   FIN_WAIT_2     CLOSE_WAIT\n"
        "  0.505    #1  F.     ←   FIN_WAIT_2     LAST_ACK       server took 400 ms to close\n"
        "  0.506    #1  .      →   TIME_WAIT      CLOSED         18 B up, 22 B down\n"
        "1 connection: 1 closed.\n");
}
END_TEST

START_TEST(ascii_has_other_arrows)
{
    kit_begin(&kit, &view_transitions);
    kit.options.utf8 = false;
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_step(&kit, 20, FW_SERVER, "S.", MOVES(SERVER_MOVES(LISTEN, SYN_RECEIVED, -1)));
    ck_assert_text(kit_finish(&kit), "   TIME  CONN  PACKET      CLIENT         SERVER\n"
                                     "  0.000    #1  S      ->   SYN_SENT       -              "
                                     "192.168.1.10:50001 -> 10.0.0.1:80\n"
                                     "  0.020    #1  S.     <-   SYN_SENT       SYN_RECEIVED\n"
                                     "0 connections in 2 TCP segments.\n");
}
END_TEST

START_TEST(a_narrow_terminal_moves_notes_and_never_wraps)
{
    kit_begin(&kit, &view_transitions);
    kit.options.width = 80;
    kit_play_ordinary(&kit);
    kit_end(&kit);
    ck_assert_text(
        kit_finish(&kit),
        "   TIME  CONN  PACKET     CLIENT         SERVER\n"
        "  0.000    #1  S      →   SYN_SENT       -      192.168.1.10:50001 → 10.0.0.1:80\n"
        "  0.020    #1  S.     ←   SYN_SENT       SYN_RECEIVED\n"
        "  0.021    #1  .      →   ESTABLISHED    ESTABLISHED    handshake 21 ms\n"
        "  0.104    #1  F.     →   FIN_WAIT_1     ESTABLISHED\n"
        "                          client closes first, after 83 ms\n"
        "  0.105    #1  .      ←   FIN_WAIT_2     CLOSE_WAIT\n"
        "  0.505    #1  F.     ←   FIN_WAIT_2     LAST_ACK    server took 400 ms to close\n"
        "  0.506    #1  .      →   TIME_WAIT      CLOSED         18 B up, 22 B down\n"
        "1 connection: 1 closed.\n");
}
END_TEST

START_TEST(the_changed_side_is_bold_and_the_other_dim)
{
    kit_begin(&kit, &view_transitions);
    kit.options.color = true;
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "\033[1mSYN_SENT\033[0m       \033[2m-\033[0m "));
    free(text);
}
END_TEST

START_TEST(names_and_marks_are_in_the_state_columns)
{
    kit_begin(&kit, &view_transitions);
    kit.options.names = FW_NAMES_SS;
    kit_step(&kit, 0, FW_CLIENT, ".",
             MOVES({ FW_CLIENT, FW_UNKNOWN, FW_ESTABLISHED, -1, FW_PROOF_INFERRED, false },
                   { FW_SERVER, FW_UNKNOWN, FW_ESTABLISHED, -1, FW_PROOF_INFERRED, false }));
    kit_step(&kit, 100, FW_SERVER, NULL,
             MOVES({ FW_SERVER, FW_ESTABLISHED, FW_CLOSED, 100, FW_PROOF_TIMER, false }));
    ck_assert_text(
        kit_finish(&kit),
        "   TIME  CONN  PACKET     CLIENT         SERVER\n"
        "  0.000    #1  .      →   ESTAB?         ESTAB?         192.168.1.10:50001 → 10.0.0.1:80  "
        "seen from the middle\n"
        "  0.100    #1  timer      ESTAB?         UNCONN~        of the test for 100 ms\n"
        "0 connections in 1 TCP segment.\n");
}
END_TEST

/* A FIN that acknowledges the peer's FIN: CLOSE_WAIT is passed within one packet. */
START_TEST(states_that_were_passed_through_are_named)
{
    kit_begin(&kit, &view_transitions);
    kit_step(&kit, 0, FW_CLIENT, "F.", MOVES(CLIENT_MOVES(ESTABLISHED, FIN_WAIT_1, -1)));
    kit_step(&kit, 1, FW_SERVER, "F.",
             MOVES(CLIENT_MOVES(FIN_WAIT_1, FIN_WAIT_2, 1),
                   SERVER_MOVES(ESTABLISHED, CLOSE_WAIT, 9),
                   SERVER_MOVES(CLOSE_WAIT, LAST_ACK, 0)));
    ck_assert_text(kit_finish(&kit),
                   "   TIME  CONN  PACKET     CLIENT         SERVER\n"
                   "  0.000    #1  F.     →   FIN_WAIT_1     -              192.168.1.10:50001 → "
                   "10.0.0.1:80  client closes first\n"
                   "  0.001    #1  F.     ←   FIN_WAIT_2     LAST_ACK       server closes at once, "
                   "server through CLOSE_WAIT\n"
                   "0 connections in 2 TCP segments.\n");
}
END_TEST

START_TEST(a_refusal_is_called_so)
{
    kit_begin(&kit, &view_transitions);
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit.connection.open = FW_OPEN_REFUSED;
    kit.connection.end = FW_END_RST;
    kit_step(&kit, 0.3, FW_SERVER, "R.",
             MOVES(SERVER_MOVES(UNKNOWN, CLOSED, -1), CLIENT_MOVES(SYN_SENT, CLOSED, 0)));
    kit_end(&kit);
    ck_assert_text(
        kit_finish(&kit),
        "   TIME  CONN  PACKET     CLIENT         SERVER\n"
        "  0.000    #1  S      →   SYN_SENT       -              192.168.1.10:50001 → 10.0.0.1:80\n"
        "  0.000    #1  R.     ←   CLOSED         CLOSED         refused\n"
        "1 connection: 1 never opened.\n");
}
END_TEST

START_TEST(a_proof_taken_back_says_what_it_proves)
{
    kit_begin(&kit, &view_transitions);
    kit_step(&kit, 0, FW_CLIENT, ".", MOVES(SERVER_MOVES(SYN_RECEIVED, ESTABLISHED, -1)));
    kit_step(&kit, 1000, FW_SERVER, "S.",
             MOVES({ FW_SERVER, FW_ESTABLISHED, FW_SYN_RECEIVED, 1000, FW_PROOF_SEGMENT, true }));
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "  1.000    #1  S.     ←   -              SYN_RECEIVED   "
                                       "retransmission proves that the ACK did not arrive\n"));
    free(text);
}
END_TEST

START_TEST(an_icmp_error_travels_to_the_sender_of_what_it_quotes)
{
    kit_begin(&kit, &view_transitions);
    kit_segment(&kit, 5, FW_CLIENT,
                (struct fw_segment){ .flags = FW_SYN, .icmp = FW_ICMP_HOST_UNREACHABLE },
                FW_NOTE_ICMP,
                MOVES({ FW_CLIENT, FW_SYN_SENT, FW_CLOSED, 5, FW_PROOF_INFERRED, false }));
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "  0.005    #1  icmp   ←   CLOSED?        - "));
    ck_assert_ptr_nonnull(strstr(text, fw_icmp_name(FW_ICMP_HOST_UNREACHABLE)));
    free(text);
}
END_TEST

START_TEST(endpoints_are_said_again_after_many_other_lines)
{
    kit_begin(&kit, &view_transitions);
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    for (uint64_t id = 2; id < 60; id++) {
        kit_connection(&kit, id);
        kit_step(&kit, 1, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    }
    kit_connection(&kit, 1);
    kit.connection.client_state = FW_SYN_SENT;
    kit_step(&kit, 2, FW_SERVER, "S.", MOVES(SERVER_MOVES(LISTEN, SYN_RECEIVED, -1)));
    kit_connection(&kit, 59);
    kit_step(&kit, 3, FW_SERVER, "S.", MOVES(SERVER_MOVES(LISTEN, SYN_RECEIVED, -1)));
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "  0.002    #1  S.     ←   SYN_SENT       SYN_RECEIVED   "
                                       "192.168.1.10:50001 → 10.0.0.1:80\n"
                                       "  0.003   #59  S.     ←   -              SYN_RECEIVED\n"));
    free(text);
}
END_TEST

static bool is_second(const struct fw_connection *connection)
{
    return connection->identity.id == 2;
}

START_TEST(a_selection_asks_about_the_end_of_a_connection)
{
    kit_begin(&kit, &view_transitions);
    kit.options.selection = (const struct selection *)&kit_selection;
    kit_wanted = is_second;
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_end(&kit);
    kit_connection(&kit, 2);
    kit_step(&kit, 1, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_step(&kit, 2, FW_SERVER, "S.", MOVES(SERVER_MOVES(LISTEN, SYN_RECEIVED, -1)));
    kit_end(&kit);
    ck_assert_text(
        kit_finish(&kit),
        "   TIME  CONN  PACKET     CLIENT         SERVER\n"
        "  0.001    #2  S      →   SYN_SENT       -              192.168.1.10:50002 → 10.0.0.1:80\n"
        "  0.002    #2  S.     ←   SYN_SENT       SYN_RECEIVED\n"
        "1 of 2 connections match: 1 never opened.\n");
}
END_TEST

START_TEST(live_a_selection_asks_about_now)
{
    kit_begin(&kit, &view_transitions);
    kit.options.selection = (const struct selection *)&kit_selection;
    kit.options.live = true;
    kit.out.line_buffered = true;
    kit_wanted = is_second;
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_connection(&kit, 2);
    kit_step(&kit, 1, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    ck_assert_uint_eq(kit.out.used, 0); /* written already */
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "  0.001    #2  S "));
    ck_assert_ptr_null(strstr(text, "#1"));
    free(text);
}
END_TEST

START_TEST(frame_numbers_are_there_with_v)
{
    kit_begin(&kit, &view_transitions);
    kit.options.verbose = 1;
    kit.frame = 41286;
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_step(&kit, 75000, FW_CLIENT, NULL,
             MOVES({ FW_CLIENT, FW_SYN_SENT, FW_CLOSED, 75000, FW_PROOF_TIMER, false }));
    ck_assert_text(kit_finish(&kit),
                   "   TIME  CONN    FRAME  PACKET     CLIENT         SERVER\n"
                   "  0.000    #1    41287  S      →   SYN_SENT       -              "
                   "192.168.1.10:50001 → 10.0.0.1:80\n"
                   " 75.000    #1           timer      CLOSED~        -              "
                   "no answer for 75.0 s\n"
                   "0 connections in 1 TCP segment.\n");
}
END_TEST

START_TEST(without_times_there_is_no_column)
{
    kit_begin(&kit, &view_transitions);
    kit.options.time_style = TIME_NONE;
    kit_step(&kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    ck_assert_text(
        kit_finish(&kit),
        "CONN  PACKET     CLIENT         SERVER\n"
        "  #1  S      →   SYN_SENT       -              192.168.1.10:50001 → 10.0.0.1:80\n"
        "0 connections in 1 TCP segment.\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_ordinary_connection_looks_like_this,
        ascii_has_other_arrows,
        a_narrow_terminal_moves_notes_and_never_wraps,
        the_changed_side_is_bold_and_the_other_dim,
        names_and_marks_are_in_the_state_columns,
        states_that_were_passed_through_are_named,
        a_refusal_is_called_so,
        a_proof_taken_back_says_what_it_proves,
        an_icmp_error_travels_to_the_sender_of_what_it_quotes,
        endpoints_are_said_again_after_many_other_lines,
        a_selection_asks_about_the_end_of_a_connection,
        live_a_selection_asks_about_now,
        frame_numbers_are_there_with_v,
        without_times_there_is_no_column,
    };
    return UNIT_RUN("view_transitions", tests);
}
