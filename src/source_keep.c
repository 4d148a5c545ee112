/*
 * -w: what a source lends is written to a file as it passes. pcapng, whatever the name: it holds
 * several interfaces and link types, nanoseconds, and what was dropped.
 * https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
 *
 * The buffer holds whole blocks only, so that after a write that fails the file can be cut where a
 * block ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source_fault.h"

enum {
    BUFFER_BYTES = 256 * 1024,
    SECTION_BLOCK = 0x0a0d0d0a,
    INTERFACE_BLOCK = 1,
    STATISTICS_BLOCK = 5,
    PACKET_BLOCK = 6,
    OPTION_NAME = 2,      /* if_name */
    OPTION_TICKS = 9,     /* if_tsresol: 10^-9 s */
    OPTION_RECEIVED = 4,  /* isb_ifrecv */
    OPTION_MISSED = 5,    /* isb_ifdrop */
    OPTION_OS_MISSED = 7, /* isb_osdrop */
};

/* An interface of the file that is written. */
struct kept_interface {
    uint16_t file, link_type;
    uint32_t interface;
};

struct keeper {
    struct source source;
    struct source *from; /* owned */
    const char *path;    /* lent */
    int fd;
    bool regular;
    uint8_t *buffer;
    size_t used, room;
    size_t block;           /* where the block begins that is being built */
    uint64_t written_bytes; /* whole blocks in the file */
    uint64_t written_packets;
    struct kept_interface *interfaces;
    size_t interface_count;
    fw_time last_time;
    bool ended; /* nothing more is written */
    struct fault_list faults;
};

/* ------------------------------------------------------------------------------------- write -- */

static void fail(struct keeper *keeper, const char *why)
{
    const char *whole = keeper->regular ? " are whole in it" : " were written";

    keeper->ended = true;
    keeper->used = 0;
    source_fault_set(fault_list_add(&keeper->faults), SOURCE_FAULT_PARTIAL, "",
                     "%.160s: cannot be written (%s); the %" PRIu64 " packets before it%s",
                     keeper->path, why, keeper->written_packets, whole);
}

static uint32_t u32_at(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

/* `bytes` of the buffer have been written: counts the blocks that are whole in them. */
static void count_whole(struct keeper *keeper, size_t bytes)
{
    size_t at = 0;

    while (at + 8 <= bytes && at + u32_at(keeper->buffer + at + 4) <= bytes) {
        keeper->written_packets += u32_at(keeper->buffer + at) == PACKET_BLOCK;
        at += u32_at(keeper->buffer + at + 4);
    }
    keeper->written_bytes += at;
}

static void flush(struct keeper *keeper)
{
    size_t at = 0;

    while (at < keeper->used && !keeper->ended) {
        const ssize_t bytes = write(keeper->fd, keeper->buffer + at, keeper->used - at);

        if (bytes >= 0)
            at += (size_t)bytes;
        else if (errno != EINTR) {
            const char *why = strerror(errno);

            count_whole(keeper, at);
            if (keeper->regular && ftruncate(keeper->fd, (off_t)keeper->written_bytes) < 0)
                why = strerror(errno);
            fail(keeper, why);
            return;
        }
    }
    count_whole(keeper, keeper->used);
    keeper->used = 0;
}

/* ------------------------------------------------------------------------------------- blocks --
 */

static void put(struct keeper *keeper, const void *bytes, size_t count)
{
    memcpy(keeper->buffer + keeper->used, bytes, count);
    keeper->used += count;
}

static void put_u32(struct keeper *keeper, uint32_t value)
{
    put(keeper, &value, sizeof value);
}

/* In units of 32 bits. */
static void pad(struct keeper *keeper)
{
    while ((keeper->used - keeper->block) % 4)
        keeper->buffer[keeper->used++] = 0;
}

static void put_option(struct keeper *keeper, uint16_t code, const void *bytes, size_t count)
{
    const uint16_t head[2] = { code, (uint16_t)count };

    put(keeper, head, sizeof head);
    put(keeper, bytes, count);
    pad(keeper);
}

/* Room for a block with `bytes` in it; false: there is none. */
static bool begin_block(struct keeper *keeper, uint32_t type, size_t bytes)
{
    enum { FRAME_BYTES = 64 };

    if (keeper->room - keeper->used < bytes + FRAME_BYTES)
        flush(keeper);
    if (!keeper->ended && keeper->room < bytes + FRAME_BYTES) {
        uint8_t *grown = realloc(keeper->buffer, bytes + FRAME_BYTES);

        if (grown) {
            keeper->buffer = grown;
            keeper->room = bytes + FRAME_BYTES;
        } else {
            fail(keeper, "out of memory");
        }
    }
    if (keeper->ended)
        return false;
    keeper->block = keeper->used;
    put_u32(keeper, type);
    put_u32(keeper, 0);
    return true;
}

static void end_block(struct keeper *keeper)
{
    const uint32_t bytes = (uint32_t)(keeper->used - keeper->block + 4);

    put_u32(keeper, bytes);
    memcpy(keeper->buffer + keeper->block + 4, &bytes, sizeof bytes);
}

static void put_section(struct keeper *keeper)
{
    static const char program[] = "finwait";
    const uint16_t version[2] = { 1, 0 };
    const uint64_t unknown = UINT64_MAX;

    if (!begin_block(keeper, SECTION_BLOCK, 64))
        return;
    put_u32(keeper, 0x1a2b3c4d);
    put(keeper, version, sizeof version);
    put(keeper, &unknown, sizeof unknown);
    put_option(keeper, 4, program, sizeof program - 1); /* shb_userappl */
    put_option(keeper, 0, "", 0);
    end_block(keeper);
}

static void put_interface(struct keeper *keeper, const struct kept_interface *interface)
{
    const uint16_t link[2] = { interface->link_type, 0 };
    const uint8_t ticks = 9;
    struct source_device device = { 0 };

    if (!begin_block(keeper, INTERFACE_BLOCK, 128))
        return;
    const bool named = source_device(keeper->from, interface->file, &device);
    put(keeper, link, sizeof link);
    put_u32(keeper, device.snaplen);
    if (named)
        put_option(keeper, OPTION_NAME, device.name, strnlen(device.name, 64));
    put_option(keeper, OPTION_TICKS, &ticks, sizeof ticks);
    put_option(keeper, 0, "", 0);
    end_block(keeper);
}

/* The number of a packet's interface in the file. */
static uint32_t find_interface(struct keeper *keeper, const struct fw_packet *packet)
{
    const struct kept_interface wanted = { packet->file, packet->link_type, packet->interface };

    for (size_t i = 0; i < keeper->interface_count; i++) {
        const struct kept_interface *interface = &keeper->interfaces[i];
        if (interface->file == wanted.file && interface->link_type == wanted.link_type &&
            interface->interface == wanted.interface)
            return (uint32_t)i;
    }
    struct kept_interface *grown =
        realloc(keeper->interfaces, (keeper->interface_count + 1) * sizeof *grown);
    if (!grown) {
        fail(keeper, "out of memory");
        return 0;
    }
    keeper->interfaces = grown;
    grown[keeper->interface_count] = wanted;
    put_interface(keeper, &wanted);
    return (uint32_t)keeper->interface_count++;
}

static void put_time(struct keeper *keeper, fw_time time)
{
    put_u32(keeper, (uint32_t)((uint64_t)time >> 32));
    put_u32(keeper, (uint32_t)time);
}

static void put_packet(struct keeper *keeper, const struct fw_packet *packet)
{
    const uint32_t interface = find_interface(keeper, packet);

    if (keeper->ended || !begin_block(keeper, PACKET_BLOCK, packet->captured_bytes))
        return;
    put_u32(keeper, interface);
    put_time(keeper, packet->time);
    put_u32(keeper, packet->captured_bytes);
    put_u32(keeper, packet->sent_bytes);
    put(keeper, packet->data, packet->captured_bytes);
    pad(keeper);
    end_block(keeper);
    keeper->last_time = packet->time;
}

/* What was dropped is part of what was seen. */
static void put_statistics(struct keeper *keeper)
{
    struct source_stats stats;
    struct source_device device;

    source_stats(keeper->from, &stats); /* brings the counts of the interfaces up to date */
    for (size_t i = 0; i < keeper->interface_count; i++) {
        if (!source_device(keeper->from, keeper->interfaces[i].file, &device) ||
            !begin_block(keeper, STATISTICS_BLOCK, 128))
            continue;
        put_u32(keeper, (uint32_t)i);
        put_time(keeper, keeper->last_time);
        put_option(keeper, OPTION_RECEIVED, &device.packets, sizeof device.packets);
        put_option(keeper, OPTION_MISSED, &device.dropped_interface,
                   sizeof device.dropped_interface);
        put_option(keeper, OPTION_OS_MISSED, &device.dropped_kernel, sizeof device.dropped_kernel);
        put_option(keeper, 0, "", 0);
        end_block(keeper);
    }
}

/* ------------------------------------------------------------------------------------- source --
 */

static void finish(struct keeper *keeper)
{
    if (keeper->ended)
        return;
    put_statistics(keeper);
    flush(keeper);
    if (!keeper->ended && close(keeper->fd) < 0) /* some file systems say here what went wrong */
        fail(keeper, strerror(errno));
    keeper->fd = -1;
    keeper->ended = true;
}

/* A batch that could not be written is lent all the same; it is the last. */
static int keeper_next(struct source *source, struct fw_packet *packets, int max)
{
    struct keeper *keeper = (struct keeper *)source;

    if (keeper->ended)
        return SOURCE_END;
    const int count = source_next(keeper->from, packets, max);
    for (int i = 0; i < count && !keeper->ended; i++)
        put_packet(keeper, &packets[i]);
    if (count == SOURCE_AGAIN && !keeper->ended) /* idle: whoever reads along gets what there is */
        flush(keeper);
    if (count == SOURCE_END)
        finish(keeper);
    return count;
}

/* Once it has a fault of its own it asks the other no more: the order of faults stays. */
static bool keeper_fault(struct source *source, size_t index, struct source_fault *fault)
{
    const struct keeper *keeper = (const struct keeper *)source;
    struct source_fault passed;
    size_t before = 0;

    if (source_fault(keeper->from, index, fault))
        return true;
    while (source_fault(keeper->from, before, &passed))
        before++;
    return fault_list_find(&keeper->faults, index - before, fault);
}

static void keeper_stats(struct source *source, struct source_stats *stats)
{
    source_stats(((const struct keeper *)source)->from, stats);
}

static bool keeper_device(struct source *source, size_t index, struct source_device *device)
{
    return source_device(((const struct keeper *)source)->from, index, device);
}

static void keeper_destroy(struct source *source)
{
    struct keeper *keeper = (struct keeper *)source;

    if (keeper->from && keeper->buffer && keeper->fd >= 0)
        finish(keeper);
    if (keeper->fd >= 0)
        close(keeper->fd);
    source_destroy(keeper->from);
    fault_list_finish(&keeper->faults);
    free(keeper->interfaces);
    free(keeper->buffer);
    free(keeper);
}

static bool keeper_begin(struct source *source, struct source_fault *fault)
{
    return source_begin(((struct keeper *)source)->from, fault);
}

static const struct source_ops keeper_ops = {
    .next = keeper_next,
    .fault = keeper_fault,
    .stats = keeper_stats,
    .device = keeper_device,
    .begin = keeper_begin,
    .destroy = keeper_destroy,
};

struct source *source_keep(struct source *source, const char *path, struct source_fault *fault)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    struct stat status;

    if (!keeper || !(keeper->buffer = malloc(BUFFER_BYTES))) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
        source_destroy(source);
        free(keeper);
        return NULL;
    }
    keeper->source.ops = &keeper_ops;
    keeper->from = source;
    keeper->path = path;
    keeper->room = BUFFER_BYTES;
    keeper->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (keeper->fd < 0) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "-w %.160s: %s", path,
                         strerror(errno));
        keeper_destroy(&keeper->source);
        return NULL;
    }
    keeper->regular = fstat(keeper->fd, &status) == 0 && S_ISREG(status.st_mode);
    put_section(keeper);
    return &keeper->source;
}
