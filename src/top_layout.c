/*
 * From top to bottom: what is watched and how much of it; how many ends are in which state; how the
 * list was chosen; the list; what is known of the selected connection; the keys. What there is no
 * room for goes, the least important first.
 */
#include "top_layout.h"

#include "digits.h"
#include "explain.h"
#include "text.h"
#include "utf8.h"
#include "words.h"

#include <stdio.h>

enum { LINE_BYTES = 4096, PIECE_BYTES = 768 };

/* ----------------------------------------------------------------------------------------- line --
 */

/* A line as it grows; columns are counted without styles. */
struct line {
    char text[LINE_BYTES];
    char *at;
    size_t columns;
};

static void begin(struct line *line)
{
    line->at = line->text;
    line->columns = 0;
}

static void put(struct line *line, enum text_style style, const char *text, size_t length)
{
    if (length == 0 || (size_t)(line->text + LINE_BYTES - line->at) < length + 32)
        return;
    line->at = text_begin(line->at, style, true);
    memcpy(line->at, text, length);
    line->at = text_end(line->at + length, style, true);
    line->columns += text_columns(text, length);
}

static void put_words(struct line *line, enum text_style style, const char *words)
{
    put(line, style, words, strlen(words));
}

static void pad_to(struct line *line, size_t column)
{
    while (line->columns < column && line->at < line->text + LINE_BYTES - 32) {
        *line->at++ = ' ';
        line->columns++;
    }
}

static size_t escape_bytes(const char *text, size_t length)
{
    size_t bytes = 0;

    if (text[0] != '\033')
        return 0;
    while (bytes < length && text[bytes] != 'm')
        bytes++;
    return bytes < length ? bytes + 1 : length;
}

/* The columns from `skip` on that fit; styles are kept. */
static void write_part(struct out *out, const char *text, size_t length, size_t skip, size_t width)
{
    size_t column = 0;

    for (size_t at = 0; at < length;) {
        size_t bytes = escape_bytes(text + at, length - at), columns = 0;
        if (bytes == 0) {
            uint32_t code;
            bytes = utf8_next(text + at, length - at, &code);
            columns = text_columns(text + at, bytes);
        }
        const bool fits = column >= skip && column + columns <= skip + width;
        if (fits || text[at] == '\033')
            out_bytes(out, text + at, bytes);
        column += columns;
        at += bytes;
    }
    out_char(out, '\n');
}

static void end(struct out *out, const struct line *line, size_t width)
{
    write_part(out, line->text, (size_t)(line->at - line->text), 0, width);
}

/* ---------------------------------------------------------------------------------------- title --
 */

/* What may stand in the title, in the order of the line; the least `rank` stays the longest. */
struct piece {
    char text[PIECE_BYTES / 4];
    enum text_style style;
    unsigned rank;
    bool shown;
};

enum {
    TITLE_PIECES = 8,
    TITLE_RANKS = 8,
    TITLE_RIGHT = 6 /* pieces from here on are at the right */
};

static void set_piece(struct piece *piece, unsigned rank, enum text_style style, const char *text)
{
    snprintf(piece->text, sizeof piece->text, "%s", text);
    piece->rank = rank;
    piece->style = style;
}

static void set_count(struct piece *piece, unsigned rank, enum text_style style, uint64_t count,
                      const char *one, const char *many)
{
    char text[TEXT_NUMBER_BYTES + 64];

    *text_count(text, count, one, many) = '\0';
    set_piece(piece, rank, style, text);
}

/* "2024-01-31 12:00:05", or the time of day. */
static void time_text(char *text, size_t size, fw_time time, bool date)
{
    const struct stamp stamp = stamp_of(time);

    if (date)
        snprintf(text, size, "%04lld-%02u-%02u %02u:%02u:%02u", (long long)stamp.year, stamp.month,
                 stamp.day, stamp.hour, stamp.minute, stamp.second);
    else
        snprintf(text, size, "%02u:%02u:%02u", stamp.hour, stamp.minute, stamp.second);
}

/* "paused", "x4", "end of file". */
static void state_text(char *text, size_t size, const struct top_look *look)
{
    const char *times = look->options->utf8 ? "×" : "x";

    if (look->play && look->play->at_end)
        snprintf(text, size, "end of file");
    else if (look->paused)
        snprintf(text, size, "PAUSED");
    else if (!look->play)
        snprintf(text, size, "live");
    else if (look->play->speed <= 0)
        snprintf(text, size, "%smax", times);
    else
        snprintf(text, size, "%s%.6g", times, look->play->speed);
}

static void set_losses(struct piece *piece, const struct top_look *look)
{
    const uint64_t lost = look->losses.kernel + look->losses.interface;
    char text[96];

    if (look->evicted > 0 && lost == 0)
        set_count(piece, 0, TEXT_RED, look->evicted, "EVICTED", "EVICTED");
    else if (lost > 0) {
        snprintf(text, sizeof text, "DROPPED %llu%s%s", (unsigned long long)lost,
                 look->width >= 70 && look->losses.interface ? " (interface too)" : "",
                 look->evicted ? ", EVICTED too" : "");
        set_piece(piece, 0, TEXT_RED, text);
    } else if (look->losses.known)
        set_piece(piece, 0, TEXT_PLAIN, "dropped 0");
}

static void set_title(struct piece pieces[TITLE_PIECES], const struct top_look *look)
{
    const struct top_list *list = look->list;
    char text[PIECE_BYTES / 4], when[48];

    set_piece(&pieces[0], 8, TEXT_BOLD, "finwait top");
    set_piece(&pieces[1], 6, TEXT_BOLD, look->input);
    if (look->width >= 60)
        set_count(&pieces[2], 2, TEXT_PLAIN, list->connections, "connection", "connections");
    else
        set_count(&pieces[2], 2, TEXT_PLAIN, list->connections, "conn", "conns");
    if (list->concerns[TOP_FAILED])
        set_count(&pieces[3], 4, TEXT_RED, list->concerns[TOP_FAILED], "failed", "failed");
    if (list->concerns[TOP_STUCK])
        set_count(&pieces[4], 3, TEXT_YELLOW, list->concerns[TOP_STUCK], "stuck", "stuck");
    set_losses(&pieces[5], look);
    state_text(text, sizeof text, look);
    set_piece(&pieces[6], look->paused ? 1 : 5, look->paused ? TEXT_BOLD : TEXT_PLAIN, text);
    time_text(when, sizeof when, list->now, look->play && look->width >= 100);
    set_piece(&pieces[7], 7, TEXT_PLAIN, when);
}

static size_t piece_columns(const struct piece *piece)
{
    return *piece->text ? text_columns(piece->text, strlen(piece->text)) + 2 : 0;
}

static void write_title(struct out *out, const struct top_look *look)
{
    struct piece pieces[TITLE_PIECES] = { { .rank = 0 } };
    struct line line;
    size_t used = 0, right = 0;

    set_title(pieces, look);
    for (unsigned rank = 0; rank <= TITLE_RANKS; rank++)
        for (size_t i = 0; i < TITLE_PIECES; i++) {
            const size_t columns = piece_columns(&pieces[i]);
            if (pieces[i].rank != rank || used + columns > look->width + 2)
                continue;
            pieces[i].shown = columns > 0;
            used += columns;
            right += i >= TITLE_RIGHT - 1 ? columns : 0;
        }
    begin(&line);
    for (size_t i = 0; i < TITLE_PIECES; i++) {
        if (i == TITLE_RIGHT - 1 && right > 0)
            pad_to(&line, look->width + 2 - right);
        if (!pieces[i].shown)
            continue;
        put_words(&line, pieces[i].style, pieces[i].text);
        pad_to(&line, line.columns + 2);
    }
    end(out, &line, look->width);
}

/* --------------------------------------------------------------------------------------- counts --
 */

/* The order in which a connection goes through them; `-` is an end that was never heard. */
static const enum fw_state counted[] = {
    FW_SYN_SENT, FW_SYN_RECEIVED, FW_ESTABLISHED, FW_FIN_WAIT_1, FW_FIN_WAIT_2, FW_CLOSE_WAIT,
    FW_CLOSING,  FW_LAST_ACK,     FW_TIME_WAIT,   FW_CLOSED,     FW_UNKNOWN,
};
enum { COUNTED = sizeof counted / sizeof counted[0], SIDE_WIDTH = 6, NUMBER_WIDTH = 5 };

static const char *state_name(const struct top_look *look, enum fw_state state)
{
    return state == FW_UNKNOWN ? "-" : fw_state_name(state, look->options->names);
}

/* Where a name is broken into two lines: behind a "_" or "-", or in its middle. */
static size_t break_name(const char *name, bool narrow)
{
    const char *mark = strpbrk(name, "_-");

    if (mark && mark[1])
        return (size_t)(mark + 1 - name);
    return narrow && strlen(name) > 8 ? strlen(name) / 2 : 0;
}

/* Columns of a state's count, its name in one line or in two. */
static size_t count_width(const struct top_look *look, enum fw_state state, bool broken)
{
    const char *name = state_name(look, state);
    const size_t length = strlen(name), first = broken ? break_name(name, true) : 0;
    const size_t longer = first > length - first ? first : length - first;
    const size_t width = longer < NUMBER_WIDTH ? NUMBER_WIDTH : longer;

    return state == FW_UNKNOWN ? 3 : width;
}

static size_t counts_width(const struct top_look *look, bool broken)
{
    size_t width = SIDE_WIDTH;

    for (size_t i = 0; i < COUNTED; i++)
        width += 1 + count_width(look, counted[i], broken);
    return width;
}

/* A count in so few columns: "1180", "12k", "3M"; nothing there is a dot. */
static size_t count_text(char *text, uint64_t count, size_t width, bool utf8)
{
    static const char units[] = "\0kMGTPE";
    char *end = digits_u64(text, count);
    size_t unit = 0;

    if (count == 0)
        return (size_t)(text_put(text, utf8 ? "·" : ".") - text);
    while ((size_t)(end - text) + (unit > 0) > width && units[unit + 1]) {
        count = (count + 500) / 1000;
        unit++;
        end = digits_u64(text, count);
    }
    if (unit > 0)
        *end++ = units[unit];
    return (size_t)(end - text);
}

static void put_right(struct line *line, enum text_style style, const char *text, size_t length,
                      size_t width)
{
    const size_t columns = text_columns(text, length);

    pad_to(line, line->columns + (width > columns ? width - columns : 0));
    put(line, style, text, length);
}

/* `part` 0: the whole names; 1 and 2: their two lines. */
static void write_names(struct out *out, const struct top_look *look, int part)
{
    struct line line;

    begin(&line);
    pad_to(&line, SIDE_WIDTH);
    for (size_t i = 0; i < COUNTED; i++) {
        const char *name = state_name(look, counted[i]);
        const size_t first = part ? break_name(name, true) : 0;
        const char *text = part == 1 ? name : name + first;
        const size_t length = part == 1 ? first : strlen(text);
        pad_to(&line, line.columns + 1);
        put_right(&line, TEXT_DIM, text, length, count_width(look, counted[i], part != 0));
        if (length == 0)
            pad_to(&line, line.columns);
    }
    end(out, &line, look->width);
}

static bool is_transient(enum fw_state state)
{
    return state != FW_ESTABLISHED && state != FW_TIME_WAIT && state != FW_CLOSED;
}

static void write_counts(struct out *out, const struct top_look *look, enum fw_side side,
                         bool broken)
{
    struct line line;

    begin(&line);
    put_words(&line, TEXT_DIM, fw_side_name(side));
    for (size_t i = 0; i < COUNTED; i++) {
        const uint64_t count = look->list->states[side][counted[i]];
        const size_t width = count_width(look, counted[i], broken);
        char text[TEXT_NUMBER_BYTES];
        const size_t length = count_text(text, count, width, look->options->utf8);
        pad_to(&line, line.columns + 1);
        put_right(&line,
                  count == 0                 ? TEXT_DIM
                  : is_transient(counted[i]) ? TEXT_BOLD
                                             : TEXT_PLAIN,
                  text, length, width);
    }
    end(out, &line, look->width);
}

/* Where there is no room for all: those that are not 0, in words. */
static void write_counts_short(struct out *out, const struct top_look *look, enum fw_side side)
{
    struct line line;

    begin(&line);
    put(&line, TEXT_DIM, fw_side_name(side), look->width >= 40 ? SIDE_WIDTH : 1);
    for (size_t i = 0; i < COUNTED; i++) {
        const uint64_t count = look->list->states[side][counted[i]];
        char text[TEXT_NUMBER_BYTES + 32];
        if (count == 0)
            continue;
        char *at = text + count_text(text, count, 6, look->options->utf8);
        *at++ = ' ';
        at = text_put(at, state_name(look, counted[i]));
        pad_to(&line, line.columns + (look->width >= 40 ? 2 : 1));
        put(&line, TEXT_PLAIN, text, (size_t)(at - text));
    }
    end(out, &line, look->width);
}

enum counts_form { COUNTS_NONE, COUNTS_SHORT, COUNTS_BROKEN, COUNTS_WHOLE };

static enum counts_form counts_form(const struct top_look *look)
{
    if (look->height >= 15 && counts_width(look, false) <= look->width)
        return COUNTS_WHOLE;
    if (look->height >= 16 && counts_width(look, true) <= look->width)
        return COUNTS_BROKEN;
    return look->height >= 9 ? COUNTS_SHORT : COUNTS_NONE;
}

static void write_all_counts(struct out *out, const struct top_look *look)
{
    const enum counts_form form = counts_form(look);

    if (form == COUNTS_WHOLE)
        write_names(out, look, 0);
    if (form == COUNTS_BROKEN) {
        write_names(out, look, 1);
        write_names(out, look, 2);
    }
    for (int side = FW_CLIENT; side <= FW_SERVER && form != COUNTS_NONE; side++) {
        if (form == COUNTS_SHORT)
            write_counts_short(out, look, (enum fw_side)side);
        else
            write_counts(out, look, (enum fw_side)side, form == COUNTS_BROKEN);
    }
}

/* ---------------------------------------------------------------------------- how it was chosen --
 */

static bool has_choice_line(const struct top_look *look)
{
    const bool special = look->filter || look->history || look->closed;

    return look->height >= 12 || (look->height >= 7 && special);
}

static void write_choice(struct out *out, const struct top_look *look)
{
    struct line line;
    char text[PIECE_BYTES];

    begin(&line);
    if (look->history)
        put_words(&line, TEXT_BOLD, "history: what has ended, the last first   ");
    put_words(&line, TEXT_DIM, "sort ");
    put_words(&line, TEXT_PLAIN,
              look->history && look->sort == TOP_BY_CONCERN ? "end" : top_sort_name(look->sort));
    if (look->reversed)
        put_words(&line, TEXT_PLAIN, ", reversed");
    if (look->closed && !look->history)
        put_words(&line, TEXT_PLAIN, "   with TIME_WAIT");
    if (look->filter) {
        put_words(&line, TEXT_DIM, "   filter ");
        put_words(&line, TEXT_BOLD, look->filter);
        snprintf(text, sizeof text, ": %llu%s", (unsigned long long)look->list->eligible,
                 look->matching ? " so far" : "");
        put_words(&line, TEXT_PLAIN, text);
    }
    end(out, &line, look->width);
}

/* ----------------------------------------------------------------------------------------- rows --
 */

enum column {
    COLUMN_CLIENT_STATE,
    COLUMN_SERVER_STATE,
    COLUMN_FOR,
    COLUMN_CLIENT,
    COLUMN_SERVER,
    COLUMN_UP,
    COLUMN_DOWN,
    COLUMN_CONN,
    COLUMN_WHY,
    COLUMN_COUNT
};

static const char *const headings[COLUMN_COUNT] = {
    "CLIENT", "SERVER", "FOR", "CLIENT ADDRESS", "SERVER ADDRESS", "UP", "DOWN", "CONN", "WHY",
};

enum {
    MARK_WIDTH = 3, /* the selected row, what is wrong, a gap */
    NARROW = 76,    /* below it states are shortened */
    SHORT_STATE = 9,
    FOR_WIDTH = 8,
    BYTES_WIDTH = 7,
    CONN_WIDTH = 8,
    LEAST_ADDRESS = 13,
    IPV4_ENDPOINT = 21, /* 255.255.255.255:65535 */
    LEAST_WHY = 20,
    SHORT_WHY = 7, /* "refused" */
};

struct columns {
    unsigned width[COLUMN_COUNT]; /* 0: not shown */
};

/* Names of nine letters, in which no two states look alike. */
static const char *short_name(enum fw_state state)
{
    static const char *const names[FW_STATE_COUNT] = {
        [FW_UNKNOWN] = "-",
        [FW_CLOSED] = "CLOSED",
        [FW_LISTEN] = "LISTEN",
        [FW_SYN_SENT] = "SYN_SENT",
        [FW_SYN_RECEIVED] = "SYN_RECV",
        [FW_ESTABLISHED] = "ESTAB",
        [FW_FIN_WAIT_1] = "FIN_WAIT1",
        [FW_FIN_WAIT_2] = "FIN_WAIT2",
        [FW_CLOSE_WAIT] = "CLOSEWAIT",
        [FW_CLOSING] = "CLOSING",
        [FW_LAST_ACK] = "LAST_ACK",
        [FW_TIME_WAIT] = "TIME_WAIT",
    };
    return names[state];
}

static size_t state_text_of(const struct top_look *look, const struct brief *brief,
                            enum fw_side side, char *text)
{
    const bool client = side == FW_CLIENT;
    const enum fw_state state = (enum fw_state)(client ? brief->client_state : brief->server_state);

    if (look->width < NARROW)
        return (size_t)(text_put(text, short_name(state)) - text);
    return (size_t)(text_state(
                        text, state, client ? brief->client_inferred : brief->server_inferred,
                        client ? brief->client_timed : brief->server_timed, look->options->names) -
                    text);
}

/* On a screen that changes four times a second a tenth of a second is the least. */
static char *put_age(char *at, int64_t ns)
{
    const int64_t tenth = FW_SECOND / 10;

    if (ns >= FW_SECOND - tenth / 2)
        return text_duration(at, ns);
    at = TEXT_LITERAL(at, "0.");
    at = digits_u64(at, ns > 0 ? (uint64_t)((ns + tenth / 2) / tenth) : 0);
    return TEXT_LITERAL(at, " s");
}

static size_t words_text(const struct top_look *look, const struct top_row *row, char *text)
{
    struct fw_connection connection;

    brief_connection(&row->brief, &connection);
    return (size_t)(words_of_connection(text, &connection, look->list->now) - text);
}

/* Without what another column says, and nothing of a connection that is in use. */
static size_t why_text(const struct top_look *look, const struct top_row *row, char *text)
{
    const int64_t silent_ns = stamp_since(look->list->now, row->brief.last_time);

    if (top_concern_of(row, look->list->now) == TOP_OPEN && silent_ns < TOP_STUCK_NS)
        return row->brief.lossy ? (size_t)(TEXT_LITERAL(text, WORDS_LOSSY) - text) : 0;
    size_t length = words_text(look, row, text);
    text[length] = '\0';
    const char *more = strncmp(text, "for ", 4) == 0 ? strstr(text, ": ") : NULL;
    if (more) {
        length -= (size_t)(more + 2 - text);
        memmove(text, more + 2, length);
    }
    return length;
}

static size_t cell_text(const struct top_look *look, const struct top_row *row, enum column column,
                        char *text)
{
    const struct brief *brief = &row->brief;
    char *at = text;

    switch (column) {
    case COLUMN_CLIENT_STATE:
        return state_text_of(look, brief, FW_CLIENT, text);
    case COLUMN_SERVER_STATE:
        return state_text_of(look, brief, FW_SERVER, text);
    case COLUMN_FOR:
        at = put_age(at, look->history ? stamp_since(look->list->now, row->over_since)
                                       : top_in_state_ns(row, look->list->now));
        break;
    case COLUMN_CLIENT:
        at = text_endpoint(at, &brief->identity.client, look->options);
        break;
    case COLUMN_SERVER:
        at = text_endpoint(at, &brief->identity.server, look->options);
        break;
    case COLUMN_UP:
        at = text_bytes(at, brief->bytes[FW_CLIENT]);
        break;
    case COLUMN_DOWN:
        at = text_bytes(at, brief->bytes[FW_SERVER]);
        break;
    case COLUMN_CONN:
        *at++ = '#';
        at = digits_u64(at, brief->identity.id);
        break;
    case COLUMN_WHY:
        return why_text(look, row, text);
    case COLUMN_COUNT:
        break;
    }
    return (size_t)(at - text);
}

static unsigned widen(unsigned width, size_t columns, unsigned most)
{
    return columns <= width ? width : columns > most ? most : (unsigned)columns;
}

/* As wide as what is, or was, to be seen. */
static void measure(const struct top_look *look)
{
    struct top_widths *widths = look->widths;
    const size_t rows = top_layout_rows(look);
    char text[PIECE_BYTES];

    widths->state = widen(widths->state, strlen(state_name(look, FW_ESTABLISHED)), 16);
    widths->client = widen(widths->client, strlen(headings[COLUMN_CLIENT]), 64);
    widths->server = widen(widths->server, strlen(headings[COLUMN_SERVER]), 64);
    for (size_t i = look->first; i < look->list->count && i < look->first + rows; i++) {
        const struct top_row *row = &look->list->rows[i];
        for (enum column column = COLUMN_CLIENT_STATE; column <= COLUMN_SERVER; column++) {
            const size_t columns = text_columns(text, cell_text(look, row, column, text));
            if (column == COLUMN_CLIENT)
                widths->client = widen(widths->client, columns, 64);
            else if (column == COLUMN_SERVER)
                widths->server = widen(widths->server, columns, 64);
            else if (column != COLUMN_FOR)
                widths->state = widen(widths->state, columns, 16);
        }
    }
}

/* Takes a column's width from what is left, with the gap before it. */
static bool grant(struct columns *columns, enum column column, unsigned width, unsigned *left)
{
    const unsigned gap = 2;

    if (*left < width + gap)
        return false;
    columns->width[column] = width;
    *left -= width + gap;
    return true;
}

/* Both addresses in what is left, or the server's alone. */
static void grant_addresses(struct columns *columns, const struct top_look *look, unsigned *left)
{
    const unsigned client = look->widths->client, server = look->widths->server;
    const unsigned gaps = 4;

    if (*left < 2 * LEAST_ADDRESS + gaps) {
        if (*left >= 8)
            grant(columns, COLUMN_SERVER, *left - 2 < server ? *left - 2 : server, left);
        return;
    }
    unsigned share = (*left - gaps) / 2, other = *left - gaps - share;
    if (client < share) {
        other += share - client;
        share = client;
    } else if (server < other) {
        share += other - server;
    }
    grant(columns, COLUMN_CLIENT, client < share ? client : share, left);
    grant(columns, COLUMN_SERVER, server < other ? server : other, left);
}

/* Addresses are cut before the figures go, but not below what IPv4 needs. */
static struct columns arrange(const struct top_look *look)
{
    const bool narrow = look->width < NARROW;
    const unsigned state = narrow ? SHORT_STATE : look->widths->state;
    struct columns columns = { { 0 } };
    unsigned left = look->width - MARK_WIDTH - 2 * state - 1;

    columns.width[COLUMN_CLIENT_STATE] = columns.width[COLUMN_SERVER_STATE] = state;
    const unsigned figures = look->width >= 130 ? 2 * (BYTES_WIDTH + 2) : 0;
    const unsigned conn = look->width >= 100 ? CONN_WIDTH + 2 : 0;
    const unsigned why = look->width >= 110 ? LEAST_WHY + 2 : 0;
    if (left >= FOR_WIDTH + 2 + LEAST_ADDRESS + 2)
        grant(&columns, COLUMN_FOR, FOR_WIDTH, &left);
    unsigned reserved = figures + conn + why;
    const unsigned least = 2 * (IPV4_ENDPOINT + 2);
    if (left < reserved + least)
        reserved = left > least ? left - least : 0;
    unsigned room = left - reserved;
    const unsigned before = room;
    grant_addresses(&columns, look, &room);
    left -= before - room;
    if (conn)
        grant(&columns, COLUMN_CONN, CONN_WIDTH, &left);
    if (figures && grant(&columns, COLUMN_UP, BYTES_WIDTH, &left))
        grant(&columns, COLUMN_DOWN, BYTES_WIDTH, &left);
    if (left >= SHORT_WHY + 2)
        grant(&columns, COLUMN_WHY, left - 2, &left);
    return columns;
}

static bool is_right_aligned(enum column column)
{
    return column == COLUMN_FOR || column == COLUMN_UP || column == COLUMN_DOWN ||
           column == COLUMN_CONN;
}

static size_t cut_cell(const struct top_look *look, enum column column, char *text, size_t length,
                       size_t width)
{
    const bool middle = column == COLUMN_CLIENT || column == COLUMN_SERVER;

    return text_cut(text, length, width, middle, look->options->utf8);
}

static void put_cell(struct line *line, enum column column, enum text_style style, const char *text,
                     size_t length, size_t width)
{
    const size_t edge = line->columns + width;

    if (is_right_aligned(column))
        put_right(line, style, text, length, width);
    else
        put(line, style, text, length);
    pad_to(line, edge);
}

static void write_headings(struct out *out, const struct top_look *look,
                           const struct columns *columns)
{
    struct line line;
    char text[32];

    begin(&line);
    pad_to(&line, MARK_WIDTH);
    for (enum column column = 0; column < COLUMN_COUNT; column++) {
        const unsigned width = columns->width[column];
        const char *heading = column == COLUMN_FOR && look->history ? "ENDED" : headings[column];
        if (width == 0)
            continue;
        if (column > 0)
            pad_to(&line, line.columns + (column == COLUMN_SERVER_STATE ? 1 : 2));
        *text_put(text, heading) = '\0';
        put_cell(&line, column, TEXT_DIM, text, cut_cell(look, column, text, strlen(text), width),
                 width);
    }
    end(out, &line, look->width);
}

/* Marks say without colour what colours say. */
static const struct {
    const char *mark;
    enum text_style style;
} looks[TOP_CONCERN_COUNT] = {
    [TOP_FAILED] = { "!", TEXT_RED },   [TOP_STUCK] = { "*", TEXT_YELLOW },
    [TOP_MOVING] = { " ", TEXT_PLAIN }, [TOP_OPEN] = { " ", TEXT_PLAIN },
    [TOP_CLOSED] = { ".", TEXT_DIM },
};

static enum text_style style_of(enum top_concern concern, enum column column)
{
    const bool tells = column == COLUMN_CLIENT_STATE || column == COLUMN_SERVER_STATE ||
                       column == COLUMN_WHY || column == COLUMN_FOR;

    return concern == TOP_CLOSED || tells ? looks[concern].style : TEXT_PLAIN;
}

static void write_row(struct out *out, const struct top_look *look, const struct columns *columns,
                      size_t index)
{
    const struct top_row *row = &look->list->rows[index];
    const enum top_concern concern = top_concern_of(row, look->list->now);
    const bool selected = index == look->cursor;
    struct line line;
    char text[PIECE_BYTES];

    begin(&line);
    put_words(&line, TEXT_PLAIN, selected ? ">" : " ");
    put_words(&line, looks[concern].style, looks[concern].mark);
    pad_to(&line, MARK_WIDTH);
    for (enum column column = 0; column < COLUMN_COUNT; column++) {
        const unsigned width = columns->width[column];
        const bool chosen = selected && column == (look->side == FW_CLIENT ? COLUMN_CLIENT_STATE
                                                                           : COLUMN_SERVER_STATE);
        if (width == 0)
            continue;
        if (column > 0)
            pad_to(&line, line.columns + (column == COLUMN_SERVER_STATE ? 1 : 2));
        size_t length = cell_text(look, row, column, text);
        length = cut_cell(look, column, text, length, width);
        put_cell(&line, column, chosen ? TEXT_BOLD : style_of(concern, column), text, length,
                 width);
    }
    end(out, &line, look->width);
}

static const char *nothing_text(const struct top_look *look)
{
    if (look->history)
        return look->filter ? "nothing that has ended matches" : "nothing has ended yet";
    if (look->filter)
        return "no connection matches the filter";
    return look->play ? look->play->at_end ? "nothing is left; H shows what has ended"
                                           : "no connection at this time"
                      : "no connection yet";
}

/* ------------------------------------------------------------------- the selected one, and keys --
 */

static bool has_detail(const struct top_look *look)
{
    return look->height >= 10;
}

/* What is wrong with the filter that is typed, or what may be done. */
static void put_advice(struct line *line, const struct top_look *look)
{
    char text[PIECE_BYTES];

    if (!look->typed_error) {
        put_words(line, TEXT_DIM,
                  *look->typed ? "enter keeps the filter, esc drops it"
                               : "such as: state close-wait and dport = :443");
        return;
    }
    snprintf(text, sizeof text, "column %zu: %s", look->typed_column, look->typed_error);
    put_words(line, TEXT_RED, text);
}

/* "#57  for 118.9 s: the server has not closed   18 B up, 22 B down   CLOSE_WAIT: ..." */
static void write_detail(struct out *out, const struct top_look *look)
{
    struct line line;
    char text[PIECE_BYTES];

    begin(&line);
    if (look->typed) {
        put_advice(&line, look);
    } else if (look->cursor < look->list->count) {
        const struct top_row *row = &look->list->rows[look->cursor];
        const enum top_concern concern = top_concern_of(row, look->list->now);
        const enum fw_state state = (enum fw_state)(
            look->side == FW_CLIENT ? row->brief.client_state : row->brief.server_state);
        put(&line, TEXT_BOLD, text, cell_text(look, row, COLUMN_CONN, text));
        pad_to(&line, line.columns + 2);
        put(&line, looks[concern].style, text, words_text(look, row, text));
        char *at = TEXT_LITERAL(text, "   ");
        at = text_bytes(at, row->brief.bytes[FW_CLIENT]);
        at = TEXT_LITERAL(at, " up, ");
        at = text_bytes(at, row->brief.bytes[FW_SERVER]);
        at = TEXT_LITERAL(at, " down");
        put(&line, TEXT_PLAIN, text, (size_t)(at - text));
        if (explain_line(state)) {
            at = TEXT_LITERAL(text, "   ");
            at = text_put(at, fw_side_name(look->side));
            at = TEXT_LITERAL(at, ": ");
            at = text_put(at, explain_line(state));
            put(&line, TEXT_DIM, text, (size_t)(at - text));
        }
    }
    end(out, &line, look->width);
}

/* "q quit": as many as fit. */
static void write_keys(struct out *out, const char *const *keys, unsigned width)
{
    struct line line;

    begin(&line);
    for (; *keys; keys++) {
        const size_t key = strcspn(*keys, " ");
        if (line.columns + strlen(*keys) > width)
            break;
        put(&line, TEXT_BOLD, *keys, key);
        put(&line, TEXT_DIM, *keys + key, strlen(*keys) - key);
        pad_to(&line, line.columns + 2);
    }
    end(out, &line, width);
}

/* Columns of the typed text to the left of the screen. */
static size_t prompt_skip(const struct top_look *look)
{
    const size_t column = 1 + text_columns(look->typed, look->typed_cursor);

    return column < look->width ? 0 : column - look->width + 1;
}

/* The typed text, red from where it is wrong. Without a line above it the advice follows. */
static void write_prompt(struct out *out, const struct top_look *look)
{
    const size_t length = strlen(look->typed);
    const size_t wrong = look->typed_column > 0 ? look->typed_column - 1 : 0;
    const size_t right = look->typed_error && wrong < length ? wrong : length;
    struct line line;

    begin(&line);
    put_words(&line, TEXT_BOLD, "/");
    put(&line, TEXT_PLAIN, look->typed, right);
    put(&line, TEXT_RED, look->typed + right, length - right);
    if (!has_detail(look)) {
        pad_to(&line, line.columns + 3);
        put_advice(&line, look);
    }
    write_part(out, line.text, (size_t)(line.at - line.text), prompt_skip(look), look->width);
}

static void write_bottom(struct out *out, const struct top_look *look)
{
    static const char *const live[] = { "q quit",      "? help",     "/ filter",  "s sort",
                                        "enter show",  "d diagnose", "e explain", "w save",
                                        "space pause", "H history",  "a all",     NULL };
    static const char *const file[] = { "q quit",      "? help",     "/ filter",  "s sort",
                                        "enter show",  "d diagnose", "e explain", "w save",
                                        "space pause", "+- speed",   ". step",    "H history",
                                        "a all",       NULL };
    struct line line;

    if (look->typed) {
        write_prompt(out, look);
    } else if (look->message) {
        begin(&line);
        put_words(&line, TEXT_BOLD, look->message);
        end(out, &line, look->width);
    } else {
        write_keys(out, look->play ? file : live, look->width);
    }
}

unsigned top_layout_cursor(const struct top_look *look)
{
    return (unsigned)(1 + text_columns(look->typed, look->typed_cursor) - prompt_skip(look));
}

/* ---------------------------------------------------------------------------------------- whole --
 */

static bool has_headings(const struct top_look *look)
{
    return look->height >= 6;
}

size_t top_layout_rows(const struct top_look *look)
{
    static const unsigned counts[] = {
        [COUNTS_NONE] = 0, [COUNTS_SHORT] = 2, [COUNTS_BROKEN] = 4, [COUNTS_WHOLE] = 3
    };
    const unsigned around = 2 + counts[counts_form(look)] + has_choice_line(look) +
                            has_headings(look) + has_detail(look);

    return look->height > around ? look->height - around : 0;
}

int top_layout_list(struct out *out, const struct top_look *look)
{
    const size_t rows = top_layout_rows(look);
    const struct top_list *list = look->list;
    size_t shown = 0;

    measure(look);
    const struct columns columns = arrange(look);
    write_title(out, look);
    write_all_counts(out, look);
    if (has_choice_line(look))
        write_choice(out, look);
    if (has_headings(look))
        write_headings(out, look, &columns);
    for (; shown < rows && look->first + shown < list->count; shown++)
        write_row(out, look, &columns, look->first + shown);
    if (list->count == 0 && rows > 0) {
        out_text(out, "  ");
        write_part(out, nothing_text(look), strlen(nothing_text(look)), 0, look->width - 2);
        shown++;
    }
    for (; shown < rows; shown++)
        out_char(out, '\n');
    if (has_detail(look))
        write_detail(out, look);
    write_bottom(out, look);
    if (look->cursor < look->first || look->cursor >= look->first + rows ||
        look->cursor >= list->count)
        return -1;
    return (int)(look->height - 1 - has_detail(look) - rows + (look->cursor - look->first));
}

/* ----------------------------------------------------------------------------------------- page --
 */

size_t top_page_rows(unsigned height)
{
    return height > 3 ? height - 3 : 1;
}

/* The keys, and how far the text goes on. */
static void write_page_bottom(struct out *out, const struct top_page *page, unsigned width,
                              size_t rows)
{
    struct line line;
    char text[64];
    const size_t last = page->first + rows < page->lines ? page->first + rows : page->lines;

    begin(&line);
    if (page->message)
        put_words(&line, TEXT_BOLD, page->message);
    else
        put_words(&line, TEXT_DIM, page->keys);
    snprintf(text, sizeof text, "%zu-%zu of %zu", page->lines ? page->first + 1 : 0, last,
             page->lines);
    if (line.columns + strlen(text) + 2 <= width) {
        pad_to(&line, width - strlen(text));
        put_words(&line, TEXT_DIM, text);
    }
    end(out, &line, width);
}

void top_layout_page(struct out *out, const struct top_page *page, unsigned width, unsigned height,
                     bool utf8)
{
    const size_t rows = top_page_rows(height);
    const char *at = page->text, *const stop = page->text + page->length;
    struct line line;
    size_t number = 0, shown = 0;

    begin(&line);
    put_words(&line, TEXT_BOLD, page->title);
    end(out, &line, width);
    for (size_t i = 0; i < width; i++)
        out_text(out, utf8 ? "─" : "-");
    out_char(out, '\n');
    for (; at < stop && shown < rows; number++) {
        const char *newline = memchr(at, '\n', (size_t)(stop - at));
        const size_t length = (size_t)((newline ? newline : stop) - at);
        if (number >= page->first) {
            write_part(out, at, length, page->skip, width);
            shown++;
        }
        at += length + 1;
    }
    for (; shown < rows; shown++)
        out_char(out, '\n');
    write_page_bottom(out, page, width, rows);
}

void top_layout_small(struct out *out, unsigned width, unsigned height)
{
    char text[64];

    snprintf(text, sizeof text, "terminal too small: %ux%u, 20x5 is needed; q quits", width,
             height);
    for (size_t at = 0; at < strlen(text) && height > 0; at += width ? width : 1, height--)
        write_part(out, text + at, strlen(text + at), 0, width);
}
