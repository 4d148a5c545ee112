/*
 * What is remembered of connections while they last. A connection that opens, carries data and
 * closes as it should has a trace only between its first FIN and its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose.h"
#include "stamp.h"

enum { FIRST_BUCKETS = 1024, MOST_TRACES = 1 << 18, HANDSHAKES = 4096 };

struct handshake {
    uint64_t id;
    struct mark marks[3]; /* SYN, SYN+ACK, ACK */
    uint32_t first[2];    /* initial sequence numbers */
    bool has_first[2];
};

static enum fw_side other(enum fw_side side)
{
    return side == FW_CLIENT ? FW_SERVER : FW_CLIENT;
}

/* ------------------------------------------------------------------------------------- table -- */

int trace_table_init(struct trace_table *table)
{
    *table = (struct trace_table){ .bucket_count = FIRST_BUCKETS };
    table->buckets = calloc(FIRST_BUCKETS, sizeof(struct trace *));
    table->handshakes = calloc(HANDSHAKES, sizeof *table->handshakes);
    return table->buckets && table->handshakes ? 0 : -ENOMEM;
}

void trace_table_finish(struct trace_table *table)
{
    for (size_t i = 0; table->buckets && i < table->bucket_count; i++)
        while (table->buckets[i]) {
            struct trace *next = table->buckets[i]->next;
            free(table->buckets[i]);
            table->buckets[i] = next;
        }
    free(table->buckets);
    free(table->handshakes);
}

/* Ids count up: their low bits spread evenly, whoever makes the input. */
static struct trace **bucket_of(const struct trace_table *table, uint64_t id)
{
    return &table->buckets[id & (table->bucket_count - 1)];
}

struct trace *trace_find(const struct trace_table *table, uint64_t id)
{
    struct trace *trace = table->count ? *bucket_of(table, id) : NULL;

    while (trace && trace->id != id)
        trace = trace->next;
    return trace;
}

static void grow(struct trace_table *table)
{
    struct trace_table bigger = *table;

    bigger.bucket_count = 2 * table->bucket_count;
    bigger.buckets = calloc(bigger.bucket_count, sizeof *bigger.buckets);
    if (!bigger.buckets)
        return; /* slower, no more */
    for (size_t i = 0; i < table->bucket_count; i++)
        while (table->buckets[i]) {
            struct trace *trace = table->buckets[i];
            struct trace **bucket = bucket_of(&bigger, trace->id);

            table->buckets[i] = trace->next;
            trace->next = *bucket;
            *bucket = trace;
        }
    free(table->buckets);
    *table = bigger;
}

/* NULL where there are too many, or no memory. */
static struct trace *find_or_make(struct trace_table *table, uint64_t id)
{
    struct trace *trace = trace_find(table, id);

    if (trace)
        return trace;
    trace = table->count < MOST_TRACES ? calloc(1, sizeof *trace) : NULL;
    if (!trace) {
        table->full = true;
        return NULL;
    }
    if (table->count >= table->bucket_count)
        grow(table);
    trace->id = id;
    trace->data_after_fin[FW_CLIENT] = trace->data_after_fin[FW_SERVER] = INT64_MIN;
    struct trace **bucket = bucket_of(table, id);
    trace->next = *bucket;
    *bucket = trace;
    table->count++;
    return trace;
}

void trace_drop(struct trace_table *table, uint64_t id)
{
    struct trace **at = bucket_of(table, id);

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (!*at)
        return;
    struct trace *trace = *at;
    *at = trace->next;
    free(trace);
    table->count--;
}

/* ------------------------------------------------------------------------------------- marks -- */

static struct mark mark_of(const struct fw_step *step, enum mark_what what)
{
    return (struct mark){
        .time = step->time,
        .last_time = step->time,
        .frame = step->frame,
        .last_frame = step->frame,
        .times = 1,
        .flags = step->segment ? step->segment->flags : 0,
        .what = (uint8_t)what,
        .from = (uint8_t)step->from,
        .icmp = step->segment ? step->segment->icmp : 0,
    };
}

const struct mark *trace_mark(const struct trace *trace, enum mark_what what, int from)
{
    for (size_t i = 0; trace && i < trace->mark_count; i++)
        if (trace->marks[i].what == what && (from < 0 || trace->marks[i].from == from))
            return &trace->marks[i];
    return NULL;
}

/* Makes room by what is told by others: data, windows. */
static struct mark *new_mark(struct trace *trace)
{
    enum { MOST = sizeof trace->marks / sizeof trace->marks[0] };

    if (trace->mark_count == MOST) {
        memmove(&trace->marks[0], &trace->marks[1], (MOST - 1) * sizeof trace->marks[0]);
        trace->mark_count--;
    }
    return &trace->marks[trace->mark_count++];
}

/* The first of its kind stays, and how often it came. */
static struct mark *put_mark(struct trace *trace, const struct fw_step *step, enum mark_what what)
{
    struct mark *mark = (struct mark *)trace_mark(trace, what, step->from);

    if (mark) {
        mark->times += mark->last_frame != step->frame; /* both hooks tell of a frame */
        mark->last_frame = step->frame;
        mark->last_time = step->time;
        return mark;
    }
    mark = new_mark(trace);
    *mark = mark_of(step, what);
    return mark;
}

static void remove_mark(struct trace *trace, enum mark_what what, enum fw_side from)
{
    struct mark *mark = (struct mark *)trace_mark(trace, what, from);

    if (!mark)
        return;
    const size_t place = (size_t)(mark - trace->marks);
    memmove(mark, mark + 1, (trace->mark_count - place - 1) * sizeof *mark);
    trace->mark_count--;
}

/* The number of a FIN or of its ACK, counted from the SYN; only where the SYN was seen. */
static void number_mark(struct mark *mark, const struct fw_step *step, enum fw_side of,
                        unsigned add)
{
    struct fw_connection connection;

    fw_step_connection(step, &connection);
    mark->numbered = !connection.midstream && connection.syns[FW_CLIENT] > 0;
    mark->number = (uint32_t)connection.bytes[of] + add;
}

/* --------------------------------------------------------------------------------- handshake -- */

static void remember_handshake(struct trace_table *table, const struct fw_step *step,
                               enum mark_what what)
{
    struct handshake *handshake = &table->handshakes[step->identity->id % HANDSHAKES];
    struct mark *mark;

    if (handshake->id != step->identity->id)
        *handshake = (struct handshake){ .id = step->identity->id };
    if (what != MARK_ACK_OF_SYN) {
        handshake->first[step->from] = step->segment->seq;
        handshake->has_first[step->from] = true;
    }
    mark = &handshake->marks[what == MARK_SYN ? 0 : what == MARK_SYNACK ? 1 : 2];
    if (mark->frame)
        return;
    *mark = mark_of(step, what);
    mark->number = what == MARK_SYN ? step->segment->seq : step->segment->ack;
}

bool trace_handshake(const struct trace_table *table, uint64_t id, enum mark_what what,
                     struct mark *mark)
{
    const struct handshake *handshake = &table->handshakes[id % HANDSHAKES];

    if (handshake->id != id)
        return false;
    *mark = handshake->marks[what == MARK_SYN ? 0 : what == MARK_SYNACK ? 1 : 2];
    return mark->frame != 0;
}

/* --------------------------------------------------------------------------------------- step --
 */

static enum fw_state state_before(const struct fw_step *step, enum fw_side side)
{
    for (size_t i = 0; i < step->count; i++)
        if (step->transitions[i].endpoint == side)
            return step->transitions[i].from;
    return side == FW_CLIENT ? step->client_state : step->server_state;
}

static bool is_over(enum fw_state state)
{
    return state == FW_CLOSED || state == FW_TIME_WAIT;
}

/* A RST without ACK answers a segment to an end that has nothing any more; the other end has not
 * closed, so that was data. */
static bool answers_data(const struct trace *trace, const struct fw_step *step)
{
    const enum fw_side peer = other(step->from);
    struct fw_connection connection;

    if (trace->data_after_fin[peer] != INT64_MIN)
        return true;
    if ((step->segment->flags & FW_ACK) || trace->has_fin[peer])
        return false;
    fw_step_connection(step, &connection);
    return connection.data_packets[peer] > 0;
}

static void take_reset(struct trace *trace, const struct fw_step *step)
{
    bool closes = false;

    for (size_t i = 0; i < step->count; i++)
        closes |= step->transitions[i].to == FW_CLOSED;
    if (!closes || trace->reset)
        return;
    trace->reset = true;
    trace->reset_by = step->from;
    trace->before_reset[FW_CLIENT] = state_before(step, FW_CLIENT);
    trace->before_reset[FW_SERVER] = state_before(step, FW_SERVER);
    trace->answered_reset = answers_data(trace, step);
    trace->gave_up = trace->unanswered[step->from] + trace->vain[step->from];
    trace->gave_up_since = trace->unanswered_since[step->from];
    remove_mark(trace, MARK_RST, step->from);
    put_mark(trace, step, MARK_RST);
}

static void take_transition(struct trace_table *table, const struct fw_step *step,
                            const struct fw_transition *transition)
{
    struct trace *trace;

    switch (transition->to) {
    case FW_FIN_WAIT_1:
    case FW_LAST_ACK:
        trace = transition->corrected ? NULL : find_or_make(table, step->identity->id);
        if (!trace)
            return;
        trace->has_fin[transition->endpoint] = true;
        if (step->from == transition->endpoint && (step->segment->flags & FW_FIN))
            number_mark(put_mark(trace, step, MARK_FIN), step, transition->endpoint, 1);
        return;
    case FW_CLOSE_WAIT:
        trace = find_or_make(table, step->identity->id);
        if (trace && step->from == transition->endpoint)
            number_mark(put_mark(trace, step, MARK_ACK_OF_FIN), step, other(transition->endpoint),
                        2);
        return;
    case FW_SYN_RECEIVED:
        if (!transition->corrected || step->from != transition->endpoint)
            return;
        trace = find_or_make(table, step->identity->id);
        if (trace) {
            trace->synacks_again++;
            put_mark(trace, step, MARK_SYNACK_AGAIN);
        }
        return;
    case FW_UNKNOWN:
    case FW_CLOSED:
    case FW_LISTEN:
    case FW_SYN_SENT:
    case FW_ESTABLISHED:
    case FW_FIN_WAIT_2:
    case FW_CLOSING:
    case FW_TIME_WAIT:
    case FW_STATE_COUNT:
        return;
    }
}

void trace_step(struct trace_table *table, const struct fw_step *step)
{
    const struct fw_segment *segment = step->segment;

    if (!segment || segment->icmp != FW_ICMP_NONE)
        return;
    if ((segment->flags & FW_RST)) {
        struct trace *trace = find_or_make(table, step->identity->id);
        if (trace)
            take_reset(trace, step);
        return;
    }
    if (segment->flags & FW_SYN)
        remember_handshake(table, step, segment->flags & FW_ACK ? MARK_SYNACK : MARK_SYN);
    else if (state_before(step, FW_CLIENT) == FW_SYN_SENT ||
             state_before(step, FW_SERVER) == FW_SYN_RECEIVED)
        remember_handshake(table, step, MARK_ACK_OF_SYN);
    for (size_t i = 0; i < step->count; i++)
        take_transition(table, step, &step->transitions[i]);
}

/* ------------------------------------------------------------------------------------ segment --
 */

static int32_t distance(uint32_t from, uint32_t to)
{
    return (int32_t)(to - from);
}

/* Does it acknowledge what its peer was not seen to send? Where the peer's initial number is not
 * known any more, it may. */
static bool acks_unseen(const struct trace_table *table, const struct fw_step *step)
{
    const struct handshake *handshake = &table->handshakes[step->identity->id % HANDSHAKES];
    const enum fw_side peer = other(step->from);
    struct fw_connection connection;

    if (handshake->id != step->identity->id || !handshake->has_first[peer])
        return true;
    fw_step_connection(step, &connection);
    const uint32_t sent =
        handshake->first[peer] + 1 + (uint32_t)connection.bytes[peer] + (connection.fins[peer] > 0);
    return distance(sent, step->segment->ack) > 0;
}

/* What the segment acknowledges was not seen. Data that comes before it is not missing for that: it
 * may come later. */
static void open_gap(const struct trace_table *table, struct trace *trace,
                     const struct fw_step *step)
{
    if (trace->gap || !acks_unseen(table, step))
        return;
    put_mark(trace, step, MARK_GAP);
    trace->gap = true;
    trace->gap_of = other(step->from);
    trace->gap_end = step->segment->ack;
}

/* What was missing comes after all, or had not been sent. */
static void close_gap(struct trace *trace, const struct fw_step *step)
{
    if (!trace->gap || trace->gap_of != step->from)
        return;
    if (distance(step->segment->seq, trace->gap_end) > 0) { /* it goes on before that */
        trace->gap = false;
        remove_mark(trace, MARK_GAP, other(step->from));
    }
}

static void open_window(struct trace *trace, const struct fw_step *step)
{
    if (!trace->zero || step->from != trace->zero_side || step->segment->window_raw == 0 ||
        (step->segment->flags & FW_RST))
        return;
    const int64_t ns = stamp_since(step->time, trace->zero_since);
    trace->zero = false;
    if (ns > trace->stalled_ns)
        trace->stalled_ns = ns;
    put_mark(trace, step, MARK_WINDOW_OPENS);
}

static void close_window(struct trace *trace, const struct fw_step *step)
{
    put_mark(trace, step, MARK_ZERO_WINDOW);
    if (trace->zero)
        return;
    trace->zero = true;
    trace->zero_side = step->from;
    trace->zero_since = step->time;
}

static void count_unanswered(struct trace *trace, const struct fw_step *step, enum mark_what what)
{
    put_mark(trace, step, what);
    if (trace->unanswered[step->from]++ == 0)
        trace->unanswered_since[step->from] = step->time;
}

/* The peer's repeats were in vain until now; whether it still knows of them, its next segment
 * tells. */
static void hear(struct trace *trace, const struct fw_step *step)
{
    const enum fw_side from = step->from, peer = other(from);

    if (trace->reset) /* what led to it stays */
        return;
    if (trace->unanswered[peer] > 0) {
        trace->vain[peer] = trace->unanswered[peer];
        trace->unanswered[peer] = 0;
    }
    if (trace->vain[from] > 0 && !(step->segment->flags & FW_RST)) {
        trace->vain[from] = 0;
        remove_mark(trace, MARK_UNANSWERED, from);
        remove_mark(trace, MARK_KEEP_ALIVE, from);
    }
}

static void take_note(const struct trace_table *table, struct trace *trace,
                      const struct fw_step *step)
{
    const enum fw_state to = step->from == FW_CLIENT ? step->server_state : step->client_state;

    switch (step->note) {
    case FW_NOTE_RETRANSMISSION:
        if (!(step->segment->flags & FW_SYN))
            count_unanswered(trace, step, MARK_UNANSWERED);
        break;
    case FW_NOTE_KEEP_ALIVE:
        count_unanswered(trace, step, MARK_KEEP_ALIVE);
        break;
    case FW_NOTE_BAD_SYNACK:
        put_mark(trace, step, MARK_BAD_SYNACK)->number = step->segment->ack;
        break;
    case FW_NOTE_RST_IGNORED:
    case FW_NOTE_RST_CHALLENGED:
        if (!is_over(to))
            put_mark(trace, step, MARK_RST_IGNORED);
        break;
    case FW_NOTE_RST_FORGED:
        put_mark(trace, step, MARK_RST_FORGED);
        break;
    case FW_NOTE_SYN_IN_WINDOW:
        if (step->segment->flags & FW_ACK)
            break; /* it asks for nothing */
        trace->syn_inside = true;
        trace->syn_inside_by = step->from;
        put_mark(trace, step, MARK_SYN_INSIDE);
        break;
    case FW_NOTE_ZERO_WINDOW:
        close_window(trace, step);
        break;
    case FW_NOTE_ZERO_WINDOW_PROBE:
        trace->probes++;
        put_mark(trace, step, MARK_PROBE);
        break;
    case FW_NOTE_GAP:
        open_gap(table, trace, step);
        break;
    case FW_NOTE_ICMP:
        put_mark(trace, step, MARK_ICMP);
        break;
    case FW_NOTE_NONE:
    case FW_NOTE_DUPLICATE:
    case FW_NOTE_BAD_CHECKSUM:
    case FW_NOTE_OUT_OF_WINDOW:
    case FW_NOTE_PAWS:
    case FW_NOTE_NO_ACK:
    case FW_NOTE_BAD_ACK:
    case FW_NOTE_ODD_FLAGS:
    case FW_NOTE_OUT_OF_ORDER:
    case FW_NOTE_WINDOW_UPDATE:
    case FW_NOTE_DUPLICATE_ACK:
    case FW_NOTE_CHALLENGE_ACK:
    case FW_NOTE_STRAY:
    case FW_NOTE_COUNT:
        break;
    }
}

static bool is_worth_a_trace(const struct fw_step *step)
{
    switch (step->note) {
    case FW_NOTE_RETRANSMISSION:
        return !(step->segment->flags & FW_SYN) || step->segment->flags & FW_ACK;
    case FW_NOTE_KEEP_ALIVE:
    case FW_NOTE_BAD_SYNACK:
    case FW_NOTE_RST_IGNORED:
    case FW_NOTE_RST_CHALLENGED:
    case FW_NOTE_RST_FORGED:
    case FW_NOTE_SYN_IN_WINDOW:
    case FW_NOTE_ZERO_WINDOW:
    case FW_NOTE_ZERO_WINDOW_PROBE:
    case FW_NOTE_GAP:
    case FW_NOTE_ICMP:
        return true;
    case FW_NOTE_NONE:
    case FW_NOTE_DUPLICATE:
    case FW_NOTE_BAD_CHECKSUM:
    case FW_NOTE_OUT_OF_WINDOW:
    case FW_NOTE_PAWS:
    case FW_NOTE_NO_ACK:
    case FW_NOTE_BAD_ACK:
    case FW_NOTE_ODD_FLAGS:
    case FW_NOTE_OUT_OF_ORDER:
    case FW_NOTE_WINDOW_UPDATE:
    case FW_NOTE_DUPLICATE_ACK:
    case FW_NOTE_CHALLENGE_ACK:
    case FW_NOTE_STRAY:
    case FW_NOTE_COUNT:
        break;
    }
    return step->segment->checksum == FW_CHECKSUM_BAD || (step->segment->flags & FW_RST);
}

void trace_segment(struct trace_table *table, const struct fw_step *step)
{
    const struct fw_segment *segment = step->segment;
    struct trace *trace = is_worth_a_trace(step) ? find_or_make(table, step->identity->id)
                                                 : trace_find(table, step->identity->id);

    if (!trace || step->note == FW_NOTE_DUPLICATE)
        return;
    trace->last_time = step->time;
    if (segment->icmp != FW_ICMP_NONE) {
        take_note(table, trace, step);
        return;
    }
    if (segment->checksum == FW_CHECKSUM_BAD) {
        trace->bad_checksums[step->from]++;
        put_mark(trace, step, MARK_BAD_CHECKSUM);
    }
    hear(trace, step);
    open_window(trace, step);
    close_gap(trace, step);
    take_note(table, trace, step);
    if (segment->payload_bytes > 0 && trace->has_fin[other(step->from)]) {
        trace->data_after_fin[step->from] = step->time;
        put_mark(trace, step, MARK_DATA_AFTER_FIN);
    }
    if ((segment->flags & FW_RST) && !trace_mark(trace, MARK_RST_IGNORED, step->from))
        put_mark(trace, step, MARK_RST);
}
