#include "decode.h"

enum layer decode_enter_tunnel(struct decoder *decoder, enum fw_tunnel tunnel, uint32_t id,
                               enum layer inner)
{
    if (decoder->tunnels == DECODE_TUNNELS_MAX)
        return decode_end_tunnel(decoder, FW_UNDECODED_OTHER);
    if (decoder->tunnels++ == 0) {
        decoder->segment->scope.tunnel = (uint16_t)tunnel;
        decoder->segment->scope.tunnel_id = id;
    }
    return inner;
}

/* Every layer moves forward by at least a byte, so that the loop ends with the packet. */
static void decode_layers(struct decoder *decoder, enum layer layer)
{
    for (;;) {
        /* clang-format off */
        switch (layer) {
        case LAYER_END:      return;
        case LAYER_ETHERNET: layer = decode_ethernet(decoder); break;
        case LAYER_VLAN:     layer = decode_vlan(decoder); break;
        case LAYER_VNTAG:    layer = decode_extender_tag(decoder, 4); break;
        case LAYER_ETAG:     layer = decode_extender_tag(decoder, 6); break;
        case LAYER_LLC:      layer = decode_llc(decoder); break;
        case LAYER_MPLS:     layer = decode_mpls(decoder); break;
        case LAYER_PPPOE:    layer = decode_pppoe(decoder); break;
        case LAYER_PPP:      layer = decode_ppp(decoder); break;
        case LAYER_IP:       layer = decode_ip(decoder); break;
        case LAYER_IPV4:     layer = decode_ipv4(decoder); break;
        case LAYER_IPV6:     layer = decode_ipv6(decoder); break;
        case LAYER_ICMP:     layer = decode_icmp(decoder); break;
        case LAYER_ICMPV6:   layer = decode_icmpv6(decoder); break;
        case LAYER_UDP:      layer = decode_udp(decoder); break;
        case LAYER_GRE:      layer = decode_gre(decoder); break;
        case LAYER_TCP:      layer = decode_tcp(decoder); break;
        }
        /* clang-format on */
    }
}

/* Most packets are Ethernet, IPv4 without options or IPv6 without extension headers, and TCP, whose
 * header was captured whole. Takes all of it in one look; what is in any way different is left to
 * the layers, which would come to the same here, in twice the time. */
static bool decode_usual(const struct fw_packet *packet, struct fw_segment *segment)
{
    enum { IPV4 = 0x0800, IPV6 = 0x86dd, TCP = 6, FRAGMENT_MASK = 0x3fff };
    enum { FRAME_BYTES = 14, IPV4_BYTES = 20, IPV6_BYTES = 40 };
    const uint8_t *frame = packet->data, *ip = frame + FRAME_BYTES;
    uint32_t before_tcp, sent_bytes;

    if (packet->captured_bytes < FRAME_BYTES + IPV4_BYTES + TCP_LEAST_BYTES)
        return false;
    const uint16_t type = load_be16(frame + 12);
    if (type == IPV4 && ip[0] == 0x45 && ip[9] == TCP && (load_be16(ip + 6) & FRAGMENT_MASK) == 0 &&
        load_be16(ip + 2) >= IPV4_BYTES) {
        before_tcp = FRAME_BYTES + IPV4_BYTES;
        sent_bytes = load_be16(ip + 2) - (uint32_t)IPV4_BYTES;
        segment->ip_id = load_be16(ip + 4);
        segment->ttl = ip[8];
        decode_set_ipv4(&segment->from, ip + 12);
        decode_set_ipv4(&segment->to, ip + 16);
    } else if (type == IPV6 && ip[0] >> 4 == 6 && ip[6] == TCP && load_be16(ip + 4) != 0 &&
               packet->captured_bytes >= FRAME_BYTES + IPV6_BYTES + TCP_LEAST_BYTES) {
        before_tcp = FRAME_BYTES + IPV6_BYTES;
        sent_bytes = load_be16(ip + 4);
        segment->ip_id = 0;
        segment->ttl = ip[7];
        decode_set_ipv6(&segment->from, ip + 8);
        decode_set_ipv6(&segment->to, ip + 24);
    } else {
        return false;
    }
    const uint8_t *tcp = frame + before_tcp;
    const uint32_t header_bytes = tcp_header_bytes(tcp);
    if (header_bytes < TCP_LEAST_BYTES || header_bytes > sent_bytes ||
        header_bytes > packet->captured_bytes - before_tcp)
        return false;
    segment->scope = (struct fw_scope){ 0 };
    segment->fragmented = false;
    decode_tcp_fields(segment, tcp, sent_bytes);
    return true;
}

static enum fw_verdict decode_all(const struct fw_packet *packet,
                                  const struct fw_decode_options *options,
                                  struct fw_segment *segment, enum fw_undecoded *undecoded)
{
    const uint32_t captured_bytes = packet->captured_bytes;
    struct decoder decoder = {
        .captured = bytes_of(packet->data, captured_bytes),
        .sent_bytes = packet->sent_bytes > captured_bytes ? packet->sent_bytes : captured_bytes,
        .segment = segment,
        .verify_checksums = options->verify_checksums,
    };

    segment->scope = (struct fw_scope){ 0 };
    segment->ip_id = 0;
    segment->fragmented = false;
    decode_layers(&decoder, packet->link_type == LINKTYPE_ETHERNET
                                ? LAYER_ETHERNET
                                : decode_link(&decoder, packet->link_type));

    if (undecoded != NULL)
        *undecoded = decoder.undecoded;
    /* What does not look like the tunnel that the UDP port promised was not that tunnel. */
    if (decoder.verdict == FW_VERDICT_MALFORMED && decoder.doubtful)
        return FW_VERDICT_NOT_TCP;
    return decoder.verdict;
}

enum fw_verdict fw_decode(const struct fw_packet *packet, const struct fw_decode_options *options,
                          struct fw_segment *segment, enum fw_undecoded *undecoded)
{
    segment->time = packet->time;
    segment->frame = packet->frame;
    if (packet->link_type != LINKTYPE_ETHERNET || options->verify_checksums ||
        !decode_usual(packet, segment))
        return decode_all(packet, options, segment, undecoded);
    if (undecoded != NULL)
        *undecoded = FW_UNDECODED_NONE;
    return FW_VERDICT_SEGMENT;
}

/* ---------------------------------------------------------------------------------- checksum -- */

uint64_t checksum_add(uint64_t sum, const uint8_t *data, size_t count)
{
    for (; count >= 4; count -= 4, data += 4)
        sum += load_be32(data);
    if (count >= 2)
        sum += load_be16(data);
    if (count % 2 != 0)
        sum += (uint64_t)data[count - 1] << 8;
    return sum;
}

/* RFC 9293 section 3.1; RFC 8200 section 8.1 (segment->to is the final destination). */
uint64_t checksum_pseudo_header(const struct fw_segment *segment, uint8_t protocol, uint32_t count)
{
    const size_t addr_bytes = segment->from.family == FW_IPV4 ? 4 : 16;
    uint64_t sum = (uint64_t)protocol + count;
    sum = checksum_add(sum, segment->from.addr, addr_bytes);
    return checksum_add(sum, segment->to.addr, addr_bytes);
}

bool checksum_good(uint64_t sum)
{
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}
