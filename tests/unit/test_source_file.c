#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "capture_builder.h"
#include "reading.h"
#include "unit.h"

static const uint8_t data[60];

static struct builder builder;
static struct reading reading;

static void clean_up(void)
{
    reading_finish(&reading);
    build_finish(&builder);
    source_interrupt_clear();
}

static void build_packets(uint32_t count)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    for (uint32_t i = 0; i < count; i++)
        build_pcap_packet(&builder, i * FW_SECOND, data, sizeof data, sizeof data);
}

static void check_refused(const char *text, const char *hint)
{
    ck_assert(!reading.opened);
    ck_assert_int_eq(reading.refused.kind, SOURCE_FAULT_UNREADABLE);
    ck_assert_msg(strstr(reading.refused.text, text) != NULL, "\"%s\" is not in \"%s\"", text,
                  reading.refused.text);
    ck_assert_msg(strstr(reading.refused.hint, hint) != NULL, "\"%s\" is not in \"%s\"", hint,
                  reading.refused.hint);
}

/* Reads `builder` as standard input, through a pipe in pieces. */
static void read_as_stdin(size_t piece_bytes)
{
    const int kept = dup(STDIN_FILENO);
    const int pipe_end = build_pipe(&builder, piece_bytes);

    dup2(pipe_end, STDIN_FILENO);
    close(pipe_end);
    reading_of(&reading, "-");
    dup2(kept, STDIN_FILENO);
    close(kept);
}

START_TEST(what_is_no_capture_is_shown_by_its_start)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *text, *hint;
    } cases[] = {
        { "# shop\nmilk\n", 12,
          "notes.txt: not a capture file (starts with \"# shop\"); known: pcap, pcapng, plain or "
          "gzip, zstd, lz4",
          "" },
        { "a very long first line of a text", 32, "(starts with \"a very long firs\")", "" },
        { "\x7f"
          "ELF\x02\x01\x01\0\0\0",
          10, "(starts with 7f 45 4c 46 02 01 01 00)", "" },
        { "\n\n\n\n\n\n", 6, "(starts with 0a 0a 0a 0a 0a 0a)", "" },
        { "\x1b[2Jclear", 9, "(starts with 1b 5b 32 4a 63 6c 65 61)", "" },
        { "snoop\0\0\0\0\0\0\2", 12, "(starts with 73 6e 6f 6f 70 00 00 00)", "editcap" },
        { "\xfd"
          "7zXZ\0\0\0",
          8, "(starts with fd 37 7a 58 5a 00 00 00)", "xz -dc FILE | finwait -r -" },
        { "\xd4\xc3\xb2", 3, "notes.txt: shorter than the file header of any capture (3 bytes)",
          "" },
        { "x", 1, "notes.txt: shorter than the file header of any capture (1 byte)", "" },
        { "\xd4\xc3\xb2\xa1\2\0", 6,
          "notes.txt: shorter than the file header of pcap (24 bytes promised, 6 there)", "again" },
        { "\x0a\x0d\x0d\x0a\x1c\0\0\0", 8,
          "notes.txt: shorter than the file header of pcapng (12 bytes promised, 8 there)",
          "again" },
        { "", 0, "notes.txt: empty; a capture without packets still has a file header", "" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        build_bytes(&builder, cases[i].bytes, cases[i].count);
        reading_of(&reading, build_save(&builder, "notes.txt"));
        check_refused(cases[i].text, cases[i].hint);
        clean_up();
    }
}
END_TEST

START_TEST(a_missing_file_is_told_with_its_neighbour)
{
    char path[256], hint[300];

    build_packets(1);
    build_save(&builder, "trace-web.pcap");
    snprintf(path, sizeof path, "%s/trace-wbe.pcap", build_folder());
    snprintf(hint, sizeof hint, "did you mean %s/trace-web.pcap?", build_folder());
    reading_of(&reading, path);
    check_refused("trace-wbe.pcap: no such file", hint);
    clean_up();

    reading_of(&reading, "/nowhere/at/all.pcap");
    check_refused("/nowhere/at/all.pcap: no such file", "");
    clean_up();
}
END_TEST

START_TEST(a_folder_is_no_capture)
{
    reading_of(&reading, build_folder());
    check_refused(": a directory, not a capture file", "-r FILE -r FILE");
    clean_up();
}
END_TEST

START_TEST(a_file_without_permission_is_told)
{
    build_packets(1);
    const char *path = build_save(&builder, "secret.pcap");
    chmod(path, 0);
    if (geteuid() == 0) {
        printf("skipped: root may read everything\n");
    } else {
        reading_of(&reading, path);
        check_refused("secret.pcap: no permission to read it", "sudo");
    }
    clean_up();
}
END_TEST

START_TEST(one_bad_file_among_several_is_named)
{
    char good[256];

    build_packets(1);
    strcpy(good, build_save(&builder, "good.pcap"));
    const char *const paths[] = { good, "/nowhere/at/all.pcap" };
    reading_of_files(&reading, paths, 2, NULL, 0, 64);
    check_refused("/nowhere/at/all.pcap: no such file", "");
    clean_up();
}
END_TEST

START_TEST(a_very_long_path_leaves_room_for_what_is_wrong)
{
    char path[2000];

    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    for (size_t i = 0; i < sizeof path - 1; i += 200)
        path[i] = '/';
    reading_of(&reading, path);
    check_refused("xxx: no such file", "");
    clean_up();
}
END_TEST

START_TEST(standard_input_is_read_in_whatever_pieces_it_comes)
{
    static const size_t pieces[] = { 1, 7, 4096, 0 };

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        build_packets(pieces[i] == 1 ? 100 : 20000);
        read_as_stdin(pieces[i]);
        ck_assert_uint_eq(reading.count, pieces[i] == 1 ? 100 : 20000);
        ck_assert_uint_eq(reading.fault_count, 0);
        ck_assert_uint_eq(reading.stats.bytes_total, 0);
        ck_assert_uint_eq(reading.stats.bytes_read, builder.count);
        clean_up();
    }
}
END_TEST

START_TEST(standard_input_may_be_compressed)
{
    static const enum compression all[] = { COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_LZ4 };

    for (size_t i = 0; i < 3; i++) {
        build_packets(500);
        if (build_compress(&builder, all[i])) {
            read_as_stdin(1);
            ck_assert_str_eq(reading_fault_text(&reading), "");
            ck_assert_uint_eq(reading.count, 500);
        }
        clean_up();
    }
}
END_TEST

START_TEST(standard_input_that_is_cut_short_is_told_by_name)
{
    build_packets(3);
    builder.count -= 14;
    read_as_stdin(0);
    ck_assert_uint_eq(reading.count, 2);
    ck_assert_str_eq(reading_fault_text(&reading),
                     "standard input: cut short in packet 3 (60 bytes promised, 46 there); "
                     "everything before it was used");
    clean_up();

    read_as_stdin(0);
    check_refused("standard input: empty", "");
    clean_up();
}
END_TEST

static void interrupt(int number)
{
    (void)number;
    source_interrupt();
}

/* A pipe whose writer keeps it open and writes no more. */
START_TEST(an_interrupt_ends_a_pipe_that_is_silent)
{
    struct source_fault fault;
    struct fw_packet packets[64];
    int ends[2];
    char path[64];

    build_packets(10);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], builder.bytes, builder.count), (ssize_t)builder.count);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    struct source *source = source_open_files(&(const char *){ path }, 1, NULL, 0, &fault);
    ck_assert_ptr_nonnull(source);
    ck_assert_int_eq(source_next(source, packets, 64), 10);

    signal(SIGALRM, interrupt);
    setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { .tv_usec = 20000 } }, NULL);
    ck_assert_int_eq(source_next(source, packets, 64), SOURCE_END);
    ck_assert(!source_fault(source, 0, &fault));
    source_destroy(source);
    close(ends[0]);
    close(ends[1]);
    clean_up();
}
END_TEST

/* More than one buffer full is in the pipe; its writer goes on, but not for us. */
START_TEST(an_interrupt_lets_what_a_pipe_holds_pass)
{
    struct source_fault fault;
    struct fw_packet packets[64];
    int ends[2], lent;
    char path[64];
    uint64_t count = 0;

    build_packets(10000);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
    ck_assert_int_eq(write(ends[1], builder.bytes, builder.count), (ssize_t)builder.count);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    struct source *source = source_open_files(&(const char *){ path }, 1, NULL, 0, &fault);
    ck_assert_ptr_nonnull(source);
    source_interrupt();
    while ((lent = source_next(source, packets, 64)) > 0)
        count += (uint64_t)lent;
    ck_assert_int_eq(lent, SOURCE_END);
    ck_assert_uint_eq(count, 10000);
    ck_assert(!source_fault(source, 0, &fault));
    source_destroy(source);
    close(ends[0]);
    close(ends[1]);
    clean_up();
}
END_TEST

START_TEST(an_interrupt_ends_a_file_at_the_next_batch)
{
    struct source_fault fault;
    struct fw_packet packets[64];

    build_packets(1000);
    const char *path = build_save(&builder, "long.pcap");
    struct source *source = source_open_files(&path, 1, NULL, 0, &fault);
    ck_assert_int_eq(source_next(source, packets, 64), 64);
    source_interrupt();
    ck_assert_int_eq(source_next(source, packets, 64), SOURCE_END);
    source_destroy(source);
    clean_up();
}
END_TEST

/* As a process does that gives up its right to open files in between. */
START_TEST(files_that_are_open_need_no_path_any_more)
{
    struct source_fault fault = { 0 };
    struct fw_packet packets[64];

    build_packets(10);
    const char *path = build_save(&builder, "gone.pcap");
    struct source *source = source_prepare_files(&path, 1, NULL, 0, &fault);
    ck_assert_ptr_nonnull(source);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(source_begin(source, &fault));
    ck_assert_int_eq(source_next(source, packets, 64), 10);
    source_destroy(source);
    clean_up();
}
END_TEST

START_TEST(all_files_open_or_none_does)
{
    struct source_fault fault = { 0 };

    build_packets(1);
    const char *const paths[] = { build_save(&builder, "there.pcap"), "/nonexistent/b.pcap" };
    ck_assert_ptr_null(source_prepare_files(paths, 2, NULL, 0, &fault));
    ck_assert_str_eq(fault.text, "/nonexistent/b.pcap: no such file");
    struct source *source = source_prepare_files(paths, 1, NULL, 0, &fault);
    source_destroy(source); /* never looked into */
    clean_up();
}
END_TEST

START_TEST(so_many_packets_and_no_more)
{
    static const uint64_t limits[] = { 1, 63, 64, 65, 999, 1000, 1001, 5000 };

    build_packets(1000);
    const char *path = build_save(&builder, "count.pcap");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        reading_of_files(&reading, &path, 1, NULL, limits[i], 64);
        ck_assert_uint_eq(reading.count, limits[i] < 1000 ? limits[i] : 1000);
        reading_finish(&reading);
    }
    clean_up();
}
END_TEST

START_TEST(very_many_files_are_read_together)
{
    enum { FILES = 300 };
    static char paths[FILES][128];
    const char *names[FILES];

    for (int i = 0; i < FILES; i++) {
        build_packets(10);
        char name[32];
        snprintf(name, sizeof name, "part%d.pcap", i);
        strcpy(paths[i], build_save(&builder, name));
        names[i] = paths[i];
        build_finish(&builder);
    }
    reading_of_files(&reading, names, FILES, NULL, 0, 64);
    ck_assert_uint_eq(reading.count, 10 * FILES);
    for (size_t i = 0; i < reading.count; i++)
        ck_assert_uint_eq(reading.packets[i].file, i % FILES);
    clean_up();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_no_capture_is_shown_by_its_start,
        a_missing_file_is_told_with_its_neighbour,
        a_folder_is_no_capture,
        a_file_without_permission_is_told,
        one_bad_file_among_several_is_named,
        a_very_long_path_leaves_room_for_what_is_wrong,
        standard_input_is_read_in_whatever_pieces_it_comes,
        standard_input_may_be_compressed,
        standard_input_that_is_cut_short_is_told_by_name,
        an_interrupt_ends_a_pipe_that_is_silent,
        an_interrupt_lets_what_a_pipe_holds_pass,
        an_interrupt_ends_a_file_at_the_next_batch,
        files_that_are_open_need_no_path_any_more,
        all_files_open_or_none_does,
        so_many_packets_and_no_more,
        very_many_files_are_read_together,
    };
    return UNIT_RUN("source_file", tests);
}
