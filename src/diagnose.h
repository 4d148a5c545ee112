/*
 * Findings: what went wrong, by cause, with the frames that show it.
 *
 *   diagnose_trace.c    what is remembered of a connection that may become a finding
 *   diagnose_judge.c    a connection at its end, and its trace -> findings
 *   diagnose_attempts.c attempts that failed: a scan, a SYN flood, or each by itself
 *   diagnose_kinds.c    the kinds of findings and what is said of them: text as data
 *   view_diagnose.c     writes them
 *
 * Memory is bounded whatever the input: traces go with their connections, groups and attempts have
 * a most, and what does not fit is counted. Level 4.
 */
#ifndef DIAGNOSE_H
#define DIAGNOSE_H

#include "finwait/finwait.h"

/* Worst first: findings are printed in this order. Names are stable (finding_kinds[].name). */
enum finding_kind {
    FINDING_SYN_FLOOD,
    FINDING_ACCEPT_QUEUE,
    FINDING_NOT_CLOSING,
    FINDING_NO_ANSWER,
    FINDING_UNREACHABLE,
    FINDING_REFUSED,
    FINDING_BAD_SYNACK,
    FINDING_NO_FINAL_ACK,
    FINDING_DEAD_PEER,
    FINDING_RESET_IN_HANDSHAKE,
    FINDING_RESET,
    FINDING_DATA_AFTER_CLOSE,
    FINDING_RESET_AFTER_FIN,
    FINDING_ZERO_WINDOW,
    FINDING_FORGED_RST,
    FINDING_IGNORED_RST,
    FINDING_TIME_WAIT,
    FINDING_SCAN,
    FINDING_PORT_REUSE,
    FINDING_FINAL_ACK_LOST,
    FINDING_SIMULTANEOUS_OPEN,
    FINDING_SIMULTANEOUS_CLOSE,
    FINDING_ONE_SIDED,
    FINDING_CAPTURE_LOSS,
    FINDING_BAD_CHECKSUMS,
    FINDING_KIND_COUNT
};

/* ------------------------------------------------------------------------------------- marks -- */

/* What a frame shows. {peer} and {side} of the words are about who sent it. */
enum mark_what {
    MARK_SYN,
    MARK_SYN_AGAIN,
    MARK_SYNACK,
    MARK_BAD_SYNACK,
    MARK_ACK_OF_SYN,
    MARK_SYNACK_AGAIN,
    MARK_SYN_INSIDE,
    MARK_ANSWER_INSIDE,
    MARK_FIN,
    MARK_ACK_OF_FIN,
    MARK_DATA_AFTER_FIN,
    MARK_UNANSWERED,
    MARK_KEEP_ALIVE,
    MARK_ZERO_WINDOW,
    MARK_PROBE,
    MARK_WINDOW_OPENS,
    MARK_RST,
    MARK_RST_IGNORED,
    MARK_RST_FORGED,
    MARK_GAP,
    MARK_BAD_CHECKSUM,
    MARK_ICMP,
    MARK_COUNT
};

struct mark {
    fw_time time, last_time;
    uint64_t frame, last_frame;
    uint32_t times;  /* how often, with the first */
    uint32_t number; /* relative sequence or ACK number, where `numbered` */
    uint16_t flags;
    uint8_t what; /* enum mark_what */
    uint8_t from; /* enum fw_side */
    uint8_t icmp; /* enum fw_icmp */
    bool numbered;
};

const char *mark_words(enum mark_what what);

/* ----------------------------------------------------------------------------------- finding -- */

enum { FINDING_MARKS = 5, FINDING_OTHERS = 6 };

/* One connection's, or those of a group: then the example is the worst or the first of them. */
struct finding {
    enum finding_kind kind;
    enum fw_side side; /* who is to be looked at; see finding_kinds[].of_side */
    uint64_t count;    /* connections */
    struct fw_identity identity;
    fw_time first_time, last_time;
    fw_time since;      /* oldest; how long is counted from it */
    const char *detail; /* words, static; NULL: none */
    uint64_t number;    /* of the kind: bytes, frames */
    uint64_t sources, targets;
    bool at_least;  /* sources and targets are no less than that */
    bool fresh;     /* an attempt that has hardly waited: a finding only in a crowd */
    bool elsewhere; /* of several servers: there were too many to tell apart */
    uint64_t others[FINDING_OTHERS]; /* other connections of the group */
    size_t other_count;
    struct mark marks[FINDING_MARKS];
    size_t mark_count;
};

/* Findings in the order of a comparison, at most `most`. */
struct finding_table {
    struct finding **list;
    size_t count, room, most;
    int (*compare)(const struct finding *a, const struct finding *b);
};

void finding_table_finish(struct finding_table *table);
/* The place where one that compares equal is, or would be. */
size_t finding_table_place(const struct finding_table *table, const struct finding *like,
                           bool *there);
/* 0, -ENOMEM, or -ENOSPC. The content is copied. */
int finding_table_insert(struct finding_table *table, size_t place, const struct finding *finding);
/* One more of the same. */
void finding_join(struct finding *group, const struct finding *one);

/* ------------------------------------------------------------------------------------- kinds -- */

/* In texts, {server} {port} {client} stand for the example's, {side} and {peer} for "client" and
 * "server", {host} for the side's address, {filter} for the side's part of ss's filter, {when} for
 * how it ended, {CLOSE_WAIT} and the like for a state in the spelling of --names. */
struct finding_about {
    const char *name;
    const char *title;
    const char *tag; /* the state to look for; "" for none */
    bool of_side;    /* `side` tells two groups apart */
    const char *meaning;
    const char *look;      /* a line each */
    const char *fault_not; /* when it is none */
};
extern const struct finding_about finding_kinds[FINDING_KIND_COUNT];

/* By name; false if there is none. */
bool finding_kind_find(const char *name, size_t length, enum finding_kind *kind);

/* ------------------------------------------------------------------------------------- trace -- */

/* What is remembered of a connection between its first odd or closing segment and its end. */
struct trace {
    uint64_t id;
    struct trace *next;
    fw_time last_time;         /* of its segments */
    fw_time data_after_fin[2]; /* last data of a side after its peer's FIN; INT64_MIN: none */
    uint32_t unanswered[2];    /* repeats and probes of a side since anything of its peer */
    uint32_t vain[2];          /* the same, until its peer was heard once more */
    fw_time unanswered_since[2];
    bool has_fin[2];
    uint32_t synacks_again;
    uint32_t bad_checksums[2];
    uint32_t probes;
    int64_t stalled_ns; /* the longest time that a window was closed */
    fw_time zero_since;
    enum fw_side zero_side;
    bool zero;
    /* The first RST that closed an end: states of both before it. */
    bool reset;
    enum fw_side reset_by;
    enum fw_state before_reset[2];
    bool answered_reset; /* after data to a closed end */
    fw_time gave_up_since;
    uint32_t gave_up; /* repeats in vain that its sender had made by then */
    /* Something that the capture has not shown (yet). */
    bool gap;
    enum fw_side gap_of; /* whose segment is missing */
    uint32_t gap_end;
    bool syn_inside;
    enum fw_side syn_inside_by;
    struct mark marks[8];
    uint8_t mark_count;
};

struct trace_table {
    struct trace **buckets;
    size_t bucket_count, count;
    bool full; /* some could not be remembered */
    /* The handshakes of the latest connections, by id modulo their number. */
    struct handshake *handshakes;
};

int trace_table_init(struct trace_table *table);
void trace_table_finish(struct trace_table *table);
struct trace *trace_find(const struct trace_table *table, uint64_t id);
void trace_drop(struct trace_table *table, uint64_t id);
/* Both hooks of the tracker. */
void trace_step(struct trace_table *table, const struct fw_step *step);
void trace_segment(struct trace_table *table, const struct fw_step *step);

/* Frames of the handshake, where they are still known, then those of the trace. */
const struct mark *trace_mark(const struct trace *trace, enum mark_what what, int from);
bool trace_handshake(const struct trace_table *table, uint64_t id, enum mark_what what,
                     struct mark *mark);

/* ------------------------------------------------------------------------------------- judge -- */

/* Connections that did not end well, and why that is no finding. */
enum excuse {
    EXCUSE_HALF_CLOSE,  /* in use: data flows */
    EXCUSE_CLOSING,     /* it closed only just now */
    EXCUSE_OPENING,     /* the SYN was sent only just now */
    EXCUSE_AFTER_CLOSE, /* a reset after both had closed */
    EXCUSE_CAPTURE,     /* the capture misses what would tell */
    EXCUSE_REPLACED,    /* an attempt that another from the same port took over from at once */
    EXCUSE_COUNT
};

struct diagnosis;

/* Where findings go. NULL without memory. */
struct diagnosis *diagnosis_create(void);
void diagnosis_destroy(struct diagnosis *diagnosis);
/* Time has passed without a packet. */
void diagnosis_advance(struct diagnosis *diagnosis, fw_time now);
void diagnosis_step(struct diagnosis *diagnosis, const struct fw_step *step);
void diagnosis_segment(struct diagnosis *diagnosis, const struct fw_step *step);
/* `counts`: of a connection that is asked for. */
void diagnosis_end(struct diagnosis *diagnosis, const struct fw_connection *connection,
                   bool counts);
/* At the end: the findings, worst first; lent. NULL without memory. */
struct finding *const *diagnosis_finish(struct diagnosis *diagnosis, size_t *count);
/* Connections that did not end well and are in no finding. */
uint64_t diagnosis_excused(const struct diagnosis *diagnosis, enum excuse excuse);

/* Attempts that failed. */
struct attempts;
struct attempts *attempts_create(void);
void attempts_destroy(struct attempts *attempts);
int attempts_add(struct attempts *attempts, const struct finding *failed,
                 int (*settle)(void *context, const struct finding *finding), void *context);
/* Hands on what they come to: scans, floods, and each by itself. */
int attempts_finish(struct attempts *attempts,
                    int (*settle)(void *context, const struct finding *finding), void *context);

#endif
