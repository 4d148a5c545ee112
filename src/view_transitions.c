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

struct view {
    const struct view_options *options;
    struct out *out;
    struct lines *lines;
    struct text_clock clock;
    struct recent *recent;
    uint64_t line;
    unsigned conn_width, frame_width;
    bool any;
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

/* The flags and the direction; an ICMP error travels towards the sender of what it quotes. */
static char *put_packet(char *at, const struct fw_step *step, bool utf8)
{
    const struct fw_segment *segment = step->segment;
    const bool icmp = segment && segment->icmp != FW_ICMP_NONE;
    char flags[12] = "timer";

    if (icmp)
        memcpy(flags, "icmp", 5);
    else if (segment)
        fw_flags_text(segment->flags, flags);

    char *const start = at;
    at = text_put(at, flags);
    at = text_pad(at, (size_t)(at - start), PACKET_WIDTH);
    if (segment)
        return text_arrow(at, (step->from == FW_CLIENT) != icmp, utf8);
    return text_pad(at, 0, text_arrow_width(utf8));
}

static bool has_moved(const struct fw_step *step, enum fw_side side)
{
    for (size_t i = 0; i < step->count; i++)
        if (step->transitions[i].endpoint == side)
            return true;
    return false;
}

/* Bold where this packet changed it, dim otherwise. Returns the end; *columns is what it takes. */
static char *put_state(char *at, const struct view_options *options, const struct fw_step *step,
                       enum fw_side side, size_t *columns)
{
    const bool client = side == FW_CLIENT;
    const enum fw_state state = client ? step->client_state : step->server_state;
    const bool inferred = client ? step->client_inferred : step->server_inferred;
    const bool timed = client ? step->client_timed : step->server_timed;
    const enum text_style style = has_moved(step, side) ? TEXT_BOLD : TEXT_DIM;

    at = text_begin(at, style, options->color);
    char *const start = at;
    at = text_state(at, state, inferred, timed, options->names);
    *columns = (size_t)(at - start);
    return text_end(at, style, options->color);
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

/* -------------------------------------------------------------------------------------- the line
 * -- */

static char *put_line(struct view *view, char *at, const struct fw_step *step)
{
    const struct view_options *options = view->options;
    char number[24], note[2 * TEXT_ENDPOINT_BYTES + WORDS_BYTES];
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
    at = put_packet(at, step, options->utf8);
    at = TEXT_LITERAL(at, "   ");
    column += PACKET_WIDTH + text_arrow_width(options->utf8) + 3;

    at = put_state(at, options, step, FW_CLIENT, &client_columns);
    at = text_pad(at, client_columns, STATE_WIDTH);
    at = put_state(at, options, step, FW_SERVER, &server_columns);
    const char *note_end = put_note(view, note, step);
    at = text_place(at, column + STATE_WIDTH + server_columns, column + 2 * STATE_WIDTH, column,
                    options->width, note, (size_t)(note_end - note));
    *at++ = '\n';
    return at;
}

static void on_step(void *context, const struct fw_step *step)
{
    struct view *view = context;

    if (!lines_want(view->lines, step))
        return;
    if (!view->any) {
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
