#include "addr.h"

#include <endian.h>
#include <string.h>

#include "digits.h"

/* ----------------------------------------------------------------------------------- compare -- */

int addr_compare(const struct fw_endpoint *a, const struct fw_endpoint *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->addr, b->addr, sizeof(a->addr));
}

int endpoint_compare(const struct fw_endpoint *a, const struct fw_endpoint *b)
{
    const int addr = addr_compare(a, b);
    return addr != 0 ? addr : (a->port > b->port) - (a->port < b->port);
}

/* ------------------------------------------------------------------------------------- parse -- */

/* Decimal digits without a sign or a leading zero, at most `max`. */
static bool parse_decimal(const char *text, size_t length, unsigned max, unsigned *value)
{
    unsigned sum = 0;
    if (length == 0 || (length > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        sum = sum * 10 + (unsigned)(text[i] - '0');
        if (sum > max)
            return false;
    }
    *value = sum;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool parse_ipv4(const char *text, size_t length, uint8_t addr[4])
{
    const char *end = text + length;
    for (int i = 0; i < 4; i++) {
        const char *stop = i < 3 ? memchr(text, '.', (size_t)(end - text)) : end;
        unsigned value;
        if (stop == NULL || !parse_decimal(text, (size_t)(stop - text), 255, &value))
            return false;
        addr[i] = (uint8_t)value;
        text = stop + 1;
    }
    return true;
}

/* One to four hexadecimal digits. */
static bool parse_group(const char *text, size_t length, uint8_t group[2])
{
    unsigned value = 0;
    if (length == 0 || length > 4)
        return false;
    for (size_t i = 0; i < length; i++) {
        const int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    group[0] = (uint8_t)(value >> 8);
    group[1] = (uint8_t)value;
    return true;
}

/* Groups joined by ":", the last of them perhaps an IPv4 address; at most `room` bytes of them.
 * Returns the number of bytes, -1 if it is not that. Empty text is zero bytes. */
static int parse_groups(const char *text, size_t length, uint8_t *bytes, int room)
{
    const char *end = text + length;
    int count = 0;
    if (length == 0)
        return 0;
    for (;;) {
        const char *colon = memchr(text, ':', (size_t)(end - text));
        const size_t size = (size_t)((colon != NULL ? colon : end) - text);
        if (colon == NULL && count + 4 <= room && parse_ipv4(text, size, bytes + count))
            return count + 4;
        if (count + 2 > room || !parse_group(text, size, bytes + count))
            return -1;
        count += 2;
        if (colon == NULL)
            return count;
        text = colon + 1;
    }
}

/* RFC 4291 section 2.2. */
static bool parse_ipv6(const char *text, size_t length, uint8_t addr[16])
{
    const char *gap = memmem(text, length, "::", 2);
    if (gap == NULL)
        return parse_groups(text, length, addr, 16) == 16;

    /* "::" stands for at least one group of zeros */
    uint8_t tail[16];
    const char *after = gap + 2;
    const size_t before_length = (size_t)(gap - text);
    const int head_count = parse_groups(text, before_length, addr, 14);
    const int tail_count = parse_groups(after, length - before_length - 2, tail, 14);
    if (head_count < 0 || tail_count < 0 || head_count + tail_count > 14)
        return false;
    if (before_length > 0 && memchr(text, '.', before_length) != NULL)
        return false; /* an IPv4 address is the last part only */
    memset(addr + head_count, 0, (size_t)(16 - head_count));
    memcpy(addr + 16 - tail_count, tail, (size_t)tail_count);
    return true;
}

bool addr_parse(const char *text, size_t length, struct fw_endpoint *endpoint)
{
    struct fw_endpoint parsed = { .family = FW_IPV4 };
    const bool brackets = length >= 2 && text[0] == '[' && text[length - 1] == ']';

    if (brackets || !parse_ipv4(text, length, parsed.addr)) {
        parsed.family = FW_IPV6;
        if (!parse_ipv6(text + brackets, length - 2u * brackets, parsed.addr))
            return false;
    }
    *endpoint = parsed;
    return true;
}

bool port_parse(const char *text, size_t length, uint16_t *port)
{
    unsigned value;
    if (!parse_decimal(text, length, 65535, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

bool endpoint_parse(const char *text, size_t length, struct fw_endpoint *endpoint)
{
    struct fw_endpoint parsed;
    const char *colon = memrchr(text, ':', length);
    if (colon == NULL)
        return false;

    /* Without brackets the last group of an IPv6 address and a port look the same. */
    const size_t addr_length = (size_t)(colon - text);
    if (!addr_parse(text, addr_length, &parsed) || (parsed.family == FW_IPV6 && text[0] != '['))
        return false;
    if (!port_parse(colon + 1, length - addr_length - 1, &parsed.port))
        return false;
    *endpoint = parsed;
    return true;
}

bool addr_prefix_parse(const char *text, size_t length, struct addr_prefix *prefix)
{
    struct addr_prefix parsed;
    const char *slash = memchr(text, '/', length);
    const size_t addr_length = slash != NULL ? (size_t)(slash - text) : length;
    if (!addr_parse(text, addr_length, &parsed.base))
        return false;

    const unsigned max = parsed.base.family == FW_IPV4 ? 32 : 128;
    parsed.bits = max;
    if (slash != NULL && !parse_decimal(slash + 1, length - addr_length - 1, max, &parsed.bits))
        return false;
    for (unsigned bit = parsed.bits; bit < max; bit++)
        parsed.base.addr[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
    *prefix = parsed;
    return true;
}

bool addr_prefix_contains(const struct addr_prefix *prefix, const struct fw_endpoint *endpoint)
{
    if (prefix->base.family != endpoint->family)
        return false;
    const unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;
    if (memcmp(prefix->base.addr, endpoint->addr, whole) != 0)
        return false;
    return rest == 0 || (prefix->base.addr[whole] ^ endpoint->addr[whole]) >> (8 - rest) == 0;
}

/* -------------------------------------------------------------------------------------- text -- */

/* Each octet with its dot, in four bytes: a copy of four bytes needs no loop. */
static const char octets[] =
    "0.  1.  2.  3.  4.  5.  6.  7.  8.  9.  10. 11. 12. 13. 14. 15. 16. 17. 18. 19. "
    "20. 21. 22. 23. 24. 25. 26. 27. 28. 29. 30. 31. 32. 33. 34. 35. 36. 37. 38. 39. "
    "40. 41. 42. 43. 44. 45. 46. 47. 48. 49. 50. 51. 52. 53. 54. 55. 56. 57. 58. 59. "
    "60. 61. 62. 63. 64. 65. 66. 67. 68. 69. 70. 71. 72. 73. 74. 75. 76. 77. 78. 79. "
    "80. 81. 82. 83. 84. 85. 86. 87. 88. 89. 90. 91. 92. 93. 94. 95. 96. 97. 98. 99. "
    "100.101.102.103.104.105.106.107.108.109.110.111.112.113.114.115.116.117.118.119."
    "120.121.122.123.124.125.126.127.128.129.130.131.132.133.134.135.136.137.138.139."
    "140.141.142.143.144.145.146.147.148.149.150.151.152.153.154.155.156.157.158.159."
    "160.161.162.163.164.165.166.167.168.169.170.171.172.173.174.175.176.177.178.179."
    "180.181.182.183.184.185.186.187.188.189.190.191.192.193.194.195.196.197.198.199."
    "200.201.202.203.204.205.206.207.208.209.210.211.212.213.214.215.216.217.218.219."
    "220.221.222.223.224.225.226.227.228.229.230.231.232.233.234.235.236.237.238.239."
    "240.241.242.243.244.245.246.247.248.249.250.251.252.253.254.255.";

/* Writes three bytes behind the end too. */
static char *put_ipv4(char *text, const uint8_t addr[4])
{
    for (int i = 0; i < 4; i++) {
        memcpy(text, &octets[4 * addr[i]], 4);
        text += 2 + (addr[i] >= 10) + (addr[i] >= 100);
    }
    return text - 1; /* the last dot */
}

/* Up to four hexadecimal digits without leading zeros. Writes four bytes, whatever it needs. */
static char *put_group(char *text, uint32_t value)
{
    /* a digit a byte, the first in the lowest */
    const uint32_t digits =
        value >> 12 | (value & 0xf00) | (value & 0xf0) << 12 | (value & 0xf) << 24;
    const uint32_t letters = (digits + 0x06060606) >> 4 & 0x01010101;
    const uint32_t ascii = digits + 0x30303030 + letters * ('a' - '0' - 10);
    const unsigned count = 1 + (value >= 0x10) + (value >= 0x100) + (value >= 0x1000);
    const uint32_t word = htole32(ascii >> 8 * (4 - count));

    memcpy(text, &word, sizeof word);
    return text + count;
}

static uint32_t group_at(const uint8_t addr[16], int i)
{
    return (uint32_t)(addr[2 * i] << 8 | addr[2 * i + 1]);
}

/* The longest run of at least two zero groups, the first of equals (RFC 5952 section 4.2); start 8
 * if there is none. */
static void find_zeros(const uint8_t addr[16], int *start, int *count)
{
    unsigned begins = 0; /* groups at which *count groups of zeros begin */
    for (int i = 0; i < 8; i++)
        begins |= (unsigned)(group_at(addr, i) == 0) << i;
    for (*count = 1; begins & begins >> 1; ++*count)
        begins &= begins >> 1;
    *start = *count > 1 ? __builtin_ctz(begins) : 8;
}

static char *put_ipv6(char *text, const uint8_t addr[16])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    int zeros, count;
    find_zeros(addr, &zeros, &count);

    /* ::ffff:10.0.0.1 (RFC 5952 section 5) */
    const int groups = memcmp(addr, mapped, sizeof(mapped)) == 0 ? 6 : 8;
    for (int i = 0; i < groups; i++) {
        if (i == zeros) {
            *text++ = ':';
            i += count - 1;
            if (i == 7)
                *text++ = ':';
            continue;
        }
        if (i > 0)
            *text++ = ':';
        text = put_group(text, group_at(addr, i));
    }
    if (groups == 6) {
        *text++ = ':';
        text = put_ipv4(text, addr + 12);
    }
    return text;
}

static char *put_addr(char *text, const struct fw_endpoint *endpoint)
{
    return endpoint->family == FW_IPV6 ? put_ipv6(text, endpoint->addr)
                                       : put_ipv4(text, endpoint->addr);
}

size_t fw_addr_text(const struct fw_endpoint *endpoint, char text[46])
{
    char *end = put_addr(text, endpoint);
    *end = '\0';
    return (size_t)(end - text);
}

size_t fw_endpoint_text(const struct fw_endpoint *endpoint, char text[54])
{
    char *end = text;
    if (endpoint->family == FW_IPV6)
        *end++ = '[';
    end = put_addr(end, endpoint);
    if (endpoint->family == FW_IPV6)
        *end++ = ']';
    *end++ = ':';
    end = digits_u64(end, endpoint->port);
    *end = '\0';
    return (size_t)(end - text);
}
