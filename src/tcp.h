/*
 * One TCP connection as the wire proves it: the states of both endpoints (docs/states.md).
 *
 * A pure machine: a segment and the connection go in, transitions come out. No I/O, no clock, no
 * allocation; time comes in as a value. Level 1: knows finwait.h only.
 */
#ifndef TCP_H
#define TCP_H

#include "finwait/finwait.h"

/* How long from one time to another; no further than an int64_t goes. */
static inline int64_t tcp_elapsed(fw_time from, fw_time to)
{
    int64_t elapsed;
    if (__builtin_sub_overflow(to, from, &elapsed))
        return to > from ? INT64_MAX : INT64_MIN;
    return elapsed;
}

/* What the wire can prove of an endpoint: the middle column of the table. */
enum tcp_proof {
    SND_SYN,
    SND_SYN_ACK,
    SND_ACK_OF_SYN,
    RCV_ACK_OF_SYN,
    SND_FIN,
    SND_ACK_OF_FIN,
    RCV_ACK_OF_FIN,
    TIMEOUT_2MSL,
    TCP_PROOF_COUNT
};

struct tcp_row {
    enum fw_state from;
    enum tcp_proof proof;
    enum fw_state to;
    const char *label; /* of the arrow in RFC 9293 figure 5 */
};

/* The table, in the order of docs/states.md; a test compares the two. */
extern const struct tcp_row tcp_table[];
extern const size_t tcp_table_rows;

/* The proofs, as bits, that lead out of each state: column two of the table's rows. */
extern const uint8_t tcp_ways_out[FW_STATE_COUNT];

/* A proof in the words of docs/states.md: "sent SYN". */
const char *tcp_proof_text(enum tcp_proof proof);

/* What is known of an endpoint (`facts`). */
enum {
    END_SEEN = 1 << 0, /* it sent at least one segment */
    END_HAS_ISS = 1 << 1,
    END_HAS_NXT = 1 << 2,
    END_HAS_RCV = 1 << 3, /* it sent an ACK number */
    END_HAS_TS = 1 << 4,
    END_SYN_OPTIONS = 1 << 5, /* its SYN or SYN+ACK was seen: window_scale is known */
    END_SCALES = 1 << 6,      /* that SYN had the window scale option */
    END_PENDING_ACK = 1 << 7, /* it acknowledged what was not seen (states.md 18) */
    END_FIN_DOUBTED = 1 << 8, /* the pending ACK came with a FIN */
    END_INFERRED = 1 << 9,    /* its state rests on inference: shown with ? */
    END_TIMED = 1 << 10,      /* its state was given by a timer of ours: shown with ~ */
    END_SENT_RST = 1 << 11,   /* CLOSED because it sent a RST */
    END_GOT_RST = 1 << 12,    /* CLOSED because it received one */
    END_HELD_ACK = 1 << 13,   /* its SYN or FIN was acknowledged together with data or a FIN */
    END_ACKED_FIN = 1 << 14,  /* it acknowledged the peer's FIN at `ack_fin_seq` */
    END_WINDOW_ZERO = 1 << 15,
    END_HELD_BEHIND =
        1 << 17,            /* its FIN was acknowledged from beyond the peer's FIN (states.md 21) */
    END_HELD_SYN = 1 << 18, /* what END_HELD_ACK holds is the ACK of its SYN */
    END_OUTLIVES = 1 << 20, /* it may still hold the connection before on this tuple */
    END_ONE_MISSED = 1 << 22, /* the capture missed one number just before `nxt`: FIN or byte */
    END_RST_TIMED = 1 << 21,  /* the RST it sent carried timestamps: it was its own */
    END_FIN_KEPT = 1 << 19,   /* it went on from beyond its FIN: the FIN was its own */
    END_GAP_ONE = 1 << 23,    /* one number that it went beyond is not counted as a byte yet */
    END_RESTARTED = 1 << 16,  /* it sent a SYN of another connection: shown SYN_SENT meanwhile */
    END_HOLE = 1 << 24,       /* it went on from beyond `hole`, which the capture has not seen */
    END_OWES_ACK = 1 << 25,   /* it got what it must answer with an ACK (challenge ACK) */
};

/* So many ACKs are under way at most when the other end is gone and answers each with a RST. */
enum { TCP_RECENT_ACKS = 8 };

/* What a segment of an open connection reads and writes comes first: one cache line. */
struct tcp_end {
    uint32_t nxt;    /* SND.NXT as its own segments and the peer's ACKs prove it */
    uint32_t rcv;    /* highest ACK number it sent: its own word for RCV.NXT */
    uint32_t window; /* last advertised, scaled */
    uint32_t facts;
    uint8_t proved;          /* 1 << enum tcp_proof */
    uint8_t state;           /* enum fw_state */
    uint8_t alive_state : 4; /* before it was CLOSED, END_RESTARTED, or of END_OUTLIVES */
    uint8_t window_scale : 4;
    uint8_t ack_count;  /* of `acks` */
    uint32_t ts_recent; /* TS.Recent that the peer holds of it (RFC 7323 section 4.3) */
    uint32_t ts_last;   /* last timestamp it sent */
    /* Identity of the last segment, to tell an exact duplicate. */
    uint32_t last_seq, last_ack, last_payload_bytes;
    uint16_t last_ip_id, last_checksum, last_flags : 9;
    uint16_t path_length : 5;
    uint16_t mss;
    uint32_t packets, data_packets;
    uint64_t bytes;

    fw_time last_time;
    uint32_t acks[TCP_RECENT_ACKS]; /* ACK numbers that it sent lately, newest first */
    uint32_t iss;
    uint32_t fin_seq;     /* sequence number of its FIN, with SND_FIN proved */
    uint32_t ack_fin_seq; /* its own sequence number when it first acknowledged the peer's FIN */
    uint32_t pending_ack;
    uint32_t held_end; /* with END_HELD_: where the first segment ended that had that ACK */
    uint32_t retransmits;
    fw_time since;                      /* when `state` was entered */
    uint64_t path;                      /* 4 bits a state, first lowest */
    uint16_t syns, synacks, fins, rsts; /* segments seen, saturating */
};

/* Why a connection went as it did. */
enum tcp_cause {
    TCP_CAUSE_NONE,
    TCP_CAUSE_REFUSED,
    TCP_CAUSE_SYNACK_REJECTED,
    TCP_CAUSE_RESET_AFTER_FIN,
    TCP_CAUSE_DATA_AFTER_CLOSE,
    TCP_CAUSE_PORT_REUSED_TOO_EARLY,
    TCP_CAUSE_KEEP_ALIVE_UNANSWERED,
    TCP_CAUSE_RESET_IN_HANDSHAKE_BY_CLIENT,
    TCP_CAUSE_RESET_IN_HANDSHAKE_BY_SERVER,
    TCP_CAUSE_RESET_BY_CLIENT,
    TCP_CAUSE_RESET_BY_SERVER,
    TCP_CAUSE_ACCEPT_QUEUE_FULL,
    TCP_CAUSE_ABANDONED,
    TCP_CAUSE_ICMP, /* and beyond: with an enum fw_icmp added */
};

/* Something closes an end if it arrived as it should, and only the end can say: its next segment
 * says that it did not, its silence (TCP_TIMER_DOUBT) that it did, and then its closing is told
 * with the frame that is kept here. */
struct tcp_doubt {
    fw_time since; /* when what closes it went by */
    fw_time time;  /* of the frame */
    uint32_t seq, ack;
    uint64_t frame : 48;
    uint64_t flags : 9;
    uint64_t from : 1;    /* enum fw_side: who sent the frame */
    uint64_t end : 1;     /* enum fw_side: who is in doubt */
    uint64_t by_rst : 1;  /* closed by a RST, else by the ACK of its FIN */
    uint64_t crossed : 1; /* the end was heard again, perhaps of before */
};

/* Numbers of one end that the capture has not seen, although it has seen later ones; one hole of a
 * connection at a time is looked after. */
struct tcp_hole {
    uint32_t start, end;
    uint32_t since_us; /* capture time in microseconds when it was left, its lower 32 bits */
};

struct tcp_connection {
    fw_time last_time;
    uint8_t open, end_kind, closed_by, dir_by; /* enums of finwait.h */
    bool midstream : 1, lossy : 1, fast_open : 1, simultaneous : 1, has_other_iss : 1;
    bool synack_was_bad : 1, in_doubt : 1; /* in_doubt: `doubt` waits to be settled */
    uint8_t cause;                         /* enum tcp_cause */
    struct tcp_end end[2];                 /* by enum fw_side */
    fw_time first_time;
    fw_time syn_time;    /* the last SYN of the handshake */
    fw_time synack_time; /* the last SYN+ACK of it */
    fw_time first_syn_time;
    fw_time established_time;
    struct tcp_doubt doubt; /* with in_doubt */
    uint32_t other_iss;     /* of a second SYN+ACK (states.md 7) */
    struct tcp_hole hole;   /* with END_HOLE of one end */
};

enum { TCP_MAX_TRANSITIONS = 12 };

/* What one segment, or one timer, did. */
struct tcp_result {
    struct fw_transition transitions[TCP_MAX_TRANSITIONS];
    size_t count;
    enum fw_note note;
    bool rewound; /* the clock of tcp_timer() starts again */
};

/* Where a segment belongs that carries a SYN to a tuple already known. */
enum tcp_syn {
    TCP_SYN_SAME,    /* part of this connection */
    TCP_SYN_NEW,     /* a new connection; this one is over */
    TCP_SYN_HOLD,    /* a new one, but this one lives until its end answers (states.md 2, 27) */
    TCP_SYN_SUSPECT, /* inside a synchronised connection: the answer decides (states.md 15) */
};
enum tcp_syn tcp_classify_syn(const struct tcp_connection *connection, enum fw_side from,
                              const struct fw_segment *segment);

/* Starts a connection at its first segment. `from` is the role that its sender gets; see
 * tcp_first_role(). */
void tcp_init(struct tcp_connection *connection, const struct fw_segment *first);

/* The role of the sender of a connection's first segment, by SYN, SYN+ACK, or lower port. */
enum fw_side tcp_first_role(const struct fw_segment *first, enum fw_dir_by *dir_by);

/* A SYN that nothing else can be said of: no data, no ACK number, nothing but a SYN. */
static inline bool tcp_is_plain_syn(const struct fw_segment *segment)
{
    return (segment->flags & (FW_SYN | FW_ACK | FW_FIN | FW_RST)) == FW_SYN &&
           segment->payload_bytes == 0 && segment->ack == 0;
}

/* What tcp_init() and tcp_step() make of a plain SYN, in a quarter of the time: floods are of
 * these. */
void tcp_begin(struct tcp_connection *connection, const struct fw_segment *syn);

/* Takes one segment sent by `from`. */
void tcp_step(struct tcp_connection *connection, enum fw_side from,
              const struct fw_segment *segment, struct tcp_result *result);

/* `next` follows a connection on the same tuple, in which `side` was `before`. Until it answers, it
 * may be there still; also if it was closed there, by what may have been lost. */
void tcp_succeed(struct tcp_connection *next, enum fw_side side, const struct tcp_end *before);

/* `from` sent a SYN that may belong to the next connection on this tuple (TCP_SYN_HOLD or
 * _SUSPECT): it is in SYN_SENT, inferred, if the SYN is its own. The other end is as it was until
 * it answers. */
void tcp_hold_syn(struct tcp_connection *connection, enum fw_side from,
                  const struct fw_segment *syn, struct tcp_result *result);

/* Counts a SYN that was held and turned out to begin nothing. */
void tcp_count_held(struct tcp_connection *connection, enum fw_side from,
                    const struct fw_segment *syn);

/* Takes an ICMP error about a segment that `from` had sent. */
void tcp_icmp(struct tcp_connection *connection, enum fw_side from, const struct fw_segment *quoted,
              struct tcp_result *result);

/* Which clock runs. */
enum tcp_timer {
    TCP_TIMER_NONE,
    TCP_TIMER_SYN,        /* half-open: since the last SYN or SYN+ACK */
    TCP_TIMER_TIME_WAIT,  /* 2MSL since TIME_WAIT was entered or restarted */
    TCP_TIMER_FIN_WAIT_2, /* orphaned FIN_WAIT_2 */
    TCP_TIMER_CLOSED,     /* both ends are done: a tombstone */
    TCP_TIMER_DOUBT,      /* the end in doubt stays silent */
    TCP_TIMER_COUNT
};
enum tcp_timer tcp_timer(const struct tcp_connection *connection);

/* How long an end that may be closed has to be heard again: longer than most round trips, and than
 * a stack waits before it repeats itself. */
#define TCP_DOUBT_NS FW_SECOND

/* The clock ran out at `now`. */
void tcp_timeout(struct tcp_connection *connection, enum tcp_timer timer, fw_time now,
                 struct tcp_result *result);

/* Both ends are CLOSED, or one is and the other was never heard. */
bool tcp_is_over(const struct tcp_connection *connection);

/* The segment answers, with the numbers of an attempt at `iss`, `nxt`. */
bool tcp_acks_attempt(const struct fw_segment *segment, uint32_t iss, uint32_t nxt);

/* What it came to: of the record, what counts. */
struct tcp_ending {
    uint8_t client_state : 4, server_state : 4; /* enum fw_state */
    uint8_t open : 4, end : 4;                  /* enums fw_open, fw_end */
    bool finned : 1, one_sided : 1, lossy : 1;
};
struct tcp_ending tcp_sum_up(const struct tcp_connection *connection);

/* Copies what is known into *record, except identity, tunnel and interop keys. */
void tcp_describe(const struct tcp_connection *connection, struct fw_connection *record);

#endif
