/* Short cuts of the machine against the long way, over random connections: the same, bit by bit. */
#include "tcp_step.h"
#include "unit.h"

#include <string.h>

enum { CONNECTIONS = 200000, SEGMENTS = 40 };

/* A generator of its own: the same connections on every machine. */
static uint32_t draw(uint32_t below)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(state >> 33) % below;
}

static bool happens(uint32_t in_a_hundred)
{
    return draw(100) < in_a_hundred;
}

/* What the two stacks have sent, as far as a rough picture needs it. */
struct stack {
    uint32_t nxt, seen; /* the peer's nxt, as last acknowledged */
    bool syn_sent, fin_sent;
    uint32_t clock;
    struct fw_segment last;
};

struct game {
    struct stack stacks[2];
    fw_time now;
    bool timestamps;
    uint16_t mark;
    uint32_t odd; /* so many in a hundred segments are odd */
};

static uint16_t draw_flags(const struct game *game, const struct stack *own)
{
    static const uint16_t odd[] = { FW_SYN,          FW_SYN | FW_ACK, FW_RST, FW_RST | FW_ACK,
                                    FW_FIN | FW_ACK, FW_FIN,          0,      FW_ACK | FW_PSH };
    if (happens(game->odd))
        return odd[draw(sizeof(odd) / sizeof(odd[0]))];
    if (!own->syn_sent)
        return own == &game->stacks[FW_CLIENT] ? FW_SYN : FW_SYN | FW_ACK;
    return !own->fin_sent && happens(15) ? FW_FIN | FW_ACK : FW_ACK;
}

static void advance(struct stack *own, const struct fw_segment *segment)
{
    const uint32_t end = segment->seq + segment->payload_bytes + ((segment->flags & FW_SYN) != 0) +
                         ((segment->flags & FW_FIN) != 0);
    if (after(end, own->nxt))
        own->nxt = end;
    own->syn_sent |= (segment->flags & FW_SYN) != 0;
    own->fin_sent |= (segment->flags & FW_FIN) != 0;
    own->seen = segment->ack;
    own->last = *segment;
}

static void draw_segment(struct game *game, enum fw_side from, struct fw_segment *segment)
{
    struct stack *own = &game->stacks[from], *peer = &game->stacks[!from];

    game->now += happens(5) ? 2 * FW_SECOND : FW_MILLISECOND;
    if (own->last.time != 0 && happens(game->odd)) { /* once more */
        *segment = own->last;
        segment->time = game->now;
        segment->ip_id += happens(50);
        return;
    }
    const uint16_t flags = draw_flags(game, own);
    *segment = (struct fw_segment){
        .time = game->now,
        .frame = ++game->mark,
        .flags = flags,
        .seq = own->nxt - (happens(game->odd) ? draw(3) : 0) + (happens(game->odd) ? draw(3) : 0),
        .ack = flags & FW_ACK ? (happens(80) ? peer->nxt : own->seen) + happens(game->odd) : 0,
        .payload_bytes = flags & FW_SYN || happens(60) ? 0 : 1 + draw(1000),
        .window_raw = (uint16_t)(happens(game->odd) ? draw(3) : 1000 + draw(60000)),
        .checksum_raw = (uint16_t)draw(65536),
        .ip_id = game->mark,
    };
    if (game->timestamps && !happens(game->odd)) {
        own->clock += draw(3);
        segment->options |= FW_OPT_TIMESTAMPS;
        segment->ts_val = own->clock - (happens(game->odd) ? 5 : 0);
    }
    if (flags & FW_SYN) {
        segment->options |= FW_OPT_MSS | (happens(80) ? FW_OPT_WINDOW_SCALE : 0);
        segment->mss = 1460;
        segment->window_scale = segment->options & FW_OPT_WINDOW_SCALE ? (uint8_t)draw(15) : 0;
    }
    advance(own, segment);
}

static bool transitions_are_equal(const struct fw_transition *x, const struct fw_transition *y)
{
    return x->endpoint == y->endpoint && x->from == y->from && x->to == y->to &&
           x->proof == y->proof && x->corrected == y->corrected &&
           strcmp(x->cause, y->cause) == 0 && x->in_state_ns == y->in_state_ns &&
           x->client_state == y->client_state && x->server_state == y->server_state;
}

static bool results_are_equal(const struct tcp_result *a, const struct tcp_result *b)
{
    if (a->count != b->count || a->note != b->note || a->rewound != b->rewound)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!transitions_are_equal(&a->transitions[i], &b->transitions[i]))
            return false;
    return true;
}

/* Whose turn it is: mostly in the order of a handshake, then anybody's. */
static enum fw_side draw_side(const struct game *game, int turn)
{
    if (turn < 3 && !happens(game->odd))
        return turn % 2 == 0 ? FW_CLIENT : FW_SERVER;
    return happens(50) ? FW_CLIENT : FW_SERVER;
}

/* Returns how many segments the short cut took. */
static unsigned play(int game_number, uint32_t odd)
{
    struct game game = { .now = FW_SECOND, .timestamps = happens(50), .odd = odd };
    struct tcp_connection connection, at_length;
    struct tcp_result result, result_at_length;
    struct fw_segment segment;
    unsigned usual = 0;

    for (int side = 0; side < 2; side++)
        game.stacks[side].nxt = happens(20) ? UINT32_MAX - draw(2000) : draw(1u << 30);
    for (int turn = 0; turn < SEGMENTS; turn++) {
        const enum fw_side from = draw_side(&game, turn);
        draw_segment(&game, from, &segment);
        if (turn == 0) {
            tcp_init(&connection, &segment);
            at_length = connection;
        }
        struct tcp_connection copy = connection;
        struct step step = { .connection = &copy,
                             .segment = &segment,
                             .result = &result,
                             .now = segment.time,
                             .from = from,
                             .sender = &copy.end[from],
                             .receiver = &copy.end[!from] };
        usual += tcp_take_usual(&step);
        tcp_step(&connection, from, &segment, &result);
        tcp_step_at_length(&at_length, from, &segment, &result_at_length);
        /* Not by ck_assert() each: it writes down every success. */
        if (memcmp(&connection, &at_length, sizeof(connection)) != 0 ||
            !results_are_equal(&result, &result_at_length))
            ck_abort_msg("game %d, turn %d: note %d, at length %d", game_number, turn, result.note,
                         result_at_length.note);
        const enum tcp_timer timer = tcp_timer(&connection);
        if (timer == TCP_TIMER_NONE || !happens(odd / 4))
            continue;
        tcp_timeout(&connection, timer, game.now, &result);
        tcp_timeout(&at_length, timer, game.now, &result_at_length);
    }
    return usual;
}

START_TEST(a_short_cut_leads_where_the_long_way_does)
{
    static const uint32_t odd[] = { 0, 1, 5, 20, 35, 60 };
    unsigned usual = 0;

    for (int i = 0; i < CONNECTIONS; i++)
        usual += play(i, odd[i % 6]);
    /* It is taken, or the test says nothing. */
    ck_assert_uint_gt(usual, CONNECTIONS * SEGMENTS / 8);
}
END_TEST

/* What PAWS dropped is the last segment, but its sender has not gone on from it. */
START_TEST(an_ack_that_repeats_dropped_data_is_a_duplicate_both_ways)
{
    enum { DATA_BYTES = 2 };
    const struct fw_segment segments[] = {
        { .flags = FW_SYN, .seq = 100, .ts_val = 50 },
        { .flags = FW_SYN | FW_ACK, .seq = 500, .ack = 101, .ts_val = 50 },
        { .flags = FW_ACK, .seq = 101, .ack = 501, .ts_val = 51 },
        { .flags = FW_ACK, .seq = 501, .ack = 101, .ts_val = 10, .payload_bytes = DATA_BYTES },
        { .flags = FW_ACK, .seq = 101, .ack = 501, .ts_val = 52 },
        { .flags = FW_ACK, .seq = 501, .ack = 101, .ts_val = 51 },
    };
    struct tcp_connection connection, at_length;
    struct tcp_result result, result_at_length;

    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        struct fw_segment segment = segments[i];
        const enum fw_side from = segment.ack == 101 ? FW_SERVER : FW_CLIENT;
        segment.time = (fw_time)i * FW_SECOND;
        segment.window_raw = 1000;
        segment.options = FW_OPT_TIMESTAMPS;
        segment.ip_id = (uint16_t)(i + 1);
        if (i == 0) {
            tcp_init(&connection, &segment);
            at_length = connection;
        }
        tcp_step(&connection, from, &segment, &result);
        tcp_step_at_length(&at_length, from, &segment, &result_at_length);
    }
    ck_assert_int_eq(result_at_length.note, FW_NOTE_DUPLICATE_ACK);
    ck_assert_int_eq(result.note, FW_NOTE_DUPLICATE_ACK);
}
END_TEST

START_TEST(a_plain_syn_begins_a_connection_as_any_segment_does)
{
    struct tcp_connection begun, stepped;
    struct tcp_result result;
    struct game game = { .now = FW_SECOND };

    for (int i = 0; i < CONNECTIONS; i++) {
        struct fw_segment syn;
        game.timestamps = happens(50);
        game.stacks[FW_CLIENT] = (struct stack){ .nxt = draw(UINT32_MAX) };
        draw_segment(&game, FW_CLIENT, &syn);
        if (!tcp_is_plain_syn(&syn))
            ck_abort_msg("no plain SYN");
        tcp_begin(&begun, &syn);
        tcp_init(&stepped, &syn);
        tcp_step(&stepped, FW_CLIENT, &syn, &result);
        if (memcmp(&begun, &stepped, sizeof(begun)) != 0 || result.count != 1 ||
            result.note != FW_NOTE_NONE)
            ck_abort_msg("begun otherwise than stepped");
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_short_cut_leads_where_the_long_way_does,
        an_ack_that_repeats_dropped_data_is_a_duplicate_both_ways,
        a_plain_syn_begins_a_connection_as_any_segment_does,
    };
    return UNIT_RUN("tcp_usual", tests);
}
