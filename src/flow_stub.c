#include "flow_stub.h"

#include <stdlib.h>
#include <string.h>

static size_t bytes_of(size_t key_bytes, size_t content_bytes)
{
    return offsetof(struct flow, key) + key_bytes + content_bytes;
}

static size_t pool_of(size_t bytes)
{
    return (bytes - 1) / STUB_STEP;
}

/* ---------------------------------------------------------------------------------------- lines */

_Static_assert(sizeof(struct stub_line) == 64, "struct stub_line is a line of the cache");

/* A shard grows when it is nearly full, to twice its lines. */
enum {
    FULL_OF_16 = 10,
    BYTES_BESIDE = 2 * 16 * sizeof(struct stub_line) / FULL_OF_16 / STUBS_A_LINE
};

static bool is_nearly_full(uint64_t count, uint64_t lines)
{
    return count * 16 > lines * STUBS_A_LINE * FULL_OF_16;
}

static uint8_t tag_of(unsigned hash)
{
    return (uint8_t)(hash | 0x80);
}

static struct stub_line *line_of(const struct stub_shard *shard, uint32_t spread)
{
    return &shard->lines[(uint64_t)spread * shard->line_count >> 32];
}

/* By the hash's upper bits, but for those of the shard; the tag is of the lowest. */
static struct stub_line *home_of(const struct stub_shard *shard, unsigned hash)
{
    return line_of(shard, (uint32_t)hash << FLOW_SHARD_BITS);
}

/* The lines where a stub may be: its home, another that is as good as any, and from there one after
 * the other, so that full lines do not come to stand in rows. */
struct way {
    struct stub_line *line;
    uint32_t steps;
};

static struct way way_from(struct stub_line *home)
{
    return (struct way){ home, 0 };
}

static void go_on(const struct stub_shard *shard, unsigned hash, struct way *way)
{
    const uint32_t spread = 0x9e3779b1; /* odd: a product with it has the hash's every bit */
    if (way->steps++ == 0)
        way->line = line_of(shard, (uint32_t)hash * spread);
    else if (++way->line == shard->lines + shard->line_count)
        way->line = shard->lines;
}

static unsigned find_tag(const struct stub_line *line, uint8_t tag)
{
    unsigned found = 0; /* bits */
    for (unsigned i = 0; i < STUBS_A_LINE; i++)
        found |= (unsigned)(line->tags[i] == tag) << i;
    return found;
}

static unsigned pop(unsigned *bits)
{
    const unsigned lowest = (unsigned)__builtin_ctz(*bits);
    *bits &= *bits - 1;
    return lowest;
}

/* There is room. Returns to how many lines it came. */
static unsigned put(struct stub_shard *shard, struct flow *stub)
{
    struct way way = way_from(home_of(shard, stub->hash));
    unsigned free;
    for (; !(free = find_tag(way.line, 0)); go_on(shard, stub->hash, &way))
        if (way.line->beyond < STUBS_BEYOND_MOST)
            way.line->beyond++;
    const unsigned at = pop(&free);
    way.line->tags[at] = tag_of(stub->hash);
    way.line->stubs[at] = stub;
    return way.steps + 1;
}

static bool take_from(struct stub_line *line, const struct flow *stub)
{
    for (unsigned found = find_tag(line, tag_of(stub->hash)); found > 0;) {
        const unsigned at = pop(&found);
        if (line->stubs[at] != stub)
            continue;
        line->tags[at] = 0;
        return true;
    }
    return false;
}

/* It is there. */
static void take_out(struct stub_shard *shard, const struct flow *stub)
{
    struct way way = way_from(home_of(shard, stub->hash));
    for (; !take_from(way.line, stub); go_on(shard, stub->hash, &way))
        if (way.line->beyond < STUBS_BEYOND_MOST)
            way.line->beyond--;
}

static void empty_lines(struct stub_table *table, size_t i)
{
    table->shards[i] = (struct stub_shard){ .lines = &table->first[i], .line_count = 1 };
    table->first[i] = (struct stub_line){ 0 };
}

/* Not the first, and none of those made ahead. */
static bool has_own_lines(const struct stub_table *table, size_t i)
{
    const struct stub_line *lines = table->shards[i].lines;
    return lines != &table->first[i] &&
           (uintptr_t)lines - (uintptr_t)table->many >= table->many_bytes;
}

static void free_lines(struct stub_table *table, size_t i)
{
    if (has_own_lines(table, i))
        free(table->shards[i].lines);
}

void stubs_expect(struct stub_table *table, uint64_t count)
{
    enum { MOST_LOG2 = 16, LEAST_SHARE = 16 };
    const size_t most = table->all->most, line_bytes = FLOW_SHARDS * sizeof(*table->many);
    size_t lines = 1; /* of a shard */
    while (lines < (size_t)1 << MOST_LOG2 && is_nearly_full(count, FLOW_SHARDS * lines))
        lines += lines / 8 + 1;
    if (most > 0 && lines > most / LEAST_SHARE / line_bytes)
        lines = most / LEAST_SHARE / line_bytes;
    const size_t bytes = lines * line_bytes;
    if (table->many || bytes < HUGE_BYTES || !(table->many = huge_alloc(bytes)))
        return;
    table->many_bytes = bytes;
    budget_take(table->all, bytes, true);
    for (size_t i = 0; i < FLOW_SHARDS; i++) {
        free_lines(table, i);
        table->shards[i].lines = table->many + i * lines;
        table->shards[i].line_count = (uint32_t)lines;
    }
}

/* Without memory ways become longer. */
static void grow(struct stub_table *table, size_t i)
{
    enum { AHEAD = 4 };
    struct stub_shard *shard = &table->shards[i];
    struct stub_shard grown = { .line_count = 2 * shard->line_count, .count = shard->count };
    grown.lines = aligned_alloc(sizeof(*grown.lines), grown.line_count * sizeof(*grown.lines));
    if (!grown.lines)
        return;
    memset(grown.lines, 0, grown.line_count * sizeof(*grown.lines));
    for (uint32_t done = 0; done < shard->line_count; done++) {
        const struct stub_line *line = &shard->lines[done];
        if (done + AHEAD < shard->line_count)
            for (unsigned at = 0; at < STUBS_A_LINE; at++)
                if (line[AHEAD].tags[at])
                    __builtin_prefetch(&line[AHEAD].stubs[at]->hash);
        for (unsigned at = 0; at < STUBS_A_LINE; at++)
            if (line->tags[at])
                put(&grown, line->stubs[at]);
    }
    free_lines(table, i);
    *shard = grown;
}

static bool has_room(struct stub_table *table, size_t i)
{
    const struct stub_shard *shard = &table->shards[i];
    if (is_nearly_full(shard->count + 1, shard->line_count))
        grow(table, i);
    return shard->count < shard->line_count * STUBS_A_LINE;
}

/* ---------------------------------------------------------------------------------------- stubs */

/* Whoever fills the table with attempts leaves room for live connections. */
void stubs_init(struct stub_table *table, struct arena *arena, struct budget *all)
{
    table->all = all;
    table->budget = (struct budget){ .whole = all, .most = all->most / 4 * 3 };
    for (size_t i = 0; i < STUB_POOLS; i++)
        pool_init(&table->pools[i], arena, &table->budget, (i + 1) * STUB_STEP, BYTES_BESIDE);
    for (size_t i = 0; i < FLOW_SHARDS; i++)
        empty_lines(table, i);
}

void stubs_end_lookups(struct stub_table *table)
{
    for (size_t i = 0; i < FLOW_SHARDS; i++) {
        free_lines(table, i);
        empty_lines(table, i);
    }
    huge_free(table->many, table->many_bytes);
    budget_give(table->all, table->many_bytes);
    table->many = NULL;
    table->many_bytes = 0;
}

void stubs_clear(struct stub_table *table)
{
    stubs_end_lookups(table);
    for (size_t i = 0; i < STUB_POOLS; i++)
        pool_clear(&table->pools[i]);
}

/* Where room may run out each has room for a SYN of IPv6, so that any that goes makes room for one.
 */
static size_t least_pool(const struct stub_table *table)
{
    return table->all->most == 0
               ? 0
               : pool_of(bytes_of(flow_key_bytes(FW_IPV6), sizeof(struct flow_syn)));
}

/* From its own pool, or a larger one that need not grow for it. */
struct flow *stub_take(struct stub_table *table, unsigned hash, uint8_t family,
                       size_t content_bytes)
{
    const size_t least = least_pool(table);
    size_t pool = pool_of(bytes_of(flow_key_bytes(family), content_bytes));
    if (!has_room(table, flow_shard_of(hash)))
        return NULL;
    if (pool < least)
        pool = least;
    struct flow *stub = pool_take(&table->pools[pool]);
    while (!stub && ++pool < STUB_POOLS)
        if (pool_has_slot(&table->pools[pool]))
            stub = pool_take(&table->pools[pool]);
    if (!stub)
        return NULL;
    stub->hash = hash;
    stub->pool = (uint8_t)pool;
    stub->content_bytes = (uint16_t)content_bytes;
    stub->closes = stub->timed = false;
    return stub;
}

void stub_link(struct stub_table *table, struct flow *stub)
{
    struct stub_shard *shard = &table->shards[flow_shard_of(stub->hash)];
    shard->count++;
    const unsigned lines = put(shard, stub);
    if (lines > table->lines_peak)
        table->lines_peak = lines;
}

void stub_remove(struct stub_table *table, struct flow *stub)
{
    struct stub_shard *shard = &table->shards[flow_shard_of(stub->hash)];
    if (shard->count > 0) { /* else look-ups have ended */
        take_out(shard, stub);
        shard->count--;
    }
    stub->form = FLOW_EMPTY;
    pool_give(&table->pools[stub->pool], stub);
}

struct flow *stub_find(const struct stub_table *table, const struct fw_segment *segment,
                       unsigned hash)
{
    const struct stub_shard *shard = &table->shards[flow_shard_of(hash)];
    struct way way = way_from(home_of(shard, hash));
    for (; way.steps <= shard->line_count; go_on(shard, hash, &way)) {
        for (unsigned found = find_tag(way.line, tag_of(hash)); found > 0;) {
            struct flow *stub = way.line->stubs[pop(&found)];
            if (stub->hash == hash && flow_key_is_of(&stub->key, segment))
                return stub;
        }
        if (way.line->beyond == 0)
            break;
    }
    return NULL;
}

void stub_prefetch_line(const struct stub_table *table, unsigned hash)
{
    __builtin_prefetch(home_of(&table->shards[flow_shard_of(hash)], hash), 1);
}

void stub_prefetch(const struct stub_table *table, unsigned hash)
{
    const struct stub_shard *shard = &table->shards[flow_shard_of(hash)];
    struct way way = way_from(home_of(shard, hash));
    for (unsigned found = find_tag(way.line, tag_of(hash)); found > 0;)
        flow_prefetch(way.line->stubs[pop(&found)]);
    if (way.line->beyond == 0)
        return;
    go_on(shard, hash, &way);
    __builtin_prefetch(way.line, 1);
}

void stubs_each(const struct stub_table *table, void (*visit)(void *context, void *flow),
                void *context)
{
    for (size_t i = 0; i < STUB_POOLS; i++)
        pool_each(&table->pools[i], 0, visit, context);
}

size_t stubs_memory_bytes(const struct stub_table *table)
{
    size_t bytes = table->many_bytes;
    for (size_t i = 0; i < STUB_POOLS; i++)
        bytes += table->pools[i].bytes;
    for (size_t i = 0; i < FLOW_SHARDS; i++)
        if (has_own_lines(table, i))
            bytes += table->shards[i].line_count * sizeof(*table->many);
    return bytes;
}
