/*
 * --follow: a capture that somebody else is writing, as `tail -F` follows text. Its end is not the
 * end. Where the name (or pattern) comes to mean another file, because the writer began a new one
 * (tcpdump -C and -G, logrotate), reading goes on there when the present one is used up; where the
 * file was cut, from its start.
 *
 * Of the files that match a pattern, the next is the one written to next after the present one: by
 * time of last writing, then by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/inotify.h>
#endif

#include "source_capture.h"

enum {
    BUFFER_BYTES = 1024 * 1024,
    WAIT_MS = 50,     /* where no event says that there is more, we look this often */
    START_BYTES = 64, /* by which a file is known again */
    USED_MAX = 64,    /* files that are remembered */
};

struct place {
    dev_t device;
    ino_t inode;
    fw_time written; /* last */
};

/* A file that was read to its end. Whoever writes to it again appends, or starts anew. */
struct used_file {
    struct place place;
    uint8_t start[START_BYTES];
};

struct follow_source {
    struct source source;
    const char *pattern; /* lent */
    bool named;          /* it is a name as it stands */
    bool is_open;
    char *path; /* of the present file */
    struct place place;
    uint8_t start[START_BYTES]; /* of the present file, as far as it was there */
    size_t start_bytes;
    struct capture capture;
    struct filter *filter; /* lent */
    uint64_t frame, packets, filtered, max_packets;
    uint64_t bytes_before; /* of the files before this one */
    int events;            /* inotify's descriptor; -1: none */
    struct used_file used[USED_MAX];
    size_t used_count; /* since the start */
    bool ended;
    struct fault_list faults;
};

/* ------------------------------------------------------------------------------------- places --
 */

static struct place place_of(const struct stat *status)
{
    return (struct place){
        .device = status->st_dev,
        .inode = status->st_ino,
        .written = status->st_mtim.tv_sec * FW_SECOND + status->st_mtim.tv_nsec,
    };
}

static bool same_file(const struct place *a, const struct place *b)
{
    return a->device == b->device && a->inode == b->inode;
}

static void read_start(int fd, uint8_t start[START_BYTES])
{
    memset(start, 0, START_BYTES);
    (void)!pread(fd, start, START_BYTES, 0);
}

static void remember(struct follow_source *follow)
{
    struct used_file *used = &follow->used[follow->used_count++ % USED_MAX];

    used->place = follow->place;
    read_start(follow->capture.input.fd, used->start);
}

/* Whether a file was read before and is still what it was. */
static bool is_used(const struct follow_source *follow, const char *path, const struct place *place)
{
    const size_t count = follow->used_count < USED_MAX ? follow->used_count : USED_MAX;
    uint8_t start[START_BYTES];

    for (size_t i = 0; i < count; i++) {
        if (!same_file(&follow->used[i].place, place))
            continue;
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return true;
        read_start(fd, start);
        close(fd);
        if (memcmp(start, follow->used[i].start, START_BYTES) == 0)
            return true;
    }
    return false;
}

static bool comes_before(const struct place *a, const char *a_path, const struct place *b,
                         const char *b_path)
{
    if (a->written != b->written)
        return a->written < b->written;
    return strverscmp(a_path, b_path) < 0;
}

/* The file to go on with, its path ours; NULL: none. */
static char *find_matching(const struct follow_source *follow)
{
    struct place place, best_place;
    const char *best = NULL;
    struct stat status;
    glob_t found;

    if (glob(follow->pattern, GLOB_NOSORT, NULL, &found) != 0)
        return NULL;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i];

        if (stat(path, &status) < 0 || !S_ISREG(status.st_mode))
            continue;
        place = place_of(&status);
        if (follow->is_open && (same_file(&place, &follow->place) ||
                                !comes_before(&follow->place, follow->path, &place, path)))
            continue;
        if (best && !comes_before(&place, path, &best_place, best))
            continue;
        if (is_used(follow, path, &place))
            continue;
        best = path;
        best_place = place;
    }
    char *path = best ? strdup(best) : NULL;
    globfree(&found);
    return path;
}

static char *find_next(const struct follow_source *follow)
{
    struct stat status;

    if (!follow->named)
        return find_matching(follow);
    if (stat(follow->pattern, &status) < 0)
        return NULL;
    const struct place place = place_of(&status);
    return follow->is_open && same_file(&place, &follow->place) ? NULL : strdup(follow->pattern);
}

/* -------------------------------------------------------------------------------------- files --
 */

static bool use_descriptor(struct follow_source *follow, int fd, char *path)
{
    struct stat status;

    follow->path = path;
    if (fstat(fd, &status) == 0)
        follow->place = place_of(&status);
    follow->start_bytes = 0;
    follow->capture.name = capture_name(path);
    follow->capture.faults = &follow->faults;
    capture_init(&follow->capture, fd, BUFFER_BYTES, true);
    follow->is_open = true;
    return true;
}

/* False: *fault says why not. Takes the path. */
static bool open_file(struct follow_source *follow, char *path, struct source_fault *fault)
{
    const int fd = capture_open_path(path, fault);

    if (fd >= 0)
        return use_descriptor(follow, fd, path);
    free(path);
    return false;
}

static void close_file(struct follow_source *follow)
{
    if (!follow->is_open)
        return;
    follow->bytes_before += follow->capture.input.read_bytes;
    capture_end_here(&follow->capture);
    capture_finish(&follow->capture);
    free(follow->path);
    follow->path = NULL;
    follow->is_open = false;
}

/* The file begins anew: it is shorter than what was read of it, or has grown since, and then its
 * start is another. */
static bool was_cut(struct follow_source *follow)
{
    const int fd = follow->capture.input.fd;
    uint8_t start[START_BYTES];
    struct stat status;

    if (follow->capture.input.waits || fstat(fd, &status) < 0)
        return false;
    if ((uint64_t)status.st_size < follow->capture.input.read_bytes)
        return true;
    const ssize_t bytes = pread(fd, start, sizeof start, 0);
    if (bytes < 0)
        return false;
    if ((size_t)bytes < follow->start_bytes ||
        memcmp(start, follow->start, follow->start_bytes) != 0)
        return true;
    memcpy(follow->start, start, (size_t)bytes);
    follow->start_bytes = (size_t)bytes;
    return false;
}

static void start_anew(struct follow_source *follow)
{
    const int fd = follow->capture.input.fd;
    char *path = follow->path;

    follow->bytes_before += follow->capture.input.read_bytes;
    follow->capture.input.fd = -1;
    capture_end_here(&follow->capture);
    capture_finish(&follow->capture);
    lseek(fd, 0, SEEK_SET);
    use_descriptor(follow, fd, path);
}

/* There is nothing more in the present file: whether there is something to go on with. */
static bool move_on(struct follow_source *follow)
{
    struct source_fault fault;
    struct stat status;
    char *path;

    if (follow->is_open && follow->capture.input.waits)
        return false;
    if (follow->is_open && fstat(follow->capture.input.fd, &status) == 0)
        follow->place = place_of(&status);
    path = find_next(follow);
    if (!path)
        return false;
    /* What was written before the next file was begun, and after we looked. */
    if (follow->is_open && !follow->capture.ended &&
        fstat(follow->capture.input.fd, &status) == 0 &&
        (uint64_t)status.st_size > follow->capture.input.read_bytes) {
        free(path);
        return true;
    }
    if (follow->is_open)
        remember(follow);
    close_file(follow);
    return open_file(follow, path, &fault); /* gone again already: there will be another */
}

/* ------------------------------------------------------------------------------------- events --
 */

/* Of the folder: new files, and what is written to those that are there. */
static int watch_folder(const char *pattern)
{
#ifdef __linux__
    const char *slash = strrchr(pattern, '/');
    const int events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    char folder[4096] = ".";

    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == pattern ? 1 : (int)(slash - pattern),
                 pattern);
    if (events >= 0 && inotify_add_watch(events, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
        close(events);
        return -1;
    }
    return events;
#else
    (void)pattern;
    return -1;
#endif
}

static void wait_for_more(struct follow_source *follow)
{
    const bool pipe = follow->is_open && follow->capture.input.waits;
    struct pollfd fd = { .fd = pipe ? follow->capture.input.fd : follow->events, .events = POLLIN };
    char events[4096];

    if (poll(&fd, 1, WAIT_MS) > 0 && !pipe)
        while (read(follow->events, events, sizeof events) > 0)
            continue;
}

/* ------------------------------------------------------------------------------------ packets --
 */

static int number_and_filter(struct follow_source *follow, struct fw_packet *packets, int count)
{
    int kept = 0;

    for (int i = 0; i < count; i++) {
        packets[i].frame = ++follow->frame;
        if (!follow->filter || filter_match(follow->filter, &packets[i]))
            packets[kept++] = packets[i];
    }
    follow->filtered += (uint64_t)(count - kept);
    follow->packets += (uint64_t)kept;
    return kept;
}

/* The file is none that can be read: the first was asked for, a later one is left out. */
static int refuse_file(struct follow_source *follow, struct source_fault *fault)
{
    if (follow->frame || source_interrupted())
        fault->kind = SOURCE_FAULT_PARTIAL;
    *fault_list_add(&follow->faults) = *fault;
    follow->capture.ended = true;
    follow->ended = !follow->frame;
    return follow->ended ? SOURCE_END : SOURCE_AGAIN;
}

/* Packets, SOURCE_AGAIN, or SOURCE_END: of all. */
static int read_file(struct follow_source *follow, struct fw_packet *packets, int max)
{
    struct capture *capture = &follow->capture;
    struct source_fault fault;

    if (!follow->is_open || (capture->ended && !capture->input.waits))
        return SOURCE_AGAIN;
    if (!capture->begun) {
        const int begun = capture_begin(capture, &fault);
        if (begun == 0)
            return refuse_file(follow, &fault);
        if (begun < 0)
            return SOURCE_AGAIN;
    }
    const int count = capture_next(capture, packets, max);
    if (count == 0 && !capture->input.waits && capture->input.state != INPUT_INTERRUPTED)
        return SOURCE_AGAIN; /* damaged: the next file may be better */
    return count;
}

static int end_all(struct follow_source *follow)
{
    struct source_fault fault;

    if (!follow->ended && follow->filter)
        for (size_t i = 0; filter_fault(follow->filter, i, &fault); i++)
            *fault_list_add(&follow->faults) = fault;
    follow->ended = true;
    return SOURCE_END;
}

static int follow_next(struct source *source, struct fw_packet *packets, int max)
{
    struct follow_source *follow = (struct follow_source *)source;
    bool waited = false;

    while (!follow->ended) {
        if (follow->max_packets && follow->max_packets - follow->packets < (uint64_t)max)
            max = (int)(follow->max_packets - follow->packets);
        if (max == 0)
            break;
        if (follow->is_open && was_cut(follow))
            start_anew(follow);
        const int count = read_file(follow, packets, max);
        if (count == SOURCE_END)
            break;
        if (count > 0) {
            const int kept = number_and_filter(follow, packets, count);
            if (kept > 0)
                return kept;
            continue;
        }
        if (move_on(follow))
            continue;
        if (source_interrupted())
            break;
        if (waited)
            return SOURCE_AGAIN;
        wait_for_more(follow);
        waited = true;
    }
    return end_all(follow);
}

/* ------------------------------------------------------------------------------------- source --
 */

static bool follow_fault(struct source *source, size_t index, struct source_fault *fault)
{
    return fault_list_find(&((const struct follow_source *)source)->faults, index, fault);
}

static void follow_stats(struct source *source, struct source_stats *stats)
{
    const struct follow_source *follow = (const struct follow_source *)source;

    *stats = (struct source_stats){
        .packets = follow->packets,
        .filtered = follow->filtered,
        .bytes_read = follow->bytes_before + follow->capture.input.read_bytes,
    };
}

static void follow_destroy(struct source *source)
{
    struct follow_source *follow = (struct follow_source *)source;

    if (follow->is_open)
        capture_finish(&follow->capture);
    if (follow->events >= 0)
        close(follow->events);
    free(follow->path);
    fault_list_finish(&follow->faults);
    free(follow);
}

static const struct source_ops follow_ops = {
    .next = follow_next,
    .fault = follow_fault,
    .stats = follow_stats,
    .destroy = follow_destroy,
};

/* What is not there yet is waited for; what cannot be read is not. */
static bool open_first(struct follow_source *follow, struct source_fault *fault)
{
    char *path;

    if (strcmp(follow->pattern, "-") == 0)
        return (path = strdup("-")) && open_file(follow, path, fault);
    follow->named =
        !follow->pattern[strcspn(follow->pattern, "*?[")] || access(follow->pattern, F_OK) == 0;
    follow->events = watch_folder(follow->pattern);
    path = find_next(follow);
    if (path)
        return open_file(follow, path, fault);
    source_fault_set(fault_list_add(&follow->faults), SOURCE_FAULT_NOTICE, "",
                     "%s: no such file yet; waiting for it", capture_name(follow->pattern));
    return true;
}

struct source *source_open_follow(const char *pattern, struct filter *filter, uint64_t max_packets,
                                  struct source_fault *fault)
{
    struct follow_source *follow = calloc(1, sizeof *follow);

    if (!follow) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
        return NULL;
    }
    follow->source.ops = &follow_ops;
    follow->pattern = pattern;
    follow->filter = filter;
    follow->max_packets = max_packets;
    follow->events = -1;
    follow->capture.input.fd = -1;
    if (!open_first(follow, fault)) {
        follow_destroy(&follow->source);
        return NULL;
    }
    return &follow->source;
}
