/*
 * The default view: a line for each packet that moved a state, with both states after it. The first
 * line of a connection says whose it is; the note at the right says what the packet means.
 *
 *    TIME  CONN  PACKET     CLIENT         SERVER
 *   0.020    #1  S.     ←   SYN_SENT       SYN_RECEIVED
 */
#include <stdlib.h>

#include "digits.h"
#include "lines.h"
#include "out.h"
#include "summary.h"
#include "text.h"
#include "view.h"
#include "words.h"

enum {
    CONN_WIDTH = 4,
    FRAME_WIDTH = 7,
    PACKET_WIDTH = 7,
    STATE_WIDTH = 15,
    GAP = 2,

    /* Lines of other connections after which the endpoints are said again. */
    FORGOTTEN_AFTER = 48,
    RECENT = 1 << 16,
};

/* When a connection last had a line. Ids count up, so a table of the last ones is enough: what is
 * no longer in it was last seen long ago. */
struct recent {
    uint64_t id, line;
};

/* How sure a state is: text_state(). */
enum mark { MARK_NONE, MARK_INFERRED, MARK_TIMED, MARK_COUNT };

enum { FLAGS = 2 * FW_AE };

struct view {
    const struct view_options *options;
    struct out *out;
    struct lines *lines;
    struct text_clock clock;
    struct recent *recent;
    uint64_t line;
    unsigned conn_width, frame_width;
    bool any;
    struct text_word states[MARK_COUNT][FW_STATE_COUNT];
    struct text_word flags[FLAGS]; /* as wide as their column */
};

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);

    if (!view)
        return NULL;
    view->options = options;
    view->out = out;
    view->conn_width = CONN_WIDTH;
    view->frame_width = FRAME_WIDTH;
    view->lines = lines_create(options, out);
    view->recent = calloc(RECENT, sizeof *view->recent);
    if (view->lines && view->recent)
        return view;
    lines_destroy(view->lines);
    free(view->recent);
    free(view);
    return NULL;
}

static void destroy(struct view *view)
{
    if (!view)
        return;
    lines_destroy(view->lines);
    free(view->recent);
    free(view);
}

/* --------------------------------------------------------------------------------------- columns
 * -- */

static char *put_right(char *at, const char *text, const char *end, unsigned *width)
{
    const unsigned length = (unsigned)(end - text);

    if (*width < length)
        *width = length;
    memset(at, ' ', *width - length);
    memcpy(at + *width - length, text, length);
    return at + *width;
}

static char *put_gap(char *at)
{
    return TEXT_LITERAL(at, "  ");
}

static void print_header(struct view *view)
{
    const struct view_options *options = view->options;
    char *at = out_reserve(view->out, 256);
    const unsigned time_width = text_time_width(options->time_style, false);

    at = text_begin(at, TEXT_DIM, options->color);
    if (time_width > 0) {
        memset(at, ' ', time_width - 4);
        at = put_gap(TEXT_LITERAL(at + time_width - 4, "TIME"));
    }
    at = put_gap(TEXT_LITERAL(at, "CONN"));
    if (options->verbose)
        at = put_gap(TEXT_LITERAL(at, "  FRAME"));
    at = TEXT_LITERAL(at, "PACKET ");
    at = text_pad(at, 0, text_arrow_width(options->utf8));
    at = TEXT_LITERAL(at, "   CLIENT         SERVER");
    at = text_end(at, TEXT_DIM, options->color);
    *at++ = '\n';
    out_commit(view->out, at);
}

static char *put_packet_kind(char *at, const char *kind)
{
    char *const end = text_put(at, kind);
    return text_pad(end, (size_t)(end - at), PACKET_WIDTH);
}

/* What lines are made of: in a table, since every line needs it. */
static void make_words(struct view *view)
{
    for (unsigned i = 0; i < MARK_COUNT * FW_STATE_COUNT; i++) {
        const enum mark mark = (enum mark)(i / FW_STATE_COUNT);
        const enum fw_state state = (enum fw_state)(i % FW_STATE_COUNT);
        struct text_word *word = &view->states[mark][state];
        const char *end = text_state(word->text, state, mark == MARK_INFERRED, mark == MARK_TIMED,
                                     view->options->names);
        word->length = (uint8_t)(end - word->text);
    }
    for (unsigned i = 0; i < FLAGS; i++) {
        char letters[12];
        fw_flags_text((uint16_t)i, letters);
        view->flags[i].length =
            (uint8_t)(put_packet_kind(view->flags[i].text, letters) - view->flags[i].text);
    }
}

/* The flags and the direction; an ICMP error travels towards the sender of what it quotes. */
static char *put_packet(const struct view *view, char *at, const struct fw_step *step)
{
    const struct fw_segment *segment = step->segment;
    const bool utf8 = view->options->utf8;

    if (!segment)
        return text_pad(put_packet_kind(at, "timer"), 0, text_arrow_width(utf8));
    if (segment->icmp != FW_ICMP_NONE)
        return text_arrow(put_packet_kind(at, "icmp"), step->from != FW_CLIENT, utf8);
    at = text_put_word(at, &view->flags[segment->flags % FLAGS]);
    return text_arrow(at, step->from == FW_CLIENT, utf8);
}

static bool has_moved(const struct fw_step *step, enum fw_side side)
{
    for (size_t i = 0; i < step->count; i++)
        if (step->transitions[i].endpoint == side)
            return true;
    return false;
}

/* Bold where this packet changed it, dim otherwise. Returns the end; *columns is what it takes. */
static char *put_state(const struct view *view, char *at, const struct fw_step *step,
                       enum fw_side side, size_t *columns)
{
    const bool color = view->options->color;
    const bool client = side == FW_CLIENT;
    const enum fw_state state = client ? step->client_state : step->server_state;
    const bool inferred = client ? step->client_inferred : step->server_inferred;
    const bool timed = client ? step->client_timed : step->server_timed;
    const enum text_style style = has_moved(step, side) ? TEXT_BOLD : TEXT_DIM;

    const enum mark mark = inferred ? MARK_INFERRED : timed ? MARK_TIMED : MARK_NONE;
    const struct text_word *word = &view->states[mark][state];

    *columns = word->length;
    at = text_begin(at, style, color);
    at = text_put_word(at, word);
    return text_end(at, style, color);
}

/* -------------------------------------------------------------------------------------- the note
 * -- */

/* Whether the reader needs to be told whose line this is: the first, or the first for long. */
static bool is_forgotten(struct view *view, uint64_t id, bool *first)
{
    struct recent *recent = &view->recent[id % RECENT];
    const bool known = recent->id == id;
    const bool forgotten = !known || view->line - recent->line > FORGOTTEN_AFTER;

    *first = !known;
    *recent = (struct recent){ id, view->line };
    return forgotten;
}

static char *put_note(struct view *view, char *at, const struct fw_step *step)
{
    char *const start = at;
    bool first;

    view->line++;
    const bool endpoints = is_forgotten(view, step->identity->id, &first);
    if (endpoints && first)
        at = text_endpoints(at, step->identity, view->options);
    char *words = at > start ? put_gap(at) : at;
    char *end = words_of_step(words, step, view->options);
    if (end > words)
        at = end;
    if (endpoints && !first)
        at = text_endpoints(at > start ? put_gap(at) : at, step->identity, view->options);
    return at;
}

/* Behind the states, which begin at column `states`; `used` columns are taken. */
static char *place_note(struct view *view, char *at, const struct fw_step *step, size_t states,
                        size_t used)
{
    const size_t column = states + 2 * STATE_WIDTH;
    char note[2 * TEXT_ENDPOINT_BYTES + WORDS_BYTES];

    if (view->options->width > 0) {
        const char *end = put_note(view, note, step);
        return text_place(at, used, column, states, view->options->width, note,
                          (size_t)(end - note));
    }
    /* Everything fits: no need to have it elsewhere first. */
    char *const start = text_pad(at, used, column);
    char *const end = put_note(view, start, step);
    return end > start ? end : at;
}

/* -------------------------------------------------------------------------------------- the line
 * -- */

static char *put_line(struct view *view, char *at, const struct fw_step *step)
{
    const struct view_options *options = view->options;
    char number[24];
    size_t client_columns, server_columns, column = 0;

    view->clock.style = options->time_style;
    view->clock.first = options->first_time;
    at = text_time(&view->clock, at, step->time);
    if (view->clock.width > 0) {
        at = put_gap(at);
        column += view->clock.width + GAP;
    }
    number[0] = '#';
    at = put_right(at, number, digits_u64(number + 1, step->identity->id), &view->conn_width);
    at = put_gap(at);
    column += view->conn_width + GAP;
    if (options->verbose) {
        at = put_right(at, number, step->frame ? digits_u64(number, step->frame) : number,
                       &view->frame_width);
        at = put_gap(at);
        column += view->frame_width + GAP;
    }
    at = put_packet(view, at, step);
    at = TEXT_LITERAL(at, "   ");
    column += PACKET_WIDTH + text_arrow_width(options->utf8) + 3;

    at = put_state(view, at, step, FW_CLIENT, &client_columns);
    at = text_pad(at, client_columns, STATE_WIDTH);
    at = put_state(view, at, step, FW_SERVER, &server_columns);
    at = place_note(view, at, step, column, column + STATE_WIDTH + server_columns);
    *at++ = '\n';
    return at;
}

static void on_step(void *context, const struct fw_step *step)
{
    struct view *view = context;

    if (!lines_want(view->lines, step))
        return;
    if (!view->any) {
        make_words(view);
        print_header(view);
        view->any = true;
    }
    char *at = lines_begin(view->lines);
    lines_end(view->lines, step->identity->id, put_line(view, at, step));
}

static void on_end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;

    lines_decide(view->lines, connection);
}

static void finish(struct view *view, const struct summary *summary)
{
    lines_finish(view->lines);
    summary_print(view->out, view->options, summary, true);
}

const struct view_ops view_transitions = {
    .name = "transitions",
    .create = create,
    .hooks = { .step = on_step, .end = on_end },
    .finish = finish,
    .destroy = destroy,
};
