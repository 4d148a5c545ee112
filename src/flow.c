#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow_pool.h"
#include "flow_stub.h"

_Static_assert(sizeof(struct flow_live) == 576, "struct flow_live is nine lines of the cache");
_Static_assert(sizeof(struct interop) % 8 == 0, "slots are words");

/* ---------------------------------------------------------------------------------------- table */

/* What is live is spread over uthash tables by the upper bits of its hash, so that none has many to
 * move when it grows. What a look-up needs of a table is kept here: uthash has it behind the
 * table's oldest flow, which is seldom in the cache. */
struct shard {
    struct flow_live *flows; /* uthash */
    const UT_hash_bucket *buckets;
    unsigned bucket_mask;
    uint32_t changes; /* how often one of its hashes, live or a stub, came, went, changed form */
};

struct flow_listener {
    UT_hash_handle hh;
    struct fw_listener value; /* synacks is not part of the key */
};

struct queue {
    struct flow *oldest, *newest;
    size_t live, stubs; /* how many of each */
};

struct flow_table {
    struct shard shards[FLOW_SHARDS];
    struct stub_table stubs;
    size_t count;
    unsigned bucket_peak;
    struct arena arena; /* of all pools */
    struct pool live;
    struct queue queues[FLOW_QUEUE_COUNT];
    struct flow_listener *listeners;
    uint64_t hash_key[2];
    bool interop;
    enum flow_refusal refused;
    struct budget all;
};

/* uthash's own figures, made variable: small, or as many as there are likely to be. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS_LOG2 first_buckets_log2
#define HASH_INITIAL_NUM_BUCKETS      (1u << first_buckets_log2)
#undef uthash_malloc
#define uthash_malloc(bytes) calloc(1, bytes)

/* The table may have been made, grown or freed. */
static void update_shard(struct shard *shard)
{
    static const UT_hash_bucket no_bucket;
    const UT_hash_table *hashed = shard->flows ? shard->flows->hh.tbl : NULL;
    shard->buckets = hashed ? hashed->buckets : &no_bucket;
    shard->bucket_mask = hashed ? hashed->num_buckets - 1 : 0;
}

struct flow_table *flow_table_create(const struct flow_table_options *options)
{
    enum { MOST_BUCKETS_EACH = 4 };
    struct flow_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    memcpy(table->hash_key, options->hash_key, sizeof(table->hash_key));
    table->interop = options->interop;
    table->all.most = options->max_bytes;
    arena_init(&table->arena, &table->all);
    pool_init(&table->live, &table->arena, &table->all,
              sizeof(struct flow_live) + (table->interop ? sizeof(struct interop) : 0),
              MOST_BUCKETS_EACH * sizeof(UT_hash_bucket));
    table->live.granted = true;
    stubs_init(&table->stubs, &table->arena, &table->all);
    for (size_t i = 0; i < FLOW_SHARDS; i++)
        update_shard(&table->shards[i]);
    return table;
}

void flow_expect(struct flow_table *table, uint64_t count)
{
    if (table->count == 0)
        stubs_expect(&table->stubs, count);
}

void flow_table_destroy(struct flow_table *table)
{
    if (!table)
        return;
    flow_clear(table);
    struct flow_listener *listener = table->listeners, *next;
    HASH_CLEAR(hh, table->listeners);
    for (; listener; listener = next) {
        next = listener->hh.next;
        free(listener);
    }
    free(table);
}

/* -------------------------------------------------------------------------------------- look-ups
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

static const UT_hash_bucket *bucket_of(const struct flow_table *table, unsigned hash)
{
    const struct shard *shard = &table->shards[flow_shard_of(hash)];
    return &shard->buckets[hash & shard->bucket_mask];
}

static void prefetch_live(const UT_hash_handle *handle) /* the first of a struct flow_live */
{
    __builtin_prefetch(handle, 1);
    __builtin_prefetch((const char *)handle + 64, 1);
}

void flow_prefetch(const struct flow *flow)
{
    __builtin_prefetch(flow, 1);
    __builtin_prefetch((const char *)flow + 64, 1);
}

/* What a segment is likely to touch of a body, from its start. */
static void prefetch_body(const struct flow_body *body, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const char *)body + at, 1);
}

enum { LIKELY_OF_OPEN = offsetof(struct flow_body, tcp.end[1].iss) };

void flow_prefetch_content(const struct flow *flow)
{
    if (flow->form == FLOW_WHOLE)
        prefetch_body(flow_body(flow),
                      flow->queue == FLOW_OPEN ? LIKELY_OF_OPEN : sizeof(struct flow_body));
    else
        for (size_t at = 0; at < flow->content_bytes; at += 64)
            __builtin_prefetch((const char *)flow + 64 + at, 1);
}

/* The flows before and behind it in its queue, as far as moving it touches them. */
static void prefetch_neighbours(const struct flow *flow)
{
    __builtin_prefetch(flow->older ? &flow->older->newer : NULL, 1);
    __builtin_prefetch(flow->newer ? &flow->newer->older : NULL, 1);
}

/* What uthash touches to take it out, but for the bucket. */
static void prefetch_unhashing(const struct flow *flow)
{
    const struct UT_hash_handle *hh = &flow_live(flow)->hh;
    __builtin_prefetch(hh->prev, 1);
    __builtin_prefetch(hh->next, 1);
    __builtin_prefetch(hh->hh_next, 1);
    __builtin_prefetch(hh->hh_prev, 1);
}

void flow_prefetch_removal(const struct flow_table *table, const struct flow *flow)
{
    if (flow->newer)
        flow_prefetch(flow->newer);
    flow_prefetch_content(flow);
    if (flow->form != FLOW_WHOLE) {
        stub_prefetch_line(&table->stubs, flow->hash);
        return;
    }
    __builtin_prefetch(bucket_of(table, flow->hash), 1);
    prefetch_unhashing(flow);
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
        struct flow_live *live = (struct flow_live *)handle;
        if (handle->hashv == hash && flow_key_is_of(&live->flow.key, segment))
            return &live->flow;
    }
    return NULL;
}

static void prefetch_second(const struct flow_lookup *lookup)
{
    const UT_hash_handle *first = lookup->bucket->hh_head;
    if (first && first->hashv != lookup->hash && first->hh_next)
        prefetch_live(first->hh_next);
}

static void prefetch_found(const struct flow_table *table, const struct flow *flow)
{
    flow_prefetch_content(flow);
    if (flow->queue != FLOW_OPEN || flow->closes)
        prefetch_neighbours(flow);
    if (flow->closes && flow->form == FLOW_WHOLE) {
        prefetch_unhashing(flow);
        stub_prefetch_line(&table->stubs, flow->hash);
    }
}

/* Where uthash adds a flow: at the end of the list that a table's oldest flow leads to. */
static const struct UT_hash_table *hashed_of(const struct flow_table *table, unsigned hash)
{
    const struct flow_live *oldest = table->shards[flow_shard_of(hash)].flows;
    return oldest ? oldest->hh.tbl : NULL;
}

/* The steps to a stub that will be live, and to what makes it so. */
static void prefetch_stub_1(const struct flow_table *table, unsigned hash)
{
    stub_prefetch_line(&table->stubs, hash);
    __builtin_prefetch(table->shards[flow_shard_of(hash)].flows);
}

static void prefetch_stub_2(const struct flow_table *table, unsigned hash)
{
    stub_prefetch(&table->stubs, hash);
    __builtin_prefetch(hashed_of(table, hash));
}

static void prefetch_stub_3(const struct flow_table *table, unsigned hash)
{
    const struct UT_hash_table *hashed = hashed_of(table, hash);
    __builtin_prefetch(hashed ? hashed->tail : NULL, 1);
}

static void find_stub(const struct flow_table *table, const struct fw_segment *segment,
                      struct flow_lookup *lookup)
{
    lookup->flow = stub_find(&table->stubs, segment, lookup->hash);
    if (lookup->flow)
        prefetch_found(table, lookup->flow);
}

/* Those of a batch for which there is nothing live, and that are no SYNs. */
static void find_stubs(const struct flow_table *table, const struct fw_segment *segments,
                       struct flow_lookup *lookups, const uint16_t *missing, size_t count)
{
    for (size_t i = 0; i < count; i++)
        prefetch_stub_2(table, lookups[missing[i]].hash);
    for (size_t i = 0; i < count; i++)
        prefetch_stub_3(table, lookups[missing[i]].hash);
    for (size_t i = 0; i < count; i++)
        find_stub(table, &segments[missing[i]], &lookups[missing[i]]);
}

/* Cache misses are what tracking costs: those of a batch are asked for together, each step of the
 * way to a connection for all segments before the next step. */
void flow_look_up(const struct flow_table *table, const struct fw_segment *segments,
                  struct flow_lookup *lookups, uint32_t *changes, size_t count)
{
    uint16_t missing[FLOW_LOOKUPS_MOST];
    size_t missing_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct shard *shard = &table->shards[flow_shard_of(lookups[i].hash)];
        changes[i] = shard->changes;
        lookups[i].bucket = &shard->buckets[lookups[i].hash & shard->bucket_mask];
        __builtin_prefetch(lookups[i].bucket);
        if (lookups[i].syn)
            prefetch_stub_1(table, lookups[i].hash);
        if (lookups[i].answers)
            __builtin_prefetch(listener_bucket(table, lookups[i].listener_hash));
    }
    for (size_t i = 0; i < count; i++) {
        if (lookups[i].bucket->hh_head)
            prefetch_live(lookups[i].bucket->hh_head);
        if (lookups[i].syn)
            prefetch_stub_2(table, lookups[i].hash);
        if (lookups[i].answers)
            prefetch_first_listener(table, lookups[i].listener_hash);
    }
    for (size_t i = 0; i < count; i++) {
        prefetch_second(&lookups[i]);
        if (lookups[i].syn)
            prefetch_stub_3(table, lookups[i].hash);
    }
    for (size_t i = 0; i < count; i++) {
        struct flow_lookup *lookup = &lookups[i];
        lookup->flow = find_in(lookup->bucket, &segments[i], lookup->hash);
        if (lookup->flow) {
            prefetch_found(table, lookup->flow);
        } else if (lookup->syn) {
            find_stub(table, &segments[i], lookup);
        } else {
            prefetch_stub_1(table, lookup->hash);
            missing[missing_count++] = (uint16_t)i;
        }
        if (lookup->answers)
            lookup->listener =
                find_listener(table, &segments[i].from, &segments[i].scope, lookup->listener_hash);
    }
    find_stubs(table, segments, lookups, missing, missing_count);
}

uint64_t flow_id(const struct flow *flow)
{
    if (flow->form == FLOW_PACKED)
        return flow_packed_id(flow_content(flow));
    return flow->form == FLOW_WHOLE ? flow_body(flow)->id : flow_lone_syn(flow).id;
}

struct flow_syn flow_lone_syn(const struct flow *flow)
{
    struct flow_syn syn;
    memcpy(&syn, flow_content(flow), sizeof(syn));
    return syn;
}

void flow_copy(struct flow_live *to, const struct flow *from)
{
    memcpy(&to->flow, from, offsetof(struct flow, key) + flow_key_bytes(from->key.family));
    to->flow.form = FLOW_WHOLE;
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

static void count_in_queue(struct flow_table *table, const struct flow *flow, size_t more)
{
    struct queue *queue = &table->queues[flow->queue];
    *(flow->form == FLOW_WHOLE ? &queue->live : &queue->stubs) += more;
}

static void unlink_queue(struct flow_table *table, struct flow *flow)
{
    struct queue *queue = &table->queues[flow->queue];
    count_in_queue(table, flow, (size_t)-1);
    *(flow->older ? &flow->older->newer : &queue->oldest) = flow->newer;
    *(flow->newer ? &flow->newer->older : &queue->newest) = flow->older;
}

static void link_newest(struct flow_table *table, struct flow *flow, enum flow_queue to,
                        fw_time now)
{
    struct queue *queue = &table->queues[to];
    flow->queue = to;
    flow->queued = now;
    flow->newer = NULL;
    flow->older = queue->newest;
    *(queue->newest ? &queue->newest->newer : &queue->oldest) = flow;
    queue->newest = flow;
    count_in_queue(table, flow, 1);
}

/* `to` takes its place. */
static void move_in_queue(struct flow_table *table, const struct flow *from, struct flow *to)
{
    struct queue *queue = &table->queues[from->queue];
    to->older = from->older;
    to->newer = from->newer;
    to->queued = from->queued;
    to->queue = from->queue;
    *(to->older ? &to->older->newer : &queue->oldest) = to;
    *(to->newer ? &to->newer->older : &queue->newest) = to;
    count_in_queue(table, from, (size_t)-1);
    count_in_queue(table, to, 1);
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

size_t flow_live_count(const struct flow_table *table, enum flow_queue queue)
{
    return table->queues[queue].live;
}

size_t flow_stub_count(const struct flow_table *table, enum flow_queue queue)
{
    return table->queues[queue].stubs;
}

/* ---------------------------------------------------------------------------------------- flows */

struct flow *flow_find(const struct flow_table *table, const struct fw_segment *segment,
                       unsigned hash)
{
    struct flow *live = find_in(bucket_of(table, hash), segment, hash);
    return live ? live : stub_find(&table->stubs, segment, hash);
}

static void note_change(struct flow_table *table, unsigned hash)
{
    table->shards[flow_shard_of(hash)].changes++;
}

/* The memory of a flow that went, or moved, is given to others of its form only. */
bool flow_stands(const struct flow_table *table, const struct flow_lookup *lookup, uint32_t changes,
                 const struct fw_segment *segment)
{
    const struct flow *flow = lookup->flow;
    return table->shards[flow_shard_of(lookup->hash)].changes == changes ||
           (flow && flow->form != FLOW_EMPTY && flow->hash == lookup->hash &&
            flow_key_is_of(&flow->key, segment));
}

unsigned flow_bucket_peak(const struct flow_table *table)
{
    const unsigned of_stubs = table->stubs.steps_peak;
    return table->bucket_peak > of_stubs ? table->bucket_peak : of_stubs;
}

static bool hash_add(struct flow_table *table, struct flow_live *live)
{
    enum { first_buckets_log2 = 2 }; /* for HASH_MAKE_TABLE */
    const struct flow_key *key = &live->flow.key;
    struct shard *shard = &table->shards[flow_shard_of(live->flow.hash)];
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, shard->flows, key, flow_key_bytes(key->family), live->flow.hash,
                                live);
    if (live->hh.tbl && live->hh.tbl->num_items > live->hh.tbl->num_buckets) {
        int failed = 0; /* chains become longer */
        HASH_EXPAND_BUCKETS(hh, live->hh.tbl, failed);
        (void)failed;
    }
    update_shard(shard);
    if (!live->hh.tbl)
        return false;
    const unsigned sharing = bucket_of(table, live->flow.hash)->count;
    if (sharing > table->bucket_peak)
        table->bucket_peak = sharing;
    return true;
}

static void hash_remove(struct flow_table *table, struct flow_live *live)
{
    struct shard *shard = &table->shards[flow_shard_of(live->flow.hash)];
    HASH_DELETE(hh, shard->flows, live);
    update_shard(shard);
}

/* With a body and a key that are yet to be filled. NULL: no memory. */
static struct flow *take_live(struct flow_table *table, unsigned hash)
{
    struct flow_live *live = pool_take(&table->live);
    table->refused = FLOW_NO_LIVE;
    if (!live)
        return NULL;
    live->flow.hash = hash;
    live->flow.form = FLOW_WHOLE;
    live->flow.client_is_low = live->flow.closes = live->flow.timed = false;
    live->body.held = NULL;
    live->hh.tbl = NULL;
    if (table->interop)
        *live->interop = (struct interop){ 0 };
    return &live->flow;
}

/* Once it has its key. Without memory it is given back, and NULL returned. */
static struct flow *link_live(struct flow_table *table, struct flow *flow)
{
    struct flow_live *live = flow_live(flow);
    if (hash_add(table, live))
        return flow;
    flow->form = FLOW_EMPTY;
    pool_give(&table->live, live);
    return NULL;
}

static void remove_live(struct flow_table *table, struct flow *flow)
{
    struct flow_live *live = flow_live(flow);
    hash_remove(table, live);
    free(live->body.held);
    flow->form = FLOW_EMPTY;
    pool_give(&table->live, live);
}

/* With a key and content that are yet to be filled. NULL: no memory. */
static struct flow *take_stub(struct flow_table *table, unsigned hash, enum flow_form form,
                              uint8_t family, size_t content_bytes)
{
    struct flow *stub = stub_take(&table->stubs, hash, family, content_bytes);
    table->refused = FLOW_NO_STUB;
    if (stub)
        stub->form = form;
    return stub;
}

static struct flow *add_to_queue(struct flow_table *table, struct flow *flow, enum flow_queue queue,
                                 fw_time now)
{
    if (!flow)
        return NULL;
    table->count++;
    note_change(table, flow->hash);
    link_newest(table, flow, queue, now);
    return flow;
}

struct flow *flow_add(struct flow_table *table, const struct fw_segment *segment, unsigned hash,
                      fw_time now)
{
    struct flow *flow = take_live(table, hash);
    if (!flow)
        return NULL;
    flow_key_of(segment, &flow->key);
    return add_to_queue(table, link_live(table, flow), FLOW_OPEN, now);
}

struct flow *flow_add_syn(struct flow_table *table, const struct fw_segment *segment, unsigned hash,
                          fw_time now, const struct flow_syn *syn)
{
    struct flow *flow =
        take_stub(table, hash, FLOW_LONE_SYN, (uint8_t)segment->from.family, sizeof(*syn));
    if (!flow)
        return NULL;
    flow_key_of(segment, &flow->key);
    memcpy(flow_content(flow), syn, sizeof(*syn));
    flow->client_is_low = false;
    stub_link(&table->stubs, flow);
    return add_to_queue(table, flow, FLOW_SYN, now);
}

enum flow_refusal flow_refused(const struct flow_table *table)
{
    return table->all.most > 0 ? table->refused : FLOW_NO_MEMORY;
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
    unlink_queue(table, flow);
    note_change(table, flow->hash);
    if (flow->form == FLOW_WHOLE)
        remove_live(table, flow);
    else
        stub_remove(&table->stubs, flow);
    table->count--;
}

void flow_end_lookups(struct flow_table *table)
{
    stubs_end_lookups(&table->stubs);
    arena_drop_ahead(&table->arena);
}

void flow_forget(struct flow_table *table, struct flow *flow)
{
    if (flow->form == FLOW_WHOLE)
        free(flow_body(flow)->held);
    flow->form = FLOW_EMPTY;
    table->count--;
}

void flow_clear(struct flow_table *table)
{
    for (int queue = 0; queue < FLOW_QUEUE_COUNT && table->count > 0; queue++)
        for (struct flow *flow = table->queues[queue].oldest; flow; flow = flow->newer)
            if (flow->form != FLOW_EMPTY)
                flow_forget(table, flow);
    for (size_t i = 0; i < FLOW_SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        HASH_CLEAR(hh, shard->flows);
        update_shard(shard);
        shard->changes++;
    }
    memset(table->queues, 0, sizeof(table->queues));
    pool_clear(&table->live);
    stubs_clear(&table->stubs);
    arena_clear(&table->arena);
}

/* `to` is what `flow` was, in another form. */
static void succeed(struct flow_table *table, const struct flow *flow, struct flow *to)
{
    to->client_is_low = flow->client_is_low;
    move_in_queue(table, flow, to);
    note_change(table, flow->hash);
}

struct flow *flow_expand(struct flow_table *table, struct flow *flow, fw_time since,
                         struct flow_syn *syn)
{
    struct flow *live = take_live(table, flow->hash);
    if (!live)
        return NULL;
    memcpy(&live->key, &flow->key, flow_key_bytes(flow->key.family));
    if (!link_live(table, live))
        return NULL;
    if (flow->form == FLOW_PACKED)
        flow_unpack(flow_content(flow), flow->content_bytes, since, flow_body(live));
    else
        *syn = flow_lone_syn(flow);
    succeed(table, flow, live);
    stub_remove(&table->stubs, flow);
    return live;
}

struct flow *flow_fold(struct flow_table *table, struct flow *flow)
{
    uint8_t packed[FLOW_PACKED_MOST];
    const uint8_t family = flow->key.family;
    const size_t bytes = flow_pack(flow_body(flow), flow->queued, packed);
    struct flow *stub = take_stub(table, flow->hash, FLOW_PACKED, family, bytes);
    if (!stub)
        return flow;
    memcpy(&stub->key, &flow->key, flow_key_bytes(family));
    memcpy((uint8_t *)&stub->key + flow_key_bytes(family), packed, bytes);
    succeed(table, flow, stub);
    stub_link(&table->stubs, stub);
    remove_live(table, flow);
    return stub;
}

size_t flow_count(const struct flow_table *table)
{
    return table->count;
}

size_t flow_memory_bytes(const struct flow_table *table)
{
    size_t bytes = sizeof(*table) + table->arena.reserve_bytes + table->live.bytes +
                   stubs_memory_bytes(&table->stubs);
    for (size_t i = 0; i < FLOW_SHARDS; i++)
        if (table->shards[i].flows)
            bytes +=
                sizeof(UT_hash_table) + (table->shards[i].bucket_mask + 1) * sizeof(UT_hash_bucket);
    return bytes;
}

/* ---------------------------------------------------------------------------------------- order */

/* Also what once was a flow, in form FLOW_EMPTY. */
static void each_flow(const struct flow_table *table, void (*visit)(void *context, void *flow),
                      void *context)
{
    pool_each(&table->live, offsetof(struct flow_live, flow), visit, context);
    stubs_each(&table->stubs, visit, context);
}

struct numbering {
    uint64_t lowest, highest;
    struct flow **places; /* one for each id between them; NULL: none has it */
};

static void widen(void *context, void *at)
{
    struct numbering *numbering = context;
    const struct flow *flow = at;
    if (flow->form == FLOW_EMPTY)
        return;
    const uint64_t id = flow_id(flow);
    if (id < numbering->lowest)
        numbering->lowest = id;
    if (id > numbering->highest)
        numbering->highest = id;
}

static void place(void *context, void *at)
{
    struct numbering *numbering = context;
    struct flow *flow = at;
    if (flow->form != FLOW_EMPTY)
        numbering->places[flow_id(flow) - numbering->lowest] = flow;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t left = flow_id(*(struct flow *const *)a);
    const uint64_t right = flow_id(*(struct flow *const *)b);
    return (left > right) - (left < right);
}

static void append(void *context, void *at)
{
    struct flow ***next = context;
    struct flow *flow = at;
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
    each_flow(table, widen, &numbering);
    const uint64_t places = numbering.highest - numbering.lowest + 1;
    if (places / MOST_PLACES_EACH > *count) {
        struct flow **sorted = malloc(*count * sizeof(*sorted)), **next = sorted;
        if (!sorted)
            return NULL;
        each_flow(table, append, &next);
        qsort(sorted, *count, sizeof(*sorted), by_id);
        return sorted;
    }
    struct flow **sorted = numbering.places = calloc(places, sizeof(*sorted));
    if (!sorted)
        return NULL;
    each_flow(table, place, &numbering);
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
