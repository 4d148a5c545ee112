/*
 * The whole program over every capture of a folder: whole, cut at 64 places, and with mutations
 * (bits, lengths, types of blocks, their order) by a seed. In one process, so that many can be
 * tried; built with the sanitizers, so that what goes wrong ends it, with the name of the input.
 *
 *     corpora FOLDER [--files N] [--mutations N] [--seed N] [--seconds N]
 *
 * FINWAIT_CAPTURES names another folder. TAP on stdout, and a summary. `--files` takes so many of
 * the folder's, chosen by the seed.
 */
#include "allocations.h"
#include "image.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATHS = 20000, CUTS = 64, STATUSES = 5, LARGEST = 8 << 20, LEAST_FOR_RATE = 64 * 1024 };

static struct {
    size_t files, mutations;
    uint64_t random;
    double seconds; /* 0: no limit */
} wishes = { .mutations = 200, .random = 1 };

static struct {
    uint64_t runs, bytes, by_status[STATUSES];
    double worst_seconds_per_mb;
    size_t worst_memory;
    char slowest[256], largest[256];
} sums;

static char *paths[PATHS];
static size_t path_count;
static double started;
static char current[512]; /* what is tried now */

/* What breaks ends the program: it says on which input. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void tell_current(void)
{
    const ssize_t written = write(STDERR_FILENO, current, strlen(current));
    (void)written;
}

static void on_abort(int signal)
{
    (void)signal;
    tell_current();
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(void)
{
    uint64_t z = wishes.random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t below(size_t bound)
{
    return bound > 0 ? next_random() % bound : 0;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool is_late(void)
{
    return wishes.seconds > 0 && now() - started > wishes.seconds;
}

/* ------------------------------------------------------------------------------- one input -- */

static void try_image(const char *path, const char *how, const uint8_t *bytes, size_t size)
{
    struct image_result result;
    const size_t way = below(image_way_count);

    snprintf(current, sizeof(current), "broken by: %s, %s, way %zu\n", path, how, way);
    allocations_watch();
    const double before = now();
    image_run(bytes, size, way, 1, &result);
    const double seconds = now() - before;
    const size_t memory = allocations_peak_bytes();

    sums.runs++;
    sums.bytes += size;
    sums.by_status[result.status >= 0 && result.status < STATUSES ? result.status : 2]++;
    if (size >= LEAST_FOR_RATE && seconds / (double)size * 1e6 > sums.worst_seconds_per_mb) {
        sums.worst_seconds_per_mb = seconds / (double)size * 1e6;
        snprintf(sums.slowest, sizeof(sums.slowest), "%s, %s", path, how);
    }
    if (memory > sums.worst_memory) {
        sums.worst_memory = memory;
        snprintf(sums.largest, sizeof(sums.largest), "%s, %s", path, how);
    }
}

/* ------------------------------------------------------------------------------- mutations -- */

static void flip_bits(uint8_t *bytes, size_t size)
{
    for (size_t i = 0, count = 1 + below(16); i < count; i++)
        bytes[below(size)] ^= (uint8_t)(1u << below(8));
}

/* Four bytes that may be a length, or a type, become one that is telling. */
static void put_number(uint8_t *bytes, size_t size)
{
    static const uint32_t numbers[] = { 0,       1,          2,          3,          4,
                                        5,       6,          8,          12,         0x0a0d0d0a,
                                        65535,   262144,     0x7fffffff, 0x80000000, 0xffffffff,
                                        1 << 28, 0xfffffffc, 16,         32,         10 };
    const uint32_t number = numbers[below(sizeof(numbers) / sizeof(numbers[0]))];

    if (size < 4)
        return;
    memcpy(bytes + (below(size - 3) & ~(size_t)3), &number, sizeof(number));
}

/* Two pieces change places. */
static void exchange(uint8_t *bytes, size_t size)
{
    const size_t piece = 1 + below(size / 4), one = below(size - piece),
                 other = below(size - piece);

    for (size_t i = 0; i < piece; i++) {
        const uint8_t byte = bytes[one + i];
        bytes[one + i] = bytes[other + i];
        bytes[other + i] = byte;
    }
}

static void fill(uint8_t *bytes, size_t size)
{
    const size_t piece = 1 + below(size < 256 ? size : 256);

    memset(bytes + below(size - piece + 1), (int)below(256), piece);
}

static void mutate(uint8_t *bytes, size_t size)
{
    static void (*const ways[])(uint8_t *, size_t) = { flip_bits, put_number, put_number, exchange,
                                                       fill };

    if (size < 8)
        return;
    for (size_t i = 0, count = 1 + below(3); i < count; i++)
        ways[below(sizeof(ways) / sizeof(ways[0]))](bytes, size);
}

/* -------------------------------------------------------------------------------- captures -- */

static uint8_t *read_file(const char *path, size_t *size)
{
    struct stat status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;

    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size <= LARGEST) {
        *size = (size_t)status.st_size;
        bytes = malloc(*size);
        if (bytes && read(fd, bytes, *size) != (ssize_t)*size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return bytes;
}

static void try_file(const char *path)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    uint8_t *copy = bytes ? malloc(size) : NULL;
    char how[64];

    if (copy) {
        try_image(path, "whole", bytes, size);
        for (size_t cut = 0; cut < CUTS && !is_late(); cut++) {
            /* The first 32 bytes one by one, where headers are; then all over. */
            const size_t at = cut < CUTS / 2 ? cut : size / (CUTS / 2) * (cut - CUTS / 2);
            snprintf(how, sizeof(how), "cut at %zu", at < size ? at : size);
            try_image(path, how, bytes, at < size ? at : size);
        }
        for (size_t i = 0; i < wishes.mutations && !is_late(); i++) {
            snprintf(how, sizeof(how), "mutation %zu, seed %" PRIu64, i, wishes.random);
            memcpy(copy, bytes, size);
            mutate(copy, size);
            try_image(path, how, copy, size);
        }
    }
    free(copy);
    free(bytes);
}

static int keep_path(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)walk;
    if (type == FTW_F && path_count < PATHS && strstr(path, "cap"))
        paths[path_count++] = strdup(path);
    return 0;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* Those that are taken come first. */
static size_t choose_files(void)
{
    qsort(paths, path_count, sizeof(paths[0]), by_name);
    if (wishes.files == 0 || wishes.files > path_count)
        return path_count;
    for (size_t i = 0; i < wishes.files; i++) {
        const size_t chosen = i + below(path_count - i);
        char *path = paths[i];
        paths[i] = paths[chosen];
        paths[chosen] = path;
    }
    return wishes.files;
}

static bool read_wishes(int argc, char **argv)
{
    for (int i = 2; i + 1 < argc; i += 2) {
        const double value = strtod(argv[i + 1], NULL);
        if (strcmp(argv[i], "--files") == 0)
            wishes.files = (size_t)value;
        else if (strcmp(argv[i], "--mutations") == 0)
            wishes.mutations = (size_t)value;
        else if (strcmp(argv[i], "--seed") == 0)
            wishes.random = (uint64_t)value;
        else if (strcmp(argv[i], "--seconds") == 0)
            wishes.seconds = value;
        else
            return false;
    }
    return argc >= 2 && argc % 2 == 0;
}

static void summarise(size_t files, size_t tried)
{
    printf("%s corpora: %" PRIu64 " runs\n", sums.runs > 0 ? "ok 1 -" : "not ok 1 -", sums.runs);
    printf("# %zu of %zu files, %.1f MB in %.0f s of the processor%s\n", tried, files,
           (double)sums.bytes / 1e6, now() - started, is_late() ? " (time was up)" : "");
    printf("# exits:");
    for (int status = 0; status < STATUSES; status++)
        printf(" %d: %" PRIu64 "%s", status, sums.by_status[status], status < 4 ? "," : "\n");
    if (*sums.slowest)
        printf("# worst time per MB (of %d KiB or more): %.3f s, %s\n", LEAST_FOR_RATE / 1024,
               sums.worst_seconds_per_mb, sums.slowest);
    printf("# worst memory: %.1f MB, %s\n", (double)sums.worst_memory / 1e6, sums.largest);
    printf("1..1\n");
}

int main(int argc, char **argv)
{
    if (!read_wishes(argc, argv)) {
        fputs("usage: corpora FOLDER [--files N] [--mutations N] [--seed N] [--seconds N]\n",
              stderr);
        return EXIT_FAILURE;
    }
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(tell_current);
    const char *named = getenv("FINWAIT_CAPTURES");
    char *folder = realpath(named && *named ? named : argv[1], NULL); /* it may be a link */
    if (folder)
        nftw(folder, keep_path, 16, FTW_PHYS);
    free(folder);
    started = now();
    const size_t files = choose_files();
    size_t tried = 0;
    for (; tried < files && !is_late(); tried++)
        try_file(paths[tried]);
    summarise(path_count, tried);
    for (size_t i = 0; i < path_count; i++)
        free(paths[i]);
    return sums.runs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
