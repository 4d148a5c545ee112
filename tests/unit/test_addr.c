#include "addr.h"

#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

static struct fw_endpoint endpoint(const char *text)
{
    struct fw_endpoint parsed;
    if (!endpoint_parse(text, strlen(text), &parsed))
        ck_assert_msg(addr_parse(text, strlen(text), &parsed), "%s", text);
    return parsed;
}

static const char *round_trip(const char *text)
{
    static char result[54];
    struct fw_endpoint parsed;
    if (endpoint_parse(text, strlen(text), &parsed))
        ck_assert_uint_eq(fw_endpoint_text(&parsed, result), strlen(result));
    else if (addr_parse(text, strlen(text), &parsed))
        ck_assert_uint_eq(fw_addr_text(&parsed, result), strlen(result));
    else
        return "refused";
    return result;
}

START_TEST(addresses_are_written_as_rfc_5952_wants)
{
    ck_assert_str_eq(round_trip("10.0.0.1"), "10.0.0.1");
    ck_assert_str_eq(round_trip("255.255.255.255"), "255.255.255.255");
    ck_assert_str_eq(round_trip("0.0.0.0"), "0.0.0.0");
    ck_assert_str_eq(round_trip("2001:db8::1"), "2001:db8::1");
    ck_assert_str_eq(round_trip("2001:0DB8:0:0:0:0:0:0001"), "2001:db8::1");
    ck_assert_str_eq(round_trip("::"), "::");
    ck_assert_str_eq(round_trip("::1"), "::1");
    ck_assert_str_eq(round_trip("fe80::"), "fe80::");
    ck_assert_str_eq(round_trip("1:2:3:4:5:6:7:8"), "1:2:3:4:5:6:7:8");
    /* one group of zeros is not shortened; of two equal runs the first is */
    ck_assert_str_eq(round_trip("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");
    ck_assert_str_eq(round_trip("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");
    ck_assert_str_eq(round_trip("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");
    ck_assert_str_eq(round_trip("::ffff:10.0.0.1"), "::ffff:10.0.0.1");
    ck_assert_str_eq(round_trip("::ffff:a00:1"), "::ffff:10.0.0.1");
    ck_assert_str_eq(round_trip("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
}
END_TEST

START_TEST(text_of_addresses_agrees_with_inet_ntop)
{
    struct fw_endpoint random = { .family = FW_IPV6 };
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        char ours[46], theirs[46];
        for (int group = 0; group < 8; group++) {
            seed = seed * 1664525 + 1013904223;
            const bool zero = (seed >> 29) < 5;
            const uint32_t value = zero ? 0 : seed >> 8 >> (seed >> 24 & 12);
            random.addr[2 * group] = (uint8_t)(value >> 8);
            random.addr[2 * group + 1] = (uint8_t)value;
        }
        random.addr[0] |= 0x20; /* the deprecated ::192.0.2.1 is no concern */
        fw_addr_text(&random, ours);
        inet_ntop(AF_INET6, random.addr, theirs, sizeof(theirs));
        ck_assert_str_eq(ours, theirs);

        struct fw_endpoint again;
        ck_assert(addr_parse(ours, strlen(ours), &again));
        ck_assert_int_eq(addr_compare(&random, &again), 0);
    }
}
END_TEST

START_TEST(every_octet_is_written)
{
    for (unsigned value = 0; value < 256; value++) {
        struct fw_endpoint ipv4 = { .addr = { 1, (uint8_t)value, 2, (uint8_t)value },
                                    .family = FW_IPV4 };
        char ours[46], theirs[46];
        fw_addr_text(&ipv4, ours);
        inet_ntop(AF_INET, ipv4.addr, theirs, sizeof(theirs));
        ck_assert_str_eq(ours, theirs);
    }
}
END_TEST

START_TEST(endpoints_have_a_port)
{
    ck_assert_str_eq(round_trip("10.0.0.1:80"), "10.0.0.1:80");
    ck_assert_str_eq(round_trip("10.0.0.1:0"), "10.0.0.1:0");
    ck_assert_str_eq(round_trip("10.0.0.1:65535"), "10.0.0.1:65535");
    ck_assert_str_eq(round_trip("[2001:db8::1]:443"), "[2001:db8::1]:443");
    ck_assert_str_eq(round_trip("[2001:db8::1]"), "2001:db8::1");
    ck_assert_uint_eq(endpoint("[::1]:8080").port, 8080);
    ck_assert_uint_eq(endpoint("1.2.3.4:5").family, FW_IPV4);
}
END_TEST

START_TEST(the_longest_texts_fit)
{
    char addr[46], text[54];
    const struct fw_endpoint longest = endpoint("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    ck_assert_uint_eq(fw_addr_text(&longest, addr), 39);
    ck_assert_uint_eq(fw_endpoint_text(&longest, text), 47);
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    static const char *const bad[] = {
        "",
        ".",
        ":",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.",
        ".1.2.3",
        "1.2.3.4 ",
        "1..2.3",
        "a.b.c.d",
        "1.2.3.-4",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1::2::3",
        ":::",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "12345::",
        "g::",
        ":1::",
        "1:",
        "1::2:",
        "::1.2.3",
        "1.2.3.4::",
        "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4",
        "[::1",
        "::1]",
        "[]",
        "[1.2.3.4]x",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:080",
        "1.2.3.4:80 ",
        "[::1]:",
        "[::1]80",
        "[::1]:x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(strcmp(round_trip(bad[i]), "refused") == 0, "\"%s\" was taken", bad[i]);
}
END_TEST

START_TEST(parsing_reads_exactly_the_length_it_is_given)
{
    struct fw_endpoint parsed = { .port = 7 };
    ck_assert(addr_parse("10.0.0.123", 8, &parsed));
    ck_assert_uint_eq(parsed.addr[3], 1);
    ck_assert_uint_eq(parsed.port, 0);
    parsed.port = 7;
    ck_assert(!addr_parse("10.0.0.1", 7, &parsed));
    ck_assert_uint_eq(parsed.port, 7); /* untouched */
}
END_TEST

START_TEST(order_is_family_then_address_then_port)
{
    const struct fw_endpoint a = endpoint("10.0.0.1:80"), b = endpoint("10.0.0.1:81"),
                             c = endpoint("10.0.1.0:1"), d = endpoint("[::]:0");
    ck_assert_int_lt(endpoint_compare(&a, &b), 0);
    ck_assert_int_gt(endpoint_compare(&b, &a), 0);
    ck_assert_int_eq(endpoint_compare(&a, &a), 0);
    ck_assert_int_eq(addr_compare(&a, &b), 0);
    ck_assert_int_lt(addr_compare(&b, &c), 0);
    ck_assert_int_lt(endpoint_compare(&b, &c), 0);
    ck_assert_int_lt(addr_compare(&c, &d), 0);
    ck_assert_int_gt(addr_compare(&d, &c), 0);
}
END_TEST

static bool contains(const char *prefix_text, const char *addr)
{
    struct addr_prefix prefix;
    const struct fw_endpoint inside = endpoint(addr);
    ck_assert_msg(addr_prefix_parse(prefix_text, strlen(prefix_text), &prefix), "%s", prefix_text);
    return addr_prefix_contains(&prefix, &inside);
}

START_TEST(prefixes_contain_what_shares_their_bits)
{
    ck_assert(contains("10.0.0.0/8", "10.255.0.1"));
    ck_assert(!contains("10.0.0.0/8", "11.0.0.1"));
    ck_assert(contains("10.0.0.1", "10.0.0.1"));
    ck_assert(!contains("10.0.0.1", "10.0.0.2"));
    ck_assert(contains("0.0.0.0/0", "255.1.2.3"));
    ck_assert(!contains("0.0.0.0/0", "::1"));
    ck_assert(contains("192.168.1.128/25", "192.168.1.200"));
    ck_assert(!contains("192.168.1.128/25", "192.168.1.100"));
    ck_assert(contains("10.1.2.3/8", "10.9.9.9")); /* bits beyond the length do not count */
    ck_assert(contains("2001:db8::/32", "2001:db8:ffff::1"));
    ck_assert(!contains("2001:db8::/33", "2001:db8:ffff::1"));
    ck_assert(contains("::/0", "::1"));
    ck_assert(contains("::1/128", "::1"));
}
END_TEST

START_TEST(bad_prefixes_are_refused)
{
    static const char *const bad[] = { "10.0.0.0/33", "10.0.0.0/",    "10.0.0.0/-1", "10/8", "/8",
                                       "::/129",      "10.0.0.0/8/8", "10.0.0.0/08", "" };
    struct addr_prefix prefix;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!addr_prefix_parse(bad[i], strlen(bad[i]), &prefix), "%s", bad[i]);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        addresses_are_written_as_rfc_5952_wants,
        text_of_addresses_agrees_with_inet_ntop,
        every_octet_is_written,
        endpoints_have_a_port,
        the_longest_texts_fit,
        what_is_no_address_is_refused,
        parsing_reads_exactly_the_length_it_is_given,
        order_is_family_then_address_then_port,
        prefixes_contain_what_shares_their_bits,
        bad_prefixes_are_refused,
    };
    return UNIT_RUN("addr", tests);
}
