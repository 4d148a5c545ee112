/*
 * Stubs: connections of which little need be kept, because one SYN is all that was seen, or because
 * they are closed and packed. Level 2, a part of flow.c.
 *
 * They are many (floods, 2MSL), so they are small: an entry with what is known in it, in a table
 * that needs one pointer for each. uthash's handle alone would be more than half of a lone SYN.
 */
#ifndef FLOW_STUB_H
#define FLOW_STUB_H

#include "flow.h"
#include "flow_pool.h"

struct flow_stub {
    struct flow_stub *next; /* in its bucket */
    struct flow flow;       /* the last: content stands behind its key */
};

/* Stubs lie in the pool of the next size, or in a larger one if that has a slot left over. */
enum {
    STUB_STEP = 8,
    STUB_MOST = offsetof(struct flow_stub, flow.key) + FLOW_KEY_BYTES_IPV6 + FLOW_PACKED_MOST,
    STUB_POOLS = (STUB_MOST + STUB_STEP - 1) / STUB_STEP,
};

/* Shards as in flow.c: none has many stubs to move when it grows. */
enum { FLOW_SHARD_BITS = 9, FLOW_SHARDS = 1 << FLOW_SHARD_BITS };

static inline size_t flow_shard_of(unsigned hash)
{
    return hash >> (32 - FLOW_SHARD_BITS);
}

struct stub_shard {
    struct flow_stub **heads;
    unsigned mask, count;
    struct flow_stub *first_head; /* heads, to begin with */
    bool is_part;                 /* heads are a part of stub_table.many */
};

struct stub_table {
    struct stub_shard shards[FLOW_SHARDS];
    struct pool pools[STUB_POOLS];
    struct budget *all;
    struct budget budget;
    struct flow_stub **many; /* heads of all shards that were made ahead; NULL: none */
    size_t many_bytes;
    unsigned bucket_peak; /* the most that ever shared a bucket when a lone SYN came to it */
};

void stubs_init(struct stub_table *table, struct arena *arena, struct budget *all);

/* Room for so many heads, made before the first stub. */
void stubs_expect(struct stub_table *table, uint64_t count);

/* Gives back what only look-ups need: from here on none is found. */
void stubs_end_lookups(struct stub_table *table);

/* Frees all, after which the table is as stubs_init() left it. */
void stubs_clear(struct stub_table *table);
void stubs_destroy(struct stub_table *table);

/* A stub that is in no bucket yet: hash, form, key and content are the caller's to fill, then it is
 * linked. NULL: no memory, or not within the budget. */
struct flow *stub_take(struct stub_table *table, uint8_t family, size_t content_bytes);
void stub_link(struct stub_table *table, struct flow *flow);

/* Takes it out of its bucket, and gives its memory back. */
void stub_remove(struct stub_table *table, struct flow *flow);

/* NULL: none. */
struct flow *stub_find(const struct stub_table *table, const struct fw_segment *segment,
                       unsigned hash);

/* The way to a stub, step by step: each should be there before the next. */
void stub_prefetch_head(const struct stub_table *table, unsigned hash);
void stub_prefetch_first(const struct stub_table *table, unsigned hash);
void stub_prefetch_second(const struct stub_table *table, unsigned hash);

/* Calls `visit` for every stub, and for what once was one, in form FLOW_EMPTY. */
void stubs_each(const struct stub_table *table, void (*visit)(void *context, void *flow),
                void *context);

size_t stubs_memory_bytes(const struct stub_table *table);

#endif
