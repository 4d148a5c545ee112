/* Zeek's conn_state and history (Zeek 7): the state that Zeek keeps of each endpoint, moved by each
 * packet as its TCPSessionAdapter does, and the timers after which it forgets the connection.
 *
 * Not modelled: what depends on the bytes (analyzers that set timers of their own), on the capture
 * length, or on IP reassembly. One hole at a time is followed in each direction. */
#include "interop.h"

#include <ctype.h>
#include <string.h>

enum zeek_state { INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET };
enum { ORIGINATOR, RESPONDER };

/* Letters of which one is enough, or which come again only with another number. */
enum { SEEN_S = 1, SEEN_F = 2, SEEN_R = 4, SEEN_I = 8, SEEN_D = 16, SEEN_A = 32, SEEN_Q = 64 };

/* Defaults of init-bare.zeek: tcp_attempt_delay, tcp_close_delay, udp_inactivity_timeout (until the
 * handshake is over), tcp_inactivity_timeout; port_inactivity_timeouts of conn/inactivity.zeek. */
enum {
    ATTEMPT_MS = 5 * 1000,
    CLOSE_MS = 5 * 1000,
    HANDSHAKE_IDLE_MS = 60 * 1000,
    IDLE_MS = 300 * 1000,
    LOGIN_IDLE_MS = 3600 * 1000,
};

/* A SYN or RST that jumps further does not say where the sender stands. */
enum { TOO_LARGE_JUMP = 1 << 20 };

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool is_bare_syn(const struct fw_segment *segment)
{
    return (segment->flags & (FW_SYN | FW_ACK)) == FW_SYN;
}

static bool is_handshake(unsigned int state)
{
    return state == INACTIVE || state == SYN_SENT || state == SYN_ACK_SENT;
}

static void set_state(struct zeek_end *end, enum zeek_state state)
{
    if (end->state == state)
        return;
    end->previous = end->state;
    end->state = state;
}

/* ----------------------------------------------------------------------------------- history -- */

static void add_letter(struct zeek *zeek, char letter)
{
    const size_t length = strnlen(zeek->history, ZEEK_HISTORY_LETTERS);

    if (length < ZEEK_HISTORY_LETTERS)
        zeek->history[length] = letter;
}

static void add_for(struct zeek *zeek, int side, char letter)
{
    add_letter(zeek, side == ORIGINATOR ? letter : (char)tolower(letter));
}

/* Returns whether the letter was there already. */
static bool add_once(struct zeek *zeek, int side, unsigned int seen, char letter)
{
    struct zeek_end *end = &zeek->ends[side];

    if (end->seen & seen)
        return true;
    end->seen |= seen;
    add_for(zeek, side, letter);
    return false;
}

/* Once, and again the 10th, 100th... time. */
static void add_scaled(struct zeek *zeek, int side, unsigned int count, char letter)
{
    if (count == 1 || count == 10 || count == 100 || count == 1000 || count == 10000)
        add_for(zeek, side, letter);
}

static void count_8(uint8_t *count)
{
    if (*count < UINT8_MAX)
        ++*count;
}

static void count_16(uint16_t *count)
{
    if (*count < UINT16_MAX)
        ++*count;
}

static void note_flags(struct zeek *zeek, int side, const struct fw_segment *segment, uint32_t at)
{
    struct zeek_end *end = &zeek->ends[side];
    const bool syn = segment->flags & FW_SYN;
    const bool fin = segment->flags & FW_FIN;
    const bool rst = segment->flags & FW_RST;
    const char syn_letter = segment->flags & FW_ACK ? 'H' : 'S';
    const uint32_t fin_end = at + segment->payload_bytes;

    if (fin && rst) {
        add_once(zeek, side, SEEN_I, 'I');
    } else if (syn && (fin || rst)) {
        add_once(zeek, side, SEEN_Q, 'Q');
    } else if (syn) {
        /* A SYN that can be taken stands at 0, whatever its number. */
        if (add_once(zeek, side, SEEN_S, syn_letter) && at != 0)
            add_for(zeek, side, syn_letter);
    } else if (fin) {
        if (add_once(zeek, side, SEEN_F, 'F') && fin_end != end->fin_end)
            add_for(zeek, side, 'F');
    } else if (rst) {
        if (add_once(zeek, side, SEEN_R, 'R') && (uint16_t)at != end->rst_seq)
            add_for(zeek, side, 'R');
    } else if (segment->payload_bytes > 0) {
        add_once(zeek, side, SEEN_D, 'D');
    } else if (segment->flags & FW_ACK) {
        add_once(zeek, side, SEEN_A, 'A');
    }
    if (fin)
        end->fin_end = fin_end;
    if (rst)
        end->rst_seq = (uint16_t)at;
}

static void note_window(struct zeek *zeek, int side, const struct fw_segment *segment)
{
    struct zeek_end *end = &zeek->ends[side];

    if (segment->window_raw > 0 || (segment->flags & FW_RST) || end->state == RESET ||
        zeek->ends[!side].state == CLOSED)
        return;
    count_8(&end->zero_windows);
    add_scaled(zeek, side, end->zero_windows, 'W');
}

static void note_gap(struct zeek *zeek, int side)
{
    const struct zeek_end *ends = zeek->ends;

    for (int i = 0; i < 2; i++)
        if (ends[i].state != ESTABLISHED &&
            !(ends[i].state == CLOSED && ends[i].previous == ESTABLISHED))
            return;
    count_8(&zeek->ends[side].gaps);
    add_scaled(zeek, side, zeek->ends[side].gaps, 'G');
}

/* ------------------------------------------------------------------------------------- roles -- */

/* likely_server_ports of Zeek's default scripts. */
static bool is_server_port(uint16_t port)
{
    static const uint16_t ports[] = {
        21,   22,   25,   53,   80,   81,   88,   110,  135,  139,  143,   389,
        443,  445,  502,  563,  585,  587,  614,  631,  636,  989,  990,   992,
        993,  995,  1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5222,  5223,
        5269, 5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000,
    };

    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        if (ports[i] == port)
            return true;
    return false;
}

/* Where the connection does not start with a SYN, the ports may tell who it comes from. */
static bool comes_from_server(const struct fw_segment *segment)
{
    if (is_bare_syn(segment) || !is_server_port(segment->from.port))
        return false;
    if (!is_server_port(segment->to.port))
        return true;
    return !(segment->flags & FW_SYN) && segment->from.port < segment->to.port;
}

static bool is_login_port(uint16_t port)
{
    return port == 21 || port == 22 || port == 23 || port == 513;
}

static void swap_roles(struct zeek *zeek)
{
    const struct zeek_end end = zeek->ends[ORIGINATOR];
    const uint8_t bad_checksums = zeek->bad_checksums[ORIGINATOR];

    zeek->ends[ORIGINATOR] = zeek->ends[RESPONDER];
    zeek->ends[RESPONDER] = end;
    zeek->bad_checksums[ORIGINATOR] = zeek->bad_checksums[RESPONDER];
    zeek->bad_checksums[RESPONDER] = bad_checksums;
    zeek->spoke = (uint16_t)(zeek->spoke >> 1 | zeek->spoke << 1) & 3;
    zeek->originator_is_client = !zeek->originator_is_client;
    zeek->partial = false;
}

static void start(struct zeek *zeek, bool from_client, const struct fw_segment *segment)
{
    const bool flip = comes_from_server(segment);

    zeek->started = true;
    zeek->originator_is_client = from_client != flip;
    zeek->login_port = is_login_port(flip ? segment->from.port : segment->to.port);
    zeek->ends[ORIGINATOR].delivered = zeek->ends[RESPONDER].delivered = 1;
    if (flip)
        add_letter(zeek, '^');
}

/* ---------------------------------------------------------------------- numbers, data, gaps -- */

static uint32_t end_of(const struct fw_segment *segment)
{
    return segment->seq + ((segment->flags & FW_RST) ? 0 : segment->payload_bytes) +
           ((segment->flags & FW_SYN) ? 1 : 0) + ((segment->flags & FW_FIN) ? 1 : 0);
}

static void start_at(struct zeek_end *end, uint32_t seq, uint32_t last)
{
    end->start = end->acked = seq;
    end->last = last;
}

static void init_sender(struct zeek_end *end, const struct fw_segment *segment)
{
    const bool syn = segment->flags & FW_SYN;
    bool again = false;

    switch ((enum zeek_state)end->state) {
    case INACTIVE:
        if (!syn) /* as though there had been a SYN */
            start_at(end, segment->seq - 1, segment->seq);
        again = true;
        break;
    case SYN_SENT:
    case SYN_ACK_SENT:
        again = segment->seq != end->start;
        break;
    case PARTIAL:
    case ESTABLISHED:
        again = true; /* perhaps it was not established after all */
        break;
    case CLOSED:
        break;
    case RESET:
        again = end->previous == INACTIVE; /* perhaps the RST was forged */
        break;
    }
    if (syn && again)
        start_at(end, segment->seq, end_of(segment));
}

/* A number before the first one. Beyond 2 GiB everything is after it. */
static bool is_underflow(const struct zeek_end *end, uint32_t seq)
{
    return before(seq, end->start) && !before(end->last, end->start);
}

static void take_numbers(struct zeek *zeek, int side, const struct fw_segment *segment)
{
    struct zeek_end *end = &zeek->ends[side];
    const uint32_t last = end_of(segment);
    const int32_t advance = (int32_t)(last - end->last);

    if ((segment->flags & (FW_SYN | FW_RST)) &&
        (advance > TOO_LARGE_JUMP || advance < -TOO_LARGE_JUMP))
        return;
    if ((segment->flags & FW_FIN) && end->last == end->start + 1) {
        end->last = last;
    } else if (end->state == RESET) {
        return;
    } else if (advance > 0) {
        end->last = last;
    } else if (segment->payload_bytes > 0) {
        count_16(&end->retransmits);
        add_scaled(zeek, side, end->retransmits, 'T');
    }
}

/* Returns where the ACK stands in the peer's numbers. */
static uint32_t take_ack(struct zeek_end *peer, const struct fw_segment *segment)
{
    const int32_t advance = (int32_t)(segment->ack - peer->acked);

    if (peer->state == INACTIVE) {
        start_at(peer, segment->ack - 1, segment->ack - 1);
        return 1;
    }
    if (is_underflow(peer, segment->ack))
        return 0;
    if (!(segment->flags & FW_RST) && advance > 0 &&
        !(segment->ack == 0 && advance > TOO_LARGE_JUMP))
        peer->acked = segment->ack;
    return segment->ack - peer->start;
}

static void fill_hole(struct zeek_end *end)
{
    if (end->ahead_from == end->ahead_to || before(end->delivered, end->ahead_from))
        return;
    if (before(end->delivered, end->ahead_to))
        end->delivered = end->ahead_to;
    end->ahead_from = end->ahead_to = 0;
}

static void deliver(struct zeek_end *end, uint32_t from, uint32_t to)
{
    if (!before(end->delivered, to))
        return;
    if (!before(end->delivered, from)) {
        end->delivered = to;
        fill_hole(end);
    } else if (end->ahead_from == end->ahead_to) {
        end->ahead_from = from;
        end->ahead_to = to;
    } else { /* a second hole, between the two, is taken for filled */
        if (before(from, end->ahead_from))
            end->ahead_from = from;
        if (before(end->ahead_to, to))
            end->ahead_to = to;
    }
}

/* What is acknowledged and never went by is a gap. */
static void reveal_gaps(struct zeek *zeek, int side, uint32_t acked)
{
    struct zeek_end *end = &zeek->ends[side];

    if (end->fin && before(end->fin_end, acked))
        acked = end->fin_end;
    if (!before(end->delivered, acked) || (zeek->partial && acked <= 2))
        return;
    if (end->ahead_from != end->ahead_to && before(end->ahead_from, acked)) {
        note_gap(zeek, side);
        end->delivered = end->ahead_from;
        fill_hole(end);
    }
    if (before(end->delivered, acked)) {
        note_gap(zeek, side);
        end->delivered = acked;
        fill_hole(end);
    }
}

/* ------------------------------------------------------------------------------------ states -- */

static void leave_inactive(struct zeek *zeek, int side, const struct fw_segment *segment)
{
    struct zeek_end *end = &zeek->ends[side], *peer = &zeek->ends[!side];
    const uint16_t flags = segment->flags;

    if ((flags & FW_SYN) && side == ORIGINATOR) {
        set_state(end, flags & FW_ACK ? SYN_ACK_SENT : SYN_SENT);
    } else if (flags & FW_SYN) {
        if (peer->state == SYN_SENT)
            set_state(peer, ESTABLISHED);
        set_state(end, ESTABLISHED);
    }
    if (flags & FW_FIN)
        set_state(end, CLOSED);
    if (flags & FW_RST)
        set_state(end, RESET);
    if (flags & (FW_FIN | FW_RST))
        end->closing = true;
    if (end->state != INACTIVE)
        return;

    /* Some acknowledge a SYN before they answer it. */
    if (side == RESPONDER && segment->payload_bytes == 0 && peer->state == SYN_SENT)
        return;
    if ((flags & FW_ACK) && peer->state == ESTABLISHED) {
        set_state(end, ESTABLISHED); /* the SYN was missed */
        zeek->partial = false;
    } else {
        set_state(end, PARTIAL);
    }
}

static void move_sender(struct zeek *zeek, int side, const struct fw_segment *segment)
{
    struct zeek_end *end = &zeek->ends[side], *peer = &zeek->ends[!side];
    const bool fin = segment->flags & FW_FIN;
    const bool rst = segment->flags & FW_RST;

    switch ((enum zeek_state)end->state) {
    case INACTIVE:
        leave_inactive(zeek, side, segment);
        return;
    case SYN_SENT:
    case SYN_ACK_SENT:
        if (fin)
            set_state(end, CLOSED);
        if (rst)
            set_state(end, RESET);
        break;
    case PARTIAL:
    case ESTABLISHED:
        if (is_bare_syn(segment) && end->state == PARTIAL && peer->state == INACTIVE)
            set_state(end, SYN_SENT);
        if (fin && !rst) {
            set_state(end, CLOSED);
            if (peer->state == RESET && peer->previous == CLOSED)
                set_state(peer, CLOSED); /* FIN, RST was the peer's way to close */
        }
        if (rst)
            set_state(end, RESET);
        break;
    case CLOSED:
        if (!rst || peer->state == CLOSED)
            return;
        set_state(end, RESET);
        break;
    case RESET:
        return;
    }
    if (fin || rst)
        end->closing = true;
}

/* ------------------------------------------------------------------------------------ ending -- */

static bool has_data_pending(const struct zeek_end *end, const struct zeek_end *peer)
{
    const uint32_t delivered = end->start + end->delivered;

    if (before(end->last, delivered))
        return false;
    if (delivered != end->last && delivered != end->last - 1)
        return true;
    return end->state != RESET && peer->ahead_from != peer->ahead_to;
}

static void close_ends(struct zeek *zeek, uint32_t now_ms)
{
    for (int side = 0; side < 2; side++) {
        struct zeek_end *end = &zeek->ends[side], *peer = &zeek->ends[!side];

        if (!end->closing || end->closed || has_data_pending(end, peer))
            continue;
        end->closed = true;
        if (end->state == RESET || peer->closed || peer->state == INACTIVE) {
            zeek->attempting = false;
            zeek->ending = true;
            zeek->deadline_ms = now_ms + CLOSE_MS;
        }
    }
}

static uint32_t idle_limit_ms(const struct zeek *zeek)
{
    if (!zeek->established)
        return HANDSHAKE_IDLE_MS;
    return zeek->login_port ? LOGIN_IDLE_MS : IDLE_MS;
}

/* Whether a timer removed the connection before this time. */
static bool is_expired(struct zeek *zeek, uint32_t now_ms, uint32_t idle_ms)
{
    if (zeek->ending || zeek->attempting) {
        const bool passed = !before(now_ms, zeek->deadline_ms);
        const unsigned int originator = zeek->ends[ORIGINATOR].state;

        if (passed && zeek->ending)
            return true;
        if (passed && (originator == SYN_SENT || originator == SYN_ACK_SENT) &&
            zeek->ends[RESPONDER].state == INACTIVE)
            return true;
        if (passed)
            zeek->attempting = false;
    }
    return idle_ms >= idle_limit_ms(zeek);
}

/* Whether a SYN makes Zeek begin another connection. */
static bool is_reuse(const struct zeek *zeek, const struct fw_segment *segment)
{
    const struct zeek_end *originator = &zeek->ends[ORIGINATOR];
    const struct zeek_end *responder = &zeek->ends[RESPONDER];
    const bool bare = is_bare_syn(segment);

    if (!(segment->flags & FW_SYN) || (!bare && originator->state != INACTIVE))
        return false;
    if (originator->closed || responder->closed)
        return true;
    if (segment->seq == (bare ? originator : responder)->start)
        return false;
    /* SYN and SYN+ACK may have been captured in the wrong order. */
    return !(bare && originator->state == SYN_ACK_SENT && responder->state == INACTIVE &&
             segment->seq == responder->start);
}

/* ------------------------------------------------------------------------------------- steps -- */

/* The roles that the second packet may show to be wrong. Returns the side of the sender. */
static int settle_roles(struct zeek *zeek, int side, const struct fw_segment *segment)
{
    if (!(segment->flags & (FW_SYN | FW_FIN | FW_RST)) && zeek->history[0] == 'H' &&
        zeek->history[1] == '\0') {
        swap_roles(zeek);
        memcpy(zeek->history, "^h", 2);
        return !side;
    }
    return side;
}

static void note_partial(struct zeek *zeek, int side, uint16_t flags)
{
    if (zeek->spoke & (1u << side))
        return;
    if (side == ORIGINATOR)
        zeek->partial = !(flags & FW_SYN) || (flags & FW_ACK);
    else if (!zeek->partial)
        zeek->partial = !(flags & FW_SYN);
}

/* The SYN+ACK came before its SYN in the capture. */
static bool is_reversed_syn(const struct zeek *zeek, int side, const struct fw_segment *segment)
{
    return side == RESPONDER && zeek->ends[RESPONDER].state == INACTIVE && is_bare_syn(segment) &&
           zeek->ends[ORIGINATOR].state == SYN_ACK_SENT;
}

static void establish_reversed(struct zeek *zeek)
{
    add_letter(zeek, '^');
    set_state(&zeek->ends[ORIGINATOR], ESTABLISHED);
    set_state(&zeek->ends[RESPONDER], ESTABLISHED);
    swap_roles(zeek);
}

static void note_attempt(struct zeek *zeek, uint32_t now_ms)
{
    const unsigned int originator = zeek->ends[ORIGINATOR].state;

    if (originator == SYN_SENT || originator == SYN_ACK_SENT) {
        zeek->attempting = true;
        zeek->deadline_ms = now_ms + ATTEMPT_MS;
    }
}

static void process(struct zeek *zeek, int side, const struct fw_segment *segment, uint32_t now_ms)
{
    struct zeek_end *end = &zeek->ends[side];
    const uint16_t flags = segment->flags;
    uint32_t acked = 0;

    note_partial(zeek, side, flags);
    init_sender(end, segment);

    const uint32_t at = segment->seq - end->start;
    const bool underflow = is_underflow(end, segment->seq);
    const bool begins = side == ORIGINATOR && end->state == INACTIVE && (flags & FW_SYN);

    note_flags(zeek, side, segment, at);
    note_window(zeek, side, segment);
    if (flags & FW_FIN)
        end->fin = true;
    if (flags & FW_ACK)
        acked = take_ack(&zeek->ends[!side], segment);
    take_numbers(zeek, side, segment);

    if (is_reversed_syn(zeek, side, segment)) {
        establish_reversed(zeek);
        side = ORIGINATOR;
    } else {
        move_sender(zeek, side, segment);
    }
    if (begins)
        note_attempt(zeek, now_ms);
    if (!is_handshake(zeek->ends[0].state) || !is_handshake(zeek->ends[1].state))
        zeek->established = true;

    if (flags & FW_ACK) /* with the new states: Zeek doubts a gap that a close reveals */
        reveal_gaps(zeek, !side, acked);
    zeek->spoke |= (uint16_t)(1u << side);
    if (segment->payload_bytes > 0 && !(flags & FW_RST) && !underflow) {
        const uint32_t from = at + ((flags & FW_SYN) ? 1 : 0);

        deliver(&zeek->ends[side], from, from + segment->payload_bytes);
    }
    close_ends(zeek, now_ms);
}

void zeek_step(struct zeek *zeek, bool from_client, const struct fw_segment *segment,
               uint32_t now_ms, uint32_t idle_ms)
{
    if (!zeek->started)
        start(zeek, from_client, segment);
    else if (!zeek->removed)
        zeek->removed = is_expired(zeek, now_ms, idle_ms) || is_reuse(zeek, segment);
    if (zeek->removed)
        return;

    int side = from_client == zeek->originator_is_client ? ORIGINATOR : RESPONDER;

    if (segment->checksum == FW_CHECKSUM_BAD) {
        count_8(&zeek->bad_checksums[side]);
        add_scaled(zeek, side, zeek->bad_checksums[side], 'C');
        return;
    }
    side = settle_roles(zeek, side, segment);
    process(zeek, side, segment, now_ms);
}

/* ------------------------------------------------------------------------------- conn_state -- */

/* Whether the endpoint sent or was acknowledged any data. */
static bool has_size(const struct zeek_end *end, const struct zeek_end *peer)
{
    uint32_t size = (before(end->last, end->acked) ? end->acked : end->last) - end->start;
    const bool no_data_acked = end->acked == end->start || end->acked == end->start + 1;

    if (end->previous == SYN_SENT && end->state == RESET && peer->state == INACTIVE &&
        !no_data_acked)
        return false;
    if (size > 0)
        size--; /* the SYN */
    if (size > 0 && end->fin)
        size--;
    return size > 0;
}

/* History ^?S[^HAFGIQ]*R: a SYN that its sender reset without having gone on. */
static bool is_syn_then_rst(const struct zeek *zeek)
{
    const char *at = zeek->history;
    const char *last = zeek->history + ZEEK_HISTORY_LETTERS;

    if (*at == '^')
        at++;
    if (*at != 'S')
        return false;
    for (at++; at < last && *at != '\0'; at++) {
        if (*at == 'R')
            return true;
        if (strchr("HAFGIQ", *at) != NULL)
            return false;
    }
    return false;
}

/* Function conn_state() of Zeek's scripts/base/protocols/conn/main.zeek, in its order. */
const char *zeek_conn_state(const struct zeek *zeek)
{
    const struct zeek_end *o = &zeek->ends[ORIGINATOR], *r = &zeek->ends[RESPONDER];
    const bool o_inactive = o->state == INACTIVE || o->state == PARTIAL;
    const bool r_inactive = r->state == INACTIVE || r->state == PARTIAL;

    if (r->state == RESET) {
        if (o->state == SYN_SENT || o->state == SYN_ACK_SENT ||
            (o->state == RESET && !has_size(o, r) && !has_size(r, o)))
            return "REJ";
        return o_inactive ? "RSTRH" : "RSTR";
    }
    if (o->state == RESET) {
        if (!r_inactive)
            return "RSTO";
        return is_syn_then_rst(zeek) ? "RSTOS0" : "OTH";
    }
    if (o->state == CLOSED && r->state == CLOSED)
        return "SF";
    if (o->state == CLOSED)
        return r_inactive ? "SH" : "S2";
    if (r->state == CLOSED)
        return o_inactive ? "SHR" : "S3";
    if (o->state == SYN_SENT && r->state == INACTIVE)
        return "S0";
    if (o->state == ESTABLISHED && r->state == ESTABLISHED)
        return "S1";
    return "OTH";
}
