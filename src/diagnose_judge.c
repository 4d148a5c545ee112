/* A connection at its end, and what is remembered of it: which findings it belongs to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "diagnose.h"
#include "stamp.h"

enum { MOST_GROUPS = 4096 };

/* An end that has not closed for so long will hardly do so. */
static const int64_t patience_ns = 5 * FW_SECOND;
/* Or for so much longer than the slowest of the others at the same server. */
static const int64_t least_patience_ns = 250 * FW_MILLISECOND;
enum { SLOWER = 5 };

/* The first retransmission of a SYN or SYN+ACK is due after 1 s (RFC 6298). */
static const int64_t first_timeout_ns = FW_SECOND;
/* A window that is closed for so long, or probed so often, stalls its peer. */
static const int64_t stall_ns = FW_SECOND;
enum { STALL_PROBES = 3, DEAD_REPEATS = 2 };

/* TIME_WAIT: so many, at a rate that would use so much of the ephemeral ports within 60 s. */
enum { TIME_WAIT_LEAST = 500, TIME_WAIT_SECONDS = 60, EPHEMERAL_PORTS = 60999 - 32768 + 1 };

struct diagnosis {
    struct trace_table traces;
    struct attempts *attempts;
    struct finding_table groups;   /* by kind, server and side */
    struct finding_table closers;  /* TIME_WAIT: by server, side and client's address */
    struct finding_table paces;    /* how fast a side closes at a server: `number`, ns */
    struct finding_table suspects; /* half-closed, each by itself, until the paces are known */
    fw_time now;                   /* of the latest segment */
    uint64_t excused[EXCUSE_COUNT];
    bool no_memory;
};

/* ------------------------------------------------------------------------------------ tables -- */

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_scope(const struct fw_scope *a, const struct fw_scope *b)
{
    if (a->vlan != b->vlan)
        return a->vlan < b->vlan ? -1 : 1;
    if (a->tunnel != b->tunnel)
        return a->tunnel < b->tunnel ? -1 : 1;
    return compare_u64(a->tunnel_id, b->tunnel_id);
}

static int compare_server(const struct finding *a, const struct finding *b)
{
    const int server = endpoint_compare(&a->identity.server, &b->identity.server);
    const int scope = server ? server : compare_scope(&a->identity.scope, &b->identity.scope);

    return scope ? scope : (int)a->side - (int)b->side;
}

static int compare_group(const struct finding *a, const struct finding *b)
{
    if (a->kind != b->kind)
        return (int)a->kind - (int)b->kind;
    if (a->elsewhere || b->elsewhere)
        return (int)a->elsewhere - (int)b->elsewhere;
    if (a->kind == FINDING_SCAN) { /* by who scans */
        const int client = endpoint_compare(&a->identity.client, &b->identity.client);
        return client ? client : compare_scope(&a->identity.scope, &b->identity.scope);
    }
    return compare_server(a, b);
}

static int compare_closer(const struct finding *a, const struct finding *b)
{
    const int server = compare_server(a, b);
    struct fw_endpoint one = a->identity.client, two = b->identity.client;

    one.port = two.port = 0;
    return server ? server : endpoint_compare(&one, &two);
}

static int compare_suspect(const struct finding *a, const struct finding *b)
{
    return compare_u64(a->identity.id, b->identity.id);
}

void finding_table_finish(struct finding_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->list[i]);
    free(table->list);
    table->list = NULL;
    table->count = table->room = 0;
}

size_t finding_table_place(const struct finding_table *table, const struct finding *like,
                           bool *there)
{
    size_t low = 0, high = table->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (table->compare(table->list[middle], like) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < table->count && table->compare(table->list[low], like) == 0;
    return low;
}

int finding_table_insert(struct finding_table *table, size_t place, const struct finding *finding)
{
    struct finding *copy;

    if (table->count >= table->most)
        return -ENOSPC;
    if (table->count == table->room) {
        const size_t room = table->room ? 2 * table->room : 16;
        struct finding **list = realloc(table->list, room * sizeof *list);

        if (!list)
            return -ENOMEM;
        table->list = list;
        table->room = room;
    }
    copy = malloc(sizeof *copy);
    if (!copy)
        return -ENOMEM;
    *copy = *finding;
    memmove(&table->list[place + 1], &table->list[place],
            (table->count - place) * sizeof *table->list);
    table->list[place] = copy;
    table->count++;
    return 0;
}

/* The example of a group is its oldest; the ids of some of the others are kept. */
void finding_join(struct finding *group, const struct finding *one)
{
    if (group->other_count < FINDING_OTHERS)
        group->others[group->other_count++] = one->identity.id;
    group->count += one->count;
    group->fresh &= one->fresh;
    group->number += one->number;
    if (one->first_time < group->first_time)
        group->first_time = one->first_time;
    if (one->last_time > group->last_time)
        group->last_time = one->last_time;
    if (one->since >= group->since)
        return;
    if (group->other_count > 0 && group->others[group->other_count - 1] == one->identity.id)
        group->others[group->other_count - 1] = group->identity.id;
    group->since = one->since;
    group->identity = one->identity;
    group->detail = one->detail;
    memcpy(group->marks, one->marks, sizeof group->marks);
    group->mark_count = one->mark_count;
}

static int settle(void *context, const struct finding *one)
{
    struct diagnosis *diagnosis = context;
    struct finding_table *groups = &diagnosis->groups;
    struct finding rest = *one;
    bool there;

    if (one->fresh) {
        diagnosis->excused[EXCUSE_OPENING] += one->count;
        return 0;
    }
    size_t place = finding_table_place(groups, one, &there);
    int error = 0;

    if (!there) {
        error = finding_table_insert(groups, place, one);
        if (error != -ENOSPC)
            return error;
        rest.elsewhere = true; /* one group for each kind is always there */
        place = finding_table_place(groups, &rest, &there);
        groups->most += FINDING_KIND_COUNT;
        error = there ? 0 : finding_table_insert(groups, place, &rest);
        groups->most -= FINDING_KIND_COUNT;
        if (!there || error)
            return error;
    }
    finding_join(groups->list[place], one);
    return 0;
}

static void add(struct diagnosis *diagnosis, const struct finding *finding)
{
    diagnosis->no_memory |= settle(diagnosis, finding) < 0;
}

static void add_attempt(struct diagnosis *diagnosis, const struct finding *finding)
{
    diagnosis->no_memory |= attempts_add(diagnosis->attempts, finding, settle, diagnosis) < 0;
}

/* ---------------------------------------------------------------------------------- evidence -- */

struct cause {
    struct diagnosis *diagnosis;
    const struct fw_connection *connection;
    const struct trace *trace; /* NULL: nothing is remembered */
};

static enum fw_side other(enum fw_side side)
{
    return side == FW_CLIENT ? FW_SERVER : FW_CLIENT;
}

static enum fw_state state_of(const struct fw_connection *connection, enum fw_side side)
{
    return side == FW_CLIENT ? connection->client_state : connection->server_state;
}

static fw_time since_of(const struct fw_connection *connection, enum fw_side side)
{
    return side == FW_CLIENT ? connection->client_since : connection->server_since;
}

static struct finding begin(const struct cause *cause, enum finding_kind kind, enum fw_side side)
{
    const struct fw_connection *connection = cause->connection;

    return (struct finding){
        .kind = kind,
        .side = side,
        .count = 1,
        .identity = connection->identity,
        .first_time = connection->first_time,
        .last_time = connection->last_time,
        .since = connection->first_time,
    };
}

/* In the order of frames. */
static void show(struct finding *finding, const struct mark *mark)
{
    size_t place = finding->mark_count;

    if (!mark || place == FINDING_MARKS)
        return;
    while (place > 0 && finding->marks[place - 1].frame > mark->frame) {
        finding->marks[place] = finding->marks[place - 1];
        place--;
    }
    finding->marks[place] = *mark;
    finding->mark_count++;
}

static void show_traced(const struct cause *cause, struct finding *finding, enum mark_what what,
                        int from)
{
    show(finding, trace_mark(cause->trace, what, from));
}

static void show_handshake(const struct cause *cause, struct finding *finding, enum mark_what what)
{
    struct mark mark;

    if (trace_handshake(&cause->diagnosis->traces, cause->connection->identity.id, what, &mark))
        show(finding, &mark);
}

/* The SYN is the first frame of its connection, whatever else is remembered. */
static void show_syn(const struct cause *cause, struct finding *finding)
{
    const struct fw_connection *connection = cause->connection;

    if (connection->syns[FW_CLIENT] == 0)
        return;
    show(finding, &(struct mark){
                      .time = connection->first_time,
                      .last_time = connection->last_time,
                      .frame = connection->first_frame,
                      .times = connection->syns[FW_CLIENT],
                      .flags = FW_SYN,
                      .what = MARK_SYN,
                      .from = FW_CLIENT,
                  });
}

/* -------------------------------------------------------------------------- while it was open --
 */

static void judge_windows(const struct cause *cause)
{
    const struct trace *trace = cause->trace;
    const int64_t still = trace->zero ? stamp_since(cause->diagnosis->now, trace->zero_since) : 0;
    const int64_t longest = still > trace->stalled_ns ? still : trace->stalled_ns;

    if (longest < stall_ns && (trace->probes < STALL_PROBES || longest < least_patience_ns))
        return;
    struct finding finding = begin(cause, FINDING_ZERO_WINDOW, trace->zero_side);
    finding.number = trace->probes;
    finding.since = trace_mark(trace, MARK_ZERO_WINDOW, (int)trace->zero_side)
                        ? trace_mark(trace, MARK_ZERO_WINDOW, (int)trace->zero_side)->time
                        : finding.since;
    show_traced(cause, &finding, MARK_ZERO_WINDOW, (int)trace->zero_side);
    show_traced(cause, &finding, MARK_PROBE, -1);
    show_traced(cause, &finding, MARK_WINDOW_OPENS, (int)trace->zero_side);
    add(cause->diagnosis, &finding);
}

static void judge_forgeries(const struct cause *cause)
{
    const struct trace *trace = cause->trace;
    const struct mark *forged = trace_mark(trace, MARK_RST_FORGED, -1);
    const struct mark *ignored = trace_mark(trace, MARK_RST_IGNORED, -1);

    if (forged) {
        struct finding finding = begin(cause, FINDING_FORGED_RST, (enum fw_side)forged->from);
        show_traced(cause, &finding, MARK_RST, forged->from);
        show(&finding, forged);
        show_traced(cause, &finding, MARK_RST, (int)other((enum fw_side)forged->from));
        add(cause->diagnosis, &finding);
    } else if (ignored) {
        struct finding finding = begin(cause, FINDING_IGNORED_RST, (enum fw_side)ignored->from);
        show(&finding, ignored);
        add(cause->diagnosis, &finding);
    }
}

/* A SYN+ACK again after its ACK: once, and the ACK was lost; more, or data ignored too, and the
 * program does not accept. */
static bool judge_accept_queue(const struct cause *cause)
{
    const struct trace *trace = cause->trace;
    const bool ignored = cause->connection->retransmits[FW_CLIENT] >= DEAD_REPEATS &&
                         cause->connection->bytes[FW_SERVER] == 0;

    if (trace->synacks_again == 0)
        return false;
    const bool full = trace->synacks_again > 1 || ignored;
    struct finding finding =
        begin(cause, full ? FINDING_ACCEPT_QUEUE : FINDING_FINAL_ACK_LOST, FW_SERVER);
    show_handshake(cause, &finding, MARK_SYNACK);
    show_handshake(cause, &finding, MARK_ACK_OF_SYN);
    show_traced(cause, &finding, MARK_SYNACK_AGAIN, FW_SERVER);
    if (ignored)
        show_traced(cause, &finding, MARK_UNANSWERED, FW_CLIENT);
    show_traced(cause, &finding, MARK_RST, FW_SERVER);
    add(cause->diagnosis, &finding);
    return full;
}

static void judge_bad_synack(const struct cause *cause)
{
    const struct mark *bad = trace_mark(cause->trace, MARK_BAD_SYNACK, -1);

    if (!bad)
        return;
    struct finding finding = begin(cause, FINDING_BAD_SYNACK, FW_SERVER);
    show_handshake(cause, &finding, MARK_SYN);
    show(&finding, bad);
    show_traced(cause, &finding, MARK_RST, FW_CLIENT);
    add(cause->diagnosis, &finding);
}

static void judge_checksums(const struct cause *cause)
{
    const struct trace *trace = cause->trace;

    for (enum fw_side side = FW_CLIENT; side <= FW_SERVER; side++) {
        if (trace->bad_checksums[side] == 0)
            continue;
        struct finding finding = begin(cause, FINDING_BAD_CHECKSUMS, side);
        finding.number = trace->bad_checksums[side];
        finding.detail =
            trace->bad_checksums[other(side)] ? "wrong from both sides"
            : 2 * (uint64_t)trace->bad_checksums[side] >= cause->connection->packets[side]
                ? "right from its peer: offload"
                : "only some of them: damaged on the way, or by hand";
        show_traced(cause, &finding, MARK_BAD_CHECKSUM, (int)side);
        add(cause->diagnosis, &finding);
    }
}

static bool judge_capture(const struct cause *cause)
{
    const bool gap = cause->trace && cause->trace->gap;

    if (!gap && !cause->connection->lossy)
        return false;
    struct finding finding =
        begin(cause, FINDING_CAPTURE_LOSS, gap ? cause->trace->gap_of : FW_CLIENT);
    show_traced(cause, &finding, MARK_GAP, -1);
    finding.side = FW_CLIENT; /* whose it was does not tell two groups apart */
    add(cause->diagnosis, &finding);
    return true;
}

/* ---------------------------------------------------------------------------------- both ends --
 */

static bool went_through(uint64_t path, enum fw_state state)
{
    for (; path; path >>= 4)
        if ((path & 15) == (uint64_t)state)
            return true;
    return false;
}

static void judge_simultaneous(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;

    if (connection->open == FW_OPEN_COMPLETE &&
        went_through(connection->client_path, FW_SYN_SENT) &&
        went_through(connection->server_path, FW_SYN_SENT)) {
        struct finding finding = begin(cause, FINDING_SIMULTANEOUS_OPEN, FW_CLIENT);
        show_syn(cause, &finding);
        add(cause->diagnosis, &finding);
    }
    if (went_through(connection->client_path, FW_CLOSING) &&
        went_through(connection->server_path, FW_CLOSING)) {
        struct finding finding = begin(cause, FINDING_SIMULTANEOUS_CLOSE, FW_CLIENT);
        show_traced(cause, &finding, MARK_FIN, FW_CLIENT);
        show_traced(cause, &finding, MARK_FIN, FW_SERVER);
        add(cause->diagnosis, &finding);
    }
}

/* Its ports were used again before an end had let go of them. True: that is what reset it. */
static bool judge_reuse(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;
    const struct trace *trace = cause->trace;
    const bool waits =
        connection->client_state == FW_TIME_WAIT || connection->server_state == FW_TIME_WAIT;
    const bool taken = connection->end == FW_END_REUSED && waits;
    const bool inside = trace && trace->syn_inside && connection->open == FW_OPEN_COMPLETE;
    const bool reset = inside && trace->reset;

    if (!taken && (!inside || (reset && trace->reset_by != trace->syn_inside_by)))
        return false;
    struct finding finding = begin(cause, FINDING_PORT_REUSE, FW_CLIENT);
    finding.detail = taken   ? "the SYN was accepted"
                     : reset ? "answered with the old numbers, and reset"
                             : "the SYN was not accepted";
    show_traced(cause, &finding, MARK_FIN, FW_CLIENT);
    show_traced(cause, &finding, MARK_FIN, FW_SERVER);
    show_traced(cause, &finding, MARK_SYN_INSIDE, -1);
    if (reset)
        show_traced(cause, &finding, MARK_RST, (int)trace->reset_by);
    add(cause->diagnosis, &finding);
    return reset;
}

/* Who closes first holds the ports. */
static void count_closer(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;
    struct finding_table *closers = &cause->diagnosis->closers;
    bool there;

    if (connection->end == FW_END_RST || connection->open != FW_OPEN_COMPLETE ||
        (connection->closed_by != FW_CLOSED_BY_CLIENT &&
         connection->closed_by != FW_CLOSED_BY_SERVER))
        return;
    const enum fw_side side = connection->closed_by == FW_CLOSED_BY_CLIENT ? FW_CLIENT : FW_SERVER;
    const uint64_t path = side == FW_CLIENT ? connection->client_path : connection->server_path;
    if (!went_through(path, FW_TIME_WAIT))
        return;
    struct finding finding = begin(cause, FINDING_TIME_WAIT, side);
    const size_t place = finding_table_place(closers, &finding, &there);
    if (there)
        finding_join(closers->list[place], &finding);
    else /* too many to tell apart: none of them is large */
        cause->diagnosis->no_memory |= finding_table_insert(closers, place, &finding) == -ENOMEM;
}

/* ------------------------------------------------------------------------------------ opening --
 */

static bool has_waited(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;
    const fw_time until =
        connection->end == FW_END_OPEN ? cause->diagnosis->now : connection->last_time;

    return connection->end == FW_END_TIMER ||
           stamp_since(until, connection->first_time) >= first_timeout_ns;
}

static void excuse(const struct cause *cause, enum excuse why)
{
    cause->diagnosis->excused[why]++;
}

static void add_unanswered(const struct cause *cause, enum finding_kind kind, bool again)
{
    struct finding finding = begin(cause, kind, FW_SERVER);

    finding.fresh = !again && !has_waited(cause);
    if (finding.fresh && cause->connection->end == FW_END_REUSED) {
        excuse(cause, EXCUSE_REPLACED);
        return;
    }
    show_syn(cause, &finding);
    if (kind == FINDING_NO_FINAL_ACK)
        show_handshake(cause, &finding, MARK_SYNACK);
    add_attempt(cause->diagnosis, &finding);
}

static void judge_refusal(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;
    struct finding finding = begin(cause, FINDING_REFUSED, FW_SERVER);

    /* What a server refuses it does not answer. */
    if (connection->synacks[FW_SERVER] > 0)
        finding.kind = FINDING_FORGED_RST;
    show_syn(cause, &finding);
    show_traced(cause, &finding, MARK_RST, FW_SERVER);
    if (finding.kind == FINDING_FORGED_RST) {
        show_handshake(cause, &finding, MARK_SYNACK);
        add(cause->diagnosis, &finding);
    } else {
        add_attempt(cause->diagnosis, &finding);
    }
}

static void judge_reset_in_handshake(const struct cause *cause)
{
    const struct trace *trace = cause->trace;
    const enum fw_side side = trace && trace->reset ? trace->reset_by
                              : cause->connection->closed_by == FW_CLOSED_BY_SERVER ? FW_SERVER
                                                                                    : FW_CLIENT;
    struct finding finding = begin(cause, FINDING_RESET_IN_HANDSHAKE, side);

    show_syn(cause, &finding);
    show_handshake(cause, &finding, MARK_SYNACK);
    show_traced(cause, &finding, MARK_RST, (int)side);
    add_attempt(cause->diagnosis, &finding);
}

static void judge_unreachable(const struct cause *cause)
{
    struct finding finding = begin(cause, FINDING_UNREACHABLE, FW_SERVER);

    finding.detail = cause->connection->cause;
    show_syn(cause, &finding);
    show_traced(cause, &finding, MARK_ICMP, -1);
    add_attempt(cause->diagnosis, &finding);
}

static void judge_opening(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;
    const bool reset = connection->end == FW_END_RST;

    switch (connection->open) {
    case FW_OPEN_REFUSED:
        if (connection->syns[FW_SERVER] > 0) /* a simultaneous open */
            judge_reset_in_handshake(cause);
        else
            judge_refusal(cause);
        return;
    case FW_OPEN_UNREACHABLE:
        judge_unreachable(cause);
        return;
    case FW_OPEN_BAD_SYNACK: /* its mark has said so */
        return;
    case FW_OPEN_NO_ANSWER:
    case FW_OPEN_ABANDONED:
        if (reset)
            judge_reset_in_handshake(cause);
        else
            add_unanswered(cause, FINDING_NO_ANSWER, connection->syns[FW_CLIENT] > 1);
        return;
    case FW_OPEN_NO_FINAL_ACK:
        if (reset)
            judge_reset_in_handshake(cause);
        else
            add_unanswered(cause, FINDING_NO_FINAL_ACK, connection->synacks[FW_SERVER] > 1);
        return;
    case FW_OPEN_COMPLETE:
    case FW_OPEN_MIDSTREAM:
    case FW_OPEN_COUNT:
        return;
    }
}

/* ------------------------------------------------------------------------------------- closing --
 */

static bool is_over(enum fw_state state)
{
    return state == FW_CLOSED || state == FW_TIME_WAIT;
}

static void judge_reset(const struct cause *cause)
{
    const struct trace *trace = cause->trace;
    const struct fw_connection *connection = cause->connection;

    if (!trace || !trace->reset) {
        struct finding finding =
            begin(cause, FINDING_RESET, connection->rsts[FW_SERVER] > 0 ? FW_SERVER : FW_CLIENT);
        add(cause->diagnosis, &finding);
        return;
    }
    const enum fw_side by = trace->reset_by, peer = other(by);
    const bool fins = trace->has_fin[FW_CLIENT] || trace->has_fin[FW_SERVER];
    if (is_over(trace->before_reset[FW_CLIENT]) && is_over(trace->before_reset[FW_SERVER])) {
        excuse(cause, EXCUSE_AFTER_CLOSE);
        return;
    }
    struct finding finding = begin(cause, FINDING_RESET, by);
    if (trace->has_fin[by] && trace->answered_reset) {
        finding.kind = FINDING_DATA_AFTER_CLOSE;
        finding.side = peer;
    } else if (fins) {
        finding.kind = FINDING_RESET_AFTER_FIN;
    } else if (connection->open == FW_OPEN_COMPLETE &&
               connection->bytes[FW_CLIENT] + connection->bytes[FW_SERVER] == 0) {
        finding.detail = "before any data";
    }
    show_traced(cause, &finding, MARK_FIN, -1);
    if (!fins)
        show_handshake(cause, &finding, MARK_ACK_OF_SYN);
    show_traced(cause, &finding, MARK_DATA_AFTER_FIN, (int)peer);
    show_traced(cause, &finding, MARK_RST, (int)by);
    finding.number = connection->bytes[FW_CLIENT] + connection->bytes[FW_SERVER];
    add(cause->diagnosis, &finding);
}

/* One end repeats itself, the other says nothing; until the first gives up, or the input ends. */
static bool judge_dead_peer(const struct cause *cause)
{
    const struct trace *trace = cause->trace;

    for (enum fw_side side = FW_CLIENT; side <= FW_SERVER; side++) {
        const bool gave_up = trace->reset && trace->reset_by == side;
        const uint32_t repeats = gave_up ? trace->gave_up : trace->unanswered[side];
        if (repeats < DEAD_REPEATS || (trace->reset && !gave_up))
            continue;
        struct finding finding = begin(cause, FINDING_DEAD_PEER, other(side));
        finding.since = gave_up ? trace->gave_up_since : trace->unanswered_since[side];
        finding.number = repeats;
        show_traced(cause, &finding, MARK_FIN, (int)side);
        show_traced(cause, &finding, MARK_UNANSWERED, (int)side);
        show_traced(cause, &finding, MARK_KEEP_ALIVE, (int)side);
        show_traced(cause, &finding, MARK_RST, (int)side);
        add(cause->diagnosis, &finding);
        return true;
    }
    return false;
}

/* How long a side took from CLOSE_WAIT to its own FIN, where both marks are known. */
static void note_pace(const struct cause *cause)
{
    const struct trace *trace = cause->trace;
    struct finding_table *paces = &cause->diagnosis->paces;
    bool there;

    for (enum fw_side side = FW_CLIENT; side <= FW_SERVER; side++) {
        const struct mark *fin = trace_mark(trace, MARK_FIN, (int)side);
        const struct mark *first = trace_mark(trace, MARK_FIN, (int)other(side));
        if (!fin || !first || fin->time < first->time)
            continue;
        struct finding pace = begin(cause, FINDING_NOT_CLOSING, side);
        pace.number = (uint64_t)(fin->time - first->time);
        const size_t place = finding_table_place(paces, &pace, &there);
        if (!there)
            cause->diagnosis->no_memory |= finding_table_insert(paces, place, &pace) == -ENOMEM;
        else if (paces->list[place]->number < pace.number)
            paces->list[place]->number = pace.number;
    }
}

static void judge_half_closed(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;
    const struct trace *trace = cause->trace;
    const fw_time until =
        connection->end == FW_END_OPEN ? cause->diagnosis->now : connection->last_time;
    bool there;

    for (enum fw_side side = FW_CLIENT; side <= FW_SERVER; side++) {
        if (state_of(connection, side) != FW_CLOSE_WAIT)
            continue;
        struct finding finding = begin(cause, FINDING_NOT_CLOSING, side);
        finding.since = since_of(connection, side);
        const bool in_use = trace && trace->data_after_fin[side] > finding.since;
        if (in_use)
            finding.since = trace->data_after_fin[side];
        finding.last_time = until;
        show_traced(cause, &finding, MARK_FIN, (int)other(side));
        show_traced(cause, &finding, MARK_ACK_OF_FIN, (int)side);
        if (in_use)
            show_traced(cause, &finding, MARK_DATA_AFTER_FIN, (int)side);
        if (in_use && stamp_since(until, finding.since) < patience_ns) {
            excuse(cause, EXCUSE_HALF_CLOSE);
            return;
        }
        const size_t place = finding_table_place(&cause->diagnosis->suspects, &finding, &there);
        const int error = stamp_since(until, finding.since) >= patience_ns
                              ? settle(cause->diagnosis, &finding)
                              : finding_table_insert(&cause->diagnosis->suspects, place, &finding);
        cause->diagnosis->no_memory |= error == -ENOMEM;
        if (error == -ENOSPC)
            excuse(cause, EXCUSE_CLOSING);
        return;
    }
    excuse(cause, EXCUSE_CLOSING);
}

/* Those that wait for less than patience: has the server closed others much faster? */
static void judge_suspects(struct diagnosis *diagnosis)
{
    bool there;

    for (size_t i = 0; i < diagnosis->suspects.count; i++) {
        const struct finding *suspect = diagnosis->suspects.list[i];
        const int64_t age = stamp_since(suspect->last_time, suspect->since);
        const size_t place = finding_table_place(&diagnosis->paces, suspect, &there);
        if (there && age >= least_patience_ns &&
            (uint64_t)age >= SLOWER * diagnosis->paces.list[place]->number)
            add(diagnosis, suspect);
        else
            diagnosis->excused[EXCUSE_CLOSING]++;
    }
}

/* --------------------------------------------------------------------------------------- whole --
 */

static bool has_opened(const struct fw_connection *connection)
{
    return connection->open == FW_OPEN_COMPLETE || connection->open == FW_OPEN_MIDSTREAM;
}

static bool is_half_closed(const struct fw_connection *connection)
{
    const bool client = is_over(connection->client_state),
               server = is_over(connection->server_state);

    return (connection->fins[FW_CLIENT] || connection->fins[FW_SERVER]) && !(client && server);
}

static void judge_end(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;
    const bool queue_full = cause->trace && judge_accept_queue(cause);
    const bool capture_misses = judge_capture(cause);
    const bool forged = trace_mark(cause->trace, MARK_RST_FORGED, -1);

    if (!has_opened(connection)) {
        judge_opening(cause);
        return;
    }
    if (queue_full || (cause->trace && cause->trace->synacks_again > 0 && cause->trace->reset &&
                       cause->trace->reset_by == FW_SERVER && connection->bytes[FW_SERVER] == 0))
        return; /* what it did not take it does not know */
    if ((connection->end == FW_END_RST && forged))
        return;
    if (cause->trace && judge_dead_peer(cause))
        return;
    if (connection->end == FW_END_RST)
        judge_reset(cause);
    else if (is_half_closed(connection) && capture_misses)
        excuse(cause, EXCUSE_CAPTURE);
    else if (is_half_closed(connection))
        judge_half_closed(cause);
}

static void judge(const struct cause *cause)
{
    const struct fw_connection *connection = cause->connection;

    if (connection->one_sided && connection->open != FW_OPEN_NO_ANSWER) {
        struct finding finding =
            begin(cause, FINDING_ONE_SIDED, connection->packets[FW_CLIENT] ? FW_CLIENT : FW_SERVER);
        add(cause->diagnosis, &finding);
        return;
    }
    if (cause->trace) {
        judge_windows(cause);
        judge_forgeries(cause);
        judge_bad_synack(cause);
        judge_checksums(cause);
        note_pace(cause);
    }
    judge_simultaneous(cause);
    count_closer(cause);
    if (!judge_reuse(cause))
        judge_end(cause);
}

/* --------------------------------------------------------------------------------------- hooks --
 */

struct diagnosis *diagnosis_create(void)
{
    struct diagnosis *diagnosis = calloc(1, sizeof *diagnosis);

    if (!diagnosis)
        return NULL;
    diagnosis->now = INT64_MIN;
    diagnosis->groups = (struct finding_table){ .most = MOST_GROUPS, .compare = compare_group };
    diagnosis->closers = (struct finding_table){ .most = MOST_GROUPS, .compare = compare_closer };
    diagnosis->paces = (struct finding_table){ .most = MOST_GROUPS, .compare = compare_server };
    diagnosis->suspects = (struct finding_table){ .most = MOST_GROUPS, .compare = compare_suspect };
    diagnosis->attempts = attempts_create();
    if (trace_table_init(&diagnosis->traces) == 0 && diagnosis->attempts)
        return diagnosis;
    diagnosis_destroy(diagnosis);
    return NULL;
}

void diagnosis_destroy(struct diagnosis *diagnosis)
{
    if (!diagnosis)
        return;
    finding_table_finish(&diagnosis->groups);
    finding_table_finish(&diagnosis->closers);
    finding_table_finish(&diagnosis->paces);
    finding_table_finish(&diagnosis->suspects);
    attempts_destroy(diagnosis->attempts);
    trace_table_finish(&diagnosis->traces);
    free(diagnosis);
}

void diagnosis_advance(struct diagnosis *diagnosis, fw_time now)
{
    if (now > diagnosis->now)
        diagnosis->now = now;
}

void diagnosis_step(struct diagnosis *diagnosis, const struct fw_step *step)
{
    diagnosis_advance(diagnosis, step->time);
    trace_step(&diagnosis->traces, step);
}

void diagnosis_segment(struct diagnosis *diagnosis, const struct fw_step *step)
{
    diagnosis_advance(diagnosis, step->time);
    trace_segment(&diagnosis->traces, step);
}

void diagnosis_end(struct diagnosis *diagnosis, const struct fw_connection *connection, bool counts)
{
    const struct cause cause = {
        .diagnosis = diagnosis,
        .connection = connection,
        .trace = trace_find(&diagnosis->traces, connection->identity.id),
    };

    if (counts)
        judge(&cause);
    if (cause.trace)
        trace_drop(&diagnosis->traces, connection->identity.id);
}

/* A rate that holds more ports than half of those that there are. */
static void judge_closers(struct diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->closers.count; i++) {
        struct finding *closer = diagnosis->closers.list[i];
        const int64_t span = stamp_since(closer->last_time, closer->first_time);
        if (closer->count < TIME_WAIT_LEAST || span < FW_SECOND)
            continue;
        const double seconds = (double)span / (double)FW_SECOND;
        const uint64_t held = (uint64_t)((double)closer->count * TIME_WAIT_SECONDS / seconds);
        closer->number = held;
        if (2 * held >= EPHEMERAL_PORTS)
            add(diagnosis, closer);
    }
}

/* One lost ACK is bad luck; several at one server are its queue. */
static void promote_lost_acks(struct diagnosis *diagnosis)
{
    struct finding_table *groups = &diagnosis->groups;

    for (size_t i = 0; i < groups->count; i++) {
        struct finding group = *groups->list[i];
        bool there;

        if (group.kind != FINDING_FINAL_ACK_LOST)
            continue;
        group.kind = FINDING_ACCEPT_QUEUE;
        const size_t place = finding_table_place(groups, &group, &there);
        if (!there)
            continue;
        finding_join(groups->list[place], &group);
        free(groups->list[i]);
        memmove(&groups->list[i], &groups->list[i + 1],
                (groups->count - i - 1) * sizeof(struct finding *));
        groups->count--;
        i--;
    }
}

static int worst_first(const void *one, const void *two)
{
    const struct finding *a = *(struct finding *const *)one, *b = *(struct finding *const *)two;

    if (a->kind != b->kind)
        return (int)a->kind - (int)b->kind;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return compare_group(a, b);
}

struct finding *const *diagnosis_finish(struct diagnosis *diagnosis, size_t *count)
{
    diagnosis->no_memory |= attempts_finish(diagnosis->attempts, settle, diagnosis) < 0;
    judge_suspects(diagnosis);
    judge_closers(diagnosis);
    promote_lost_acks(diagnosis);
    *count = diagnosis->groups.count;
    if (*count > 0)
        qsort(diagnosis->groups.list, *count, sizeof *diagnosis->groups.list, worst_first);
    return diagnosis->no_memory ? NULL : diagnosis->groups.list;
}

uint64_t diagnosis_excused(const struct diagnosis *diagnosis, enum excuse excuse)
{
    return diagnosis->excused[excuse];
}
