/*
 * --metrics FILE: counts in the text format of Prometheus, for the textfile collector of its
 * node_exporter. The file is replaced as a whole: a reader never sees half of it. Level 5.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#ifndef METRICS_FILE_H
#define METRICS_FILE_H

#include "finwait/finwait.h"
#include "metrics.h"
#include "source.h"

struct metrics_file;

/* What is written beside the counts. */
struct metrics_facts {
    const struct metrics *metrics;
    const struct fw_tracker_counts *tracker;
    uint64_t max_memory_bytes, max_connections; /* limits; 0: none */
    uint64_t packets;
    fw_time last_time; /* of the last packet; before 1970: none */
    fw_time now;
    struct source *source; /* lent: for the drops of its interfaces */
};

/* Opens the folder and sees that a file can be written there; NULL with words in `error`. */
struct metrics_file *metrics_file_open(const char *path, char *error, size_t error_bytes);
void metrics_file_close(struct metrics_file *file);
const char *metrics_file_path(const struct metrics_file *file);

/* Replaces it. Returns 0 or a negative errno; then it is as it was. */
int metrics_file_write(struct metrics_file *file, const struct metrics_facts *facts);

#endif
