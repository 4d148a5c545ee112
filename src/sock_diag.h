/*
 * All TCP sockets of this host and its addresses, asked of the kernel over netlink: sock_diag(7),
 * rtnetlink(7). The only file that knows libmnl. Level 5.
 */
#ifndef SOCK_DIAG_H
#define SOCK_DIAG_H

#include "compare.h"

struct sock_diag;

/* Whether this build has libmnl. */
bool sock_diag_is_built_in(void);

/* Opens its sockets; NULL with errno. */
struct sock_diag *sock_diag_open(void);
void sock_diag_close(struct sock_diag *diag);

/* A table of sockets, sorted by kernel_socket_compare(), and the addresses of this host, both
 * lent until the next call. Owners are not filled. 0, or a negative errno. */
struct sock_diag_table {
    struct kernel_socket *sockets;
    size_t socket_count;
    const struct kernel_address *addresses;
    size_t address_count;
    int32_t time_wait_sockets;
};
int sock_diag_ask(struct sock_diag *diag, struct sock_diag_table *table);

#endif
