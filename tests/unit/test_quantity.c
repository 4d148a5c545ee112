#include "quantity.h"

#include "unit.h"

START_TEST(durations_have_units_and_limits)
{
    int64_t ns = 0;

    ck_assert(quantity_duration("30", &ns));
    ck_assert_int_eq(ns, 30 * FW_SECOND);
    ck_assert(quantity_duration("1.5", &ns));
    ck_assert_int_eq(ns, 1500 * FW_MILLISECOND);
    ck_assert(quantity_duration("200ms", &ns));
    ck_assert_int_eq(ns, 200 * FW_MILLISECOND);
    ck_assert(quantity_duration("2m", &ns));
    ck_assert_int_eq(ns, 120 * FW_SECOND);
    ck_assert(quantity_duration("5d", &ns));
    ck_assert_int_eq(ns, 5 * 86400 * FW_SECOND);
    ck_assert(quantity_duration("0", &ns));
    ck_assert_int_eq(ns, 0);
    static const char *const wrong[] = { "",    "s",   "-1",   "1e3", ".",           "1.2.3",
                                         "nan", "inf", "0x10", "1 s", "99999999999", "5w" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!quantity_duration(wrong[i], &ns), "%s", wrong[i]);
}
END_TEST

START_TEST(sizes_have_units_and_limits)
{
    uint64_t value = 0;

    ck_assert(quantity_size("512M", 1024, &value));
    ck_assert_uint_eq(value, UINT64_C(512) << 20);
    ck_assert(quantity_size("2g", 1024, &value));
    ck_assert_uint_eq(value, UINT64_C(2) << 30);
    ck_assert(quantity_size("3K", 1000, &value));
    ck_assert_uint_eq(value, 3000);
    ck_assert(quantity_size("7", 1000, &value));
    ck_assert_uint_eq(value, 7);
    static const char *const wrong[] = {
        "", "0", "-1", "1.5M", "1MB", "M", "1X", "99999999999999999999999", "99999999999T"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!quantity_size(wrong[i], 1024, &value), "%s", wrong[i]);
}
END_TEST

START_TEST(times_are_rfc_3339_and_shorter_forms_of_it)
{
    static const struct {
        const char *text;
        fw_time time;
    } rows[] = {
        { "1970-01-01", 0 },
        { "1970-01-01T00:00:00Z", 0 },
        { "1970-01-02T00:00", 86400 * FW_SECOND },
        { "2024-02-29T12:30:15.5Z", 1709209815 * FW_SECOND + 500 * FW_MILLISECOND },
        { "2000-03-01 00:00:00", 951868800 * FW_SECOND },
        { "1969-12-31T23:59:59.999999999Z", -1 },
    };
    static const char *const wrong[] = { "",
                                         "2024",
                                         "2024-13-01",
                                         "2024-01-32",
                                         "2024-01-01T",
                                         "2024-01-01T1:00",
                                         "2024-01-01x",
                                         "2024-01-01T25:00",
                                         "9999-01-01",
                                         "2024-01-01T00:00:00." };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fw_time time = 1;

        ck_assert_msg(quantity_time(rows[i].text, &time), "%s", rows[i].text);
        ck_assert_msg(time == rows[i].time, "%s", rows[i].text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fw_time time;

        ck_assert_msg(!quantity_time(wrong[i], &time), "%s", wrong[i]);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        durations_have_units_and_limits,
        sizes_have_units_and_limits,
        times_are_rfc_3339_and_shorter_forms_of_it,
    };
    return UNIT_RUN("quantity", tests);
}
