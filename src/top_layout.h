/*
 * The screens of finwait top as lines of text with the styles of text_begin(): pure. Level 4.
 */
#ifndef TOP_LAYOUT_H
#define TOP_LAYOUT_H

#include "out.h"
#include "top.h"
#include "top_model.h"
#include "view.h"

/* Below it there is nothing to see but that the terminal is too small. */
enum { TOP_LEAST_WIDTH = 20, TOP_LEAST_HEIGHT = 5 };

/* Columns that have been wide stay wide, so that nothing moves from one second to the next. Zeroed
 * at first, and when the terminal has another size. */
struct top_widths {
    unsigned state, client, server;
};

/* The list, and all around it. */
struct top_look {
    const struct view_options *options;
    unsigned width, height;
    const char *input;
    const struct top_play *play; /* NULL: live */
    const struct top_list *list;
    struct top_widths *widths;
    size_t first, cursor; /* rows of the list: the topmost on the screen, the selected one */
    enum fw_side side;    /* the selected end */
    enum top_sort sort;
    bool reversed, history, closed, paused;
    const char *filter; /* in force; NULL: none */
    bool matching;      /* it has not seen all connections yet */
    struct top_losses losses;
    uint64_t evicted;
    const char *message; /* NULL: none */

    /* While a filter is typed; NULL: none is. */
    const char *typed;
    size_t typed_cursor;
    const char *typed_error; /* NULL: it is right */
    size_t typed_column;     /* of the error, from 1 */
};

/* Rows of the list that there is room for. */
size_t top_layout_rows(const struct top_look *look);

/* Writes the screen. Returns the line of the selected row, -1 if there is none. */
int top_layout_list(struct out *out, const struct top_look *look);

/* Where the cursor is while a filter is typed: in the last line. */
unsigned top_layout_cursor(const struct top_look *look);

/* A text that is longer than the screen. */
struct top_page {
    const char *title;
    const char *text; /* lines */
    size_t length;
    size_t lines, first; /* how many there are; the topmost on the screen */
    size_t skip;         /* columns to the left of the screen */
    const char *keys;    /* "l ladder  w save": words by spaces, each key before what it does */
    const char *message; /* NULL: none */
};

size_t top_page_rows(unsigned height);
void top_layout_page(struct out *out, const struct top_page *page, unsigned width, unsigned height,
                     bool utf8);

/* The terminal is too small. */
void top_layout_small(struct out *out, unsigned width, unsigned height);

#endif
