/*
 * -N: names of endpoints, asked of the system's resolver once each and kept. A helper process asks
 * (helper.h): the resolver needs files and sockets, which a reader of packets has no business with.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "finwait/finwait.h"
#include "sandbox.h"

struct resolver;

/* Before there are threads. `waits`: for the network, until the name is known; else it is said when
 * it is asked for again. NULL with a line in `error`, perhaps one in `hint` (512 bytes each). */
struct resolver *resolver_create(bool waits, enum sandbox_mode mode, const char *user, char *error,
                                 char *hint);
void resolver_destroy(struct resolver *resolver);

/* "web.example:https", or NULL: neither address nor port has a name, or none is known yet. Lent
 * until the next call. Fits view_options.resolve; `context` is the resolver. */
const char *resolver_name(void *context, const struct fw_endpoint *endpoint);

#endif
