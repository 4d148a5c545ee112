/*
 * Feeds a tracker with new connections, as fast as it takes them, in batches as the program does:
 * what a connection of each kind costs in memory, and for how long at most a batch holds everything
 * up while the table grows. Prints one object of JSON.
 *
 *     feed half-open|open|ended CONNECTIONS
 */
#include "finwait/finwait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 64, SLOWEST = 5, SEGMENTS_MAX = 6 };

/* The segments of one connection. Numbers are relative to those that its ends begin with. */
struct kind {
    const char *name;
    size_t count;
    struct {
        enum fw_side from;
        uint16_t flags;
        uint32_t seq, ack;
    } segments[SEGMENTS_MAX];
};

static const struct kind kinds[] = {
    { "half-open", 1, { { FW_CLIENT, FW_SYN, 0, 0 } } },
    { "open",
      3,
      { { FW_CLIENT, FW_SYN, 0, 0 },
        { FW_SERVER, FW_SYN | FW_ACK, 0, 1 },
        { FW_CLIENT, FW_ACK, 1, 1 } } },
    { "ended",
      6,
      { { FW_CLIENT, FW_SYN, 0, 0 },
        { FW_SERVER, FW_SYN | FW_ACK, 0, 1 },
        { FW_CLIENT, FW_ACK, 1, 1 },
        { FW_CLIENT, FW_FIN | FW_ACK, 1, 1 },
        { FW_SERVER, FW_FIN | FW_ACK, 1, 2 },
        { FW_CLIENT, FW_ACK, 2, 2 } } },
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static struct fw_endpoint endpoint(enum fw_side side, uint64_t number)
{
    struct fw_endpoint endpoint = { .family = FW_IPV4, .port = 80 };

    if (side == FW_SERVER) {
        memcpy(endpoint.addr, (const uint8_t[]){ 198, 18, 0, 1 }, 4);
        return endpoint;
    }
    endpoint.addr[0] = 10;
    endpoint.addr[1] = (uint8_t)(number >> 16);
    endpoint.addr[2] = (uint8_t)(number >> 8);
    endpoint.addr[3] = (uint8_t)number;
    endpoint.port = (uint16_t)(1024 + (number >> 24));
    return endpoint;
}

static void set_segment(struct fw_segment *segment, const struct kind *kind, uint64_t index)
{
    const uint64_t number = index / kind->count;
    const size_t at = index % kind->count;
    const enum fw_side from = kind->segments[at].from;
    const uint32_t isn = (uint32_t)number * 2654435761u;

    *segment = (struct fw_segment){
        .time = FW_SECOND + (fw_time)index * 1000,
        .frame = index + 1,
        .from = endpoint(from, number),
        .to = endpoint(!from, number),
        .seq = isn + kind->segments[at].seq,
        .ack = kind->segments[at].flags & FW_ACK ? isn + kind->segments[at].ack : 0,
        .flags = kind->segments[at].flags,
        .window_raw = 64240,
        .options = kind->segments[at].flags & FW_SYN ? FW_OPT_MSS : 0,
        .mss = 1460,
        .ip_id = (uint16_t)index,
        .ttl = 64,
    };
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * FW_SECOND + time.tv_nsec;
}

/* Keeps the longest times, longest first. */
static void note_time(int64_t slowest[SLOWEST], int64_t ns)
{
    for (int i = 0; i < SLOWEST; i++) {
        if (ns > slowest[i]) {
            const int64_t next = slowest[i];
            slowest[i] = ns;
            ns = next;
        }
    }
}

static void print_times(const char *name, const int64_t slowest[SLOWEST])
{
    printf(", \"%s\": [", name);
    for (int i = 0; i < SLOWEST; i++)
        printf("%s%lld", i > 0 ? ", " : "", (long long)slowest[i]);
    putchar(']');
}

/* Wall time is what a user waits; time of the processor leaves out what others of this machine
 * took. */
static bool feed(struct fw_tracker *tracker, const struct kind *kind, uint64_t connections)
{
    const uint64_t total = connections * kind->count;
    int64_t slowest_wall[SLOWEST] = { 0 }, slowest_cpu[SLOWEST] = { 0 }, wall_total = 0;
    struct fw_segment segments[BATCH];

    for (uint64_t fed = 0; fed < total;) {
        size_t count = 0;
        while (count < BATCH && fed < total)
            set_segment(&segments[count++], kind, fed++);

        const int64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID), wall = now_ns(CLOCK_MONOTONIC);
        if (fw_tracker_feed(tracker, segments, count) < 0)
            return false;
        const int64_t wall_ns = now_ns(CLOCK_MONOTONIC) - wall;
        note_time(slowest_cpu, now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu);
        note_time(slowest_wall, wall_ns);
        wall_total += wall_ns;
    }
    printf("{\"kind\": \"%s\", \"connections\": %llu, \"segments\": %llu, \"feed_ns\": %lld",
           kind->name, (unsigned long long)connections, (unsigned long long)total,
           (long long)wall_total);
    print_times("slowest_wall_ns", slowest_wall);
    print_times("slowest_cpu_ns", slowest_cpu);
    return true;
}

int main(int argc, char **argv)
{
    const struct kind *kind = argc == 3 ? find_kind(argv[1]) : NULL;
    const unsigned long long connections = kind ? strtoull(argv[2], NULL, 10) : 0;
    const struct fw_hooks hooks = { 0 };
    struct fw_tracker_options options;
    struct fw_tracker_counts counts;

    if (connections == 0) {
        fputs("usage: feed half-open|open|ended CONNECTIONS\n", stderr);
        return 2;
    }
    fw_tracker_defaults(&options);
    memset(options.hash_key, 0x5a, sizeof options.hash_key);
    struct fw_tracker *tracker = fw_tracker_create(&options, &hooks, NULL);
    if (!tracker || !feed(tracker, kind, connections)) {
        fputs("feed: out of memory\n", stderr);
        return 1;
    }
    fw_tracker_counts(tracker, &counts);
    printf(", \"live\": %llu, \"memory_bytes\": %llu, \"memory_peak_bytes\": %llu}\n",
           (unsigned long long)counts.live, (unsigned long long)counts.memory_bytes,
           (unsigned long long)counts.memory_peak_bytes);
    fw_tracker_destroy(tracker);
    return 0;
}
