#include "view_kit.h"

#include "unit.h"

#include <string.h>

static struct kit kit;

/* #1 closed, #2 refused, #3 leaks in CLOSE_WAIT; the last packet of all is 118 s after the first.
 */
static void play(void)
{
    kit_play_ordinary(&kit);
    kit.connection.timer_due = kit_epoch + 240506 * FW_MILLISECOND;
    kit_end(&kit);

    kit_connection(&kit, 2);
    kit_step(&kit, 1000, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit.connection.open = FW_OPEN_REFUSED;
    kit.connection.end = FW_END_RST;
    kit_step(&kit, 1000.5, FW_SERVER, "R.",
             MOVES(SERVER_MOVES(UNKNOWN, CLOSED, -1), CLIENT_MOVES(SYN_SENT, CLOSED, 0)));
    kit_end(&kit);

    kit_connection(&kit, 3);
    kit.connection.open = FW_OPEN_COMPLETE;
    kit.connection.bytes[FW_CLIENT] = 123456;
    kit.connection.bytes[FW_SERVER] = 12345678;
    kit_step(&kit, 1100, FW_CLIENT, "F.", MOVES(CLIENT_MOVES(ESTABLISHED, FIN_WAIT_1, -1)));
    kit_step(
        &kit, 1200, FW_SERVER, ".",
        MOVES(SERVER_MOVES(ESTABLISHED, CLOSE_WAIT, -1), CLIENT_MOVES(FIN_WAIT_1, FIN_WAIT_2, 0)));
    kit_end(&kit);
    kit.summary.last_time = kit_epoch + 118 * FW_SECOND;
}

START_TEST(what_went_wrong_comes_first)
{
    kit_begin(&kit, &view_table);
    play();
    ck_assert_text(
        kit_finish(&kit),
        "CONN  CLIENT      SERVER      CLIENT ADDRESS      SERVER ADDRESS  LASTED      UP   DOWN  "
        "WHY\n"
        "  #3  FIN_WAIT_2  CLOSE_WAIT  192.168.1.10:50003  10.0.0.1:80     100 ms  123 kB  12 MB  "
        "for 116.8 s: the server has not closed\n"
        "  #2  CLOSED      CLOSED      192.168.1.10:50002  10.0.0.1:80     500 us     0 B    0 B  "
        "refused\n"
        "  #1  TIME_WAIT   CLOSED      192.168.1.10:50001  10.0.0.1:80     506 ms    18 B   22 B  "
        "122.5 s left: 2MSL\n"
        "3 connections: 1 closed, 1 never opened, 1 half-closed.\n");
}
END_TEST

START_TEST(eighty_columns_leave_the_figures_out)
{
    kit_begin(&kit, &view_table);
    kit.options.width = 80;
    play();
    ck_assert_text(
        kit_finish(&kit),
        "CONN  CLIENT      SERVER      CLIENT ADDRESS      SERVER ADDRESS  WHY\n"
        "  #3  FIN_WAIT_2  CLOSE_WAIT  192.168.1.10:50003  10.0.0.1:80     for 116.8 s\n"
        "  #2  CLOSED      CLOSED      192.168.1.10:50002  10.0.0.1:80     refused\n"
        "  #1  TIME_WAIT   CLOSED      192.168.1.10:50001  10.0.0.1:80     122.5 s left\n"
        "3 connections: 1 closed, 1 never opened, 1 half-closed.\n");
}
END_TEST

/* Every width gives lines that are no wider, down to where only states are left. */
START_TEST(no_line_is_wider_than_the_terminal)
{
    for (unsigned width = 60; width < 160; width++) {
        kit_begin(&kit, &view_table);
        kit.options.width = width;
        kit.options.utf8 = width % 2;
        play();
        kit_connection(&kit, 123456);
        kit.connection.identity.client = (struct fw_endpoint){
            .addr = { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 },
            .port = 50004,
            .family = FW_IPV6,
        };
        kit.connection.identity.server = kit.connection.identity.client;
        kit.connection.client_state = kit.connection.server_state = FW_SYN_RECEIVED;
        kit.connection.cause = "a cause that nobody has ever seen before";
        kit_end(&kit);
        char *text = kit_finish(&kit), *save;
        for (char *line = strtok_r(text, "\n", &save); line && line[1] != ' ';
             line = strtok_r(NULL, "\n", &save)) {
            size_t columns = 0;
            for (const char *c = line; *c; c++)
                columns += (*c & 0xc0) != 0x80;
            ck_assert_msg(columns <= width, "%u: %s", width, line);
        }
        free(text);
    }
}
END_TEST

START_TEST(listeners_are_lines_of_their_own)
{
    const struct fw_listener listener = {
        .endpoint = { .addr = { 10, 0, 0, 1 }, .port = 80, .family = FW_IPV4 },
        .synacks = 12,
    };
    kit_begin(&kit, &view_table);
    kit.options.listeners = true;
    kit.options.time_style = TIME_NONE;
    kit.summary.listeners = &listener;
    kit.summary.listener_count = 1;
    kit_play_ordinary(&kit);
    kit_end(&kit);
    ck_assert_text(
        kit_finish(&kit),
        "CONN  CLIENT     SERVER  CLIENT ADDRESS      SERVER ADDRESS  LASTED    UP  DOWN  WHY\n"
        "  #1  TIME_WAIT  CLOSED  192.168.1.10:50001  10.0.0.1:80     506 ms  18 B  22 B  by "
        "client\n"
        "                 LISTEN                      10.0.0.1:80                         "
        "answered "
        "12\n"
        "1 connection: 1 closed.\n");
}
END_TEST

static bool is_second(const struct fw_connection *connection)
{
    return connection->identity.id == 2;
}

START_TEST(only_what_is_selected_is_there)
{
    kit_begin(&kit, &view_table);
    kit.options.selection = (const struct selection *)&kit_selection;
    kit_wanted = is_second;
    play();
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "  #2  "));
    ck_assert_ptr_null(strstr(text, "  #1  "));
    ck_assert_ptr_nonnull(strstr(text, "1 of 3 connections match: 1 never opened.\n"));
    free(text);
}
END_TEST

START_TEST(without_connections_there_is_no_table)
{
    kit_begin(&kit, &view_table);
    ck_assert_text(kit_finish(&kit), "No packet.\n");
}
END_TEST

START_TEST(colour_marks_failures_in_words_too)
{
    kit_begin(&kit, &view_table);
    kit.options.color = true;
    play();
    char *text = kit_finish(&kit);
    ck_assert_ptr_nonnull(strstr(text, "\033[33mfor 116.8 s: the server has not closed\033[0m\n"));
    ck_assert_ptr_nonnull(strstr(text, "\033[31mrefused\033[0m\n"));
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_went_wrong_comes_first,        eighty_columns_leave_the_figures_out,
        no_line_is_wider_than_the_terminal, listeners_are_lines_of_their_own,
        only_what_is_selected_is_there,     without_connections_there_is_no_table,
        colour_marks_failures_in_words_too,
    };
    return UNIT_RUN("view_table", tests);
}
