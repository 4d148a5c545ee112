/*
 * Capture formats: plain bytes in, packets out. A reader walks over a window of the capture's bytes
 * and lends packets in place; it does no I/O. Who owns the window (source_file.c) gets more bytes
 * when a reader has used what is there.
 *
 * pcap:   https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
 * pcapng: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
 */
#ifndef CAPTURE_FORMAT_H
#define CAPTURE_FORMAT_H

#include <string.h>

#include "finwait/finwait.h"

/* No packet is bigger. A length beyond it is damage, not a reason to allocate. */
#define CAPTURE_PACKET_LIMIT (256u * 1024 * 1024)

/* What is in memory of a capture. A reader moves `at` over what it has used. */
struct capture_window {
    const uint8_t *at, *end;
    size_t wanted_bytes; /* after CAPTURE_MORE: from `at`, before the reader can go on */
};

enum capture_result {
    CAPTURE_MORE = 0,     /* the window holds no whole packet */
    CAPTURE_DAMAGED = -1, /* reader->damage says what is wrong; nothing more can be read */
};

/* Each implementation begins with this. */
struct capture_reader {
    const struct capture_format *format;
    uint64_t packets;   /* lent so far: the number of the packet before the next */
    uint64_t odd_times; /* packets whose timestamp was out of range */
    char damage[160];   /* words after "FILE: " */
};

struct capture_format {
    const char *name;

    /* Does a file that starts with these (at least 4) bytes have this format? */
    bool (*recognise)(const uint8_t *first);

    /* NULL: out of memory. */
    struct capture_reader *(*create)(void);
    void (*destroy)(struct capture_reader *reader);

    /* Reads the file header: 1 when done, or an enum capture_result. */
    int (*begin)(struct capture_reader *reader, struct capture_window *window);

    /* Lends up to `max` packets that lie whole in the window, without `frame` and `file`. Returns
     * how many, or an enum capture_result when there is none. */
    int (*next)(struct capture_reader *reader, struct capture_window *window,
                struct fw_packet *packets, int max);

    /* The input ended with `there` bytes unused. Says in which packet or block, words after "cut
     * short in "; false if it may end here. */
    bool (*cut_short)(const struct capture_reader *reader, const struct capture_window *window,
                      char *text, size_t text_bytes);
};

extern const struct capture_format pcap_format;
extern const struct capture_format pcapng_format;

/* Integers of a file, whose byte order is known only when it is read. */
static inline uint16_t capture_u16(const uint8_t *at, bool swapped)
{
    uint16_t value;

    memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap16(value) : value;
}

static inline uint32_t capture_u32(const uint8_t *at, bool swapped)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap32(value) : value;
}

static inline uint64_t capture_u64(const uint8_t *at, bool swapped)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap64(value) : value;
}

/* LINKTYPE_ value that a file's link type field, or a DLT_ value of a live interface, stands for:
 * some programs wrote the DLT_ values of their own system into files, as libpcap's pcap-common.c
 * tells. The upper 16 bits hold the length of the frame check sequence. */
uint16_t capture_link_type(uint32_t value);

#endif
