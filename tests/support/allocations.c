#include "allocations.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *memory, size_t size);

static size_t left = SIZE_MAX; /* allocations until they fail */
static bool failed, once;
static int64_t bytes, peak_bytes, base_bytes;

void allocations_fail_from(size_t nth)
{
    left = nth == 0 ? SIZE_MAX : nth - 1;
    failed = once = false;
}

void allocations_fail_once(size_t nth)
{
    allocations_fail_from(nth);
    once = true;
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
    if (left == 0) {
        left = once ? SIZE_MAX : 0;
        return failed = true;
    }
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

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return runs_out() ? NULL : count(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *memory)
{
    discount(memory);
    __real_free(memory);
}

/* What is mapped counts for the peak from the next allocation on: until then it may be trimmed. */
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *memory = runs_out() ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);

    bytes += memory == MAP_FAILED ? 0 : (int64_t)size;
    return memory;
}

int __wrap_munmap(void *memory, size_t size)
{
    bytes -= (int64_t)size;
    return __real_munmap(memory, size);
}
