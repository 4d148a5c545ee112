#include "source_capture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suggest.h"

enum {
    SHOWN_BYTES = 16, /* of what is no capture */
    SHOWN_PATH_BYTES = 160,
};

/* ------------------------------------------------------------------------- what is no capture --
 */

/* Formats that people have and that others can convert. */
static const struct {
    const char *magic;
    uint8_t bytes;
    const char *hint;
} strangers[] = {
    { "\xfd\x37\x7a\x58\x5a", 5, "try: xz -dc FILE | finwait -r -" },
    { "BZh", 3, "try: bzip2 -dc FILE | finwait -r -" },
    { "PK\x03\x04", 4, "try: unzip -p FILE | finwait -r -" },
    { "snoop\0\0\0", 8, "a Solaris snoop capture; try: editcap -F pcapng FILE OUT.pcapng" },
    { "GMBU", 4, "a Microsoft Network Monitor capture; try: editcap -F pcapng FILE OUT.pcapng" },
    { "RTSS", 4, "a Microsoft Network Monitor capture; try: editcap -F pcapng FILE OUT.pcapng" },
    { "btsnoop\0", 8, "a Bluetooth capture: there is no TCP in it" },
    { "\x0a\x0d\x0d\x0a", 4, "damaged in the first bytes of a pcapng file?" },
};

static const char *hint_for_stranger(const uint8_t *first, size_t count)
{
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        if (count >= strangers[i].bytes && !memcmp(first, strangers[i].magic, strangers[i].bytes))
            return strangers[i].hint;
    }
    return "";
}

/* The first line if it is text, else bytes in hexadecimal. */
static void describe_start(const uint8_t *first, size_t count, char *text, size_t text_bytes)
{
    size_t line = 0;
    bool printable = true;

    if (count > SHOWN_BYTES)
        count = SHOWN_BYTES;
    while (line < count && first[line] != '\n' && first[line] != '\r') {
        printable &= first[line] >= ' ' && first[line] < 0x7f;
        line++;
    }
    if (printable && line > 0) {
        snprintf(text, text_bytes, "\"%.*s\"", (int)line, (const char *)first);
        return;
    }
    size_t used = 0;
    for (size_t i = 0; i < count && i < 8 && used + 4 < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%02x", i ? " " : "", first[i]);
}

static void fault_stranger(const struct capture *capture, struct source_fault *fault)
{
    const struct capture_window *window = &capture->input.window;
    const size_t count = (size_t)(window->end - window->at);
    const enum compression compression = capture->input.compression;
    char start[64] = "";

    describe_start(window->at, count, start, sizeof start);
    if (compression == COMPRESSION_NONE)
        source_fault_set(
            fault, SOURCE_FAULT_UNREADABLE, hint_for_stranger(window->at, count),
            "%s: not a capture file (starts with %s); known: pcap, pcapng, plain or gzip, "
            "zstd, lz4",
            capture->name, start);
    else
        source_fault_set(
            fault, SOURCE_FAULT_UNREADABLE, hint_for_stranger(window->at, count),
            "%s: %s, but what it unpacks to is not a capture file (starts with %s); known: "
            "pcap, pcapng",
            capture->name, compression_name(compression), start);
}

/* ------------------------------------------------------------------------------------ end -- */

/* The input ended before its file header did. */
static void fault_no_header(const struct capture *capture, struct source_fault *fault)
{
    const struct input *input = &capture->input;
    const size_t there = (size_t)(input->window.end - input->window.at);
    const char *packing = compression_name(input->compression);
    const char *again = "capture it again, or copy it again if it was copied";

    switch (input->state) {
    case INPUT_OPEN:
    case INPUT_ENDED:
        if (there == 0 && input->compression != COMPRESSION_NONE)
            source_fault_set(fault, SOURCE_FAULT_UNREADABLE, again,
                             "%s: empty (%s, unpacks to nothing)", capture->name, packing);
        else if (there == 0)
            source_fault_set(fault, SOURCE_FAULT_UNREADABLE, again,
                             "%s: empty; a capture without packets still has a file header",
                             capture->name);
        else if (capture->reader)
            source_fault_set(
                fault, SOURCE_FAULT_UNREADABLE, again,
                "%s: shorter than the file header of %s (%zu bytes promised, %zu there)",
                capture->name, capture->reader->format->name, input->window.wanted_bytes, there);
        else
            source_fault_set(fault, SOURCE_FAULT_UNREADABLE, again,
                             "%s: shorter than the file header of any capture (%zu byte%s)",
                             capture->name, there, there == 1 ? "" : "s");
        break;
    case INPUT_INTERRUPTED:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "",
                         "%s: interrupted before anything arrived", capture->name);
        break;
    case INPUT_CUT:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, again,
                         "%s: shorter than its file header (the %s stream is cut short)",
                         capture->name, packing);
        break;
    case INPUT_DAMAGED:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, again,
                         "%s: the %s stream is damaged at its start (%s)", capture->name, packing,
                         input->error);
        break;
    case INPUT_FAILED:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: cannot be read (%s)",
                         capture->name, input->error);
        break;
    }
}

/* The input ended after its file header; in the middle of something? */
static void fault_at_end(struct capture *capture)
{
    const struct input *input = &capture->input;
    const char *packing = compression_name(input->compression);
    char place[128];
    const bool inside =
        capture->reader->format->cut_short(capture->reader, &input->window, place, sizeof place);
    const uint64_t packets = capture->reader->packets;

    if (!inside)
        snprintf(place, sizeof place, "%s %" PRIu64, packets ? "after packet" : "before packet",
                 packets ? packets : 1);
    switch (input->state) {
    case INPUT_OPEN:
    case INPUT_INTERRUPTED:
        break;
    case INPUT_ENDED:
        if (inside)
            source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_PARTIAL, "",
                             "%s: cut short in %s; everything before it was used", capture->name,
                             place);
        break;
    case INPUT_CUT:
        source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_PARTIAL, "",
                         "%s: the %s stream is cut short %s%s; everything before it was used",
                         capture->name, packing, inside ? "in " : "", place);
        break;
    case INPUT_DAMAGED:
        source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_PARTIAL, "",
                         "%s: the %s stream is damaged %s%s: %s; everything before it was used",
                         capture->name, packing, inside ? "in " : "", place, input->error);
        break;
    case INPUT_FAILED:
        source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_PARTIAL, "",
                         "%s: cannot be read on %s%s: %s; everything before it was used",
                         capture->name, inside ? "in " : "", place, input->error);
        break;
    }
}

static void end_capture(struct capture *capture)
{
    const struct capture_reader *reader = capture->reader;
    const struct decompressor *decompressor = capture->input.decompressor;

    capture->ended = true;
    if (reader->odd_times)
        source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_NOTICE, "",
                         "%s: %" PRIu64 " packet%s with a timestamp out of range", capture->name,
                         reader->odd_times, reader->odd_times == 1 ? "" : "s");
    if (decompressor && decompressor_ignored_bytes(decompressor))
        source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_NOTICE, "",
                         "%s: %" PRIu64 " bytes after the end of the %s stream were ignored",
                         capture->name, decompressor_ignored_bytes(decompressor),
                         compression_name(capture->input.compression));
}

int capture_next(void *context, struct fw_packet *packets, int max)
{
    struct capture *capture = context;
    struct input *input = &capture->input;

    while (!capture->ended) {
        const int count =
            capture->reader->format->next(capture->reader, &input->window, packets, max);
        if (count > 0) {
            for (int i = 0; i < count; i++)
                packets[i].file = capture->number;
            return count;
        }
        if (count == CAPTURE_DAMAGED) {
            source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_PARTIAL, "",
                             "%s: %s; everything before it was used", capture->name,
                             capture->reader->damage);
            end_capture(capture);
        } else if (!input_fill(input, input->window.wanted_bytes)) {
            if (input->idle)
                return SOURCE_AGAIN;
            fault_at_end(capture);
            end_capture(capture);
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------ open -- */

/* The name in the same directory that was probably meant. */
static void hint_near_name(const char *path, char *hint, size_t hint_bytes)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const int folder_bytes = (int)(base - path);
    char folder[128];
    struct suggestion suggestion;

    if (folder_bytes >= (int)sizeof folder)
        return;
    snprintf(folder, sizeof folder, "%.*s", folder_bytes, path);
    DIR *directory = opendir(folder_bytes ? folder : ".");
    if (!directory)
        return;
    suggestion_init(&suggestion, base);
    for (const struct dirent *entry; (entry = readdir(directory));)
        suggestion_offer(&suggestion, entry->d_name);
    closedir(directory);
    if (suggestion.best[0])
        snprintf(hint, hint_bytes, "did you mean %s%s?", folder, suggestion.best);
}

static void fault_not_opened(const char *path, const char *name, int error,
                             struct source_fault *fault)
{
    switch (error) {
    case ENOENT:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: no such file", name);
        hint_near_name(path, fault->hint, sizeof fault->hint);
        break;
    case EACCES:
    case EPERM:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: no permission to read it", name);
        snprintf(fault->hint, sizeof fault->hint, "try: sudo cat %.200s | finwait -r -", name);
        break;
    case EMFILE:
    case ENFILE:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE,
                         "ulimit -n shows and sets how many are allowed", "%s: too many open files",
                         name);
        break;
    default:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: cannot be opened (%s)", name,
                         strerror(error));
        break;
    }
}

int capture_open_path(const char *path, struct source_fault *fault)
{
    const char *name = capture_name(path);
    struct stat status;

    if (strcmp(path, "-") == 0) {
        if (!isatty(STDIN_FILENO))
            return STDIN_FILENO;
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "try: tcpdump -w - | finwait -r -",
                         "standard input: a terminal, not a capture");
        return -1;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fault_not_opened(path, name, errno, fault);
        return -1;
    }
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "name each file in it: -r FILE -r FILE",
                         "%s: a directory, not a capture file", name);
        close(fd);
        return -1;
    }
    return fd;
}

static const struct capture_format *const formats[] = { &pcap_format, &pcapng_format };

/* The reader for what the window holds; false with *fault filled if there is none. */
static bool find_reader(struct capture *capture, struct source_fault *fault)
{
    const struct capture_window *window = &capture->input.window;
    const enum compression compression = capture->input.compression;

    if (compression != COMPRESSION_NONE && !compression_is_built_in(compression)) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "",
                         "%s: compressed with %s, and finwait was built without it", capture->name,
                         compression_name(compression));
        snprintf(fault->hint, sizeof fault->hint, "try: %s -dc FILE | finwait -r -",
                 compression_name(compression));
        return false;
    }
    if (window->end - window->at < 4) {
        fault_no_header(capture, fault);
        return false;
    }
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (!formats[i]->recognise(window->at))
            continue;
        capture->reader = formats[i]->create();
        if (!capture->reader)
            source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: out of memory",
                             capture->name);
        return capture->reader != NULL;
    }
    fault_stranger(capture, fault);
    return false;
}

int capture_begin(struct capture *capture, struct source_fault *fault)
{
    struct input *input = &capture->input;
    int result;

    if (!input_begin(input))
        return SOURCE_AGAIN;
    if (!capture->reader && input->follows && !input_fill(input, 4) && input->idle)
        return SOURCE_AGAIN;
    if (!capture->reader && !find_reader(capture, fault))
        return 0;
    while ((result = capture->reader->format->begin(capture->reader, &input->window)) ==
           CAPTURE_MORE) {
        if (!input_fill(input, input->window.wanted_bytes)) {
            if (input->idle)
                return SOURCE_AGAIN;
            fault_no_header(capture, fault);
            return 0;
        }
    }
    capture->begun = true;
    if (result == CAPTURE_DAMAGED) {
        source_fault_set(fault_list_add(capture->faults), SOURCE_FAULT_PARTIAL, "",
                         "%s: %s; nothing was read", capture->name, capture->reader->damage);
        end_capture(capture);
    }
    return 1;
}

const char *capture_name(const char *path)
{
    const size_t bytes = strlen(path);

    if (strcmp(path, "-") == 0)
        return "standard input";
    return bytes > SHOWN_PATH_BYTES ? path + bytes - SHOWN_PATH_BYTES : path;
}

void capture_init(struct capture *capture, int fd, size_t buffer_bytes, bool follows)
{
    input_init(&capture->input, fd, buffer_bytes, follows);
}

void capture_finish(struct capture *capture)
{
    if (capture->reader)
        capture->reader->format->destroy(capture->reader);
    input_finish(&capture->input);
    *capture = (struct capture){ .input = { .fd = -1 } };
}

void capture_end_here(struct capture *capture)
{
    if (capture->ended)
        return;
    capture->input.state = capture->input.state == INPUT_OPEN ? INPUT_ENDED : capture->input.state;
    if (capture->begun)
        fault_at_end(capture);
    end_capture(capture);
}
