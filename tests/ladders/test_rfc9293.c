/* The figures of RFC 9293 sections 3.5 and 3.6, in the order and with the names of the document. */
#include "ladder.h"
#include "unit.h"

START_TEST(figure_6_basic_three_way_handshake)
{
    ladder_check("A > S  0:0            A SYN_SENT    B -             cause 'sent SYN'\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED                cause 'sent SYN+ACK'\n"
                 "A > .  1:1 ack 1      A ESTABLISHED B ESTABLISHED\n"
                 "A > .  1:11 ack 1     silent\n"
                 "record open complete  end open  closed_by none  dir_by syn  client A\n"
                 "record path A SYN_SENT>ESTABLISHED  path B SYN_RECEIVED>ESTABLISHED\n"
                 "record packets A 3  packets B 1  bytes A 10  bytes B 0  syns A 1  synacks B 1\n");
}
END_TEST

START_TEST(figure_7_simultaneous_connection_synchronization)
{
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "B > S  0:0            B SYN_SENT\n"
                 "A > S. 0:0 ack 1      A SYN_RECEIVED\n"
                 "B > S. 0:0 ack 1      B ESTABLISHED  A ESTABLISHED\n"
                 "record open complete  dir_by syn  client A\n");
}
END_TEST

/* Recorded at A, where the duplicate is not seen; and at B, where it comes first. */
START_TEST(figure_8_recovery_from_old_duplicate_syn)
{
    ladder_check(
        "A > S  0:0            A SYN_SENT  B -        # B has answered a duplicate before it\n"
        "B > S. 0:0 ack -9     B SYN_RECEIVED         note 'bad SYN+ACK'\n"
        "A > R  -9:-9          B CLOSED               # to LISTEN, which sends nothing\n"
        "B > S. 100:100 ack 1  B SYN_RECEIVED         # A's SYN has arrived\n"
        "A > .  1:1 ack 101    A ESTABLISHED B ESTABLISHED\n"
        "record open complete  end open\n");
    ladder_check("A > S  -10:-10        A SYN_SENT  B -        # the old duplicate\n"
                 "B > S. 0:0 ack -9     B SYN_RECEIVED\n"
                 "A > R  -9:-9          A CLOSED    B CLOSED\n"
                 "A > S  0:0            A SYN_SENT  B -        # the new one\n"
                 "B > S. 100:100 ack 1  B SYN_RECEIVED\n"
                 "A > .  1:1 ack 101    A ESTABLISHED B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 open 'no final ACK'  end rst  closed_by A\n"
                 "record 2 open complete        end open closed_by none\n");
}
END_TEST

START_TEST(figure_9_half_open_connection_discovery)
{
    ladder_check("established\n"
                 "A > S  5000:5000        A SYN_SENT?  note 'SYN in connection'   # A has crashed\n"
                 "B > .  1:1 ack 1        silent       # B: what is this?\n"
                 "A > R  1:1              B CLOSED     # abort\n"
                 "A > S  5000:5000        A SYN_SENT   B -\n"
                 "B > S. 9000:9000 ack 5001  B SYN_RECEIVED\n"
                 "A > .  5001:5001 ack 9001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 2\n"
                 "record 1 open complete  end rst  closed_by A  state A CLOSED  state B CLOSED\n"
                 "record 2 open complete  end open  client A\n");
}
END_TEST

START_TEST(figure_10_active_side_causes_half_open_connection_discovery)
{
    ladder_check("established\n"
                 "B > .  1:11 ack 1       silent    # A has crashed, B has data\n"
                 "A > R  1:1              A CLOSED  B CLOSED\n"
                 "record end rst  closed_by A\n");
}
END_TEST

START_TEST(figure_11_old_duplicate_syn_initiates_a_reset_on_two_passive_sockets)
{
    ladder_check("A > S  0:0            A SYN_SENT  B -        # a duplicate; A listens\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
                 "A > R  1:1            A CLOSED    B CLOSED   # B returns to LISTEN\n"
                 "record closed_by A  end rst\n");
}
END_TEST

START_TEST(figure_12_normal_close_sequence)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1      A FIN_WAIT_1                 cause 'sent FIN'\n"
                 "B > .  1:1 ack 2      A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "B > F. 1:1 ack 2      B LAST_ACK                   cause 'sent FIN'\n"
                 "A > .  2:2 ack 2      A TIME_WAIT   B CLOSED\n"
                 "after 239s            silent\n"
                 "after 2s              A CLOSED~\n"
                 "record open complete  end fin  closed_by A  state A CLOSED~  state B CLOSED\n"
                 "record fins A 1  fins B 1  bytes A 0  bytes B 0\n");
}
END_TEST

START_TEST(figure_13_simultaneous_close_sequence)
{
    ladder_check("established\n"
                 "A > F. 1:1 ack 1      A FIN_WAIT_1\n"
                 "B > F. 1:1 ack 1      B FIN_WAIT_1                # crossed: acks 1, not 2\n"
                 "A >  . 2:2 ack 2      A CLOSING\n"
                 "B >  . 2:2 ack 2      B TIME_WAIT   A TIME_WAIT\n"
                 "after 241s            A CLOSED~     B CLOSED~\n"
                 "record end fin  closed_by both\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        figure_6_basic_three_way_handshake,
        figure_7_simultaneous_connection_synchronization,
        figure_8_recovery_from_old_duplicate_syn,
        figure_9_half_open_connection_discovery,
        figure_10_active_side_causes_half_open_connection_discovery,
        figure_11_old_duplicate_syn_initiates_a_reset_on_two_passive_sockets,
        figure_12_normal_close_sequence,
        figure_13_simultaneous_close_sequence,
    };
    return UNIT_RUN("rfc9293", tests);
}
