#include "segment.h"

#include <arpa/inet.h>
#include <string.h>

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static void write16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void write32(uint8_t *at, uint32_t value)
{
    write16(at, value >> 16);
    write16(at + 2, value);
}

static void map_v4(const uint8_t *addr, struct in6_addr *out)
{
    memset(out, 0, sizeof(*out));
    out->s6_addr[10] = out->s6_addr[11] = 0xff;
    memcpy(&out->s6_addr[12], addr, 4);
}

/* Finds the transport header.  Returns its protocol, or -1. */
static int parse_ip(const uint8_t *packet, size_t size, struct segment *segment,
                    size_t *header_bytes, size_t *total_bytes)
{
    if (size >= 20 && packet[0] >> 4 == 4) {
        map_v4(packet + 12, &segment->from.addr);
        map_v4(packet + 16, &segment->to.addr);
        *header_bytes = (packet[0] & 15u) * 4u;
        *total_bytes = read16(packet + 2);
        return packet[9];
    }
    if (size >= 40 && packet[0] >> 4 == 6) {
        memcpy(&segment->from.addr, packet + 8, 16);
        memcpy(&segment->to.addr, packet + 24, 16);
        *header_bytes = 40;
        *total_bytes = 40u + read16(packet + 4);
        return packet[6];
    }
    return -1;
}

static bool parse_tcp(const uint8_t *tcp, size_t present_bytes, size_t total_bytes,
                      struct segment *segment)
{
    if (present_bytes < 8)
        return false;
    segment->from.port = read16(tcp);
    segment->to.port = read16(tcp + 2);
    segment->seq = read32(tcp + 4);
    if (present_bytes < 20)
        return true; /* as much as an ICMP error need quote */
    segment->ack = read32(tcp + 8);
    segment->flags = tcp[13];
    segment->window = read16(tcp + 14);
    const size_t header_bytes = (tcp[12] >> 4) * 4u;
    if (header_bytes < 20 || header_bytes > total_bytes)
        return false;
    segment->payload_bytes = (uint32_t)(total_bytes - header_bytes);
    segment->length =
        segment->payload_bytes + !!(segment->flags & TCP_SYN) + !!(segment->flags & TCP_FIN);
    return true;
}

static bool parse_icmp(const uint8_t *icmp, size_t size, bool v6, struct segment *segment)
{
    const bool error = size >= 8 && (v6 ? icmp[0] < 128 : icmp[0] == 3 || icmp[0] == 11);
    if (!error)
        return false;
    struct segment quoted = { 0 };
    size_t header_bytes, total_bytes;
    if (parse_ip(icmp + 8, size - 8, &quoted, &header_bytes, &total_bytes) != IPPROTO_TCP)
        return false;
    if (header_bytes > size - 8 || header_bytes > total_bytes ||
        !parse_tcp(icmp + 8 + header_bytes, size - 8 - header_bytes, total_bytes - header_bytes,
                   &quoted))
        return false;
    *segment = quoted;
    segment->from = quoted.to;
    segment->to = quoted.from;
    segment->icmp = true;
    return true;
}

bool segment_parse(const uint8_t *packet, size_t size, struct segment *segment)
{
    size_t header_bytes, total_bytes;
    memset(segment, 0, sizeof(*segment));
    const int protocol = parse_ip(packet, size, segment, &header_bytes, &total_bytes);
    if (protocol < 0 || total_bytes > size || header_bytes > total_bytes)
        return false;
    if (protocol == IPPROTO_TCP)
        return parse_tcp(packet + header_bytes, size - header_bytes, total_bytes - header_bytes,
                         segment);
    if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
        return parse_icmp(packet + header_bytes, size - header_bytes, protocol == IPPROTO_ICMPV6,
                          segment);
    return false;
}

static uint32_t sum(uint32_t start, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 1 < size; i += 2)
        start += read16(data + i);
    if (size & 1)
        start += (uint32_t)data[size - 1] << 8;
    return start;
}

static uint16_t fold(uint32_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

static bool is_v4(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_V4MAPPED(addr);
}

/* Fills in the IP header and returns its size; the pseudo-header's sum goes to *PSEUDO. */
static size_t build_ip(const struct in6_addr *from, const struct in6_addr *to, uint8_t protocol,
                       size_t payload_bytes, uint8_t *packet, uint32_t *pseudo)
{
    if (is_v4(from)) {
        memset(packet, 0, 20);
        packet[0] = 0x45;
        write16(packet + 2, (uint32_t)(20 + payload_bytes));
        write16(packet + 6, 0x4000); /* do not fragment */
        packet[8] = 64;
        packet[9] = protocol;
        memcpy(packet + 12, &from->s6_addr[12], 4);
        memcpy(packet + 16, &to->s6_addr[12], 4);
        write16(packet + 10, fold(sum(0, packet, 20)));
        *pseudo = sum(protocol + (uint32_t)payload_bytes, packet + 12, 8);
        return 20;
    }
    memset(packet, 0, 40);
    packet[0] = 0x60;
    write16(packet + 4, (uint32_t)payload_bytes);
    packet[6] = protocol;
    packet[7] = 64;
    memcpy(packet + 8, from, 16);
    memcpy(packet + 24, to, 16);
    *pseudo = sum(protocol + (uint32_t)payload_bytes, packet + 8, 32);
    return 40;
}

size_t segment_build(const struct segment *segment, uint8_t packet[static PACKET_ROOM])
{
    const size_t tcp_bytes = 20 + segment->payload_bytes;
    uint32_t pseudo;
    const size_t ip_bytes =
        build_ip(&segment->from.addr, &segment->to.addr, IPPROTO_TCP, tcp_bytes, packet, &pseudo);
    uint8_t *tcp = packet + ip_bytes;
    memset(tcp, 0, 20);
    write16(tcp, segment->from.port);
    write16(tcp + 2, segment->to.port);
    write32(tcp + 4, segment->seq);
    write32(tcp + 8, segment->ack);
    tcp[12] = 5 << 4;
    tcp[13] = segment->flags;
    write16(tcp + 14, segment->window);
    memset(tcp + 20, 'f', segment->payload_bytes);
    write16(tcp + 16, fold(sum(pseudo, tcp, tcp_bytes)));
    return ip_bytes + tcp_bytes;
}

size_t segment_build_unreachable(const uint8_t *packet, size_t size,
                                 uint8_t out[static PACKET_ROOM])
{
    struct segment segment;
    if (!segment_parse(packet, size, &segment))
        return 0;
    const bool v4 = is_v4(&segment.from.addr);
    const size_t icmp_bytes = 8 + size;
    uint32_t pseudo;
    const size_t ip_bytes = build_ip(&segment.to.addr, &segment.from.addr,
                                     v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, icmp_bytes, out, &pseudo);
    uint8_t *icmp = out + ip_bytes;
    memset(icmp, 0, 8);
    icmp[0] = v4 ? 3 : 1;  /* destination unreachable */
    icmp[1] = v4 ? 13 : 1; /* administratively prohibited */
    memcpy(icmp + 8, packet, size);
    write16(icmp + 2, fold(sum(v4 ? 0 : pseudo, icmp, icmp_bytes)));
    return ip_bytes + icmp_bytes;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

void endpoint_addr_text(const struct endpoint *endpoint, char text[static ADDR_TEXT])
{
    if (is_v4(&endpoint->addr))
        inet_ntop(AF_INET, &endpoint->addr.s6_addr[12], text, ADDR_TEXT);
    else
        inet_ntop(AF_INET6, &endpoint->addr, text, ADDR_TEXT);
}

bool endpoint_from_text(const char *addr, uint16_t port, struct endpoint *endpoint)
{
    uint8_t v4[4];
    memset(endpoint, 0, sizeof(*endpoint));
    endpoint->port = port;
    if (inet_pton(AF_INET, addr, v4) == 1) {
        map_v4(v4, &endpoint->addr);
        return true;
    }
    return inet_pton(AF_INET6, addr, &endpoint->addr) == 1;
}

void flags_text(uint8_t flags, char text[static 8])
{
    static const struct {
        uint8_t flag;
        char letter;
    } letters[] = { { TCP_FIN, 'F' }, { TCP_SYN, 'S' }, { TCP_RST, 'R' },
                    { TCP_PSH, 'P' }, { 0x20, 'U' },    { TCP_ACK, '.' } };
    size_t n = 0;
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (flags & letters[i].flag)
            text[n++] = letters[i].letter;
    if (n == 0)
        memcpy(text, "none", n = 4);
    text[n] = '\0';
}
