#include "lab.h"

#include <string.h>

static const char *const state_names[] = {
    [CLOSED] = "CLOSED",           [LISTEN] = "LISTEN",
    [SYN_SENT] = "SYN_SENT",       [SYN_RECEIVED] = "SYN_RECEIVED",
    [ESTABLISHED] = "ESTABLISHED", [FIN_WAIT_1] = "FIN_WAIT_1",
    [FIN_WAIT_2] = "FIN_WAIT_2",   [CLOSE_WAIT] = "CLOSE_WAIT",
    [CLOSING] = "CLOSING",         [LAST_ACK] = "LAST_ACK",
    [TIME_WAIT] = "TIME_WAIT",
};

static const char *hidden_by_peers_fin(const struct lab *lab, const struct connection *connection,
                                       enum host host);

static enum tcp_state present(const struct half *half)
{
    return half->history[half->now];
}

static void raise(bool *has, uint32_t *highest, uint32_t value)
{
    if (!*has || seq_at_least(value, *highest))
        *highest = value;
    *has = true;
}

static bool covers(bool has, uint32_t ack, uint32_t end)
{
    return has && seq_at_least(ack, end);
}

static void give_reset(struct lab *lab, struct half *half, bool ahead, const char *text)
{
    snprintf(half->doubts.reset, REASON_ROOM, "%s", text);
    half->doubts.reset_ahead = ahead;
    half->doubts.reset_clock = lab->clock;
}

static void give_reason(char reason[static REASON_ROOM], int *at, int clock, const char *text)
{
    snprintf(reason, REASON_ROOM, "%s", text);
    *at = clock;
}

/* ---- what the kernels say ---------------------------------------------------------------------
 */

static enum tcp_state ask(const struct lab *lab, const struct connection *connection,
                          enum host host)
{
    const struct half *half = &connection->half[host];
    const enum tcp_state state = diag_state(lab->kernels[host].diag_fd, &connection->end[host],
                                            &connection->end[other(host)]);
    return state == LISTEN && half->opened ? CLOSED : state;
}

struct connection *truth_connection(struct lab *lab, const struct frame *frame)
{
    const struct endpoint *from = &frame->segment.from, *to = &frame->segment.to;
    for (int i = 0; i < lab->connection_count; i++) {
        struct connection *connection = &lab->connections[i];
        if (endpoint_equal(&connection->end[frame->from], from) &&
            endpoint_equal(&connection->end[other(frame->from)], to))
            return connection;
    }
    if (lab->connection_count == CONNECTION_ROOM)
        return NULL;
    struct connection *connection = &lab->connections[lab->connection_count++];
    connection->opener = frame->from;
    connection->end[frame->from] = *from;
    connection->end[other(frame->from)] = *to;
    connection->half[frame->from].history[0] = CLOSED;
    connection->half[other(frame->from)].history[0] = ask(lab, connection, other(frame->from));
    return connection;
}

/* What a kernel passes through within one packet, too fast to be asked. */
static enum tcp_state between(const struct numbers *numbers, enum tcp_state from, enum tcp_state to)
{
    const bool fin_acked =
        numbers->fin_sent && covers(numbers->has_ack_got, numbers->ack_got, numbers->fin_end);
    if (from == FIN_WAIT_1 && to == CLOSED && fin_acked)
        return FIN_WAIT_2; /* an orphan that is sent data */
    if ((from == SYN_RECEIVED || from == SYN_SENT || from == LISTEN ||
         (from == CLOSED && numbers->cookie)) &&
        to == CLOSE_WAIT)
        return ESTABLISHED;
    if ((from == FIN_WAIT_2 || from == TIME_WAIT) && to == SYN_SENT)
        return CLOSED; /* connect() takes the port again */
    if (from == FIN_WAIT_1 && to == TIME_WAIT)
        return FIN_WAIT_2;
    return to;
}

static void append(struct half *half, enum tcp_state state)
{
    if (half->now + 1 == HISTORY_ROOM) { /* forget the older half */
        const int cut = HISTORY_ROOM / 2;
        memmove(half->history, half->history + cut,
                (HISTORY_ROOM - cut) * sizeof(half->history[0]));
        half->now -= cut;
        half->before = half->before > cut ? half->before - cut : 0;
        half->since = half->since > cut ? half->since - cut : 0;
    }
    half->history[++half->now] = state;
    if (state != CLOSED && state != LISTEN)
        half->opened = true;
}

static void note_change(struct lab *lab, struct half *half, enum tcp_state before, enum cause cause,
                        const char *what)
{
    switch (cause) {
    case BY_APP:
    case BY_TIMER:
        if (!half->spoke)
            give_reason(half->doubts.silent, &half->doubts.silent_clock, lab->clock, what);
        break;
    case BY_HIDDEN_FRAME:
    case BY_TAPPED_FRAME: /* truth_arrived() and the ACK numbers say what was seen of it */
        if (before == CLOSED && present(half) != SYN_RECEIVED && !half->numbers.cookie)
            give_reason(half->doubts.silent, &half->doubts.silent_clock, lab->clock,
                        "its kernel took an old ACK for the answer to a SYN cookie");
        break;
    }
}

void truth_begin(struct lab *lab)
{
    lab->clock++;
    for (int i = 0; i < lab->connection_count; i++)
        for (enum host host = CLIENT; host <= SERVER; host++) {
            struct half *half = &lab->connections[i].half[host];
            half->spoke = false;
            half->before = half->now;
        }
}

void truth_observe(struct lab *lab, enum cause cause, const char *what)
{
    for (int i = 0; i < lab->connection_count; i++) {
        for (enum host host = CLIENT; host <= SERVER; host++) {
            struct half *half = &lab->connections[i].half[host];
            const enum tcp_state state = ask(lab, &lab->connections[i], host);
            if (state == present(half))
                continue;
            const enum tcp_state before = present(half);
            const enum tcp_state passed = between(&half->numbers, present(half), state);
            if (passed != state)
                append(half, passed);
            append(half, state);
            half->changed_clock = lab->clock;
            if (state == CLOSED && before != LISTEN)
                half->numbers.cookie = false; /* used up */
            note_change(lab, half, before, cause, what);
        }
    }
}

/* ---- what became of frames --------------------------------------------------------------------
 */

static bool crossed_open(const struct half *peer)
{
    return peer->numbers.has_isn && present(peer) == SYN_SENT && !peer->numbers.has_acked;
}

/* A FIN that the tap missed is still not seen when its sender opens a new connection. */
static void keep_hidden(struct lab *lab, struct connection *connection, enum host host)
{
    struct half *half = &connection->half[host];
    const char *reason = hidden_by_peers_fin(lab, connection, host);
    if (reason)
        give_reason(half->doubts.silent, &half->doubts.silent_clock, lab->clock, reason);
}

static void sent_syn(struct lab *lab, struct connection *connection, struct frame *frame)
{
    struct half *half = &connection->half[frame->from];
    struct half *peer = &connection->half[other(frame->from)];
    const bool synack = frame->segment.flags & TCP_ACK;
    frame->opens = false;
    if (half->numbers.has_isn && half->numbers.isn == frame->segment.seq) {
        half->numbers.synack_sent |= synack;
        return;
    }
    keep_hidden(lab, connection, other(frame->from));
    half->numbers = (struct numbers){ .has_isn = true };
    half->numbers.isn = half->numbers.snd_nxt = frame->segment.seq;
    half->numbers.synack_sent = synack;
    frame->opens = !synack && !crossed_open(peer);
}

void truth_sent(struct lab *lab, struct frame *frame)
{
    const struct segment *segment = &frame->segment;
    struct half *half = &frame->connection->half[frame->from];
    half->spoke = true;
    frame->sent_clock = lab->clock;
    if (segment->icmp)
        return;
    if ((segment->flags & (TCP_SYN | TCP_RST)) == TCP_SYN)
        sent_syn(lab, frame->connection, frame);
    frame->after_hole =
        half->numbers.has_lost &&
        !covers(half->numbers.has_ack_got, half->numbers.ack_got, half->numbers.lost_end);
    if (segment->flags & TCP_RST) {
        half->opened = true; /* it speaks for this tuple: CLOSED, whoever else listens */
        return;
    }
    const uint32_t end = segment->seq + segment->length;
    if (seq_at_least(end, half->numbers.snd_nxt))
        half->numbers.snd_nxt = end;
    if (segment->flags & TCP_FIN) {
        const struct numbers *peer = &frame->connection->half[other(frame->from)].numbers;
        const bool closed_before = present(half) == CLOSING || present(half) == FIN_WAIT_1;
        if (!half->numbers.fin_sent && peer->fin_got && closed_before &&
            covers(half->numbers.has_acked, half->numbers.acked, peer->fin_end))
            half->numbers.fin_after_ack = true;
        half->numbers.fin_sent = true;
        half->numbers.fin_end = end;
    }
    if (segment->flags & TCP_ACK)
        raise(&half->numbers.has_acked, &half->numbers.acked, segment->ack);
}

void truth_placed(struct lab *lab, struct frame *frame)
{
    struct half *half = &frame->connection->half[frame->from];
    const struct segment *segment = &frame->segment;
    frame->sent_index = half->now;
    if (present(half) == CLOSED && !(segment->flags & (TCP_RST | TCP_SYN)))
        frame->sent_index = half->before; /* nothing but a RST comes from CLOSED */
    frame->moved_sender = present(half) == CLOSED && half->changed_clock == frame->sent_clock;
    if (frame->moved_sender && (segment->flags & TCP_RST)) {
        give_reset(lab, half, false, "its RST has not passed the tap yet");
        half->doubts.reset_clock--; /* that RST itself will say it */
    }
    half->numbers.cookie |= (segment->flags & TCP_SYN) && (segment->flags & TCP_ACK) &&
                            (present(half) == LISTEN || present(half) == CLOSED);
}

void truth_forged(struct lab *lab, struct frame *frame)
{
    struct half *half = &frame->connection->half[frame->from];
    struct half *peer = &frame->connection->half[other(frame->from)];
    frame->sent_clock = lab->clock;
    frame->sent_index = half->now;
    frame->forged = true;
    if (frame->segment.icmp)
        return;
    const bool unopened = frame->connection->generation == 0;
    if (!half->numbers.has_isn || half->numbers.fin_sent ||
        (frame->segment.flags & (TCP_SYN | TCP_FIN | TCP_RST)))
        give_reason(half->doubts.forged, &half->doubts.forged_clock, lab->clock,
                    "a frame was forged in its name; no observer can tell before it sends again");
    if (unopened)
        give_reason(peer->doubts.forged, &peer->doubts.forged_clock, lab->clock,
                    "a frame was forged to it as if there were a connection");
    half->doubts.forged_flags = frame->segment.flags;
    half->doubts.forged_end = frame->segment.seq + frame->segment.length;
}

/* What an endpoint sends of its own shows that the forged frame was none of its. */
static bool disproves(const struct half *half, const struct segment *segment)
{
    const uint32_t end = segment->seq + segment->length;
    if (half->doubts.forged_flags & TCP_FIN) /* other bytes at its place, or the true FIN */
        return (segment->flags & TCP_FIN) ||
               (segment->length && seq_at_least(end, half->doubts.forged_end));
    if ((half->doubts.forged_flags & TCP_SYN) &&
        (segment->flags & TCP_RST)) /* SYN_SENT resets, too */
        return segment->seq == half->doubts.forged_end;
    return true;
}

/* A RST to an old segment, from an endpoint that gave up in SYN_SENT: one still there sends the
 * same. */
static bool ambiguous_rst(const struct half *half, const struct segment *segment)
{
    return (segment->flags & TCP_RST) && half->now > 0 &&
           half->history[half->now - 1] == SYN_SENT && half->numbers.has_isn &&
           segment->seq != half->numbers.isn + 1;
}

/* It has sent again, later: whatever was unknown of it, its own frame now says. */
static void end_reasons(struct half *half, const struct frame *frame)
{
    half->numbers.rfc_state = CLOSED;
    if (frame->sent_clock > half->doubts.silent_clock && !ambiguous_rst(half, &frame->segment))
        half->doubts.silent[0] = '\0';
    if (frame->sent_clock > half->doubts.reset_clock)
        half->doubts.reset[0] = '\0';
    if (frame->sent_clock > half->doubts.forged_clock && disproves(half, &frame->segment))
        half->doubts.forged[0] = '\0';
}

/* The SYN of a new connection on this tuple goes by. */
static void opened(struct connection *connection, enum host from)
{
    struct half *peer = &connection->half[other(from)];
    connection->generation++;
    connection->opener = from;
    peer->heard = false;
    if (present(peer) != CLOSED && present(peer) != LISTEN)
        return; /* the old connection lives on there */
    peer->numbers = (struct numbers){ .cookie = peer->numbers.cookie };
    peer->doubts = (struct doubts){ 0 };
    peer->newest_hidden = false;
}

/* The first copy of its FIN that passes the tap is not the first that it sent. */
static bool misleads(const struct half *half, const struct half *peer, const struct frame *frame)
{
    const struct segment *segment = &frame->segment;
    const bool acks = peer->numbers.fin_sent && seq_at_least(segment->ack, peer->numbers.fin_end);
    const enum tcp_state state = half->history[frame->sent_index];
    const bool acked_before =
        covers(half->numbers.has_acked_tapped, half->numbers.acked_tapped, peer->numbers.fin_end);
    return acks && ((state == CLOSING && !acked_before) ||
                    (state == LAST_ACK && acked_before && half->numbers.acked_beyond));
}

static void tapped_own(struct lab *lab, struct half *half, const struct frame *frame)
{
    const struct half *peer = &frame->connection->half[other(frame->from)];
    const struct segment *segment = &frame->segment;
    half->heard = true;
    end_reasons(half, frame);
    if ((segment->flags & TCP_RST) && frame->sent_clock < half->newest_clock &&
        present(half) != CLOSED) {
        give_reset(lab, half, true, "a RST that it sent before went by after what it sent since");
        return;
    }
    if (frame->sent_clock > half->newest_clock)
        half->newest_clock = frame->sent_clock;
    if (segment->flags & TCP_RST) {
        half->numbers.rst_passed = true;
        const bool unseen = half->numbers.has_nxt_tapped && frame->moved_sender &&
                            !seq_at_least(half->numbers.nxt_tapped, segment->seq);
        if (unseen)
            give_reset(lab, half, false, "what it sent before its RST never passed the tap");
        else
            half->numbers.rst_told |= present(half) == CLOSED && !half->doubts.forged[0];
        return;
    }
    if (present(half) == CLOSED && frame->sent_index < half->now && half->numbers.rst_passed) {
        half->numbers.rst_told = false;
        give_reset(lab, half, true, "what it sent before a RST went by after it");
    }
    raise(&half->numbers.has_nxt_tapped, &half->numbers.nxt_tapped, segment->seq + segment->length);
    if ((segment->flags & TCP_SYN) && segment->seq == half->numbers.isn)
        half->numbers.syn_tapped = true;
    if (segment->flags & (TCP_SYN | TCP_FIN)) { /* sent again: it does not know of that ACK */
        if (frame->sent_clock > half->numbers.ack_missing_clock)
            half->numbers.has_ack_missing = false;
        const bool again =
            segment->flags & TCP_FIN ? half->numbers.fin_tapped : half->numbers.synack_tapped;
        half->numbers.resent_late = again && half->numbers.has_ack_seen &&
                                    frame->sent_clock <= half->numbers.ack_seen_clock;
        if (again)
            half->numbers.has_ack_seen = half->numbers.has_ack_of_fin =
                half->numbers.ack_of_fin_plain = false;
    }
    if ((segment->flags & TCP_FIN) && !half->numbers.fin_tapped)
        half->numbers.fin_misleads = misleads(half, peer, frame);
    half->numbers.fin_tapped |= !!(segment->flags & TCP_FIN);
    if ((segment->flags & TCP_ACK) && peer->numbers.fin_sent && half->numbers.fin_sent &&
        seq_at_least(segment->ack, peer->numbers.fin_end) &&
        !covers(half->numbers.has_acked_tapped, half->numbers.acked_tapped, peer->numbers.fin_end))
        half->numbers.acked_beyond = seq_at_least(segment->seq, half->numbers.fin_end);
    half->numbers.synack_tapped |= (segment->flags & TCP_SYN) && (segment->flags & TCP_ACK);
    if (segment->flags & TCP_ACK)
        raise(&half->numbers.has_acked_tapped, &half->numbers.acked_tapped, segment->ack);
}

void truth_tapped(struct lab *lab, struct frame *frame)
{
    struct half *peer = &frame->connection->half[other(frame->from)];
    frame->tapped = true;
    if (frame->segment.icmp)
        return;
    if (!frame->forged && frame->opens)
        opened(frame->connection, frame->from);
    frame->opens = false;
    if (!frame->forged)
        tapped_own(lab, &frame->connection->half[frame->from], frame);
    if (frame->segment.flags & TCP_RST)
        peer->numbers.rst_passed = true;
    if ((frame->segment.flags & (TCP_ACK | TCP_RST)) == TCP_ACK) {
        const struct numbers *own = &frame->connection->half[frame->from].numbers;
        raise(&peer->numbers.has_ack_seen, &peer->numbers.ack_seen, frame->segment.ack);
        if (peer->numbers.fin_sent && seq_at_least(frame->segment.ack, peer->numbers.fin_end)) {
            if (!peer->numbers.has_ack_of_fin)
                peer->numbers.ack_of_fin_end = frame->segment.seq + frame->segment.length;
            peer->numbers.has_ack_of_fin = true;
            peer->numbers.ack_of_fin_plain |=
                !frame->segment.payload_bytes &&
                (!own->fin_sent || !seq_at_least(frame->segment.seq, own->fin_end));
        }
        peer->numbers.ack_seen_clock = lab->clock;
    }
}

/* A RST that passed the tap has arrived. */
static void seen_rst_arrived(struct lab *lab, const struct frame *frame)
{
    struct half *half = &frame->connection->half[frame->from];
    struct half *peer = &frame->connection->half[other(frame->from)];
    const uint32_t seq = frame->segment.seq;
    const bool hole = half->numbers.has_lost &&
                      !covers(peer->numbers.has_acked, peer->numbers.acked, half->numbers.lost_end);
    const enum tcp_state before = peer->now > 0 ? peer->history[peer->now - 1] : CLOSED;
    if (present(peer) == SYN_RECEIVED && peer->history[peer->since] == SYN_SENT) {
        give_reset(lab, peer, true,
                   "the RST met it in SYN_RECEIVED, which no packet had shown yet");
        return;
    }
    if (present(peer) != CLOSED && peer->numbers.has_acked_tapped &&
        peer->numbers.acked_tapped == seq) {
        give_reset(lab, peer, true, "the RST was old to it: it had more than its ACKs showed yet");
        return;
    }
    if (present(peer) != CLOSED) {
        if (hole || frame->after_hole)
            give_reset(lab, peer, true, "a frame before the RST was lost: the RST was not exact");
        return;
    }
    if (!peer->heard && before == SYN_RECEIVED) {
        give_reset(lab, peer, true, "a RST ended it before anything was heard of it");
        return;
    }
    const bool ended_it = peer->changed_clock == lab->clock;
    peer->numbers.rst_told |= ended_it || seq == peer->numbers.acked_tapped;
    const bool exact = seq == peer->numbers.acked || seq == half->numbers.snd_nxt ||
                       seq + 1 == peer->numbers.acked;
    if (before == FIN_WAIT_2 && peer->numbers.has_acked && !exact)
        peer->numbers.rfc_state = FIN_WAIT_2;
}

void truth_arriving(struct frame *frame)
{
    struct half *half = &frame->connection->half[frame->from];
    struct half *peer = &frame->connection->half[other(frame->from)];
    const struct segment *segment = &frame->segment;
    if (segment->icmp || (segment->flags & TCP_RST))
        return;
    if (segment->flags & TCP_ACK)
        raise(&peer->numbers.has_ack_got, &peer->numbers.ack_got, segment->ack);
    if ((segment->flags & TCP_FIN) && !frame->forged)
        half->numbers.fin_got = true;
}

void truth_arrived(struct lab *lab, struct frame *frame)
{
    struct half *half = &frame->connection->half[frame->from];
    struct half *peer = &frame->connection->half[other(frame->from)];
    const struct segment *segment = &frame->segment;
    if (segment->icmp)
        return;
    if (segment->flags & TCP_RST) {
        peer->doubts.reset[0] = '\0';
        if (frame->tapped)
            seen_rst_arrived(lab, frame);
        else if (present(peer) == CLOSED)
            give_reset(lab, peer, false, "a RST reached it unseen by the tap");
        if (!frame->tapped && frame->moved_sender)
            give_reset(lab, half, false, "its RST never passed the tap");
    }
}

void truth_delayed(struct lab *lab, struct frame *frame)
{
    if (frame->segment.flags & TCP_RST)
        give_reset(lab, &frame->connection->half[other(frame->from)], true,
                   "a RST to it has passed the tap and not arrived yet");
}

void truth_lost(struct lab *lab, struct frame *frame)
{
    struct half *half = &frame->connection->half[frame->from];
    struct half *peer = &frame->connection->half[other(frame->from)];
    const struct segment *segment = &frame->segment;
    if (segment->icmp)
        return;
    if (segment->flags & TCP_RST) {
        if (frame->tapped)
            give_reset(lab, peer, true, "a RST to it passed the tap and was lost after it");
        else if (frame->moved_sender)
            give_reset(lab, half, false, "its RST was lost before the tap");
        return;
    }
    if (segment->length)
        raise(&half->numbers.has_lost, &half->numbers.lost_end, segment->seq + segment->length);
    if (frame->tapped && (segment->flags & TCP_ACK)) {
        raise(&peer->numbers.has_ack_missing, &peer->numbers.ack_missing, segment->ack);
        peer->numbers.ack_missing_clock = lab->clock;
    }
}

/* ---- what a tap could know --------------------------------------------------------------------
 */

/* Ahead: an observer must think that it has gone further than it has.  Behind: it has gone further
 * than an observer can see, which rule (b) allows until its next frame. */
struct doubt {
    const char *reason;
    bool ahead;
};

static const struct doubt no_doubt = { NULL, false };

static struct doubt ahead(const char *reason)
{
    return (struct doubt){ reason, true };
}

static struct doubt behind(const char *reason)
{
    return (struct doubt){ reason, false };
}

static bool in_flight(const struct lab *lab, const struct connection *connection, enum host from,
                      uint8_t flag)
{
    for (int i = 0; i < lab->flight_count; i++) {
        const struct frame *frame = lab->flight[i];
        if (frame->connection == connection && frame->from == from && !frame->forged &&
            !frame->tapped && (frame->segment.flags & flag))
            return true;
    }
    return false;
}

/* States that the endpoint's own FIN leads to, and the peer's. */
static bool is_after_own_fin(enum tcp_state state, const struct half *half)
{
    switch (state) {
    case FIN_WAIT_1:
    case FIN_WAIT_2:
    case CLOSING:
    case LAST_ACK:
    case TIME_WAIT:
        return true;
    case CLOSED:
        return half->numbers.fin_sent;
    case LISTEN:
    case SYN_SENT:
    case SYN_RECEIVED:
    case ESTABLISHED:
    case CLOSE_WAIT:
        return false;
    }
    return false;
}

static bool is_after_peers_fin(enum tcp_state state, const struct half *half,
                               const struct half *peer)
{
    switch (state) {
    case CLOSE_WAIT:
    case CLOSING:
    case LAST_ACK:
    case TIME_WAIT:
        return true;
    case CLOSED:
        return half->numbers.fin_sent && peer->numbers.fin_got;
    case LISTEN:
    case SYN_SENT:
    case SYN_RECEIVED:
    case ESTABLISHED:
    case FIN_WAIT_1:
    case FIN_WAIT_2:
        return false;
    }
    return false;
}

static struct doubt doubt_syn(const struct lab *lab, const struct connection *connection,
                              enum host host, enum tcp_state state)
{
    const struct half *half = &connection->half[host];
    if (state == SYN_SENT && !half->numbers.syn_tapped &&
        !covers(half->numbers.has_ack_seen, half->numbers.ack_seen, half->numbers.isn + 1))
        return behind("its SYN has not passed the tap");
    const bool half_open =
        state == SYN_RECEIVED || (half->numbers.cookie && (state == LISTEN || state == CLOSED));
    if (half_open &&
        covers(half->numbers.has_ack_seen, half->numbers.ack_seen, half->numbers.isn + 1)) {
        if (covers(half->numbers.has_ack_missing, half->numbers.ack_missing, half->numbers.isn + 1))
            return ahead("the ACK of its SYN passed the tap and was lost after it");
        if (covers(half->numbers.has_ack_got, half->numbers.ack_got, half->numbers.isn + 1))
            return ahead(
                "its kernel did not take the ACK of its SYN (accept queue full, or deferred)");
        return ahead("the ACK of its SYN has passed the tap and not arrived yet");
    }
    if (state == SYN_RECEIVED && !half->numbers.syn_tapped)
        return behind("its SYN+ACK never passed the tap");
    const bool refused = state == CLOSED && half->now > 0 && half->numbers.synack_sent &&
                         half->history[half->now - 1] == SYN_RECEIVED;
    if (refused &&
        covers(half->numbers.has_ack_seen, half->numbers.ack_seen, half->numbers.isn + 1))
        return ahead("its kernel did not take the ACK of its SYN (no listener, or no room)");
    if ((state == ESTABLISHED || state == CLOSE_WAIT) && half->numbers.synack_sent &&
        covers(half->numbers.has_ack_got, half->numbers.ack_got, half->numbers.isn + 1) &&
        !covers(half->numbers.has_ack_seen, half->numbers.ack_seen, half->numbers.isn + 1))
        return behind(half->numbers.resent_late
                          ? "its SYN, sent again before the ACK reached it, went by after that"
                          : "the ACK of its SYN reached it unseen by the tap");
    if (state == ESTABLISHED && half->numbers.has_acked && !half->numbers.has_acked_tapped &&
        !in_flight(lab, connection, host, TCP_ACK))
        return behind("its ACK of the peer's SYN never passed the tap");
    return no_doubt;
}

/* An ACK of its SYN has it ESTABLISHED, since it was last heard. */
static bool is_shown_established(const struct half *half)
{
    return half->history[half->since] == SYN_RECEIVED &&
           covers(half->numbers.has_ack_seen, half->numbers.ack_seen, half->numbers.isn + 1);
}

static const char *fin_delay(const struct lab *lab, const struct connection *connection,
                             enum host host)
{
    if (!connection->half[host].numbers.fin_sent)
        return "close() was called; its FIN still waits behind unsent data";
    if (!in_flight(lab, connection, host, TCP_FIN))
        return "its FIN never passed the tap";
    return "its FIN has not passed the tap yet";
}

static struct doubt doubt_own_fin(const struct lab *lab, const struct connection *connection,
                                  enum host host, enum tcp_state state)
{
    const struct half *half = &connection->half[host];
    if (!half->numbers.fin_tapped)
        return (struct doubt){ fin_delay(lab, connection, host), is_shown_established(half) };
    if (half->numbers.fin_after_ack)
        return ahead(
            "it closed before it had the peer's FIN, and sent its own after the ACK of that");
    if (half->numbers.fin_misleads)
        return ahead("its FIN was sent once before unseen by the tap; the copy that it saw tells "
                     "another order");
    if (state == FIN_WAIT_2 && half->numbers.has_ack_of_fin && !half->numbers.ack_of_fin_plain &&
        !covers(half->numbers.has_acked_tapped, half->numbers.acked_tapped,
                half->numbers.ack_of_fin_end))
        return behind("the ACK of its FIN came with data or after a FIN; only it knows if it took "
                      "those");
    const bool unacked = state == FIN_WAIT_1 || state == CLOSING || state == LAST_ACK;
    if (unacked &&
        covers(half->numbers.has_ack_seen, half->numbers.ack_seen, half->numbers.fin_end) &&
        !covers(half->numbers.has_ack_got, half->numbers.ack_got, half->numbers.fin_end)) {
        if (covers(half->numbers.has_ack_missing, half->numbers.ack_missing, half->numbers.fin_end))
            return ahead("the ACK of its FIN passed the tap and was lost after it");
        return ahead("the ACK of its FIN has passed the tap and not arrived yet");
    }
    if (!unacked &&
        !covers(half->numbers.has_ack_seen, half->numbers.ack_seen, half->numbers.fin_end) &&
        covers(half->numbers.has_ack_got, half->numbers.ack_got, half->numbers.fin_end))
        return behind(half->numbers.resent_late
                          ? "its FIN, sent again before the ACK reached it, went by after that"
                          : "the ACK of its FIN reached it unseen by the tap");
    return no_doubt;
}

static struct doubt doubt_peers_fin(const struct lab *lab, const struct connection *connection,
                                    enum host host)
{
    const struct half *half = &connection->half[host];
    const struct half *peer = &connection->half[other(host)];
    if (peer->numbers.fin_got && !peer->numbers.fin_tapped)
        return behind("the peer's FIN reached it unseen by the tap");
    if (peer->numbers.fin_got &&
        covers(half->numbers.has_acked, half->numbers.acked, peer->numbers.fin_end) &&
        !covers(half->numbers.has_acked_tapped, half->numbers.acked_tapped,
                peer->numbers.fin_end) &&
        !in_flight(lab, connection, host, TCP_ACK))
        return behind("its ACK of the peer's FIN never passed the tap");
    return no_doubt;
}

static const char *hidden_by_peers_fin(const struct lab *lab, const struct connection *connection,
                                       enum host host)
{
    const struct half *half = &connection->half[host];
    if (present(half) == CLOSED ||
        !is_after_peers_fin(present(half), half, &connection->half[other(host)]))
        return NULL;
    return doubt_peers_fin(lab, connection, host).reason;
}

static struct doubt doubt_state(const struct lab *lab, const struct connection *connection,
                                enum host host, enum tcp_state state)
{
    const struct half *half = &connection->half[host];
    const bool is_present = state == present(half); /* these two are about the newest change */
    if (half->doubts.silent[0] && is_present)
        return (struct doubt){ half->doubts.silent,
                               half->numbers.ack_seen_clock > half->doubts.silent_clock };
    if (half->doubts.forged[0] && !(half->numbers.rst_told && present(half) == CLOSED))
        return ahead(half->doubts.forged);
    struct doubt doubt =
        half->numbers.rst_told ? no_doubt : doubt_syn(lab, connection, host, state);
    if (doubt.ahead)
        return doubt;
    if (half->doubts.reset[0] && is_present)
        return (struct doubt){ half->doubts.reset,
                               half->doubts.reset_ahead || is_shown_established(half) ||
                                   half->numbers.ack_seen_clock > half->doubts.reset_clock };
    if (half->numbers.rst_told)
        return no_doubt;
    if (!doubt.reason && is_after_own_fin(state, half))
        doubt = doubt_own_fin(lab, connection, host, state);
    if (!doubt.reason && is_after_peers_fin(state, half, &connection->half[other(host)]))
        doubt = doubt_peers_fin(lab, connection, host);
    return doubt;
}

/* Why no observer could know this side's state; NULL if one could, within the rule.  FRAME is NULL
 * when the link is quiet. */
static const char *hidden(const struct lab *lab, const struct connection *connection,
                          enum host host, const struct frame *frame)
{
    const struct half *half = &connection->half[host];
    const struct doubt doubt = doubt_state(lab, connection, host, present(half));
    if (!doubt.reason || !frame || doubt.ahead)
        return doubt.reason;
    if (frame->from != host || frame->forged ||
        frame->sent_clock <
            half->newest_clock) /* its state at its newest frame will do, if known */
        return half->newest_hidden ? doubt.reason : NULL;
    const enum tcp_state then = half->history[frame->sent_index];
    if (then == present(half))
        return doubt.reason;
    return doubt_state(lab, connection, host, then).reason;
}

/* ---- records ----------------------------------------------------------------------------------
 */

/* Keys that have nothing to say are left out: the recordings are committed. */
static void put_text(FILE *out, const char *key, const char *text)
{
    if (!text || !*text)
        return;
    fprintf(out, ",\"%s\":\"", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_flag(FILE *out, const char *key, bool value)
{
    if (value)
        fprintf(out, ",\"%s\":true", key);
}

static void put_endpoint(FILE *out, const char *side, const struct endpoint *end)
{
    char addr[ADDR_TEXT];
    endpoint_addr_text(end, addr);
    fprintf(out, ",\"%s_addr\":\"%s\",\"%s_port\":%u", side, addr, side, end->port);
}

static void put_since(FILE *out, const char *side, const struct half *half, int from)
{
    fprintf(out, ",\"%s_since\":\"", side);
    for (int i = from; i <= half->now; i++)
        fprintf(out, "%s%s", i > from ? " " : "", state_names[half->history[i]]);
    fputc('"', out);
}

static void put_side(struct lab *lab, const struct connection *connection, enum host host,
                     const struct frame *frame)
{
    static const char *const keys[2][3] = { { "client_unheard", "client_hidden", "client_rfc" },
                                            { "server_unheard", "server_hidden", "server_rfc" } };
    const struct half *half = &connection->half[host];
    const bool is_client = host == connection->opener;
    const char *const *key = keys[!is_client];
    const bool is_sender = frame && frame->from == host && !frame->forged;
    const enum tcp_state state = is_sender ? half->history[frame->sent_index] : present(half);
    put_text(lab->truth, is_client ? "client" : "server", state_names[state]);
    const int since =
        is_sender && frame->sent_index > half->since ? frame->sent_index : half->since;
    if (frame && (since != half->now || state != present(half)))
        put_since(lab->truth, is_client ? "client" : "server", half, since);
    put_flag(lab->truth, key[0], !half->heard);
    put_text(lab->truth, key[1], hidden(lab, connection, host, frame));
    const enum tcp_state oldest = half->history[since];
    if (half->numbers.cookie && (oldest == LISTEN || oldest == CLOSED))
        put_text(lab->truth, key[2],
                 "SYN_RECEIVED, section 3.10.7.2: a SYN cookie keeps the state in the packet");
    else if (half->numbers.rfc_state && state == CLOSED)
        put_text(lab->truth, key[2],
                 "FIN_WAIT_2, section 3.10.7.4: a RST in the window but not exact is challenged");
}

static const char *sender_name(const struct connection *connection, const struct frame *frame)
{
    if (frame->segment.icmp)
        return "wire";
    return frame->from == connection->opener ? "client" : "server";
}

static void put_frame(struct lab *lab, const struct connection *connection,
                      const struct frame *frame, const char *fate)
{
    const struct half *half = &connection->half[frame->from];
    put_text(lab->truth, "from", sender_name(connection, frame));
    put_flag(lab->truth, "stale",
             !frame->forged && (frame->sent_index != half->now || frame->sent_index < half->since));
    put_flag(lab->truth, "forged", frame->forged);
    put_text(lab->truth, "fate", fate);
}

/* FRAME is NULL when the link is quiet. */
static void put_record(struct lab *lab, const struct connection *connection,
                       const struct frame *frame, const char *fate)
{
    fprintf(lab->truth, "{\"frame\":%d", lab->frame_count);
    put_side(lab, connection, connection->opener, frame);
    put_side(lab, connection, other(connection->opener), frame);
    if (frame)
        put_frame(lab, connection, frame, fate);
    put_flag(lab->truth, "quiet", !frame);
    put_endpoint(lab->truth, "client", &connection->end[connection->opener]);
    put_endpoint(lab->truth, "server", &connection->end[other(connection->opener)]);
    if (connection->generation > 1)
        fprintf(lab->truth, ",\"generation\":%d", connection->generation);
    put_text(lab->truth, "did", lab->did);
    fputs("}\n", lab->truth);
    lab->did[0] = '\0';
}

void truth_record(struct lab *lab, const struct frame *frame, const char *fate)
{
    put_record(lab, frame->connection, frame, fate);
    struct half *half = &frame->connection->half[frame->from];
    if (frame->forged)
        return;
    half->newest_hidden = hidden(lab, frame->connection, frame->from, frame);
    if (!half->newest_hidden && frame->sent_index > half->since)
        half->since = frame->sent_index;
}

void truth_record_quiet(struct lab *lab)
{
    for (int i = 0; i < lab->connection_count && lab->frame_count; i++) {
        struct connection *connection = &lab->connections[i];
        put_record(lab, connection, NULL, NULL);
        for (enum host host = CLIENT; host <= SERVER; host++) {
            struct half *half = &connection->half[host];
            if (!half->heard || hidden(lab, connection, host, NULL))
                continue;
            half->newest_hidden = false;
            half->since = half->now; /* known from here on: no going back before it */
        }
    }
}

bool truth_answer_due(const struct lab *lab)
{
    for (int i = 0; i < lab->connection_count; i++) {
        for (enum host host = CLIENT; host <= SERVER; host++) {
            const struct half *half = &lab->connections[i].half[host];
            const struct half *peer = &lab->connections[i].half[other(host)];
            const enum tcp_state state = present(half);
            if ((state == CLOSE_WAIT || state == CLOSING || state == TIME_WAIT) &&
                peer->numbers.fin_got &&
                !covers(half->numbers.has_acked, half->numbers.acked, peer->numbers.fin_end))
                return true;
        }
    }
    return false;
}

bool truth_all_acked(const struct lab *lab)
{
    for (int i = 0; i < lab->connection_count; i++) {
        for (enum host host = CLIENT; host <= SERVER; host++) {
            const struct half *half = &lab->connections[i].half[host];
            if (half->numbers.has_isn && present(half) != CLOSED &&
                !covers(half->numbers.has_ack_got, half->numbers.ack_got, half->numbers.snd_nxt))
                return false;
        }
    }
    return true;
}
