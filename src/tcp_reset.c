/* RST, and what takes it back. */
#include "tcp_step.h"

/* What a RST is to its receiver (states.md, RST). */
enum rst_answer { RST_OUTSIDE, RST_IN_WINDOW, RST_UNSETTLED, RST_EXACT };

static enum rst_answer classify_rst(const struct step *step)
{
    const struct fw_segment *segment = step->segment;
    const struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const uint32_t seq = segment->seq;

    switch ((enum fw_state)receiver->state) {
    case FW_UNKNOWN:
        return !has(receiver, END_OUTLIVES) || seq == receiver->rcv ? RST_EXACT : RST_OUTSIDE;
    case FW_CLOSED:
    case FW_LISTEN:
    case FW_STATE_COUNT:
        return RST_OUTSIDE;
    case FW_SYN_SENT:
        if (step->connection->simultaneous && has(sender, END_HAS_NXT) && seq != sender->nxt)
            return RST_OUTSIDE; /* it has the sender's SYN, and with it the number to expect */
        return tcp_acks_syn_of(segment, receiver) ? RST_EXACT : RST_OUTSIDE;
    case FW_SYN_RECEIVED:
    case FW_ESTABLISHED:
    case FW_FIN_WAIT_1:
    case FW_FIN_WAIT_2:
    case FW_CLOSE_WAIT:
    case FW_CLOSING:
    case FW_LAST_ACK:
    case FW_TIME_WAIT:
        break;
    }
    if (!has(receiver, END_HAS_RCV))
        return RST_EXACT;
    if (seq == receiver->rcv || (has(receiver, END_PENDING_ACK) && seq == receiver->pending_ack))
        return RST_EXACT;
    /* RCV.NXT may be ahead of the last ACK that was sent: up to what the sender has sent. */
    if (has(sender, END_HAS_NXT) && seq == sender->nxt && after(seq, receiver->rcv))
        return RST_UNSETTLED;
    /* Linux: RCV.NXT - 1 after a FIN. */
    if (proved(sender, SND_FIN) && seq == sender->fin_seq && seq == receiver->rcv - 1 &&
        (receiver->state == FW_CLOSE_WAIT || receiver->state == FW_LAST_ACK ||
         receiver->state == FW_CLOSING))
        return RST_EXACT;
    if (before(seq, receiver->rcv) || !before(seq, receiver->rcv + receiver->window))
        return RST_OUTSIDE;
    /* Linux takes any RST in the window against a half-open request, or (6.18) challenges it. */
    if (receiver->state == FW_SYN_RECEIVED && !step->connection->simultaneous)
        return RST_UNSETTLED;
    return RST_IN_WINDOW;
}

/* Its last segment was a keep-alive probe, and it has waited for the answer. */
static bool gave_up_keep_alive(const struct step *step)
{
    const struct tcp_end *sender = step->sender, *receiver = step->receiver;
    return is_synchronised((enum fw_state)sender->state) && has(receiver, END_SEEN) &&
           sender->last_seq == sender->nxt - 1 && sender->last_payload_bytes <= 1 &&
           receiver->window > 0 && receiver->last_time < sender->last_time &&
           tcp_elapsed(sender->last_time, step->now) >= FW_SECOND;
}

static enum tcp_cause rst_cause(const struct step *step)
{
    const struct tcp_end *sender = step->sender, *receiver = step->receiver;
    if (step->from == FW_CLIENT && sender->state == FW_SYN_SENT && step->connection->synack_was_bad)
        return TCP_CAUSE_SYNACK_REJECTED;
    if (receiver->state == FW_SYN_SENT && !proved(sender, SND_SYN_ACK))
        return TCP_CAUSE_REFUSED;
    if (has(sender, END_RESTARTED) && receiver->state == FW_TIME_WAIT)
        return TCP_CAUSE_PORT_REUSED_TOO_EARLY;
    if (gave_up_keep_alive(step))
        return TCP_CAUSE_KEEP_ALIVE_UNANSWERED;
    if (proved(sender, SND_FIN))
        return step->segment->flags & FW_ACK ? TCP_CAUSE_RESET_AFTER_FIN
                                             : TCP_CAUSE_DATA_AFTER_CLOSE;
    if (!is_synchronised((enum fw_state)sender->state) && sender->state != FW_UNKNOWN)
        return step->from == FW_CLIENT ? TCP_CAUSE_RESET_IN_HANDSHAKE_BY_CLIENT
                                       : TCP_CAUSE_RESET_IN_HANDSHAKE_BY_SERVER;
    return step->from == FW_CLIENT ? TCP_CAUSE_RESET_BY_CLIENT : TCP_CAUSE_RESET_BY_SERVER;
}

void tcp_close_by_rst(struct step *step, struct tcp_end *end, const char *cause, unsigned fact)
{
    if (end->state == FW_CLOSED)
        return;
    tcp_change_state(step, end, FW_CLOSED, FW_PROOF_SEGMENT, false, cause);
    end->facts |= fact;
}

static bool acked_lately(const struct tcp_end *end, uint32_t number)
{
    for (size_t i = 0; i < end->ack_count; i++)
        if (end->acks[i] == number)
            return true;
    return false;
}

/* The sender is CLOSED if it aborts (SND.NXT) or has no connection (the number is the ACK of what
 * it answers); where it answers what it could not accept, it stays as it was. */
static bool rst_closes_sender(const struct step *step, enum rst_answer answer)
{
    const struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const uint32_t seq = step->segment->seq;
    if (has(sender, END_OUTLIVES))
        return true; /* nothing in this connection has made it send a RST */
    if (sender->state == FW_UNKNOWN)
        return answer == RST_EXACT;
    if (has(sender, END_RESTARTED))
        return false; /* it answers a segment of the connection that it has lost: states.md 15 */
    if (has(sender, END_HAS_NXT) && seq == sender->nxt)
        return true;
    if (sender->state == FW_SYN_RECEIVED) /* Linux: with ACK, a request that a SYN has killed */
        return step->segment->flags & FW_ACK;
    if (sender->state == FW_SYN_SENT) /* with ACK, it has no connection that the SYN could cross */
        return (step->segment->flags & FW_ACK) && tcp_acks_syn_of(step->segment, receiver);
    if (answer == RST_IN_WINDOW && (step->segment->flags & FW_ACK) && has(sender, END_HAS_TS) &&
        !tcp_is_stale(step))
        return true; /* its own, from beyond data that the capture missed */
    return answer == RST_EXACT || (!(step->segment->flags & FW_ACK) &&
                                   acked_lately(receiver, seq) && receiver->state != FW_UNKNOWN);
}

static void begin_doubt(struct step *step, const struct tcp_end *end, bool by_rst, fw_time since,
                        bool crossed)
{
    const struct fw_segment *segment = step->segment;
    step->connection->in_doubt = true;
    step->connection->doubt = (struct tcp_doubt){
        .since = since,
        .time = segment->time,
        .frame = segment->frame,
        .seq = segment->seq,
        .ack = segment->ack,
        .flags = segment->flags,
        .from = (uint8_t)step->from,
        .end = (uint8_t)side_of(step, end),
        .by_rst = by_rst,
        .crossed = crossed,
    };
}

/* The end in doubt is heard. What it sent at once may have crossed what closed it; a challenge ACK,
 * or a segment that comes late, says that it lives. */
void tcp_go_on_doubting(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    const struct tcp_doubt *doubt = &connection->doubt;
    const struct fw_segment *segment = step->segment;
    if (!connection->in_doubt || doubt->end != step->from ||
        step->result->note == FW_NOTE_DUPLICATE)
        return;
    const bool challenge = !doubt->crossed && segment->payload_bytes == 0 &&
                           !(segment->flags & (FW_FIN | FW_RST)) &&
                           segment->ack == step->sender->last_ack;
    const bool repeats = !doubt->by_rst && (segment->flags & FW_FIN);
    connection->in_doubt = step->sender->state != FW_CLOSED && !challenge && !repeats &&
                           tcp_elapsed(doubt->since, segment->time) < TCP_DOUBT_NS;
    /* What it says of itself meanwhile comes before its closing, which is then told with this
     * frame. */
    if (connection->in_doubt && (doubt->crossed || step->result->count > 0))
        begin_doubt(step, step->sender, doubt->by_rst, doubt->since, true);
}

/* Both have sent their FIN and had it acknowledged: what comes now changes no more how it ended. */
static bool has_closed(const struct tcp_connection *connection)
{
    bool closed = true;
    for (int side = FW_CLIENT; side <= FW_SERVER; side++) {
        const struct tcp_end *end = &connection->end[side];
        closed = closed && proved(end, SND_FIN) && proved(end, RCV_ACK_OF_FIN) &&
                 (end->state == FW_CLOSED || end->state == FW_TIME_WAIT);
    }
    return closed;
}

void tcp_take_rst(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const enum rst_answer answer = classify_rst(step);
    const enum tcp_cause cause = rst_cause(step);
    const bool aborts = rst_closes_sender(step, answer);
    const bool was_over = tcp_is_over(connection) ||
                          (has_closed(connection) && cause != TCP_CAUSE_PORT_REUSED_TOO_EARLY);
    const bool refused = receiver->state == FW_SYN_SENT && answer == RST_EXACT &&
                         !proved(sender, SND_SYN_ACK); /* else it had agreed before */

    if (aborts) {
        tcp_close_by_rst(step, sender, "sent RST", END_SENT_RST);
        sender->facts &= ~(unsigned)END_RST_TIMED;
        if (step->segment->options & FW_OPT_TIMESTAMPS)
            sender->facts |= END_RST_TIMED;
    }
    if (answer == RST_UNSETTLED)
        begin_doubt(step, receiver, true, step->now, false);
    if (answer == RST_EXACT && (receiver->state != FW_UNKNOWN || has(receiver, END_OUTLIVES)))
        tcp_close_by_rst(step, receiver, "received RST", END_GOT_RST);
    if (answer == RST_IN_WINDOW && !aborts)
        tcp_note(step, FW_NOTE_RST_CHALLENGED);
    else if (answer == RST_OUTSIDE && !aborts)
        tcp_note(step, FW_NOTE_RST_IGNORED);
    if (step->result->count == 0 || was_over || has(sender, END_OUTLIVES) ||
        has(receiver, END_OUTLIVES))
        return;
    connection->cause = (uint8_t)cause;
    connection->end_kind = FW_END_RST;
    if (refused)
        connection->open = FW_OPEN_REFUSED;
    if (connection->closed_by == FW_CLOSED_BY_NONE)
        connection->closed_by = step->from == FW_CLIENT ? FW_CLOSED_BY_CLIENT : FW_CLOSED_BY_SERVER;
}

/* An endpoint that we hold for CLOSED goes on sending: what closed it did not happen. The RST was
 * forged, or did not arrive; the ACK of its FIN did not arrive; our timer was too short. */
void tcp_revive(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender;
    if (has(sender, END_RESTARTED)) {
        sender->facts &= ~(unsigned)END_RESTARTED;
        tcp_change_state(step, sender, (enum fw_state)sender->alive_state, FW_PROOF_SEGMENT, true,
                         "went on sending: the SYN was not its own");
        return;
    }
    if (sender->state != FW_CLOSED || sender->alive_state == FW_UNKNOWN || !has(sender, END_SEEN) ||
        after(step->segment->seq, sender->nxt + 1))
        return;
    const char *cause = "sent again: it was not closed";
    if (has(sender, END_SENT_RST) && has(sender, END_RST_TIMED) &&
        step->segment->ts_val == sender->ts_last)
        return; /* may have been sent before the RST, and passed the tap after it */
    if (has(sender, END_SENT_RST)) {
        tcp_note(step, FW_NOTE_RST_FORGED);
        cause = "went on sending: the RST was not its own";
    } else if (has(sender, END_GOT_RST)) {
        cause = "went on sending: the RST did not arrive";
        connection->end_kind = FW_END_OPEN;
    } else if (proved(sender, RCV_ACK_OF_FIN)) {
        unprove(sender, RCV_ACK_OF_FIN);
        cause = "sent again: the ACK of its FIN did not arrive";
    }
    if (has(sender, END_TIMED))
        connection->end_kind = FW_END_OPEN;
    const bool may_cross = !has(sender, END_SENT_RST | END_TIMED) &&
                           !(step->segment->flags & FW_FIN) &&
                           tcp_elapsed(sender->since, step->now) < TCP_DOUBT_NS;
    if (may_cross)
        begin_doubt(step, sender, has(sender, END_GOT_RST), sender->since, true);
    const enum fw_state alive = (enum fw_state)sender->alive_state;
    sender->facts &= ~(unsigned)(END_SENT_RST | END_GOT_RST);
    tcp_change_state(step, sender, alive, FW_PROOF_SEGMENT, true, cause);
}
