/* Ethernet frames that carry one TCP segment each, with right checksums. */
#ifndef FINWAIT_BENCH_FRAME_H
#define FINWAIT_BENCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum side { CLIENT, SERVER };

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

enum {
    FRAME_HEADER_BYTES = 14 + 40 + 40, /* at most: Ethernet, IPv6, TCP with the options of a SYN */
    FRAME_PAYLOAD_BYTES = 1448,        /* at most: 1514 bytes on Ethernet with IPv4 */
    FRAME_PAYLOAD_BYTES_IPV6 = 1428,
};

/* Who talks to whom, by enum side. An IPv4 address is in the first four bytes. */
struct tuple {
    bool ipv6;
    uint8_t addr[2][16];
    uint16_t port[2];
};

enum payload { PAYLOAD_REQUEST, PAYLOAD_RESPONSE, PAYLOAD_MORE, PAYLOADS };

struct segment {
    uint32_t seq, ack;
    uint32_t ts_val, ts_ecr; /* options: all of the usual ones with SYN, none with RST of nothing */
    uint16_t flags;
    uint16_t ip_id;
    uint16_t payload_bytes;
    bool plain; /* no options */
    enum payload payload;
};

/* What payloads begin with, and the sums of all their beginnings. */
struct payloads {
    uint8_t bytes[PAYLOADS][FRAME_PAYLOAD_BYTES];
    uint32_t sums[PAYLOADS][FRAME_PAYLOAD_BYTES + 1];
};
void payloads_init(struct payloads *payloads);

/* Writes a frame, but no payload beyond `snaplen`; `frame` has room for FRAME_HEADER_BYTES +
 * FRAME_PAYLOAD_BYTES. Returns the bytes that were sent; *captured is what is there of them. */
uint32_t frame_write(uint8_t *frame, uint32_t snaplen, const struct tuple *tuple, enum side from,
                     const struct segment *segment, const struct payloads *payloads,
                     uint32_t *captured);

#endif
