#include "pipeline.h"

#include "capture_builder.h"
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 20000, BATCH = 100 };

static struct builder builder;
static struct source *source;
static struct pipeline *pipeline;

/* ------------------------------------------------------------------------------------ inputs -- */

static void build_segments(uint32_t first, uint32_t count)
{
    uint8_t frame[BUILD_TCP_BYTES];

    for (uint32_t i = first; i < first + count; i++) {
        build_tcp(frame, 50001, 80, i, 0, FW_ACK);
        build_pcap_packet(&builder, i * FW_MILLISECOND, frame, sizeof frame, sizeof frame);
    }
}

/* A capture of so many segments, without its last bytes; the path is lent until the same number
 * is asked for again. */
static const char *file_of(unsigned number, uint32_t segments, size_t cut_bytes)
{
    static char paths[2][256];
    char name[32];

    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    build_segments(1, segments);
    builder.count -= cut_bytes;
    snprintf(name, sizeof name, "pipeline%u.pcap", number);
    snprintf(paths[number], sizeof paths[number], "%s", build_save(&builder, name));
    build_finish(&builder);
    return paths[number];
}

static void open_paths(const char *const *paths, size_t count, uint64_t max_packets)
{
    struct source_fault fault;

    source_interrupt_clear();
    source = source_open_files(paths, count, NULL, max_packets, &fault);
    ck_assert_msg(source, "%s", fault.text);
}

static void start(unsigned threads, size_t batch_packets)
{
    pipeline = pipeline_create(&(struct pipeline_options){
        .source = source,
        .batch_packets = batch_packets,
        .threads = threads,
    });
    ck_assert_ptr_nonnull(pipeline);
    ck_assert_uint_eq(pipeline_threads(pipeline), threads);
}

static void finish(void)
{
    pipeline_destroy(pipeline);
    source_destroy(source);
}

/* ------------------------------------------------------------------------------------- tests -- */

START_TEST(every_segment_comes_in_order_and_is_counted)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        const char *path = file_of(0, MANY, 0);
        const struct batch *batch;
        uint32_t seen = 0;
        uint64_t packets = 0, verdicts = 0, links = 0;

        open_paths(&path, 1, 0);
        start(threads, BATCH);
        do {
            batch = pipeline_next(pipeline);
            ck_assert_uint_le(batch->packets, BATCH);
            for (size_t i = 0; i < batch->segment_count; i++)
                ck_assert_uint_eq(batch->segments[i].seq, ++seen);
            if (batch->packets > 0) {
                ck_assert_int_eq(batch->first_time, (packets + 1) * FW_MILLISECOND);
                ck_assert_int_eq(batch->earliest_time, batch->first_time);
                ck_assert_int_eq(batch->latest_time, (packets + batch->packets) * FW_MILLISECOND);
                links += batch->links[0].packets;
            }
            packets += batch->packets;
            verdicts += batch->verdicts[FW_VERDICT_SEGMENT];
            ck_assert_uint_eq(batch->stats.packets, packets);
        } while (batch->end == BATCH_MORE);
        ck_assert_int_eq(batch->end, BATCH_LAST);
        ck_assert_uint_eq(packets, MANY);
        ck_assert_uint_eq(verdicts, MANY);
        ck_assert_uint_eq(links, MANY);
        finish();
    }
}
END_TEST

START_TEST(a_file_fills_its_batches)
{
    const char *const paths[] = { file_of(0, 300, 0), file_of(1, 300, 0) };

    open_paths(paths, 2, 0);
    start(1, BATCH);
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(pipeline_next(pipeline)->packets, BATCH);
    ck_assert_int_eq(pipeline_next(pipeline)->end, BATCH_LAST);
    finish();
}
END_TEST

/* One of two files is cut in the middle of the other: between the same two segments whatever the
 * batch. */
START_TEST(a_fault_has_its_place_among_the_segments)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        for (size_t batch_packets = 1; batch_packets <= 1000; batch_packets *= 10) {
            const char *const paths[] = { file_of(0, 50, 3), file_of(1, 200, 0) };
            const struct batch *batch;
            size_t before = 0, place = 0, faults = 0;

            open_paths(paths, 2, 0);
            start(threads, batch_packets);
            do {
                batch = pipeline_next(pipeline);
                for (size_t i = 0; i < batch->fault_count; i++, faults++)
                    place = before + batch->faults[i].before;
                before += batch->segment_count;
            } while (batch->end == BATCH_MORE);
            ck_assert_uint_eq(before, 249);
            ck_assert_uint_eq(faults, 1);
            ck_assert_uint_eq(place, 97); /* 49 of the one, and 48 of the other before that */
            finish();
        }
    }
}
END_TEST

START_TEST(a_count_ends_the_input)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        const char *path = file_of(0, MANY, 0);
        const struct batch *batch;
        uint64_t packets = 0;

        open_paths(&path, 1, 1234);
        start(threads, BATCH);
        do
            packets += (batch = pipeline_next(pipeline))->packets;
        while (batch->end == BATCH_MORE);
        ck_assert_uint_eq(packets, 1234);
        finish();
    }
}
END_TEST

START_TEST(it_may_be_left_at_any_time)
{
    for (int taken = 0; taken < 20; taken++) {
        const char *path = file_of(0, MANY, 0);

        open_paths(&path, 1, 0);
        start(2, BATCH);
        for (int i = 0; i < taken; i++)
            ck_assert_int_eq(pipeline_next(pipeline)->end, BATCH_MORE);
        finish();
        ck_assert(!source_interrupted());
    }
}
END_TEST

/* A pipe that stays open: what came through it is there before more is written. */
static int open_pipe(uint32_t segments)
{
    int ends[2];
    char path[32];
    const char *paths[1] = { path };

    ck_assert_int_eq(pipe(ends), 0);
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    build_segments(1, segments);
    ck_assert_int_eq(write(ends[1], builder.bytes, builder.count), (ssize_t)builder.count);
    build_finish(&builder);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    open_paths(paths, 1, 0);
    close(ends[0]);
    return ends[1];
}

START_TEST(a_pipe_keeps_nothing_back)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        const int writer = open_pipe(BATCH);

        start(threads, BATCH);
        ck_assert_uint_eq(pipeline_next(pipeline)->packets, BATCH);
        build_segments(1, 1);
        ck_assert_int_eq(write(writer, builder.bytes, builder.count), (ssize_t)builder.count);
        build_finish(&builder);
        ck_assert_uint_eq(pipeline_next(pipeline)->packets, 1);
        finish();
        close(writer);
    }
}
END_TEST

START_TEST(a_silent_pipe_can_be_left)
{
    const int writer = open_pipe(3);

    start(2, BATCH);
    ck_assert_uint_eq(pipeline_next(pipeline)->packets, 3);
    finish();
    ck_assert(!source_interrupted());
    close(writer);
}
END_TEST

START_TEST(an_interrupt_ends_a_silent_pipe_after_what_it_held)
{
    const int writer = open_pipe(3);
    const struct batch *batch;
    uint64_t packets = 0;

    start(2, BATCH);
    source_interrupt();
    do
        packets += (batch = pipeline_next(pipeline))->packets;
    while (batch->end == BATCH_MORE);
    ck_assert_uint_eq(packets, 3);
    finish();
    ck_assert(source_interrupted()); /* the user's own stays */
    close(writer);
}
END_TEST

START_TEST(signals_stay_with_the_first_thread)
{
    const int writer = open_pipe(3);
    sigset_t blocked;

    start(2, BATCH);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    ck_assert(!sigismember(&blocked, SIGINT));
    ck_assert(!sigismember(&blocked, SIGTERM));
    finish();
    close(writer);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_segment_comes_in_order_and_is_counted,
        a_file_fills_its_batches,
        a_fault_has_its_place_among_the_segments,
        a_count_ends_the_input,
        it_may_be_left_at_any_time,
        a_pipe_keeps_nothing_back,
        a_silent_pipe_can_be_left,
        an_interrupt_ends_a_silent_pipe_after_what_it_held,
        signals_stay_with_the_first_thread,
    };
    return UNIT_RUN("pipeline", tests);
}
