/*
 * Builds pcapng blocks in memory (draft-ietf-opsawg-pcapng), times in nanoseconds: a section, a
 * description of each interface before its first packet, the packets, what was lost. Level 0.
 */
#ifndef PCAPNG_WRITE_H
#define PCAPNG_WRITE_H

#include "finwait/finwait.h"

/* Whole blocks, one after the other. Zeroed at first; whoever has written them sets `used` to 0. */
struct pcapng_blocks {
    uint8_t *bytes;
    size_t used, room;
    size_t block; /* where the one begins that is being built */
};

void pcapng_finish(struct pcapng_blocks *blocks);

/* Each adds a block; false: there is no memory, and nothing was added. Interfaces are numbered in
 * the order of their descriptions, from 0. */
bool pcapng_section(struct pcapng_blocks *blocks);
/* `name` may be NULL; snaplen 0: not limited. */
bool pcapng_interface(struct pcapng_blocks *blocks, uint16_t link_type, uint32_t snaplen,
                      const char *name);
bool pcapng_packet(struct pcapng_blocks *blocks, uint32_t interface,
                   const struct fw_packet *packet);

struct pcapng_counts {
    uint64_t received, dropped_interface, dropped_kernel;
};
bool pcapng_statistics(struct pcapng_blocks *blocks, uint32_t interface, fw_time time,
                       const struct pcapng_counts *counts);

/* The type and the length of the block that begins `at`, which we have built. */
enum { PCAPNG_PACKET = 6 };
uint32_t pcapng_type(const uint8_t *at);
uint32_t pcapng_bytes(const uint8_t *at);

#endif
