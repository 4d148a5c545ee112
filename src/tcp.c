#include "tcp.h"

#include <string.h>

/* ----------------------------------------------------------------------------------- the table */

/* clang-format off */
const struct tcp_row tcp_table[] = {
    /* from               proof on the wire   to                   label in figure 5            */
    { FW_CLOSED,          SND_SYN,            FW_SYN_SENT,         "active OPEN / snd SYN" },
    { FW_LISTEN,          SND_SYN_ACK,        FW_SYN_RECEIVED,     "rcv SYN / snd SYN,ACK" },
    { FW_SYN_SENT,        SND_SYN_ACK,        FW_SYN_RECEIVED,     "rcv SYN / snd SYN,ACK" },
    { FW_SYN_SENT,        SND_ACK_OF_SYN,     FW_ESTABLISHED,      "rcv SYN,ACK / snd ACK" },
    { FW_SYN_RECEIVED,    RCV_ACK_OF_SYN,     FW_ESTABLISHED,      "rcv ACK of SYN / x"    },
    { FW_SYN_RECEIVED,    SND_FIN,            FW_FIN_WAIT_1,       "CLOSE / snd FIN"       },
    { FW_ESTABLISHED,     SND_FIN,            FW_FIN_WAIT_1,       "CLOSE / snd FIN"       },
    { FW_ESTABLISHED,     SND_ACK_OF_FIN,     FW_CLOSE_WAIT,       "rcv FIN / snd ACK"     },
    { FW_FIN_WAIT_1,      RCV_ACK_OF_FIN,     FW_FIN_WAIT_2,       "rcv ACK of FIN / x"    },
    { FW_FIN_WAIT_1,      SND_ACK_OF_FIN,     FW_CLOSING,          "rcv FIN / snd ACK"     },
    { FW_FIN_WAIT_2,      SND_ACK_OF_FIN,     FW_TIME_WAIT,        "rcv FIN / snd ACK"     },
    { FW_CLOSING,         RCV_ACK_OF_FIN,     FW_TIME_WAIT,        "rcv ACK of FIN / x"    },
    { FW_CLOSE_WAIT,      SND_FIN,            FW_LAST_ACK,         "CLOSE / snd FIN"       },
    { FW_LAST_ACK,        RCV_ACK_OF_FIN,     FW_CLOSED,           "rcv ACK of FIN / x"    },
    { FW_TIME_WAIT,       TIMEOUT_2MSL,       FW_CLOSED,           "Timeout=2MSL"          },
};
/* clang-format on */
const size_t tcp_table_rows = sizeof(tcp_table) / sizeof(tcp_table[0]);

const char *tcp_proof_text(enum tcp_proof proof)
{
    static const char *const text[TCP_PROOF_COUNT] = {
        [SND_SYN] = "sent SYN",
        [SND_SYN_ACK] = "sent SYN+ACK",
        [SND_ACK_OF_SYN] = "sent ACK of the peer's SYN",
        [RCV_ACK_OF_SYN] = "peer's ACK of our SYN",
        [SND_FIN] = "sent FIN",
        [SND_ACK_OF_FIN] = "sent ACK of the peer's FIN",
        [RCV_ACK_OF_FIN] = "peer's ACK of our FIN",
        [TIMEOUT_2MSL] = "clock",
    };
    return text[proof];
}

/* ------------------------------------------------------------------- sequence number arithmetic */

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool after(uint32_t a, uint32_t b)
{
    return before(b, a);
}

/* ------------------------------------------------------------------------------ moving a state */

/* A segment being taken: what every function below needs. */
struct step {
    struct tcp_connection *connection;
    const struct fw_segment *segment; /* NULL: a timer */
    struct tcp_result *result;
    fw_time now;
    enum fw_side from; /* who sent it */
    struct tcp_end *sender, *receiver;
};

static enum fw_side side_of(const struct step *step, const struct tcp_end *end)
{
    return end == &step->connection->end[FW_CLIENT] ? FW_CLIENT : FW_SERVER;
}

static struct tcp_end *peer_of(const struct step *step, const struct tcp_end *end)
{
    return &step->connection->end[!side_of(step, end)];
}

static bool has(const struct tcp_end *end, unsigned fact)
{
    return (end->facts & fact) != 0;
}

static bool proved(const struct tcp_end *end, enum tcp_proof proof)
{
    return (end->proved & (1u << proof)) != 0;
}

static void unprove(struct tcp_end *end, enum tcp_proof proof)
{
    end->proved &= (uint8_t) ~(1u << proof);
}

static bool is_synchronised(enum fw_state state)
{
    return state >= FW_ESTABLISHED;
}

static void note(struct step *step, enum fw_note what)
{
    if (step->result->note == FW_NOTE_NONE)
        step->result->note = what;
}

enum { PATH_STATES = 16 };

static void path_append(struct tcp_end *end, enum fw_state state)
{
    if (end->path_length < PATH_STATES)
        end->path |= (uint64_t)state << (4 * end->path_length++);
}

static void path_truncate(struct tcp_end *end, unsigned length)
{
    end->path_length = (uint8_t)length;
    end->path &= length >= PATH_STATES ? ~UINT64_C(0) : (UINT64_C(1) << (4 * length)) - 1;
}

/* The way from ESTABLISHED to a state that sequence numbers told, not the order of frames. */
static void path_append_way_to(struct tcp_end *end, enum fw_state state)
{
    static const enum fw_state ways[FW_STATE_COUNT][2] = {
        [FW_FIN_WAIT_2] = { FW_FIN_WAIT_1 },
        [FW_CLOSING] = { FW_FIN_WAIT_1 },
        [FW_TIME_WAIT] = { FW_FIN_WAIT_1, FW_CLOSING },
        [FW_LAST_ACK] = { FW_CLOSE_WAIT },
        [FW_CLOSED] = { FW_CLOSE_WAIT, FW_LAST_ACK },
    };
    for (unsigned i = 0; i < end->path_length; i++)
        if (((end->path >> (4 * i)) & 15) == FW_ESTABLISHED)
            path_truncate(end, i + 1);
    for (int i = 0; i < 2 && ways[state][i] != FW_UNKNOWN; i++)
        path_append(end, ways[state][i]);
    path_append(end, state);
}

/* What was taken back was never true: the path returns to where it went wrong. */
static void path_return_to(struct tcp_end *end, enum fw_state state)
{
    for (unsigned i = end->path_length; i-- > 0;) {
        if (((end->path >> (4 * i)) & 15) == (uint64_t)state) {
            path_truncate(end, i + 1);
            return;
        }
    }
    path_append_way_to(end, state);
}

/* Clocks never run back (states.md 31). */
static int64_t time_in_state(const struct tcp_end *end, fw_time now)
{
    if (end->since == INT64_MIN)
        return -1;
    return now > end->since ? tcp_elapsed(end->since, now) : 0;
}

/* The only writer of a state. */
static void change_state(struct step *step, struct tcp_end *end, enum fw_state to,
                         enum fw_proof proof, bool corrected, const char *cause)
{
    const enum fw_state from = (enum fw_state)end->state;
    if (from == to)
        return;
    if (to == FW_CLOSED && from != FW_UNKNOWN && !has(end, END_RESTARTED))
        end->alive_state = (uint8_t)from;
    end->state = (uint8_t)to;
    end->facts &= ~(unsigned)(END_INFERRED | END_TIMED);
    if (proof == FW_PROOF_INFERRED)
        end->facts |= END_INFERRED;
    if (proof == FW_PROOF_TIMER)
        end->facts |= END_TIMED;
    if (corrected)
        path_return_to(end, to);
    else if (!has(end, END_RESTARTED) && !(proof == FW_PROOF_TIMER && to == FW_CLOSED))
        path_append(end, to);

    struct tcp_result *result = step->result;
    if (result->count < TCP_MAX_TRANSITIONS) {
        struct tcp_end *ends = step->connection->end;
        result->transitions[result->count++] = (struct fw_transition){
            .endpoint = side_of(step, end),
            .from = from,
            .to = to,
            .proof = proof,
            .corrected = corrected,
            .cause = cause,
            .in_state_ns = time_in_state(end, step->now),
            .client_state = (enum fw_state)ends[FW_CLIENT].state,
            .server_state = (enum fw_state)ends[FW_SERVER].state,
        };
    }
    end->since = step->now;
    if (to == FW_TIME_WAIT || to == FW_CLOSED)
        step->connection->timer_base = step->now;
}

/* What opens a connection fires only when it is seen: a CLOSED end is not opened by its own past.
 */
static bool fires(const struct tcp_row *row, const struct tcp_end *end, enum tcp_proof added)
{
    if (row->from != end->state || !proved(end, row->proof))
        return false;
    return (row->from != FW_CLOSED && row->from != FW_LISTEN) || row->proof == added;
}

/* Adds a proof, and walks the table until no row fires. */
static void prove_as(struct step *step, struct tcp_end *end, enum tcp_proof proof,
                     enum fw_proof how)
{
    end->proved |= (uint8_t)(1u << proof);
    if (has(end, END_RESTARTED))
        return;
    for (size_t i = 0; i < tcp_table_rows;) {
        const struct tcp_row *row = &tcp_table[i++];
        if (fires(row, end, proof)) {
            change_state(step, end, row->to, how, false, tcp_proof_text(row->proof));
            i = 0;
        }
    }
}

static void prove(struct step *step, struct tcp_end *end, enum tcp_proof proof)
{
    prove_as(step, end, proof, FW_PROOF_SEGMENT);
}

/* Where the proofs put an endpoint that has left the handshake. The FIN that it sent before it
 * acknowledged the peer's leads through FIN_WAIT_1, the one that it sent later through CLOSE_WAIT:
 * sequence numbers say which, not the order of frames. */
static enum fw_state closing_state(const struct tcp_end *end)
{
    const bool fin = proved(end, SND_FIN);
    const bool acked = proved(end, RCV_ACK_OF_FIN);
    if (!proved(end, SND_ACK_OF_FIN))
        return !fin ? FW_ESTABLISHED : acked ? FW_FIN_WAIT_2 : FW_FIN_WAIT_1;
    if (!fin)
        return FW_CLOSE_WAIT;
    if (after(end->ack_fin_seq, end->fin_seq))
        return acked ? FW_TIME_WAIT : FW_CLOSING;
    return acked ? FW_CLOSED : FW_LAST_ACK;
}

/* A proof was taken back, or a late segment told the order of two: says so, if it matters. */
static void correct(struct step *step, struct tcp_end *end, const char *cause)
{
    const enum fw_state state = closing_state(end);
    if (is_synchronised((enum fw_state)end->state) || end->state == FW_CLOSED)
        change_state(step, end, state, FW_PROOF_SEGMENT, true, cause);
}

/* --------------------------------------------------------------------------------------- roles */

enum fw_side tcp_first_role(const struct fw_segment *first, enum fw_dir_by *dir_by)
{
    if (first->flags & FW_SYN) {
        *dir_by = first->flags & FW_ACK ? FW_DIR_SYNACK : FW_DIR_SYN;
        return first->flags & FW_ACK ? FW_SERVER : FW_CLIENT;
    }
    *dir_by = FW_DIR_PORT;
    return first->from.port < first->to.port ? FW_SERVER : FW_CLIENT;
}

static void end_init(struct tcp_end *end)
{
    *end = (struct tcp_end){ .since = INT64_MIN, .last_time = INT64_MIN };
}

void tcp_init(struct tcp_connection *connection, const struct fw_segment *first)
{
    *connection = (struct tcp_connection){
        .first_time = first->time,
        .last_time = first->time,
        .timer_base = first->time,
        .syn_time = INT64_MIN,
        .synack_time = INT64_MIN,
        .first_syn_time = INT64_MIN,
        .established_time = INT64_MIN,
        .handshake_ns = -1,
        .rtt_client_ns = -1,
        .rtt_server_ns = -1,
        .open = FW_OPEN_NO_ANSWER,
    };
    end_init(&connection->end[FW_CLIENT]);
    end_init(&connection->end[FW_SERVER]);
    enum fw_dir_by dir_by;
    tcp_first_role(first, &dir_by);
    connection->dir_by = (uint8_t)dir_by;
    connection->midstream = !(first->flags & FW_SYN);
    if (connection->midstream)
        connection->open = FW_OPEN_MIDSTREAM;
}

/* ---------------------------------------------------------------------------- counting, windows */

static void saturating_add(uint16_t *counter)
{
    if (*counter < UINT16_MAX)
        ++*counter;
}

static void count_segment(struct tcp_end *sender, const struct fw_segment *segment)
{
    sender->packets++;
    if (segment->flags & FW_SYN)
        saturating_add(segment->flags & FW_ACK ? &sender->synacks : &sender->syns);
    if (segment->flags & FW_FIN)
        saturating_add(&sender->fins);
    if (segment->flags & FW_RST)
        saturating_add(&sender->rsts);
    if (segment->payload_bytes > 0)
        sender->data_packets++;
}

/* The same bytes again: mirrored twice, or doubled on the way (states.md 30). A stack that sends a
 * segment again gives it another IP id or timestamp, or waits. */
static bool is_duplicate(const struct tcp_end *sender, const struct fw_segment *segment)
{
    if (sender->last_time == INT64_MIN || sender->last_seq != segment->seq ||
        sender->last_ack != segment->ack || sender->last_flags != segment->flags ||
        sender->last_checksum != segment->checksum_raw || sender->last_ip_id != segment->ip_id ||
        sender->last_payload_bytes != segment->payload_bytes)
        return false;
    if (segment->ip_id != 0 || (segment->options & FW_OPT_TIMESTAMPS))
        return true;
    return tcp_elapsed(sender->last_time, segment->time) < 200 * FW_MILLISECOND;
}

static void remember_segment(struct tcp_end *sender, const struct fw_segment *segment)
{
    sender->last_seq = segment->seq;
    if ((segment->flags & FW_ACK) && (sender->ack_count == 0 || segment->ack != sender->acks[0])) {
        memmove(&sender->acks[1], &sender->acks[0], sizeof(sender->acks) - sizeof(sender->acks[0]));
        sender->acks[0] = segment->ack;
        sender->ack_count += sender->ack_count < TCP_RECENT_ACKS;
    }
    sender->last_ack = segment->ack;
    sender->last_flags = segment->flags;
    sender->last_checksum = segment->checksum_raw;
    sender->last_ip_id = segment->ip_id;
    sender->last_payload_bytes = segment->payload_bytes;
    sender->last_time = segment->time;
}

/* Window scale unknown: call nothing out of window that could be in it. */
static unsigned window_shift(const struct tcp_end *end, const struct tcp_end *peer)
{
    if (!has(end, END_SYN_OPTIONS) || !has(peer, END_SYN_OPTIONS))
        return 14;
    return has(end, END_SCALES) && has(peer, END_SCALES) ? end->window_scale : 0;
}

static void remember_syn_options(struct tcp_end *sender, const struct fw_segment *segment)
{
    sender->facts |= END_SYN_OPTIONS;
    if (segment->options & FW_OPT_WINDOW_SCALE) {
        sender->facts |= END_SCALES;
        sender->window_scale = segment->window_scale;
    }
    if (segment->options & FW_OPT_MSS)
        sender->mss = segment->mss;
}

static uint32_t sequence_end(const struct fw_segment *segment)
{
    return segment->seq + segment->payload_bytes + ((segment->flags & FW_FIN) ? 1 : 0);
}

/* Sent before what was already seen of this sender, or not by its stack at all (RFC 7323
 * section 3.2: once negotiated, timestamps are in every segment but a RST): says nothing of its
 * present state. */
static bool is_stale(const struct step *step)
{
    const struct fw_segment *segment = step->segment;
    if (!has(step->sender, END_HAS_TS))
        return false;
    if (!(segment->options & FW_OPT_TIMESTAMPS))
        return has(step->receiver, END_HAS_TS);
    return before(segment->ts_val, step->sender->ts_last);
}

/* RFC 7323 section 5.3, with Linux's exception for ACKs that came in another order. */
static bool fails_paws(const struct tcp_end *sender, const struct fw_segment *segment)
{
    if (!(segment->options & FW_OPT_TIMESTAMPS) || !has(sender, END_HAS_TS))
        return false;
    if ((int32_t)(sender->ts_recent - segment->ts_val) <= 1)
        return false;
    return sequence_end(segment) != segment->seq;
}

/* TS.Recent moves only with a segment that covers Last.ACK.sent (RFC 7323 section 4.3). */
static void remember_timestamps(struct tcp_end *sender, const struct tcp_end *receiver,
                                const struct fw_segment *segment)
{
    if (!(segment->options & FW_OPT_TIMESTAMPS))
        return;
    if (!has(sender, END_HAS_TS)) {
        sender->facts |= END_HAS_TS;
        sender->ts_recent = sender->ts_last = segment->ts_val;
    }
    if (after(segment->ts_val, sender->ts_last))
        sender->ts_last = segment->ts_val;
    if (after(segment->ts_val, sender->ts_recent) &&
        (!has(receiver, END_HAS_RCV) || !after(segment->seq, receiver->rcv)))
        sender->ts_recent = segment->ts_val;
}

/* ------------------------------------------------------------------------------- the handshake */

bool tcp_acks_attempt(const struct fw_segment *segment, uint32_t iss, uint32_t nxt)
{
    return (segment->flags & FW_ACK) && after(segment->ack, iss) && !after(segment->ack, nxt);
}

static bool acks_syn_of(const struct fw_segment *segment, const struct tcp_end *end)
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
static void leave_connection_before(struct step *step, struct tcp_end *end)
{
    if (!has(end, END_OUTLIVES))
        return;
    change_state(step, end, FW_UNKNOWN, FW_PROOF_INFERRED, false, "left the connection before");
    path_truncate(end, 0);
    end->facts &=
        ~(unsigned)(END_OUTLIVES | END_HAS_RCV | END_SENT_RST | END_GOT_RST | END_INFERRED);
    end->alive_state = FW_UNKNOWN;
    end->proved = 0;
}

static void note_established(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    if (connection->open == FW_OPEN_MIDSTREAM || connection->established_time != INT64_MIN)
        return;
    if (!is_synchronised((enum fw_state)connection->end[FW_CLIENT].state) ||
        !is_synchronised((enum fw_state)connection->end[FW_SERVER].state))
        return;
    connection->open = FW_OPEN_COMPLETE;
    connection->established_time = step->now;
    if (connection->first_syn_time != INT64_MIN)
        connection->handshake_ns = tcp_elapsed(connection->first_syn_time, step->now);
    if (connection->synack_time != INT64_MIN && connection->syn_time != INT64_MIN &&
        connection->synack_time >= connection->syn_time) {
        connection->rtt_server_ns = tcp_elapsed(connection->syn_time, connection->synack_time);
        connection->rtt_client_ns = tcp_elapsed(connection->synack_time, step->now);
    }
}

static void take_syn(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender;
    const uint32_t nxt = segment->seq + 1 + segment->payload_bytes;

    if (has(sender, END_HAS_ISS) && (sender->iss == segment->seq || !has(sender, END_SEEN))) {
        if (sender->iss != segment->seq)
            set_iss(sender, segment->seq, nxt); /* inferred from a SYN+ACK before it: states.md 5 */
        else if (has(sender, END_SEEN))
            note(step, FW_NOTE_RETRANSMISSION);
        if (after(nxt, sender->nxt) && !is_synchronised((enum fw_state)sender->state)) {
            sender->bytes = segment->payload_bytes;
            sender->nxt = nxt;
        }
        sender->retransmits += has(sender, END_SEEN);
        if (sender->state == FW_CLOSED && sender->alive_state == FW_SYN_SENT) {
            sender->facts &= ~(unsigned)(END_SENT_RST | END_GOT_RST);
            connection->end_kind = FW_END_OPEN;
            change_state(step, sender, FW_SYN_SENT, FW_PROOF_SEGMENT, true, "sent SYN again");
        }
    } else if (sender->state == FW_UNKNOWN || sender->state == FW_CLOSED) {
        set_iss(sender, segment->seq, nxt);
        sender->bytes = segment->payload_bytes;
        begin_from(sender, FW_CLOSED);
        connection->simultaneous = step->receiver->state == FW_SYN_SENT;
        prove(step, sender, SND_SYN);
    } else {
        note(step, FW_NOTE_SYN_IN_WINDOW);
        return;
    }
    if (segment->flags & FW_FIN)
        note(step, FW_NOTE_ODD_FLAGS);
    if (segment->payload_bytes > 0 || (segment->options & FW_OPT_FAST_OPEN))
        connection->fast_open = segment->payload_bytes > 0;
    remember_syn_options(sender, segment);
    sender->window = segment->window_raw;
    connection->syn_time = connection->timer_base = segment->time;
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
    change_state(step, sender, FW_SYN_RECEIVED, FW_PROOF_SEGMENT, true,
                 "sent SYN+ACK again: the ACK did not arrive");
    step->connection->cause = "accept queue full";
}

static void infer_client_syn(struct step *step, struct tcp_end *client, uint32_t ack)
{
    set_iss(client, ack - 1, ack);
    begin_from(client, FW_CLOSED);
    prove_as(step, client, SND_SYN, FW_PROOF_INFERRED);
}

static void take_syn_ack(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const uint32_t nxt = segment->seq + 1 + segment->payload_bytes;

    if (receiver->state == FW_UNKNOWN && !has(receiver, END_HAS_ISS)) {
        leave_connection_before(step, receiver);
        infer_client_syn(step, receiver, segment->ack);
    }
    const bool acks = acks_syn_of(segment, receiver);
    if (!acks) {
        note(step, FW_NOTE_BAD_SYNACK);
        connection->synack_was_bad = true;
    }

    if (has(sender, END_HAS_ISS) && sender->iss == segment->seq) {
        if (sender->state != FW_SYN_SENT) {
            note(step, FW_NOTE_RETRANSMISSION);
            sender->retransmits++;
        }
        take_back_ack_of_syn(step);
    } else if (sender->state == FW_SYN_RECEIVED && acks && !after(sender->rcv, receiver->iss)) {
        set_iss(sender, segment->seq, nxt); /* the first one answered another SYN */
    } else if (sender->state == FW_SYN_RECEIVED) {
        connection->other_iss = segment->seq; /* states.md 7: the client's ACK chooses */
        connection->has_other_iss = true;
    } else if (is_synchronised((enum fw_state)sender->state)) {
        note(step, FW_NOTE_SYN_IN_WINDOW);
        return;
    } else {
        set_iss(sender, segment->seq, nxt);
        sender->bytes = segment->payload_bytes;
        unprove(sender, RCV_ACK_OF_SYN); /* it was of another SYN */
    }
    if (sender->state == FW_CLOSED && sender->alive_state == FW_SYN_SENT &&
        proved(sender, SND_SYN)) {
        sender->facts &= ~(unsigned)(END_SENT_RST | END_GOT_RST);
        change_state(step, sender, FW_SYN_SENT, FW_PROOF_SEGMENT, true,
                     "went on sending: the RST did not arrive");
    } else if (sender->state == FW_UNKNOWN ||
               (sender->state == FW_CLOSED && !proved(sender, SND_SYN_ACK)) ||
               (sender->state == FW_CLOSED &&
                (has(sender, END_SENT_RST) || has(sender, END_GOT_RST)))) {
        if (sender->state == FW_CLOSED) { /* what was reset was an answer to another SYN */
            connection->end_kind = FW_END_OPEN;
            connection->closed_by = FW_CLOSED_BY_NONE;
            connection->cause = NULL;
        }
        sender->facts &= ~(unsigned)(END_SENT_RST | END_GOT_RST | END_RESTARTED);
        begin_from(sender, FW_LISTEN);
        sender->proved = 0;
    } else if (sender->state == FW_CLOSED && has(sender, END_TIMED)) {
        change_state(step, sender, FW_SYN_RECEIVED, FW_PROOF_SEGMENT, true, "sent SYN+ACK again");
    }
    sender->rcv = segment->ack;
    sender->facts |= END_HAS_RCV;
    prove(step, sender, SND_SYN_ACK);
    if (acks)
        prove(step, receiver, RCV_ACK_OF_SYN);
    remember_syn_options(sender, segment);
    sender->window = segment->window_raw;
    connection->synack_time = connection->timer_base = segment->time;
}

/* The client acknowledges a SYN+ACK that the capture missed, or chooses between two. */
static void learn_iss_from_ack(struct step *step)
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
    prove_as(step, receiver, SND_SYN_ACK, FW_PROOF_INFERRED);
}

/* A server that sends data or FIN has received the ACK of its SYN, unless it opened fast; the
 * client that it answers has sent it. The capture missed that ACK. */
static void infer_missed_handshake(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    if (sender->state == FW_UNKNOWN && receiver->state == FW_SYN_SENT &&
        acks_syn_of(segment, receiver)) {
        set_iss(sender, segment->seq - 1, segment->seq);
        begin_from(sender, FW_LISTEN);
        prove_as(step, sender, SND_SYN_ACK, FW_PROOF_INFERRED);
        prove(step, receiver, RCV_ACK_OF_SYN);
    }
    if (sender->state != FW_SYN_RECEIVED || connection->fast_open || connection->simultaneous ||
        step->from != FW_SERVER || sequence_end(segment) == segment->seq)
        return;
    const bool unseen = !has(receiver, END_SEEN) && after(segment->ack, receiver->iss);
    if (!unseen && !acks_syn_of(segment, receiver))
        return;
    if (receiver->state == FW_SYN_SENT)
        prove_as(step, receiver, SND_ACK_OF_SYN, FW_PROOF_INFERRED);
    prove_as(step, sender, RCV_ACK_OF_SYN, FW_PROOF_INFERRED);
}

/* ---------------------------------------------------------------------------------------- RST */

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
        return acks_syn_of(segment, receiver) ? RST_EXACT : RST_OUTSIDE;
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

static const char *rst_cause(const struct step *step)
{
    const struct tcp_end *sender = step->sender, *receiver = step->receiver;
    if (receiver->state == FW_SYN_SENT)
        return "refused";
    if (proved(sender, SND_FIN))
        return step->segment->flags & FW_ACK ? "reset after FIN" : "data after close";
    if (!is_synchronised((enum fw_state)sender->state) && sender->state != FW_UNKNOWN)
        return step->from == FW_CLIENT ? "reset by client in the handshake"
                                       : "reset by server in the handshake";
    return step->from == FW_CLIENT ? "reset by client" : "reset by server";
}

static void close_by_rst(struct step *step, struct tcp_end *end, const char *cause, unsigned fact)
{
    if (end->state == FW_CLOSED)
        return;
    change_state(step, end, FW_CLOSED, FW_PROOF_SEGMENT, false, cause);
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
        return (step->segment->flags & FW_ACK) && acks_syn_of(step->segment, receiver);
    if (answer == RST_IN_WINDOW && (step->segment->flags & FW_ACK) && has(sender, END_HAS_TS) &&
        !is_stale(step))
        return true; /* its own, from beyond data that the capture missed */
    return answer == RST_EXACT || (!(step->segment->flags & FW_ACK) &&
                                   acked_lately(receiver, seq) && receiver->state != FW_UNKNOWN);
}

static void begin_doubt(struct step *step, const struct tcp_end *end, bool by_rst, fw_time since,
                        bool crossed)
{
    const struct fw_segment *segment = step->segment;
    step->connection->doubt = (struct tcp_doubt){
        .since = since,
        .time = segment->time,
        .frame = segment->frame,
        .seq = segment->seq,
        .ack = segment->ack,
        .flags = segment->flags,
        .from = (uint8_t)step->from,
        .end = (uint8_t)side_of(step, end),
        .waits = true,
        .by_rst = by_rst,
        .crossed = crossed,
    };
}

/* The end in doubt is heard. What it sent at once may have crossed what closed it; a challenge ACK,
 * or a segment that comes late, says that it lives. */
static void go_on_doubting(struct step *step)
{
    struct tcp_doubt *doubt = &step->connection->doubt;
    const struct fw_segment *segment = step->segment;
    if (!doubt->waits || doubt->end != step->from || step->result->note == FW_NOTE_DUPLICATE)
        return;
    const bool challenge = !doubt->crossed && segment->payload_bytes == 0 &&
                           !(segment->flags & (FW_FIN | FW_RST)) &&
                           segment->ack == step->sender->last_ack;
    const bool repeats = !doubt->by_rst && (segment->flags & FW_FIN);
    doubt->waits = step->sender->state != FW_CLOSED && !challenge && !repeats &&
                   tcp_elapsed(doubt->since, segment->time) < TCP_DOUBT_NS;
    /* What it says of itself meanwhile comes before its closing, which is then told with this
     * frame. */
    if (doubt->waits && (doubt->crossed || step->result->count > 0))
        begin_doubt(step, step->sender, doubt->by_rst, doubt->since, true);
}

static void take_rst(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const enum rst_answer answer = classify_rst(step);
    const char *cause = rst_cause(step);
    const bool aborts = rst_closes_sender(step, answer);
    const bool was_over = tcp_is_over(connection);
    const bool refused = receiver->state == FW_SYN_SENT && answer == RST_EXACT;

    if (aborts) {
        close_by_rst(step, sender, "sent RST", END_SENT_RST);
        sender->facts &= ~(unsigned)END_RST_TIMED;
        if (step->segment->options & FW_OPT_TIMESTAMPS)
            sender->facts |= END_RST_TIMED;
    }
    if (answer == RST_UNSETTLED)
        begin_doubt(step, receiver, true, step->now, false);
    if (answer == RST_EXACT && (receiver->state != FW_UNKNOWN || has(receiver, END_OUTLIVES)))
        close_by_rst(step, receiver, "received RST", END_GOT_RST);
    if (answer == RST_IN_WINDOW && !aborts)
        note(step, FW_NOTE_RST_CHALLENGED);
    else if (answer == RST_OUTSIDE && !aborts)
        note(step, FW_NOTE_RST_IGNORED);
    if (step->result->count == 0 || was_over || has(sender, END_OUTLIVES) ||
        has(receiver, END_OUTLIVES))
        return;
    connection->cause = cause;
    connection->end_kind = FW_END_RST;
    if (refused)
        connection->open = FW_OPEN_REFUSED;
    if (connection->closed_by == FW_CLOSED_BY_NONE)
        connection->closed_by = step->from == FW_CLIENT ? FW_CLOSED_BY_CLIENT : FW_CLOSED_BY_SERVER;
}

/* An endpoint that we hold for CLOSED goes on sending: what closed it did not happen. The RST was
 * forged, or did not arrive; the ACK of its FIN did not arrive; our timer was too short. */
static void revive(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender;
    if (has(sender, END_RESTARTED)) {
        sender->facts &= ~(unsigned)END_RESTARTED;
        change_state(step, sender, (enum fw_state)sender->alive_state, FW_PROOF_SEGMENT, true,
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
        note(step, FW_NOTE_RST_FORGED);
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
    change_state(step, sender, alive, FW_PROOF_SEGMENT, true, cause);
}

/* ----------------------------------------------------------------------- data, ACKs and the FIN */

/* Its own retransmission says that the ACK of its FIN, seen by us, had not arrived. */
static void take_back_ack_of_fin(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    const bool fin_again = (segment->flags & FW_FIN) && proved(sender, SND_FIN) &&
                           segment->seq + segment->payload_bytes == sender->fin_seq;
    const bool data_again = segment->payload_bytes > 1 && has(step->receiver, END_HAS_RCV) &&
                            !after(segment->seq + segment->payload_bytes, step->receiver->rcv);
    if (!proved(sender, SND_FIN) || !(fin_again || data_again) || is_stale(step))
        return;
    if (!proved(sender, RCV_ACK_OF_FIN))
        return;
    unprove(sender, RCV_ACK_OF_FIN);
    correct(step, sender,
            fin_again ? "sent FIN again: its ACK did not arrive"
                      : "sent data again: the ACK of its FIN did not arrive");
}

/* New data, or a new ACK, from before its FIN: the FIN was not its own. */
static void take_back_forged_fin(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender;
    if (!proved(sender, SND_FIN) || (segment->flags & FW_FIN) || is_stale(step))
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
    correct(step, sender, "went on sending: the FIN was not its own");
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
        correct(step, end, tcp_proof_text(SND_ACK_OF_FIN));
        return;
    }
    prove(step, end, SND_ACK_OF_FIN);
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
            prove_as(step, end, SND_SYN_ACK, FW_PROOF_INFERRED); /* sent, but missed: figure 7 */
        prove(step, end, SND_ACK_OF_SYN);
        if (reaches_peer && held && peer->state == FW_SYN_RECEIVED)
            hold_ack(step, peer, END_HELD_ACK | END_HELD_SYN);
        else if (reaches_peer)
            prove(step, peer, RCV_ACK_OF_SYN);
    }
    if (!proved(peer, SND_FIN) || !after(ack, peer->fin_seq))
        return;
    sent_ack_of_fin(step, end, seq);
    if (!reaches_peer || proved(peer, RCV_ACK_OF_FIN))
        return;
    if (peer->state != FW_FIN_WAIT_1 || !(held || has(peer, END_HELD_ACK | END_HELD_BEHIND)))
        prove(step, peer, RCV_ACK_OF_FIN);
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
    prove(step, sender, syn ? RCV_ACK_OF_SYN : RCV_ACK_OF_FIN);
}

static void send_fin(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_connection *connection = step->connection;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    const uint32_t fin_seq = segment->seq + segment->payload_bytes;

    if (proved(sender, SND_FIN)) {
        note(step, FW_NOTE_RETRANSMISSION);
        if (receiver->state == FW_TIME_WAIT)
            connection->timer_base = segment->time; /* RFC 9293 section 3.10.7.4: restart 2MSL */
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
        correct(step, sender, "sent FIN again: it had closed first");
    } else { /* a FIN first, and what its sender was before, is inferred: states.md 28 */
        const bool first = connection->midstream && !has(sender, END_SEEN);
        prove_as(step, sender, SND_FIN, first ? FW_PROOF_INFERRED : FW_PROOF_SEGMENT);
    }
    /* The peer's ACK of it may have been seen before it (states.md 18). */
    if (has(receiver, END_HAS_RCV) && after(receiver->rcv, fin_seq)) {
        sent_ack_of_fin(step, receiver, receiver->ack_fin_seq);
        prove(step, sender, RCV_ACK_OF_FIN);
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
        note(step, FW_NOTE_GAP);
    }
    if (!after(pending, sender->nxt)) {
        receiver->facts &= ~(unsigned)(END_PENDING_ACK | END_FIN_DOUBTED);
        take_ack(step, receiver, pending, receiver->ack_fin_seq, true);
    } else if (segment->seq == old_nxt && !is_stale(step)) {
        receiver->facts &= ~(unsigned)END_PENDING_ACK;
        if (has(receiver, END_FIN_DOUBTED)) {
            receiver->facts &= ~(unsigned)END_FIN_DOUBTED;
            unprove(receiver, SND_FIN);
            receiver->nxt = receiver->fin_seq;
            step->connection->closed_by = FW_CLOSED_BY_NONE;
            correct(step, receiver, "its FIN acknowledged what was never sent");
        }
    }
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
    if (after(segment->seq, sender->nxt))
        note(step, FW_NOTE_GAP);
    if (segment->payload_bytes > 0 && before(segment->seq, sender->nxt)) {
        note(step, FW_NOTE_RETRANSMISSION);
        sender->retransmits++;
    }
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
        note(step, FW_NOTE_OUT_OF_WINDOW);
        return DROPPED;
    }
    if (fails_paws(sender, segment)) {
        note(step, FW_NOTE_PAWS);
        return DROPPED;
    }
    return before(sequence_end(segment), receiver->rcv) ? OLD : TAKEN;
}

static void name_ordinary(struct step *step, uint32_t old_nxt)
{
    const struct fw_segment *segment = step->segment;
    const struct tcp_end *sender = step->sender;
    if (segment->flags & (FW_SYN | FW_FIN | FW_RST))
        return;
    if (segment->seq == old_nxt - 1 && segment->payload_bytes <= 1 && has(sender, END_SEEN))
        note(step, step->receiver->window == 0 ? FW_NOTE_ZERO_WINDOW_PROBE : FW_NOTE_KEEP_ALIVE);
    else if (segment->window_raw == 0)
        note(step, FW_NOTE_ZERO_WINDOW);
    else if (has(sender, END_WINDOW_ZERO) && segment->payload_bytes == 0)
        note(step, FW_NOTE_WINDOW_UPDATE);
    else if (segment->payload_bytes == 0 && has(sender, END_SEEN) &&
             segment->ack == sender->last_ack && segment->seq == sender->last_seq &&
             sender->last_flags == segment->flags)
        note(step, FW_NOTE_DUPLICATE_ACK);
}

static void start_midstream(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    if (!connection->midstream || has(step->sender, END_SEEN) || has(step->receiver, END_SEEN) ||
        step->sender->state != FW_UNKNOWN)
        return;
    change_state(step, step->sender, FW_ESTABLISHED, FW_PROOF_INFERRED, false,
                 "capture starts here");
    if (step->segment->flags & FW_ACK) {
        change_state(step, step->receiver, FW_ESTABLISHED, FW_PROOF_INFERRED, false,
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
    note(step, FW_NOTE_BAD_ACK);
    if (!has(sender, END_OUTLIVES))
        return;
    if (!is_synchronised((enum fw_state)sender->state))
        change_state(step, sender, (enum fw_state)sender->alive_state, FW_PROOF_INFERRED, false,
                     "still holds the connection before");
    sender->rcv = step->segment->ack;
    sender->facts |= END_HAS_RCV;
    if (step->segment->flags & FW_FIN)
        prove_as(step, sender, SND_FIN, FW_PROOF_INFERRED);
}

static void take_segment(struct step *step)
{
    const struct fw_segment *segment = step->segment;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;

    start_midstream(step);
    if (!(segment->flags & FW_ACK)) {
        note(step, FW_NOTE_NO_ACK);
        return;
    }
    if (is_of_connection_before(step)) {
        outlive(step);
        return;
    }
    leave_connection_before(step, receiver);
    learn_iss_from_ack(step);
    infer_missed_handshake(step);
    if (sender->state == FW_SYN_SENT && has(receiver, END_HAS_ISS) &&
        !acks_syn_of(segment, receiver) && receiver->state == FW_SYN_RECEIVED) {
        note(step, FW_NOTE_BAD_ACK);
        return;
    }
    const enum taken taken = is_taken(step);
    if (taken == DROPPED)
        return;
    if (sender->state == FW_UNKNOWN && receiver->state == FW_SYN_SENT) {
        note(step, FW_NOTE_BAD_ACK); /* an old connection answers the SYN: states.md 15 */
        return;
    }
    if (!is_stale(step))
        revive(step);
    take_back_forged_fin(step);
    take_back_ack_of_fin(step);

    const uint32_t old_nxt = has(sender, END_HAS_NXT) ? sender->nxt : segment->seq;
    if (receiver->state == FW_CLOSED && has(receiver, END_TIMED) &&
        receiver->alive_state == FW_SYN_RECEIVED && acks_syn_of(segment, receiver))
        change_state(step, receiver, FW_SYN_RECEIVED, FW_PROOF_SEGMENT, true,
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
            note(step, FW_NOTE_BAD_ACK);
            return;
        } else {
            doubted = true;
        }
    }
    if (doubted) {
        note(step, FW_NOTE_GAP);
        if (!has(sender, END_PENDING_ACK)) {
            sender->facts |= END_PENDING_ACK;
            if (!has(sender, END_ACKED_FIN))
                sender->ack_fin_seq = segment->seq;
        }
        sender->pending_ack = segment->ack;
        take_ack(step, sender, receiver->nxt, segment->seq, taken == TAKEN);
    } else {
        take_ack(step, sender, segment->ack, segment->seq, taken == TAKEN);
    }
    release_held_ack(step, END_HELD_BEHIND);
    if (segment->flags & FW_FIN) {
        if (doubted && !proved(sender, SND_FIN))
            sender->facts |= END_FIN_DOUBTED;
        if (taken == OLD && !proved(sender, SND_FIN))
            note(step, FW_NOTE_OUT_OF_WINDOW); /* from before what it has sent: no FIN of its own */
        else
            send_fin(step);
    }
    sender->window = (uint32_t)segment->window_raw << window_shift(sender, receiver);
    sender->facts &= ~(unsigned)END_WINDOW_ZERO;
    if (segment->window_raw == 0)
        sender->facts |= END_WINDOW_ZERO;
    remember_timestamps(sender, receiver, segment);
}

/* -------------------------------------------------------------------------------- entry points */

void tcp_step(struct tcp_connection *connection, enum fw_side from,
              const struct fw_segment *segment, struct tcp_result *result)
{
    struct step step = {
        .connection = connection,
        .segment = segment,
        .result = result,
        .now = segment->time,
        .from = from,
        .sender = &connection->end[from],
        .receiver = &connection->end[!from],
    };
    result->count = 0;
    result->note = FW_NOTE_NONE;
    count_segment(step.sender, segment);
    if (segment->time > connection->last_time)
        connection->last_time = segment->time;
    if (is_duplicate(step.sender, segment)) {
        result->note = FW_NOTE_DUPLICATE;
        if ((segment->flags & (FW_SYN | FW_FIN)) || segment->payload_bytes > 0)
            return; /* an ACK or a RST once more says nothing more, and may be another one */
    }

    if ((segment->flags & FW_SYN) || acks_syn_of(segment, step.receiver))
        leave_connection_before(&step, step.sender);

    /* RFC 9293 section 3.10.7.4: RST, SYN, ACK, FIN. */
    if (segment->flags & FW_RST) {
        take_rst(&step);
    } else if ((segment->flags & (FW_SYN | FW_ACK)) == (FW_SYN | FW_ACK)) {
        take_syn_ack(&step);
        remember_timestamps(step.sender, step.receiver, segment);
    } else if (segment->flags & FW_SYN) {
        take_syn(&step);
        remember_timestamps(step.sender, step.receiver, segment);
    } else {
        take_segment(&step);
    }
    go_on_doubting(&step);
    step.sender->facts |= END_SEEN;
    remember_segment(step.sender, segment);
    note_established(&step);
}

/* A stack's own SYN carries on its timestamp clock, if the connection had one (Linux offsets it by
 * addresses, so that it does for the next connection too); a forger must guess it. */
static bool is_own_syn(const struct tcp_end *sender, const struct fw_segment *syn)
{
    if (!has(sender, END_HAS_TS))
        return true;
    return (syn->options & FW_OPT_TIMESTAMPS) && !before(syn->ts_val, sender->ts_last);
}

void tcp_succeed(struct tcp_connection *next, enum fw_side side, const struct tcp_end *before)
{
    struct tcp_end *end = &next->end[side];
    const bool done = before->state == FW_CLOSED || before->state == FW_UNKNOWN;
    const enum fw_state alive = (enum fw_state)(done ? before->alive_state : before->state);
    if (alive == FW_UNKNOWN || has(before, END_RESTARTED | END_SENT_RST))
        return;
    end->facts |= END_OUTLIVES;
    end->alive_state = (uint8_t)alive;
    end->rcv = before->rcv;
}

void tcp_hold_syn(struct tcp_connection *connection, enum fw_side from,
                  const struct fw_segment *syn, struct tcp_result *result)
{
    struct tcp_end *sender = &connection->end[from];
    struct step step = {
        .connection = connection,
        .segment = syn,
        .result = result,
        .now = syn->time,
        .from = from,
        .sender = sender,
        .receiver = &connection->end[!from],
    };
    result->count = 0;
    result->note = FW_NOTE_SYN_IN_WINDOW;
    if (has(sender, END_RESTARTED) || !is_own_syn(sender, syn))
        return;
    if (sender->state != FW_CLOSED)
        sender->alive_state = sender->state;
    sender->facts |= END_RESTARTED;
    change_state(&step, sender, FW_SYN_SENT, FW_PROOF_INFERRED, false,
                 "sent SYN of another connection");
}

void tcp_count_held(struct tcp_connection *connection, enum fw_side from,
                    const struct fw_segment *syn)
{
    count_segment(&connection->end[from], syn);
}

void tcp_icmp(struct tcp_connection *connection, enum fw_side from, const struct fw_segment *quoted,
              struct tcp_result *result)
{
    struct tcp_end *sender = &connection->end[from];
    struct step step = {
        .connection = connection,
        .segment = quoted,
        .result = result,
        .now = quoted->time,
        .from = from,
        .sender = sender,
        .receiver = &connection->end[!from],
    };
    result->count = 0;
    result->note = FW_NOTE_ICMP;
    if (sender->state != FW_SYN_SENT || quoted->icmp == FW_ICMP_FRAGMENTATION_NEEDED ||
        before(quoted->seq, sender->iss) || after(quoted->seq, sender->nxt))
        return;
    change_state(&step, sender, FW_CLOSED, FW_PROOF_INFERRED, false,
                 fw_icmp_name((enum fw_icmp)quoted->icmp));
    connection->open = FW_OPEN_UNREACHABLE;
    connection->end_kind = FW_END_TIMER;
    connection->cause = fw_icmp_name((enum fw_icmp)quoted->icmp);
}

bool tcp_is_over(const struct tcp_connection *connection)
{
    const enum fw_state client = (enum fw_state)connection->end[FW_CLIENT].state;
    const enum fw_state server = (enum fw_state)connection->end[FW_SERVER].state;
    return (client == FW_CLOSED && (server == FW_CLOSED || server == FW_UNKNOWN)) ||
           (server == FW_CLOSED && client == FW_UNKNOWN);
}

enum tcp_timer tcp_timer(const struct tcp_connection *connection)
{
    const enum fw_state client = (enum fw_state)connection->end[FW_CLIENT].state;
    const enum fw_state server = (enum fw_state)connection->end[FW_SERVER].state;
    if (connection->doubt.waits)
        return TCP_TIMER_DOUBT;
    if (client == FW_TIME_WAIT || server == FW_TIME_WAIT)
        return TCP_TIMER_TIME_WAIT;
    if (tcp_is_over(connection))
        return TCP_TIMER_CLOSED;
    if (client <= FW_SYN_RECEIVED && server <= FW_SYN_RECEIVED)
        return TCP_TIMER_SYN;
    if (client == FW_FIN_WAIT_2 || server == FW_FIN_WAIT_2)
        return TCP_TIMER_FIN_WAIT_2;
    return TCP_TIMER_NONE;
}

/* The end in doubt said nothing more: it was closed after all. */
static void settle_doubt(struct step *step)
{
    struct tcp_connection *connection = step->connection;
    struct tcp_end *end = &connection->end[connection->doubt.end];
    step->now = connection->doubt.time;
    connection->doubt.waits = false;
    if (!connection->doubt.by_rst) {
        prove(step, end, RCV_ACK_OF_FIN);
        return;
    }
    if (connection->doubt.crossed) { /* the take-back is taken back */
        change_state(step, end, FW_CLOSED, FW_PROOF_INFERRED, true, "had received RST");
        end->facts |= END_GOT_RST;
    } else {
        close_by_rst(step, end, "received RST", END_GOT_RST);
    }
    connection->end_kind = FW_END_RST;
}

void tcp_timeout(struct tcp_connection *connection, enum tcp_timer timer, fw_time now,
                 struct tcp_result *result)
{
    struct step step = { .connection = connection, .result = result, .now = now };
    result->count = 0;
    result->note = FW_NOTE_NONE;
    if (timer == TCP_TIMER_DOUBT) {
        settle_doubt(&step);
        return;
    }
    for (int side = FW_CLIENT; side <= FW_SERVER; side++) {
        struct tcp_end *end = &connection->end[side];
        if (timer == TCP_TIMER_TIME_WAIT && end->state == FW_TIME_WAIT)
            change_state(&step, end, FW_CLOSED, FW_PROOF_TIMER, false, "2MSL");
        if (timer == TCP_TIMER_FIN_WAIT_2 && end->state == FW_FIN_WAIT_2)
            change_state(&step, end, FW_CLOSED, FW_PROOF_TIMER, false, "orphaned FIN_WAIT_2");
        if (timer == TCP_TIMER_SYN &&
            (end->state == FW_SYN_SENT || end->state == FW_SYN_RECEIVED)) {
            change_state(&step, end, FW_CLOSED, FW_PROOF_TIMER, false, "SYN timer");
            connection->end_kind = FW_END_TIMER;
        }
    }
}

/* ------------------------------------------------------------------- is a SYN a new connection? */

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

/* -------------------------------------------------------------------------------- the record */

static enum fw_open describe_open(const struct tcp_connection *connection)
{
    const struct tcp_end *client = &connection->end[FW_CLIENT];
    const struct tcp_end *server = &connection->end[FW_SERVER];
    if (connection->open != FW_OPEN_NO_ANSWER)
        return (enum fw_open)connection->open;
    if (proved(server, SND_SYN_ACK))
        return connection->synack_was_bad && !proved(client, RCV_ACK_OF_SYN) ? FW_OPEN_BAD_SYNACK
                                                                             : FW_OPEN_NO_FINAL_ACK;
    return FW_OPEN_NO_ANSWER;
}

static enum fw_end describe_end(const struct tcp_connection *connection)
{
    if (connection->end_kind != FW_END_OPEN)
        return (enum fw_end)connection->end_kind;
    bool done = true;
    for (int side = FW_CLIENT; side <= FW_SERVER; side++) {
        const struct tcp_end *end = &connection->end[side];
        done = done && (end->state == FW_CLOSED || end->state == FW_TIME_WAIT);
    }
    return done && (proved(&connection->end[FW_CLIENT], SND_FIN) ||
                    proved(&connection->end[FW_SERVER], SND_FIN))
               ? FW_END_FIN
               : FW_END_OPEN;
}

static void describe_side(const struct tcp_end *end, enum fw_side side,
                          struct fw_connection *record)
{
    record->mss[side] = end->mss;
    record->packets[side] = end->packets;
    record->bytes[side] = end->bytes;
    record->syns[side] = end->syns;
    record->synacks[side] = end->synacks;
    record->fins[side] = end->fins;
    record->rsts[side] = end->rsts;
    record->data_packets[side] = end->data_packets;
    record->retransmits[side] = end->retransmits;
}

/* An end that has begun another connection has left this one. */
static enum fw_state describe_state(const struct tcp_end *end)
{
    if (!has(end, END_RESTARTED))
        return (enum fw_state)end->state;
    return end->alive_state == FW_TIME_WAIT ? FW_TIME_WAIT : FW_CLOSED;
}

void tcp_describe(const struct tcp_connection *connection, struct fw_connection *record)
{
    const struct tcp_end *client = &connection->end[FW_CLIENT];
    const struct tcp_end *server = &connection->end[FW_SERVER];
    record->client_state = describe_state(client);
    record->server_state = describe_state(server);
    record->client_inferred = has(client, END_INFERRED) && !has(client, END_RESTARTED);
    record->server_inferred = has(server, END_INFERRED) && !has(server, END_RESTARTED);
    record->client_timed = has(client, END_TIMED);
    record->server_timed = has(server, END_TIMED);
    record->client_path = client->path;
    record->server_path = server->path;
    record->client_since = client->since;
    record->server_since = server->since;
    record->first_time = connection->first_time;
    record->last_time = connection->last_time;
    record->open = describe_open(connection);
    record->end = describe_end(connection);
    record->closed_by = (enum fw_closed_by)connection->closed_by;
    record->dir_by = (enum fw_dir_by)connection->dir_by;
    record->cause = connection->cause;
    record->handshake_ns = connection->handshake_ns;
    record->rtt_client_ns = connection->rtt_client_ns;
    record->rtt_server_ns = connection->rtt_server_ns;
    record->established_time = connection->established_time;
    record->midstream = connection->midstream;
    record->one_sided = (!has(client, END_SEEN) && has(server, END_HAS_RCV)) ||
                        (!has(server, END_SEEN) && has(client, END_HAS_RCV));
    record->lossy = connection->lossy;
    describe_side(client, FW_CLIENT, record);
    describe_side(server, FW_SERVER, record);
}
