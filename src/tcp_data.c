/* Data, ACKs and the FIN. */
#include "tcp_step.h"

/* Its own retransmission says that the ACK of its FIN, seen by us, had not arrived. */
static void take_back_ack_of_fin(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    const bool fin_again = (segment->flags & FW_FIN) && proved(sender, SND_FIN) &&
                           segment->seq + segment->payload_bytes == sender->fin_seq;
    const bool data_again = segment->payload_bytes > 1 && has(step->receiver, END_HAS_RCV) &&
                            !after(segment->seq + segment->payload_bytes, step->receiver->rcv);
    if (!proved(sender, SND_FIN) || !(fin_again || data_again) || tcp_is_stale(step))
        return;
    if (!proved(sender, RCV_ACK_OF_FIN))
        return;
    unprove(sender, RCV_ACK_OF_FIN);
    tcp_correct(step, sender,
                fin_again ? "sent FIN again: its ACK did not arrive"
                          : "sent data again: the ACK of its FIN did not arrive");
}

/* New data, or a new ACK, from before its FIN: the FIN was not its own. */
static void take_back_forged_fin(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    if (!proved(sender, SND_FIN) || (segment->flags & FW_FIN) || tcp_is_stale(step))
        return;
    if (has(sender, END_FIN_KEPT))
        return;
    if (segment->payload_bytes == 0 && after(segment->seq, sender->fin_seq))
        sender->facts |= END_FIN_KEPT;
    const bool data_beyond =
        after(segment->seq + segment->payload_bytes, sender->fin_seq) && segment->payload_bytes > 0;
    const bool newer_before = segment->seq == sender->fin_seq && segment->payload_bytes == 0 &&
                              has(sender, END_HAS_RCV) && after(segment->ack, sender->rcv);
    if (!data_beyond && !newer_before)
        return;
    unprove(sender, SND_FIN);
    unprove(sender, RCV_ACK_OF_FIN);
    sender->nxt = sender->fin_seq;
    step->connection->closed_by = FW_CLOSED_BY_NONE;
    tcp_correct(step, sender, "went on sending: the FIN was not its own");
}

static void sent_ack_of_fin(struct step *step, struct tcp_end *end, uint32_t seq)
{
    if (!has(end, END_ACKED_FIN)) {
        end->facts |= END_ACKED_FIN;
        end->ack_fin_seq = proved(end, SND_FIN) ? end->fin_seq + 1 : seq;
    }
    const bool late = proved(end, SND_FIN) && !after(end->ack_fin_seq, end->fin_seq) &&
                      !proved(end, SND_ACK_OF_FIN);
    if (late) { /* the order became known only now: it had acknowledged before it closed */
        end->proved |= 1u << SND_ACK_OF_FIN;
        tcp_correct(step, end, tcp_proof_text(SND_ACK_OF_FIN));
        return;
    }
    tcp_prove(step, end, SND_ACK_OF_FIN);
}

/* The peer's ACK of our SYN or FIN came with, or from beyond, a FIN that we have yet to
 * acknowledge: which of the two we take first, our own next segment tells. */
static bool is_held_by_fin(const struct step *step, const struct tcp_end *end, uint32_t seq)
{
    const struct tcp_end *peer = peer_of(step, end);
    if (end == step->sender && peer->state == FW_FIN_WAIT_1 && step->segment->payload_bytes > 0)
        return true; /* an orphan answers data with RST */
    if (proved(peer, SND_ACK_OF_FIN))
        return false;
    if (proved(end, SND_FIN))
        return !before(seq, end->fin_seq);
    if (end == step->sender && has(end, END_ONE_MISSED) && sequence_end(step->segment) == seq)
        return true; /* from beyond one number that the capture missed: it may be a FIN */
    return end == step->sender && (step->segment->flags & FW_FIN);
}

static void hold_ack(struct step *step, struct tcp_end *end, unsigned what)
{
    if (has(end, END_HELD_ACK | END_HELD_BEHIND))
        return;
    end->facts |= what;
    end->held_end = sequence_end(step->segment);
}

/* `end` acknowledged up to `ack` in a segment at `seq`: what that proves of both. */
static void take_ack(struct step *step, struct tcp_end *end, uint32_t ack, uint32_t seq,
                     bool reaches_peer)
{
    struct tcp_end *peer = peer_of(step, end);
    const bool held = is_held_by_fin(step, end, seq);
    if (!has(end, END_HAS_RCV) || after(ack, end->rcv)) {
        end->rcv = ack;
        end->facts |= END_HAS_RCV;
    }
    if (has(peer, END_HAS_ISS) && after(ack, peer->iss)) {
        if (step->connection->simultaneous && !proved(end, RCV_ACK_OF_SYN) && has(peer, END_SEEN))
            tcp_prove_as(step, end, SND_SYN_ACK,
                         FW_PROOF_INFERRED); /* sent, but missed: figure 7 */
        tcp_prove(step, end, SND_ACK_OF_SYN);
        if (reaches_peer && held && peer->state == FW_SYN_RECEIVED)
            hold_ack(step, peer, END_HELD_ACK | END_HELD_SYN);
        else if (reaches_peer)
            tcp_prove(step, peer, RCV_ACK_OF_SYN);
    }
    if (!proved(peer, SND_FIN) || !after(ack, peer->fin_seq))
        return;
    sent_ack_of_fin(step, end, seq);
    if (!reaches_peer || proved(peer, RCV_ACK_OF_FIN))
        return;
    if (peer->state != FW_FIN_WAIT_1 || !(held || has(peer, END_HELD_ACK | END_HELD_BEHIND)))
        tcp_prove(step, peer, RCV_ACK_OF_FIN);
    else if (proved(end, SND_FIN) || has(end, END_ONE_MISSED))
        hold_ack(step, peer, END_HELD_BEHIND);
    else
        hold_ack(step, peer, END_HELD_ACK);
}

/* The sender's own segment tells what it made of an ACK that came with data or a FIN: it
 * acknowledges as far as that segment went, or repeats itself because something before is missing.
 * An ACK from beyond the peer's FIN counts after that FIN, any other before it. */
static void release_held_ack(struct step *step, unsigned held)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    const bool repeats =
        has(sender, END_HAS_RCV) && segment->ack == sender->last_ack && !(segment->flags & FW_FIN);
    if (!has(sender, held) || (before(segment->ack, sender->held_end) && !repeats))
        return;
    const bool syn = has(sender, END_HELD_SYN);
    sender->facts &= ~(held | END_HELD_SYN);
    tcp_prove(step, sender, syn ? RCV_ACK_OF_SYN : RCV_ACK_OF_FIN);
}

static void send_fin(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const uint32_t fin_seq = segment->seq + segment->payload_bytes;

    if (proved(sender, SND_FIN)) {
        tcp_note(step, FW_NOTE_RETRANSMISSION);
        if (receiver->state == FW_TIME_WAIT)
            step->result->rewound = true; /* RFC 9293 section 3.10.7.4: restart 2MSL */
        return;
    }
    sender->fin_seq = fin_seq;
    if (connection->closed_by == FW_CLOSED_BY_NONE)
        connection->closed_by = step->from == FW_CLIENT ? FW_CLOSED_BY_CLIENT : FW_CLOSED_BY_SERVER;
    else if (proved(receiver, SND_FIN) && !after(segment->ack, receiver->fin_seq))
        connection->closed_by = FW_CLOSED_BY_BOTH;
    /* It had acknowledged the peer's FIN from beyond this one: this is not the first copy. */
    if (has(sender, END_ACKED_FIN) && after(sender->ack_fin_seq, fin_seq)) {
        sender->proved |= 1u << SND_FIN;
        tcp_correct(step, sender, "sent FIN again: it had closed first");
    } else { /* a FIN first, and what its sender was before, is inferred: states.md 28 */
        const bool first = connection->midstream && !has(sender, END_SEEN);
        tcp_prove_as(step, sender, SND_FIN, first ? FW_PROOF_INFERRED : FW_PROOF_SEGMENT);
    }
    /* The peer's ACK of it may have been seen before it (states.md 18). */
    if (has(receiver, END_HAS_RCV) && after(receiver->rcv, fin_seq)) {
        sent_ack_of_fin(step, receiver, receiver->ack_fin_seq);
        tcp_prove(step, sender, RCV_ACK_OF_FIN);
    }
}

/* The peer had acknowledged what was not seen: does this segment bear it out? (states.md 18) */
static void settle_pending_ack(struct step *step, uint32_t old_nxt)
{
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const struct fw_segment *segment = step->segment;
    if (!has(receiver, END_PENDING_ACK))
        return;
    const uint32_t pending = receiver->pending_ack;
    const bool one = pending == old_nxt + 1;
    if (segment->seq == pending && one && sequence_end(segment) == segment->seq)
        return; /* a lost FIN or a lost byte: hold both */
    if (!before(segment->seq, pending)) {
        step->connection->lossy = true;
        tcp_note(step, FW_NOTE_GAP);
    }
    if (!after(pending, sender->nxt)) {
        receiver->facts &= ~(unsigned)(END_PENDING_ACK | END_FIN_DOUBTED);
        take_ack(step, receiver, pending, receiver->ack_fin_seq, true);
    } else if (segment->seq == old_nxt && !tcp_is_stale(step)) {
        receiver->facts &= ~(unsigned)END_PENDING_ACK;
        if (has(receiver, END_FIN_DOUBTED)) {
            receiver->facts &= ~(unsigned)END_FIN_DOUBTED;
            unprove(receiver, SND_FIN);
            receiver->nxt = receiver->fin_seq;
            step->connection->closed_by = FW_CLOSED_BY_NONE;
            tcp_correct(step, receiver, "its FIN acknowledged what was never sent");
        }
    }
}

static void forget_hole(struct step *step, struct tcp_end *end)
{
    end->facts &= ~(unsigned)END_HOLE;
    step->connection->hole = (struct tcp_hole){ 0 };
}

/* It goes on from beyond what was seen of it. */
static void leave_hole(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    const uint32_t missing = segment->seq - sender->nxt;
    if (has(sender, END_HOLE) || has(step->receiver, END_HOLE) || !has(sender, END_SEEN) ||
        (missing == 1 && segment->payload_bytes == 0)) /* may be a FIN */
        return;
    sender->facts |= END_HOLE;
    step->connection->hole = (struct tcp_hole){ .start = sender->nxt,
                                                .end = segment->seq,
                                                .since_us = (uint32_t)(step->now / 1000) };
}

/* Whether a segment that fills the hole was overtaken: sooner than a round trip after what overtook
 * it, it cannot have been sent again. */
static bool was_overtaken(const struct step *step)
{
    const struct tcp_connection *connection = step->connection;
    const bool measured =
        connection->established_time != INT64_MIN && connection->syn_time != INT64_MIN;
    const int64_t round_trip = measured
                                   ? tcp_elapsed(connection->syn_time, connection->established_time)
                                   : 3 * FW_MILLISECOND;
    const uint32_t since_us = (uint32_t)(step->now / 1000) - connection->hole.since_us;
    return (int64_t)since_us * 1000 < round_trip &&
           tcp_elapsed(step->sender->last_time, step->now) < round_trip;
}

/* What comes from before what was seen of it: fills the hole, or part of it, or was sent again. */
static void take_earlier_data(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    struct tcp_hole *hole = &step->connection->hole;
    const uint32_t end = segment->seq + segment->payload_bytes;
    const bool fills =
        has(sender, END_HOLE) && !before(segment->seq, hole->start) && !after(end, hole->end);
    if (fills && was_overtaken(step)) {
        tcp_note(step, FW_NOTE_OUT_OF_ORDER);
    } else {
        tcp_note(step, FW_NOTE_RETRANSMISSION);
        sender->retransmits++;
    }
    if (!has(sender, END_HOLE) || !after(end, hole->start) || !before(segment->seq, hole->end))
        return;
    if (after(segment->seq, hole->start))
        hole->end = segment->seq; /* what is missing behind it is not looked after */
    else
        hole->start = end;
    if (!before(hole->start, hole->end))
        forget_hole(step, sender);
}

/* What the receiver acknowledges it has received, and the capture has not. */
static void take_ack_of_hole(struct step *step)
{
    struct tcp_end *receiver = step->receiver;
    if (!has(receiver, END_HOLE) || !after(step->segment->ack, step->connection->hole.start))
        return;
    step->connection->lossy = true;
    forget_hole(step, receiver);
}

static void advance_nxt(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    const uint32_t data_end = segment->seq + segment->payload_bytes;
    if (!has(sender, END_HAS_NXT)) {
        sender->nxt = segment->seq;
        sender->facts |= END_HAS_NXT;
    }
    if (after(segment->seq, sender->nxt)) {
        tcp_note(step, FW_NOTE_GAP);
        leave_hole(step);
    }
    if (segment->payload_bytes > 0 && before(segment->seq, sender->nxt))
        take_earlier_data(step);
    /* A pure ACK from beyond: the capture missed what came before, bytes, unless it is one number.
     */
    const uint32_t news = after(data_end, sender->nxt) ? data_end - sender->nxt : 0;
    if (segment->payload_bytes > 0 && news > 0 && has(sender, END_GAP_ONE))
        sender->bytes++;
    if (news == 1 && segment->payload_bytes == 0)
        sender->facts |= END_GAP_ONE;
    else
        sender->bytes += news;
    if (segment->payload_bytes > 0)
        sender->facts &= ~(unsigned)END_GAP_ONE;
    sender->nxt += news;
    if ((segment->flags & FW_FIN) && after(data_end + 1, sender->nxt))
        sender->nxt = data_end + 1;
}

/* The capture missed what comes just before it: nothing, one number, or more than a FIN can be. */
static void note_missed(struct step *step, uint32_t old_nxt)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    if (!after(sequence_end(segment), old_nxt) && segment->seq == old_nxt)
        return;
    sender->facts &= ~(unsigned)END_ONE_MISSED;
    if (segment->seq == old_nxt + 1)
        sender->facts |= END_ONE_MISSED;
}

/* Would the receiver's stack take the segment (RFC 9293 section 3.10.7.4, as Linux does it)? */
enum taken { TAKEN, OLD, DROPPED };

static enum taken is_taken(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    const struct tcp_end *sender = step->sender, *receiver = step->receiver;
    if (!is_synchronised((enum fw_state)receiver->state) || !has(receiver, END_HAS_RCV))
        return TAKEN;
    if (after(segment->seq, receiver->rcv + receiver->window)) {
        tcp_note(step, FW_NOTE_OUT_OF_WINDOW);
        return DROPPED;
    }
    if (tcp_fails_paws(sender, segment)) {
        tcp_note(step, FW_NOTE_PAWS);
        return DROPPED;
    }
    return before(sequence_end(segment), receiver->rcv) ? OLD : TAKEN;
}

/* Its own ACK number once more, at once: RFC 9293 section 3.10.7.4, RFC 5961. */
static void name_challenge_ack(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    if (has(sender, END_OWES_ACK) && segment->seq == sender->nxt && segment->ack == sender->rcv &&
        (segment->flags & (FW_ACK | FW_FIN)) == FW_ACK && segment->payload_bytes == 0)
        tcp_note(step, FW_NOTE_CHALLENGE_ACK);
}

static void name_ordinary(struct step *step, uint32_t old_nxt)
{
    const struct fw_segment *segment = step->segment;
    const struct tcp_end *sender = step->sender;
    if (segment->flags & (FW_SYN | FW_FIN | FW_RST))
        return;
    if (segment->seq == old_nxt - 1 && segment->payload_bytes <= 1 && has(sender, END_SEEN))
        tcp_note(step,
                 step->receiver->window == 0 ? FW_NOTE_ZERO_WINDOW_PROBE : FW_NOTE_KEEP_ALIVE);
    else if (segment->window_raw == 0)
        tcp_note(step, FW_NOTE_ZERO_WINDOW);
    else if (has(sender, END_WINDOW_ZERO) && segment->payload_bytes == 0)
        tcp_note(step, FW_NOTE_WINDOW_UPDATE);
    else if (segment->payload_bytes == 0 && has(sender, END_SEEN) &&
             segment->ack == sender->last_ack && segment->seq == sender->last_seq &&
             sender->last_flags == segment->flags)
        tcp_note(step, FW_NOTE_DUPLICATE_ACK);
}

static void start_midstream(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    if (!connection->midstream || has(step->sender, END_SEEN) || has(step->receiver, END_SEEN) ||
        step->sender->state != FW_UNKNOWN)
        return;
    tcp_change_state(step, step->sender, FW_ESTABLISHED, FW_PROOF_INFERRED, false,
                     "capture starts here");
    if (step->segment->flags & FW_ACK) {
        tcp_change_state(step, step->receiver, FW_ESTABLISHED, FW_PROOF_INFERRED, false,
                         "capture starts here");
        step->receiver->nxt = step->segment->ack;
        step->receiver->facts |= END_HAS_NXT;
    }
}

/* It has the numbers of the connection before, which the server has yet to leave. */
static bool is_of_connection_before(const struct step *step)
{
    const struct tcp_end *sender = step->sender;
    return has(sender, END_OUTLIVES) ||
           (has(step->receiver, END_OUTLIVES) && step->segment->seq != sender->nxt);
}

/* The server answers with them: it is still where it was (states.md 15, 27). */
static void outlive(struct step *step)
{
    struct tcp_end *sender = step->sender;
    tcp_note(step, FW_NOTE_BAD_ACK);
    if (!has(sender, END_OUTLIVES))
        return;
    if (!is_synchronised((enum fw_state)sender->state))
        tcp_change_state(step, sender, (enum fw_state)sender->alive_state, FW_PROOF_INFERRED, false,
                         "still holds the connection before");
    sender->rcv = step->segment->ack;
    sender->facts |= END_HAS_RCV;
    if (step->segment->flags & FW_FIN)
        tcp_prove_as(step, sender, SND_FIN, FW_PROOF_INFERRED);
}

void tcp_take_segment(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;

    start_midstream(step);
    name_challenge_ack(step);
    if (!(segment->flags & FW_ACK)) {
        tcp_note(step, FW_NOTE_NO_ACK);
        return;
    }
    if (is_of_connection_before(step)) {
        outlive(step);
        return;
    }
    tcp_leave_connection_before(step, receiver);
    tcp_learn_iss_from_ack(step);
    tcp_infer_missed_handshake(step);
    if (sender->state == FW_SYN_SENT && has(receiver, END_HAS_ISS) &&
        !tcp_acks_syn_of(segment, receiver) && receiver->state == FW_SYN_RECEIVED) {
        tcp_note(step, FW_NOTE_BAD_ACK);
        return;
    }
    const enum taken taken = is_taken(step);
    if (taken == DROPPED)
        return;
    if (sender->state == FW_UNKNOWN && receiver->state == FW_SYN_SENT) {
        tcp_note(step, FW_NOTE_BAD_ACK); /* an old connection answers the SYN: states.md 15 */
        return;
    }
    if (!tcp_is_stale(step))
        tcp_revive(step);
    take_back_forged_fin(step);
    take_back_ack_of_fin(step);

    const uint32_t old_nxt = has(sender, END_HAS_NXT) ? sender->nxt : segment->seq;
    if (receiver->state == FW_CLOSED && has(receiver, END_TIMED) &&
        receiver->alive_state == FW_SYN_RECEIVED && tcp_acks_syn_of(segment, receiver))
        tcp_change_state(step, receiver, FW_SYN_RECEIVED, FW_PROOF_SEGMENT, true,
                         "the ACK of its SYN came after all");
    note_missed(step, old_nxt);
    name_ordinary(step, old_nxt);
    advance_nxt(step);
    settle_pending_ack(step, old_nxt);

    release_held_ack(step, END_HELD_ACK);
    bool doubted = false;
    if (has(receiver, END_HAS_NXT) && after(segment->ack, receiver->nxt)) {
        if (!has(receiver, END_SEEN)) {
            receiver->bytes += segment->ack - receiver->nxt;
            receiver->nxt = segment->ack; /* one direction only: states.md 29 */
        } else if (proved(receiver, SND_FIN)) {
            tcp_note(step, FW_NOTE_BAD_ACK);
            return;
        } else {
            doubted = true;
        }
    }
    if (doubted) {
        tcp_note(step, FW_NOTE_GAP);
        if (!has(sender, END_PENDING_ACK)) {
            sender->facts |= END_PENDING_ACK;
            if (!has(sender, END_ACKED_FIN))
                sender->ack_fin_seq = segment->seq;
        }
        sender->pending_ack = segment->ack;
        take_ack(step, sender, receiver->nxt, segment->seq, taken == TAKEN);
    } else {
        take_ack_of_hole(step);
        take_ack(step, sender, segment->ack, segment->seq, taken == TAKEN);
    }
    release_held_ack(step, END_HELD_BEHIND);
    if (segment->flags & FW_FIN) {
        if (doubted && !proved(sender, SND_FIN))
            sender->facts |= END_FIN_DOUBTED;
        if (taken == OLD && !proved(sender, SND_FIN))
            tcp_note(step,
                     FW_NOTE_OUT_OF_WINDOW); /* from before what it has sent: no FIN of its own */
        else
            send_fin(step);
    }
    sender->window = (uint32_t)segment->window_raw << tcp_window_shift(sender, receiver);
    sender->facts &= ~(unsigned)END_WINDOW_ZERO;
    if (segment->window_raw == 0)
        sender->facts |= END_WINDOW_ZERO;
    tcp_remember_timestamps(sender, receiver, segment);
}

/* Nothing about this end is odd, doubted or held back. */
static bool is_plain(const struct tcp_end *end)
{
    const unsigned heard = END_SEEN | END_HAS_NXT;
    const unsigned harmless = heard | END_HAS_RCV | END_HAS_ISS | END_HAS_TS | END_SYN_OPTIONS |
                              END_SCALES | END_INFERRED | END_ACKED_FIN | END_FIN_KEPT;
    return (end->facts & heard) == heard && (end->facts & ~harmless) == 0;
}

/* Between two ends that are through the handshake, or whose ACK ends it. */
static bool is_between_open_ends(const struct step *step)
{
    const struct tcp_end *sender = step->sender, *receiver = step->receiver;
    if (sender->state == FW_SYN_SENT)
        return receiver->state == FW_SYN_RECEIVED && step->segment->ack == receiver->nxt &&
               has(receiver, END_HAS_ISS) && !(step->segment->flags & FW_FIN);
    return sender->state >= FW_ESTABLISHED && receiver->state >= FW_ESTABLISHED &&
           has(sender, END_HAS_RCV);
}

/* A duplicate, or a duplicate ACK. */
static bool looks_like_last(const struct tcp_end *sender, const struct fw_segment *segment)
{
    return segment->seq == sender->last_seq && segment->ack == sender->last_ack &&
           segment->flags == sender->last_flags &&
           (segment->payload_bytes == 0 || segment->payload_bytes == sender->last_payload_bytes);
}

/* What was proved while an end was held for CLOSED has yet to move it. */
static bool has_unwalked_proofs(const struct tcp_end *end)
{
    return (end->proved & tcp_ways_out[end->state]) != 0;
}

/* Their SYNs are acknowledged, the receiver has sent no FIN, and both are where their proofs put
 * them: an ACK moves neither. */
static bool ack_moves_nothing(const struct tcp_end *sender, const struct tcp_end *receiver)
{
    return proved(sender, SND_ACK_OF_SYN) && proved(receiver, RCV_ACK_OF_SYN) &&
           !proved(receiver, SND_FIN) && !has_unwalked_proofs(sender) &&
           !has_unwalked_proofs(receiver);
}

bool tcp_take_usual(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    const struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const uint32_t before_ack = sender->state == FW_SYN_SENT ? receiver->iss : sender->rcv;
    const uint32_t acked = segment->ack - before_ack, unacked = receiver->nxt - before_ack;

    if ((segment->flags & (FW_SYN | FW_RST | FW_ACK)) != FW_ACK || !is_plain(sender) ||
        !is_plain(receiver) || !is_between_open_ends(step) || connection->in_doubt ||
        connection->has_other_iss || connection->simultaneous)
        return false;
    if (segment->seq != sender->nxt || !has(receiver, END_HAS_RCV) ||
        before(segment->seq, receiver->rcv) ||
        after(segment->seq, receiver->rcv + receiver->window) || acked > unacked ||
        (int32_t)unacked < 0 || segment->window_raw == 0)
        return false;
    if (looks_like_last(sender, segment) || tcp_fails_paws(sender, segment))
        return false;
    if (proved(sender, SND_FIN) && ((segment->flags & FW_FIN) || segment->payload_bytes > 0))
        return false;
    if (proved(sender, SND_FIN) && after(segment->seq, sender->fin_seq) && !tcp_is_stale(step))
        sender->facts |= END_FIN_KEPT;
    sender->nxt += segment->payload_bytes + ((segment->flags & FW_FIN) != 0);
    sender->bytes += segment->payload_bytes;
    if (ack_moves_nothing(sender, receiver))
        sender->rcv = segment->ack;
    else
        take_ack(step, sender, segment->ack, segment->seq, true);
    if (segment->flags & FW_FIN)
        send_fin(step);
    sender->window = (uint32_t)segment->window_raw << tcp_window_shift(sender, receiver);
    tcp_remember_timestamps(sender, receiver, segment);
    return true;
}
