/* -q: the summary only. */
#include <stdlib.h>

#include "summary.h"
#include "view.h"

struct view {
    const struct view_options *options;
    struct out *out;
};

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);

    if (view)
        *view = (struct view){ options, out };
    return view;
}

static void finish(struct view *view, const struct summary *summary)
{
    summary_print(view->out, view->options, summary, true);
}

static void destroy(struct view *view)
{
    free(view);
}

const struct view_ops view_quiet = {
    .name = "quiet",
    .create = create,
    .finish = finish,
    .destroy = destroy,
};
