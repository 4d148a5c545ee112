#include "flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"

enum { FLOWS_PER_SLAB = 512 };

struct slab {
    struct slab *next;
    struct flow flows[FLOWS_PER_SLAB];
};

struct listener {
    UT_hash_handle hh;
    struct fw_listener value; /* synacks is not part of the key */
};

struct queue {
    struct flow *oldest, *newest;
};

struct flow_table {
    struct flow *flows; /* uthash */
    struct listener *listeners;
    struct slab *slabs;
    struct flow *free; /* linked through `newer` */
    struct queue queues[FLOW_QUEUE_COUNT];
    uint64_t hash_key[2];
    size_t slab_count;
    bool interop;
};

struct flow_table *flow_table_create(const uint8_t hash_key[16], bool interop)
{
    struct flow_table *table = calloc(1, sizeof(*table));
    if (!table)
        return NULL;
    memcpy(table->hash_key, hash_key, sizeof(table->hash_key));
    table->interop = interop;
    return table;
}

static void release_parts(struct flow *flow)
{
    free(flow->held);
    free(flow->interop);
    flow->held = NULL;
    flow->interop = NULL;
}

void flow_table_destroy(struct flow_table *table)
{
    if (!table)
        return;
    for (struct flow *flow = table->flows; flow; flow = flow->hh.next)
        release_parts(flow);
    HASH_CLEAR(hh, table->flows);
    struct listener *listener = table->listeners, *next;
    HASH_CLEAR(hh, table->listeners);
    for (; listener; listener = next) {
        next = listener->hh.next;
        free(listener);
    }
    while (table->slabs) {
        struct slab *slab = table->slabs;
        table->slabs = slab->next;
        free(slab);
    }
    free(table);
}

/* ----------------------------------------------------------------------------------------- keys */

static int compare_endpoints(const struct fw_endpoint *a, const struct fw_endpoint *b)
{
    const int order = memcmp(a->addr, b->addr, sizeof(a->addr));
    return order != 0 ? order : (int)a->port - (int)b->port;
}

void flow_key_of(const struct fw_segment *segment, struct flow_key *key, bool *from_low)
{
    *from_low = compare_endpoints(&segment->from, &segment->to) <= 0;
    const struct fw_endpoint *low = *from_low ? &segment->from : &segment->to;
    const struct fw_endpoint *high = *from_low ? &segment->to : &segment->from;
    *key = (struct flow_key){
        .low_port = low->port,
        .high_port = high->port,
        .vlan = segment->scope.vlan,
        .family = (uint8_t)low->family,
        .tunnel = (uint8_t)segment->scope.tunnel,
        .tunnel_id = segment->scope.tunnel_id,
    };
    memcpy(key->low_addr, low->addr, sizeof(key->low_addr));
    memcpy(key->high_addr, high->addr, sizeof(key->high_addr));
}

unsigned flow_hash(const struct flow_table *table, const struct flow_key *key)
{
    uint64_t words[sizeof(*key) / 8];
    memcpy(words, key, sizeof(*key));
    const uint64_t hash = siphash13(table->hash_key, words, sizeof(words) / sizeof(words[0]));
    return (unsigned)(hash ^ hash >> 32);
}

void flow_prefetch(const struct flow_table *table, unsigned hash)
{
    if (!table->flows)
        return;
    const UT_hash_table *hashed = table->flows->hh.tbl;
    __builtin_prefetch(&hashed->buckets[hash & (hashed->num_buckets - 1)]);
}

void flow_identity(const struct flow *flow, struct fw_identity *identity)
{
    const struct flow_key *key = &flow->key;
    struct fw_endpoint *low = flow->client_is_low ? &identity->client : &identity->server;
    struct fw_endpoint *high = flow->client_is_low ? &identity->server : &identity->client;
    identity->id = flow->id;
    identity->scope = (struct fw_scope){ key->tunnel_id, key->vlan, key->tunnel };
    *low = (struct fw_endpoint){ .port = key->low_port, .family = key->family };
    *high = (struct fw_endpoint){ .port = key->high_port, .family = key->family };
    memcpy(low->addr, key->low_addr, sizeof(low->addr));
    memcpy(high->addr, key->high_addr, sizeof(high->addr));
}

/* --------------------------------------------------------------------------------------- queues */

static void unlink_queue(struct flow_table *table, struct flow *flow)
{
    struct queue *queue = &table->queues[flow->queue];
    *(flow->older ? &flow->older->newer : &queue->oldest) = flow->newer;
    *(flow->newer ? &flow->newer->older : &queue->newest) = flow->older;
}

static void link_newest(struct flow_table *table, struct flow *flow, enum flow_queue to,
                        fw_time now)
{
    struct queue *queue = &table->queues[to];
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

struct flow *flow_oldest(struct flow_table *table, enum flow_queue queue)
{
    return table->queues[queue].oldest;
}

/* -------------------------------------------------------------------------------------- entries */

struct flow *flow_find(struct flow_table *table, const struct flow_key *key, unsigned hash)
{
    struct flow *flow;
    HASH_FIND_BYHASHVALUE(hh, table->flows, key, sizeof(*key), hash, flow);
    return flow;
}

static struct flow *take_free(struct flow_table *table)
{
    if (!table->free) {
        struct slab *slab = malloc(sizeof(*slab));
        if (!slab)
            return NULL;
        slab->next = table->slabs;
        table->slabs = slab;
        table->slab_count++;
        for (size_t i = FLOWS_PER_SLAB; i-- > 0;) {
            slab->flows[i].newer = table->free;
            table->free = &slab->flows[i];
        }
    }
    struct flow *flow = table->free;
    table->free = flow->newer;
    return flow;
}

static void give_free(struct flow_table *table, struct flow *flow)
{
    flow->newer = table->free;
    table->free = flow;
}

struct flow *flow_add(struct flow_table *table, const struct flow_key *key, unsigned hash,
                      fw_time now)
{
    struct flow *flow = take_free(table);
    if (!flow)
        return NULL;
    memset(flow, 0, sizeof(*flow));
    flow->key = *key;
    if (table->interop && !(flow->interop = calloc(1, sizeof(*flow->interop)))) {
        give_free(table, flow);
        return NULL;
    }
    HASH_ADD_BYHASHVALUE(hh, table->flows, key, sizeof(flow->key), hash, flow);
    if (!flow->hh.tbl) {
        release_parts(flow);
        give_free(table, flow);
        return NULL;
    }
    link_newest(table, flow, FLOW_OPEN, now);
    return flow;
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
    unlink_queue(table, flow);
    HASH_DELETE(hh, table->flows, flow);
    release_parts(flow);
    give_free(table, flow);
}

size_t flow_count(const struct flow_table *table)
{
    return HASH_COUNT(table->flows);
}

size_t flow_memory_bytes(const struct flow_table *table)
{
    const size_t interop = table->interop ? flow_count(table) * sizeof(struct interop) : 0;
    const size_t hashed = table->flows ? HASH_OVERHEAD(hh, table->flows) : 0;
    const size_t handles = flow_count(table) * sizeof(UT_hash_handle); /* already in the slabs */
    return sizeof(*table) + table->slab_count * sizeof(struct slab) + hashed - handles + interop;
}

static int by_id(const void *a, const void *b)
{
    const struct flow *const *left = a, *const *right = b;
    return ((*left)->id > (*right)->id) - ((*left)->id < (*right)->id);
}

struct flow **flow_sorted(struct flow_table *table, size_t *count)
{
    *count = flow_count(table);
    struct flow **sorted = *count ? malloc(*count * sizeof(struct flow *)) : NULL;
    if (!sorted)
        return NULL;
    size_t filled = 0;
    for (struct flow *flow = table->flows; flow; flow = flow->hh.next)
        sorted[filled++] = flow;
    qsort(sorted, filled, sizeof(struct flow *), by_id);
    return sorted;
}

/* ------------------------------------------------------------------------------------ listeners */

int flow_note_listener(struct flow_table *table, const struct fw_identity *identity,
                       uint64_t max_listeners)
{
    const struct fw_listener wanted = { .endpoint = identity->server, .scope = identity->scope };
    struct listener *listener;
    const size_t key_bytes = offsetof(struct fw_listener, synacks);
    uint64_t words[4] = { 0 };
    memcpy(words, &wanted, key_bytes);
    const unsigned hash = (unsigned)siphash13(table->hash_key, words, 4);
    HASH_FIND_BYHASHVALUE(hh, table->listeners, &wanted, key_bytes, hash, listener);
    if (!listener) {
        if (max_listeners > 0 && HASH_COUNT(table->listeners) >= max_listeners)
            return 0;
        listener = calloc(1, sizeof(*listener));
        if (!listener)
            return -ENOMEM;
        memcpy(&listener->value, &wanted, key_bytes);
        HASH_ADD_KEYPTR_BYHASHVALUE(hh, table->listeners, &listener->value, key_bytes, hash,
                                    listener);
        if (!listener->hh.tbl) {
            free(listener);
            return -ENOMEM;
        }
    }
    listener->value.synacks++;
    return 0;
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
    for (struct listener *listener = table->listeners; listener; listener = listener->hh.next)
        values[filled++] = listener->value;
    qsort(values, filled, sizeof(*values), by_answers);
    return values;
}
