#include "lines.h"

#include "view_kit.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct view_options options;
static struct out out;
static char text[1 << 16];
static uint64_t unwanted_before; /* connections with lower ids are not wanted */

static bool is_wanted(const struct fw_connection *connection)
{
    return connection->identity.id >= unwanted_before;
}

static struct lines *begin(bool selection, bool fixed)
{
    options.selection = selection ? (const struct selection *)&kit_selection : NULL;
    kit_wanted = is_wanted;
    kit_fixed = fixed;
    unwanted_before = 0;
    ck_assert_int_eq(out_init(&out, memfd_create("lines", 0), 1 << 16), 0);
    return lines_create(&options, &out);
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

static void decide(struct lines *lines, uint64_t id, bool wanted)
{
    const struct fw_connection connection = { .identity.id = id };
    unwanted_before = wanted ? 0 : UINT64_MAX;
    ck_assert(lines_decide(lines, &connection) == wanted);
}

START_TEST(lines_that_are_not_held_are_written_at_once)
{
    struct lines *lines = begin(false, false);
    write_line(lines, 1, "one\n");
    ck_assert_str_eq(written(), "one\n");
    decide(lines, 1, true);
    lines_finish(lines);
    ck_assert_str_eq(written(), "one\n");
    end(lines);
}
END_TEST

START_TEST(held_lines_come_out_in_the_order_of_writing)
{
    struct lines *lines = begin(true, false);
    write_line(lines, 1, "1a\n");
    write_line(lines, 2, "2a\n");
    write_line(lines, 3, "3a\n");
    write_line(lines, 1, "1b\n");
    write_line(lines, 2, "2b\n");
    decide(lines, 2, true);
    decide(lines, 3, false);
    decide(lines, 1, true);
    write_line(lines, 2, "2c\n");
    ck_assert_str_eq(written(), "");
    lines_finish(lines);
    ck_assert_str_eq(written(), "1a\n2a\n1b\n2b\n2c\n");
    end(lines);
}
END_TEST

START_TEST(what_nobody_decided_is_dropped)
{
    struct lines *lines = begin(true, false);
    write_line(lines, 1000000, "far\n");
    write_line(lines, 1, "near\n");
    decide(lines, 1, true);
    lines_finish(lines);
    ck_assert_str_eq(written(), "near\n");
    end(lines);
}
END_TEST

START_TEST(addresses_are_asked_about_at_once)
{
    struct lines *lines = begin(true, true);
    const struct fw_connection connection = { .identity.id = 3 };
    const struct fw_step step = { .identity = &connection.identity, .internal = &connection };
    ck_assert(lines_want(lines, &step));
    write_line(lines, 3, "three\n");
    ck_assert_str_eq(written(), "three\n");
    unwanted_before = 4;
    ck_assert(!lines_want(lines, &step));
    end(lines);
}
END_TEST

/* Ten thousand connections of which a tenth is wanted, each decided a hundred later: what comes out
 * is the same as if all had been kept to the end. */
START_TEST(sweeping_keeps_order_and_loses_nothing)
{
    struct lines *lines = begin(true, false);
    char line[512], *expected = calloc(1, sizeof text), *at = expected;
    enum { CONNECTIONS = 10000, LATER = 100 };

    for (uint64_t id = 1; id <= CONNECTIONS + LATER; id++) {
        if (id <= CONNECTIONS) {
            snprintf(line, sizeof line, "%llu%400s\n", (unsigned long long)id, "");
            write_line(lines, id, line);
            write_line(lines, id, ".");
        }
        if (id > LATER)
            decide(lines, id - LATER, (id - LATER) % 200 == 0);
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
        addresses_are_asked_about_at_once,
        sweeping_keeps_order_and_loses_nothing,
    };
    return UNIT_RUN("lines", tests);
}
