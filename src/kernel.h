/*
 * What this host's kernel knows of its TCP sockets, and /proc of their processes, asked through a
 * helper process (helper.h): the one that reads packets has no right to ask. Level 5.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include "compare.h"
#include "sandbox.h"

struct kernel;

/* One look. The lists are ours until the next. */
struct kernel_look {
    fw_time begun, ended;                /* by CLOCK_REALTIME, as packets are stamped */
    const struct kernel_socket *sockets; /* sorted: kernel_socket_compare() */
    size_t socket_count;
    const struct kernel_address *addresses; /* sorted by address */
    size_t address_count;
    struct kernel_limits limits;
};

/* Starts the helper, before there are threads and before interfaces are open. NULL with a line in
 * `error`, perhaps one in `hint` (512 bytes each). */
struct kernel *kernel_open(enum sandbox_mode mode, const char *user, char *error, char *hint);
void kernel_close(struct kernel *kernel);

/* Looks. `fresh`: at the processes, too, whether a socket is new or not. False with a line in
 * `error` (512 bytes). */
bool kernel_ask(struct kernel *kernel, bool fresh, struct kernel_look *look, char *error);

/* The socket with these ends, or NULL; and the one that listens on a local endpoint. */
const struct kernel_socket *kernel_find(const struct kernel_look *look,
                                        const struct fw_endpoint *local,
                                        const struct fw_endpoint *peer);
const struct kernel_socket *kernel_find_listener(const struct kernel_look *look,
                                                 const struct fw_endpoint *local);
/* Whether the endpoint's address is this host's. */
bool kernel_has_address(const struct kernel_look *look, const struct fw_endpoint *endpoint);
/* Whether the packets of a socket pass an interface: one that has its local address; the loopback
 * interface if its peer is on this host, too. 0 stands for all interfaces. */
bool kernel_is_on(const struct kernel_look *look, const struct kernel_socket *socket,
                  uint32_t interface, bool loopback);

#endif
