#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

enum {
    BATCH = 32,          /* segments whose connections are looked up together */
    SEGMENTS_AHEAD = 48, /* the next ones are in the cache by then */
};

struct fw_tracker {
    struct fw_tracker_options options;
    const struct fw_hooks *hooks;
    void *context;
    struct flow_table *flows;
    fw_time now;       /* the latest time seen: clocks never run back */
    fw_time last_time; /* of the last segment */
    fw_time due;       /* no clock runs out before */
    uint64_t next_id;
    uint64_t max_held, held_count; /* attempts that wait for an answer; 0: no limit */
    uint64_t max_listeners;        /* 0: no limit */
    bool finishing;                /* queues hold flows that are no more: nothing is evicted */
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

/* Shares the memory out: three quarters are for connections, the rest for what hangs on them, with
 * what malloc adds. */
static size_t limit_memory(struct fw_tracker *tracker)
{
    const uint64_t bytes = tracker->options.max_memory_bytes;
    const uint64_t share = bytes / 4 * 3;
    if (bytes == 0)
        return 0;
    tracker->max_held = bytes / 8 / (sizeof(struct held) + FLOW_MALLOC_BYTES) + 1;
    tracker->max_listeners = bytes / 8 / FLOW_LISTENER_BYTES + 1;
    return share > FLOW_TABLE_BYTES ? share - FLOW_TABLE_BYTES : 1;
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
    tracker->due = INT64_MAX;
    struct flow_table_options table = { .interop = options->interop,
                                        .max_bytes = limit_memory(tracker) };
    memcpy(table.hash_key, options->hash_key, sizeof(table.hash_key));
    tracker->flows = flow_table_create(&table);
    if (!tracker->flows) {
        free(tracker);
        return NULL;
    }
    return tracker;
}

void fw_tracker_expect(struct fw_tracker *tracker, uint64_t connections)
{
    const uint64_t most = tracker->options.max_connections;
    flow_expect(tracker->flows, most > 0 && most < connections ? most : connections);
}

void fw_tracker_destroy(struct fw_tracker *tracker)
{
    if (!tracker)
        return;
    flow_table_destroy(tracker->flows);
    free(tracker);
}

static bool make_room(struct fw_tracker *tracker, const struct flow *spare);

/* ------------------------------------------------------------------------------------ lone SYNs */

static int64_t timeout_of(const struct fw_tracker *tracker, enum flow_queue queue);

/* Whether the SYN that begins a connection can be kept in place of a body: taking it again then
 * gives the same. */
static bool can_be_lone(const struct fw_tracker *tracker, const struct fw_segment *segment)
{
    const uint64_t most = UINT64_C(1) << 48;
    return tcp_is_plain_syn(segment) && segment->time == tracker->now &&
           !tracker->options.interop && tracker->next_id + 1 < most && segment->frame < most;
}

/* But for its id. */
static struct flow_syn lone_syn(const struct fw_segment *segment)
{
    return (struct flow_syn){
        .frame = segment->frame,
        .seq = segment->seq,
        .ts_val = segment->ts_val,
        .window = segment->window_raw,
        .mss = segment->mss,
        .checksum = segment->checksum_raw,
        .ip_id = segment->ip_id,
        .flags = segment->flags,
        .window_scale = segment->window_scale,
        .options = segment->options,
    };
}

/* Takes the SYN that was kept once more, and what its clock did since. */
static void replay(const struct fw_tracker *tracker, const struct flow *flow,
                   const struct flow_syn *syn, struct flow_body *body)
{
    const bool unanswered = flow->queue == FLOW_UNANSWERED;
    const struct fw_segment segment = {
        .time = flow->queued - (unanswered ? timeout_of(tracker, FLOW_SYN) : 0),
        .frame = syn->frame,
        .seq = syn->seq,
        .ts_val = syn->ts_val,
        .window_raw = syn->window,
        .mss = syn->mss,
        .checksum_raw = syn->checksum,
        .ip_id = syn->ip_id,
        .flags = syn->flags,
        .window_scale = syn->window_scale,
        .options = syn->options,
    };
    struct tcp_result result;
    body->id = syn->id;
    body->first_frame = body->last_frame = syn->frame;
    tcp_begin(&body->tcp, &segment);
    if (unanswered)
        tcp_timeout(&body->tcp, TCP_TIMER_SYN, flow->queued, &result);
}

/* What is packed, when it was queued last before that. */
static fw_time packed_at(const struct fw_tracker *tracker, const struct flow *flow)
{
    return flow->queued - (flow->timed ? timeout_of(tracker, FLOW_TIME_WAIT) : 0);
}

/* What its clock did to what is packed. */
static void leave_time_wait(const struct flow *flow, struct flow_body *body)
{
    struct tcp_result result;
    tcp_timeout(&body->tcp, TCP_TIMER_TIME_WAIT, flow->queued, &result);
}

/* Before more becomes known of a stub. NULL: no memory. */
static struct flow *expand(struct fw_tracker *tracker, struct flow *flow)
{
    struct flow_syn syn;
    struct flow *whole;
    const bool lone = flow->form == FLOW_LONE_SYN, timed = flow->timed;
    while (!(whole = flow_expand(tracker->flows, flow, packed_at(tracker, flow), &syn)))
        if (!make_room(tracker, flow))
            return NULL;
    if (lone)
        replay(tracker, whole, &syn, flow_body(whole));
    if (timed)
        leave_time_wait(whole, flow_body(whole));
    return whole;
}

static inline struct flow *make_whole(struct fw_tracker *tracker, struct flow *flow)
{
    return flow->form == FLOW_WHOLE ? flow : expand(tracker, flow);
}

/* What is closed becomes a stub: it stays for minutes, and little comes for it. */
static void fold_closed(struct fw_tracker *tracker, struct flow *flow)
{
    const bool closed = flow->queue == FLOW_TIME_WAIT || flow->queue == FLOW_CLOSED;
    if (closed && !flow_body(flow)->held && !tracker->options.interop &&
        flow_body(flow)->id >> FLOW_PACKED_ID_BITS == 0)
        flow_fold(tracker->flows, flow);
}

/* Lends what is known of a flow, in *scratch if it is not whole. */
static const struct flow_body *look_at(const struct fw_tracker *tracker, const struct flow *flow,
                                       struct flow_body *scratch)
{
    if (flow->form == FLOW_WHOLE)
        return flow_body(flow);
    scratch->held = NULL;
    if (flow->form == FLOW_PACKED) {
        flow_unpack(flow_content(flow), flow->content_bytes, packed_at(tracker, flow), scratch);
        if (flow->timed)
            leave_time_wait(flow, scratch);
    } else {
        const struct flow_syn syn = flow_lone_syn(flow);
        replay(tracker, flow, &syn, scratch);
    }
    return scratch;
}

/* ---------------------------------------------------------------------------------- telling all */

/* When a timer of ours ends the states that it has now; 0: none of them does. */
static fw_time timer_due(const struct fw_tracker *tracker, const struct flow *flow)
{
    const enum flow_queue queue = (enum flow_queue)flow->queue;
    const bool ends_it = queue == FLOW_SYN || queue == FLOW_TIME_WAIT || queue == FLOW_FIN_WAIT_2;
    fw_time due;

    if (!ends_it)
        return 0;
    return __builtin_add_overflow(flow->queued, timeout_of(tracker, queue), &due) ? INT64_MAX : due;
}

static void describe(const struct fw_tracker *tracker, const struct flow *flow,
                     struct fw_connection *record)
{
    struct flow_body scratch;
    const struct flow_body *body = look_at(tracker, flow, &scratch);
    memset(record, 0, sizeof(*record));
    flow_identity(flow, &record->identity);
    tcp_describe(&body->tcp, record);
    record->first_frame = body->first_frame;
    record->last_frame = body->last_frame;
    record->timer_due = timer_due(tracker, flow);
    record->completeness = -1;
    if (tracker->options.interop)
        interop_fill(flow_live(flow)->interop, record);
}

void fw_step_connection(const struct fw_step *step, struct fw_connection *connection)
{
    const struct emission *emission = step->internal;
    describe(emission->tracker, emission->flow, connection);
}

static void call_hooks(struct fw_tracker *tracker, struct flow *flow,
                       const struct fw_segment *segment, enum fw_side from,
                       const struct tcp_result *result, fw_time time, bool step_wanted,
                       bool segment_wanted)
{
    struct fw_identity identity;
    flow_identity(flow, &identity);
    const struct tcp_end *client = &flow_body(flow)->tcp.end[FW_CLIENT];
    const struct tcp_end *server = &flow_body(flow)->tcp.end[FW_SERVER];
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

/* `passes`: the segment goes by now, for the `segment` hook; else it went by before. */
static inline void tell(struct fw_tracker *tracker, struct flow *flow,
                        const struct fw_segment *segment, enum fw_side from,
                        const struct tcp_result *result, fw_time time, bool passes)
{
    tracker->counts.transitions += result->count;
    tracker->counts.notes[result->note] += passes;
    const bool step_wanted = tracker->hooks->step && result->count > 0;
    const bool segment_wanted = tracker->hooks->segment && segment && passes;
    if (step_wanted || segment_wanted)
        call_hooks(tracker, flow, segment, from, result, time, step_wanted, segment_wanted);
}

static inline void tell_step(struct fw_tracker *tracker, struct flow *flow,
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

/* A clock of this queue begins at `now`. */
static void note_due(struct fw_tracker *tracker, enum flow_queue queue, fw_time now)
{
    const int64_t timeout = timeout_of(tracker, queue);
    fw_time due;
    if (timeout > 0 && !__builtin_add_overflow(now, timeout, &due) && due < tracker->due)
        tracker->due = due;
}

/* Puts a flow at the end of the queue of its clock, which begins at `now`. */
static void enqueue(struct fw_tracker *tracker, struct flow *flow, enum flow_queue queue,
                    fw_time now)
{
    flow_enqueue(tracker->flows, flow, queue, now);
    note_due(tracker, queue, now);
}

static enum flow_queue queue_of(const struct fw_tracker *tracker, const struct flow *flow)
{
    switch (tcp_timer(&flow_body(flow)->tcp)) {
    case TCP_TIMER_SYN:
        return FLOW_SYN;
    case TCP_TIMER_TIME_WAIT:
        return FLOW_TIME_WAIT;
    case TCP_TIMER_FIN_WAIT_2:
        return tracker->options.fin_wait_2_ns > 0 ? FLOW_FIN_WAIT_2 : FLOW_OPEN;
    case TCP_TIMER_CLOSED:
        return flow_body(flow)->tcp.end_kind == FW_END_TIMER ? FLOW_UNANSWERED : FLOW_CLOSED;
    case TCP_TIMER_DOUBT:
        return FLOW_DOUBT;
    case TCP_TIMER_NONE:
    case TCP_TIMER_COUNT:
        break;
    }
    return FLOW_OPEN;
}

/* Puts a flow where its clock is, if that has changed or was wound up again. */
static inline void requeue(struct fw_tracker *tracker, struct flow *flow,
                           const struct tcp_result *result)
{
    const bool stays =
        flow->queue == FLOW_OPEN && result->count == 0 && !flow_body(flow)->tcp.in_doubt;
    if (stays)
        return;
    const enum flow_queue queue = queue_of(tracker, flow);
    const bool rewound = result->rewound && queue != FLOW_OPEN && flow->queued != tracker->now;
    if (queue != flow->queue || rewound || queue == FLOW_FIN_WAIT_2)
        enqueue(tracker, flow, queue, tracker->now);
}

static void promote_held(struct fw_tracker *tracker, struct flow *flow, enum fw_end end);

static void settle_doubt(struct fw_tracker *tracker, struct flow *flow);
static enum fw_side held_side(const struct flow *flow);

/* The held SYN began nothing: it is counted where it went by. */
static void drop_held(struct fw_tracker *tracker, struct flow *flow)
{
    struct held *held = flow_body(flow)->held;
    if (!held)
        return;
    for (size_t i = 0; i < held->count; i++)
        tcp_count_held(&flow_body(flow)->tcp, held_side(flow), &held->syns[i]);
    if (held->id == tracker->next_id)
        tracker->next_id--;
    free(held);
    flow_body(flow)->held = NULL;
    tracker->held_count--;
}

/* How a connection ended, that goes for this reason; `known`: by what is known of it. */
static enum fw_end end_of(const struct flow *flow, enum fw_end known, enum fw_end reason)
{
    if (reason == FW_END_REUSED && flow->form == FLOW_WHOLE &&
        flow_body(flow)->tcp.end_kind == FW_END_OPEN && !tcp_is_over(&flow_body(flow)->tcp))
        return FW_END_REUSED;
    return known == FW_END_OPEN ? reason : known;
}

static void tell_record(struct fw_tracker *tracker, const struct flow *flow, enum fw_end reason)
{
    struct fw_connection record;
    describe(tracker, flow, &record);
    record.end = end_of(flow, record.end, reason);
    tracker->counts.one_sided += record.one_sided;
    tracker->hooks->end(tracker->context, &record);
}

static struct tcp_ending sum_up(const struct fw_tracker *tracker, const struct flow *flow)
{
    struct flow_body scratch;
    const bool unanswered = flow->queue == FLOW_UNANSWERED;
    if (flow->form == FLOW_WHOLE)
        return tcp_sum_up(&flow_body(flow)->tcp);
    if (flow->timed)
        return tcp_sum_up(&look_at(tracker, flow, &scratch)->tcp);
    if (flow->form == FLOW_PACKED)
        return flow_packed_ending(flow_content(flow));
    return (struct tcp_ending){
        .client_state = unanswered ? FW_CLOSED : FW_SYN_SENT,
        .open = FW_OPEN_NO_ANSWER,
        .end = unanswered ? FW_END_TIMER : FW_END_OPEN,
    };
}

/* What fw_ending.internal points to. */
struct departure {
    const struct fw_tracker *tracker;
    const struct flow *flow;
    enum fw_end reason;
};

static void tell_in_brief(struct fw_tracker *tracker, const struct flow *flow, enum fw_end reason)
{
    const struct tcp_ending sum = sum_up(tracker, flow);
    const struct departure departure = { tracker, flow, reason };
    const struct fw_ending ending = {
        .client_state = (enum fw_state)sum.client_state,
        .server_state = (enum fw_state)sum.server_state,
        .open = (enum fw_open)sum.open,
        .end = end_of(flow, (enum fw_end)sum.end, reason),
        .finned = sum.finned,
        .one_sided = sum.one_sided,
        .lossy = sum.lossy,
        .internal = &departure,
    };
    tracker->counts.one_sided += ending.one_sided;
    tracker->hooks->ended(tracker->context, &ending);
}

void fw_ending_connection(const struct fw_ending *ending, struct fw_connection *connection)
{
    const struct departure *departure = ending->internal;
    describe(departure->tracker, departure->flow, connection);
    connection->end = end_of(departure->flow, connection->end, departure->reason);
}

/* How it ended, told once. */
static void tell_end(struct fw_tracker *tracker, const struct flow *flow, enum fw_end reason)
{
    if (tracker->hooks->end)
        tell_record(tracker, flow, reason);
    else if (tracker->hooks->ended)
        tell_in_brief(tracker, flow, reason);
}

/* Tells all that there is to tell of a flow before it goes. False: an attempt that was held has
 * taken its place already. */
static bool conclude(struct fw_tracker *tracker, struct flow *flow, enum fw_end end)
{
    if (flow->form == FLOW_WHOLE) {
        settle_doubt(tracker, flow);
        const struct held *held = flow_body(flow)->held;
        if (held && !held->suspect && !held->disowned && end != FW_END_REUSED) {
            promote_held(tracker, flow, end);
            return false;
        }
        drop_held(tracker, flow);
    }
    tell_end(tracker, flow, end);
    return true;
}

static void end_flow(struct fw_tracker *tracker, struct flow *flow, enum fw_end end)
{
    if (conclude(tracker, flow, end))
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
    const struct tcp_doubt *doubt = &flow_body(flow)->tcp.doubt;
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
    if (!flow_body(flow)->tcp.in_doubt)
        return;
    struct tcp_result result;
    tcp_timeout(&flow_body(flow)->tcp, TCP_TIMER_DOUBT, flow_body(flow)->tcp.doubt.time, &result);
    enqueue(tracker, flow, queue_of(tracker, flow), tracker->now);
    tell_doubted(tracker, flow, &result);
}

/* The attempt that a lone SYN began is given up. */
static void expire_lone_syn(struct fw_tracker *tracker, struct flow *flow, fw_time when)
{
    const struct flow_syn syn = flow_lone_syn(flow);
    struct flow_live live = { 0 };
    struct tcp_result result;
    replay(tracker, flow, &syn, &live.body);
    tcp_timeout(&live.body.tcp, TCP_TIMER_SYN, when, &result);
    enqueue(tracker, flow, FLOW_UNANSWERED, when);
    flow_copy(&live, flow);
    tell_step(tracker, &live.flow, NULL, FW_CLIENT, &result, when);
}

/* TIME_WAIT is over for what is packed: it stays so, with a mark. False: there is more to it. */
static bool expire_packed(struct fw_tracker *tracker, struct flow *flow, fw_time when)
{
    struct flow_live live;
    struct tcp_result result;
    live.body.held = NULL;
    flow_unpack(flow_content(flow), flow->content_bytes, flow->queued, &live.body);
    tcp_timeout(&live.body.tcp, TCP_TIMER_TIME_WAIT, when, &result);
    flow_copy(&live, flow);
    if (flow->queue != FLOW_TIME_WAIT || queue_of(tracker, &live.flow) != FLOW_CLOSED)
        return false;
    enqueue(tracker, flow, FLOW_CLOSED, when);
    flow_copy(&live, flow);
    flow->timed = true;
    tell_step(tracker, &live.flow, NULL, FW_CLIENT, &result, when);
    return true;
}

/* What an attempt that is held beside a flow becomes when that is over. */
static void release_held(struct fw_tracker *tracker, struct flow *flow)
{
    const struct held *held = flow_body(flow)->held;
    if (!held || !tcp_is_over(&flow_body(flow)->tcp))
        return;
    if (held->suspect || held->disowned)
        drop_held(tracker, flow);
    else
        promote_held(tracker, flow, FW_END_OPEN);
}

static void expire_whole(struct fw_tracker *tracker, struct flow *flow, fw_time when)
{
    const enum flow_queue queue = (enum flow_queue)flow->queue;
    struct tcp_result result;
    if (queue == FLOW_DOUBT) {
        settle_doubt(tracker, flow);
    } else {
        tcp_timeout(&flow_body(flow)->tcp, timer_of[queue], when, &result);
        enqueue(tracker, flow, queue_of(tracker, flow), when);
        tell_step(tracker, flow, NULL, FW_CLIENT, &result, when);
    }
    if (flow_body(flow)->held)
        release_held(tracker, flow);
    else
        fold_closed(tracker, flow);
}

/* The clock of a flow ran out at `when`. */
static void expire(struct fw_tracker *tracker, struct flow *flow, fw_time when)
{
    if (timer_of[flow->queue] == TCP_TIMER_NONE) {
        end_flow(tracker, flow, FW_END_TIMER);
        return;
    }
    const fw_time now = tracker->now;
    tracker->now = when;
    struct flow *whole;
    if (flow->form == FLOW_LONE_SYN)
        expire_lone_syn(tracker, flow, when);
    else if (flow->form == FLOW_PACKED && expire_packed(tracker, flow, when))
        ; /* told */
    else if ((whole = make_whole(tracker, flow)))
        expire_whole(tracker, whole, when);
    else /* no memory */
        end_flow(tracker, flow, FW_END_EVICTED);
    tracker->now = now;
}

/* Idle flows are queued by when they were last looked at; their last packet is what counts. */
static fw_time base_of(const struct flow *flow)
{
    const bool idle = flow->queue == FLOW_OPEN || flow->queue == FLOW_UNANSWERED;
    return idle && flow->form == FLOW_WHOLE && flow_body(flow)->tcp.last_time > flow->queued
               ? flow_body(flow)->tcp.last_time
               : flow->queued;
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
        if (!flow)
            continue;
        if (tcp_elapsed(flow->queued, now) < timeout) {
            fw_time later;
            if (!__builtin_add_overflow(flow->queued, timeout, &later) && later < tracker->due)
                tracker->due = later;
            continue;
        }
        const fw_time due = flow->queued + timeout; /* <= now */
        if (!first || due < *when || (due == *when && flow_id(flow) < flow_id(first))) {
            first = flow;
            *when = due;
        }
    }
    return first;
}

void fw_tracker_advance(struct fw_tracker *tracker, fw_time now)
{
    if (now <= tracker->now)
        return;
    if (now >= tracker->due) {
        struct flow *flow;
        fw_time when = now;
        do {
            tracker->due = INT64_MAX;
            flow = first_due(tracker, now, &when);
            if (flow)
                expire(tracker, flow, when);
        } while (flow);
    }
    tracker->now = now;
}

/* ------------------------------------------------------------------------------------- eviction */

/* What is needed of those that go; ROOM_ANY: only that there be one less. */
enum room { ROOM_ANY, ROOM_FOR_LIVE, ROOM_FOR_STUB };

static bool makes_room(const struct flow *flow, enum room room)
{
    return room == ROOM_ANY || (flow->form == FLOW_WHOLE) == (room == ROOM_FOR_LIVE);
}

static bool has_room_for(const struct fw_tracker *tracker, enum flow_queue queue, enum room room)
{
    return room == ROOM_ANY || (room == ROOM_FOR_LIVE ? flow_live_count(tracker->flows, queue)
                                                      : flow_stub_count(tracker->flows, queue)) > 0;
}

/* The next to go of a queue: of the oldest the first that makes room; if none of them does, the
 * oldest. NULL: none. `spare` stays. */
static struct flow *next_to_go(struct fw_tracker *tracker, enum flow_queue queue, enum room room,
                               const struct flow *spare)
{
    enum { LOOKS = 64 };
    struct flow *oldest = flow_oldest(tracker->flows, queue), *flow;
    for (int look = 0; queue == FLOW_OPEN && oldest && look < LOOKS; look++) {
        if (base_of(oldest) <= oldest->queued)
            break;
        flow_enqueue(tracker->flows, oldest, queue, base_of(oldest)); /* was not idle since */
        oldest = flow_oldest(tracker->flows, queue);
    }
    flow = oldest;
    for (int look = 0; flow && look < LOOKS; look++, flow = flow->newer)
        if (flow != spare && makes_room(flow, room))
            return flow;
    return oldest && oldest == spare ? oldest->newer : oldest;
}

/* Closed first, then half-open oldest first, then idle (states.md 35: evicted is not closed).
 * `spare` stays. Nothing goes of a kind of which none makes the room that is needed; of the others
 * the oldest do, until one does. False: there is none to go. */
static bool evict_one(struct fw_tracker *tracker, enum room room, const struct flow *spare)
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
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (!has_room_for(tracker, order[i].queue, room))
            continue;
        struct flow *flow = next_to_go(tracker, order[i].queue, room, spare);
        if (!flow)
            continue;
        ++*(uint64_t *)(void *)((char *)&tracker->counts + order[i].counter);
        if (flow->newer)
            flow_prefetch_removal(tracker->flows, flow->newer);
        if (flow->form == FLOW_WHOLE)
            drop_held(tracker, flow);
        end_flow(tracker, flow, FW_END_EVICTED);
        return true;
    }
    return false;
}

/* After flow_add() or flow_expand() failed: makes room for what was missing, or comes nearer to it.
 * False: cannot. */
static bool make_room(struct fw_tracker *tracker, const struct flow *spare)
{
    if (tracker->finishing)
        return false;
    switch (flow_refused(tracker->flows)) {
    case FLOW_NO_LIVE:
        return evict_one(tracker, ROOM_FOR_LIVE, spare);
    case FLOW_NO_STUB:
        return evict_one(tracker, ROOM_FOR_STUB, spare);
    case FLOW_NO_MEMORY:
        break;
    }
    return false;
}

/* ------------------------------------------------------------------------ taking one segment */

static enum fw_side side_from(const struct flow *flow, bool from_low)
{
    return from_low == flow->client_is_low ? FW_CLIENT : FW_SERVER;
}

/* `known`: the server's, if it was looked up. */
static int note_listener(struct fw_tracker *tracker, const struct flow *flow,
                         const struct tcp_result *result, struct flow_listener *known)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct fw_transition *transition = &result->transitions[i];
        if (transition->from != FW_LISTEN || transition->endpoint != FW_SERVER)
            continue;
        if (known) {
            flow_listener_answered(known);
            return 0;
        }
        struct fw_identity identity;
        flow_identity(flow, &identity);
        return flow_note_listener(tracker->flows, &identity, tracker->max_listeners);
    }
    return 0;
}

/* `listener`: the sender, if it was looked up. */
static int take_into(struct fw_tracker *tracker, struct flow *flow, enum fw_side from,
                     const struct fw_segment *segment, struct flow_listener *listener)
{
    struct tcp_result result;
    flow_body(flow)->last_frame = segment->frame;
    flow->closes |= (segment->flags & FW_FIN) != 0;
    tcp_step(&flow_body(flow)->tcp, from, segment, &result);
    if (tracker->options.interop)
        interop_step(flow_live(flow)->interop, from == FW_CLIENT, segment);
    requeue(tracker, flow, &result);
    tell_step(tracker, flow, segment, from, &result, segment->time);
    return note_listener(tracker, flow, &result, from == FW_SERVER ? listener : NULL);
}

/* Another connection is to come. */
static void keep_to_the_most(struct fw_tracker *tracker)
{
    if (!tracker->finishing && tracker->options.max_connections > 0 &&
        flow_count(tracker->flows) >= tracker->options.max_connections)
        evict_one(tracker, ROOM_ANY, NULL);
}

static void count_connection(struct fw_tracker *tracker)
{
    tracker->counts.connections++;
    if (flow_count(tracker->flows) > tracker->counts.live_peak)
        tracker->counts.live_peak = flow_count(tracker->flows);
}

/* `id`: 0: the next. */
static struct flow *start_flow(struct fw_tracker *tracker, const struct fw_segment *segment,
                               unsigned hash, uint64_t id)
{
    struct flow *flow;
    keep_to_the_most(tracker);
    while (!(flow = flow_add(tracker->flows, segment, hash, tracker->now)))
        if (!make_room(tracker, NULL))
            return NULL;
    enum fw_dir_by dir_by;
    const bool from_client = tcp_first_role(segment, &dir_by) == FW_CLIENT;
    flow->client_is_low = flow_is_from_low(segment) == from_client;
    flow_body(flow)->id = id ? id : ++tracker->next_id;
    flow_body(flow)->first_frame = segment->frame;
    tcp_init(&flow_body(flow)->tcp, segment);
    count_connection(tracker);
    return flow;
}

/* What the lone SYN of a flow did. */
static void step_lone_syn(struct fw_tracker *tracker, const struct flow *flow,
                          const struct fw_segment *segment)
{
    struct flow_live live = {
        .body = { .id = flow_id(flow), .first_frame = segment->frame, .last_frame = segment->frame }
    };
    struct tcp_result result;
    tcp_init(&live.body.tcp, segment);
    tcp_step(&live.body.tcp, FW_CLIENT, segment, &result);
    flow_copy(&live, flow);
    tell_step(tracker, &live.flow, segment, FW_CLIENT, &result, segment->time);
}

/* A connection of which one SYN is all that is known. False: there is no room for it as a stub. */
static bool start_lone_syn(struct fw_tracker *tracker, const struct flow_lookup *taken,
                           const struct fw_segment *segment)
{
    struct flow_syn syn = lone_syn(segment);
    struct flow *flow;
    keep_to_the_most(tracker);
    do
        syn.id = tracker->next_id + 1; /* what makes room may take one */
    while (!(flow = flow_add_syn(tracker->flows, segment, taken->hash, tracker->now, &syn)) &&
           make_room(tracker, NULL));
    if (!flow)
        return false;
    tracker->next_id++;
    flow->client_is_low = taken->from_low;
    count_connection(tracker);
    note_due(tracker, FLOW_SYN, tracker->now);
    if (tracker->hooks->step || tracker->hooks->segment) {
        step_lone_syn(tracker, flow, segment);
    } else {
        tracker->counts.transitions++;
        tracker->counts.notes[FW_NOTE_NONE]++;
    }
    return true;
}

/* The held SYN was a connection: the old one's records come first, then the new one's, which begin
 * with the frame of the SYN. */
static void promote_held(struct fw_tracker *tracker, struct flow *flow, enum fw_end end)
{
    struct held *held = flow_body(flow)->held;
    const unsigned hash = flow->hash;
    flow_body(flow)->held = NULL;
    tracker->held_count--;
    if (flow_body(flow)->tcp.end[FW_SERVER].state == FW_UNKNOWN &&
        flow_body(flow)->tcp.open == FW_OPEN_NO_ANSWER &&
        !tcp_is_over(&flow_body(flow)->tcp)) { /* states.md 2 */
        flow_body(flow)->tcp.open = FW_OPEN_ABANDONED;
        flow_body(flow)->tcp.cause = TCP_CAUSE_ABANDONED;
        end = FW_END_REUSED;
    }
    const bool from_low = flow_is_from_low(&held->syns[0]);
    const struct tcp_end before = flow_body(flow)->tcp.end[!side_from(flow, from_low)];
    end_flow(tracker, flow, end);

    struct flow *next = start_flow(tracker, &held->syns[0], hash, held->id);
    if (next)
        tcp_succeed(&flow_body(next)->tcp, !side_from(next, from_low), &before);
    for (size_t i = 0; next && i < held->count; i++)
        take_into(tracker, next, side_from(next, from_low), &held->syns[i], NULL);
    free(held);
}

static int hold_syn(struct fw_tracker *tracker, struct flow *flow, enum fw_side from,
                    const struct fw_segment *segment, bool suspect)
{
    struct held *held = flow_body(flow)->held;
    if (!held) {
        held = flow_body(flow)->held = calloc(1, sizeof(*held));
        if (!held)
            return -ENOMEM;
        tracker->held_count++;
        held->suspect = suspect;
        held->id = ++tracker->next_id;
    }
    if (held->count < HELD_SYNS)
        held->syns[held->count++] = *segment;
    else
        tcp_count_held(&flow_body(flow)->tcp, from, segment);
    struct tcp_result result;
    tcp_hold_syn(&flow_body(flow)->tcp, from, segment, &result);
    requeue(tracker, flow, &result);
    tell_step(tracker, flow, segment, from, &result, segment->time);
    return 0;
}

static enum fw_side held_side(const struct flow *flow)
{
    return side_from(flow, flow_is_from_low(&flow_body(flow)->held->syns[0]));
}

/* Does this segment belong to the attempt that the held SYN made? */
static bool is_of_held(const struct flow *flow, enum fw_side holder_side,
                       const struct fw_segment *segment)
{
    const struct fw_segment *syn = &flow_body(flow)->held->syns[0];
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
    const struct tcp_end *holder = &flow_body(flow)->tcp.end[holder_side];
    return !(segment->flags & FW_RST) || (holder->facts & END_RESTARTED) ||
           flow_body(flow)->tcp.end[!holder_side].state != FW_SYN_RECEIVED;
}

/* Routes a segment on a tuple that is known: to the connection, to the attempt held beside it, or
 * to a new one. *flow is what is to take it; NULL: it was held. */
static int route(struct fw_tracker *tracker, struct flow **routed, const struct flow_lookup *taken,
                 const struct fw_segment *segment)
{
    struct flow *flow = *routed;
    const enum fw_side from = side_from(flow, taken->from_low);
    const bool is_syn = (segment->flags & (FW_SYN | FW_RST)) == FW_SYN;
    if (is_syn)
        settle_doubt(tracker, flow);

    if (flow_body(flow)->held && is_of_held(flow, held_side(flow), segment)) {
        promote_held(tracker, flow, FW_END_REUSED);
        *routed = flow_find(tracker->flows, segment, taken->hash);
        return *routed ? 0 : -ENOMEM;
    }
    if (flow_body(flow)->held && !is_syn && from == held_side(flow)) {
        if (!(segment->flags & FW_RST)) { /* it goes on with the old one: the SYN was not its own */
            drop_held(tracker, flow);
        } else if (!(flow_body(flow)->tcp.end[from].facts & END_RESTARTED)) {
            flow_body(flow)->held->disowned = true;
        }
    }
    if (!is_syn || (segment->flags & FW_FIN))
        return 0;
    enum tcp_syn kind = tcp_classify_syn(&flow_body(flow)->tcp, from, segment);
    const bool room =
        flow_body(flow)->held || tracker->max_held == 0 || tracker->held_count < tracker->max_held;
    if (!room && kind == TCP_SYN_HOLD)
        kind = TCP_SYN_NEW;
    if (!room && kind == TCP_SYN_SUSPECT)
        kind = TCP_SYN_SAME;
    switch (kind) {
    case TCP_SYN_SAME:
        return 0;
    case TCP_SYN_NEW: {
        if (flow_body(flow)->held && !flow_body(flow)->held->suspect &&
            flow_body(flow)->held->syns[0].seq != segment->seq) {
            promote_held(tracker, flow, FW_END_REUSED); /* an attempt of its own: states.md 2 */
            *routed = flow_find(tracker->flows, segment, taken->hash);
            return *routed ? route(tracker, routed, taken, segment) : -ENOMEM;
        }
        drop_held(tracker, flow);
        const struct tcp_end before = flow_body(flow)->tcp.end[!from];
        end_flow(tracker, flow, FW_END_REUSED);
        *routed = start_flow(tracker, segment, taken->hash, 0);
        if (!*routed)
            return -ENOMEM;
        tcp_succeed(&flow_body(*routed)->tcp, !side_from(*routed, taken->from_low), &before);
        return 0;
    }
    case TCP_SYN_HOLD:
    case TCP_SYN_SUSPECT:
        break;
    }
    if (flow_body(flow)->held &&
        flow_body(flow)->held->syns[0].seq != segment->seq) { /* yet another attempt */
        if (!flow_body(flow)->held->suspect) {
            promote_held(tracker, flow, FW_END_REUSED);
            *routed = flow_find(tracker->flows, segment, taken->hash);
            return *routed ? route(tracker, routed, taken, segment) : -ENOMEM;
        }
        drop_held(tracker, flow);
    }
    *routed = NULL;
    return hold_syn(tracker, flow, from, segment, kind == TCP_SYN_SUSPECT);
}

static void take_icmp(struct fw_tracker *tracker, struct flow *flow, bool from_low,
                      const struct fw_segment *segment)
{
    tracker->counts.icmp_errors++;
    if (!flow) {
        tracker->counts.icmp_unmatched++;
        return;
    }
    struct tcp_result result;
    const enum fw_side from = side_from(flow, from_low);
    tcp_icmp(&flow_body(flow)->tcp, from, segment, &result);
    requeue(tracker, flow, &result);
    tell_step(tracker, flow, segment, from, &result, segment->time);
    fold_closed(tracker, flow);
}

static int take(struct fw_tracker *tracker, const struct fw_segment *segment,
                const struct flow_lookup *taken, struct flow *flow)
{
    struct flow_listener *listener = taken->answers ? taken->listener : NULL;
    if (segment->icmp != FW_ICMP_NONE) {
        take_icmp(tracker, flow, taken->from_low, segment);
        return 0;
    }
    tracker->counts.segments++;
    if (!flow) {
        if (segment->flags & FW_RST) { /* a lone RST makes no connection */
            tracker->counts.lone_rsts++;
            return 0;
        }
        if (can_be_lone(tracker, segment) && start_lone_syn(tracker, taken, segment))
            return 0;
        flow = start_flow(tracker, segment, taken->hash, 0);
        return flow ? take_into(tracker, flow, side_from(flow, taken->from_low), segment, listener)
                    : -ENOMEM;
    }
    if ((segment->flags & FW_SYN) || flow_body(flow)->held) {
        const int routed = route(tracker, &flow, taken, segment);
        if (routed < 0 || !flow)
            return routed;
    }
    const int error = take_into(tracker, flow, side_from(flow, taken->from_low), segment, listener);
    fold_closed(tracker, flow);
    return error;
}

/* What an endpoint would drop moves nothing; the peers' labels note it. */
static void drop_bad_checksum(struct fw_tracker *tracker, const struct fw_segment *segment,
                              const struct flow_lookup *taken, const struct flow *flow)
{
    tracker->counts.notes[FW_NOTE_BAD_CHECKSUM]++;
    if (flow && tracker->options.interop)
        interop_step(flow_live(flow)->interop, side_from(flow, taken->from_low) == FW_CLIENT,
                     segment);
}

void fw_tracker_prepare(struct fw_tracker *tracker, const struct fw_segment *segments, size_t count,
                        struct fw_lookup *lookups)
{
    flow_prepare(tracker->flows, segments, count, (struct flow_lookup *)lookups);
}

/* What another thread has written comes from its processor's cache: it is asked for long before. */
static inline void prefetch_segment(const struct fw_segment *segment,
                                    const struct flow_lookup *lookup)
{
    __builtin_prefetch(segment);
    __builtin_prefetch((const char *)segment + 64);
    __builtin_prefetch(lookup);
}

/* `count` of the `left` that there are. */
static int take_batch(struct fw_tracker *tracker, const struct fw_segment *segments,
                      struct flow_lookup *taken, size_t count, size_t left)
{
    uint32_t changes[BATCH];
    flow_look_up(tracker->flows, segments, taken, changes, count);
    for (size_t i = 0; i < count; i++) {
        const struct fw_segment *segment = &segments[i];
        if (i + SEGMENTS_AHEAD < left)
            prefetch_segment(&segments[i + SEGMENTS_AHEAD], &taken[i + SEGMENTS_AHEAD]);
        if (tracker->options.drop_bad_checksums && segment->checksum == FW_CHECKSUM_BAD) {
            struct flow *flow = flow_find(tracker->flows, segment, taken[i].hash);
            drop_bad_checksum(tracker, segment, &taken[i], flow);
            continue;
        }
        if (segment->time < tracker->last_time)
            tracker->counts.time_backwards++;
        tracker->last_time = segment->time;
        fw_tracker_advance(tracker, segment->time);
        struct flow *flow = taken[i].flow;
        if (!flow_stands(tracker->flows, &taken[i], changes[i], segment))
            flow = flow_find(tracker->flows, segment, taken[i].hash);
        if (flow && !(flow = make_whole(tracker, flow)))
            return -ENOMEM;
        const int error = take(tracker, segment, &taken[i], flow);
        if (error < 0)
            return error;
    }
    return 0;
}

int fw_tracker_feed_prepared(struct fw_tracker *tracker, const struct fw_segment *segments,
                             struct fw_lookup *lookups, size_t count)
{
    for (size_t done = 0; done < count; done += BATCH) {
        const size_t batch = count - done < BATCH ? count - done : BATCH;
        struct flow_lookup *taken = (struct flow_lookup *)(lookups + done);
        const int error = take_batch(tracker, segments + done, taken, batch, count - done);
        if (error < 0)
            return error;
    }
    return 0;
}

int fw_tracker_feed(struct fw_tracker *tracker, const struct fw_segment *segments, size_t count)
{
    struct fw_lookup lookups[BATCH];
    for (size_t done = 0; done < count; done += BATCH) {
        const size_t batch = count - done < BATCH ? count - done : BATCH;
        fw_tracker_prepare(tracker, segments + done, batch, lookups);
        const int error = fw_tracker_feed_prepared(tracker, segments + done, lookups, batch);
        if (error < 0)
            return error;
    }
    return 0;
}

/* -------------------------------------------------------------------------------- end and views */

static void note_memory_peak(struct fw_tracker *tracker)
{
    struct fw_tracker_counts counts;
    fw_tracker_counts(tracker, &counts);
    tracker->counts.memory_peak_bytes = counts.memory_peak_bytes;
}

void fw_tracker_finish(struct fw_tracker *tracker)
{
    enum { AHEAD = 8 };
    size_t count;
    tracker->finishing = true;
    note_memory_peak(tracker);
    flow_end_lookups(tracker->flows);
    for (int round = 0; round < 2; round++) { /* the second: attempts that were held in the first */
        struct flow **flows = flow_sorted(tracker->flows, &count);
        for (size_t i = 0; flows && i < count; i++) {
            if (i + 2 * AHEAD < count)
                flow_prefetch(flows[i + 2 * AHEAD]);
            if (i + AHEAD < count)
                flow_prefetch_content(flows[i + AHEAD]);
            if (conclude(tracker, flows[i], FW_END_OPEN))
                flow_forget(tracker->flows, flows[i]);
        }
        free(flows);
    }
    note_memory_peak(tracker);
    flow_clear(tracker->flows);
    tracker->finishing = false;
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

bool fw_tracker_find(const struct fw_tracker *tracker, const struct fw_identity *identity,
                     struct fw_connection *connection)
{
    const struct fw_segment segment = {
        .from = identity->client,
        .to = identity->server,
        .scope = identity->scope,
    };
    const struct flow *flow =
        flow_find(tracker->flows, &segment, flow_hash(tracker->flows, &segment));
    if (!flow || flow_id(flow) != identity->id)
        return false;
    describe(tracker, flow, connection);
    return true;
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
    counts->bucket_peak = flow_bucket_peak(tracker->flows);
    counts->memory_bytes = flow_memory_bytes(tracker->flows);
    if (counts->memory_bytes > counts->memory_peak_bytes)
        counts->memory_peak_bytes = counts->memory_bytes;
}
