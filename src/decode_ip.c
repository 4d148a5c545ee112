/* IPv4 (RFC 791), IPv6 (RFC 8200) with its extension headers, and ICMP errors (RFC 792, 4443). */
#include "decode.h"

#include <string.h>

enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_IPV4 = 4,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_IPV6 = 41,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_GRE = 47,
    PROTOCOL_ESP = 50,
    PROTOCOL_AH = 51,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION_OPTIONS = 60,
    PROTOCOL_IPCOMP = 108,
    PROTOCOL_L2TP = 115,
    PROTOCOL_MOBILITY = 135,
    PROTOCOL_MPLS = 137,
    PROTOCOL_HIP = 139,
    PROTOCOL_SHIM6 = 140,
    PROTOCOL_EXPERIMENT_1 = 253,
    PROTOCOL_EXPERIMENT_2 = 254,
};

enum layer decode_ip(struct decoder *decoder)
{
    const uint8_t *first = decode_peek(decoder, 1);
    if (first == NULL)
        return LAYER_END;
    switch (first[0] >> 4) {
    case 4:
        return LAYER_IPV4;
    case 6:
        return LAYER_IPV6;
    default:
        return decode_end(decoder, FW_VERDICT_MALFORMED);
    }
}

/* The IP header says that `count` bytes follow. They may be more than the frame has: capture tools
 * that cut packets do not always note how long they were, while nobody sends such a frame. Within a
 * tunnel they may be so in the first fragment of an outer datagram only. */
static bool ip_limit(struct decoder *decoder, uint32_t count)
{
    if (count > decoder->sent_bytes && decoder->tunnels > 0 && !decoder->segment->fragmented) {
        decoder->verdict = FW_VERDICT_MALFORMED;
        return false;
    }
    decoder->sent_bytes = count;
    bytes_limit(&decoder->captured, count);
    return true;
}

/* What an IP packet of this family carries. */
static enum layer ip_payload(struct decoder *decoder, enum fw_family family, uint8_t protocol)
{
    switch (protocol) {
    case PROTOCOL_TCP:
        return LAYER_TCP;
    case PROTOCOL_UDP:
        return LAYER_UDP;
    case PROTOCOL_ICMP:
        return family == FW_IPV4 ? LAYER_ICMP : decode_end(decoder, FW_VERDICT_NOT_TCP);
    case PROTOCOL_ICMPV6:
        return family == FW_IPV6 ? LAYER_ICMPV6 : decode_end(decoder, FW_VERDICT_NOT_TCP);
    case PROTOCOL_IPV4:
        return decode_enter_tunnel(decoder, FW_TUNNEL_IPIP, 0, LAYER_IPV4);
    case PROTOCOL_IPV6:
        return decode_enter_tunnel(decoder, family == FW_IPV4 ? FW_TUNNEL_6IN4 : FW_TUNNEL_IPIP, 0,
                                   LAYER_IPV6);
    case PROTOCOL_GRE:
        return LAYER_GRE;
    case PROTOCOL_MPLS:
        return LAYER_MPLS;
    case PROTOCOL_ESP:
        return decode_end_tunnel(decoder, FW_UNDECODED_ESP);
    case PROTOCOL_IPCOMP:
        return decode_end_tunnel(decoder, FW_UNDECODED_IPCOMP);
    case PROTOCOL_L2TP:
        return decode_end_tunnel(decoder, FW_UNDECODED_L2TP);
    default:
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    }
}

/* A fragment without the header of what the datagram carries. */
static enum layer later_fragment(struct decoder *decoder, uint8_t protocol)
{
    switch (protocol) {
    case PROTOCOL_TCP:
    case PROTOCOL_IPV4:
    case PROTOCOL_IPV6:
    case PROTOCOL_GRE:
    case PROTOCOL_AH:
    case PROTOCOL_ROUTING:
    case PROTOCOL_DESTINATION_OPTIONS:
        return decode_end(decoder, FW_VERDICT_FRAGMENT);
    default:
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    }
}

/* Authentication header (RFC 4302): what it protects is readable. Returns false at the end. */
static bool skip_authentication(struct decoder *decoder, uint8_t *protocol)
{
    const uint8_t *header = decode_take(decoder, 12);
    if (header == NULL || (header[1] > 1 && decode_take(decoder, (header[1] - 1u) * 4) == NULL))
        return false;
    *protocol = header[0];
    return true;
}

/* -------------------------------------------------------------------------------------- IPv4 -- */

enum layer decode_ipv4(struct decoder *decoder)
{
    enum { MORE_FRAGMENTS = 0x2000, OFFSET_MASK = 0x1fff };
    struct fw_segment *segment = decoder->segment;
    const uint32_t sent_bytes = decoder->sent_bytes;
    const uint8_t *header = decode_take(decoder, 20);
    if (header == NULL)
        return LAYER_END;

    const uint32_t header_bytes = (header[0] & 15u) * 4;
    uint32_t total_bytes = load_be16(header + 2);
    const uint16_t fragment = load_be16(header + 6);
    uint8_t protocol = header[9];
    segment->ip_id = load_be16(header + 4);
    segment->ttl = header[8];
    decode_set_ipv4(&segment->from, header + 12);
    decode_set_ipv4(&segment->to, header + 16);

    if (total_bytes == 0) /* segmentation offload: the frame says how long it is */
        total_bytes = sent_bytes;
    if (header[0] >> 4 != 4 || header_bytes < 20 || total_bytes < header_bytes)
        return decode_end(decoder, FW_VERDICT_MALFORMED);
    if (header_bytes > 20 && decode_take(decoder, header_bytes - 20) == NULL)
        return LAYER_END;
    if (decoder->verify_checksums && !checksum_good(checksum_add(0, header, header_bytes)))
        decoder->ip_checksum_bad = true;
    if (!ip_limit(decoder, total_bytes - header_bytes))
        return LAYER_END;

    if ((fragment & OFFSET_MASK) != 0)
        return later_fragment(decoder, protocol);
    if ((fragment & MORE_FRAGMENTS) != 0)
        segment->fragmented = true;
    if (protocol == PROTOCOL_TCP)
        return LAYER_TCP;
    while (protocol == PROTOCOL_AH) {
        if (!skip_authentication(decoder, &protocol))
            return LAYER_END;
    }
    return ip_payload(decoder, FW_IPV4, protocol);
}

/* -------------------------------------------------------------------------------------- IPv6 -- */

enum { IPV6_HOME_ADDRESS_BYTES = 18 };

/* Hop-by-hop and destination options. A jumbo payload (RFC 2675) tells the length that did not fit
 * the header; the home address (RFC 6275) is the sender's own, the header's a care-of address. */
static void ipv6_options(struct decoder *decoder, const uint8_t *header, uint32_t header_bytes,
                         bool jumbogram)
{
    enum { PAD1 = 0, JUMBO = 0xc2, HOME_ADDRESS = 0xc9 };
    struct bytes options = bytes_of(header + 2, header_bytes - 2);
    while (bytes_left(&options) > 0) {
        const uint8_t kind = bytes_u8(&options);
        if (kind == PAD1)
            continue;
        const uint8_t length = bytes_u8(&options);
        const uint8_t *value = bytes_take(&options, length);
        if (value == NULL)
            return;
        if (kind == JUMBO && length == 4 && jumbogram && load_be32(value) >= header_bytes)
            decode_limit(decoder, load_be32(value) - header_bytes);
        if (kind == HOME_ADDRESS && length == IPV6_HOME_ADDRESS_BYTES - 2)
            decode_set_ipv6(&decoder->segment->from, value);
    }
}

/* The final destination of a source-routed packet is what TCP knows as its address. */
static void ipv6_routing(struct decoder *decoder, const uint8_t *header, uint32_t header_bytes)
{
    enum { SOURCE_ROUTE = 0, MOBILITY = 2, RPL = 3, SEGMENT_ROUTING = 4 };
    struct fw_endpoint *to = &decoder->segment->to;
    const uint8_t type = header[2], segments_left = header[3];
    if (segments_left == 0)
        return; /* it has arrived */

    switch (type) {
    case SOURCE_ROUTE: /* the last address of the list */
    case MOBILITY:
        if (header_bytes >= 24 && header_bytes % 16 == 8) {
            decode_set_ipv6(to, header + header_bytes - 16);
            return;
        }
        break;
    case SEGMENT_ROUTING: /* RFC 8754: the first */
        if (header_bytes >= 24) {
            decode_set_ipv6(to, header + 8);
            return;
        }
        break;
    case RPL: { /* RFC 6554: the last, without the prefix that it shares with the destination */
        const uint32_t shared = header[4] & 15u, padding = header[5] >> 4;
        if (header_bytes >= 8 + 16 - shared + padding) {
            memcpy(to->addr + shared, header + header_bytes - padding - (16 - shared), 16 - shared);
            return;
        }
        break;
    }
    default:
        break;
    }
    decoder->to_unknown = true;
}

/* Walks the extension headers up to what they stand before. */
static enum layer ipv6_payload(struct decoder *decoder, uint8_t protocol, bool jumbogram)
{
    for (;;) {
        switch (protocol) {
        case PROTOCOL_HOP_BY_HOP:
        case PROTOCOL_ROUTING:
        case PROTOCOL_DESTINATION_OPTIONS:
        case PROTOCOL_MOBILITY:
        case PROTOCOL_HIP:
        case PROTOCOL_SHIM6:
        case PROTOCOL_EXPERIMENT_1:
        case PROTOCOL_EXPERIMENT_2: {
            const uint8_t *header = decode_take(decoder, 8);
            if (header == NULL)
                return LAYER_END;
            const uint32_t header_bytes = 8 + header[1] * 8u;
            if (decode_take(decoder, header_bytes - 8) == NULL)
                return LAYER_END;
            const bool has_options =
                protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_DESTINATION_OPTIONS;
            if (has_options && (jumbogram || header_bytes > IPV6_HOME_ADDRESS_BYTES))
                ipv6_options(decoder, header, header_bytes, jumbogram);
            else if (protocol == PROTOCOL_ROUTING)
                ipv6_routing(decoder, header, header_bytes);
            protocol = header[0];
            break;
        }
        case PROTOCOL_FRAGMENT: {
            const uint8_t *header = decode_take(decoder, 8);
            if (header == NULL)
                return LAYER_END;
            const uint16_t fragment = load_be16(header + 2);
            protocol = header[0];
            if (fragment >> 3 != 0)
                return later_fragment(decoder, protocol);
            if ((fragment & 1) != 0)
                decoder->segment->fragmented = true;
            break;
        }
        case PROTOCOL_AH:
            if (!skip_authentication(decoder, &protocol))
                return LAYER_END;
            break;
        default:
            return ip_payload(decoder, FW_IPV6, protocol);
        }
        jumbogram = false; /* only the first header may say so */
    }
}

enum layer decode_ipv6(struct decoder *decoder)
{
    struct fw_segment *segment = decoder->segment;
    const uint8_t *header = decode_take(decoder, 40);
    if (header == NULL)
        return LAYER_END;

    const uint32_t payload_bytes = load_be16(header + 4);
    const uint8_t protocol = header[6];
    segment->ip_id = 0;
    segment->ttl = header[7];
    decode_set_ipv6(&segment->from, header + 8);
    decode_set_ipv6(&segment->to, header + 24);

    if (header[0] >> 4 != 6)
        return decode_end(decoder, FW_VERDICT_MALFORMED);
    if (payload_bytes != 0 && !ip_limit(decoder, payload_bytes)) /* 0: a jumbogram, or offload */
        return LAYER_END;
    if (protocol == PROTOCOL_TCP)
        return LAYER_TCP;
    return ipv6_payload(decoder, protocol, payload_bytes == 0);
}

/* -------------------------------------------------------------------------------------- ICMP -- */

static enum fw_icmp icmpv4_error(uint8_t type, uint8_t code)
{
    enum { UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };
    if (type == TIME_EXCEEDED)
        return FW_ICMP_TIME_EXCEEDED;
    if (type == PARAMETER_PROBLEM)
        return FW_ICMP_OTHER;
    if (type != UNREACHABLE)
        return FW_ICMP_NONE;
    switch (code) {
    case 0:  /* net */
    case 6:  /* net unknown */
    case 11: /* net, for this type of service */
        return FW_ICMP_NET_UNREACHABLE;
    case 1:  /* host */
    case 7:  /* host unknown */
    case 12: /* host, for this type of service */
        return FW_ICMP_HOST_UNREACHABLE;
    case 2:
        return FW_ICMP_PROTOCOL_UNREACHABLE;
    case 3:
        return FW_ICMP_PORT_UNREACHABLE;
    case 4:
        return FW_ICMP_FRAGMENTATION_NEEDED;
    case 9:  /* net */
    case 10: /* host */
    case 13: /* communication */
        return FW_ICMP_PROHIBITED;
    default:
        return FW_ICMP_OTHER;
    }
}

static enum fw_icmp icmpv6_error(uint8_t type, uint8_t code)
{
    switch (type) {
    case 1: /* destination unreachable */
        switch (code) {
        case 0: /* no route */
            return FW_ICMP_NET_UNREACHABLE;
        case 1: /* prohibited */
        case 5: /* source address failed policy */
        case 6: /* reject route */
            return FW_ICMP_PROHIBITED;
        case 3: /* address */
            return FW_ICMP_HOST_UNREACHABLE;
        case 4:
            return FW_ICMP_PORT_UNREACHABLE;
        default:
            return FW_ICMP_OTHER;
        }
    case 2:
        return FW_ICMP_FRAGMENTATION_NEEDED;
    case 3:
        return FW_ICMP_TIME_EXCEEDED;
    case 4: /* parameter problem: unrecognised next header */
        return code == 1 ? FW_ICMP_PROTOCOL_UNREACHABLE : FW_ICMP_OTHER;
    default:
        return FW_ICMP_NONE;
    }
}

/* The header of a quoted IPv4 packet. It may end anywhere, so its lengths say nothing. */
static enum layer quoted_ipv4(struct decoder *decoder)
{
    struct fw_segment *segment = decoder->segment;
    const uint8_t *header = decode_take(decoder, 20);
    if (header == NULL)
        return LAYER_END;
    const uint32_t header_bytes = (header[0] & 15u) * 4;
    if (header[0] >> 4 != 4 || header_bytes < 20 || header[9] != PROTOCOL_TCP ||
        (load_be16(header + 6) & 0x1fff) != 0)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    segment->ip_id = load_be16(header + 4);
    segment->ttl = header[8];
    decode_set_ipv4(&segment->from, header + 12);
    decode_set_ipv4(&segment->to, header + 16);
    return decode_take(decoder, header_bytes - 20) == NULL ? LAYER_END : LAYER_TCP;
}

static enum layer quoted_ipv6(struct decoder *decoder)
{
    struct fw_segment *segment = decoder->segment;
    const uint8_t *header = decode_take(decoder, 40);
    if (header == NULL)
        return LAYER_END;
    if (header[0] >> 4 != 6)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    segment->ip_id = 0;
    segment->ttl = header[7];
    decode_set_ipv6(&segment->from, header + 8);
    decode_set_ipv6(&segment->to, header + 24);
    return ipv6_payload(decoder, header[6], false);
}

/* RFC 792 has the first eight bytes of the segment quoted: ports and sequence number. */
static enum layer icmp_error(struct decoder *decoder, enum fw_icmp icmp, enum fw_family family,
                             enum fw_checksum checksum)
{
    struct fw_segment *segment = decoder->segment;
    const enum layer quoted = family == FW_IPV4 ? quoted_ipv4(decoder) : quoted_ipv6(decoder);
    if (quoted != LAYER_TCP && quoted != LAYER_END)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    const uint8_t *tcp = quoted == LAYER_TCP ? decode_take(decoder, 8) : NULL;
    if (tcp == NULL) {
        const bool cut = decoder->verdict == FW_VERDICT_TRUNCATED;
        return decode_end(decoder, cut ? FW_VERDICT_TRUNCATED : FW_VERDICT_NOT_TCP);
    }
    *segment = (struct fw_segment){
        .time = segment->time,
        .frame = segment->frame,
        .from = segment->from,
        .to = segment->to,
        .scope = segment->scope,
        .seq = load_be32(tcp + 4),
        .ip_id = segment->ip_id,
        .ttl = segment->ttl,
        .icmp = (uint8_t)icmp,
        .checksum = (uint8_t)checksum,
        .fragmented = segment->fragmented,
    };
    segment->from.port = load_be16(tcp);
    segment->to.port = load_be16(tcp + 2);
    const uint8_t *more = decode_take(decoder, 6);
    if (more != NULL) {
        segment->ack = load_be32(more);
        segment->flags = load_be16(more + 4) & 0x01ff;
    }
    return decode_end(decoder, FW_VERDICT_ICMP_ERROR);
}

static enum fw_checksum icmp_checksum(const struct decoder *decoder, uint64_t pseudo_header)
{
    const size_t captured = bytes_left(&decoder->captured);
    if (!decoder->verify_checksums)
        return FW_CHECKSUM_UNCHECKED;
    if (decoder->ip_checksum_bad)
        return FW_CHECKSUM_BAD;
    if (captured != decoder->sent_bytes || decoder->segment->fragmented || decoder->to_unknown)
        return FW_CHECKSUM_UNCHECKED;
    const uint64_t sum = checksum_add(pseudo_header, decoder->captured.at, captured);
    return checksum_good(sum) ? FW_CHECKSUM_GOOD : FW_CHECKSUM_BAD;
}

enum layer decode_icmp(struct decoder *decoder)
{
    const enum fw_checksum checksum = icmp_checksum(decoder, 0);
    const uint8_t *header = decode_take(decoder, 8);
    if (header == NULL)
        return LAYER_END;
    const enum fw_icmp icmp = icmpv4_error(header[0], header[1]);
    if (icmp == FW_ICMP_NONE)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    return icmp_error(decoder, icmp, FW_IPV4, checksum);
}

enum layer decode_icmpv6(struct decoder *decoder)
{
    const uint64_t pseudo_header =
        checksum_pseudo_header(decoder->segment, PROTOCOL_ICMPV6, decoder->sent_bytes);
    const enum fw_checksum checksum = icmp_checksum(decoder, pseudo_header);
    const uint8_t *header = decode_take(decoder, 8);
    if (header == NULL)
        return LAYER_END;
    const enum fw_icmp icmp = icmpv6_error(header[0], header[1]);
    if (icmp == FW_ICMP_NONE)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    return icmp_error(decoder, icmp, FW_IPV6, checksum);
}
