#include "observer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tcp.h"

void observer_init_quiet(struct observer *observer)
{
    *observer = (struct observer){ 0 };
}

void observer_init(struct observer *observer)
{
    observer_init_quiet(observer);
    observer->log = open_memstream(&observer->log_text, &observer->log_bytes);
    if (!observer->log)
        abort();
}

void observer_finish(struct observer *observer)
{
    if (observer->log)
        fclose(observer->log);
    free(observer->log_text);
    free(observer->connections);
}

void observer_flush(struct observer *observer)
{
    fflush(observer->log);
}

uint64_t observer_packets(const struct observer *observer)
{
    uint64_t packets = 0;

    for (size_t i = 0; i < observer->count; i++)
        packets += observer->connections[i].record.packets[FW_CLIENT] +
                   observer->connections[i].record.packets[FW_SERVER];
    return packets;
}

static struct observed *observed_of(struct observer *observer, uint64_t id)
{
    if (id == 0 || id > (1u << 24))
        abort();
    if (id > observer->room) {
        const size_t room = id > 2 * observer->room ? id : 2 * observer->room;
        observer->connections =
            realloc(observer->connections, room * sizeof(*observer->connections));
        if (!observer->connections)
            abort();
        observer->room = room;
    }
    if (id > observer->count) {
        memset(observer->connections + observer->count, 0,
               (id - observer->count) * sizeof(*observer->connections));
        observer->count = id;
    }
    return &observer->connections[id - 1];
}

__attribute__((format(printf, 2, 3))) static void fault(struct observer *observer,
                                                        const char *format, ...)
{
    va_list arguments;

    if (observer->fault[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(observer->fault, sizeof(observer->fault), format, arguments);
    va_end(arguments);
}

/* ---------------------------------------------------------------------------- the digest -- */

static void digest(struct observer *observer, uint64_t value)
{
    observer->digest = (observer->digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    observer->digest ^= observer->digest >> 29;
}

static void digest_text(struct observer *observer, const char *text)
{
    uint64_t hash = 0;

    for (; text && *text; text++)
        hash = hash * 31 + (unsigned char)*text;
    digest(observer, hash);
}

static void digest_endpoint(struct observer *observer, const struct fw_endpoint *endpoint)
{
    uint64_t halves[2];

    memcpy(halves, endpoint->addr, sizeof(halves));
    digest(observer, halves[0]);
    digest(observer, halves[1]);
    digest(observer, (uint64_t)endpoint->port << 16 | endpoint->family);
}

static void digest_identity(struct observer *observer, const struct fw_identity *identity)
{
    digest(observer, identity->id);
    digest_endpoint(observer, &identity->client);
    digest_endpoint(observer, &identity->server);
    digest(observer, (uint64_t)identity->scope.tunnel_id << 32 | identity->scope.vlan << 8 |
                         identity->scope.tunnel);
}

static void digest_step(struct observer *observer, const struct fw_step *step)
{
    digest_identity(observer, step->identity);
    digest(observer, (uint64_t)step->time);
    digest(observer, step->frame);
    digest(observer, (uint64_t)step->from << 32 | (uint64_t)step->note << 16 |
                         (uint64_t)step->client_inferred << 3 | step->server_inferred << 2 |
                         step->client_timed << 1 | step->server_timed);
    for (size_t i = 0; i < step->count; i++) {
        const struct fw_transition *transition = &step->transitions[i];
        digest(observer, (uint64_t)transition->endpoint << 40 | (uint64_t)transition->from << 32 |
                             (uint64_t)transition->to << 24 | (uint64_t)transition->proof << 16 |
                             transition->corrected << 8 | transition->client_state << 4 |
                             transition->server_state);
        digest(observer, (uint64_t)transition->in_state_ns);
        digest_text(observer, transition->cause);
    }
}

static void digest_record(struct observer *observer, const struct fw_connection *record)
{
    const uint64_t numbers[] = {
        (uint64_t)record->first_time,
        (uint64_t)record->last_time,
        record->first_frame,
        record->last_frame,
        (uint64_t)record->client_since,
        (uint64_t)record->server_since,
        (uint64_t)record->timer_due,
        (uint64_t)record->handshake_ns,
        (uint64_t)record->rtt_client_ns,
        (uint64_t)record->rtt_server_ns,
        (uint64_t)record->established_time,
        record->client_path,
        record->server_path,
        record->client_state,
        record->server_state,
        record->open,
        record->end,
        record->closed_by,
        record->dir_by,
        (uint64_t)record->client_inferred << 6 | record->server_inferred << 5 |
            record->client_timed << 4 | record->server_timed << 3 | record->midstream << 2 |
            record->one_sided << 1 | record->lossy,
        (uint64_t)record->completeness,
    };
    digest_identity(observer, &record->identity);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        digest(observer, numbers[i]);
    for (int side = FW_CLIENT; side <= FW_SERVER; side++) {
        digest(observer, record->packets[side]);
        digest(observer, record->bytes[side]);
        digest(observer, record->data_packets[side]);
        digest(observer, (uint64_t)record->syns[side] << 32 | record->synacks[side]);
        digest(observer, (uint64_t)record->fins[side] << 32 | record->rsts[side]);
        digest(observer, (uint64_t)record->retransmits[side] << 32 | record->mss[side]);
    }
    digest_text(observer, record->cause);
    digest_text(observer, record->zeek_conn_state);
    digest_text(observer, record->zeek_history);
    digest_text(observer, record->conntrack_state);
}

/* ----------------------------------------------------------------------------- the rules -- */

static bool is_arrow(enum fw_state from, enum fw_state to, bool timer)
{
    for (size_t i = 0; i < tcp_table_rows; i++)
        if (tcp_table[i].from == from && tcp_table[i].to == to &&
            (tcp_table[i].proof == TIMEOUT_2MSL) == timer)
            return true;
    return false;
}

/* A clock ends what waits for nothing but itself. */
static bool is_timed_out(const struct fw_transition *transition)
{
    return transition->to == FW_CLOSED &&
           (transition->from == FW_SYN_SENT || transition->from == FW_SYN_RECEIVED ||
            transition->from == FW_FIN_WAIT_2 || transition->from == FW_TIME_WAIT);
}

static bool is_allowed(const struct fw_step *step, const struct fw_transition *transition)
{
    const bool reset =
        step->segment && (step->segment->flags & FW_RST) && transition->to == FW_CLOSED;

    switch (transition->proof) {
    case FW_PROOF_TIMER:
        return !step->segment && is_timed_out(transition);
    case FW_PROOF_INFERRED:
        return true;
    case FW_PROOF_SEGMENT:
        break;
    }
    return step->segment &&
           (transition->corrected || reset || is_arrow(transition->from, transition->to, false));
}

/* The first proof names the state that it came from: CLOSED or LISTEN; and a closed end may listen.
 */
static bool joins(enum fw_state told, enum fw_state from)
{
    return told == from || (told == FW_UNKNOWN && (from == FW_CLOSED || from == FW_LISTEN)) ||
           (told == FW_CLOSED && from == FW_LISTEN);
}

static void check_transition(struct observer *observer, const struct fw_step *step,
                             const struct fw_transition *transition, struct observed *observed)
{
    const char *from = fw_state_name(transition->from, FW_NAMES_RFC);
    const char *to = fw_state_name(transition->to, FW_NAMES_RFC);
    const enum fw_state told = observed->state[transition->endpoint];
    char flags[12] = "timer";

    if (step->segment)
        fw_flags_text(step->segment->flags, flags);
    if (!is_allowed(step, transition))
        fault(observer, "frame %" PRIu64 " (%s): %s > %s (%s) is no arrow", step->frame, flags,
              from, to, transition->cause);
    if (!joins(told, transition->from))
        fault(observer, "frame %" PRIu64 " (%s): %s > %s, but it was in %s", step->frame, flags,
              from, to, fw_state_name(told, FW_NAMES_RFC));
    if (transition->from == transition->to)
        fault(observer, "frame %" PRIu64 ": %s > %s is no move", step->frame, from, to);
    if (transition->in_state_ns < -1)
        fault(observer, "frame %" PRIu64 ": %s > %s after %" PRId64 " ns", step->frame, from, to,
              transition->in_state_ns);
    if (!transition->cause)
        fault(observer, "frame %" PRIu64 ": %s > %s has no cause", step->frame, from, to);
}

/* A path is what the transitions lead through, but for the end that only a clock gave. An end that
 * may have begun another connection leaves this one without a word of it here. */
static void follow_path(struct observed *observed, const struct fw_transition *transition)
{
    const enum fw_side side = transition->endpoint;

    if (transition->corrected)
        observed->path_is_retold[side] = true;
    if (transition->proof == FW_PROOF_TIMER && transition->to == FW_CLOSED)
        return;
    if (transition->to == FW_UNKNOWN) { /* what was told of it is of the connection before */
        observed->path[side] = observed->path_length[side] = 0;
        return;
    }
    if (observed->path_length[side] < 16)
        observed->path[side] |= (uint64_t)transition->to << (4 * observed->path_length[side]++);
}

static void check_path(struct observer *observer, const struct observed *observed,
                       enum fw_side side)
{
    const struct fw_connection *record = &observed->record;
    char told[256], recorded[256];

    if (observed->path_is_retold[side])
        return;
    fw_path_text(observed->path[side], told, sizeof(told));
    fw_path_text(side == FW_CLIENT ? record->client_path : record->server_path, recorded,
                 sizeof(recorded));
    if (strcmp(told, recorded) != 0)
        fault(observer, "#%" PRIu64 ": the path of the %s is %s, but it was told %s",
              record->identity.id, fw_side_name(side), recorded, told);
}

/* What a record says must follow from what was told before it. */
static void check_record(struct observer *observer, const struct observed *observed)
{
    const struct fw_connection *record = &observed->record;
    const uint64_t id = record->identity.id;

    if ((unsigned)record->open >= FW_OPEN_COUNT || (unsigned)record->end >= FW_END_COUNT ||
        (unsigned)record->closed_by > FW_CLOSED_BY_BOTH || (unsigned)record->dir_by > FW_DIR_PORT)
        fault(observer, "#%" PRIu64 ": an enumerator is out of range", id);
    if (record->first_frame > record->last_frame || record->first_time > record->last_time)
        fault(observer, "#%" PRIu64 ": ends before it begins", id);
    if ((record->client_inferred && record->client_timed) ||
        (record->server_inferred && record->server_timed))
        fault(observer, "#%" PRIu64 ": both inferred and timed", id);
    if (record->open == FW_OPEN_COMPLETE && record->established_time == INT64_MIN)
        fault(observer, "#%" PRIu64 ": opened, but never established", id);
    for (int side = FW_CLIENT; side <= FW_SERVER; side++) {
        if (record->data_packets[side] > record->packets[side] ||
            record->fins[side] > record->packets[side] ||
            record->syns[side] > record->packets[side] ||
            record->rsts[side] > record->packets[side] ||
            record->retransmits[side] > record->packets[side])
            fault(observer, "#%" PRIu64 ": counts more than packets of the %s", id,
                  fw_side_name((enum fw_side)side));
        check_path(observer, observed, (enum fw_side)side);
    }
}

/* ----------------------------------------------------------------------------- the hooks -- */

static char mark_of(bool inferred, bool timed)
{
    return inferred ? '?' : timed ? '~' : ' ';
}

static void take_states(struct observer *observer, const struct fw_step *step)
{
    struct observed *observed = observed_of(observer, step->identity->id);

    if (observed->ended)
        fault(observer, "frame %" PRIu64 ": event after the record", step->frame);
    if ((step->client_inferred && step->client_timed) ||
        (step->server_inferred && step->server_timed))
        fault(observer, "frame %" PRIu64 ": both inferred and timed", step->frame);
    observed->told = true;
    if (step->note == FW_NOTE_SYN_IN_WINDOW)
        observed->path_is_retold[step->from] = true;
    observed->state[FW_CLIENT] = step->client_state;
    observed->state[FW_SERVER] = step->server_state;
    observed->mark[FW_CLIENT] = mark_of(step->client_inferred, step->client_timed);
    observed->mark[FW_SERVER] = mark_of(step->server_inferred, step->server_timed);
}

static void observe_step(void *context, const struct fw_step *step)
{
    struct observer *observer = context;
    struct observed *observed = observed_of(observer, step->identity->id);

    observer->step_count++;
    if (step->count == 0)
        fault(observer, "frame %" PRIu64 ": a step without a transition", step->frame);
    for (size_t i = 0; i < step->count; i++) {
        const struct fw_transition *transition = &step->transitions[i];
        observer->transition_count++;
        check_transition(observer, step, transition, observed);
        observed->state[transition->endpoint] = transition->to;
        follow_path(observed, transition);
        if (!observer->log)
            continue;
        fprintf(observer->log,
                "%" PRId64 " %" PRIu64 " #%" PRIu64 " %s %s>%s %s%s '%s' %" PRId64 " %s/%s\n",
                step->time, step->frame, step->identity->id, fw_side_name(transition->endpoint),
                fw_state_name(transition->from, FW_NAMES_RFC),
                fw_state_name(transition->to, FW_NAMES_RFC), fw_proof_name(transition->proof),
                transition->corrected ? " corrected" : "", transition->cause,
                transition->in_state_ns, fw_state_name(transition->client_state, FW_NAMES_RFC),
                fw_state_name(transition->server_state, FW_NAMES_RFC));
    }
    if (observed->state[FW_CLIENT] == FW_UNKNOWN)
        observed->state[FW_CLIENT] = step->client_state;
    if (observed->state[FW_SERVER] == FW_UNKNOWN)
        observed->state[FW_SERVER] = step->server_state;
    if (observed->state[FW_CLIENT] != step->client_state ||
        observed->state[FW_SERVER] != step->server_state)
        fault(observer, "frame %" PRIu64 ": the states after the step are not its transitions'",
              step->frame);
    digest_step(observer, step);
    take_states(observer, step);
}

static void observe_segment(void *context, const struct fw_step *step)
{
    struct observer *observer = context;

    digest_step(observer, step);
    if (observer->log)
        fprintf(observer->log, "%" PRIu64 " #%" PRIu64 " from %s: %s\n", step->frame,
                step->identity->id, fw_side_name(step->from), fw_note_name(step->note));
    take_states(observer, step);
}

static void observe_end(void *context, const struct fw_connection *connection)
{
    struct observer *observer = context;
    struct observed *observed = observed_of(observer, connection->identity.id);

    if (observed->ended)
        fault(observer, "#%" PRIu64 " has two records", connection->identity.id);
    observed->ended = true;
    observed->record = *connection;
    observer->end_count++;
    check_record(observer, observed);
    digest_record(observer, connection);
    if (!observer->log)
        return;
    fprintf(observer->log, "#%" PRIu64 " ends: %s %s %s %s/%s %" PRIu64 "+%" PRIu64 " '%s'\n",
            connection->identity.id, fw_open_name(connection->open), fw_end_name(connection->end),
            fw_closed_by_name(connection->closed_by),
            fw_state_name(connection->client_state, FW_NAMES_RFC),
            fw_state_name(connection->server_state, FW_NAMES_RFC), connection->packets[FW_CLIENT],
            connection->packets[FW_SERVER], connection->cause ? connection->cause : "");
}

/* What is told in brief is what the record says. */
static void observe_ending(void *context, const struct fw_ending *ending)
{
    struct observer *observer = context;
    struct fw_connection record;

    fw_ending_connection(ending, &record);
    if (ending->client_state != record.client_state ||
        ending->server_state != record.server_state || ending->open != record.open ||
        ending->end != record.end || ending->one_sided != record.one_sided ||
        ending->lossy != record.lossy ||
        ending->finned != (record.fins[FW_CLIENT] > 0 || record.fins[FW_SERVER] > 0))
        fault(observer, "#%" PRIu64 ": its ending is not that of its record", record.identity.id);
    observe_end(observer, &record);
}

const struct fw_hooks observer_hooks = {
    .step = observe_step,
    .segment = observe_segment,
    .end = observe_end,
};

const struct fw_hooks observer_brief_hooks = {
    .step = observe_step,
    .segment = observe_segment,
    .ended = observe_ending,
};
