/* Link layers and what stands between them and IP. Link types: tcpdump.org/linktypes.html. */
#include "decode.h"

#include <string.h>

enum {
    LINKTYPE_NULL = 0,
    LINKTYPE_PPP = 9,
    LINKTYPE_RAW_12 = 12, /* DLT_RAW of most BSDs, written to files by mistake */
    LINKTYPE_RAW_14 = 14, /* and of OpenBSD */
    LINKTYPE_PPP_HDLC = 50,
    LINKTYPE_PPP_ETHER = 51,
    LINKTYPE_RAW = 101,
    LINKTYPE_C_HDLC = 104,
    LINKTYPE_LOOP = 108,
    LINKTYPE_ENC = 109,
    LINKTYPE_LINUX_SLL = 113,
    LINKTYPE_PPP_PPPD = 166,
    LINKTYPE_PPP_WITH_DIR = 204,
    LINKTYPE_IPV4 = 228,
    LINKTYPE_IPV6 = 229,
    LINKTYPE_NFLOG = 239,
    LINKTYPE_LINUX_SLL2 = 276,
};

enum {
    ETHERTYPE_MAX_LENGTH = 1500, /* what is not larger is the length of an 802.3 frame */
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_BRIDGED = 0x6558, /* transparent Ethernet bridging, RFC 1701 */
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_MPLS = 0x8847,
    ETHERTYPE_MPLS_MULTICAST = 0x8848,
    ETHERTYPE_PPPOE = 0x8864,
    ETHERTYPE_QINQ = 0x88a8,
    ETHERTYPE_BACKBONE = 0x88e7, /* 802.1ah */
    ETHERTYPE_VNTAG = 0x8926,    /* 802.1Qbh */
    ETHERTYPE_ETAG = 0x893f,     /* 802.1BR */
    ETHERTYPE_QINQ_OLD = 0x9100,
    ETHERTYPE_QINQ_OLD_2 = 0x9200,
    ETHERTYPE_QINQ_OLD_3 = 0x9300,
};

enum layer decode_ethertype(struct decoder *decoder, uint16_t type)
{
    switch (type) {
    case ETHERTYPE_IPV4:
        return LAYER_IPV4;
    case ETHERTYPE_IPV6:
        return LAYER_IPV6;
    case ETHERTYPE_VLAN:
    case ETHERTYPE_QINQ:
    case ETHERTYPE_QINQ_OLD:
    case ETHERTYPE_QINQ_OLD_2:
    case ETHERTYPE_QINQ_OLD_3:
        return LAYER_VLAN;
    case ETHERTYPE_VNTAG:
        return LAYER_VNTAG;
    case ETHERTYPE_ETAG:
        return LAYER_ETAG;
    case ETHERTYPE_MPLS:
    case ETHERTYPE_MPLS_MULTICAST:
        return LAYER_MPLS;
    case ETHERTYPE_PPPOE:
        return LAYER_PPPOE;
    case ETHERTYPE_BRIDGED:
        return LAYER_ETHERNET;
    case ETHERTYPE_BACKBONE: /* a tag with the service id, then the customer's frame */
        return decode_take(decoder, 4) == NULL ? LAYER_END : LAYER_ETHERNET;
    default:
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    }
}

static enum layer ethertype_or_length(struct decoder *decoder, uint16_t type)
{
    if (type > ETHERTYPE_MAX_LENGTH)
        return decode_ethertype(decoder, type);
    decode_limit(decoder, type);
    return LAYER_LLC;
}

enum layer decode_ethernet(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 14);
    if (header == NULL)
        return LAYER_END;
    const uint16_t type = load_be16(header + 12);
    return type == ETHERTYPE_IPV4 ? LAYER_IPV4 : ethertype_or_length(decoder, type);
}

/* IEEE 802.1Q, and the tags in tags of 802.1ad and its forerunners. */
enum layer decode_vlan(struct decoder *decoder)
{
    const uint8_t *tag = decode_take(decoder, 4);
    if (tag == NULL)
        return LAYER_END;
    if (decoder->segment->scope.vlan == 0)
        decoder->segment->scope.vlan = load_be16(tag) & 0x0fff;
    return ethertype_or_length(decoder, load_be16(tag + 2));
}

/* The ports behind a port extender are no part of an identity. */
enum layer decode_extender_tag(struct decoder *decoder, uint32_t tag_bytes)
{
    const uint8_t *tag = decode_take(decoder, tag_bytes + 2);
    return tag == NULL ? LAYER_END : ethertype_or_length(decoder, load_be16(tag + tag_bytes));
}

/* IEEE 802.2, with SNAP (RFC 1042) or with IP directly (RFC 948). */
enum layer decode_llc(struct decoder *decoder)
{
    static const uint8_t snap[3] = { 0xaa, 0xaa, 0x03 }, ip[3] = { 0x06, 0x06, 0x03 };
    const uint8_t *header = decode_take(decoder, 3);
    if (header == NULL)
        return LAYER_END;
    if (memcmp(header, ip, sizeof(ip)) == 0)
        return LAYER_IPV4;
    if (memcmp(header, snap, sizeof(snap)) != 0)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);

    const uint8_t *protocol = decode_take(decoder, 5);
    if (protocol == NULL)
        return LAYER_END;
    const uint32_t organisation = load_be24(protocol);
    if (organisation != 0x000000 && organisation != 0x0000f8) /* RFC 1042, 802.1H */
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    return decode_ethertype(decoder, load_be16(protocol + 3));
}

/* -------------------------------------------------------------------------------------- MPLS -- */

/* MPLS does not say what it carries: these ask whether the bytes can be it. */
static bool looks_like_ip(const uint8_t *at, size_t captured, uint32_t sent)
{
    if (captured >= 20 && at[0] >> 4 == 4)
        return (at[0] & 15) >= 5 && load_be16(at + 2) >= 20 && load_be16(at + 2) <= sent;
    return captured >= 40 && at[0] >> 4 == 6 && load_be16(at + 4) + 40u <= sent;
}

static bool looks_like_ethernet(const uint8_t *at, size_t captured)
{
    if (captured < 14)
        return false;
    switch (load_be16(at + 12)) {
    case ETHERTYPE_IPV4:
    case ETHERTYPE_ARP:
    case ETHERTYPE_IPV6:
    case ETHERTYPE_VLAN:
    case ETHERTYPE_QINQ:
    case ETHERTYPE_MPLS:
    case ETHERTYPE_PPPOE:
        return true;
    default:
        return false;
    }
}

/* RFC 3032; pseudowires RFC 4448, with the control word of RFC 4385 or without. */
enum layer decode_mpls(struct decoder *decoder)
{
    const uint8_t *label;
    do {
        label = decode_take(decoder, 4);
        if (label == NULL)
            return LAYER_END;
    } while ((label[2] & 1) == 0); /* bottom of the stack */

    const uint8_t *at = decoder->captured.at;
    const size_t captured = bytes_left(&decoder->captured);
    if (looks_like_ip(at, captured, decoder->sent_bytes))
        return LAYER_IP;
    if (captured > 4 && at[0] >> 4 == 0 && looks_like_ethernet(at + 4, captured - 4))
        return decode_take(decoder, 4) == NULL ? LAYER_END : LAYER_ETHERNET;
    if (looks_like_ethernet(at, captured))
        return LAYER_ETHERNET;
    if (captured < decoder->sent_bytes && captured < 40)
        return decode_end(decoder, FW_VERDICT_TRUNCATED);
    return decode_end(decoder, FW_VERDICT_NOT_TCP);
}

/* --------------------------------------------------------------------------------------- PPP -- */

/* RFC 2516, session stage. */
enum layer decode_pppoe(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 6);
    if (header == NULL)
        return LAYER_END;
    if (header[0] != 0x11)
        return decode_end(decoder, FW_VERDICT_MALFORMED);
    if (header[1] != 0) /* discovery */
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    decode_limit(decoder, load_be16(header + 4));
    return LAYER_PPP;
}

/* RFC 1661 and 1662: address and control may be left out, the protocol may be compressed to its
 * second byte, which is odd. */
enum layer decode_ppp(struct decoder *decoder)
{
    const uint8_t *at = decode_peek(decoder, 1);
    if (at == NULL || (at[0] == 0xff && decode_take(decoder, 2) == NULL))
        return LAYER_END;

    const uint8_t *first = decode_take(decoder, 1);
    if (first == NULL)
        return LAYER_END;
    uint16_t protocol = first[0];
    if (protocol % 2 == 0) {
        const uint8_t *second = decode_take(decoder, 1);
        if (second == NULL)
            return LAYER_END;
        protocol = (uint16_t)(protocol << 8 | second[0]);
    }
    switch (protocol) {
    case 0x0021:
        return LAYER_IPV4;
    case 0x0057:
        return LAYER_IPV6;
    case 0x0281:
    case 0x0283:
        return LAYER_MPLS;
    case 0x00fd: /* compressed or encrypted (RFC 1962, 3078) */
        if (decoder->segment->scope.tunnel == FW_TUNNEL_GRE)
            return decode_end_tunnel(decoder, FW_UNDECODED_GRE);
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    default:
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    }
}

/* Cisco HDLC: address, control, EtherType. */
static enum layer decode_cisco_hdlc(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 4);
    return header == NULL ? LAYER_END : decode_ethertype(decoder, load_be16(header + 2));
}

static enum layer decode_ppp_hdlc(struct decoder *decoder)
{
    const uint8_t *address = decode_peek(decoder, 1);
    if (address == NULL)
        return LAYER_END;
    if (address[0] == 0x0f || address[0] == 0x8f) /* unicast, multicast */
        return decode_cisco_hdlc(decoder);
    return LAYER_PPP;
}

/* ------------------------------------------------------------------------------- other links -- */

/* An address family in the byte order of the machine that captured. AF_INET6 differs by system. */
static enum layer address_family(struct decoder *decoder, uint32_t family)
{
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    switch (family) {
    case 2:
        return LAYER_IPV4;
    case 10: /* Linux */
    case 23: /* Windows */
    case 24: /* NetBSD, OpenBSD */
    case 28: /* FreeBSD */
    case 30: /* macOS */
        return LAYER_IPV6;
    default:
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    }
}

static enum layer decode_loopback(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 4);
    return header == NULL ? LAYER_END : address_family(decoder, load_be32(header));
}

/* OpenBSD encapsulated packets: family, SPI, flags, then the packet inside. */
static enum layer decode_enc(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 12);
    return header == NULL ? LAYER_END : address_family(decoder, load_be32(header));
}

/* `hardware` is an ARPHRD_ value: it decides what the protocol means. */
static enum layer cooked_protocol(struct decoder *decoder, uint16_t hardware, uint16_t protocol)
{
    enum { ARPHRD_NETLINK = 824, PROTOCOL_802_2 = 4 };
    if (hardware == ARPHRD_NETLINK)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    if (protocol == PROTOCOL_802_2)
        return LAYER_LLC;
    return decode_ethertype(decoder, protocol);
}

static enum layer decode_sll(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 16);
    if (header == NULL)
        return LAYER_END;
    return cooked_protocol(decoder, load_be16(header + 2), load_be16(header + 14));
}

static enum layer decode_sll2(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 20);
    if (header == NULL)
        return LAYER_END;
    return cooked_protocol(decoder, load_be16(header + 8), load_be16(header));
}

/* Family, version, resource id, then attributes: length and type in the byte order of the machine
 * that captured, padded to four bytes. The payload is the last of them. */
static enum layer decode_nflog(struct decoder *decoder)
{
    enum { NFULA_PAYLOAD = 9 };
    if (decode_take(decoder, 4) == NULL)
        return LAYER_END;
    for (;;) {
        const uint8_t *attribute = decode_take(decoder, 4);
        if (attribute == NULL)
            return LAYER_END;
        const bool little = (attribute[3] & 0x7f) == 0; /* types are small; the top bit: nested */
        const uint32_t length =
            little ? attribute[0] | (uint32_t)attribute[1] << 8 : load_be16(attribute);
        const uint32_t type = little ? attribute[2] : attribute[3] & 0x7fu;
        if (length < 4)
            return decode_end(decoder, FW_VERDICT_MALFORMED);
        if (type == NFULA_PAYLOAD) {
            decode_limit(decoder, length - 4);
            return LAYER_IP;
        }
        if (decode_take(decoder, ((length + 3) & ~3u) - 4) == NULL)
            return LAYER_END;
    }
}

enum layer decode_link(struct decoder *decoder, uint16_t link_type)
{
    switch (link_type) {
    case LINKTYPE_ETHERNET:
        return LAYER_ETHERNET;
    case LINKTYPE_NULL:
    case LINKTYPE_LOOP:
        return decode_loopback(decoder);
    case LINKTYPE_RAW:
    case LINKTYPE_RAW_12:
    case LINKTYPE_RAW_14:
        return LAYER_IP;
    case LINKTYPE_IPV4:
        return LAYER_IPV4;
    case LINKTYPE_IPV6:
        return LAYER_IPV6;
    case LINKTYPE_LINUX_SLL:
        return decode_sll(decoder);
    case LINKTYPE_LINUX_SLL2:
        return decode_sll2(decoder);
    case LINKTYPE_PPP:
        return LAYER_PPP;
    case LINKTYPE_PPP_HDLC:
        return decode_ppp_hdlc(decoder);
    case LINKTYPE_PPP_ETHER:
        return LAYER_PPPOE;
    case LINKTYPE_PPP_PPPD: /* direction in place of the address, then control */
        return decode_take(decoder, 2) == NULL ? LAYER_END : LAYER_PPP;
    case LINKTYPE_PPP_WITH_DIR:
        return decode_take(decoder, 1) == NULL ? LAYER_END : LAYER_PPP;
    case LINKTYPE_C_HDLC:
        return decode_cisco_hdlc(decoder);
    case LINKTYPE_ENC:
        return decode_enc(decoder);
    case LINKTYPE_NFLOG:
        return decode_nflog(decoder);
    default:
        return decode_end(decoder, FW_VERDICT_UNKNOWN_LINK);
    }
}
