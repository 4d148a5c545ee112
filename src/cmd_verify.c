/*
 * What `finwait verify` does around the run of cmd_follow.c: reads the expectations and the golden
 * file before it, has the input read again for the frames of what failed, and reports after it.
 */
#include "commands.h"
#include "golden.h"
#include "run.h"
#include "select.h"
#include "verify.h"
#include "verify_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TEXT_BYTES = 512, EXPECTATIONS_MAX = 4 << 20, GOLDEN_MAX = 1 << 30 };

struct verification {
    const struct options *options;
    struct expectations *expectations;
    char *golden_text; /* of --golden; NULL: there is none, or it is to be written */
    struct view_ops view;
    struct verify_run run;
    bool input_is_kept; /* it can be read again */
};

/* ------------------------------------------------------------------------------------- reading --
 */

static bool complain_of(const char *path, const char *what)
{
    complain(NULL, "%s: %s", path, what);
    return false;
}

static bool read_stream(FILE *file, const char *path, size_t most, char **text)
{
    size_t length = 0, size = 0;

    *text = NULL;
    do {
        size = 2 * size + 16384;
        char *bigger = realloc(*text, size);
        if (!bigger)
            return complain_of(path, "out of memory");
        *text = bigger;
        length += fread(*text + length, 1, size - length - 1, file);
    } while (length == size - 1 && length <= most);
    (*text)[length] = '\0';
    if (ferror(file))
        return complain_of(path, strerror(errno));
    if (length > most)
        return complain_of(path, "longer than such a file can be");
    if (memchr(*text, '\0', length))
        return complain_of(path, "not a text file");
    return true;
}

/* False after complaining. */
static bool read_text(const char *path, const char *hint, size_t most, char **text)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");

    if (!file) {
        complain(hint, "%s: %s", path, strerror(errno));
        return false;
    }
    const bool good = read_stream(file, path, most, text);
    if (!is_stdin)
        fclose(file);
    if (good)
        return true;
    free(*text);
    *text = NULL;
    return false;
}

static void tell_error(void *context, const char *error)
{
    complain(NULL, "%s:%s", (const char *)context, error);
}

static bool reads_stdin(const struct options *options)
{
    for (size_t i = 0; i < options->file_count; i++)
        if (strcmp(options->files[i], "-") == 0)
            return true;
    return false;
}

static int read_expectations(struct verification *verification)
{
    const struct options *options = verification->options;
    const char *path = options->operand_count ? options->operands[0] : NULL;
    char *text;

    if (!path)
        return EXIT_DONE;
    if (strcmp(path, "-") == 0 && reads_stdin(options)) {
        complain(NULL, "verify: standard input cannot be both the expectations and the capture");
        return EXIT_USAGE;
    }
    if (!read_text(path, "verify takes a file of expectations; finwait verify --help shows some",
                   EXPECTATIONS_MAX, &text))
        return EXIT_USAGE;
    verification->expectations = expectations_parse(text, tell_error, (void *)path);
    free(text);
    return verification->expectations ? EXIT_DONE : EXIT_USAGE;
}

static int read_golden(struct verification *verification)
{
    const struct options *options = verification->options;
    char error[TEXT_BYTES];

    if (!options->golden || options->update)
        return EXIT_DONE;
    if (!read_text(options->golden, "--update writes it", GOLDEN_MAX, &verification->golden_text))
        return EXIT_UNREADABLE;
    if (golden_is_readable(verification->golden_text, error, sizeof error))
        return EXIT_DONE;
    complain("--update writes it anew", "%s: %s", options->golden, error);
    return EXIT_USAGE;
}

/* ----------------------------------------------------------------------------------- the views --
 */

/* A pipe or an interface gives its packets once. */
static bool can_read_again(const struct options *options)
{
    struct stat about;

    for (size_t i = 0; i < options->file_count; i++)
        if (strcmp(options->files[i], "-") == 0 || stat(options->files[i], &about) < 0 ||
            !S_ISREG(about.st_mode))
            return false;
    return !options_live(options);
}

static int make_parts(struct verification *verification, const struct selection *selection)
{
    const struct options *options = verification->options;
    struct verify_run *run = &verification->run;
    const struct verify_options verify = {
        .expectations = verification->expectations,
        .selection = selection,
        .records = !verification->input_is_kept,
        .live = options_live(options),
    };

    run->verify = verify_create(&verify);
    run->golden = options->golden ? golden_create(selection) : NULL;
    run->ends_early = verify.live && verification->expectations && !options->golden;
    if (run->verify && (run->golden || !options->golden))
        return EXIT_DONE;
    complain(NULL, "out of memory");
    return EXIT_UNREADABLE;
}

int verification_open(const struct options *options, const struct selection *selection,
                      struct verification **opened)
{
    struct verification *verification = calloc(1, sizeof *verification);

    *opened = verification;
    if (!verification) {
        complain(NULL, "out of memory");
        return EXIT_UNREADABLE;
    }
    verification->options = options;
    verification->input_is_kept = can_read_again(options);
    int status = read_expectations(verification);
    if (status == EXIT_DONE)
        status = read_golden(verification);
    if (status == EXIT_DONE)
        status = make_parts(verification, selection);
    return status;
}

void verification_close(struct verification *verification)
{
    if (!verification)
        return;
    verify_destroy(verification->run.verify);
    golden_destroy(verification->run.golden);
    evidence_destroy(verification->run.evidence);
    expectations_destroy(verification->expectations);
    free(verification->golden_text);
    free(verification);
}

struct verify_run *verification_run(struct verification *verification)
{
    return verification ? &verification->run : NULL;
}

bool verification_wants_interop(const struct verification *verification)
{
    return verification && verification->expectations && verification->expectations->wants_interop;
}

/* Hooks cost time, whatever they do. */
const struct view_ops *verification_view(struct verification *verification)
{
    verification->view = view_verify;
    if (!verification->run.golden)
        verification->view.hooks.step = NULL;
    verification->view.wants_segments = verify_wants_segments(verification->run.verify);
    return &verification->view;
}

bool verification_may_read_again(const struct verification *verification)
{
    return verification && verification->input_is_kept && verification->expectations;
}

bool verification_reads_again(struct verification *verification)
{
    struct verify_run *run = &verification->run;
    bool any = false;

    if (!verification_may_read_again(verification))
        return false;
    run->evidence = evidence_create();
    return run->evidence && verify_want_evidence(run->verify, run->evidence, &any) && any;
}

/* ----------------------------------------------------------------------------------- afterwards --
 */

/* Writes beside it and renames, so that what was there stays if this fails. */
static bool write_file(const char *path, const char *text)
{
    char beside[TEXT_BYTES];
    bool good = false;

    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *file = fopen(beside, "w");
    if (file) {
        good = fputs(text, file) >= 0;
        good &= fclose(file) == 0;
        good = good && rename(beside, path) == 0;
        if (!good) {
            const int error = errno;

            remove(beside);
            errno = error;
        }
    }
    return good;
}

static int update_golden(const struct verification *verification, bool incomplete, int otherwise,
                         struct out *out)
{
    const char *path = verification->options->golden;
    const uint64_t count = golden_count(verification->run.golden);

    if (incomplete) {
        complain("--allow-partial writes it all the same",
                 "%s: not written, since the input is not complete", path);
        return otherwise;
    }
    if (count == 0) {
        complain(NULL, "%s: not written, since there is no connection to keep", path);
        return EXIT_EXPECTATION;
    }
    char *text = golden_text(verification->run.golden);
    const bool good = text && write_file(path, text);
    if (!good)
        complain(NULL, "%s: cannot be written: %s", path, strerror(text ? errno : ENOMEM));
    else if (verification->options->format == FORMAT_TEXT ||
             verification->options->format == FORMAT_HUMAN)
        out_printf(out, "%s: written, %llu connection%s\n", path, (unsigned long long)count,
                   count == 1 ? "" : "s");
    free(text);
    return good ? EXIT_DONE : EXIT_UNREADABLE;
}

/* The first reason for exit status 3 or 4. */
static const char *why_incomplete(const struct run_result *result)
{
    const struct summary *summary = &result->summary;
    const struct fw_tracker_counts *counts = &summary->tracker;

    if (result->unreadable)
        return "part of it could not be read";
    if (summary->packets == 0)
        return "there is no packet in it";
    if (summary->verdicts[FW_VERDICT_SEGMENT] == 0)
        return "there is no TCP in it";
    if (summary->dropped_kernel || summary->dropped_interface)
        return "packets were dropped while it was captured";
    if (counts->evicted_closed || counts->evicted_half_open || counts->evicted_idle)
        return "connections were evicted under the memory limit";
    if (summary->skipped_count)
        return "packets of a link type that is not decoded were skipped";
    return "it is damaged or cut short";
}

static enum verify_format report_format(enum output_format format)
{
    switch (format) {
    case FORMAT_TAP:
        return VERIFY_TAP;
    case FORMAT_JUNIT:
        return VERIFY_JUNIT;
    case FORMAT_JSON:
        return VERIFY_JSON;
    case FORMAT_TEXT:
    case FORMAT_HUMAN:
    case FORMAT_CSV:
    case FORMAT_TSV:
    case FORMAT_ZEEK:
    case FORMAT_COUNT:
        break;
    }
    return VERIFY_HUMAN;
}

static bool report(const struct verification *verification, const struct view_options *view_options,
                   const struct run_result *result, bool incomplete, struct out *out)
{
    const struct options *options = verification->options;
    const bool compares = options->golden && !options->update;
    char *golden = compares ? golden_text(verification->run.golden) : NULL;
    const struct verify_report what = {
        .format = report_format(options->format),
        .options = view_options,
        .file = options->operand_count ? options->operands[0] : NULL,
        .verify = verification->run.verify,
        .golden_file = compares ? options->golden : NULL,
        .golden_expected = verification->golden_text,
        .golden_got = golden ? golden : "",
        .no_connections = compares && golden_count(verification->run.golden) == 0,
        .incomplete = incomplete,
        .why_incomplete = why_incomplete(result),
    };
    const bool holds = verify_report(out, &what) && (golden || !compares);

    free(golden);
    return holds;
}

int verification_finish(struct verification *verification, const struct view_options *view_options,
                        const struct run_result *result, struct out *out)
{
    const struct options *options = verification->options;
    const bool incomplete = result->unreadable || (result->partial && !options->allow_partial);
    int status = result->unreadable ? EXIT_UNREADABLE : incomplete ? EXIT_PARTIAL : EXIT_DONE;

    if (verification->run.evidence)
        verify_take_evidence(verification->run.verify, verification->run.evidence);
    const bool only_updates = options->update && !verification->expectations;
    if (!only_updates && !report(verification, view_options, result, incomplete, out) &&
        status != EXIT_UNREADABLE)
        status = EXIT_EXPECTATION;
    if (options->update) {
        const int updated = update_golden(verification, incomplete, status, out);

        if (status == EXIT_DONE || updated == EXIT_UNREADABLE)
            status = updated;
    }
    return status;
}
