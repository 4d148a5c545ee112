/* The table, and the only writer of a state. */
#include "tcp_step.h"

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

/* Of each state that has one: the first row in the table. The others follow it. */
static const uint8_t first_row[FW_STATE_COUNT] = {
    [FW_CLOSED] = 0,      [FW_LISTEN] = 1,     [FW_SYN_SENT] = 2,    [FW_SYN_RECEIVED] = 4,
    [FW_ESTABLISHED] = 6, [FW_FIN_WAIT_1] = 8, [FW_FIN_WAIT_2] = 10, [FW_CLOSING] = 11,
    [FW_CLOSE_WAIT] = 12, [FW_LAST_ACK] = 13,  [FW_TIME_WAIT] = 14,
};

const uint8_t tcp_ways_out[FW_STATE_COUNT] = {
    [FW_CLOSED] = 1 << SND_SYN,
    [FW_LISTEN] = 1 << SND_SYN_ACK,
    [FW_SYN_SENT] = 1 << SND_SYN_ACK | 1 << SND_ACK_OF_SYN,
    [FW_SYN_RECEIVED] = 1 << RCV_ACK_OF_SYN | 1 << SND_FIN,
    [FW_ESTABLISHED] = 1 << SND_FIN | 1 << SND_ACK_OF_FIN,
    [FW_FIN_WAIT_1] = 1 << RCV_ACK_OF_FIN | 1 << SND_ACK_OF_FIN,
    [FW_FIN_WAIT_2] = 1 << SND_ACK_OF_FIN,
    [FW_CLOSING] = 1 << RCV_ACK_OF_FIN,
    [FW_CLOSE_WAIT] = 1 << SND_FIN,
    [FW_LAST_ACK] = 1 << RCV_ACK_OF_FIN,
    [FW_TIME_WAIT] = 1 << TIMEOUT_2MSL,
};

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

void tcp_note(struct step *step, enum fw_note what)
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

void tcp_path_truncate(struct tcp_end *end, unsigned length)
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
            tcp_path_truncate(end, i + 1);
    for (int i = 0; i < 2 && ways[state][i] != FW_UNKNOWN; i++)
        path_append(end, ways[state][i]);
    path_append(end, state);
}

/* What was taken back was never true: the path returns to where it went wrong. */
static void path_return_to(struct tcp_end *end, enum fw_state state)
{
    for (unsigned i = end->path_length; i-- > 0;) {
        if (((end->path >> (4 * i)) & 15) == (uint64_t)state) {
            tcp_path_truncate(end, i + 1);
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
void tcp_change_state(struct step *step, struct tcp_end *end, enum fw_state to, enum fw_proof proof,
                      bool corrected, const char *cause)
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
        step->result->rewound = true;
}

/* The row that fires now; NULL: none. What opens a connection fires only when it is seen: a CLOSED
 * end is not opened by its own past. */
static const struct tcp_row *row_that_fires(const struct tcp_end *end, enum tcp_proof added)
{
    const bool opens = end->state == FW_CLOSED || end->state == FW_LISTEN;
    const unsigned proofs = end->proved & tcp_ways_out[end->state] & (opens ? 1u << added : ~0u);
    if (proofs == 0)
        return NULL;
    const struct tcp_row *row = &tcp_table[first_row[end->state]];
    while (!(proofs & (1u << row->proof)))
        row++;
    return row;
}

void tcp_walk(struct step *step, struct tcp_end *end, enum tcp_proof proof, enum fw_proof how)
{
    const struct tcp_row *row;
    if (has(end, END_RESTARTED))
        return;
    while ((row = row_that_fires(end, proof)))
        tcp_change_state(step, end, row->to, how, false, tcp_proof_text(row->proof));
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
void tcp_correct(struct step *step, struct tcp_end *end, const char *cause)
{
    const enum fw_state state = closing_state(end);
    if (is_synchronised((enum fw_state)end->state) || end->state == FW_CLOSED)
        tcp_change_state(step, end, state, FW_PROOF_SEGMENT, true, cause);
}
