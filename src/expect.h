/*
 * The expectations of `finwait verify`: a text, one line a test, becomes a list. Pure. Level 4.
 *
 *     name web answers
 *     all   dst 10.0.0.1   : handshake within 50ms; no reset
 *
 *     line  := quantifier FILTER ":" check { ";" check }
 *     check := handshake (complete | within D) | refused | no-answer
 *            | closed [by SIDE] [with fin|rst] | for CMP D | path SIDE STATE... | state SIDE STATE
 *            | packets {(>|<) FLAGS}... | no reset | FIELD CMP VALUE
 *
 * FILTER is the language of -Y (select.h); docs/verify.md describes all of it.
 */
#ifndef EXPECT_H
#define EXPECT_H

#include "finwait/finwait.h"

#include "select.h"
#include "select_field.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quantifier {
    QUANTIFIER_ALL, /* and there is one */
    QUANTIFIER_ANY,
    QUANTIFIER_NONE,
    QUANTIFIER_ONE, /* exactly one */
    QUANTIFIER_EXACTLY,
    QUANTIFIER_AT_LEAST,
};

enum check_kind {
    CHECK_HANDSHAKE, /* complete; within limit_ns unless that is negative */
    CHECK_REFUSED,
    CHECK_NO_ANSWER,
    CHECK_CLOSED,
    CHECK_FOR,
    CHECK_PATH,
    CHECK_STATE,
    CHECK_PACKETS,
    CHECK_NO_RESET,
    CHECK_FIELD,
};

enum closed_with { CLOSED_WITH_ANY, CLOSED_WITH_FIN, CLOSED_WITH_RST };

enum {
    EXPECT_CHECKS_MAX = 32,  /* in a line */
    EXPECT_PACKETS_MAX = 64, /* in a check */
    EXPECT_PATH_BYTES = 256,
};

struct expected_packet {
    enum fw_side from;
    uint16_t flags;
};

struct check {
    enum check_kind kind;
    char *text; /* as it was written */
    int64_t limit_ns;
    enum comparison comparison; /* FOR */
    bool by_given;              /* CLOSED */
    enum fw_closed_by by;
    enum closed_with with;
    enum fw_side side;            /* PATH, STATE */
    enum fw_state state;          /* STATE */
    char path[EXPECT_PATH_BYTES]; /* PATH: as fw_path_text() has it */
    struct expected_packet *packets;
    size_t packet_count;
    size_t slot;                 /* PACKETS: among all such checks */
    struct selection *condition; /* FIELD */
};

struct expectation {
    unsigned line;
    char *name; /* NULL: none was given */
    char *text; /* the line, without spaces at its ends */
    enum quantifier quantifier;
    uint64_t count;              /* how many are to pass: of ONE, EXACTLY, AT_LEAST (and ANY: 1) */
    struct selection *selection; /* NULL: all connections */
    char *filter;                /* its text; empty: all */
    uint32_t states;             /* that the filter asks for: 1 << state each */
    struct check *checks;
    size_t check_count;
};

struct expectations {
    struct expectation *list;
    size_t count;
    size_t packet_checks; /* how many checks ask for packets */
    bool wants_interop;   /* a filter or check asks for keys of other tools */
};

/* Reads them. `tell` is told of each error, "7:12: "hanshake": unknown check; did you mean
 * handshake?" with line and column from 1; `text` is lent until it returns. NULL after an error. */
struct expectations *
expectations_parse(const char *text, void (*tell)(void *context, const char *error), void *context);
void expectations_destroy(struct expectations *expectations);

/* "all", "at-least 3" ... Returns the length. */
size_t quantifier_text(const struct expectation *expectation, char *text, size_t size);

/* Whether a check holds once it has held, whatever packets may follow. */
bool check_is_lasting(const struct check *check);

/* `until`: when the input of this connection ended. `packets_seen`: of a PACKETS check, how many of
 * its packets have gone by. */
bool check_holds(const struct check *check, const struct expectation *expectation,
                 const struct fw_connection *connection, fw_time until, size_t packets_seen);

/* For how long the connection has been where the filter of the expectation has it; where that asks
 * for no state, since either end last moved. */
int64_t check_stay_ns(const struct expectation *expectation, const struct fw_connection *connection,
                      fw_time until);

/* The states as a path, as fw_path_text() has it: empty where nothing was heard. */
void check_path_text(const struct fw_connection *connection, enum fw_side side,
                     char text[EXPECT_PATH_BYTES]);

/* Whether this packet is the next of the check: letters F S R . must agree, others (P U E W e) only
 * where they were written. */
bool check_packet_fits(const struct expected_packet *packet, const struct fw_step *step);

#endif
