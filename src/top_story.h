/*
 * The packets of one connection that are kept, told once more: through a tracker of their own into
 * the view that tells such a story anyway. Level 4.
 */
#ifndef TOP_STORY_H
#define TOP_STORY_H

#include "finwait/finwait.h"

#include "out.h"
#include "top.h"
#include "view.h"

enum top_story { TOP_TIMELINE, TOP_LADDER, TOP_DIAGNOSIS };

/* Writes it as of `now`. Options say how: names, width, times. Returns 0 or -ENOMEM. */
int top_story_tell(struct out *out, const struct top_host *host, uint64_t id, enum top_story story,
                   const struct view_options *options, fw_time now);

#endif
