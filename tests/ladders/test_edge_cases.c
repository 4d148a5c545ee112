/* Every edge case of docs/states.md, by its number, in its order, and the rules that stand above
 * them. */
#include "ladder.h"
#include "unit.h"

/* ----------------------------------------------------------------------------- the rules -- */

START_TEST(syn_ack_sent_again_takes_the_ack_of_the_syn_back)
{
    ladder_check("established\n"
                 "B > S. 0:0 ack 1 delay 1s   B SYN_RECEIVED corrected\n"
                 "A > .  1:1 ack 1            B ESTABLISHED\n"
                 "record open complete\n");
    ladder_check("established\n"
                 "B > S. 0:0 ack 1 delay 1s   B SYN_RECEIVED corrected\n"
                 "A > .  1:1 ack 1            B ESTABLISHED\n"
                 "B > S. 0:0 ack 1 delay 2s   B SYN_RECEIVED corrected\n"
                 "record cause 'accept queue full'\n");
}
END_TEST

START_TEST(fin_sent_again_takes_the_ack_of_the_fin_back)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1            A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2            A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > F. 1:1 ack 2            B LAST_ACK\n"
                 "A > .  2:2 ack 2            A TIME_WAIT   B CLOSED\n"
                 "B > F. 1:1 ack 2 delay 1s   B LAST_ACK corrected\n"
                 "A > .  2:2 ack 2            B CLOSED\n"
                 "record end fin  closed_by A  path B *ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED\n");
}
END_TEST

START_TEST(fin_with_a_hole_before_it_has_not_been_received)
{
    ladder_check("established\n"
                 "A > P. 1:11 ack 1      silent                      # lost behind the tap\n"
                 "A > F. 11:11 ack 1     A FIN_WAIT_1\n"
                 "B > .  1:1 ack 1       silent                      # any ACK is not the ACK\n"
                 "A > P. 1:11 ack 1      silent\n"
                 "B > .  1:1 ack 12      A FIN_WAIT_2  B CLOSE_WAIT\n");
    ladder_check("established\n"
                 "A > F. 11:11 ack 1     A FIN_WAIT_1                # lost before the tap\n"
                 "B > .  1:1 ack 1       silent\n"
                 "A > P. 1:11 ack 1      silent\n"
                 "B > .  1:1 ack 12      A FIN_WAIT_2  B CLOSE_WAIT\n");
}
END_TEST

START_TEST(data_on_syn_syn_ack_and_fin_count)
{
    ladder_check("A > S  0:10            A SYN_SENT     B -\n"
                 "B > S. 0:20 ack 11     B SYN_RECEIVED\n"
                 "A > .  11:11 ack 21    A ESTABLISHED  B ESTABLISHED\n"
                 "A > F. 11:16 ack 21    A FIN_WAIT_1\n"
                 "B > .  21:21 ack 16    silent                      # its data, not the FIN\n"
                 "B > .  21:21 ack 17    A FIN_WAIT_2   B CLOSE_WAIT\n"
                 "record bytes A 15  bytes B 20  data_packets A 2  data_packets B 1\n");
}
END_TEST

START_TEST(data_on_a_syn_may_go_unaccepted)
{
    ladder_check("A > S  0:10            A SYN_SENT     B -\n"
                 "B > S. 0:0 ack 1       B SYN_RECEIVED\n"
                 "A > .  1:11 ack 1      A ESTABLISHED  B ESTABLISHED\n"
                 "record open complete  bytes A 10\n");
}
END_TEST

START_TEST(window_of_unknown_scale_is_never_exceeded)
{
    ladder_check("A > .  1:1 ack 1                A ESTABLISHED?  B ESTABLISHED?\n"
                 "B > .  1:1 ack 1                silent    # 65535, scaled by who knows what\n"
                 "A > F. 900000:900000 ack 1      A FIN_WAIT_1\n");
    ladder_check("established wscale 7\n"
                 "B > .  1:1 ack 1                silent    # 65535 << 7\n"
                 "A > F. 8000000:8000000 ack 1    A FIN_WAIT_1\n");
}
END_TEST

START_TEST(window_scale_of_one_side_only_is_none)
{
    ladder_check("A > S  0:0 wscale 7      A SYN_SENT     B -\n"
                 "B > S. 0:0 ack 1         B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1         A ESTABLISHED  B ESTABLISHED\n"
                 "B > .  1:1 ack 1         silent\n"
                 "A > F. 800000:800000 ack 1  silent  note 'out of window'\n");
}
END_TEST

/* ----------------------------------------------------------------------------------- RST -- */

START_TEST(exact_rst_closes_both)
{
    ladder_check("established\n"
                 "B > P. 1:11 ack 1      silent\n"
                 "A > R. 1:1 ack 1       A CLOSED  B CLOSED\n"
                 "record end rst  closed_by A  cause 'reset by A'  rsts A 1  rsts B 0\n");
}
END_TEST

START_TEST(rst_in_the_window_but_not_exact_is_challenged)
{
    ladder_check("established\n"
                 "A > P. 1:11 ack 1      silent\n"
                 "B > R  100:100         silent  note 'reset challenged'\n"
                 "A > .  11:11 ack 1     silent                   # the challenge ACK\n"
                 "record end open  closed_by none\n");
    ladder_check("established\n"
                 "A > P. 1:11 ack 1      silent\n"
                 "B > R  100:100         silent  note 'reset challenged'\n"
                 "A > .  11:11 ack 1     silent\n"
                 "B > R  1:1             A CLOSED  B CLOSED       # it has no connection\n"
                 "record end rst  closed_by B\n");
}
END_TEST

START_TEST(rst_outside_the_window_is_ignored)
{
    ladder_check("established\n"
                 "B > R  200000:200000   silent  note 'reset ignored'\n"
                 "B > R  0:0             silent  note 'reset ignored'\n"
                 "record end open  closed_by none\n");
}
END_TEST

START_TEST(rst_one_before_the_number_after_a_fin_is_taken)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1       A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2       A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "A > R  1:1             A any  B CLOSED\n"
                 "record end rst\n");
}
END_TEST

START_TEST(rst_in_the_window_ends_a_half_open_request)
{
    ladder_check("A > S  0:0             A SYN_SENT  B -\n"
                 "B > S. 0:0 ack 1       B SYN_RECEIVED\n"
                 "A > R  100:100         A any  B any     # unless B says that it lives\n"
                 "after 5s               B CLOSED\n");
}
END_TEST

START_TEST(forged_rst_is_taken_back_for_its_supposed_sender_only)
{
    ladder_check("established\n"
                 "A > R  1:1               A CLOSED  B CLOSED       # not A's\n"
                 "A > P. 1:11 ack 1 delay 1s  A ESTABLISHED corrected  note 'reset was forged'\n"
                 "B > R  1:1               A CLOSED\n"
                 "record end rst\n");
}
END_TEST

START_TEST(refused_is_a_rst_that_answers_the_syn)
{
    ladder_check("A > S  0:0             A SYN_SENT  B -\n"
                 "B > R. =0:0 ack 1      A CLOSED    B CLOSED\n"
                 "record open refused  end rst  closed_by B  cause refused\n");
}
END_TEST

START_TEST(rst_that_acknowledges_another_syn_refuses_nothing)
{
    ladder_check("A > S  0:0             A SYN_SENT  B -\n"
                 "B > R. =0:0 ack 77     silent  note 'reset ignored'\n"
                 "B > R  0:0             silent  note 'reset ignored'\n"
                 "B > S. 0:0 ack 1       B SYN_RECEIVED\n"
                 "record open 'no final ACK'\n");
}
END_TEST

START_TEST(lone_rst_makes_no_connection)
{
    ladder_check("A > R  1:1\n"
                 "B > R. 1:1 ack 1\n"
                 "count connections 0\n"
                 "count lone_rsts 2\n");
}
END_TEST

/* ------------------------------------------------------------------------------- opening -- */

START_TEST(case_1_syn_sent_again_is_the_same_attempt_whatever_the_gap)
{
    ladder_check("A > S  0:0                A SYN_SENT  B -\n"
                 "A > S  0:0 delay 1s       silent  note retransmission\n"
                 "A > S  0:0 delay 2s       silent\n"
                 "B > S. 0:0 ack 1          B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1          A ESTABLISHED B ESTABLISHED\n"
                 "record open complete  syns A 3\n");
    ladder_check("A > S  0:0                A SYN_SENT  B -\n"
                 "after 76s                 A CLOSED~\n"
                 "A > S  0:0 delay 3600s    A SYN_SENT corrected\n"
                 "B > S. 0:0 ack 1          B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1          A ESTABLISHED B ESTABLISHED\n"
                 "record open complete  end open  syns A 2\n");
}
END_TEST

START_TEST(case_2_syn_with_another_isn_abandons_the_attempt)
{
    ladder_check("A > S  0:0                A SYN_SENT  B -\n"
                 "A > S  5000:5000 delay 1s A SYN_SENT*\n"
                 "B > S. 0:0 ack 5001       A SYN_SENT  B SYN_RECEIVED\n"
                 "A > .  5001:5001 ack 1    A ESTABLISHED B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 open abandoned  cause abandoned  packets A 1  packets B 0\n"
                 "record 2 open complete   packets A 2  packets B 1\n");
    ladder_check("A > S  0:0                A SYN_SENT  B -\n"
                 "A > S  5000:5000 delay 1s A SYN_SENT*\n"
                 "count connections 2\n"
                 "record 1 open abandoned  cause abandoned\n"
                 "record 2 open 'no answer'  end open  state A SYN_SENT  state B -\n");
}
END_TEST

START_TEST(case_2_syn_ack_of_the_old_isn_lets_the_old_attempt_live)
{
    ladder_check("A > S  0:0                A SYN_SENT  B -\n"
                 "A > S  5000:5000 delay 1s A SYN_SENT*\n"
                 "B > S. 0:0 ack 1          B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1          A ESTABLISHED B ESTABLISHED\n"
                 "record 1 open complete  end open\n");
}
END_TEST

START_TEST(case_3_syn_ack_of_a_wrong_number_leaves_the_client_in_syn_sent)
{
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "B > S. 0:0 ack 77     B SYN_RECEIVED  note 'bad SYN+ACK'\n"
                 "A > R  77:77          B CLOSED             # A resets it and goes on waiting\n"
                 "record open 'bad SYN+ACK'  state A SYN_SENT\n");
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "B > S. 0:0 ack 0      B SYN_RECEIVED  note 'bad SYN+ACK'\n"
                 "A > R  0:0            B CLOSED\n");
}
END_TEST

START_TEST(case_4_data_does_for_a_lost_ack)
{
    ladder_check("A > S  0:0            A SYN_SENT     B -\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
                 "A > P. 1:11 ack 1     A ESTABLISHED  B ESTABLISHED\n"
                 "record open complete\n");
    ladder_check(
        "A > S  0:0            A SYN_SENT     B -\n"
        "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
        "A > P. 11:21 ack 1    A ESTABLISHED  B ESTABLISHED    # the first data are lost too\n"
        "record open complete\n");
}
END_TEST

START_TEST(case_5_syn_ack_before_its_syn_is_the_same_connection)
{
    ladder_check("B > S. 0:0 ack 1      A SYN_SENT?    B SYN_RECEIVED\n"
                 "A > S  0:0            A SYN_SENT*\n"
                 "A > .  1:1 ack 1      A ESTABLISHED  B ESTABLISHED\n"
                 "record client A  open complete  syns A 1  synacks B 1\n");
}
END_TEST

START_TEST(case_6_capture_starts_at_the_syn_ack)
{
    ladder_check("B > S. 0:0 ack 1      A SYN_SENT?    B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1      A ESTABLISHED  B ESTABLISHED\n"
                 "record client A  dir_by synack  open complete\n");
}
END_TEST

START_TEST(case_7_ack_chooses_between_two_syn_acks)
{
    ladder_check("A > S  0:0            A SYN_SENT     B -\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
                 "B > S. 500:500 ack 1  silent\n"
                 "A > .  1:1 ack 501    A ESTABLISHED  B ESTABLISHED\n"
                 "B > F. 501:501 ack 1  B FIN_WAIT_1\n"
                 "A > .  1:1 ack 502    A CLOSE_WAIT   B FIN_WAIT_2\n"
                 "record open complete  synacks B 2  bytes B 0\n");
    ladder_check("A > S  0:0            A SYN_SENT     B -\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
                 "B > S. 500:500 ack 1  silent\n"
                 "A > .  1:1 ack 1      A ESTABLISHED  B ESTABLISHED\n"
                 "B > F. 1:1 ack 1      B FIN_WAIT_1\n"
                 "A > .  1:1 ack 2      A CLOSE_WAIT   B FIN_WAIT_2\n");
}
END_TEST

START_TEST(case_8_simultaneous_open_needs_no_bare_ack)
{
    ladder_check("A > S  0:0            A SYN_SENT     B -\n"
                 "B > S  0:0            B SYN_SENT\n"
                 "A > S. 0:0 ack 1      A SYN_RECEIVED\n"
                 "B > S. 0:0 ack 1      B ESTABLISHED  A ESTABLISHED\n"
                 "A > P. 1:11 ack 1     silent\n"
                 "record open complete  client A  syns A 1  syns B 1  synacks A 1  synacks B 1\n"
                 "record path A SYN_SENT>SYN_RECEIVED>ESTABLISHED\n"
                 "record path B SYN_SENT>SYN_RECEIVED>ESTABLISHED\n");
    ladder_check("with same port\n"
                 "A > S  0:0            A SYN_SENT     B -\n"
                 "B > S  0:0            B SYN_SENT\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
                 "A > S. 0:0 ack 1      B ESTABLISHED  A ESTABLISHED\n"
                 "record client A\n");
}
END_TEST

START_TEST(case_9_fast_open_server_sends_data_and_fin_in_syn_received)
{
    ladder_check("A > S  0:10 cookie 8      A SYN_SENT   B -\n"
                 "B > S. 0:0 ack 11         B SYN_RECEIVED\n"
                 "B > P. 1:101 ack 11       silent           # does not prove ESTABLISHED\n"
                 "B > F. 101:101 ack 11     B FIN_WAIT_1     # CLOSE in SYN_RECEIVED\n"
                 "A > .  11:11 ack 102      A CLOSE_WAIT  B FIN_WAIT_2\n"
                 "record bytes A 10  bytes B 100\n"
                 "record path A SYN_SENT>ESTABLISHED>CLOSE_WAIT\n"
                 "record path B SYN_RECEIVED>FIN_WAIT_1>FIN_WAIT_2\n");
    ladder_check("A > S  0:10 cookie 8      A SYN_SENT   B -\n"
                 "B > S. 0:0 ack 11         B SYN_RECEIVED\n"
                 "B > P. 1:101 ack 11       silent\n"
                 "A > .  11:11 ack 101      A ESTABLISHED  B ESTABLISHED\n"
                 "record open complete\n");
}
END_TEST

START_TEST(case_10_split_handshake_keeps_the_roles_of_the_first_syn)
{
    ladder_check("A > S  0:0            A SYN_SENT     B -\n"
                 "B > S  0:0            B SYN_SENT                   # a bare SYN for an answer\n"
                 "A > S. 0:0 ack 1      A SYN_RECEIVED\n"
                 "B > .  1:1 ack 1      A ESTABLISHED  B ESTABLISHED\n"
                 "record client A  dir_by syn  open complete\n");
}
END_TEST

START_TEST(case_11_half_open_scan_closes_both)
{
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
                 "A > R  1:1            A CLOSED    B CLOSED\n"
                 "record open 'no final ACK'  end rst  closed_by A\n"
                 "record path A SYN_SENT>CLOSED  path B SYN_RECEIVED>CLOSED\n");
}
END_TEST

START_TEST(case_12_icmp_unreachable_closes_the_client_by_inference)
{
    ladder_check("A > S  0:0                             A SYN_SENT  B -\n"
                 "A > S  0:0 icmp 'port unreachable'     A CLOSED?\n"
                 "record open unreachable  packets A 1  packets B 0  syns A 1\n");
    ladder_check("A > S    0:0                           A SYN_SENT  B -\n"
                 "A > none 0:0 icmp 'host unreachable'   A CLOSED?   # eight bytes are quoted\n"
                 "record open unreachable  packets A 1\n");
}
END_TEST

START_TEST(case_12_icmp_that_ends_nothing)
{
    ladder_check("A > S  0:0                              A SYN_SENT  B -\n"
                 "A > S  0:0 icmp 'fragmentation needed'  silent\n"
                 "A > S  900:900 icmp 'port unreachable'  silent      # of another attempt\n"
                 "record open 'no answer'\n");
    ladder_check("established\n"
                 "A > .  1:1 icmp 'host unreachable'      silent      # a soft error by now\n"
                 "A > F. 1:1 icmp 'host unreachable'      silent      # never a segment\n"
                 "record open complete  end open  fins A 0\n");
    ladder_check("established\n"
                 "A > S  0:0 vlan 7 icmp 'port unreachable'\n"
                 "count icmp_unmatched 1\n");
}
END_TEST

START_TEST(case_13_nobody_answers)
{
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "after 74s             silent\n"
                 "after 2s              A CLOSED~\n"
                 "record open 'no answer'  end timer  closed_by none  state A CLOSED~  state B -\n"
                 "record path A SYN_SENT\n");
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "A > S  0:0 delay 70s  silent\n"
                 "after 74s             silent                # since the last SYN\n"
                 "after 2s              A CLOSED~\n"
                 "record open 'no answer'  end timer\n");
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "record open 'no answer'  end open  state A SYN_SENT  state B -\n");
}
END_TEST

START_TEST(case_14_syn_with_any_other_flag_is_a_syn)
{
    ladder_check("A > SEW 0:0           A SYN_SENT     B -\n"
                 "B > S.E 0:0 ack 1     B SYN_RECEIVED\n"
                 "A > .   1:1 ack 1     A ESTABLISHED  B ESTABLISHED\n");
    ladder_check("A > SEWe 0:0          A SYN_SENT     B -         # AccECN\n"
                 "B > S.We 0:0 ack 1    B SYN_RECEIVED\n"
                 "A > .    1:1 ack 1    A ESTABLISHED  B ESTABLISHED\n");
    ladder_check("A > SPU 0:10 mss 1460 wscale 7 ts 100 cookie 0   A SYN_SENT  B -\n"
                 "record mss A 1460  mss B 0\n");
}
END_TEST

START_TEST(case_14_syn_with_rst_is_a_rst)
{
    ladder_check("A > SR  0:0\n"
                 "count connections 0\n"
                 "count lone_rsts 1\n");
}
END_TEST

START_TEST(case_14_syn_with_fin_proves_syn_sent_and_nothing_else)
{
    ladder_check("A > SF  0:0           A SYN_SENT  B -  note 'odd flags'\n"
                 "record state A SYN_SENT  state B -  closed_by none  fins A 1  syns A 1\n"
                 "count odd_flags 1\n");
    ladder_check("established\n"
                 "A > SF. 1:1 ack 1     silent\n");
}
END_TEST

/* --------------------------------------------------------------------------- established -- */

START_TEST(case_15_challenge_ack_and_rst_kill_the_old_connection)
{
    ladder_check("established\n"
                 "A > P. 1:11 ack 1          silent\n"
                 "B > .  1:1 ack 11          silent\n"
                 "A > S  5000:5000           A SYN_SENT?         # B unchanged\n"
                 "B > .  1:1 ack 11          silent\n"
                 "A > R  11:11               B CLOSED\n"
                 "A > S  5000:5000 delay 1s  A SYN_SENT  B -\n"
                 "B > S. 7000:7000 ack 5001  B SYN_RECEIVED\n"
                 "count connections 2\n"
                 "record 1 open complete  end rst\n"
                 "record 2 open 'no final ACK'  end open\n");
}
END_TEST

START_TEST(case_15_syn_ack_to_the_new_isn_shows_that_the_old_one_was_forgotten)
{
    ladder_check("established\n"
                 "A > S  5000:5000           A SYN_SENT?\n"
                 "B > S. 7000:7000 ack 5001  A SYN_SENT     B SYN_RECEIVED\n"
                 "A > .  5001:5001 ack 7001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 open complete  end reused\n"
                 "record 2 open complete  end open  client A\n");
}
END_TEST

START_TEST(case_15_client_that_goes_on_did_not_send_the_syn)
{
    ladder_check("established\n"
                 "A > S  5000:5000           A SYN_SENT?\n"
                 "B > .  1:1 ack 1           silent\n"
                 "A > P. 1:11 ack 1          A ESTABLISHED corrected\n"
                 "A > F. 11:11 ack 1         A FIN_WAIT_1\n"
                 "record open complete  all_packets 7  path A *ESTABLISHED>FIN_WAIT_1\n");
    ladder_check("established\n"
                 "B > S  5000:5000           B SYN_SENT?         # from the passive side\n"
                 "A > .  1:1 ack 1           silent\n"
                 "B > P. 1:11 ack 1          B ESTABLISHED corrected\n");
}
END_TEST

START_TEST(case_15_what_comes_after_the_syn_timer_of_the_new_attempt_is_told)
{
    ladder_check("established\n"
                 "B > S. 0:0 ack 1 delay 1s  B SYN_RECEIVED corrected\n"
                 "A > S  5000:5000           A SYN_SENT?\n"
                 "after 80s                  A CLOSED~  B CLOSED~\n"
                 "B > S. 0:0 ack 1 delay 1s  B SYN_RECEIVED corrected\n"
                 "A > S. 0:0 ack 1           A any      B any     # no state without a transition\n"
                 "A > .  1:1 ack 1           A any      B any\n");
}
END_TEST

START_TEST(case_16_segment_without_ack_is_dropped)
{
    ladder_check("established\n"
                 "A > F    1:1           silent  note 'without ACK'\n"
                 "A > P    1:11          silent\n"
                 "A > none 1:1           silent\n"
                 "A > P.   1:11 ack 1    silent\n"
                 "record closed_by none\n");
}
END_TEST

START_TEST(case_16_ack_of_what_was_never_sent_is_dropped)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 5000    A any            # provisional: case 18\n"
                 "B > P. 1:11 ack 1      A any\n"
                 "A > P. 1:11 ack 11     A ESTABLISHED*   # B had not sent up to 5000\n"
                 "record closed_by none\n");
    ladder_check("established\n"
                 "B > F. 1:1 ack 1       B FIN_WAIT_1\n"
                 "A > F. 1:1 ack 900     silent  note 'acknowledges what was not sent'\n"
                 "A > .  1:1 ack 2       A CLOSE_WAIT  B FIN_WAIT_2\n");
}
END_TEST

START_TEST(case_16_segment_out_of_the_window_is_dropped_with_its_fin)
{
    ladder_check("established\n"
                 "B > .  1:1 ack 1                 silent\n"
                 "A > F. 200000:200010 ack 1       silent  note 'out of window'\n"
                 "record closed_by none\n");
    ladder_check("established\n"
                 "A > P. 1:1001 ack 1              silent\n"
                 "B > .  1:1 ack 1001              silent\n"
                 "A > F. 1:1 ack 1                 silent     # before the window\n"
                 "A > P. 1001:1011 ack 1           silent\n"
                 "record closed_by none\n");
}
END_TEST

START_TEST(case_16_segment_with_an_old_timestamp_is_dropped_with_its_fin)
{
    ladder_check("established ts 1000\n"
                 "A > P. 1:11 ack 1 ts 1100        silent\n"
                 "B > .  1:1 ack 11 ts 1100        silent\n"
                 "A > F. 11:11 ack 1 ts 500        silent  note 'old timestamp'\n"
                 "A > P. 11:21 ack 1 ts 1200       silent\n"
                 "record closed_by none\n");
    ladder_check("established ts 1000\n"
                 "A > P. 1:11 ack 1 ts 1100        silent\n"
                 "B > .  1:1 ack 11 ts 1100        silent\n"
                 "A > R. 11:11 ack 1 ts 500        A CLOSED  B CLOSED   # PAWS is not for RST\n");
}
END_TEST

START_TEST(case_17_probes_window_updates_and_duplicate_acks_change_nothing)
{
    ladder_check("established\n"
                 "A > P. 1:11 ack 1            silent\n"
                 "B > .  1:1 ack 11            silent\n"
                 "A > .  10:10 ack 1 delay 60s silent  note keep-alive\n"
                 "B > .  1:1 ack 11            silent\n"
                 "A > .  10:11 ack 1 delay 60s silent  note keep-alive\n"
                 "B > .  1:1 ack 11 win 0      silent  note 'zero window'\n"
                 "A > .  10:10 ack 1 delay 1s  silent  note 'zero window probe'\n"
                 "B > .  1:1 ack 11 win 0      silent\n"
                 "A > .  11:12 ack 1 delay 1s  silent\n"
                 "B > .  1:1 ack 11 win 0      silent\n"
                 "B > .  1:1 ack 12 win 9000   silent  note 'window update'\n"
                 "B > .  1:1 ack 12 win 9000   silent  note 'duplicate ACK'\n"
                 "B > .  1:1 ack 12 win 9000   silent\n"
                 "record bytes A 11  closed_by none\n");
    ladder_check("established\n"
                 "A > F. 1:1 ack 1             A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2             A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > .  0:0 ack 2 delay 60s   silent\n"
                 "A > .  2:2 ack 1             silent\n"
                 "A > .  1:1 ack 1 delay 60s   silent\n"
                 "B > .  1:1 ack 2             silent\n");
}
END_TEST

START_TEST(case_18_ack_of_data_that_the_capture_missed)
{
    ladder_check("established\n"
                 "A > .  1:1 ack 101       silent                 # 100 bytes of B are missing\n"
                 "B > P. 101:111 ack 1     silent  note 'capture gap'\n"
                 "A > F. 1:1 ack 111       A FIN_WAIT_1\n"
                 "B > .  111:111 ack 2     A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "record lossy yes  bytes B 110\n");
    ladder_check("established\n"
                 "A > .  1:1 ack 101       silent                 # nothing of B is missing\n"
                 "B > P. 1:11 ack 1        silent\n"
                 "A > .  1:1 ack 11        silent\n"
                 "record lossy no  bytes B 10\n");
}
END_TEST

START_TEST(case_18_ack_of_one_unseen_number_may_be_of_a_fin_or_a_byte)
{
    ladder_check("established\n"
                 "A > .  1:1 ack 2         silent                 # hold both\n"
                 "B > .  2:2 ack 1         silent                 # still\n"
                 "B > P. 2:12 ack 1        silent                 # a byte: nothing follows a FIN\n"
                 "A > .  1:1 ack 12        silent\n"
                 "record bytes B 11  closed_by none\n");
    ladder_check("established\n"
                 "A > .  1:1 ack 2         silent                 # hold both\n"
                 "B > F. 1:1 ack 1         A CLOSE_WAIT  B any    # a FIN: here it is again\n"
                 "A > .  1:1 ack 2         B FIN_WAIT_2\n"
                 "A > F. 1:1 ack 2         A LAST_ACK\n"
                 "B > .  2:2 ack 2         A CLOSED  B TIME_WAIT\n"
                 "record end fin  closed_by B  bytes B 0\n");
}
END_TEST

/* ------------------------------------------------------------------------------- closing -- */

START_TEST(case_19_ordinary_close_by_either_side)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2         A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT   B CLOSED\n"
                 "record end fin  closed_by A  state A TIME_WAIT  state B CLOSED\n");
    ladder_check("established\n"
                 "B > F. 1:1 ack 1         B FIN_WAIT_1\n"
                 "A > .  1:1 ack 2         B FIN_WAIT_2  A CLOSE_WAIT\n"
                 "A > F. 1:1 ack 2         A LAST_ACK\n"
                 "B > .  2:2 ack 2         B TIME_WAIT   A CLOSED\n"
                 "record end fin  closed_by B\n");
}
END_TEST

START_TEST(case_19_half_close_stays_for_hours)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1                 A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2                 A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > P. 1:1001 ack 2 delay 3600s  silent\n"
                 "A > .  2:2 ack 1001              silent\n"
                 "B > P. 1001:2001 ack 2 delay 36000s  silent\n"
                 "A > .  2:2 ack 2001              silent\n"
                 "after 360000s                    silent\n"
                 "B > F. 2001:2001 ack 2           B LAST_ACK\n"
                 "A > .  2:2 ack 2002              A TIME_WAIT   B CLOSED\n"
                 "record end fin  closed_by A  bytes B 2000\n");
}
END_TEST

/* A may have taken the ACK before the FIN, or only the FIN yet: its next segment tells. */
START_TEST(case_20_three_way_close_passes_close_wait)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT   B CLOSED\n"
                 "record end fin  closed_by A\n"
                 "record path A *ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT\n");
    ladder_check("established\n"
                 "B > F. 1:1 ack 1         B FIN_WAIT_1\n"
                 "A > F. 1:1 ack 2         A LAST_ACK\n"
                 "B > .  2:2 ack 2         B TIME_WAIT   A CLOSED\n"
                 "record end fin  closed_by B\n"
                 "record path A *ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED\n");
}
END_TEST

START_TEST(case_21_simultaneous_close_leaves_both_in_time_wait)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 1         B FIN_WAIT_1\n"
                 "B > .  2:2 ack 2         B CLOSING\n"
                 "A > .  2:2 ack 2         A TIME_WAIT   B TIME_WAIT\n"
                 "record end fin  closed_by both\n"
                 "record path A *ESTABLISHED>FIN_WAIT_1>CLOSING>TIME_WAIT\n"
                 "record path B *ESTABLISHED>FIN_WAIT_1>CLOSING>TIME_WAIT\n");
}
END_TEST

START_TEST(case_21_crossed_fins_in_another_order_at_the_tap)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > .  2:2 ack 2         A any  B any           # overtook its own FIN\n"
                 "B > F. 1:1 ack 1         A any  B any\n"
                 "A > .  2:2 ack 2         A TIME_WAIT*  B TIME_WAIT*\n"
                 "record end fin\n");
}
END_TEST

START_TEST(case_21_crossed_fins_with_the_first_copy_of_one_lost)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1          A FIN_WAIT_1           # B's F. 1:1 ack 1 is missed\n"
                 "A > .  2:2 ack 2          A any  B any\n"
                 "B > .  2:2 ack 2          A any  B any\n"
                 "B > F. 1:1 ack 2 delay 1s A any  B any           # A's ACK was lost\n"
                 "A > .  2:2 ack 2          A TIME_WAIT*  B TIME_WAIT*\n"
                 "record end fin\n");
}
END_TEST

START_TEST(case_22_fin_sent_again_is_no_new_transition)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1              A FIN_WAIT_1\n"
                 "A > F. 1:1 ack 1 delay 300ms  silent  note retransmission\n"
                 "B > .  1:1 ack 2              A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "record fins A 2\n");
    ladder_check("established\n"
                 "A > F. 1:1 ack 1              A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2              A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "A > F. 1:1 ack 1 delay 300ms  A FIN_WAIT_1 corrected\n"
                 "B > .  1:1 ack 2              A FIN_WAIT_2\n"
                 "record fins A 2\n");
}
END_TEST

START_TEST(case_22_fin_sent_again_restarts_2msl)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1              A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2              A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > F. 1:1 ack 2              B LAST_ACK\n"
                 "A > .  2:2 ack 2              A TIME_WAIT   B CLOSED\n"
                 "B > F. 1:1 ack 2 delay 200s   B LAST_ACK corrected\n"
                 "A > .  2:2 ack 2              B CLOSED\n"
                 "after 239s                    silent\n"
                 "after 2s                      A CLOSED~\n");
}
END_TEST

START_TEST(case_23_data_after_close_draws_a_rst)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2         A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > P. 1:101 ack 2       silent\n"
                 "A > R  2:2               A CLOSED      B CLOSED\n"
                 "record end rst  cause 'data after close'  closed_by A\n");
}
END_TEST

START_TEST(case_24_close_with_unread_data_or_without_linger_resets)
{
    ladder_check("established\n"
                 "B > P. 1:101 ack 1       silent                  # unread\n"
                 "A > .  1:1 ack 101       silent\n"
                 "A > R. 1:1 ack 101       A CLOSED  B CLOSED\n"
                 "record end rst  closed_by A  cause 'reset by A'\n");
}
END_TEST

START_TEST(case_24_fin_then_rst_of_the_same_side)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2         A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "A > R. 2:2 ack 1         A CLOSED  B CLOSED\n"
                 "record end rst  closed_by A\n");
    ladder_check(
        "established\n"
        "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
        "A > R. 2:2 ack 1         A CLOSED               # B has not acknowledged the FIN\n"
        "after 100ms              silent                 # if it has not arrived it will say so\n"
        "after 2s                 B CLOSED\n"
        "record end rst  closed_by A\n");
}
END_TEST

START_TEST(case_24_rst_in_doubt_is_told_with_its_own_frame)
{
    ladder_check(
        "established\n"
        "A > P. 1:11 ack 1        silent\n"
        "A > R. 11:11 ack 1       A CLOSED               # are the data there?\n"
        "B > .  1:1 ack 11        A CLOSED  B any         # they are; it crossed the RST\n"
        "after 5s                 B CLOSED                # by the RST, not by its own ACK\n"
        "record end rst  closed_by A\n");
}
END_TEST

START_TEST(case_25_exact_rst_ends_time_wait)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2         A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT   B CLOSED\n"
                 "A > .  2:2 ack 2 delay 1s  silent               # stray: B is closed\n"
                 "B > R  2:2               A CLOSED\n");
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2         A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT   B CLOSED\n"
                 "B > R  700:700           silent                 # not the exact number\n");
}
END_TEST

START_TEST(case_26_late_packets_belong_to_the_old_connection)
{
    ladder_check("established\n"
                 "B > P. 1:11 ack 1           silent\n"
                 "A > R  1:1                  A CLOSED  B CLOSED\n"
                 "B > .  11:11 ack 1 delay 239s  A any  B any     # a tombstone for 2MSL\n"
                 "record all_packets 6\n");
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT  B CLOSED\n"
                 "A > .  2:2 ack 2 delay 100s  silent\n"
                 "after 141s               A CLOSED~               # an ACK winds no clock up\n"
                 "A > .  2:2 ack 2 delay 200s  A any  B any        # 2MSL after the last end\n"
                 "record end fin\n");
}
END_TEST

START_TEST(case_26_a_tombstone_is_forgotten_after_2msl)
{
    ladder_check("established\n"
                 "A > R  1:1                  A CLOSED  B CLOSED\n"
                 "B > P. 1:11 ack 1 delay 241s  A ESTABLISHED?  B ESTABLISHED?\n"
                 "count connections 2\n"
                 "record 1 end rst\n"
                 "record 2 open midstream\n");
}
END_TEST

START_TEST(case_27_syn_of_the_end_in_time_wait_begins_a_new_connection)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT  B CLOSED\n"
                 "A > S  5000:5000 delay 1s  A SYN_SENT  B -\n"
                 "B > S. 7000:7000 ack 5001  B SYN_RECEIVED\n"
                 "A > .  5001:5001 ack 7001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 open complete  end reused  closed_by A  all_packets 6\n"
                 "record 2 open complete  end open    closed_by none  packets A 2  packets B 1\n");
}
END_TEST

START_TEST(case_27_end_in_time_wait_is_unchanged_until_it_answers_the_syn)
{
    ladder_check("established\n"
                 "B > F. 1:1 ack 1           B FIN_WAIT_1\n"
                 "A > F. 1:1 ack 2           A LAST_ACK\n"
                 "B > .  2:2 ack 2           B TIME_WAIT  A CLOSED\n"
                 "A > S  5000:5000 delay 1s  A SYN_SENT*            # B unchanged\n"
                 "B > S. 7000:7000 ack 5001  A SYN_SENT  B SYN_RECEIVED\n"
                 "A > .  5001:5001 ack 7001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 end reused  state B TIME_WAIT  state A CLOSED\n"
                 "record 2 open complete\n");
}
END_TEST

START_TEST(case_27_end_in_time_wait_refuses_a_lower_number)
{
    ladder_check("established\n"
                 "B > F. 1:1 ack 1           B FIN_WAIT_1\n"
                 "A > F. 1:1 ack 2           A LAST_ACK\n"
                 "B > .  2:2 ack 2           B TIME_WAIT  A CLOSED\n"
                 "A > S  -5000:-5000 delay 1s  A SYN_SENT*\n"
                 "B > .  2:2 ack 2           silent                 # not accepted\n"
                 "A > R  2:2                 B CLOSED               # A: what is this?\n"
                 "A > S  -5000:-5000 delay 1s  A SYN_SENT*  B -\n"
                 "B > S. 7000:7000 ack -4999 A SYN_SENT  B SYN_RECEIVED\n"
                 "count connections 2\n"
                 "record 2 open 'no final ACK'\n");
}
END_TEST

START_TEST(case_27_reuse_with_the_roles_swapped)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1           A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2           B LAST_ACK\n"
                 "A > .  2:2 ack 2           A TIME_WAIT  B CLOSED\n"
                 "B > S  5000:5000 delay 1s  B SYN_SENT*            # A unchanged\n"
                 "A > S. 7000:7000 ack 5001  A SYN_RECEIVED  B SYN_SENT\n"
                 "B > .  5001:5001 ack 7001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 end reused\n"
                 "record 2 open complete  client B\n");
}
END_TEST

START_TEST(case_27_every_state_of_an_end_that_holds_the_old_connection_is_told)
{
    ladder_check(
        "established\n"
        "A > R  1:1                 A CLOSED  B CLOSED\n"
        "A > S  5000:5000           A SYN_SENT  B -\n"
        "B > .  1:1 ack 1 delay 1s  A any  B any          # the RST did not arrive\n"
        "B > R  900:900             A any  B any          # leaves it for -, or for nothing\n"
        "B > R. 1:1 ack 5001        A CLOSED  B CLOSED*\n"
        "count connections 2\n");
    ladder_check("established\n"
                 "A > R  1:1                 A CLOSED  B CLOSED\n"
                 "A > S  5000:5000           A SYN_SENT  B -\n"
                 "B > .  1:1 ack 1 delay 1s  A any  B any\n"
                 "A > R  1:1                 A SYN_SENT  B CLOSED*\n"
                 "A > S  5000:5000 delay 1s  A SYN_SENT  B any\n"
                 "B > S. 7000:7000 ack 5001  B SYN_RECEIVED\n"
                 "A > .  5001:5001 ack 7001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 open complete  end rst\n"
                 "record 2 open complete  end open\n");
}
END_TEST

START_TEST(case_27_syn_to_a_closed_tuple_is_a_new_connection_at_once)
{
    ladder_check("established\n"
                 "A > R  1:1                 A CLOSED  B CLOSED\n"
                 "A > S  5000:5000           A SYN_SENT  B -\n"
                 "B > R. =0:0 ack 5001       A CLOSED  B CLOSED\n"
                 "A > S  9000:9000           A SYN_SENT  B -\n"
                 "count connections 3\n"
                 "record 1 open complete     end rst\n"
                 "record 2 open refused      end rst\n"
                 "record 3 open 'no answer'  end open\n");
}
END_TEST

/* ------------------------------------------------------------------------------- capture -- */

START_TEST(case_28_midstream_start_is_established_by_inference)
{
    ladder_check(
        "A > P. 1:11 ack 1        A ESTABLISHED?  B ESTABLISHED?\n"
        "B > .  1:1 ack 11        silent\n"
        "A > F. 11:11 ack 1       A FIN_WAIT_1\n"
        "B > .  1:1 ack 12        A FIN_WAIT_2    B CLOSE_WAIT\n"
        "B > F. 1:1 ack 12        B LAST_ACK\n"
        "A > .  12:12 ack 2       A TIME_WAIT     B CLOSED\n"
        "record open midstream  midstream yes  dir_by port  end fin  closed_by A  bytes A 10\n");
}
END_TEST

START_TEST(case_28_fin_first_is_fin_wait_1_by_inference)
{
    ladder_check("A > F. 1:1 ack 1         A FIN_WAIT_1?  B ESTABLISHED?\n"
                 "B > .  1:1 ack 2         A FIN_WAIT_2   B CLOSE_WAIT\n"
                 "record open midstream  closed_by A\n");
}
END_TEST

START_TEST(case_28_midstream_start_between_the_fins)
{
    ladder_check("B > .  1:1 ack 2         A ESTABLISHED?  B ESTABLISHED?\n"
                 "B > F. 1:1 ack 2         B FIN_WAIT_1               # A's FIN was not seen\n"
                 "A > .  2:2 ack 2         A CLOSE_WAIT   B FIN_WAIT_2\n"
                 "record open midstream\n");
}
END_TEST

START_TEST(case_29_the_seen_sides_ack_numbers_speak_for_the_unseen_side)
{
    ladder_check("A > S  0:0               A SYN_SENT      B -\n"
                 "A > .  1:1 ack 1         A ESTABLISHED   B ESTABLISHED*\n"
                 "A > P. 1:11 ack 101      silent\n"
                 "A > F. 11:11 ack 101     A FIN_WAIT_1\n"
                 "record one_sided yes  bytes B 100  packets B 0\n");
    ladder_check("B > S. 0:0 ack 1         A SYN_SENT?     B SYN_RECEIVED\n"
                 "B > P. 1:11 ack 51       A ESTABLISHED?  B ESTABLISHED*\n"
                 "B > F. 11:11 ack 51      B FIN_WAIT_1\n"
                 "record one_sided yes  bytes A 50  client A\n");
    ladder_check("A > P. 1:11 ack 1        A ESTABLISHED?  B ESTABLISHED?\n"
                 "A > P. 11:21 ack 51      silent\n"
                 "record one_sided yes  bytes B 50\n");
}
END_TEST

START_TEST(case_30_exact_duplicates_are_never_acted_on_twice)
{
    ladder_check("A > S  0:0              A SYN_SENT  B -\n"
                 "A > S  0:0 duplicate    silent  note duplicate\n"
                 "B > S. 0:0 ack 1        B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1        A ESTABLISHED  B ESTABLISHED\n"
                 "A > P. 1:11 ack 1       silent\n"
                 "A > P. 1:11 ack 1 duplicate  silent  note duplicate\n"
                 "A > F. 11:11 ack 1      A FIN_WAIT_1\n"
                 "A > F. 11:11 ack 1 duplicate  silent  note duplicate\n"
                 "B > .  1:1 ack 12       A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "A > F. 11:11 ack 1 duplicate  silent  note duplicate    # takes nothing back\n"
                 "record syns A 2  fins A 3  data_packets A 2  bytes A 10  retransmits A 0\n");
    ladder_check("A > S  0:0                A SYN_SENT  B -\n"
                 "B > S. 0:0 ack 1          B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1          A ESTABLISHED  B ESTABLISHED\n"
                 "B > S. 0:0 ack 1 duplicate  silent  note duplicate      # takes nothing back\n");
}
END_TEST

START_TEST(case_31_clocks_never_run_back)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1 delay -5s      A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2                B LAST_ACK\n"
                 "A > .  2:2 ack 2 delay 5s       A TIME_WAIT  B CLOSED\n"
                 "A > .  2:2 ack 2 delay -100s    silent\n"
                 "after 339s                      silent\n"
                 "after 2s                        A CLOSED~\n"
                 "record end fin\n");
    ladder_check(
        "established\n"
        "A > F. 1:1 ack 1 delay 10s      A FIN_WAIT_1\n"
        "B > F. 1:1 ack 2 delay -5s      B LAST_ACK           # not in ESTABLISHED for -5 s\n"
        "A > .  2:2 ack 2 delay -20s     A TIME_WAIT  B CLOSED\n");
}
END_TEST

START_TEST(case_32_bad_checksums_count_only_where_they_are_checked)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1 badsum  A FIN_WAIT_1             # offload makes them wrong\n");
    ladder_check("with checksum yes\n"
                 "established\n"
                 "A > F. 1:1 ack 1 badsum  silent\n"
                 "A > P. 1:11 ack 1        silent\n"
                 "record closed_by none  fins A 0\n"
                 "count bad_checksum 1\n");
}
END_TEST

START_TEST(case_33_first_fragment_is_a_segment_and_the_rest_a_gap)
{
    ladder_check("established\n"
                 "A > .  1:1001 ack 1 fragmented  silent          # of 3000 bytes\n"
                 "B > .  1:1 ack 3001             silent\n"
                 "A > F. 3001:3001 ack 1          A FIN_WAIT_1\n"
                 "B > .  1:1 ack 3002             A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "record bytes A 3000\n");
}
END_TEST

START_TEST(case_34_same_address_or_same_port_at_both_ends)
{
    ladder_check("with same address\n"
                 "established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT  B CLOSED\n"
                 "record end fin  closed_by A\n");
    ladder_check("with same port\n"
                 "established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT  B CLOSED\n"
                 "record end fin  closed_by A\n");
}
END_TEST

START_TEST(case_34_the_same_tuple_in_two_vlans_is_two_connections)
{
    ladder_check("established vlan 5\n"
                 "A > S  0:0 vlan 6           A SYN_SENT     B -\n"
                 "A > F. 1:1 ack 1 vlan 5     A FIN_WAIT_1\n"
                 "B > S. 0:0 ack 1 vlan 6     B SYN_RECEIVED\n"
                 "B > .  1:1 ack 2 vlan 5     A FIN_WAIT_2   B CLOSE_WAIT\n"
                 "A > .  1:1 ack 1 vlan 6     A ESTABLISHED  B ESTABLISHED\n"
                 "A > S  0:0                  A SYN_SENT     B -\n"
                 "record 1 closed_by A\n"
                 "record 2 closed_by none  open complete\n"
                 "record 3 open 'no answer'\n");
}
END_TEST

START_TEST(case_35_evicted_is_not_closed)
{
    ladder_check("with max_connections 1\n"
                 "established vlan 5\n"
                 "A > S  0:0 vlan 6           A SYN_SENT     B -\n"
                 "record 1 end evicted  state A ESTABLISHED  state B ESTABLISHED  open complete\n"
                 "record 2 end open\n");
}
END_TEST

/* -------------------------------------------------------------------------------- timers -- */

START_TEST(timers_of_linux_end_time_wait_and_an_orphan_after_60_seconds)
{
    ladder_check("with timers linux\n"
                 "established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2         A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "after 59s                silent\n"
                 "after 2s                 A CLOSED~\n");
    ladder_check("with timers linux\n"
                 "established\n"
                 "A > F. 1:1 ack 1         A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 2         B LAST_ACK\n"
                 "A > .  2:2 ack 2         A TIME_WAIT  B CLOSED\n"
                 "after 59s                silent\n"
                 "after 2s                 A CLOSED~\n");
}
END_TEST

START_TEST(a_connection_without_traffic_ends_by_the_idle_timer_only)
{
    ladder_check("established\n"
                 "after 31000000s          silent\n"
                 "A > P. 1:11 ack 1        silent\n"
                 "record end open\n");
    ladder_check("with idle 10s\n"
                 "established\n"
                 "A > P. 1:11 ack 1 delay 9s  silent\n"
                 "after 9s                 silent\n"
                 "after 2s                 A any  B any\n"
                 "A > P. 11:21 ack 1       A ESTABLISHED?  B ESTABLISHED?\n"
                 "count connections 2\n"
                 "record 1 end timer  open complete\n"
                 "record 2 open midstream\n");
}
END_TEST

START_TEST(a_half_open_attempt_ends_at_both_sides)
{
    ladder_check("A > S  0:0               A SYN_SENT  B -\n"
                 "B > S. 0:0 ack 1         B SYN_RECEIVED\n"
                 "after 76s                A CLOSED~  B CLOSED~\n"
                 "record open 'no final ACK'  end timer\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        syn_ack_sent_again_takes_the_ack_of_the_syn_back,
        fin_sent_again_takes_the_ack_of_the_fin_back,
        fin_with_a_hole_before_it_has_not_been_received,
        data_on_syn_syn_ack_and_fin_count,
        data_on_a_syn_may_go_unaccepted,
        window_of_unknown_scale_is_never_exceeded,
        window_scale_of_one_side_only_is_none,
        exact_rst_closes_both,
        rst_in_the_window_but_not_exact_is_challenged,
        rst_outside_the_window_is_ignored,
        rst_one_before_the_number_after_a_fin_is_taken,
        rst_in_the_window_ends_a_half_open_request,
        forged_rst_is_taken_back_for_its_supposed_sender_only,
        refused_is_a_rst_that_answers_the_syn,
        rst_that_acknowledges_another_syn_refuses_nothing,
        lone_rst_makes_no_connection,
        case_1_syn_sent_again_is_the_same_attempt_whatever_the_gap,
        case_2_syn_with_another_isn_abandons_the_attempt,
        case_2_syn_ack_of_the_old_isn_lets_the_old_attempt_live,
        case_3_syn_ack_of_a_wrong_number_leaves_the_client_in_syn_sent,
        case_4_data_does_for_a_lost_ack,
        case_5_syn_ack_before_its_syn_is_the_same_connection,
        case_6_capture_starts_at_the_syn_ack,
        case_7_ack_chooses_between_two_syn_acks,
        case_8_simultaneous_open_needs_no_bare_ack,
        case_9_fast_open_server_sends_data_and_fin_in_syn_received,
        case_10_split_handshake_keeps_the_roles_of_the_first_syn,
        case_11_half_open_scan_closes_both,
        case_12_icmp_unreachable_closes_the_client_by_inference,
        case_12_icmp_that_ends_nothing,
        case_13_nobody_answers,
        case_14_syn_with_any_other_flag_is_a_syn,
        case_14_syn_with_rst_is_a_rst,
        case_14_syn_with_fin_proves_syn_sent_and_nothing_else,
        case_15_challenge_ack_and_rst_kill_the_old_connection,
        case_15_syn_ack_to_the_new_isn_shows_that_the_old_one_was_forgotten,
        case_15_client_that_goes_on_did_not_send_the_syn,
        case_15_what_comes_after_the_syn_timer_of_the_new_attempt_is_told,
        case_16_segment_without_ack_is_dropped,
        case_16_ack_of_what_was_never_sent_is_dropped,
        case_16_segment_out_of_the_window_is_dropped_with_its_fin,
        case_16_segment_with_an_old_timestamp_is_dropped_with_its_fin,
        case_17_probes_window_updates_and_duplicate_acks_change_nothing,
        case_18_ack_of_data_that_the_capture_missed,
        case_18_ack_of_one_unseen_number_may_be_of_a_fin_or_a_byte,
        case_19_ordinary_close_by_either_side,
        case_19_half_close_stays_for_hours,
        case_20_three_way_close_passes_close_wait,
        case_21_simultaneous_close_leaves_both_in_time_wait,
        case_21_crossed_fins_in_another_order_at_the_tap,
        case_21_crossed_fins_with_the_first_copy_of_one_lost,
        case_22_fin_sent_again_is_no_new_transition,
        case_22_fin_sent_again_restarts_2msl,
        case_23_data_after_close_draws_a_rst,
        case_24_close_with_unread_data_or_without_linger_resets,
        case_24_fin_then_rst_of_the_same_side,
        case_24_rst_in_doubt_is_told_with_its_own_frame,
        case_25_exact_rst_ends_time_wait,
        case_26_late_packets_belong_to_the_old_connection,
        case_26_a_tombstone_is_forgotten_after_2msl,
        case_27_syn_of_the_end_in_time_wait_begins_a_new_connection,
        case_27_end_in_time_wait_is_unchanged_until_it_answers_the_syn,
        case_27_end_in_time_wait_refuses_a_lower_number,
        case_27_reuse_with_the_roles_swapped,
        case_27_every_state_of_an_end_that_holds_the_old_connection_is_told,
        case_27_syn_to_a_closed_tuple_is_a_new_connection_at_once,
        case_28_midstream_start_is_established_by_inference,
        case_28_fin_first_is_fin_wait_1_by_inference,
        case_28_midstream_start_between_the_fins,
        case_29_the_seen_sides_ack_numbers_speak_for_the_unseen_side,
        case_30_exact_duplicates_are_never_acted_on_twice,
        case_31_clocks_never_run_back,
        case_32_bad_checksums_count_only_where_they_are_checked,
        case_33_first_fragment_is_a_segment_and_the_rest_a_gap,
        case_34_same_address_or_same_port_at_both_ends,
        case_34_the_same_tuple_in_two_vlans_is_two_connections,
        case_35_evicted_is_not_closed,
        timers_of_linux_end_time_wait_and_an_orphan_after_60_seconds,
        a_connection_without_traffic_ends_by_the_idle_timer_only,
        a_half_open_attempt_ends_at_both_sides,
    };
    return UNIT_RUN("edge_cases", tests);
}
