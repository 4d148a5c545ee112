#include "pipeline.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Batches in the ring. A thread that found it full, or empty, sleeps until half of it is its own
 * again, so that waking it up costs little. */
enum { RING = 8 };

struct pipeline {
    struct source *source;
    struct fw_tracker *tracker;
    size_t batch_packets;
    bool verify_checksums;
    bool live;
    bool fills_up; /* reading never waits: a batch may be as large as it can */

    struct fw_packet *packets; /* as the source lends them */
    size_t faults_seen;
    struct batch ring[RING];
    size_t ring_size; /* 1: there is no second thread */

    /* Numbers of batches since the start, under the mutex: the ring holds filled - taken. */
    size_t filled, taken;
    bool lent;    /* to the taker; not under the mutex */
    bool stopped; /* nobody will take any more */
    bool threaded;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_room, has_batches;
};

/* ----------------------------------------------------------------------------------- a batch -- */

static void reset(struct batch *batch)
{
    *batch = (struct batch){
        .segments = batch->segments,
        .lookups = batch->lookups,
        .faults = batch->faults,
        .links = batch->links,
    };
}

/* The faults since the last time; false: no memory for them. */
static bool note_faults(struct pipeline *pipeline, struct batch *batch)
{
    struct source_fault fault;

    while (source_fault(pipeline->source, pipeline->faults_seen, &fault)) {
        struct batch_fault *grown =
            realloc(batch->faults, (batch->fault_count + 1) * sizeof *grown);

        if (!grown)
            return false;
        batch->faults = grown;
        grown[batch->fault_count++] =
            (struct batch_fault){ .before = batch->segment_count, .fault = fault };
        pipeline->faults_seen++;
    }
    return true;
}

static bool same_link(const struct link_tally *link, const struct fw_packet *packet)
{
    return link->link_type == packet->link_type && link->interface == packet->interface &&
           link->file == packet->file;
}

/* The tally that a packet belongs to; NULL: out of memory. */
static struct link_tally *find_link(struct batch *batch, const struct fw_packet *packet)
{
    for (size_t i = 0; i < batch->link_count; i++)
        if (same_link(&batch->links[i], packet))
            return &batch->links[i];

    struct link_tally *grown = realloc(batch->links, (batch->link_count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    batch->links = grown;
    grown[batch->link_count] = (struct link_tally){
        .file = packet->file,
        .link_type = packet->link_type,
        .interface = packet->interface,
    };
    return &grown[batch->link_count++];
}

static bool tally_packets(struct batch *batch, const struct fw_packet *packets, size_t count)
{
    struct link_tally *link = NULL;

    if (batch->packets == 0)
        batch->first_time = batch->earliest_time = batch->latest_time = packets[0].time;
    for (size_t i = 0; i < count; i++) {
        if (packets[i].time > batch->latest_time)
            batch->latest_time = packets[i].time;
        if (packets[i].time < batch->earliest_time)
            batch->earliest_time = packets[i].time;
        batch->captured_bytes += packets[i].captured_bytes;
        if (!link || !same_link(link, &packets[i]))
            link = find_link(batch, &packets[i]);
        if (!link)
            return false;
        link->packets++;
    }
    batch->packets += count;
    return true;
}

static void decode_packets(const struct pipeline *pipeline, struct batch *batch, size_t count)
{
    const struct fw_decode_options options = { .verify_checksums = pipeline->verify_checksums };

    for (size_t i = 0; i < count; i++) {
        struct fw_segment *segment = &batch->segments[batch->segment_count];
        enum fw_undecoded undecoded = FW_UNDECODED_NONE;
        const enum fw_verdict verdict =
            fw_decode(&pipeline->packets[i], &options, segment, &undecoded);

        batch->verdicts[verdict]++;
        if (verdict == FW_VERDICT_UNKNOWN_TUNNEL)
            batch->undecoded[undecoded]++;
        if (verdict == FW_VERDICT_SEGMENT || verdict == FW_VERDICT_ICMP_ERROR) {
            batch->fragments += segment->fragmented && verdict == FW_VERDICT_SEGMENT;
            batch->segment_count++;
        }
    }
}

static enum batch_end fill_some(struct pipeline *pipeline, struct batch *batch)
{
    const int room = (int)(pipeline->batch_packets - batch->packets);
    const int count = source_next(pipeline->source, pipeline->packets, room);

    assert(count <= room);
    if (!note_faults(pipeline, batch))
        return BATCH_NO_MEMORY;
    if (count == SOURCE_END)
        return BATCH_LAST;
    if (count == SOURCE_AGAIN)
        return BATCH_IDLE;
    if (!tally_packets(batch, pipeline->packets, (size_t)count))
        return BATCH_NO_MEMORY;
    decode_packets(pipeline, batch, (size_t)count);
    return BATCH_MORE;
}

static void fill(struct pipeline *pipeline, struct batch *batch)
{
    reset(batch);
    do
        batch->end = fill_some(pipeline, batch);
    while (pipeline->fills_up && batch->end == BATCH_MORE &&
           batch->packets < pipeline->batch_packets);
    if (pipeline->tracker)
        fw_tracker_prepare(pipeline->tracker, batch->segments, batch->segment_count,
                           batch->lookups);
    source_stats(pipeline->source, &batch->stats);
}

static bool is_final(const struct batch *batch)
{
    return batch->end == BATCH_LAST || batch->end == BATCH_NO_MEMORY;
}

/* ------------------------------------------------------------------------------- two threads -- */

/* NULL: stopped. */
static struct batch *wait_for_room(struct pipeline *pipeline)
{
    struct batch *batch = NULL;

    pthread_mutex_lock(&pipeline->mutex);
    if (pipeline->filled - pipeline->taken == RING)
        while (!pipeline->stopped && pipeline->filled - pipeline->taken > RING / 2)
            pthread_cond_wait(&pipeline->has_room, &pipeline->mutex);
    if (!pipeline->stopped)
        batch = &pipeline->ring[pipeline->filled % RING];
    pthread_mutex_unlock(&pipeline->mutex);
    return batch;
}

static void hand_over(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->filled++;
    pthread_cond_signal(&pipeline->has_batches);
    pthread_mutex_unlock(&pipeline->mutex);
}

static void *fill_ring(void *context)
{
    struct pipeline *pipeline = context;
    struct batch *batch;
    bool final = false;

    while (!final && (batch = wait_for_room(pipeline))) {
        fill(pipeline, batch);
        final = is_final(batch);
        hand_over(pipeline);
    }
    return NULL;
}

static struct batch *take_from_ring(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    if (pipeline->lent) {
        pipeline->taken++;
        if (pipeline->filled - pipeline->taken == RING / 2)
            pthread_cond_signal(&pipeline->has_room);
    }
    while (pipeline->filled == pipeline->taken)
        pthread_cond_wait(&pipeline->has_batches, &pipeline->mutex);
    struct batch *batch = &pipeline->ring[pipeline->taken % RING];
    pthread_mutex_unlock(&pipeline->mutex);
    pipeline->lent = true;
    return batch;
}

/* Signals are for the first thread: a write that waits must return. */
static bool start_thread(struct pipeline *pipeline)
{
    sigset_t all, before;

    if (pthread_mutex_init(&pipeline->mutex, NULL) != 0)
        return false;
    pthread_cond_init(&pipeline->has_room, NULL);
    pthread_cond_init(&pipeline->has_batches, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pipeline->threaded = pthread_create(&pipeline->thread, NULL, fill_ring, pipeline) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pipeline->threaded;
}

/* The thread may wait for a pipe that says nothing more. */
static void stop_thread(struct pipeline *pipeline)
{
    const bool interrupted = source_interrupted();

    pthread_mutex_lock(&pipeline->mutex);
    pipeline->stopped = true;
    pthread_cond_signal(&pipeline->has_room);
    pthread_mutex_unlock(&pipeline->mutex);
    source_interrupt();
    pthread_join(pipeline->thread, NULL);
    if (!interrupted)
        source_interrupt_clear();
}

/* ---------------------------------------------------------------------------------- pipeline -- */

static bool allocate(struct pipeline *pipeline)
{
    const size_t count = pipeline->batch_packets;

    pipeline->packets = calloc(count, sizeof *pipeline->packets);
    for (size_t i = 0; i < pipeline->ring_size; i++) {
        pipeline->ring[i].segments = calloc(count, sizeof *pipeline->ring[i].segments);
        pipeline->ring[i].lookups = calloc(count, sizeof *pipeline->ring[i].lookups);
        if (!pipeline->ring[i].segments || !pipeline->ring[i].lookups)
            return false;
    }
    return pipeline->packets;
}

struct pipeline *pipeline_create(const struct pipeline_options *options)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    struct source_stats stats = { 0 };

    if (!pipeline)
        return NULL;
    pipeline->source = options->source;
    pipeline->tracker = options->tracker;
    pipeline->batch_packets = options->batch_packets ? options->batch_packets : PIPELINE_BATCH;
    pipeline->verify_checksums = options->verify_checksums;
    pipeline->live = options->live;
    if (!options->live)
        source_stats(options->source, &stats);
    pipeline->fills_up = stats.bytes_total > 0; /* files, no pipe */
    pipeline->ring_size = options->threads > 1 && !options->live ? RING : 1;
    if (!allocate(pipeline)) {
        pipeline_destroy(pipeline);
        return NULL;
    }
    if (pipeline->ring_size > 1)
        start_thread(pipeline);
    return pipeline;
}

void pipeline_destroy(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    if (pipeline->threaded)
        stop_thread(pipeline);
    for (size_t i = 0; i < pipeline->ring_size; i++) {
        free(pipeline->ring[i].segments);
        free(pipeline->ring[i].lookups);
        free(pipeline->ring[i].faults);
        free(pipeline->ring[i].links);
    }
    free(pipeline->packets);
    free(pipeline);
}

unsigned pipeline_threads(const struct pipeline *pipeline)
{
    return pipeline->threaded ? 2 : 1;
}

struct batch *pipeline_next(struct pipeline *pipeline)
{
    if (pipeline->threaded)
        return take_from_ring(pipeline);
    fill(pipeline, &pipeline->ring[0]);
    return &pipeline->ring[0];
}
