#include "observer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tcp.h"

void observer_init(struct observer *observer)
{
    *observer = (struct observer){ 0 };
    observer->log = open_memstream(&observer->log_text, &observer->log_bytes);
    if (!observer->log)
        abort();
}

void observer_finish(struct observer *observer)
{
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
    if (id > observer->count) {
        struct observed *more = realloc(observer->connections, id * sizeof(*more));
        if (!more)
            abort();
        memset(more + observer->count, 0, (id - observer->count) * sizeof(*more));
        observer->connections = more;
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
    take_states(observer, step);
}

static void observe_segment(void *context, const struct fw_step *step)
{
    struct observer *observer = context;

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
    fprintf(observer->log, "#%" PRIu64 " ends: %s %s %s %s/%s %" PRIu64 "+%" PRIu64 " '%s'\n",
            connection->identity.id, fw_open_name(connection->open), fw_end_name(connection->end),
            fw_closed_by_name(connection->closed_by),
            fw_state_name(connection->client_state, FW_NAMES_RFC),
            fw_state_name(connection->server_state, FW_NAMES_RFC), connection->packets[FW_CLIENT],
            connection->packets[FW_SERVER], connection->cause ? connection->cause : "");
}

const struct fw_hooks observer_hooks = {
    .step = observe_step,
    .segment = observe_segment,
    .end = observe_end,
};
