#include "metrics_file.h"

#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct metrics_file {
    const char *path; /* lent */
    const char *name; /* in the folder */
    char *temporary;  /* beside it: no *.prom, which a collector would read */
    int folder;       /* open from the start: privileges may go later */
};

/* --------------------------------------------------------------------------------------- text --
 */

static void head(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *file, const char *name, const char *type, const char *help, uint64_t value)
{
    head(file, name, type, help);
    fprintf(file, "%s %" PRIu64 "\n", name, value);
}

static void put_seconds(FILE *file, int64_t ns)
{
    fprintf(file, "%" PRId64 ".%09" PRId64 "\n", ns / FW_SECOND, ns % FW_SECOND);
}

/* Names of interfaces may hold anything but a slash and a space. */
static void put_label(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text == '\n' ? ' ' : *text, file);
    }
}

/* Words of records, as a label: "no answer" is no_answer. */
static void put_words(FILE *file, const char *text)
{
    for (; *text; text++)
        fputc(isalnum((unsigned char)*text) ? tolower((unsigned char)*text) : '_', file);
}

static void put_states(FILE *file, const struct metrics_facts *facts)
{
    static const enum fw_side sides[] = { FW_CLIENT, FW_SERVER };

    head(file, "finwait_connections", "gauge",
         "Connections that are followed, by the state of an endpoint.");
    for (size_t i = 0; i < 2; i++)
        for (int state = 0; state < FW_STATE_COUNT; state++)
            fprintf(file, "finwait_connections{endpoint=\"%s\",state=\"%s\"} %" PRIu64 "\n",
                    fw_side_name(sides[i]), fw_state_name((enum fw_state)state, FW_NAMES_RFC),
                    metrics_in_state(facts->metrics, sides[i], (enum fw_state)state,
                                     facts->tracker->live));

    head(file, "finwait_transitions_total", "counter",
         "Transitions of an endpoint, by the state that it entered.");
    for (size_t i = 0; i < 2; i++)
        for (int state = FW_CLOSED; state < FW_STATE_COUNT; state++)
            fprintf(file, "finwait_transitions_total{endpoint=\"%s\",to=\"%s\"} %" PRIu64 "\n",
                    fw_side_name(sides[i]), fw_state_name((enum fw_state)state, FW_NAMES_RFC),
                    facts->metrics->entered[sides[i]][state]);
}

static void put_handshakes(FILE *file, const struct metrics *metrics)
{
    uint64_t count = 0;

    head(file, "finwait_handshakes_total", "counter",
         "Handshakes by outcome, counted when they were over.");
    for (int open = 0; open < FW_OPEN_COUNT; open++) {
        fprintf(file, "finwait_handshakes_total{outcome=\"");
        put_words(file, fw_open_name((enum fw_open)open));
        fprintf(file, "\"} %" PRIu64 "\n", metrics->handshakes[open]);
    }
    head(file, "finwait_handshake_duration_seconds", "histogram",
         "Time from the SYN to the final ACK of complete handshakes.");
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        count += metrics->handshake_buckets[i];
        fprintf(file, "finwait_handshake_duration_seconds_bucket{le=\"");
        if (i + 1 < METRICS_BUCKETS)
            fprintf(file, "%g", (double)metrics_bounds_ns[i] / 1e9);
        else
            fprintf(file, "+Inf");
        fprintf(file, "\"} %" PRIu64 "\n", count);
    }
    fprintf(file, "finwait_handshake_duration_seconds_sum ");
    put_seconds(file, metrics->handshake_sum_ns);
    fprintf(file, "finwait_handshake_duration_seconds_count %" PRIu64 "\n", count);
}

static void put_ends(FILE *file, const struct metrics_facts *facts)
{
    const struct fw_tracker_counts *tracker = facts->tracker;

    one(file, "finwait_connections_seen_total", "counter", "Connections that were followed.",
        tracker->connections);
    head(file, "finwait_connections_ended_total", "counter",
         "Connections that are followed no more, by how they ended.");
    for (int end = 0; end < FW_END_COUNT; end++)
        fprintf(file, "finwait_connections_ended_total{end=\"%s\"} %" PRIu64 "\n",
                fw_end_name((enum fw_end)end), facts->metrics->ended[end]);
    head(file, "finwait_evictions_total", "counter",
         "Connections forgotten before their end, at a limit, by what they were.");
    fprintf(file,
            "finwait_evictions_total{reason=\"closed\"} %" PRIu64 "\n"
            "finwait_evictions_total{reason=\"half_open\"} %" PRIu64 "\n"
            "finwait_evictions_total{reason=\"idle\"} %" PRIu64 "\n",
            tracker->evicted_closed, tracker->evicted_half_open, tracker->evicted_idle);
}

static void put_drops(FILE *file, struct source *source)
{
    struct source_device device;

    for (size_t i = 0; source_device(source, i, &device); i++) {
        if (i == 0)
            head(file, "finwait_packets_dropped_total", "counter",
                 "Packets that were not captured, by who dropped them.");
        fprintf(file, "finwait_packets_dropped_total{interface=\"");
        put_label(file, device.name);
        fprintf(file, "\",by=\"kernel\"} %" PRIu64 "\n", device.dropped_kernel);
        fprintf(file, "finwait_packets_dropped_total{interface=\"");
        put_label(file, device.name);
        fprintf(file, "\",by=\"interface\"} %" PRIu64 "\n", device.dropped_interface);
    }
}

static void put_all(FILE *file, const struct metrics_facts *facts)
{
    const struct fw_tracker_counts *tracker = facts->tracker;

    head(file, "finwait_build_info", "gauge", "The version of finwait.");
    fprintf(file, "finwait_build_info{version=\"%s\"} 1\n", FINWAIT_VERSION);
    head(file, "finwait_written_timestamp_seconds", "gauge",
         "When this was written, by the clock: old if finwait has stopped.");
    fprintf(file, "finwait_written_timestamp_seconds ");
    put_seconds(file, facts->now);
    head(file, "finwait_last_packet_timestamp_seconds", "gauge",
         "When the last packet was captured.");
    fprintf(file, "finwait_last_packet_timestamp_seconds ");
    put_seconds(file, facts->last_time > 0 ? facts->last_time : 0);
    one(file, "finwait_packets_total", "counter", "Packets that were captured.", facts->packets);
    one(file, "finwait_segments_total", "counter", "TCP segments in them.", tracker->segments);
    put_drops(file, facts->source);
    put_states(file, facts);
    put_handshakes(file, facts->metrics);
    put_ends(file, facts);
    one(file, "finwait_tracker_memory_bytes", "gauge", "Memory that connections take.",
        tracker->memory_bytes);
    one(file, "finwait_tracker_memory_limit_bytes", "gauge",
        "Memory that they may take at most; 0: no limit.", facts->max_memory_bytes);
    one(file, "finwait_tracker_bucket_peak", "gauge",
        "Most steps that a search in the hash tables ever took.", tracker->bucket_peak);
    one(file, "finwait_connections_limit", "gauge",
        "Connections that are followed at most; 0: no limit.", facts->max_connections);
}

/* --------------------------------------------------------------------------------------- file --
 */

static int open_temporary(const struct metrics_file *file)
{
    return openat(file->folder, file->temporary,
                  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
}

int metrics_file_write(struct metrics_file *file, const struct metrics_facts *facts)
{
    const int fd = open_temporary(file);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");
    int error = 0;

    if (!stream) {
        error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    put_all(stream, facts);
    if (fflush(stream) != 0 || ferror(stream))
        error = errno ? errno : EIO;
    if (fclose(stream) != 0 && error == 0)
        error = errno;
    if (error == 0 && renameat(file->folder, file->temporary, file->folder, file->name) < 0)
        error = errno;
    if (error)
        unlinkat(file->folder, file->temporary, 0);
    return -error;
}

/* A device or a pipe would be replaced by a file. */
static int check_place(const struct metrics_file *file)
{
    struct stat status;

    if (fstatat(file->folder, file->name, &status, 0) == 0 && !S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? EISDIR : ENOTSUP;
    const int fd = open_temporary(file);
    if (fd < 0)
        return errno;
    close(fd);
    unlinkat(file->folder, file->temporary, 0);
    return 0;
}

static int open_folder(struct metrics_file *file)
{
    char *folder = strdup(file->path);
    const size_t bytes = (size_t)(file->name - file->path);

    if (!folder || asprintf(&file->temporary, ".%s.tmp", file->name) < 0) {
        free(folder);
        file->temporary = NULL;
        return ENOMEM;
    }
    folder[bytes] = '\0';
    file->folder = open(bytes ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int error = file->folder < 0 ? errno : 0;
    free(folder);
    return error;
}

struct metrics_file *metrics_file_open(const char *path, char *error, size_t error_bytes)
{
    struct metrics_file *file = calloc(1, sizeof *file);
    const char *slash = strrchr(path, '/');
    int why = ENOMEM;

    if (file) {
        file->path = path;
        file->name = slash ? slash + 1 : path;
        file->folder = -1;
        why = *file->name ? open_folder(file) : EISDIR;
    }
    if (why == 0)
        why = check_place(file);
    if (why == 0)
        return file;
    snprintf(error, error_bytes, "%s", why == ENOTSUP ? "not an ordinary file" : strerror(why));
    metrics_file_close(file);
    return NULL;
}

void metrics_file_close(struct metrics_file *file)
{
    if (!file)
        return;
    if (file->folder >= 0)
        close(file->folder);
    free(file->temporary);
    free(file);
}

const char *metrics_file_path(const struct metrics_file *file)
{
    return file->path;
}
