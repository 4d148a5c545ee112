#include "top_model.h"

#include "unit.h"
#include "view_kit.h"

#include <stdio.h>
#include <string.h>

/* The model is told by a view that has nothing else. */
static struct view *create(const struct view_options *options, struct out *out)
{
    (void)options;
    (void)out;
    return (struct view *)(void *)top_model_create();
}

static void destroy(struct view *view)
{
    top_model_destroy((struct top_model *)(void *)view);
}

static void on_step(void *context, const struct fw_step *step)
{
    top_model_step(context, step);
}

static void on_segment(void *context, const struct fw_step *step)
{
    top_model_segment(context, step);
}

static void on_end(void *context, const struct fw_connection *connection)
{
    top_model_end(context, connection);
}

static const struct view_ops ops = {
    .create = create,
    .hooks = { .step = on_step, .segment = on_segment, .end = on_end },
    .destroy = destroy,
};

/* -------------------------------------------------------- what a model asks of other parts -- */

static uint64_t found_bytes; /* that the tracker says the connections have by now */

bool fw_tracker_find(const struct fw_tracker *tracker, const struct fw_identity *identity,
                     struct fw_connection *connection)
{
    (void)tracker;
    *connection = (struct fw_connection){ .identity = *identity, .bytes = { found_bytes } };
    return true;
}

static uint32_t kit_states;

uint32_t selection_states(const struct selection *selection)
{
    return selection ? kit_states : 0;
}

/* ---------------------------------------------------------------------------------------- play --
 */

static struct kit kit;
static struct top_list list;
static struct top_ask ask;

static struct top_model *model(void)
{
    return (struct top_model *)(void *)kit.view;
}

static void start(void)
{
    if (kit.view) {
        destroy(kit.view);
        out_finish(&kit.out);
    }
    kit_begin(&kit, &ops);
    kit_states = 0;
    ask = (struct top_ask){ .most = 100 };
}

static fw_time at(double seconds)
{
    return kit_epoch + (fw_time)(seconds * 1e9);
}

/* The list as of `seconds`. */
static void look(double seconds)
{
    ask.now = at(seconds);
    top_model_advance(model(), ask.now);
    ck_assert_int_eq(top_model_list(model(), &ask, &list), 0);
}

/* The ids of the list: "3 1 2". */
static const char *ids(void)
{
    static char text[512];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < list.count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%llu", used ? " " : "",
                                 (unsigned long long)list.rows[i].brief.identity.id);
    return text;
}

/* Both ends of connection `id` are established at `seconds`. */
static void opens(uint64_t id, double seconds)
{
    kit_connection(&kit, id);
    kit.connection.first_time = at(seconds);
    kit_step(&kit, seconds * 1e3, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_step(&kit, seconds * 1e3, FW_SERVER, "S.", MOVES(SERVER_MOVES(LISTEN, SYN_RECEIVED, -1)));
    kit.connection.open = FW_OPEN_COMPLETE;
    kit_step(
        &kit, seconds * 1e3, FW_CLIENT, ".",
        MOVES(SERVER_MOVES(SYN_RECEIVED, ESTABLISHED, 0), CLIENT_MOVES(SYN_SENT, ESTABLISHED, 0)));
}

static void sends_syn(uint64_t id, double seconds)
{
    kit_connection(&kit, id);
    kit_step(&kit, seconds * 1e3, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
}

static void is_refused(double seconds)
{
    kit.connection.open = FW_OPEN_REFUSED;
    kit.connection.end = FW_END_RST;
    kit_step(&kit, seconds * 1e3, FW_SERVER, "R.",
             MOVES(CLIENT_MOVES(SYN_SENT, CLOSED, 0), SERVER_MOVES(UNKNOWN, CLOSED, -1)));
}

/* The client closes; the server does not. */
static void leaks(double seconds)
{
    kit.connection.fins[FW_CLIENT] = 1;
    kit_step(&kit, seconds * 1e3, FW_CLIENT, "F.", MOVES(CLIENT_MOVES(ESTABLISHED, FIN_WAIT_1, 0)));
    kit_step(
        &kit, seconds * 1e3, FW_SERVER, ".",
        MOVES(SERVER_MOVES(ESTABLISHED, CLOSE_WAIT, 0), CLIENT_MOVES(FIN_WAIT_1, FIN_WAIT_2, 0)));
}

/* The server does after all; `state` is what is left at the client. */
static void closes(double seconds)
{
    kit.connection.fins[FW_SERVER] = 1;
    kit.connection.end = FW_END_FIN;
    kit_step(&kit, seconds * 1e3, FW_SERVER, "F.", MOVES(SERVER_MOVES(CLOSE_WAIT, LAST_ACK, 0)));
    kit_step(&kit, seconds * 1e3, FW_CLIENT, ".",
             MOVES(SERVER_MOVES(LAST_ACK, CLOSED, 0), CLIENT_MOVES(FIN_WAIT_2, TIME_WAIT, 0)));
}

static void time_wait_ends(double seconds)
{
    kit_step(&kit, seconds * 1e3, FW_CLIENT, NULL,
             MOVES({ FW_CLIENT, FW_TIME_WAIT, FW_CLOSED, 0, FW_PROOF_TIMER, false }));
}

static void checks_states(enum fw_side side, enum fw_state state, uint64_t count)
{
    ck_assert_msg(list.states[side][state] == count, "%s %s: %llu instead of %llu",
                  fw_side_name(side), fw_state_name(state, FW_NAMES_RFC),
                  (unsigned long long)list.states[side][state], (unsigned long long)count);
}

/* --------------------------------------------------------------------------------------- tests --
 */

START_TEST(both_ends_are_counted_by_state)
{
    start();
    opens(1, 0);
    opens(2, 0);
    leaks(1);
    sends_syn(3, 1);
    look(2);
    checks_states(FW_CLIENT, FW_ESTABLISHED, 1);
    checks_states(FW_CLIENT, FW_FIN_WAIT_2, 1);
    checks_states(FW_CLIENT, FW_SYN_SENT, 1);
    checks_states(FW_SERVER, FW_ESTABLISHED, 1);
    checks_states(FW_SERVER, FW_CLOSE_WAIT, 1);
    checks_states(FW_SERVER, FW_UNKNOWN, 1);
    ck_assert_uint_eq(list.connections, 3);
    is_refused(2);
    look(2);
    checks_states(FW_CLIENT, FW_SYN_SENT, 0);
    checks_states(FW_SERVER, FW_CLOSED, 1);
    ck_assert_uint_eq(list.connections, 2);
}
END_TEST

START_TEST(failures_come_first_then_what_is_stuck)
{
    start();
    opens(1, 0);
    opens(2, 0);
    leaks(1);
    sends_syn(3, 19);
    is_refused(19);
    sends_syn(4, 3);
    sends_syn(5, 19.5);
    look(20);
    ck_assert_str_eq(ids(), "3 2 4 5 1");
    ck_assert_uint_eq(list.concerns[TOP_FAILED], 1);
    ck_assert_uint_eq(list.concerns[TOP_STUCK], 2);
    ck_assert_uint_eq(list.concerns[TOP_MOVING], 1);
    ck_assert_uint_eq(list.concerns[TOP_OPEN], 1);
}
END_TEST

START_TEST(stuck_begins_after_five_seconds)
{
    start();
    opens(1, 0);
    leaks(0);
    look(4.9);
    ck_assert_int_eq(top_concern_of(&list.rows[0], list.now), TOP_MOVING);
    look(5.1);
    ck_assert_int_eq(top_concern_of(&list.rows[0], list.now), TOP_STUCK);
    ck_assert_int_eq(top_side_of(&list.rows[0]), FW_SERVER); /* who has not closed */
}
END_TEST

START_TEST(a_half_close_that_is_in_use_is_not_stuck)
{
    start();
    opens(1, 0);
    leaks(0);
    kit_segment(&kit, 9000, FW_SERVER, (struct fw_segment){ .flags = FW_ACK, .payload_bytes = 500 },
                FW_NOTE_NONE, NULL);
    look(10);
    ck_assert_int_eq(top_concern_of(&list.rows[0], list.now), TOP_MOVING);
    look(15);
    ck_assert_int_eq(top_concern_of(&list.rows[0], list.now), TOP_STUCK);
}
END_TEST

START_TEST(what_has_closed_goes_after_ten_seconds)
{
    start();
    sends_syn(1, 0);
    is_refused(1);
    look(10.9);
    ck_assert_str_eq(ids(), "1");
    look(11);
    ck_assert_str_eq(ids(), "");
    checks_states(FW_SERVER, FW_CLOSED, 0);
}
END_TEST

START_TEST(time_wait_leaves_the_list_but_is_counted_until_it_ends)
{
    start();
    opens(1, 0);
    leaks(1);
    closes(2);
    look(3);
    ck_assert_str_eq(ids(), "1");
    ck_assert_int_eq(top_concern_of(&list.rows[0], list.now), TOP_CLOSED);
    look(12.5);
    ck_assert_str_eq(ids(), "");
    checks_states(FW_CLIENT, FW_TIME_WAIT, 1);
    ask.closed = true;
    look(12.5);
    ck_assert_str_eq(ids(), "1");
    time_wait_ends(242);
    look(242);
    checks_states(FW_CLIENT, FW_TIME_WAIT, 0);
    ck_assert_str_eq(ids(), "");
}
END_TEST

START_TEST(a_proof_that_is_taken_back_brings_a_connection_back)
{
    start();
    opens(1, 0);
    leaks(1);
    closes(2);
    kit_step(&kit, 3000, FW_SERVER, "F.",
             MOVES({ FW_SERVER, FW_CLOSED, FW_LAST_ACK, 0, FW_PROOF_SEGMENT, true }));
    look(30);
    ck_assert_str_eq(ids(), "1");
    ck_assert_int_eq(top_concern_of(&list.rows[0], list.now), TOP_STUCK);
    checks_states(FW_SERVER, FW_LAST_ACK, 1);
}
END_TEST

START_TEST(what_the_tracker_forgets_is_not_counted_but_seen)
{
    start();
    opens(1, 0);
    look(100);
    kit.connection.end = FW_END_EVICTED;
    kit_end(&kit);
    look(105);
    ck_assert_str_eq(ids(), "1");
    ck_assert_int_eq(top_concern_of(&list.rows[0], list.now), TOP_CLOSED);
    checks_states(FW_CLIENT, FW_ESTABLISHED, 0);
    look(110);
    ck_assert_str_eq(ids(), "");
}
END_TEST

START_TEST(history_has_the_last_that_ended_first)
{
    start();
    for (uint64_t id = 1; id <= 3; id++) {
        sends_syn(id, (double)id);
        is_refused((double)id);
    }
    opens(4, 4);
    ask.history = true;
    look(60);
    ck_assert_str_eq(ids(), "3 2 1");
    ck_assert_uint_eq(list.eligible, 3);
    for (uint64_t id = 10; id < 10 + TOP_HISTORY; id++) {
        sends_syn(id, 61);
        is_refused(61);
    }
    look(100);
    ck_assert_uint_eq(list.eligible, TOP_HISTORY);
}
END_TEST

START_TEST(each_order_has_its_own_first)
{
    static const struct {
        enum top_sort sort;
        const char *ids;
    } rows[] = {
        { TOP_BY_TIME_IN_STATE, "2 3 1" }, /* since 1, 2 and 3 s */
        { TOP_BY_START, "3 1 2" },         /* at 2, 1 and 0.5 s */
        { TOP_BY_SILENCE, "2 3 1" },       { TOP_BY_BYTES, "3 2 1" },
        { TOP_BY_STATE, "2 3 1" },  /* ESTABLISHED before FIN_WAIT_2 */
        { TOP_BY_CLIENT, "1 2 3" }, /* by port */
        { TOP_BY_SERVER, "1 2 3" }, /* the same server: by id */
    };

    start();
    opens(2, 0.5);
    kit.connection.bytes[FW_SERVER] = 100;
    kit_step(&kit, 1000, FW_CLIENT, ".", MOVES(CLIENT_MOVES(SYN_SENT, ESTABLISHED, 0)));
    opens(1, 1);
    leaks(3);
    opens(3, 2);
    kit_segment(&kit, 2000, FW_CLIENT,
                (struct fw_segment){ .flags = FW_ACK, .payload_bytes = 1000 }, FW_NOTE_NONE, NULL);
    kit_segment(&kit, 2000, FW_CLIENT,
                (struct fw_segment){ .flags = FW_ACK, .payload_bytes = 9000 },
                FW_NOTE_RETRANSMISSION, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask.sort = rows[i].sort;
        look(4);
        ck_assert_msg(strcmp(ids(), rows[i].ids) == 0, "%s: %s", top_sort_name(ask.sort), ids());
    }
    ck_assert_uint_eq(list.rows[2].brief.bytes[FW_CLIENT], 1000);
    ask.sort = TOP_BY_CLIENT;
    ask.reversed = true;
    look(4);
    ck_assert_str_eq(ids(), "3 2 1");
}
END_TEST

START_TEST(a_list_is_the_beginning_of_the_whole_order)
{
    enum { CONNECTIONS = 5000 };
    static uint64_t whole[CONNECTIONS];

    start();
    for (uint64_t i = 0; i < CONNECTIONS; i++)
        sends_syn(i * 2654435761u % 1000003 + 1, (double)(i * 7919 % CONNECTIONS) / 1000);
    for (enum top_sort sort = 0; sort < TOP_SORT_COUNT; sort++) {
        ask.sort = sort;
        ask.most = CONNECTIONS;
        look(8);
        ck_assert_uint_eq(list.count, CONNECTIONS);
        for (size_t i = 0; i < CONNECTIONS; i++)
            whole[i] = list.rows[i].brief.identity.id;
        ask.most = 37;
        look(8);
        ck_assert_uint_eq(list.count, 37);
        ck_assert_uint_eq(list.eligible, CONNECTIONS);
        for (size_t i = 0; i < 37; i++)
            ck_assert_uint_eq(list.rows[i].brief.identity.id, whole[i]);
    }
}
END_TEST

static bool is_even(const struct fw_connection *connection)
{
    return connection->identity.id % 2 == 0;
}

START_TEST(a_selection_is_matched_for_what_is_there_and_what_comes)
{
    const struct selection *even = (const struct selection *)(const void *)&kit_selection;

    start();
    for (uint64_t id = 1; id <= 10; id++)
        opens(id, 0);
    kit_wanted = is_even;
    top_model_select(model(), even);
    ck_assert(!top_model_match(model(), NULL, 6));
    ck_assert(top_model_match(model(), NULL, 6));
    opens(11, 1);
    opens(12, 1);
    look(2);
    ck_assert_str_eq(ids(), "12 10 8 6 4 2");
    ck_assert_uint_eq(list.connections, 12); /* of all */
    top_model_select(model(), NULL);
    ck_assert(top_model_match(model(), NULL, 100));
    look(2);
    ck_assert_uint_eq(list.count, 12);
}
END_TEST

static bool is_large(const struct fw_connection *connection)
{
    return connection->bytes[0] > 1000;
}

START_TEST(what_changes_without_a_step_is_matched_in_turn)
{
    const struct selection *large = (const struct selection *)(const void *)&kit_selection;

    start();
    opens(1, 0);
    kit_wanted = is_large;
    found_bytes = 10;
    top_model_select(model(), large);
    ck_assert(top_model_match(model(), NULL, 10));
    look(1);
    ck_assert_str_eq(ids(), "");
    found_bytes = 2000;
    ck_assert(top_model_match(model(), NULL, 10));
    look(1);
    ck_assert_str_eq(ids(), "1");
}
END_TEST

START_TEST(who_asks_for_time_wait_sees_it)
{
    const struct selection *selection = (const struct selection *)(const void *)&kit_selection;

    start();
    opens(1, 0);
    leaks(1);
    closes(2);
    kit_states = 1u << FW_TIME_WAIT;
    top_model_select(model(), selection);
    look(60);
    ck_assert_str_eq(ids(), "1");
}
END_TEST

START_TEST(rows_come_and_go_and_none_is_lost)
{
    enum { LIVING = 300 };
    uint64_t next = 1;

    start();
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < LIVING; i++)
            sends_syn(next++, round * 20);
        look(round * 20 + 1);
        ck_assert_uint_eq(list.eligible, LIVING);
        for (uint64_t id = next - LIVING; id < next; id++) {
            kit_connection(&kit, id);
            kit.connection.client_state = FW_SYN_SENT;
            is_refused(round * 20 + 2 + (double)(id % 7) / 10);
        }
        look(round * 20 + 15);
        ck_assert_uint_eq(list.eligible, 0);
        checks_states(FW_CLIENT, FW_SYN_SENT, 0);
        checks_states(FW_CLIENT, FW_CLOSED, 0);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        both_ends_are_counted_by_state,
        failures_come_first_then_what_is_stuck,
        stuck_begins_after_five_seconds,
        a_half_close_that_is_in_use_is_not_stuck,
        what_has_closed_goes_after_ten_seconds,
        time_wait_leaves_the_list_but_is_counted_until_it_ends,
        a_proof_that_is_taken_back_brings_a_connection_back,
        what_the_tracker_forgets_is_not_counted_but_seen,
        history_has_the_last_that_ended_first,
        each_order_has_its_own_first,
        a_list_is_the_beginning_of_the_whole_order,
        a_selection_is_matched_for_what_is_there_and_what_comes,
        what_changes_without_a_step_is_matched_in_turn,
        who_asks_for_time_wait_sees_it,
        rows_come_and_go_and_none_is_lost,
    };
    const int status = UNIT_RUN("top_model", tests);
    top_list_finish(&list);
    destroy(kit.view);
    out_finish(&kit.out);
    return status;
}
