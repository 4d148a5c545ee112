#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow_pool.h"

_Static_assert((offsetof(struct flow, key) + FLOW_KEY_BYTES_IPV4) % 8 == 0, "slots are words");
_Static_assert(sizeof(struct flow) % 8 == 0 && sizeof(struct flow_body) % 8 == 0,
               "slots are words");

/* Packed bodies go into the pool of the next size. */
enum {
    PACKED_STEP = 16,
    PACKED_POOLS = (FLOW_PACKED_MOST + PACKED_STEP - 1) / PACKED_STEP,
};

/* ---------------------------------------------------------------------------------------- table */

/* Flows are spread over uthash tables by the upper bits of their hash, so that none has many to
 * move when it grows. What a look-up needs of a table is kept here: uthash has it behind the
 * table's oldest flow, which is seldom in the cache. */
enum { SHARD_BITS = 9, SHARDS = 1 << SHARD_BITS };
struct shard {
    struct flow *flows; /* uthash */
    const UT_hash_bucket *buckets;
    unsigned bucket_mask;
    bool had_first; /* its part of flow_table.first_buckets was used */
};

struct flow_listener {
    UT_hash_handle hh;
    struct fw_listener value; /* synacks is not part of the key */
};

struct queue {
    struct flow *oldest, *newest;
    size_t whole; /* how many have a body */
};

struct flow_table {
    struct shard shards[SHARDS];
    size_t count;
    uint64_t adds, removes;
    unsigned bucket_peak;
    struct arena arena;     /* of all pools */
    struct pool ipv4, ipv6; /* of struct flow */
    struct pool bodies, syns;
    struct pool packed[PACKED_POOLS]; /* of 1, 2... PACKED_STEP bytes */
    struct queue queues[FLOW_QUEUE_COUNT];
    struct flow_listener *listeners;
    uint64_t hash_key[2];
    unsigned first_buckets_log2; /* of a shard's table when it is made */
    char *first_buckets;         /* of all shards, one after the other; NULL: from the heap */
    bool interop;
    enum flow_refusal refused;
    struct budget all, small, ipv4_entries; /* small: all but bodies */
};

static size_t first_buckets_bytes(const struct flow_table *table)
{
    return sizeof(UT_hash_bucket) << table->first_buckets_log2;
}

/* For uthash: zeroed. The first buckets of a shard are its part of table->first_buckets. */
static void *alloc_for_hash(const struct flow_table *table, struct shard *shard, size_t bytes)
{
    if (!shard || !table->first_buckets || bytes != first_buckets_bytes(table))
        return calloc(1, bytes);
    char *part = table->first_buckets + (size_t)(shard - table->shards) * bytes;
    if (shard->had_first)
        memset(part, 0, bytes);
    shard->had_first = true;
    return part;
}

static void free_for_hash(const struct flow_table *table, void *memory)
{
    const char *start = table->first_buckets;
    const size_t bytes = SHARDS * first_buckets_bytes(table);
    if (!start || (char *)memory < start || (char *)memory >= start + bytes)
        free(memory);
}

#undef uthash_malloc
#undef uthash_free
#define uthash_malloc(bytes)       alloc_for_hash(table, shard, bytes)
#define uthash_free(memory, bytes) free_for_hash(table, memory)

/* uthash's own figures, made variable: a table begins as large as it is likely to be. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS_LOG2 first_buckets_log2
#define HASH_INITIAL_NUM_BUCKETS      (1u << first_buckets_log2)

/* The table may have been made, grown or freed. */
static void update_shard(struct shard *shard)
{
    static const UT_hash_bucket no_bucket;
    const UT_hash_table *hashed = shard->flows ? shard->flows->hh.tbl : NULL;
    shard->buckets = hashed ? hashed->buckets : &no_bucket;
    shard->bucket_mask = hashed ? hashed->num_buckets - 1 : 0;
}

/* Whoever fills the table with attempts leaves room for bodies; and in entries of IPv4, which one
 * of IPv6 does not fit into, for those. */
static void share_memory(struct flow_table *table, size_t most)
{
    table->small.whole = &table->all;
    table->ipv4_entries.whole = &table->small;
    table->all.most = most;
    table->small.most = most / 4 * 3;
    table->ipv4_entries.most = most / 16 * 9;
}

struct flow_table *flow_table_create(const struct flow_table_options *options)
{
    enum { FEWEST_BUCKETS_LOG2 = 2, MOST_BUCKETS_EACH = 4 };
    struct flow_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    memcpy(table->hash_key, options->hash_key, sizeof(table->hash_key));
    table->interop = options->interop;
    share_memory(table, options->max_bytes);
    arena_init(&table->arena, &table->all);
    const size_t buckets_bytes = MOST_BUCKETS_EACH * sizeof(UT_hash_bucket);
    const size_t interop_bytes = table->interop ? sizeof(struct interop) + FLOW_MALLOC_BYTES : 0;
    pool_init(&table->ipv4, &table->arena, &table->ipv4_entries,
              offsetof(struct flow, key) + FLOW_KEY_BYTES_IPV4, buckets_bytes);
    pool_init(&table->ipv6, &table->arena, &table->small, sizeof(struct flow), buckets_bytes);
    pool_init(&table->bodies, &table->arena, &table->all, sizeof(struct flow_body), interop_bytes);
    pool_init(&table->syns, &table->arena, &table->small, sizeof(struct flow_syn), 0);
    for (size_t i = 0; i < PACKED_POOLS; i++)
        pool_init(&table->packed[i], &table->arena, &table->small, (i + 1) * PACKED_STEP, 0);
    table->first_buckets_log2 = FEWEST_BUCKETS_LOG2;
    for (size_t i = 0; i < SHARDS; i++)
        update_shard(&table->shards[i]);
    return table;
}

void flow_expect(struct flow_table *table, uint64_t count)
{
    enum { MOST_BUCKETS_LOG2 = 16, LEAST_SHARE = 16 };
    const size_t most = table->all.most;
    if (table->adds > 0 || table->first_buckets)
        return;
    while (table->first_buckets_log2 < MOST_BUCKETS_LOG2 &&
           (uint64_t)SHARDS << (table->first_buckets_log2 + 1) <= count &&
           (most == 0 || 2 * SHARDS * first_buckets_bytes(table) < most / LEAST_SHARE))
        table->first_buckets_log2++;
    const size_t bytes = SHARDS * first_buckets_bytes(table);
    if (bytes < HUGE_BYTES)
        return;
    table->first_buckets = huge_alloc(bytes);
    if (table->first_buckets)
        budget_take(&table->all, bytes, true);
}

static void release_body(struct flow_table *table, struct flow_body *body)
{
    free(body->held);
    free(body->interop);
    pool_give(&table->bodies, body);
}

static struct pool *packed_pool(struct flow_table *table, size_t bytes)
{
    return &table->packed[(bytes - 1) / PACKED_STEP];
}

static void release_content(struct flow_table *table, struct flow *flow)
{
    if (flow->form == FLOW_WHOLE)
        release_body(table, flow->body);
    if (flow->form == FLOW_LONE_SYN)
        pool_give(&table->syns, flow->syn);
    if (flow->form == FLOW_PACKED)
        pool_give(packed_pool(table, flow->packed_bytes), flow->packed);
    flow->form = FLOW_EMPTY;
}

void flow_table_destroy(struct flow_table *table)
{
    if (!table)
        return;
    flow_clear(table);
    struct flow_listener *listener = table->listeners, *next;
    struct shard *const shard = NULL; /* for uthash_free */
    (void)shard;
    HASH_CLEAR(hh, table->listeners);
    for (; listener; listener = next) {
        next = listener->hh.next;
        free(listener);
    }
    huge_free(table->first_buckets, SHARDS * first_buckets_bytes(table));
    free(table);
}

/* --------------------------------------------------------------------------------------- lookups
 */

unsigned flow_hash(const struct flow_table *table, const struct fw_segment *segment)
{
    return flow_key_hash(table->hash_key, segment);
}

void flow_prepare(struct flow_table *table, const struct fw_segment *segments, size_t count,
                  struct flow_lookup *lookups)
{
    flow_hash_all(table->hash_key, segments, count, lookups);
    arena_touch_ahead(&table->arena);
}

static const struct shard *shard_of(const struct flow_table *table, unsigned hash)
{
    return &table->shards[hash >> (32 - SHARD_BITS)];
}

static const UT_hash_bucket *bucket_of(const struct flow_table *table, unsigned hash)
{
    const struct shard *shard = shard_of(table, hash);
    return &shard->buckets[hash & shard->bucket_mask];
}

void flow_prefetch(const struct flow *flow)
{
    __builtin_prefetch(flow, 1);
    __builtin_prefetch(&flow->key, 1);
    __builtin_prefetch((const char *)&flow->key + FLOW_KEY_BYTES_IPV4 - 1, 1);
}

/* What a segment is likely to touch of a flow's content, from its start. */
static size_t likely_bytes(const struct flow *flow)
{
    if (flow->form == FLOW_PACKED)
        return flow->packed_bytes;
    if (flow->form == FLOW_LONE_SYN)
        return sizeof(struct flow_syn);
    return flow->queue == FLOW_OPEN ? offsetof(struct flow_body, tcp.end[1].iss)
                                    : sizeof(struct flow_body);
}

void flow_prefetch_content(const struct flow *flow)
{
    const char *content = (const char *)flow->body;
    const size_t bytes = likely_bytes(flow);
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch(content + at, 1);
}

/* The flows before and behind it in its queue, as far as moving it touches them. */
static void prefetch_neighbours(const struct flow *flow)
{
    __builtin_prefetch(flow->older ? &flow->older->newer : NULL, 1);
    __builtin_prefetch(flow->newer ? &flow->newer->older : NULL, 1);
}

void flow_prefetch_removal(const struct flow_table *table, const struct flow *flow)
{
    const struct UT_hash_handle *hh = &flow->hh;
    if (flow->newer)
        flow_prefetch(flow->newer);
    flow_prefetch_content(flow);
    __builtin_prefetch(bucket_of(table, hh->hashv), 1);
    __builtin_prefetch(hh->next, 1);
    __builtin_prefetch(hh->hh_next, 1);
    __builtin_prefetch(hh->hh_prev, 1);
}

static const UT_hash_bucket *listener_bucket(const struct flow_table *table, unsigned hash)
{
    static const UT_hash_bucket none;
    if (!table->listeners)
        return &none;
    const UT_hash_table *hashed = table->listeners->hh.tbl;
    return &hashed->buckets[hash & (hashed->num_buckets - 1)];
}

static void prefetch_first_listener(const struct flow_table *table, unsigned hash)
{
    const struct flow_listener *listener = /* its handle comes first */
        (const struct flow_listener *)listener_bucket(table, hash)->hh_head;
    if (!listener)
        return;
    __builtin_prefetch(listener);
    __builtin_prefetch(&listener->value, 1);
}

static struct flow_listener *find_listener(const struct flow_table *table,
                                           const struct fw_endpoint *endpoint,
                                           const struct fw_scope *scope, unsigned hash)
{
    const UT_hash_handle *handle = listener_bucket(table, hash)->hh_head;
    for (; handle; handle = handle->hh_next) {
        struct flow_listener *listener = (struct flow_listener *)handle;
        if (handle->hashv == hash &&
            memcmp(&listener->value.endpoint, endpoint, sizeof(*endpoint)) == 0 &&
            memcmp(&listener->value.scope, scope, sizeof(*scope)) == 0)
            return listener;
    }
    return NULL;
}

static struct flow *find_in(const UT_hash_bucket *bucket, const struct fw_segment *segment,
                            unsigned hash)
{
    for (const UT_hash_handle *handle = bucket->hh_head; handle; handle = handle->hh_next) {
        struct flow *flow = (struct flow *)handle; /* the handle is the first of a flow */
        if (handle->hashv == hash && flow_key_is_of(&flow->key, segment))
            return flow;
    }
    return NULL;
}

/* Cache misses are what tracking costs: those of a batch are asked for together, each step of the
 * way to a connection for all segments before the next step. */
void flow_look_up(const struct flow_table *table, const struct fw_segment *segments,
                  struct flow_lookup *lookups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lookups[i].bucket = bucket_of(table, lookups[i].hash);
        __builtin_prefetch(lookups[i].bucket);
        if (lookups[i].answers)
            __builtin_prefetch(listener_bucket(table, lookups[i].listener_hash));
    }
    for (size_t i = 0; i < count; i++) {
        if (lookups[i].bucket->hh_head)
            flow_prefetch((const struct flow *)lookups[i].bucket->hh_head);
        if (lookups[i].answers)
            prefetch_first_listener(table, lookups[i].listener_hash);
    }
    for (size_t i = 0; i < count; i++) {
        const UT_hash_handle *first = lookups[i].bucket->hh_head;
        if (first && first->hashv != lookups[i].hash && first->hh_next)
            flow_prefetch((const struct flow *)first->hh_next);
    }
    for (size_t i = 0; i < count; i++) {
        lookups[i].flow = find_in(lookups[i].bucket, &segments[i], lookups[i].hash);
        if (lookups[i].flow) {
            flow_prefetch_content(lookups[i].flow);
            if (lookups[i].flow->queue != FLOW_OPEN)
                prefetch_neighbours(lookups[i].flow);
        }
        if (lookups[i].answers)
            lookups[i].listener = find_listener(table, &segments[i].from, &segments[i].scope,
                                                lookups[i].listener_hash);
    }
}

uint64_t flow_id(const struct flow *flow)
{
    if (flow->form == FLOW_PACKED)
        return flow_packed_id(flow->packed);
    return flow->form == FLOW_WHOLE ? flow->body->id : flow->syn->id;
}

void flow_identity(const struct flow *flow, struct fw_identity *identity)
{
    const struct flow_key *key = &flow->key;
    struct fw_endpoint *low = flow->client_is_low ? &identity->client : &identity->server;
    struct fw_endpoint *high = flow->client_is_low ? &identity->server : &identity->client;
    identity->id = flow_id(flow);
    identity->scope = (struct fw_scope){ key->tunnel_id, key->vlan, key->tunnel };
    *low = (struct fw_endpoint){ .port = key->low_port, .family = key->family };
    *high = (struct fw_endpoint){ .port = key->high_port, .family = key->family };
    if (key->family == FW_IPV4) {
        memcpy(low->addr, key->addr.ipv4.low, sizeof(key->addr.ipv4.low));
        memcpy(high->addr, key->addr.ipv4.high, sizeof(key->addr.ipv4.high));
    } else {
        memcpy(low->addr, key->addr.ipv6.low, sizeof(key->addr.ipv6.low));
        memcpy(high->addr, key->addr.ipv6.high, sizeof(key->addr.ipv6.high));
    }
}

/* --------------------------------------------------------------------------------------- queues */

static void unlink_queue(struct flow_table *table, struct flow *flow)
{
    struct queue *queue = &table->queues[flow->queue];
    queue->whole -= flow->form == FLOW_WHOLE;
    *(flow->older ? &flow->older->newer : &queue->oldest) = flow->newer;
    *(flow->newer ? &flow->newer->older : &queue->newest) = flow->older;
}

static void link_newest(struct flow_table *table, struct flow *flow, enum flow_queue to,
                        fw_time now)
{
    struct queue *queue = &table->queues[to];
    queue->whole += flow->form == FLOW_WHOLE;
    flow->queue = (uint8_t)to;
    flow->queued = now;
    flow->newer = NULL;
    flow->older = queue->newest;
    *(queue->newest ? &queue->newest->newer : &queue->oldest) = flow;
    queue->newest = flow;
}

void flow_enqueue(struct flow_table *table, struct flow *flow, enum flow_queue queue, fw_time now)
{
    unlink_queue(table, flow);
    link_newest(table, flow, queue, now);
}

struct flow *flow_oldest(const struct flow_table *table, enum flow_queue queue)
{
    return table->queues[queue].oldest;
}

bool flow_has_whole(const struct flow_table *table, enum flow_queue queue)
{
    return table->queues[queue].whole > 0;
}

/* -------------------------------------------------------------------------------------- entries */

struct flow *flow_find(const struct flow_table *table, const struct fw_segment *segment,
                       unsigned hash)
{
    return find_in(bucket_of(table, hash), segment, hash);
}

uint64_t flow_adds(const struct flow_table *table)
{
    return table->adds;
}

uint64_t flow_removes(const struct flow_table *table)
{
    return table->removes;
}

unsigned flow_bucket_peak(const struct flow_table *table)
{
    return table->bucket_peak;
}

static struct flow_body *take_body(struct flow_table *table)
{
    struct flow_body *body = pool_take(&table->bodies);
    if (!body)
        return NULL;
    body->held = NULL;
    body->interop = NULL;
    if (table->interop && !(body->interop = calloc(1, sizeof(*body->interop)))) {
        pool_give(&table->bodies, body);
        return NULL;
    }
    return body;
}

static struct pool *pool_of(struct flow_table *table, const struct flow *flow)
{
    return flow->wide ? &table->ipv6 : &table->ipv4;
}

static struct flow *take_entry(struct flow_table *table, const struct fw_segment *segment)
{
    const bool ipv4 = segment->from.family == FW_IPV4;
    struct flow *flow = ipv4 ? pool_take(&table->ipv4) : NULL;
    const bool wide = !flow;
    if (wide)
        flow = pool_take(&table->ipv6);
    if (!flow)
        return NULL;
    memset(flow, 0, offsetof(struct flow, key));
    flow_key_of(segment, &flow->key);
    flow->wide = wide;
    return flow;
}

static bool hash_add(struct flow_table *table, struct flow *flow, unsigned hash)
{
    const unsigned first_buckets_log2 = table->first_buckets_log2; /* for HASH_MAKE_TABLE */
    struct shard *shard = &table->shards[hash >> (32 - SHARD_BITS)];
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, shard->flows, &flow->key, flow_key_bytes(&flow->key), hash,
                                flow);
    update_shard(shard);
    if (!flow->hh.tbl)
        return false;
    const unsigned sharing = bucket_of(table, hash)->count;
    if (sharing > table->bucket_peak)
        table->bucket_peak = sharing;
    return true;
}

/* Puts an entry whose content is there into the table; without memory, or without content, gives
 * both back. */
static struct flow *add_entry(struct flow_table *table, struct flow *flow, unsigned hash,
                              enum flow_queue queue, fw_time now)
{
    if (flow->form == FLOW_EMPTY || !hash_add(table, flow, hash)) {
        release_content(table, flow);
        pool_give(pool_of(table, flow), flow);
        return NULL;
    }
    table->count++;
    table->adds++;
    link_newest(table, flow, queue, now);
    return flow;
}

struct flow *flow_add(struct flow_table *table, const struct fw_segment *segment, unsigned hash,
                      fw_time now)
{
    struct flow *flow = take_entry(table, segment);
    table->refused = FLOW_NO_ENTRY;
    if (!flow)
        return NULL;
    table->refused = FLOW_NO_BODY;
    flow->body = take_body(table);
    flow->form = flow->body ? FLOW_WHOLE : FLOW_EMPTY;
    return add_entry(table, flow, hash, FLOW_OPEN, now);
}

struct flow *flow_add_syn(struct flow_table *table, const struct fw_segment *segment, unsigned hash,
                          fw_time now, const struct flow_syn *syn)
{
    struct flow *flow = take_entry(table, segment);
    table->refused = FLOW_NO_ENTRY;
    if (!flow)
        return NULL;
    flow->syn = pool_take(&table->syns);
    flow->form = flow->syn ? FLOW_LONE_SYN : FLOW_EMPTY;
    flow->packed_bytes = sizeof(*flow->syn);
    if (flow->syn)
        *flow->syn = *syn;
    return add_entry(table, flow, hash, FLOW_SYN, now);
}

enum flow_refusal flow_refused(const struct flow_table *table)
{
    return table->all.most > 0 ? table->refused : FLOW_NO_MEMORY;
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
    struct shard *shard = &table->shards[flow->hh.hashv >> (32 - SHARD_BITS)];
    unlink_queue(table, flow);
    HASH_DELETE(hh, shard->flows, flow);
    update_shard(shard);
    release_content(table, flow);
    table->count--;
    table->removes++;
    pool_give(pool_of(table, flow), flow);
}

void flow_forget(struct flow_table *table, struct flow *flow)
{
    release_content(table, flow);
    table->count--;
}

void flow_clear(struct flow_table *table)
{
    for (int queue = 0; queue < FLOW_QUEUE_COUNT && table->count > 0; queue++)
        for (struct flow *flow = table->queues[queue].oldest; flow; flow = flow->newer)
            if (flow->form != FLOW_EMPTY)
                flow_forget(table, flow);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        HASH_CLEAR(hh, shard->flows);
        update_shard(shard);
    }
    memset(table->queues, 0, sizeof(table->queues));
    pool_clear(&table->ipv4);
    pool_clear(&table->ipv6);
    pool_clear(&table->bodies);
    pool_clear(&table->syns);
    for (size_t i = 0; i < PACKED_POOLS; i++)
        pool_clear(&table->packed[i]);
    arena_clear(&table->arena);
    table->removes++;
}

int flow_expand(struct flow_table *table, struct flow *flow, struct flow_syn *syn)
{
    struct flow_body *body = take_body(table);
    table->refused = FLOW_NO_BODY;
    if (!body)
        return -ENOMEM;
    if (flow->form == FLOW_PACKED)
        flow_unpack(flow->packed, flow->packed_bytes, body);
    else
        *syn = *flow->syn;
    release_content(table, flow);
    flow->body = body;
    flow->form = FLOW_WHOLE;
    table->queues[flow->queue].whole++;
    return 0;
}

void flow_fold(struct flow_table *table, struct flow *flow)
{
    uint8_t packed[FLOW_PACKED_MOST];
    const size_t bytes = flow_pack(flow->body, packed);
    uint8_t *kept = pool_take(packed_pool(table, bytes));
    if (!kept)
        return;
    memcpy(kept, packed, bytes);
    release_body(table, flow->body);
    flow->packed = kept;
    flow->form = FLOW_PACKED;
    flow->packed_bytes = (uint16_t)bytes;
    table->queues[flow->queue].whole--;
}

size_t flow_count(const struct flow_table *table)
{
    return table->count;
}

size_t flow_memory_bytes(const struct flow_table *table)
{
    size_t bytes = sizeof(*table) + table->arena.reserve_bytes + table->ipv4.bytes +
                   table->ipv6.bytes + table->bodies.bytes + table->syns.bytes;
    for (size_t i = 0; i < PACKED_POOLS; i++)
        bytes += table->packed[i].bytes;
    for (size_t i = 0; i < SHARDS; i++)
        if (table->shards[i].flows)
            bytes +=
                sizeof(UT_hash_table) + (table->shards[i].bucket_mask + 1) * sizeof(UT_hash_bucket);
    return bytes +
           (table->interop ? table->count * (sizeof(struct interop) + FLOW_MALLOC_BYTES) : 0);
}

/* ---------------------------------------------------------------------------------------- order */

struct numbering {
    uint64_t lowest, highest;
    struct flow **places; /* one for each id between them; NULL: none has it */
};

static void widen(void *context, void *slot)
{
    struct numbering *numbering = context;
    const struct flow *flow = slot;
    if (flow->form == FLOW_EMPTY)
        return;
    const uint64_t id = flow_id(flow);
    if (id < numbering->lowest)
        numbering->lowest = id;
    if (id > numbering->highest)
        numbering->highest = id;
}

static void place(void *context, void *slot)
{
    struct numbering *numbering = context;
    struct flow *flow = slot;
    if (flow->form != FLOW_EMPTY)
        numbering->places[flow_id(flow) - numbering->lowest] = flow;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t left = flow_id(*(struct flow *const *)a);
    const uint64_t right = flow_id(*(struct flow *const *)b);
    return (left > right) - (left < right);
}

static void append(void *context, void *slot)
{
    struct flow ***next = context;
    struct flow *flow = slot;
    if (flow->form != FLOW_EMPTY)
        *(*next)++ = flow;
}

/* Ids lie close together as a rule: each goes to its place in an array, which is then closed up. */
struct flow **flow_sorted(const struct flow_table *table, size_t *count)
{
    enum { MOST_PLACES_EACH = 8 };
    struct numbering numbering = { .lowest = UINT64_MAX };
    *count = table->count;
    if (*count == 0)
        return NULL;
    pool_each(&table->ipv4, widen, &numbering);
    pool_each(&table->ipv6, widen, &numbering);
    const uint64_t places = numbering.highest - numbering.lowest + 1;
    if (places / MOST_PLACES_EACH > *count) {
        struct flow **sorted = malloc(*count * sizeof(*sorted)), **next = sorted;
        if (!sorted)
            return NULL;
        pool_each(&table->ipv4, append, &next);
        pool_each(&table->ipv6, append, &next);
        qsort(sorted, *count, sizeof(*sorted), by_id);
        return sorted;
    }
    struct flow **sorted = numbering.places = calloc(places, sizeof(*sorted));
    if (!sorted)
        return NULL;
    pool_each(&table->ipv4, place, &numbering);
    pool_each(&table->ipv6, place, &numbering);
    size_t filled = 0;
    for (uint64_t i = 0; i < places; i++)
        if (numbering.places[i])
            sorted[filled++] = numbering.places[i];
    return sorted;
}

/* ------------------------------------------------------------------------------------ listeners */

int flow_note_listener(struct flow_table *table, const struct fw_identity *identity,
                       uint64_t max_listeners)
{
    enum { FEW_LOG2 = 5, MANY_LOG2 = 12 };
    const bool many = max_listeners == 0 || max_listeners >> MANY_LOG2 > 0;
    const unsigned first_buckets_log2 = many ? MANY_LOG2 : FEW_LOG2; /* for HASH_MAKE_TABLE */
    struct shard *const shard = NULL;
    const unsigned hash = flow_listener_hash(table->hash_key, &identity->server, &identity->scope);
    struct flow_listener *listener =
        find_listener(table, &identity->server, &identity->scope, hash);
    if (!listener) {
        if (max_listeners > 0 && HASH_COUNT(table->listeners) >= max_listeners)
            return 0;
        listener = calloc(1, sizeof(*listener));
        if (!listener)
            return -ENOMEM;
        listener->value.endpoint = identity->server;
        listener->value.scope = identity->scope;
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->listeners, &listener->value, FLOW_LISTENER_KEY_BYTES,
                                    hash, listener);
        if (!listener->hh.tbl) {
            free(listener);
            return -ENOMEM;
        }
    }
    flow_listener_answered(listener);
    return 0;
}

void flow_listener_answered(struct flow_listener *listener)
{
    listener->value.synacks++;
}

static int by_answers(const void *a, const void *b)
{
    const struct fw_listener *left = a, *right = b;
    if (left->synacks != right->synacks)
        return left->synacks < right->synacks ? 1 : -1;
    const int order = memcmp(&left->endpoint, &right->endpoint, sizeof(left->endpoint));
    return order != 0 ? order : memcmp(&left->scope, &right->scope, sizeof(left->scope));
}

struct fw_listener *flow_listeners(struct flow_table *table, size_t *count)
{
    *count = HASH_COUNT(table->listeners);
    struct fw_listener *values = *count ? malloc(*count * sizeof(*values)) : NULL;
    if (!values)
        return NULL;
    size_t filled = 0;
    for (struct flow_listener *listener = table->listeners; listener; listener = listener->hh.next)
        values[filled++] = listener->value;
    qsort(values, filled, sizeof(*values), by_answers);
    return values;
}
