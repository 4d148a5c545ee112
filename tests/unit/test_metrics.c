/* What is kept with each step is what a look at all connections says, whatever was sent. */
#include "metrics.h"

#include "adversary.h"
#include "unit.h"

#include <string.h>

enum { SEGMENTS = 20000, LOOKS = 100 };

static struct metrics metrics;

static void on_step(void *context, const struct fw_step *step)
{
    (void)context;
    metrics_step(&metrics, step);
}

static void on_end(void *context, const struct fw_connection *connection)
{
    (void)context;
    metrics_end(&metrics, connection);
}

static const struct fw_hooks hooks = { .step = on_step, .end = on_end };

struct census {
    uint64_t in_state[2][FW_STATE_COUNT];
    uint64_t connections;
};

static enum fw_state shown(enum fw_state told, fw_time since)
{
    if (since == INT64_MIN)
        return FW_UNKNOWN;
    return told == FW_LISTEN || told == FW_UNKNOWN ? FW_CLOSED : told;
}

static bool count_one(void *context, const struct fw_connection *connection)
{
    struct census *census = context;

    census->connections++;
    census->in_state[FW_CLIENT][shown(connection->client_told, connection->client_since)]++;
    census->in_state[FW_SERVER][shown(connection->server_told, connection->server_since)]++;
    return true;
}

static void compare(struct fw_tracker *tracker)
{
    struct census census = { 0 };

    fw_tracker_each(tracker, count_one, &census);
    for (int side = 0; side < 2; side++)
        for (int state = 0; state < FW_STATE_COUNT; state++)
            ck_assert_uint_eq(metrics_in_state(&metrics, (enum fw_side)side, (enum fw_state)state,
                                               census.connections),
                              census.in_state[side][state]);
}

START_TEST(gauges_are_what_a_look_at_all_connections_says)
{
    struct fw_tracker_options options;
    struct fw_tracker_counts counts;
    struct adversary adversary;
    struct fw_segment segment;

    for (uint64_t seed = 1; seed <= 8; seed++) {
        fw_tracker_defaults(&options);
        options.max_connections = seed % 2 ? 0 : 4; /* evictions, too */
        options.idle_ns = 600 * FW_SECOND;
        memset(&metrics, 0, sizeof metrics);
        struct fw_tracker *tracker = fw_tracker_create(&options, &hooks, NULL);
        adversary_init(&adversary, seed, ADVERSARY_TUPLES);
        for (int i = 0; i < SEGMENTS; i++) {
            adversary_next(&adversary, &segment);
            ck_assert_int_eq(fw_tracker_feed(tracker, &segment, 1), 0);
            if (i % (SEGMENTS / LOOKS) == 0)
                compare(tracker);
        }
        fw_tracker_finish(tracker);
        fw_tracker_counts(tracker, &counts);
        uint64_t ended = 0, entered = 0;
        for (int end = 0; end < FW_END_COUNT; end++)
            ended += metrics.ended[end];
        for (int side = 0; side < 2; side++)
            for (int state = 0; state < FW_STATE_COUNT; state++) {
                ck_assert_uint_eq(metrics.in_state[side][state], 0);
                entered += metrics.entered[side][state];
            }
        ck_assert_uint_eq(ended, counts.connections);
        ck_assert_uint_eq(entered, counts.transitions);
        ck_assert_uint_gt(ended, 100);
        fw_tracker_destroy(tracker);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { gauges_are_what_a_look_at_all_connections_says };

    return UNIT_RUN("metrics", tests);
}
