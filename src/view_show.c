/*
 * The timeline of one connection: every packet of it, numbers relative to the initial ones as
 * tcpdump has them, both states where they change.
 *
 *       TIME  FRAME     PACKET                   CLIENT         SERVER
 *   0.020113      2  ←  S. 0 ack 1               SYN_SENT       SYN_RECEIVED
 *
 * --ladder draws the segments between both ends instead. The text of a connection is kept until the
 * input ends, so that several which match (a port that was reused) follow each other; live, the one
 * that was asked for by its number is written as it goes.
 */
#include <errno.h>
#include <stdlib.h>

#include "digits.h"
#include "explain.h"
#include "out.h"
#include "select.h"
#include "summary.h"
#include "text.h"
#include "view.h"
#include "words.h"

enum {
    FRAME_WIDTH = 5,
    PACKET_WIDTH = 24,
    STATE_WIDTH = 15,
    LINE_BYTES = 8192,
    NOTE_BYTES = 1024,
    DEFAULT_WIDTH = 80, /* of a ladder that is not on a terminal */
    LONG_PAUSE_S = 1,
};

/* One connection that is shown, or may be. */
struct story {
    uint64_t id;
    char *text;
    size_t used, size;
    uint32_t first[2]; /* sequence numbers that count as 0 */
    bool numbered[2];
    bool any, unwanted, ended;
    fw_time last_time;
    struct fw_connection connection; /* at its end */
};

struct view {
    const struct view_options *options;
    struct out *out;
    bool streams;  /* lines are written at once */
    bool is_fixed; /* the first packet decides whether a connection is wanted */
    struct text_clock clock;
    unsigned frame_width, packet_width;
    struct story *stories; /* by id */
    size_t count, room;
};

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);

    if (!view)
        return NULL;
    view->options = options;
    view->out = out;
    view->streams = options->live && options->show_id;
    view->is_fixed = selection_is_fixed(options->selection);
    view->clock.micros = true;
    view->frame_width = FRAME_WIDTH;
    view->packet_width = PACKET_WIDTH;
    return view;
}

static void destroy(struct view *view)
{
    if (!view)
        return;
    for (size_t i = 0; i < view->count; i++)
        free(view->stories[i].text);
    free(view->stories);
    free(view);
}

/* -------------------------------------------------------------------------------------- stories --
 */

/* Where the story of `id` is, or belongs. They come in the order of first packets, nearly always.
 */
static size_t place_of(const struct view *view, uint64_t id)
{
    size_t low = 0, high = view->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (view->stories[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct story *find(const struct view *view, uint64_t id)
{
    const size_t place = place_of(view, id);

    return place < view->count && view->stories[place].id == id ? &view->stories[place] : NULL;
}

static struct story *add(struct view *view, uint64_t id)
{
    const size_t place = place_of(view, id);

    if (view->count == view->room) {
        const size_t room = view->room ? 2 * view->room : 16;
        struct story *stories = realloc(view->stories, room * sizeof *stories);
        if (!stories) {
            view->out->error = ENOMEM;
            return NULL;
        }
        view->stories = stories;
        view->room = room;
    }
    memmove(&view->stories[place + 1], &view->stories[place],
            (view->count - place) * sizeof *view->stories);
    view->count++;
    view->stories[place] = (struct story){ .id = id };
    return &view->stories[place];
}

static bool is_wanted(const struct view *view, const struct fw_connection *connection)
{
    if (view->options->show_id && connection->identity.id != view->options->show_id)
        return false;
    return selection_match(view->options->selection, connection);
}

/* The story that the step belongs to, NULL where it is known not to be wanted. */
static struct story *story_of(struct view *view, const struct fw_step *step)
{
    const uint64_t id = step->identity->id;
    struct fw_connection connection;

    if (view->options->show_id && id != view->options->show_id)
        return NULL;
    struct story *story = find(view, id);
    if (story)
        return story;
    if (view->is_fixed) {
        fw_step_connection(step, &connection);
        if (!is_wanted(view, &connection))
            return NULL;
    }
    return add(view, id);
}

static void write_text(struct view *view, struct story *story, const char *text, size_t length)
{
    if (view->streams) {
        out_bytes(view->out, text, length);
        return;
    }
    if (story->size - story->used < length) {
        const size_t size = 2 * story->size + length + 512;
        char *bigger = realloc(story->text, size);
        if (!bigger) {
            view->out->error = ENOMEM;
            return;
        }
        story->text = bigger;
        story->size = size;
    }
    memcpy(story->text + story->used, text, length);
    story->used += length;
}

/* -------------------------------------------------------------------------------------- packets --
 */

static enum fw_side other(enum fw_side side)
{
    return side == FW_CLIENT ? FW_SERVER : FW_CLIENT;
}

/* What counts as 0: the sequence number of the last SYN that opened something; where no SYN was
 * seen, what makes the first number 1. */
static void number_from(struct story *story, const struct fw_step *step)
{
    const struct fw_segment *segment = step->segment;
    const enum fw_side from = step->from, to = other(from);
    const enum fw_state state = from == FW_CLIENT ? step->client_state : step->server_state;
    const bool opens = (segment->flags & FW_SYN) &&
                       (!story->numbered[from] || state == FW_SYN_SENT || state == FW_SYN_RECEIVED);

    if (opens)
        story->first[from] = segment->seq;
    else if (!story->numbered[from])
        story->first[from] = segment->seq - 1;
    story->numbered[from] = true;
    if ((segment->flags & FW_ACK) && !story->numbered[to]) {
        story->first[to] = segment->ack - 1;
        story->numbered[to] = true;
    }
}

/* "P. 1:19(18) ack 1": sequence numbers where the segment uses any, as tcpdump writes them. */
static char *put_segment(char *at, const struct story *story, const struct fw_step *step)
{
    const struct fw_segment *segment = step->segment;
    const uint32_t seq = segment->seq - story->first[step->from];
    const uint32_t ack = segment->ack - story->first[other(step->from)];
    char flags[12];

    fw_flags_text(segment->flags, flags);
    at = text_put(at, flags);
    if (segment->payload_bytes > 0 || (segment->flags & (FW_SYN | FW_FIN | FW_RST))) {
        *at++ = ' ';
        at = digits_u64(at, seq);
    }
    if (segment->payload_bytes > 0) {
        *at++ = ':';
        at = digits_u64(at, (uint32_t)(seq + segment->payload_bytes));
        *at++ = '(';
        at = digits_u64(at, segment->payload_bytes);
        *at++ = ')';
    }
    if (segment->flags & FW_ACK) {
        at = TEXT_LITERAL(at, " ack ");
        at = digits_u64(at, ack);
    }
    return at;
}

static char *put_packet(char *at, const struct story *story, const struct fw_step *step,
                        const struct view_options *options)
{
    char flags[12];

    if (!step->segment)
        return TEXT_LITERAL(at, "timer");
    if (step->segment->icmp != FW_ICMP_NONE) {
        fw_flags_text(step->segment->flags, flags);
        at = TEXT_LITERAL(at, "icmp about ");
        return text_put(at, flags);
    }
    at = put_segment(at, story, step);
    if (options->verbose) {
        at = TEXT_LITERAL(at, " win ");
        at = digits_u64(at, step->segment->window_raw);
    }
    return at;
}

/* "mss 1460, wscale 7, SACK, timestamps": what a SYN offers. */
static char *put_offer(char *at, const struct fw_segment *segment)
{
    static const struct {
        uint8_t option;
        const char *words;
    } rows[] = {
        { FW_OPT_MSS, "mss " },
        { FW_OPT_WINDOW_SCALE, "wscale " },
        { FW_OPT_SACK_PERMITTED, "SACK" },
        { FW_OPT_TIMESTAMPS, "timestamps" },
        { FW_OPT_FAST_OPEN, "fast open" },
        { FW_OPT_MPTCP, "MPTCP" },
    };
    bool any = false;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!(segment->options & rows[i].option))
            continue;
        if (any)
            at = TEXT_LITERAL(at, ", ");
        at = text_put(at, rows[i].words);
        if (rows[i].option == FW_OPT_MSS)
            at = digits_u64(at, segment->mss);
        if (rows[i].option == FW_OPT_WINDOW_SCALE)
            at = digits_u64(at, segment->window_scale);
        any = true;
    }
    return at;
}

/* What the step means, or what the segment is, or what the first SYN of a side offers. */
static char *put_note(char *at, const struct fw_step *step, const struct view_options *options)
{
    const struct fw_segment *segment = step->segment;
    char *const start = at;

    at = words_of_step(at, step, options);
    if (at == start && words_of_note(step->note))
        at = text_put(at, words_of_note(step->note));
    if (at == start && segment && (segment->flags & FW_SYN) && segment->icmp == FW_ICMP_NONE &&
        !options->ladder)
        at = put_offer(at, segment);
    return at;
}

static bool has_moved(const struct fw_step *step, enum fw_side side)
{
    for (size_t i = 0; i < step->count; i++)
        if (step->transitions[i].endpoint == side)
            return true;
    return false;
}

static char *put_state(char *at, const struct view_options *options, const struct fw_step *step,
                       enum fw_side side, size_t *columns)
{
    const bool client = side == FW_CLIENT;
    const enum text_style style = has_moved(step, side) ? TEXT_BOLD : TEXT_DIM;

    at = text_begin(at, style, options->color);
    char *const start = at;
    at = text_state(at, client ? step->client_state : step->server_state,
                    client ? step->client_inferred : step->server_inferred,
                    client ? step->client_timed : step->server_timed, options->names);
    *columns = (size_t)(at - start);
    return text_end(at, style, options->color);
}

static char *put_right(char *at, const char *text, size_t length, unsigned *width)
{
    if (*width < length)
        *width = (unsigned)length;
    memset(at, ' ', *width - length);
    memcpy(at + *width - length, text, length);
    return at + *width;
}

static char *put_time_and_frame(struct view *view, char *at, const struct fw_step *step)
{
    char number[24];

    view->clock.style = view->options->time_style;
    view->clock.first = view->options->first_time;
    at = text_time(&view->clock, at, step->time);
    if (view->clock.width > 0)
        at = TEXT_LITERAL(at, "  ");
    const char *end = step->frame ? digits_u64(number, step->frame) : number;
    at = put_right(at, number, (size_t)(end - number), &view->frame_width);
    return TEXT_LITERAL(at, "  ");
}

/* Columns that put_time_and_frame() takes. */
static size_t head_width(const struct view *view)
{
    const unsigned time =
        view->clock.width ? view->clock.width : text_time_width(view->options->time_style, true);
    return (time ? time + 2 : 0) + view->frame_width + 2;
}

static char *put_head_titles(const struct view *view, char *at)
{
    const unsigned time = text_time_width(view->options->time_style, true);

    if (time > 0) {
        memset(at, ' ', time - 4);
        at = TEXT_LITERAL(at + time - 4, "TIME  ");
    }
    return TEXT_LITERAL(at, "FRAME  ");
}

/* ------------------------------------------------------------------------------------- timeline --
 */

static char *put_timeline_titles(const struct view *view, char *at)
{
    at = put_head_titles(view, at);
    at = text_pad(at, 0, text_arrow_width(view->options->utf8) + 2);
    at = TEXT_LITERAL(at, "PACKET");
    at = text_pad(at, 6, view->packet_width + 2);
    return TEXT_LITERAL(at, "CLIENT         SERVER");
}

static char *put_timeline(struct view *view, char *at, const struct story *story,
                          const struct fw_step *step)
{
    const struct view_options *options = view->options;
    const struct fw_segment *segment = step->segment;
    char packet[128], note[NOTE_BYTES];
    size_t client_columns = 0, server_columns = 0;

    at = put_time_and_frame(view, at, step);
    if (segment)
        at = text_arrow(at, (step->from == FW_CLIENT) != (segment->icmp != FW_ICMP_NONE),
                        options->utf8);
    else
        at = text_pad(at, 0, text_arrow_width(options->utf8));
    at = TEXT_LITERAL(at, "  ");
    const size_t packet_length = (size_t)(put_packet(packet, story, step, options) - packet);
    if (view->packet_width < packet_length)
        view->packet_width = (unsigned)packet_length;
    memcpy(at, packet, packet_length);
    at += packet_length;

    const size_t packet_column = head_width(view) + text_arrow_width(options->utf8) + 2;
    const size_t states = packet_column + view->packet_width + 2;
    const size_t note_length = (size_t)(put_note(note, step, options) - note);
    size_t used = packet_column + packet_length;
    size_t column = states;
    if (step->count > 0) {
        at = text_pad(at, used, states);
        at = put_state(at, options, step, FW_CLIENT, &client_columns);
        at = text_pad(at, client_columns, STATE_WIDTH);
        at = put_state(at, options, step, FW_SERVER, &server_columns);
        used = states + STATE_WIDTH + server_columns;
        column = states + 2 * STATE_WIDTH;
    }
    at = text_place(at, used, column, states, options->width, note, note_length);
    *at++ = '\n';
    return at;
}

/* --------------------------------------------------------------------------------------- ladder --
 */

struct pen {
    const char *side, *line, *right, *left, *pause;
};

static const struct pen *pen_of(const struct view *view)
{
    static const struct pen utf8 = { "│", "─", "▶", "◀", "⋮" };
    static const struct pen ascii = { "|", "-", ">", "<", ":" };

    return view->options->utf8 ? &utf8 : &ascii;
}

enum { LADDER_STATE = 13, LANE_LEAST = 24, LANE_MOST = 48 };

/* Columns between the two sides: head, state, space, side, lane, side, space, state. */
static size_t lane_width(const struct view *view)
{
    const size_t width = view->options->width ? view->options->width : DEFAULT_WIDTH;
    const size_t rest = head_width(view) + 2 * (LADDER_STATE + 2);

    if (width < rest + LANE_LEAST)
        return LANE_LEAST;
    return width - rest < LANE_MOST ? width - rest : LANE_MOST;
}

static char *put_times(char *at, const char *text, size_t count)
{
    while (count-- > 0)
        at = text_put(at, text);
    return at;
}

static char *put_ladder_titles(const struct view *view, char *at,
                               const struct fw_identity *identity)
{
    const size_t lane = lane_width(view) + 2;
    char client[TEXT_ENDPOINT_BYTES + 4], server[TEXT_ENDPOINT_BYTES + 4];
    size_t client_length =
        (size_t)(text_endpoint(client, &identity->client, view->options) - client);
    size_t server_length =
        (size_t)(text_endpoint(server, &identity->server, view->options) - server);

    server_length = text_cut(server, server_length, lane / 2, true, view->options->utf8);
    const size_t room = lane - text_columns(server, server_length) - 2;
    client_length = text_cut(client, client_length, room, true, view->options->utf8);
    at = put_head_titles(view, at);
    at = text_pad(TEXT_LITERAL(at, "CLIENT"), 6, LADDER_STATE + 1);
    memcpy(at, client, client_length);
    at = text_pad(at + client_length,
                  text_columns(client, client_length) + text_columns(server, server_length), lane);
    memcpy(at, server, server_length);
    return TEXT_LITERAL(at + server_length, " SERVER");
}

/* The label on a line from end to end, with a head at the right or the left. */
static char *put_arrow_line(const struct view *view, char *at, char *label, size_t length,
                            bool rightwards)
{
    const struct pen *pen = pen_of(view);
    const size_t lane = lane_width(view);

    length = text_cut(label, length, lane - 6, false, view->options->utf8);
    const size_t strokes = lane - 3 - text_columns(label, length);
    const size_t before = rightwards ? 4 : 3;
    if (!rightwards)
        at = text_put(at, pen->left);
    at = put_times(at, pen->line, before < strokes ? before : strokes);
    *at++ = ' ';
    memcpy(at, label, length);
    at += length;
    *at++ = ' ';
    at = put_times(at, pen->line, before < strokes ? strokes - before : 0);
    if (rightwards)
        at = text_put(at, pen->right);
    return at;
}

/* A line without a packet: words in the middle between the two sides. */
static char *put_between(const struct view *view, char *at, const char *side, char *words,
                         size_t length)
{
    const size_t lane = lane_width(view);

    length = text_cut(words, length, lane, false, view->options->utf8);
    const size_t columns = text_columns(words, length);
    const size_t left = (lane - columns) / 2;
    at = text_pad(at, 0, head_width(view) + LADDER_STATE + 1);
    at = text_put(at, side);
    memset(at, ' ', left);
    memcpy(at + left, words, length);
    at += left + length;
    memset(at, ' ', lane - columns - left);
    at = text_put(at + lane - columns - left, side);
    *at++ = '\n';
    return at;
}

/* How much of a note fits into a line: up to a comma if one is in its second half, or to a space.
 */
static size_t break_note(const char *note, size_t length, size_t columns)
{
    size_t comma = 0, space = 0;

    if (text_columns(note, length) <= columns)
        return length;
    for (size_t i = 1; i < columns && i < length; i++) {
        if (note[i] == ' ' && note[i - 1] == ',')
            comma = i;
        if (note[i] == ' ')
            space = i;
    }
    return comma > columns / 2 ? comma : space ? space : length;
}

static char *put_notes_between(const struct view *view, char *at, const char *note, size_t length)
{
    char line[NOTE_BYTES + 8];

    while (length > 0) {
        size_t part = break_note(note, length, lane_width(view));
        memcpy(line, note, part);
        at = put_between(view, at, pen_of(view)->side, line, part);
        while (part < length && note[part] == ' ')
            part++;
        note += part;
        length -= part;
    }
    return at;
}

static char *put_pause(const struct view *view, char *at, int64_t ns)
{
    char words[64], *end = text_duration(words, ns);

    end = TEXT_LITERAL(end, " later");
    return put_between(view, at, pen_of(view)->pause, words, (size_t)(end - words));
}

static char *put_ladder(struct view *view, char *at, const struct story *story,
                        const struct fw_step *step)
{
    const struct view_options *options = view->options;
    const struct fw_segment *segment = step->segment;
    const struct pen *pen = pen_of(view);
    char packet[136], note[NOTE_BYTES];
    size_t columns = 0;

    if (story->any && stamp_since(step->time, story->last_time) >= LONG_PAUSE_S * FW_SECOND)
        at = put_pause(view, at, stamp_since(step->time, story->last_time));
    at = put_time_and_frame(view, at, step);
    if (has_moved(step, FW_CLIENT))
        at = put_state(at, options, step, FW_CLIENT, &columns);
    at = text_pad(at, columns, LADDER_STATE + 1);
    at = text_put(at, pen->side);
    const size_t length = (size_t)(put_packet(packet, story, step, options) - packet);
    if (segment)
        at = put_arrow_line(view, at, packet, length,
                            (step->from == FW_CLIENT) != (segment->icmp != FW_ICMP_NONE));
    else
        at = text_pad(at, 0, lane_width(view));
    at = text_put(at, pen->side);
    if (has_moved(step, FW_SERVER)) {
        *at++ = ' ';
        at = put_state(at, options, step, FW_SERVER, &columns);
    }
    *at++ = '\n';
    return put_notes_between(view, at, note, (size_t)(put_note(note, step, options) - note));
}

/* --------------------------------------------------------------------------------------- explain
 * --
 */

enum { EXPLAIN_MOST = 96, EXPLAIN_LEAST = 30 };

/* Why it is believed, where no packet of its own says so. */
static const char *reason_of(const struct fw_transition *transition)
{
    if (transition->corrected)
        return "an earlier step is taken back";
    switch (transition->proof) {
    case FW_PROOF_SEGMENT:
        return NULL;
    case FW_PROOF_TIMER:
        return "by a timer of finwait's, not by a packet";
    case FW_PROOF_INFERRED:
        return "inferred: the capture does not have what did it";
    }
    return NULL;
}

/* What did it, as it is said of an end from outside. */
static const char *deed_of(const char *cause)
{
    static const struct {
        const char *cause, *deed;
    } rows[] = {
        { "sent SYN", "sends a SYN" },
        { "sent SYN+ACK", "answers with SYN+ACK" },
        { "sent ACK of the peer's SYN", "acknowledges the peer's SYN" },
        { "peer's ACK of our SYN", "its SYN is acknowledged" },
        { "sent FIN", "sends its FIN" },
        { "sent ACK of the peer's FIN", "acknowledges the peer's FIN" },
        { "peer's ACK of our FIN", "its FIN is acknowledged" },
        { "clock", "2MSL is over" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].cause, cause) == 0)
            return rows[i].deed;
    return cause;
}

/* "client -> FIN_WAIT_1 (sends its FIN): closed first, the FIN is not acknowledged yet" */
static char *put_move(const struct view *view, char *at, const struct fw_transition *transition)
{
    const char *line = explain_line(transition->to), *reason = reason_of(transition);

    at = text_put(at, fw_side_name(transition->endpoint));
    *at++ = ' ';
    at = text_arrow(at, true, view->options->utf8);
    *at++ = ' ';
    at = text_put(at, fw_state_name(transition->to, view->options->names));
    if (transition->cause) {
        at = TEXT_LITERAL(at, " (");
        at = text_put(at, deed_of(transition->cause));
        *at++ = ')';
    }
    if (line)
        at = text_put(TEXT_LITERAL(at, ": "), line);
    if (reason)
        at = text_put(TEXT_LITERAL(at, "; "), reason);
    return at;
}

/* The end that a SYN or a FIN goes to: what it makes of it, only its own packets tell. */
static char *put_stay(const struct view *view, char *at, const struct fw_step *step)
{
    const enum fw_side to = other(step->from);
    const enum fw_state state = to == FW_CLIENT ? step->client_state : step->server_state;

    at = text_put(at, fw_side_name(to));
    if (state == FW_UNKNOWN)
        return TEXT_LITERAL(at, ": not heard of yet; its answer will tell whether this arrived");
    at = TEXT_LITERAL(at, " stays ");
    at = text_put(at, fw_state_name(state, view->options->names));
    return TEXT_LITERAL(at, ": its answer will tell whether this arrived");
}

/* Broken between words, under the packet. */
static char *put_under(const struct view *view, char *at, const char *text, size_t length)
{
    const size_t width = view->options->width    ? view->options->width
                         : view->options->ladder ? DEFAULT_WIDTH
                                                 : EXPLAIN_MOST;
    const size_t most = width < EXPLAIN_MOST ? width : EXPLAIN_MOST;
    const size_t indent = head_width(view);
    const size_t room = most > indent + EXPLAIN_LEAST ? most - indent : EXPLAIN_LEAST;
    bool first = true;

    while (length > 0) {
        const size_t columns = first ? room : room - 2;
        size_t part = length;
        if (text_columns(text, length) > columns) {
            part = 0;
            for (size_t i = 1; i < length && text_columns(text, i) <= columns; i++)
                part = text[i] == ' ' ? i : part;
            part = part ? part : length;
        }
        at = text_pad(at, 0, first ? indent : indent + 2);
        memcpy(at, text, part);
        at += part;
        *at++ = '\n';
        while (part < length && text[part] == ' ')
            part++;
        text += part;
        length -= part;
        first = false;
    }
    return at;
}

/* What the step means for each end; the words are those of finwait explain. */
static char *put_explanation(const struct view *view, char *at, const struct fw_step *step)
{
    const bool asks = step->segment && step->segment->icmp == FW_ICMP_NONE &&
                      (step->segment->flags & (FW_SYN | FW_FIN)) &&
                      !(step->segment->flags & FW_RST);
    char text[NOTE_BYTES];

    for (size_t i = 0; i < step->count; i++)
        at =
            put_under(view, at, text, (size_t)(put_move(view, text, &step->transitions[i]) - text));
    if (step->count > 0 && asks && !has_moved(step, other(step->from)))
        at = put_under(view, at, text, (size_t)(put_stay(view, text, step) - text));
    return at;
}

/* ---------------------------------------------------------------------------------------- hooks --
 */

static void write_title(struct view *view, struct story *story, const struct fw_identity *identity)
{
    char text[4 * TEXT_ENDPOINT_BYTES + 256], *at = text;

    at = text_begin(at, TEXT_BOLD, view->options->color);
    *at++ = '#';
    at = digits_u64(at, identity->id);
    at = text_put(at, "  ");
    at = text_endpoints(at, identity, view->options);
    at = text_end(at, TEXT_BOLD, view->options->color);
    *at++ = '\n';
    at = text_begin(at, TEXT_DIM, view->options->color);
    at = view->options->ladder ? put_ladder_titles(view, at, identity)
                               : put_timeline_titles(view, at);
    at = text_end(at, TEXT_DIM, view->options->color);
    *at++ = '\n';
    write_text(view, story, text, (size_t)(at - text));
}

static void tell(struct view *view, const struct fw_step *step)
{
    char line[LINE_BYTES];
    struct story *story = story_of(view, step);

    if (!story)
        return;
    if (step->segment && step->segment->icmp == FW_ICMP_NONE)
        number_from(story, step);
    if (!story->any)
        write_title(view, story, step->identity);
    char *end = view->options->ladder ? put_ladder(view, line, story, step)
                                      : put_timeline(view, line, story, step);
    if (view->options->explain)
        end = put_explanation(view, end, step);
    write_text(view, story, line, (size_t)(end - line));
    story->any = true;
    story->last_time = step->time;
}

/* Timers have no segment. */
static void on_step(void *context, const struct fw_step *step)
{
    if (!step->segment)
        tell(context, step);
}

static void on_segment(void *context, const struct fw_step *step)
{
    tell(context, step);
}

static void on_end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;
    struct story *story = find(view, connection->identity.id);

    if (!story)
        return;
    story->ended = true;
    story->connection = *connection;
    story->unwanted = !is_wanted(view, connection);
    if (story->unwanted) {
        free(story->text);
        story->text = NULL;
        story->used = story->size = 0;
    }
}

static void print_path(struct view *view, const char *head, uint64_t path)
{
    char text[256];

    if (fw_path_text(path, text, sizeof text) > 0)
        out_printf(view->out, "%s%s\n", head, text);
}

static void print_opening(struct view *view, const struct fw_connection *connection)
{
    char client[TEXT_NUMBER_BYTES], server[TEXT_NUMBER_BYTES], whole[TEXT_NUMBER_BYTES];

    if (connection->handshake_ns < 0)
        return;
    *text_duration(whole, connection->handshake_ns) = '\0';
    out_printf(view->out, "handshake  %s", whole);
    if (connection->rtt_client_ns >= 0 && connection->rtt_server_ns >= 0) {
        *text_duration(client, connection->rtt_client_ns) = '\0';
        *text_duration(server, connection->rtt_server_ns) = '\0';
        out_printf(view->out, ": %s to the server and back, %s to the client and back", server,
                   client);
    }
    out_char(view->out, '\n');
}

static void print_volume(struct view *view, const struct fw_connection *connection)
{
    char *at = out_reserve(view->out, 512);

    at = TEXT_LITERAL(at, "data       ");
    at = text_bytes(at, connection->bytes[FW_CLIENT]);
    at = TEXT_LITERAL(at, " up in ");
    at = text_count(at, connection->packets[FW_CLIENT], "packet", "packets");
    at = TEXT_LITERAL(at, ", ");
    at = text_bytes(at, connection->bytes[FW_SERVER]);
    at = TEXT_LITERAL(at, " down in ");
    at = text_count(at, connection->packets[FW_SERVER], "packet", "packets");
    const uint64_t repeats =
        (uint64_t)connection->retransmits[FW_CLIENT] + connection->retransmits[FW_SERVER];
    if (repeats > 0) {
        at = TEXT_LITERAL(at, "; ");
        at = text_count(at, repeats, "retransmission", "retransmissions");
    }
    *at++ = '\n';
    out_commit(view->out, at);
}

static void print_outcome(struct view *view, const struct fw_connection *connection, fw_time now)
{
    static const char *const outcomes[OUTCOME_COUNT] = {
        [OUTCOME_CLOSED] = "closed", [OUTCOME_NEVER_OPENED] = "never opened",
        [OUTCOME_RESET] = "reset",   [OUTCOME_HALF_CLOSED] = "half-closed",
        [OUTCOME_OPEN] = "open",
    };
    char *at = out_reserve(view->out, 2 * WORDS_BYTES);

    at = TEXT_LITERAL(at, "outcome    ");
    at = text_put(at, outcomes[outcome_of(connection)]);
    char *words = TEXT_LITERAL(at, ", ");
    char *end = words_of_connection(words, connection, now);
    at = end > words ? end : at;
    *at++ = '\n';
    out_commit(view->out, at);
}

static void print_story(struct view *view, const struct story *story, fw_time now)
{
    out_bytes(view->out, story->text, story->used);
    if (!story->ended)
        return;
    print_opening(view, &story->connection);
    print_path(view, "client     ", story->connection.client_path);
    print_path(view, "server     ", story->connection.server_path);
    print_volume(view, &story->connection);
    print_outcome(view, &story->connection, now);
    if (view->options->explain)
        out_text(view->out, "finwait explain STATE says more of each state.\n");
}

static void print_nobody(struct view *view, const struct summary *summary)
{
    const unsigned long long id = view->options->show_id, last = summary->tracker.connections;

    out_printf(view->out, "There is no connection #%llu", id);
    if (last > 0 && id > last)
        out_printf(view->out, ": the last one is #%llu", last);
    out_text(view->out, last > 0 ? ".\n" : ": there are none.\n");
}

static void finish(struct view *view, const struct summary *summary)
{
    bool any = false;

    for (size_t i = 0; i < view->count; i++) {
        if (view->stories[i].unwanted)
            continue;
        if (any)
            out_char(view->out, '\n');
        print_story(view, &view->stories[i], summary->last_time);
        any = true;
    }
    if (any)
        return;
    if (view->options->show_id)
        print_nobody(view, summary);
    else
        summary_print(view->out, view->options, summary, false);
}

const struct view_ops view_show = {
    .name = "show",
    .wants_segments = true,
    .create = create,
    .hooks = { .step = on_step, .segment = on_segment, .end = on_end },
    .finish = finish,
    .destroy = destroy,
};
