#include "image.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "out.h"

enum { WORDS = 8, OUT_BLOCK_BYTES = 64 * 1024, TEXT_BYTES = 512 };

static const char *const ways[][WORDS] = {
    { "--checksum" },
    { "--json" },
    { "table" },
    { "diagnose" },
    { "--json", "-Y", "client_packets > 1 or state closed" },
    { "--format", "zeek" },
    { "show", "1" },
    { "show", "--explain", "1" },
    { "show", "--ladder", "1" },
    { "--format", "csv", "--timers", "linux" },
    { "-q" },
    { "table", "--listeners", "--max-conns", "5" },
    { "--max-mem", "1M", "--json", "tcp port 80 or vlan" },
    { "diagnose", "--json" },
    { "verify", "--format", "junit" },
    { "verify", "--format", "tap" },
};
const size_t image_way_count = sizeof(ways) / sizeof(ways[0]);

/* In the place of complain() (--wrap): formats, and prints nothing. */
void __wrap_complain(const char *hint, const char *format, ...);
void __wrap_complain(const char *hint, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    const int bytes = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    assert(bytes > 0 && (!hint || strlen(hint) < sizeof(text)));
    (void)bytes, (void)hint;
}

static const char expectations[] = "all : handshake complete\n"
                                   "none state close-wait : for > 500ms\n"
                                   "all dport = :80 : packets > S < S. > .\n";

/* Files in memory that are opened by their paths, again and again. */
static struct {
    int capture, expectations, output;
    char capture_path[32], expectations_path[32];
} files;

static int make_file(const char *name, char *path, size_t size)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);

    assert(fd >= 0);
    if (path)
        snprintf(path, size, "/proc/self/fd/%d", fd);
    return fd;
}

static void write_file(int fd, const void *bytes, size_t size)
{
    const int cut = ftruncate(fd, 0);
    const ssize_t written = pwrite(fd, bytes, size, 0);

    assert(cut == 0 && written == (ssize_t)size);
    (void)cut, (void)written;
}

static void make_files(void)
{
    if (*files.capture_path)
        return;
    files.capture = make_file("capture", files.capture_path, sizeof(files.capture_path));
    files.expectations =
        make_file("expectations", files.expectations_path, sizeof(files.expectations_path));
    files.output = make_file("output", NULL, 0);
    write_file(files.expectations, expectations, sizeof(expectations) - 1);
}

static void take_output(struct image_result *result)
{
    static uint8_t block[65536];
    ssize_t count;

    result->bytes = 0;
    result->digest = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    lseek(files.output, 0, SEEK_SET);
    while ((count = read(files.output, block, sizeof(block))) > 0) {
        for (ssize_t i = 0; i < count; i++)
            result->digest = (result->digest ^ block[i]) * UINT64_C(0x100000001b3);
        result->bytes += (uint64_t)count;
    }
    write_file(files.output, "", 0);
    lseek(files.output, 0, SEEK_SET);
}

static int call(const struct options *options)
{
    const struct surroundings surroundings = {
        .utf8 = true,
        .memory_bytes = UINT64_C(256) << 20,
        .processors = 2,
        .hash_key = "any bytes do it",
    };
    struct out out;
    int status = EXIT_UNREADABLE;

    if (out_init(&out, files.output, OUT_BLOCK_BYTES) < 0)
        return status;
    status = cmd_follow(options->command, options, &surroundings, &out);
    out_flush(&out);
    out_finish(&out);
    return status;
}

void image_run(const uint8_t *bytes, size_t size, size_t way, unsigned threads,
               struct image_result *result)
{
    char *words[WORDS + 8], error[TEXT_BYTES], hint[TEXT_BYTES], copy[WORDS + 8][64];
    int argc = 0;
    struct options options;

    make_files();
    write_file(files.capture, bytes, size);
    const char *extra[] = { "--sandbox=off", "--threads", threads == 2 ? "2" : "1", "-r",
                            files.capture_path };
    snprintf(copy[argc++], sizeof(copy[0]), "finwait");
    for (size_t i = 0; i < WORDS && ways[way][i]; i++)
        snprintf(copy[argc++], sizeof(copy[0]), "%s", ways[way][i]);
    for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++)
        snprintf(copy[argc++], sizeof(copy[0]), "%s", extra[i]);
    if (strcmp(copy[1], "verify") == 0)
        snprintf(copy[argc++], sizeof(copy[0]), "%s", files.expectations_path);
    for (int i = 0; i < argc; i++)
        words[i] = copy[i];
    words[argc] = NULL;

    result->status = EXIT_USAGE;
    if (options_parse(&options, argc, words, error, sizeof(error), hint, sizeof(hint)))
        result->status = call(&options);
    options_finish(&options);
    take_output(result);
}
