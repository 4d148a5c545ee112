#include "losses.h"

#include <string.h>

/* Joins the two neighbours that are closest. */
static void make_room(struct losses *losses)
{
    size_t best = 0;

    for (size_t i = 1; i + 1 < losses->count; i++) {
        const fw_time gap = losses->spans[i + 1].from - losses->spans[i].until;
        if (gap < losses->spans[best + 1].from - losses->spans[best].until)
            best = i;
    }
    losses->spans[best].until = losses->spans[best + 1].until;
    memmove(&losses->spans[best + 1], &losses->spans[best + 2],
            (losses->count - best - 2) * sizeof losses->spans[0]);
    losses->count--;
}

void losses_add(struct losses *losses, fw_time from, fw_time until)
{
    struct loss *last = losses->count ? &losses->spans[losses->count - 1] : NULL;

    if (last && from <= last->until) {
        last->until = until > last->until ? until : last->until;
        return;
    }
    if (losses->count == LOSSES_MAX)
        make_room(losses);
    losses->spans[losses->count++] = (struct loss){ from, until };
}

static bool is_over(enum fw_state state)
{
    return state == FW_CLOSED || state == FW_TIME_WAIT;
}

/* An end that was never heard from may have been heard in what was lost. */
static fw_time end_of(const struct fw_connection *connection)
{
    fw_time end = connection->last_time;

    if (!is_over(connection->client_state) || !is_over(connection->server_state))
        return INT64_MAX;
    /* A timer of ours closes what is silent: until then packets could have come. */
    if ((connection->client_timed && connection->client_state == FW_CLOSED) ||
        (connection->server_timed && connection->server_state == FW_CLOSED))
        end = connection->client_since > end ? connection->client_since : end;
    return end;
}

bool losses_touch(const struct losses *losses, const struct fw_connection *connection)
{
    const fw_time end = losses->count ? end_of(connection) : 0;

    for (size_t i = 0; i < losses->count; i++)
        if (losses->spans[i].until >= connection->first_time && losses->spans[i].from <= end)
            return true;
    return false;
}

void losses_mark(const struct losses *losses, struct fw_connection *connection)
{
    if (losses && !connection->lossy)
        connection->lossy = losses_touch(losses, connection);
}
