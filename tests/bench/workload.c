#include "workload.h"

#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])
#define SECOND        INT64_C(1000000000)

/* The web: mostly closed in order by either end, some by a reset, some not at all. Ten segments
 * each on average. */
static const struct script web[] = {
    { 300, "SsADadAFafA", "TIME_WAIT", "CLOSED",
      "SYN_SENT>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT",
      "SYN_RECEIVED>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED", 10, CLOSED },
    { 250, "SsADddAfAFa", "CLOSED", "TIME_WAIT", "SYN_SENT>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED",
      "SYN_RECEIVED>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT", 10, CLOSED },
    { 60, "SsADaddAddAFafA", "TIME_WAIT", "CLOSED",
      "SYN_SENT>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT",
      "SYN_RECEIVED>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED", 10, CLOSED },
    /* three segments to close: each end's two steps at its FIN, or at the other's */
    { 170, "SsADdAFfA", "TIME_WAIT", "CLOSED",
      "SYN_SENT>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT",
      "SYN_RECEIVED>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED", 10, CLOSED },
    { 60, "SsADdAR", "CLOSED", "CLOSED", "SYN_SENT>ESTABLISHED>CLOSED",
      "SYN_RECEIVED>ESTABLISHED>CLOSED", 6, RESET },
    { 30, "SsADdAfAR", "CLOSED", "CLOSED", "SYN_SENT>ESTABLISHED>CLOSE_WAIT>CLOSED",
      "SYN_RECEIVED>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>CLOSED", 9, RESET },
    { 70, "SsADadAD", "ESTABLISHED", "ESTABLISHED", "SYN_SENT>ESTABLISHED",
      "SYN_RECEIVED>ESTABLISHED", 4, OPEN },
    { 30, "SsADdAfA", "CLOSE_WAIT", "FIN_WAIT_2", "SYN_SENT>ESTABLISHED>CLOSE_WAIT",
      "SYN_RECEIVED>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2", 7, HALF_CLOSED },
    { 20, "Sr", "CLOSED", "CLOSED", "SYN_SENT>CLOSED", "", 3, NEVER_OPENED },
    { 10, "S", "SYN_SENT", "UNKNOWN", "SYN_SENT", "", 1, NEVER_OPENED },
};

static const struct script many[] = {
    { 1, "SsA(Dd)", "ESTABLISHED", "ESTABLISHED", "SYN_SENT>ESTABLISHED",
      "SYN_RECEIVED>ESTABLISHED", 4, OPEN },
};

static const struct script flood[] = {
    { 1, "S", "SYN_SENT", "UNKNOWN", "SYN_SENT", "", 1, NEVER_OPENED },
};

/* An ACK for every second segment, as RFC 9293 section 3.8.6.3 asks for. */
static const struct script bulk[] = {
    { 1, "SsADad(ddA)fAFa", "CLOSED", "TIME_WAIT",
      "SYN_SENT>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSED",
      "SYN_RECEIVED>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT", 10, CLOSED },
};

#define WEB                                                                                        \
    .scripts = web, .script_count = LENGTH(web), .connections = 1000000, .at_once = 10000,         \
    .servers = 2000, .snaplen = 96, .gap_ns = 10000, .longest_ns = 100 * SECOND

/* All but bulk hold 10 million packets at scale 1. None lasts as long as TIME_WAIT (240 s), so that
 * what has closed stays; where connections are slow, not as long as half-open ones (75 s). */
const struct workload workloads[] = {
    { .name = "web", WEB, .ipv6_percent = 10 },
    { .name = "many",
      .scripts = many,
      .script_count = LENGTH(many),
      .connections = 2000000,
      .at_once = UINT32_MAX,
      .repeats = 1,
      .servers = 2000,
      .ipv6_percent = 10,
      .snaplen = 96,
      .gap_ns = 1000,
      .longest_ns = 60 * SECOND },
    { .name = "flood",
      .scripts = flood,
      .script_count = LENGTH(flood),
      .connections = 10000000,
      .at_once = 1,
      .any_client = true,
      .servers = 1,
      .ipv6_percent = 10,
      .snaplen = 96,
      .gap_ns = 1000,
      .longest_ns = 60 * SECOND },
    { .name = "bulk",
      .scripts = bulk,
      .script_count = LENGTH(bulk),
      .connections = 100,
      .at_once = 100,
      .repeats = 10000,
      .scale_repeats = true,
      .full_segments = true,
      .servers = 10,
      .snaplen = 262144,
      .gap_ns = 10000,
      .longest_ns = 100 * SECOND },
    { .name = "web6", WEB, .ipv6_percent = 100 },
};
const size_t workload_count = LENGTH(workloads);

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < workload_count; i++)
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
    return NULL;
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[OUTCOMES] = {
        [CLOSED] = "closed", [NEVER_OPENED] = "never_opened",
        [RESET] = "reset",   [HALF_CLOSED] = "half_closed",
        [OPEN] = "open",
    };

    return names[outcome];
}
