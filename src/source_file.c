/* Captures in files and on standard input: opened, merged by time, numbered and filtered. */
#include <assert.h>
#include <stdlib.h>

#include "merge.h"
#include "source_capture.h"

enum {
    /* Of each file. Memory to memory, large blocks are copied faster, up to about a megabyte. */
    BUFFER_BYTES = 1024 * 1024,
    SMALLEST_BUFFER_BYTES = 32 * 1024,
    ALL_BUFFERS_BYTES = 16 * 1024 * 1024,
};

struct file_source {
    struct source source;
    struct filter *filter; /* lent */
    struct merge *merge;   /* NULL: one file */
    uint64_t frame;        /* of the last packet read */
    uint64_t max_packets;
    uint64_t packets, filtered;
    struct fault_list faults;
    bool waits; /* some input is a pipe: what it held at an interrupt is still told */
    bool ended;
    size_t capture_count;
    struct capture captures[];
};

/* ----------------------------------------------------------------------------------- packets --
 */

static int number_and_filter(struct file_source *files, struct fw_packet *packets, int count)
{
    int kept = 0;

    for (int i = 0; i < count; i++)
        packets[i].frame = ++files->frame;
    if (!files->filter)
        return count;
    for (int i = 0; i < count; i++) {
        if (filter_match(files->filter, &packets[i]))
            packets[kept++] = packets[i];
    }
    files->filtered += (uint64_t)(count - kept);
    return kept;
}

/* At the end of the input: what the filter could not look at. */
static int end_files(struct file_source *files)
{
    struct source_fault fault;

    if (!files->ended && files->filter) {
        for (size_t i = 0; filter_fault(files->filter, i, &fault); i++)
            *fault_list_add(&files->faults) = fault;
    }
    files->ended = true;
    return SOURCE_END;
}

static int files_next(struct source *source, struct fw_packet *packets, int max)
{
    struct file_source *files = (struct file_source *)source;

    while (!files->ended && (files->waits || !source_interrupted())) {
        if (files->max_packets && files->max_packets - files->packets < (uint64_t)max)
            max = (int)(files->max_packets - files->packets);
        if (max == 0)
            break;
        int count = files->merge ? merge_next(files->merge, packets, max)
                                 : capture_next(&files->captures[0], packets, max);
        if (count == 0)
            break;
        count = number_and_filter(files, packets, count);
        files->packets += (uint64_t)count;
        if (count > 0)
            return count;
    }
    return end_files(files);
}

static bool files_fault(struct source *source, size_t index, struct source_fault *fault)
{
    const struct file_source *files = (const struct file_source *)source;

    return fault_list_find(&files->faults, index, fault);
}

static void files_stats(struct source *source, struct source_stats *stats)
{
    const struct file_source *files = (const struct file_source *)source;
    bool known = true;

    *stats = (struct source_stats){ .packets = files->packets, .filtered = files->filtered };
    for (size_t i = 0; i < files->capture_count; i++) {
        stats->bytes_read += files->captures[i].input.read_bytes;
        stats->bytes_total += files->captures[i].input.total_bytes;
        known &= files->captures[i].input.total_bytes > 0;
    }
    if (!known)
        stats->bytes_total = 0;
}

static void files_destroy(struct source *source)
{
    struct file_source *files = (struct file_source *)source;

    for (size_t i = 0; i < files->capture_count; i++)
        capture_finish(&files->captures[i]);
    merge_destroy(files->merge);
    fault_list_finish(&files->faults);
    free(files);
}

/* ------------------------------------------------------------------------------------ open -- */

static bool start_merge(struct file_source *files)
{
    struct merge_input *inputs = calloc(files->capture_count, sizeof *inputs);

    if (!inputs)
        return false;
    for (size_t i = 0; i < files->capture_count; i++)
        inputs[i] = (struct merge_input){ .next = capture_next, .context = &files->captures[i] };
    files->merge = merge_create(inputs, files->capture_count);
    free(inputs);
    return files->merge != NULL;
}

/* Many files at once share what memory there is for them. */
static size_t buffer_bytes_of(size_t file_count)
{
    const size_t share = ALL_BUFFERS_BYTES / file_count;

    if (share > BUFFER_BYTES)
        return BUFFER_BYTES;
    return share < SMALLEST_BUFFER_BYTES ? SMALLEST_BUFFER_BYTES : share;
}

/* A capture of each file, open, and its first bytes not yet read. */
static bool open_captures(struct file_source *files, const char *const *paths, size_t count,
                          struct source_fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        struct capture *capture = &files->captures[i];

        files->capture_count++;
        capture->faults = &files->faults;
        capture->number = (uint16_t)i;
        capture->name = capture_name(paths[i]);
        capture->input.fd = capture_open_path(paths[i], fault);
        if (capture->input.fd < 0)
            return false;
    }
    return true;
}

static bool files_begin(struct source *source, struct source_fault *fault)
{
    struct file_source *files = (struct file_source *)source;

    for (size_t i = 0; i < files->capture_count; i++) {
        struct capture *capture = &files->captures[i];

        capture_init(capture, capture->input.fd, buffer_bytes_of(files->capture_count), false);
        if (capture_begin(capture, fault) != 1)
            return false;
        files->waits |= capture->input.waits;
    }
    if (files->capture_count == 1 || start_merge(files))
        return true;
    source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
    return false;
}

static const struct source_ops file_ops = {
    .next = files_next,
    .fault = files_fault,
    .stats = files_stats,
    .begin = files_begin,
    .destroy = files_destroy,
};

struct source *source_prepare_files(const char *const *paths, size_t count, struct filter *filter,
                                    uint64_t max_packets, struct source_fault *fault)
{
    struct file_source *files = calloc(1, sizeof *files + count * sizeof files->captures[0]);

    assert(count > 0 && count <= UINT16_MAX);
    if (!files) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
        return NULL;
    }
    files->source.ops = &file_ops;
    files->filter = filter;
    files->max_packets = max_packets;
    if (open_captures(files, paths, count, fault))
        return &files->source;
    files_destroy(&files->source);
    return NULL;
}

struct source *source_open_files(const char *const *paths, size_t count, struct filter *filter,
                                 uint64_t max_packets, struct source_fault *fault)
{
    struct source *source = source_prepare_files(paths, count, filter, max_packets, fault);

    if (!source || source_begin(source, fault))
        return source;
    source_destroy(source);
    return NULL;
}
