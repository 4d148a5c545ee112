/*
 * Which connections: ss's filter language (-Y, --state), compiled once, matched per connection.
 * Pure. Level 4: knows finwait.h, addr.h, suggest.h and record.h (values of FIELD: select_field.h).
 *
 *     'state close-wait and dport = :443 and not dst 10.0.0.0/8'
 *
 * src and sport are the client's, dst and dport the server's. `state S`: either endpoint is in S. A
 * key of the connection record compares too: 'client_retransmits > 3 or open = refused'.
 */
#ifndef SELECT_H
#define SELECT_H

#include "finwait/finwait.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field_condition; /* select_field.h */
struct selection;

/* Compiles an expression; NULL with one line in `error`, which names the column and the nearest
 * word: `column 7: "stat": unknown word; did you mean state?`. */
struct selection *selection_parse(const char *text, char *error, size_t error_size);

/* The same; the error is without its column (from 1), which is in *column. */
struct selection *selection_parse_at(const char *text, size_t *column, char *error,
                                     size_t error_size);

/* The short form, --state: names of states and groups joined by commas. */
struct selection *selection_parse_states(const char *list, char *error, size_t error_size);

/* One endpoint, "10.0.0.1:80", or two, "192.168.1.10:50001-10.0.0.1:80", in either order. */
struct selection *selection_parse_tuple(const char *tuple, char *error, size_t error_size);

/* The connection with this id. NULL without memory. */
struct selection *selection_create_id(uint64_t id);

/* Makes *selection what both match; takes `other`. Either may be NULL: all. False without memory
 * (`other` is freed all the same). */
bool selection_and(struct selection **selection, struct selection *other);

/* NULL matches all. */
bool selection_match(const struct selection *selection, const struct fw_connection *connection);

/* Whether it asks for keys that are only known with fw_tracker_options.interop. */
bool selection_wants_interop(const struct selection *selection);

/* The only condition, where that is `FIELD CMP VALUE`; else NULL. Lent. */
const struct field_condition *selection_field(const struct selection *selection);

/* The states that it asks for with `state S`: a bit 1 << state each. */
uint32_t selection_states(const struct selection *selection);

/* It asks for addresses, ports and numbers of connections only, so that a connection's first packet
 * decides. */
bool selection_is_fixed(const struct selection *selection);

void selection_destroy(struct selection *selection);

#endif
