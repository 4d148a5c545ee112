#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

struct fw_tracker {
    struct fw_tracker_options options;
    const struct fw_hooks *hooks;
    void *context;
    struct flow_table *flows;
    fw_time now;       /* the latest time seen: clocks never run back */
    fw_time last_time; /* of the last segment */
    uint64_t next_id;
    uint64_t max_connections;
    uint64_t max_held, held_count; /* attempts that wait for an answer; 0: no limit */
    uint64_t max_listeners;        /* 0: no limit */
    struct fw_tracker_counts counts;
};

/* What a step's `internal` points to. */
struct emission {
    struct fw_tracker *tracker;
    struct flow *flow;
};

void fw_tracker_defaults(struct fw_tracker_options *options)
{
    *options = (struct fw_tracker_options){
        .time_wait_ns = 240 * FW_SECOND, /* 2MSL, RFC 9293 section 3.4.2: MSL is 2 minutes */
        .syn_timeout_ns = 75 * FW_SECOND,
    };
}

/* Shares the memory out: three quarters are for connections, the rest for what hangs on them. A
 * connection's own share is its slab entry, uthash's buckets (doubling leaves them half empty),
 * labels; malloc adds its own to a listener or an attempt. */
static void limit_memory(struct fw_tracker *tracker)
{
    const struct fw_tracker_options *options = &tracker->options;
    const uint64_t bytes = options->max_memory_bytes;
    const size_t each = sizeof(struct flow) + 4 * sizeof(UT_hash_bucket) +
                        (options->interop ? sizeof(struct interop) + 16 : 0);
    tracker->max_connections = options->max_connections;
    if (bytes == 0)
        return;
    const uint64_t fit = bytes / 4 * 3 / each;
    if (tracker->max_connections == 0 || fit < tracker->max_connections)
        tracker->max_connections = fit > 0 ? fit : 1;
    tracker->max_held = bytes / 8 / (sizeof(struct held) + 16) + 1;
    tracker->max_listeners = bytes / 8 / FLOW_LISTENER_BYTES + 1;
}

struct fw_tracker *fw_tracker_create(const struct fw_tracker_options *options,
                                     const struct fw_hooks *hooks, void *context)
{
    struct fw_tracker *tracker = calloc(1, sizeof(*tracker));
    if (!tracker)
        return NULL;
    tracker->options = *options;
    tracker->hooks = hooks;
    tracker->context = context;
    tracker->now = tracker->last_time = INT64_MIN;
    tracker->flows = flow_table_create(options->hash_key, options->interop);
    if (!tracker->flows) {
        free(tracker);
        return NULL;
    }
    limit_memory(tracker);
    return tracker;
}

void fw_tracker_destroy(struct fw_tracker *tracker)
{
    if (!tracker)
        return;
    flow_table_destroy(tracker->flows);
    free(tracker);
}

/* ---------------------------------------------------------------------------------- telling all */

static int64_t timeout_of(const struct fw_tracker *tracker, enum flow_queue queue);

/* When a timer of ours ends the states that it has now; 0: none of them does. */
static fw_time timer_due(const struct fw_tracker *tracker, const struct flow *flow)
{
    const enum flow_queue queue = (enum flow_queue)flow->queue;
    const bool ends_it = queue == FLOW_SYN || queue == FLOW_TIME_WAIT || queue == FLOW_FIN_WAIT_2;

    return ends_it ? flow->queued + timeout_of(tracker, queue) : 0;
}

static void describe(const struct fw_tracker *tracker, const struct flow *flow,
                     struct fw_connection *record)
{
    memset(record, 0, sizeof(*record));
    flow_identity(flow, &record->identity);
    tcp_describe(&flow->tcp, record);
    record->first_frame = flow->first_frame;
    record->last_frame = flow->last_frame;
    record->timer_due = timer_due(tracker, flow);
    record->completeness = -1;
    if (tracker->options.interop && flow->interop)
        interop_fill(flow->interop, record);
}

void fw_step_connection(const struct fw_step *step, struct fw_connection *connection)
{
    const struct emission *emission = step->internal;
    describe(emission->tracker, emission->flow, connection);
}

/* `passes`: the segment goes by now, for the `segment` hook; else it went by before. */
static void tell(struct fw_tracker *tracker, struct flow *flow, const struct fw_segment *segment,
                 enum fw_side from, const struct tcp_result *result, fw_time time, bool passes)
{
    tracker->counts.transitions += result->count;
    tracker->counts.notes[result->note] += passes;
    const bool step_wanted = tracker->hooks->step && result->count > 0;
    const bool segment_wanted = tracker->hooks->segment && segment && passes;
    if (!step_wanted && !segment_wanted)
        return;

    struct fw_identity identity;
    flow_identity(flow, &identity);
    const struct tcp_end *client = &flow->tcp.end[FW_CLIENT];
    const struct tcp_end *server = &flow->tcp.end[FW_SERVER];
    const struct emission emission = { tracker, flow };
    const struct fw_step step = {
        .identity = &identity,
        .segment = segment,
        .time = time,
        .frame = segment ? segment->frame : 0,
        .from = from,
        .note = result->note,
        .client_state = (enum fw_state)client->state,
        .server_state = (enum fw_state)server->state,
        .client_inferred = client->facts & END_INFERRED,
        .server_inferred = server->facts & END_INFERRED,
        .client_timed = client->facts & END_TIMED,
        .server_timed = server->facts & END_TIMED,
        .transitions = result->transitions,
        .count = result->count,
        .internal = &emission,
    };
    if (step_wanted)
        tracker->hooks->step(tracker->context, &step);
    if (segment_wanted)
        tracker->hooks->segment(tracker->context, &step);
}

static void tell_step(struct fw_tracker *tracker, struct flow *flow,
                      const struct fw_segment *segment, enum fw_side from,
                      const struct tcp_result *result, fw_time time)
{
    tell(tracker, flow, segment, from, result, time, segment != NULL);
}

/* --------------------------------------------------------------------------------- queues, clocks
 */

static int64_t timeout_of(const struct fw_tracker *tracker, enum flow_queue queue)
{
    switch (queue) {
    case FLOW_SYN:
        return tracker->options.syn_timeout_ns;
    case FLOW_TIME_WAIT:
        return tracker->options.time_wait_ns;
    case FLOW_FIN_WAIT_2:
        return tracker->options.fin_wait_2_ns;
    case FLOW_CLOSED:
        return tracker->options.time_wait_ns;
    case FLOW_UNANSWERED: /* the same attempt, whatever the gap: states.md 1 */
    case FLOW_OPEN:
        return tracker->options.idle_ns;
    case FLOW_DOUBT:
        return TCP_DOUBT_NS;
    case FLOW_QUEUE_COUNT:
        break;
    }
    return 0;
}

static enum flow_queue queue_of(const struct fw_tracker *tracker, const struct flow *flow)
{
    switch (tcp_timer(&flow->tcp)) {
    case TCP_TIMER_SYN:
        return FLOW_SYN;
    case TCP_TIMER_TIME_WAIT:
        return FLOW_TIME_WAIT;
    case TCP_TIMER_FIN_WAIT_2:
        return tracker->options.fin_wait_2_ns > 0 ? FLOW_FIN_WAIT_2 : FLOW_OPEN;
    case TCP_TIMER_CLOSED:
        return flow->tcp.end_kind == FW_END_TIMER ? FLOW_UNANSWERED : FLOW_CLOSED;
    case TCP_TIMER_DOUBT:
        return FLOW_DOUBT;
    case TCP_TIMER_NONE:
    case TCP_TIMER_COUNT:
        break;
    }
    return FLOW_OPEN;
}

/* Puts a flow where its clock is, if that has changed or was wound up again. */
static void requeue(struct fw_tracker *tracker, struct flow *flow, fw_time old_base)
{
    const enum flow_queue queue = queue_of(tracker, flow);
    const bool rewound = flow->tcp.timer_base != old_base && queue != FLOW_OPEN;
    if (queue != flow->queue || rewound || queue == FLOW_FIN_WAIT_2)
        flow_enqueue(tracker->flows, flow, queue, tracker->now);
}

static void promote_held(struct fw_tracker *tracker, struct flow *flow, enum fw_end end);

static void settle_doubt(struct fw_tracker *tracker, struct flow *flow);
static enum fw_side held_side(const struct flow *flow);

/* The held SYN began nothing: it is counted where it went by. */
static void drop_held(struct fw_tracker *tracker, struct flow *flow)
{
    if (!flow->held)
        return;
    for (size_t i = 0; i < flow->held->count; i++)
        tcp_count_held(&flow->tcp, held_side(flow), &flow->held->syns[i]);
    if (flow->held->id == tracker->next_id)
        tracker->next_id--;
    free(flow->held);
    flow->held = NULL;
    tracker->held_count--;
}

static void end_flow(struct fw_tracker *tracker, struct flow *flow, enum fw_end end)
{
    settle_doubt(tracker, flow);
    if (flow->held && !flow->held->suspect && !flow->held->disowned && end != FW_END_REUSED) {
        promote_held(tracker, flow, end);
        return;
    }
    drop_held(tracker, flow);
    struct fw_connection record;
    if (tracker->hooks->end) {
        describe(tracker, flow, &record);
        if (end != FW_END_OPEN && record.end == FW_END_OPEN)
            record.end = end;
        if (end == FW_END_REUSED && flow->tcp.end_kind == FW_END_OPEN && !tcp_is_over(&flow->tcp))
            record.end = FW_END_REUSED;
        if (record.one_sided)
            tracker->counts.one_sided++;
        tracker->hooks->end(tracker->context, &record);
    }
    flow_remove(tracker->flows, flow);
}

static const enum tcp_timer timer_of[FLOW_QUEUE_COUNT] = {
    [FLOW_SYN] = TCP_TIMER_SYN,
    [FLOW_TIME_WAIT] = TCP_TIMER_TIME_WAIT,
    [FLOW_FIN_WAIT_2] = TCP_TIMER_FIN_WAIT_2,
    [FLOW_DOUBT] = TCP_TIMER_DOUBT,
};

/* The frame of a doubt, as far as a view shows it. */
static void tell_doubted(struct fw_tracker *tracker, struct flow *flow,
                         const struct tcp_result *result)
{
    const struct tcp_doubt *doubt = &flow->tcp.doubt;
    struct fw_identity identity;
    flow_identity(flow, &identity);
    const bool client = doubt->from == FW_CLIENT;
    const struct fw_segment segment = {
        .time = doubt->time,
        .frame = doubt->frame,
        .from = client ? identity.client : identity.server,
        .to = client ? identity.server : identity.client,
        .scope = identity.scope,
        .seq = doubt->seq,
        .ack = doubt->ack,
        .flags = doubt->flags,
    };
    if (result->count > 0)
        tell(tracker, flow, &segment, (enum fw_side)doubt->from, result, doubt->time, false);
}

/* No more will come that could say that an end in doubt lives. */
static void settle_doubt(struct fw_tracker *tracker, struct flow *flow)
{
    if (!flow->tcp.doubt.waits)
        return;
    struct tcp_result result;
    tcp_timeout(&flow->tcp, TCP_TIMER_DOUBT, flow->tcp.doubt.time, &result);
    flow_enqueue(tracker->flows, flow, queue_of(tracker, flow), tracker->now);
    tell_doubted(tracker, flow, &result);
}

/* The clock of a flow ran out at `when`. */
static void expire(struct fw_tracker *tracker, struct flow *flow, fw_time when)
{
    const enum flow_queue queue = (enum flow_queue)flow->queue;
    if (timer_of[queue] == TCP_TIMER_NONE) {
        end_flow(tracker, flow, FW_END_TIMER);
        return;
    }
    const fw_time now = tracker->now;
    tracker->now = when;
    if (queue == FLOW_DOUBT) {
        settle_doubt(tracker, flow);
    } else {
        struct tcp_result result;
        tcp_timeout(&flow->tcp, timer_of[queue], when, &result);
        flow_enqueue(tracker->flows, flow, queue_of(tracker, flow), when);
        tell_step(tracker, flow, NULL, FW_CLIENT, &result, when);
    }
    if (flow->held && tcp_is_over(&flow->tcp)) {
        if (flow->held->suspect || flow->held->disowned) {
            drop_held(tracker, flow);
        } else {
            promote_held(tracker, flow, FW_END_OPEN);
        }
    }
    tracker->now = now;
}

/* Idle flows are queued by when they were last looked at; their last packet is what counts. */
static fw_time base_of(const struct flow *flow)
{
    const bool idle = flow->queue == FLOW_OPEN || flow->queue == FLOW_UNANSWERED;
    return idle && flow->tcp.last_time > flow->queued ? flow->tcp.last_time : flow->queued;
}

/* The flow whose clock runs out first, by `now`: deadline, then id. */
static struct flow *first_due(struct fw_tracker *tracker, fw_time now, fw_time *when)
{
    struct flow *first = NULL;
    for (int queue = 0; queue < FLOW_QUEUE_COUNT; queue++) {
        const int64_t timeout = timeout_of(tracker, (enum flow_queue)queue);
        if (timeout <= 0)
            continue;
        struct flow *flow;
        while ((flow = flow_oldest(tracker->flows, (enum flow_queue)queue)) &&
               base_of(flow) > flow->queued && tcp_elapsed(flow->queued, now) >= timeout)
            flow_enqueue(tracker->flows, flow, (enum flow_queue)queue, base_of(flow));
        if (!flow || tcp_elapsed(flow->queued, now) < timeout)
            continue;
        const fw_time due = flow->queued + timeout; /* <= now */
        if (!first || due < *when || (due == *when && flow->id < first->id)) {
            first = flow;
            *when = due;
        }
    }
    return first;
}

void fw_tracker_advance(struct fw_tracker *tracker, fw_time now)
{
    if (tracker->now != INT64_MIN && now > tracker->now) {
        struct flow *flow;
        fw_time when = now;
        while ((flow = first_due(tracker, now, &when)))
            expire(tracker, flow, when);
    }
    if (now > tracker->now)
        tracker->now = now;
}

/* ------------------------------------------------------------------------------------- eviction */

/* Closed first, then half-open oldest first, then idle (states.md 35: evicted is not closed). */
static void evict_one(struct fw_tracker *tracker)
{
    static const struct {
        enum flow_queue queue;
        size_t counter;
    } order[] = {
        { FLOW_CLOSED, offsetof(struct fw_tracker_counts, evicted_closed) },
        { FLOW_UNANSWERED, offsetof(struct fw_tracker_counts, evicted_closed) },
        { FLOW_TIME_WAIT, offsetof(struct fw_tracker_counts, evicted_closed) },
        { FLOW_SYN, offsetof(struct fw_tracker_counts, evicted_half_open) },
        { FLOW_DOUBT, offsetof(struct fw_tracker_counts, evicted_idle) },
        { FLOW_FIN_WAIT_2, offsetof(struct fw_tracker_counts, evicted_idle) },
        { FLOW_OPEN, offsetof(struct fw_tracker_counts, evicted_idle) },
    };
    enum { LOOKS = 64 };
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        struct flow *flow = flow_oldest(tracker->flows, order[i].queue);
        for (int look = 0;
             flow && order[i].queue == FLOW_OPEN && look < LOOKS && base_of(flow) > flow->queued;
             look++) {
            flow_enqueue(tracker->flows, flow, FLOW_OPEN, base_of(flow));
            flow = flow_oldest(tracker->flows, FLOW_OPEN);
        }
        if (!flow)
            continue;
        ++*(uint64_t *)((char *)&tracker->counts + order[i].counter);
        drop_held(tracker, flow);
        end_flow(tracker, flow, FW_END_EVICTED);
        return;
    }
}

/* ------------------------------------------------------------------------ taking one segment */

static enum fw_side side_from(const struct flow *flow, bool from_low)
{
    return from_low == flow->client_is_low ? FW_CLIENT : FW_SERVER;
}

static int note_listener(struct fw_tracker *tracker, const struct flow *flow,
                         const struct tcp_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct fw_transition *transition = &result->transitions[i];
        if (transition->from != FW_LISTEN || transition->endpoint != FW_SERVER)
            continue;
        struct fw_identity identity;
        flow_identity(flow, &identity);
        return flow_note_listener(tracker->flows, &identity, tracker->max_listeners);
    }
    return 0;
}

static int take_into(struct fw_tracker *tracker, struct flow *flow, enum fw_side from,
                     const struct fw_segment *segment)
{
    struct tcp_result result;
    const fw_time old_base = flow->tcp.timer_base;
    flow->last_frame = segment->frame;
    tcp_step(&flow->tcp, from, segment, &result);
    if (flow->interop)
        interop_step(flow->interop, from == FW_CLIENT, segment);
    requeue(tracker, flow, old_base);
    tell_step(tracker, flow, segment, from, &result, segment->time);
    return note_listener(tracker, flow, &result);
}

static struct flow *start_flow(struct fw_tracker *tracker, const struct flow_key *key,
                               unsigned hash, bool from_low, const struct fw_segment *segment,
                               uint64_t id)
{
    if (tracker->max_connections > 0 && flow_count(tracker->flows) >= tracker->max_connections)
        evict_one(tracker);
    struct flow *flow = flow_add(tracker->flows, key, hash, tracker->now);
    if (!flow)
        return NULL;
    enum fw_dir_by dir_by;
    flow->client_is_low = from_low == (tcp_first_role(segment, &dir_by) == FW_CLIENT);
    flow->id = id ? id : ++tracker->next_id;
    flow->first_frame = segment->frame;
    tcp_init(&flow->tcp, segment);
    tracker->counts.connections++;
    if (flow_count(tracker->flows) > tracker->counts.live_peak)
        tracker->counts.live_peak = flow_count(tracker->flows);
    return flow;
}

/* The held SYN was a connection: the old one's records come first, then the new one's, which begin
 * with the frame of the SYN. */
static void promote_held(struct fw_tracker *tracker, struct flow *flow, enum fw_end end)
{
    struct held *held = flow->held;
    const struct flow_key key = flow->key;
    flow->held = NULL;
    tracker->held_count--;
    if (flow->tcp.end[FW_SERVER].state == FW_UNKNOWN && flow->tcp.open == FW_OPEN_NO_ANSWER &&
        !tcp_is_over(&flow->tcp)) { /* states.md 2 */
        flow->tcp.open = FW_OPEN_ABANDONED;
        flow->tcp.cause = "abandoned";
        end = FW_END_REUSED;
    }
    bool from_low;
    struct flow_key same;
    flow_key_of(&held->syns[0], &same, &from_low);
    const struct tcp_end before = flow->tcp.end[!side_from(flow, from_low)];
    end_flow(tracker, flow, end);

    struct flow *next = start_flow(tracker, &key, flow_hash(tracker->flows, &key), from_low,
                                   &held->syns[0], held->id);
    if (next)
        tcp_succeed(&next->tcp, !side_from(next, from_low), &before);
    for (size_t i = 0; next && i < held->count; i++)
        take_into(tracker, next, side_from(next, from_low), &held->syns[i]);
    free(held);
}

static int hold_syn(struct fw_tracker *tracker, struct flow *flow, enum fw_side from,
                    const struct fw_segment *segment, bool suspect)
{
    struct held *held = flow->held;
    if (!held) {
        held = flow->held = calloc(1, sizeof(*held));
        if (!held)
            return -ENOMEM;
        tracker->held_count++;
        held->suspect = suspect;
        held->id = ++tracker->next_id;
    }
    if (held->count < HELD_SYNS)
        held->syns[held->count++] = *segment;
    else
        tcp_count_held(&flow->tcp, from, segment);
    struct tcp_result result;
    const fw_time old_base = flow->tcp.timer_base;
    tcp_hold_syn(&flow->tcp, from, segment, &result);
    requeue(tracker, flow, old_base);
    tell_step(tracker, flow, segment, from, &result, segment->time);
    return 0;
}

static enum fw_side held_side(const struct flow *flow)
{
    struct flow_key key;
    bool from_low;
    flow_key_of(&flow->held->syns[0], &key, &from_low);
    return side_from(flow, from_low);
}

/* Does this segment belong to the attempt that the held SYN made? */
static bool is_of_held(const struct flow *flow, enum fw_side holder_side,
                       const struct fw_segment *segment)
{
    const struct fw_segment *syn = &flow->held->syns[0];
    const uint32_t nxt = syn->seq + 1 + syn->payload_bytes;
    const bool from_holder =
        syn->from.port == segment->from.port &&
        memcmp(syn->from.addr, segment->from.addr, sizeof(syn->from.addr)) == 0;
    if (from_holder)
        return !(segment->flags & FW_SYN) && segment->seq - syn->seq - 1 <= syn->payload_bytes;
    if (!(segment->flags & (FW_SYN | FW_RST)) || !tcp_acks_attempt(segment, syn->seq, nxt))
        return false;
    /* Linux: a half-open request answers a SYN in its window with RST, and is gone; if that SYN was
     * forged, the client is not. */
    const struct tcp_end *holder = &flow->tcp.end[holder_side];
    return !(segment->flags & FW_RST) || (holder->facts & END_RESTARTED) ||
           flow->tcp.end[!holder_side].state != FW_SYN_RECEIVED;
}

/* Routes a segment on a tuple that is known: to the connection, to the attempt held beside it, or
 * to a new one. *flow is what is to take it; NULL: it was held. */
static int route(struct fw_tracker *tracker, struct flow **routed, bool from_low,
                 const struct fw_segment *segment)
{
    struct flow *flow = *routed;
    const struct flow_key key = flow->key;
    const unsigned hash = flow->hh.hashv;
    const enum fw_side from = side_from(flow, from_low);
    const bool is_syn = (segment->flags & (FW_SYN | FW_RST)) == FW_SYN;
    if (is_syn)
        settle_doubt(tracker, flow);

    if (flow->held && is_of_held(flow, held_side(flow), segment)) {
        promote_held(tracker, flow, FW_END_REUSED);
        *routed = flow_find(tracker->flows, &key, hash);
        return *routed ? 0 : -ENOMEM;
    }
    if (flow->held && !is_syn && from == held_side(flow)) {
        if (!(segment->flags & FW_RST)) { /* it goes on with the old one: the SYN was not its own */
            drop_held(tracker, flow);
        } else if (!(flow->tcp.end[from].facts & END_RESTARTED)) {
            flow->held->disowned = true;
        }
    }
    if (!is_syn || (segment->flags & FW_FIN))
        return 0;
    enum tcp_syn kind = tcp_classify_syn(&flow->tcp, from, segment);
    const bool room =
        flow->held || tracker->max_held == 0 || tracker->held_count < tracker->max_held;
    if (!room && kind == TCP_SYN_HOLD)
        kind = TCP_SYN_NEW;
    if (!room && kind == TCP_SYN_SUSPECT)
        kind = TCP_SYN_SAME;
    switch (kind) {
    case TCP_SYN_SAME:
        return 0;
    case TCP_SYN_NEW: {
        if (flow->held && !flow->held->suspect && flow->held->syns[0].seq != segment->seq) {
            promote_held(tracker, flow, FW_END_REUSED); /* an attempt of its own: states.md 2 */
            *routed = flow_find(tracker->flows, &key, hash);
            return *routed ? route(tracker, routed, from_low, segment) : -ENOMEM;
        }
        drop_held(tracker, flow);
        const struct tcp_end before = flow->tcp.end[!from];
        end_flow(tracker, flow, FW_END_REUSED);
        *routed = start_flow(tracker, &key, hash, from_low, segment, 0);
        if (!*routed)
            return -ENOMEM;
        tcp_succeed(&(*routed)->tcp, !side_from(*routed, from_low), &before);
        return 0;
    }
    case TCP_SYN_HOLD:
    case TCP_SYN_SUSPECT:
        break;
    }
    if (flow->held && flow->held->syns[0].seq != segment->seq) { /* yet another attempt */
        if (!flow->held->suspect) {
            promote_held(tracker, flow, FW_END_REUSED);
            *routed = flow_find(tracker->flows, &key, hash);
            return *routed ? route(tracker, routed, from_low, segment) : -ENOMEM;
        }
        drop_held(tracker, flow);
    }
    *routed = NULL;
    return hold_syn(tracker, flow, from, segment, kind == TCP_SYN_SUSPECT);
}

static int take_icmp(struct fw_tracker *tracker, struct flow *flow, bool from_low,
                     const struct fw_segment *segment)
{
    tracker->counts.icmp_errors++;
    if (!flow) {
        tracker->counts.icmp_unmatched++;
        return 0;
    }
    struct tcp_result result;
    const fw_time old_base = flow->tcp.timer_base;
    const enum fw_side from = side_from(flow, from_low);
    tcp_icmp(&flow->tcp, from, segment, &result);
    requeue(tracker, flow, old_base);
    tell_step(tracker, flow, segment, from, &result, segment->time);
    return 0;
}

static int take(struct fw_tracker *tracker, const struct fw_segment *segment,
                const struct flow_key *key, bool from_low, unsigned hash)
{
    if (segment->time < tracker->last_time)
        tracker->counts.time_backwards++;
    tracker->last_time = segment->time;
    fw_tracker_advance(tracker, segment->time);

    struct flow *flow = flow_find(tracker->flows, key, hash);
    if (segment->icmp != FW_ICMP_NONE)
        return take_icmp(tracker, flow, from_low, segment);
    tracker->counts.segments++;
    if (!flow) {
        if (segment->flags & FW_RST) { /* a lone RST makes no connection */
            tracker->counts.lone_rsts++;
            return 0;
        }
        flow = start_flow(tracker, key, hash, from_low, segment, 0);
        if (!flow)
            return -ENOMEM;
    } else {
        const int routed = route(tracker, &flow, from_low, segment);
        if (routed < 0 || !flow)
            return routed;
    }
    return take_into(tracker, flow, side_from(flow, from_low), segment);
}

/* What an endpoint would drop moves nothing; the peers' labels note it. */
static void drop_bad_checksum(struct fw_tracker *tracker, const struct fw_segment *segment,
                              const struct flow_key *key, bool from_low, unsigned hash)
{
    struct flow *flow = tracker->options.interop ? flow_find(tracker->flows, key, hash) : NULL;
    tracker->counts.notes[FW_NOTE_BAD_CHECKSUM]++;
    if (flow)
        interop_step(flow->interop, side_from(flow, from_low) == FW_CLIENT, segment);
}

int fw_tracker_feed(struct fw_tracker *tracker, const struct fw_segment *segments, size_t count)
{
    enum { BATCH = 64 };
    struct flow_key keys[BATCH];
    unsigned hashes[BATCH];
    bool from_low[BATCH];
    for (size_t done = 0; done < count; done += BATCH) {
        const size_t batch = count - done < BATCH ? count - done : BATCH;
        for (size_t i = 0; i < batch; i++) {
            flow_key_of(&segments[done + i], &keys[i], &from_low[i]);
            hashes[i] = flow_hash(tracker->flows, &keys[i]);
            flow_prefetch(tracker->flows, hashes[i]);
        }
        for (size_t i = 0; i < batch; i++) {
            const struct fw_segment *segment = &segments[done + i];
            if (tracker->options.drop_bad_checksums && segment->checksum == FW_CHECKSUM_BAD) {
                drop_bad_checksum(tracker, segment, &keys[i], from_low[i], hashes[i]);
                continue;
            }
            const int taken = take(tracker, segment, &keys[i], from_low[i], hashes[i]);
            if (taken < 0)
                return taken;
        }
    }
    return 0;
}

/* -------------------------------------------------------------------------------- end and views */

void fw_tracker_finish(struct fw_tracker *tracker)
{
    size_t count;
    for (int round = 0; round < 2; round++) { /* the second: attempts that were held in the first */
        struct flow **flows = flow_sorted(tracker->flows, &count);
        for (size_t i = 0; flows && i < count; i++) {
            end_flow(tracker, flows[i], FW_END_OPEN);
        }
        free(flows);
    }
}

void fw_tracker_each(struct fw_tracker *tracker,
                     bool (*each)(void *context, const struct fw_connection *connection),
                     void *context)
{
    size_t count;
    struct flow **flows = flow_sorted(tracker->flows, &count);
    bool more = true;
    for (size_t i = 0; flows && i < count && more; i++) {
        struct fw_connection record;
        describe(tracker, flows[i], &record);
        more = each(context, &record);
    }
    free(flows);
}

void fw_tracker_each_listener(struct fw_tracker *tracker,
                              bool (*each)(void *context, const struct fw_listener *listener),
                              void *context)
{
    size_t count;
    struct fw_listener *listeners = flow_listeners(tracker->flows, &count);
    bool more = true;
    for (size_t i = 0; listeners && i < count && more; i++)
        more = each(context, &listeners[i]);
    free(listeners);
}

void fw_tracker_counts(const struct fw_tracker *tracker, struct fw_tracker_counts *counts)
{
    *counts = tracker->counts;
    counts->live = flow_count(tracker->flows);
    counts->memory_bytes = flow_memory_bytes(tracker->flows);
    if (counts->memory_bytes > counts->memory_peak_bytes)
        counts->memory_peak_bytes = counts->memory_bytes;
}
