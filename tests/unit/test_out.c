#include "out.h"

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[1 << 17];

static const char *written(int fd)
{
    const ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

START_TEST(nothing_is_written_before_a_flush)
{
    struct out out;
    const int fd = memfd_create("out", 0);
    ck_assert_int_eq(out_init(&out, fd, 1 << 16), 0);
    out_text(&out, "state ");
    out_u64(&out, 18446744073709551615u);
    out_char(&out, ' ');
    out_i64(&out, INT64_MIN);
    out_pad(&out, '.', 3);
    out_printf(&out, "%s\n", "end");
    ck_assert_str_eq(written(fd), "");
    out_finish(&out);
    ck_assert_str_eq(written(fd), "state 18446744073709551615 -9223372036854775808...end\n");
    close(fd);
}
END_TEST

START_TEST(a_line_buffered_block_ends_with_each_line)
{
    struct out out;
    const int fd = memfd_create("out", 0);
    ck_assert_int_eq(out_init(&out, fd, 1 << 16), 0);
    out.line_buffered = true;
    out_text(&out, "one");
    ck_assert_str_eq(written(fd), "");
    out_text(&out, " line\n");
    ck_assert_str_eq(written(fd), "one line\n");
    char *at = out_reserve(&out, 10);
    at[0] = '2';
    at[1] = '\n';
    out_commit(&out, at + 2);
    ck_assert_str_eq(written(fd), "one line\n2\n");
    out_finish(&out);
    close(fd);
}
END_TEST

START_TEST(text_longer_than_a_block_arrives_whole)
{
    struct out out;
    const int fd = memfd_create("out", 0);
    static char long_text[100001];
    memset(long_text, 'x', sizeof long_text - 1);
    ck_assert_int_eq(out_init(&out, fd, 0), 0);
    out_char(&out, '<');
    out_text(&out, long_text);
    out_char(&out, '>');
    out_finish(&out);
    ck_assert_uint_eq(strlen(written(fd)), 100002);
    ck_assert_int_eq(text[0], '<');
    ck_assert_int_eq(text[100001], '>');
    close(fd);
}
END_TEST

START_TEST(reserved_room_is_always_there)
{
    struct out out;
    const int fd = memfd_create("out", 0);
    size_t total = 0;
    ck_assert_int_eq(out_init(&out, fd, 0), 0);
    for (int i = 0; i < 100; i++) {
        char *at = out_reserve(&out, OUT_RESERVE_MAX);
        memset(at, 'a' + i % 26, OUT_RESERVE_MAX);
        out_commit(&out, at + 1000);
        total += 1000;
    }
    out_finish(&out);
    ck_assert_uint_eq(strlen(written(fd)), total);
    close(fd);
}
END_TEST

START_TEST(a_reader_that_has_gone_is_not_an_error)
{
    struct out out;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(out_init(&out, ends[1], 1 << 16), 0);
    out_text(&out, "nobody reads this\n");
    out_flush(&out);
    ck_assert(out.closed);
    ck_assert_int_eq(out.error, 0);
    for (int i = 0; i < 10000; i++)
        out_text(&out, "nor this\n");
    out_finish(&out);
    close(ends[1]);
}
END_TEST

START_TEST(another_failure_keeps_its_errno)
{
    struct out out;
    ck_assert_int_eq(out_init(&out, open("/dev/full", O_WRONLY), 1 << 16), 0);
    out_text(&out, "no room\n");
    out_flush(&out);
    ck_assert(!out.closed);
    ck_assert_int_eq(out.error, ENOSPC);
    close(out.fd);
    out_finish(&out);
}
END_TEST

START_TEST(a_nonblocking_descriptor_is_waited_for)
{
    struct out out;
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    const pid_t child = fork();
    if (child == 0) {
        char drain[4096];
        size_t got = 0;
        fcntl(ends[0], F_SETFL, 0);
        close(ends[1]);
        for (ssize_t n; (n = read(ends[0], drain, sizeof drain)) > 0;)
            got += (size_t)n;
        _exit(got == 1000000 ? 0 : 1);
    }
    close(ends[0]);
    ck_assert_int_eq(out_init(&out, ends[1], 1 << 16), 0);
    out_pad(&out, 'x', 1000000);
    out_finish(&out);
    close(ends[1]);
    int status = -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    ck_assert_int_eq(status, 0);
}
END_TEST

/* ----------------------------------------------------------------------------- written behind --
 */

START_TEST(what_is_written_behind_comes_in_order_and_whole)
{
    enum { LINES = 200000 };
    struct out out;
    const int fd = memfd_create("out", 0);
    ck_assert_int_eq(out_init(&out, fd, 0), 0);
    out.behind = true;
    for (uint64_t i = 0; i < LINES; i++) {
        out_u64(&out, i);
        out_char(&out, '\n');
    }
    out_finish(&out);
    FILE *file = fdopen(fd, "r");
    rewind(file);
    for (uint64_t i = 0; i < LINES; i++) {
        ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
        ck_assert_uint_eq(strtoull(text, NULL, 10), i);
    }
    ck_assert_ptr_null(fgets(text, sizeof text, file));
    fclose(file);
}
END_TEST

START_TEST(a_flush_waits_for_what_is_written_behind)
{
    struct out out;
    off_t length = 0;
    const int fd = memfd_create("out", 0);
    ck_assert_int_eq(out_init(&out, fd, 0), 0);
    out.behind = true;
    for (int i = 0; i < 50; i++) {
        out_pad(&out, 'x', 40000);
        length += 40000;
        out_flush(&out);
        ck_assert_int_eq(lseek(fd, 0, SEEK_END), length);
    }
    out_finish(&out);
    close(fd);
}
END_TEST

START_TEST(failures_behind_are_told)
{
    struct out out;
    int ends[2];
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert_int_eq(out_init(&out, ends[1], 0), 0);
    out.behind = true;
    out_pad(&out, 'x', 1 << 20);
    ck_assert(out.closed);
    ck_assert_int_eq(out.error, 0);
    out_finish(&out);
    close(ends[1]);

    ck_assert_int_eq(out_init(&out, open("/dev/full", O_WRONLY), 0), 0);
    out.behind = true;
    out_pad(&out, 'x', 1 << 20);
    ck_assert(!out.closed);
    ck_assert_int_eq(out.error, ENOSPC);
    close(out.fd);
    out_finish(&out);
}
END_TEST

START_TEST(without_a_descriptor_the_block_keeps_all)
{
    struct out out;
    ck_assert_int_eq(out_init(&out, -1, 0), 0);
    for (int i = 0; i < 100000; i++)
        out_printf(&out, "%06d\n", i);
    out_flush(&out);
    ck_assert_int_eq(out.error, 0);
    ck_assert_uint_eq(out.used, 700000);
    ck_assert_int_eq(memcmp(out.block, "000000\n000001\n", 14), 0);
    ck_assert_int_eq(memcmp(out.block + out.used - 7, "099999\n", 7), 0);
    out_finish(&out);
}
END_TEST

START_TEST(a_block_that_keeps_all_has_a_most)
{
    struct out out;
    ck_assert_int_eq(out_init(&out, -1, 0), 0);
    out_pad(&out, 'x', OUT_KEPT_MAX + (size_t)1);
    ck_assert_int_eq(out.error, EFBIG);
    ck_assert_uint_le(out.size, OUT_KEPT_MAX);
    out_finish(&out);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        nothing_is_written_before_a_flush,        a_line_buffered_block_ends_with_each_line,
        text_longer_than_a_block_arrives_whole,   reserved_room_is_always_there,
        a_reader_that_has_gone_is_not_an_error,   another_failure_keeps_its_errno,
        a_nonblocking_descriptor_is_waited_for,   what_is_written_behind_comes_in_order_and_whole,
        a_flush_waits_for_what_is_written_behind, failures_behind_are_told,
        without_a_descriptor_the_block_keeps_all, a_block_that_keeps_all_has_a_most,
    };
    return UNIT_RUN("out", tests);
}
