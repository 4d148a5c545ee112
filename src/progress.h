/* A progress line on stderr while files are read: percent by bytes, rate, time left. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool enabled;
    bool shown;         /* something is on the line now */
    int64_t started_ns; /* monotonic clock; 0: not yet */
    int64_t next_ns;    /* when to draw next */
};

/* Draws now and then; cheap when it is not time. `total` 0: unknown. */
void progress_update(struct progress *progress, uint64_t bytes, uint64_t total, uint64_t packets);

/* Clears the line: before anything else is written to the terminal, and at the end. */
void progress_clear(struct progress *progress);

/* The line itself, for a width of 79 columns: pure. */
void progress_text(char *text, unsigned size, uint64_t bytes, uint64_t total, uint64_t packets,
                   int64_t elapsed_ns);

#endif
