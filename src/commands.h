/*
 * The commands: one row each. To add one, write its cmd_NAME.c and add a row to commands.c.
 * Level 5: the program.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "options.h"

#include "finwait/finwait.h"
#include "out.h"
#include "view.h"

struct run_result;

/* What only the program may ask of the machine it runs on, asked once, in main.c. */
struct surroundings {
    bool stdout_is_terminal, stderr_is_terminal;
    bool utf8;
    bool color;            /* NO_COLOR and TERM say so; --color decides over it */
    unsigned width;        /* columns of the terminal, 0: stdout is none */
    uint64_t memory_bytes; /* that this machine gives us, 0: unknown */
    unsigned processors;   /* that we may use, at least 1 */
    uint8_t hash_key[16];
};

struct command {
    const char *name;     /* NULL: the default command */
    const char *operands; /* its own words, as the usage shows them: "ID|TUPLE"; NULL: none */
    size_t operands_min, operands_max;
    bool takes_filter; /* further words are a BPF filter */
    const char *summary;
    const char *help; /* the rest of its --help */
    /* The row of a command that follows packets names its view; another has a function. A row with
     * neither is not in this version yet. */
    const struct view_ops *view;
    int (*run)(const struct command *command, const struct options *options,
               const struct surroundings *surroundings, struct out *out);
};

extern const struct command commands[];
extern const size_t command_count;

/* By name; NULL if there is none. commands[0] is the default command. */
const struct command *command_find(const char *name);

/* The text of --help: of all, or of one command. */
void command_help(const struct command *command, struct out *out);
void command_help_all(struct out *out);
void command_version(bool verbose, struct out *out);

/* Exit statuses (product.md): where several apply, the order is 2, 3, 1, 4. */
enum {
    EXIT_DONE = 0,
    EXIT_EXPECTATION = 1,
    EXIT_USAGE = 2,
    EXIT_UNREADABLE = 3,
    EXIT_PARTIAL = 4,
};

/* A line on stderr, "finwait: TEXT", and a second one, "  HINT", unless it is empty or NULL. */
void complain(const char *hint, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* verify: what cmd_follow() does before, between and after. NULL: it is another command. */
struct verification;

/* Reads expectations and the golden file: an exit status; *verification is to be closed. */
int verification_open(const struct options *options, const struct selection *selection,
                      struct verification **verification);
void verification_close(struct verification *verification);
struct verify_run *verification_run(struct verification *verification);
bool verification_wants_interop(const struct verification *verification);
/* The view of the first run: with the hooks that are needed, and no other. */
const struct view_ops *verification_view(struct verification *verification);
/* Whether that could come: it is asked before the input is read. */
bool verification_may_read_again(const struct verification *verification);
/* Whether to read the input a second time, with view_evidence. */
bool verification_reads_again(struct verification *verification);
/* After all runs: writes the report, or the golden file. An exit status. */
int verification_finish(struct verification *verification, const struct view_options *view_options,
                        const struct run_result *result, struct out *out);

/* compare: cmd_follow() opens and confines, comparison_run() follows the wire. */
struct host_comparison;

struct comparison_run {
    struct source *source;
    struct filter *filter; /* NULL: all */
    struct fw_tracker_options tracker;
    struct view_options *view_options;
    struct out *out;
};

/* Starts the process that asks the kernel: an exit status; *comparison is to be closed. */
int comparison_open(const struct options *options, struct host_comparison **comparison);
int comparison_run(struct host_comparison *comparison, const struct comparison_run *run);
void comparison_close(struct host_comparison *comparison);

/* top: what cmd_follow() does around its run. */
struct stage;

/* Takes the terminal over and puts itself in front of *source; `tracking` is lent. An exit status;
 * in either case *stage is to be closed, after the source was destroyed. */
int top_open(const struct options *options, const struct surroundings *surroundings, bool color,
             const struct fw_tracker_options *tracking, struct source **source,
             struct stage **stage);
void top_close(struct stage *stage);
struct top_host *top_host_of(struct stage *stage);
/* For the run: the clock, and lines for the user, which are shown when they can be seen. */
fw_time top_now(void *context);
void top_tell(void *context, const char *text, const char *hint);

int cmd_follow(const struct command *command, const struct options *options,
               const struct surroundings *surroundings, struct out *out);
int cmd_explain(const struct command *command, const struct options *options,
                const struct surroundings *surroundings, struct out *out);
int cmd_interfaces(const struct command *command, const struct options *options,
                   const struct surroundings *surroundings, struct out *out);
int cmd_help(const struct command *command, const struct options *options,
             const struct surroundings *surroundings, struct out *out);

#endif
