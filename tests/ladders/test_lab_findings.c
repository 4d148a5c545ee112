/* What random runs between two kernels found, each as small as it gets. */
#include "ladder.h"
#include "unit.h"

START_TEST(end_that_outlived_its_rst_answers_the_next_syn_after_all)
{
    ladder_check("established\n"
                 "A > R. 1:1 ack 1           A CLOSED  B CLOSED\n"
                 "A > S  5000:5000           A SYN_SENT  B -\n"
                 "B > .  1:1 ack 1           B ESTABLISHED?           # the RST has not arrived\n"
                 "B > S. 9000:9000 ack 5001  B SYN_RECEIVED           # now it has\n"
                 "A > R  1:1                 silent                   # to B's old ACK\n"
                 "A > .  5001:5001 ack 9001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 2\n");
}
END_TEST

START_TEST(end_that_outlived_its_rst_sends_its_fin)
{
    ladder_check("established\n"
                 "A > R. 1:1 ack 1           A CLOSED  B CLOSED\n"
                 "A > S  5000:5000           A SYN_SENT  B -\n"
                 "B > F. 1:1 ack 1           B FIN_WAIT_1?\n"
                 "A > R  1:1                 B CLOSED\n"
                 "count connections 2\n");
}
END_TEST

/* Attempts that nobody answers do not end the connection that B still holds. */
START_TEST(connection_before_lives_through_attempts)
{
    ladder_check("not doubled 'a SYN sent again settles that it is the newest attempt'\n"
                 "established\n"
                 "A > F. 1:1 ack 1           A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2           A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "A > S  5000:5000           A SYN_SENT?\n"
                 "A > S  6000:6000           silent\n"
                 "A > S  7000:7000           A SYN_SENT   B -\n"
                 "B > .  1:1 ack 2           B CLOSE_WAIT?\n"
                 "A > R  2:2                 B CLOSED\n"
                 "count connections 3\n");
    ladder_check("not doubled 'a SYN sent again settles that it is the newest attempt'\n"
                 "established\n"
                 "A > F. 1:1 ack 1           A FIN_WAIT_1\n"
                 "B > .  1:1 ack 2           A FIN_WAIT_2  B CLOSE_WAIT\n"
                 "A > S  5000:5000           A SYN_SENT?\n"
                 "A > S  6000:6000           silent\n"
                 "A > S  7000:7000           A SYN_SENT   B -\n"
                 "B > R. 1:1 ack 2           B CLOSED                 # aborts the old one\n"
                 "B > S. 9000:9000 ack 7001  B SYN_RECEIVED\n"
                 "A > .  7001:7001 ack 9001  A ESTABLISHED  B ESTABLISHED\n"
                 "count connections 3\n");
}
END_TEST

START_TEST(rst_answers_an_ack_of_long_ago)
{
    ladder_check("established\n"
                 "B > .  1:11 ack 1          silent\n"
                 "B > .  11:21 ack 1         silent\n"
                 "B > .  21:31 ack 1         silent\n"
                 "A > .  1:1 ack 11          silent\n"
                 "A > .  1:1 ack 21          silent\n"
                 "A > .  1:1 ack 31          silent\n"
                 "B > R  11:11               B CLOSED     # answers the first of them\n");
}
END_TEST

/* Nobody saw B's number 1: a byte, or its FIN. Which it was tells whether A is past FIN_WAIT_1. */
START_TEST(missed_number_still_holds_the_ack_of_the_fin)
{
    ladder_check("established\n"
                 "A > F. 11:11 ack 1         A FIN_WAIT_1\n"
                 "B > .  2:2 ack 1           silent\n"
                 "B > .  2:2 ack 12          B CLOSE_WAIT\n"
                 "A > .  12:12 ack 2         A FIN_WAIT_2\n");
}
END_TEST

START_TEST(first_syn_ack_after_an_ack_takes_nothing_back)
{
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "B > S  0:0            B SYN_SENT\n"
                 "B > S. 0:0 ack 1      B SYN_RECEIVED\n"
                 "A > .  1:1 ack 1      A ESTABLISHED  B ESTABLISHED\n"
                 "A > S. 0:0 ack 1      silent                   # went by late\n");
}
END_TEST

/* Both have sent a SYN and nobody an ACK: a SYN+ACK of A came before this one. */
START_TEST(ack_in_a_crossed_open_is_of_syn_received)
{
    ladder_check("A > S  0:0            A SYN_SENT  B -\n"
                 "B > S  0:0            B SYN_SENT\n"
                 "A > .  1:1 ack 1      A SYN_RECEIVED?\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        end_that_outlived_its_rst_answers_the_next_syn_after_all,
        end_that_outlived_its_rst_sends_its_fin,
        connection_before_lives_through_attempts,
        rst_answers_an_ack_of_long_ago,
        first_syn_ack_after_an_ack_takes_nothing_back,
        ack_in_a_crossed_open_is_of_syn_received,
        missed_number_still_holds_the_ack_of_the_fin,
    };
    return UNIT_RUN("lab findings", tests);
}
