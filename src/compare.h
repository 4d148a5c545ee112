/*
 * The wire's state of an endpoint beside the kernel's, and what to make of it. Pure: a connection
 * as the tracker has it, a socket as the kernel has it, a verdict. Who asked the kernel is
 * sock_diag.h, who looked for the process process.h; cmd_compare.c brings them together. Level 4.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "finwait/finwait.h"

/* ----------------------------------------------------------------------------- the kernel's side
 * --
 */

/* Which timer runs for a socket (idiag_timer, linux/inet_diag.h). */
enum kernel_timer {
    KERNEL_TIMER_NONE,
    KERNEL_TIMER_RETRANSMIT, /* of what was sent */
    KERNEL_TIMER_KEEPALIVE,  /* also: of an orphan in FIN_WAIT_2 */
    KERNEL_TIMER_TIME_WAIT,  /* also: of an orphan in FIN_WAIT_2 */
    KERNEL_TIMER_PROBE,      /* of a window of 0 */
    KERNEL_TIMER_COUNT
};

/* What is known of the process that has the socket open; there is no guessing. */
enum owner_known {
    OWNER_UNASKED,      /* nobody has looked yet */
    OWNER_FOUND,        /* pid, fd, name */
    OWNER_GONE,         /* the kernel's alone: every program has closed it */
    OWNER_NOT_ACCEPTED, /* no program has it as yet: it waits for accept() */
    OWNER_HIDDEN,       /* not found, and there were processes that may not be looked into */
    OWNER_ELSEWHERE,    /* not found in any: another pid namespace, or passed on just now */
    OWNER_COUNT
};

struct owner {
    uint8_t known;    /* enum owner_known */
    bool earlier;     /* it had the socket when the connection was young, and has not any more */
    uint32_t holders; /* processes that have it open */
    int32_t pid, fd;  /* of the one with the lowest pid */
    char name[16];    /* comm */
};

/* A TCP socket as NETLINK_SOCK_DIAG tells it. Plain: it comes from another process. */
struct kernel_socket {
    struct fw_endpoint local, peer; /* v4-mapped addresses as the IPv4 addresses they are */
    uint8_t state;                  /* enum fw_state */
    uint8_t timer;                  /* enum kernel_timer */
    uint8_t retransmits;            /* idiag_retrans: so many times that timer has fired in vain */
    bool mapped;                    /* an AF_INET6 socket with a v4-mapped address */
    bool has_info;                  /* the rest of tcp_info */
    uint32_t timer_left_ms;
    uint32_t receive_queue, send_queue; /* bytes; of LISTEN: connections that wait, and the most */
    uint32_t uid;
    uint32_t rtt_us;
    uint32_t total_retransmits;
    uint32_t last_ack_ms; /* since the last ACK from the peer */
    uint64_t inode;       /* 0: no program has it */
    struct owner owner;
};

/* An address of this host (port 0), and the interface that has it. */
struct kernel_address {
    struct fw_endpoint address;
    uint32_t interface;
};

/* Settings of the kernel that end what no packet ends; -1: unknown. */
struct kernel_limits {
    int32_t fin_timeout_s;     /* net.ipv4.tcp_fin_timeout */
    int32_t syn_retries;       /* net.ipv4.tcp_syn_retries */
    int32_t synack_retries;    /* net.ipv4.tcp_synack_retries */
    int32_t orphan_retries;    /* net.ipv4.tcp_orphan_retries */
    int32_t retries2;          /* net.ipv4.tcp_retries2 */
    int32_t keepalive_time_s;  /* net.ipv4.tcp_keepalive_time */
    int32_t max_tw_buckets;    /* net.ipv4.tcp_max_tw_buckets */
    int32_t rfc1337;           /* net.ipv4.tcp_rfc1337 */
    int32_t time_wait_sockets; /* that there are */
};

/* The order of a table of sockets: by the local, then the peer's address and port; TIME_WAIT last
 * of equals. Like qsort(3)'s. */
int kernel_socket_compare(const void *left, const void *right);

/* The word for a timer in records: "retransmit", "keepalive", "time-wait", "probe"; NULL for none.
 */
const char *kernel_timer_name(enum kernel_timer timer);

/* The setting that says how long the socket's timer may run: "net.ipv4.tcp_fin_timeout"...; NULL:
 * none runs. TIME_WAIT has none: COMPARE_TIME_WAIT. */
const char *kernel_timer_sysctl(const struct kernel_socket *socket);
#define COMPARE_TIME_WAIT "TCP_TIMEWAIT_LEN" /* 60 s, fixed when the kernel is built */

/* -------------------------------------------------------------------------------- the judgement --
 */

enum compare_verdict {
    COMPARE_APPLICATION, /* a program is to act: close it, accept it */
    COMPARE_MISSED,      /* one side does not know what the other knows; `ahead` says which */
    COMPARE_QUEUED,      /* the program has closed; its FIN waits behind data in the queue */
    COMPARE_KERNEL,      /* a timer or a setting of the kernel, which is named */
    COMPARE_IN_FLIGHT,   /* it moves: packets came while it was compared */
    COMPARE_UNSEEN,      /* the kernel has it; no packet was seen since finwait began */
    COMPARE_AGREE,
    COMPARE_COUNT
};

enum compare_ahead { COMPARE_NEITHER, COMPARE_WIRE, COMPARE_KERNEL_SIDE };

/* One endpoint of this host. */
struct compare_row {
    /* the wire */
    bool seen; /* false: no packet; the identity is made up of the socket, its id is 0 */
    struct fw_identity identity;
    enum fw_side side; /* which end of it is ours */
    enum fw_state wire, peer;
    bool inferred, timed; /* of `wire` */
    bool midstream, lossy;
    bool reset;
    bool repeats;  /* our end sent something again */
    fw_time since; /* when it entered `wire` */
    fw_time last_time;
    uint64_t last_frame;
    fw_time first_time;

    /* the kernel */
    bool has_socket;
    struct kernel_socket socket;
    struct owner owner; /* of the socket, or who had it; known where there is no socket, too */
    bool has_listener;  /* a socket of this host listens on the local port */
    uint32_t waiting, backlog; /* of that one */
    struct owner listener;

    /* both */
    bool moving; /* one of the two has changed between two looks */
    fw_time now; /* of the look at the kernel */

    /* compare_judge() fills these */
    enum compare_verdict verdict;
    enum compare_ahead ahead;
    const char *sysctl; /* what ended, or will end it; NULL: nothing of the kind */
    const char *cause;  /* words, static; never NULL */
};

/* The kernel's state: CLOSED where there is no socket. */
enum fw_state compare_kernel_state(const struct compare_row *row);

/* Whether both say the same. */
bool compare_is_equal(const struct compare_row *row);

/* Nothing is left on either side: not worth a row. */
bool compare_is_over(const struct compare_row *row);

/* Fills verdict, ahead, sysctl and cause. */
void compare_judge(struct compare_row *row, const struct kernel_limits *limits);

/* What a person wants first: verdicts in their order, then by connection; for qsort(3). */
int compare_order(const void *left, const void *right);

/* "application", "missed", "queued", "kernel", "in flight", "unseen", "agree" */
const char *compare_verdict_name(enum compare_verdict verdict);
/* "wire", "kernel"; NULL for neither. */
const char *compare_ahead_name(enum compare_ahead ahead);

/* Why there is no process, static: "all programs have closed it"; NULL: there is one. */
const char *owner_why(const struct owner *owner);

/* For people. Each writes without a NUL and returns the end.
 *   compare_owner_text  "python3[4242] fd 5"; with `earlier` "was ..."; at most 64
 *   compare_timer_text  "keepalive, 119 min left (tcp_keepalive_time)"; nothing: none; at most 128
 *   compare_words       a sentence on the verdict, with what is known; at most COMPARE_WORDS_BYTES
 */
enum { COMPARE_WORDS_BYTES = 1024 };
char *compare_owner_text(char *at, const struct owner *owner);
char *compare_timer_text(char *at, const struct kernel_socket *socket);
char *compare_words(char *at, const struct compare_row *row, const struct kernel_limits *limits);

#endif
