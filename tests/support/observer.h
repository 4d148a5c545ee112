/*
 * Listens to a tracker, keeps the states it told of and its records, writes down every event, and
 * finds what no input may lead to: a move that is no arrow of the table, no reset, and marked
 * neither inferred nor corrected; two transitions that do not join; a record told twice.
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include <stdio.h>

#include "finwait/finwait.h"

/* One connection, as it was told. */
struct observed {
    enum fw_state state[2]; /* by enum fw_side */
    char mark[2];           /* '?', '~', or ' ' */
    bool told;              /* a hook named it */
    bool ended;
    struct fw_connection record; /* when ended */
};

struct observer {
    struct observed *connections; /* by id - 1 */
    size_t count;
    FILE *log;
    char *log_text; /* after observer_flush() */
    size_t log_bytes;
    uint64_t step_count, end_count, transition_count;
    char fault[512]; /* the first rule that was broken; empty: none */
};

extern const struct fw_hooks observer_hooks; /* the context is a struct observer */

void observer_init(struct observer *observer);
void observer_finish(struct observer *observer);

/* Makes log_text hold all events so far, one a line. */
void observer_flush(struct observer *observer);

/* Packets in all records. */
uint64_t observer_packets(const struct observer *observer);

#endif
