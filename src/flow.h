/*
 * Which connection a segment belongs to: the table of connections, by address, port and scope, with
 * queues in order of age. Level 2: knows tcp.h. The only user of uthash.
 */
#ifndef FLOW_H
#define FLOW_H

/* uthash must not end the program for want of memory: a failed add leaves hh.tbl NULL. */
#define HASH_NONFATAL_OOM         1
#define uthash_nonfatal_oom(item) ((void)(item))
#include <uthash.h>

#include "interop.h"
#include "tcp.h"

/* Both endpoints, lower first, and where they live. No padding: uthash compares with memcmp, and
 * the hash reads whole words. */
struct flow_key {
    uint8_t low_addr[16], high_addr[16];
    uint16_t low_port, high_port;
    uint16_t vlan;
    uint8_t family, tunnel;
    uint32_t tunnel_id;
    uint32_t zero;
};
_Static_assert(sizeof(struct flow_key) == 48, "struct flow_key has padding");

/* Oldest first. A flow is in exactly one. */
enum flow_queue {
    FLOW_SYN, /* half-open attempts */
    FLOW_TIME_WAIT,
    FLOW_FIN_WAIT_2,
    FLOW_CLOSED,     /* tombstones: late packets find them for 2MSL */
    FLOW_UNANSWERED, /* attempts that the SYN timer ended: a SYN sent again finds them */
    FLOW_DOUBT,      /* an end may be closed, TCP_TIMER_DOUBT */
    FLOW_OPEN,       /* all others; order is by last look, see flow_refresh() */
    FLOW_QUEUE_COUNT
};

/* SYNs of what may be the next connection on a tuple, until an answer decides. */
enum { HELD_SYNS = 4 };
struct held {
    uint64_t id;
    bool suspect;  /* states.md 15: no connection of its own yet */
    bool disowned; /* its sender answered with a RST, and the SYN does not look like its own */
    size_t count;
    struct fw_segment syns[HELD_SYNS];
};

struct flow {
    UT_hash_handle hh;
    struct flow_key key;
    struct flow *older, *newer; /* in its queue */
    fw_time queued;             /* when it was put there */
    uint64_t id;
    uint64_t first_frame, last_frame;
    struct held *held;
    struct interop *interop;
    struct tcp_connection tcp;
    uint8_t queue;
    bool client_is_low;
};

struct flow_table;

/* `interop`: flows carry a struct interop. NULL without memory. */
struct flow_table *flow_table_create(const uint8_t hash_key[16], bool interop);
void flow_table_destroy(struct flow_table *table);

/* The key of a segment; *from_low: its sender is the lower endpoint. */
void flow_key_of(const struct fw_segment *segment, struct flow_key *key, bool *from_low);

/* uthash's hash value of a key; find and add take it, so that a batch can be hashed and its buckets
 * prefetched before the first look-up. */
unsigned flow_hash(const struct flow_table *table, const struct flow_key *key);
void flow_prefetch(const struct flow_table *table, unsigned hash);

struct flow *flow_find(struct flow_table *table, const struct flow_key *key, unsigned hash);

/* Adds a flow, zeroed but for its key, in queue FLOW_OPEN at `now`. NULL without memory. */
struct flow *flow_add(struct flow_table *table, const struct flow_key *key, unsigned hash,
                      fw_time now);
void flow_remove(struct flow_table *table, struct flow *flow);

/* Puts a flow at the end of a queue. */
void flow_enqueue(struct flow_table *table, struct flow *flow, enum flow_queue queue, fw_time now);
struct flow *flow_oldest(struct flow_table *table, enum flow_queue queue);

/* Lends a flow's endpoints. */
void flow_identity(const struct flow *flow, struct fw_identity *identity);

size_t flow_count(const struct flow_table *table);
size_t flow_memory_bytes(const struct flow_table *table);

/* All flows in order of id, in an array that the caller frees; NULL without memory or if empty. */
struct flow **flow_sorted(struct flow_table *table, size_t *count);

/* Server endpoints that answered, a small table of their own; beyond max_listeners (0: no limit)
 * new ones are left out. Returns 0 or -ENOMEM. */
int flow_note_listener(struct flow_table *table, const struct fw_identity *identity,
                       uint64_t max_listeners);

/* What a listener takes, buckets and malloc's own included. */
#define FLOW_LISTENER_BYTES 192

struct fw_listener *flow_listeners(struct flow_table *table, size_t *count);

#endif
