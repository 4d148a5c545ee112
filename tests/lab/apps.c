#include "lab.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const host_names[] = { [CLIENT] = "client", [SERVER] = "server" };

void say(struct lab *lab, const char *format, ...)
{
    const size_t used = strlen(lab->did);
    va_list arguments;
    va_start(arguments, format);
    const int gap = snprintf(lab->did + used, sizeof(lab->did) - used, "%s", used ? "; " : "");
    vsnprintf(lab->did + used + (size_t)gap, sizeof(lab->did) - used - (size_t)gap, format,
              arguments);
    va_end(arguments);
}

void set(struct lab *lab, enum host host, const char *sysctl, const char *value)
{
    if (kernel_sysctl(&lab->kernels[host], sysctl, value))
        say(lab, "%s sets %s to %s", host_names[host], sysctl, value);
}

static socklen_t make_name(const struct lab *lab, enum host host, uint16_t port,
                           struct sockaddr_storage *name)
{
    memset(name, 0, sizeof(*name));
    if (lab->family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)name;
        in6->sin6_family = AF_INET6;
        in6->sin6_addr = lab->kernels[host].addr;
        in6->sin6_port = htons(port);
        return sizeof(*in6);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)name;
    in->sin_family = AF_INET;
    memcpy(&in->sin_addr, &lab->kernels[host].addr.s6_addr[12], 4);
    in->sin_port = htons(port);
    return sizeof(*in);
}

int app_socket(struct lab *lab, enum host host)
{
    kernel_enter(&lab->kernels[host]);
    const int fd = socket(lab->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    return fd;
}

static void check(struct lab *lab, const char *call, int result)
{
    if (result < 0 && errno != EINPROGRESS)
        say(lab, "%s: %s", call, strerror(errno));
}

static void bind_to(struct lab *lab, int fd, enum host host, uint16_t port)
{
    struct sockaddr_storage name;
    const socklen_t size = make_name(lab, host, port, &name);
    check(lab, "bind", bind(fd, (struct sockaddr *)&name, size));
}

static void acted(struct lab *lab, const char *call)
{
    char what[REASON_ROOM];
    snprintf(what, sizeof(what), "%s; nothing was sent", call);
    wire_collect(lab, BY_APP, what);
}

int app_listen_on(struct lab *lab, enum host host, uint16_t port, int backlog)
{
    const int fd = app_socket(lab, host);
    bind_to(lab, fd, host, port);
    check(lab, "listen", listen(fd, backlog));
    say(lab, "%s listens on port %u", host_names[host], port);
    acted(lab, "its application called listen()");
    return fd;
}

void app_listen(struct lab *lab, int backlog)
{
    lab->listener = app_listen_on(lab, SERVER, lab->port[SERVER], backlog);
}

void app_unlisten(struct lab *lab)
{
    close(lab->listener);
    lab->listener = -1;
    say(lab, "server closes its listener");
    acted(lab, "its application closed the listener");
}

int app_connect_from(struct lab *lab, enum host host, uint16_t from_port, uint16_t to_port)
{
    struct sockaddr_storage name;
    const int fd = app_socket(lab, host);
    bind_to(lab, fd, host, from_port);
    const socklen_t size = make_name(lab, other(host), to_port, &name);
    say(lab, "%s connects from port %u", host_names[host], from_port);
    check(lab, "connect", connect(fd, (struct sockaddr *)&name, size));
    acted(lab, "its application called connect()");
    return fd;
}

void app_connect(struct lab *lab)
{
    lab->fd[CLIENT] = app_connect_from(lab, CLIENT, lab->port[CLIENT], lab->port[SERVER]);
}

bool app_accept(struct lab *lab)
{
    const int fd = accept4(lab->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    lab->fd[SERVER] = fd;
    say(lab, "server accepts");
    acted(lab, "its application called accept()");
    return true;
}

void app_send(struct lab *lab, enum host host, size_t bytes)
{
    static const char data[65536];
    say(lab, "%s sends %zu bytes", host_names[host], bytes);
    check(lab, "send", (int)send(lab->fd[host], data, bytes, MSG_NOSIGNAL));
    acted(lab, "its application called send()");
}

size_t app_read(struct lab *lab, enum host host)
{
    char data[4096];
    size_t total = 0;
    ssize_t got;
    while ((got = recv(lab->fd[host], data, sizeof(data), 0)) > 0)
        total += (size_t)got;
    say(lab, "%s reads %zu bytes%s", host_names[host], total, got == 0 ? " and the end" : "");
    acted(lab, "its application called recv()");
    return total;
}

void app_shutdown(struct lab *lab, enum host host)
{
    say(lab, "%s calls shutdown(SHUT_WR)", host_names[host]);
    check(lab, "shutdown", shutdown(lab->fd[host], SHUT_WR));
    acted(lab, "its application called shutdown()");
}

void app_close(struct lab *lab, enum host host)
{
    if (lab->fd[host] < 0)
        return;
    say(lab, "%s calls close()", host_names[host]);
    close(lab->fd[host]);
    lab->fd[host] = -1;
    acted(lab, "its application called close()");
}

void app_abort(struct lab *lab, enum host host)
{
    const struct linger linger = { 1, 0 };
    setsockopt(lab->fd[host], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    say(lab, "%s aborts (SO_LINGER 0)", host_names[host]);
    close(lab->fd[host]);
    lab->fd[host] = -1;
    acted(lab, "its application aborted");
}

void app_kill_socket(struct lab *lab, enum host host)
{
    const struct connection *connection = &lab->connections[0];
    say(lab, "%s's socket is destroyed (ss -K)", host_names[host]);
    const int error = diag_destroy(lab->kernels[host].diag_fd, &connection->end[host],
                                   &connection->end[other(host)]);
    if (error < 0)
        say(lab, "ss -K: %s", strerror(-error));
    acted(lab, "its socket was destroyed");
}

void app_option(struct lab *lab, int fd, int level, int name, int value)
{
    check(lab, "setsockopt", setsockopt(fd, level, name, &value, sizeof(value)));
}

void open_connection(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    settle(lab);
    app_accept(lab);
}
