/* A ladder's text as values (language: ladder.h). */
#ifndef PICTURE_H
#define PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finwait/finwait.h"

enum { PICTURE_LINES = 96, PICTURE_WORDS = 48, PICTURE_BYTES = 8192 };

enum picture_end { END_A, END_B };

enum picture_kind {
    LINE_EMPTY,
    LINE_SEGMENT,
    LINE_AFTER,
    LINE_WITH,
    LINE_NOT,
    LINE_RECORD,
    LINE_COUNT,
};

/* Relative to the ISN of `of`, or absolute. */
struct picture_number {
    int64_t value;
    bool absolute;
};

/* A state that is expected of an endpoint. */
struct picture_state {
    bool given, corrected;
    bool any; /* what it is then stands for the lines after it */
    enum fw_state state;
    char mark; /* '?', '~' or ' '; '*': any */
};

struct picture_line {
    const char *source; /* the line it stands in, for messages; lent by the picture */
    size_t source_bytes;
    enum picture_kind kind;
    bool prelude; /* of `established`: the end that sends it may be exchanged */

    enum picture_end from;
    struct picture_number seq, ack;
    struct fw_segment segment; /* but for addresses and numbers */
    bool is_duplicate;
    int64_t delay_ns;

    struct picture_state after[2]; /* by enum picture_end */
    const char *note, *cause;      /* NULL: any */
    bool silent;

    const char *words[PICTURE_WORDS]; /* of the lines without a segment, without the first */
    size_t word_count;
};

struct picture {
    const char *text;
    char copy[PICTURE_BYTES]; /* holds the words */
    struct picture_line lines[PICTURE_LINES];
    size_t line_count;
};

/* Reads a picture; a fault in it aborts the test with the line. */
void picture_read(struct picture *picture, const char *text);

int64_t picture_duration(const char *word);

#endif
