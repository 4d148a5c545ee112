#include "metrics.h"

const int64_t metrics_bounds_ns[METRICS_BUCKETS - 1] = {
    1 * FW_MILLISECOND,   2 * FW_MILLISECOND,    5 * FW_MILLISECOND,    10 * FW_MILLISECOND,
    25 * FW_MILLISECOND,  50 * FW_MILLISECOND,   100 * FW_MILLISECOND,  250 * FW_MILLISECOND,
    500 * FW_MILLISECOND, 1000 * FW_MILLISECOND, 3000 * FW_MILLISECOND,
};

/* No transition leads to LISTEN: an end that leaves it was CLOSED, or in no state, until the very
 * packet that showed that it listens. */
static enum fw_state as_entered(enum fw_state state)
{
    return state == FW_LISTEN ? FW_CLOSED : state;
}

static bool has_failed(enum fw_open open)
{
    return open != FW_OPEN_COMPLETE && open != FW_OPEN_MIDSTREAM;
}

static void count_complete(struct metrics *metrics, const struct fw_connection *connection)
{
    size_t bucket = 0;

    metrics->handshakes[FW_OPEN_COMPLETE]++;
    if (connection->handshake_ns < 0)
        return;
    while (bucket < METRICS_BUCKETS - 1 && connection->handshake_ns > metrics_bounds_ns[bucket])
        bucket++;
    metrics->handshake_buckets[bucket]++;
    metrics->handshake_sum_ns += connection->handshake_ns;
}

/* A handshake is counted when it is over: complete, or given up by the client. */
static void count_handshake(struct metrics *metrics, const struct fw_step *step, bool established,
                            bool given_up)
{
    struct fw_connection connection;

    fw_step_connection(step, &connection);
    if (established && connection.open == FW_OPEN_COMPLETE &&
        connection.established_time == step->time)
        count_complete(metrics, &connection);
    else if (given_up && has_failed(connection.open))
        metrics->handshakes[connection.open]++;
}

void metrics_step(struct metrics *metrics, const struct fw_step *step)
{
    bool established = false, given_up = false;

    for (size_t i = 0; i < step->count; i++) {
        const struct fw_transition *transition = &step->transitions[i];
        const enum fw_side side = transition->endpoint;

        if (transition->in_state_ns < 0)
            metrics->moved[side]++; /* the first of this end: it was in no state before */
        else
            metrics->in_state[side][as_entered(transition->from)]--;
        metrics->in_state[side][as_entered(transition->to)]++;
        metrics->entered[side][transition->to]++;
        established |= transition->to == FW_ESTABLISHED;
        given_up |= side == FW_CLIENT && transition->to == FW_CLOSED;
    }
    if (established || given_up)
        count_handshake(metrics, step, established, given_up);
}

static void forget_end(struct metrics *metrics, enum fw_side side, enum fw_state told,
                       fw_time since)
{
    if (since == INT64_MIN)
        return;
    metrics->in_state[side][as_entered(told)]--;
    metrics->moved[side]--;
}

void metrics_end(struct metrics *metrics, const struct fw_connection *connection)
{
    forget_end(metrics, FW_CLIENT, connection->client_told, connection->client_since);
    forget_end(metrics, FW_SERVER, connection->server_told, connection->server_since);
    metrics->ended[connection->end]++;
    if (connection->open == FW_OPEN_MIDSTREAM ||
        (has_failed(connection->open) && connection->client_told != FW_CLOSED))
        metrics->handshakes[connection->open]++; /* the others were counted when it happened */
}

uint64_t metrics_in_state(const struct metrics *metrics, enum fw_side side, enum fw_state state,
                          uint64_t connections)
{
    const uint64_t count = metrics->in_state[side][state];

    if (state != FW_UNKNOWN)
        return count;
    return count + (connections > metrics->moved[side] ? connections - metrics->moved[side] : 0);
}
