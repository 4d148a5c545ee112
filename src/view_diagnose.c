/*
 * Findings by cause, worst first, with the frames that show them:
 *
 *   1  server does not close its side                      CLOSE_WAIT  1 connection
 *      10.0.0.2:8080   client 192.168.1.10:50002                     oldest 118.9 s
 *      evidence   frame 19   1.104 s  F.  client closes (FIN, seq 1019)
 *      ...
 *
 * Then what did not end well and is no finding, and a summary. As JSON: a record for each.
 */
#include <errno.h>
#include <stdlib.h>

#include "diagnose.h"
#include "digits.h"
#include "json.h"
#include "out.h"
#include "select.h"
#include "summary.h"
#include "text.h"
#include "view.h"

enum { INDENT = 3, LABEL_WIDTH = 11, DEFAULT_WIDTH = 80, LEAST_WIDTH = 60, MOST_WIDTH = 96 };
enum { MOST_OF_A_KIND = 10 }; /* in text: the largest */
enum { TEXT_BYTES = 2048, LINE_BYTES = 1024, TAG_WIDTH = 12 };

struct view {
    const struct view_options *options;
    struct out *out;
    struct diagnosis *diagnosis;
    struct view *records; /* view_json, for the summary; NULL: text */
    struct stamp_cache stamp;
    uint64_t found;
};

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);

    if (!view)
        return NULL;
    view->options = options;
    view->out = out;
    view->diagnosis = diagnosis_create();
    if (options->json)
        view->records = view_json.create(options, out);
    if (view->diagnosis && (view->records || !options->json))
        return view;
    if (view->records)
        view_json.destroy(view->records);
    diagnosis_destroy(view->diagnosis);
    free(view);
    return NULL;
}

static void destroy(struct view *view)
{
    if (!view)
        return;
    if (view->records)
        view_json.destroy(view->records);
    diagnosis_destroy(view->diagnosis);
    free(view);
}

static uint64_t found(const struct view *view)
{
    return view->found;
}

/* -------------------------------------------------------------------------------------- words --
 */

struct words {
    const struct view *view;
    const struct finding *finding;
    const struct mark *mark; /* NULL: words about the whole */
};

static enum fw_side other(enum fw_side side)
{
    return side == FW_CLIENT ? FW_SERVER : FW_CLIENT;
}

static const struct fw_endpoint *end_of(const struct finding *finding, enum fw_side side)
{
    return side == FW_CLIENT ? &finding->identity.client : &finding->identity.server;
}

static char *put_addr(char *at, const struct fw_endpoint *endpoint)
{
    char text[46];

    fw_addr_text(endpoint, text);
    return text_put(at, text);
}

static char *put_mark_name(char *at, const struct mark *mark, const char *name, size_t length)
{
    const bool is_seq = strncmp(name, "seq", length) == 0;

    if (strncmp(name, "from", length) == 0)
        return text_put(at, fw_side_name((enum fw_side)mark->from));
    if (strncmp(name, "icmp", length) == 0)
        return text_put(at, fw_icmp_name((enum fw_icmp)mark->icmp));
    if (strncmp(name, "number", length) == 0)
        return digits_u64(at, mark->number);
    if (!mark->numbered)
        return at;
    at = is_seq ? TEXT_LITERAL(at, ", seq ") : TEXT_LITERAL(at, " (ack ");
    at = digits_u64(at, mark->number);
    return is_seq ? at : TEXT_LITERAL(at, ")");
}

static char *put_name(char *at, const struct words *words, const char *name, size_t length)
{
    const struct finding *finding = words->finding;
    const enum fw_side side = finding->side;

    if (words->mark)
        return put_mark_name(at, words->mark, name, length);
    if (strncmp(name, "side", length) == 0)
        return text_put(at, fw_side_name(side));
    if (strncmp(name, "peer", length) == 0)
        return text_put(at, fw_side_name(other(side)));
    if (strncmp(name, "server", length) == 0)
        return put_addr(at, &finding->identity.server);
    if (strncmp(name, "client", length) == 0)
        return put_addr(at, &finding->identity.client);
    if (strncmp(name, "host", length) == 0)
        return put_addr(at, end_of(finding, side));
    if (strncmp(name, "detail", length) == 0)
        return text_put(at, finding->detail ? finding->detail : "ICMP error");
    if (strncmp(name, "filter", length) == 0)
        at = side == FW_CLIENT ? TEXT_LITERAL(at, "dport = :") : TEXT_LITERAL(at, "sport = :");
    return digits_u64(at, finding->identity.server.port);
}

/* A text with {names} filled in; states are spelled as --names has them. */
static char *put_words(char *at, const struct words *words, const char *text)
{
    while (*text) {
        const char *open = strchr(text, '{');
        const char *close = open ? strchr(open, '}') : NULL;
        if (!close)
            return text_put(at, text);
        memcpy(at, text, (size_t)(open - text));
        at = put_name(at + (open - text), words, open + 1, (size_t)(close - open - 1));
        text = close + 1;
    }
    return at;
}

/* --------------------------------------------------------------------------------------- text --
 */

static size_t line_width(const struct view *view)
{
    const unsigned width = view->options->width ? view->options->width : DEFAULT_WIDTH;

    return width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : width;
}

static char *put_label(const struct view *view, char *at, const char *label)
{
    at = text_pad(at, 0, INDENT);
    at = text_begin(at, TEXT_DIM, view->options->color);
    at = text_put(at, label);
    at = text_end(at, TEXT_DIM, view->options->color);
    return text_pad(at, strlen(label), LABEL_WIDTH);
}

/* Text broken between words, beside its label. */
static void print_paragraph(const struct view *view, const char *label, const char *text,
                            size_t length)
{
    const size_t room = line_width(view) - INDENT - LABEL_WIDTH;

    while (length > 0) {
        size_t part = length;
        if (part > room) {
            part = room;
            while (part > 0 && text[part] != ' ')
                part--;
            part = part ? part : room;
        }
        char *at = put_label(view, out_reserve(view->out, LINE_BYTES), label);
        memcpy(at, text, part);
        at += part;
        *at++ = '\n';
        out_commit(view->out, at);
        while (part < length && text[part] == ' ')
            part++;
        text += part;
        length -= part;
        label = "";
    }
}

static void print_words(const struct view *view, const struct finding *finding, const char *label,
                        const char *text)
{
    const struct words words = { view, finding, NULL };
    char filled[TEXT_BYTES];
    const size_t length = (size_t)(put_words(filled, &words, text) - filled);

    print_paragraph(view, label, filled, length);
}

/* A line each, not broken: they are to be copied. */
static void print_look(const struct view *view, const struct finding *finding, const char *text)
{
    const struct words words = { view, finding, NULL };
    const char *label = "look at";
    char filled[TEXT_BYTES], *const end = put_words(filled, &words, text);

    for (char *line = filled; line < end;) {
        char *const newline = memchr(line, '\n', (size_t)(end - line));
        char *at = put_label(view, out_reserve(view->out, LINE_BYTES), label);
        memcpy(at, line, (size_t)(newline + 1 - line));
        out_commit(view->out, at + (newline + 1 - line));
        line = newline + 1;
        label = "";
    }
}

/* Two texts at both ends of a line, or on two lines. */
static char *put_apart(const struct view *view, char *at, size_t used, char *left,
                       size_t left_length, const char *right, size_t right_length)
{
    const size_t width = line_width(view);
    const size_t left_columns = text_columns(left, left_length);
    const size_t right_columns = text_columns(right, right_length);

    memcpy(at, left, left_length);
    at += left_length;
    if (right_length == 0) {
        *at++ = '\n';
        return at;
    }
    if (used + left_columns + 2 + right_columns > width) {
        *at++ = '\n';
        used = 0;
    } else {
        used += left_columns;
    }
    const size_t gap = used + right_columns < width ? width - used - right_columns : 1;
    memset(at, ' ', gap);
    memcpy(at + gap, right, right_length);
    at += gap + right_length;
    *at++ = '\n';
    return at;
}

/* "CLOSE_WAIT  3 connections" */
static char *put_count(const struct view *view, char *at, const struct finding *finding)
{
    const char *tag = finding_kinds[finding->kind].tag;
    enum fw_state state;

    if (*tag && fw_state_parse(tag, strlen(tag), &state)) {
        at = text_put(at, fw_state_name(state, view->options->names));
        at = TEXT_LITERAL(at, "   ");
    }
    return text_count(
        at, finding->count,
        finding->kind == FINDING_SCAN || finding->kind == FINDING_SYN_FLOOD ? "attempt"
                                                                            : "connection",
        finding->kind == FINDING_SCAN || finding->kind == FINDING_SYN_FLOOD ? "attempts"
                                                                            : "connections");
}

static void print_title(const struct view *view, const struct finding *finding, uint64_t number)
{
    const struct words words = { view, finding, NULL };
    char title[LINE_BYTES], count[128];
    char *at = out_reserve(view->out, 2 * LINE_BYTES);
    char *const start = at;
    const size_t length =
        (size_t)(put_words(title, &words, finding_kinds[finding->kind].title) - title);
    const size_t count_length = (size_t)(put_count(view, count, finding) - count);

    at = digits_u64(at, number);
    at = text_pad(at, (size_t)(at - start), INDENT);
    const size_t used = (size_t)(at - start);
    at = text_begin(at, TEXT_BOLD, view->options->color);
    at = put_apart(view, at, used, title, length, count, count_length);
    at = text_end(at - 1, TEXT_BOLD, view->options->color);
    *at++ = '\n';
    out_commit(view->out, at);
}

/* Who: the server, and the client of the example, or the source. */
static char *put_who(const struct view *view, char *at, const struct finding *finding)
{
    if (finding->elsewhere)
        return TEXT_LITERAL(at, "several servers, too many to tell apart");
    if (finding->kind == FINDING_SCAN) {
        at = TEXT_LITERAL(at, "from ");
        at = put_addr(at, &finding->identity.client);
        at = TEXT_LITERAL(at, "   first to ");
        return text_endpoint(at, &finding->identity.server, view->options);
    }
    at = text_endpoint(at, &finding->identity.server, view->options);
    at = TEXT_LITERAL(at, "   client ");
    return text_endpoint(at, &finding->identity.client, view->options);
}

static char *put_at_least(char *at, const struct finding *finding, uint64_t count, const char *one,
                          const char *many)
{
    if (finding->at_least)
        at = TEXT_LITERAL(at, "at least ");
    return text_count(at, count, one, many);
}

/* How much of it: the age of the oldest, how many sources... */
static char *put_extent(const struct view *view, char *at, const struct finding *finding,
                        fw_time now)
{
    (void)view;
    switch (finding->kind) {
    case FINDING_NOT_CLOSING:
        at = TEXT_LITERAL(at, "oldest ");
        return text_duration(
            at, stamp_since(finding->last_time < now ? now : finding->last_time, finding->since));
    case FINDING_SYN_FLOOD:
        return put_at_least(at, finding, finding->sources, "source", "sources");
    case FINDING_SCAN:
        return put_at_least(at, finding, finding->targets, "target", "targets");
    case FINDING_TIME_WAIT:
        at = digits_u64(at, finding->number);
        return TEXT_LITERAL(at, " ports in 60 s, of 28232");
    case FINDING_DEAD_PEER:
        at = TEXT_LITERAL(at, "silent ");
        return text_duration(at, stamp_since(finding->last_time, finding->since));
    case FINDING_ZERO_WINDOW:
        at = text_count(at, finding->number, "probe", "probes");
        return at;
    case FINDING_BAD_CHECKSUMS:
        at = text_count(at, finding->number, "packet", "packets");
        return at;
    case FINDING_RESET:
    case FINDING_RESET_AFTER_FIN:
    case FINDING_DATA_AFTER_CLOSE:
        if (finding->number == 0)
            return TEXT_LITERAL(at, "before any data");
        at = TEXT_LITERAL(at, "after ");
        return text_bytes(at, finding->number);
    case FINDING_PORT_REUSE:
        return finding->detail ? text_put(at, finding->detail) : at;
    case FINDING_ACCEPT_QUEUE:
    case FINDING_NO_ANSWER:
    case FINDING_UNREACHABLE:
    case FINDING_REFUSED:
    case FINDING_BAD_SYNACK:
    case FINDING_NO_FINAL_ACK:
    case FINDING_RESET_IN_HANDSHAKE:
    case FINDING_FORGED_RST:
    case FINDING_IGNORED_RST:
    case FINDING_FINAL_ACK_LOST:
    case FINDING_SIMULTANEOUS_OPEN:
    case FINDING_SIMULTANEOUS_CLOSE:
    case FINDING_ONE_SIDED:
    case FINDING_CAPTURE_LOSS:
    case FINDING_KIND_COUNT:
        break;
    }
    return at;
}

static void print_who(const struct view *view, const struct finding *finding, fw_time now)
{
    char who[2 * TEXT_ENDPOINT_BYTES + 64], extent[128];
    char *at = text_pad(out_reserve(view->out, 2 * LINE_BYTES), 0, INDENT);
    const size_t length = (size_t)(put_who(view, who, finding) - who);
    const size_t extent_length = (size_t)(put_extent(view, extent, finding, now) - extent);

    out_commit(view->out, put_apart(view, at, INDENT, who, length, extent, extent_length));
}

/* ------------------------------------------------------------------------------------ evidence --
 */

static char *put_mark(const struct view *view, char *at, const struct finding *finding,
                      const struct mark *mark, size_t frame_width, struct text_clock *clock)
{
    const struct words words = { view, finding, mark };
    char flags[12], *const frame = at;
    char number[TEXT_NUMBER_BYTES], *const end = digits_u64(number, mark->frame);

    at = TEXT_LITERAL(at, "frame ");
    memcpy(at, number, (size_t)(end - number));
    at = text_pad(at + (end - number), 6 + (size_t)(end - number), 6 + frame_width + 2);
    (void)frame;
    at = text_time(clock, at, mark->time);
    if (clock->width > 0)
        at = clock->style == TIME_RELATIVE ? TEXT_LITERAL(at, " s  ") : TEXT_LITERAL(at, "  ");
    *flags = '\0';
    if (!mark->icmp)
        fw_flags_text(mark->flags, flags);
    at = text_put(at, flags);
    at = text_pad(at, strlen(flags), 4);
    at = put_words(at, &words, mark_words((enum mark_what)mark->what));
    if (mark->times > 1) {
        at = TEXT_LITERAL(at, ", ");
        at = digits_u64(at, mark->times);
        at = TEXT_LITERAL(at, " times");
    }
    return at;
}

/* "nothing from the server in the remaining 118.9 s" */
static char *put_silence(char *at, const struct finding *finding, fw_time now)
{
    at = TEXT_LITERAL(at, "nothing more from the ");
    at = text_put(at, fw_side_name(finding->side));
    at = TEXT_LITERAL(at, " in the remaining ");
    return text_duration(
        at, stamp_since(finding->last_time < now ? now : finding->last_time, finding->since));
}

static char *put_others(char *at, const struct finding *finding)
{
    at = TEXT_LITERAL(at, "and of ");
    for (size_t i = 0; i < finding->other_count; i++) {
        at = i > 0 ? TEXT_LITERAL(at, ", #") : TEXT_LITERAL(at, "#");
        at = digits_u64(at, finding->others[i]);
    }
    const uint64_t told = finding->other_count + 1;
    if (finding->count > told) {
        at = TEXT_LITERAL(at, " and ");
        at = digits_u64(at, finding->count - told);
        at = TEXT_LITERAL(at, " more");
    }
    return at;
}

static void print_evidence(const struct view *view, const struct finding *finding, fw_time now)
{
    struct text_clock clock = { .style = view->options->time_style,
                                .first = view->options->first_time };
    const char *label = "evidence";
    char line[LINE_BYTES], *end;
    size_t frame_width = 1;

    for (size_t i = 0; i < finding->mark_count; i++) {
        char number[TEXT_NUMBER_BYTES];
        const size_t length = (size_t)(digits_u64(number, finding->marks[i].frame) - number);
        frame_width = length > frame_width ? length : frame_width;
    }
    end = digits_u64(TEXT_LITERAL(line, "#"), finding->identity.id);
    if (finding->count > 1 && finding->mark_count > 0) {
        end = TEXT_LITERAL(end, ", the first:");
        print_paragraph(view, label, line, (size_t)(end - line));
        label = "";
    }
    for (size_t i = 0; i < finding->mark_count; i++) {
        end = put_mark(view, line, finding, &finding->marks[i], frame_width, &clock);
        print_paragraph(view, label, line, (size_t)(end - line));
        label = "";
    }
    if (finding->kind == FINDING_NOT_CLOSING) {
        end = put_silence(line, finding, now);
        print_paragraph(view, label, line, (size_t)(end - line));
        label = "";
    }
    if (finding->mark_count == 0) {
        end = TEXT_LITERAL(line, "connection #");
        end = digits_u64(end, finding->identity.id);
        print_paragraph(view, label, line, (size_t)(end - line));
    }
    if (finding->other_count > 0) {
        end = put_others(line, finding);
        print_paragraph(view, "", line, (size_t)(end - line));
    }
}

static void print_finding(const struct view *view, const struct finding *finding, uint64_t number,
                          fw_time now)
{
    const struct finding_about *about = &finding_kinds[finding->kind];

    print_title(view, finding, number);
    if (view->options->quiet)
        return;
    print_who(view, finding, now);
    print_evidence(view, finding, now);
    print_words(view, finding, "meaning", about->meaning);
    print_look(view, finding, about->look);
    print_words(view, finding, "no fault", about->fault_not);
    out_char(view->out, '\n');
}

/* ---------------------------------------------------------------------------------------- JSON --
 */

static char *put_key(char *at, const char *key)
{
    *at++ = ',';
    at = json_plain(at, key, strlen(key));
    *at++ = ':';
    return at;
}

static char *put_number(char *at, const char *key, uint64_t number)
{
    return digits_u64(put_key(at, key), number);
}

static char *put_text(char *at, const char *key, const char *text)
{
    return json_text(put_key(at, key), text);
}

static char *put_end(char *at, const char *addr_key, const char *port_key,
                     const struct fw_endpoint *endpoint)
{
    char text[46];

    fw_addr_text(endpoint, text);
    at = put_text(at, addr_key, text);
    return put_number(at, port_key, endpoint->port);
}

/* "8 9": the frames of the example. */
static char *put_frames(char *at, const struct finding *finding)
{
    *at++ = '"';
    for (size_t i = 0; i < finding->mark_count; i++) {
        if (i > 0)
            *at++ = ' ';
        at = digits_u64(at, finding->marks[i].frame);
    }
    *at++ = '"';
    return at;
}

static char *put_conns(char *at, const struct finding *finding)
{
    *at++ = '"';
    at = digits_u64(at, finding->identity.id);
    for (size_t i = 0; i < finding->other_count; i++) {
        *at++ = ' ';
        at = digits_u64(at, finding->others[i]);
    }
    *at++ = '"';
    return at;
}

static char *put_known(char *at, const char *key, uint64_t number)
{
    return number ? put_number(at, key, number) : json_null(put_key(at, key));
}

static void write_record(struct view *view, const struct finding *finding, fw_time now)
{
    const struct finding_about *about = &finding_kinds[finding->kind];
    const struct words words = { view, finding, NULL };
    char title[LINE_BYTES], *at = out_reserve(view->out, OUT_RESERVE_MAX);
    const fw_time time = finding->mark_count ? finding->marks[0].time : finding->first_time;

    *put_words(title, &words, about->title) = '\0';
    at = JSON_LITERAL(at, "{\"v\":1,\"type\":\"finding\",\"ts\":");
    at = json_time(&view->stamp, at, time);
    at = stamp_seconds(put_key(at, "t"), stamp_since(time, view->options->first_time));
    at = put_number(at, "frame", finding->mark_count ? finding->marks[0].frame : 0);
    at = put_number(at, "conn", finding->identity.id);
    at = put_end(at, "client_addr", "client_port", &finding->identity.client);
    at = put_end(at, "server_addr", "server_port", &finding->identity.server);
    at = put_text(at, "kind", about->name);
    at = put_text(at, "side", about->of_side ? fw_side_name(finding->side) : NULL);
    at = put_text(at, "title", title);
    at = put_text(at, "detail", finding->detail);
    at = put_number(at, "count", finding->count);
    at = put_known(at, "sources", finding->sources);
    at = put_known(at, "targets", finding->targets);
    at =
        json_duration(put_key(at, "oldest_ns"),
                      finding->kind == FINDING_NOT_CLOSING ? stamp_since(now, finding->since) : -1);
    at = json_time(&view->stamp, put_key(at, "first_ts"), finding->first_time);
    at = json_time(&view->stamp, put_key(at, "last_ts"), finding->last_time);
    at = put_frames(put_key(at, "frames"), finding);
    at = put_conns(put_key(at, "conns"), finding);
    at = JSON_LITERAL(at, "}\n");
    out_commit(view->out, at);
}

/* --------------------------------------------------------------------------------------- hooks --
 */

static void on_step(void *context, const struct fw_step *step)
{
    struct view *view = context;

    diagnosis_step(view->diagnosis, step);
}

static void on_segment(void *context, const struct fw_step *step)
{
    struct view *view = context;

    diagnosis_segment(view->diagnosis, step);
}

static void on_end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;

    if (view->options->ended)
        diagnosis_advance(view->diagnosis, view->options->last_time);
    diagnosis_end(view->diagnosis, connection,
                  selection_match(view->options->selection, connection));
}

static bool is_wanted(const struct view *view, const struct finding *finding)
{
    const uint64_t kinds = view->options->only_findings;

    return (kinds == 0 || kinds >> finding->kind & 1) && finding->count >= view->options->min_count;
}

/* "4 findings in 16 connections." */
static void print_count(struct view *view, const struct summary *summary)
{
    uint64_t connections = 0;
    char *at = out_reserve(view->out, LINE_BYTES);

    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        connections += summary->outcomes[i];
    if (view->found == 0)
        at = TEXT_LITERAL(at, "No finding");
    else
        at = text_count(at, view->found, "finding", "findings");
    at = TEXT_LITERAL(at, " in ");
    at = text_count(at, connections, "connection", "connections");
    at = TEXT_LITERAL(at, ".\n");
    out_commit(view->out, at);
}

/* What did not end well, and is no finding. */
static void print_excuses(struct view *view)
{
    static const char *const words[EXCUSE_COUNT] = {
        [EXCUSE_HALF_CLOSE] = "half-closed and in use: data flows",
        [EXCUSE_CLOSING] = "half-closed, but only just now",
        [EXCUSE_OPENING] = "a SYN that was sent only just now",
        [EXCUSE_AFTER_CLOSE] = "a reset after both ends had closed",
        [EXCUSE_CAPTURE] = "half-closed, but the capture misses packets",
        [EXCUSE_REPLACED] = "an attempt that another from its port replaced",
    };

    for (size_t i = 0; i < EXCUSE_COUNT; i++) {
        const uint64_t count = diagnosis_excused(view->diagnosis, (enum excuse)i);
        char *at = out_reserve(view->out, LINE_BYTES);

        if (count == 0)
            continue;
        at = TEXT_LITERAL(at, "No finding: ");
        at = text_count(at, count, "connection", "connections");
        at = TEXT_LITERAL(at, ", ");
        at = text_put(at, words[i]);
        at = TEXT_LITERAL(at, ".\n");
        out_commit(view->out, at);
    }
}

/* Those of a kind that were not written. */
static void print_more(const struct view *view, enum finding_kind kind, uint64_t more)
{
    char *at = text_pad(out_reserve(view->out, LINE_BYTES), 0, INDENT);

    if (more == 0)
        return;
    at = TEXT_LITERAL(at, "and ");
    at = digits_u64(at, more);
    at = TEXT_LITERAL(at, " more of ");
    at = text_put(at, finding_kinds[kind].name);
    at = TEXT_LITERAL(at, ", at other servers: --json has them all\n");
    if (!view->options->quiet)
        *at++ = '\n';
    out_commit(view->out, at);
}

static void print_findings(struct view *view, struct finding *const *findings, size_t count,
                           fw_time now)
{
    for (size_t from = 0, to; from < count; from = to) {
        uint64_t of_kind = 0;

        for (to = from; to < count && findings[to]->kind == findings[from]->kind; to++) {
            if (!is_wanted(view, findings[to]))
                continue;
            view->found++;
            if (view->records)
                write_record(view, findings[to], now);
            else if (of_kind++ < MOST_OF_A_KIND)
                print_finding(view, findings[to], view->found, now);
        }
        if (of_kind > MOST_OF_A_KIND)
            print_more(view, findings[from]->kind, of_kind - MOST_OF_A_KIND);
    }
}

static void finish(struct view *view, const struct summary *summary)
{
    size_t count;
    struct finding *const *findings = diagnosis_finish(view->diagnosis, &count);

    if (!findings && count > 0) {
        view->out->error = ENOMEM;
        return;
    }
    print_findings(view, findings, count, summary->last_time);
    if (view->records) {
        view_json.finish(view->records, summary);
        return;
    }
    if (summary->tracker.connections == 0) {
        summary_print(view->out, view->options, summary, false);
        return;
    }
    print_count(view, summary);
    if (view->options->only_findings == 0 && !view->options->quiet)
        print_excuses(view);
}

const struct view_ops view_diagnose = {
    .name = "diagnose",
    .wants_segments = true,
    .create = create,
    .hooks = { .step = on_step, .segment = on_segment, .end = on_end },
    .finish = finish,
    .found = found,
    .destroy = destroy,
};
