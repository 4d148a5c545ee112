/*
 * Random segments, by a seed, from somebody who knows TCP and means no good: honest moves of a few
 * connections, mixed with what is nearly honest (numbers off by one, at the window's edge, half the
 * sequence space away), forged RSTs, SYNs and FINs, repeats, exact duplicates, ICMP errors, odd
 * flags, and clocks that jump.
 */
#ifndef ADVERSARY_H
#define ADVERSARY_H

#include "finwait/finwait.h"

enum { ADVERSARY_TUPLES = 8, ADVERSARY_MEMORY = 16 };

struct adversary_end {
    uint32_t iss, nxt;
    bool sent_syn, sent_fin, timestamps;
};

struct adversary {
    uint64_t random;
    fw_time now;
    uint64_t frame;
    uint16_t next_mark; /* IP id and checksum */
    unsigned tuples;    /* at most ADVERSARY_TUPLES */
    struct adversary_end ends[ADVERSARY_TUPLES][2];
    struct fw_segment sent[ADVERSARY_MEMORY];
    size_t sent_count;
};

void adversary_init(struct adversary *adversary, uint64_t seed, unsigned tuples);
void adversary_next(struct adversary *adversary, struct fw_segment *segment);

/* A random number below `bound`. */
uint32_t adversary_below(struct adversary *adversary, uint32_t bound);

#endif
