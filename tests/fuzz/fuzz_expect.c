/* Any text as a file of expectations, then as a golden file; what is accepted is judged. */
#include "expect.h"
#include "golden.h"
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An error begins with its line and column, from 1. */
static void check_error(void *context, const char *error)
{
    unsigned line = 0, column = 0;

    if (sscanf(error, "%u:%u: ", &line, &column) != 2 || line == 0 || column == 0)
        abort();
    ++*(unsigned *)context;
}

static void judge(const struct expectations *expectations)
{
    const struct verify_options options = { .expectations = expectations, .live = true };
    struct verify *verify = verify_create(&options);
    const struct fw_connection connection = {
        .identity = { .id = 1 },
        .client_path = FW_SYN_SENT | FW_ESTABLISHED << 4,
        .client_state = FW_ESTABLISHED,
        .server_state = FW_CLOSE_WAIT,
    };

    if (verify && verify_end(verify, &connection, FW_SECOND))
        for (size_t i = 0; i < verify_count(verify); i++)
            verdict_holds(verify_verdict(verify, i));
    verify_destroy(verify);
}

static void ignore_difference(void *context, const struct golden_difference *difference)
{
    (void)context;
    if (!difference->connection || !difference->key || !difference->expected || !difference->got)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), error[256];
    unsigned errors = 0;

    if (!text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    struct expectations *expectations = expectations_parse(text, check_error, &errors);
    if ((expectations == NULL) != (errors > 0))
        abort();
    if (expectations)
        judge(expectations);
    expectations_destroy(expectations);

    golden_is_readable(text, error, sizeof error);
    if (golden_compare(text, text, ignore_difference, NULL) != 0)
        abort(); /* differs from itself */
    golden_compare(text, "finwait golden 1\n\na > b\n  step 1 x\n", ignore_difference, NULL);
    free(text);
    return 0;
}
