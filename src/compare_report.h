/* What `finwait compare` shows: the rows of compare.h as a table, or as records. Level 4. */
#ifndef COMPARE_REPORT_H
#define COMPARE_REPORT_H

#include "compare.h"
#include "out.h"
#include "view.h"

struct compare_report {
    const char *interface;
    fw_time now;
    const struct compare_row *rows; /* in the order of compare_order() */
    size_t count;
    uint64_t over;      /* connections of this host that both sides have closed */
    uint64_t others;    /* connections of other hosts */
    uint64_t elsewhere; /* sockets whose packets pass another interface */
    uint64_t dropped;   /* packets lost to the capture */
    bool quiet;         /* no packet came while it was compared */
    unsigned looks;     /* at the kernel, until nothing moved any more, or enough was enough */
    struct kernel_limits limits;
};

void view_compare_text(struct out *out, const struct view_options *options,
                       const struct compare_report *report);
/* A `compare` record for each row, then a `comparison` record: docs/events.md. */
void view_compare_json(struct out *out, const struct view_options *options,
                       const struct compare_report *report);

#endif
