/*
 * The packets that show why: of a connection the first and the last ones that tell something, kept
 * while it lives. Where the input can be read a second time, only those of connections that are
 * wanted by then; else of all, as far as there is room. Level 4.
 */
#ifndef EVIDENCE_H
#define EVIDENCE_H

#include "finwait/finwait.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evidence_frame {
    fw_time time;
    uint64_t frame;
    uint32_t seq, ack, payload_bytes;
    uint16_t flags;
    uint8_t from;                       /* enum fw_side */
    uint8_t note, icmp;                 /* enum fw_note, enum fw_icmp */
    uint8_t client_state, server_state; /* after it */
    bool moved;                         /* it moved a state */
};

enum { TRAIL_FIRST = 8, TRAIL_LAST = 8 };

struct trail {
    uint64_t id;    /* of the connection */
    uint64_t count; /* of frames that tell something */
    struct evidence_frame first[TRAIL_FIRST];
    struct evidence_frame last[TRAIL_LAST]; /* a ring: frame n is at n % TRAIL_LAST */
};

struct evidence;

/* NULL without memory. */
struct evidence *evidence_create(void);
void evidence_destroy(struct evidence *evidence);

/* From now on only this connection and those that were wanted before. `last_frame` is its last.
 * False without memory. */
bool evidence_want(struct evidence *evidence, uint64_t id, uint64_t last_frame);

/* Whether the wanted ones can have no more frames. */
bool evidence_is_done(const struct evidence *evidence);

/* Whether a segment tells something: more than that data flows. */
bool evidence_tells(const struct fw_step *step);

/* A segment of a connection, in the `segment` hook. */
void evidence_take(struct evidence *evidence, const struct fw_step *step);

/* Gives away what is known of a connection: to be freed. NULL: nothing. */
struct trail *evidence_take_trail(struct evidence *evidence, uint64_t id);

/* So many are at hand, and the frames, in order. */
size_t trail_count(const struct trail *trail);
const struct evidence_frame *trail_frame(const struct trail *trail, size_t index);

#endif
