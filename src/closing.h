/*
 * What the user should know when a run has ended: nothing ends in silence. Each reason for exit
 * status 4 has its line on stderr. Level 5.
 */
#ifndef CLOSING_H
#define CLOSING_H

#include "pipeline.h"
#include "run.h"

struct closing {
    const struct run *run;
    const struct summary *summary;
    const struct link_tally *links;
    size_t link_count;
    bool any_fault;           /* some were told already */
    uint64_t told, one_sided; /* connections that the selection matched; seen in one direction */
};

/* Connections were forgotten before their end. */
static inline bool has_evicted(const struct fw_tracker_counts *counts)
{
    return counts->evicted_closed || counts->evicted_half_open || counts->evicted_idle;
}

void closing_tell(const struct closing *closing);

#endif
