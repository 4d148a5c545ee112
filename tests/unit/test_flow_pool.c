#include "flow_pool.h"
#include "unit.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { SLOT_BYTES = 448, HEAP_BYTES = 512 * 1024 };

static struct budget all;
static struct arena arena;
static struct pool pool;

static void start(size_t most)
{
    all = (struct budget){ .most = most };
    arena_init(&arena, &all);
    pool_init(&pool, &arena, &all, SLOT_BYTES, 0);
}

static void stop(void)
{
    pool_clear(&pool);
    arena_clear(&arena);
    ck_assert_uint_eq(all.taken, 0);
    ck_assert_uint_eq(pool.bytes, 0);
}

/* Takes slots until so many bytes are held, and writes all over each. */
static size_t fill(size_t bytes)
{
    size_t count = 0;
    void *slot;

    for (; count * SLOT_BYTES < bytes && (slot = pool_take(&pool)); count++) {
        memset(slot, 0xff, SLOT_BYTES);
        memcpy(slot, &count, sizeof(count));
    }
    return count;
}

static uint8_t seen[100000];

static void see(void *context, void *slot)
{
    size_t number;

    memcpy(&number, slot, sizeof(number));
    ck_assert_uint_lt(number, sizeof(seen));
    seen[number]++;
    ++*(size_t *)context;
}

static void each_is_visited_once(size_t count)
{
    size_t visited = 0;

    memset(seen, 0, sizeof(seen));
    pool_each(&pool, 0, see, &visited);
    ck_assert_uint_eq(visited, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(seen[i], 1);
}

static void see_any(void *context, void *slot)
{
    (void)slot;
    ++*(size_t *)context;
}

START_TEST(each_slot_is_its_own_and_visited_once)
{
    enum { BYTES = HEAP_BYTES + 3 * HUGE_BYTES }; /* from the heap and from regions */

    start(0);
    const size_t count = fill(BYTES);
    ck_assert_uint_eq(count, (BYTES + SLOT_BYTES - 1) / SLOT_BYTES);
    each_is_visited_once(count);
    stop();
}
END_TEST

START_TEST(what_is_given_back_is_taken_again)
{
    start(0);
    void *first = pool_take(&pool), *second = pool_take(&pool);
    const size_t bytes = pool.bytes;
    pool_give(&pool, first);
    pool_give(&pool, second);
    ck_assert_ptr_eq(pool_take(&pool), second);
    ck_assert_ptr_eq(pool_take(&pool), first);
    ck_assert_uint_eq(pool.bytes, bytes);
    stop();
}
END_TEST

START_TEST(slots_of_cache_lines_begin_with_one)
{
    start(0);
    for (int i = 0; i < 40000; i++) /* beyond the heap's */
        ck_assert_uint_eq((uintptr_t)pool_take(&pool) % 64, 0);
    stop();
}
END_TEST

/* What a slot needs elsewhere counts as well; pools share the regions. */
START_TEST(several_pools_share_an_arena)
{
    enum { BESIDE_BYTES = 64, MOST = 200 * 1000 * 1000 };
    struct pool other;
    size_t visited = 0, count = 0;
    void *slot;

    start(MOST);
    pool_init(&other, &arena, &all, 112, BESIDE_BYTES);
    while ((slot = pool_take(&other))) {
        memset(slot, 0xee, 112);
        memcpy(slot, &count, sizeof(count));
        count++;
        if (count % 4 == 0 && !pool_take(&pool))
            break;
    }
    pool_each(&pool, 0, see_any, &visited);
    ck_assert_uint_eq(visited, count / 4);
    visited = 0;
    pool_each(&other, 0, see_any, &visited);
    ck_assert_uint_eq(visited, count);
    ck_assert_uint_le(all.taken, MOST);
    ck_assert_uint_ge(all.taken, pool.bytes + other.bytes + count * BESIDE_BYTES);
    pool_clear(&other);
    stop();
}
END_TEST

/* Whatever the budget: with it all taken, nothing more; the regions' rest is part of it. */
START_TEST(a_budget_is_held_to_the_byte)
{
    static const size_t budgets[] = { 100 * 1000, 1000 * 1000, 10 * 1000 * 1000,
                                      160 * 1000 * 1000 };

    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        start(budgets[i]);
        const size_t count = fill(SIZE_MAX);
        ck_assert_ptr_null(pool_take(&pool));
        ck_assert_uint_le(all.taken, budgets[i]);
        ck_assert_uint_eq(all.taken, pool.bytes + arena.reserve_bytes);
        ck_assert_uint_ge(count * SLOT_BYTES, budgets[i] / 10 * 8);
        stop();
    }
}
END_TEST

START_TEST(a_budget_that_is_part_of_another_ends_with_either)
{
    struct budget part = { .whole = &all, .most = 1000 };

    start(1500);
    ck_assert(budget_take(&part, 900, false));
    ck_assert(!budget_take(&part, 101, false));
    ck_assert(budget_take(&all, 600, false));
    ck_assert(!budget_take(&part, 1, false));
    ck_assert(budget_take(&part, 1, true));
    ck_assert_uint_eq(part.taken, 901);
    ck_assert_uint_eq(all.taken, 1501);
    budget_give(&part, 901);
    budget_give(&all, 600);
    ck_assert_uint_eq(part.taken, 0);
    stop();
}
END_TEST

START_TEST(a_small_budget_has_no_regions)
{
    start(64 * 1000 * 1000);
    fill(SIZE_MAX);
    ck_assert_ptr_null(arena.regions);
    ck_assert_uint_eq(arena.reserve_bytes, 0);
    stop();
}
END_TEST

START_TEST(a_region_that_was_touched_ahead_is_the_next)
{
    start(0);
    arena_touch_ahead(&arena); /* nobody asked yet */
    ck_assert_ptr_null(atomic_load(&arena.ahead));
    while (!arena.regions)
        ck_assert_ptr_nonnull(pool_take(&pool));
    arena_touch_ahead(&arena);
    const char *ahead = atomic_load(&arena.ahead);
    ck_assert_ptr_nonnull(ahead);
    arena_touch_ahead(&arena); /* once is enough */
    ck_assert_ptr_eq(atomic_load(&arena.ahead), ahead);
    const char *slot = NULL;
    for (int i = 0; i < HUGE_BYTES / SLOT_BYTES && atomic_load(&arena.ahead); i++)
        slot = pool_take(&pool);
    ck_assert_ptr_null(atomic_load(&arena.ahead));
    ck_assert(slot >= ahead && slot < ahead + HUGE_BYTES);
    stop();
}
END_TEST

static void *touch_for_a_while(void *stopped)
{
    while (!atomic_load((atomic_bool *)stopped))
        arena_touch_ahead(&arena);
    return NULL;
}

START_TEST(another_thread_may_touch_ahead_meanwhile)
{
    enum { BYTES = 30 * 1000 * 1000 };
    atomic_bool stopped = false;
    pthread_t thread;

    start(0);
    ck_assert_int_eq(pthread_create(&thread, NULL, touch_for_a_while, &stopped), 0);
    const size_t count = fill(BYTES);
    atomic_store(&stopped, true);
    pthread_join(thread, NULL);
    each_is_visited_once(count);
    stop();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_slot_is_its_own_and_visited_once,
        what_is_given_back_is_taken_again,
        slots_of_cache_lines_begin_with_one,
        several_pools_share_an_arena,
        a_budget_is_held_to_the_byte,
        a_budget_that_is_part_of_another_ends_with_either,
        a_small_budget_has_no_regions,
        a_region_that_was_touched_ahead_is_the_next,
        another_thread_may_touch_ahead_meanwhile,
    };
    return UNIT_RUN("flow_pool", tests);
}
