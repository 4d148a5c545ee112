/* Any words, each behind a NUL byte, as the command line. */
#include "commands.h"
#include "harness.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = 64 };

static void check_accepted(const struct options *options, int argc)
{
    FUZZ_CHECK(options->command != NULL);
    FUZZ_CHECK(options->operand_count <= (size_t)argc && options->file_count <= (size_t)argc);
    FUZZ_CHECK(options->format < FORMAT_COUNT);
    FUZZ_CHECK(options->operand_count <= options->command->operands_max || options->help ||
               options->version);
    FUZZ_CHECK(options->command->takes_filter || !options->filter);
    FUZZ_CHECK(options->for_ns >= 0 && options->every_ns >= 0);
    FUZZ_CHECK(options->idle_ns >= -1 && options->msl_ns >= -1);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    char name[] = "finwait", *words[WORDS + 1] = { name };
    char error[128] = "", hint[128] = "", error_again[128] = "", hint_again[128] = "";
    char *text = fuzz_text(data, size);
    struct options options;
    int argc = 1;

    if (!text)
        return;
    for (char *at = text; at < text + size && argc < WORDS; at += strlen(at) + 1)
        words[argc++] = at;
    const bool accepted =
        options_parse(&options, argc, words, error, sizeof(error), hint, sizeof(hint));
    FUZZ_CHECK(accepted || *error || fuzz_memory_ran_out());
    if (accepted)
        check_accepted(&options, argc);
    options_finish(&options);
    if (!fuzz_is_starved()) { /* the same words, the same answer */
        FUZZ_CHECK(options_parse(&options, argc, words, error_again, sizeof(error_again),
                                 hint_again, sizeof(hint_again)) == accepted);
        FUZZ_CHECK(strcmp(error, error_again) == 0 && strcmp(hint, hint_again) == 0);
        options_finish(&options);
    }
    free(text);
}
