/*
 * The wire beside the kernel, one endpoint of this host a line, what needs somebody first:
 *
 *   VERDICT      WIRE         KERNEL       LOCAL         PEER            PROCESS
 *   application  CLOSE_WAIT   CLOSE_WAIT   10.9.0.2:80   10.9.0.1:40001  python3[4242] fd 5
 *     python3 (pid 4242) has not closed descriptor 5 for 12.3 s; Recv-Q 1
 *
 * Where the terminal is narrower, the number of the connection goes first, then the descriptor and
 * the process (the line below has them), then the middles of the addresses.
 */
#include "compare_report.h"

#include "digits.h"
#include "json.h"
#include "text.h"

enum column {
    COLUMN_CONN,
    COLUMN_VERDICT,
    COLUMN_WIRE,
    COLUMN_KERNEL,
    COLUMN_LOCAL,
    COLUMN_PEER,
    COLUMN_PROCESS,
    COLUMN_COUNT
};

enum {
    CELL_BYTES = 320,
    LINE_BYTES = 4096,
    SENTENCE_BYTES = 512,
    INDENT = 2, /* of the words below a row */
};

_Static_assert(CELL_BYTES > (int)TEXT_ENDPOINT_BYTES, "a cell holds an endpoint");

static const char *const headings[COLUMN_COUNT] = {
    "CONN", "VERDICT", "WIRE", "KERNEL", "LOCAL", "PEER", "PROCESS",
};

struct table {
    const struct view_options *options;
    struct out *out;
    const struct compare_report *report;
    unsigned widths[COLUMN_COUNT]; /* 0: not shown */
    unsigned gap;
};

/* --------------------------------------------------------------------------------------- cells --
 */

static size_t cell_text(const struct table *table, const struct compare_row *row,
                        enum column column, char *text)
{
    const enum fw_names names = table->options->names;
    const bool client = row->side == FW_CLIENT;
    char *at = text;

    switch (column) {
    case COLUMN_CONN:
        if (row->seen) {
            *at++ = '#';
            at = digits_u64(at, row->identity.id);
        }
        break;
    case COLUMN_VERDICT:
        at = text_put(at, compare_verdict_name(row->verdict));
        break;
    case COLUMN_WIRE:
        at = row->seen ? text_state(at, row->wire, row->inferred, row->timed, names)
                       : TEXT_LITERAL(at, "-");
        break;
    case COLUMN_KERNEL:
        at = row->has_socket ? text_state(at, (enum fw_state)row->socket.state, false, false, names)
                             : TEXT_LITERAL(at, "-");
        break;
    case COLUMN_LOCAL:
        at = text_endpoint(at, client ? &row->identity.client : &row->identity.server,
                           table->options);
        break;
    case COLUMN_PEER:
        at = text_endpoint(at, client ? &row->identity.server : &row->identity.client,
                           table->options);
        break;
    case COLUMN_PROCESS:
        at = compare_owner_text(at, &row->owner);
        break;
    case COLUMN_COUNT:
        break;
    }
    return (size_t)(at - text);
}

/* "python3[4242] fd 5" without what follows the bracket. */
static size_t without_descriptor(const char *text, size_t length)
{
    const char *bracket = memchr(text, ']', length);

    return bracket ? (size_t)(bracket - text) + 1 : length;
}

/* The number stays, the name gives way: "pyth…[31072]". `text` has room for three bytes more. */
static size_t fit_process(char *text, size_t length, size_t width, bool utf8)
{
    const char *bracket = memchr(text, '[', length);
    char number[32];

    if (text_columns(text, length) <= width || !bracket)
        return length;
    const size_t name_bytes = (size_t)(bracket - text);
    const size_t number_bytes = length - name_bytes;
    if (number_bytes >= sizeof number || number_bytes + 2 > width)
        return text_cut(text, length, width, false, utf8);
    memcpy(number, bracket, number_bytes);
    const size_t cut = text_cut(text, name_bytes, width - number_bytes, false, utf8);
    memcpy(text + cut, number, number_bytes);
    return cut + number_bytes;
}

static void measure(struct table *table, bool descriptors)
{
    char text[CELL_BYTES];

    for (enum column column = 0; column < COLUMN_COUNT; column++) {
        table->widths[column] = (unsigned)strlen(headings[column]);
        for (size_t i = 0; i < table->report->count; i++) {
            size_t length = cell_text(table, &table->report->rows[i], column, text);

            if (column == COLUMN_PROCESS && !descriptors)
                length = without_descriptor(text, length);
            const unsigned columns = (unsigned)text_columns(text, length);
            if (table->widths[column] < columns)
                table->widths[column] = columns;
        }
    }
}

static unsigned total_width(const struct table *table)
{
    unsigned total = 0;

    for (enum column column = 0; column < COLUMN_COUNT; column++)
        if (table->widths[column])
            total += table->widths[column] + table->gap;
    return total - table->gap;
}

static bool fits(const struct table *table)
{
    return table->options->width == 0 || total_width(table) <= table->options->width;
}

static void shrink(struct table *table, enum column column, unsigned least)
{
    const unsigned total = total_width(table);
    unsigned *width = &table->widths[column];

    if (fits(table) || *width <= least)
        return;
    const unsigned excess = total - table->options->width;
    *width = *width - least > excess ? *width - excess : least;
}

static void fit(struct table *table)
{
    table->gap = 2;
    measure(table, true);
    if (!fits(table))
        table->widths[COLUMN_CONN] = 0;
    if (!fits(table))
        table->gap = 1;
    if (!fits(table)) {
        measure(table, false);
        table->widths[COLUMN_CONN] = 0;
    }
    shrink(table, COLUMN_LOCAL, 21); /* 255.255.255.255:65535 */
    shrink(table, COLUMN_PEER, 21);
    shrink(table, COLUMN_PROCESS, 10);
    if (!fits(table))
        table->widths[COLUMN_PROCESS] = 0;
    shrink(table, COLUMN_LOCAL, 14);
    shrink(table, COLUMN_PEER, 14);
    shrink(table, COLUMN_LOCAL, 8);
    shrink(table, COLUMN_PEER, 8);
}

/* --------------------------------------------------------------------------------------- lines --
 */

static enum text_style style_of(const struct compare_row *row, enum column column)
{
    if (column != COLUMN_VERDICT && column != COLUMN_WIRE && column != COLUMN_KERNEL)
        return TEXT_PLAIN;
    switch (row->verdict) {
    case COMPARE_APPLICATION:
        return TEXT_RED;
    case COMPARE_MISSED:
    case COMPARE_QUEUED:
        return TEXT_YELLOW;
    case COMPARE_AGREE:
        return column == COLUMN_VERDICT ? TEXT_GREEN : TEXT_PLAIN;
    case COMPARE_IN_FLIGHT:
    case COMPARE_UNSEEN:
        return TEXT_DIM;
    case COMPARE_KERNEL:
    case COMPARE_COUNT:
        break;
    }
    return TEXT_PLAIN;
}

static char *put_cell(const struct table *table, char *at, enum column column, char *text,
                      size_t length, enum text_style style, size_t *gap)
{
    const size_t width = table->widths[column];

    if (width == 0)
        return at;
    if (column == COLUMN_PROCESS && text_columns(text, length) > width)
        length = fit_process(text, without_descriptor(text, length), width, table->options->utf8);
    if (text_columns(text, length) > width)
        length = text_cut(text, length, width, column == COLUMN_LOCAL || column == COLUMN_PEER,
                          table->options->utf8);
    return text_cell(at,
                     &(struct text_cell){ .text = text,
                                          .length = length,
                                          .width = width,
                                          .between = table->gap,
                                          .right = column == COLUMN_CONN,
                                          .color = table->options->color,
                                          .style = style },
                     gap);
}

static void print_header(const struct table *table)
{
    char *at = out_reserve(table->out, LINE_BYTES);
    char text[32];
    size_t gap = 0;

    at = text_begin(at, TEXT_DIM, table->options->color);
    for (enum column column = 0; column < COLUMN_COUNT; column++) {
        const size_t length = strlen(headings[column]);

        memcpy(text, headings[column], length);
        at = put_cell(table, at, column, text, length, TEXT_PLAIN, &gap);
    }
    at = text_end(at, TEXT_DIM, table->options->color);
    *at++ = '\n';
    out_commit(table->out, at);
}

/* So much of a text as fits into `width` columns, up to a space. */
static size_t line_bytes(const char *text, size_t length, size_t width)
{
    size_t fitting = length;

    while (fitting > 0 && text_columns(text, fitting) > width) {
        fitting--;
        while (fitting > 0 && text[fitting] != ' ')
            fitting--;
    }
    return fitting ? fitting : length;
}

/* In as many lines as it takes. */
static void print_words(const struct table *table, size_t indent, const char *text, size_t length)
{
    const unsigned width = table->options->width;

    while (length > 0) {
        const size_t bytes = width > indent ? line_bytes(text, length, width - indent) : length;

        out_pad(table->out, ' ', indent);
        out_bytes(table->out, text, bytes);
        out_char(table->out, '\n');
        text += bytes;
        length -= bytes;
        if (length > 0) { /* the space where it was broken */
            text++;
            length--;
        }
    }
}

static void print_row(const struct table *table, const struct compare_row *row)
{
    char *at = out_reserve(table->out, LINE_BYTES);
    char text[CELL_BYTES], words[COMPARE_WORDS_BYTES];
    size_t gap = 0;

    for (enum column column = 0; column < COLUMN_COUNT; column++)
        at = put_cell(table, at, column, text, cell_text(table, row, column, text),
                      style_of(row, column), &gap);
    *at++ = '\n';
    out_commit(table->out, at);
    /* What is as it should be takes one line. */
    const bool plain = row->verdict == COMPARE_AGREE || row->verdict == COMPARE_UNSEEN;
    if (!plain || table->options->verbose || row->owner.known == OWNER_NOT_ACCEPTED) {
        const char *end = compare_words(words, row, &table->report->limits);
        print_words(table, INDENT, words, (size_t)(end - words));
    }
}

/* ------------------------------------------------------------------------------------- summary --
 */

static char *put_also(char *at, uint64_t count, const char *one, const char *many, bool *any)
{
    if (count == 0)
        return at;
    at = *any ? TEXT_LITERAL(at, ", ") : TEXT_LITERAL(at, "Not shown: ");
    *any = true;
    return text_count(at, count, one, many);
}

static void count_verdicts(const struct compare_report *report, uint64_t counts[COMPARE_COUNT])
{
    memset(counts, 0, COMPARE_COUNT * sizeof counts[0]);
    for (size_t i = 0; i < report->count; i++)
        counts[report->rows[i].verdict]++;
}

static void print_counts(const struct table *table)
{
    const struct compare_report *report = table->report;
    uint64_t counts[COMPARE_COUNT];
    const char *separator = ": ";
    char text[SENTENCE_BYTES], *at = text;

    count_verdicts(report, counts);
    at = text_count(at, report->count, "endpoint of this host", "endpoints of this host");
    for (size_t i = 0; i < COMPARE_COUNT; i++) {
        if (counts[i] == 0)
            continue;
        at = text_put(at, separator);
        at = digits_u64(at, counts[i]);
        *at++ = ' ';
        at = text_put(at, compare_verdict_name((enum compare_verdict)i));
        separator = ", ";
    }
    at = TEXT_LITERAL(at, ".");
    if (!report->quiet)
        at = TEXT_LITERAL(at, " The link was not quiet.");
    print_words(table, 0, text, (size_t)(at - text));
}

static void print_rest(const struct table *table)
{
    const struct compare_report *report = table->report;
    char text[SENTENCE_BYTES], *at = text;
    bool any = false;

    at = put_also(at, report->over, "closed on both sides", "closed on both sides", &any);
    at = put_also(at, report->others, "connection of other hosts", "connections of other hosts",
                  &any);
    at = put_also(at, report->elsewhere, "socket of another interface",
                  "sockets of other interfaces", &any);
    if (any)
        at = TEXT_LITERAL(at, ".");
    print_words(table, 0, text, (size_t)(at - text));
    if (report->dropped == 0)
        return;
    at = text_count(text, report->dropped, "packet", "packets");
    at = TEXT_LITERAL(at, " dropped: the wire's states may be stale.");
    print_words(table, 0, text, (size_t)(at - text));
}

/* Why there is no process in some rows: once for each reason. What the kernel has alone, or nobody
 * has accepted, says so itself. */
static void print_unknown(const struct table *table)
{
    static const enum owner_known reasons[] = { OWNER_HIDDEN, OWNER_ELSEWHERE, OWNER_UNASKED };
    char text[SENTENCE_BYTES];

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        const struct owner owner = { .known = (uint8_t)reasons[i] };
        uint64_t count = 0;

        for (size_t row = 0; row < table->report->count; row++)
            count += table->report->rows[row].owner.known == owner.known;
        if (count == 0)
            continue;
        char *at = text_count(text, count, "process is unknown: ", "processes are unknown: ");
        at = text_put(at, owner_why(&owner));
        *at++ = '.';
        print_words(table, 0, text, (size_t)(at - text));
    }
}

void view_compare_text(struct out *out, const struct view_options *options,
                       const struct compare_report *report)
{
    struct table table = { .options = options, .out = out, .report = report };

    if (report->count && !options->quiet) {
        fit(&table);
        print_header(&table);
        for (size_t i = 0; i < report->count; i++)
            print_row(&table, &report->rows[i]);
    }
    print_counts(&table);
    print_unknown(&table);
    print_rest(&table);
}

/* ------------------------------------------------------------------------------------- records --
 */

static char *put_key(char *at, const char *key)
{
    *at++ = ',';
    *at++ = '"';
    at = text_put(at, key);
    return JSON_LITERAL(at, "\":");
}

static char *put_text(char *at, const char *key, const char *text)
{
    return json_text(put_key(at, key), text);
}

static char *put_number(char *at, const char *key, bool known, int64_t number)
{
    at = put_key(at, key);
    return known ? digits_i64(at, number) : json_null(at);
}

static char *put_bool(char *at, const char *key, bool value)
{
    return json_bool(put_key(at, key), value);
}

static char *put_endpoint(char *at, const char *address_key, const char *port_key,
                          const struct fw_endpoint *endpoint)
{
    char address[46];

    fw_addr_text(endpoint, address);
    at = put_text(at, address_key, address);
    return put_number(at, port_key, true, endpoint->port);
}

static char *put_head(char *at, const struct view_options *options, const char *type, fw_time ts)
{
    struct stamp_cache cache = { 0 };

    at = JSON_LITERAL(at, "{\"v\":1");
    at = put_text(at, "type", type);
    at = put_key(at, "ts");
    at = json_time(&cache, at, ts);
    at = put_key(at, "t");
    return options->first_time ? stamp_seconds(at, stamp_since(ts, options->first_time))
                               : json_null(at);
}

static const char *state_name(bool known, enum fw_state state)
{
    return known ? fw_state_name(state, FW_NAMES_RFC) : NULL;
}

static char *put_wire(char *at, const struct compare_row *row)
{
    at = put_number(at, "frame", true, (int64_t)row->last_frame);
    at = put_number(at, "conn", row->seen, (int64_t)row->identity.id);
    at = put_endpoint(at, "client_addr", "client_port", &row->identity.client);
    at = put_endpoint(at, "server_addr", "server_port", &row->identity.server);
    at = put_text(at, "endpoint", fw_side_name(row->side));
    at = put_text(at, "wire_state", state_name(row->seen, row->wire));
    at = put_text(at, "peer_state", state_name(row->seen, row->peer));
    return put_number(at, "in_state_ns", row->seen,
                      row->now > row->since ? row->now - row->since : 0);
}

static char *put_socket(char *at, const struct compare_row *row)
{
    const struct kernel_socket *socket = &row->socket;
    const bool there = row->has_socket;
    const bool runs = there && socket->timer != KERNEL_TIMER_NONE;
    const bool info = there && socket->has_info;

    at = put_text(at, "kernel_state", state_name(there, (enum fw_state)socket->state));
    at = put_number(at, "recv_q", there, socket->receive_queue);
    at = put_number(at, "send_q", there, socket->send_queue);
    at = put_text(at, "timer", runs ? kernel_timer_name((enum kernel_timer)socket->timer) : NULL);
    at = put_number(at, "timer_left_ns", runs, socket->timer_left_ms * FW_MILLISECOND);
    at = put_number(at, "timer_retransmits", there, socket->retransmits);
    at = put_number(at, "rtt_ns", info, (int64_t)socket->rtt_us * 1000);
    at = put_number(at, "total_retransmits", info, socket->total_retransmits);
    at = put_number(at, "last_ack_ns", info, socket->last_ack_ms * FW_MILLISECOND);
    at = put_number(at, "uid", there, socket->uid);
    at = put_number(at, "inode", there && socket->inode, (int64_t)socket->inode);
    return put_bool(at, "v4_mapped", there && socket->mapped);
}

static char *put_owner(char *at, const struct compare_row *row)
{
    const struct owner *owner = &row->owner;
    const bool found = owner->known == OWNER_FOUND;
    const bool named = found || owner->earlier;

    at = put_text(at, "process", named ? owner->name : NULL);
    at = put_number(at, "pid", named, owner->pid);
    at = put_number(at, "fd", named, owner->fd);
    at = put_number(at, "holders", found, owner->holders);
    return put_text(at, "process_why", found ? NULL : owner_why(owner));
}

static void record_row(struct out *out, const struct view_options *options,
                       const struct compare_report *report, const struct compare_row *row)
{
    char words[COMPARE_WORDS_BYTES];
    char *at = out_reserve(out, 2 * LINE_BYTES);

    *compare_words(words, row, &report->limits) = '\0';
    at = put_head(at, options, "compare", report->now);
    at = put_wire(at, row);
    at = put_socket(at, row);
    at = put_owner(at, row);
    at = put_text(at, "verdict", compare_verdict_name(row->verdict));
    at = put_text(at, "ahead", compare_ahead_name(row->ahead));
    at = put_text(at, "sysctl", row->sysctl);
    at = put_text(at, "cause", row->cause);
    at = put_text(at, "words", *words ? words : NULL);
    at = JSON_LITERAL(at, "}\n");
    out_commit(out, at);
}

void view_compare_json(struct out *out, const struct view_options *options,
                       const struct compare_report *report)
{
    uint64_t counts[COMPARE_COUNT];

    for (size_t i = 0; i < report->count && !options->quiet; i++)
        record_row(out, options, report, &report->rows[i]);
    count_verdicts(report, counts);
    char *at = out_reserve(out, LINE_BYTES);
    at = put_head(at, options, "comparison", report->now);
    at = put_number(at, "frame", true, 0);
    at = put_number(at, "conn", false, 0);
    at = put_text(at, "client_addr", NULL);
    at = put_number(at, "client_port", false, 0);
    at = put_text(at, "server_addr", NULL);
    at = put_number(at, "server_port", false, 0);
    at = put_text(at, "interface", report->interface);
    at = put_number(at, "application", true, (int64_t)counts[COMPARE_APPLICATION]);
    at = put_number(at, "missed", true, (int64_t)counts[COMPARE_MISSED]);
    at = put_number(at, "queued", true, (int64_t)counts[COMPARE_QUEUED]);
    at = put_number(at, "kernel", true, (int64_t)counts[COMPARE_KERNEL]);
    at = put_number(at, "in_flight", true, (int64_t)counts[COMPARE_IN_FLIGHT]);
    at = put_number(at, "unseen", true, (int64_t)counts[COMPARE_UNSEEN]);
    at = put_number(at, "agree", true, (int64_t)counts[COMPARE_AGREE]);
    at = put_number(at, "over", true, (int64_t)report->over);
    at = put_number(at, "others", true, (int64_t)report->others);
    at = put_number(at, "elsewhere", true, (int64_t)report->elsewhere);
    at = put_number(at, "dropped", true, (int64_t)report->dropped);
    at = put_bool(at, "quiet", report->quiet);
    at = put_number(at, "looks", true, report->looks);
    at = JSON_LITERAL(at, "}\n");
    out_commit(out, at);
}

/* It has no hooks: comparison_run() makes the rows. */
const struct view_ops view_compare = { .name = "compare" };
