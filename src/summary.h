/* The end of every view for people: how the connections ended, and all that must not be silent. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "out.h"
#include "view.h"

/* `hint`: name the command that says more of what did not end well. */
void summary_print(struct out *out, const struct view_options *options,
                   const struct summary *summary, bool hint);

#endif
