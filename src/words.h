/*
 * What a person would say of a packet that moved a state, and of a connection: "handshake 21 ms",
 * "client closes first, after 83 ms", "refused". Level 4.
 */
#ifndef WORDS_H
#define WORDS_H

#include "finwait/finwait.h"

#include "view.h"

/* Room that words need. */
enum { WORDS_BYTES = 640 };

/* What the step means, as clauses joined by ", "; nothing where the states say it all. */
char *words_of_step(char *at, const struct fw_step *step, const struct view_options *options);

/* What the note of a segment means, static; NULL where there is nothing to say. */
const char *words_of_note(enum fw_note note);

/* Why a connection is as it is: the least that says it, then ": " and more: "refused", "118.9 s:
 * the server has not closed". `now` is the time of the last packet of all. */
char *words_of_connection(char *at, const struct fw_connection *connection, fw_time now);

/* What it says, behind the rest, of one that is lossy. */
#define WORDS_LOSSY "packets are missing"

/* Whether to look at it first. */
bool words_is_failure(enum outcome outcome);

#endif
