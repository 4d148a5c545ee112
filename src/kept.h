/*
 * Packets that are kept for a while, as they were captured: the last ones of all, and longer those
 * that told something of their connection. Two rings of bytes; in each the oldest goes first, so
 * that memory is bounded whatever comes. Level 0.
 */
#ifndef KEPT_H
#define KEPT_H

#include "finwait/finwait.h"

/* Of a packet that is kept because it told something: its headers, and a little. */
enum { KEPT_HEADER_BYTES = 256 };

struct kept;

/* Rings of so many bytes each. NULL without memory. */
struct kept *kept_create(size_t ring_bytes);
void kept_destroy(struct kept *kept);

/* Copies packets, in order of frame. */
void kept_add(struct kept *kept, const struct fw_packet *packets, int count);

/* A packet that was added belongs to a connection. `tells`: it is to stay when others have gone. */
void kept_claim(struct kept *kept, uint64_t frame, uint64_t id, bool tells);

/* Packets of a connection that are kept. */
size_t kept_count(const struct kept *kept, uint64_t id);

/* Lends them in order of frame, until `each` returns false. False without memory. */
bool kept_each(const struct kept *kept, uint64_t id,
               bool (*each)(void *context, const struct fw_packet *packet), void *context);

#endif
