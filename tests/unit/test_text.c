#include "text.h"

#include "unit.h"

static char room[1024];

static const char *duration(int64_t ns)
{
    *text_duration(room, ns) = '\0';
    return room;
}

static const char *bytes(uint64_t count)
{
    *text_bytes(room, count) = '\0';
    return room;
}

START_TEST(durations_have_one_unit_and_three_figures)
{
    ck_assert_str_eq(duration(0), "0 ns");
    ck_assert_str_eq(duration(850), "850 ns");
    ck_assert_str_eq(duration(1000), "1.0 us");
    ck_assert_str_eq(duration(42000), "42 us");
    ck_assert_str_eq(duration(400000), "400 us");
    ck_assert_str_eq(duration(1300000), "1.3 ms");
    ck_assert_str_eq(duration(21 * FW_MILLISECOND), "21 ms");
    ck_assert_str_eq(duration(400 * FW_MILLISECOND), "400 ms");
    ck_assert_str_eq(duration(1500 * FW_MILLISECOND), "1.5 s");
    ck_assert_str_eq(duration(118896 * FW_MILLISECOND), "118.9 s");
    ck_assert_str_eq(duration(600 * FW_SECOND), "600.0 s");
    ck_assert_str_eq(duration(3600 * FW_SECOND), "60.0 min");
    ck_assert_str_eq(duration(19080 * FW_SECOND), "5.3 h");
    ck_assert_str_eq(duration(10 * 86400 * FW_SECOND), "10.0 d");
    ck_assert_str_eq(duration(-21 * FW_MILLISECOND), "-21 ms");
    ck_assert_str_eq(duration(INT64_MAX), "106752 d");
    ck_assert_str_eq(duration(INT64_MIN), "-106752 d");
}
END_TEST

START_TEST(durations_that_round_up_take_the_next_unit)
{
    ck_assert_str_eq(duration(999), "999 ns");
    ck_assert_str_eq(duration(9949), "9.9 us");
    ck_assert_str_eq(duration(9950), "10 us");
    ck_assert_str_eq(duration(999499), "999 us");
    ck_assert_str_eq(duration(999500), "1.0 ms");
    ck_assert_str_eq(duration(9949999), "9.9 ms");
    ck_assert_str_eq(duration(9950000), "10 ms");
    ck_assert_str_eq(duration(999499999), "999 ms");
    ck_assert_str_eq(duration(999500000), "1.0 s");
    ck_assert_str_eq(duration(999 * FW_SECOND + 949 * FW_MILLISECOND), "999.9 s");
    ck_assert_str_eq(duration(999 * FW_SECOND + 950 * FW_MILLISECOND), "16.7 min");
    ck_assert_str_eq(duration(5996 * FW_SECOND), "99.9 min");
    ck_assert_str_eq(duration(5997 * FW_SECOND), "1.7 h");
}
END_TEST

START_TEST(sizes_are_decimal)
{
    ck_assert_str_eq(bytes(0), "0 B");
    ck_assert_str_eq(bytes(18), "18 B");
    ck_assert_str_eq(bytes(999), "999 B");
    ck_assert_str_eq(bytes(1000), "1.0 kB");
    ck_assert_str_eq(bytes(1234567), "1.2 MB");
    ck_assert_str_eq(bytes(9950000), "10 MB");
    ck_assert_str_eq(bytes(999499), "999 kB");
    ck_assert_str_eq(bytes(999500), "1.0 MB");
    ck_assert_str_eq(bytes(640000000), "640 MB");
    ck_assert_str_eq(bytes(UINT64_MAX), "18 EB");
}
END_TEST

START_TEST(one_of_a_thing_is_singular)
{
    *text_count(room, 1, "connection", "connections") = '\0';
    ck_assert_str_eq(room, "1 connection");
    *text_count(room, 0, "connection", "connections") = '\0';
    ck_assert_str_eq(room, "0 connections");
}
END_TEST

static const char *time_text(struct text_clock *clock, fw_time time)
{
    *text_time(clock, room, time) = '\0';
    return room;
}

START_TEST(each_time_style_has_its_column)
{
    const fw_time first = INT64_C(1706702400) * FW_SECOND + 999999;
    const fw_time later = first + 1104 * FW_MILLISECOND + 1;

    struct text_clock clock = { .style = TIME_RELATIVE, .first = first };
    ck_assert_str_eq(time_text(&clock, later), "  1.104");
    ck_assert_str_eq(time_text(&clock, first - FW_MILLISECOND), " -0.001");

    clock = (struct text_clock){ .style = TIME_NONE, .first = first };
    ck_assert_str_eq(time_text(&clock, later), "");

    clock = (struct text_clock){ .style = TIME_EPOCH, .first = first };
    ck_assert_str_eq(time_text(&clock, later), "1706702401.105000");
    ck_assert_uint_eq(clock.width, 17);

    clock = (struct text_clock){ .style = TIME_DELTA, .first = first };
    ck_assert_str_eq(time_text(&clock, first), "  0.000");
    ck_assert_str_eq(time_text(&clock, later), "  1.104");
    ck_assert_str_eq(time_text(&clock, later), "  0.000");

    clock = (struct text_clock){ .style = TIME_DATE, .first = first };
    ck_assert_str_eq(time_text(&clock, later), "2024-01-31 12:00:01.105000");

    clock = (struct text_clock){ .style = TIME_CLOCK, .first = first };
    ck_assert_str_eq(time_text(&clock, later), "12:00:01.105000");

    clock = (struct text_clock){ .style = TIME_RELATIVE_NANO, .first = first };
    ck_assert_str_eq(time_text(&clock, later), "  1.104000001");
}
END_TEST

START_TEST(a_time_column_that_had_to_grow_stays_wide)
{
    struct text_clock clock = { .style = TIME_RELATIVE };
    ck_assert_str_eq(time_text(&clock, 86400 * FW_SECOND), "86400.000");
    ck_assert_str_eq(time_text(&clock, 0), "    0.000");
}
END_TEST

static const char *state(enum fw_state state, bool inferred, bool timed)
{
    *text_state(room, state, inferred, timed, FW_NAMES_RFC) = '\0';
    return room;
}

START_TEST(states_carry_their_marks)
{
    ck_assert_str_eq(state(FW_ESTABLISHED, false, false), "ESTABLISHED");
    ck_assert_str_eq(state(FW_ESTABLISHED, true, false), "ESTABLISHED?");
    ck_assert_str_eq(state(FW_CLOSED, false, true), "CLOSED~");
    ck_assert_str_eq(state(FW_UNKNOWN, true, false), "-");
}
END_TEST

START_TEST(columns_are_those_of_a_terminal)
{
    ck_assert_uint_eq(text_columns("abc", 3), 3);
    ck_assert_uint_eq(text_columns("→", 3), 1);
    ck_assert_uint_eq(text_columns("日本", 6), 4);
    ck_assert_uint_eq(text_columns("e\u0301", 3), 1);
    ck_assert_uint_eq(text_columns("\xff\xfe", 2), 2);
    *text_pad(room, 3, 5) = '\0';
    ck_assert_str_eq(room, "  ");
    *text_pad(room, 5, 5) = '\0';
    ck_assert_str_eq(room, " ");
}
END_TEST

static const char *cut(const char *text, size_t width, bool middle, bool utf8)
{
    strcpy(room, text);
    room[text_cut(room, strlen(room), width, middle, utf8)] = '\0';
    return room;
}

START_TEST(long_text_is_cut_with_an_ellipsis)
{
    ck_assert_str_eq(cut("no answer", 9, false, true), "no answer");
    ck_assert_str_eq(cut("no answer at all", 10, false, true), "no answer…");
    ck_assert_str_eq(cut("no answer at all", 10, false, false), "no answe..");
    ck_assert_str_eq(cut("no answer at all", 3, false, false), "no ");
    ck_assert_str_eq(cut("no answer at all", 1, false, true), "n");
    ck_assert_str_eq(cut("[2001:db8:1:2::3]:50001", 15, true, true), "[2001:d…]:50001");
    ck_assert_str_eq(cut("日本日本日本", 6, false, true), "日本…");
    ck_assert_str_eq(cut("日本日本日本", 7, true, true), "日…本");
}
END_TEST

START_TEST(foreign_text_cannot_steer_the_terminal)
{
    *text_foreign(room, 100, "a\033[2Jb\n\x7f\xc2\x9b", true) = '\0';
    ck_assert_str_eq(room, "a?[2Jb???");
    *text_foreign(room, 100, "caf\xc3\xa9 \xff", true) = '\0';
    ck_assert_str_eq(room, "caf\xc3\xa9 ?");
    *text_foreign(room, 100, "caf\xc3\xa9", false) = '\0';
    ck_assert_str_eq(room, "caf?");
    *text_foreign(room, 100, "\xe2\x80\xaeright to left", true) = '\0';
    ck_assert_str_eq(room, "?right to left");
    *text_foreign(room, 4, "caf\xc3\xa9", true) = '\0';
    ck_assert_str_eq(room, "caf");
}
END_TEST

static const char *name_of(void *context, const struct fw_endpoint *endpoint)
{
    return endpoint->port == 80 ? context : NULL;
}

START_TEST(endpoints_are_numbers_unless_they_have_names)
{
    struct view_options options = { .utf8 = true };
    const struct fw_identity identity = {
        .client = { .addr = { 192, 168, 1, 10 }, .port = 50001, .family = FW_IPV4 },
        .server = { .addr = { 0x20, 1, 0xd, 0xb8, [15] = 1 }, .port = 80, .family = FW_IPV6 },
    };
    *text_endpoints(room, &identity, &options) = '\0';
    ck_assert_str_eq(room, "192.168.1.10:50001 → [2001:db8::1]:80");
    char name[] = "web.example:http";
    options.resolve = name_of;
    options.resolve_context = name;
    options.utf8 = false;
    *text_endpoints(room, &identity, &options) = '\0';
    ck_assert_str_eq(room, "192.168.1.10:50001 -> web.example:http");
}
END_TEST

START_TEST(styles_are_nothing_without_colour)
{
    char *end = text_begin(room, TEXT_BOLD, false);
    *text_end(end, TEXT_BOLD, false) = '\0';
    ck_assert_str_eq(room, "");
    end = text_begin(room, TEXT_BOLD, true);
    *text_end(end, TEXT_BOLD, true) = '\0';
    ck_assert_str_eq(room, "\033[1m\033[0m");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        durations_have_one_unit_and_three_figures,
        durations_that_round_up_take_the_next_unit,
        sizes_are_decimal,
        one_of_a_thing_is_singular,
        each_time_style_has_its_column,
        a_time_column_that_had_to_grow_stays_wide,
        states_carry_their_marks,
        columns_are_those_of_a_terminal,
        long_text_is_cut_with_an_ellipsis,
        foreign_text_cannot_steer_the_terminal,
        endpoints_are_numbers_unless_they_have_names,
        styles_are_nothing_without_colour,
    };
    return UNIT_RUN("text", tests);
}
