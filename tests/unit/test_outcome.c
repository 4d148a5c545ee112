#include "view.h"

#include "unit.h"

static enum outcome outcome(enum fw_state client, enum fw_state server, enum fw_open open,
                            enum fw_end end, uint32_t fins)
{
    const struct fw_connection connection = {
        .client_state = client,
        .server_state = server,
        .open = open,
        .end = end,
        .fins = { fins },
    };
    return outcome_of(&connection);
}

START_TEST(both_ends_that_closed_make_it_closed)
{
    ck_assert_int_eq(outcome(FW_TIME_WAIT, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_FIN, 1),
                     OUTCOME_CLOSED);
    ck_assert_int_eq(outcome(FW_TIME_WAIT, FW_TIME_WAIT, FW_OPEN_COMPLETE, FW_END_OPEN, 1),
                     OUTCOME_CLOSED);
    ck_assert_int_eq(outcome(FW_FIN_WAIT_2, FW_LAST_ACK, FW_OPEN_COMPLETE, FW_END_OPEN, 1),
                     OUTCOME_CLOSED);
    ck_assert_int_eq(outcome(FW_CLOSED, FW_CLOSED, FW_OPEN_MIDSTREAM, FW_END_FIN, 1),
                     OUTCOME_CLOSED);
}
END_TEST

START_TEST(one_end_that_waits_makes_it_half_closed)
{
    ck_assert_int_eq(outcome(FW_FIN_WAIT_2, FW_CLOSE_WAIT, FW_OPEN_COMPLETE, FW_END_OPEN, 1),
                     OUTCOME_HALF_CLOSED);
    ck_assert_int_eq(outcome(FW_CLOSE_WAIT, FW_FIN_WAIT_2, FW_OPEN_COMPLETE, FW_END_OPEN, 1),
                     OUTCOME_HALF_CLOSED);
    ck_assert_int_eq(outcome(FW_FIN_WAIT_1, FW_ESTABLISHED, FW_OPEN_COMPLETE, FW_END_OPEN, 1),
                     OUTCOME_HALF_CLOSED);
    /* an orphan's timer closed the client, the server still leaks */
    ck_assert_int_eq(outcome(FW_CLOSED, FW_CLOSE_WAIT, FW_OPEN_COMPLETE, FW_END_TIMER, 1),
                     OUTCOME_HALF_CLOSED);
}
END_TEST

START_TEST(what_did_not_open_never_opened_however_it_ended)
{
    const enum fw_open opens[] = { FW_OPEN_NO_ANSWER,  FW_OPEN_REFUSED,      FW_OPEN_UNREACHABLE,
                                   FW_OPEN_BAD_SYNACK, FW_OPEN_NO_FINAL_ACK, FW_OPEN_ABANDONED };
    for (size_t i = 0; i < sizeof opens / sizeof opens[0]; i++)
        ck_assert_int_eq(outcome(FW_CLOSED, FW_CLOSED, opens[i], FW_END_RST, 0),
                         OUTCOME_NEVER_OPENED);
}
END_TEST

START_TEST(a_reset_of_an_open_connection_is_a_reset)
{
    ck_assert_int_eq(outcome(FW_CLOSED, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_RST, 1), OUTCOME_RESET);
}
END_TEST

START_TEST(neither_end_closed_makes_it_open)
{
    ck_assert_int_eq(outcome(FW_ESTABLISHED, FW_ESTABLISHED, FW_OPEN_COMPLETE, FW_END_OPEN, 0),
                     OUTCOME_OPEN);
    ck_assert_int_eq(outcome(FW_ESTABLISHED, FW_UNKNOWN, FW_OPEN_MIDSTREAM, FW_END_OPEN, 0),
                     OUTCOME_OPEN);
    /* given up by our own timer */
    ck_assert_int_eq(outcome(FW_CLOSED, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_TIMER, 0),
                     OUTCOME_OPEN);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        both_ends_that_closed_make_it_closed,
        one_end_that_waits_makes_it_half_closed,
        what_did_not_open_never_opened_however_it_ended,
        a_reset_of_an_open_connection_is_a_reset,
        neither_end_closed_makes_it_open,
    };
    return UNIT_RUN("outcome", tests);
}
