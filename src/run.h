/*
 * The one pull loop: packets from a source, decoded in batches (pipeline.h), fed to a tracker, told
 * to a view. Counts what the summary says, reports faults as they occur. Level 5.
 */
#ifndef RUN_H
#define RUN_H

#include "finwait/finwait.h"
#include "out.h"
#include "source.h"
#include "view.h"

struct metrics_file;
struct progress;

struct run {
    struct source *source;
    const char *const *inputs; /* names for messages, by packet.file */
    size_t input_count;
    bool live;             /* more is to come: timers follow the clock while there is nothing */
    bool flush_each_batch; /* somebody waits for the lines */
    bool connections_only; /* tell the view no transitions (table, whatever the format) */
    bool verify_checksums;
    unsigned threads;     /* 2: reading and decoding have one of their own; see pipeline.h */
    size_t batch_packets; /* for tests; 0: as pipeline.h has it */
    uint64_t max_packets; /* -c, to say why the run ended; the source counts */
    int64_t for_ns;       /* live: for so long; 0: until it is interrupted */
    int64_t every_ns;     /* the view anew each time (table --every); 0: once, at the end */
    struct fw_tracker_options tracker;
    const struct view_ops *view;
    struct view_options *view_options;
    struct out *out;
    struct progress *progress;
    struct metrics_file *metrics; /* NULL: none are written */
    /* A line for the user. */
    void (*complain)(void *context, const char *text, const char *hint);
    void *complain_context;
    /* CLOCK_REALTIME; a hook so that tests have their own. Only asked when live, or for metrics. */
    fw_time (*now)(void *context);
    void *now_context;
};

struct run_result {
    bool unreadable;        /* exit status 3 */
    bool partial;           /* exit status 4 */
    uint64_t found;         /* findings of finwait diagnose */
    struct summary summary; /* listeners and skipped links are no longer valid */
};

/* Pulls until the input ends. Returns 0 or -ENOMEM. */
int run_loop(const struct run *run, struct run_result *result);

/* A line for the user, after what was written to `out` so far. */
void run_say(const struct run *run, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the loop soon, with the summary. Safe in a signal handler. */
void run_interrupt(void);

#endif
