#include "harness.h"

#include "allocations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool starved;

bool fuzz_is_starved(void)
{
    return starved;
}

bool fuzz_memory_ran_out(void)
{
    return allocations_have_failed();
}

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        return NULL;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *words)
{
    fprintf(stderr, "%s:%d: does not hold%s: %s%s%s\n", file, line,
            starved ? ", with an allocation that failed" : "", condition, words ? "\n  " : "",
            words ? words : "");
    abort();
}

/* False: the input was done before the n-th allocation. */
static bool starve_once(const uint8_t *data, size_t size, size_t nth, bool once)
{
    starved = true;
    if (once)
        allocations_fail_once(nth);
    else
        allocations_fail_from(nth);
    fuzz_one(data, size);
    const bool failed = allocations_have_failed();
    allocations_fail_from(0);
    starved = false;
    return failed;
}

void fuzz_starve(const uint8_t *data, size_t size, size_t most)
{
    for (size_t nth = 1; nth <= most && starve_once(data, size, nth, false); nth++)
        starve_once(data, size, nth, true);
}

static uint64_t hash_of(const uint8_t *data, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The same input always meets the same failures: what was found can be found again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { ONE_IN = 4, ALLOCATIONS = 64 };
    const uint64_t hash = hash_of(data, size);

    fuzz_one(data, size);
    if (hash % ONE_IN == 0)
        starve_once(data, size, 1 + (hash >> 16) % ALLOCATIONS, (hash >> 8 & 1) != 0);
    return 0;
}
