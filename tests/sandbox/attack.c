/*
 * What somebody would try who has taken over the parser by a malformed packet: run inside the
 * program, as the last thing that sandbox_enter() does, in the executable `finwait-attacked` that
 * only the tests build. One line each on standard error, "attack WHO WHAT: RESULT", where RESULT is
 * the name of an errno or "done"; "attack WHO end" is the last.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

void sandbox_attack(enum sandbox_role role);

static const char *who;

static void tell(const char *what, long result)
{
    dprintf(STDERR_FILENO, "attack %s %s: %s\n", who, what,
            result < 0 ? strerrorname_np(errno) : "done");
}

static void try_files(void)
{
    struct stat about;

    tell("read a file", open("/etc/passwd", O_RDONLY));
    tell("read a folder", open("/", O_RDONLY | O_DIRECTORY));
    tell("read memory through /proc", open("/proc/self/mem", O_RDWR));
    tell("make a file", open("/tmp/finwait-attack", O_WRONLY | O_CREAT, 0600));
    tell("look at a file", stat("/etc/passwd", &about));
    tell("remove a file", unlink("/nonexistent/finwait"));
    tell("rename a file", rename("/nonexistent/finwait", "/nonexistent/finwait2"));
    tell("make a file in memory", syscall(SYS_memfd_create, "attack", 0));
}

static void try_sockets(void)
{
    int pair[2];

    tell("make an Internet socket", socket(AF_INET, SOCK_STREAM, 0));
    tell("make an Internet socket for datagrams", socket(AF_INET6, SOCK_DGRAM, 0));
    tell("make a local socket", socket(AF_UNIX, SOCK_STREAM, 0));
    tell("make a netlink socket", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    tell("make a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    tell("make a pair of sockets", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static void try_processes(void)
{
    char word[8];
    const struct iovec local = { word, sizeof word };
    const struct iovec remote = { word, sizeof word };
    char *const arguments[] = { (char *)(uintptr_t) "finwait", NULL };

    /* Without a sandbox this fails otherwise: the attack goes on. */
    tell("run a program", execve("/nonexistent/finwait", arguments, arguments));
    tell("trace a process", ptrace(PTRACE_PEEKDATA, getppid(), NULL, NULL));
    tell("read another process", process_vm_readv(getppid(), &local, 1, &remote, 1, 0));
    tell("signal another process", kill(getppid(), 0));
    const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0)
        _exit(0);
    tell("start a process", child);
}

static void try_kernel(void)
{
    void *code =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    tell("make memory that can be executed", code == MAP_FAILED ? -1 : 0);
    tell("type into the terminal", ioctl(STDERR_FILENO, TIOCSTI, "x"));
    tell("use io_uring", syscall(SYS_io_uring_setup, 0, NULL));
    tell("load a BPF program", syscall(SYS_bpf, -1, NULL, 0));
    tell("enter a namespace", syscall(SYS_setns, -1, 0));
    tell("become root", setuid(0));
}

void sandbox_attack(enum sandbox_role role)
{
    who = role == SANDBOX_PARSER ? "parser" : role == SANDBOX_NAMES ? "names" : "sockets";
    try_files();
    try_sockets();
    try_processes();
    try_kernel();
    dprintf(STDERR_FILENO, "attack %s end\n", who);
}
