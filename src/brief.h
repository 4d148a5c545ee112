/*
 * As much of a connection as a line about it needs: there may be millions. Level 4.
 */
#ifndef BRIEF_H
#define BRIEF_H

#include "finwait/finwait.h"

#include "view.h"

struct brief {
    struct fw_identity identity;
    fw_time first_time, last_time, client_since, server_since, timer_due;
    uint64_t bytes[2];
    const char *cause;
    uint8_t client_state, server_state, open, end, closed_by, outcome; /* enums of that name */
    bool client_inferred, server_inferred, client_timed, server_timed;
    bool any_fin, client_rst, server_rst, lossy;
};

struct brief brief_of(const struct fw_connection *connection);

/* As much of the connection as words_of_connection() asks for. */
void brief_connection(const struct brief *brief, struct fw_connection *connection);

#endif
