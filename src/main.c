/*
 * finwait: argv -> options -> a command -> an exit status. What the machine is like (terminal,
 * locale, memory, randomness) is asked here, once, and handed down as values.
 */
#include "commands.h"
#include "options.h"
#include "out.h"
#include "run.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

enum { OUT_BLOCK_BYTES = 256 * 1024, TEXT_BYTES = 512 };

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP };

/* The first ends the run with its summary, a second one, whichever, at once. */
static void on_signal(int number)
{
    (void)number;
    for (size_t i = 0; i < sizeof ending_signals / sizeof ending_signals[0]; i++)
        signal(ending_signals[i], SIG_DFL);
    run_interrupt();
}

/* Without SA_RESTART: a read that waits returns. nohup ignores SIGHUP: that stays. */
static void catch_signals(void)
{
    const struct sigaction action = { .sa_handler = on_signal };
    struct sigaction before;

    for (size_t i = 0; i < sizeof ending_signals / sizeof ending_signals[0]; i++)
        if (ending_signals[i] != SIGHUP || sigaction(SIGHUP, NULL, &before) < 0 ||
            before.sa_handler != SIG_IGN)
            sigaction(ending_signals[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* EPIPE says it, at the write it belongs to */
}

static unsigned terminal_width(void)
{
    struct winsize size = { 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return 80;
}

static uint64_t physical_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);

    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
}

/* A container may have less than the machine (cgroup v2; "max" is no limit). */
static uint64_t container_memory(void)
{
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "r");
    unsigned long long bytes = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%llu", &bytes) != 1)
        bytes = 0;
    fclose(file);
    return bytes;
}

static unsigned usable_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1; /* more of them than the set holds */
    return (unsigned)CPU_COUNT(&set);
}

static void look_around(struct surroundings *surroundings)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    const uint64_t container = container_memory();

    *surroundings = (struct surroundings){
        .stdout_is_terminal = isatty(STDOUT_FILENO),
        .stderr_is_terminal = isatty(STDERR_FILENO),
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .memory_bytes = physical_memory(),
        .processors = usable_processors(),
    };
    if (container && container < surroundings->memory_bytes)
        surroundings->memory_bytes = container;
    if (surroundings->stdout_is_terminal)
        surroundings->width = terminal_width();
    surroundings->color = surroundings->stdout_is_terminal && !(no_color && *no_color) && term &&
                          strcmp(term, "dumb") != 0;
    /* Without randomness (a very early boot) the table is only as safe as an unkeyed one. */
    if (getrandom(surroundings->hash_key, sizeof surroundings->hash_key, GRND_NONBLOCK) < 0)
        memset(surroundings->hash_key, 0x5a, sizeof surroundings->hash_key);
}

static int run_command(const struct options *options, struct out *out)
{
    const struct command *command = options->command;
    struct surroundings surroundings;

    if (options->version) {
        command_version(options->verbose > 0, out);
        return EXIT_DONE;
    }
    if (options->help) {
        if (command->name)
            command_help(command, out);
        else
            command_help_all(out);
        return EXIT_DONE;
    }
    look_around(&surroundings);
    if (command->view)
        return cmd_follow(command, options, &surroundings, out);
    return command->run(command, options, &surroundings, out);
}

/* A reader that has gone is no fault of anybody's; a test that failed has failed all the same. */
static int close_output(struct out *out, int status)
{
    out_flush(out);
    if (out->closed)
        status = status == EXIT_EXPECTATION ? status : EXIT_DONE;
    else if (out->error) {
        complain(NULL, "cannot write the output: %s", strerror(out->error));
        status = EXIT_UNREADABLE;
    }
    out_finish(out);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct out out;
    char error[TEXT_BYTES], hint[TEXT_BYTES];
    int status;

    setlocale(LC_CTYPE, "");
    catch_signals();
    if (!options_parse(&options, argc, argv, error, sizeof error, hint, sizeof hint)) {
        complain(*hint ? hint : "finwait --help tells more", "%s", error);
        options_finish(&options);
        return EXIT_USAGE;
    }
    if (out_init(&out, STDOUT_FILENO, OUT_BLOCK_BYTES) < 0) {
        complain(NULL, "out of memory");
        options_finish(&options);
        return EXIT_UNREADABLE;
    }
    status = close_output(&out, run_command(&options, &out));
    options_finish(&options);
    return status;
}
