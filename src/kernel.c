#include "kernel.h"

#include "addr.h"
#include "helper.h"
#include "process.h"
#include "sock_diag.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES = 512, ADDRESSES_MAX = 65536, SOCKETS_MAX = 16 * 1024 * 1024 };

/* What the helper is asked, and the head of what it says; the two lists follow. */
struct question {
    bool fresh;
};
struct answer {
    int32_t error; /* errno; 0: none */
    fw_time begun, ended;
    uint64_t socket_count, address_count;
    struct kernel_limits limits;
};

/* ----------------------------------------------------------------------------------- the helper --
 */

struct asking {
    struct sock_diag *diag;
    struct process_table *processes;
};

static fw_time wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * FW_SECOND + now.tv_nsec;
}

static int64_t steady_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * FW_SECOND + now.tv_nsec;
}

/* /proc/sys/net/ipv4/NAME; -1: it is not there. */
static int32_t setting(const char *name)
{
    char path[96], text[32];

    snprintf(path, sizeof path, "/proc/sys/net/ipv4/%s", name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const ssize_t bytes = read(fd, text, sizeof text - 1);
    close(fd);
    if (bytes <= 0)
        return -1;
    text[bytes] = '\0';
    return (int32_t)strtol(text, NULL, 10);
}

static void read_limits(struct kernel_limits *limits)
{
    *limits = (struct kernel_limits){
        .fin_timeout_s = setting("tcp_fin_timeout"),
        .syn_retries = setting("tcp_syn_retries"),
        .synack_retries = setting("tcp_synack_retries"),
        .orphan_retries = setting("tcp_orphan_retries"),
        .retries2 = setting("tcp_retries2"),
        .keepalive_time_s = setting("tcp_keepalive_time"),
        .max_tw_buckets = setting("tcp_max_tw_buckets"),
        .rfc1337 = setting("tcp_rfc1337"),
    };
}

static bool begin(void *context)
{
    struct asking *asking = context;

    asking->diag = sock_diag_open();
    asking->processes = process_table_open();
    return asking->diag && asking->processes;
}

/* Sockets without an inode: the kernel's own, or not yet any program's. */
static void name_ownerless(struct kernel_socket *sockets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct kernel_socket *socket = &sockets[i];

        if (socket->inode)
            continue;
        switch ((enum fw_state)socket->state) {
        case FW_SYN_RECEIVED:
        case FW_ESTABLISHED:
        case FW_CLOSE_WAIT:
            socket->owner.known = OWNER_NOT_ACCEPTED;
            break;
        case FW_UNKNOWN:
        case FW_CLOSED:
        case FW_LISTEN:
        case FW_SYN_SENT:
        case FW_FIN_WAIT_1:
        case FW_FIN_WAIT_2:
        case FW_CLOSING:
        case FW_LAST_ACK:
        case FW_TIME_WAIT:
        case FW_STATE_COUNT:
            socket->owner.known = OWNER_GONE;
            break;
        }
    }
}

static bool serve(void *context, const void *request, int to)
{
    struct asking *asking = context;
    struct sock_diag_table table = { 0 };
    struct answer answer;
    struct question question;

    memcpy(&question, request, sizeof question);
    memset(&answer, 0, sizeof answer);
    read_limits(&answer.limits);
    answer.begun = wall_clock();
    answer.error = -sock_diag_ask(asking->diag, &table);
    answer.ended = wall_clock();
    if (answer.error == 0) {
        name_ownerless(table.sockets, table.socket_count);
        if (!process_table_find(asking->processes, table.sockets, table.socket_count,
                                question.fresh, steady_clock))
            answer.error = ENOMEM;
    }
    answer.limits.time_wait_sockets = table.time_wait_sockets;
    answer.socket_count = answer.error ? 0 : table.socket_count;
    answer.address_count = answer.error ? 0 : table.address_count;
    return helper_write(to, &answer, sizeof answer) &&
           helper_write(to, table.sockets, answer.socket_count * sizeof *table.sockets) &&
           helper_write(to, table.addresses, answer.address_count * sizeof *table.addresses);
}

static const struct helper_service kernel_service = {
    .request_bytes = sizeof(struct question),
    .begin = begin,
    .serve = serve,
};

/* ----------------------------------------------------------------------------------- the parent --
 */

struct kernel {
    struct helper *helper;
    struct kernel_socket *sockets;
    struct kernel_address *addresses;
};

struct kernel *kernel_open(enum sandbox_mode mode, const char *user, char *error, char *hint)
{
    const struct sandbox_plan plan = { .mode = mode, .role = SANDBOX_SOCKETS, .user = user };
    struct kernel *kernel = calloc(1, sizeof *kernel);
    struct asking asking = { 0 };

    hint[0] = '\0';
    if (!sock_diag_is_built_in() || !kernel) {
        snprintf(error, TEXT_BYTES, "%s",
                 kernel ? "this finwait was built without libmnl, which asks the kernel"
                        : "out of memory");
        free(kernel);
        return NULL;
    }
    kernel->helper = helper_start(&kernel_service, &asking, &plan, error, hint);
    if (kernel->helper)
        return kernel;
    if (!error[0])
        snprintf(error, TEXT_BYTES, "the kernel has no NETLINK_SOCK_DIAG, or there is no /proc");
    free(kernel);
    return NULL;
}

void kernel_close(struct kernel *kernel)
{
    if (!kernel)
        return;
    helper_stop(kernel->helper);
    free(kernel->sockets);
    free(kernel->addresses);
    free(kernel);
}

static int compare_addresses(const void *left, const void *right)
{
    const struct kernel_address *a = left, *b = right;

    return addr_compare(&a->address, &b->address);
}

/* What another process says is looked at before it is believed. */
static void check_socket(struct kernel_socket *socket)
{
    if (socket->state >= FW_STATE_COUNT)
        socket->state = FW_CLOSED;
    if (socket->timer >= KERNEL_TIMER_COUNT)
        socket->timer = KERNEL_TIMER_NONE;
    if (socket->owner.known >= OWNER_COUNT)
        socket->owner.known = OWNER_UNASKED;
    socket->owner.name[sizeof socket->owner.name - 1] = '\0';
}

/* Room for a list, and the list; false: no memory, or the helper has gone. */
static bool read_list(struct helper *helper, void **list, size_t count, size_t item_bytes)
{
    void *grown = realloc(*list, (count + 1) * item_bytes);

    if (!grown)
        return false;
    *list = grown;
    return helper_read(helper, grown, count * item_bytes);
}

bool kernel_ask(struct kernel *kernel, bool fresh, struct kernel_look *look, char *error)
{
    struct question question;
    struct answer answer;
    void *sockets = kernel->sockets, *addresses = kernel->addresses;

    memset(&question, 0, sizeof question);
    question.fresh = fresh;
    snprintf(error, TEXT_BYTES, "the process that asks the kernel has ended");
    if (!helper_ask(kernel->helper, &question) ||
        !helper_read(kernel->helper, &answer, sizeof answer))
        return false;
    if (answer.error || answer.socket_count > SOCKETS_MAX || answer.address_count > ADDRESSES_MAX) {
        snprintf(error, TEXT_BYTES, "the kernel does not tell its sockets: %s",
                 strerror(answer.error ? answer.error : EOVERFLOW));
        return false;
    }
    const bool good =
        read_list(kernel->helper, &sockets, answer.socket_count, sizeof *kernel->sockets) &&
        read_list(kernel->helper, &addresses, answer.address_count, sizeof *kernel->addresses);
    kernel->sockets = sockets;
    kernel->addresses = addresses;
    if (!good)
        return false;
    for (size_t i = 0; i < answer.socket_count; i++)
        check_socket(&kernel->sockets[i]);
    qsort(addresses, answer.address_count, sizeof *kernel->addresses, compare_addresses);
    *look = (struct kernel_look){
        .begun = answer.begun,
        .ended = answer.ended,
        .sockets = kernel->sockets,
        .socket_count = answer.socket_count,
        .addresses = kernel->addresses,
        .address_count = answer.address_count,
        .limits = answer.limits,
    };
    return true;
}

/* ---------------------------------------------------------------------------------------- find --
 */

static bool has_ends(const struct kernel_socket *socket, const struct fw_endpoint *local,
                     const struct fw_endpoint *peer)
{
    return endpoint_compare(&socket->local, local) == 0 &&
           endpoint_compare(&socket->peer, peer) == 0;
}

const struct kernel_socket *kernel_find(const struct kernel_look *look,
                                        const struct fw_endpoint *local,
                                        const struct fw_endpoint *peer)
{
    const struct kernel_socket key = { .local = *local, .peer = *peer, .state = FW_UNKNOWN };
    size_t low = 0, high = look->socket_count;

    while (low < high) { /* the first one that is not before the key */
        const size_t middle = low + (high - low) / 2;

        if (kernel_socket_compare(&look->sockets[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < look->socket_count && has_ends(&look->sockets[low], local, peer)
               ? &look->sockets[low]
               : NULL;
}

const struct kernel_socket *kernel_find_listener(const struct kernel_look *look,
                                                 const struct fw_endpoint *local)
{
    const struct fw_endpoint any = { .family = local->family, .port = local->port };
    const struct fw_endpoint any6 = { .family = FW_IPV6, .port = local->port };
    const struct fw_endpoint *const at[] = { local, &any, &any6 };

    for (size_t i = 0; i < 3; i++) {
        const struct fw_endpoint nobody = { .family = at[i]->family };
        const struct kernel_socket *socket = kernel_find(look, at[i], &nobody);

        if (socket && socket->state == FW_LISTEN)
            return socket;
    }
    return NULL;
}

bool kernel_has_address(const struct kernel_look *look, const struct fw_endpoint *endpoint)
{
    /* All of 127.0.0.0/8 is this host. */
    if (endpoint->family == FW_IPV4 && endpoint->addr[0] == 127)
        return true;
    const struct kernel_address key = { .address = *endpoint };
    return look->address_count && bsearch(&key, look->addresses, look->address_count,
                                          sizeof *look->addresses, compare_addresses);
}

bool kernel_is_on(const struct kernel_look *look, const struct kernel_socket *socket,
                  uint32_t interface, bool loopback)
{
    if (interface == 0)
        return true;
    if (loopback || kernel_has_address(look, &socket->peer))
        return loopback && kernel_has_address(look, &socket->peer);
    for (size_t i = 0; i < look->address_count; i++)
        if (look->addresses[i].interface == interface &&
            addr_compare(&look->addresses[i].address, &socket->local) == 0)
            return true;
    return false;
}
