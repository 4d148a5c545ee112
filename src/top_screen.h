/*
 * A terminal that is drawn on as a whole, by ncurses: the only file that knows it. Level 4.
 */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* A key is a character of ASCII, or one of these. */
enum top_key {
    TOP_KEY_NONE, /* nothing was pressed */
    TOP_KEY_ENTER = '\n',
    TOP_KEY_ESCAPE = 27,
    TOP_KEY_OTHER = 256, /* nothing of ours */
    TOP_KEY_UP,
    TOP_KEY_DOWN,
    TOP_KEY_LEFT,
    TOP_KEY_RIGHT,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_BACKSPACE,
    TOP_KEY_RESIZED, /* or come back: all is to be drawn */
    TOP_KEY_LOST,    /* the terminal has gone */
};

struct top_screen;

/* Takes the terminal over: text on `out`, keys from `in`, which stay open. NULL: *why says what is
 * in the way, *hint what to do. One at a time. */
struct top_screen *top_screen_open(int in, int out, bool color, const char **why,
                                   const char **hint);

/* Gives the terminal back as it was; once more does no harm. */
void top_screen_close(struct top_screen *screen);
void top_screen_destroy(struct top_screen *screen);
bool top_screen_is_open(const struct top_screen *screen);

/* From now on this signal ends the program at once, with the terminal given back. Safe in a signal
 * handler. */
void top_screen_end_at(int signal);

unsigned top_screen_width(const struct top_screen *screen);
unsigned top_screen_height(const struct top_screen *screen);

/* The next key that was pressed; does not wait. */
int top_screen_key(struct top_screen *screen);

/* Nobody is there any more to read it. */
bool top_screen_is_lost(const struct top_screen *screen);

/* Draws lines of text, each ended by '\n'. They may have the styles of text_begin(). The line with
 * the number `selected` (-1: none) stands out; the cursor is shown at (line, column) unless line is
 * -1. Only what differs from before is sent. */
void top_screen_draw(struct top_screen *screen, const char *text, size_t length, int selected,
                     int cursor_line, int cursor_column);

/* Forgets what is on the screen, for the next draw. */
void top_screen_redraw(struct top_screen *screen);

#endif
