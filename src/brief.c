#include "brief.h"

struct brief brief_of(const struct fw_connection *connection)
{
    return (struct brief){
        .identity = connection->identity,
        .first_time = connection->first_time,
        .last_time = connection->last_time,
        .client_since = connection->client_since,
        .server_since = connection->server_since,
        .timer_due = connection->timer_due,
        .bytes = { connection->bytes[FW_CLIENT], connection->bytes[FW_SERVER] },
        .cause = connection->cause,
        .client_state = (uint8_t)connection->client_state,
        .server_state = (uint8_t)connection->server_state,
        .open = (uint8_t)connection->open,
        .end = (uint8_t)connection->end,
        .closed_by = (uint8_t)connection->closed_by,
        .outcome = (uint8_t)outcome_of(connection),
        .client_inferred = connection->client_inferred,
        .server_inferred = connection->server_inferred,
        .client_timed = connection->client_timed,
        .server_timed = connection->server_timed,
        .any_fin = connection->fins[FW_CLIENT] || connection->fins[FW_SERVER],
        .client_rst = connection->rsts[FW_CLIENT] > 0,
        .server_rst = connection->rsts[FW_SERVER] > 0,
        .lossy = connection->lossy,
    };
}

void brief_connection(const struct brief *brief, struct fw_connection *connection)
{
    *connection = (struct fw_connection){
        .identity = brief->identity,
        .first_time = brief->first_time,
        .last_time = brief->last_time,
        .client_since = brief->client_since,
        .server_since = brief->server_since,
        .timer_due = brief->timer_due,
        .cause = brief->cause,
        .client_state = (enum fw_state)brief->client_state,
        .server_state = (enum fw_state)brief->server_state,
        .open = (enum fw_open)brief->open,
        .end = (enum fw_end)brief->end,
        .closed_by = (enum fw_closed_by)brief->closed_by,
        .fins = { brief->any_fin },
        .rsts = { brief->client_rst, brief->server_rst },
        .lossy = brief->lossy,
    };
}
