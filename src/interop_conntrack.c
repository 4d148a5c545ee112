/* The one state that Linux conntrack keeps of a connection (6.1, nf_conntrack_proto_tcp.c). What it
 * finds out of window is not modelled: finwait shows the state as if nothing had been. */
#include "interop.h"

enum state { NO, SS, SR, ES, FW, CW, LA, TW, CL, S2, STATES, IGNORE, INVALID };
enum kind { NOTHING, SYN, SYNACK, FIN, ACK, RST, KINDS };

#define ig IGNORE
#define iv INVALID
/* clang-format off */
static const uint8_t next_state[2][KINDS][STATES] = {
    {   /* from the side that sent the first packet
                    NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
        [NOTHING] = {iv, iv, iv, iv, iv, iv, iv, iv, iv, iv},
        [SYN]     = {SS, SS, ig, ig, ig, ig, ig, SS, SS, S2},
        [SYNACK]  = {iv, iv, SR, iv, iv, iv, iv, iv, iv, SR},
        [FIN]     = {iv, iv, FW, FW, LA, LA, LA, TW, CL, iv},
        [ACK]     = {ES, iv, ES, ES, CW, CW, TW, TW, CL, iv},
        [RST]     = {iv, CL, CL, CL, CL, CL, CL, CL, CL, CL},
    },
    {   /* from the other side */
        [NOTHING] = {iv, iv, iv, iv, iv, iv, iv, iv, iv, iv},
        [SYN]     = {iv, S2, iv, iv, iv, iv, iv, SS, iv, S2},
        [SYNACK]  = {iv, SR, ig, ig, ig, ig, ig, ig, ig, SR},
        [FIN]     = {iv, iv, FW, FW, LA, LA, LA, TW, CL, iv},
        [ACK]     = {iv, ig, SR, ES, CW, CW, TW, TW, CL, ig},
        [RST]     = {iv, CL, CL, CL, CL, CL, CL, CL, CL, CL},
    },
};
/* clang-format on */

/* Seconds until an entry without traffic is gone. */
static const uint32_t timeout_s[STATES] = {
    [SS] = 120, [SR] = 60,  [ES] = 432000, [FW] = 120, [CW] = 60,
    [LA] = 30,  [TW] = 120, [CL] = 10,     [S2] = 120,
};

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* The kernel drops combinations of flags that it does not know before it looks at the state. */
static enum kind kind_of(uint16_t flags)
{
    switch (flags & (FW_SYN | FW_ACK | FW_FIN | FW_RST | FW_URG)) {
    case FW_SYN:
    case FW_SYN | FW_URG:
        return SYN;
    case FW_SYN | FW_ACK:
        return SYNACK;
    case FW_FIN | FW_ACK:
    case FW_FIN | FW_ACK | FW_URG:
        return FIN;
    case FW_ACK:
    case FW_ACK | FW_URG:
        return ACK;
    case FW_RST:
    case FW_RST | FW_ACK:
        return RST;
    default:
        return NOTHING;
    }
}

static uint32_t end_of(const struct fw_segment *segment)
{
    return segment->seq + segment->payload_bytes + ((segment->flags & FW_SYN) ? 1 : 0) +
           ((segment->flags & FW_FIN) ? 1 : 0);
}

static void remember(struct conntrack *conntrack, enum kind kind, bool reply, uint32_t end)
{
    conntrack->last = kind;
    conntrack->last_reply = reply;
    conntrack->last_end = end;
}

static void forget(struct conntrack *conntrack)
{
    const uint8_t completeness = conntrack->completeness;

    *conntrack = (struct conntrack){ .completeness = completeness };
}

/* A RST counts if it stands where the other side's ACKs stand, or continues a train of segments;
 * before that number it is invalid, and elsewhere a challenge ACK is expected. */
static enum state state_after_rst(const struct conntrack *conntrack, bool reply,
                                  const struct fw_segment *segment)
{
    const bool established = conntrack->state == ES;
    const uint32_t expected = conntrack->highest_ack[!reply];

    if (!(conntrack->acked & (reply ? 1 : 2)) || conntrack->last == SYN)
        return CL;
    if (segment->seq == 0 && !established)
        return CL;
    if (before(segment->seq, expected))
        return INVALID;
    if (!established || segment->seq == expected)
        return CL;
    if (conntrack->last == ACK && conntrack->last_reply == reply &&
        segment->seq == conntrack->last_end)
        return CL;
    return conntrack->state;
}

/* The rules beside the table. */
static enum state decide(struct conntrack *conntrack, enum kind kind, bool reply,
                         const struct fw_segment *segment)
{
    const enum state next = next_state[reply][kind][conntrack->state];
    const bool answers_syn = conntrack->last == SYN && conntrack->last_reply != reply;

    if (next == IGNORE && kind == SYNACK && answers_syn && segment->ack == conntrack->last_end)
        return SR; /* it had let through a SYN that opened a connection after all */
    if (next == SS && conntrack->state >= TW && conntrack->state <= CL &&
        !conntrack->close_started && !(conntrack->last == RST && conntrack->last_reply == reply))
        return IGNORE;
    if (next == TW && conntrack->state == LA && kind == ACK && answers_syn)
        return IGNORE; /* a challenge ACK */
    if (next == SR && reply && kind == ACK && conntrack->simultaneous)
        return ES;
    if (kind == RST && next == CL)
        return state_after_rst(conntrack, reply, segment);
    return next;
}

static void note_ack(struct conntrack *conntrack, bool reply, const struct fw_segment *segment)
{
    const unsigned int bit = reply ? 2 : 1;

    if (!(segment->flags & FW_ACK) || (segment->flags & FW_RST))
        return;
    if (!(conntrack->acked & bit) || before(conntrack->highest_ack[reply], segment->ack))
        conntrack->highest_ack[reply] = segment->ack;
    conntrack->acked |= bit;
}

static void enter(struct conntrack *conntrack, enum state next, enum kind kind, bool reply,
                  const struct fw_segment *segment)
{
    if (next == S2)
        conntrack->simultaneous = true;
    if (kind == FIN)
        conntrack->close_started = true;
    conntrack->state = next;
    note_ack(conntrack, reply, segment);
    remember(conntrack, kind, reply, end_of(segment));
}

void conntrack_step(struct conntrack *conntrack, bool from_client, const struct fw_segment *segment,
                    uint32_t idle_ms)
{
    const enum kind kind = kind_of(segment->flags);

    if (conntrack->state != NO && idle_ms / 1000 >= timeout_s[conntrack->state])
        forget(conntrack);
    if (conntrack->state == NO)
        conntrack->original_is_client = from_client;

    const bool reply = from_client != conntrack->original_is_client;
    const enum state next = decide(conntrack, kind, reply, segment);

    if (next == INVALID)
        return;
    if (next == IGNORE) {
        remember(conntrack, kind, reply, end_of(segment));
        return;
    }
    if (next == SS && conntrack->state >= TW && conntrack->state <= CL) {
        forget(conntrack); /* the tuple is used again: a new entry, from this side */
        conntrack->original_is_client = from_client;
        enter(conntrack, SS, kind, false, segment);
        return;
    }
    enter(conntrack, next, kind, reply, segment);
}

const char *conntrack_state_name(const struct conntrack *conntrack)
{
    static const char *const names[STATES] = {
        [NO] = "",         [SS] = "SYN_SENT",   [SR] = "SYN_RECV", [ES] = "ESTABLISHED",
        [FW] = "FIN_WAIT", [CW] = "CLOSE_WAIT", [LA] = "LAST_ACK", [TW] = "TIME_WAIT",
        [CL] = "CLOSE",    [S2] = "SYN_SENT2",
    };

    return names[conntrack->state];
}
