/*
 * How other tools would label a connection, derived packet by packet beside our own state.
 * Level 1: knows finwait.h only. One small struct per connection, no allocation.
 */
#ifndef INTEROP_H
#define INTEROP_H

#include "finwait/finwait.h"

/* To be laid out by interop.c's author; keep it under 128 bytes. Zeroed before the first segment. */
struct interop {
    uint8_t opaque[1];
};

/* One segment of the connection; from_originator: it comes from the side that finwait's connection
 * record calls the client. */
void interop_step(struct interop *interop, bool from_client, const struct fw_segment *segment);

/* Fills zeek_conn_state, zeek_history, conntrack_state and completeness of *connection, of which
 * everything else is filled already. */
void interop_fill(const struct interop *interop, struct fw_connection *connection);

/* Community ID version 1, seed 0 ("1:..."), of the connection's tuple. */
void interop_community_id(const struct fw_identity *identity, char text[32]);

#endif
