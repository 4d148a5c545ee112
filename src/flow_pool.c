#include "flow_pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

enum {
    PAGE_BYTES = 4096,
    CHUNK_BYTES = 64 * 1024,
    HEAP_BYTES = 512 * 1024, /* come from the heap: small runs are quicker so */
};

void *huge_alloc(size_t bytes)
{
    char *mapped =
        mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    const size_t before = -(uintptr_t)mapped % HUGE_BYTES, after = HUGE_BYTES - before;
    char *memory = mapped + before;
    if (before > 0)
        munmap(mapped, before);
    if (after > 0)
        munmap(memory + bytes, after);
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return memory;
}

void huge_free(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

/* -------------------------------------------------------------------------------------- budgets */

bool budget_take(struct budget *budget, size_t bytes, bool anyway)
{
    for (struct budget *part = budget; part && !anyway; part = part->whole)
        if (part->most > 0 && part->taken + bytes > part->most)
            return false;
    for (struct budget *part = budget; part; part = part->whole)
        part->taken += bytes;
    return true;
}

void budget_give(struct budget *budget, size_t bytes)
{
    for (; budget; budget = budget->whole)
        budget->taken -= bytes;
}

/* ---------------------------------------------------------------------------------------- arena */

/* Its first bytes; chunks begin behind it, at a cache line. */
struct region {
    struct region *next;
    _Alignas(64) char chunks[];
};

void arena_init(struct arena *arena, struct budget *budget)
{
    *arena = (struct arena){ .budget = budget };
    atomic_init(&arena->ahead, NULL);
    atomic_init(&arena->ahead_asked, false);
}

void arena_touch_ahead(struct arena *arena)
{
    if (!atomic_load_explicit(&arena->ahead_asked, memory_order_relaxed) ||
        !atomic_exchange(&arena->ahead_asked, false))
        return;
    if (atomic_load(&arena->ahead)) /* it came too late for the last request, and serves this one */
        return;
    char *region = huge_alloc(HUGE_BYTES);
    for (size_t at = 0; region && at < HUGE_BYTES; at += PAGE_BYTES)
        *(volatile char *)(region + at) = 0;
    if (region)
        atomic_store(&arena->ahead, region);
}

/* What is cut up counts as its chunks; of what is not there are two regions at most, this one and
 * the next. Under a budget to which they are much there are none. */
static bool may_have_regions(struct arena *arena)
{
    enum { RESERVE_BYTES = 2 * HUGE_BYTES, LEAST_SHARE = 32 };
    const size_t most = arena->budget->most;
    if (arena->heap_bytes < HEAP_BYTES || (most > 0 && most / LEAST_SHARE < RESERVE_BYTES))
        return false; /* so all chunks of regions are of CHUNK_BYTES, but for the last of each */
    if (arena->reserve_bytes == 0 && budget_take(arena->budget, RESERVE_BYTES, false))
        arena->reserve_bytes = RESERVE_BYTES;
    return arena->reserve_bytes > 0;
}

static bool add_region(struct arena *arena)
{
    if (!budget_take(arena->budget, sizeof(struct region), false))
        return false;
    char *memory = atomic_exchange(&arena->ahead, NULL);
    if (!memory)
        memory = huge_alloc(HUGE_BYTES);
    if (!memory) {
        budget_give(arena->budget, sizeof(struct region));
        return false;
    }
    arena->reserve_bytes += sizeof(struct region);
    struct region *region = (struct region *)(void *)memory;
    region->next = arena->regions;
    arena->regions = region;
    arena->region = region->chunks;
    arena->left = HUGE_BYTES - sizeof(*region);
    atomic_store(&arena->ahead_asked, true);
    return true;
}

void arena_drop_ahead(struct arena *arena)
{
    atomic_store(&arena->ahead_asked, false);
    huge_free(atomic_exchange(&arena->ahead, NULL), HUGE_BYTES);
}

void arena_clear(struct arena *arena)
{
    arena_drop_ahead(arena);
    while (arena->regions) {
        struct region *region = arena->regions;
        arena->regions = region->next;
        huge_free(region, HUGE_BYTES);
    }
    budget_give(arena->budget, arena->reserve_bytes);
    arena->region = NULL;
    arena->left = arena->reserve_bytes = arena->heap_bytes = 0;
}

/* ---------------------------------------------------------------------------------------- pools */

struct chunk {
    struct chunk *next;
    size_t bytes;
    bool of_region;
    _Alignas(64) char slots[]; /* of pool->slot_bytes each */
};

void pool_init(struct pool *pool, struct arena *arena, struct budget *budget, size_t slot_bytes,
               size_t beside_bytes)
{
    enum { CHUNKS = 256, FEWEST_BYTES = 4096 };
    const size_t most = arena->budget->most;
    *pool = (struct pool){
        .slot_bytes = slot_bytes,
        .beside_bytes = beside_bytes,
        .chunk_bytes = CHUNK_BYTES,
        .budget = budget,
        .arena = arena,
    };
    while (most > 0 && pool->chunk_bytes > FEWEST_BYTES && pool->chunk_bytes * CHUNKS > most)
        pool->chunk_bytes /= 2;
}

static size_t slot_count(const struct pool *pool, const struct chunk *chunk)
{
    return (chunk->bytes - sizeof(*chunk)) / pool->slot_bytes;
}

static size_t bytes_with_beside(const struct pool *pool, const struct chunk *chunk)
{
    return chunk->bytes + slot_count(pool, chunk) * pool->beside_bytes;
}

/* Room for a chunk, and how much; NULL: no memory. */
static struct chunk *alloc_chunk(struct arena *arena, size_t bytes)
{
    struct chunk *chunk = NULL;
    const bool of_region = may_have_regions(arena) && (arena->left > 0 || add_region(arena));
    if (of_region) {
        bytes = arena->left < bytes ? arena->left : bytes; /* the last is a little smaller */
        chunk = (struct chunk *)(void *)arena->region;
        arena->region += bytes;
        arena->left -= bytes;
    } else {
        chunk = aligned_alloc(_Alignof(struct chunk), bytes);
    }
    if (!chunk)
        return NULL;
    if (!of_region)
        arena->heap_bytes += bytes;
    *chunk = (struct chunk){ .bytes = bytes, .of_region = of_region };
    return chunk;
}

static void free_chunk(struct chunk *chunk)
{
    if (!chunk->of_region)
        free(chunk);
}

static bool pool_grow(struct pool *pool)
{
    const struct chunk whole = { .bytes = pool->chunk_bytes };
    const size_t most_bytes = bytes_with_beside(pool, &whole);
    if (!budget_take(pool->budget, most_bytes, pool->granted && !pool->chunks))
        return false;
    struct chunk *chunk = alloc_chunk(pool->arena, pool->chunk_bytes);
    if (!chunk) {
        budget_give(pool->budget, most_bytes);
        return false;
    }
    budget_give(pool->budget, most_bytes - bytes_with_beside(pool, chunk));
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->bytes += chunk->bytes;
    pool->fresh = chunk->slots;
    pool->fresh_end = chunk->slots + slot_count(pool, chunk) * pool->slot_bytes;
    return true;
}

/* The next is asked for. */
void *pool_take(struct pool *pool)
{
    void *slot = pool->free;
    if (slot) {
        memcpy(&pool->free, slot, sizeof(pool->free));
        __builtin_prefetch(pool->free, 1);
        return slot;
    }
    if (pool->fresh == pool->fresh_end && !pool_grow(pool))
        return NULL;
    slot = pool->fresh;
    pool->fresh += pool->slot_bytes;
    __builtin_prefetch(pool->fresh, 1);
    __builtin_prefetch(pool->fresh + 64, 1);
    __builtin_prefetch(pool->fresh + 128, 1);
    return slot;
}

void pool_give(struct pool *pool, void *slot)
{
    memcpy(slot, &pool->free, sizeof(pool->free));
    pool->free = slot;
}

void pool_each(const struct pool *pool, size_t offset, void (*visit)(void *context, void *at),
               void *context)
{
    for (struct chunk *chunk = pool->chunks; chunk; chunk = chunk->next) {
        char *const end = chunk == pool->chunks
                              ? pool->fresh
                              : chunk->slots + slot_count(pool, chunk) * pool->slot_bytes;
        for (char *slot = chunk->slots; slot < end; slot += pool->slot_bytes)
            visit(context, slot + offset);
    }
}

void pool_clear(struct pool *pool)
{
    while (pool->chunks) {
        struct chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        budget_give(pool->budget, bytes_with_beside(pool, chunk));
        free_chunk(chunk);
    }
    pool->free = NULL;
    pool->fresh = pool->fresh_end = NULL;
    pool->bytes = 0;
}
