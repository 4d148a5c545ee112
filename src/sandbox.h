/*
 * What the process may still do once it reads what strangers wrote: nothing but read, compute and
 * write what is already open. Everything that is needed later is opened first; then one call drops
 * the user id and the capabilities, forbids new privileges, and has the kernel refuse files
 * (Landlock) and system calls (seccomp). docs/live.md, "Privileges", says what is left and why.
 *
 * The only file that knows libseccomp, libcap-ng and Landlock. Level 5.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

/* --sandbox */
enum sandbox_mode {
    SANDBOX_AUTO,   /* as much as this build and this kernel have */
    SANDBOX_STRICT, /* all of it, or refuse to run */
    SANDBOX_OFF,
};

/* Who is to be confined. */
enum sandbox_role {
    SANDBOX_PARSER,  /* reads packets */
    SANDBOX_NAMES,   /* asks the system for names of addresses (-N): files and sockets stay */
    SANDBOX_SOCKETS, /* asks the kernel for sockets and /proc for processes (finwait compare) */
};

/* What is to be done with a path after the sandbox is up; everything else is refused. */
enum sandbox_use {
    SANDBOX_READ,    /* open the file, or any file of the folder, for reading */
    SANDBOX_REPLACE, /* write a file beside it and rename it over it: its folder is writable */
    SANDBOX_FOLLOW,  /* look for files in its folder, and open them for reading */
};

enum { SANDBOX_PATHS = 256 };

struct sandbox_plan {
    enum sandbox_mode mode;
    enum sandbox_role role;
    const char *user; /* -Z; NULL: nobody, or who owns the folder of what is to be replaced */
    bool terminal;    /* a terminal is read and its modes are changed (finwait top) */
    struct {
        const char *path; /* lent until sandbox_enter() has returned */
        enum sandbox_use use;
    } paths[SANDBOX_PATHS];
    size_t path_count;
};

/* What came of it, for --sandbox=strict and -v. */
struct sandbox_state {
    bool entered;         /* false: off, and `text` says why */
    bool user_dropped;    /* not root: it never was, or no longer */
    bool no_capabilities; /* none in any set that counts; helpers keep what they need */
    bool no_new_privileges;
    int landlock; /* version of the interface; 0: not there */
    bool seccomp;
    char text[256]; /* "user 65534, no capabilities, no new privileges, Landlock 7, seccomp" */
};

/* Adds a path; one too many is refused by sandbox_enter(). */
void sandbox_allow(struct sandbox_plan *plan, const char *path, enum sandbox_use use);
/* Confines the calling thread, which is the only one as yet; there is no way back. False with a
 * line in `error`, and what to do in `hint` (may be left empty): strict and something is missing,
 * an unknown user, or a path that could not be replaced any more. Both have 512 bytes. */
bool sandbox_enter(const struct sandbox_plan *plan, struct sandbox_state *state, char *error,
                   char *hint);

/* What this build and this kernel offer, a line for finwait --version -v:
 * "seccomp, Landlock 7, capabilities". `text` has at least 256 bytes. */
void sandbox_describe(char *text, size_t size);

#endif
