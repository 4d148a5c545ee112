/*
 * Packets for tests, built from the outside in. Each layer tells the one before it what it is;
 * packet_finish() fills in lengths and checksums, so that what comes out is what a host would send.
 *
 *     struct packet packet;
 *     packet_start(&packet, LINK_ETHERNET);
 *     packet_ethernet(&packet);
 *     packet_vlan(&packet, 0x8100, 42);
 *     packet_ipv4(&packet, "10.0.0.1", "10.0.0.2");
 *     packet_tcp(&packet, &(struct tcp){ .from = 1000, .to = 80, .seq = 1, .flags = FW_SYN });
 *     packet_finish(&packet);
 *
 * To make a bad packet, build a good one and write to packet.bytes. Misuse (no room, bad address)
 * aborts.
 */
#ifndef PACKET_BUILDER_H
#define PACKET_BUILDER_H

#include "finwait/finwait.h"

enum {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_PPP_HDLC = 50,
    LINK_PPP_ETHER = 51,
    LINK_RAW = 101,
    LINK_C_HDLC = 104,
    LINK_LOOP = 108,
    LINK_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_NFLOG = 239,
    LINK_SLL2 = 276
};

/* How a layer says what comes next. */
enum packet_slot { SLOT_NONE, SLOT_ETHERTYPE, SLOT_PROTOCOL, SLOT_PPP };

enum packet_layer_kind {
    PACKET_OTHER, /* nothing to fill in */
    PACKET_LLC,   /* `at` is the 802.3 length before it */
    PACKET_PPPOE,
    PACKET_IPV4,
    PACKET_IPV6,
    PACKET_UDP,
    PACKET_TCP,
    PACKET_ICMP,
    PACKET_ICMPV6,
};

struct packet_layer {
    enum packet_layer_kind kind;
    size_t at;          /* where it starts in packet.bytes */
    size_t protocol_at; /* of the byte or two that say what comes next */
    enum packet_slot slot;
    int ip;                   /* index of the IP layer that it is in; -1: none */
    uint8_t from[16], to[16]; /* of an IP layer: what the checksums cover */
};

struct packet {
    uint8_t bytes[4096];
    size_t count;
    uint16_t link_type;
    struct packet_layer layers[32];
    int layer_count;
};

/* A TCP header and what follows it. Zero fields are zero on the wire. */
struct tcp {
    uint16_t from, to;
    uint32_t seq, ack;
    uint16_t flags; /* FW_FIN... */
    uint16_t window;
    uint16_t urgent;
    const char *options; /* padded with zeros to a multiple of four bytes */
    size_t options_bytes;
    size_t payload_bytes;
};

/* For `.options` and `.options_bytes`, from a string literal. */
#define TCP_OPTIONS(literal) .options = (literal), .options_bytes = sizeof(literal) - 1

void packet_start(struct packet *packet, uint16_t link_type);
void packet_finish(struct packet *packet);

/* Link layers. */
void packet_ethernet(struct packet *packet);
void packet_vlan(struct packet *packet, uint16_t type, uint16_t id); /* type 0x8100, 0x88a8... */
void packet_snap(struct packet *packet); /* after Ethernet: makes it an 802.3 frame with LLC/SNAP */
void packet_mpls(struct packet *packet, uint32_t label, bool bottom);
void packet_pppoe(struct packet *packet, uint16_t session);
void packet_ppp(struct packet *packet, bool address_and_control);
void packet_sll(struct packet *packet);
void packet_sll2(struct packet *packet);

/* IP. Addresses as text. */
void packet_ipv4(struct packet *packet, const char *from, const char *to);
void packet_ipv4_options(struct packet *packet, size_t bytes); /* directly after: no-operations */
void packet_ipv6(struct packet *packet, const char *from, const char *to);
/* An extension header (`kind` 0, 43, 44, 51, 60...) with `content` after its first two bytes. */
void packet_extension(struct packet *packet, uint8_t kind, const void *content, size_t count);
/* Makes the last IPv4 layer a fragment, or adds a fragment header after IPv6. Offset in bytes. */
void packet_fragment(struct packet *packet, size_t offset, bool more);
/* Addresses that checksums cover instead of those of the IP header (source routes, home address).
 * NULL: unchanged. */
void packet_checksum_addresses(struct packet *packet, const char *from, const char *to);

/* Tunnels. */
void packet_gre(struct packet *packet, bool checksum, bool key, uint32_t key_value, bool sequence);
void packet_udp(struct packet *packet, uint16_t from, uint16_t to);
void packet_vxlan(struct packet *packet, uint32_t id);

/* What IP carries. */
void packet_tcp(struct packet *packet, const struct tcp *tcp);
void packet_icmp(struct packet *packet, uint8_t type, uint8_t code);
void packet_icmpv6(struct packet *packet, uint8_t type, uint8_t code);

/* Any bytes; `count` bytes of pattern if `data` is NULL. The next layer is not announced. */
void packet_bytes(struct packet *packet, const void *data, size_t count);
/* Announces what comes next by hand, where the next layer cannot: an EtherType or a protocol. */
void packet_next(struct packet *packet, uint16_t type);

/* The whole packet, captured whole. Lent as long as *packet lives. */
struct fw_packet packet_view(const struct packet *packet);

#endif
