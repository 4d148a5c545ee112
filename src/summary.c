#include "summary.h"

#include "digits.h"
#include "record.h"
#include "text.h"

enum { LISTENERS_SHOWN = 20, ROOM = 4096 };

/* ------------------------------------------------------------------------------------ sentence --
 */

static uint64_t sum(const uint64_t *counts, size_t count)
{
    uint64_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += counts[i];
    return total;
}

static char *put_separator(char *at, bool *any)
{
    if (*any)
        at = TEXT_LITERAL(at, ", ");
    *any = true;
    return at;
}

static char *put_half_closed(char *at, const struct summary *summary)
{
    if (summary->half_closed_id == 0)
        return at;
    at = TEXT_LITERAL(at, " (");
    if (summary->outcomes[OUTCOME_HALF_CLOSED] > 1)
        at = TEXT_LITERAL(at, "oldest ");
    *at++ = '#';
    at = digits_u64(at, summary->half_closed_id);
    if (summary->half_closed_ns > 0) {
        at = TEXT_LITERAL(at, ", for ");
        at = text_duration(at, summary->half_closed_ns);
    }
    *at++ = ')';
    return at;
}

static char *put_outcomes(char *at, const struct view_options *options,
                          const struct summary *summary)
{
    static const struct {
        const char *words;
        enum text_style style;
    } rows[OUTCOME_COUNT] = {
        [OUTCOME_CLOSED] = { "closed", TEXT_PLAIN },
        [OUTCOME_NEVER_OPENED] = { "never opened", TEXT_RED },
        [OUTCOME_RESET] = { "reset", TEXT_RED },
        [OUTCOME_HALF_CLOSED] = { "half-closed", TEXT_YELLOW },
        [OUTCOME_OPEN] = { "open", TEXT_PLAIN },
    };
    bool any = false;

    for (size_t i = 0; i < OUTCOME_COUNT; i++) {
        if (summary->outcomes[i] == 0)
            continue;
        at = put_separator(at, &any);
        at = text_begin(at, rows[i].style, options->color);
        at = text_count(at, summary->outcomes[i], rows[i].words, rows[i].words);
        if (i == OUTCOME_HALF_CLOSED)
            at = put_half_closed(at, summary);
        at = text_end(at, rows[i].style, options->color);
    }
    return at;
}

/* "118 of another protocol, 2 later IP fragments": what the packets were that held no segment. */
static char *put_verdicts(char *at, const struct summary *summary)
{
    static const struct {
        enum fw_verdict verdict;
        const char *words;
    } rows[] = {
        { FW_VERDICT_NOT_TCP, "of other protocols" },
        { FW_VERDICT_ICMP_ERROR, "ICMP errors" },
        { FW_VERDICT_FRAGMENT, "later IP fragments" },
        { FW_VERDICT_TRUNCATED, "captured too short" },
        { FW_VERDICT_MALFORMED, "malformed" },
        { FW_VERDICT_UNKNOWN_LINK, "of link types that are not decoded" },
        { FW_VERDICT_UNKNOWN_TUNNEL, "in tunnels that are not decoded" },
    };
    bool any = false;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t count = summary->verdicts[rows[i].verdict];
        if (count == 0)
            continue;
        at = put_separator(at, &any);
        at = text_count(at, count, rows[i].words, rows[i].words);
    }
    return at;
}

static char *put_without_tcp(char *at, const struct summary *summary)
{
    if (summary->packets == 0 && summary->filtered > 0) {
        at = TEXT_LITERAL(at, "No packet: the filter matches none of ");
        at = digits_u64(at, summary->filtered);
    } else if (summary->packets == 0) {
        at = TEXT_LITERAL(at, "No packet");
    } else {
        at = TEXT_LITERAL(at, "No TCP in ");
        at = text_count(at, summary->packets, "packet: ", "packets: ");
        at = put_verdicts(at, summary);
    }
    return TEXT_LITERAL(at, ".\n");
}

static char *put_sentence(char *at, const struct view_options *options,
                          const struct summary *summary)
{
    const uint64_t counted = sum(summary->outcomes, OUTCOME_COUNT);

    if (options->selection) {
        at = digits_u64(at, counted);
        at = TEXT_LITERAL(at, " of ");
        at =
            text_count(at, summary->tracker.connections, "connection matches", "connections match");
    } else {
        at = text_count(at, counted, "connection", "connections");
    }
    if (counted > 0) {
        at = TEXT_LITERAL(at, ": ");
        at = put_outcomes(at, options, summary);
    } else if (!options->selection) {
        at = TEXT_LITERAL(at, " in ");
        at = text_count(at, summary->verdicts[FW_VERDICT_SEGMENT], "TCP segment", "TCP segments");
    }
    return TEXT_LITERAL(at, ".\n");
}

/* ----------------------------------------------------------------------------------- listeners --
 */

static size_t listener_text(char *text, const struct view_options *options,
                            const struct fw_listener *listener)
{
    return (size_t)(text_endpoint(text, &listener->endpoint, options) - text);
}

static char *put_scope(char *at, const struct fw_scope *scope)
{
    char tunnel[32];

    if (scope->vlan) {
        at = TEXT_LITERAL(at, "  vlan ");
        at = digits_u64(at, scope->vlan);
    }
    if (record_tunnel_text(scope, tunnel)) {
        at = TEXT_LITERAL(at, "  ");
        at = text_put(at, tunnel);
    }
    return at;
}

static void print_listeners(struct out *out, const struct view_options *options,
                            const struct summary *summary)
{
    const size_t count = summary->listener_count;
    const size_t shown = count < LISTENERS_SHOWN ? count : LISTENERS_SHOWN;
    char text[TEXT_ENDPOINT_BYTES];
    size_t width = 0;

    for (size_t i = 0; i < shown; i++) {
        const size_t length = listener_text(text, options, &summary->listeners[i]);
        const size_t columns = text_columns(text, length);
        if (columns > width)
            width = columns;
    }
    for (size_t i = 0; i < shown; i++) {
        const struct fw_listener *listener = &summary->listeners[i];
        char *at = out_reserve(out, ROOM);
        at = TEXT_LITERAL(at, "LISTEN  ");
        const size_t length = listener_text(at, options, listener);
        at = text_pad(at + length, text_columns(at, length), width + 2);
        at = TEXT_LITERAL(at, "answered ");
        at = text_count(at, listener->synacks, "connection", "connections");
        at = put_scope(at, &listener->scope);
        *at++ = '\n';
        out_commit(out, at);
    }
    if (count > shown)
        out_printf(out, "LISTEN  and %zu more: finwait table --listeners%s%s\n", count - shown,
                   options->command_line ? " " : "",
                   options->command_line ? options->command_line : "");
}

/* ---------------------------------------------------------------------------------- not silent --
 */

/* A line of counts, such as "lost          12 packets by the kernel, 3 by the interface". */
struct account {
    char *at;
    bool any;
};

static void begin_account(struct account *account, struct out *out)
{
    account->at = out_reserve(out, ROOM);
    account->any = false;
}

static void add(struct account *account, const char *head, uint64_t count, const char *one,
                const char *many)
{
    if (count == 0)
        return;
    if (!account->any)
        account->at = text_put(account->at, head);
    else
        account->at = TEXT_LITERAL(account->at, ", ");
    account->at = text_count(account->at, count, one, many);
    account->any = true;
}

static void end_account(struct account *account, struct out *out)
{
    if (!account->any)
        return;
    *account->at++ = '\n';
    out_commit(out, account->at);
}

static void print_skipped_links(struct out *out, const struct summary *summary)
{
    for (size_t i = 0; i < summary->skipped_count; i++) {
        const struct skipped_link *skipped = &summary->skipped[i];
        const char *name = fw_link_name(skipped->link_type);

        out_printf(out, "not decoded: %llu packet%s of link type %u%s%s%s",
                   (unsigned long long)skipped->packets, skipped->packets == 1 ? "" : "s",
                   skipped->link_type, name ? " (" : "", name ? name : "", name ? ")" : "");
        if (skipped->interface > 0)
            out_printf(out, " on interface %u", (unsigned)skipped->interface);
        out_char(out, '\n');
    }
}

static void print_tunnels(struct out *out, const struct summary *summary)
{
    struct account account;

    begin_account(&account, out);
    for (int i = FW_UNDECODED_NONE + 1; i < FW_UNDECODED_COUNT; i++) {
        char one[96];
        char *end = TEXT_LITERAL(one, "in ");
        end = text_put(end, fw_undecoded_name((enum fw_undecoded)i));
        *end = '\0';
        add(&account, "not decoded: packets in tunnels: ", summary->undecoded[i], one, one);
    }
    end_account(&account, out);
}

static void print_odd_packets(struct out *out, const struct summary *summary)
{
    const uint64_t *verdicts = summary->verdicts;
    const uint64_t *notes = summary->tracker.notes;
    struct account account;

    begin_account(&account, out);
    add(&account, "not used: ", verdicts[FW_VERDICT_FRAGMENT], "later IP fragment",
        "later IP fragments");
    add(&account, "not used: ", verdicts[FW_VERDICT_TRUNCATED],
        "packet captured too short for its TCP header",
        "packets captured too short for their TCP header");
    add(&account, "not used: ", verdicts[FW_VERDICT_MALFORMED], "malformed packet",
        "malformed packets");
    add(&account, "not used: ", notes[FW_NOTE_DUPLICATE], "exact duplicate", "exact duplicates");
    add(&account, "not used: ", notes[FW_NOTE_BAD_CHECKSUM], "bad checksum", "bad checksums");
    end_account(&account, out);

    begin_account(&account, out);
    add(&account, "odd: ", summary->fragments, "segment in a fragmented packet",
        "segments in fragmented packets");
    add(&account, "odd: ", summary->tracker.time_backwards, "time that goes back",
        "times that go back");
    add(&account, "odd: ", notes[FW_NOTE_ODD_FLAGS], "segment with odd flags",
        "segments with odd flags");
    add(&account, "odd: ", summary->tracker.lone_rsts, "reset of no connection",
        "resets of no connection");
    add(&account, "odd: ", summary->tracker.icmp_unmatched, "ICMP error about no connection",
        "ICMP errors about no connection");
    end_account(&account, out);
}

static void print_losses(struct out *out, const struct summary *summary)
{
    const struct fw_tracker_counts *counts = &summary->tracker;
    struct account account;

    begin_account(&account, out);
    add(&account, "lost: ", summary->dropped_kernel, "packet dropped by the kernel",
        "packets dropped by the kernel");
    add(&account, "lost: ", summary->dropped_interface, "packet dropped by the interface",
        "packets dropped by the interface");
    end_account(&account, out);

    begin_account(&account, out);
    add(&account, "evicted at the memory cap: ", counts->evicted_closed, "closed connection",
        "closed connections");
    add(&account, "evicted at the memory cap: ", counts->evicted_half_open, "half-open connection",
        "half-open connections");
    add(&account, "evicted at the memory cap: ", counts->evicted_idle, "idle connection",
        "idle connections");
    end_account(&account, out);

    begin_account(&account, out);
    add(&account, "one-sided: ", counts->one_sided,
        "connection seen in one direction only; the other end is known by its peer's ACKs",
        "connections seen in one direction only; the other ends are known by their peers' ACKs");
    end_account(&account, out);

    if (summary->why_ended && strcmp(summary->why_ended, "end of input") != 0)
        out_printf(out, "ended early: %s\n", summary->why_ended);
}

/* ---------------------------------------------------------------------------------------- whole --
 */

static void print_hint(struct out *out, const struct view_options *options,
                       const struct summary *summary)
{
    const uint64_t failures = summary->outcomes[OUTCOME_NEVER_OPENED] +
                              summary->outcomes[OUTCOME_RESET] +
                              summary->outcomes[OUTCOME_HALF_CLOSED];
    char style[16];

    if (failures == 0 || !options->command_line || options->live)
        return;
    *text_begin(style, TEXT_DIM, options->color) = '\0';
    out_text(out, style);
    out_printf(out, "finwait diagnose %s explains the ", options->command_line);
    if (failures == 1)
        out_text(out, "one");
    else
        out_u64(out, failures);
    out_text(out, " that did not end well.");
    *text_end(style, TEXT_DIM, options->color) = '\0';
    out_text(out, style);
    out_char(out, '\n');
}

void summary_print(struct out *out, const struct view_options *options,
                   const struct summary *summary, bool hint)
{
    const bool without_tcp =
        summary->verdicts[FW_VERDICT_SEGMENT] == 0 && summary->tracker.connections == 0;
    char *at = out_reserve(out, ROOM);

    at = without_tcp ? put_without_tcp(at, summary) : put_sentence(at, options, summary);
    out_commit(out, at);
    if (!options->listeners) /* the table has them as lines of its own */
        print_listeners(out, options, summary);
    print_skipped_links(out, summary);
    print_tunnels(out, summary);
    print_odd_packets(out, summary);
    print_losses(out, summary);
    if (hint)
        print_hint(out, options, summary);
}
