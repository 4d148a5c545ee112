#include "flow_stub.h"

#include <stdlib.h>
#include <string.h>

static struct flow_stub *stub_of(const struct flow *flow)
{
    return (struct flow_stub *)((char *)flow - offsetof(struct flow_stub, flow));
}

static size_t bytes_of(size_t key_bytes, size_t content_bytes)
{
    return offsetof(struct flow_stub, flow.key) + key_bytes + content_bytes;
}

static size_t pool_of(size_t bytes)
{
    return (bytes - 1) / STUB_STEP;
}

/* ---------------------------------------------------------------------------------------- heads */

/* Chains are of one, or of two just before a shard grows. Beside a stub's slot there may be two
 * heads: one half of them is not used after it has grown. */
enum { HEADS_EACH = 2 };

static void empty_heads(struct stub_shard *shard)
{
    shard->heads = &shard->first_head;
    shard->mask = 0;
    shard->first_head = NULL;
    shard->is_part = false;
}

static void free_heads(struct stub_shard *shard)
{
    if (shard->heads != &shard->first_head && !shard->is_part)
        free(shard->heads);
}

void stubs_expect(struct stub_table *table, uint64_t count)
{
    enum { MOST_LOG2 = 16, LEAST_SHARE = 16 };
    const size_t most = table->all->most;
    size_t heads = 1; /* of a shard */
    while (heads < (size_t)1 << MOST_LOG2 && FLOW_SHARDS * heads * 2 <= count + count / 4 &&
           (most == 0 || FLOW_SHARDS * heads * 2 * sizeof(*table->many) < most / LEAST_SHARE))
        heads *= 2;
    const size_t bytes = FLOW_SHARDS * heads * sizeof(*table->many);
    if (table->many || bytes < HUGE_BYTES || !(table->many = huge_alloc(bytes)))
        return;
    table->many_bytes = bytes;
    budget_take(table->all, bytes, true);
    for (size_t i = 0; i < FLOW_SHARDS; i++) {
        table->shards[i].heads = table->many + i * heads;
        table->shards[i].mask = (unsigned)heads - 1;
        table->shards[i].is_part = true;
    }
}

static struct flow_stub **head_in(const struct stub_shard *shard, unsigned hash)
{
    return &shard->heads[hash & shard->mask];
}

static struct flow_stub **head_of(const struct stub_table *table, unsigned hash)
{
    return head_in(&table->shards[flow_shard_of(hash)], hash);
}

/* Without memory chains become longer. */
static void grow(struct stub_shard *shard)
{
    const size_t heads = (size_t)shard->mask + 1;
    struct stub_shard grown = *shard;
    grown.heads = calloc(2 * heads, sizeof(*grown.heads));
    if (!grown.heads)
        return;
    grown.mask = (unsigned)(2 * heads - 1);
    grown.is_part = false;
    for (size_t i = 0; i < heads; i++) {
        struct flow_stub *next;
        for (struct flow_stub *stub = shard->heads[i]; stub; stub = next) {
            struct flow_stub **head = head_in(&grown, stub->flow.hash);
            next = stub->next;
            stub->next = *head;
            *head = stub;
        }
    }
    free_heads(shard);
    *shard = grown;
}

/* ---------------------------------------------------------------------------------------- stubs */

/* Whoever fills the table with attempts leaves room for live connections. */
void stubs_init(struct stub_table *table, struct arena *arena, struct budget *all)
{
    table->all = all;
    table->budget = (struct budget){ .whole = all, .most = all->most / 4 * 3 };
    for (size_t i = 0; i < STUB_POOLS; i++)
        pool_init(&table->pools[i], arena, &table->budget, (i + 1) * STUB_STEP,
                  HEADS_EACH * sizeof(*table->many));
    for (size_t i = 0; i < FLOW_SHARDS; i++)
        empty_heads(&table->shards[i]);
}

void stubs_end_lookups(struct stub_table *table)
{
    for (size_t i = 0; i < FLOW_SHARDS; i++) {
        struct stub_shard *shard = &table->shards[i];
        free_heads(shard);
        empty_heads(shard);
        shard->count = 0;
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
struct flow *stub_take(struct stub_table *table, uint8_t family, size_t content_bytes)
{
    const size_t least = least_pool(table);
    size_t pool = pool_of(bytes_of(flow_key_bytes(family), content_bytes));
    if (pool < least)
        pool = least;
    struct flow_stub *stub = pool_take(&table->pools[pool]);
    while (!stub && ++pool < STUB_POOLS)
        if (pool_has_slot(&table->pools[pool]))
            stub = pool_take(&table->pools[pool]);
    if (!stub)
        return NULL;
    stub->flow.pool = (uint8_t)pool;
    stub->flow.content_bytes = (uint16_t)content_bytes;
    stub->flow.closes = stub->flow.timed = false;
    return &stub->flow;
}

/* Only where a look-up has just been: to others the way is long. */
static void watch(struct stub_table *table, const struct flow_stub *stub)
{
    unsigned sharing = 0;
    for (; stub; stub = stub->next)
        sharing++;
    if (sharing > table->bucket_peak)
        table->bucket_peak = sharing;
}

void stub_link(struct stub_table *table, struct flow *flow)
{
    struct stub_shard *shard = &table->shards[flow_shard_of(flow->hash)];
    if (shard->count++ > shard->mask)
        grow(shard);
    struct flow_stub *stub = stub_of(flow), **head = head_in(shard, flow->hash);
    stub->next = *head;
    *head = stub;
    if (flow->form == FLOW_LONE_SYN)
        watch(table, stub);
}

void stub_remove(struct stub_table *table, struct flow *flow)
{
    struct stub_shard *shard = &table->shards[flow_shard_of(flow->hash)];
    struct flow_stub *stub = stub_of(flow), **at = head_in(shard, flow->hash);
    while (*at && *at != stub)
        at = &(*at)->next;
    if (*at) { /* else look-ups have ended */
        *at = stub->next;
        shard->count--;
    }
    flow->form = FLOW_EMPTY;
    pool_give(&table->pools[flow->pool], stub);
}

struct flow *stub_find(const struct stub_table *table, const struct fw_segment *segment,
                       unsigned hash)
{
    for (struct flow_stub *stub = *head_of(table, hash); stub; stub = stub->next)
        if (stub->flow.hash == hash && flow_key_is_of(&stub->flow.key, segment))
            return &stub->flow;
    return NULL;
}

void stub_prefetch_head(const struct stub_table *table, unsigned hash)
{
    __builtin_prefetch(head_of(table, hash), 1);
}

static void prefetch_stub(const struct flow_stub *stub)
{
    __builtin_prefetch(stub, 1);
    __builtin_prefetch((const char *)stub + 64, 1);
}

void stub_prefetch_first(const struct stub_table *table, unsigned hash)
{
    const struct flow_stub *first = *head_of(table, hash);
    if (first)
        prefetch_stub(first);
}

void stub_prefetch_second(const struct stub_table *table, unsigned hash)
{
    const struct flow_stub *first = *head_of(table, hash);
    if (first && first->flow.hash != hash && first->next)
        prefetch_stub(first->next);
}

void stubs_each(const struct stub_table *table, void (*visit)(void *context, void *flow),
                void *context)
{
    for (size_t i = 0; i < STUB_POOLS; i++)
        pool_each(&table->pools[i], offsetof(struct flow_stub, flow), visit, context);
}

size_t stubs_memory_bytes(const struct stub_table *table)
{
    size_t bytes = table->many_bytes;
    for (size_t i = 0; i < STUB_POOLS; i++)
        bytes += table->pools[i].bytes;
    for (size_t i = 0; i < FLOW_SHARDS; i++)
        if (table->shards[i].mask > 0 && !table->shards[i].is_part)
            bytes += ((size_t)table->shards[i].mask + 1) * sizeof(*table->many);
    return bytes;
}
