#include "view_kit.h"

#include "unit.h"

#include <string.h>

#include "record.h"

static struct kit kit;

static char *play(const struct view_ops *ops, const char *cause)
{
    kit_begin(&kit, ops);
    kit_play_ordinary(&kit);
    kit.connection.cause = cause;
    kit_end(&kit);
    return kit_finish(&kit);
}

static size_t count_of(const char *text, const char *end, char c)
{
    size_t count = 0;
    for (; text < end; text++)
        count += *text == c;
    return count;
}

START_TEST(csv_has_a_header_and_a_line_per_connection)
{
    char *text = play(&view_csv, NULL);
    char *second = strstr(text, "\r\n") + 2;
    ck_assert_ptr_eq(strstr(text, "ts,t,frame,conn,client_addr,client_port,server_addr,server_port,"
                                  "client_state,server_state,client_path,"),
                     text);
    ck_assert_ptr_eq(strstr(second, "2024-01-31T12:00:00.506000000Z,0.506000000,7,1,192.168.1.10,"
                                    "50001,10.0.0.1,80,TIME_WAIT,CLOSED,"),
                     second);
    ck_assert_uint_eq(count_of(text, second, ','), record_field_count - 3);
    ck_assert_uint_eq(count_of(second, second + strlen(second), ','), record_field_count - 3);
    ck_assert_str_eq(second + strlen(second) - 2, "\r\n");
    free(text);
}
END_TEST

START_TEST(csv_quotes_what_needs_it)
{
    char *text = play(&view_csv, "a \"cause\", with\nall");
    ck_assert_ptr_nonnull(strstr(text, ",fin,\"a \"\"cause\"\", with\nall\",syn,"));
    free(text);
}
END_TEST

START_TEST(tsv_escapes_what_would_break_it)
{
    char *text = play(&view_tsv, "a\tcause\\with\nall\r");
    ck_assert_ptr_nonnull(strstr(text, "\tfin\ta\\tcause\\\\with\\nall\\r\tsyn\t"));
    ck_assert_uint_eq(count_of(text, text + strlen(text), '\n'), 2);
    ck_assert_uint_eq(count_of(text, text + strlen(text), '\t'), 2 * (record_field_count - 3));
    free(text);
}
END_TEST

START_TEST(without_connections_there_is_the_header)
{
    kit_begin(&kit, &view_tsv);
    char *text = kit_finish(&kit);
    ck_assert_ptr_eq(strstr(text, "ts\tt\tframe\t"), text);
    ck_assert_uint_eq(count_of(text, text + strlen(text), '\n'), 1);
    free(text);
}
END_TEST

START_TEST(zeek_has_a_conn_log)
{
    kit_begin(&kit, &view_zeek);
    kit_play_ordinary(&kit);
    strcpy(kit.connection.zeek_conn_state, "SF");
    strcpy(kit.connection.zeek_history, "ShADadFf");
    kit_end(&kit);
    kit_connection(&kit, 2);
    kit_end(&kit);
    char *text = kit_finish(&kit);
    const char *lines =
        "#separator \\x09\n"
        "#set_separator\t,\n"
        "#empty_field\t(empty)\n"
        "#unset_field\t-\n"
        "#path\tconn\n"
        "#open\t2024-01-31-12-00-00\n"
        "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\t"
        "orig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\t"
        "orig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n"
        "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring"
        "\t"
        "bool\tbool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\n"
        "1706702400.000000\tC";
    ck_assert_ptr_eq(strstr(text, lines), text);
    ck_assert_ptr_nonnull(strstr(text, "\t192.168.1.10\t50001\t10.0.0.1\t80\ttcp\t-\t0.506000\t18\t"
                                       "22\tSF\t-\t-\t-\tShADadFf\t4\t-\t3\t-\t-\n"));
    ck_assert_ptr_nonnull(strstr(text,
                                 "\t192.168.1.10\t50002\t10.0.0.1\t80\ttcp\t-\t-\t-\t-\t-\t-\t-"
                                 "\t-\t-\t0\t-\t0\t-\t-\n"));
    ck_assert_str_eq(text + strlen(text) - 27, "#close\t2024-01-31-12-00-00\n");

    char again[32];
    const char *uid = strstr(text, "1706702400.000000\t") + 18;
    ck_assert_uint_eq(strcspn(uid, "\t"), 18);
    memcpy(again, uid, 18);
    again[18] = '\0';
    const char *second = strstr(uid, "1706702400.000000\t") + 18;
    ck_assert(memcmp(second, again, 18) != 0);
    free(text);

    text = play(&view_zeek, NULL);
    ck_assert_ptr_nonnull(strstr(text, again));
    free(text);
}
END_TEST

START_TEST(columns_of_zeek_agree_in_number)
{
    char *text = play(&view_zeek, NULL), *save;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const size_t tabs = count_of(line, line + strlen(line), '\t');
        if (strncmp(line, "#fields", 7) == 0 || strncmp(line, "#types", 6) == 0)
            ck_assert_uint_eq(tabs, 21);
        if (line[0] != '#')
            ck_assert_uint_eq(tabs, 20);
    }
    free(text);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        csv_has_a_header_and_a_line_per_connection,
        csv_quotes_what_needs_it,
        tsv_escapes_what_would_break_it,
        without_connections_there_is_the_header,
        zeek_has_a_conn_log,
        columns_of_zeek_agree_in_number,
    };
    return UNIT_RUN("view_csv", tests);
}
