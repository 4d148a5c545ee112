/* Two texts, the second behind the first NUL byte, as golden files that are compared. */
#include "golden.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static void check_difference(void *context, const struct golden_difference *difference)
{
    FUZZ_CHECK(difference->connection && difference->key && difference->expected &&
               difference->got);
    FUZZ_CHECK(difference->kind <= GOLDEN_FIELD);
    ++*(size_t *)context;
}

static void compare(const char *expected, const char *got)
{
    size_t told = 0;
    const size_t differ = golden_compare(expected, got, check_difference, &told);

    FUZZ_CHECK(differ != SIZE_MAX || fuzz_memory_ran_out());
    FUZZ_CHECK(differ <= told || differ == SIZE_MAX);
    FUZZ_CHECK((differ == 0) == (told == 0) || differ == SIZE_MAX);
    FUZZ_CHECK(strcmp(expected, got) != 0 || differ == 0 || differ == SIZE_MAX);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), error[256] = "";

    if (!text)
        return;
    const size_t first_bytes = strlen(text);
    const char *second = first_bytes < size ? text + first_bytes + 1 : text;
    FUZZ_CHECK(golden_is_readable(text, error, sizeof(error)) || *error);
    compare(text, text);
    compare(text, second);
    compare("finwait golden 1\n\na > b\n  step 1 x\n", text);
    free(text);
}
