/*
 * Bytes as what an adversary does who knows TCP: not packets, but moves of a few connections, whose
 * numbers are told relative to what their ends really have. Any bytes are a script, so that an
 * engine can change them as it likes; a script is a header and rows of equal size.
 *
 *     header   tuples, options of the tracker, limits, batches, hash key
 *     row      who (tuple, side, scope), flags, numbers (relative to what, and how far off),
 *              payload, window, options, time step; or a repeat, an ICMP error, a flood of other
 *              connections, an idle interface, a look at all connections
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include "finwait/finwait.h"

enum {
    SCRIPT_HEADER_BYTES = 8,
    SCRIPT_ROW_BYTES = 12,
    SCRIPT_ITEMS = 2048, /* at most; what comes behind is left out */
    SCRIPT_TUPLES = 8,
    SCRIPT_SCOPES = 4,
};

/* What a row stands for; the numbers of SCRIPT_SEGMENT_ bases are of the one who has them. */
enum script_kind { SCRIPT_SEGMENT, SCRIPT_SEGMENT_TOO, SCRIPT_REPEAT, SCRIPT_OTHER };

enum script_base {
    BASE_NXT,     /* SND.NXT */
    BASE_ISS,     /* initial sequence number */
    BASE_FIN,     /* of its last FIN */
    BASE_ACKED,   /* what the other end has acknowledged */
    BASE_LAST,    /* of its last segment */
    BASE_WINDOW,  /* right edge of the other end's window */
    BASE_FAR,     /* half the sequence space away */
    BASE_OLD_ISS, /* of the connection before on this tuple */
    BASE_OLD_NXT,
    BASE_LITERAL, /* the row's number, in both halves */
    BASE_HIGH,    /* the row's number, in the upper half */
    BASE_MINUS,   /* the row's number, negated: just before wrap */
    BASE_COUNT
};

enum script_item_kind { ITEM_SEGMENT, ITEM_ADVANCE, ITEM_EACH };
struct script_item {
    enum script_item_kind kind;
    struct fw_segment segment; /* ITEM_SEGMENT */
    fw_time now;               /* ITEM_ADVANCE */
};

struct script {
    struct fw_tracker_options options;
    uint64_t expected_connections; /* for fw_tracker_expect(); 0: not called */
    size_t batch;                  /* 1 ... */
    uint8_t hash_key[16];
    unsigned tuples;
    struct script_item items[SCRIPT_ITEMS];
    size_t count;
};

void script_read(struct script *script, const uint8_t *data, size_t size);

/* How far off a number is, and how long a payload, as a row's byte says it. */
int32_t script_offset(uint8_t byte);
uint32_t script_payload(uint8_t byte);
/* Nanoseconds of a time step, without its sign. */
int64_t script_step_ns(uint8_t byte);

#endif
