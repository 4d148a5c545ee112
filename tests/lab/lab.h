/*
 * The lab: two real kernels, joined by a wire that moves one packet at a time and asks both kernels
 * after each packet for the true state of the connection.
 *
 *   netns.c   two unnamed network namespaces, each with a TUN device
 *   diag.c    what a kernel says of one connection (NETLINK_SOCK_DIAG)
 *   apps.c    what the applications do: plain socket calls, narrated
 *   wire.c    moves, drops, hides, delays, doubles and forges packets
 *   truth.c   the history of both kernels' states, and which of it a tap could know
 *   tap.c     the capture
 *
 * Everything is one thread: a write to a TUN device runs that kernel's receive path before it
 * returns, so after the write the kernel has dealt with the packet.  Only timers act on their own.
 */
#ifndef LAB_H
#define LAB_H

#include "segment.h"

#include <stdio.h>

enum host { CLIENT, SERVER }; /* the machines; normally CLIENT's application opens */

static inline enum host other(enum host host)
{
    return host == CLIENT ? SERVER : CLIENT;
}

enum tcp_state {
    CLOSED,
    LISTEN,
    SYN_SENT,
    SYN_RECEIVED,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    CLOSE_WAIT,
    CLOSING,
    LAST_ACK,
    TIME_WAIT,
};

/* ---- netns.c ----------------------------------------------------------------------------------
 */

struct kernel {
    int namespace_fd; /* nothing else names the namespace: it goes with its last descriptor */
    int tun_fd;       /* nonblocking */
    int diag_fd;      /* NETLINK_SOCK_DIAG of that namespace */
    struct in6_addr addr;
};

/* Makes both kernels, for AF_INET or AF_INET6.  Returns 0 or negative errno; *WHY says what failed.
 */
int kernels_create(struct kernel kernels[2], int family, const char **why);
void kernels_destroy(struct kernel kernels[2]);

/* From here on sockets are made in KERNEL, and kernel_sysctl() writes there. */
void kernel_enter(const struct kernel *kernel);

/* Sets e.g. "ipv4/tcp_fin_timeout".  Returns false if this kernel has no such knob. */
bool kernel_sysctl(const struct kernel *kernel, const char *name, const char *value);

/* ---- diag.c -----------------------------------------------------------------------------------
 */

int diag_open(void);

/* The state of the socket LOCAL-REMOTE: LISTEN if only a listener would take its packets, CLOSED
 * if nothing would. */
enum tcp_state diag_state(int diag_fd, const struct endpoint *local, const struct endpoint *remote);

/* What `ss -K` does: the kernel aborts the socket.  Returns 0 or negative errno. */
int diag_destroy(int diag_fd, const struct endpoint *local, const struct endpoint *remote);

/* ---- tap.c ------------------------------------------------------------------------------------
 */

void tap_begin(FILE *pcap);
void tap_write(FILE *pcap, const uint8_t *packet, size_t size);

/* ---- truth.c ----------------------------------------------------------------------------------
 */

enum { HISTORY_ROOM = 256, CONNECTION_ROOM = 16, FLIGHT_ROOM = 256, REASON_ROOM = 160 };

/* One endpoint's sequence space: as it was sent, as the tap saw it, as the other kernel got it. */
struct numbers {
    bool has_isn, syn_tapped, fin_sent, fin_tapped,
        fin_got; /* fin_got: the peer's kernel was handed it */
    uint32_t isn, fin_end, snd_nxt;
    bool has_nxt_tapped, has_lost;
    uint32_t nxt_tapped, lost_end; /* end of what passed the tap; of what was lost after it */

    /* ACK numbers: its own, sent and captured; to it, received, captured, lost after the tap. */
    bool has_acked, has_acked_tapped, has_ack_got, has_ack_seen, has_ack_missing;
    uint32_t acked, acked_tapped, ack_got, ack_seen, ack_missing;
    int ack_seen_clock, ack_missing_clock;
    bool resent_late;   /* its SYN or FIN went by again after an ACK that it did not know of */
    bool fin_after_ack; /* its FIN had to wait until it had acknowledged the peer's */
    bool fin_misleads;  /* the copies of its FIN that passed the tap tell another order of FINs */
    bool acked_beyond;  /* its ACK of the peer's FIN passed the tap from beyond its own FIN */
    bool ack_of_fin_plain; /* an ACK of its FIN went by that came before the peer's FIN, without
                              data */
    bool has_ack_of_fin;
    uint32_t ack_of_fin_end; /* where the first segment ended that acknowledged its FIN */

    bool synack_sent, synack_tapped, cookie; /* cookie: it sent a SYN+ACK and kept no socket */
    bool rst_passed;                         /* a RST of its, or to it, passed the tap */
    bool rst_told;                           /* it is CLOSED by that RST */
    enum tcp_state rfc_state; /* where RFC 9293 would have it; CLOSED for no difference */
};

/* Why an observer may be wrong about an endpoint, until a later frame of its own says more. */
struct doubts {
    char silent[REASON_ROOM]; /* its state changed and no packet said so */
    char reset[REASON_ROOM];  /* a RST that the tap missed, or that was lost after it */
    char forged[REASON_ROOM]; /* something was sent in its name */
    int silent_clock, reset_clock, forged_clock;
    bool reset_ahead; /* the observer knows more of that RST than the kernel */
    uint8_t forged_flags;
    uint32_t forged_end;
};

struct half {
    enum tcp_state history[HISTORY_ROOM]; /* every state its kernel was in, oldest first */
    int now;                              /* index of the present one */
    int before;                           /* index before the present batch */
    int changed_clock;
    int newest_clock;   /* of the sending of its newest captured frame */
    int since;          /* index at the sending of its newest captured frame that told its state */
    bool newest_hidden; /* no observer could know its state at its newest captured frame */
    bool opened;        /* has had a socket of its own; none now means CLOSED, not LISTEN */
    bool heard;         /* a frame of it has passed the tap since the newest SYN to it */
    bool spoke;         /* has sent something in this batch */
    struct numbers numbers;
    struct doubts doubts;
};

struct connection {
    struct endpoint end[2];
    struct half half[2];
    enum host opener;
    int generation; /* counts the openings of this tuple */
};

struct frame {
    uint8_t bytes[PACKET_ROOM];
    size_t size;
    struct segment segment;
    enum host from;
    struct connection *connection;
    int sent_index; /* in the sender's history */
    int sent_clock;
    bool opens;        /* the SYN of a new connection, until it has passed the tap */
    bool after_hole;   /* something that its sender sent before it was lost */
    bool moved_sender; /* the sender's state changed as this was sent */
    bool forged, tapped;
};

struct lab {
    struct kernel kernels[2];
    int family;
    FILE *pcap, *truth;
    int late_ms; /* each packet waits so long before it is delivered */
    int frame_count;
    int clock; /* counts batches of what happened */
    struct connection connections[CONNECTION_ROOM];
    int connection_count;
    struct frame *flight[FLIGHT_ROOM]; /* sent and not yet moved, in the order of sending */
    int flight_count;
    char did[1024];   /* what the applications did since the last record */
    uint16_t port[2]; /* of the next connect(): the client's own, and the server's */
    int listener;
    int fd[2];      /* of the scenario's main connection */
    int wire_count; /* frames that settle() has moved */
    int fault_at;   /* settle() gives that one to fault(); 0 for none, or EVERY_FRAME */
    void (*fault)(struct lab *lab, struct frame *frame);
};

enum cause { BY_APP, BY_TIMER, BY_TAPPED_FRAME, BY_HIDDEN_FRAME };

/* The connection that a frame belongs to; made if there is none. */
struct connection *truth_connection(struct lab *lab, const struct frame *frame);

/* Called in this order for a batch of frames that the kernels sent: */
void truth_begin(struct lab *lab);
void truth_sent(struct lab *lab, struct frame *frame);
void truth_observe(struct lab *lab, enum cause cause, const char *what); /* asks both kernels */
void truth_placed(struct lab *lab, struct frame *frame); /* notes the sender's state */

/* What became of a frame: */
void truth_forged(struct lab *lab, struct frame *frame);
void truth_tapped(struct lab *lab, struct frame *frame);
void truth_delayed(struct lab *lab, struct frame *frame);
void truth_arriving(struct frame *frame); /* its kernel is about to get it */
void truth_arrived(struct lab *lab, struct frame *frame);
void truth_lost(struct lab *lab, struct frame *frame);

/* One record for a frame that has passed the tap; FATE in words, if it was
 * not simply delivered. */
void truth_record(struct lab *lab, const struct frame *frame, const char *fate);
/* One record per connection: nothing is in flight and nothing is about to be sent. */
void truth_record_quiet(struct lab *lab);
/* Each kernel has an ACK for all it has sent. */
bool truth_all_acked(const struct lab *lab);
/* A kernel has been handed a FIN and has not answered it yet. */
bool truth_answer_due(const struct lab *lab);

/* ---- wire.c -----------------------------------------------------------------------------------
 */

enum { WAIT_MS = 4000, QUIET_MS = 60, EVERY_FRAME = -1 };

/* Notes what the kernels sent and what became of their states since the last call. */
void wire_collect(struct lab *lab, enum cause cause, const char *what);

/* The oldest frame of FROM in flight, waiting up to MS for one; NULL if none comes. */
struct frame *wire_next(struct lab *lab, enum host from, int ms);
/* The frame of FROM in flight that was sent after N others; NULL if there are not so many. */
struct frame *wire_nth(struct lab *lab, enum host from, int n);
/* Forgets what is still in flight and closes the main connection's sockets. */
void wire_finish(struct lab *lab);
/* Lets time pass; nothing moves. */
void wire_wait(struct lab *lab, int ms);

/* What can happen to a frame in flight.  Each takes it away, except wire_tap(): what has passed the
 * tap can still be delivered, passed (the same) or lost after it. */
void wire_pass(struct lab *lab, struct frame *frame);
void wire_lose_after_tap(struct lab *lab, struct frame *frame);
void wire_lose_before_tap(struct lab *lab, struct frame *frame);
void wire_hide(struct lab *lab, struct frame *frame);  /* delivered, not captured */
void wire_twice(struct lab *lab, struct frame *frame); /* captured and delivered twice */
void wire_tap(struct lab *lab, struct frame *frame);   /* captured, still under way */
void wire_deliver(struct lab *lab, struct frame *frame);

/* The same for the next frame of FROM, which must come; these make a scenario readable. */
void pass(struct lab *lab, enum host from);
void lose(struct lab *lab, enum host from);        /* after the tap */
void lose_unseen(struct lab *lab, enum host from); /* before the tap */
void hide(struct lab *lab, enum host from);
void twice(struct lab *lab, enum host from);

/* Passes everything until nothing came for QUIET_MS, then records that the link is quiet. */
void settle(struct lab *lab);
/* The same, after waiting for retransmissions until all is acknowledged (or nothing helps). */
void settle_all(struct lab *lab);
/* The same, but gives retransmissions MS to come. */
void settle_for(struct lab *lab, int ms);
/* Everything either kernel sends in the next MS is lost, captured or not. */
void blackout(struct lab *lab, int ms, bool seen);

/* A segment in FROM's name on the first connection.  SEQ is relative to what FROM would send next,
 * ACK to all that its peer has sent. */
void forge(struct lab *lab, enum host from, uint8_t flags, int32_t seq, int32_t ack, int payload);
void forge_unreachable(struct lab *lab, const struct frame *about);
/* Makes SEGMENT as it is, in FROM's name, and passes it. */
void forge_raw(struct lab *lab, enum host from, const struct segment *segment);

/* ---- apps.c -----------------------------------------------------------------------------------
 */

void say(struct lab *lab, const char *format, ...) __attribute__((format(printf, 2, 3)));
void set(struct lab *lab, enum host host, const char *sysctl, const char *value);
int app_socket(struct lab *lab, enum host host); /* made and bound to its address, to port 0 */
int app_listen_on(struct lab *lab, enum host host, uint16_t port, int backlog);
void app_listen(struct lab *lab, int backlog); /* the server, on its port */
void app_unlisten(struct lab *lab);
int app_connect_from(struct lab *lab, enum host host, uint16_t from_port, uint16_t to_port);
void app_connect(struct lab *lab); /* the main connection, client to server */
bool app_accept(struct lab *lab);  /* takes it at the server */
void app_send(struct lab *lab, enum host host, size_t bytes);
size_t app_read(struct lab *lab, enum host host); /* all there is */
void app_shutdown(struct lab *lab, enum host host);
void app_close(struct lab *lab, enum host host);
void app_abort(struct lab *lab, enum host host);       /* close with SO_LINGER 0 */
void app_kill_socket(struct lab *lab, enum host host); /* ss -K */
void app_option(struct lab *lab, int fd, int level, int name, int value);

/* Listen, connect, three segments, accept: both ESTABLISHED. */
void open_connection(struct lab *lab);

/* ---- scenarios*.c, random.c -------------------------------------------------------------------
 */

struct scenario {
    const char *name;  /* NULL ends a list */
    const char *about; /* one sentence */
    void (*run)(struct lab *lab);
    void (*fault)(struct lab *lab, struct frame *frame); /* what befalls one frame of settle() */
    int fault_at;                                        /* which one, from 1; or EVERY_FRAME */
};

extern const struct scenario openings[], closings[], aborts[], reuses[], forgeries[], captures[];

void random_run(struct lab *lab, uint64_t seed);

#endif
