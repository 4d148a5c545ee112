/*
 * Stubs: connections of which little need be kept, because one SYN is all that was seen, or because
 * they are closed and packed. Level 2, a part of flow.c.
 *
 * They are many (floods, 2MSL), so they are small, an entry with what is known in it, and their
 * table asks for as little memory as can be: a look-up that finds nothing touches one line of the
 * cache. uthash's handle alone would be more than half of a lone SYN.
 */
#ifndef FLOW_STUB_H
#define FLOW_STUB_H

#include "flow.h"
#include "flow_pool.h"

/* Stubs lie in the pool of the next size, or in a larger one if that has a slot left over. */
enum {
    STUB_STEP = 8,
    STUB_MOST = offsetof(struct flow, key) + FLOW_KEY_BYTES_IPV6 + FLOW_PACKED_MOST,
    STUB_POOLS = (STUB_MOST + STUB_STEP - 1) / STUB_STEP,
};

/* Shards as in flow.c: none has many stubs to move when it grows. */
enum { FLOW_SHARD_BITS = 9, FLOW_SHARDS = 1 << FLOW_SHARD_BITS };

static inline size_t flow_shard_of(unsigned hash)
{
    return hash >> (32 - FLOW_SHARD_BITS);
}

/* A line of the cache, in which a look-up sees where to look, and where not. */
enum { STUBS_A_LINE = 7 };
struct stub_line {
    uint8_t tags[STUBS_A_LINE]; /* of their hashes; 0: free */
    uint8_t beyond; /* stubs that found no room here and went on, STUBS_BEYOND_MOST at most */
    struct flow *stubs[STUBS_A_LINE];
};
enum { STUBS_BEYOND_MOST = UINT8_MAX }; /* once so many, always so many */

/* Open addressing: what finds no room in its line goes to a second, then from there on. */
struct stub_shard {
    struct stub_line *lines;
    uint32_t line_count, count;
};

struct stub_table {
    struct stub_shard shards[FLOW_SHARDS];
    struct stub_line first[FLOW_SHARDS]; /* of each, to begin with */
    struct pool pools[STUB_POOLS];
    struct budget budget;
    struct stub_line *many; /* lines of all shards, made ahead; NULL: none */
    size_t many_bytes;
    uint32_t fixed_lines; /* under a small budget: those of the one shard there is; 0: not so */
    unsigned steps_peak;  /* the most that a search for one took when it came */
};

void stubs_init(struct stub_table *table, struct arena *arena, struct budget *all);

/* Lines for so many, made before the first stub. */
void stubs_expect(struct stub_table *table, uint64_t count);

/* Gives back what only look-ups need: from here on none is found. */
void stubs_end_lookups(struct stub_table *table);

/* Frees all, after which the table is as stubs_init() left it. */
void stubs_clear(struct stub_table *table);

/* A stub with its hash, for which the table has room: form, key and content are the caller's to
 * fill, then it is linked, before another is taken. NULL: no memory, or not within the budget. */
struct flow *stub_take(struct stub_table *table, unsigned hash, uint8_t family,
                       size_t content_bytes);
void stub_link(struct stub_table *table, struct flow *stub);

/* Takes it out of the table, and gives its memory back. */
void stub_remove(struct stub_table *table, struct flow *stub);

/* NULL: none. */
struct flow *stub_find(const struct stub_table *table, const struct fw_segment *segment,
                       unsigned hash);

/* The way to a stub: its line, then, with that there, what may be it. */
void stub_prefetch_line(const struct stub_table *table, unsigned hash);
void stub_prefetch(const struct stub_table *table, unsigned hash);

/* Calls `visit` for every stub, and for what once was one, in form FLOW_EMPTY. */
void stubs_each(const struct stub_table *table, void (*visit)(void *context, void *flow),
                void *context);

size_t stubs_memory_bytes(const struct stub_table *table);

#endif
