/* What the lab and the judge need to know of a packet, and packets made by hand. */
#ifndef LAB_SEGMENT_H
#define LAB_SEGMENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_ROOM = 2048, ADDR_TEXT = INET6_ADDRSTRLEN };

enum {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
};

struct endpoint {
    struct in6_addr addr; /* an IPv4 address is v4-mapped */
    uint16_t port;
};

struct segment {
    struct endpoint from, to; /* of the quoted header, turned round, in an ICMP error */
    bool icmp; /* an ICMP error about a TCP segment; the fields below are the quote's */
    uint8_t flags;
    uint32_t seq, ack;
    uint32_t length; /* sequence space: payload, SYN and FIN */
    uint32_t payload_bytes;
    uint16_t window;
};

/* False if the packet is neither TCP nor an ICMP error about TCP. */
bool segment_parse(const uint8_t *packet, size_t size, struct segment *segment);

/* Builds a TCP packet without options, checksums filled in; returns its size. */
size_t segment_build(const struct segment *segment, uint8_t packet[static PACKET_ROOM]);

/* Builds the ICMP "administratively prohibited" that a router would answer to PACKET. */
size_t segment_build_unreachable(const uint8_t *packet, size_t size,
                                 uint8_t out[static PACKET_ROOM]);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
void endpoint_addr_text(const struct endpoint *endpoint, char text[static ADDR_TEXT]);
bool endpoint_from_text(const char *addr, uint16_t port, struct endpoint *endpoint);

/* tcpdump's letters: S F R P, "." for ACK. */
void flags_text(uint8_t flags, char text[static 8]);

/* a is at or after b in sequence space */
static inline bool seq_at_least(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

#endif
