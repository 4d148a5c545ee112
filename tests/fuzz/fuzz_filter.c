/* Any text as a filter (-Y), a list of states, and a tuple; what is accepted is matched. */
#include "harness.h"
#include "select.h"

#include <stdlib.h>
#include <string.h>

static void try_selection(struct selection *selection, const char *error)
{
    static const struct fw_connection nothing = { .handshake_ns = -1, .completeness = -1 };

    if (selection) {
        selection_match(selection, &nothing);
        selection_is_fixed(selection);
        selection_states(selection);
    } else {
        FUZZ_CHECK(*error || fuzz_memory_ran_out()); /* not refused without a word */
    }
    selection_destroy(selection);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), error[256] = "";
    size_t column = 0;

    if (!text)
        return;
    try_selection(selection_parse(text, error, sizeof error), error);
    error[0] = '\0';
    struct selection *selection = selection_parse_at(text, &column, error, sizeof error);
    FUZZ_CHECK(selection || fuzz_memory_ran_out() ||
               (column >= 1 && column <= strlen(text) + 1)); /* in the text */
    try_selection(selection, error);
    error[0] = '\0';
    try_selection(selection_parse_states(text, error, sizeof error), error);
    error[0] = '\0';
    try_selection(selection_parse_tuple(text, error, sizeof error), error);
    free(text);
}
