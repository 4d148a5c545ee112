/* Every capture there is, tracked packet by packet in one thread, and in batches that another
 * thread decodes: the same bytes come out, and complaints in the same places among them. */
#include "run.h"

#include "unit.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATHS_MAX = 4000, MERGED = 8, BLOCK_BYTES = 256 * 1024 };

static struct {
    unsigned runs, bytes, differ;
} counts;

static char *paths[PATHS_MAX];
static size_t path_count;

/* What is asked of each capture. */
static const struct question {
    const struct view_ops *view;
    const char *filter;
    uint64_t max_packets;
} questions[] = {
    { .view = &view_transitions },
    { .view = &view_json },
    { .view = &view_csv },
    { .view = &view_table },
    { .view = &view_transitions, .filter = "tcp and not port 443", .max_packets = 11 },
};

/* --------------------------------------------------------------------------------- one answer --
 */

struct answer {
    int fd; /* of a file in memory */
    int error;
    struct run_result result;
};

static void complain_into(void *context, const char *text, const char *hint)
{
    const struct answer *answer = context;
    dprintf(answer->fd, "[%s]%s\n", text, hint ? hint : "");
}

/* What the program says of these files; a refusal is an answer too. */
static void ask(struct answer *answer, const struct question *question, char *const *files,
                size_t file_count, unsigned threads, size_t batch_packets)
{
    struct source_fault fault = { 0 };
    struct view_options view_options = { .names = FW_NAMES_RFC, .command_line = "FILES" };
    struct filter *filter = question->filter ? filter_create(question->filter, &fault) : NULL;
    struct out out;
    struct run run = {
        .source = source_open_files((const char *const *)files, file_count, filter,
                                    question->max_packets, &fault),
        .inputs = (const char *const *)files,
        .input_count = file_count,
        .threads = threads,
        .batch_packets = batch_packets,
        .max_packets = question->max_packets,
        .connections_only = question->view == &view_table,
        .view = question->view,
        .view_options = &view_options,
        .out = &out,
        .complain = complain_into,
        .complain_context = answer,
    };

    answer->fd = memfd_create("answer", MFD_CLOEXEC);
    ck_assert_int_ge(answer->fd, 0);
    ck_assert_int_eq(out_init(&out, answer->fd, BLOCK_BYTES), 0);
    fw_tracker_defaults(&run.tracker);
    run.tracker.interop = question->view->wants_interop;
    if (run.source)
        answer->error = run_loop(&run, &answer->result);
    else
        complain_into(answer, fault.text, fault.hint);
    out_finish(&out);
    source_destroy(run.source);
    filter_destroy(filter);
}

static size_t bytes_of(const struct answer *answer, const char **bytes)
{
    const off_t count = lseek(answer->fd, 0, SEEK_END);

    ck_assert_int_ge(count, 0);
    *bytes = "";
    if (count > 0)
        *bytes = mmap(NULL, (size_t)count, PROT_READ, MAP_PRIVATE, answer->fd, 0);
    ck_assert_ptr_ne(*bytes, MAP_FAILED);
    return (size_t)count;
}

/* ---------------------------------------------------------------------------------- two of them --
 */

static void compare(const struct question *question, char *const *files, size_t file_count)
{
    struct answer slow = { 0 }, fast = { 0 };
    const char *slow_bytes, *fast_bytes;

    ask(&slow, question, files, file_count, 1, 1);
    ask(&fast, question, files, file_count, 2, 0);
    const size_t slow_count = bytes_of(&slow, &slow_bytes);
    const size_t fast_count = bytes_of(&fast, &fast_bytes);

    counts.runs++;
    counts.bytes += slow_count;
    if (slow_count != fast_count || memcmp(slow_bytes, fast_bytes, slow_count) != 0 ||
        slow.error != fast.error || slow.result.partial != fast.result.partial ||
        slow.result.unreadable != fast.result.unreadable) {
        printf("%s%s, view %s%s: batches say something else\n", files[0],
               file_count > 1 ? " and others" : "", question->view->name,
               question->filter ? ", filtered" : "");
        counts.differ++;
    }
    if (slow_count > 0)
        munmap((void *)slow_bytes, slow_count);
    if (fast_count > 0)
        munmap((void *)fast_bytes, fast_count);
    close(slow.fd);
    close(fast.fd);
}

static int keep_path(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)walk;
    const char *dot = strrchr(path, '.');

    if (type == FTW_F && dot && path_count < PATHS_MAX &&
        (!strncmp(dot, ".pcap", 5) || !strcmp(dot, ".cap") || !strcmp(dot, ".gz")))
        paths[path_count++] = strdup(path);
    return 0;
}

static void compare_folder(const char *folder)
{
    memset(&counts, 0, sizeof counts);
    path_count = 0;
    nftw(folder, keep_path, 16, FTW_PHYS);
    for (size_t i = 0; i < path_count; i++)
        for (size_t k = 0; k < sizeof questions / sizeof questions[0]; k++)
            compare(&questions[k], &paths[i], 1);
    for (size_t i = 0; i + MERGED <= path_count; i += MERGED)
        compare(&questions[i / MERGED % 2], &paths[i], MERGED);
    printf("%s: %zu files, %u runs, %u bytes compared, %u differences\n", folder, path_count,
           counts.runs, counts.bytes, counts.differ);
    for (size_t i = 0; i < path_count; i++)
        free(paths[i]);
    ck_assert_uint_eq(counts.differ, 0);
}

START_TEST(on_captures_of_the_source_tree)
{
    const char *root = getenv("FINWAIT_SOURCE_ROOT");
    char folder[1024];

    snprintf(folder, sizeof folder, "%s/pcaps", root ? root : ".");
    compare_folder(folder);
    ck_assert_uint_gt(counts.bytes, 0);
}
END_TEST

START_TEST(on_foreign_captures)
{
    const char *folder = getenv("FINWAIT_CAPTURES");

    if (folder && *folder)
        compare_folder(folder);
    else
        printf("foreign captures: skipped, FINWAIT_CAPTURES names no folder\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = { on_captures_of_the_source_tree, on_foreign_captures };
    return UNIT_RUN("batches_agree", tests);
}
