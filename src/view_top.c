/*
 * finwait top: the model is told of all, the list is asked for four times a second at most, and
 * keys say what is looked at. What it costs is bounded: a list that takes long is asked for less
 * often.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"
#include "evidence.h"
#include "explain.h"
#include "losses.h"
#include "out.h"
#include "select.h"
#include "summary.h"
#include "text.h"
#include "top.h"
#include "top_layout.h"
#include "top_model.h"
#include "top_screen.h"
#include "top_story.h"
#include "view.h"

enum {
    REFRESH_MS = 250,     /* between two lists */
    REFRESH_SHARE = 25,   /* a list may take this part of the time: 1/25 */
    STORY_MS = 1000,      /* between two readings of what is kept of a connection */
    MESSAGE_MS = 8000,    /* a message stays so long, or until a key */
    LEAST_ROWS = 256,     /* of a list, however few are on the screen */
    MATCH_AT_ONCE = 4000, /* connections that a filter looks at, each time */
    FILTER_BYTES = 1024,
    MESSAGE_BYTES = 512,
};

enum page { PAGE_NONE, PAGE_TIMELINE, PAGE_LADDER, PAGE_DIAGNOSIS, PAGE_EXPLANATION, PAGE_HELP };

struct view {
    const struct view_options *options;
    struct out *out;
    struct top_host *host;
    struct top_model *model;
    struct top_list list;
    struct out drawing; /* the screen as text */
    struct top_widths widths;
    fw_time now;
    struct top_losses losses; /* when the list was made */
    bool done;

    /* the list */
    enum top_sort sort;
    bool reversed, history, closed, paused;
    size_t first, cursor;
    uint64_t followed; /* the connection that the cursor stays on; 0: it stays in its place */
    bool side_chosen;
    enum fw_side side;
    int64_t next_refresh;
    bool wants_refresh;

    /* the filter */
    struct selection *own; /* of `filter`; NULL: that of -Y, or none */
    char filter[FILTER_BYTES];
    bool matched;
    bool typing;
    char typed[FILTER_BYTES], before[FILTER_BYTES];
    size_t typed_cursor, typed_column;
    char typed_error[MESSAGE_BYTES]; /* empty: it is right */

    /* a page */
    enum page page;
    struct top_row about; /* the connection, as the list had it */
    struct out text;
    size_t lines, page_first, page_skip;
    size_t told_packets; /* kept when it was told */
    int64_t next_story;

    char message[MESSAGE_BYTES];
    int64_t message_until;
    unsigned notices;
    bool dirty;
};

static int64_t clock_of(const struct view *view)
{
    return view->host->clock(view->host->context);
}

static void say(struct view *view, const char *message)
{
    snprintf(view->message, sizeof view->message, "%s", message);
    view->message_until = clock_of(view) + MESSAGE_MS * FW_MILLISECOND;
    view->dirty = true;
}

static const struct top_row *selected_row(const struct view *view)
{
    return view->cursor < view->list.count ? &view->list.rows[view->cursor] : NULL;
}

/* The end that the user chose, or the one that the others wait for. */
static enum fw_side side_of(const struct view *view, const struct top_row *row)
{
    return view->side_chosen || !row ? view->side : top_side_of(row);
}

static enum fw_state state_of(const struct top_row *row, enum fw_side side)
{
    return (enum fw_state)(side == FW_CLIENT ? row->brief.client_state : row->brief.server_state);
}

/* ---------------------------------------------------------------------------------------- look --
 */

static struct top_look look_of(struct view *view)
{
    const struct top_host *host = view->host;
    struct fw_tracker_counts counts = { 0 };

    if (view->options->tracker)
        fw_tracker_counts(view->options->tracker, &counts);
    return (struct top_look){
        .options = view->options,
        .width = top_screen_width(host->screen),
        .height = top_screen_height(host->screen),
        .input = host->input,
        .play = host->play,
        .list = &view->list,
        .widths = &view->widths,
        .first = view->first,
        .cursor = view->cursor,
        .side = side_of(view, selected_row(view)),
        .sort = view->sort,
        .reversed = view->reversed,
        .history = view->history,
        .closed = view->closed,
        .paused = host->play ? host->play->paused : view->paused,
        .filter = *view->filter ? view->filter : NULL,
        .matching = !view->matched,
        .losses = view->losses,
        .evicted = counts.evicted_closed + counts.evicted_half_open + counts.evicted_idle,
        .message = *view->message ? view->message : NULL,
        .typed = view->typing ? view->typed : NULL,
        .typed_cursor = view->typed_cursor,
        .typed_error = *view->typed_error ? view->typed_error : NULL,
        .typed_column = view->typed_column,
    };
}

static size_t rows_on_screen(struct view *view)
{
    const struct top_look look = look_of(view);
    const size_t rows = top_layout_rows(&look);

    return rows ? rows : 1;
}

/* The cursor is in the list, and on the screen. */
static void keep_in_sight(struct view *view)
{
    const size_t rows = rows_on_screen(view);

    if (view->cursor >= view->list.count)
        view->cursor = view->list.count ? view->list.count - 1 : 0;
    if (view->cursor < view->first)
        view->first = view->cursor;
    if (view->cursor >= view->first + rows)
        view->first = view->cursor - rows + 1;
    if (view->first + rows > view->list.count)
        view->first = view->list.count > rows ? view->list.count - rows : 0;
}

static void follow(struct view *view)
{
    for (size_t i = 0; view->followed && i < view->list.count; i++)
        if (view->list.rows[i].brief.identity.id == view->followed) {
            view->cursor = i;
            return;
        }
}

/* What is on the screen, as exactly as the tracker knows it. */
static void refine(struct view *view)
{
    const size_t last = view->first + rows_on_screen(view);
    struct fw_connection connection;

    for (size_t i = view->first; i < view->list.count && i < last; i++) {
        struct top_row *row = &view->list.rows[i];

        if (!row->gone && view->options->tracker &&
            fw_tracker_find(view->options->tracker, &row->brief.identity, &connection)) {
            losses_mark(view->options->losses, &connection);
            row->brief = brief_of(&connection);
        }
    }
}

static void refresh(struct view *view)
{
    const int64_t started = clock_of(view);
    const size_t rows = view->first + 2 * rows_on_screen(view);
    const struct top_ask ask = {
        .sort = view->sort,
        .reversed = view->reversed,
        .closed = view->closed,
        .history = view->history,
        .most = rows > LEAST_ROWS ? rows : LEAST_ROWS,
        .now = view->now,
    };

    view->losses = view->host->losses(view->host->context);
    if (*view->filter && view->matched) /* what changes without a step, in turn */
        top_model_match(view->model, view->options->tracker, MATCH_AT_ONCE);
    if (top_model_list(view->model, &ask, &view->list) < 0 || top_model_is_short(view->model))
        view->out->error = ENOMEM;
    follow(view);
    keep_in_sight(view);
    refine(view);
    const int64_t ended = clock_of(view), rest = (ended - started) * REFRESH_SHARE;
    const int64_t pause = REFRESH_MS * FW_MILLISECOND;
    view->next_refresh = ended + (rest > pause ? rest : pause);
    view->wants_refresh = false;
    view->dirty = true;
}

/* ---------------------------------------------------------------------------------------- pages --
 */

static void count_lines(struct view *view)
{
    view->lines = 0;
    for (size_t i = 0; i < view->text.used; i++)
        view->lines += view->text.block[i] == '\n';
}

static size_t last_first(const struct view *view)
{
    const size_t rows = top_page_rows(top_screen_height(view->host->screen));

    return view->lines > rows ? view->lines - rows : 0;
}

/* A title that the page has already. */
static void drop_first_line(struct out *text)
{
    const char *newline = memchr(text->block, '\n', text->used);
    const size_t bytes = newline ? (size_t)(newline + 1 - text->block) : 0;

    memmove(text->block, text->block + bytes, text->used - bytes);
    text->used -= bytes;
}

/* How much of it is left to tell. */
static void write_gap(struct view *view)
{
    const struct brief *brief = &view->about.brief;
    struct fw_connection connection = { .packets = { 0 } };

    if (!view->options->tracker ||
        !fw_tracker_find(view->options->tracker, &brief->identity, &connection))
        return;
    const uint64_t all = connection.packets[FW_CLIENT] + connection.packets[FW_SERVER];
    if (all > view->told_packets)
        out_printf(&view->text,
                   "\n%llu of its %llu packets are still kept, and told here: the last ones, and "
                   "those that moved a state.\n",
                   (unsigned long long)view->told_packets, (unsigned long long)all);
}

static void tell_story(struct view *view)
{
    static const enum top_story stories[] = {
        [PAGE_TIMELINE] = TOP_TIMELINE,
        [PAGE_LADDER] = TOP_LADDER,
        [PAGE_DIAGNOSIS] = TOP_DIAGNOSIS,
    };
    const uint64_t id = view->about.brief.identity.id;
    struct view_options options = *view->options;

    options.width = top_screen_width(view->host->screen);
    options.color = true;
    view->told_packets = kept_count(view->host->kept, id);
    if (view->told_packets == 0) {
        out_text(&view->text, "\nNone of its packets are kept any more.\n");
        return;
    }
    if (top_story_tell(&view->text, view->host, id, stories[view->page], &options, view->now) < 0)
        say(view, "out of memory");
    if (view->page != PAGE_DIAGNOSIS)
        drop_first_line(&view->text);
    write_gap(view);
}

static void explain(struct view *view)
{
    const struct explain_options options = {
        .names = view->options->names,
        .width = top_screen_width(view->host->screen),
        .color = true,
        .utf8 = view->options->utf8,
    };
    const enum fw_state state = state_of(&view->about, side_of(view, &view->about));

    out_char(&view->text, '\n');
    if (state == FW_UNKNOWN)
        out_text(&view->text, "Nothing was ever heard of this end: no packet of its own, and no "
                              "acknowledgement\nthat would show that it is there.\n");
    else
        explain_state(&view->text, &options, state);
}

static void write_help(struct view *view)
{
    out_text(&view->text,
             "\n"
             "\033[1mthe list\033[0m\n"
             "  up down PgUp PgDn Home End   choose a connection; Home lets go of it\n"
             "  left right                   choose its client's or its server's state\n"
             "  enter                        its timeline, l its ladder\n"
             "  d                            what finwait diagnose finds in it\n"
             "  e                            what the chosen state means\n"
             "  w                            save its packets to a file\n"
             "  /                            filter, in the language of -Y; empty: all\n"
             "  s S                          sort by the next key, the one before; r reverses\n"
             "  H                            history: what has ended, and how\n"
             "  a                            TIME_WAIT too, which else goes after 10 s\n"
             "  space                        pause: live, packets are followed all the same\n"
             "  q                            quit; in a page: back\n"
             "\n"
             "\033[1ma file that is played\033[0m\n"
             "  + -                          twice as fast, half as fast\n"
             "  .                            pause, and go on by one packet\n"
             "\n"
             "\033[1mmarks\033[0m\n"
             "  \033[31m!\033[0m  failed: refused, no answer, reset; stays for 10 s\n"
             "  \033[33m*\033[0m  stuck: opens or closes for more than 5 s\n"
             "  \033[2m.\033[0m  closed; stays for 10 s\n"
             "  -  an end that was never heard       STATE?  inferred, not witnessed\n"
             "  STATE~  a timer of finwait's         FOR     how long it has been like this\n"
             "  At the top: how many ends are in which state, clients and servers.\n");
}

/* Makes the text anew; where one was, stays there. */
static void write_page(struct view *view)
{
    view->text.used = 0;
    view->text.error = 0;
    switch (view->page) {
    case PAGE_NONE:
        return;
    case PAGE_TIMELINE:
    case PAGE_LADDER:
    case PAGE_DIAGNOSIS:
        tell_story(view);
        break;
    case PAGE_EXPLANATION:
        explain(view);
        break;
    case PAGE_HELP:
        write_help(view);
        break;
    }
    count_lines(view);
    if (view->page_first > last_first(view))
        view->page_first = last_first(view);
    view->next_story = clock_of(view) + STORY_MS * FW_MILLISECOND;
    view->dirty = true;
}

static bool is_story(enum page page)
{
    return page == PAGE_TIMELINE || page == PAGE_LADDER || page == PAGE_DIAGNOSIS;
}

static void open_page(struct view *view, enum page page)
{
    const struct top_row *row = selected_row(view);

    if (view->page == PAGE_NONE && page != PAGE_HELP) {
        if (!row) {
            say(view, "no connection is selected");
            return;
        }
        view->about = *row;
        view->followed = row->brief.identity.id;
    }
    view->page = page;
    view->page_first = view->page_skip = 0;
    write_page(view);
    if (page == PAGE_TIMELINE && !view->about.over) /* what happens, happens at the end */
        view->page_first = last_first(view);
}

/* A story goes on while one reads it; whoever has gone to its end stays there. */
static void go_on(struct view *view, int64_t clock)
{
    const bool was_at_end = view->page_first == last_first(view);

    if (!is_story(view->page) || view->paused || clock < view->next_story)
        return;
    view->next_story = clock + STORY_MS * FW_MILLISECOND;
    if (kept_count(view->host->kept, view->about.brief.identity.id) == view->told_packets)
        return;
    write_page(view);
    if (was_at_end)
        view->page_first = last_first(view);
}

static void put_page_title(const struct view *view, char *text)
{
    static const char *const names[] = {
        [PAGE_TIMELINE] = "timeline",      [PAGE_LADDER] = "ladder",
        [PAGE_DIAGNOSIS] = "diagnosis",    [PAGE_EXPLANATION] = "explanation",
        [PAGE_HELP] = "finwait top: help",
    };
    char *at = text;

    if (view->page != PAGE_HELP) {
        *at++ = '#';
        at = digits_u64(at, view->about.brief.identity.id);
        at = TEXT_LITERAL(at, "  ");
        at = text_endpoints(at, &view->about.brief.identity, view->options);
        at = TEXT_LITERAL(at, "   ");
    }
    if (view->page == PAGE_EXPLANATION) {
        at = text_put(at, fw_side_name(side_of(view, &view->about)));
        at = TEXT_LITERAL(at, "'s state");
    } else {
        at = text_put(at, names[view->page]);
    }
    *at = '\0';
}

static const char *page_keys(enum page page)
{
    switch (page) {
    case PAGE_TIMELINE:
        return "q back  l ladder  d diagnose  e explain  w save";
    case PAGE_LADDER:
        return "q back  l timeline  d diagnose  e explain  w save";
    case PAGE_DIAGNOSIS:
        return "q back  enter timeline  l ladder  e explain  w save";
    case PAGE_EXPLANATION:
        return "q back  left right the other end  enter timeline";
    case PAGE_HELP:
    case PAGE_NONE:
        break;
    }
    return "q back";
}

/* ---------------------------------------------------------------------------------------- draw --
 */

static void draw_page(struct view *view, unsigned width, unsigned height)
{
    char title[2 * TEXT_ENDPOINT_BYTES + 128];
    const struct top_page page = {
        .title = title,
        .text = view->text.block,
        .length = view->text.used,
        .lines = view->lines,
        .first = view->page_first,
        .skip = view->page_skip,
        .keys = page_keys(view->page),
        .message = *view->message ? view->message : NULL,
    };

    put_page_title(view, title);
    top_layout_page(&view->drawing, &page, width, height, view->options->utf8);
    top_screen_draw(view->host->screen, view->drawing.block, view->drawing.used, -1, -1, 0);
}

static void draw_list(struct view *view)
{
    const struct top_look look = look_of(view);
    const int selected = top_layout_list(&view->drawing, &look);

    top_screen_draw(view->host->screen, view->drawing.block, view->drawing.used, selected,
                    view->typing ? (int)look.height - 1 : -1,
                    view->typing ? (int)top_layout_cursor(&look) : 0);
}

static void draw(struct view *view)
{
    struct top_screen *screen = view->host->screen;
    const unsigned width = top_screen_width(screen), height = top_screen_height(screen);

    view->drawing.used = 0;
    view->dirty = false;
    if (width < TOP_LEAST_WIDTH || height < TOP_LEAST_HEIGHT) {
        top_layout_small(&view->drawing, width, height);
        top_screen_draw(screen, view->drawing.block, view->drawing.used, -1, -1, 0);
    } else if (view->page != PAGE_NONE) {
        draw_page(view, width, height);
    } else {
        draw_list(view);
    }
}

/* --------------------------------------------------------------------------------------- filter --
 */

/* Takes the typed text as the filter, if it is one. Empty: none. */
static bool take_filter(struct view *view, const char *text)
{
    struct selection *selection = NULL;

    *view->typed_error = '\0';
    if (text[strspn(text, " ")] != '\0') {
        selection = selection_parse_at(text, &view->typed_column, view->typed_error,
                                       sizeof view->typed_error);
        if (!selection)
            return false;
        if (selection_wants_interop(selection) && !view->host->tracking->interop) {
            selection_destroy(selection);
            view->typed_column = 1;
            snprintf(view->typed_error, sizeof view->typed_error,
                     "labels of other tools are followed if -Y asks for them from the start");
            return false;
        }
    }
    top_model_select(view->model, selection);
    selection_destroy(view->own);
    view->own = selection;
    snprintf(view->filter, sizeof view->filter, "%s", selection ? text : "");
    view->matched =
        top_model_match(view->model, view->options->tracker, selection ? MATCH_AT_ONCE : SIZE_MAX);
    view->wants_refresh = true;
    return true;
}

static void start_typing(struct view *view)
{
    snprintf(view->before, sizeof view->before, "%s", view->filter);
    snprintf(view->typed, sizeof view->typed, "%s", view->filter);
    view->typed_cursor = strlen(view->typed);
    *view->typed_error = '\0';
    view->typing = true;
}

static void insert(struct view *view, char c)
{
    const size_t length = strlen(view->typed);

    if (length + 1 >= sizeof view->typed)
        return;
    memmove(view->typed + view->typed_cursor + 1, view->typed + view->typed_cursor,
            length - view->typed_cursor + 1);
    view->typed[view->typed_cursor++] = c;
}

static void erase(struct view *view)
{
    if (view->typed_cursor == 0)
        return;
    view->typed_cursor--;
    memmove(view->typed + view->typed_cursor, view->typed + view->typed_cursor + 1,
            strlen(view->typed + view->typed_cursor));
}

enum { CONTROL_A = 1, CONTROL_E = 5, CONTROL_U = 21 };

static void type(struct view *view, int key)
{
    switch (key) {
    case TOP_KEY_ENTER:
        if (take_filter(view, view->typed))
            view->typing = false;
        return;
    case TOP_KEY_ESCAPE:
        take_filter(view, view->before);
        view->typing = false;
        return;
    case TOP_KEY_BACKSPACE:
        erase(view);
        break;
    case TOP_KEY_LEFT:
        view->typed_cursor -= view->typed_cursor > 0;
        return;
    case TOP_KEY_RIGHT:
        view->typed_cursor += view->typed[view->typed_cursor] != '\0';
        return;
    case TOP_KEY_HOME:
    case CONTROL_A:
        view->typed_cursor = 0;
        return;
    case TOP_KEY_END:
    case CONTROL_E:
        view->typed_cursor = strlen(view->typed);
        return;
    case CONTROL_U:
        view->typed_cursor = 0;
        *view->typed = '\0';
        break;
    default:
        if (key < ' ' || key > '~')
            return;
        insert(view, (char)key);
    }
    take_filter(view, view->typed);
}

/* ----------------------------------------------------------------------------------------- keys --
 */

static void save(struct view *view, const struct top_row *row)
{
    struct fw_connection connection = { .packets = { 0 } };
    char said[MESSAGE_BYTES] = "";

    if (!row) {
        say(view, "no connection is selected");
        return;
    }
    if (view->options->tracker)
        fw_tracker_find(view->options->tracker, &row->brief.identity, &connection);
    view->host->save(view->host->context, &row->brief.identity,
                     connection.packets[FW_CLIENT] + connection.packets[FW_SERVER], said,
                     sizeof said);
    say(view, said);
}

static void move_cursor(struct view *view, size_t cursor)
{
    view->cursor = cursor < view->list.count ? cursor
                   : view->list.count > 0    ? view->list.count - 1
                                             : 0;
    view->side_chosen = false;
    const struct top_row *row = selected_row(view);
    view->followed = row ? row->brief.identity.id : 0;
    keep_in_sight(view);
    if (view->list.count < view->list.eligible && view->cursor + 1 == view->list.count)
        view->wants_refresh = true; /* the list goes on */
}

static void sort_by(struct view *view, int step)
{
    char text[80];

    view->sort = (enum top_sort)((view->sort + TOP_SORT_COUNT + (unsigned)step) % TOP_SORT_COUNT);
    view->wants_refresh = true;
    snprintf(text, sizeof text, "sorted by: %s", top_sort_name(view->sort));
    say(view, text);
}

static void change_speed(struct view *view, bool faster)
{
    struct top_play *play = view->host->play;
    char text[80];

    if (!play) {
        say(view, "what is live has its own speed: + and - are for a file");
        return;
    }
    if (faster)
        play->speed = play->speed > 0 && play->speed * 2 <= 1 << 20 ? play->speed * 2 : 0;
    else
        play->speed = play->speed <= 0         ? 1 << 20
                      : play->speed > 1.0 / 64 ? play->speed / 2
                                               : play->speed;
    if (play->speed > 0)
        snprintf(text, sizeof text, "speed: %.6g s of the capture in a second", play->speed);
    else
        snprintf(text, sizeof text, "speed: as fast as it can be read");
    say(view, text);
}

static void pause_or_go_on(struct view *view)
{
    struct top_play *play = view->host->play;

    if (play)
        play->paused = !play->paused;
    else
        view->paused = !view->paused;
    view->wants_refresh = true;
}

static void step(struct view *view)
{
    struct top_play *play = view->host->play;

    if (!play) {
        say(view, "what is live goes on by itself: . is for a file");
        return;
    }
    play->paused = true;
    play->steps++;
    view->wants_refresh = true;
}

static void toggle(struct view *view, bool *what)
{
    *what = !*what;
    view->cursor = view->first = 0;
    view->followed = 0;
    view->wants_refresh = true;
}

static bool move_in_list(struct view *view, int key)
{
    const size_t page = rows_on_screen(view);

    switch (key) {
    case TOP_KEY_UP:
    case 'k':
        move_cursor(view, view->cursor > 0 ? view->cursor - 1 : 0);
        return true;
    case TOP_KEY_DOWN:
    case 'j':
        move_cursor(view, view->cursor + 1);
        return true;
    case TOP_KEY_PAGE_UP:
        move_cursor(view, view->cursor > page ? view->cursor - page : 0);
        return true;
    case TOP_KEY_PAGE_DOWN:
        move_cursor(view, view->cursor + page);
        return true;
    case TOP_KEY_HOME:
    case 'g':
        move_cursor(view, 0);
        view->followed = 0;
        return true;
    case TOP_KEY_END:
    case 'G':
        move_cursor(view, SIZE_MAX);
        return true;
    case TOP_KEY_LEFT:
    case TOP_KEY_RIGHT:
        view->side = key == TOP_KEY_LEFT ? FW_CLIENT : FW_SERVER;
        view->side_chosen = true;
        return true;
    default:
        return false;
    }
}

static void press_in_list(struct view *view, int key)
{
    if (move_in_list(view, key))
        return;
    switch (key) {
    case 'q':
        view->done = true;
        return;
    case '/':
        start_typing(view);
        return;
    case 's':
    case 'S':
        sort_by(view, key == 's' ? 1 : -1);
        return;
    case 'r':
        view->reversed = !view->reversed;
        view->wants_refresh = true;
        return;
    case 'a':
        toggle(view, &view->closed);
        return;
    case 'H':
        toggle(view, &view->history);
        return;
    case TOP_KEY_ENTER:
        open_page(view, PAGE_TIMELINE);
        return;
    case 'l':
        open_page(view, PAGE_LADDER);
        return;
    case 'd':
        open_page(view, PAGE_DIAGNOSIS);
        return;
    case 'e':
        open_page(view, PAGE_EXPLANATION);
        return;
    case 'w':
        save(view, selected_row(view));
        return;
    default:
        return;
    }
}

static bool move_in_page(struct view *view, int key)
{
    const size_t rows = top_page_rows(top_screen_height(view->host->screen));
    const size_t last = last_first(view);
    size_t *first = &view->page_first;

    switch (key) {
    case TOP_KEY_UP:
    case 'k':
        *first -= *first > 0;
        return true;
    case TOP_KEY_DOWN:
    case 'j':
        *first += *first < last;
        return true;
    case TOP_KEY_PAGE_UP:
        *first = *first > rows ? *first - rows : 0;
        return true;
    case TOP_KEY_PAGE_DOWN:
        *first = *first + rows < last ? *first + rows : last;
        return true;
    case TOP_KEY_HOME:
    case 'g':
        *first = view->page_skip = 0;
        return true;
    case TOP_KEY_END:
    case 'G':
        *first = last;
        return true;
    default:
        return false;
    }
}

/* To the side: where a page is wide it moves, where it explains it is the other end. */
static void move_aside(struct view *view, int key)
{
    enum { STEP = 8 };

    if (view->page == PAGE_EXPLANATION) {
        view->side = key == TOP_KEY_LEFT ? FW_CLIENT : FW_SERVER;
        view->side_chosen = true;
        write_page(view);
    } else if (key == TOP_KEY_RIGHT) {
        view->page_skip += STEP;
    } else {
        view->page_skip -= view->page_skip >= STEP ? STEP : view->page_skip;
    }
}

static void press_in_page(struct view *view, int key)
{
    const bool of_connection = view->page != PAGE_HELP;

    if (move_in_page(view, key))
        return;
    if (key == TOP_KEY_LEFT || key == TOP_KEY_RIGHT)
        move_aside(view, key);
    else if (key == 'q' || key == TOP_KEY_ESCAPE || key == TOP_KEY_BACKSPACE || key == '?')
        view->page = PAGE_NONE;
    else if (key == TOP_KEY_ENTER && (view->page == PAGE_TIMELINE || !of_connection))
        view->page = PAGE_NONE;
    else if (!of_connection)
        return;
    else if (key == 'l')
        open_page(view, view->page == PAGE_LADDER ? PAGE_TIMELINE : PAGE_LADDER);
    else if (key == 'd')
        open_page(view, PAGE_DIAGNOSIS);
    else if (key == 'e')
        open_page(view, PAGE_EXPLANATION);
    else if (key == TOP_KEY_ENTER)
        open_page(view, PAGE_TIMELINE);
    else if (key == 'w')
        save(view, &view->about);
}

/* Keys that do the same wherever one is. */
static bool press_anywhere(struct view *view, int key)
{
    switch (key) {
    case TOP_KEY_RESIZED:
        view->widths = (struct top_widths){ 0 };
        keep_in_sight(view);
        if (view->page != PAGE_NONE)
            write_page(view);
        return true;
    case TOP_KEY_LOST:
        view->done = true;
        return true;
    default:
        break;
    }
    if (view->typing)
        return false;
    switch (key) {
    case ' ':
        pause_or_go_on(view);
        return true;
    case '+':
    case '-':
        change_speed(view, key == '+');
        return true;
    case '.':
        step(view);
        return true;
    case '?':
        if (view->page == PAGE_HELP)
            return false;
        open_page(view, PAGE_HELP);
        return true;
    default:
        return false;
    }
}

static void press(struct view *view, int key)
{
    *view->message = '\0';
    view->dirty = true;
    if (press_anywhere(view, key))
        return;
    if (view->typing)
        type(view, key);
    else if (view->page != PAGE_NONE)
        press_in_page(view, key);
    else
        press_in_list(view, key);
}

/* ---------------------------------------------------------------------------------------- hooks --
 */

static void show_notices(struct view *view)
{
    if (view->notices == view->host->notices)
        return;
    view->notices = view->host->notices;
    say(view, view->host->notice);
}

/* A new filter goes over all connections, some at a time: keys and packets are not to wait. */
static void go_on_matching(struct view *view)
{
    if (view->matched)
        return;
    view->matched = top_model_match(view->model, view->options->tracker, MATCH_AT_ONCE);
    view->wants_refresh |= view->matched;
}

static void tick(struct view *view, fw_time now)
{
    int key;

    view->now = now;
    top_model_advance(view->model, now);
    while (!view->done && (key = top_screen_key(view->host->screen)) != TOP_KEY_NONE)
        press(view, key);
    const int64_t clock = clock_of(view);
    show_notices(view);
    go_on_matching(view);
    if (*view->message && clock >= view->message_until) {
        *view->message = '\0';
        view->dirty = true;
    }
    if (view->wants_refresh || (!view->paused && clock >= view->next_refresh))
        refresh(view);
    go_on(view, clock);
    if (view->dirty && !view->done)
        draw(view);
}

static bool is_done(const struct view *view)
{
    return view->done;
}

static void on_step(void *context, const struct fw_step *step)
{
    struct view *view = context;

    top_model_step(view->model, step);
}

static void on_segment(void *context, const struct fw_step *step)
{
    struct view *view = context;

    top_model_segment(view->model, step);
    kept_claim(view->host->kept, step->frame, step->identity->id, evidence_tells(step));
}

/* What is written now can be read, or has no reader. */
static void give_back(struct view *view)
{
    if (top_screen_is_open(view->host->screen) && top_screen_is_lost(view->host->screen))
        view->out->closed = true;
    top_screen_close(view->host->screen);
}

/* When the input ends all connections do, which may take long: the terminal is given back before.
 */
static void on_end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;

    if (view->options->ended)
        give_back(view);
    else
        top_model_end(view->model, connection);
}

static void finish(struct view *view, const struct summary *summary)
{
    struct summary shown = *summary;

    give_back(view);
    if (view->done) /* nobody need be told who pressed q */
        shown.why_ended = NULL;
    summary_print(view->out, view->options, &shown, true);
}

static void destroy(struct view *view)
{
    if (!view)
        return;
    top_model_destroy(view->model);
    top_list_finish(&view->list);
    selection_destroy(view->own);
    out_finish(&view->drawing);
    out_finish(&view->text);
    free(view);
}

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);

    if (!view)
        return NULL;
    view->options = options;
    view->out = out;
    view->host = options->top;
    view->matched = true;
    view->model = top_model_create();
    const bool texts =
        out_init(&view->drawing, -1, 0) == 0 && out_init(&view->text, -1, 0) == 0 && view->model;
    if (!texts) {
        destroy(view);
        return NULL;
    }
    top_model_lost(view->model, options->losses);
    if (options->selection) {
        *text_foreign(view->filter, sizeof view->filter - 1, view->host->filter, false) = '\0';
        top_model_select(view->model, options->selection);
    }
    return view;
}

const struct view_ops view_top = {
    .name = "top",
    .wants_segments = true,
    .create = create,
    .hooks = { .step = on_step, .segment = on_segment, .end = on_end },
    .tick = tick,
    .is_done = is_done,
    .finish = finish,
    .destroy = destroy,
};
