/*
 * One segment being taken: what the files of the machine share among themselves. Nobody else
 * includes this, but for the test of tcp_step_at_length(); tcp.h is the machine's face.
 *
 *   tcp.c           entry points: a segment, an ICMP error, a clock
 *   tcp_table.c     the table, and the only writer of a state
 *   tcp_segment.c   what a segment is to its two ends
 *   tcp_open.c      opening: SYN, SYN+ACK
 *   tcp_data.c      data, ACKs and the FIN
 *   tcp_reset.c     RST, and what takes it back
 *   tcp_describe.c  the record of a connection
 */
#ifndef TCP_STEP_H
#define TCP_STEP_H

#include "tcp.h"

/* Sequence numbers are compared modulo 2^32 (RFC 9293 section 3.4). */
static inline bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool after(uint32_t a, uint32_t b)
{
    return before(b, a);
}

/* A segment being taken: what every function below needs. */
struct step {
    struct tcp_connection *connection;
    const struct fw_segment *segment; /* NULL: a timer */
    struct tcp_result *result;
    fw_time now;
    enum fw_side from; /* who sent it */
    struct tcp_end *sender, *receiver;
};

static inline enum fw_side side_of(const struct step *step, const struct tcp_end *end)
{
    return end == &step->connection->end[FW_CLIENT] ? FW_CLIENT : FW_SERVER;
}

static inline struct tcp_end *peer_of(const struct step *step, const struct tcp_end *end)
{
    return &step->connection->end[!side_of(step, end)];
}

static inline bool has(const struct tcp_end *end, unsigned fact)
{
    return (end->facts & fact) != 0;
}

static inline bool proved(const struct tcp_end *end, enum tcp_proof proof)
{
    return (end->proved & (1u << proof)) != 0;
}

static inline void unprove(struct tcp_end *end, enum tcp_proof proof)
{
    end->proved &= (uint8_t) ~(1u << proof);
}

static inline bool is_synchronised(enum fw_state state)
{
    return state >= FW_ESTABLISHED;
}

static inline uint32_t sequence_end(const struct fw_segment *segment)
{
    return segment->seq + segment->payload_bytes + ((segment->flags & FW_FIN) ? 1 : 0);
}

/* tcp.c */
/* tcp_step() without tcp_take_usual(): must come to the same. */
void tcp_step_at_length(struct tcp_connection *connection, enum fw_side from,
                        const struct fw_segment *segment, struct tcp_result *result);

/* tcp_table.c */
/* What the segment was, for timelines: the first that is said stands. */
void tcp_note(struct step *step, enum fw_note what);
/* Forgets all of a path but its first `length` states. */
void tcp_path_truncate(struct tcp_end *end, unsigned length);
/* The only writer of a state: tells the transition, keeps the path and the times. */
void tcp_change_state(struct step *step, struct tcp_end *end, enum fw_state to, enum fw_proof proof,
                      bool corrected, const char *cause);
/* Walks the table until no row fires; `proof` was added. */
void tcp_walk(struct step *step, struct tcp_end *end, enum tcp_proof proof, enum fw_proof how);

/* Adds a proof and moves the end to where it leads; tcp_prove() by this segment. */
static inline void tcp_prove_as(struct step *step, struct tcp_end *end, enum tcp_proof proof,
                                enum fw_proof how)
{
    end->proved |= (uint8_t)(1u << proof);
    if (end->proved & tcp_ways_out[end->state])
        tcp_walk(step, end, proof, how);
}

static inline void tcp_prove(struct step *step, struct tcp_end *end, enum tcp_proof proof)
{
    tcp_prove_as(step, end, proof, FW_PROOF_SEGMENT);
}

/* A proof was taken back, or the order of two became known: moves an end to where its proofs put
 * it. */
void tcp_correct(struct step *step, struct tcp_end *end, const char *cause);

/* tcp_segment.c */
void tcp_count_segment(struct tcp_end *sender, const struct fw_segment *segment);
/* The same packet once more (states.md 30). */
bool tcp_is_duplicate(const struct tcp_end *sender, const struct fw_segment *segment);
void tcp_remember_segment(struct tcp_end *sender, const struct fw_segment *segment);
/* By how much the windows of `end` are scaled; 14 while unknown. */
unsigned tcp_window_shift(const struct tcp_end *end, const struct tcp_end *peer);
void tcp_remember_syn_options(struct tcp_end *sender, const struct fw_segment *segment);
/* Sent before what was already seen of its sender, or not by its stack. */
bool tcp_is_stale(const struct step *step);
/* RFC 7323 section 5.3. */
bool tcp_fails_paws(const struct tcp_end *sender, const struct fw_segment *segment);
void tcp_remember_timestamps(struct tcp_end *sender, const struct tcp_end *receiver,
                             const struct fw_segment *segment);

/* tcp_open.c */
/* An acceptable ACK of the SYN of `end`: a range, since data on a SYN may go unaccepted. */
bool tcp_acks_syn_of(const struct fw_segment *segment, const struct tcp_end *end);
/* It has answered in this connection: what it was in the one before is over. */
void tcp_leave_connection_before(struct step *step, struct tcp_end *end);
/* Times of the handshake, once both ends are through it. */
void tcp_note_established(struct step *step);
/* RFC 9293 section 3.10.7.4 takes RST, SYN, ACK, FIN, in this order. */
void tcp_take_syn(struct step *step);
void tcp_take_syn_ack(struct step *step);
/* What a later segment says of a handshake of which the capture missed a part. */
void tcp_learn_iss_from_ack(struct step *step);
void tcp_infer_missed_handshake(struct step *step);

/* tcp_data.c */
/* The ACK that ends the handshake, data in order, its ACK, a FIN, between two ends of whom nothing
 * is in doubt: takes it as tcp_take_segment() would, which is left with what is odd about segments,
 * and returns true. Most segments are. */
bool tcp_take_usual(struct step *step);
void tcp_take_segment(struct step *step);

/* tcp_reset.c */
/* CLOSED; `fact` says by which side of a RST. */
void tcp_close_by_rst(struct step *step, struct tcp_end *end, const char *cause, unsigned fact);
/* The end in doubt is heard (struct tcp_doubt). */
void tcp_go_on_doubting(struct step *step);
void tcp_take_rst(struct step *step);
/* An end that we hold for CLOSED goes on sending. */
void tcp_revive(struct step *step);

#endif
