#include "lab.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 body;
};

int diag_open(void)
{
    return socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static void set_address(__be32 out[4], const struct in6_addr *addr)
{
    if (IN6_IS_ADDR_V4MAPPED(addr))
        memcpy(out, &addr->s6_addr[12], 4);
    else
        memcpy(out, addr, 16);
}

static struct request make_request(uint16_t type, const struct endpoint *local,
                                   const struct endpoint *remote)
{
    struct request request = { 0 };
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = NLM_F_REQUEST | (type == SOCK_DESTROY ? NLM_F_ACK : 0);
    request.body.sdiag_family = IN6_IS_ADDR_V4MAPPED(&local->addr) ? AF_INET : AF_INET6;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = ~0u;
    request.body.id.idiag_sport = htons(local->port);
    request.body.id.idiag_dport = htons(remote->port);
    set_address(request.body.id.idiag_src, &local->addr);
    set_address(request.body.id.idiag_dst, &remote->addr);
    request.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return request;
}

/* One request, one answer.  Returns the size of the answer or negative errno. */
static ssize_t ask(int fd, const struct request *request, void *answer, size_t room)
{
    if (send(fd, request, sizeof(*request), 0) < 0)
        return -errno;
    const ssize_t got = recv(fd, answer, room, 0);
    return got < 0 ? -errno : got;
}

/* Linux names, from the kernel's own enum (netinet/tcp.h), in RFC 9293's. */
static enum tcp_state rfc_state(uint8_t state)
{
    static const enum tcp_state states[] = {
        [TCP_ESTABLISHED] = ESTABLISHED,
        [TCP_SYN_SENT] = SYN_SENT,
        [TCP_SYN_RECV] = SYN_RECEIVED,
        [TCP_FIN_WAIT1] = FIN_WAIT_1,
        [TCP_FIN_WAIT2] = FIN_WAIT_2,
        [TCP_TIME_WAIT] = TIME_WAIT,
        [TCP_CLOSE] = CLOSED,
        [TCP_CLOSE_WAIT] = CLOSE_WAIT,
        [TCP_LAST_ACK] = LAST_ACK,
        [TCP_LISTEN] = LISTEN,
        [TCP_CLOSING] = CLOSING,
        [TCP_CLOSING + 1] = SYN_RECEIVED /* TCP_NEW_SYN_RECV */
    };
    return state < sizeof(states) / sizeof(states[0]) ? states[state] : CLOSED;
}

enum tcp_state diag_state(int diag_fd, const struct endpoint *local, const struct endpoint *remote)
{
    const struct request request = make_request(SOCK_DIAG_BY_FAMILY, local, remote);
    _Alignas(struct nlmsghdr) char answer[4096];
    const ssize_t got = ask(diag_fd, &request, answer, sizeof(answer));
    const struct nlmsghdr *header = (const void *)answer;
    if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)) ||
        header->nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return CLOSED; /* -ENOENT */
    const struct inet_diag_msg *message = NLMSG_DATA(header);
    return rfc_state(message->idiag_state);
}

int diag_destroy(int diag_fd, const struct endpoint *local, const struct endpoint *remote)
{
    const struct request request = make_request(SOCK_DESTROY, local, remote);
    _Alignas(struct nlmsghdr) char answer[4096];
    const ssize_t got = ask(diag_fd, &request, answer, sizeof(answer));
    if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
        return got < 0 ? (int)got : -EPROTO;
    const struct nlmsgerr *error = NLMSG_DATA((const struct nlmsghdr *)(const void *)answer);
    return error->error;
}
