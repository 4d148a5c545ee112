/* Any text as a filter (-Y), a list of states, and a tuple; what is accepted is matched. */
#include "select.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_selection(struct selection *selection, const char *error)
{
    static const struct fw_connection nothing = { .handshake_ns = -1, .completeness = -1 };

    if (selection) {
        selection_match(selection, &nothing);
        selection_is_fixed(selection);
        selection_states(selection);
    } else if (!*error)
        abort(); /* refused without a word */
    selection_destroy(selection);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), error[256] = "";
    size_t column = 0;

    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    try_selection(selection_parse(text, error, sizeof error), error);
    error[0] = '\0';
    struct selection *selection = selection_parse_at(text, &column, error, sizeof error);
    if (!selection && (column < 1 || column > strlen(text) + 1))
        abort(); /* not in the text */
    try_selection(selection, error);
    error[0] = '\0';
    try_selection(selection_parse_states(text, error, sizeof error), error);
    error[0] = '\0';
    try_selection(selection_parse_tuple(text, error, sizeof error), error);
    free(text);
    return 0;
}
