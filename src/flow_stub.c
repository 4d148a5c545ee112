#include "flow_stub.h"

#include <endian.h>
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

/* A shard grows when it is nearly full, by half of its lines. It never shrinks: a stub is reckoned
 * to need a third more than just after that, for the fullest that its shard was in a long flood. */
enum {
    FULL_OF_16 = 10,
    LINE_BYTES_EACH = 16 * sizeof(struct stub_line) / FULL_OF_16 / STUBS_A_LINE,
    BYTES_BESIDE = 2 * LINE_BYTES_EACH + 4,
};

static size_t shard_of(const struct stub_table *table, unsigned hash)
{
    return table->fixed_lines > 0 ? 0 : flow_shard_of(hash);
}

static bool is_nearly_full(uint64_t count, uint64_t lines)
{
    return count * 16 > lines * STUBS_A_LINE * FULL_OF_16;
}

static uint8_t tag_of(unsigned hash)
{
    return (uint8_t)(hash | 0x80);
}

/* Whatever the shard, all bits of a hash tell the line; its lowest are the tag. */
static struct stub_line *line_of(const struct stub_shard *shard, uint32_t spread)
{
    return &shard->lines[(uint64_t)spread * shard->line_count >> 32];
}

static struct stub_line *home_of(const struct stub_shard *shard, unsigned hash)
{
    return line_of(shard, (uint32_t)hash * UINT32_C(0x9e3779b1));
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
    if (way->steps++ == 0)
        way->line = line_of(shard, (uint32_t)hash * UINT32_C(0x85ebca6b));
    else if (++way->line == shard->lines + shard->line_count)
        way->line = shard->lines;
}

/* The highest bit of each byte that is such a tag, or free; the eighth byte is none. */
static uint64_t find_tag(const struct stub_line *line, uint8_t tag)
{
    const uint64_t others = UINT64_C(0x007f7f7f7f7f7f7f), ones = UINT64_C(0x0001010101010101);
    uint64_t word;
    memcpy(&word, line, sizeof(word));
    word = le64toh(word) ^ tag * ones;
    return ~(((word & others) + others) | word | others) & ones << 7;
}

static unsigned pop(uint64_t *bits)
{
    const unsigned lowest = (unsigned)__builtin_ctzll(*bits) / 8;
    *bits &= *bits - 1;
    return lowest;
}

static unsigned count_tag(const struct stub_line *line, uint8_t tag)
{
    unsigned count = 0;
    for (uint64_t found = find_tag(line, tag); found > 0; pop(&found))
        count++;
    return count;
}

/* There is room. Returns how many steps a search for it takes: lines, and those of its tag. */
static unsigned put(struct stub_shard *shard, struct flow *stub)
{
    const uint8_t tag = tag_of(stub->hash);
    struct way way = way_from(home_of(shard, stub->hash));
    unsigned steps = 1;
    uint64_t free;
    for (; !(free = find_tag(way.line, 0)); go_on(shard, stub->hash, &way)) {
        steps += 1 + count_tag(way.line, tag);
        if (way.line->beyond < STUBS_BEYOND_MOST)
            way.line->beyond++;
    }
    steps += count_tag(way.line, tag);
    const unsigned at = pop(&free);
    way.line->tags[at] = tag;
    way.line->stubs[at] = stub;
    return steps;
}

static bool take_from(struct stub_line *line, const struct flow *stub)
{
    for (uint64_t found = find_tag(line, tag_of(stub->hash)); found > 0;) {
        const unsigned at = pop(&found);
        if (line->stubs[at] != stub)
            continue;
        line->tags[at] = 0;
        return true;
    }
    return false;
}

/* It is there, unless look-ups have ended. */
static void take_out(struct stub_shard *shard, const struct flow *stub)
{
    struct way way = way_from(home_of(shard, stub->hash));
    if (shard->count == 0)
        return;
    shard->count--;
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

static struct stub_line *alloc_lines(size_t count)
{
    const size_t bytes = count * sizeof(struct stub_line);
    struct stub_line *lines = aligned_alloc(sizeof(*lines), bytes);
    if (lines)
        memset(lines, 0, bytes);
    return lines;
}

static void free_lines(struct stub_table *table, size_t i)
{
    if (has_own_lines(table, i))
        free(table->shards[i].lines);
}

void stubs_expect(struct stub_table *table, uint64_t count)
{
    enum { MOST_LOG2 = 16, LEAST_SHARE = 16 };
    struct budget *all = table->budget.whole;
    const size_t each = FLOW_SHARDS * sizeof(*table->many);
    size_t lines = 1; /* of a shard */
    while (lines < (size_t)1 << MOST_LOG2 && is_nearly_full(count, FLOW_SHARDS * lines))
        lines += lines / 8 + 1;
    if (all->most > 0 && lines > all->most / LEAST_SHARE / each)
        lines = all->most / LEAST_SHARE / each;
    if (table->fixed_lines > 0 || table->many || lines * each < HUGE_BYTES)
        return;
    struct stub_line *many = huge_alloc(lines * each);
    if (!many)
        return;
    for (size_t i = 0; i < FLOW_SHARDS; i++) {
        free_lines(table, i);
        table->shards[i].lines = many + i * lines;
        table->shards[i].line_count = (uint32_t)lines;
    }
    table->many = many;
    table->many_bytes = lines * each;
    budget_take(all, table->many_bytes, true);
}

/* Without memory ways become longer, until all is full. */
static void grow(struct stub_table *table, size_t i, uint32_t line_count)
{
    enum { AHEAD = 4 };
    struct stub_shard *shard = &table->shards[i];
    struct stub_shard grown = { alloc_lines(line_count), line_count, shard->count };
    if (!grown.lines)
        return;
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
    if (table->fixed_lines == 0 && is_nearly_full(shard->count + 1, shard->line_count))
        grow(table, i, shard->line_count + (shard->line_count + 1) / 2);
    else if (shard->line_count < table->fixed_lines)
        grow(table, i, table->fixed_lines);
    return shard->count < shard->line_count * STUBS_A_LINE;
}

/* ---------------------------------------------------------------------------------------- stubs */

/* Where room may run out each has room for a SYN of IPv6, so that any that goes makes room for one.
 */
static size_t least_pool(const struct stub_table *table)
{
    return table->budget.whole->most == 0
               ? 0
               : pool_of(bytes_of(flow_key_bytes(FW_IPV6), sizeof(struct flow_syn)));
}

/* Lines for all the stubs that there can be, out of their budget, if that is small: of few shards
 * with few stubs each one would in time grow as large as the fullest ever was. */
static void fix_lines(struct stub_table *table)
{
    enum { LEAST_BYTES = 4096, MOST_BYTES = 2 * HUGE_BYTES };
    const size_t stub_bytes = (least_pool(table) + 1) * STUB_STEP + LINE_BYTES_EACH;
    const size_t lines = table->budget.most / stub_bytes * 16 / FULL_OF_16 / STUBS_A_LINE;
    const size_t bytes = (lines + 2) * sizeof(struct stub_line) + FLOW_MALLOC_BYTES; /* aligned */
    if (bytes > MOST_BYTES || table->budget.most < bytes + LEAST_BYTES)
        return;
    table->fixed_lines = (uint32_t)lines + 1;
    table->budget.most -= bytes;
    budget_take(table->budget.whole, bytes, true);
}

/* Whoever fills the table with attempts leaves room for live connections. */
void stubs_init(struct stub_table *table, struct arena *arena, struct budget *all)
{
    table->budget = (struct budget){ .whole = all, .most = all->most / 4 * 3 };
    if (all->most > 0)
        fix_lines(table);
    for (size_t i = 0; i < STUB_POOLS; i++)
        pool_init(&table->pools[i], arena, &table->budget, (i + 1) * STUB_STEP,
                  table->fixed_lines > 0 ? 0 : BYTES_BESIDE);
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
    budget_give(table->budget.whole, table->many_bytes);
    table->many = NULL;
    table->many_bytes = 0;
}

void stubs_clear(struct stub_table *table)
{
    stubs_end_lookups(table);
    for (size_t i = 0; i < STUB_POOLS; i++)
        pool_clear(&table->pools[i]);
}

/* From its own pool, or a larger one that need not grow for it. */
struct flow *stub_take(struct stub_table *table, unsigned hash, uint8_t family,
                       size_t content_bytes)
{
    const size_t least = least_pool(table);
    size_t pool = pool_of(bytes_of(flow_key_bytes(family), content_bytes));
    if (!has_room(table, shard_of(table, hash)))
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
    struct stub_shard *shard = &table->shards[shard_of(table, stub->hash)];
    shard->count++;
    const unsigned steps = put(shard, stub);
    if (steps > table->steps_peak)
        table->steps_peak = steps;
}

void stub_remove(struct stub_table *table, struct flow *stub)
{
    take_out(&table->shards[shard_of(table, stub->hash)], stub);
    stub->form = FLOW_EMPTY;
    pool_give(&table->pools[stub->pool], stub);
}

struct flow *stub_find(const struct stub_table *table, const struct fw_segment *segment,
                       unsigned hash)
{
    const struct stub_shard *shard = &table->shards[shard_of(table, hash)];
    struct way way = way_from(home_of(shard, hash));
    for (; way.steps <= shard->line_count; go_on(shard, hash, &way)) {
        for (uint64_t found = find_tag(way.line, tag_of(hash)); found > 0;) {
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
    __builtin_prefetch(home_of(&table->shards[shard_of(table, hash)], hash), 1);
}

void stub_prefetch(const struct stub_table *table, unsigned hash)
{
    const struct stub_shard *shard = &table->shards[shard_of(table, hash)];
    struct way way = way_from(home_of(shard, hash));
    for (uint64_t found = find_tag(way.line, tag_of(hash)); found > 0;)
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
