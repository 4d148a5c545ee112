#include "top_story.h"

#include <errno.h>

struct telling {
    const struct view_ops *ops;
    struct view *view;
    struct fw_tracker *tracker;
    bool verify_checksums;
    struct summary summary;
    int error;
};

static void on_step(void *context, const struct fw_step *step)
{
    const struct telling *telling = context;

    telling->ops->hooks.step(telling->view, step);
}

static void on_segment(void *context, const struct fw_step *step)
{
    const struct telling *telling = context;

    telling->ops->hooks.segment(telling->view, step);
}

static void on_end(void *context, const struct fw_connection *connection)
{
    struct telling *telling = context;

    telling->summary.outcomes[outcome_of(connection)]++;
    telling->ops->hooks.end(telling->view, connection);
}

static bool take(void *context, const struct fw_packet *packet)
{
    struct telling *telling = context;
    const struct fw_decode_options options = { .verify_checksums = telling->verify_checksums };
    struct fw_segment segment;
    const enum fw_verdict verdict = fw_decode(packet, &options, &segment, NULL);

    telling->summary.packets++;
    telling->summary.verdicts[verdict]++;
    if (verdict == FW_VERDICT_SEGMENT || verdict == FW_VERDICT_ICMP_ERROR)
        telling->error = fw_tracker_feed(telling->tracker, &segment, 1);
    return telling->error == 0;
}

static void finish(struct telling *telling, struct view_options *options, fw_time now)
{
    fw_tracker_advance(telling->tracker, now);
    options->ended = true;
    options->last_time = telling->summary.last_time = now;
    fw_tracker_finish(telling->tracker);
    fw_tracker_counts(telling->tracker, &telling->summary.tracker);
    telling->ops->finish(telling->view, &telling->summary);
}

int top_story_tell(struct out *out, const struct top_host *host, uint64_t id, enum top_story story,
                   const struct view_options *options, fw_time now)
{
    static const struct fw_hooks hooks = { .step = on_step, .segment = on_segment, .end = on_end };
    struct view_options wanted = *options;
    struct telling telling = {
        .ops = story == TOP_DIAGNOSIS ? &view_diagnose : &view_show,
        .verify_checksums = host->tracking->drop_bad_checksums,
        .summary.first_time = options->first_time,
    };

    wanted.live = false;
    wanted.selection = NULL;
    wanted.ladder = story == TOP_LADDER;
    telling.tracker = fw_tracker_create(host->tracking, &hooks, &telling);
    telling.view = telling.tracker ? telling.ops->create(&wanted, out) : NULL;
    telling.error = telling.view ? 0 : -ENOMEM;
    if (telling.view && !kept_each(host->kept, id, take, &telling))
        telling.error = -ENOMEM;
    if (telling.view)
        finish(&telling, &wanted, now);
    if (telling.view)
        telling.ops->destroy(telling.view);
    fw_tracker_destroy(telling.tracker);
    return out->error ? -ENOMEM : telling.error;
}
