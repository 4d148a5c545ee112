#include "json.h"

#include "unit.h"

#include <string.h>

static const char *string(const char *text)
{
    static char result[512];
    *json_text(result, text) = '\0';
    return result;
}

START_TEST(plain_text_is_only_quoted)
{
    ck_assert_str_eq(string("data after close"), "\"data after close\"");
    ck_assert_str_eq(string(""), "\"\"");
    ck_assert_str_eq(string("→ 日本 😀"), "\"→ 日本 😀\"");
    ck_assert_str_eq(string(NULL), "null");
}
END_TEST

START_TEST(quotes_backslashes_and_controls_are_escaped)
{
    ck_assert_str_eq(string("a\"b\\c"), "\"a\\\"b\\\\c\"");
    ck_assert_str_eq(string("\n\r\t\x01\x1f\x7f"), "\"\\n\\r\\t\\u0001\\u001f\\u007f\"");
}
END_TEST

START_TEST(a_nul_within_the_length_is_escaped)
{
    char result[64];
    *json_string(result, "a\0b", 3) = '\0';
    ck_assert_str_eq(result, "\"a\\u0000b\"");
}
END_TEST

START_TEST(what_is_not_utf8_becomes_the_replacement_character)
{
    ck_assert_str_eq(string("\xff"), "\"\\ufffd\"");
    ck_assert_str_eq(string("a\xc3"), "\"a\\ufffd\"");
    ck_assert_str_eq(string("\xc0\xaf"), "\"\\ufffd\\ufffd\"");            /* overlong */
    ck_assert_str_eq(string("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
    ck_assert_str_eq(string("\xf4\x90\x80\x80"),
                     "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* beyond U+10FFFF */
    ck_assert_str_eq(string("\xe2\x82x"), "\"\\ufffd\\ufffdx\"");
}
END_TEST

START_TEST(scalars_are_written_as_json_has_them)
{
    struct stamp_cache cache = { 0 };
    char text[64];
    *json_bool(text, true) = '\0';
    ck_assert_str_eq(text, "true");
    *json_bool(text, false) = '\0';
    ck_assert_str_eq(text, "false");
    *json_duration(text, -1) = '\0';
    ck_assert_str_eq(text, "null");
    *json_duration(text, 0) = '\0';
    ck_assert_str_eq(text, "0");
    *json_time(&cache, text, 0) = '\0';
    ck_assert_str_eq(text, "\"1970-01-01T00:00:00.000000000Z\"");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        plain_text_is_only_quoted,
        quotes_backslashes_and_controls_are_escaped,
        a_nul_within_the_length_is_escaped,
        what_is_not_utf8_becomes_the_replacement_character,
        scalars_are_written_as_json_has_them,
    };
    return UNIT_RUN("json", tests);
}
