/* The commands that follow packets (transitions, table, show): options -> source, tracker, view. */
#include "commands.h"
#include "metrics_file.h"
#include "progress.h"
#include "resolve.h"
#include "run.h"
#include "sandbox.h"
#include "select.h"
#include "source.h"
#include "suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_BYTES = 512, FILTER_MAX = 65536 };

/* Files of which so much is on disk are read before a second thread has started. */
enum { SMALL_INPUT_BYTES = 1024 * 1024 };

struct follow {
    const struct command *command;
    const struct options *options;
    const struct surroundings *surroundings;
    struct out *out;

    char *filter_text; /* of -F; ours */
    struct filter *filter;
    struct selection *selection;
    struct resolver *resolver;
    struct source *source;
    struct source *source_again;  /* open, for a second reading; NULL: there is none */
    struct metrics_file *metrics; /* NULL: none are written */
    struct progress progress;
    struct view_options view_options;
    struct verification *verification;  /* NULL: another command than verify */
    struct host_comparison *comparison; /* NULL: another command than compare */
    struct stage *stage;                /* NULL: another command than top */
    struct fw_tracker_options tracking; /* top: as the run has them */
    char command_line[TEXT_BYTES];
};

static void tell(void *context, const char *text, const char *hint)
{
    (void)context;
    complain(hint, "%s", text);
}

/* ------------------------------------------------------------------------------------ filter -- */

/* -F FILE: NULL after complaining. */
static char *read_filter_file(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *filter = calloc(1, FILTER_MAX + 1);
    size_t length = 0;
    bool good = false;

    if (file && filter)
        length = fread(filter, 1, FILTER_MAX, file);
    if (!file || !filter || ferror(file))
        complain(NULL, "-F %s: %s", path, strerror(errno));
    else if (length == FILTER_MAX)
        complain(NULL, "-F %s: longer than a filter can be", path);
    else if (memchr(filter, '\0', length))
        complain(NULL, "-F %s: not a text file", path);
    else
        good = true;
    if (file && file != stdin)
        fclose(file);
    if (good)
        return filter;
    free(filter);
    return NULL;
}

/* Words that are no filter are often a file, or a command with a typing error. */
static void advise_filter(const char *words, char *hint, size_t size)
{
    struct suggestion suggestion;
    char first[64];

    if (access(words, R_OK) == 0) {
        snprintf(hint, size, "\"%.100s\" is a file: to read it, put -r before it", words);
        return;
    }
    snprintf(first, sizeof first, "%.*s", (int)strcspn(words, " "), words);
    suggestion_init(&suggestion, first);
    for (size_t i = 1; i < command_count; i++)
        suggestion_offer(&suggestion, commands[i].name);
    if (suggestion.best[0])
        snprintf(hint, size, "there is no command \"%s\"; did you mean finwait %s?", first,
                 suggestion.best);
}

/* An exit status. */
static int make_filter(struct follow *follow)
{
    const struct options *options = follow->options;
    const char *text = options->filter;
    struct source_fault fault = { 0 };

    if (options->filter_file) {
        follow->filter_text = read_filter_file(options->filter_file);
        if (!follow->filter_text)
            return EXIT_USAGE;
        text = follow->filter_text;
    }
    if (!text)
        return EXIT_DONE;
    follow->filter = filter_create(text, &fault);
    if (follow->filter)
        return EXIT_DONE;
    if (options->filter)
        advise_filter(options->filter, fault.hint, sizeof fault.hint);
    complain(fault.hint, "%s", fault.text);
    return EXIT_USAGE;
}

/* --------------------------------------------------------------------------------- selection -- */

static int add_selection(struct follow *follow, const char *option, struct selection *part,
                         const char *error)
{
    if (part && selection_and(&follow->selection, part))
        return EXIT_DONE;
    complain(NULL, "%s: %s", option, part ? "out of memory" : error);
    return EXIT_USAGE;
}

/* show ID|TUPLE: "2", "#2", or endpoints. */
static int select_shown(struct follow *follow, const char *what)
{
    const char *digits = what[0] == '#' ? what + 1 : what;
    char error[TEXT_BYTES] = "", option[TEXT_BYTES];

    if (*digits && strspn(digits, "0123456789") == strlen(digits)) {
        errno = 0;
        follow->view_options.show_id = strtoull(digits, NULL, 10);
        if (errno == 0 && follow->view_options.show_id)
            return add_selection(follow, "show", selection_create_id(follow->view_options.show_id),
                                 "out of memory");
        complain(NULL, "show %s: connections are numbered from 1", what);
        return EXIT_USAGE;
    }
    snprintf(option, sizeof option, "show %.200s", what);
    struct selection *part = selection_parse_tuple(what, error, sizeof error);
    return add_selection(follow, option, part, error);
}

static int make_selection(struct follow *follow)
{
    const struct options *options = follow->options;
    char error[TEXT_BYTES] = "";
    int status = EXIT_DONE;

    if (options->selection)
        status = add_selection(follow, "-Y",
                               selection_parse(options->selection, error, sizeof error), error);
    if (status == EXIT_DONE && options->states)
        status = add_selection(follow, "--state",
                               selection_parse_states(options->states, error, sizeof error), error);
    if (status == EXIT_DONE && options->operand_count && follow->command->view == &view_show)
        status = select_shown(follow, options->operands[0]);
    follow->view_options.selection = follow->selection;
    return status;
}

/* ------------------------------------------------------------------------------------- parts -- */

static fw_time wall_clock(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * FW_SECOND + now.tv_nsec;
}

static struct source *open_live(const struct follow *follow, struct source_fault *fault)
{
    const struct options *options = follow->options;
    const bool read_by_person = follow->surroundings->stdout_is_terminal || options->line_buffered;
    const struct live_options live = {
        .interfaces = options->interfaces,
        .interface_count = options->interface_count,
        .filter = follow->filter_text ? follow->filter_text : options->filter,
        .snaplen = options->snaplen,
        .buffer_kib = options->buffer_kib,
        .link_type = options->link_type,
        .direction = options->direction,
        .no_promiscuous = options->no_promiscuous,
        .immediate = read_by_person && !options->quiet && follow->command->view != &view_top,
        .max_packets = options->max_packets,
        .now = wall_clock,
    };

    return source_open_live(&live, fault);
}

/* Only to a person: a faultless run says nothing to anybody else on stderr. */
static void tell_listening(const struct follow *follow)
{
    struct source_device device;

    if (!follow->surroundings->stderr_is_terminal)
        return;
    for (size_t i = 0; source_device(follow->source, i, &device); i++)
        complain(NULL, "listening on %s, link type %s, snaplen %u bytes", device.name,
                 fw_link_name(device.link_type), (unsigned)device.snaplen);
}

static int open_source(struct follow *follow)
{
    const struct options *options = follow->options;
    struct source_fault fault = { 0 };

    filter_prepare(follow->filter);
    if (options->interface_count)
        follow->source = open_live(follow, &fault);
    else if (options->follow)
        follow->source =
            source_open_follow(options->files[0], follow->filter, options->max_packets, &fault);
    else
        follow->source = source_prepare_files(options->files, options->file_count, follow->filter,
                                              options->max_packets, &fault);
    if (follow->source && verification_may_read_again(follow->verification))
        follow->source_again = source_prepare_files(options->files, options->file_count,
                                                    follow->filter, options->max_packets, &fault);
    if (follow->source)
        return EXIT_DONE;
    complain(fault.hint, "%s", fault.text);
    return EXIT_UNREADABLE;
}

/* -w FILE over a file that is read would be the end of it. */
static bool is_read(const struct options *options, const char *path)
{
    struct stat written, read;

    if (stat(path, &written) < 0 || !S_ISREG(written.st_mode))
        return false;
    for (size_t i = 0; i < options->file_count; i++)
        if (stat(options->files[i], &read) == 0 && read.st_dev == written.st_dev &&
            read.st_ino == written.st_ino)
            return true;
    return false;
}

static int open_kept(struct follow *follow)
{
    const char *path = follow->options->write_file;
    struct source_fault fault = { 0 };

    if (!path)
        return EXIT_DONE;
    if (is_read(follow->options, path)) {
        complain(NULL, "-w %s: this file is being read", path);
        return EXIT_USAGE;
    }
    follow->source = source_keep(follow->source, path, &fault);
    if (follow->source)
        return EXIT_DONE;
    complain(fault.hint, "%s", fault.text);
    return EXIT_UNREADABLE;
}

static int open_metrics(struct follow *follow)
{
    const char *path = follow->options->metrics_file;
    char error[TEXT_BYTES];

    if (!path)
        return EXIT_DONE;
    follow->metrics = metrics_file_open(path, error, sizeof error);
    if (follow->metrics)
        return EXIT_DONE;
    complain("it is replaced every 10 s: the folder must be writable", "--metrics %s: %s", path,
             error);
    return EXIT_UNREADABLE;
}

/* All that a run reads, captures and writes is opened here, before the first packet is looked at:
 * when this returns, privileges may go. What is still opened later: with --follow, the files that
 * come next, in the folder of the pattern; with --metrics, a temporary file in the folder that is
 * open; what `verify` reads a second time. */
static int open_all(struct follow *follow)
{
    int status = open_source(follow);

    if (status == EXIT_DONE)
        status = open_kept(follow);
    if (status == EXIT_DONE)
        status = open_metrics(follow);
    if (status == EXIT_DONE)
        tell_listening(follow);
    return status;
}

/* From here on strangers' bytes are read, and nothing more can be opened but what is named here. */
static int enter_sandbox(struct follow *follow)
{
    const struct options *options = follow->options;
    struct sandbox_plan plan = { .mode = options->sandbox, .user = options->user };
    char error[TEXT_BYTES], hint[TEXT_BYTES];
    struct sandbox_state state;

    if (options->follow && strcmp(options->files[0], "-") != 0)
        sandbox_allow(&plan, options->files[0], SANDBOX_FOLLOW);
    if (options->metrics_file)
        sandbox_allow(&plan, options->metrics_file, SANDBOX_REPLACE);
    if (options->update)
        sandbox_allow(&plan, options->golden, SANDBOX_REPLACE);
    if (follow->stage) {
        plan.terminal = true;
        if (access(".", W_OK) == 0) /* else `w` says that it cannot */
            sandbox_allow(&plan, "./finwait.pcapng", SANDBOX_REPLACE);
    }
    if (!sandbox_enter(&plan, &state, error, hint)) {
        complain(hint, "%s", error);
        return EXIT_UNREADABLE;
    }
    if (options->verbose)
        complain(NULL, "sandbox: %s", state.text);
    return EXIT_DONE;
}

/* Looks into what was opened. */
static int begin(struct follow *follow)
{
    struct source_fault fault = { 0 };

    if (source_begin(follow->source, &fault))
        return EXIT_DONE;
    complain(fault.hint, "%s", fault.text);
    return EXIT_UNREADABLE;
}

static const struct view_ops *choose_view(const struct follow *follow)
{
    if (follow->command->view == &view_diagnose || follow->command->view == &view_top)
        return follow->command->view;
    if (follow->verification)
        return verification_view(follow->verification);
    switch (follow->options->format) {
    case FORMAT_JSON:
        return follow->options->quiet ? &view_json_quiet : &view_json;
    case FORMAT_CSV:
        return &view_csv;
    case FORMAT_TSV:
        return &view_tsv;
    case FORMAT_ZEEK:
        return &view_zeek;
    case FORMAT_TEXT:
    case FORMAT_HUMAN:
    case FORMAT_TAP:
    case FORMAT_JUNIT:
    case FORMAT_COUNT:
        break;
    }
    return follow->options->quiet ? &view_quiet : follow->command->view;
}

/* A word as the shell takes it back. */
static void append_word(char *text, size_t size, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";
    const bool quoted = !*word || word[strspn(word, plain)];
    const size_t used = strlen(text);

    if (used + strlen(word) + 5 < size)
        snprintf(text + used, size - used, " %s%s%s", quoted ? "'" : "", word, quoted ? "'" : "");
}

/* What the hint at the end repeats: the input and what was chosen of it. */
static void make_command_line(struct follow *follow)
{
    const struct options *options = follow->options;
    char *text = follow->command_line;
    const size_t size = sizeof follow->command_line;

    for (size_t i = 0; i < options->file_count; i++) {
        append_word(text, size, "-r");
        append_word(text, size, options->files[i]);
    }
    for (size_t i = 0; i < options->interface_count; i++) {
        append_word(text, size, "-i");
        append_word(text, size, options->interfaces[i]);
    }
    if (options->filter)
        append_word(text, size, options->filter);
    follow->view_options.command_line = *text ? text + 1 : text;
}

static int make_view_options(struct follow *follow)
{
    const struct options *options = follow->options;
    const struct surroundings *surroundings = follow->surroundings;
    struct view_options *view_options = &follow->view_options;

    view_options->names = options->names;
    view_options->time_style = options->time_style;
    view_options->color =
        options->color == COLOR_ALWAYS || (options->color == COLOR_AUTO && surroundings->color);
    view_options->utf8 = surroundings->utf8;
    view_options->live = options_live(options);
    view_options->width = surroundings->width;
    view_options->ladder = options->ladder;
    view_options->listeners = options->listeners;
    view_options->explain = options->explain;
    view_options->json = options->format == FORMAT_JSON;
    view_options->only_findings = options->only_findings;
    view_options->min_count = options->min_count;
    view_options->quiet = options->quiet;
    view_options->verbose = options->verbose;
    make_command_line(follow);
    if (options->resolve) {
        char error[TEXT_BYTES], hint[TEXT_BYTES];

        follow->resolver = resolver_create(follow->command->view != &view_top, options->sandbox,
                                           options->user, error, hint);
        if (!follow->resolver) {
            complain(hint, "-N: %s", error);
            return EXIT_UNREADABLE;
        }
        view_options->resolve = resolver_name;
        view_options->resolve_context = follow->resolver;
    }
    return EXIT_DONE;
}

static void make_tracker_options(const struct follow *follow, const struct view_ops *view,
                                 struct fw_tracker_options *tracker)
{
    const struct options *options = follow->options;

    fw_tracker_defaults(tracker);
    if (options->timers == TIMERS_LINUX) { /* TCP_TIMEWAIT_LEN, tcp_fin_timeout */
        tracker->time_wait_ns = 60 * FW_SECOND;
        tracker->fin_wait_2_ns = 60 * FW_SECOND;
    }
    if (options->msl_ns >= 0)
        tracker->time_wait_ns = 2 * options->msl_ns;
    if (options->idle_ns >= 0)
        tracker->idle_ns = options->idle_ns;
    else if (options_live(options))
        tracker->idle_ns = 5 * 86400 * FW_SECOND;
    tracker->max_connections = options->max_connections;
    tracker->max_memory_bytes = options->max_memory_bytes ? options->max_memory_bytes
                                                          : follow->surroundings->memory_bytes / 2;
    /* diagnose says whose they are instead: what is dropped is told to nobody. */
    tracker->drop_bad_checksums = options->checksum && view != &view_diagnose;
    tracker->interop = view->wants_interop || selection_wants_interop(follow->selection) ||
                       verification_wants_interop(follow->verification);
    memcpy(tracker->hash_key, follow->surroundings->hash_key, sizeof tracker->hash_key);
}

/* --------------------------------------------------------------------------------------- run -- */

/* Lines on stdout scroll a progress line away, if both are the same terminal. */
static bool progress_disturbs(const struct follow *follow, const struct view_ops *view)
{
    return follow->surroundings->stdout_is_terminal && view->hooks.step && !follow->options->quiet;
}

static int exit_status(const struct follow *follow, const struct run_result *result)
{
    if (result->unreadable)
        return EXIT_UNREADABLE;
    if (follow->options->exit_code && result->found)
        return EXIT_EXPECTATION;
    if (result->partial && !follow->options->allow_partial)
        return EXIT_PARTIAL;
    return EXIT_DONE;
}

static void tell_figures(const struct run_result *result, int64_t elapsed_ns)
{
    const struct fw_tracker_counts *counts = &result->summary.tracker;
    const double seconds = elapsed_ns > 0 ? (double)elapsed_ns / 1e9 : 1e-9;

    complain(
        NULL,
        "%llu packets in %.3f s (%.0f a second); %llu segments, %llu transitions; at most %llu "
        "connections at once, %llu steps to one, %.1f MiB",
        (unsigned long long)result->summary.packets, seconds,
        (double)result->summary.packets / seconds, (unsigned long long)counts->segments,
        (unsigned long long)counts->transitions, (unsigned long long)counts->live_peak,
        (unsigned long long)counts->bucket_peak, (double)counts->memory_peak_bytes / 1048576.0);
}

static unsigned choose_threads(const struct follow *follow)
{
    struct source_stats stats;

    if (follow->options->threads)
        return follow->options->threads;
    if (options_live(follow->options) || follow->stage || follow->surroundings->processors < 2)
        return 1;
    source_stats(follow->source, &stats);
    return stats.bytes_total && stats.bytes_total < SMALL_INPUT_BYTES ? 1 : 2;
}

static void tell_nobody(void *context, const char *text, const char *hint)
{
    (void)context;
    (void)text;
    (void)hint;
}

/* The same input again, for the frames of what failed: all that is to be said of it has been said.
 */
static int read_again(struct follow *follow, struct run again)
{
    struct view_options view_options = follow->view_options;
    struct run_result result;

    source_destroy(follow->source);
    follow->source = follow->source_again;
    follow->source_again = NULL;
    if (!follow->source || begin(follow) != EXIT_DONE)
        return EXIT_UNREADABLE;
    again.source = follow->source;
    again.view = &view_evidence;
    again.view_options = &view_options;
    again.progress = NULL;
    again.metrics = NULL;
    again.complain = tell_nobody;
    return run_loop(&again, &result) < 0 ? EXIT_UNREADABLE : EXIT_DONE;
}

static int finish_verification(struct follow *follow, const struct run *run,
                               const struct run_result *result)
{
    if (verification_reads_again(follow->verification) && read_again(follow, *run) != EXIT_DONE)
        complain(NULL, "the input could not be read a second time: no frames are shown");
    return verification_finish(follow->verification, &follow->view_options, result, follow->out);
}

static int compare_with_kernel(struct follow *follow)
{
    struct comparison_run run = {
        .source = follow->source,
        .filter = follow->filter,
        .view_options = &follow->view_options,
        .out = follow->out,
    };

    make_tracker_options(follow, &view_compare, &run.tracker);
    return comparison_run(follow->comparison, &run);
}

static int follow_packets(struct follow *follow)
{
    const struct options *options = follow->options;
    const struct view_ops *view = choose_view(follow);
    const bool is_top = follow->stage != NULL;
    struct run run = {
        .source = follow->source,
        .inputs = options->interface_count ? options->interfaces : options->files,
        .input_count = options->interface_count + options->file_count, /* either is 0 */
        .live = options_live(options) || is_top,
        .flush_each_batch = options_live(options) || options->line_buffered ||
                            follow->surroundings->stdout_is_terminal,
        .connections_only = follow->command->view == &view_table,
        .verify_checksums = options->checksum,
        .threads = choose_threads(follow),
        .max_packets = options->max_packets,
        .for_ns = options->for_ns,
        .every_ns = options->every_ns,
        .view = view,
        .view_options = &follow->view_options,
        .out = follow->out,
        .progress = &follow->progress,
        .metrics = follow->metrics,
        .complain = is_top ? top_tell : tell,
        .complain_context = follow->stage,
        .now = is_top ? top_now : wall_clock,
        .now_context = follow->stage,
    };
    struct run_result result;
    const fw_time started = wall_clock(NULL);

    follow->out->behind = run.threads > 1;
    make_tracker_options(follow, view, &run.tracker);
    follow->progress.enabled =
        follow->surroundings->stderr_is_terminal && !run.live && !progress_disturbs(follow, view);
    if (run_loop(&run, &result) < 0) {
        out_flush(follow->out);
        complain("--max-mem limits what is kept",
                 "out of memory: what was read before it is above");
        return EXIT_UNREADABLE;
    }
    if (options->verbose && !follow->out->closed) {
        out_flush(follow->out);
        tell_figures(&result, wall_clock(NULL) - started);
    }
    if (follow->verification)
        return finish_verification(follow, &run, &result);
    return exit_status(follow, &result);
}

static int open_stage(struct follow *follow)
{
    int status;

    if (follow->command->view != &view_top)
        return EXIT_DONE;
    make_tracker_options(follow, &view_top, &follow->tracking);
    status = top_open(follow->options, follow->surroundings, follow->view_options.color,
                      &follow->tracking, &follow->source, &follow->stage);
    follow->view_options.top = top_host_of(follow->stage);
    return status;
}

int cmd_follow(const struct command *command, const struct options *options,
               const struct surroundings *surroundings, struct out *out)
{
    struct follow follow = {
        .command = command,
        .options = options,
        .surroundings = surroundings,
        .out = out,
    };
    int status = make_selection(&follow);

    if (status == EXIT_DONE && command->view == &view_verify)
        status = verification_open(options, follow.selection, &follow.verification);
    follow.view_options.verify_run = verification_run(follow.verification);
    if (status == EXIT_DONE)
        status = make_filter(&follow);
    if (status == EXIT_DONE)
        status = make_view_options(&follow);
    if (status == EXIT_DONE && command->view == &view_compare)
        status = comparison_open(options, &follow.comparison);
    if (status == EXIT_DONE)
        status = open_all(&follow);
    if (status == EXIT_DONE)
        status = open_stage(&follow);
    if (status == EXIT_DONE)
        status = enter_sandbox(&follow);
    if (status == EXIT_DONE)
        status = begin(&follow);
    if (status == EXIT_DONE)
        status = follow.comparison ? compare_with_kernel(&follow) : follow_packets(&follow);

    source_destroy(follow.source);
    source_destroy(follow.source_again);
    top_close(follow.stage);
    metrics_file_close(follow.metrics);
    verification_close(follow.verification);
    comparison_close(follow.comparison);
    resolver_destroy(follow.resolver);
    selection_destroy(follow.selection);
    filter_destroy(follow.filter);
    free(follow.filter_text);
    return status;
}
