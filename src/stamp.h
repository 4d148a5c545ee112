/*
 * Capture time as a calendar has it, in UTC. What needs the time zone of a machine would make the
 * same capture print other bytes elsewhere. Level 0.
 */
#ifndef STAMP_H
#define STAMP_H

#include "finwait/finwait.h"

struct stamp {
    int64_t year;
    unsigned month, day, hour, minute, second; /* month and day are 1-based */
    uint32_t nanosecond;
};

/* Proleptic Gregorian calendar, without leap seconds: any fw_time will do. */
struct stamp stamp_of(fw_time time);

/* later - earlier, at the ends of the range where damaged timestamps are centuries apart. */
static inline int64_t stamp_since(fw_time later, fw_time earlier)
{
    int64_t ns;
    if (__builtin_sub_overflow(later, earlier, &ns))
        return later < earlier ? INT64_MIN : INT64_MAX;
    return ns;
}

/* The last seconds that were written: packets come in order, so it is nearly always one of them.
 * Zeroed at first. */
struct stamp_cache {
    struct {
        int64_t second;
        char text[32]; /* "2024-01-31T12:00:00.", empty at first */
    } last[8];         /* by second, modulo 8 */
};

/* Room that each of them needs. */
enum { STAMP_BYTES = 36 };

/* "2024-01-31T12:00:00.000000000Z" (RFC 3339), no NUL. Returns the end. */
char *stamp_rfc3339(struct stamp_cache *cache, char *at, fw_time time);

/* Seconds with nine decimals, "1.104000000" or "-0.000000001"; no NUL. */
char *stamp_seconds(char *at, int64_t ns);

#endif
