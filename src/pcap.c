/* The pcap format: a file header of 24 bytes, then packets with a header of 16 bytes each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture_format.h"

#define MAGIC_MICROSECONDS 0xa1b2c3d4u
#define MAGIC_NANOSECONDS  0xa1b23c4du
#define MAGIC_MODIFIED     0xa1b2cd34u /* Kuznetsov's: 8 more bytes in each packet header */

enum {
    FILE_HEADER_BYTES = 24,
    PACKET_HEADER_BYTES = 16,
    MODIFIED_HEADER_BYTES = 24,

    USUAL_LIMIT = 262144, /* what writers cut packets to when they are told nothing */
};

/* Which of the two lengths comes first: it changed in version 2.3 (libpcap, sf-pcap.c). */
enum lengths { CAPTURED_FIRST, ORIGINAL_FIRST, SMALLER_IS_CAPTURED };

struct pcap_reader {
    struct capture_reader reader;
    bool swapped;
    enum lengths lengths;
    uint32_t header_bytes; /* of each packet */
    uint32_t limit;        /* of captured bytes of a packet */
    uint32_t tick_ns;
    uint32_t second_ticks;
    uint16_t link_type;
};

static bool known_magic(uint32_t magic)
{
    return magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS || magic == MAGIC_MODIFIED;
}

static bool pcap_recognise(const uint8_t *first)
{
    return known_magic(capture_u32(first, false)) || known_magic(capture_u32(first, true));
}

static struct capture_reader *pcap_create(void)
{
    struct pcap_reader *pcap = calloc(1, sizeof *pcap);

    if (!pcap)
        return NULL;
    pcap->reader.format = &pcap_format;
    return &pcap->reader;
}

static void pcap_destroy(struct capture_reader *reader)
{
    free(reader);
}

uint16_t capture_link_type(uint32_t value)
{
    switch (value & 0xffff) {
    case 11: /* DLT_ATM_RFC1483 */
        return 100;
    case 12: /* DLT_RAW */
    case 14: /* DLT_RAW of OpenBSD */
        return 101;
    case 15: /* DLT_SLIP_BSDOS */
        return 102;
    case 16: /* DLT_PPP_BSDOS */
        return 103;
    case 18: /* DLT_PFSYNC */
        return 246;
    case 19: /* DLT_ATM_CLIP */
        return 106;
    default:
        return (uint16_t)value;
    }
}

static bool read_version(struct pcap_reader *pcap, uint16_t major, uint16_t minor)
{
    pcap->lengths = CAPTURED_FIRST;
    if (major == 2 && minor == 3)
        pcap->lengths = SMALLER_IS_CAPTURED;
    else if ((major == 2 && minor < 3) || major == 543) /* 543.0: DG/UX tcpdump */
        pcap->lengths = ORIGINAL_FIRST;
    else if (major != 2)
        return false;
    return true;
}

static int pcap_begin(struct capture_reader *reader, struct capture_window *window)
{
    struct pcap_reader *pcap = (struct pcap_reader *)reader;
    const uint8_t *header = window->at;

    window->wanted_bytes = FILE_HEADER_BYTES;
    if (window->end - window->at < FILE_HEADER_BYTES)
        return CAPTURE_MORE;
    window->at += FILE_HEADER_BYTES;

    pcap->swapped = !known_magic(capture_u32(header, false));
    const uint32_t magic = capture_u32(header, pcap->swapped);
    const uint16_t major = capture_u16(header + 4, pcap->swapped);
    const uint16_t minor = capture_u16(header + 6, pcap->swapped);
    const uint32_t snaplen = capture_u32(header + 16, pcap->swapped);

    if (!read_version(pcap, major, minor)) {
        snprintf(reader->damage, sizeof reader->damage, "version %u.%u of pcap is not known", major,
                 minor);
        return CAPTURE_DAMAGED;
    }
    pcap->header_bytes = magic == MAGIC_MODIFIED ? MODIFIED_HEADER_BYTES : PACKET_HEADER_BYTES;
    pcap->tick_ns = magic == MAGIC_NANOSECONDS ? 1 : 1000;
    pcap->second_ticks = (uint32_t)FW_SECOND / pcap->tick_ns;
    pcap->link_type = capture_link_type(capture_u32(header + 20, pcap->swapped));

    /* A snaplen is a promise only if it is one: 0 and 2^32-1 are written for "no limit". */
    pcap->limit = USUAL_LIMIT;
    if (snaplen == 0 || snaplen > CAPTURE_PACKET_LIMIT)
        pcap->limit = CAPTURE_PACKET_LIMIT;
    else if (snaplen > pcap->limit)
        pcap->limit = snaplen;
    return 1;
}

/* captured and original length, in this order */
static inline void read_lengths(const struct pcap_reader *pcap, const uint8_t *header, bool swapped,
                                uint32_t *captured, uint32_t *sent)
{
    const uint32_t first = capture_u32(header + 8, swapped);
    const uint32_t second = capture_u32(header + 12, swapped);
    bool exchange = false;

    switch (pcap->lengths) {
    case CAPTURED_FIRST:
        break;
    case ORIGINAL_FIRST:
        exchange = true;
        break;
    case SMALLER_IS_CAPTURED:
        exchange = first > second;
        break;
    }
    *captured = exchange ? second : first;
    *sent = exchange ? first : second;
}

static int damaged_length(struct pcap_reader *pcap, uint32_t captured)
{
    snprintf(pcap->reader.damage, sizeof pcap->reader.damage,
             "damaged at packet %" PRIu64 " (it claims %" PRIu32 " captured bytes)",
             pcap->reader.packets + 1, captured);
    return CAPTURE_DAMAGED;
}

/* `swapped` is a constant in each caller: the compiler makes a loop of its own for each order. */
static inline int walk(struct pcap_reader *pcap, struct capture_window *window,
                       struct fw_packet *packets, int max, bool swapped)
{
    const size_t header_bytes = pcap->header_bytes;
    const uint8_t *at = window->at;
    int count = 0;

    window->wanted_bytes = header_bytes;
    while (count < max) {
        const size_t there = (size_t)(window->end - at);
        if (there < header_bytes)
            break;

        uint32_t captured, sent;
        read_lengths(pcap, at, swapped, &captured, &sent);
        if (captured > pcap->limit) {
            if (count > 0)
                break;
            return damaged_length(pcap, captured);
        }
        if (there - header_bytes < captured) {
            window->wanted_bytes = header_bytes + captured;
            break;
        }

        const uint32_t seconds = capture_u32(at, swapped);
        const uint32_t ticks = capture_u32(at + 4, swapped);
        if (ticks >= pcap->second_ticks)
            pcap->reader.odd_times++; /* taken at its word: it runs on into later seconds */

        struct fw_packet *packet = &packets[count++];
        packet->time = (fw_time)seconds * FW_SECOND + (fw_time)ticks * pcap->tick_ns;
        packet->data = at + header_bytes;
        packet->captured_bytes = captured;
        packet->sent_bytes = sent;
        packet->link_type = pcap->link_type;
        packet->interface = 0;
        at += header_bytes + captured;
    }
    window->at = at;
    pcap->reader.packets += (uint64_t)count;
    return count;
}

static int pcap_next(struct capture_reader *reader, struct capture_window *window,
                     struct fw_packet *packets, int max)
{
    struct pcap_reader *pcap = (struct pcap_reader *)reader;

    if (pcap->swapped)
        return walk(pcap, window, packets, max, true);
    return walk(pcap, window, packets, max, false);
}

static bool pcap_cut_short(const struct capture_reader *reader, const struct capture_window *window,
                           char *text, size_t text_bytes)
{
    const struct pcap_reader *pcap = (const struct pcap_reader *)reader;
    const size_t there = (size_t)(window->end - window->at);

    if (there == 0)
        return false;
    if (there < pcap->header_bytes)
        snprintf(text, text_bytes,
                 "the header of packet %" PRIu64 " (%" PRIu32 " bytes promised, %zu there)",
                 reader->packets + 1, pcap->header_bytes, there);
    else
        snprintf(text, text_bytes, "packet %" PRIu64 " (%zu bytes promised, %zu there)",
                 reader->packets + 1, window->wanted_bytes - pcap->header_bytes,
                 there - pcap->header_bytes);
    return true;
}

const struct capture_format pcap_format = {
    .name = "pcap",
    .recognise = pcap_recognise,
    .create = pcap_create,
    .destroy = pcap_destroy,
    .begin = pcap_begin,
    .next = pcap_next,
    .cut_short = pcap_cut_short,
};
