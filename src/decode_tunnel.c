/* Tunnels: GRE, and those in UDP. What they carry goes on as if it had been on the wire itself. */
#include "decode.h"

/* --------------------------------------------------------------------------------------- GRE -- */

/* Point-to-point tunnels, RFC 2637. Each direction has its own call id: it cannot be part of the
 * identity. */
static enum layer decode_pptp(struct decoder *decoder)
{
    if (decoder->sent_bytes == 0) /* an acknowledgment only */
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    return decode_enter_tunnel(decoder, FW_TUNNEL_GRE, 0, LAYER_PPP);
}

/* Mirrored frames, draft-foschiano-erspan: a header of 0 (type I), 8 (II), 12 or 20 bytes (III). */
static enum layer decode_erspan(struct decoder *decoder, uint32_t header_bytes)
{
    enum { PLATFORM_HEADER = 1 };
    uint32_t session = 0;
    if (header_bytes > 0) {
        const uint8_t *header = decode_take(decoder, header_bytes);
        if (header == NULL)
            return LAYER_END;
        session = load_be16(header + 2) & 0x3ff;
        if (header_bytes == 12 && (header[11] & PLATFORM_HEADER) != 0 &&
            decode_take(decoder, 8) == NULL)
            return LAYER_END;
    }
    return decode_enter_tunnel(decoder, FW_TUNNEL_ERSPAN, session, LAYER_ETHERNET);
}

/* Redirected IPv4 packets, draft-wilson-wrec-wccp-v2: version 2 has a header, which cannot be taken
 * for the packet's. */
static enum layer decode_wccp(struct decoder *decoder)
{
    const uint8_t *first = decode_peek(decoder, 1);
    if (first == NULL || (first[0] >> 4 != 4 && decode_take(decoder, 4) == NULL))
        return LAYER_END;
    return decode_enter_tunnel(decoder, FW_TUNNEL_GRE, 0, LAYER_IPV4);
}

/* RFC 2784 and 2890; version 1 is that of PPTP. */
enum layer decode_gre(struct decoder *decoder)
{
    enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, ACK = 0x0080 };
    enum { PPP = 0x880b, WCCP = 0x883e, ERSPAN_2 = 0x88be, ERSPAN_3 = 0x22eb };
    const uint8_t *header = decode_take(decoder, 4);
    if (header == NULL)
        return LAYER_END;
    const uint16_t flags = load_be16(header), type = load_be16(header + 2);
    const unsigned version = flags & 7;
    if ((flags & ROUTING) != 0 || version > 1)
        return decode_end_tunnel(decoder, FW_UNDECODED_GRE);

    uint32_t key = 0;
    if ((flags & CHECKSUM) != 0 && decode_take(decoder, 4) == NULL)
        return LAYER_END;
    if ((flags & KEY) != 0) {
        const uint8_t *field = decode_take(decoder, 4);
        if (field == NULL)
            return LAYER_END;
        key = load_be32(field);
    }
    if ((flags & SEQUENCE) != 0 && decode_take(decoder, 4) == NULL)
        return LAYER_END;
    if (version == 1 && (flags & ACK) != 0 && decode_take(decoder, 4) == NULL)
        return LAYER_END;

    if (version == 1 && type == PPP)
        return decode_pptp(decoder);
    if (type == WCCP)
        return decode_wccp(decoder);
    if (type == ERSPAN_2)
        return decode_erspan(decoder, (flags & SEQUENCE) != 0 ? 8 : 0);
    if (type == ERSPAN_3)
        return decode_erspan(decoder, 12);
    const enum layer inner = decode_ethertype(decoder, type);
    if (inner == LAYER_END)
        return decode_end_tunnel(decoder, FW_UNDECODED_GRE);
    return decode_enter_tunnel(decoder, FW_TUNNEL_GRE, key, inner);
}

/* --------------------------------------------------------------------------------------- UDP -- */

/* A port is weak evidence, so each of these asks whether the header can be what it should be, and
 * what is malformed further in is not held against the packet. */

/* RFC 7348: flags, reserved, network id, reserved; what is reserved is ignored. */
static enum layer decode_vxlan(struct decoder *decoder)
{
    enum { NETWORK_ID = 0x08 };
    const uint8_t *header = decode_take(decoder, 8);
    if (header == NULL)
        return LAYER_END;
    if ((header[0] & NETWORK_ID) == 0)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    return decode_enter_tunnel(decoder, FW_TUNNEL_VXLAN, load_be24(header + 4), LAYER_ETHERNET);
}

/* RFC 8926. */
static enum layer decode_geneve(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 8);
    if (header == NULL)
        return LAYER_END;
    if (header[0] >> 6 != 0 || (header[1] & 0x3f) != 0 || header[7] != 0)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    if (decode_take(decoder, (header[0] & 0x3fu) * 4) == NULL)
        return LAYER_END;
    const enum layer inner = decode_ethertype(decoder, load_be16(header + 2));
    if (inner == LAYER_END)
        return decode_end_tunnel(decoder, FW_UNDECODED_GENEVE);
    return decode_enter_tunnel(decoder, FW_TUNNEL_GENEVE, load_be24(header + 4), inner);
}

/* 3GPP TS 29.281: user data of GTP version 1. */
static enum layer decode_gtp(struct decoder *decoder)
{
    enum { VERSION_1 = 0x30, VERSION_MASK = 0xf0, OPTIONAL = 0x07, EXTENSION = 0x04, G_PDU = 255 };
    const uint8_t *header = decode_take(decoder, 8);
    if (header == NULL)
        return LAYER_END;
    if ((header[0] & VERSION_MASK) != VERSION_1 || header[1] != G_PDU)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    if (load_be16(header + 2) > decoder->sent_bytes && !decoder->segment->fragmented)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    decode_limit(decoder, load_be16(header + 2));

    if ((header[0] & OPTIONAL) != 0) {
        const uint8_t *optional = decode_take(decoder, 4);
        if (optional == NULL)
            return LAYER_END;
        uint8_t extension = (header[0] & EXTENSION) != 0 ? optional[3] : 0;
        while (extension != 0) {
            const uint8_t *size = decode_take(decoder, 1);
            if (size == NULL)
                return LAYER_END;
            if (size[0] == 0)
                return decode_end(decoder, FW_VERDICT_NOT_TCP);
            const uint8_t *content = decode_take(decoder, size[0] * 4u - 1);
            if (content == NULL)
                return LAYER_END;
            extension = content[size[0] * 4u - 2];
        }
    }
    /* each direction has its own tunnel endpoint id: it cannot be part of the identity */
    return decode_enter_tunnel(decoder, FW_TUNNEL_GTP, 0, LAYER_IP);
}

/* RFC 4380: perhaps an authentication and an origin indication, then an IPv6 packet. */
static enum layer decode_teredo(struct decoder *decoder)
{
    for (;;) {
        const uint8_t *at = decode_peek(decoder, 2);
        if (at == NULL)
            return LAYER_END;
        if (at[0] >> 4 == 6)
            return decode_enter_tunnel(decoder, FW_TUNNEL_TEREDO, 0, LAYER_IPV6);

        const uint16_t indicator = load_be16(at);
        if (indicator == 0x0001) { /* authentication: client id, value, nonce, confirmation */
            const uint8_t *header = decode_take(decoder, 4);
            if (header == NULL || decode_take(decoder, header[2] + header[3] + 9u) == NULL)
                return LAYER_END;
        } else if (indicator == 0x0000) { /* origin: port, address */
            if (decode_take(decoder, 8) == NULL)
                return LAYER_END;
        } else {
            return decode_end(decoder, FW_VERDICT_NOT_TCP);
        }
    }
}

/* RFC 3948: four zero bytes are key exchange, one byte is a keep-alive, all else is ESP. */
static enum layer decode_udp_esp(struct decoder *decoder)
{
    if (decoder->sent_bytes < 8)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    const uint8_t *spi = decode_take(decoder, 4);
    if (spi == NULL)
        return LAYER_END;
    if (load_be32(spi) == 0)
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    return decode_end_tunnel(decoder, FW_UNDECODED_ESP);
}

/* RFC 2661, 3931: data messages have the first bit clear. */
static enum layer decode_udp_l2tp(struct decoder *decoder)
{
    const uint8_t *header = decode_take(decoder, 2);
    if (header == NULL)
        return LAYER_END;
    const unsigned version = header[1] & 15;
    if ((header[0] & 0x80) != 0 || (version != 2 && version != 3))
        return decode_end(decoder, FW_VERDICT_NOT_TCP);
    return decode_end_tunnel(decoder, FW_UNDECODED_L2TP);
}

enum layer decode_udp(struct decoder *decoder)
{
    enum {
        L2TP = 1701,
        GTP = 2152,
        TEREDO = 3544,
        IPSEC = 4500,
        VXLAN = 4789,
        GENEVE = 6081,
        VXLAN_OLD = 8472
    };
    const uint8_t *header = decode_take(decoder, 8);
    if (header == NULL)
        return LAYER_END;
    const uint16_t from = load_be16(header), to = load_be16(header + 2);
    const uint16_t length = load_be16(header + 4);
    if (length >= 8)
        decode_limit(decoder, length - 8u);

    decoder->doubtful = true;
    if (to == VXLAN || to == VXLAN_OLD)
        return decode_vxlan(decoder);
    if (to == GENEVE)
        return decode_geneve(decoder);
    if (to == GTP)
        return decode_gtp(decoder);
    if (to == TEREDO || from == TEREDO)
        return decode_teredo(decoder);
    if (to == IPSEC || from == IPSEC)
        return decode_udp_esp(decoder);
    if (to == L2TP || from == L2TP)
        return decode_udp_l2tp(decoder);
    return decode_end(decoder, FW_VERDICT_NOT_TCP);
}
