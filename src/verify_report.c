#include "verify_report.h"

#include "golden.h"
#include "json.h"
#include "text.h"
#include "utf8.h"
#include "verify_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_BYTES = 2048,
    LABEL_WIDTH = 10,
    WIDTH_LEAST = 60,
    WIDTH_MOST = 100,
    WIDTH_DEFAULT = 80,
    DIFFERENCES_SHOWN = 60, /* lines of a golden file's difference */
};

/* One test of the report: an expectation, the golden file, or the input itself. */
enum test_kind { TEST_EXPECTATION, TEST_GOLDEN, TEST_INPUT };

struct test {
    enum test_kind kind;
    const struct verdict *verdict;
    bool holds;
    char name[512]; /* as it was given, or the line itself */
    char where[320];
    char message[VERIFY_WORDS_BYTES]; /* of a failure: what was there instead */
};

struct reporter {
    const struct verify_report *report;
    struct out *out;
    const char *prefix;                                       /* before each line of a failure */
    void (*put)(struct reporter *reporter, const char *text); /* text, escaped */
    size_t differing;                                         /* connections, of the golden file */
    size_t told;                                              /* differences */
    char connection[160];                                     /* whose differences are told */
    size_t number;                                            /* of the test */
};

/* --------------------------------------------------------------------------------------- lines --
 */

static void put_plain(struct reporter *reporter, const char *text)
{
    out_text(reporter->out, text);
}

static void put_line(struct reporter *reporter, const char *text)
{
    out_text(reporter->out, reporter->prefix);
    reporter->put(reporter, text);
    out_char(reporter->out, '\n');
}

static size_t line_width(const struct reporter *reporter)
{
    const unsigned width = reporter->report->options->width;
    const size_t columns = width == 0            ? WIDTH_DEFAULT
                           : width < WIDTH_LEAST ? WIDTH_LEAST
                           : width > WIDTH_MOST  ? WIDTH_MOST
                                                 : width;
    return columns - strlen(reporter->prefix);
}

/* A label and text beside it, broken between words. */
static void put_paragraph(struct reporter *reporter, unsigned indent, const char *label,
                          const char *text)
{
    const size_t left = indent + LABEL_WIDTH;
    const size_t room = line_width(reporter) - left;
    bool first = true;
    char line[LINE_BYTES];

    while (*text || first) {
        size_t part = strlen(text);

        if (part > room) {
            part = room;
            while (part > 0 && text[part] != ' ')
                part--;
            if (part == 0) /* a word that is longer than the line stays whole */
                part = strcspn(text, " ");
        }
        snprintf(line, sizeof line, "%*s%-*s%.*s", (int)indent, "", LABEL_WIDTH, first ? label : "",
                 part < 1024 ? (int)part : 1024, text);
        put_line(reporter, line);
        first = false;
        text += part + strspn(text + part, " ");
    }
}

/* ----------------------------------------------------------------------------- one connection --
 */

static void put_frame(struct reporter *reporter, unsigned indent,
                      const struct evidence_frame *frame)
{
    const struct view_options *options = reporter->report->options;
    const bool rightwards = (frame->from == FW_CLIENT) != (frame->icmp != FW_ICMP_NONE);
    const double seconds = (double)stamp_since(frame->time, options->first_time) / 1e9;
    char line[LINE_BYTES], flags[12], states[2][TEXT_STATE_BYTES], note[128] = "";

    fw_flags_text(frame->flags, flags);
    *text_state(states[0], (enum fw_state)frame->client_state, false, false, options->names) = '\0';
    *text_state(states[1], (enum fw_state)frame->server_state, false, false, options->names) = '\0';
    if (frame->icmp != FW_ICMP_NONE)
        snprintf(note, sizeof note, "  %s", fw_icmp_name((enum fw_icmp)frame->icmp));
    else if (frame->note != FW_NOTE_NONE)
        snprintf(note, sizeof note, "  %s", fw_note_name((enum fw_note)frame->note));
    snprintf(line, sizeof line, "%*sframe %-5" PRIu64 "%9.3f s  %s %-5s %-13s%s%s", (int)indent, "",
             frame->frame, seconds, rightwards ? ">" : "<", frame->icmp ? "icmp" : flags, states[0],
             states[1], note);
    put_line(reporter, line);
}

static void put_frames(struct reporter *reporter, unsigned indent, const struct verdict *verdict,
                       const struct kept *kept)
{
    size_t indexes[VERIFY_FRAMES];
    const size_t count = verify_frames(verdict, kept, indexes);
    const enum outcome outcome = outcome_of(&kept->connection);
    const int64_t silent = outcome == OUTCOME_CLOSED || outcome == OUTCOME_RESET
                               ? 0
                               : stamp_since(kept->until, kept->connection.last_time);
    char line[LINE_BYTES], time[TEXT_NUMBER_BYTES];

    for (size_t i = 0; i < count; i++)
        put_frame(reporter, indent, trail_frame(kept->trail, indexes[i]));
    if (silent < FW_SECOND)
        return;
    *text_duration(time, silent) = '\0';
    snprintf(line, sizeof line, "%*snothing more in the remaining %s", (int)indent, "", time);
    put_line(reporter, line);
}

static void put_kept(struct reporter *reporter, const struct verdict *verdict,
                     const struct kept *kept)
{
    enum { INDENT = 4 };
    const struct expectation *expectation = verdict->expectation;
    const struct fw_identity *identity = &kept->connection.identity;
    char text[VERIFY_WORDS_BYTES], endpoints[2 * TEXT_ENDPOINT_BYTES + 8], line[LINE_BYTES];

    *text_endpoints(endpoints, identity, reporter->report->options) = '\0';
    snprintf(line, sizeof line, "  #%" PRIu64 "  %s", identity->id, endpoints);
    put_line(reporter, line);
    for (size_t i = 0; i < expectation->check_count; i++) {
        const bool fails = kept->failing & (UINT32_C(1) << i);

        if (kept->failing && !fails)
            continue;
        put_paragraph(reporter, INDENT, kept->failing ? "expected" : "holds",
                      expectation->checks[i].text);
        verify_got(verdict, kept, i, text);
        put_paragraph(reporter, INDENT, "got", text);
        verify_why(verdict, kept, i, text);
        if (*text)
            put_paragraph(reporter, INDENT, "why", text);
    }
    put_frames(reporter, INDENT, verdict, kept);
}

/* ---------------------------------------------------------------------------- one expectation --
 */

static void expected_text(const struct expectation *expectation, char *text, size_t size)
{
    const unsigned long long count = expectation->count;

    switch (expectation->quantifier) {
    case QUANTIFIER_ALL:
        snprintf(text, size, "all that match pass, and one matches");
        return;
    case QUANTIFIER_ANY:
        snprintf(text, size, "at least one passes");
        return;
    case QUANTIFIER_NONE:
        snprintf(text, size, "none passes");
        return;
    case QUANTIFIER_ONE:
        snprintf(text, size, "exactly one passes");
        return;
    case QUANTIFIER_EXACTLY:
        snprintf(text, size, "exactly %llu pass%s", count, count == 1 ? "es" : "");
        return;
    case QUANTIFIER_AT_LEAST:
        snprintf(text, size, "at least %llu pass%s", count, count == 1 ? "es" : "");
        return;
    }
}

/* "no connection matched; the input has 2: A -> B, C -> D" */
static void nothing_matched_text(const struct verify_report *report, char *text, size_t size)
{
    const uint64_t count = verify_connections(report->verify);
    const struct fw_identity *identity;
    size_t used = (size_t)snprintf(text, size, "no connection matched");

    if (count == 0) {
        snprintf(text + used, size - used, ": the input has none%s",
                 report->options->selection ? " that -Y selects" : "");
        return;
    }
    used += (size_t)snprintf(text + used, size - used, "; the input has %" PRIu64 ":", count);
    for (size_t i = 0; (identity = verify_first(report->verify, i)) != NULL; i++) {
        char endpoints[2 * TEXT_ENDPOINT_BYTES + 8];

        *text_endpoints(endpoints, identity, report->options) = '\0';
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s %s", i ? "," : "", endpoints);
    }
    if (used < size && count > 3)
        snprintf(text + used, size - used, ", ...");
}

static void got_text(const struct verify_report *report, const struct verdict *verdict, char *text,
                     size_t size)
{
    if (verdict->selected == 0)
        nothing_matched_text(report, text, size);
    else if (verdict->selected == 1)
        snprintf(text, size, "1 connection matches, and %s",
                 verdict->passed ? "passes" : "does not pass");
    else
        snprintf(text, size, "%" PRIu64 " connections match, %" PRIu64 " of them pass%s",
                 verdict->selected, verdict->passed, verdict->passed == 1 ? "es" : "");
}

static void put_expectation(struct reporter *reporter, const struct test *test)
{
    const struct verdict *verdict = test->verdict;
    size_t count;
    const struct kept *shown = verdict_shown(verdict, &count);
    const bool passed = count > 0 && shown[0].failing == 0;
    const uint64_t all = passed ? verdict->passed : verdict->selected - verdict->passed;
    char text[VERIFY_WORDS_BYTES];

    if (verdict->expectation->name)
        put_paragraph(reporter, 2, "test", verdict->expectation->text);
    expected_text(verdict->expectation, text, sizeof text);
    put_paragraph(reporter, 2, "expected", text);
    put_paragraph(reporter, 2, "got", test->message);
    for (size_t i = 0; i < count; i++)
        put_kept(reporter, verdict, &shown[i]);
    if (all > count && count > 0) {
        snprintf(text, sizeof text, "  and %" PRIu64 " more", all - count);
        put_line(reporter, text);
    }
}

/* ------------------------------------------------------------------------------------- golden --
 */

static void count_difference(void *context, const struct golden_difference *difference)
{
    (void)context;
    (void)difference;
}

static void put_difference(void *context, const struct golden_difference *difference)
{
    struct reporter *reporter = context;
    char line[LINE_BYTES];

    if (reporter->told++ >= DIFFERENCES_SHOWN)
        return;
    if (strcmp(reporter->connection, difference->connection) != 0) {
        snprintf(reporter->connection, sizeof reporter->connection, "%s", difference->connection);
        snprintf(line, sizeof line, "  %s", difference->connection);
        put_line(reporter, line);
    }
    switch (difference->kind) {
    case GOLDEN_MISSING:
        put_line(reporter, "    expected, and not there");
        return;
    case GOLDEN_EXTRA:
        put_line(reporter, "    there, and not expected");
        return;
    case GOLDEN_FIELD:
        snprintf(line, sizeof line, "    %s", difference->key);
        put_line(reporter, line);
        put_paragraph(reporter, 6, "expected", *difference->expected ? difference->expected : "-");
        put_paragraph(reporter, 6, "got", *difference->got ? difference->got : "-");
        return;
    }
}

static void put_golden(struct reporter *reporter, const struct test *test)
{
    const struct verify_report *report = reporter->report;
    char line[64];

    put_paragraph(reporter, 2, "got", test->message);
    reporter->told = 0;
    reporter->connection[0] = '\0';
    if (golden_compare(report->golden_expected, report->golden_got, put_difference, reporter) ==
        SIZE_MAX)
        put_line(reporter, "  out of memory");
    if (reporter->told > DIFFERENCES_SHOWN) {
        snprintf(line, sizeof line, "  and %zu more differences",
                 reporter->told - DIFFERENCES_SHOWN);
        put_line(reporter, line);
    }
    put_line(reporter, "  meant to differ? --update keeps what is there now");
}

/* --------------------------------------------------------------------------------------- tests --
 */

static void put_failure(struct reporter *reporter, const struct test *test)
{
    switch (test->kind) {
    case TEST_EXPECTATION:
        put_expectation(reporter, test);
        return;
    case TEST_GOLDEN:
        put_golden(reporter, test);
        return;
    case TEST_INPUT:
        put_paragraph(reporter, 2, "got", test->message);
        return;
    }
}

/* Names and file names are somebody else's. */
static void copy_foreign(char *to, size_t size, const char *text)
{
    *text_foreign(to, size - 1, text, true) = '\0';
}

static void make_expectation(const struct verify_report *report, size_t index, struct test *test)
{
    const struct verdict *verdict = verify_verdict(report->verify, index);
    const struct expectation *expectation = verdict->expectation;
    char where[300];

    *test = (struct test){ .kind = TEST_EXPECTATION, .verdict = verdict };
    copy_foreign(test->name, sizeof test->name,
                 expectation->name ? expectation->name : expectation->text);
    copy_foreign(where, sizeof where, report->file ? report->file : "");
    snprintf(test->where, sizeof test->where, "%s:%u", where, expectation->line);
    test->holds = verdict_holds(verdict);
    if (!test->holds)
        got_text(report, verdict, test->message, sizeof test->message);
}

static void make_golden(const struct reporter *reporter, struct test *test)
{
    const struct verify_report *report = reporter->report;
    char where[300];

    *test = (struct test){ .kind = TEST_GOLDEN };
    copy_foreign(where, sizeof where, report->golden_file);
    snprintf(test->where, sizeof test->where, "%s", where);
    snprintf(test->name, sizeof test->name, "as in the golden file");
    test->holds = reporter->differing == 0 && !report->no_connections;
    if (reporter->differing == SIZE_MAX)
        snprintf(test->message, sizeof test->message, "out of memory");
    else if (reporter->differing == 0)
        snprintf(test->message, sizeof test->message, "no connection to compare");
    else
        snprintf(test->message, sizeof test->message, "%zu connection%s from the golden file",
                 reporter->differing, reporter->differing == 1 ? " differs" : "s differ");
}

static void make_input(const struct verify_report *report, struct test *test)
{
    *test = (struct test){ .kind = TEST_INPUT };
    snprintf(test->name, sizeof test->name, "the input is complete");
    snprintf(test->where, sizeof test->where, "input");
    snprintf(test->message, sizeof test->message, "%s",
             report->why_incomplete ? report->why_incomplete : "it is not");
}

static size_t test_count(const struct verify_report *report)
{
    return (report->verify ? verify_count(report->verify) : 0) + (report->golden_file != NULL) +
           report->incomplete;
}

static void make_test(const struct reporter *reporter, size_t index, struct test *test)
{
    const struct verify_report *report = reporter->report;
    const size_t expectations = report->verify ? verify_count(report->verify) : 0;

    if (index < expectations)
        make_expectation(report, index, test);
    else if (index == expectations && report->golden_file)
        make_golden(reporter, test);
    else
        make_input(report, test);
}

/* --------------------------------------------------------------------------------------- human --
 */

static void put_styled(struct reporter *reporter, enum text_style style, const char *text)
{
    char *at = out_reserve(reporter->out, 64);
    const bool color = reporter->report->options->color;

    at = text_begin(at, style, color);
    at = text_put(at, text);
    out_commit(reporter->out, text_end(at, style, color));
}

static void report_human(struct reporter *reporter, const struct test *test)
{
    if (reporter->report->options->quiet)
        return;
    put_styled(reporter, test->holds ? TEXT_GREEN : TEXT_RED, test->holds ? "ok  " : "FAIL");
    out_printf(reporter->out, "  %s  %s\n", test->where, test->name);
    if (!test->holds) {
        put_failure(reporter, test);
        out_char(reporter->out, '\n');
    }
}

static void finish_human(struct reporter *reporter, size_t held, size_t failed)
{
    const char *but = reporter->report->incomplete ? "; but the input is not complete" : "";

    if (failed == 0)
        out_printf(reporter->out, "%zu expectation%s%s.\n", held,
                   held == 1 ? ", and it holds" : "s, all hold", but);
    else
        out_printf(reporter->out, "%zu expectation%s: %zu hold%s, %zu failed%s.\n", held + failed,
                   held + failed == 1 ? "" : "s", held, held == 1 ? "s" : "", failed, but);
}

/* ----------------------------------------------------------------------------------------- TAP --
 */

/* A # would begin a directive. */
static void report_tap(struct reporter *reporter, const struct test *test)
{
    struct out *out = reporter->out;

    out_printf(out, "%sok %zu - ", test->holds ? "" : "not ", reporter->number);
    for (const char *at = test->name; *at; at++) {
        if (*at == '#' || *at == '\\')
            out_char(out, '\\');
        out_char(out, *at);
    }
    out_char(out, '\n');
    if (test->holds)
        return;
    out_text(out, "  ---\n  at: |\n");
    put_line(reporter, test->where);
    out_text(out, "  details: |\n");
    put_failure(reporter, test);
    out_text(out, "  ...\n");
}

/* --------------------------------------------------------------------------------------- JUnit --
 */

static void put_xml(struct reporter *reporter, const char *text)
{
    struct out *out = reporter->out;

    for (const char *at = text; *at; at++) {
        if (*at == '&')
            out_text(out, "&amp;");
        else if (*at == '<')
            out_text(out, "&lt;");
        else if (*at == '>')
            out_text(out, "&gt;");
        else if (*at == '"')
            out_text(out, "&quot;");
        else if ((unsigned char)*at < 0x20 && *at != '\n')
            out_char(out, '?');
        else
            out_char(out, *at);
    }
}

static void put_attribute(struct reporter *reporter, const char *name, const char *value)
{
    out_printf(reporter->out, " %s=\"", name);
    put_xml(reporter, value);
    out_char(reporter->out, '"');
}

static const char *suite_name(const struct verify_report *report)
{
    return report->file ? report->file : report->golden_file ? report->golden_file : "finwait";
}

static void begin_junit(struct reporter *reporter, size_t failed, size_t errors)
{
    struct out *out = reporter->out;
    const size_t count = test_count(reporter->report);
    char name[300];

    copy_foreign(name, sizeof name, suite_name(reporter->report));
    out_printf(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<testsuites tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n  <testsuite",
               count, failed, errors);
    put_attribute(reporter, "name", name);
    out_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\" time=\"0\">\n",
               count, failed, errors);
}

static void report_junit(struct reporter *reporter, const struct test *test)
{
    struct out *out = reporter->out;
    const char *element = test->kind == TEST_INPUT ? "error" : "failure";

    out_text(out, "    <testcase");
    put_attribute(reporter, "classname", test->where);
    put_attribute(reporter, "name", test->name);
    out_text(out, " time=\"0\"");
    if (test->holds) {
        out_text(out, "/>\n");
        return;
    }
    out_printf(out, ">\n      <%s", element);
    put_attribute(reporter, "message", test->message);
    put_attribute(reporter, "type", test->kind == TEST_INPUT ? "input" : "expectation");
    out_text(out, ">\n");
    put_failure(reporter, test);
    out_printf(out, "</%s>\n    </testcase>\n", element);
}

/* ---------------------------------------------------------------------------------------- JSON --
 */

static void put_json(struct reporter *reporter, const char *key, const char *text)
{
    const size_t length = text ? strnlen(text, 2000) : 0;
    char *at = out_reserve(reporter->out, 64 + 6 * length);

    at = TEXT_LITERAL(at, ",\"");
    at = text_put(at, key);
    at = TEXT_LITERAL(at, "\":");
    at = text ? json_string(at, text, length) : json_null(at);
    out_commit(reporter->out, at);
}

static void begin_json(struct reporter *reporter, const char *type, const struct verdict *verdict)
{
    out_printf(reporter->out, "{\"v\":1,\"type\":\"%s\"", type);
    if (verdict)
        out_printf(reporter->out, ",\"line\":%u", verdict->expectation->line);
}

static void end_json(struct reporter *reporter)
{
    out_text(reporter->out, "}\n");
}

static void begin_json_connection(struct reporter *reporter, const char *type,
                                  const struct verdict *verdict, const struct kept *kept)
{
    const struct fw_identity *identity = &kept->connection.identity;
    char client[46], server[46];

    fw_addr_text(&identity->client, client);
    fw_addr_text(&identity->server, server);
    begin_json(reporter, type, verdict);
    out_printf(reporter->out,
               ",\"conn\":%" PRIu64 ",\"client_addr\":\"%s\",\"client_port\":%u,\"server_addr\":"
               "\"%s\",\"server_port\":%u",
               identity->id, client, identity->client.port, server, identity->server.port);
}

static void put_json_frame(struct reporter *reporter, const struct verdict *verdict,
                           const struct kept *kept, const struct evidence_frame *frame)
{
    char flags[12], seconds[64];

    fw_flags_text(frame->flags, flags);
    *stamp_seconds(seconds, stamp_since(frame->time, reporter->report->options->first_time)) = '\0';
    begin_json_connection(reporter, "evidence", verdict, kept);
    out_printf(reporter->out, ",\"frame\":%" PRIu64 ",\"t\":%s", frame->frame, seconds);
    put_json(reporter, "from", fw_side_name((enum fw_side)frame->from));
    put_json(reporter, "flags", flags);
    put_json(reporter, "client_state",
             fw_state_name((enum fw_state)frame->client_state, FW_NAMES_RFC));
    put_json(reporter, "server_state",
             fw_state_name((enum fw_state)frame->server_state, FW_NAMES_RFC));
    end_json(reporter);
}

static void put_json_kept(struct reporter *reporter, const struct verdict *verdict,
                          const struct kept *kept)
{
    size_t indexes[VERIFY_FRAMES];
    char text[VERIFY_WORDS_BYTES];

    for (size_t i = 0; i < verdict->expectation->check_count; i++) {
        const bool fails = kept->failing & (UINT32_C(1) << i);

        if (kept->failing && !fails)
            continue;
        begin_json_connection(reporter, "failure", verdict, kept);
        out_printf(reporter->out, ",\"passes\":%s", kept->failing ? "false" : "true");
        put_json(reporter, "check", verdict->expectation->checks[i].text);
        verify_got(verdict, kept, i, text);
        put_json(reporter, "got", text);
        verify_why(verdict, kept, i, text);
        put_json(reporter, "why", *text ? text : NULL);
        end_json(reporter);
    }
    const size_t count = verify_frames(verdict, kept, indexes);
    for (size_t i = 0; i < count; i++)
        put_json_frame(reporter, verdict, kept, trail_frame(kept->trail, indexes[i]));
}

static void put_json_difference(void *context, const struct golden_difference *difference)
{
    struct reporter *reporter = context;

    begin_json(reporter, "difference", NULL);
    put_json(reporter, "connection", difference->connection);
    put_json(reporter, "kind",
             difference->kind == GOLDEN_MISSING ? "missing"
             : difference->kind == GOLDEN_EXTRA ? "extra"
                                                : "field");
    put_json(reporter, "key", *difference->key ? difference->key : NULL);
    put_json(reporter, "expected", *difference->expected ? difference->expected : NULL);
    put_json(reporter, "got", *difference->got ? difference->got : NULL);
    end_json(reporter);
}

static void report_json(struct reporter *reporter, const struct test *test)
{
    const struct verdict *verdict = test->verdict;
    const struct verify_report *report = reporter->report;
    size_t count = 0;

    begin_json(reporter,
               test->kind == TEST_EXPECTATION ? "expectation"
               : test->kind == TEST_GOLDEN    ? "golden"
                                              : "input",
               verdict);
    put_json(reporter, "file",
             test->kind == TEST_EXPECTATION ? report->file
             : test->kind == TEST_GOLDEN    ? report->golden_file
                                            : NULL);
    put_json(reporter, "name", test->name);
    put_json(reporter, "text", verdict ? verdict->expectation->text : NULL);
    out_printf(reporter->out, ",\"holds\":%s", test->holds ? "true" : "false");
    if (verdict)
        out_printf(reporter->out, ",\"selected\":%" PRIu64 ",\"passed\":%" PRIu64,
                   verdict->selected, verdict->passed);
    else
        out_text(reporter->out, ",\"selected\":null,\"passed\":null");
    put_json(reporter, "got", test->holds ? NULL : test->message);
    end_json(reporter);
    if (test->holds)
        return;
    const struct kept *shown = verdict ? verdict_shown(verdict, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        put_json_kept(reporter, verdict, &shown[i]);
    if (test->kind == TEST_GOLDEN)
        golden_compare(report->golden_expected, report->golden_got, put_json_difference, reporter);
}

static void finish_json(struct reporter *reporter, size_t held, size_t failed)
{
    begin_json(reporter, "verdict", NULL);
    out_printf(reporter->out, ",\"expectations\":%zu,\"hold\":%zu,\"failed\":%zu,\"partial\":%s",
               held + failed, held, failed, reporter->report->incomplete ? "true" : "false");
    end_json(reporter);
}

/* ----------------------------------------------------------------------------------------- all --
 */

static void report_tests(struct reporter *reporter)
{
    struct test test;

    for (size_t i = 0; i < test_count(reporter->report); i++) {
        make_test(reporter, i, &test);
        reporter->number = i + 1;
        switch (reporter->report->format) {
        case VERIFY_HUMAN:
            report_human(reporter, &test);
            break;
        case VERIFY_TAP:
            report_tap(reporter, &test);
            break;
        case VERIFY_JUNIT:
            report_junit(reporter, &test);
            break;
        case VERIFY_JSON:
            report_json(reporter, &test);
            break;
        }
    }
}

/* Of expectations and the golden file; the input is not among them. */
static size_t count_failed(struct reporter *reporter)
{
    struct test test;
    size_t failed = 0;

    for (size_t i = 0; i < test_count(reporter->report); i++) {
        make_test(reporter, i, &test);
        failed += !test.holds && test.kind != TEST_INPUT;
    }
    return failed;
}

bool verify_report(struct out *out, const struct verify_report *report)
{
    struct reporter reporter = { .report = report, .out = out, .prefix = "  ", .put = put_plain };

    if (report->golden_file)
        reporter.differing =
            golden_compare(report->golden_expected, report->golden_got, count_difference, NULL);
    const size_t failed = count_failed(&reporter);
    const size_t held = test_count(report) - report->incomplete - failed;

    switch (report->format) {
    case VERIFY_HUMAN:
        report_tests(&reporter);
        finish_human(&reporter, held, failed);
        break;
    case VERIFY_TAP:
        reporter.prefix = "    ";
        out_printf(out, "TAP version 13\n1..%zu\n", test_count(report));
        report_tests(&reporter);
        break;
    case VERIFY_JUNIT:
        reporter.prefix = "";
        reporter.put = put_xml;
        begin_junit(&reporter, failed, report->incomplete);
        report_tests(&reporter);
        out_text(out, "  </testsuite>\n</testsuites>\n");
        break;
    case VERIFY_JSON:
        report_tests(&reporter);
        finish_json(&reporter, held, failed);
        break;
    }
    return failed == 0;
}
