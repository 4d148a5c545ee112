#include "digits.h"

#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Behind DIGITS_ROOM bytes nothing may change. */
static void check_u64(uint64_t value)
{
    char expected[32], text[DIGITS_ROOM + 1];
    text[DIGITS_ROOM] = '#';
    char *end = digits_u64(text, value);
    ck_assert_int_eq(text[DIGITS_ROOM], '#');
    *end = '\0';
    snprintf(expected, sizeof expected, "%" PRIu64, value);
    ck_assert_str_eq(text, expected);
}

static const char *i64(int64_t value)
{
    static char text[DIGITS_ROOM + 2];
    *digits_i64(text, value) = '\0';
    return text;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

START_TEST(numbers_of_every_length_are_right)
{
    uint64_t power = 1;
    for (int i = 0; i < 20; i++) {
        check_u64(power - 1);
        check_u64(power);
        check_u64(power + 1);
        power *= 10;
    }
    check_u64(UINT64_MAX - 1);
    check_u64(UINT64_MAX);
    check_u64(UINT64_C(1) << 32);
    check_u64(UINT64_C(1) << 63);
}
END_TEST

START_TEST(random_numbers_agree_with_printf)
{
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++)
        check_u64(next_random(&seed) >> (i % 64));
}
END_TEST

START_TEST(negative_numbers_have_a_sign)
{
    ck_assert_str_eq(i64(0), "0");
    ck_assert_str_eq(i64(-1), "-1");
    ck_assert_str_eq(i64(INT64_MIN), "-9223372036854775808");
    ck_assert_str_eq(i64(INT64_MAX), "9223372036854775807");
}
END_TEST

START_TEST(fixed_widths_have_leading_zeros_and_lose_the_left)
{
    char text[DIGITS_ROOM + 1];
    for (unsigned width = 1; width <= 8; width++) {
        *digits_fixed(text, 42, width) = '\0';
        ck_assert_str_eq(text, &"00000042"[8 - width]);
        *digits_fixed(text, UINT64_C(55512345678), width) = '\0';
        ck_assert_str_eq(text, &"12345678"[8 - width]);
    }
}
END_TEST

START_TEST(nine_digits_are_nanoseconds)
{
    char expected[16], text[DIGITS_ROOM + 1];
    uint64_t seed = 3;
    for (int i = 0; i < 100000; i++) {
        const uint32_t ns = (uint32_t)((next_random(&seed) >> (i % 40)) % 1000000000);
        *digits_nine(text, ns) = '\0';
        snprintf(expected, sizeof expected, "%09" PRIu32, ns);
        ck_assert_str_eq(text, expected);
    }
    *digits_nine(text, 0) = '\0';
    ck_assert_str_eq(text, "000000000");
    *digits_nine(text, 999999999) = '\0';
    ck_assert_str_eq(text, "999999999");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        numbers_of_every_length_are_right, random_numbers_agree_with_printf,
        negative_numbers_have_a_sign,      fixed_widths_have_leading_zeros_and_lose_the_left,
        nine_digits_are_nanoseconds,
    };
    return UNIT_RUN("digits", tests);
}
