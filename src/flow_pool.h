/*
 * Memory of connections: slots of one size each, cut from chunks, within budgets of bytes. Level 2.
 *
 * A page that is touched for the first time costs more than what is then done with it. So large
 * memory lies in huge pages, and another thread may touch it ahead: arena_touch_ahead().
 */
#ifndef FLOW_POOL_H
#define FLOW_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { HUGE_BYTES = 2 * 1024 * 1024 };

/* Zeroed, and in huge pages if the system has them. NULL without memory. What is not touched takes
 * no room. */
void *huge_alloc(size_t bytes);
void huge_free(void *memory, size_t bytes);

/* How much may be taken; a budget may be part of another. */
struct budget {
    struct budget *whole;
    size_t most; /* 0: no limit */
    size_t taken;
};

/* False: it would be too much, and nothing was taken. `anyway`: even so. */
bool budget_take(struct budget *budget, size_t bytes, bool anyway);
void budget_give(struct budget *budget, size_t bytes);

/* Where chunks come from: the heap first, then regions of huge pages. */
struct arena {
    struct budget *budget;
    size_t heap_bytes; /* handed out from the heap */
    char *region;      /* the rest of the one that chunks are cut from */
    size_t left;
    struct region *regions;
    size_t reserve_bytes;    /* taken from the budget for what regions have beside chunks */
    _Atomic(char *) ahead;   /* a region that was touched, for when this one is used up */
    atomic_bool ahead_asked; /* for another */
};

/* The budget is that of all pools. */
void arena_init(struct arena *arena, struct budget *budget);

/* Makes the next region ready, if the last was begun: by any thread, beside all other calls but
 * arena_clear(). */
void arena_touch_ahead(struct arena *arena);

/* Frees what was made ready. Not beside arena_touch_ahead(). */
void arena_drop_ahead(struct arena *arena);

/* Frees all regions. */
void arena_clear(struct arena *arena);

/* Slots of one size, which is a multiple of 8; those that were given back are linked through their
 * first word. */
struct pool {
    size_t slot_bytes;
    size_t beside_bytes; /* that a slot needs elsewhere */
    size_t chunk_bytes;
    struct budget *budget;
    struct arena *arena;
    bool granted; /* its first chunk, whatever the budget */
    void *free;
    char *fresh, *fresh_end; /* slots of the newest chunk that were never taken */
    struct chunk *chunks;    /* newest first */
    size_t bytes;            /* of all chunks */
};

/* `budget` is part of the arena's, or the same. */
void pool_init(struct pool *pool, struct arena *arena, struct budget *budget, size_t slot_bytes,
               size_t beside_bytes);

/* A slot, not zeroed. NULL: no memory, or not within the budget. */
void *pool_take(struct pool *pool);

/* Whether it has one without growing. */
static inline bool pool_has_slot(const struct pool *pool)
{
    return pool->free || pool->fresh < pool->fresh_end;
}

void pool_give(struct pool *pool, void *slot);

/* Calls `visit` for what lies `offset` bytes into every slot that was ever taken. */
void pool_each(const struct pool *pool, size_t offset, void (*visit)(void *context, void *at),
               void *context);

/* Forgets all slots. Chunks from regions are freed by arena_clear(), after this. */
void pool_clear(struct pool *pool);

#endif
