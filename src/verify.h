/*
 * Judges expectations: told of segments and ends of connections, it counts which selected
 * connections pass, and keeps a few of those that a report will show. Level 4.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "finwait/finwait.h"

#include "evidence.h"
#include "expect.h"

struct selection;

enum { VERIFY_KEPT = 3 }; /* connections that a failure shows */

/* A connection that a failure shows. */
struct kept {
    struct fw_connection connection;
    fw_time until;    /* when its input ended */
    uint32_t failing; /* checks that do not hold: 1 << index */
    uint8_t packets_seen[EXPECT_CHECKS_MAX];
    struct trail *trail; /* NULL: none */
};

/* What came of one expectation. */
struct verdict {
    const struct expectation *expectation;
    uint64_t selected, passed;
    struct kept *failed, *fitting; /* the first that did not pass, and that did; VERIFY_KEPT each */
    size_t failed_count, fitting_count;
    uint64_t early[8]; /* live: connections that pass for good, so far */
    size_t early_count;
};

struct verify_options {
    const struct expectations *expectations; /* NULL: none */
    const struct selection *selection;       /* -Y: other connections do not exist */
    bool records; /* keeps the frames of all, since the input cannot be read again */
    bool live;
};

struct verify;

/* NULL without memory. What the options point to is lent. */
struct verify *verify_create(const struct verify_options *options);
void verify_destroy(struct verify *verify);

/* Whether the `segment` hook is needed. */
bool verify_wants_segments(const struct verify *verify);

void verify_segment(struct verify *verify, const struct fw_step *step);

/* `until`: when the input of this connection ended. False without memory. */
bool verify_end(struct verify *verify, const struct fw_connection *connection, fw_time until);

/* Whether all verdicts stand, whatever may follow. */
bool verify_is_decided(const struct verify *verify);

size_t verify_count(const struct verify *verify);
const struct verdict *verify_verdict(const struct verify *verify, size_t index);
bool verdict_holds(const struct verdict *verdict);

/* Of a verdict that does not hold: the connections to show. */
const struct kept *verdict_shown(const struct verdict *verdict, size_t *count);

/* All connections that were judged, and the first of them, for "no connection matched". */
uint64_t verify_connections(const struct verify *verify);
const struct fw_identity *verify_first(const struct verify *verify, size_t index);

/* The input can be read again: what to record then, and takes it over. False without memory;
 * *any: whether something is missing. */
bool verify_want_evidence(const struct verify *verify, struct evidence *evidence, bool *any);
void verify_take_evidence(struct verify *verify, struct evidence *evidence);

/* What the views of a run tell (view_verify.c); each may be NULL. All lent. */
struct golden;
struct verify_run {
    struct verify *verify;
    struct golden *golden;
    struct evidence *evidence; /* only this: the input is read a second time */
    bool ends_early;           /* live: the run may end when all is decided */
};

#endif
