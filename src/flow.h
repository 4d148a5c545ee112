/*
 * Which connection a segment belongs to: the table of connections, by address, port and scope, with
 * queues in order of age. Level 2: knows tcp.h. The only user of uthash, which holds what is live;
 * what little need be kept of is a stub (flow_stub.h).
 */
#ifndef FLOW_H
#define FLOW_H

/* uthash must not end the program for want of memory: a failed add leaves hh.tbl NULL. What it is
 * given (flow.c) is zeroed already, without a page that nothing has touched. */
#define HASH_NONFATAL_OOM         1
#define uthash_nonfatal_oom(item) ((void)(item))
#define uthash_bzero(at, bytes)   ((void)0)
#include <uthash.h>

#include "interop.h"
#include "tcp.h"

/* Where a connection lives and both its endpoints, lower first; that of IPv4 without what only IPv6
 * needs. */
struct flow_key {
    uint16_t low_port, high_port;
    uint16_t vlan;
    uint8_t family, tunnel;
    uint32_t tunnel_id;
    union {
        struct {
            uint8_t low[4], high[4];
        } ipv4;
        struct {
            uint8_t low[16], high[16];
        } ipv6;
    } addr;
};
enum {
    FLOW_KEY_BYTES_IPV4 = offsetof(struct flow_key, addr) + 8,
    FLOW_KEY_BYTES_IPV6 = offsetof(struct flow_key, addr) + 32,
};
_Static_assert(sizeof(struct flow_key) == FLOW_KEY_BYTES_IPV6, "struct flow_key has padding");

static inline size_t flow_key_bytes(uint8_t family)
{
    return family == FW_IPV4 ? FLOW_KEY_BYTES_IPV4 : FLOW_KEY_BYTES_IPV6;
}

/* Oldest first. A flow is in exactly one. */
enum flow_queue {
    FLOW_SYN, /* half-open attempts */
    FLOW_TIME_WAIT,
    FLOW_FIN_WAIT_2,
    FLOW_CLOSED,     /* tombstones: late packets find them for 2MSL */
    FLOW_UNANSWERED, /* attempts that the SYN timer ended: a SYN sent again finds them */
    FLOW_DOUBT,      /* an end may be closed, TCP_TIMER_DOUBT */
    FLOW_OPEN,       /* all others; order is by when they were last looked at */
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

/* All that is known of a connection. */
struct flow_body {
    struct held *held;
    uint64_t id;
    uint64_t first_frame, last_frame;
    struct tcp_connection tcp;
};

/* A body without `held`, and with an id of so many bits, in few bytes: flow_pack.c. `queued` is
 * told again to unpack it: most often it is the time of the last segment. */
enum {
    FLOW_PACKED_ID_BITS = 40,
    FLOW_PACKED_MOST = FLOW_PACKED_ID_BITS / 8 + sizeof(struct tcp_ending) + 16 + 27 + 4 * 106,
};
size_t flow_pack(const struct flow_body *body, fw_time queued, uint8_t to[FLOW_PACKED_MOST]);
void flow_unpack(const uint8_t *from, size_t bytes, fw_time queued, struct flow_body *body);
uint64_t flow_packed_id(const uint8_t *packed);
struct tcp_ending flow_packed_ending(const uint8_t *packed);

/* A connection of which one SYN is all that was seen: enough to take it once more. Its time is
 * flow->queued. */
struct flow_syn {
    uint64_t id : 48, window : 16;
    uint64_t frame : 48, mss : 16;
    uint32_t seq, ts_val;
    uint16_t checksum, ip_id;
    uint16_t flags : 9, window_scale : 4;
    uint8_t options;
};
_Static_assert(sizeof(struct flow_syn) == 32, "struct flow_syn has grown");

/* FLOW_WHOLE: live, in a struct flow_live; FLOW_LONE_SYN, FLOW_PACKED: a stub. */
enum flow_form { FLOW_EMPTY, FLOW_WHOLE, FLOW_LONE_SYN, FLOW_PACKED };

/* What there is of every connection. */
struct flow {
    struct flow *older, *newer; /* in its queue */
    fw_time queued;             /* when it was put there */
    uint32_t hash;
    uint16_t content_bytes; /* of a stub: behind its key */
    uint8_t pool;           /* of a stub */
    uint8_t form : 2;       /* enum flow_form */
    uint8_t queue : 3;      /* enum flow_queue */
    uint8_t client_is_low : 1;
    uint8_t closes : 1;  /* a FIN went by: it will be a stub soon */
    uint8_t timed : 1;   /* FLOW_PACKED: it left TIME_WAIT at `queued`, which is not packed */
    struct flow_key key; /* the last: shorter for IPv4 */
};

/* Nine lines of the cache; that which every segment reads and writes of an end is one of them. */
struct flow_live {
    UT_hash_handle hh;
    struct flow flow;
    struct flow_body body;
    struct interop interop[]; /* one, if the table was made with it */
};

static inline struct flow_live *flow_live(const struct flow *flow)
{
    return (struct flow_live *)((char *)flow - offsetof(struct flow_live, flow));
}

/* FLOW_WHOLE only. */
static inline struct flow_body *flow_body(const struct flow *flow)
{
    return &flow_live(flow)->body;
}

/* What a stub holds. */
static inline uint8_t *flow_content(const struct flow *flow)
{
    return (uint8_t *)&flow->key + flow_key_bytes(flow->key.family);
}

/* FLOW_LONE_SYN only. */
struct flow_syn flow_lone_syn(const struct flow *flow);

struct flow_table;

struct flow_table_options {
    uint8_t hash_key[16];
    bool interop;     /* what is live carries a struct interop */
    size_t max_bytes; /* 0: no limit. FLOW_TABLE_BYTES and the first slots are always granted */
};

/* What malloc adds to what it gives. */
#define FLOW_MALLOC_BYTES 16

/* What a table takes at most beside its flows. */
#define FLOW_TABLE_BYTES (128 * 1024)

/* NULL without memory. */
struct flow_table *flow_table_create(const struct flow_table_options *options);

/* So many flows are likely: lines for their stubs, made while there are none. */
void flow_expect(struct flow_table *table, uint64_t count);
void flow_table_destroy(struct flow_table *table);

/* A segment on its way to its flow: a struct fw_lookup, seen from inside. */
struct __attribute__((may_alias)) flow_lookup {
    unsigned hash;
    bool from_low; /* its sender is the lower endpoint */
    bool syn;      /* also a SYN+ACK: if it finds anything, that is most likely a stub */
    bool answers;  /* a SYN+ACK: its sender may be a listener */
    union {
        unsigned listener_hash;         /* for flow_look_up() */
        struct flow_listener *listener; /* what it found; NULL: none */
    };
    union {
        const UT_hash_bucket *bucket; /* while it looks */
        struct flow *flow;            /* what it found; NULL: none */
    };
};
_Static_assert(sizeof(struct flow_lookup) <= sizeof(struct fw_lookup), "fw_lookup is too small");

/* flow_key.c: keys, and their hashes, which nobody can foretell without hash_key. */
bool flow_is_from_low(const struct fw_segment *segment);
void flow_key_of(const struct fw_segment *segment, struct flow_key *key);
bool flow_key_is_of(const struct flow_key *key, const struct fw_segment *segment);
unsigned flow_key_hash(const uint64_t hash_key[2], const struct fw_segment *segment);
unsigned flow_listener_hash(const uint64_t hash_key[2], const struct fw_endpoint *endpoint,
                            const struct fw_scope *scope);
void flow_hash_all(const uint64_t hash_key[2], const struct fw_segment *segments, size_t count,
                   struct flow_lookup *lookups);

enum { /* of a struct fw_listener: without the padding behind the scope */
       FLOW_LISTENER_KEY_BYTES = offsetof(struct fw_listener, scope) + sizeof(struct fw_scope)
};

/* What a look-up needs of segments, and memory for flows to come: in any thread, beside all other
 * calls but flow_end_lookups(), flow_clear() and flow_table_destroy(). */
void flow_prepare(struct flow_table *table, const struct fw_segment *segments, size_t count,
                  struct flow_lookup *lookups);

enum { FLOW_LOOKUPS_MOST = 64 };

/* Finds a batch of flows, FLOW_LOOKUPS_MOST at most, and asks for the memory that taking the
 * segments will touch. `changes`: for flow_stands(). */
void flow_look_up(const struct flow_table *table, const struct fw_segment *segments,
                  struct flow_lookup *lookups, uint32_t *changes, size_t count);

/* uthash's hash value of a segment's key, for find and add. */
unsigned flow_hash(const struct flow_table *table, const struct fw_segment *segment);

/* A flow without its content, then that: the flow should be there by then. */
void flow_prefetch(const struct flow *flow);
void flow_prefetch_content(const struct flow *flow);

/* `flow` is the next to go from its queue: what its removal and that of the one after it touch. */
void flow_prefetch_removal(const struct flow_table *table, const struct flow *flow);

struct flow *flow_find(const struct flow_table *table, const struct fw_segment *segment,
                       unsigned hash);

/* Whether what a look-up of a batch found, a flow or none, still stands. A flow that changes its
 * form moves. */
bool flow_stands(const struct flow_table *table, const struct flow_lookup *lookup, uint32_t changes,
                 const struct fw_segment *segment);

/* The most steps of a search: live flows in one bucket, or lines of stubs and stubs of one tag. */
unsigned flow_bucket_peak(const struct flow_table *table);

/* Adds the flow of a segment, with a body that is yet to be filled, in queue FLOW_OPEN at `now`.
 * NULL without memory. */
struct flow *flow_add(struct flow_table *table, const struct fw_segment *segment, unsigned hash,
                      fw_time now);

/* The same, with a SYN in place of a body, in queue FLOW_SYN. */
struct flow *flow_add_syn(struct flow_table *table, const struct fw_segment *segment, unsigned hash,
                          fw_time now, const struct flow_syn *syn);

/* Why flow_add(), flow_add_syn() or flow_expand() could not. Short of room for what is live, or for
 * a stub, there is some again if others of that kind go. */
enum flow_refusal { FLOW_NO_MEMORY, FLOW_NO_LIVE, FLOW_NO_STUB };
enum flow_refusal flow_refused(const struct flow_table *table);

void flow_remove(struct flow_table *table, struct flow *flow);

/* To end them all, quicker: first what only look-ups need is given back, after which nothing is
 * looked up. Each is forgotten, empty but still in its place, then the table cleared of flows; also
 * of those that were not forgotten. */
void flow_end_lookups(struct flow_table *table);
void flow_forget(struct flow_table *table, struct flow *flow);
void flow_clear(struct flow_table *table);

/* Makes a stub live: with the body that was packed (when it was queued at `since`), or one that is
 * yet to be filled by what was the lone SYN, copied to *syn. Returns its new place, NULL without
 * memory. */
struct flow *flow_expand(struct flow_table *table, struct flow *flow, fw_time since,
                         struct flow_syn *syn);

/* Makes what is live a stub, packed, and returns its new place; without memory it stays. */
struct flow *flow_fold(struct flow_table *table, struct flow *flow);

/* To work on a copy of a flow, with a body of its own. */
void flow_copy(struct flow_live *to, const struct flow *from);

uint64_t flow_id(const struct flow *flow);

/* Puts a flow at the end of a queue. */
void flow_enqueue(struct flow_table *table, struct flow *flow, enum flow_queue queue, fw_time now);
struct flow *flow_oldest(const struct flow_table *table, enum flow_queue queue);
/* How many of a queue are live; are stubs. */
size_t flow_live_count(const struct flow_table *table, enum flow_queue queue);
size_t flow_stub_count(const struct flow_table *table, enum flow_queue queue);

/* Lends a flow's endpoints. */
void flow_identity(const struct flow *flow, struct fw_identity *identity);

size_t flow_count(const struct flow_table *table);
size_t flow_memory_bytes(const struct flow_table *table);

/* All flows in order of id, in an array that the caller frees; NULL without memory or if empty. */
struct flow **flow_sorted(const struct flow_table *table, size_t *count);

/* Server endpoints that answered, a small table of their own; beyond max_listeners (0: no limit)
 * new ones are left out. Returns 0 or -ENOMEM. */
int flow_note_listener(struct flow_table *table, const struct fw_identity *identity,
                       uint64_t max_listeners);

/* The same for one that flow_look_up() found. */
void flow_listener_answered(struct flow_listener *listener);

/* What a listener takes, buckets and malloc's own included. */
#define FLOW_LISTENER_BYTES 192

struct fw_listener *flow_listeners(struct flow_table *table, size_t *count);

#endif
