/*
 * verify: no text of its own, since the report may need the input a second time (cmd_verify.c).
 * What it is told goes to whoever judges or records it.
 */
#include <errno.h>
#include <stdlib.h>

#include "golden.h"
#include "out.h"
#include "verify.h"
#include "view.h"

struct view {
    const struct view_options *options;
    struct out *out;
    struct verify_run *run;
};

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);

    if (view)
        *view = (struct view){ options, out, options->verify_run };
    return view;
}

static void destroy(struct view *view)
{
    free(view);
}

static void need_memory(struct view *view, bool good)
{
    if (!good)
        view->out->error = ENOMEM;
}

static void step(void *context, const struct fw_step *step)
{
    struct view *view = context;

    if (view->run->golden)
        need_memory(view, golden_step(view->run->golden, step));
}

static void segment(void *context, const struct fw_step *step)
{
    struct view *view = context;

    verify_segment(view->run->verify, step);
}

/* A connection that the end of the input ends has lasted until then. */
static void end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;
    const fw_time until = view->options->ended ? view->options->last_time : connection->last_time;

    if (view->run->verify)
        need_memory(view, verify_end(view->run->verify, connection, until));
    if (view->run->golden)
        need_memory(view, golden_end(view->run->golden, connection));
}

static bool is_done(const struct view *view)
{
    return view->run->ends_early && verify_is_decided(view->run->verify);
}

const struct view_ops view_verify = {
    .name = "verify",
    .wants_segments = true,
    .create = create,
    .hooks = { .step = step, .segment = segment, .end = end },
    .is_done = is_done,
    .destroy = destroy,
};

static void record(void *context, const struct fw_step *step)
{
    struct view *view = context;

    evidence_take(view->run->evidence, step);
}

static bool has_recorded(const struct view *view)
{
    return evidence_is_done(view->run->evidence);
}

const struct view_ops view_evidence = {
    .name = "evidence",
    .wants_segments = true,
    .create = create,
    .hooks = { .segment = record },
    .is_done = has_recorded,
    .destroy = destroy,
};
