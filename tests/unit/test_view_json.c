#include "view_kit.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "record.h"

#define IDENTITY                                                                                   \
    ",\"conn\":1,\"client_addr\":\"192.168.1.10\",\"client_port\":50001,"                          \
    "\"server_addr\":\"10.0.0.1\",\"server_port\":80,"

static struct kit kit;

/* The n-th line, from 0, without its newline. */
static const char *line_of(const char *text, int n)
{
    static char line[8192];
    while (n-- > 0) {
        text = strchr(text, '\n');
        ck_assert_ptr_nonnull(text);
        text++;
    }
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
    return line;
}

static int lines_in(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

START_TEST(a_transition_has_every_key)
{
    kit_begin(&kit, &view_json);
    kit_play_ordinary(&kit);
    char *text = kit_finish(&kit);
    ck_assert_str_eq(line_of(text, 0),
                     "{\"v\":1,\"type\":\"transition\",\"ts\":\"2024-01-31T12:00:00.000000000Z\","
                     "\"t\":0.000000000,\"frame\":1" IDENTITY
                     "\"endpoint\":\"client\",\"from\":\"CLOSED\",\"to\":\"SYN_SENT\","
                     "\"proof\":\"segment\",\"corrected\":false,\"cause\":\"of the test\","
                     "\"flags\":\"S\",\"client_state\":\"SYN_SENT\",\"server_state\":\"UNKNOWN\","
                     "\"in_state_ns\":null}");
    ck_assert_str_eq(line_of(text, 3),
                     "{\"v\":1,\"type\":\"transition\",\"ts\":\"2024-01-31T12:00:00.021000000Z\","
                     "\"t\":0.021000000,\"frame\":3" IDENTITY
                     "\"endpoint\":\"client\",\"from\":\"SYN_SENT\",\"to\":\"ESTABLISHED\","
                     "\"proof\":\"segment\",\"corrected\":false,\"cause\":\"of the test\","
                     "\"flags\":\".\",\"client_state\":\"ESTABLISHED\","
                     "\"server_state\":\"ESTABLISHED\",\"in_state_ns\":21000000}");
    free(text);
}
END_TEST

START_TEST(a_timer_has_no_frame_and_no_flags)
{
    kit_begin(&kit, &view_json);
    kit_step(&kit, 240000, FW_CLIENT, NULL,
             MOVES({ FW_CLIENT, FW_TIME_WAIT, FW_CLOSED, 240000, FW_PROOF_TIMER, true }));
    char *text = kit_finish(&kit);
    ck_assert_str_eq(line_of(text, 0),
                     "{\"v\":1,\"type\":\"transition\",\"ts\":\"2024-01-31T12:04:00.000000000Z\","
                     "\"t\":240.000000000,\"frame\":0" IDENTITY
                     "\"endpoint\":\"client\",\"from\":\"TIME_WAIT\",\"to\":\"CLOSED\","
                     "\"proof\":\"timer\",\"corrected\":true,\"cause\":\"of the test\","
                     "\"flags\":null,\"client_state\":\"CLOSED\",\"server_state\":\"UNKNOWN\","
                     "\"in_state_ns\":240000000000}");
    free(text);
}
END_TEST

START_TEST(names_of_states_do_not_follow_the_option)
{
    kit_begin(&kit, &view_json);
    kit.options.names = FW_NAMES_KB;
    kit_play_ordinary(&kit);
    char *text = kit_finish(&kit);
    ck_assert_ptr_null(strstr(text, "SYN_SEND"));
    ck_assert_ptr_nonnull(strstr(text, "SYN_SENT"));
    free(text);
}
END_TEST

START_TEST(a_connection_has_every_key_in_the_order_of_the_table)
{
    kit_begin(&kit, &view_json);
    kit_end(&kit);
    char *text = kit_finish(&kit);
    const char *at = line_of(text, 0);
    for (size_t i = 0; i < record_field_count; i++) {
        char key[80];
        const int length =
            snprintf(key, sizeof key, "%c\"%s\":", i ? ',' : '{', record_fields[i].name);
        at = strstr(at, key);
        ck_assert_msg(at, "%s", key);
        at += length;
    }
    ck_assert_ptr_nonnull(strstr(text, "\"tunnel\":null,\"vlan\":null,\"community_id\":"
                                       "\"1:of the test\",\"zeek_conn_state\":null,"));
    ck_assert_ptr_nonnull(strstr(text, "\"midstream\":false,\"one_sided\":false,"));
    free(text);
}
END_TEST

START_TEST(listeners_come_before_the_summary_which_is_last)
{
    const struct fw_listener listener = {
        .endpoint = { .addr = { 10, 0, 0, 1 }, .port = 80, .family = FW_IPV4 },
        .scope = { .vlan = 12 },
        .synacks = 3,
    };
    kit_begin(&kit, &view_json);
    kit_play_ordinary(&kit);
    kit_end(&kit);
    kit.summary.listeners = &listener;
    kit.summary.listener_count = 1;
    char *text = kit_finish(&kit);
    const int count = lines_in(text);
    ck_assert_str_eq(line_of(text, count - 2),
                     "{\"v\":1,\"type\":\"listener\",\"ts\":\"2024-01-31T12:00:00.506000000Z\","
                     "\"t\":0.506000000,\"frame\":0,\"conn\":null,\"client_addr\":null,"
                     "\"client_port\":null,\"server_addr\":\"10.0.0.1\",\"server_port\":80,"
                     "\"state\":\"LISTEN\",\"answered\":3,\"tunnel\":null,\"vlan\":12}");
    const char *summary = line_of(text, count - 1);
    ck_assert_ptr_eq(strstr(summary, "{\"v\":1,\"type\":\"summary\","), summary);
    ck_assert_ptr_nonnull(strstr(summary, ",\"packets\":7,\"segments\":7,"));
    ck_assert_ptr_nonnull(strstr(summary, ",\"connections\":1,\"closed\":1,\"never_opened\":0,"));
    ck_assert_ptr_nonnull(strstr(summary, ",\"why_ended\":\"end of input\"}"));
    free(text);
}
END_TEST

START_TEST(without_packets_the_summary_knows_no_time)
{
    kit_begin(&kit, &view_json);
    char *text = kit_finish(&kit);
    ck_assert_int_eq(lines_in(text), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"ts\":null,\"t\":null,\"frame\":0,\"conn\":null,"));
    ck_assert_ptr_nonnull(strstr(text, ",\"first_ts\":null,\"last_ts\":null,\"duration_ns\":null,"
                                       "\"packets\":0,"));
    free(text);
}
END_TEST

START_TEST(quiet_leaves_the_summary)
{
    kit_begin(&kit, &view_json_quiet);
    kit_play_ordinary(&kit);
    kit_end(&kit);
    char *text = kit_finish(&kit);
    ck_assert_int_eq(lines_in(text), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"type\":\"summary\""));
    free(text);
}
END_TEST

static bool is_second(const struct fw_connection *connection)
{
    return connection->identity.id == 2;
}

START_TEST(a_selection_holds_for_transitions_and_connections)
{
    kit_begin(&kit, &view_json);
    kit.options.selection = (const struct selection *)&kit_selection;
    kit_wanted = is_second;
    kit_play_ordinary(&kit);
    kit_end(&kit);
    kit_connection(&kit, 2);
    kit_step(&kit, 1000, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_end(&kit);
    char *text = kit_finish(&kit);
    ck_assert_int_eq(lines_in(text), 3);
    ck_assert_ptr_nonnull(strstr(line_of(text, 0), "\"type\":\"transition\""));
    ck_assert_ptr_nonnull(strstr(line_of(text, 0), "\"conn\":2"));
    ck_assert_ptr_nonnull(strstr(line_of(text, 1), "\"type\":\"connection\""));
    ck_assert_ptr_nonnull(strstr(line_of(text, 2), "\"type\":\"summary\""));
    free(text);
}
END_TEST

/* ------------------------------------------------------------------------- docs/events.md -- */

/* Whether the line is an object of exactly the keys of the common table and of one section, each in
 * its place. Returns the key that differs, or NULL. */
static const char *key_that_differs(const char *object, const char *section)
{
    static char key[128];
    FILE *file = fopen(SOURCE_ROOT "/docs/events.md", "r");
    char line[2048], heading[64];
    bool inside = false;

    ck_assert_ptr_nonnull(file);
    snprintf(heading, sizeof heading, "## %s\n", section);
    while (fgets(line, sizeof line, file)) {
        char name[64];
        if (strncmp(line, "## ", 3) == 0)
            inside = strcmp(line, "## Keys of every record\n") == 0 || strcmp(line, heading) == 0;
        if (!inside || sscanf(line, "| `%63[^`]`", name) != 1)
            continue;
        snprintf(key, sizeof key, "\"%s\":", name);
        object++; /* { or , */
        if (strncmp(object, key, strlen(key)) != 0) {
            fclose(file);
            return key;
        }
        object += strlen(key);
        if (*object == '"')
            object += strcspn(object + 1, "\"") + 2;
        else
            object += strcspn(object, ",}");
    }
    fclose(file);
    return strcmp(object, "}") == 0 ? NULL : object;
}

START_TEST(each_record_has_the_keys_of_the_documentation)
{
    const struct fw_listener listener = {
        .endpoint = { .addr = { 10, 0, 0, 1 }, .port = 80, .family = FW_IPV4 },
    };
    kit_begin(&kit, &view_json);
    kit_play_ordinary(&kit);
    kit_end(&kit);
    kit.summary.listeners = &listener;
    kit.summary.listener_count = 1;
    char *text = kit_finish(&kit);
    const int count = lines_in(text);
    ck_assert_pstr_eq(key_that_differs(line_of(text, 0), "transition"), NULL);
    ck_assert_pstr_eq(key_that_differs(line_of(text, count - 3), "connection"), NULL);
    ck_assert_pstr_eq(key_that_differs(line_of(text, count - 2), "listener"), NULL);
    ck_assert_pstr_eq(key_that_differs(line_of(text, count - 1), "summary"), NULL);
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_transition_has_every_key,
        a_timer_has_no_frame_and_no_flags,
        names_of_states_do_not_follow_the_option,
        a_connection_has_every_key_in_the_order_of_the_table,
        listeners_come_before_the_summary_which_is_last,
        without_packets_the_summary_knows_no_time,
        quiet_leaves_the_summary,
        a_selection_holds_for_transitions_and_connections,
        each_record_has_the_keys_of_the_documentation,
    };
    return UNIT_RUN("view_json", tests);
}
