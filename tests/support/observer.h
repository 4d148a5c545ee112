/*
 * Listens to a tracker, keeps the states it told of and its records, writes down every event, and
 * finds what no input may lead to: a move that is no arrow of the table, no reset, and marked
 * neither inferred nor corrected; two transitions that do not join; a record told twice, or with
 * states or a path that its transitions do not lead to.
 */
#ifndef OBSERVER_H
#define OBSERVER_H

#include <stdio.h>

#include "finwait/finwait.h"

/* One connection, as it was told. */
struct observed {
    enum fw_state state[2]; /* by enum fw_side */
    char mark[2];           /* '?', '~', or ' ' */
    uint64_t path[2];       /* of its transitions, as in fw_connection */
    uint8_t path_length[2];
    bool path_is_retold[2]; /* something was taken back: its path is not simply that */
    bool told;              /* a hook named it */
    bool ended;
    struct fw_connection record; /* when ended */
};

struct observer {
    struct observed *connections; /* by id - 1 */
    size_t count, room;
    FILE *log;      /* NULL: events are not written down */
    char *log_text; /* after observer_flush() */
    size_t log_bytes;
    uint64_t digest; /* of all events so far, with all that they tell */
    uint64_t step_count, end_count, transition_count;
    char fault[512]; /* the first rule that was broken; empty: none */
};

/* The context is a struct observer. Both come to the same: the second is told endings in brief. */
extern const struct fw_hooks observer_hooks;
extern const struct fw_hooks observer_brief_hooks;

void observer_init(struct observer *observer);
/* Without a log: a tenth of the time. */
void observer_init_quiet(struct observer *observer);
void observer_finish(struct observer *observer);

/* Makes log_text hold all events so far, one a line. */
void observer_flush(struct observer *observer);

/* Packets in all records. */
uint64_t observer_packets(const struct observer *observer);

#endif
