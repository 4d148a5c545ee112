/*
 * What a user sees. A view is a const struct of hooks: it is told of steps, connections and the
 * summary, and writes text through an `out`. Level 4: views know finwait.h, out.h, record.h, text.h
 * and json.h; never flow, tcp, tracker, a clock or the environment.
 *
 * The `end` hook of a view is told of every connection, also of those that the selection does not
 * match: the view matches it, since it may hold lines until then. The counts of the summary are
 * those of the connections that match.
 */
#ifndef VIEW_H
#define VIEW_H

#include "finwait/finwait.h"

struct out;        /* out.h: buffered output */
struct selection;  /* select.h: -Y and --state */
struct top_host;   /* top.h */
struct verify_run; /* verify.h */

enum time_style {
    TIME_RELATIVE,      /* default: seconds since the first packet */
    TIME_NONE,          /* -t */
    TIME_EPOCH,         /* -tt */
    TIME_DELTA,         /* -ttt: since the line before */
    TIME_DATE,          /* -tttt */
    TIME_RELATIVE_NANO, /* -ttttt: since the first packet, nanoseconds */
    TIME_CLOCK,         /* time of day, as tcpdump's default */
};

struct view_options {
    enum fw_names names;
    enum time_style time_style;
    bool color;
    bool utf8;
    bool live;                         /* lines are wanted at once; lag shown */
    unsigned width;                    /* columns of the terminal, 0: not a terminal, do not cut */
    fw_time first_time;                /* filled by the loop before the first hook */
    bool ended;                        /* filled by the loop: what the hooks tell now is what was */
    fw_time last_time;                 /* left when the input ended, at this time */
    const struct selection *selection; /* NULL: all */
    /* -N: name of an endpoint, or NULL: print numbers. Lent until the next call. */
    const char *(*resolve)(void *context, const struct fw_endpoint *endpoint);
    void *resolve_context;
    bool ladder;                   /* show --ladder */
    bool explain;                  /* show --explain */
    bool json;                     /* diagnose: findings as records */
    uint64_t only_findings;        /* diagnose --only: a bit for each kind; 0: all */
    uint64_t min_count;            /* diagnose --min-count; 0: not given */
    bool listeners;                /* table --listeners */
    uint64_t show_id;              /* show ID; 0: by show_selection */
    bool quiet;                    /* -q: the summary only */
    unsigned verbose;              /* -v: frame numbers in the transitions view */
    struct verify_run *verify_run; /* verify */
    struct top_host *top;          /* top */
    /* Filled by the loop, for fw_tracker_find(); NULL after it. */
    const struct fw_tracker *tracker;
    const struct losses *losses; /* live: what the tracker does not know of; see losses_mark() */
    const char *command_line;    /* what the hint at the end repeats, such as "-r lab.pcap" */
};

/* Link types that were skipped, with how many packets. */
struct skipped_link {
    uint16_t file, link_type;
    uint32_t interface;
    uint64_t packets;
};

/* How the connections ended, each counted once. */
enum outcome {
    OUTCOME_CLOSED,       /* both ends closed by FIN (TIME_WAIT counts) */
    OUTCOME_NEVER_OPENED, /* refused, no answer, unreachable, abandoned, bad SYN+ACK, no final ACK
                           */
    OUTCOME_RESET,
    OUTCOME_HALF_CLOSED, /* one side has finished, the other has not: a leak, or a half close */
    OUTCOME_OPEN,
    OUTCOME_COUNT
};
enum outcome outcome_of(const struct fw_connection *connection);
enum outcome outcome_of_ending(const struct fw_ending *ending);

struct summary {
    fw_time first_time, last_time; /* of all packets; first > last: none */
    uint64_t packets;              /* decoded */
    uint64_t verdicts[FW_VERDICT_COUNT];
    uint64_t undecoded[FW_UNDECODED_COUNT];
    uint64_t fragments; /* first fragments among the segments */
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t half_closed_id; /* the oldest half-closed connection, 0: none */
    int64_t half_closed_ns;  /* for how long */
    uint64_t dropped_kernel, dropped_interface, filtered;
    const struct skipped_link *skipped;
    size_t skipped_count;
    const struct fw_listener *listeners;
    size_t listener_count;
    struct fw_tracker_counts tracker;
    bool partial;          /* damaged or cut short, drops, evictions... */
    const char *why_ended; /* "end of input", "interrupted", "-c", "damaged"... */
};

struct view;

struct view_ops {
    const char *name;
    bool wants_interop;  /* zeek_*, conntrack_state, completeness */
    bool wants_segments; /* the `segment` hook is used */
    /* NULL without memory. options and out are lent for the life of the view. */
    struct view *(*create)(const struct view_options *options, struct out *out);
    struct fw_hooks hooks;                        /* context is the view */
    void (*tick)(struct view *view, fw_time now); /* live; may be NULL */
    bool (*is_done)(const struct view *view);     /* it needs no more packets; may be NULL: never */
    void (*finish)(struct view *view, const struct summary *summary); /* may be NULL */
    uint64_t (*found)(const struct view *view); /* findings, after finish; may be NULL */
    void (*destroy)(struct view *view);
};

extern const struct view_ops view_transitions, view_table, view_show, view_json, view_json_quiet,
    view_csv, view_tsv, view_zeek, view_quiet, view_diagnose, view_verify, view_evidence,
    view_compare, view_top;

#endif
