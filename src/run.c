#include "run.h"

#include "pipeline.h"
#include "progress.h"
#include "select.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 512 };

/* The kernel hands packets over a little after they came: timers stay that far behind the clock. */
static const int64_t live_lag_ns = 500 * FW_MILLISECOND;

struct loop {
    const struct run *run;
    struct run_result *result;
    struct pipeline *pipeline;
    struct source_stats stats; /* after the last batch */
    struct fw_tracker *tracker;
    struct view *view;
    struct link_tally *links;
    size_t link_count;
    bool any_fault;
    uint64_t told;      /* connections that the selection matched */
    uint64_t one_sided; /* of them, seen in one direction although they were answered */
    fw_time half_closed_since;
    fw_time next_view; /* every_ns */
    bool any_view;
    fw_time until;         /* for_ns: the clock then; 0: not yet known */
    const char *ended_why; /* that is not the input's; NULL: none */
};

static volatile sig_atomic_t interrupted;

void run_interrupt(void)
{
    interrupted = 1;
    source_interrupt();
}

__attribute__((format(printf, 3, 4))) static void say(struct loop *loop, const char *hint,
                                                      const char *format, ...)
{
    const struct run *run = loop->run;
    char text[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    if (run->progress)
        progress_clear(run->progress);
    out_flush(run->out);
    run->complain(run->complain_context, text, hint);
}

/* ------------------------------------------------------------------------------------- hooks -- */

/* Where the connection's halves stand apart: since when, by whichever moved last. */
static fw_time half_closed_since(const struct fw_connection *connection)
{
    return connection->client_since > connection->server_since ? connection->client_since
                                                               : connection->server_since;
}

static void tally_outcome(struct loop *loop, const struct fw_connection *connection)
{
    struct summary *summary = &loop->result->summary;
    const enum outcome outcome = outcome_of(connection);

    loop->told++;
    summary->outcomes[outcome]++;
    loop->one_sided += connection->one_sided && connection->open != FW_OPEN_NO_ANSWER;
    if (outcome != OUTCOME_HALF_CLOSED)
        return;
    const fw_time since = half_closed_since(connection);
    if (summary->half_closed_id == 0 || since < loop->half_closed_since) {
        const fw_time until =
            connection->end == FW_END_OPEN ? summary->last_time : connection->last_time;

        loop->half_closed_since = since;
        summary->half_closed_id = connection->identity.id;
        summary->half_closed_ns = until > since ? until - since : 0;
    }
}

static void on_step(void *context, const struct fw_step *step)
{
    struct loop *loop = context;

    loop->run->view->hooks.step(loop->view, step);
}

static void on_segment(void *context, const struct fw_step *step)
{
    struct loop *loop = context;

    loop->run->view->hooks.segment(loop->view, step);
}

static void on_end(void *context, const struct fw_connection *connection)
{
    struct loop *loop = context;

    if (selection_match(loop->run->view_options->selection, connection))
        tally_outcome(loop, connection);
    /* A view that is made anew each time shows what is there then, not what was. */
    if (loop->view && loop->run->view->hooks.end)
        loop->run->view->hooks.end(loop->view, connection);
}

static struct fw_hooks loop_hooks(const struct run *run)
{
    const bool tell = !run->connections_only && !run->every_ns;

    return (struct fw_hooks){
        .step = tell && run->view->hooks.step ? on_step : NULL,
        .segment =
            tell && run->view->wants_segments && run->view->hooks.segment ? on_segment : NULL,
        .end = on_end,
    };
}

/* ------------------------------------------------------------------------------------- input -- */

static int tally_link(struct loop *loop, const struct link_tally *link)
{
    struct link_tally *links;

    for (size_t i = 0; i < loop->link_count; i++) {
        links = &loop->links[i];
        if (links->link_type == link->link_type && links->interface == link->interface &&
            links->file == link->file) {
            links->packets += link->packets;
            return 0;
        }
    }
    links = realloc(loop->links, (loop->link_count + 1) * sizeof *links);
    if (!links)
        return -ENOMEM;
    loop->links = links;
    links[loop->link_count++] = *link;
    return 0;
}

static void tally_times(struct loop *loop, const struct batch *batch)
{
    struct summary *summary = &loop->result->summary;

    if (summary->packets == 0) {
        summary->first_time = batch->earliest_time;
        summary->last_time = batch->latest_time;
        loop->run->view_options->first_time = batch->first_time;
    }
    if (batch->latest_time > summary->last_time)
        summary->last_time = batch->latest_time;
    if (batch->earliest_time < summary->first_time)
        summary->first_time = batch->earliest_time;
}

/* A guess by the size of the input and that of the first packets: eight to a connection. */
static void expect_connections(struct loop *loop, const struct batch *batch)
{
    enum { HEADER_BYTES = 16, PACKETS_EACH = 8 };
    const uint64_t bytes = HEADER_BYTES * batch->packets + batch->captured_bytes;

    fw_tracker_expect(loop->tracker,
                      batch->stats.bytes_total * batch->packets / bytes / PACKETS_EACH);
}

static int tally_batch(struct loop *loop, const struct batch *batch)
{
    struct summary *summary = &loop->result->summary;

    if (batch->packets == 0)
        return 0;
    if (summary->packets == 0)
        expect_connections(loop, batch);
    tally_times(loop, batch);
    summary->packets += batch->packets;
    summary->fragments += batch->fragments;
    for (size_t i = 0; i < FW_VERDICT_COUNT; i++)
        summary->verdicts[i] += batch->verdicts[i];
    for (size_t i = 0; i < FW_UNDECODED_COUNT; i++)
        summary->undecoded[i] += batch->undecoded[i];
    for (size_t i = 0; i < batch->link_count; i++)
        if (tally_link(loop, &batch->links[i]) < 0)
            return -ENOMEM;
    return 0;
}

static void tell_fault(struct loop *loop, const struct source_fault *fault)
{
    loop->any_fault = true;
    say(loop, fault->hint, "%s", fault->text);
    loop->result->unreadable |= fault->kind == SOURCE_FAULT_UNREADABLE;
    loop->result->partial |= fault->kind == SOURCE_FAULT_PARTIAL;
}

static int feed(struct loop *loop, struct batch *batch, size_t from, size_t to)
{
    return fw_tracker_feed_prepared(loop->tracker, batch->segments + from, batch->lookups + from,
                                    to - from);
}

/* Segments and faults in the order in which the source had them. */
static int take_batch(struct loop *loop, struct batch *batch)
{
    size_t fed = 0;
    int error = tally_batch(loop, batch);

    loop->stats = batch->stats;
    for (size_t i = 0; error == 0 && i < batch->fault_count; i++) {
        const struct batch_fault *fault = &batch->faults[i];

        error = feed(loop, batch, fed, fault->before);
        fed = fault->before;
        tell_fault(loop, &fault->fault);
    }
    if (error == 0)
        error = feed(loop, batch, fed, batch->segment_count);
    return batch->end == BATCH_NO_MEMORY ? -ENOMEM : error;
}

/* -------------------------------------------------------------------------------------- view -- */

static int make_view(struct loop *loop)
{
    const struct run *run = loop->run;

    loop->view = run->view->create(run->view_options, run->out);
    return loop->view ? 0 : -ENOMEM;
}

static void drop_view(struct loop *loop)
{
    if (loop->view)
        loop->run->view->destroy(loop->view);
    loop->view = NULL;
}

struct listeners {
    struct fw_listener *list;
    size_t count, room;
};

static bool keep_listener(void *context, const struct fw_listener *listener)
{
    struct listeners *listeners = context;

    if (listeners->count == listeners->room) {
        const size_t room = listeners->room ? 2 * listeners->room : 64;
        struct fw_listener *list = realloc(listeners->list, room * sizeof *list);

        if (!list)
            return false;
        listeners->list = list;
        listeners->room = room;
    }
    listeners->list[listeners->count++] = *listener;
    return true;
}

static size_t collect_skipped(const struct loop *loop, struct skipped_link **skipped)
{
    size_t count = 0;

    *skipped = calloc(loop->link_count + 1, sizeof **skipped);
    for (size_t i = 0; *skipped && i < loop->link_count; i++) {
        const struct link_tally *link = &loop->links[i];

        if (!fw_link_is_decoded(link->link_type))
            (*skipped)[count++] = (struct skipped_link){
                .file = link->file,
                .link_type = link->link_type,
                .interface = link->interface,
                .packets = link->packets,
            };
    }
    return count;
}

static const char *why_ended(const struct loop *loop)
{
    if (loop->ended_why)
        return loop->ended_why;
    if (interrupted)
        return "interrupted";
    if (loop->result->unreadable || loop->result->partial)
        return "damaged";
    if (loop->run->max_packets && loop->stats.packets >= loop->run->max_packets)
        return "-c";
    return "end of input";
}

static bool has_evicted(const struct fw_tracker_counts *counts)
{
    return counts->evicted_closed || counts->evicted_half_open || counts->evicted_idle;
}

/* Closes the account and lends it to the view. */
static void finish_view(struct loop *loop)
{
    struct summary *summary = &loop->result->summary;
    struct listeners listeners = { NULL, 0, 0 };
    struct skipped_link *skipped = NULL;

    if (loop->run->live)
        source_stats(loop->run->source, &loop->stats);
    fw_tracker_counts(loop->tracker, &summary->tracker);
    fw_tracker_each_listener(loop->tracker, keep_listener, &listeners);
    summary->skipped_count = collect_skipped(loop, &skipped);
    summary->skipped = skipped;
    summary->listeners = listeners.list;
    summary->listener_count = listeners.count;
    summary->dropped_kernel = loop->stats.dropped_kernel;
    summary->dropped_interface = loop->stats.dropped_interface;
    summary->filtered = loop->stats.filtered;
    summary->why_ended = why_ended(loop);
    summary->partial = loop->result->partial || loop->result->unreadable ||
                       summary->skipped_count || loop->stats.dropped_kernel ||
                       loop->stats.dropped_interface || has_evicted(&summary->tracker) ||
                       summary->verdicts[FW_VERDICT_SEGMENT] == 0;
    loop->result->partial = summary->partial;

    if (loop->view && loop->run->view->finish)
        loop->run->view->finish(loop->view, summary);
    if (loop->view && loop->run->view->found)
        loop->result->found = loop->run->view->found(loop->view);
    free(listeners.list);
    free(skipped);
    summary->skipped = NULL;
    summary->listeners = NULL;
}

static bool show_now(void *context, const struct fw_connection *connection)
{
    on_end(context, connection);
    return true;
}

/* table --every: a view of what is there now. What the account said before stays as it was. */
static int show_again(struct loop *loop, fw_time now)
{
    const struct run_result before = *loop->result;
    const struct loop account = *loop;
    int error;

    memset(loop->result->summary.outcomes, 0, sizeof loop->result->summary.outcomes);
    loop->result->summary.half_closed_id = 0;
    if (loop->result->summary.last_time < now)
        loop->result->summary.last_time = now; /* ages count until now */
    if (loop->any_view)
        out_char(loop->run->out, '\n');
    error = make_view(loop);
    if (error == 0) {
        fw_tracker_each(loop->tracker, show_now, loop);
        finish_view(loop);
        drop_view(loop);
    }
    *loop->result = before;
    loop->told = account.told;
    loop->one_sided = account.one_sided;
    loop->half_closed_since = account.half_closed_since;
    loop->any_view = true;
    out_flush(loop->run->out);
    return error;
}

/* -------------------------------------------------------------------------------------- loop -- */

/* As if somebody had interrupted it: what has come is still taken. */
static void end_by(struct loop *loop, const char *why)
{
    loop->ended_why = why;
    run_interrupt();
}

/* Live: time passes while nothing comes. */
static int pass_time(struct loop *loop, bool idle)
{
    const struct run *run = loop->run;
    const fw_time now = run->now(run->now_context);

    if (idle && loop->result->summary.packets)
        fw_tracker_advance(loop->tracker, now - live_lag_ns);
    if (loop->view && run->view->tick)
        run->view->tick(loop->view, now);
    if (run->for_ns && loop->until == 0)
        loop->until = now + run->for_ns;
    if (run->for_ns && now >= loop->until)
        end_by(loop, "--for");
    if (run->every_ns && now >= loop->next_view) {
        const bool first = loop->next_view == 0;

        loop->next_view = now + run->every_ns;
        return first ? 0 : show_again(loop, now);
    }
    return 0;
}

static void show_progress(struct loop *loop)
{
    const struct source_stats *stats = &loop->stats;

    progress_update(loop->run->progress, stats->bytes_read, stats->bytes_total, stats->packets);
}

static int pull(struct loop *loop)
{
    const struct run *run = loop->run;
    enum batch_end end = BATCH_MORE;
    int error = 0;

    while (end != BATCH_LAST && !interrupted && !run->out->closed && !run->out->error) {
        struct batch *batch = pipeline_next(loop->pipeline);

        end = batch->end;
        error = take_batch(loop, batch);
        if (error == 0 && run->live && end != BATCH_LAST)
            error = pass_time(loop, end == BATCH_IDLE);
        if (error < 0)
            return error;
        if (loop->view && run->view->is_done && run->view->is_done(loop->view)) {
            loop->ended_why = "nothing more can change";
            break;
        }
        if (run->flush_each_batch)
            out_flush(run->out);
        if (run->progress && run->progress->enabled)
            show_progress(loop);
    }
    /* Interrupted: what the kernel and the pipeline have already is still ours; then the source
     * says that it has ended. */
    while (error == 0 && interrupted && end != BATCH_LAST && !run->out->closed) {
        struct batch *batch = pipeline_next(loop->pipeline);

        end = batch->end;
        error = take_batch(loop, batch);
    }
    return error;
}

/* ---------------------------------------------------------------- what the user should know -- */

static const char *input_name(const struct run *run, uint16_t file)
{
    if (file >= run->input_count)
        return "input";
    return strcmp(run->inputs[file], "-") == 0 ? "standard input" : run->inputs[file];
}

/* "trace.pcap", or "the files". */
static const char *all_inputs(const struct run *run)
{
    return run->input_count == 1 ? input_name(run, 0) : "all files";
}

/* Why there is no TCP: "20 of another protocol, 3 malformed". */
static void reasons_text(const uint64_t *verdicts, char *text, size_t size)
{
    static const struct {
        enum fw_verdict verdict;
        const char *words;
    } reasons[] = {
        { FW_VERDICT_NOT_TCP, "of another protocol" },
        { FW_VERDICT_ICMP_ERROR, "ICMP errors" },
        { FW_VERDICT_FRAGMENT, "later IP fragments" },
        { FW_VERDICT_TRUNCATED, "captured too short" },
        { FW_VERDICT_MALFORMED, "malformed" },
        { FW_VERDICT_UNKNOWN_LINK, "of a link type that is not decoded" },
        { FW_VERDICT_UNKNOWN_TUNNEL, "in a tunnel that is not decoded" },
    };
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0] && used < size; i++)
        if (verdicts[reasons[i].verdict])
            used += (size_t)snprintf(text + used, size - used, "%s%" PRIu64 " %s", used ? ", " : "",
                                     verdicts[reasons[i].verdict], reasons[i].words);
}

static void tell_no_tcp(struct loop *loop)
{
    const struct summary *summary = &loop->result->summary;
    const char *name = all_inputs(loop->run);
    char reasons[TEXT_BYTES / 2];

    if (summary->verdicts[FW_VERDICT_SEGMENT])
        return;
    if (summary->packets == 0 && summary->filtered)
        say(loop, NULL, "%s: none of the %" PRIu64 " packets matches the filter", name,
            summary->filtered);
    else if (summary->packets == 0)
        say(loop, NULL, "%s: no packet in it", name);
    else {
        reasons_text(summary->verdicts, reasons, sizeof reasons);
        say(loop,
            summary->verdicts[FW_VERDICT_TRUNCATED]
                ? "a larger snaplen (tcpdump -s 128) keeps the TCP header"
                : NULL,
            "%s: no TCP in it; %" PRIu64 " packet%s: %s", name, summary->packets,
            summary->packets == 1 ? "" : "s", reasons);
    }
}

/* "100 Ethernet packets used", or that there was nothing else. */
static void used_text(const struct loop *loop, uint16_t file, char *text, size_t size)
{
    uint64_t packets = 0;
    const char *name = NULL;
    bool several = false;

    for (size_t i = 0; i < loop->link_count; i++) {
        const struct link_tally *link = &loop->links[i];

        if (link->file != file || !fw_link_is_decoded(link->link_type))
            continue;
        several |= name && name != fw_link_name(link->link_type);
        name = fw_link_name(link->link_type);
        packets += link->packets;
    }
    if (packets == 0)
        snprintf(text, size, "there is no other in it");
    else
        snprintf(text, size, "%" PRIu64 " %s packet%s used", packets,
                 several || !name ? "other" : name, packets == 1 ? "" : "s");
}

static bool has_one_interface(const struct loop *loop, uint16_t file)
{
    unsigned count = 0;

    for (size_t i = 0; i < loop->link_count; i++)
        count += loop->links[i].file == file;
    return count == 1;
}

/* "mixed.pcapng: interface 2 has link type 189 (USB): skipped 310 packets; 100 Ethernet packets
 * used" */
static void tell_skipped(struct loop *loop)
{
    for (size_t i = 0; i < loop->link_count; i++) {
        const struct link_tally *link = &loop->links[i];
        const char *name = fw_link_name(link->link_type);
        char where[48] = "", used[96];

        if (fw_link_is_decoded(link->link_type))
            continue;
        if (link->interface || !has_one_interface(loop, link->file))
            snprintf(where, sizeof where, "interface %" PRIu32 " has ", link->interface);
        used_text(loop, link->file, used, sizeof used);
        say(loop, NULL, "%s: %slink type %u (%s)%s: skipped %" PRIu64 " packet%s; %s",
            input_name(loop->run, link->file), where, link->link_type, name ? name : "unknown",
            *where ? "" : " is not decoded", link->packets, link->packets == 1 ? "" : "s", used);
    }
}

static void tell_losses(struct loop *loop)
{
    const struct summary *summary = &loop->result->summary;
    const struct fw_tracker_counts *counts = &summary->tracker;

    if (summary->dropped_kernel || summary->dropped_interface)
        say(loop, "a larger buffer (-B KIB), a narrower filter or -q may keep up",
            "%s: %" PRIu64 " packets dropped by the kernel, %" PRIu64
            " by the interface: states may be stale",
            all_inputs(loop->run), summary->dropped_kernel, summary->dropped_interface);
    if (has_evicted(counts))
        say(loop, "--max-mem and --max-conns raise the limit",
            "memory limit: %" PRIu64 " connections were evicted before they ended (%" PRIu64
            " closed, %" PRIu64 " half-open, %" PRIu64 " idle)",
            counts->evicted_closed + counts->evicted_half_open + counts->evicted_idle,
            counts->evicted_closed, counts->evicted_half_open, counts->evicted_idle);
    /* states.md 29: warn once per capture. */
    if (loop->one_sided && loop->one_sided * 2 >= loop->told)
        say(loop,
            summary->filtered ? "the filter may hide one direction: host, port and net match both, "
                                "src and dst only one"
                              : NULL,
            "%s: %" PRIu64 " of %" PRIu64 " connections were seen in one direction only; the other "
            "end's state is what its peer's packets tell",
            all_inputs(loop->run), loop->one_sided, loop->told);
}

/* Nothing ends in silence: each reason for exit status 4 has its line. */
static void tell_end(struct loop *loop)
{
    const struct summary *summary = &loop->result->summary;
    const bool all_skipped =
        summary->packets && summary->verdicts[FW_VERDICT_UNKNOWN_LINK] == summary->packets;

    if (summary->packets == 0 && loop->any_fault) /* that was the line */
        return;
    if (!all_skipped)
        tell_no_tcp(loop);
    tell_skipped(loop);
    tell_losses(loop);
}

/* What is left has lasted until now: live by the clock, else by the last packet. */
static void end_time(struct loop *loop)
{
    const struct run *run = loop->run;

    run->view_options->ended = true;
    run->view_options->last_time = loop->result->summary.last_time;
    if (run->live && loop->result->summary.packets) {
        const fw_time now = run->now(run->now_context);

        if (now > run->view_options->last_time)
            run->view_options->last_time = now;
    }
}

int run_loop(const struct run *run, struct run_result *result)
{
    struct loop loop = { .run = run, .result = result };
    struct pipeline_options pipeline = {
        .source = run->source,
        .batch_packets = run->batch_packets,
        .threads = run->threads,
        .verify_checksums = run->verify_checksums,
        .live = run->live,
    };
    const struct fw_hooks hooks = loop_hooks(run);
    int error;

    *result = (struct run_result){ .summary = { .first_time = 0, .last_time = -1 } };
    loop.tracker = fw_tracker_create(&run->tracker, &hooks, &loop);
    run->view_options->tracker = loop.tracker;
    pipeline.tracker = loop.tracker;
    loop.pipeline = loop.tracker ? pipeline_create(&pipeline) : NULL;
    error = loop.pipeline ? 0 : -ENOMEM;
    if (error == 0 && !run->every_ns)
        error = make_view(&loop);
    if (error == 0)
        error = pull(&loop);
    pipeline_destroy(loop.pipeline);
    if (run->progress)
        progress_clear(run->progress);

    if (loop.tracker) {
        if (!loop.view && make_view(&loop) < 0)
            error = -ENOMEM;
        if (loop.any_view)
            out_char(run->out, '\n');
        end_time(&loop);
        fw_tracker_finish(loop.tracker);
        finish_view(&loop);
        if (!run->out->closed)
            tell_end(&loop);
    }
    drop_view(&loop);
    run->view_options->tracker = NULL;
    fw_tracker_destroy(loop.tracker);
    free(loop.links);
    return error;
}
