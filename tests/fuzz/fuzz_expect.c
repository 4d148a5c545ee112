/* Any text as a file of expectations; what is accepted is judged. */
#include "expect.h"
#include "harness.h"
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An error begins with its line and column, from 1. */
static void check_error(void *context, const char *error)
{
    unsigned line = 0, column = 0;

    FUZZ_CHECK(sscanf(error, "%u:%u: ", &line, &column) == 2 && line > 0 && column > 0);
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

void fuzz_one(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    unsigned errors = 0;

    if (!text)
        return;
    struct expectations *expectations = expectations_parse(text, check_error, &errors);
    FUZZ_CHECK((expectations == NULL) == (errors > 0) || fuzz_memory_ran_out());
    if (expectations)
        judge(expectations);
    expectations_destroy(expectations);
    free(text);
}
