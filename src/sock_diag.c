#include "sock_diag.h"

#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if HAVE_MNL

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

enum {
    ANSWER_BYTES = 64 * 1024,
    TRIES = 4, /* a table that changes while it is read is read again */
    /* struct tcp_info grows with kernels; these members stand where they always did. */
    INFO_BYTES = offsetof(struct tcp_info, tcpi_total_retrans) + sizeof(uint32_t),
};

struct list {
    void *items;
    size_t count, room, item_bytes;
};

struct sock_diag {
    struct mnl_socket *sockets, *routes;
    struct list list;      /* of struct kernel_socket */
    struct list addresses; /* of struct kernel_address */
    char answer[ANSWER_BYTES];
};

bool sock_diag_is_built_in(void)
{
    return true;
}

/* The next item, zeroed; NULL without memory. */
static void *list_add(struct list *list)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 256;
        void *items = realloc(list->items, room * list->item_bytes);

        if (!items)
            return NULL;
        list->items = items;
        list->room = room;
    }
    return memset((char *)list->items + list->count++ * list->item_bytes, 0, list->item_bytes);
}

static struct mnl_socket *open_netlink(int bus)
{
    struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);

    if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        mnl_socket_close(socket);
        return NULL;
    }
    return socket;
}

struct sock_diag *sock_diag_open(void)
{
    struct sock_diag *diag = calloc(1, sizeof *diag);

    if (!diag)
        return NULL;
    diag->list.item_bytes = sizeof(struct kernel_socket);
    diag->addresses.item_bytes = sizeof(struct kernel_address);
    diag->sockets = open_netlink(NETLINK_SOCK_DIAG);
    diag->routes = open_netlink(NETLINK_ROUTE);
    if (diag->sockets && diag->routes)
        return diag;
    sock_diag_close(diag);
    return NULL;
}

void sock_diag_close(struct sock_diag *diag)
{
    const int error = errno;

    if (!diag)
        return;
    if (diag->sockets)
        mnl_socket_close(diag->sockets);
    if (diag->routes)
        mnl_socket_close(diag->routes);
    free(diag->list.items);
    free(diag->addresses.items);
    free(diag);
    errno = error;
}

/* ------------------------------------------------------------------------------------- answers --
 */

/* Linux' names are in netinet/tcp.h, but for the last: TCP_NEW_SYN_RECV. */
static enum fw_state state_of(uint8_t state)
{
    static const enum fw_state states[] = {
        [TCP_ESTABLISHED] = FW_ESTABLISHED,
        [TCP_SYN_SENT] = FW_SYN_SENT,
        [TCP_SYN_RECV] = FW_SYN_RECEIVED,
        [TCP_FIN_WAIT1] = FW_FIN_WAIT_1,
        [TCP_FIN_WAIT2] = FW_FIN_WAIT_2,
        [TCP_TIME_WAIT] = FW_TIME_WAIT,
        [TCP_CLOSE] = FW_CLOSED,
        [TCP_CLOSE_WAIT] = FW_CLOSE_WAIT,
        [TCP_LAST_ACK] = FW_LAST_ACK,
        [TCP_LISTEN] = FW_LISTEN,
        [TCP_CLOSING] = FW_CLOSING,
        [TCP_CLOSING + 1] = FW_SYN_RECEIVED,
    };

    return state < sizeof states / sizeof states[0] ? states[state] : FW_CLOSED;
}

static enum kernel_timer timer_of(uint8_t timer)
{
    return timer < KERNEL_TIMER_COUNT ? (enum kernel_timer)timer : KERNEL_TIMER_NONE;
}

/* True: it is a v4-mapped one, and has become the IPv4 address. */
static bool set_endpoint(struct fw_endpoint *endpoint, uint8_t family, const void *address,
                         uint16_t port_be)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    const uint8_t *bytes = address;
    const bool is_mapped = family == AF_INET6 && memcmp(bytes, mapped, sizeof mapped) == 0;

    endpoint->family = family == AF_INET || is_mapped ? FW_IPV4 : FW_IPV6;
    endpoint->port = ntohs(port_be);
    if (is_mapped)
        memcpy(endpoint->addr, bytes + 12, 4);
    else
        memcpy(endpoint->addr, bytes, family == AF_INET ? 4 : 16);
    return is_mapped;
}

static int take_info(const struct nlattr *attribute, void *data)
{
    struct kernel_socket *socket = data;
    struct tcp_info info;

    if (mnl_attr_get_type(attribute) != INET_DIAG_INFO ||
        mnl_attr_get_payload_len(attribute) < INFO_BYTES)
        return MNL_CB_OK;
    memcpy(&info, mnl_attr_get_payload(attribute), INFO_BYTES);
    socket->has_info = true;
    socket->rtt_us = info.tcpi_rtt;
    socket->total_retransmits = info.tcpi_total_retrans;
    socket->last_ack_ms = info.tcpi_last_ack_recv;
    return MNL_CB_OK;
}

static int take_socket(const struct nlmsghdr *header, void *data)
{
    struct sock_diag *diag = data;
    const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);

    if (mnl_nlmsg_get_payload_len(header) < sizeof *message)
        return MNL_CB_OK;
    struct kernel_socket *socket = list_add(&diag->list);
    if (!socket) {
        errno = ENOMEM;
        return MNL_CB_ERROR;
    }
    set_endpoint(&socket->local, message->idiag_family, message->id.idiag_src,
                 message->id.idiag_sport);
    socket->mapped = set_endpoint(&socket->peer, message->idiag_family, message->id.idiag_dst,
                                  message->id.idiag_dport);
    socket->state = (uint8_t)state_of(message->idiag_state);
    socket->timer = (uint8_t)timer_of(message->idiag_timer);
    socket->timer_left_ms = message->idiag_expires;
    socket->retransmits = message->idiag_retrans;
    socket->receive_queue = message->idiag_rqueue;
    socket->send_queue = message->idiag_wqueue;
    socket->uid = message->idiag_uid;
    socket->inode = message->idiag_inode;
    return mnl_attr_parse(header, sizeof *message, take_info, socket) < 0 ? MNL_CB_ERROR
                                                                          : MNL_CB_OK;
}

static int take_address(const struct nlmsghdr *header, void *data)
{
    struct sock_diag *diag = data;
    const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
    const struct nlattr *attribute;

    if (header->nlmsg_type != RTM_NEWADDR ||
        (message->ifa_family != AF_INET && message->ifa_family != AF_INET6))
        return MNL_CB_OK;
    mnl_attr_for_each(attribute, header, sizeof *message)
    {
        const size_t bytes = message->ifa_family == AF_INET ? 4 : 16;
        const uint16_t type = mnl_attr_get_type(attribute);

        /* IFA_ADDRESS of a point-to-point link is the peer's; IPv6 has no IFA_LOCAL. */
        if (type != (message->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS) ||
            mnl_attr_get_payload_len(attribute) < bytes)
            continue;
        struct kernel_address *address = list_add(&diag->addresses);
        if (!address) {
            errno = ENOMEM;
            return MNL_CB_ERROR;
        }
        set_endpoint(&address->address, message->ifa_family, mnl_attr_get_payload(attribute), 0);
        address->interface = message->ifa_index;
    }
    return MNL_CB_OK;
}

/* ------------------------------------------------------------------------------------ questions --
 */

/* One dump; 0, or a negative errno, -EINTR where the table has changed meanwhile. */
static int dump(struct sock_diag *diag, struct mnl_socket *socket, struct nlmsghdr *request,
                mnl_cb_t take)
{
    int result;

    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
        return -errno;
    do {
        const ssize_t got = mnl_socket_recvfrom(socket, diag->answer, sizeof diag->answer);
        if (got < 0)
            return -errno;
        result = mnl_cb_run(diag->answer, (size_t)got, request->nlmsg_seq,
                            mnl_socket_get_portid(socket), take, diag);
    } while (result > MNL_CB_STOP);
    return result < 0 ? -errno : 0;
}

/* What a dump that was broken off has left is not to be taken for the next one's. */
static void drain(struct sock_diag *diag, struct mnl_socket *socket)
{
    while (recv(mnl_socket_get_fd(socket), diag->answer, sizeof diag->answer, MSG_DONTWAIT) > 0)
        continue;
}

static int dump_sockets(struct sock_diag *diag, uint8_t family)
{
    char room[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct inet_diag_req_v2))];
    struct nlmsghdr *request = mnl_nlmsg_put_header(room);
    struct inet_diag_req_v2 *question = mnl_nlmsg_put_extra_header(request, sizeof *question);

    request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request->nlmsg_seq = family;
    question->sdiag_family = family;
    question->sdiag_protocol = IPPROTO_TCP;
    question->idiag_states = UINT32_MAX;
    question->idiag_ext = 1 << (INET_DIAG_INFO - 1);
    return dump(diag, diag->sockets, request, take_socket);
}

static int dump_addresses(struct sock_diag *diag)
{
    char room[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct ifaddrmsg))];
    struct nlmsghdr *request = mnl_nlmsg_put_header(room);

    mnl_nlmsg_put_extra_header(request, sizeof(struct ifaddrmsg));
    request->nlmsg_type = RTM_GETADDR;
    request->nlmsg_seq = 1;
    return dump(diag, diag->routes, request, take_address);
}

static int dump_all(struct sock_diag *diag)
{
    diag->list.count = diag->addresses.count = 0;
    int error = dump_addresses(diag);

    if (error == 0)
        error = dump_sockets(diag, AF_INET);
    if (error == 0)
        error = dump_sockets(diag, AF_INET6);
    if (error == -ENOENT) /* a kernel without IPv6 */
        error = 0;
    return error;
}

int sock_diag_ask(struct sock_diag *diag, struct sock_diag_table *table)
{
    int error = -EINTR;

    for (int tries = 0; tries < TRIES && error == -EINTR; tries++) {
        error = dump_all(diag);
        if (error < 0) {
            drain(diag, diag->routes);
            drain(diag, diag->sockets);
        }
    }
    if (error < 0)
        return error;
    *table = (struct sock_diag_table){
        .sockets = diag->list.items,
        .socket_count = diag->list.count,
        .addresses = diag->addresses.items,
        .address_count = diag->addresses.count,
    };
    if (table->socket_count)
        qsort(table->sockets, table->socket_count, sizeof *table->sockets, kernel_socket_compare);
    for (size_t i = 0; i < table->socket_count; i++)
        table->time_wait_sockets += table->sockets[i].state == FW_TIME_WAIT;
    return 0;
}

#else

bool sock_diag_is_built_in(void)
{
    return false;
}

struct sock_diag *sock_diag_open(void)
{
    errno = ENOSYS;
    return NULL;
}

void sock_diag_close(struct sock_diag *diag)
{
    (void)diag;
}

int sock_diag_ask(struct sock_diag *diag, struct sock_diag_table *table)
{
    (void)diag;
    (void)table;
    return -ENOSYS;
}

#endif
