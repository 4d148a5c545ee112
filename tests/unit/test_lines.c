#include "lines.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct out out;
static char text[1 << 16];

static struct lines *begin(bool held)
{
    ck_assert_int_eq(out_init(&out, memfd_create("lines", 0), 1 << 16), 0);
    return lines_create(&out, held);
}

static const char *written(void)
{
    out_flush(&out);
    const ssize_t length = pread(out.fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

static void end(struct lines *lines)
{
    lines_destroy(lines);
    close(out.fd);
    out_finish(&out);
}

static void write_line(struct lines *lines, uint64_t connection, const char *line)
{
    char *at = lines_begin(lines);
    const size_t length = strlen(line);
    memcpy(at, line, length);
    lines_end(lines, connection, at + length);
}

START_TEST(lines_that_are_not_held_are_written_at_once)
{
    struct lines *lines = begin(false);
    write_line(lines, 1, "one\n");
    ck_assert_str_eq(written(), "one\n");
    lines_decide(lines, 1, false);
    lines_finish(lines);
    ck_assert_str_eq(written(), "one\n");
    end(lines);
}
END_TEST

START_TEST(held_lines_come_out_in_the_order_of_writing)
{
    struct lines *lines = begin(true);
    write_line(lines, 1, "1a\n");
    write_line(lines, 2, "2a\n");
    write_line(lines, 3, "3a\n");
    write_line(lines, 1, "1b\n");
    write_line(lines, 2, "2b\n");
    lines_decide(lines, 2, true);
    lines_decide(lines, 3, false);
    lines_decide(lines, 1, true);
    write_line(lines, 2, "2c\n");
    ck_assert_str_eq(written(), "");
    lines_finish(lines);
    ck_assert_str_eq(written(), "1a\n2a\n1b\n2b\n2c\n");
    end(lines);
}
END_TEST

START_TEST(what_nobody_decided_is_dropped)
{
    struct lines *lines = begin(true);
    write_line(lines, 1000000, "far\n");
    write_line(lines, 1, "near\n");
    lines_decide(lines, 1, true);
    lines_finish(lines);
    ck_assert_str_eq(written(), "near\n");
    end(lines);
}
END_TEST

/* Ten thousand connections of which a tenth is wanted, each decided a hundred later: what comes out
 * is the same as if all had been kept to the end. */
START_TEST(sweeping_keeps_order_and_loses_nothing)
{
    struct lines *lines = begin(true);
    char line[512], *expected = calloc(1, sizeof text), *at = expected;
    enum { CONNECTIONS = 10000, LATER = 100 };

    for (uint64_t id = 1; id <= CONNECTIONS + LATER; id++) {
        if (id <= CONNECTIONS) {
            snprintf(line, sizeof line, "%llu%400s\n", (unsigned long long)id, "");
            write_line(lines, id, line);
            write_line(lines, id, ".");
        }
        if (id > LATER)
            lines_decide(lines, id - LATER, (id - LATER) % 200 == 0);
    }
    lines_finish(lines);
    for (uint64_t id = 200; id <= CONNECTIONS; id += 200)
        at += sprintf(at, "%llu%400s\n.", (unsigned long long)id, "");
    ck_assert_str_eq(written(), expected);
    free(expected);
    end(lines);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        lines_that_are_not_held_are_written_at_once,
        held_lines_come_out_in_the_order_of_writing,
        what_nobody_decided_is_dropped,
        sweeping_keeps_order_and_loses_nothing,
    };
    return UNIT_RUN("lines", tests);
}
