/* What each state of RFC 9293 means to whoever sees it: text as data. Level 4. */
#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "finwait/finwait.h"

#include "out.h"

struct explanation {
    enum fw_state state;
    const char *line; /* in a list of all */
    const char *meaning;
    const char *waits;   /* who waits for what */
    const char *entered; /* by whom, and why */
    const char *left;
    const char *wire;   /* what a capture shows */
    const char *look;   /* commands and settings, a line each */
    const char *normal; /* when it is, and when not */
    const char *note;   /* what Microsoft's KB Q137984 of 1996 says */
};

/* The eleven states in the order of RFC 9293 section 3.3.2; then a row without `line`. */
extern const struct explanation explanations[];

/* What a state means, in a line; NULL for FW_UNKNOWN. */
const char *explain_line(enum fw_state state);

struct explain_options {
    enum fw_names names;
    unsigned width; /* of the terminal; 0: none */
    bool color;
    bool utf8;
};

/* Writes what is known of one state. */
void explain_state(struct out *out, const struct explain_options *options, enum fw_state state);

/* Writes a line for each state, and how they follow each other. Fits 80 x 24. */
void explain_all(struct out *out, const struct explain_options *options);

#endif
