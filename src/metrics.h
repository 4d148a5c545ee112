/*
 * Counts for monitoring, kept with each step and end: what is told of them never has to look at all
 * connections. Level 4; metrics_file.h writes them.
 */
#ifndef METRICS_H
#define METRICS_H

#include "finwait/finwait.h"

enum { METRICS_BUCKETS = 12 };

/* Upper bounds of the histogram of handshakes, nanoseconds; the last has none. */
extern const int64_t metrics_bounds_ns[METRICS_BUCKETS - 1];

/* By enum fw_side where there is a [2]. All zero at the start. */
struct metrics {
    uint64_t in_state[2][FW_STATE_COUNT]; /* now, without those that have made no transition */
    uint64_t moved[2];                    /* now: ends that have made one */
    uint64_t entered[2][FW_STATE_COUNT];  /* transitions */
    uint64_t handshakes[FW_OPEN_COUNT];   /* that are over; FW_OPEN_NO_ANSWER: without an answer */
    uint64_t handshake_buckets[METRICS_BUCKETS]; /* complete ones, each in one bucket */
    int64_t handshake_sum_ns;
    uint64_t ended[FW_END_COUNT];
};

void metrics_step(struct metrics *metrics, const struct fw_step *step);
void metrics_end(struct metrics *metrics, const struct fw_connection *connection);

/* Ends that are in a state now, of `connections` that are held: those that were never heard from
 * are FW_UNKNOWN. */
uint64_t metrics_in_state(const struct metrics *metrics, enum fw_side side, enum fw_state state,
                          uint64_t connections);

#endif
