/* A capture read to its end through a source, kept to be looked at. */
#ifndef READING_H
#define READING_H

#include "source.h"

struct reading {
    bool opened; /* else `refused` says why not */
    struct source_fault refused;
    struct fw_packet *packets; /* `data` is ours */
    size_t count;
    struct source_fault faults[16];
    size_t fault_count;
    struct source_stats stats;
};

/* Reads all packets of the files, `batch` at a time. */
void reading_of_files(struct reading *reading, const char *const *paths, size_t count,
                      struct filter *filter, uint64_t max_packets, int batch);
void reading_of(struct reading *reading, const char *path);
void reading_finish(struct reading *reading);

/* What was wrong: of the first fault, or of opening; SOURCE_FAULT_NONE and "" if nothing was. */
enum source_fault_kind reading_fault_kind(const struct reading *reading);
const char *reading_fault_text(const struct reading *reading);

#endif
