#include "play.h"

#include "unit.h"

#include <string.h>

/* ------------------------------------------------------- a capture of five packets, and a clock --
 */

static const double times[] = { 0, 1, 1, 5, 3600 };
enum { COUNT = sizeof times / sizeof times[0] };

static struct source inner;
static int lent;
static int64_t now_ns, waited_ns;
static struct top_play play;
static struct kept *kept;
static struct source *source;

static int inner_next(struct source *self, struct fw_packet *packets, int max)
{
    static const uint8_t data[60];
    int count = 0;

    (void)self;
    for (; lent < COUNT && count < max && count < 2; lent++)
        packets[count++] = (struct fw_packet){
            .time = (fw_time)(times[lent] * 1e9),
            .frame = (uint64_t)lent + 1,
            .data = data,
            .captured_bytes = sizeof data,
            .sent_bytes = sizeof data,
        };
    return count;
}

static void inner_destroy(struct source *self)
{
    (void)self;
}

static const struct source_ops inner_ops = { .next = inner_next, .destroy = inner_destroy };

static int64_t now(void *context)
{
    (void)context;
    return now_ns;
}

static void wait(void *context, int64_t ns)
{
    (void)context;
    waited_ns = ns;
}

static void start(double speed, bool live)
{
    source_destroy(source);
    kept_destroy(kept);
    kept = kept_create(1 << 16);
    ck_assert_ptr_nonnull(kept);
    inner.ops = &inner_ops;
    lent = 0;
    now_ns = 77 * FW_SECOND;
    play = (struct top_play){ .speed = speed };
    source = play_create(&(struct play_options){
        .source = &inner,
        .kept = kept,
        .play = live ? NULL : &play,
        .pipe = -1,
        .clock = now,
        .wait = wait,
    });
    ck_assert_ptr_nonnull(source);
}

/* How many packets have had their time. */
static int take(void)
{
    struct fw_packet packets[8];

    return source_next(source, packets, 8);
}

static void passes(double seconds)
{
    now_ns += (int64_t)(seconds * 1e9);
}

START_TEST(packets_come_when_their_time_has)
{
    start(1, false);
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(take(), SOURCE_AGAIN);
    ck_assert_int_eq(waited_ns, 50 * FW_MILLISECOND);
    passes(0.98);
    ck_assert_int_eq(take(), SOURCE_AGAIN);
    ck_assert_int_eq(waited_ns, 20 * FW_MILLISECOND);
    passes(0.02);
    ck_assert_int_eq(take(), 1); /* as its source lends them: two by two */
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(take(), SOURCE_AGAIN);
    ck_assert_int_eq(play.now, FW_SECOND);
    ck_assert_int_eq(play.next, 5 * FW_SECOND);
}
END_TEST

START_TEST(twice_the_speed_needs_half_the_time)
{
    start(2, false);
    ck_assert_int_eq(take(), 1);
    passes(0.5);
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(play.now, FW_SECOND);
    ck_assert_int_eq(take(), 1);
    play.speed = 8;
    passes(0.5);
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(play.now, 5 * FW_SECOND);
}
END_TEST

START_TEST(a_pause_stops_the_clock_and_steps_go_on)
{
    start(1, false);
    ck_assert_int_eq(take(), 1);
    play.paused = true;
    passes(100);
    ck_assert_int_eq(take(), SOURCE_AGAIN);
    ck_assert_int_eq(play.now, 0);
    play.steps = 2;
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(play.now, FW_SECOND);
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(take(), SOURCE_AGAIN);
    play.paused = false;
    ck_assert_int_eq(take(), SOURCE_AGAIN); /* not what would have come meanwhile */
    passes(4);
    ck_assert_int_eq(take(), 1);
}
END_TEST

START_TEST(at_full_speed_all_comes_at_once_and_then_nothing_ends)
{
    int count = 0, got;

    start(0, false);
    while ((got = take()) > 0)
        count += got;
    ck_assert_int_eq(count, COUNT);
    ck_assert_int_eq(got, SOURCE_AGAIN);
    ck_assert(play.at_end);
    ck_assert_int_eq(play.now, 3600 * FW_SECOND); /* the last packet's */
    passes(10);
    ck_assert_int_eq(take(), SOURCE_AGAIN);
    ck_assert_int_eq(play.now, 3600 * FW_SECOND);
    source_interrupt();
    ck_assert_int_eq(take(), SOURCE_END);
    source_interrupt_clear();
}
END_TEST

START_TEST(what_is_live_passes)
{
    start(1, true);
    ck_assert_int_eq(take(), 2);
    ck_assert_int_eq(take(), 2);
    ck_assert_int_eq(take(), 1);
    ck_assert_int_eq(take(), SOURCE_END);
}
END_TEST

START_TEST(what_passes_is_kept)
{
    start(1, false);
    ck_assert_int_eq(take(), 1);
    kept_claim(kept, 1, 7, false);
    kept_claim(kept, 2, 7, false); /* not yet */
    ck_assert_uint_eq(kept_count(kept, 7), 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        packets_come_when_their_time_has,
        twice_the_speed_needs_half_the_time,
        a_pause_stops_the_clock_and_steps_go_on,
        at_full_speed_all_comes_at_once_and_then_nothing_ends,
        what_is_live_passes,
        what_passes_is_kept,
    };
    const int status = UNIT_RUN("play", tests);
    source_destroy(source);
    kept_destroy(kept);
    return status;
}
