/*
 * A child process that does for its parent what the parent gives up the right to do when it enters
 * its sandbox: ask for names, sockets, processes. The parent, which reads what strangers wrote, can
 * send it requests of one fixed size and no more; the child, which never sees a packet, is confined
 * to what it needs (sandbox.h). It ends when the parent does. Level 5.
 */
#ifndef HELPER_H
#define HELPER_H

#include "sandbox.h"

struct helper;

struct helper_service {
    size_t request_bytes; /* at most HELPER_REQUEST_BYTES */
    /* In the child, once, before it is confined: opens what it needs; false: it cannot. */
    bool (*begin)(void *context);
    /* In the child: answers one request with helper_write(); false: the child ends. */
    bool (*serve)(void *context, const void *request, int to);
};

enum { HELPER_REQUEST_BYTES = 64 };

/* Forks; before there are threads, and before what the child has no business with is opened. `plan`
 * says how the child is confined. NULL with a line in `error`, and perhaps one in `hint` (512 bytes
 * each). service and context are the child's copies. */
struct helper *helper_start(const struct helper_service *service, void *context,
                            const struct sandbox_plan *plan, char *error, char *hint);
/* Does not wait for it: it ends now, or when what it was asked has come, or with the parent. */
void helper_stop(struct helper *helper);

/* In the parent. False: the child has gone; it is not asked again. */
bool helper_ask(struct helper *helper, const void *request);
bool helper_read(struct helper *helper, void *answer, size_t bytes);
/* Whether helper_read() would not wait, but for what follows at once. */
bool helper_has_answer(const struct helper *helper);

/* In the child; all of it, or false: the parent has gone. */
bool helper_write(int to, const void *answer, size_t bytes);

#endif
