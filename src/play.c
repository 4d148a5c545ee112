#include "play.h"

#include <poll.h>
#include <stdlib.h>

enum { BATCH = 256 };

/* Without packets the caller is to look after its timers and its screen. */
static const int64_t longest_wait_ns = 50 * FW_MILLISECOND;

struct playing {
    struct source source;
    struct play_options options;
    int64_t clock; /* when play->now was set */
    bool started;
    struct fw_packet packets[BATCH]; /* lent by the source, not yet by us */
    int count, next;
};

/* The capture's time goes on as the clock does. */
static void pass_time(struct playing *playing)
{
    struct top_play *play = playing->options.play;
    const int64_t clock = playing->options.clock(playing->options.context);
    const double passed = (double)(clock - playing->clock) * play->speed;
    const fw_time most = (INT64_MAX - (play->now > 0 ? play->now : 0)) / 2;

    playing->clock = clock;
    if (play->paused || play->at_end || !playing->started || play->speed <= 0)
        return;
    play->now += passed < (double)most ? (int64_t)passed : most;
}

/* A pipe that says nothing does not stop the screen: its source is asked when it has something, or
 * lent as many packets as we took, and may have more. */
static bool would_wait(const struct playing *playing)
{
    struct pollfd fd = { .fd = playing->options.pipe, .events = POLLIN };

    return playing->options.pipe >= 0 && playing->count < BATCH && poll(&fd, 1, 0) == 0;
}

/* Has packets at hand; else the input has ended, or has none at the moment. */
static bool fetch(struct playing *playing)
{
    struct top_play *play = playing->options.play;

    if (play->at_end)
        return false;
    if (playing->next < playing->count)
        return true;
    if (would_wait(playing))
        return false;
    playing->next = 0;
    playing->count = source_next(playing->options.source, playing->packets, BATCH);
    if (playing->count <= 0) {
        playing->count = 0;
        play->at_end = true;
        return false;
    }
    if (!playing->started) {
        play->now = playing->packets[0].time;
        playing->clock = playing->options.clock(playing->options.context);
        playing->started = true;
    }
    return true;
}

/* How many of the packets at hand have had their time. */
static int count_due(struct playing *playing, int max)
{
    struct top_play *play = playing->options.play;
    int due = 0;

    if (play->paused) {
        due = play->steps > 0;
        play->steps -= play->steps > 0;
    } else {
        while (playing->next + due < playing->count && due < max &&
               (play->speed <= 0 || playing->packets[playing->next + due].time <= play->now))
            due++;
    }
    for (int i = 0; i < due; i++)
        if (playing->packets[playing->next + i].time > play->now)
            play->now = playing->packets[playing->next + i].time;
    return due;
}

static void wait_for_next(struct playing *playing)
{
    const struct top_play *play = playing->options.play;
    int64_t wait = longest_wait_ns;

    if (!play->at_end && !play->paused && play->speed > 0) {
        const double until = (double)(play->next - play->now) / play->speed;
        if (until < (double)wait)
            wait = until > 0 ? (int64_t)until : 0;
    }
    playing->options.wait(playing->options.context, wait);
}

static int play_next(struct playing *playing, struct fw_packet *packets, int max)
{
    struct top_play *play = playing->options.play;
    int due = 0;

    if (source_interrupted())
        return SOURCE_END;
    const bool any = fetch(playing);
    pass_time(playing);
    if (any)
        due = count_due(playing, max);
    for (int i = 0; i < due; i++)
        packets[i] = playing->packets[playing->next++];
    if (playing->next < playing->count)
        play->next = playing->packets[playing->next].time;
    if (due > 0)
        return due;
    wait_for_next(playing);
    return SOURCE_AGAIN;
}

static bool begin(struct source *source, struct source_fault *fault)
{
    return source_begin(((struct playing *)source)->options.source, fault);
}

static int next(struct source *source, struct fw_packet *packets, int max)
{
    struct playing *playing = (struct playing *)source;
    const int count = playing->options.play ? play_next(playing, packets, max)
                                            : source_next(playing->options.source, packets, max);

    if (count > 0)
        kept_add(playing->options.kept, packets, count);
    return count;
}

static bool fault(struct source *source, size_t index, struct source_fault *fault)
{
    return source_fault(((struct playing *)source)->options.source, index, fault);
}

static void stats(struct source *source, struct source_stats *stats)
{
    source_stats(((struct playing *)source)->options.source, stats);
}

static bool device(struct source *source, size_t index, struct source_device *device)
{
    return source_device(((struct playing *)source)->options.source, index, device);
}

static void destroy(struct source *source)
{
    source_destroy(((struct playing *)source)->options.source);
    free(source);
}

static const struct source_ops play_ops = {
    .begin = begin,
    .next = next,
    .fault = fault,
    .stats = stats,
    .device = device,
    .destroy = destroy,
};

struct source *play_create(const struct play_options *options)
{
    struct playing *playing = calloc(1, sizeof *playing);

    if (!playing) {
        source_destroy(options->source);
        return NULL;
    }
    playing->source.ops = &play_ops;
    playing->options = *options;
    playing->count = playing->next = BATCH; /* what was read when it was opened is there */
    return &playing->source;
}
