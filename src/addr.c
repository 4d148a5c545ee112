#include "addr.h"

#include <string.h>

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

static char *put_decimal(char *text, unsigned value)
{
    char digits[5];
    int count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (count > 0)
        *text++ = digits[--count];
    return text;
}

/* As put_decimal() for 0 to 255, without a loop. */
static char *put_octet(char *text, unsigned value)
{
    if (value >= 100) {
        *text++ = (char)('0' + value / 100);
        value %= 100;
        *text++ = (char)('0' + value / 10);
    } else if (value >= 10) {
        *text++ = (char)('0' + value / 10);
    }
    *text++ = (char)('0' + value % 10);
    return text;
}

static char *put_ipv4(char *text, const uint8_t addr[4])
{
    for (int i = 0; i < 3; i++) {
        text = put_octet(text, addr[i]);
        *text++ = '.';
    }
    return put_octet(text, addr[3]);
}

static char *put_group(char *text, unsigned value)
{
    static const char hex[] = "0123456789abcdef";
    if (value >= 0x1000)
        *text++ = hex[value >> 12];
    if (value >= 0x100)
        *text++ = hex[value >> 8 & 15];
    if (value >= 0x10)
        *text++ = hex[value >> 4 & 15];
    *text++ = hex[value & 15];
    return text;
}

/* The longest run of at least two zero groups, the first of equals (RFC 5952 section 4.2). */
static void find_zeros(const uint8_t addr[16], int *start, int *count)
{
    *start = -1;
    *count = 1;
    for (int i = 0; i < 8; i++) {
        int run = 0;
        while (i + run < 8 && addr[2 * (i + run)] == 0 && addr[2 * (i + run) + 1] == 0)
            run++;
        if (run > *count) {
            *start = i;
            *count = run;
        }
        i += run;
    }
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
        text = put_group(text, (unsigned)(addr[2 * i] << 8 | addr[2 * i + 1]));
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
    end = put_decimal(end, endpoint->port);
    *end = '\0';
    return (size_t)(end - text);
}
