/*
 * Words, numbers and columns for people. Each text_ function that takes `at` writes there without a
 * NUL and returns the end; the room it needs is in its comment. Level 4: knows finwait.h and
 * view.h.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "finwait/finwait.h"

#include "stamp.h"
#include "view.h"

/* A literal whose length the compiler knows. */
#define TEXT_LITERAL(at, text) ((char *)memcpy((at), (text), sizeof(text) - 1) + sizeof(text) - 1)

/* Any text of ours; at most strlen(text). */
static inline char *text_put(char *at, const char *text)
{
    const size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

/* A word of at most 15 bytes with its length: copied in one move of fixed size. */
struct text_word {
    char text[15];
    uint8_t length;
};

/* Writes 16 bytes, whatever it needs. */
static inline char *text_put_word(char *at, const struct text_word *word)
{
    memcpy(at, word, sizeof *word);
    return at + word->length;
}

/* ----------------------------------------------------------------------------------- numbers -- */

enum { TEXT_NUMBER_BYTES = 32 };

/* "0.4 ms", "21 ms", "1.5 s", "118.9 s", "12.4 min", "5.3 h", "9.1 d": three figures or so, one
 * unit. */
char *text_duration(char *at, int64_t ns);

/* "18 B", "1.2 kB", "640 MB": decimal units. */
char *text_bytes(char *at, uint64_t bytes);

/* "1 connection", "16 connections": `one` and `many` are at most 64 bytes. */
char *text_count(char *at, uint64_t count, const char *one, const char *many);

/* -------------------------------------------------------------------------------------- time -- */

/* The time column of -t...: keeps what it needs from line to line. Zeroed at first but for
 * `style`, `micros` and `first`. */
struct text_clock {
    enum time_style style;
    bool micros;    /* TIME_RELATIVE and TIME_DELTA: microseconds, not milliseconds */
    fw_time first;  /* of the capture */
    fw_time before; /* TIME_DELTA: of the line before */
    bool any;       /* there was one */
    unsigned width; /* grows, so that later lines stay aligned with each other */
    struct stamp_cache stamp;
};

enum { TEXT_TIME_BYTES = 40 };

/* The least width of the column; 0 with -t. */
unsigned text_time_width(enum time_style style, bool micros);

/* Right aligned; nothing with -t. At most TEXT_TIME_BYTES. */
char *text_time(struct text_clock *clock, char *at, fw_time time);

/* ------------------------------------------------------------------------------------- state -- */

enum { TEXT_STATE_BYTES = 24 };

/* "ESTABLISHED", "ESTABLISHED?" (inferred), "CLOSED~" (a timer's), "-" (never heard). */
char *text_state(char *at, enum fw_state state, bool inferred, bool timed, enum fw_names names);

/* ----------------------------------------------------------------------------------- columns -- */

/* Columns on a terminal of UTF-8 text: combining marks take none, East Asian wide characters two.
 */
size_t text_columns(const char *text, size_t length);

/* Spaces until `width` columns are filled, and at least one where `used` has filled them already
 * and another column follows (`width` includes the gap). */
char *text_pad(char *at, size_t used, size_t width);

/* Puts a note at a column of a line of which `used` columns are taken. If it does not fit into
 * `width` there (0: everything fits), as far to the left as it has to be, or on a line of its own
 * under column `under`, or before it. Nothing where length is 0. At most `column` + `width` +
 * length + 1. */
char *text_place(char *at, size_t used, size_t column, size_t under, size_t width, const char *note,
                 size_t length);

/* Copies text that someone else wrote: control characters, what is not UTF-8, and, without utf8,
 * what is not ASCII become '?'. At most `room`. */
char *text_foreign(char *at, size_t room, const char *text, bool utf8);

/* Shortens text[0..length) to `width` columns in place, with an ellipsis: at the end, or in the
 * middle (addresses: both the network and the port stay). Returns the new length. The room is at
 * least length + 3. */
size_t text_cut(char *text, size_t length, size_t width, bool in_the_middle, bool utf8);

/* ------------------------------------------------------------------------------------ styles -- */

enum text_style { TEXT_PLAIN, TEXT_BOLD, TEXT_DIM, TEXT_RED, TEXT_YELLOW, TEXT_GREEN };

/* Begins or ends a style (ECMA-48 SGR); nothing without colour. At most 8 bytes. */
char *text_begin(char *at, enum text_style style, bool color);
char *text_end(char *at, enum text_style style, bool color);

/* A cell of a table; the text fits into its width. `*gap`: the columns that cells before have left
 * open, and this one leaves; spaces at the end of a line are not written. */
struct text_cell {
    const char *text;
    size_t length;
    size_t width, between; /* columns: of the cell, and to the next */
    bool right;            /* aligned */
    bool color;
    enum text_style style;
};
char *text_cell(char *at, const struct text_cell *cell, size_t *gap);

/* --------------------------------------------------------------------------------- endpoints -- */

enum { TEXT_ENDPOINT_BYTES = 272 };

/* "10.0.0.1:80", or its name with -N. */
char *text_endpoint(char *at, const struct fw_endpoint *endpoint,
                    const struct view_options *options);

/* "192.168.1.10:50001 → 10.0.0.1:80". At most 2 * TEXT_ENDPOINT_BYTES + 8. */
char *text_endpoints(char *at, const struct fw_identity *identity,
                     const struct view_options *options);

/* One column: "→" or "->", "←" or "<-". At most 3 bytes. */
char *text_arrow(char *at, bool rightwards, bool utf8);
static inline unsigned text_arrow_width(bool utf8)
{
    return utf8 ? 1 : 2;
}

#endif
