/*
 * What all fuzzers share. A fuzzer is one function, fuzz_one(), and what must hold in it, said with
 * FUZZ_CHECK. harness.c makes it the entry of libFuzzer; where there is no engine, replay.c runs it
 * over files. Each input is also tried with an allocation that fails.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tries one input: no crash, no hang, no leak, and every FUZZ_CHECK holds. */
void fuzz_one(const uint8_t *data, size_t size);

/* An allocation fails in this run, or has failed already: an error for want of memory is right. */
bool fuzz_is_starved(void);
bool fuzz_memory_ran_out(void);

/* The text, NUL-terminated, in memory of exactly its size; to be freed. NULL without memory. */
char *fuzz_text(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, NULL))
/* With words that say more. */
#define FUZZ_CHECK_SAYS(condition, words)                                                          \
    ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, (words)))

_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *words);

/* The entry of libFuzzer, by which replay.c calls it, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Tries the input once more for each of the first `most` allocations that fail. */
void fuzz_starve(const uint8_t *data, size_t size, size_t most);

#endif
