#include "allocations.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);

static size_t left = SIZE_MAX; /* allocations until they fail */
static bool failed;
static int64_t bytes, peak_bytes, base_bytes;

void allocations_fail_from(size_t nth)
{
    left = nth == 0 ? SIZE_MAX : nth - 1;
    failed = false;
}

bool allocations_have_failed(void)
{
    return failed;
}

size_t allocations_bytes(void)
{
    return bytes < base_bytes ? 0 : (size_t)(bytes - base_bytes);
}

size_t allocations_peak_bytes(void)
{
    return (size_t)(peak_bytes - base_bytes);
}

void allocations_watch(void)
{
    base_bytes = peak_bytes = bytes;
}

static bool runs_out(void)
{
    if (left == 0)
        return failed = true;
    if (left != SIZE_MAX)
        left--;
    return false;
}

static void *count(void *memory)
{
    bytes += memory ? (int64_t)malloc_usable_size(memory) : 0;
    if (bytes > peak_bytes)
        peak_bytes = bytes;
    return memory;
}

static void discount(void *memory)
{
    bytes -= memory ? (int64_t)malloc_usable_size(memory) : 0;
}

void *__wrap_malloc(size_t size)
{
    return runs_out() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t members, size_t size)
{
    return runs_out() ? NULL : count(__real_calloc(members, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (runs_out())
        return NULL;
    discount(old);
    return count(__real_realloc(old, size));
}

void __wrap_free(void *memory)
{
    discount(memory);
    __real_free(memory);
}
