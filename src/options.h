/*
 * What the user asked for: argv -> struct options. Pure: no files, no environment, no output; the
 * same words always give the same options or the same error text.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "finwait/finwait.h"
#include "sandbox.h"
#include "source.h"
#include "view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command; /* commands.h */

enum output_format {
    FORMAT_TEXT,
    FORMAT_JSON,
    FORMAT_CSV,
    FORMAT_TSV,
    FORMAT_ZEEK,
    FORMAT_HUMAN, /* verify: the same as text */
    FORMAT_TAP,   /* verify */
    FORMAT_JUNIT, /* verify */
    FORMAT_COUNT
};
enum color_wish { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum timer_set { TIMERS_RFC, TIMERS_LINUX };

struct options {
    const struct command *command;
    bool help, version;
    unsigned verbose; /* how many -v */

    /* Words that are not options. Pointers into argv; the arrays are ours. */
    const char **operands; /* the command's own: ID, STATE... */
    size_t operand_count;
    char *filter; /* the others, joined: a BPF filter; NULL: none */

    /* input */
    const char **files; /* -r */
    size_t file_count;
    const char **interfaces; /* -i */
    size_t interface_count;
    const char *filter_file;       /* -F */
    const char *link_type;         /* -y */
    uint32_t snaplen;              /* -s; 0: default */
    uint32_t buffer_kib;           /* -B; 0: default */
    enum live_direction direction; /* -Q */
    bool no_promiscuous;           /* -p */
    bool line_buffered;            /* -l */
    bool follow;                   /* --follow */
    uint64_t max_packets;          /* -c; 0: no limit */
    int64_t for_ns;                /* --for; 0: not given */

    /* privileges */
    enum sandbox_mode sandbox; /* --sandbox */
    const char *user;          /* -Z, --user; NULL: not given */

    /* tracking */
    enum timer_set timers;
    int64_t msl_ns;            /* --msl; -1: not given */
    int64_t idle_ns;           /* --idle; -1: not given */
    uint64_t max_connections;  /* --max-conns; 0: not given */
    uint64_t max_memory_bytes; /* --max-mem; 0: not given */
    bool checksum;
    uint32_t threads; /* --threads; 0: not given */

    /* selection */
    const char *selection; /* -Y */
    const char *states;    /* --state */

    /* output */
    const char *write_file;   /* -w; NULL: not given */
    const char *metrics_file; /* --metrics; NULL: not given */
    enum output_format format;
    enum fw_names names;
    enum time_style time_style;
    enum color_wish color;
    bool quiet, resolve, ladder, explain, listeners, allow_partial, exit_code;
    uint64_t only_findings; /* --only: a bit for each kind; 0: not given */
    uint64_t min_count;     /* --min-count; 0: not given */
    int64_t every_ns;       /* --every; 0: not given */

    /* top */
    bool speed_given;
    double speed; /* --speed; 0: as fast as it can be read */

    /* verify */
    const char *golden; /* --golden; NULL: not given */
    bool update;        /* --update */
};

/* Whether packets are still to come: time passes while there are none. */
static inline bool options_live(const struct options *options)
{
    return options->interface_count > 0 || options->follow;
}

/* Reads the words after argv[0]. Returns false with one line in `error` (and in `hint`, which may
 * be left empty, what to do). options_finish() is due in either case. */
bool options_parse(struct options *options, int argc, char *const *argv, char *error,
                   size_t error_size, char *hint, size_t hint_size);
void options_finish(struct options *options);

#endif
