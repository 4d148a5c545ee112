/* The record of a connection. */
#include "tcp_step.h"

static enum fw_open describe_open(const struct tcp_connection *connection)
{
    const struct tcp_end *client = &connection->end[FW_CLIENT];
    const struct tcp_end *server = &connection->end[FW_SERVER];
    if (connection->open != FW_OPEN_NO_ANSWER)
        return (enum fw_open)connection->open;
    if (proved(server, SND_SYN_ACK))
        return connection->synack_was_bad && !proved(client, RCV_ACK_OF_SYN) ? FW_OPEN_BAD_SYNACK
                                                                             : FW_OPEN_NO_FINAL_ACK;
    return FW_OPEN_NO_ANSWER;
}

static enum fw_end describe_end(const struct tcp_connection *connection)
{
    if (connection->end_kind != FW_END_OPEN)
        return (enum fw_end)connection->end_kind;
    bool done = true;
    for (int side = FW_CLIENT; side <= FW_SERVER; side++) {
        const struct tcp_end *end = &connection->end[side];
        done = done && (end->state == FW_CLOSED || end->state == FW_TIME_WAIT);
    }
    return done && (proved(&connection->end[FW_CLIENT], SND_FIN) ||
                    proved(&connection->end[FW_SERVER], SND_FIN))
               ? FW_END_FIN
               : FW_END_OPEN;
}

static void describe_side(const struct tcp_end *end, enum fw_side side,
                          struct fw_connection *record)
{
    record->mss[side] = end->mss;
    record->packets[side] = end->packets;
    record->bytes[side] = end->bytes;
    record->syns[side] = end->syns;
    record->synacks[side] = end->synacks;
    record->fins[side] = end->fins;
    record->rsts[side] = end->rsts;
    record->data_packets[side] = end->data_packets;
    record->retransmits[side] = end->retransmits;
}

/* An end that has begun another connection has left this one. */
static enum fw_state describe_state(const struct tcp_end *end)
{
    if (!has(end, END_RESTARTED))
        return (enum fw_state)end->state;
    return end->alive_state == FW_TIME_WAIT ? FW_TIME_WAIT : FW_CLOSED;
}

/* Words for `cause` of a record; NULL: none. */
static const char *describe_cause(const struct tcp_connection *connection)
{
    static const char *const words[TCP_CAUSE_ICMP] = {
        [TCP_CAUSE_REFUSED] = "refused",
        [TCP_CAUSE_SYNACK_REJECTED] = "SYN+ACK rejected",
        [TCP_CAUSE_RESET_AFTER_FIN] = "reset after FIN",
        [TCP_CAUSE_DATA_AFTER_CLOSE] = "data after close",
        [TCP_CAUSE_PORT_REUSED_TOO_EARLY] = "port reused too early",
        [TCP_CAUSE_KEEP_ALIVE_UNANSWERED] = "keep-alive unanswered",
        [TCP_CAUSE_RESET_IN_HANDSHAKE_BY_CLIENT] = "reset by client in the handshake",
        [TCP_CAUSE_RESET_IN_HANDSHAKE_BY_SERVER] = "reset by server in the handshake",
        [TCP_CAUSE_RESET_BY_CLIENT] = "reset by client",
        [TCP_CAUSE_RESET_BY_SERVER] = "reset by server",
        [TCP_CAUSE_ACCEPT_QUEUE_FULL] = "accept queue full",
        [TCP_CAUSE_ABANDONED] = "abandoned",
    };
    return connection->cause < TCP_CAUSE_ICMP
               ? words[connection->cause]
               : fw_icmp_name((enum fw_icmp)(connection->cause - TCP_CAUSE_ICMP));
}

/* How long the handshake took; -1: unknown. */
static void describe_handshake(const struct tcp_connection *connection,
                               struct fw_connection *record)
{
    const fw_time syn = connection->syn_time, synack = connection->synack_time;
    const fw_time established = connection->established_time;
    record->established_time = established;
    record->handshake_ns = record->rtt_client_ns = record->rtt_server_ns = -1;
    if (established == INT64_MIN)
        return;
    if (connection->first_syn_time != INT64_MIN)
        record->handshake_ns = tcp_elapsed(connection->first_syn_time, established);
    if (syn != INT64_MIN && synack >= syn) {
        record->rtt_server_ns = tcp_elapsed(syn, synack);
        record->rtt_client_ns = tcp_elapsed(synack, established);
    }
}

struct tcp_ending tcp_sum_up(const struct tcp_connection *connection)
{
    const struct tcp_end *client = &connection->end[FW_CLIENT];
    const struct tcp_end *server = &connection->end[FW_SERVER];
    return (struct tcp_ending){
        .client_state = (uint8_t)describe_state(client),
        .server_state = (uint8_t)describe_state(server),
        .open = (uint8_t)describe_open(connection),
        .end = (uint8_t)describe_end(connection),
        .finned = client->fins > 0 || server->fins > 0,
        .one_sided = (!has(client, END_SEEN) && has(server, END_HAS_RCV)) ||
                     (!has(server, END_SEEN) && has(client, END_HAS_RCV)),
        .lossy = connection->lossy,
    };
}

void tcp_describe(const struct tcp_connection *connection, struct fw_connection *record)
{
    const struct tcp_end *client = &connection->end[FW_CLIENT];
    const struct tcp_end *server = &connection->end[FW_SERVER];
    const struct tcp_ending ending = tcp_sum_up(connection);
    record->client_state = (enum fw_state)ending.client_state;
    record->server_state = (enum fw_state)ending.server_state;
    record->client_told = (enum fw_state)client->state;
    record->server_told = (enum fw_state)server->state;
    record->client_inferred = has(client, END_INFERRED) && !has(client, END_RESTARTED);
    record->server_inferred = has(server, END_INFERRED) && !has(server, END_RESTARTED);
    record->client_timed = has(client, END_TIMED);
    record->server_timed = has(server, END_TIMED);
    record->client_path = client->path;
    record->server_path = server->path;
    record->client_since = client->since;
    record->server_since = server->since;
    record->first_time = connection->first_time;
    record->last_time = connection->last_time;
    record->open = (enum fw_open)ending.open;
    record->end = (enum fw_end)ending.end;
    record->closed_by = (enum fw_closed_by)connection->closed_by;
    record->dir_by = (enum fw_dir_by)connection->dir_by;
    record->cause = describe_cause(connection);
    describe_handshake(connection, record);
    record->midstream = connection->midstream;
    record->one_sided = ending.one_sided;
    record->lossy = ending.lossy;
    describe_side(client, FW_CLIENT, record);
    describe_side(server, FW_SERVER, record);
}
