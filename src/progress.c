#include "progress.h"

#include <stdio.h>
#include <time.h>

#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)

static int64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

void progress_text(char *text, unsigned size, uint64_t bytes, uint64_t total, uint64_t packets,
                   int64_t elapsed_ns)
{
    const double seconds = elapsed_ns > 0 ? (double)elapsed_ns / 1e9 : 1e-9;
    const double megabytes = (double)bytes / 1e6;

    if (total == 0 || bytes > total) {
        snprintf(text, size, "%.0f MB, %.1f MB/s, %.2f M packets", megabytes, megabytes / seconds,
                 (double)packets / 1e6);
        return;
    }
    const double left = bytes ? (double)(total - bytes) * seconds / (double)bytes : 0;
    snprintf(text, size, "%3.0f %%  %.1f MB/s  %.2f M packets  %.0f s left",
             100.0 * (double)bytes / (double)total, megabytes / seconds, (double)packets / 1e6,
             left);
}

void progress_update(struct progress *progress, uint64_t bytes, uint64_t total, uint64_t packets)
{
    char text[80];
    int64_t now;

    if (!progress->enabled)
        return;
    now = monotonic_ns();
    if (progress->started_ns == 0) {
        progress->started_ns = now;
        progress->next_ns = now + 500 * MILLISECOND; /* most files are done by then */
    }
    if (now < progress->next_ns)
        return;
    progress->next_ns = now + 200 * MILLISECOND;
    progress->shown = true;
    progress_text(text, sizeof text, bytes, total, packets, now - progress->started_ns);
    fprintf(stderr, "\r%-78s", text);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r%78s\r", "");
    progress->shown = false;
}
