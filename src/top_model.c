#include "top_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A connection that has ended, and its record: a selection may ask for any key of it. */
struct past {
    struct top_row row;
    struct fw_connection connection;
};

/* When a row may go. */
struct departure {
    uint64_t id;
    fw_time since;
};

struct top_model {
    /* Rows in no order, without holes; found by id through `slots`: a row's index + 1, or 0. */
    struct top_row *rows;
    size_t count, room;
    uint32_t *slots;
    unsigned slot_bits;
    uint64_t states[2][FW_STATE_COUNT]; /* of rows that are not gone */

    struct departure *departures; /* a ring, from `first` on */
    size_t first, departing, departure_room;

    struct past *history; /* a ring of TOP_HISTORY */
    uint64_t past_count;  /* since the start */

    const struct losses *losses; /* lent */
    const struct selection *selection;
    uint32_t selected_states;
    size_t matched; /* rows before it have been matched, in this turn */
    bool all_matched;
    fw_time now;
    bool is_short;
};

/* ---------------------------------------------------------------------------------------- judge --
 */

const char *top_sort_name(enum top_sort sort)
{
    static const char *const names[TOP_SORT_COUNT] = {
        [TOP_BY_CONCERN] = "what is wrong first",
        [TOP_BY_TIME_IN_STATE] = "time in state",
        [TOP_BY_START] = "newest",
        [TOP_BY_SILENCE] = "silence",
        [TOP_BY_BYTES] = "bytes",
        [TOP_BY_STATE] = "state",
        [TOP_BY_CLIENT] = "client address",
        [TOP_BY_SERVER] = "server address",
    };
    return names[sort];
}

static bool is_done(enum fw_state state)
{
    return state == FW_CLOSED || state == FW_TIME_WAIT;
}

/* Both ends are done, or one is and nothing was ever heard of the other. */
static bool is_over(const struct brief *brief)
{
    const enum fw_state client = (enum fw_state)brief->client_state;
    const enum fw_state server = (enum fw_state)brief->server_state;

    return (is_done(client) || client == FW_UNKNOWN) && (is_done(server) || server == FW_UNKNOWN) &&
           (client != FW_UNKNOWN || server != FW_UNKNOWN);
}

/* Over, and no clock runs any more. */
static bool is_closed(const struct brief *brief)
{
    return is_over(brief) && brief->client_state != FW_TIME_WAIT &&
           brief->server_state != FW_TIME_WAIT;
}

static bool is_open(const struct brief *brief)
{
    const bool client = brief->client_state == FW_ESTABLISHED;
    const bool server = brief->server_state == FW_ESTABLISHED;

    return (client && server) || (client && brief->server_state == FW_UNKNOWN) ||
           (server && brief->client_state == FW_UNKNOWN);
}

static fw_time entered(const struct brief *brief)
{
    return brief->client_since > brief->server_since ? brief->client_since : brief->server_since;
}

int64_t top_in_state_ns(const struct top_row *row, fw_time now)
{
    const int64_t ns = stamp_since(now, entered(&row->brief));

    return ns > 0 ? ns : 0;
}

/* One end has finished, and the other goes on sending: a half close in use. */
static bool is_in_use(const struct top_row *row, fw_time now)
{
    const bool half =
        row->brief.client_state == FW_CLOSE_WAIT || row->brief.server_state == FW_CLOSE_WAIT;

    return half && row->data_time != INT64_MIN && stamp_since(now, row->data_time) < TOP_STUCK_NS;
}

enum top_concern top_concern_of(const struct top_row *row, fw_time now)
{
    const enum outcome outcome = (enum outcome)row->brief.outcome;

    if (row->over)
        return outcome == OUTCOME_NEVER_OPENED || outcome == OUTCOME_RESET ? TOP_FAILED
                                                                           : TOP_CLOSED;
    if (row->gone)
        return TOP_CLOSED;
    if (is_open(&row->brief))
        return TOP_OPEN;
    return top_in_state_ns(row, now) >= TOP_STUCK_NS && !is_in_use(row, now) ? TOP_STUCK
                                                                             : TOP_MOVING;
}

enum fw_side top_side_of(const struct top_row *row)
{
    static const enum fw_state order[] = { FW_CLOSE_WAIT, FW_SYN_RECEIVED, FW_SYN_SENT,
                                           FW_FIN_WAIT_1, FW_CLOSING,      FW_LAST_ACK,
                                           FW_FIN_WAIT_2, FW_TIME_WAIT };

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (row->brief.client_state == order[i])
            return FW_CLIENT;
        if (row->brief.server_state == order[i])
            return FW_SERVER;
    }
    return FW_CLIENT;
}

/* ----------------------------------------------------------------------------------------- rows --
 */

/* Ids count up: multiplied, their high bits spread. */
static size_t home_of(const struct top_model *model, uint64_t id)
{
    return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - model->slot_bits));
}

static size_t slot_mask(const struct top_model *model)
{
    return ((size_t)1 << model->slot_bits) - 1;
}

/* The slot of an id, or the empty one where it belongs. */
static size_t slot_of(const struct top_model *model, uint64_t id)
{
    size_t slot = home_of(model, id);

    while (model->slots[slot] && model->rows[model->slots[slot] - 1].brief.identity.id != id)
        slot = (slot + 1) & slot_mask(model);
    return slot;
}

static struct top_row *find(const struct top_model *model, uint64_t id)
{
    const uint32_t index = model->slots[slot_of(model, id)];

    return index ? &model->rows[index - 1] : NULL;
}

/* Twice the rows and the slots. */
static bool grow(struct top_model *model)
{
    const size_t room = 2 * model->room;
    struct top_row *rows = room < UINT32_MAX ? realloc(model->rows, room * sizeof *rows) : NULL;

    if (!rows)
        return false;
    model->rows = rows;
    uint32_t *slots = calloc((size_t)2 << model->slot_bits, sizeof *slots);
    if (!slots)
        return false;
    free(model->slots);
    model->slots = slots;
    model->slot_bits++;
    model->room = room;
    for (size_t i = 0; i < model->count; i++)
        slots[slot_of(model, rows[i].brief.identity.id)] = (uint32_t)i + 1;
    return true;
}

/* NULL without memory. */
static struct top_row *add(struct top_model *model, uint64_t id)
{
    if (model->count == model->room && !grow(model)) {
        model->is_short = true;
        return NULL;
    }
    struct top_row *row = &model->rows[model->count++];
    *row = (struct top_row){ .brief.identity.id = id, .data_time = INT64_MIN };
    model->slots[slot_of(model, id)] = (uint32_t)model->count;
    return row;
}

/* Empties a slot; those behind it move up, so that no search ends before them. */
static void free_slot(struct top_model *model, size_t slot)
{
    size_t next = slot;

    for (;;) {
        model->slots[slot] = 0;
        size_t home;
        do {
            next = (next + 1) & slot_mask(model);
            if (!model->slots[next])
                return;
            home = home_of(model, model->rows[model->slots[next] - 1].brief.identity.id);
        } while (((next - home) & slot_mask(model)) < ((next - slot) & slot_mask(model)));
        model->slots[slot] = model->slots[next];
        slot = next;
    }
}

static void count_states(struct top_model *model, const struct top_row *row, int by)
{
    model->states[FW_CLIENT][row->brief.client_state] += (uint64_t)by;
    model->states[FW_SERVER][row->brief.server_state] += (uint64_t)by;
}

/* The last row takes its place. */
static void remove_row(struct top_model *model, struct top_row *row)
{
    const size_t index = (size_t)(row - model->rows);

    if (!row->gone)
        count_states(model, row, -1);
    free_slot(model, slot_of(model, row->brief.identity.id));
    model->count--;
    if (index == model->count)
        return;
    const size_t slot = slot_of(model, model->rows[model->count].brief.identity.id);
    *row = model->rows[model->count];
    model->slots[slot] = (uint32_t)index + 1;
}

/* -------------------------------------------------------------------------------------- endings --
 */

static void remember(struct top_model *model, const struct top_row *row,
                     const struct fw_connection *connection)
{
    struct past *past = &model->history[model->past_count++ % TOP_HISTORY];

    past->row = *row;
    past->connection = *connection;
}

static bool make_room_to_depart(struct top_model *model)
{
    const size_t room = model->departure_room ? 2 * model->departure_room : 256;

    if (model->departing < model->departure_room)
        return true;
    struct departure *departures = malloc(room * sizeof *departures);
    if (!departures)
        return false;
    for (size_t i = 0; i < model->departing; i++)
        departures[i] = model->departures[(model->first + i) % model->departure_room];
    free(model->departures);
    model->departures = departures;
    model->departure_room = room;
    model->first = 0;
    return true;
}

/* It goes when it has been seen for long enough, or now if it was already. */
static void let_go(struct top_model *model, struct top_row *row)
{
    const bool seen = stamp_since(model->now, row->over_since) >= TOP_LINGER_NS;

    if (seen || !make_room_to_depart(model)) {
        remove_row(model, row);
        return;
    }
    model->departures[(model->first + model->departing++) % model->departure_room] =
        (struct departure){ .id = row->brief.identity.id, .since = row->over_since };
}

static void depart(struct top_model *model, const struct departure *departure)
{
    struct top_row *row = find(model, departure->id);

    if (row && row->over_since == departure->since && (row->gone || is_closed(&row->brief)))
        remove_row(model, row);
}

void top_model_advance(struct top_model *model, fw_time now)
{
    if (now > model->now)
        model->now = now;
    while (model->departing > 0) {
        const struct departure departure = model->departures[model->first];

        if (stamp_since(model->now, departure.since) < TOP_LINGER_NS)
            return;
        model->first = (model->first + 1) % model->departure_room;
        model->departing--;
        depart(model, &departure);
    }
}

/* ---------------------------------------------------------------------------------------- hooks --
 */

void top_model_lost(struct top_model *model, const struct losses *losses)
{
    model->losses = losses;
}

void top_model_step(struct top_model *model, const struct fw_step *step)
{
    struct fw_connection connection;

    top_model_advance(model, step->time);
    struct top_row *row = find(model, step->identity->id);
    if (row)
        count_states(model, row, -1);
    else
        row = add(model, step->identity->id);
    if (!row)
        return;
    const bool was_over = row->over, was_closed = was_over && is_closed(&row->brief);
    fw_step_connection(step, &connection);
    losses_mark(model->losses, &connection);
    row->brief = brief_of(&connection);
    row->over = is_over(&row->brief);
    row->matches = selection_match(model->selection, &connection);
    count_states(model, row, 1);
    if (row->over && !was_over) {
        row->over_since = step->time;
        remember(model, row, &connection);
    }
    if (row->over && !was_closed && is_closed(&row->brief))
        let_go(model, row);
}

void top_model_segment(struct top_model *model, const struct fw_step *step)
{
    struct top_row *row = find(model, step->identity->id);
    const uint32_t bytes = step->segment->payload_bytes;

    if (!row || step->segment->icmp != FW_ICMP_NONE)
        return;
    if (step->time > row->brief.last_time)
        row->brief.last_time = step->time;
    if (bytes > 0 && step->note != FW_NOTE_RETRANSMISSION && step->note != FW_NOTE_DUPLICATE &&
        step->note != FW_NOTE_KEEP_ALIVE) {
        row->data_time = step->time;
        if (step->count == 0) /* else it is in what the step told */
            row->brief.bytes[step->from] += bytes;
    }
}

void top_model_end(struct top_model *model, const struct fw_connection *connection)
{
    struct top_row *row = find(model, connection->identity.id);

    if (!row)
        return;
    count_states(model, row, -1);
    row->brief = brief_of(connection);
    row->gone = true;
    if (row->over) {
        if (!is_closed(&row->brief))
            let_go(model, row);
        return;
    }
    row->over_since = model->now;
    remember(model, row, connection);
    let_go(model, row);
}

/* ------------------------------------------------------------------------------------ selection --
 */

void top_model_select(struct top_model *model, const struct selection *selection)
{
    model->selection = selection;
    model->selected_states = selection ? selection_states(selection) : 0;
    model->matched = 0;
    model->all_matched = false;
}

static void match(const struct top_model *model, const struct fw_tracker *tracker,
                  struct top_row *row)
{
    struct fw_connection connection;

    if (model->selection) {
        if (row->gone || !fw_tracker_find(tracker, &row->brief.identity, &connection))
            brief_connection(&row->brief, &connection);
        losses_mark(model->losses, &connection);
    }
    row->matches = !model->selection || selection_match(model->selection, &connection);
}

bool top_model_match(struct top_model *model, const struct fw_tracker *tracker, size_t most)
{
    while (most-- > 0 && model->matched < model->count)
        match(model, tracker, &model->rows[model->matched++]);
    if (model->matched < model->count)
        return model->all_matched;
    model->matched = 0;
    model->all_matched = true;
    return true;
}

/* ---------------------------------------------------------------------------------------- order --
 */

static int order_of(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int order_of_times(fw_time a, fw_time b)
{
    return (a > b) - (a < b);
}

static int order_of_endpoints(const struct fw_endpoint *a, const struct fw_endpoint *b)
{
    if (a->family != b->family)
        return order_of(a->family, b->family);
    const int order = memcmp(a->addr, b->addr, sizeof a->addr);
    return order ? order : order_of(a->port, b->port);
}

static int by_id(const struct top_row *a, const struct top_row *b)
{
    return order_of(a->brief.identity.id, b->brief.identity.id);
}

/* Of the same concern: who is stuck for the longest time, what has ended or begun last. */
static int by_concern(const struct top_row *a, const struct top_row *b, fw_time now)
{
    const enum top_concern concern = top_concern_of(a, now);
    const int order = (int)concern - (int)top_concern_of(b, now);

    if (order)
        return order;
    if (concern == TOP_STUCK)
        return order_of_times(entered(&a->brief), entered(&b->brief));
    if (concern == TOP_FAILED || concern == TOP_CLOSED)
        return order_of_times(b->over_since, a->over_since);
    return by_id(b, a);
}

static int by_bytes(const struct top_row *a, const struct top_row *b)
{
    return order_of(a->brief.bytes[0] + a->brief.bytes[1], b->brief.bytes[0] + b->brief.bytes[1]);
}

static int by_state(const struct top_row *a, const struct top_row *b)
{
    const int order = order_of(a->brief.client_state, b->brief.client_state);

    return order ? order : order_of(a->brief.server_state, b->brief.server_state);
}

static int by_key(const struct top_ask *ask, const struct top_row *a, const struct top_row *b)
{
    switch (ask->sort) {
    case TOP_BY_CONCERN:
        if (ask->history)
            return order_of_times(b->over_since, a->over_since);
        return by_concern(a, b, ask->now);
    case TOP_BY_TIME_IN_STATE:
        return order_of_times(entered(&a->brief), entered(&b->brief));
    case TOP_BY_START:
        return order_of_times(b->brief.first_time, a->brief.first_time);
    case TOP_BY_SILENCE:
        return order_of_times(a->brief.last_time, b->brief.last_time);
    case TOP_BY_BYTES:
        return by_bytes(b, a);
    case TOP_BY_STATE:
        return by_state(a, b);
    case TOP_BY_CLIENT:
        return order_of_endpoints(&a->brief.identity.client, &b->brief.identity.client);
    case TOP_BY_SERVER:
        return order_of_endpoints(&a->brief.identity.server, &b->brief.identity.server);
    case TOP_SORT_COUNT:
        break;
    }
    return 0;
}

/* Below 0: a comes first. Total: no two rows have the same id. */
static int compare(const struct top_ask *ask, const struct top_row *a, const struct top_row *b)
{
    const int order = by_key(ask, a, b);

    if (order)
        return ask->reversed ? -order : order;
    return by_id(a, b);
}

/* ----------------------------------------------------------------------------------------- list --
 */

/* The first `most` of all that are offered: a heap whose root is the last of them. */
struct choice {
    const struct top_ask *ask;
    const struct top_row **heap;
    size_t count;
};

static void sift_down(const struct choice *choice, size_t at, size_t count)
{
    const struct top_row **heap = choice->heap, *row = heap[at];

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && compare(choice->ask, heap[child], heap[child + 1]) < 0)
            child++;
        if (compare(choice->ask, row, heap[child]) >= 0)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = row;
}

static void sift_up(const struct choice *choice, size_t at)
{
    const struct top_row **heap = choice->heap, *row = heap[at];

    while (at > 0 && compare(choice->ask, heap[(at - 1) / 2], row) < 0) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = row;
}

static void offer(struct choice *choice, const struct top_row *row)
{
    if (choice->count < choice->ask->most) {
        choice->heap[choice->count] = row;
        sift_up(choice, choice->count++);
    } else if (choice->count > 0 && compare(choice->ask, row, choice->heap[0]) < 0) {
        choice->heap[0] = row;
        sift_down(choice, 0, choice->count);
    }
}

/* The heap in order. */
static void settle(const struct choice *choice)
{
    for (size_t left = choice->count; left > 1; left--) {
        const struct top_row *last = choice->heap[0];
        choice->heap[0] = choice->heap[left - 1];
        choice->heap[left - 1] = last;
        sift_down(choice, 0, left - 1);
    }
}

static bool asks_for_closed(const struct top_model *model)
{
    return model->selected_states & (1u << FW_CLOSED | 1u << FW_TIME_WAIT);
}

static void offer_rows(const struct top_model *model, struct choice *choice, struct top_list *list)
{
    const struct top_ask *ask = choice->ask;
    const bool closed = ask->closed || asks_for_closed(model);

    for (size_t i = 0; i < model->count; i++) {
        const struct top_row *row = &model->rows[i];
        const bool past =
            (row->over || row->gone) && stamp_since(ask->now, row->over_since) >= TOP_LINGER_NS;

        if (!past)
            list->concerns[top_concern_of(row, ask->now)]++;
        if (ask->history || !row->matches || (past && !closed))
            continue;
        list->eligible++;
        offer(choice, row);
    }
}

static void offer_history(const struct top_model *model, struct choice *choice,
                          struct top_list *list)
{
    const uint64_t count = model->past_count < TOP_HISTORY ? model->past_count : TOP_HISTORY;

    for (uint64_t i = 0; i < count; i++) {
        const struct past *past = &model->history[i];

        if (!selection_match(model->selection, &past->connection))
            continue;
        list->eligible++;
        offer(choice, &past->row);
    }
}

static int make_room(struct top_list *list, size_t room)
{
    if (list->room >= room)
        return 0;
    struct top_row *rows = realloc(list->rows, room * sizeof *rows);
    if (!rows)
        return -ENOMEM;
    list->rows = rows;
    list->room = room;
    return 0;
}

int top_model_list(const struct top_model *model, const struct top_ask *ask, struct top_list *list)
{
    struct choice choice = { .ask = ask };

    choice.heap = malloc((ask->most + 1) * sizeof *choice.heap);
    if (!choice.heap || make_room(list, ask->most) < 0) {
        free(choice.heap);
        return -ENOMEM;
    }
    list->now = ask->now;
    list->eligible = 0;
    memset(list->concerns, 0, sizeof list->concerns);
    memcpy(list->states, model->states, sizeof list->states);
    offer_rows(model, &choice, list);
    if (ask->history)
        offer_history(model, &choice, list);
    settle(&choice);
    for (size_t i = 0; i < choice.count; i++)
        list->rows[i] = *choice.heap[i];
    list->count = choice.count;
    list->connections =
        list->concerns[TOP_STUCK] + list->concerns[TOP_MOVING] + list->concerns[TOP_OPEN];
    free(choice.heap);
    return 0;
}

void top_list_finish(struct top_list *list)
{
    free(list->rows);
    *list = (struct top_list){ .rows = NULL };
}

/* ---------------------------------------------------------------------------------------- model --
 */

struct top_model *top_model_create(void)
{
    struct top_model *model = calloc(1, sizeof *model);

    if (!model)
        return NULL;
    model->room = 1024;
    model->slot_bits = 11; /* twice the rows */
    model->rows = calloc(model->room, sizeof *model->rows);
    model->slots = calloc((size_t)1 << model->slot_bits, sizeof *model->slots);
    model->history = calloc(TOP_HISTORY, sizeof *model->history);
    model->now = INT64_MIN;
    model->all_matched = true;
    if (model->rows && model->slots && model->history)
        return model;
    top_model_destroy(model);
    return NULL;
}

void top_model_destroy(struct top_model *model)
{
    if (!model)
        return;
    free(model->rows);
    free(model->slots);
    free(model->departures);
    free(model->history);
    free(model);
}

bool top_model_is_short(const struct top_model *model)
{
    return model->is_short;
}
