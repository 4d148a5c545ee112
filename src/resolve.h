/* -N: names of endpoints, asked of the system's resolver once each and kept. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "finwait/finwait.h"

struct resolver;

struct resolver *resolver_create(void); /* NULL without memory */
void resolver_destroy(struct resolver *resolver);

/* "web.example:https", or NULL: neither address nor port has a name. Lent until the next call. Fits
 * view_options.resolve; `context` is the resolver. May wait for the network. */
const char *resolver_name(void *context, const struct fw_endpoint *endpoint);

#endif
