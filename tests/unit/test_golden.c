/* Golden files; and that they, and the judgement of expectations, do not depend on the hash key,
 * the number of threads or the size of a batch. */
#include "golden.h"

#include "expect.h"
#include "run.h"
#include "unit.h"
#include "verify.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------- comparing --
 */

static char told[2048];

static void keep_told(void *context, const struct golden_difference *difference)
{
    (void)context;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%d %s|%s|%s|%s\n",
             (int)difference->kind, difference->connection, difference->key, difference->expected,
             difference->got);
}

static size_t compare(const char *expected, const char *got)
{
    told[0] = '\0';
    return golden_compare(expected, got, keep_told, NULL);
}

static const char heading[] = "finwait golden 1\n";
#define FILE_OF(text) "finwait golden 1\n" text

START_TEST(equal_files_do_not_differ)
{
    ck_assert_uint_eq(compare(heading, heading), 0);
    ck_assert_uint_eq(compare(FILE_OF("\na > b\n  open complete\n"),
                              FILE_OF("# a comment\r\na > b\r\n  open   complete\r\n")),
                      0);
    ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(a_difference_is_told_by_key)
{
    ck_assert_uint_eq(compare(FILE_OF("a > b\n  open complete\n  lossy true\n"),
                              FILE_OF("a > b\n  open refused\n  end rst\n")),
                      1);
    ck_assert_str_eq(told, "2 a > b|open|complete|refused\n2 a > b|lossy|true|\n"
                           "2 a > b|end||rst\n");
}
END_TEST

START_TEST(of_the_steps_only_the_first_is_told)
{
    ck_assert_uint_eq(compare(FILE_OF("a > b\n  step 1  > S x\n  step 2  < S. y\n  step 3 z\n"),
                              FILE_OF("a > b\n  step 1  > S x\n  step 2  < R. y\n  step 3 zz\n")),
                      1);
    ck_assert_str_eq(told, "2 a > b|step 2|< S. y|< R. y\n");
}
END_TEST

START_TEST(connections_come_and_go)
{
    ck_assert_uint_eq(compare(FILE_OF("a > b\n  x 1\na > b\n  x 2\nc > d\n"),
                              FILE_OF("a > b\n  x 1\na > b\n  x 3\ne > f\n")),
                      3);
    ck_assert_str_eq(told, "2 a > b (2)|x|2|3\n0 c > d|||\n1 e > f|||\n");
}
END_TEST

START_TEST(another_version_is_refused)
{
    char error[256];

    ck_assert(golden_is_readable(heading, error, sizeof error));
    ck_assert(golden_is_readable("finwait golden 1\r\n", error, sizeof error));
    ck_assert(!golden_is_readable("finwait golden 2\n", error, sizeof error));
    ck_assert_str_eq(error, "golden file of version 2; this finwait compares version 1");
    ck_assert(!golden_is_readable("finwait golden 10\n", error, sizeof error));
    ck_assert(!golden_is_readable("x", error, sizeof error));
    ck_assert_str_eq(error, "not a golden file (it begins with \"x\")");
    ck_assert(!golden_is_readable("", error, sizeof error));
}
END_TEST

/* ---------------------------------------------------------------------------------- stability --
 */

struct answer {
    char *golden;
    uint64_t selected[3], passed[3];
};

static void say_nothing(void *context, const char *text, const char *hint)
{
    (void)context;
    (void)text;
    (void)hint;
}

static void fail_test(void *context, const char *error)
{
    (void)context;
    ck_abort_msg("%s", error);
}

static void ask(struct answer *answer, const char *file, uint8_t key, unsigned threads,
                size_t batch_packets)
{
    struct expectations *expectations = expectations_parse(
        "all : closed\nnone state close-wait : for > 1ms\nany : packets > S < S.", fail_test, NULL);
    const struct verify_options verify = { .expectations = expectations, .records = true };
    struct verify_run verify_run = { .verify = verify_create(&verify),
                                     .golden = golden_create(NULL) };
    struct view_options view_options = { .verify_run = &verify_run };
    struct source_fault fault = { 0 };
    struct run_result result;
    struct out out;
    struct run run = {
        .source = source_open_files(&file, 1, NULL, 0, &fault),
        .inputs = &file,
        .input_count = 1,
        .threads = threads,
        .batch_packets = batch_packets,
        .view = &view_verify,
        .view_options = &view_options,
        .out = &out,
        .complain = say_nothing,
    };
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    ck_assert_ptr_nonnull(run.source);
    ck_assert_int_eq(out_init(&out, nowhere, 65536), 0);
    fw_tracker_defaults(&run.tracker);
    memset(run.tracker.hash_key, key, sizeof run.tracker.hash_key);
    ck_assert_int_eq(run_loop(&run, &result), 0);
    answer->golden = golden_text(verify_run.golden);
    for (size_t i = 0; i < 3; i++) {
        answer->selected[i] = verify_verdict(verify_run.verify, i)->selected;
        answer->passed[i] = verify_verdict(verify_run.verify, i)->passed;
    }
    verify_destroy(verify_run.verify);
    golden_destroy(verify_run.golden);
    expectations_destroy(expectations);
    source_destroy(run.source);
    out_finish(&out);
    close(nowhere);
}

static void compare_answers(const char *file)
{
    struct answer one, other;

    ask(&one, file, 0, 1, 1);
    ask(&other, file, 0xa7, 2, 0);
    ck_assert_msg(strcmp(one.golden, other.golden) == 0, "%s: another golden file", file);
    ck_assert_mem_eq(one.selected, other.selected, sizeof one.selected);
    ck_assert_mem_eq(one.passed, other.passed, sizeof one.passed);
    ck_assert_uint_eq(golden_compare(one.golden, other.golden, keep_told, NULL), 0);
    free(one.golden);
    free(other.golden);
}

START_TEST(keys_threads_and_batches_change_nothing)
{
    DIR *folder = opendir(SOURCE_ROOT "/pcaps");
    const struct dirent *entry;
    unsigned files = 0;

    ck_assert_ptr_nonnull(folder);
    while ((entry = readdir(folder)) != NULL) {
        char file[1024];
        const char *dot = strrchr(entry->d_name, '.');

        if (!dot || strcmp(dot, ".pcap") != 0)
            continue;
        snprintf(file, sizeof file, "%s/pcaps/%s", SOURCE_ROOT, entry->d_name);
        compare_answers(file);
        files++;
    }
    closedir(folder);
    ck_assert_uint_gt(files, 100);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        equal_files_do_not_differ,           a_difference_is_told_by_key,
        of_the_steps_only_the_first_is_told, connections_come_and_go,
        another_version_is_refused,          keys_threads_and_batches_change_nothing,
    };
    return UNIT_RUN("golden", tests);
}
