#include "view.h"

/* Its FIN is on its way, or it is gone: this endpoint will send no more data. */
static bool has_finished(enum fw_state state)
{
    switch (state) {
    case FW_CLOSED:
    case FW_FIN_WAIT_1:
    case FW_FIN_WAIT_2:
    case FW_CLOSING:
    case FW_LAST_ACK:
    case FW_TIME_WAIT:
        return true;
    case FW_UNKNOWN:
    case FW_LISTEN:
    case FW_SYN_SENT:
    case FW_SYN_RECEIVED:
    case FW_ESTABLISHED:
    case FW_CLOSE_WAIT:
    case FW_STATE_COUNT:
        return false;
    }
    return false;
}

static bool has_opened(enum fw_open open)
{
    switch (open) {
    case FW_OPEN_COMPLETE:
    case FW_OPEN_MIDSTREAM:
        return true;
    case FW_OPEN_NO_ANSWER:
    case FW_OPEN_REFUSED:
    case FW_OPEN_UNREACHABLE:
    case FW_OPEN_BAD_SYNACK:
    case FW_OPEN_NO_FINAL_ACK:
    case FW_OPEN_ABANDONED:
    case FW_OPEN_COUNT:
        return false;
    }
    return false;
}

enum outcome outcome_of_ending(const struct fw_ending *ending)
{
    const bool client = has_finished(ending->client_state);
    const bool server = has_finished(ending->server_state);
    const bool waits =
        ending->client_state == FW_CLOSE_WAIT || ending->server_state == FW_CLOSE_WAIT;

    if (!has_opened(ending->open))
        return OUTCOME_NEVER_OPENED;
    if (ending->end == FW_END_RST)
        return OUTCOME_RESET;
    if (waits || client != server)
        return OUTCOME_HALF_CLOSED;
    /* A timer of ours that gave up an idle connection did not close it. */
    return client && ending->finned ? OUTCOME_CLOSED : OUTCOME_OPEN;
}

enum outcome outcome_of(const struct fw_connection *connection)
{
    const struct fw_ending ending = {
        .client_state = connection->client_state,
        .server_state = connection->server_state,
        .open = connection->open,
        .end = connection->end,
        .finned = connection->fins[FW_CLIENT] || connection->fins[FW_SERVER],
    };

    return outcome_of_ending(&ending);
}
