#include "frame.h"

#include <string.h>

enum { ETHERNET_BYTES = 14, IPV4_BYTES = 20, IPV6_BYTES = 40, TCP_BYTES = 20, PROTOCOL_TCP = 6 };

static uint8_t *put8(uint8_t *at, uint8_t value)
{
    *at = value;
    return at + 1;
}

static uint8_t *put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, (uint16_t)(value >> 16)), (uint16_t)value);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

/* ---------------------------------------------------------------------------------- checksums --
 */

/* The Internet checksum (RFC 1071) does not mind the order of bytes: these sums are in the host's.
 */
static uint32_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

static uint64_t add(uint64_t sum, const uint8_t *bytes, size_t count)
{
    for (; count >= 4; bytes += 4, count -= 4) {
        uint32_t word;
        memcpy(&word, bytes, sizeof word);
        sum += word;
    }
    for (; count > 0; bytes += 2, count -= count < 2 ? count : 2) {
        uint16_t word = 0;
        memcpy(&word, bytes, count < 2 ? count : 2);
        sum += word;
    }
    return sum;
}

static void put_checksum(uint8_t *at, uint64_t sum)
{
    const uint16_t checksum = (uint16_t)~fold(sum);
    memcpy(at, &checksum, sizeof checksum);
}

/* ------------------------------------------------------------------------------------ payload --
 */

void payloads_init(struct payloads *payloads)
{
    static const char *const begin[PAYLOADS] = {
        [PAYLOAD_REQUEST] = "GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nCookie: ",
        [PAYLOAD_RESPONSE] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
        [PAYLOAD_MORE] = "",
    };

    for (size_t i = 0; i < PAYLOADS; i++) {
        uint8_t *bytes = payloads->bytes[i];
        const size_t length = strlen(begin[i]);

        memcpy(bytes, begin[i], length);
        for (size_t j = length; j < FRAME_PAYLOAD_BYTES; j++)
            bytes[j] = (uint8_t)('a' + j % 26);
        for (size_t j = 0; j <= FRAME_PAYLOAD_BYTES; j++)
            payloads->sums[i][j] = fold(add(0, bytes, j));
    }
}

/* ------------------------------------------------------------------------------------ headers --
 */

static uint8_t *put_ethernet(uint8_t *at, bool ipv6, enum side from)
{
    static const uint8_t stations[2][6] = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

    at = put(at, stations[!from], 6);
    at = put(at, stations[from], 6);
    return put16(at, ipv6 ? 0x86dd : 0x0800);
}

static uint8_t *put_ipv4(uint8_t *at, const struct tuple *tuple, enum side from, uint16_t id,
                         uint16_t tcp_bytes)
{
    uint8_t *const begin = at;

    at = put16(at, 0x4500);
    at = put16(at, (uint16_t)(IPV4_BYTES + tcp_bytes));
    at = put16(at, id);
    at = put16(at, 0x4000); /* do not fragment */
    at = put8(at, from == CLIENT ? 64 : 57);
    at = put8(at, PROTOCOL_TCP);
    at = put16(at, 0);
    at = put(at, tuple->addr[from], 4);
    at = put(at, tuple->addr[!from], 4);
    put_checksum(begin + 10, add(0, begin, IPV4_BYTES));
    return at;
}

static uint8_t *put_ipv6(uint8_t *at, const struct tuple *tuple, enum side from, uint16_t tcp_bytes)
{
    at = put32(at, 0x60000000);
    at = put16(at, tcp_bytes);
    at = put8(at, PROTOCOL_TCP);
    at = put8(at, from == CLIENT ? 64 : 57);
    at = put(at, tuple->addr[from], 16);
    return put(at, tuple->addr[!from], 16);
}

static uint16_t option_bytes(const struct segment *segment)
{
    if (segment->plain)
        return 0;
    return segment->flags & SYN ? 20 : 12;
}

/* As Linux sends them: MSS, SACK permitted, timestamps, NOP, window scale; later NOP, NOP,
 * timestamps. */
static uint8_t *put_options(uint8_t *at, const struct segment *segment, bool ipv6)
{
    if (segment->plain)
        return at;
    if (segment->flags & SYN) {
        at = put32(at, ipv6 ? 0x02040000 | 1440 : 0x02040000 | 1460);
        at = put16(at, 0x0402);
    } else {
        at = put16(at, 0x0101);
    }
    at = put16(at, 0x080a);
    at = put32(at, segment->ts_val);
    at = put32(at, segment->ts_ecr);
    if (segment->flags & SYN)
        at = put32(at, 0x01030307);
    return at;
}

static uint16_t window(const struct segment *segment)
{
    if (segment->plain)
        return 0;
    return segment->flags & SYN ? 64240 : 502; /* times 2^7 */
}

static uint8_t *put_tcp(uint8_t *at, const struct tuple *tuple, enum side from,
                        const struct segment *segment, const struct payloads *payloads)
{
    uint8_t *const begin = at;
    const uint16_t header_bytes = (uint16_t)(TCP_BYTES + option_bytes(segment));
    const size_t addr_bytes = tuple->ipv6 ? 16 : 4;
    uint8_t pseudo[4] = { 0, PROTOCOL_TCP };
    uint64_t sum;

    at = put16(at, tuple->port[from]);
    at = put16(at, tuple->port[!from]);
    at = put32(at, segment->seq);
    at = put32(at, segment->ack);
    at = put16(at, (uint16_t)(header_bytes << 10 | segment->flags));
    at = put16(at, window(segment));
    at = put32(at, 0); /* checksum, urgent pointer */
    at = put_options(at, segment, tuple->ipv6);

    put16(pseudo + 2, (uint16_t)(header_bytes + segment->payload_bytes));
    sum = payloads->sums[segment->payload][segment->payload_bytes];
    sum = add(sum, tuple->addr[CLIENT], addr_bytes);
    sum = add(sum, tuple->addr[SERVER], addr_bytes);
    sum = add(sum, pseudo, sizeof pseudo);
    put_checksum(begin + 16, add(sum, begin, header_bytes));
    return at;
}

uint32_t frame_write(uint8_t *frame, uint32_t snaplen, const struct tuple *tuple, enum side from,
                     const struct segment *segment, const struct payloads *payloads,
                     uint32_t *captured)
{
    const uint16_t tcp_bytes =
        (uint16_t)(TCP_BYTES + option_bytes(segment) + segment->payload_bytes);
    uint8_t *at = put_ethernet(frame, tuple->ipv6, from);
    uint32_t sent, there;

    if (tuple->ipv6)
        at = put_ipv6(at, tuple, from, tcp_bytes);
    else
        at = put_ipv4(at, tuple, from, segment->ip_id, tcp_bytes);
    at = put_tcp(at, tuple, from, segment, payloads);

    there = (uint32_t)(at - frame);
    sent = there + segment->payload_bytes;
    *captured = sent < snaplen ? sent : snaplen;
    if (*captured > there)
        memcpy(at, payloads->bytes[segment->payload], *captured - there);
    return sent;
}
