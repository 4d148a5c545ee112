/*
 * -w: what a source lends is written to a file as it passes. pcapng, whatever the name: it holds
 * several interfaces and link types, nanoseconds, and what was dropped.
 *
 * Whole blocks are written, so that after a write that fails the file can be cut where one ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcapng_write.h"
#include "source_fault.h"

enum { BUFFER_BYTES = 256 * 1024 }; /* then they are written */

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
    struct pcapng_blocks blocks;
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
    keeper->blocks.used = 0;
    source_fault_set(fault_list_add(&keeper->faults), SOURCE_FAULT_PARTIAL, "",
                     "%.160s: cannot be written (%s); the %" PRIu64 " packets before it%s",
                     keeper->path, why, keeper->written_packets, whole);
}

/* `bytes` have been written: counts the blocks that are whole in them. */
static void count_whole(struct keeper *keeper, size_t bytes)
{
    const uint8_t *at = keeper->blocks.bytes, *const end = at + bytes;

    while (end - at >= 8 && pcapng_bytes(at) <= (size_t)(end - at)) {
        keeper->written_packets += pcapng_type(at) == PCAPNG_PACKET;
        keeper->written_bytes += pcapng_bytes(at);
        at += pcapng_bytes(at);
    }
}

static void flush(struct keeper *keeper)
{
    size_t at = 0;

    while (at < keeper->blocks.used && !keeper->ended) {
        const ssize_t bytes =
            write(keeper->fd, keeper->blocks.bytes + at, keeper->blocks.used - at);

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
    count_whole(keeper, keeper->blocks.used);
    keeper->blocks.used = 0;
}

/* ------------------------------------------------------------------------------------- blocks --
 */

/* A block was added, or there was no memory. */
static void added(struct keeper *keeper, bool is_there)
{
    if (!is_there)
        fail(keeper, "out of memory");
    else if (keeper->blocks.used >= BUFFER_BYTES)
        flush(keeper);
}

static void put_interface(struct keeper *keeper, const struct kept_interface *interface)
{
    struct source_device device = { .name = NULL };

    source_device(keeper->from, interface->file, &device);
    added(keeper,
          pcapng_interface(&keeper->blocks, interface->link_type, device.snaplen, device.name));
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

static void put_packet(struct keeper *keeper, const struct fw_packet *packet)
{
    const uint32_t interface = find_interface(keeper, packet);

    if (keeper->ended)
        return;
    added(keeper, pcapng_packet(&keeper->blocks, interface, packet));
    keeper->last_time = packet->time;
}

/* What was dropped is part of what was seen. */
static void put_statistics(struct keeper *keeper)
{
    struct source_stats stats;
    struct source_device device;

    source_stats(keeper->from, &stats); /* brings the counts of the interfaces up to date */
    for (size_t i = 0; i < keeper->interface_count && !keeper->ended; i++) {
        if (!source_device(keeper->from, keeper->interfaces[i].file, &device))
            continue;
        const struct pcapng_counts counts = { device.packets, device.dropped_interface,
                                              device.dropped_kernel };
        added(keeper, pcapng_statistics(&keeper->blocks, (uint32_t)i, keeper->last_time, &counts));
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

    if (keeper->fd >= 0)
        finish(keeper);
    if (keeper->fd >= 0)
        close(keeper->fd);
    source_destroy(keeper->from);
    fault_list_finish(&keeper->faults);
    free(keeper->interfaces);
    pcapng_finish(&keeper->blocks);
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

    if (!keeper || !pcapng_section(&keeper->blocks)) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
        source_destroy(source);
        free(keeper);
        return NULL;
    }
    keeper->source.ops = &keeper_ops;
    keeper->from = source;
    keeper->path = path;
    keeper->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (keeper->fd < 0) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "-w %.160s: %s", path,
                         strerror(errno));
        keeper_destroy(&keeper->source);
        return NULL;
    }
    keeper->regular = fstat(keeper->fd, &status) == 0 && S_ISREG(status.st_mode);
    return &keeper->source;
}
