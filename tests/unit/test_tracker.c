#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "adversary.h"
#include "allocations.h"
#include "finwait/finwait.h"
#include "observer.h"

/* ----------------------------------------------------------------------------- a tracker -- */

struct run {
    struct fw_tracker_options options;
    struct fw_tracker *tracker;
    struct observer observer;
    fw_time now;
    uint64_t frame;
    uint16_t mark;
};

static void run_start(struct run *run)
{
    observer_init(&run->observer);
    run->tracker = fw_tracker_create(&run->options, &observer_hooks, &run->observer);
    ck_assert_ptr_nonnull(run->tracker);
    run->now = 1000 * FW_SECOND;
    run->frame = 0;
    run->mark = 0;
}

static void run_stop(struct run *run)
{
    fw_tracker_destroy(run->tracker);
    observer_finish(&run->observer);
}

static struct run run_with_defaults(void)
{
    struct run run = { 0 };

    fw_tracker_defaults(&run.options);
    return run;
}

/* Client number n, of as many as there are. */
static struct fw_endpoint client_of(unsigned n)
{
    return (struct fw_endpoint){ .addr = { 10, 1, (uint8_t)(n >> 16), (uint8_t)(n >> 24) },
                                 .port = (uint16_t)n,
                                 .family = FW_IPV4 };
}

static struct fw_endpoint server(void)
{
    return (struct fw_endpoint){ .addr = { 10, 2 }, .port = 80, .family = FW_IPV4 };
}

/* Sends a segment of connection n, a millisecond later; both ISNs are 100. */
static void sends(struct run *run, unsigned n, enum fw_side from, uint16_t flags, uint32_t seq,
                  uint32_t ack)
{
    const struct fw_segment segment = {
        .time = run->now += FW_MILLISECOND,
        .frame = ++run->frame,
        .from = from == FW_CLIENT ? client_of(n) : server(),
        .to = from == FW_CLIENT ? server() : client_of(n),
        .flags = flags,
        .seq = 100 + seq,
        .ack = flags & FW_ACK ? 100 + ack : 0,
        .window_raw = 65535,
        .ip_id = ++run->mark,
        .checksum_raw = run->mark,
    };
    ck_assert_int_eq(fw_tracker_feed(run->tracker, &segment, 1), 0);
}

static void opens(struct run *run, unsigned n)
{
    sends(run, n, FW_CLIENT, FW_SYN, 0, 0);
    sends(run, n, FW_SERVER, FW_SYN | FW_ACK, 0, 1);
    sends(run, n, FW_CLIENT, FW_ACK, 1, 1);
}

static void resets(struct run *run, unsigned n)
{
    sends(run, n, FW_CLIENT, FW_RST | FW_ACK, 1, 1);
}

static void closes(struct run *run, unsigned n)
{
    sends(run, n, FW_CLIENT, FW_FIN | FW_ACK, 1, 1);
    sends(run, n, FW_SERVER, FW_FIN | FW_ACK, 1, 2);
    sends(run, n, FW_CLIENT, FW_ACK, 2, 2);
}

static void passes(struct run *run, int64_t nanoseconds)
{
    fw_tracker_advance(run->tracker, run->now += nanoseconds);
}

static struct fw_tracker_counts counts_of(const struct run *run)
{
    struct fw_tracker_counts counts;

    fw_tracker_counts(run->tracker, &counts);
    return counts;
}

static const struct observed *observed(const struct run *run, uint64_t id)
{
    ck_assert_uint_le(id, run->observer.count);
    return &run->observer.connections[id - 1];
}

static void client_is(const struct run *run, uint64_t id, enum fw_state state, char mark)
{
    ck_assert_str_eq(fw_state_name(observed(run, id)->state[FW_CLIENT], FW_NAMES_RFC),
                     fw_state_name(state, FW_NAMES_RFC));
    ck_assert_int_eq(observed(run, id)->mark[FW_CLIENT], mark);
}

/* -------------------------------------------------------------------------------- timers -- */

START_TEST(defaults_are_those_of_the_rfc)
{
    struct fw_tracker_options options;

    fw_tracker_defaults(&options);
    ck_assert_int_eq(options.time_wait_ns, 240 * FW_SECOND);
    ck_assert_int_eq(options.fin_wait_2_ns, 0);
    ck_assert_int_eq(options.syn_timeout_ns, 75 * FW_SECOND);
    ck_assert_int_eq(options.idle_ns, 0);
    ck_assert_uint_eq(options.max_connections, 0);
    ck_assert_uint_eq(options.max_memory_bytes, 0);
}
END_TEST

START_TEST(time_wait_ends_on_the_nanosecond)
{
    struct run run = run_with_defaults();

    run_start(&run);
    opens(&run, 1);
    closes(&run, 1);
    passes(&run, 240 * FW_SECOND - 1);
    client_is(&run, 1, FW_TIME_WAIT, ' ');
    passes(&run, 1);
    client_is(&run, 1, FW_CLOSED, '~');
    run_stop(&run);
}
END_TEST

START_TEST(timers_of_linux)
{
    struct run run = run_with_defaults();

    run.options.time_wait_ns = run.options.fin_wait_2_ns = 60 * FW_SECOND;
    run_start(&run);
    opens(&run, 1);
    closes(&run, 1);
    opens(&run, 2);
    sends(&run, 2, FW_CLIENT, FW_FIN | FW_ACK, 1, 1);
    sends(&run, 2, FW_SERVER, FW_ACK, 1, 2);
    passes(&run, 59 * FW_SECOND);
    client_is(&run, 1, FW_TIME_WAIT, ' ');
    client_is(&run, 2, FW_FIN_WAIT_2, ' ');
    passes(&run, FW_SECOND);
    client_is(&run, 1, FW_CLOSED, '~');
    client_is(&run, 2, FW_CLOSED, '~');
    ck_assert_int_eq(observed(&run, 2)->state[FW_SERVER], FW_CLOSE_WAIT);
    run_stop(&run);
}
END_TEST

START_TEST(timers_are_told_in_order_of_time_before_the_segment_that_lets_it_pass)
{
    struct run run = run_with_defaults();

    run_start(&run);
    sends(&run, 1, FW_CLIENT, FW_SYN, 0, 0);
    opens(&run, 2);
    closes(&run, 2);
    run.now += 1000 * FW_SECOND;
    opens(&run, 3);
    observer_flush(&run.observer);
    const char *syn_timer = strstr(run.observer.log_text, "SYN timer");
    const char *time_wait = strstr(run.observer.log_text, "2MSL");
    const char *later = strstr(run.observer.log_text, "#3");
    ck_assert(syn_timer && time_wait && later);
    ck_assert(syn_timer < time_wait && time_wait < later);
    ck_assert_str_eq(run.observer.fault, "");
    run_stop(&run);
}
END_TEST

START_TEST(timer_due_is_when_the_state_ends)
{
    struct run run = run_with_defaults();

    run_start(&run);
    opens(&run, 1);
    fw_tracker_finish(run.tracker);
    ck_assert_int_eq(observed(&run, 1)->record.timer_due, 0);
    run_stop(&run);

    run_start(&run);
    sends(&run, 1, FW_CLIENT, FW_SYN, 0, 0);
    fw_tracker_finish(run.tracker);
    ck_assert_int_eq(observed(&run, 1)->record.timer_due, run.now + 75 * FW_SECOND);
    run_stop(&run);

    run_start(&run);
    opens(&run, 1);
    closes(&run, 1);
    fw_tracker_finish(run.tracker);
    ck_assert_int_eq(observed(&run, 1)->record.timer_due, run.now + 240 * FW_SECOND);
    run_stop(&run);
}
END_TEST

START_TEST(idle_ends_by_the_last_packet_of_each)
{
    struct run run = run_with_defaults();

    run.options.idle_ns = 100 * FW_SECOND;
    run_start(&run);
    opens(&run, 1);
    opens(&run, 2);
    run.now += 60 * FW_SECOND;
    sends(&run, 1, FW_CLIENT, FW_ACK | FW_PSH, 1, 1);
    passes(&run, 60 * FW_SECOND);
    ck_assert(!observed(&run, 1)->ended);
    ck_assert(observed(&run, 2)->ended);
    ck_assert_int_eq(observed(&run, 2)->record.end, FW_END_TIMER);
    ck_assert_int_eq(observed(&run, 2)->record.client_state, FW_ESTABLISHED);
    passes(&run, 60 * FW_SECOND);
    ck_assert(observed(&run, 1)->ended);
    run_stop(&run);
}
END_TEST

START_TEST(a_tombstone_takes_late_packets_for_2msl)
{
    struct run run = run_with_defaults();

    run_start(&run);
    opens(&run, 1);
    resets(&run, 1);
    run.now += 239 * FW_SECOND;
    sends(&run, 1, FW_SERVER, FW_RST | FW_ACK, 1, 1);
    ck_assert_uint_eq(counts_of(&run).connections, 1);
    ck_assert(!observed(&run, 1)->ended);
    passes(&run, 500 * FW_SECOND);
    ck_assert(observed(&run, 1)->ended);
    ck_assert_uint_eq(counts_of(&run).live, 0);
    sends(&run, 1, FW_CLIENT, FW_ACK, 1, 1);
    ck_assert_uint_eq(counts_of(&run).connections, 2);
    run_stop(&run);
}
END_TEST

START_TEST(a_clock_that_runs_back_is_counted_and_ends_nothing)
{
    struct run run = run_with_defaults();

    run_start(&run);
    opens(&run, 1);
    closes(&run, 1);
    ck_assert_uint_eq(counts_of(&run).time_backwards, 0);
    run.now -= 100 * FW_SECOND;
    sends(&run, 1, FW_CLIENT, FW_ACK, 2, 2); /* older than the one before it */
    ck_assert_uint_eq(counts_of(&run).time_backwards, 1);
    run.now += 339 * FW_SECOND;
    fw_tracker_advance(run.tracker, run.now);
    client_is(&run, 1, FW_TIME_WAIT, ' ');
    run.now += 2 * FW_SECOND;
    fw_tracker_advance(run.tracker, run.now);
    client_is(&run, 1, FW_CLOSED, '~');
    fw_tracker_advance(run.tracker, 0); /* nothing */
    run_stop(&run);
}
END_TEST

START_TEST(segments_older_than_the_one_before_are_counted_and_no_others)
{
    struct run run = run_with_defaults();

    run_start(&run);
    opens(&run, 1);
    run.now -= FW_SECOND;
    sends(&run, 1, FW_CLIENT, FW_ACK, 1, 1);
    sends(&run, 1, FW_CLIENT, FW_ACK, 1, 1); /* not older than the one before it */
    ck_assert_uint_eq(counts_of(&run).time_backwards, 1);
    run_stop(&run);
}
END_TEST

START_TEST(times_at_both_ends_of_their_range_are_harmless)
{
    struct run run = run_with_defaults();

    run.options.idle_ns = FW_SECOND;
    run_start(&run);
    run.now = INT64_MIN + 10;
    opens(&run, 1);
    closes(&run, 1);
    run.now = INT64_MAX - 1000 * FW_SECOND;
    opens(&run, 2);
    closes(&run, 2);
    fw_tracker_advance(run.tracker, INT64_MAX);
    fw_tracker_finish(run.tracker);
    ck_assert_uint_eq(run.observer.end_count, 2);
    run_stop(&run);
}
END_TEST

/* -------------------------------------------------------------------------------- limits -- */

/* SYNs that are sent again take bodies, which all lie behind many that do not. */
START_TEST(there_is_room_for_bodies_behind_lone_syns)
{
    struct run run = run_with_defaults();

    run.options.max_memory_bytes = 512 * 1024;
    run_start(&run);
    opens(&run, 1);
    for (int again = 0; again < 2; again++)
        for (unsigned n = 2; n <= 1200; n++)
            if (!again || n > 200)
                sends(&run, n, FW_CLIENT, FW_SYN, 0, 0);
    ck_assert_uint_gt(counts_of(&run).evicted_half_open, 0);
    opens(&run, 1201);
    ck_assert_uint_eq(counts_of(&run).evicted_idle, 0);
    closes(&run, 1);
    closes(&run, 1201);
    ck_assert_int_eq(observed(&run, 1)->state[FW_SERVER], FW_CLOSED);
    run_stop(&run);
}
END_TEST

START_TEST(connections_are_spread_over_the_buckets)
{
    struct run run = run_with_defaults();

    run_start(&run);
    for (unsigned n = 1; n <= 20000; n++)
        opens(&run, n);
    ck_assert_uint_ge(counts_of(&run).bucket_peak, 2);
    ck_assert_uint_le(counts_of(&run).bucket_peak, 30);
    run_stop(&run);
}
END_TEST

START_TEST(max_connections_is_held_exactly)
{
    struct run run = run_with_defaults();

    run.options.max_connections = 7;
    run_start(&run);
    for (unsigned n = 1; n <= 100; n++) {
        opens(&run, n);
        ck_assert_uint_eq(counts_of(&run).live, n < 7 ? n : 7);
    }
    const struct fw_tracker_counts counts = counts_of(&run);
    ck_assert_uint_eq(counts.live_peak, 7);
    ck_assert_uint_eq(counts.connections, 100);
    ck_assert_uint_eq(counts.evicted_idle, 93);
    ck_assert_uint_eq(run.observer.end_count, 93);
    for (unsigned n = 1; n <= 93; n++) { /* least recently heard first */
        ck_assert(observed(&run, n)->ended);
        ck_assert_int_eq(observed(&run, n)->record.end, FW_END_EVICTED);
        ck_assert_int_eq(observed(&run, n)->record.client_state, FW_ESTABLISHED);
    }
    run_stop(&run);
}
END_TEST

START_TEST(closed_go_first_then_half_open_then_idle_oldest_first)
{
    struct run run = run_with_defaults();
    static const unsigned order[] = { 5, 4, 2, 3, 1, 6 };

    run.options.max_connections = 6;
    run_start(&run);
    opens(&run, 1);
    sends(&run, 2, FW_CLIENT, FW_SYN, 0, 0);
    sends(&run, 3, FW_CLIENT, FW_SYN, 0, 0);
    opens(&run, 4);
    closes(&run, 4); /* TIME_WAIT */
    opens(&run, 5);
    resets(&run, 5); /* CLOSED */
    opens(&run, 6);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert(!observed(&run, order[i])->ended);
        opens(&run, 100 + i);
        ck_assert_msg(observed(&run, order[i])->ended, "#%u was not the next", order[i]);
    }
    const struct fw_tracker_counts counts = counts_of(&run);
    ck_assert_uint_eq(counts.evicted_closed, 2);
    ck_assert_uint_eq(counts.evicted_half_open, 2);
    ck_assert_uint_eq(counts.evicted_idle, 2);
    ck_assert_uint_eq(counts.live, 6);
    ck_assert_int_eq(observed(&run, 5)->record.end, FW_END_RST); /* how it ended before */
    ck_assert_int_eq(observed(&run, 4)->record.end, FW_END_FIN);
    ck_assert_int_eq(observed(&run, 2)->record.end, FW_END_EVICTED);
    run_stop(&run);
}
END_TEST

START_TEST(a_busy_connection_outlives_a_quiet_one)
{
    struct run run = run_with_defaults();

    run.options.max_connections = 3;
    run_start(&run);
    opens(&run, 1);
    opens(&run, 2);
    opens(&run, 3);
    sends(&run, 1, FW_CLIENT, FW_ACK | FW_PSH, 1, 1);
    opens(&run, 4);
    ck_assert(!observed(&run, 1)->ended);
    ck_assert(observed(&run, 2)->ended);
    run_stop(&run);
}
END_TEST

static const struct fw_hooks no_hooks = { 0 };

/* A flood of everything that takes memory: attempts, attempts behind attempts, listeners. */
static void flood(struct run *run, unsigned n)
{
    sends(run, n, FW_CLIENT, FW_SYN, 0, 0);
    sends(run, n, FW_CLIENT, FW_SYN, 7000, 0);
}

static void flood_under(size_t limit, unsigned syns)
{
    struct run run = run_with_defaults();

    run.options.max_memory_bytes = limit;
    run.now = FW_SECOND;
    allocations_watch();
    run.tracker = fw_tracker_create(&run.options, &no_hooks, NULL);
    for (unsigned n = 1; n <= syns; n++)
        sends(&run, n, FW_CLIENT, FW_SYN, 0, 0);
    const struct fw_tracker_counts counts = counts_of(&run);
    ck_assert_uint_gt(counts.evicted_half_open + counts.evicted_closed, 0); /* closed: timed out */
    ck_assert_uint_le(counts.memory_peak_bytes, limit);
    ck_assert_msg(allocations_peak_bytes() <= limit, "%zu bytes in use, of %zu",
                  allocations_peak_bytes(), limit);
    ck_assert_msg(counts.live * 2000 > limit, "only %" PRIu64 " connections in %zu bytes",
                  counts.live, limit);
    fw_tracker_finish(run.tracker); /* what it took is known afterwards, too */
    ck_assert_uint_ge(counts_of(&run).memory_peak_bytes, counts.memory_bytes);
    fw_tracker_destroy(run.tracker);
    ck_assert_uint_lt(allocations_bytes(), 4096); /* the test's own */
}

START_TEST(max_memory_is_held_against_a_flood_of_syns)
{
    flood_under(8 << 20, 100 * 1000);
    flood_under(1 << 20, 1000 * 1000);   /* far beyond what the table ever holds */
    flood_under(200 << 20, 1000 * 1000); /* in huge pages */
}
END_TEST

static struct run run_under(size_t limit)
{
    struct run run = run_with_defaults();

    run.options.max_memory_bytes = limit;
    run.now = FW_SECOND;
    run.tracker = fw_tracker_create(&run.options, &no_hooks, NULL);
    return run;
}

/* A flood of spoofed SYNs takes nothing from what was open before it, or opens during it. */
START_TEST(a_flood_under_max_memory_costs_no_open_connection)
{
    struct run run = run_under(2 << 20);

    opens(&run, 1);
    for (unsigned n = 100; n < 60000; n++) {
        sends(&run, n, FW_CLIENT, FW_SYN, 0, 0);
        if (n % 1000 == 0)
            opens(&run, 100000 + n);
    }
    const struct fw_tracker_counts counts = counts_of(&run);
    ck_assert_uint_gt(counts.evicted_half_open, 10000);
    ck_assert_uint_eq(counts.evicted_idle, 0);
    fw_tracker_destroy(run.tracker);
}
END_TEST

/* What leaves TIME_WAIT needs no more room than it has, even if there is no more. */
START_TEST(what_is_closed_outlives_its_timer_in_full_memory)
{
    enum { CLOSED = 3000, OPEN = 20000 };
    struct run run = run_under(12 << 20);

    for (unsigned n = 1; n <= CLOSED; n++) {
        opens(&run, n);
        closes(&run, n);
    }
    for (unsigned n = CLOSED + 1; n <= CLOSED + OPEN; n++)
        opens(&run, n);
    run.now += 260 * FW_SECOND; /* beyond 2MSL, within the next */
    sends(&run, CLOSED + OPEN, FW_CLIENT, FW_ACK | FW_PSH, 1, 1);
    const struct fw_tracker_counts counts = counts_of(&run);
    ck_assert_uint_gt(counts.evicted_idle, 0); /* it was full */
    ck_assert_uint_eq(counts.evicted_closed, 0);
    fw_tracker_destroy(run.tracker);
}
END_TEST

/* Any SYN takes the place of any other. */
START_TEST(a_syn_of_ipv6_takes_the_place_of_one_of_ipv4)
{
    struct run run = run_under(2 << 20);

    for (unsigned n = 1; n < 30000; n++)
        sends(&run, n, FW_CLIENT, FW_SYN, 0, 0);
    const struct fw_tracker_counts before = counts_of(&run);
    ck_assert_uint_gt(before.evicted_half_open, 1000);
    const struct fw_segment syn = {
        .time = run.now += 1000,
        .from = { .addr = { 0x20, 1, 0xd, 0xb8, 1 }, .port = 4000, .family = FW_IPV6 },
        .to = { .addr = { 0x20, 1, 0xd, 0xb8, 2 }, .port = 80, .family = FW_IPV6 },
        .flags = FW_SYN,
    };
    ck_assert_int_eq(fw_tracker_feed(run.tracker, &syn, 1), 0);
    ck_assert_uint_eq(counts_of(&run).evicted_half_open, before.evicted_half_open + 1);
    ck_assert_uint_eq(counts_of(&run).live, before.live);
    fw_tracker_destroy(run.tracker);
}
END_TEST

START_TEST(max_memory_is_held_against_held_attempts)
{
    struct run run = run_with_defaults();
    const size_t limit = 8 << 20;

    run.options.max_memory_bytes = limit;
    run.now = FW_SECOND;
    allocations_watch();
    run.tracker = fw_tracker_create(&run.options, &no_hooks, NULL);
    for (unsigned n = 1; n <= 50000; n++)
        flood(&run, n);
    const size_t peak = allocations_peak_bytes();
    fw_tracker_destroy(run.tracker);
    ck_assert_msg(peak <= limit, "%zu bytes in use, of %zu", peak, limit);
}
END_TEST

START_TEST(max_memory_is_held_against_a_flood_of_listeners)
{
    struct run run = run_with_defaults();
    const size_t limit = 8 << 20;

    run.options.max_memory_bytes = limit;
    run.now = FW_SECOND;
    allocations_watch();
    run.tracker = fw_tracker_create(&run.options, &no_hooks, NULL);
    for (unsigned n = 1; n <= 200000; n++) {
        const struct fw_segment synack = {
            .time = run.now += 1000,
            .from = client_of(n),
            .to = server(),
            .flags = FW_SYN | FW_ACK,
            .ack = 1,
        };
        ck_assert_int_eq(fw_tracker_feed(run.tracker, &synack, 1), 0);
    }
    const size_t peak = allocations_peak_bytes();
    fw_tracker_destroy(run.tracker);
    ck_assert_msg(peak <= limit, "%zu bytes in use, of %zu", peak, limit);
}
END_TEST

START_TEST(memory_that_runs_out_is_an_error_and_no_exit)
{
    for (size_t nth = 1;; nth++) {
        struct run run = run_with_defaults();
        struct adversary adversary;
        int fed = 0;

        run.options.interop = true;
        allocations_fail_from(nth);
        run.tracker = fw_tracker_create(&run.options, &no_hooks, NULL);
        adversary_init(&adversary, 5, ADVERSARY_TUPLES);
        for (int i = 0; run.tracker && i < 3000 && fed == 0; i++) {
            struct fw_segment segment;
            adversary_next(&adversary, &segment);
            fed = fw_tracker_feed(run.tracker, &segment, 1);
        }
        const bool failed = allocations_have_failed();
        if (run.tracker)
            fw_tracker_finish(run.tracker);
        allocations_fail_from(0);
        fw_tracker_destroy(run.tracker);
        ck_assert(fed == 0 || fed == -ENOMEM);
        if (!failed)
            break;
        nth += nth > 30 ? 13 : 0;
    }
    fw_tracker_destroy(NULL);
}
END_TEST

/* ----------------------------------------------------------------------------- listeners -- */

struct listening {
    struct fw_listener listeners[8];
    size_t count, stop_after;
};

static bool hear_listener(void *context, const struct fw_listener *listener)
{
    struct listening *listening = context;

    listening->listeners[listening->count++] = *listener;
    return listening->count != listening->stop_after;
}

START_TEST(a_server_that_answers_a_syn_was_listening)
{
    struct run run = run_with_defaults();
    struct listening listening = { .count = 0 };

    run_start(&run);
    opens(&run, 1);
    sends(&run, 1, FW_SERVER, FW_SYN | FW_ACK, 0, 1); /* again: the same answer */
    opens(&run, 2);
    sends(&run, 3, FW_CLIENT, FW_SYN, 0, 0);
    sends(&run, 3, FW_SERVER, FW_RST | FW_ACK, 0, 1);
    fw_tracker_each_listener(run.tracker, hear_listener, &listening);
    ck_assert_uint_eq(listening.count, 1);
    ck_assert_uint_eq(listening.listeners[0].endpoint.port, 80);
    ck_assert_uint_eq(listening.listeners[0].synacks, 2);
    run_stop(&run);
}
END_TEST

START_TEST(listeners_outlive_their_connections_and_their_telling_may_stop)
{
    struct run run = run_with_defaults();
    struct listening listening = { .stop_after = 1 };

    run_start(&run);
    opens(&run, 1);
    sends(&run, 2, FW_SERVER, FW_SYN, 0, 0); /* from the server's port to a client that answers */
    sends(&run, 2, FW_CLIENT, FW_SYN | FW_ACK, 0, 1);
    fw_tracker_finish(run.tracker);
    fw_tracker_each_listener(run.tracker, hear_listener, &listening);
    ck_assert_uint_eq(listening.count, 1);
    run_stop(&run);
}
END_TEST

/* ------------------------------------------------------------------------ hooks, records -- */

static bool hear_each(void *context, const struct fw_connection *connection)
{
    uint64_t *ids = context;

    ids[++ids[0]] = connection->identity.id;
    return ids[0] < 3;
}

START_TEST(each_lends_in_order_of_id_until_it_is_told_to_stop)
{
    struct run run = run_with_defaults();
    uint64_t ids[8] = { 0 };

    run_start(&run);
    for (unsigned n = 1; n <= 5; n++)
        opens(&run, n * 7919 % 1000);
    fw_tracker_each(run.tracker, hear_each, ids);
    ck_assert_uint_eq(ids[0], 3);
    for (uint64_t i = 1; i <= 3; i++)
        ck_assert_uint_eq(ids[i], i);
    run_stop(&run);
}
END_TEST

START_TEST(a_connection_is_found_by_who_it_is)
{
    struct run run = run_with_defaults();
    struct fw_identity identity = { .id = 2, .client = client_of(20), .server = server() };
    struct fw_connection connection;

    run_start(&run);
    opens(&run, 10);
    opens(&run, 20);
    closes(&run, 10);
    ck_assert(fw_tracker_find(run.tracker, &identity, &connection));
    ck_assert_uint_eq(connection.identity.id, 2);
    ck_assert_int_eq(connection.server_state, FW_ESTABLISHED);
    identity.client = client_of(10); /* whose id is another */
    ck_assert(!fw_tracker_find(run.tracker, &identity, &connection));
    identity.id = 1; /* closed: in few bytes */
    ck_assert(fw_tracker_find(run.tracker, &identity, &connection));
    ck_assert_int_eq(connection.server_state, FW_CLOSED);
    identity.client = client_of(30);
    ck_assert(!fw_tracker_find(run.tracker, &identity, &connection));
    run_stop(&run);
}
END_TEST

static void check_step(void *context, const struct fw_step *step)
{
    struct fw_connection connection;

    (void)context;
    fw_step_connection(step, &connection);
    ck_assert_uint_eq(connection.identity.id, step->identity->id);
    ck_assert_int_eq(connection.client_state, step->client_state);
    ck_assert_int_eq(connection.server_state, step->server_state);
    ck_assert_uint_eq(connection.packets[step->from] > 0, 1);
}

START_TEST(a_step_lends_its_connection_as_of_now)
{
    const struct fw_hooks hooks = { .step = check_step };
    struct run run = run_with_defaults();

    run.tracker = fw_tracker_create(&run.options, &hooks, NULL);
    opens(&run, 1);
    closes(&run, 1);
    fw_tracker_destroy(run.tracker);
}
END_TEST

START_TEST(finish_tells_every_record_once_by_id)
{
    struct run run = run_with_defaults();

    run_start(&run);
    for (unsigned n = 1; n <= 50; n++)
        opens(&run, n);
    resets(&run, 7);
    fw_tracker_finish(run.tracker);
    fw_tracker_finish(run.tracker);
    ck_assert_uint_eq(run.observer.end_count, 50);
    ck_assert_str_eq(run.observer.fault, "");
    ck_assert_int_eq(observed(&run, 7)->record.end, FW_END_RST);
    ck_assert_int_eq(observed(&run, 8)->record.end, FW_END_OPEN);
    ck_assert_uint_eq(counts_of(&run).live, 0);
    run_stop(&run);
}
END_TEST

START_TEST(lone_rsts_and_unmatched_icmp_are_counted_and_make_no_connection)
{
    struct run run = run_with_defaults();
    const struct fw_segment icmp = { .from = client_of(1), .to = server(), .icmp = FW_ICMP_OTHER };

    run_start(&run);
    resets(&run, 1);
    ck_assert_int_eq(fw_tracker_feed(run.tracker, &icmp, 1), 0);
    const struct fw_tracker_counts counts = counts_of(&run);
    ck_assert_uint_eq(counts.lone_rsts, 1);
    ck_assert_uint_eq(counts.segments, 1);
    ck_assert_uint_eq(counts.icmp_errors, 1);
    ck_assert_uint_eq(counts.icmp_unmatched, 1);
    ck_assert_uint_eq(counts.connections, 0);
    run_stop(&run);
}
END_TEST

START_TEST(one_endpoint_at_both_ends_is_harmless)
{
    struct run run = run_with_defaults();

    run_start(&run);
    for (uint16_t flags = 0; flags < 64; flags++) {
        const struct fw_segment segment = { .time = run.now += FW_MILLISECOND,
                                            .frame = ++run.frame,
                                            .from = server(),
                                            .to = server(),
                                            .flags = flags };
        ck_assert_int_eq(fw_tracker_feed(run.tracker, &segment, 1), 0);
    }
    fw_tracker_finish(run.tracker);
    ck_assert_str_eq(run.observer.fault, "");
    ck_assert_uint_eq(run.observer.end_count, counts_of(&run).connections);
    run_stop(&run);
}
END_TEST

/* --------------------------------------------------------------------- whatever the input may be
 * -- */

enum { SEEDS = 60, SEGMENTS = 1500 };

static struct fw_segment input[SEGMENTS];

static void compose_input(uint64_t seed)
{
    struct adversary adversary;

    adversary_init(&adversary, seed, 1 + seed % ADVERSARY_TUPLES);
    for (size_t i = 0; i < SEGMENTS; i++)
        adversary_next(&adversary, &input[i]);
}

static void feed_input(struct run *run, size_t count, size_t batch)
{
    for (size_t i = 0; i < count; i += batch)
        ck_assert_int_eq(
            fw_tracker_feed(run->tracker, input + i, count - i < batch ? count - i : batch), 0);
}

static struct run run_for(uint64_t seed)
{
    struct run run = run_with_defaults();

    if (seed % 3 == 0)
        run.options.time_wait_ns = run.options.fin_wait_2_ns = 60 * FW_SECOND;
    if (seed % 4 == 0)
        run.options.idle_ns = 30 * FW_SECOND;
    if (seed % 5 == 0)
        run.options.max_connections = 3;
    run.options.interop = seed % 2;
    return run;
}

START_TEST(a_state_moves_along_the_table_by_reset_or_is_marked)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_for(seed);
        run_start(&run);
        compose_input(seed);
        feed_input(&run, SEGMENTS, 64);
        fw_tracker_finish(run.tracker);
        ck_assert_msg(run.observer.fault[0] == '\0', "seed %" PRIu64 ": %s", seed,
                      run.observer.fault);
        run_stop(&run);
    }
}
END_TEST

START_TEST(every_segment_is_in_one_record_but_lone_rsts)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_for(seed);
        run_start(&run);
        compose_input(seed);
        feed_input(&run, SEGMENTS, 64);
        fw_tracker_finish(run.tracker);
        const struct fw_tracker_counts counts = counts_of(&run);
        ck_assert_uint_eq(counts.segments + counts.icmp_errors, SEGMENTS);
        ck_assert_msg(observer_packets(&run.observer) == counts.segments - counts.lone_rsts,
                      "seed %" PRIu64 ": %" PRIu64 " packets in all records, %" PRIu64
                      " segments, %" PRIu64 " lone RSTs",
                      seed, observer_packets(&run.observer), counts.segments, counts.lone_rsts);
        ck_assert_msg(run.observer.end_count == counts.connections,
                      "seed %" PRIu64 ": %" PRIu64 " records, %" PRIu64 " connections", seed,
                      run.observer.end_count, counts.connections);
        ck_assert_uint_eq(run.observer.transition_count, counts.transitions);
        ck_assert_uint_eq(counts.live, 0);
        run_stop(&run);
    }
}
END_TEST

START_TEST(ids_are_in_order_of_first_packet)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_for(seed);
        uint64_t first_frame = 0;
        run_start(&run);
        compose_input(seed);
        feed_input(&run, SEGMENTS, 64);
        fw_tracker_finish(run.tracker);
        for (uint64_t id = 1; id <= run.observer.count; id++) {
            const struct fw_connection *record = &observed(&run, id)->record;
            if (!observed(&run, id)->ended)
                continue;
            ck_assert_msg(record->first_frame > first_frame,
                          "seed %" PRIu64 ": #%" PRIu64 " begins in frame %" PRIu64
                          ", one before it in %" PRIu64,
                          seed, id, record->first_frame, first_frame);
            first_frame = record->first_frame;
        }
        run_stop(&run);
    }
}
END_TEST

/* Runs the input and keeps what was told. */
static char *events_of(struct run *run, size_t count, size_t batch, bool finish)
{
    run_start(run);
    feed_input(run, count, batch);
    if (finish)
        fw_tracker_finish(run->tracker);
    observer_flush(&run->observer);
    char *events = strdup(run->observer.log_text);
    run_stop(run);
    return events;
}

START_TEST(events_are_the_same_bytes_for_any_hash_key_and_batch_size)
{
    static const size_t batches[] = { 1, 7, 64, 65, 1000 };

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_for(seed);
        compose_input(seed);
        char *expected = events_of(&run, SEGMENTS, SEGMENTS, true);
        for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
            for (size_t byte = 0; byte < sizeof(run.options.hash_key); byte++)
                run.options.hash_key[byte] = (uint8_t)(seed * 31 + i * 7 + byte * 13);
            char *events = events_of(&run, SEGMENTS, batches[i], true);
            ck_assert_msg(strcmp(events, expected) == 0, "seed %" PRIu64 ", batches of %zu", seed,
                          batches[i]);
            free(events);
        }
        free(expected);
    }
}
END_TEST

START_TEST(events_of_a_prefix_are_a_prefix_of_the_events)
{
    for (uint64_t seed = 1; seed <= SEEDS / 2; seed++) {
        struct run run = run_for(seed);
        struct adversary lengths;
        compose_input(seed);
        adversary_init(&lengths, seed, 1);
        char *all = events_of(&run, SEGMENTS, 64, true);
        for (int i = 0; i < 10; i++) {
            const size_t count = adversary_below(&lengths, SEGMENTS);
            char *some = events_of(&run, count, 7, false);
            ck_assert_msg(strncmp(all, some, strlen(some)) == 0, "seed %" PRIu64 ", %zu segments",
                          seed, count);
            free(some);
        }
        free(all);
    }
}
END_TEST

START_TEST(records_agree_with_what_was_told)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_for(seed);
        run_start(&run);
        compose_input(seed);
        feed_input(&run, SEGMENTS, 64);
        fw_tracker_finish(run.tracker);
        for (uint64_t id = 1; id <= run.observer.count; id++) {
            const struct fw_connection *record = &observed(&run, id)->record;
            if (!observed(&run, id)->ended)
                continue;
            ck_assert_int_lt(record->open, FW_OPEN_COUNT);
            ck_assert_int_lt(record->end, FW_END_COUNT);
            ck_assert_uint_le(record->first_frame, record->last_frame);
            ck_assert_int_le(record->first_time, record->last_time);
            ck_assert(!(record->client_inferred && record->client_timed));
            for (int side = 0; side < 2; side++) {
                ck_assert_uint_le(record->data_packets[side], record->packets[side]);
                ck_assert_uint_le(record->fins[side], record->packets[side]);
                ck_assert(record->bytes[side] == 0 || record->packets[0] + record->packets[1] > 0);
            }
            if (record->open == FW_OPEN_COMPLETE)
                ck_assert_int_ne(record->established_time, INT64_MIN);
        }
        run_stop(&run);
    }
}
END_TEST

/* Many tuples in little room: the bound holds at every moment, and no record is lost. */
START_TEST(limits_hold_against_an_adversary)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct run run = run_for(seed);
        run.options.max_connections = 1 + seed % 4;
        run_start(&run);
        compose_input(seed * 8 - 1); /* eight tuples */
        for (size_t i = 0; i < SEGMENTS; i++) {
            ck_assert_int_eq(fw_tracker_feed(run.tracker, &input[i], 1), 0);
            ck_assert_uint_le(counts_of(&run).live, run.options.max_connections);
        }
        fw_tracker_finish(run.tracker);
        const struct fw_tracker_counts counts = counts_of(&run);
        ck_assert_uint_le(counts.live_peak, run.options.max_connections);
        ck_assert_uint_eq(run.observer.end_count, counts.connections);
        ck_assert_str_eq(run.observer.fault, "");
        run_stop(&run);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        defaults_are_those_of_the_rfc,
        time_wait_ends_on_the_nanosecond,
        timers_of_linux,
        timers_are_told_in_order_of_time_before_the_segment_that_lets_it_pass,
        timer_due_is_when_the_state_ends,
        idle_ends_by_the_last_packet_of_each,
        a_tombstone_takes_late_packets_for_2msl,
        a_clock_that_runs_back_is_counted_and_ends_nothing,
        segments_older_than_the_one_before_are_counted_and_no_others,
        times_at_both_ends_of_their_range_are_harmless,
        there_is_room_for_bodies_behind_lone_syns,
        connections_are_spread_over_the_buckets,
        max_connections_is_held_exactly,
        closed_go_first_then_half_open_then_idle_oldest_first,
        a_busy_connection_outlives_a_quiet_one,
        max_memory_is_held_against_a_flood_of_syns,
        a_flood_under_max_memory_costs_no_open_connection,
        what_is_closed_outlives_its_timer_in_full_memory,
        a_syn_of_ipv6_takes_the_place_of_one_of_ipv4,
        max_memory_is_held_against_held_attempts,
        max_memory_is_held_against_a_flood_of_listeners,
        memory_that_runs_out_is_an_error_and_no_exit,
        a_server_that_answers_a_syn_was_listening,
        listeners_outlive_their_connections_and_their_telling_may_stop,
        each_lends_in_order_of_id_until_it_is_told_to_stop,
        a_connection_is_found_by_who_it_is,
        a_step_lends_its_connection_as_of_now,
        finish_tells_every_record_once_by_id,
        lone_rsts_and_unmatched_icmp_are_counted_and_make_no_connection,
        one_endpoint_at_both_ends_is_harmless,
        a_state_moves_along_the_table_by_reset_or_is_marked,
        every_segment_is_in_one_record_but_lone_rsts,
        ids_are_in_order_of_first_packet,
        events_are_the_same_bytes_for_any_hash_key_and_batch_size,
        events_of_a_prefix_are_a_prefix_of_the_events,
        records_agree_with_what_was_told,
        limits_hold_against_an_adversary,
    };
    return UNIT_RUN("tracker", tests);
}
