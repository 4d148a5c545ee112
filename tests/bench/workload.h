/*
 * What the captures of the benchmark hold: workloads, each a mix of scripts. A script is the
 * segments of one connection and, independently of finwait, what both ends come to.
 */
#ifndef FINWAIT_BENCH_WORKLOAD_H
#define FINWAIT_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum outcome { CLOSED, NEVER_OPENED, RESET, HALF_CLOSED, OPEN, OUTCOMES };

/* Segments, one letter each, the client's in upper and the server's in lower case: S SYN, A ACK, D
 * data, F FIN, R RST. What stands in parentheses is repeated. */
struct script {
    unsigned weight; /* how often it is taken, in a mix */
    const char *segments;
    const char *client_state, *server_state; /* RFC 9293's, as records have them */
    const char *client_path, *server_path;   /* as `client_path` in docs/events.md */
    unsigned transitions;                    /* of both ends */
    enum outcome outcome;
};

struct workload {
    const char *name;
    const struct script *scripts;
    size_t script_count;
    uint32_t connections; /* at scale 1 */
    uint32_t at_once;     /* being worked on: each packet is of any of these */
    uint32_t repeats;     /* of what stands in parentheses */
    bool scale_repeats;   /* the scale is of the repeats, not of the connections */
    bool full_segments;   /* data always fills a segment */
    bool any_client;      /* clients have any address (spoofed), not those of one network */
    uint32_t servers;     /* of each family */
    uint32_t ipv6_percent;
    uint32_t snaplen;
    int64_t gap_ns;     /* mean time between packets... */
    int64_t longest_ns; /* ...but all of them in this time, whatever their number */
};

extern const struct workload workloads[];
extern const size_t workload_count;

/* NULL if there is none of that name. */
const struct workload *workload_find(const char *name);

const char *outcome_name(enum outcome outcome);

#endif
