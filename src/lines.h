/*
 * The lines of a view: written at once, or, under a selection, held until the end of the connection
 * that they are about says whether they are wanted. Held lines come out in the order in which they
 * were written. Level 4.
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "out.h"

/* Room of one call of lines_begin(): one line, or several. */
enum { LINES_ROOM = 4096 };

struct lines;

/* NULL without memory. `out` is lent. */
struct lines *lines_create(struct out *out, bool held);
void lines_destroy(struct lines *lines);

/* Room to format into; lines_end() says where the text ends. */
char *lines_begin(struct lines *lines);
void lines_end(struct lines *lines, uint64_t connection, const char *end);

/* The lines of this connection are wanted, or not. Without memory, out->error says so. */
void lines_decide(struct lines *lines, uint64_t connection, bool wanted);

/* Writes what is wanted; what is undecided is dropped. */
void lines_finish(struct lines *lines);

#endif
