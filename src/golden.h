/*
 * Golden files: what a capture came to, connection by connection, as text that stays the same on
 * every machine: no times, no file names, no words that may change. Level 4.
 *
 *     finwait golden 1
 *
 *     10.9.0.1:40001 > 10.9.0.2:80
 *       client_path SYN_SENT>ESTABLISHED>...
 *       ...keys of the connection record; what is 0, false or unknown is left out...
 *       step 1  > S     SYN_SENT        -
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "finwait/finwait.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct selection;
struct golden;

/* NULL without memory. The selection is lent. */
struct golden *golden_create(const struct selection *selection);
void golden_destroy(struct golden *golden);

/* The hooks; false without memory. */
bool golden_step(struct golden *golden, const struct fw_step *step);
bool golden_end(struct golden *golden, const struct fw_connection *connection);

/* How many connections are in it. */
uint64_t golden_count(const struct golden *golden);

/* The whole file, to be freed; NULL without memory. */
char *golden_text(const struct golden *golden);

/* Whether it can be compared; else false with words in `error`. */
bool golden_is_readable(const char *text, char *error, size_t error_size);

enum golden_kind {
    GOLDEN_MISSING, /* a connection that was expected */
    GOLDEN_EXTRA,   /* one that was not */
    GOLDEN_FIELD,   /* `key` of it differs; an absent value is "" */
};

struct golden_difference {
    enum golden_kind kind;
    const char *connection; /* "10.9.0.1:40001 > 10.9.0.2:80"; " (2)" for the second of it */
    const char *key, *expected, *got;
};

/* Tells of each difference, by connection; returns how many connections differ, SIZE_MAX without
 * memory. All pointers are lent. */
size_t golden_compare(const char *expected, const char *got,
                      void (*tell)(void *context, const struct golden_difference *difference),
                      void *context);

#endif
