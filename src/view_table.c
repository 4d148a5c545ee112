/*
 * One line per connection, what went wrong first:
 *
 *   CONN  CLIENT      SERVER      CLIENT ADDRESS      SERVER ADDRESS  LASTED   UP    DOWN  WHY
 *     #2  FIN_WAIT_2  CLOSE_WAIT  192.168.1.10:50002  10.0.0.2:8080   120.0 s  18 B  0 B   for
 * 118.9 s: the...
 *
 * The columns are as wide as what is in them. Where the terminal is narrower, the figures go first,
 * then the ends of the reasons, then the middles of the addresses.
 */
#include <errno.h>
#include <stdlib.h>

#include "brief.h"
#include "digits.h"
#include "out.h"
#include "select.h"
#include "summary.h"
#include "text.h"
#include "view.h"
#include "words.h"

enum column {
    COLUMN_CONN,
    COLUMN_CLIENT_STATE,
    COLUMN_SERVER_STATE,
    COLUMN_CLIENT,
    COLUMN_SERVER,
    COLUMN_LASTED,
    COLUMN_UP,
    COLUMN_DOWN,
    COLUMN_WHY,
    COLUMN_COUNT
};

static const char *const headings[COLUMN_COUNT] = {
    "CONN", "CLIENT", "SERVER", "CLIENT ADDRESS", "SERVER ADDRESS", "LASTED", "UP", "DOWN", "WHY",
};

enum {
    CELL_BYTES = 640, /* an endpoint, or words */
    LINE_BYTES = 4096,
};

_Static_assert(CELL_BYTES > (int)TEXT_ENDPOINT_BYTES && CELL_BYTES >= (int)WORDS_BYTES,
               "a cell holds any text");

struct view {
    const struct view_options *options;
    struct out *out;
    struct brief *rows;
    size_t count, room;
    unsigned widths[COLUMN_COUNT]; /* 0: not shown */
    unsigned gap;                  /* between columns */
    unsigned why_least;            /* of the reasons without what follows ": " */
    fw_time now;
};

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);

    if (view) {
        view->options = options;
        view->out = out;
    }
    return view;
}

static void destroy(struct view *view)
{
    if (!view)
        return;
    free(view->rows);
    free(view);
}

/* ---------------------------------------------------------------------------------------- rows --
 */

static void on_end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;

    if (!selection_match(view->options->selection, connection))
        return;
    if (view->count == view->room) {
        const size_t room = view->room ? 2 * view->room : 64;
        struct brief *rows = realloc(view->rows, room * sizeof *rows);
        if (!rows) {
            view->out->error = ENOMEM;
            return;
        }
        view->rows = rows;
        view->room = room;
    }
    view->rows[view->count++] = brief_of(connection);
}

/* Failures first: what leaks, what did not open, what was reset. */
static int rank(const struct brief *row)
{
    switch ((enum outcome)row->outcome) {
    case OUTCOME_HALF_CLOSED:
        return 0;
    case OUTCOME_NEVER_OPENED:
        return 1;
    case OUTCOME_RESET:
        return 2;
    case OUTCOME_OPEN:
        return 3;
    case OUTCOME_CLOSED:
    case OUTCOME_COUNT:
        return 4;
    }
    return 4;
}

static int compare(const void *left, const void *right)
{
    const struct brief *a = left, *b = right;
    const int order = rank(a) - rank(b);

    if (order != 0)
        return order;
    return (a->identity.id > b->identity.id) - (a->identity.id < b->identity.id);
}

/* --------------------------------------------------------------------------------------- cells --
 */

static size_t cell_text(const struct view *view, const struct brief *row, enum column column,
                        char *text)
{
    const enum fw_names names = view->options->names;
    struct fw_connection connection;
    char *at = text;

    switch (column) {
    case COLUMN_CONN:
        *at++ = '#';
        at = digits_u64(at, row->identity.id);
        break;
    case COLUMN_CLIENT_STATE:
        at = text_state(at, (enum fw_state)row->client_state, row->client_inferred,
                        row->client_timed, names);
        break;
    case COLUMN_SERVER_STATE:
        at = text_state(at, (enum fw_state)row->server_state, row->server_inferred,
                        row->server_timed, names);
        break;
    case COLUMN_CLIENT:
        at = text_endpoint(at, &row->identity.client, view->options);
        break;
    case COLUMN_SERVER:
        at = text_endpoint(at, &row->identity.server, view->options);
        break;
    case COLUMN_LASTED:
        at = text_duration(at, stamp_since(row->last_time, row->first_time));
        break;
    case COLUMN_UP:
        at = text_bytes(at, row->bytes[FW_CLIENT]);
        break;
    case COLUMN_DOWN:
        at = text_bytes(at, row->bytes[FW_SERVER]);
        break;
    case COLUMN_WHY:
        brief_connection(row, &connection);
        at = words_of_connection(at, &connection, view->now);
        break;
    case COLUMN_COUNT:
        break;
    }
    return (size_t)(at - text);
}

static size_t listener_cell(const struct view *view, const struct fw_listener *listener,
                            enum column column, char *text)
{
    char *at = text;

    if (column == COLUMN_SERVER_STATE)
        at = text_state(at, FW_LISTEN, false, false, view->options->names);
    if (column == COLUMN_SERVER)
        at = text_endpoint(at, &listener->endpoint, view->options);
    if (column == COLUMN_WHY) {
        at = TEXT_LITERAL(at, "answered ");
        at = digits_u64(at, listener->synacks);
    }
    return (size_t)(at - text);
}

/* -------------------------------------------------------------------------------------- widths --
 */

static void widen(struct view *view, enum column column, const char *text, size_t length)
{
    const unsigned columns = (unsigned)text_columns(text, length);

    if (view->widths[column] < columns)
        view->widths[column] = columns;
}

/* How much of a reason says it all: up to ": ", or the whole. */
static size_t reason_bytes(char *text, size_t length)
{
    text[length] = '\0';
    const char *more = strstr(text, ": ");
    return more ? (size_t)(more - text) : length;
}

static void measure_reasons(struct view *view)
{
    char text[CELL_BYTES];

    for (size_t i = 0; i < view->count; i++) {
        const size_t length = cell_text(view, &view->rows[i], COLUMN_WHY, text);
        const unsigned columns = (unsigned)text_columns(text, reason_bytes(text, length));
        if (view->why_least < columns)
            view->why_least = columns;
    }
}

static void measure(struct view *view, const struct summary *summary)
{
    char text[CELL_BYTES];

    for (enum column column = 0; column < COLUMN_COUNT; column++) {
        view->widths[column] = (unsigned)strlen(headings[column]);
        for (size_t i = 0; i < view->count; i++)
            widen(view, column, text, cell_text(view, &view->rows[i], column, text));
        for (size_t i = 0; view->options->listeners && i < summary->listener_count; i++)
            widen(view, column, text, listener_cell(view, &summary->listeners[i], column, text));
    }
}

static unsigned total_width(const struct view *view)
{
    unsigned total = 0;

    for (enum column column = 0; column < COLUMN_COUNT; column++)
        if (view->widths[column] > 0)
            total += view->widths[column] + view->gap;
    return total - view->gap;
}

/* Takes from a column what is too much, down to `least`; 0: the whole column goes. */
static void shrink(struct view *view, enum column column, unsigned least)
{
    const unsigned total = total_width(view);
    unsigned *width = &view->widths[column];

    if (total <= view->options->width || *width <= least)
        return;
    const unsigned excess = total - view->options->width;
    if (least == 0)
        *width = 0;
    else
        *width = *width - least > excess ? *width - excess : least;
}

static void fit(struct view *view)
{
    view->gap = 2;
    if (view->options->width == 0)
        return;
    shrink(view, COLUMN_UP, 0);
    shrink(view, COLUMN_DOWN, 0);
    shrink(view, COLUMN_WHY, view->why_least > 24 ? view->why_least : 24);
    shrink(view, COLUMN_LASTED, 0);
    shrink(view, COLUMN_WHY, view->why_least);
    if (total_width(view) > view->options->width)
        view->gap = 1;
    shrink(view, COLUMN_WHY, 14);
    shrink(view, COLUMN_CLIENT, 21); /* 255.255.255.255:65535 */
    shrink(view, COLUMN_SERVER, 21);
    shrink(view, COLUMN_CLIENT, 14);
    shrink(view, COLUMN_SERVER, 14);
    shrink(view, COLUMN_WHY, 8);
    shrink(view, COLUMN_CLIENT, 8);
    shrink(view, COLUMN_SERVER, 8);
}

/* ---------------------------------------------------------------------------------------- lines --
 */

/* Reasons end where the more begins that does not fit; addresses lose their middle. */
static size_t cut_cell(const struct view *view, enum column column, char *text, size_t length)
{
    const size_t width = view->widths[column];

    if (text_columns(text, length) <= width)
        return length;
    if (column == COLUMN_WHY)
        length = reason_bytes(text, length);
    return text_cut(text, length, width, column == COLUMN_CLIENT || column == COLUMN_SERVER,
                    view->options->utf8);
}

static bool is_right_aligned(enum column column)
{
    return column == COLUMN_CONN || column == COLUMN_LASTED || column == COLUMN_UP ||
           column == COLUMN_DOWN;
}

static enum text_style style_of(const struct brief *row, enum column column)
{
    const bool failure = words_is_failure((enum outcome)row->outcome);

    if (!failure ||
        (column != COLUMN_WHY && column != COLUMN_CLIENT_STATE && column != COLUMN_SERVER_STATE))
        return TEXT_PLAIN;
    return row->outcome == OUTCOME_HALF_CLOSED ? TEXT_YELLOW : TEXT_RED;
}

static char *put_cell(const struct view *view, char *at, enum column column, char *text,
                      size_t length, enum text_style style, size_t *gap)
{
    const size_t width = view->widths[column];

    if (width == 0)
        return at;
    return text_cell(at,
                     &(struct text_cell){ .text = text,
                                          .length = cut_cell(view, column, text, length),
                                          .width = width,
                                          .between = view->gap,
                                          .right = is_right_aligned(column),
                                          .color = view->options->color,
                                          .style = style },
                     gap);
}

static void print_header(struct view *view)
{
    char *at = out_reserve(view->out, LINE_BYTES);
    char text[32];
    size_t gap = 0;

    at = text_begin(at, TEXT_DIM, view->options->color);
    for (enum column column = 0; column < COLUMN_COUNT; column++) {
        const size_t length = strlen(headings[column]);
        memcpy(text, headings[column], length);
        at = put_cell(view, at, column, text, length, TEXT_PLAIN, &gap);
    }
    at = text_end(at, TEXT_DIM, view->options->color);
    *at++ = '\n';
    out_commit(view->out, at);
}

static void print_row(struct view *view, const struct brief *row)
{
    char *at = out_reserve(view->out, LINE_BYTES);
    char text[CELL_BYTES];
    size_t gap = 0;

    for (enum column column = 0; column < COLUMN_COUNT; column++)
        at = put_cell(view, at, column, text, cell_text(view, row, column, text),
                      style_of(row, column), &gap);
    *at++ = '\n';
    out_commit(view->out, at);
}

static void print_listener(struct view *view, const struct fw_listener *listener)
{
    char *at = out_reserve(view->out, LINE_BYTES);
    char text[CELL_BYTES];
    size_t gap = 0;

    for (enum column column = 0; column < COLUMN_COUNT; column++)
        at = put_cell(view, at, column, text, listener_cell(view, listener, column, text),
                      TEXT_PLAIN, &gap);
    *at++ = '\n';
    out_commit(view->out, at);
}

static void finish(struct view *view, const struct summary *summary)
{
    const bool listeners = view->options->listeners && summary->listener_count > 0;

    view->now = summary->last_time;
    if (view->count > 0)
        qsort(view->rows, view->count, sizeof *view->rows, compare);
    if (view->count > 0 || listeners) {
        measure(view, summary);
        measure_reasons(view);
        fit(view);
        print_header(view);
    }
    for (size_t i = 0; i < view->count; i++)
        print_row(view, &view->rows[i]);
    for (size_t i = 0; listeners && i < summary->listener_count; i++)
        print_listener(view, &summary->listeners[i]);
    summary_print(view->out, view->options, summary, false);
}

const struct view_ops view_table = {
    .name = "table",
    .create = create,
    .hooks = { .end = on_end },
    .finish = finish,
    .destroy = destroy,
};
