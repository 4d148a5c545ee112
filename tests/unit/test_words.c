#include "words.h"

#include "view_kit.h"

#include "unit.h"

#include <string.h>

static struct kit kit;
static char text[WORDS_BYTES];

static const char *why(enum fw_state client, enum fw_state server, enum fw_open open,
                       enum fw_end end)
{
    kit.connection.client_state = client;
    kit.connection.server_state = server;
    kit.connection.open = open;
    kit.connection.end = end;
    *words_of_connection(text, &kit.connection, kit_epoch + 118900 * FW_MILLISECOND) = '\0';
    return text;
}

START_TEST(what_the_capture_misses_is_said)
{
    kit_connection(&kit, 1);
    kit.connection.lossy = true;
    ck_assert_str_eq(why(FW_FIN_WAIT_2, FW_CLOSE_WAIT, FW_OPEN_COMPLETE, FW_END_OPEN),
                     "for 118.9 s: the server has not closed; packets are missing");
}
END_TEST

START_TEST(a_half_closed_connection_says_who_did_not_close)
{
    kit_connection(&kit, 1);
    ck_assert_str_eq(why(FW_FIN_WAIT_2, FW_CLOSE_WAIT, FW_OPEN_COMPLETE, FW_END_OPEN),
                     "for 118.9 s: the server has not closed");
    ck_assert_str_eq(why(FW_CLOSE_WAIT, FW_FIN_WAIT_2, FW_OPEN_COMPLETE, FW_END_OPEN),
                     "for 118.9 s: the client has not closed");
    ck_assert_str_eq(why(FW_FIN_WAIT_1, FW_ESTABLISHED, FW_OPEN_COMPLETE, FW_END_OPEN),
                     "for 118.9 s: no ACK of the client's FIN");
    ck_assert_str_eq(why(FW_ESTABLISHED, FW_FIN_WAIT_1, FW_OPEN_COMPLETE, FW_END_OPEN),
                     "for 118.9 s: no ACK of the server's FIN");
    kit.connection.server_since = kit_epoch + 118900 * FW_MILLISECOND;
    ck_assert_str_eq(why(FW_FIN_WAIT_2, FW_CLOSE_WAIT, FW_OPEN_COMPLETE, FW_END_OPEN),
                     "the server has not closed");
}
END_TEST

START_TEST(a_closed_connection_says_who_closed_and_how_long_2msl_lasts)
{
    kit_connection(&kit, 1);
    kit.connection.fins[FW_CLIENT] = 1;
    kit.connection.closed_by = FW_CLOSED_BY_CLIENT;
    ck_assert_str_eq(why(FW_TIME_WAIT, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_FIN), "by client");
    kit.connection.timer_due = kit_epoch + 240 * FW_SECOND;
    ck_assert_str_eq(why(FW_TIME_WAIT, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_FIN),
                     "121.1 s left: 2MSL");
    ck_assert_str_eq(why(FW_CLOSED, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_FIN), "by client");
    kit.connection.closed_by = FW_CLOSED_BY_BOTH;
    ck_assert_str_eq(why(FW_CLOSED, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_FIN),
                     "by both: FINs crossed");
}
END_TEST

START_TEST(what_did_not_open_or_was_reset_says_why)
{
    kit_connection(&kit, 1);
    ck_assert_str_eq(why(FW_CLOSED, FW_CLOSED, FW_OPEN_REFUSED, FW_END_RST), "refused");
    kit.connection.cause = "refused";
    ck_assert_str_eq(why(FW_CLOSED, FW_CLOSED, FW_OPEN_REFUSED, FW_END_RST), "refused");
    kit.connection.cause = "accept queue full";
    ck_assert_str_eq(why(FW_ESTABLISHED, FW_SYN_RECEIVED, FW_OPEN_NO_FINAL_ACK, FW_END_OPEN),
                     "no final ACK: accept queue full");
    kit.connection.rsts[FW_SERVER] = 1;
    kit.connection.cause = "data after close";
    ck_assert_str_eq(why(FW_CLOSED, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_RST),
                     "RST by server: data after close");
    kit.connection.cause = "reset by server";
    ck_assert_str_eq(why(FW_CLOSED, FW_CLOSED, FW_OPEN_COMPLETE, FW_END_RST), "RST by server");
}
END_TEST

START_TEST(an_open_connection_says_how_long_it_is_silent)
{
    kit_connection(&kit, 1);
    ck_assert_str_eq(why(FW_ESTABLISHED, FW_ESTABLISHED, FW_OPEN_COMPLETE, FW_END_OPEN),
                     "silent 118.9 s: open");
    ck_assert_str_eq(why(FW_ESTABLISHED, FW_ESTABLISHED, FW_OPEN_COMPLETE, FW_END_EVICTED),
                     "evicted: memory cap");
    kit.connection.last_time = kit_epoch + 118900 * FW_MILLISECOND;
    ck_assert_str_eq(why(FW_ESTABLISHED, FW_ESTABLISHED, FW_OPEN_COMPLETE, FW_END_OPEN), "open");
}
END_TEST

START_TEST(every_note_but_none_has_words)
{
    ck_assert_ptr_null(words_of_note(FW_NOTE_NONE));
    for (int note = FW_NOTE_NONE + 1; note < FW_NOTE_COUNT; note++)
        ck_assert_ptr_nonnull(words_of_note((enum fw_note)note));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_the_capture_misses_is_said,
        a_half_closed_connection_says_who_did_not_close,
        a_closed_connection_says_who_closed_and_how_long_2msl_lasts,
        what_did_not_open_or_was_reset_says_why,
        an_open_connection_says_how_long_it_is_silent,
        every_note_but_none_has_words,
    };
    return UNIT_RUN("words", tests);
}
