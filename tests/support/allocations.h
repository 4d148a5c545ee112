/*
 * The memory that a test's program takes, counted, and made to run out. Only in programs that are
 * linked with --wrap for malloc, calloc, realloc and free (tests/unit/meson.build).
 */
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now, and all that follow it, fail; 0: none does. */
void allocations_fail_from(size_t nth);

/* Only the n-th from now fails. */
void allocations_fail_once(size_t nth);

/* Whether one has failed since. */
bool allocations_have_failed(void);

/* Bytes in use now, and the most that were, beyond those at allocations_watch(). */
size_t allocations_bytes(void);
size_t allocations_peak_bytes(void);
void allocations_watch(void);

#endif
