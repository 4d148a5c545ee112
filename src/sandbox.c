#include "sandbox.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/sockios.h>
#if HAVE_CAPNG
#include <cap-ng.h>
#endif
#if HAVE_SECCOMP
/* Its macros leave out what they do not need of an initialiser. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <seccomp.h>
#endif

enum { TEXT_BYTES = 512, NOBODY = 65534 /* the kernel's overflow id: nobody's everywhere */ };

/* AddressSanitizer reads /proc/self at errors, and its search for leaks traces the process: such a
 * build cannot be confined. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Only in the executable of tests/sandbox that is attacked from within. */
#ifdef SANDBOX_ATTACK
void sandbox_attack(enum sandbox_role role);
#else
static void sandbox_attack(enum sandbox_role role)
{
    (void)role;
}
#endif

__attribute__((format(printf, 2, 3))) static bool fail(char *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, TEXT_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------- paths -- */

void sandbox_allow(struct sandbox_plan *plan, const char *path, enum sandbox_use use)
{
    if (plan->path_count < SANDBOX_PATHS) {
        plan->paths[plan->path_count].path = path;
        plan->paths[plan->path_count].use = use;
    }
    plan->path_count++;
}

/* The folder that a path is in; false: the path is too long. */
static bool folder_of(const char *path, char *folder, size_t size)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return snprintf(folder, size, ".") < (int)size;
    if (slash == path)
        return snprintf(folder, size, "/") < (int)size;
    return snprintf(folder, size, "%.*s", (int)(slash - path), path) < (int)size;
}

/* ---------------------------------------------------------------------------------- Landlock -- */

/* Rights that newer kernels have and the header may not (linux/landlock.h, by version). */
#define RIGHT_REFER     (UINT64_C(1) << 13) /* 2 */
#define RIGHT_TRUNCATE  (UINT64_C(1) << 14) /* 3 */
#define RIGHT_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define NET_BIND_TCP    (UINT64_C(1) << 0)  /* 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)  /* 4 */
#define SCOPE_ALL       UINT64_C(3)         /* 6: abstract sockets, signals */

/* The structure as of version 6; older kernels take the part they know. */
struct ruleset_attributes {
    uint64_t files, network, scopes;
};

/* 0: the kernel has none, or it is turned off. */
static int landlock_version(void)
{
    const long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

static uint64_t all_file_rights(int version)
{
    uint64_t rights = (UINT64_C(1) << 13) - 1; /* all of version 1 */

    if (version >= 2)
        rights |= RIGHT_REFER;
    if (version >= 3)
        rights |= RIGHT_TRUNCATE;
    if (version >= 5)
        rights |= RIGHT_IOCTL_DEV;
    return rights;
}

static int create_ruleset(const struct sandbox_plan *plan, int version)
{
    struct ruleset_attributes attributes = { .files = all_file_rights(version) };
    size_t bytes = sizeof attributes.files;

    if (version >= 4) {
        if (plan->role == SANDBOX_PARSER)
            attributes.network = NET_BIND_TCP | NET_CONNECT_TCP;
        bytes += sizeof attributes.network;
    }
    if (version >= 6) {
        attributes.scopes = plan->role == SANDBOX_PARSER ? SCOPE_ALL : 0;
        bytes += sizeof attributes.scopes;
    }
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, bytes, 0);
}

/* 0, or a negative errno. */
static int add_rule(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {
        .allowed_access = rights,
        .parent_fd = open(path, O_PATH | O_CLOEXEC),
    };
    long result = -1;

    if (rule.parent_fd >= 0) {
        result = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        if (result < 0 && errno == EINVAL) { /* a file: rights of folders do not apply to it */
            rule.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE;
            result = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        }
    }
    const int error = result < 0 ? -errno : 0;
    if (rule.parent_fd >= 0)
        close(rule.parent_fd);
    return error;
}

static int add_path(int ruleset, int version, const char *path, enum sandbox_use use)
{
    const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    const uint64_t replacing = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                               LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                               RIGHT_TRUNCATE;
    char folder[TEXT_BYTES];

    if (use == SANDBOX_READ)
        return add_rule(ruleset, path, reading);
    if (!folder_of(path, folder, sizeof folder))
        return -ENAMETOOLONG;
    return add_rule(ruleset, folder,
                    use == SANDBOX_FOLLOW ? reading : replacing & all_file_rights(version));
}

/* A ruleset for landlock_restrict_self(2), -1: there is no Landlock, -2 with *error filled. Made
 * while the paths can still be reached. */
static int make_ruleset(const struct sandbox_plan *plan, int version, char *error)
{
    /* Its rules would also hide the processes whose descriptors this helper is to look at. */
    if (version == 0 || plan->role == SANDBOX_SOCKETS)
        return -1;
    const int ruleset = create_ruleset(plan, version);
    if (ruleset < 0) {
        fail(error, "sandbox: Landlock: %s", strerror(errno));
        return -2;
    }
    int result = plan->role == SANDBOX_NAMES ? add_path(ruleset, version, "/", SANDBOX_READ) : 0;
    for (size_t i = 0; result == 0 && i < plan->path_count; i++) {
        result = add_path(ruleset, version, plan->paths[i].path, plan->paths[i].use);
        if (result < 0)
            fail(error, "%s: cannot be %s: %s", plan->paths[i].path,
                 plan->paths[i].use == SANDBOX_REPLACE ? "written" : "read", strerror(-result));
    }
    if (result == 0)
        return ruleset;
    close(ruleset);
    return -2;
}

/* ------------------------------------------------------------------------------- user and rights
 * --
 */

struct identity {
    uid_t uid;
    gid_t gid;
    bool changes; /* it is another than ours */
};

/* Who owns the folder of what is to be replaced, or followed, can still do so, root without any
 * capability too; else nobody. tcpdump's -Z names another. */
static bool choose_identity(const struct sandbox_plan *plan, struct identity *identity, char *error,
                            char *hint)
{
    char folder[TEXT_BYTES];
    struct stat about;

    *identity = (struct identity){ .uid = geteuid(), .gid = getegid() };
    if (plan->user) {
        const struct passwd *entry = getpwnam(plan->user);

        if (!entry)
            return fail(error, "--user %s: there is no such user", plan->user);
        identity->changes = entry->pw_uid != identity->uid;
        if (identity->changes && identity->uid != 0) {
            snprintf(hint, TEXT_BYTES, "leave --user out: finwait runs as who started it");
            return fail(error, "--user %s: only root can become another user", plan->user);
        }
        identity->uid = entry->pw_uid;
        identity->gid = entry->pw_gid;
        return true;
    }
    if (identity->uid != 0)
        return true;
    *identity = (struct identity){ .uid = NOBODY, .gid = NOBODY, .changes = true };
    for (size_t i = 0; i < plan->path_count; i++) {
        if ((plan->paths[i].use != SANDBOX_REPLACE && plan->paths[i].use != SANDBOX_FOLLOW) ||
            !folder_of(plan->paths[i].path, folder, sizeof folder) || stat(folder, &about) < 0)
            continue;
        identity->uid = about.st_uid;
        identity->gid = about.st_gid;
        identity->changes = about.st_uid != 0;
        break;
    }
    return true;
}

#if HAVE_CAPNG
/* What the helper of `compare` needs to see descriptors of others' processes; what we do not have
 * cannot be kept. */
static void keep_capabilities(enum sandbox_role role)
{
    static const unsigned needed[] = { CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };
    bool have[2];

    for (size_t i = 0; i < 2; i++)
        have[i] = capng_have_capability(CAPNG_PERMITTED, needed[i]);
    capng_clear(CAPNG_SELECT_ALL);
    for (size_t i = 0; role == SANDBOX_SOCKETS && i < 2; i++)
        if (have[i])
            capng_update(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), needed[i]);
}

static bool drop_capabilities(enum sandbox_role role, bool may_bound)
{
    keep_capabilities(role);
    if (may_bound && capng_apply(CAPNG_SELECT_ALL) == 0)
        return true;
    return capng_apply((capng_select_t)(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT)) == 0;
}

static bool drop_rights(const struct identity *identity, enum sandbox_role role,
                        struct sandbox_state *state)
{
    if (capng_get_caps_process() < 0)
        return false;
    const bool may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    if (identity->changes) {
        keep_capabilities(role);
        state->user_dropped = capng_change_id((int)identity->uid, (int)identity->gid,
                                              CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING) == 0;
        if (state->user_dropped)
            return true;
        capng_get_caps_process(); /* a user namespace without that user, or no CAP_SETUID */
    }
    return drop_capabilities(role, may_bound);
}
#else
/* Leaving uid 0 behind takes the capabilities along. */
static bool drop_rights(const struct identity *identity, enum sandbox_role role,
                        struct sandbox_state *state)
{
    if (!identity->changes || role == SANDBOX_SOCKETS)
        return false;
    state->user_dropped = setgroups(0, NULL) == 0 &&
                          setresgid(identity->gid, identity->gid, identity->gid) == 0 &&
                          setresuid(identity->uid, identity->uid, identity->uid) == 0;
    return state->user_dropped;
}
#endif

/* ----------------------------------------------------------------------------------- seccomp -- */

#if HAVE_SECCOMP

/* Whatever their arguments are: what reads, writes and computes with what is open already. */
static const int harmless[] = {
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(close), SCMP_SYS(lseek), SCMP_SYS(fstat),
    SCMP_SYS(fstatfs), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate),
    SCMP_SYS(fadvise64), SCMP_SYS(dup), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select),
    SCMP_SYS(pselect6), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    /* memory and threads; executable memory: see below */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier), SCMP_SYS(exit), SCMP_SYS(exit_group),
    SCMP_SYS(wait4), SCMP_SYS(waitid),
    /* signals to this process itself: see below */
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    /* time and chance */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom),
    /* who am I */
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getpgrp), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    SCMP_SYS(times),
    /* sockets that are open: the device, and the pipe to a helper */
    SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(getsockopt),
    SCMP_SYS(shutdown)
};

/* What programs ask of descriptors and of the terminal; not TIOCSTI, which types into it. */
static const unsigned long requests[] = { FIONREAD,     TCGETS,      TIOCGWINSZ,
                                          SIOCGIFFLAGS, SIOCGIFNAME, SIOCGIFINDEX };
static const unsigned long terminal_requests[] = { TCSETS, TCSETSW, TCSETSF, TIOCGPGRP };

/* Refused even where most is allowed: new programs, other processes, the kernel itself. */
static const int dangerous[] = { SCMP_SYS(execve),
                                 SCMP_SYS(execveat),
                                 SCMP_SYS(ptrace),
                                 SCMP_SYS(process_vm_readv),
                                 SCMP_SYS(process_vm_writev),
                                 SCMP_SYS(kcmp),
                                 SCMP_SYS(pidfd_getfd),
                                 SCMP_SYS(pidfd_open),
                                 SCMP_SYS(kill),
                                 SCMP_SYS(tkill),
                                 SCMP_SYS(fork),
                                 SCMP_SYS(vfork),
                                 SCMP_SYS(mount),
                                 SCMP_SYS(umount2),
                                 SCMP_SYS(pivot_root),
                                 SCMP_SYS(chroot),
                                 SCMP_SYS(unshare),
                                 SCMP_SYS(setns),
                                 SCMP_SYS(bpf),
                                 SCMP_SYS(perf_event_open),
                                 SCMP_SYS(keyctl),
                                 SCMP_SYS(add_key),
                                 SCMP_SYS(request_key),
                                 SCMP_SYS(init_module),
                                 SCMP_SYS(finit_module),
                                 SCMP_SYS(delete_module),
                                 SCMP_SYS(kexec_load),
                                 SCMP_SYS(userfaultfd),
                                 SCMP_SYS(io_uring_setup),
                                 SCMP_SYS(memfd_create),
                                 SCMP_SYS(unlink),
                                 SCMP_SYS(unlinkat),
                                 SCMP_SYS(rename),
                                 SCMP_SYS(renameat),
                                 SCMP_SYS(renameat2),
                                 SCMP_SYS(link),
                                 SCMP_SYS(linkat),
                                 SCMP_SYS(symlink),
                                 SCMP_SYS(symlinkat),
                                 SCMP_SYS(mkdir),
                                 SCMP_SYS(mkdirat),
                                 SCMP_SYS(mknod),
                                 SCMP_SYS(mknodat),
                                 SCMP_SYS(chmod),
                                 SCMP_SYS(fchmod),
                                 SCMP_SYS(fchmodat),
                                 SCMP_SYS(chown),
                                 SCMP_SYS(fchown),
                                 SCMP_SYS(fchownat) };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) < 0)
            return false;
    return true;
}

static bool allow_where(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &condition) == 0;
}

static bool allow_requests(scmp_filter_ctx filter, const unsigned long *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!allow_where(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, list[i])))
            return false;
    return true;
}

/* Threads, not processes; no memory that can be executed; signals to this process only. */
static bool allow_within_limits(scmp_filter_ctx filter)
{
    const pid_t self = getpid();
    const uint64_t thread = CLONE_VM | CLONE_THREAD;

    return allow_where(filter, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
           allow_where(filter, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
           allow_where(filter, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread)) &&
           allow_where(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self)) &&
           allow_where(filter, SCMP_SYS(newfstatat),
                       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)) &&
           allow_where(filter, SCMP_SYS(statx),
                       SCMP_A2(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)) &&
           allow_where(filter, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0)) &&
           /* Its flags are in memory, where no filter can look: glibc then takes clone(2). */
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

/* Modes of the line, and stopping itself when somebody types Ctrl-Z. */
static bool allow_terminal(scmp_filter_ctx filter)
{
    return allow_requests(filter, terminal_requests, COUNT(terminal_requests)) &&
           allow_where(filter, SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

static bool allow_fcntl(scmp_filter_ctx filter)
{
    static const scmp_datum_t commands[] = { F_GETFD, F_SETFD,      F_GETFL,
                                             F_SETFL, F_SETPIPE_SZ, F_DUPFD_CLOEXEC };

    for (size_t i = 0; i < COUNT(commands); i++)
        if (!allow_where(filter, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, commands[i])))
            return false;
    return true;
}

static bool allows(const struct sandbox_plan *plan, enum sandbox_use use)
{
    for (size_t i = 0; i < plan->path_count; i++)
        if (plan->paths[i].use == use)
            return true;
    return false;
}

/* Which files these are is Landlock's matter. */
static bool allow_files(scmp_filter_ctx filter, const struct sandbox_plan *plan)
{
    static const int replacing[] = { SCMP_SYS(open),     SCMP_SYS(openat),   SCMP_SYS(rename),
                                     SCMP_SYS(renameat), SCMP_SYS(unlink),   SCMP_SYS(unlinkat),
                                     SCMP_SYS(rmdir),    SCMP_SYS(renameat2) };
    static const int looking[] = { SCMP_SYS(stat),       SCMP_SYS(lstat),     SCMP_SYS(newfstatat),
                                   SCMP_SYS(statx),      SCMP_SYS(access),    SCMP_SYS(faccessat),
                                   SCMP_SYS(faccessat2), SCMP_SYS(getdents64) };
    const scmp_datum_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;

    if (allows(plan, SANDBOX_REPLACE) && !allow(filter, replacing, COUNT(replacing)))
        return false;
    if (allows(plan, SANDBOX_FOLLOW) && !allow(filter, looking, COUNT(looking)))
        return false;
    if (plan->path_count == 0 || allows(plan, SANDBOX_REPLACE))
        return true;
    return allow_where(filter, SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0)) &&
           allow_where(filter, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
}

/* Its netlink socket is open; /proc is read. */
static bool allow_sockets_helper(scmp_filter_ctx filter)
{
    static const int calls[] = { SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(getdents64),
                                 SCMP_SYS(readlink), SCMP_SYS(readlinkat) };
    const scmp_datum_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;

    return allow(filter, calls, COUNT(calls)) &&
           allow_where(filter, SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, writing, 0)) &&
           allow_where(filter, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
}

static scmp_filter_ctx make_allowing_list(const struct sandbox_plan *plan)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

    if (!filter)
        return NULL;
    if (allow(filter, harmless, COUNT(harmless)) && allow_within_limits(filter) &&
        allow_fcntl(filter) && allow_requests(filter, requests, COUNT(requests)) &&
        (!plan->terminal || allow_terminal(filter)) && allow_files(filter, plan) &&
        (plan->role != SANDBOX_SOCKETS || allow_sockets_helper(filter)))
        return filter;
    seccomp_release(filter);
    return NULL;
}

static scmp_filter_ctx make_refusing_list(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    for (size_t i = 0; filter && i < COUNT(dangerous); i++) {
        if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), dangerous[i], 0) == 0)
            continue;
        seccomp_release(filter);
        filter = NULL;
    }
    return filter;
}

static bool restrict_calls(const struct sandbox_plan *plan)
{
    scmp_filter_ctx filter =
        plan->role == SANDBOX_NAMES ? make_refusing_list() : make_allowing_list(plan);

    if (!filter)
        return false;
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0); /* done already */
    const bool good = seccomp_load(filter) == 0;
    seccomp_release(filter);
    return good;
}

#else
static bool restrict_calls(const struct sandbox_plan *plan)
{
    (void)plan;
    return false;
}
#endif

static bool kernel_has_seccomp(void)
{
    return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

/* ------------------------------------------------------------------------------------- enter -- */

static void describe(struct sandbox_state *state, enum sandbox_role role)
{
    char landlock[32] = "no Landlock";

    if (state->landlock)
        snprintf(landlock, sizeof landlock, "Landlock %d", state->landlock);
    snprintf(state->text, sizeof state->text, "user %u, %s, %s, %s, %s", (unsigned)geteuid(),
             !state->no_capabilities   ? "capabilities as they were"
             : role == SANDBOX_SOCKETS ? "two capabilities at most"
                                       : "no capabilities",
             state->no_new_privileges ? "no new privileges" : "new privileges possible", landlock,
             state->seccomp ? "seccomp" : "no seccomp");
}

/* The first thing that strict misses; NULL: nothing. */
static const char *missing(const struct sandbox_state *state, enum sandbox_role role)
{
    if (!state->user_dropped)
        return "root's user id could not be left";
    if (!state->no_capabilities)
        return HAVE_CAPNG ? "the capabilities could not be dropped"
                          : "it was built without libcap-ng";
    if (!state->no_new_privileges)
        return "the kernel cannot forbid new privileges";
    if (!state->landlock && role != SANDBOX_SOCKETS)
        return "this kernel has no Landlock, or has it turned off";
    if (!state->seccomp)
        return !HAVE_SECCOMP          ? "it was built without libseccomp"
               : kernel_has_seccomp() ? "the filter of system calls was not accepted"
                                      : "this kernel has no seccomp";
    return NULL;
}

/* Told now, not when the first file is due. */
static bool can_replace(const struct sandbox_plan *plan, char *error, char *hint)
{
    char folder[TEXT_BYTES];

    for (size_t i = 0; i < plan->path_count; i++) {
        const char *path = plan->paths[i].path;

        if (plan->paths[i].use != SANDBOX_REPLACE || !folder_of(path, folder, sizeof folder) ||
            faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0)
            continue;
        snprintf(hint, TEXT_BYTES, "--user NAME: run as one that may write in %.200s", folder);
        return fail(error, "%.200s: cannot be written by user %u: %s", path, (unsigned)geteuid(),
                    strerror(errno));
    }
    return true;
}

static bool confine(const struct sandbox_plan *plan, struct sandbox_state *state, char *error,
                    char *hint)
{
    const int version = landlock_version();
    struct identity identity;

    if (!choose_identity(plan, &identity, error, hint))
        return false;
    const int ruleset = make_ruleset(plan, version, error);
    if (ruleset == -2)
        return false;
    state->no_capabilities = drop_rights(&identity, plan->role, state);
    state->user_dropped |= !identity.changes;
    if (plan->user && !state->user_dropped)
        return fail(error, "--user %s: %s", plan->user, strerror(EPERM));
    if (!can_replace(plan, error, hint))
        return false;
    state->no_new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (ruleset >= 0) {
        if (syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
            state->landlock = version;
        close(ruleset);
    }
    state->seccomp = restrict_calls(plan);
    state->entered = true;
    describe(state, plan->role);
    return true;
}

/* Not confined: said, and refused where it must be. */
static bool stay_outside(const struct sandbox_plan *plan, struct sandbox_state *state, char *error)
{
    snprintf(state->text, sizeof state->text, "off%s", SANITIZED ? ": built with a sanitizer" : "");
    if (plan->mode != SANDBOX_STRICT)
        return true;
    return fail(error, "--sandbox=strict: this build has a sanitizer, which needs what the sandbox "
                       "takes away");
}

bool sandbox_enter(const struct sandbox_plan *plan, struct sandbox_state *state, char *error,
                   char *hint)
{
    bool good;

    *state = (struct sandbox_state){ 0 };
    error[0] = hint[0] = '\0';
    if (plan->path_count > SANDBOX_PATHS)
        return fail(error, "sandbox: more than %d files to be opened later", SANDBOX_PATHS);
    if (plan->mode == SANDBOX_OFF || SANITIZED)
        good = stay_outside(plan, state, error);
    else
        good = confine(plan, state, error, hint);
    const char *lacks = good && plan->mode == SANDBOX_STRICT ? missing(state, plan->role) : NULL;
    if (lacks) {
        snprintf(hint, TEXT_BYTES, "--sandbox=auto does without; finwait --version -v says more");
        return fail(error, "--sandbox=strict: %s", lacks);
    }
    if (good)
        sandbox_attack(plan->role);
    return good;
}

void sandbox_describe(char *text, size_t size)
{
    const int version = landlock_version();
    char landlock[48] = "no Landlock";

    if (version)
        snprintf(landlock, sizeof landlock, "Landlock %d", version);
    snprintf(text, size, "%s, %s, %s%s",
             !HAVE_SECCOMP          ? "no seccomp (built without libseccomp)"
             : kernel_has_seccomp() ? "seccomp"
                                    : "no seccomp in this kernel",
             landlock, HAVE_CAPNG ? "capabilities" : "no capabilities (built without libcap-ng)",
             SANITIZED ? "; off: built with a sanitizer" : "");
}
