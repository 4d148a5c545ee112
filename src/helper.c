#include "helper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_BYTES = 512 };

struct helper {
    const struct helper_service *service;
    pid_t pid;
    int fd;
    bool gone;
};

/* How the child's beginning went: the first thing that it says. */
struct greeting {
    char good;
    char error[TEXT_BYTES], hint[TEXT_BYTES];
};

/* ------------------------------------------------------------------------------------- bytes -- */

bool helper_write(int to, const void *answer, size_t bytes)
{
    const char *at = answer;

    while (bytes > 0) {
        const ssize_t done = write(to, at, bytes);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        bytes -= (size_t)done;
    }
    return true;
}

static bool read_all(int from, void *to, size_t bytes)
{
    char *at = to;

    while (bytes > 0) {
        const ssize_t done = read(from, at, bytes);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        at += done;
        bytes -= (size_t)done;
    }
    return true;
}

/* ----------------------------------------------------------------------------------- the child --
 */

/* Ctrl-C is meant for the parent, which still wants answers while it ends. */
static void ignore_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

static void on_message(int number, siginfo_t *info, void *context)
{
    struct pollfd end = { .fd = info->si_fd };

    (void)number;
    (void)context;
    if (poll(&end, 1, 0) > 0 && end.revents & POLLHUP)
        _exit(0);
}

/* Whatever it waits for. PR_SET_PDEATHSIG would not do: a parent in a Landlock domain may signal
 * nobody outside, not even by dying. */
static void end_with_parent(int fd)
{
    struct sigaction action = { .sa_sigaction = on_message, .sa_flags = SA_SIGINFO | SA_RESTART };

    sigaction(SIGIO, &action, NULL);
    fcntl(fd, F_SETOWN, getpid());
    fcntl(fd, F_SETSIG, SIGIO); /* so that si_fd is filled */
    fcntl(fd, F_SETFL, O_ASYNC);
}

static void be_helper(const struct helper_service *service, void *context,
                      const struct sandbox_plan *plan, int fd)
{
    static const char name[] = "finwait-helper";
    char request[HELPER_REQUEST_BYTES];
    struct greeting greeting = { 0 };
    struct sandbox_state state;

    ignore_signals();
    end_with_parent(fd);
    prctl(PR_SET_NAME, name);
    greeting.good = (!service->begin || service->begin(context)) &&
                    sandbox_enter(plan, &state, greeting.error, greeting.hint);
    if (!helper_write(fd, &greeting, sizeof greeting) || !greeting.good)
        return;
    while (read_all(fd, request, service->request_bytes) && service->serve(context, request, fd))
        continue;
}

/* ---------------------------------------------------------------------------------- the parent --
 */

static struct helper *give_up(struct helper *helper, char *error, const char *why)
{
    snprintf(error, TEXT_BYTES, "%s", why);
    helper_stop(helper);
    return NULL;
}

struct helper *helper_start(const struct helper_service *service, void *context,
                            const struct sandbox_plan *plan, char *error, char *hint)
{
    struct helper *helper = calloc(1, sizeof *helper);
    struct greeting greeting;
    int ends[2];

    assert(service->request_bytes <= HELPER_REQUEST_BYTES);
    hint[0] = '\0';
    if (!helper)
        return give_up(helper, error, "out of memory");
    *helper = (struct helper){ .service = service, .pid = -1, .fd = -1 };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return give_up(helper, error, strerror(errno));
    helper->fd = ends[0];
    helper->pid = fork();
    if (helper->pid == 0) {
        close(ends[0]);
        be_helper(service, context, plan, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    if (helper->pid < 0)
        return give_up(helper, error, strerror(errno));
    if (!read_all(helper->fd, &greeting, sizeof greeting))
        return give_up(helper, error, "the helper process ended");
    if (greeting.good)
        return helper;
    greeting.error[TEXT_BYTES - 1] = greeting.hint[TEXT_BYTES - 1] = '\0';
    snprintf(hint, TEXT_BYTES, "%s", greeting.hint);
    return give_up(helper, error, greeting.error);
}

void helper_stop(struct helper *helper)
{
    if (!helper)
        return;
    if (helper->fd >= 0)
        close(helper->fd);
    if (helper->pid > 0)
        waitpid(helper->pid, NULL, WNOHANG); /* it may be waiting for the network */
    free(helper);
}

bool helper_ask(struct helper *helper, const void *request)
{
    if (!helper->gone)
        helper->gone = !helper_write(helper->fd, request, helper->service->request_bytes);
    return !helper->gone;
}

bool helper_has_answer(const struct helper *helper)
{
    struct pollfd end = { .fd = helper->fd, .events = POLLIN };

    return helper->gone || poll(&end, 1, 0) > 0;
}

bool helper_read(struct helper *helper, void *answer, size_t bytes)
{
    if (!helper->gone)
        helper->gone = !read_all(helper->fd, answer, bytes);
    return !helper->gone;
}
