/* Opening: SYN, SYN+ACK, and what the capture missed of them. */
#include "tcp_step.h"

bool tcp_acks_attempt(const struct fw_segment *segment, uint32_t iss, uint32_t nxt)
{
    return (segment->flags & FW_ACK) && after(segment->ack, iss) && !after(segment->ack, nxt);
}

bool tcp_acks_syn_of(const struct fw_segment *segment, const struct tcp_end *end)
{
    return has(end, END_HAS_ISS) && tcp_acks_attempt(segment, end->iss, end->nxt);
}

/* What the first proof of an end says of the time before it; the proof itself follows at once. */
static void begin_from(struct tcp_end *end, enum fw_state state)
{
    end->state = (uint8_t)state;
    end->facts &= ~(unsigned)(END_RESTARTED | END_OUTLIVES);
}

static void set_iss(struct tcp_end *end, uint32_t iss, uint32_t nxt)
{
    end->iss = iss;
    end->nxt = nxt;
    end->facts |= END_HAS_ISS | END_HAS_NXT;
}

/* It has answered in this connection: what it was in the one before is over. */
void tcp_leave_connection_before(struct step *step, struct tcp_end *end)
{
    if (!has(end, END_OUTLIVES))
        return;
    tcp_change_state(step, end, FW_UNKNOWN, FW_PROOF_INFERRED, false, "left the connection before");
    tcp_path_truncate(end, 0);
    end->facts &=
        ~(unsigned)(END_OUTLIVES | END_HAS_RCV | END_SENT_RST | END_GOT_RST | END_INFERRED);
    end->alive_state = FW_UNKNOWN;
    end->proved = 0;
}

void tcp_note_established(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    if (connection->open == FW_OPEN_COMPLETE || connection->open == FW_OPEN_MIDSTREAM ||
        connection->established_time != INT64_MIN)
        return;
    if (!is_synchronised((enum fw_state)connection->end[FW_CLIENT].state) ||
        !is_synchronised((enum fw_state)connection->end[FW_SERVER].state))
        return;
    connection->open = FW_OPEN_COMPLETE;
    connection->established_time = step->now;
}

void tcp_take_syn(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender;
    const uint32_t nxt = segment->seq + 1 + segment->payload_bytes;

    if (has(sender, END_HAS_ISS) && (sender->iss == segment->seq || !has(sender, END_SEEN))) {
        if (sender->iss != segment->seq)
            set_iss(sender, segment->seq, nxt); /* inferred from a SYN+ACK before it: states.md 5 */
        else if (has(sender, END_SEEN))
            tcp_note(step, FW_NOTE_RETRANSMISSION);
        if (after(nxt, sender->nxt) && !is_synchronised((enum fw_state)sender->state)) {
            sender->bytes = segment->payload_bytes;
            sender->nxt = nxt;
        }
        sender->retransmits += has(sender, END_SEEN);
        if (sender->state == FW_CLOSED && sender->alive_state == FW_SYN_SENT) {
            sender->facts &= ~(unsigned)(END_SENT_RST | END_GOT_RST);
            connection->end_kind = FW_END_OPEN;
            tcp_change_state(step, sender, FW_SYN_SENT, FW_PROOF_SEGMENT, true, "sent SYN again");
        }
    } else if (sender->state == FW_UNKNOWN || sender->state == FW_CLOSED) {
        set_iss(sender, segment->seq, nxt);
        sender->bytes = segment->payload_bytes;
        begin_from(sender, FW_CLOSED);
        connection->simultaneous = step->receiver->state == FW_SYN_SENT;
        tcp_prove(step, sender, SND_SYN);
    } else {
        tcp_note(step, FW_NOTE_SYN_IN_WINDOW);
        return;
    }
    if (segment->flags & FW_FIN)
        tcp_note(step, FW_NOTE_ODD_FLAGS);
    if (segment->payload_bytes > 0 || (segment->options & FW_OPT_FAST_OPEN))
        connection->fast_open = segment->payload_bytes > 0;
    tcp_remember_syn_options(sender, segment);
    sender->window = segment->window_raw;
    step->result->rewound = true;
    if (connection->established_time != INT64_MIN)
        return;
    connection->syn_time = segment->time;
    if (connection->first_syn_time == INT64_MIN)
        connection->first_syn_time = segment->time;
}

/* Sent again after the client's ACK was seen: it did not arrive, or was not wanted (a full accept
 * queue looks like this). */
static void take_back_ack_of_syn(struct step *step)
{
    struct tcp_end *sender = step->sender;
    if (step->connection->simultaneous && !proved(sender, SND_SYN_ACK))
        return; /* the first went by late */
    if (!proved(sender, RCV_ACK_OF_SYN) || sender->nxt != sender->iss + 1 ||
        sender->state != FW_ESTABLISHED)
        return;
    unprove(sender, RCV_ACK_OF_SYN);
    tcp_change_state(step, sender, FW_SYN_RECEIVED, FW_PROOF_SEGMENT, true,
                     "sent SYN+ACK again: the ACK did not arrive");
    step->connection->cause = TCP_CAUSE_ACCEPT_QUEUE_FULL;
}

static void infer_client_syn(struct step *step, struct tcp_end *client, uint32_t ack)
{
    set_iss(client, ack - 1, ack);
    begin_from(client, FW_CLOSED);
    tcp_prove_as(step, client, SND_SYN, FW_PROOF_INFERRED);
}

void tcp_take_syn_ack(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const uint32_t nxt = segment->seq + 1 + segment->payload_bytes;

    if (receiver->state == FW_UNKNOWN && !has(receiver, END_HAS_ISS)) {
        tcp_leave_connection_before(step, receiver);
        infer_client_syn(step, receiver, segment->ack);
    }
    const bool acks = tcp_acks_syn_of(segment, receiver);
    if (!acks) {
        tcp_note(step, FW_NOTE_BAD_SYNACK);
        connection->synack_was_bad = true;
    }

    if (has(sender, END_HAS_ISS) && sender->iss == segment->seq) {
        if (sender->state != FW_SYN_SENT) {
            tcp_note(step, FW_NOTE_RETRANSMISSION);
            sender->retransmits++;
        }
        take_back_ack_of_syn(step);
    } else if (sender->state == FW_SYN_RECEIVED && acks && !after(sender->rcv, receiver->iss)) {
        set_iss(sender, segment->seq, nxt); /* the first one answered another SYN */
    } else if (sender->state == FW_SYN_RECEIVED) {
        connection->other_iss = segment->seq; /* states.md 7: the client's ACK chooses */
        connection->has_other_iss = true;
    } else if (is_synchronised((enum fw_state)sender->state)) {
        tcp_note(step, FW_NOTE_SYN_IN_WINDOW);
        return;
    } else {
        set_iss(sender, segment->seq, nxt);
        sender->bytes = segment->payload_bytes;
        unprove(sender, RCV_ACK_OF_SYN); /* it was of another SYN */
    }
    if (sender->state == FW_CLOSED && sender->alive_state == FW_SYN_SENT &&
        proved(sender, SND_SYN)) {
        sender->facts &= ~(unsigned)(END_SENT_RST | END_GOT_RST);
        tcp_change_state(step, sender, FW_SYN_SENT, FW_PROOF_SEGMENT, true,
                         "went on sending: the RST did not arrive");
    } else if (sender->state == FW_UNKNOWN ||
               (sender->state == FW_CLOSED && !proved(sender, SND_SYN_ACK)) ||
               (sender->state == FW_CLOSED &&
                (has(sender, END_SENT_RST) || has(sender, END_GOT_RST)))) {
        if (sender->state == FW_CLOSED) { /* what was reset was an answer to another SYN */
            connection->end_kind = FW_END_OPEN;
            connection->closed_by = FW_CLOSED_BY_NONE;
            connection->cause = TCP_CAUSE_NONE;
        }
        sender->facts &= ~(unsigned)(END_SENT_RST | END_GOT_RST | END_RESTARTED);
        begin_from(sender, FW_LISTEN);
        sender->proved = 0;
    } else if (sender->state == FW_CLOSED && has(sender, END_TIMED)) {
        tcp_change_state(step, sender, FW_SYN_RECEIVED, FW_PROOF_SEGMENT, true,
                         "sent SYN+ACK again");
    }
    sender->rcv = segment->ack;
    sender->facts |= END_HAS_RCV;
    tcp_prove(step, sender, SND_SYN_ACK);
    if (acks)
        tcp_prove(step, receiver, RCV_ACK_OF_SYN);
    tcp_remember_syn_options(sender, segment);
    sender->window = segment->window_raw;
    step->result->rewound = true;
    if (connection->established_time == INT64_MIN)
        connection->synack_time = segment->time;
}

/* The client acknowledges a SYN+ACK that the capture missed, or chooses between two. */
void tcp_learn_iss_from_ack(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *receiver = step->receiver;
    if (connection->has_other_iss && segment->ack == connection->other_iss + 1) {
        set_iss(receiver, connection->other_iss, connection->other_iss + 1);
        connection->has_other_iss = false;
    }
    const bool unheard = receiver->state == FW_UNKNOWN ||
                         (receiver->state == FW_CLOSED && !has(receiver, END_HAS_ISS));
    if (!unheard || !proved(step->sender, SND_SYN) || step->sender->state != FW_SYN_SENT)
        return;
    set_iss(receiver, segment->ack - 1, segment->ack);
    begin_from(receiver, FW_LISTEN);
    tcp_prove_as(step, receiver, SND_SYN_ACK, FW_PROOF_INFERRED);
}

/* A server that sends data or FIN has received the ACK of its SYN, unless it opened fast; the
 * client that it answers has sent it. The capture missed that ACK. */
void tcp_infer_missed_handshake(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    if (sender->state == FW_UNKNOWN && receiver->state == FW_SYN_SENT &&
        tcp_acks_syn_of(segment, receiver)) {
        set_iss(sender, segment->seq - 1, segment->seq);
        begin_from(sender, FW_LISTEN);
        tcp_prove_as(step, sender, SND_SYN_ACK, FW_PROOF_INFERRED);
        tcp_prove(step, receiver, RCV_ACK_OF_SYN);
    }
    if (sender->state != FW_SYN_RECEIVED || connection->fast_open || connection->simultaneous ||
        step->from != FW_SERVER || sequence_end(segment) == segment->seq)
        return;
    const bool unseen = !has(receiver, END_SEEN) && after(segment->ack, receiver->iss);
    if (!unseen && !tcp_acks_syn_of(segment, receiver))
        return;
    if (receiver->state == FW_SYN_SENT)
        tcp_prove_as(step, receiver, SND_ACK_OF_SYN, FW_PROOF_INFERRED);
    tcp_prove_as(step, sender, RCV_ACK_OF_SYN, FW_PROOF_INFERRED);
}

static enum tcp_syn classify_bare_syn(const struct tcp_connection *connection, enum fw_side from,
                                      uint32_t seq)
{
    const struct tcp_end *sender = &connection->end[from];
    const struct tcp_end *receiver = &connection->end[!from];
    const enum fw_state state = (enum fw_state)sender->state;
    const enum fw_state peer = (enum fw_state)receiver->state;

    if (has(sender, END_HAS_ISS) && sender->iss == seq)
        return TCP_SYN_SAME;
    if (has(sender, END_HAS_ISS) && !has(sender, END_SEEN) && before(seq, sender->nxt) &&
        after(seq, sender->nxt - 65536))
        return TCP_SYN_SAME; /* came after its SYN+ACK: states.md 5, with data on it */
    if (state == FW_UNKNOWN && peer == FW_SYN_SENT)
        return TCP_SYN_SAME; /* simultaneous open, split handshake */

    const bool dead = state == FW_CLOSED || state == FW_TIME_WAIT || has(sender, END_RESTARTED);
    const bool unanswered = peer == FW_UNKNOWN && state != FW_CLOSED;
    /* The SYN reaches an end that still holds the old connection: its answer decides. */
    if (peer == FW_TIME_WAIT)
        return TCP_SYN_HOLD;
    if (peer == FW_CLOSED)
        return TCP_SYN_NEW;
    if (dead)
        return peer == FW_UNKNOWN && !unanswered ? TCP_SYN_NEW : TCP_SYN_HOLD;
    if (state == FW_SYN_SENT)
        return TCP_SYN_HOLD; /* states.md 2 */
    return TCP_SYN_SUSPECT;  /* states.md 15 */
}

enum tcp_syn tcp_classify_syn(const struct tcp_connection *connection, enum fw_side from,
                              const struct fw_segment *segment)
{
    const struct tcp_end *sender = &connection->end[from];
    const struct tcp_end *receiver = &connection->end[!from];
    if (!(segment->flags & FW_ACK))
        return classify_bare_syn(connection, from, segment->seq);
    /* A SYN+ACK whose SYN the capture missed, from an end that was done with the old connection. */
    const bool done = (sender->state == FW_CLOSED || sender->state == FW_TIME_WAIT) &&
                      has(sender, END_SEEN) && !has(sender, END_OUTLIVES);
    const bool ours = (has(sender, END_HAS_ISS) && sender->iss == segment->seq) ||
                      (has(receiver, END_HAS_ISS) && receiver->iss == segment->ack - 1);
    return done && !ours ? TCP_SYN_NEW : TCP_SYN_SAME;
}
