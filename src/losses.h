/*
 * When packets were lost, so that connections that lived through it can be marked. What is known is
 * that a counter has grown since it was last read: a span of time. Level 4.
 */
#ifndef LOSSES_H
#define LOSSES_H

#include "finwait/finwait.h"

/* Spans beyond that are joined: more connections are marked than need be, never fewer. */
enum { LOSSES_MAX = 64 };

struct loss {
    fw_time from, until;
};

struct losses {
    struct loss spans[LOSSES_MAX]; /* in order of time */
    size_t count;
};

/* Something was lost between the two times; later than what was added before. */
void losses_add(struct losses *losses, fw_time from, fw_time until);

/* Whether packets of the connection may be among what was lost: it had begun, and was not over. */
bool losses_touch(const struct losses *losses, const struct fw_connection *connection);

/* Sets connection->lossy where that is so; `losses` may be NULL. */
void losses_mark(const struct losses *losses, struct fw_connection *connection);

#endif
