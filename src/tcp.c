/* Entry points: a segment, an ICMP error, a clock. */
#include "tcp_step.h"

#include <string.h>

enum fw_side tcp_first_role(const struct fw_segment *first, enum fw_dir_by *dir_by)
{
    if (first->flags & FW_SYN) {
        *dir_by = first->flags & FW_ACK ? FW_DIR_SYNACK : FW_DIR_SYN;
        return first->flags & FW_ACK ? FW_SERVER : FW_CLIENT;
    }
    *dir_by = FW_DIR_PORT;
    return first->from.port < first->to.port ? FW_SERVER : FW_CLIENT;
}

void tcp_init(struct tcp_connection *connection, const struct fw_segment *first)
{
    struct tcp_end *client = &connection->end[FW_CLIENT], *server = &connection->end[FW_SERVER];
    memset(connection, 0, sizeof(*connection));
    connection->first_time = connection->last_time = first->time;
    connection->syn_time = connection->synack_time = INT64_MIN;
    connection->first_syn_time = connection->established_time = INT64_MIN;
    connection->open = FW_OPEN_NO_ANSWER;
    client->since = client->last_time = server->since = server->last_time = INT64_MIN;
    enum fw_dir_by dir_by;
    tcp_first_role(first, &dir_by);
    connection->dir_by = (uint8_t)dir_by;
    connection->midstream = !(first->flags & FW_SYN);
    if (connection->midstream)
        connection->open = FW_OPEN_MIDSTREAM;
}

void tcp_begin(struct tcp_connection *connection, const struct fw_segment *syn)
{
    struct tcp_end *client = &connection->end[FW_CLIENT];
    tcp_init(connection, syn);
    connection->syn_time = connection->first_syn_time = syn->time;
    client->iss = syn->seq;
    client->nxt = syn->seq + 1;
    client->state = FW_SYN_SENT;
    client->proved = 1 << SND_SYN;
    client->path = FW_SYN_SENT;
    client->path_length = 1;
    client->since = syn->time;
    client->packets = client->syns = 1;
    client->window = syn->window_raw;
    client->facts = END_SEEN | END_HAS_ISS | END_HAS_NXT;
    tcp_remember_syn_options(client, syn);
    tcp_remember_timestamps(client, &connection->end[FW_SERVER], syn);
    tcp_remember_segment(client, syn);
}

/* What the segment left to be named, and whether its receiver has to answer it with an ACK. */
static void name_rest(struct step *step, bool was_closed)
{
    const unsigned answered = 1u << FW_NOTE_OUT_OF_WINDOW | 1u << FW_NOTE_PAWS |
                              1u << FW_NOTE_BAD_ACK | 1u << FW_NOTE_RST_CHALLENGED |
                              1u << FW_NOTE_SYN_IN_WINDOW;
    struct tcp_end *sender = step->sender, *receiver = step->receiver;
    sender->facts &= ~(unsigned)END_OWES_ACK;
    if ((answered & 1u << step->result->note) && receiver->state >= FW_ESTABLISHED)
        receiver->facts |= END_OWES_ACK;
    if (was_closed && step->result->count == 0)
        tcp_note(step, FW_NOTE_STRAY);
}

/* `shortcuts`: what most segments are is taken in one look. */
static inline void take(struct tcp_connection *connection, enum fw_side from,
                        const struct fw_segment *segment, struct tcp_result *result, bool shortcuts)
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
    result->rewound = false;
    tcp_count_segment(step.sender, segment);
    if (segment->time > connection->last_time)
        connection->last_time = segment->time;
    if (shortcuts && tcp_take_usual(&step)) {
        tcp_remember_segment(step.sender, segment);
        tcp_note_established(&step);
        return;
    }
    if (tcp_is_duplicate(step.sender, segment)) {
        result->note = FW_NOTE_DUPLICATE;
        if ((segment->flags & (FW_SYN | FW_FIN)) || segment->payload_bytes > 0)
            return; /* an ACK or a RST once more says nothing more, and may be another one */
    }

    const bool was_closed = step.sender->state == FW_CLOSED || step.receiver->state == FW_CLOSED;
    if ((segment->flags & FW_SYN) || tcp_acks_syn_of(segment, step.receiver))
        tcp_leave_connection_before(&step, step.sender);

    /* RFC 9293 section 3.10.7.4: RST, SYN, ACK, FIN. */
    if (segment->flags & FW_RST) {
        tcp_take_rst(&step);
    } else if ((segment->flags & (FW_SYN | FW_ACK)) == (FW_SYN | FW_ACK)) {
        tcp_take_syn_ack(&step);
        tcp_remember_timestamps(step.sender, step.receiver, segment);
    } else if (segment->flags & FW_SYN) {
        tcp_take_syn(&step);
        tcp_remember_timestamps(step.sender, step.receiver, segment);
    } else {
        tcp_take_segment(&step);
    }
    tcp_go_on_doubting(&step);
    step.sender->facts |= END_SEEN;
    tcp_remember_segment(step.sender, segment);
    tcp_note_established(&step);
    name_rest(&step, was_closed);
}

void tcp_step(struct tcp_connection *connection, enum fw_side from,
              const struct fw_segment *segment, struct tcp_result *result)
{
    take(connection, from, segment, result, true);
}

void tcp_step_at_length(struct tcp_connection *connection, enum fw_side from,
                        const struct fw_segment *segment, struct tcp_result *result)
{
    take(connection, from, segment, result, false);
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
    result->rewound = false;
    if (step.receiver->state >= FW_ESTABLISHED)
        step.receiver->facts |= END_OWES_ACK;
    if (has(sender, END_RESTARTED) || !is_own_syn(sender, syn))
        return;
    if (sender->state != FW_CLOSED)
        sender->alive_state = sender->state;
    sender->facts |= END_RESTARTED;
    tcp_change_state(&step, sender, FW_SYN_SENT, FW_PROOF_INFERRED, false,
                     "sent SYN of another connection");
}

void tcp_count_held(struct tcp_connection *connection, enum fw_side from,
                    const struct fw_segment *syn)
{
    tcp_count_segment(&connection->end[from], syn);
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
    result->rewound = false;
    if (sender->state != FW_SYN_SENT || quoted->icmp == FW_ICMP_FRAGMENTATION_NEEDED ||
        before(quoted->seq, sender->iss) || after(quoted->seq, sender->nxt))
        return;
    tcp_change_state(&step, sender, FW_CLOSED, FW_PROOF_INFERRED, false,
                     fw_icmp_name((enum fw_icmp)quoted->icmp));
    connection->open = FW_OPEN_UNREACHABLE;
    connection->end_kind = FW_END_TIMER;
    connection->cause = (uint8_t)(TCP_CAUSE_ICMP + quoted->icmp);
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
    if (connection->in_doubt)
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
    connection->in_doubt = false;
    if (!connection->doubt.by_rst) {
        tcp_prove(step, end, RCV_ACK_OF_FIN);
        return;
    }
    if (connection->doubt.crossed) { /* the take-back is taken back */
        tcp_change_state(step, end, FW_CLOSED, FW_PROOF_INFERRED, true, "had received RST");
        end->facts |= END_GOT_RST;
    } else {
        tcp_close_by_rst(step, end, "received RST", END_GOT_RST);
    }
    connection->end_kind = FW_END_RST;
}

void tcp_timeout(struct tcp_connection *connection, enum tcp_timer timer, fw_time now,
                 struct tcp_result *result)
{
    struct step step = { .connection = connection, .result = result, .now = now };
    result->count = 0;
    result->note = FW_NOTE_NONE;
    result->rewound = false;
    if (timer == TCP_TIMER_DOUBT) {
        settle_doubt(&step);
        return;
    }
    for (int side = FW_CLIENT; side <= FW_SERVER; side++) {
        struct tcp_end *end = &connection->end[side];
        if (timer == TCP_TIMER_TIME_WAIT && end->state == FW_TIME_WAIT)
            tcp_change_state(&step, end, FW_CLOSED, FW_PROOF_TIMER, false, "2MSL");
        if (timer == TCP_TIMER_FIN_WAIT_2 && end->state == FW_FIN_WAIT_2)
            tcp_change_state(&step, end, FW_CLOSED, FW_PROOF_TIMER, false, "orphaned FIN_WAIT_2");
        if (timer == TCP_TIMER_SYN &&
            (end->state == FW_SYN_SENT || end->state == FW_SYN_RECEIVED)) {
            tcp_change_state(&step, end, FW_CLOSED, FW_PROOF_TIMER, false, "SYN timer");
            connection->end_kind = FW_END_TIMER;
        }
    }
}
