#include "pcapng_write.h"

#include <stdlib.h>
#include <string.h>

/* Block types and options (draft-ietf-opsawg-pcapng, sections 3.5 and 4). */
enum {
    SECTION = 0x0a0d0d0a,
    INTERFACE = 1,
    STATISTICS = 5,
    OPTION_END = 0,
    OPTION_PROGRAM = 4,   /* shb_userappl */
    OPTION_NAME = 2,      /* if_name */
    OPTION_TICKS = 9,     /* if_tsresol: 10^-9 s */
    OPTION_RECEIVED = 4,  /* isb_ifrecv */
    OPTION_MISSED = 5,    /* isb_ifdrop */
    OPTION_OS_MISSED = 7, /* isb_osdrop */
    NAME_MOST = 64,
    FRAME_BYTES = 128 + NAME_MOST, /* more than there is around the bytes of a packet */
};

void pcapng_finish(struct pcapng_blocks *blocks)
{
    free(blocks->bytes);
    *blocks = (struct pcapng_blocks){ .bytes = NULL };
}

/* In our own byte order: readers are told by the magic. */
static void put(struct pcapng_blocks *blocks, const void *bytes, size_t count)
{
    if (count > 0)
        memcpy(blocks->bytes + blocks->used, bytes, count);
    blocks->used += count;
}

static void put_u32(struct pcapng_blocks *blocks, uint32_t value)
{
    put(blocks, &value, sizeof value);
}

/* In units of 32 bits. */
static void pad(struct pcapng_blocks *blocks)
{
    while ((blocks->used - blocks->block) % 4)
        blocks->bytes[blocks->used++] = 0;
}

static void put_option(struct pcapng_blocks *blocks, uint16_t code, const void *bytes, size_t count)
{
    const uint16_t head[2] = { code, (uint16_t)count };

    put(blocks, head, sizeof head);
    put(blocks, bytes, count);
    pad(blocks);
}

static void put_time(struct pcapng_blocks *blocks, fw_time time)
{
    put_u32(blocks, (uint32_t)((uint64_t)time >> 32));
    put_u32(blocks, (uint32_t)time);
}

/* `data_bytes`: of a packet, in it. */
static bool begin(struct pcapng_blocks *blocks, uint32_t type, size_t data_bytes)
{
    const size_t needed = blocks->used + data_bytes + FRAME_BYTES;

    if (needed > blocks->room) {
        const size_t room = needed > 2 * blocks->room ? needed : 2 * blocks->room;
        uint8_t *grown = realloc(blocks->bytes, room);

        if (!grown)
            return false;
        blocks->bytes = grown;
        blocks->room = room;
    }
    blocks->block = blocks->used;
    put_u32(blocks, type);
    put_u32(blocks, 0);
    return true;
}

static bool end(struct pcapng_blocks *blocks)
{
    const uint32_t bytes = (uint32_t)(blocks->used - blocks->block + 4);

    put_u32(blocks, bytes);
    memcpy(blocks->bytes + blocks->block + 4, &bytes, sizeof bytes);
    return true;
}

bool pcapng_section(struct pcapng_blocks *blocks)
{
    static const char program[] = "finwait";
    static const uint32_t byte_order_magic = 0x1a2b3c4d;
    const uint16_t version[2] = { 1, 0 };
    const uint64_t unknown = UINT64_MAX; /* length of the section */

    if (!begin(blocks, SECTION, 0))
        return false;
    put_u32(blocks, byte_order_magic);
    put(blocks, version, sizeof version);
    put(blocks, &unknown, sizeof unknown);
    put_option(blocks, OPTION_PROGRAM, program, sizeof program - 1);
    put_option(blocks, OPTION_END, NULL, 0);
    return end(blocks);
}

bool pcapng_interface(struct pcapng_blocks *blocks, uint16_t link_type, uint32_t snaplen,
                      const char *name)
{
    const uint16_t link[2] = { link_type, 0 };
    const uint8_t ticks = 9;

    if (!begin(blocks, INTERFACE, 0))
        return false;
    put(blocks, link, sizeof link);
    put_u32(blocks, snaplen);
    if (name)
        put_option(blocks, OPTION_NAME, name, strnlen(name, NAME_MOST));
    put_option(blocks, OPTION_TICKS, &ticks, sizeof ticks);
    put_option(blocks, OPTION_END, NULL, 0);
    return end(blocks);
}

bool pcapng_packet(struct pcapng_blocks *blocks, uint32_t interface, const struct fw_packet *packet)
{
    if (!begin(blocks, PCAPNG_PACKET, packet->captured_bytes))
        return false;
    put_u32(blocks, interface);
    put_time(blocks, packet->time);
    put_u32(blocks, packet->captured_bytes);
    put_u32(blocks, packet->sent_bytes);
    put(blocks, packet->data, packet->captured_bytes);
    pad(blocks);
    return end(blocks);
}

bool pcapng_statistics(struct pcapng_blocks *blocks, uint32_t interface, fw_time time,
                       const struct pcapng_counts *counts)
{
    if (!begin(blocks, STATISTICS, 0))
        return false;
    put_u32(blocks, interface);
    put_time(blocks, time);
    put_option(blocks, OPTION_RECEIVED, &counts->received, sizeof counts->received);
    put_option(blocks, OPTION_MISSED, &counts->dropped_interface, sizeof counts->dropped_interface);
    put_option(blocks, OPTION_OS_MISSED, &counts->dropped_kernel, sizeof counts->dropped_kernel);
    put_option(blocks, OPTION_END, NULL, 0);
    return end(blocks);
}

static uint32_t u32_at(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

uint32_t pcapng_type(const uint8_t *at)
{
    return u32_at(at);
}

uint32_t pcapng_bytes(const uint8_t *at)
{
    return u32_at(at + 4);
}
