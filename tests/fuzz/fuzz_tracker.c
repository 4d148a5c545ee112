/*
 * A tracker, fed by somebody who knows TCP and means no good (segments.h). Held to, for any script:
 *
 * - a state moves along the table of docs/states.md, by a reset, or is marked inferred or
 * corrected; what a record says follows from what was told (observer.h)
 * - the same events whatever the hash key, the size of batches, and whether endings are told in
 * full or in brief; after each batch exactly those that one segment at a time would have given (a
 * prefix gives a prefix)
 * - connections and memory within their limits, after each batch
 * - every segment is in one record, every connection has one, ids are in order of first packet
 */
#include "harness.h"
#include "observer.h"
#include "segments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct script script;
static uint64_t digests[SCRIPT_ITEMS + 1]; /* of the events after so many items, one at a time */

/* One run of the script. */
struct run {
    struct fw_tracker *tracker;
    struct observer observer;
    size_t batch;
    bool checked; /* against the digests of the run before, which one at a time wrote */
};

static void check_limits(const struct run *run)
{
    const struct fw_tracker_options *options = &script.options;
    struct fw_tracker_counts counts;

    fw_tracker_counts(run->tracker, &counts);
    FUZZ_CHECK(options->max_connections == 0 || counts.live_peak <= options->max_connections);
    FUZZ_CHECK(options->max_memory_bytes == 0 ||
               counts.memory_peak_bytes <= options->max_memory_bytes);
    FUZZ_CHECK(counts.bucket_peak <= 30); /* of so few, whatever the addresses and the key */
    FUZZ_CHECK(counts.live <= counts.live_peak && counts.memory_bytes <= counts.memory_peak_bytes);
}

/* All connections, by id, none of them over. */
struct lending {
    const struct observer *observer;
    uint64_t count, last_id;
};

static bool check_lent(void *context, const struct fw_connection *connection)
{
    struct lending *lending = context;
    const uint64_t id = connection->identity.id;

    FUZZ_CHECK(id > lending->last_id);
    FUZZ_CHECK(id > lending->observer->count || !lending->observer->connections[id - 1].ended);
    lending->last_id = id;
    lending->count++;
    return true;
}

static bool check_listener(void *context, const struct fw_listener *listener)
{
    uint64_t *fewest = context;

    FUZZ_CHECK(listener->synacks > 0 && listener->synacks <= *fewest);
    *fewest = listener->synacks;
    return true;
}

static void look_at_all(const struct run *run)
{
    struct lending lending = { .observer = &run->observer };
    uint64_t fewest = UINT64_MAX;
    struct fw_tracker_counts counts;

    fw_tracker_counts(run->tracker, &counts);
    fw_tracker_each(run->tracker, check_lent, &lending);
    FUZZ_CHECK(lending.count == counts.live || fuzz_memory_ran_out());
    fw_tracker_each_listener(run->tracker, check_listener, &fewest);
}

/* As many items as make a batch: segments, or one of the others. */
static size_t batch_at(size_t at, size_t most)
{
    size_t count = 0;

    while (at + count < script.count && count < most &&
           script.items[at + count].kind == ITEM_SEGMENT)
        count++;
    return count > 0 ? count : 1;
}

static int take(struct run *run, size_t at, size_t count)
{
    static struct fw_segment segments[SCRIPT_ITEMS];

    switch (script.items[at].kind) {
    case ITEM_ADVANCE:
        fw_tracker_advance(run->tracker, script.items[at].now);
        return 0;
    case ITEM_EACH:
        look_at_all(run);
        return 0;
    case ITEM_SEGMENT:
        break;
    }
    for (size_t i = 0; i < count; i++)
        segments[i] = script.items[at + i].segment;
    if (!run->checked)
        return fw_tracker_feed(run->tracker, segments, count);
    struct fw_lookup lookups[SCRIPT_ITEMS];
    fw_tracker_prepare(run->tracker, segments, count, lookups);
    return fw_tracker_feed_prepared(run->tracker, segments, lookups, count);
}

static void check_end(const struct run *run)
{
    const struct observer *observer = &run->observer;
    uint64_t segments = 0, first_frame = 0;
    struct fw_tracker_counts counts;

    for (size_t i = 0; i < script.count; i++)
        segments += script.items[i].kind == ITEM_SEGMENT;
    fw_tracker_counts(run->tracker, &counts);
    FUZZ_CHECK(counts.live == 0);
    FUZZ_CHECK(observer->end_count == counts.connections);
    FUZZ_CHECK(observer->transition_count == counts.transitions);
    FUZZ_CHECK(counts.segments + counts.icmp_errors + counts.notes[FW_NOTE_BAD_CHECKSUM] ==
               segments);
    FUZZ_CHECK(observer_packets(observer) == counts.segments - counts.lone_rsts);
    for (size_t i = 0; i < observer->count; i++) {
        const struct observed *observed = &observer->connections[i];
        if (!observed->ended)
            continue;
        FUZZ_CHECK(observed->record.first_frame > first_frame);
        first_frame = observed->record.first_frame;
    }
}

static void feed_all(struct run *run)
{
    size_t count;

    for (size_t at = 0; at < script.count; at += count) {
        count = batch_at(at, run->batch);
        const int error = take(run, at, count);
        if (error == -ENOMEM && fuzz_memory_ran_out())
            return;
        FUZZ_CHECK(error == 0);
        if (fuzz_is_starved())
            continue;
        FUZZ_CHECK_SAYS(run->observer.fault[0] == '\0', run->observer.fault);
        FUZZ_CHECK(!run->checked || digests[at + count] == run->observer.digest);
        digests[at + count] = run->observer.digest;
        check_limits(run);
    }
}

/* Returns the digest of all events and records. */
static uint64_t run_script(size_t batch, bool checked, const uint8_t hash_key[16])
{
    static const struct fw_hooks deaf; /* observing takes memory, too */
    struct run run = { .batch = batch, .checked = checked };
    struct fw_tracker_options options = script.options;

    memcpy(options.hash_key, hash_key, sizeof(options.hash_key));
    observer_init_quiet(&run.observer);
    if (getenv("FUZZ_VERBOSE"))
        observer_init(&run.observer);
    const struct fw_hooks *hooks = checked ? &observer_brief_hooks : &observer_hooks;
    run.tracker = fw_tracker_create(&options, fuzz_is_starved() ? &deaf : hooks, &run.observer);
    FUZZ_CHECK(run.tracker || fuzz_memory_ran_out());
    if (run.tracker) {
        if (script.expected_connections)
            fw_tracker_expect(run.tracker, script.expected_connections);
        feed_all(&run);
        fw_tracker_finish(run.tracker);
        if (run.observer.log) {
            observer_flush(&run.observer);
            fprintf(stderr, "batches of %zu:\n%s", batch, run.observer.log_text);
        }
        FUZZ_CHECK_SAYS(run.observer.fault[0] == '\0', run.observer.fault);
        if (!fuzz_is_starved())
            check_end(&run);
    }
    fw_tracker_destroy(run.tracker);
    const uint64_t digest = run.observer.digest;
    observer_finish(&run.observer);
    return digest;
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static const uint8_t no_key[16];

    script_read(&script, data, size);
    const uint64_t one_by_one = run_script(1, false, no_key);
    if (!fuzz_is_starved())
        FUZZ_CHECK(run_script(script.batch, true, script.hash_key) == one_by_one);
}
