/* finwait explain: what a state means. */
#include "commands.h"

int cmd_explain(const struct command *command, const struct options *options,
                const struct surroundings *surroundings, struct out *out)
{
    (void)command;
    (void)options;
    (void)surroundings;
    out_text(out, "not here yet\n");
    return EXIT_DONE;
}
