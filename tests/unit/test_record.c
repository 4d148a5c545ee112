#include "record.h"

#include "unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "interop.h"

static struct fw_connection connection;
static const fw_time origin = INT64_C(1706702400) * FW_SECOND;

static void make_connection(void)
{
    connection = (struct fw_connection){
        .identity = { .id = 7,
                      .client = { .addr = { 192, 168, 1, 10 }, .port = 50001, .family = FW_IPV4 },
                      .server = { .addr = { 0x20, 1, 0xd, 0xb8, [15] = 1 },
                                  .port = 443,
                                  .family = FW_IPV6 } },
        .client_state = FW_TIME_WAIT,
        .server_state = FW_CLOSED,
        .first_time = origin + 20 * FW_MILLISECOND,
        .last_time = origin + 506 * FW_MILLISECOND,
        .last_frame = 12,
        .open = FW_OPEN_COMPLETE,
        .end = FW_END_FIN,
        .closed_by = FW_CLOSED_BY_SERVER,
        .handshake_ns = 21000000,
        .rtt_client_ns = -1,
        .bytes = { 18, 22 },
        .completeness = -1,
    };
}

static const char *value(const char *name)
{
    static char text[300];
    struct stamp_cache cache = { 0 };
    struct record_value value;
    const struct record_field *field = record_find(name, strlen(name));

    ck_assert_msg(field, "%s", name);
    field->get(&connection, origin, &value);
    ck_assert(value.kind == RECORD_NULL || value.kind == field->kind);
    *record_value_text(&cache, text, &value) = '\0';
    return text;
}

START_TEST(keys_are_found_by_their_whole_name)
{
    ck_assert_ptr_nonnull(record_find("client_state", 12));
    ck_assert_ptr_null(record_find("client_stat", 11));
    ck_assert_ptr_null(record_find("client_states", 13));
    ck_assert_ptr_null(record_find("", 0));
    for (size_t i = 0; i < record_field_count; i++)
        ck_assert_ptr_eq(record_find(record_fields[i].name, record_fields[i].name_length),
                         &record_fields[i]);
}
END_TEST

START_TEST(values_are_those_of_the_connection)
{
    make_connection();
    ck_assert_str_eq(value("v"), "1");
    ck_assert_str_eq(value("type"), "connection");
    ck_assert_str_eq(value("ts"), "2024-01-31T12:00:00.506000000Z");
    ck_assert_str_eq(value("t"), "0.506000000");
    ck_assert_str_eq(value("frame"), "12");
    ck_assert_str_eq(value("conn"), "7");
    ck_assert_str_eq(value("client_addr"), "192.168.1.10");
    ck_assert_str_eq(value("server_addr"), "2001:db8::1");
    ck_assert_str_eq(value("server_port"), "443");
    ck_assert_str_eq(value("client_state"), "TIME_WAIT");
    ck_assert_str_eq(value("first_ts"), "2024-01-31T12:00:00.020000000Z");
    ck_assert_str_eq(value("duration_ns"), "486000000");
    ck_assert_str_eq(value("open"), "complete");
    ck_assert_str_eq(value("end"), "fin");
    ck_assert_str_eq(value("closed_by"), "server");
    ck_assert_str_eq(value("handshake_ns"), "21000000");
    ck_assert_str_eq(value("client_bytes"), "18");
    ck_assert_str_eq(value("server_bytes"), "22");
    ck_assert_str_eq(value("midstream"), "false");
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
    make_connection();
    ck_assert_str_eq(value("rtt_client_ns"), "");
    ck_assert_str_eq(value("cause"), "");
    ck_assert_str_eq(value("mss_client"), "");
    ck_assert_str_eq(value("tunnel"), "");
    ck_assert_str_eq(value("vlan"), "");
    ck_assert_str_eq(value("zeek_conn_state"), "");
    ck_assert_str_eq(value("completeness"), "");
    connection.completeness = 0;
    ck_assert_str_eq(value("completeness"), "0");
}
END_TEST

START_TEST(a_tunnel_is_named_with_its_number)
{
    char text[32];
    const struct fw_scope none = { 0 }, ipip = { .tunnel = FW_TUNNEL_IPIP },
                          vxlan = { .tunnel = FW_TUNNEL_VXLAN, .tunnel_id = 42 },
                          vni0 = { .tunnel = FW_TUNNEL_VXLAN };
    ck_assert_ptr_null(record_tunnel_text(&none, text));
    ck_assert_str_eq(record_tunnel_text(&ipip, text), "ipip");
    ck_assert_str_eq(record_tunnel_text(&vxlan, text), "vxlan:42");
    ck_assert_str_eq(record_tunnel_text(&vni0, text), "vxlan:0");
}
END_TEST

static char *upper_case(char *at, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        *at++ = (char)toupper((unsigned char)text[i]);
    return at;
}

/* Extremes: the longest values, damaged times, a text that needs escapes. */
static void make_extreme_connection(void)
{
    make_connection();
    memset(connection.identity.client.addr, 0xff, 16);
    connection.identity.client.family = FW_IPV6;
    connection.identity.id = UINT64_MAX;
    connection.first_time = INT64_MIN;
    connection.last_time = INT64_MAX;
    connection.client_path = connection.server_path = UINT64_C(0x4444444444444444);
    connection.handshake_ns = INT64_MAX;
    connection.bytes[FW_CLIENT] = INT64_MAX;
    connection.mss[FW_SERVER] = UINT16_MAX;
    connection.cause = "\"quoted\"";
    strcpy(connection.zeek_history, "ShADadfF");
    connection.identity.scope = (struct fw_scope){ UINT32_MAX, 4095, FW_TUNNEL_GENEVE };
}

static void check_whole_record(void)
{
    char json[RECORD_ROOM], cells[RECORD_ROOM], expected_cells[RECORD_ROOM];
    struct stamp_cache cache = { 0 };
    const char *at = json;
    char *cell = expected_cells;

    *record_json(&cache, json, &connection, origin) = '\0';
    *record_cells(&cache, cells, &connection, origin, 2, '|', upper_case) = '\0';
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        char expected[RECORD_ROOM];
        const char *text = value(field->name);
        struct record_value known;
        field->get(&connection, origin, &known);
        const bool quoted = known.kind == RECORD_TEXT || known.kind == RECORD_TIME;
        const bool escaped = strcmp(field->name, "cause") == 0 && known.kind == RECORD_TEXT;
        const int length = snprintf(expected, sizeof expected, "%c\"%s\":%s%s%s", i ? ',' : '{',
                                    field->name, quoted ? "\"" : "",
                                    known.kind == RECORD_NULL ? "null"
                                    : escaped                 ? "\\\"quoted\\\""
                                                              : text,
                                    quoted ? "\"" : "");
        ck_assert_msg(strncmp(at, expected, (size_t)length) == 0, "%s: %.99s", expected, at);
        at += length;
        if (i < 2)
            continue;
        if (i > 2)
            *cell++ = '|';
        if (known.kind == RECORD_TEXT && strcmp(field->stability, RECORD_STABLE) != 0)
            cell = upper_case(cell, text, strlen(text));
        else
            cell = stpcpy(cell, text);
    }
    *cell = '\0';
    ck_assert_str_eq(at, "}");
    ck_assert_str_eq(cells, expected_cells);
}

START_TEST(a_whole_record_is_its_values)
{
    make_connection();
    check_whole_record();
    make_extreme_connection();
    check_whole_record();
}
END_TEST

START_TEST(no_key_stands_twice)
{
    for (size_t i = 0; i < record_field_count; i++)
        for (size_t j = i + 1; j < record_field_count; j++)
            ck_assert_str_ne(record_fields[i].name, record_fields[j].name);
}
END_TEST

/* ------------------------------------------------------------------------- docs/events.md -- */

/* The next row "| `key` | type | unit | stability | meaning |" of a table of the documentation,
 * each cell without the spaces around it. */
static bool next_row(FILE *file, char cells[5][600])
{
    char line[2048];

    while (fgets(line, sizeof line, file) && strncmp(line, "## ", 3) != 0) {
        if (strncmp(line, "| `", 3) != 0)
            continue;
        char *save, *cell = strtok_r(line, "|", &save);
        for (int i = 0; i < 5; i++) {
            ck_assert_msg(cell, "%s", line);
            while (*cell == ' ')
                cell++;
            size_t length = strlen(cell);
            while (length > 0 && cell[length - 1] == ' ')
                length--;
            snprintf(cells[i], 600, "%.*s", (int)length, cell);
            cell = strtok_r(NULL, "|", &save);
        }
        return true;
    }
    return false;
}

static void check_row(const struct record_field *field, char cells[5][600])
{
    char key[80];
    snprintf(key, sizeof key, "`%s`", field->name);
    ck_assert_str_eq(cells[0], key);
    ck_assert_str_eq(cells[1], record_kind_name(field->kind));
    ck_assert_str_eq(cells[2], field->unit);
    ck_assert_str_eq(cells[3], field->stability);
    ck_assert_uint_gt(strlen(cells[4]), 3);
}

START_TEST(the_documentation_has_the_same_keys)
{
    FILE *file = fopen(SOURCE_ROOT "/docs/events.md", "r");
    char line[2048], cells[5][600];
    ck_assert_ptr_nonnull(file);

    while (fgets(line, sizeof line, file) && strcmp(line, "## Keys of every record\n") != 0)
        continue;
    for (size_t i = 0; i < RECORD_COMMON_COUNT; i++) {
        ck_assert(next_row(file, cells));
        check_row(&record_fields[i], cells);
    }
    while (fgets(line, sizeof line, file) && strcmp(line, "## connection\n") != 0)
        continue;
    for (size_t i = RECORD_COMMON_COUNT; i < record_field_count; i++) {
        ck_assert_msg(next_row(file, cells), "%s is not there", record_fields[i].name);
        check_row(&record_fields[i], cells);
    }
    ck_assert_msg(!next_row(file, cells), "%s is no key", cells[0]);
    fclose(file);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        keys_are_found_by_their_whole_name,  values_are_those_of_the_connection,
        what_is_not_known_is_null,           a_tunnel_is_named_with_its_number,
        a_whole_record_is_its_values,        no_key_stands_twice,
        the_documentation_has_the_same_keys,
    };
    return UNIT_RUN("record", tests);
}
