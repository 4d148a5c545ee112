/* finwait explain [STATE...]: what a state means. */
#include "commands.h"
#include "explain.h"
#include "suggest.h"

#include <string.h>

static int refuse(const char *word)
{
    struct suggestion suggestion;
    char text[128];

    suggestion_init(&suggestion, word);
    for (const struct explanation *row = explanations; row->line; row++)
        for (enum fw_names names = FW_NAMES_RFC; names <= FW_NAMES_NETSTAT; names++)
            suggestion_offer(&suggestion, fw_state_name(row->state, names));
    complain("finwait explain lists them all", "\"%.60s\" is no state of TCP%s", word,
             suggestion_text(&suggestion, text, sizeof text));
    return EXIT_USAGE;
}

int cmd_explain(const struct command *command, const struct options *options,
                const struct surroundings *surroundings, struct out *out)
{
    const struct explain_options explain = {
        .names = options->names,
        .width = surroundings->width,
        .color =
            options->color == COLOR_ALWAYS || (options->color == COLOR_AUTO && surroundings->color),
        .utf8 = surroundings->utf8,
    };
    enum fw_state states[16];

    (void)command;
    for (size_t i = 0; i < options->operand_count; i++) {
        const char *word = options->operands[i];
        if (!fw_state_parse(word, strlen(word), &states[i]) || states[i] == FW_UNKNOWN)
            return refuse(word);
    }
    if (options->operand_count == 0)
        explain_all(out, &explain);
    for (size_t i = 0; i < options->operand_count; i++) {
        if (i > 0)
            out_char(out, '\n');
        explain_state(out, &explain, states[i]);
    }
    return EXIT_DONE;
}
