/*
 * From packets to segments: the headers of a packet are peeled off one after the other, outermost
 * first. Each function below takes one header and names the layer that comes next; fw_decode() is
 * the loop that calls them. Nothing is kept from one packet to the next.
 *
 * Two lengths go along: what was captured (never read beyond) and what was on the wire (what the
 * headers speak of). A header that the wire did not have room for is malformed; one that the
 * capture cut off is truncated.
 */
#ifndef DECODE_H
#define DECODE_H

#include <string.h>

#include "bytes.h"
#include "finwait/finwait.h"

enum layer {
    LAYER_END, /* decoder.verdict says how */
    LAYER_ETHERNET,
    LAYER_VLAN,
    LAYER_VNTAG,
    LAYER_ETAG,
    LAYER_LLC,
    LAYER_MPLS,
    LAYER_PPPOE,
    LAYER_PPP,
    LAYER_IP, /* version by its first four bits */
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_ICMP,
    LAYER_ICMPV6,
    LAYER_UDP,
    LAYER_GRE,
    LAYER_TCP,
};

/* A packet on its way through the layers. */
struct decoder {
    struct bytes captured; /* from the next header on */
    uint32_t sent_bytes;   /* the same on the wire; never less than what is captured */
    struct fw_segment *segment;
    enum fw_verdict verdict;
    enum fw_undecoded undecoded;
    uint8_t tunnels; /* entered so far */
    bool verify_checksums;
    bool ip_checksum_bad;
    bool to_unknown; /* source routed: the checksum covers an address that is not known */
    bool doubtful;   /* in a tunnel that was told by little more than a UDP port */
};

/* Tunnels in tunnels that are followed. */
#define DECODE_TUNNELS_MAX 8

static inline enum layer decode_end(struct decoder *decoder, enum fw_verdict verdict)
{
    decoder->verdict = verdict;
    return LAYER_END;
}

static inline enum layer decode_end_tunnel(struct decoder *decoder, enum fw_undecoded undecoded)
{
    decoder->undecoded = undecoded;
    return decode_end(decoder, FW_VERDICT_UNKNOWN_TUNNEL);
}

/* Lends the next `count` bytes. NULL if they are not there; the verdict is set, and the caller
 * returns LAYER_END. */
static inline const uint8_t *decode_peek(struct decoder *decoder, uint32_t count)
{
    if (bytes_left(&decoder->captured) >= count)
        return decoder->captured.at;
    decoder->verdict = count > decoder->sent_bytes ? FW_VERDICT_MALFORMED : FW_VERDICT_TRUNCATED;
    return NULL;
}

/* The same, and moves past them. */
static inline const uint8_t *decode_take(struct decoder *decoder, uint32_t count)
{
    const uint8_t *taken = decode_peek(decoder, count);
    if (taken != NULL) {
        decoder->captured.at += count;
        decoder->sent_bytes -= count;
    }
    return taken;
}

/* A header says that `count` bytes follow: the rest is padding or a trailer. */
static inline void decode_limit(struct decoder *decoder, uint32_t count)
{
    if (count < decoder->sent_bytes)
        decoder->sent_bytes = count;
    bytes_limit(&decoder->captured, count);
}

/* Steps into a tunnel whose payload starts with `inner`. The outermost one gives the scope. */
enum layer decode_enter_tunnel(struct decoder *decoder, enum fw_tunnel tunnel, uint32_t id,
                               enum layer inner);

static inline void decode_set_ipv4(struct fw_endpoint *endpoint, const uint8_t addr[4])
{
    endpoint->family = FW_IPV4;
    memset(endpoint->addr, 0, sizeof(endpoint->addr));
    memcpy(endpoint->addr, addr, 4);
}

static inline void decode_set_ipv6(struct fw_endpoint *endpoint, const uint8_t addr[16])
{
    endpoint->family = FW_IPV6;
    memcpy(endpoint->addr, addr, 16);
}

/* decode_link.c */
enum { LINKTYPE_ETHERNET = 1 }; /* decode.c has a short cut for it */
enum layer decode_link(struct decoder *decoder, uint16_t link_type);
enum layer decode_ethernet(struct decoder *decoder);
enum layer decode_vlan(struct decoder *decoder);
enum layer decode_extender_tag(struct decoder *decoder, uint32_t tag_bytes);
enum layer decode_llc(struct decoder *decoder);
enum layer decode_mpls(struct decoder *decoder);
enum layer decode_pppoe(struct decoder *decoder);
enum layer decode_ppp(struct decoder *decoder);
/* The layer that an EtherType announces; LAYER_END with FW_VERDICT_NOT_TCP for all others. */
enum layer decode_ethertype(struct decoder *decoder, uint16_t type);

/* decode_ip.c */
enum layer decode_ip(struct decoder *decoder);
enum layer decode_ipv4(struct decoder *decoder);
enum layer decode_ipv6(struct decoder *decoder);
enum layer decode_icmp(struct decoder *decoder);
enum layer decode_icmpv6(struct decoder *decoder);

/* decode_tunnel.c */
enum layer decode_udp(struct decoder *decoder);
enum layer decode_gre(struct decoder *decoder);

/* decode_tcp.c */
enum { TCP_LEAST_BYTES = 20 };

static inline uint32_t tcp_header_bytes(const uint8_t *header)
{
    return (header[12] >> 4) * 4u;
}

enum layer decode_tcp(struct decoder *decoder);
/* A header that was captured whole; sent_bytes: with its payload. */
void decode_tcp_fields(struct fw_segment *segment, const uint8_t *header, uint32_t sent_bytes);

/* The Internet checksum (RFC 1071): sum of 16-bit words, not folded, to be added up and then tested
 * with checksum_good(). Only the last piece may have an odd length. */
uint64_t checksum_add(uint64_t sum, const uint8_t *data, size_t count);
uint64_t checksum_pseudo_header(const struct fw_segment *segment, uint8_t protocol, uint32_t count);
bool checksum_good(uint64_t sum);

#endif
