/*
 * The lines of a view under its selection. Without one they are written at once. Where it asks for
 * addresses only, or the view is live, a connection is asked about as it is now. Otherwise the
 * lines are held until the end of the connection that they are about says whether they are wanted,
 * and come out in the order in which they were written. Level 4.
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "finwait/finwait.h"

#include "out.h"
#include "view.h"

/* Room of one call of lines_begin(): a line, or all lines of a step, which has at most 12
 * transitions. */
enum { LINES_ROOM = 12 * 1024 };

struct lines;

/* NULL without memory. Both are lent. */
struct lines *lines_create(const struct view_options *options, struct out *out);
void lines_destroy(struct lines *lines);

/* Whether to format lines about this step: false where it is known that they are not wanted. */
bool lines_want(const struct lines *lines, const struct fw_step *step);

/* Room to format into; lines_end() says where the text ends. */
char *lines_begin(struct lines *lines);
void lines_end(struct lines *lines, uint64_t connection, const char *end);

/* The connection has ended: whether its lines are wanted. Without memory, out->error says so. */
bool lines_decide(struct lines *lines, const struct fw_connection *connection);

/* Writes what is wanted; what is undecided is dropped. */
void lines_finish(struct lines *lines);

#endif
