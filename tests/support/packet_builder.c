#include "packet_builder.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What each layer is called by the one before it. */
struct layer_names {
    uint16_t ethertype, ppp;
    uint8_t protocol;
};

static void demand(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "packet builder: %s\n", what);
        abort();
    }
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static uint8_t *append(struct packet *packet, size_t count)
{
    demand(packet->count + count <= sizeof(packet->bytes), "packet too long");
    uint8_t *at = packet->bytes + packet->count;
    memset(at, 0, count);
    packet->count += count;
    return at;
}

static struct packet_layer *last_layer(struct packet *packet)
{
    return &packet->layers[packet->layer_count - 1];
}

static void announce(struct packet *packet, struct layer_names names)
{
    const struct packet_layer *last = last_layer(packet);
    uint8_t *at = packet->bytes + last->protocol_at;
    switch (last->slot) {
    case SLOT_NONE:
        break;
    case SLOT_ETHERTYPE:
        put16(at, names.ethertype);
        break;
    case SLOT_PROTOCOL:
        *at = names.protocol;
        break;
    case SLOT_PPP:
        put16(at, names.ppp);
        break;
    }
}

/* Appends a layer of `count` bytes. Returns where it starts. */
static uint8_t *add_layer(struct packet *packet, enum packet_layer_kind kind, size_t count,
                          enum packet_slot slot, size_t protocol_offset, struct layer_names names)
{
    const int enclosing = last_layer(packet)->ip;
    demand(packet->layer_count < 32, "too many layers");
    announce(packet, names);
    packet->layers[packet->layer_count++] = (struct packet_layer){
        .kind = kind,
        .at = packet->count,
        .protocol_at = packet->count + protocol_offset,
        .slot = slot,
        .ip = enclosing,
    };
    return append(packet, count);
}

void packet_start(struct packet *packet, uint16_t link_type)
{
    memset(packet, 0, sizeof(*packet));
    packet->link_type = link_type;
    packet->layers[0] = (struct packet_layer){ .ip = -1 };
    packet->layer_count = 1;
}

/* -------------------------------------------------------------------------------------- link -- */

void packet_ethernet(struct packet *packet)
{
    uint8_t *at = add_layer(packet, PACKET_OTHER, 14, SLOT_ETHERTYPE, 12,
                            (struct layer_names){ .ethertype = 0x6558 });
    memcpy(at, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
}

void packet_vlan(struct packet *packet, uint16_t type, uint16_t id)
{
    uint8_t *at = add_layer(packet, PACKET_OTHER, 4, SLOT_ETHERTYPE, 2,
                            (struct layer_names){ .ethertype = type });
    put16(at, id);
}

void packet_snap(struct packet *packet)
{
    uint8_t *at = add_layer(packet, PACKET_LLC, 8, SLOT_ETHERTYPE, 6, (struct layer_names){ 0 });
    memcpy(at, "\xaa\xaa\x03", 3);
}

void packet_mpls(struct packet *packet, uint32_t label, bool bottom)
{
    uint8_t *at = add_layer(packet, PACKET_OTHER, 4, SLOT_NONE, 0,
                            (struct layer_names){ 0x8847, 0x0281, 137 });
    put32(at, label << 12 | (uint32_t)bottom << 8 | 64);
}

void packet_pppoe(struct packet *packet, uint16_t session)
{
    uint8_t *at = add_layer(packet, PACKET_PPPOE, 6, SLOT_NONE, 0,
                            (struct layer_names){ .ethertype = 0x8864 });
    at[0] = 0x11;
    put16(at + 2, session);
}

void packet_ppp(struct packet *packet, bool address_and_control)
{
    const size_t framing = address_and_control ? 2 : 0;
    uint8_t *at = add_layer(packet, PACKET_OTHER, framing + 2, SLOT_PPP, framing,
                            (struct layer_names){ .ethertype = 0x880b });
    if (address_and_control)
        put16(at, 0xff03);
}

void packet_sll(struct packet *packet)
{
    uint8_t *at =
        add_layer(packet, PACKET_OTHER, 16, SLOT_ETHERTYPE, 14, (struct layer_names){ 0 });
    at[3] = 1; /* Ethernet */
    at[5] = 6;
}

void packet_sll2(struct packet *packet)
{
    uint8_t *at = add_layer(packet, PACKET_OTHER, 20, SLOT_ETHERTYPE, 0, (struct layer_names){ 0 });
    at[9] = 1;
    at[11] = 6;
}

/* ---------------------------------------------------------------------------------------- IP -- */

static void parse_addr(int family, const char *text, uint8_t *addr)
{
    demand(inet_pton(family, text, addr) == 1, text);
}

void packet_ipv4(struct packet *packet, const char *from, const char *to)
{
    uint8_t *at = add_layer(packet, PACKET_IPV4, 20, SLOT_PROTOCOL, 9,
                            (struct layer_names){ 0x0800, 0x0021, 4 });
    struct packet_layer *layer = last_layer(packet);
    layer->ip = packet->layer_count - 1;
    parse_addr(AF_INET, from, layer->from);
    parse_addr(AF_INET, to, layer->to);
    at[0] = 0x45;
    put16(at + 4, 0x1234);
    at[8] = 64;
    memcpy(at + 12, layer->from, 4);
    memcpy(at + 16, layer->to, 4);
}

void packet_ipv4_options(struct packet *packet, size_t bytes)
{
    struct packet_layer *ip = last_layer(packet);
    demand(ip->kind == PACKET_IPV4 && bytes % 4 == 0 && bytes <= 40, "bad IPv4 options");
    packet->bytes[ip->at] = (uint8_t)(0x45 + bytes / 4);
    memset(append(packet, bytes), 1, bytes);
}

void packet_ipv6(struct packet *packet, const char *from, const char *to)
{
    uint8_t *at = add_layer(packet, PACKET_IPV6, 40, SLOT_PROTOCOL, 6,
                            (struct layer_names){ 0x86dd, 0x0057, 41 });
    struct packet_layer *layer = last_layer(packet);
    layer->ip = packet->layer_count - 1;
    parse_addr(AF_INET6, from, layer->from);
    parse_addr(AF_INET6, to, layer->to);
    at[0] = 0x60;
    at[6] = 59; /* no next header */
    at[7] = 64;
    memcpy(at + 8, layer->from, 16);
    memcpy(at + 24, layer->to, 16);
}

void packet_extension(struct packet *packet, uint8_t kind, const void *content, size_t count)
{
    enum { FRAGMENT = 44, AUTHENTICATION = 51 };
    const size_t unit = kind == AUTHENTICATION ? 4 : 8;
    const size_t bytes = (2 + count + unit - 1) / unit * unit;
    uint8_t *at = add_layer(packet, PACKET_OTHER, bytes, SLOT_PROTOCOL, 0,
                            (struct layer_names){ .protocol = kind });
    at[0] = 59;
    at[1] =
        kind == FRAGMENT ? 0 : (uint8_t)(kind == AUTHENTICATION ? bytes / 4 - 2 : bytes / 8 - 1);
    memcpy(at + 2, content, count);
}

void packet_fragment(struct packet *packet, size_t offset, bool more)
{
    const struct packet_layer *last = last_layer(packet);
    demand(offset % 8 == 0, "offset of a fragment");
    if (last->kind == PACKET_IPV4) {
        put16(packet->bytes + last->at + 6, offset / 8 | (more ? 0x2000 : 0));
        return;
    }
    uint8_t content[6] = { 0 };
    put16(content, offset | more);
    packet_extension(packet, 44, content, sizeof(content));
}

void packet_checksum_addresses(struct packet *packet, const char *from, const char *to)
{
    struct packet_layer *ip = &packet->layers[last_layer(packet)->ip];
    const int family = ip->kind == PACKET_IPV4 ? AF_INET : AF_INET6;
    if (from != NULL)
        parse_addr(family, from, ip->from);
    if (to != NULL)
        parse_addr(family, to, ip->to);
}

/* ----------------------------------------------------------------------------------- tunnels -- */

void packet_gre(struct packet *packet, bool checksum, bool key, uint32_t key_value, bool sequence)
{
    uint8_t *at = add_layer(packet, PACKET_OTHER, 4, SLOT_ETHERTYPE, 2,
                            (struct layer_names){ .protocol = 47 });
    at[0] = (uint8_t)((checksum ? 0x80 : 0) | (key ? 0x20 : 0) | (sequence ? 0x10 : 0));
    if (checksum)
        append(packet, 4);
    if (key)
        put32(append(packet, 4), key_value);
    if (sequence)
        append(packet, 4);
}

void packet_udp(struct packet *packet, uint16_t from, uint16_t to)
{
    uint8_t *at =
        add_layer(packet, PACKET_UDP, 8, SLOT_NONE, 0, (struct layer_names){ .protocol = 17 });
    put16(at, from);
    put16(at + 2, to);
}

void packet_vxlan(struct packet *packet, uint32_t id)
{
    uint8_t *at = add_layer(packet, PACKET_OTHER, 8, SLOT_NONE, 0, (struct layer_names){ 0 });
    at[0] = 0x08;
    put32(at + 4, id << 8);
}

/* --------------------------------------------------------------------------- what IP carries -- */

void packet_bytes(struct packet *packet, const void *data, size_t count)
{
    uint8_t *at = append(packet, count);
    for (size_t i = 0; i < count; i++)
        at[i] = data != NULL ? ((const uint8_t *)data)[i] : (uint8_t)('a' + i % 26);
}

void packet_tcp(struct packet *packet, const struct tcp *tcp)
{
    const size_t header_bytes = 20 + (tcp->options_bytes + 3) / 4 * 4;
    demand(header_bytes <= 60, "too many TCP options");
    uint8_t *at = add_layer(packet, PACKET_TCP, header_bytes, SLOT_NONE, 0,
                            (struct layer_names){ .protocol = 6 });
    put16(at, tcp->from);
    put16(at + 2, tcp->to);
    put32(at + 4, tcp->seq);
    put32(at + 8, tcp->ack);
    put16(at + 12, header_bytes / 4 << 12 | tcp->flags);
    put16(at + 14, tcp->window);
    put16(at + 18, tcp->urgent);
    if (tcp->options_bytes > 0)
        memcpy(at + 20, tcp->options, tcp->options_bytes);
    packet_bytes(packet, NULL, tcp->payload_bytes);
}

static void add_icmp(struct packet *packet, enum packet_layer_kind kind, uint8_t protocol,
                     uint8_t type, uint8_t code)
{
    uint8_t *at =
        add_layer(packet, kind, 8, SLOT_NONE, 0, (struct layer_names){ .protocol = protocol });
    at[0] = type;
    at[1] = code;
}

void packet_icmp(struct packet *packet, uint8_t type, uint8_t code)
{
    add_icmp(packet, PACKET_ICMP, 1, type, code);
}

void packet_icmpv6(struct packet *packet, uint8_t type, uint8_t code)
{
    add_icmp(packet, PACKET_ICMPV6, 58, type, code);
}

void packet_next(struct packet *packet, uint16_t type)
{
    announce(packet, (struct layer_names){ type, type, (uint8_t)type });
}

/* ------------------------------------------------------------------------------------ finish -- */

static uint32_t add_words(uint32_t sum, const uint8_t *at, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
    return sum;
}

static uint16_t complement(uint32_t sum)
{
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint16_t transport_checksum(const struct packet *packet, const struct packet_layer *layer,
                                   uint8_t protocol)
{
    const size_t count = packet->count - layer->at;
    uint32_t sum = add_words(0, packet->bytes + layer->at, count);
    if (layer->ip >= 0 && protocol != 1) {
        const struct packet_layer *ip = &packet->layers[layer->ip];
        const size_t addr_bytes = ip->kind == PACKET_IPV4 ? 4 : 16;
        sum = add_words(sum, ip->from, addr_bytes);
        sum = add_words(sum, ip->to, addr_bytes);
        sum += protocol + (uint32_t)count;
    }
    return complement(sum);
}

static void finish_layer(struct packet *packet, const struct packet_layer *layer)
{
    uint8_t *at = packet->bytes + layer->at;
    const size_t count = packet->count - layer->at;
    switch (layer->kind) {
    case PACKET_OTHER:
        break;
    case PACKET_LLC:
        put16(at - 2, count);
        break;
    case PACKET_PPPOE:
        put16(at + 4, count - 6);
        break;
    case PACKET_IPV4:
        put16(at + 2, count);
        put16(at + 10, complement(add_words(0, at, (at[0] & 15u) * 4)));
        break;
    case PACKET_IPV6:
        put16(at + 4, count - 40);
        break;
    case PACKET_UDP:
        put16(at + 4, count);
        put16(at + 6, transport_checksum(packet, layer, 17));
        break;
    case PACKET_TCP:
        put16(at + 16, transport_checksum(packet, layer, 6));
        break;
    case PACKET_ICMP:
        put16(at + 2, transport_checksum(packet, layer, 1));
        break;
    case PACKET_ICMPV6:
        put16(at + 2, transport_checksum(packet, layer, 58));
        break;
    }
}

/* Innermost first: outer checksums cover inner ones. */
void packet_finish(struct packet *packet)
{
    for (int i = packet->layer_count - 1; i > 0; i--)
        finish_layer(packet, &packet->layers[i]);
}

struct fw_packet packet_view(const struct packet *packet)
{
    return (struct fw_packet){
        .time = FW_SECOND,
        .frame = 1,
        .data = packet->bytes,
        .captured_bytes = (uint32_t)packet->count,
        .sent_bytes = (uint32_t)packet->count,
        .link_type = packet->link_type,
    };
}
