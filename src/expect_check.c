/* What holds of a connection. */
#include "expect.h"

#include "stamp.h"
#include "view.h"

#include <string.h>

bool check_is_lasting(const struct check *check)
{
    switch (check->kind) {
    case CHECK_HANDSHAKE:
    case CHECK_PACKETS:
        return true;
    case CHECK_REFUSED:
    case CHECK_NO_ANSWER:
    case CHECK_CLOSED:
    case CHECK_FOR:
    case CHECK_PATH:
    case CHECK_STATE:
    case CHECK_NO_RESET:
    case CHECK_FIELD:
        return false;
    }
    return false;
}

static bool handshake_holds(const struct check *check, const struct fw_connection *connection)
{
    if (connection->open != FW_OPEN_COMPLETE)
        return false;
    return check->limit_ns < 0 ||
           (connection->handshake_ns >= 0 && connection->handshake_ns <= check->limit_ns);
}

static bool closed_holds(const struct check *check, const struct fw_connection *connection)
{
    const enum outcome outcome = outcome_of(connection);

    if (outcome != OUTCOME_CLOSED && outcome != OUTCOME_RESET)
        return false;
    if (check->by_given && connection->closed_by != check->by)
        return false;
    switch (check->with) {
    case CLOSED_WITH_ANY:
        return true;
    case CLOSED_WITH_FIN:
        return outcome == OUTCOME_CLOSED;
    case CLOSED_WITH_RST:
        return outcome == OUTCOME_RESET;
    }
    return false;
}

void check_path_text(const struct fw_connection *connection, enum fw_side side,
                     char text[EXPECT_PATH_BYTES])
{
    fw_path_text(side == FW_CLIENT ? connection->client_path : connection->server_path, text,
                 EXPECT_PATH_BYTES);
}

/* A state that a timer of ours ended still counts: the capture may be longer or shorter. */
static bool state_holds(const struct check *check, const struct fw_connection *connection)
{
    const bool client = check->side == FW_CLIENT;
    const enum fw_state state = client ? connection->client_state : connection->server_state;
    const bool timed = client ? connection->client_timed : connection->server_timed;
    char path[EXPECT_PATH_BYTES];

    if (state == check->state)
        return true;
    if (!timed)
        return false;
    check_path_text(connection, check->side, path);
    const char *last = strrchr(path, '>');
    return strcmp(last ? last + 1 : path, fw_state_name(check->state, FW_NAMES_RFC)) == 0;
}

static int64_t stay_of(const struct expectation *expectation, enum fw_state state, fw_time since,
                       fw_time until)
{
    return expectation->states & (UINT32_C(1) << state) ? stamp_since(until, since) : -1;
}

int64_t check_stay_ns(const struct expectation *expectation, const struct fw_connection *connection,
                      fw_time until)
{
    const fw_time client_since = connection->client_since, server_since = connection->server_since;
    const int64_t client = stay_of(expectation, connection->client_state, client_since, until);
    const int64_t server = stay_of(expectation, connection->server_state, server_since, until);

    if (client >= 0 || server >= 0)
        return client > server ? client : server;
    const int64_t both =
        stamp_since(until, client_since > server_since ? client_since : server_since);
    return both > 0 ? both : 0;
}

bool check_holds(const struct check *check, const struct expectation *expectation,
                 const struct fw_connection *connection, fw_time until, size_t packets_seen)
{
    char path[EXPECT_PATH_BYTES];

    switch (check->kind) {
    case CHECK_HANDSHAKE:
        return handshake_holds(check, connection);
    case CHECK_REFUSED:
        return connection->open == FW_OPEN_REFUSED;
    case CHECK_NO_ANSWER:
        return connection->open == FW_OPEN_NO_ANSWER;
    case CHECK_CLOSED:
        return closed_holds(check, connection);
    case CHECK_FOR:
        return compare_numbers(check->comparison, check_stay_ns(expectation, connection, until),
                               check->limit_ns);
    case CHECK_PATH:
        check_path_text(connection, check->side, path);
        return strcmp(path, check->path) == 0;
    case CHECK_STATE:
        return state_holds(check, connection);
    case CHECK_PACKETS:
        return packets_seen >= check->packet_count;
    case CHECK_NO_RESET:
        return connection->rsts[FW_CLIENT] == 0 && connection->rsts[FW_SERVER] == 0;
    case CHECK_FIELD:
        return selection_match(check->condition, connection);
    }
    return false;
}

bool check_packet_fits(const struct expected_packet *packet, const struct fw_step *step)
{
    enum { DECIDES = FW_FIN | FW_SYN | FW_RST | FW_ACK };

    if (!step->segment || step->segment->icmp != FW_ICMP_NONE || step->from != packet->from ||
        step->note == FW_NOTE_DUPLICATE)
        return false;
    const uint16_t flags = step->segment->flags;
    return (flags & DECIDES) == (packet->flags & DECIDES) &&
           (packet->flags & ~flags & ~DECIDES) == 0;
}
