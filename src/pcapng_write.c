#include "pcapng_write.h"

#include <string.h>

/* Block types, and what an option of an interface is (draft-ietf-opsawg-pcapng, sections 4.1, 4.2
 * and 4.3). */
enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, PACKET = 6, IF_TSRESOL = 9 };

static const uint32_t byte_order_magic = 0x1a2b3c4d;

/* In our own byte order: readers are told by the magic. */
static void put(struct out *out, const void *value, size_t bytes)
{
    out_bytes(out, value, bytes);
}

static void put_u16(struct out *out, uint16_t value)
{
    put(out, &value, sizeof value);
}

static void put_u32(struct out *out, uint32_t value)
{
    put(out, &value, sizeof value);
}

void pcapng_write_begin(struct pcapng_writer *writer, struct out *out)
{
    const uint32_t bytes = 28;
    const uint64_t unknown = UINT64_MAX; /* length of the section */

    *writer = (struct pcapng_writer){ .out = out };
    put_u32(out, SECTION);
    put_u32(out, bytes);
    put_u32(out, byte_order_magic);
    put_u16(out, 1); /* version 1.0 */
    put_u16(out, 0);
    put(out, &unknown, sizeof unknown);
    put_u32(out, bytes);
}

static void write_interface(struct out *out, uint16_t link_type)
{
    static const uint8_t nanoseconds[4] = { 9 };
    const uint32_t bytes = 32;

    put_u32(out, INTERFACE);
    put_u32(out, bytes);
    put_u16(out, link_type);
    put_u16(out, 0);
    put_u32(out, 0); /* no limit is known */
    put_u16(out, IF_TSRESOL);
    put_u16(out, 1);
    put(out, nanoseconds, sizeof nanoseconds);
    put_u32(out, 0); /* end of options */
    put_u32(out, bytes);
}

/* The number of the description of a link type, which is written if need be; -1: no room. */
static int64_t interface_of(struct pcapng_writer *writer, uint16_t link_type)
{
    for (uint32_t i = 0; i < writer->link_type_count; i++)
        if (writer->link_types[i] == link_type)
            return i;
    if (writer->link_type_count == PCAPNG_LINK_TYPES)
        return -1;
    write_interface(writer->out, link_type);
    writer->link_types[writer->link_type_count] = link_type;
    return writer->link_type_count++;
}

bool pcapng_write_packet(struct pcapng_writer *writer, const struct fw_packet *packet)
{
    static const uint8_t zeros[4];
    const int64_t interface = interface_of(writer, packet->link_type);
    const uint32_t padding = (4 - packet->captured_bytes % 4) % 4;
    const uint32_t bytes = 32 + packet->captured_bytes + padding;
    struct out *out = writer->out;

    if (interface < 0)
        return false;
    put_u32(out, PACKET);
    put_u32(out, bytes);
    put_u32(out, (uint32_t)interface);
    put_u32(out, (uint32_t)((uint64_t)packet->time >> 32));
    put_u32(out, (uint32_t)(uint64_t)packet->time);
    put_u32(out, packet->captured_bytes);
    put_u32(out, packet->sent_bytes);
    put(out, packet->data, packet->captured_bytes);
    put(out, zeros, padding);
    put_u32(out, bytes);
    return true;
}
