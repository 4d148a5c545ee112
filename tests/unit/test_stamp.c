#include "stamp.h"

#include "unit.h"

#include <string.h>
#include <time.h>

static const char *rfc3339(fw_time time)
{
    static struct stamp_cache cache;
    static char text[STAMP_BYTES + 1];
    *stamp_rfc3339(&cache, text, time) = '\0';
    return text;
}

static const char *seconds(int64_t ns)
{
    static char text[32];
    *stamp_seconds(text, ns) = '\0';
    return text;
}

START_TEST(times_are_written_in_utc_with_nanoseconds)
{
    ck_assert_str_eq(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
    ck_assert_str_eq(rfc3339(1), "1970-01-01T00:00:00.000000001Z");
    ck_assert_str_eq(rfc3339(INT64_C(1709210096123456789)), "2024-02-29T12:34:56.123456789Z");
    ck_assert_str_eq(rfc3339(INT64_C(1709210096999999999)), "2024-02-29T12:34:56.999999999Z");
    ck_assert_str_eq(rfc3339(INT64_C(951782400) * FW_SECOND), "2000-02-29T00:00:00.000000000Z");
}
END_TEST

START_TEST(times_before_1970_and_the_ends_of_the_range_are_written)
{
    ck_assert_str_eq(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
    ck_assert_str_eq(rfc3339(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
    ck_assert_str_eq(rfc3339(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
}
END_TEST

START_TEST(every_day_agrees_with_gmtime)
{
    for (int64_t day = -100000; day < 100000; day += 7) {
        const time_t second = (time_t)(day * 86400 + 3661);
        struct tm tm;
        gmtime_r(&second, &tm);
        const struct stamp stamp = stamp_of((fw_time)second * FW_SECOND);
        ck_assert_int_eq(stamp.year, tm.tm_year + 1900);
        ck_assert_uint_eq(stamp.month, (unsigned)tm.tm_mon + 1);
        ck_assert_uint_eq(stamp.day, (unsigned)tm.tm_mday);
        ck_assert_uint_eq(stamp.hour, 1);
        ck_assert_uint_eq(stamp.minute, 1);
        ck_assert_uint_eq(stamp.second, 1);
    }
}
END_TEST

START_TEST(seconds_have_nine_decimals)
{
    ck_assert_str_eq(seconds(0), "0.000000000");
    ck_assert_str_eq(seconds(1104000000), "1.104000000");
    ck_assert_str_eq(seconds(-1), "-0.000000001");
    ck_assert_str_eq(seconds(INT64_MIN), "-9223372036.854775808");
    ck_assert_str_eq(seconds(INT64_MAX), "9223372036.854775807");
}
END_TEST

START_TEST(differences_stop_at_the_ends_of_the_range)
{
    ck_assert_int_eq(stamp_since(5, 3), 2);
    ck_assert_int_eq(stamp_since(3, 5), -2);
    ck_assert_int_eq(stamp_since(INT64_MAX, INT64_MIN), INT64_MAX);
    ck_assert_int_eq(stamp_since(INT64_MIN, INT64_MAX), INT64_MIN);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        times_are_written_in_utc_with_nanoseconds,
        times_before_1970_and_the_ends_of_the_range_are_written,
        every_day_agrees_with_gmtime,
        seconds_have_nine_decimals,
        differences_stop_at_the_ends_of_the_range,
    };
    return UNIT_RUN("stamp", tests);
}
