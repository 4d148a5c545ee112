/*
 * A source's packets become segments here, a batch at a time: either in the thread that asks for
 * them, or in one of their own, which works some batches ahead. Level 5.
 *
 *     source -> [ read, unpack, decode ] -> ring of batches -> [ track, write ]
 *
 * A batch is filled by the same function in either case and carries all that its packets came to:
 * segments, counts, and what was found to be wrong with the input, each fault with its place among
 * the segments. Whoever takes the batches in order therefore says the same, whatever the number of
 * threads and the size of a batch. Neither thread ever spins: one that has nothing to do sleeps.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "finwait/finwait.h"
#include "source.h"

enum { PIPELINE_BATCH = 512 }; /* packets */

struct pipeline_options {
    struct source *source; /* lent */
    size_t batch_packets;  /* at most, in a batch; 0: PIPELINE_BATCH */
    unsigned threads;      /* 2: one reads and decodes; below: the caller does */
    bool verify_checksums;
    bool live;                  /* a batch is what there is at the moment */
    struct fw_tracker *tracker; /* that segments are prepared for, lent; NULL: none */
};

/* A fault of the source, found before the segment with this index in the batch. */
struct batch_fault {
    size_t before;
    struct source_fault fault;
};

/* Packets of one interface of one file (one link type each). */
struct link_tally {
    uint16_t file, link_type;
    uint32_t interface;
    uint64_t packets;
};

enum batch_end {
    BATCH_MORE,      /* another batch follows */
    BATCH_IDLE,      /* live: nothing at the moment */
    BATCH_LAST,      /* the input has ended */
    BATCH_NO_MEMORY, /* it cannot go on */
};

struct batch {
    struct fw_segment *segments;
    struct fw_lookup *lookups; /* of each segment: fw_tracker_feed_prepared() */
    size_t segment_count;
    struct batch_fault *faults;
    size_t fault_count;
    struct link_tally *links;
    size_t link_count;

    uint64_t packets;        /* if there are none, there are no times */
    uint64_t captured_bytes; /* of all packets */
    fw_time first_time, earliest_time, latest_time;
    uint64_t verdicts[FW_VERDICT_COUNT];
    uint64_t undecoded[FW_UNDECODED_COUNT];
    uint64_t fragments;        /* first fragments among the segments */
    struct source_stats stats; /* after it */
    enum batch_end end;
};

struct pipeline;

/* NULL: out of memory. Without a second thread, if the system has none to give. Until it is
 * destroyed nobody else may ask the source, unless pipeline_threads() is 1. */
struct pipeline *pipeline_create(const struct pipeline_options *options);

/* Ends the second thread, if need be before the input ends. */
void pipeline_destroy(struct pipeline *pipeline);

unsigned pipeline_threads(const struct pipeline *pipeline);

/* Lends the next batch until the next call, which is not made after BATCH_LAST or BATCH_NO_MEMORY.
 * Packets that were decoded before an end come with it. */
struct batch *pipeline_next(struct pipeline *pipeline);

#endif
