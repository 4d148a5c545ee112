#include "run.h"

#include "closing.h"
#include "losses.h"
#include "metrics_file.h"
#include "pipeline.h"
#include "progress.h"
#include "select.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The kernel hands packets over a little after they came: timers stay that far behind the clock. */
static const int64_t live_lag_ns = 500 * FW_MILLISECOND;

static const int64_t metrics_every_ns = 10 * FW_SECOND;

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
    bool tells_steps;   /* to the view */
    uint64_t told;      /* connections that the selection matched */
    uint64_t one_sided; /* of them, seen in one direction although they were answered */
    fw_time half_closed_since;
    fw_time next_view; /* every_ns */
    bool any_view;
    fw_time until; /* for_ns: the clock then; 0: not yet known */
    struct metrics metrics;
    fw_time next_metrics;
    int metrics_error;  /* of the last time that they were written */
    fw_time asked_at;   /* live: the clock when the drops were last read; 0: not yet */
    fw_time arrived_at; /* live: the clock at the last packet */
    struct losses losses;
    const char *ended_why; /* that is not the input's; NULL: none */
};

static volatile sig_atomic_t interrupted;

void run_interrupt(void)
{
    interrupted = 1;
    source_interrupt();
}

/* ------------------------------------------------------------------------------------- hooks -- */

/* Where the connection's halves stand apart: since when, by whichever moved last. */
static fw_time half_closed_since(const struct fw_connection *connection)
{
    return connection->client_since > connection->server_since ? connection->client_since
                                                               : connection->server_since;
}

static void count_outcome(struct loop *loop, enum outcome outcome, bool one_sided,
                          enum fw_open open)
{
    loop->told++;
    loop->result->summary.outcomes[outcome]++;
    loop->one_sided += one_sided && open != FW_OPEN_NO_ANSWER;
}

/* The summary names the oldest. */
static void note_half_closed(struct loop *loop, const struct fw_connection *connection)
{
    struct summary *summary = &loop->result->summary;
    const fw_time since = half_closed_since(connection);
    if (summary->half_closed_id == 0 || since < loop->half_closed_since) {
        const fw_time until =
            connection->end == FW_END_OPEN ? summary->last_time : connection->last_time;

        loop->half_closed_since = since;
        summary->half_closed_id = connection->identity.id;
        summary->half_closed_ns = until > since ? until - since : 0;
    }
}

static void tally_outcome(struct loop *loop, const struct fw_connection *connection)
{
    const enum outcome outcome = outcome_of(connection);

    count_outcome(loop, outcome, connection->one_sided, connection->open);
    if (outcome == OUTCOME_HALF_CLOSED)
        note_half_closed(loop, connection);
}

static void on_step(void *context, const struct fw_step *step)
{
    struct loop *loop = context;

    if (loop->run->metrics)
        metrics_step(&loop->metrics, step);
    if (loop->tells_steps)
        loop->run->view->hooks.step(loop->view, step);
}

static void on_segment(void *context, const struct fw_step *step)
{
    struct loop *loop = context;

    loop->run->view->hooks.segment(loop->view, step);
}

/* What a user sees of a connection: at its end, or as it is now. */
static void show(struct loop *loop, const struct fw_connection *connection)
{
    struct fw_connection marked;

    if (!connection->lossy && losses_touch(&loop->losses, connection)) {
        marked = *connection;
        marked.lossy = true;
        connection = &marked;
    }
    if (selection_match(loop->run->view_options->selection, connection))
        tally_outcome(loop, connection);
    /* A view that is made anew each time shows what is there then, not what was. */
    if (loop->view && loop->run->view->hooks.end)
        loop->run->view->hooks.end(loop->view, connection);
}

static void on_end(void *context, const struct fw_connection *connection)
{
    struct loop *loop = context;

    if (loop->run->metrics)
        metrics_end(&loop->metrics, connection);
    show(loop, connection);
}

/* on_end() where nobody wants the record. */
static void on_ended(void *context, const struct fw_ending *ending)
{
    struct loop *loop = context;
    const enum outcome outcome = outcome_of_ending(ending);

    count_outcome(loop, outcome, ending->one_sided, ending->open);
    if (outcome == OUTCOME_HALF_CLOSED) {
        struct fw_connection connection;

        fw_ending_connection(ending, &connection);
        note_half_closed(loop, &connection);
    }
}

static struct fw_hooks loop_hooks(struct loop *loop)
{
    const struct run *run = loop->run;
    const bool tell = !run->connections_only && !run->every_ns;
    const bool records = run->view->hooks.end || run->metrics || run->view_options->selection;

    loop->tells_steps = tell && run->view->hooks.step;
    return (struct fw_hooks){
        .step = loop->tells_steps || run->metrics ? on_step : NULL,
        .segment =
            tell && run->view->wants_segments && run->view->hooks.segment ? on_segment : NULL,
        .end = records ? on_end : NULL,
        .ended = on_ended,
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
    run_say(loop->run, fault->hint, "%s", fault->text);
    loop->result->unreadable |= fault->kind == SOURCE_FAULT_UNREADABLE;
    loop->result->partial |= fault->kind == SOURCE_FAULT_PARTIAL;
}

/* Live: what was lost since the drops were last read, before the batch is looked at. */
static void note_losses(struct loop *loop, const struct source_stats *stats)
{
    const uint64_t before = loop->stats.dropped_kernel + loop->stats.dropped_interface;
    const fw_time asked_at = loop->run->now(loop->run->now_context);

    if (stats->dropped_kernel + stats->dropped_interface > before)
        losses_add(&loop->losses, loop->asked_at, asked_at);
    loop->asked_at = asked_at;
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

    if (loop->run->live) {
        note_losses(loop, &batch->stats);
        loop->arrived_at = batch->packets ? loop->asked_at : loop->arrived_at;
    }
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

/* Closes the account and lends it to the view. */
static void finish_view(struct loop *loop)
{
    struct summary *summary = &loop->result->summary;
    struct listeners listeners = { NULL, 0, 0 };
    struct skipped_link *skipped = NULL;

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
    summary->partial |= loop->metrics_error != 0;
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
    show(context, connection);
    return true;
}

/* Every line of records is one. */
static void separate_views(const struct loop *loop)
{
    if (loop->any_view && loop->run->view != &view_json && loop->run->view != &view_json_quiet)
        out_char(loop->run->out, '\n');
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
    separate_views(loop);
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

/* Capture time goes on after the last packet as our clock does: packets may have been stamped by
 * the clock of another machine. */
static fw_time capture_time(const struct loop *loop, fw_time now)
{
    const fw_time last = loop->result->summary.last_time;

    return now > loop->arrived_at ? last + (now - loop->arrived_at) : last;
}

static void write_metrics(struct loop *loop, fw_time now)
{
    const struct run *run = loop->run;
    const char *path = metrics_file_path(run->metrics);
    struct fw_tracker_counts counts;
    const struct metrics_facts facts = {
        .metrics = &loop->metrics,
        .tracker = &counts,
        .max_memory_bytes = run->tracker.max_memory_bytes,
        .max_connections = run->tracker.max_connections,
        .packets = loop->result->summary.packets,
        .last_time = loop->result->summary.last_time,
        .now = now,
        .source = run->source,
    };

    fw_tracker_counts(loop->tracker, &counts);
    const int error = metrics_file_write(run->metrics, &facts);
    if (error && !loop->metrics_error)
        run_say(run, NULL, "--metrics %s: %s; what it says is old", path, strerror(-error));
    loop->metrics_error = error;
}

/* Live: time passes while nothing comes. */
static int pass_time(struct loop *loop, bool idle)
{
    const struct run *run = loop->run;
    const fw_time now = run->now(run->now_context);

    if (idle && loop->result->summary.packets)
        fw_tracker_advance(loop->tracker, capture_time(loop, now) - live_lag_ns);
    if (run->metrics && now >= loop->next_metrics) {
        loop->next_metrics = now + metrics_every_ns;
        write_metrics(loop, now);
    }
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

/* --------------------------------------------------------------------------------------- end -- */

/* What is left has lasted until now: live by the clock, else by the last packet. */
static void end_time(struct loop *loop)
{
    const struct run *run = loop->run;
    struct source_stats stats;

    if (run->live) {
        source_stats(run->source, &stats);
        note_losses(loop, &stats);
        loop->stats = stats;
    }

    run->view_options->ended = true;
    run->view_options->last_time = loop->result->summary.last_time;
    if (run->live && loop->result->summary.packets) {
        run->view_options->last_time = capture_time(loop, run->now(run->now_context));
    }
}

static void tell_end(const struct loop *loop)
{
    const struct closing closing = {
        .run = loop->run,
        .summary = &loop->result->summary,
        .links = loop->links,
        .link_count = loop->link_count,
        .any_fault = loop->any_fault,
        .told = loop->told,
        .one_sided = loop->one_sided,
    };

    closing_tell(&closing);
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
    const struct fw_hooks hooks = loop_hooks(&loop);
    int error;

    *result = (struct run_result){ .summary = { .first_time = 0, .last_time = -1 } };
    loop.tracker = fw_tracker_create(&run->tracker, &hooks, &loop);
    run->view_options->tracker = loop.tracker;
    run->view_options->losses = &loop.losses;
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
        separate_views(&loop);
        end_time(&loop);
        if (run->metrics) /* what is open now is not what the end of the input makes of it */
            write_metrics(&loop, run->now(run->now_context));
        fw_tracker_finish(loop.tracker);
        finish_view(&loop);
        if (!run->out->closed)
            tell_end(&loop);
    }
    drop_view(&loop);
    run->view_options->tracker = NULL;
    run->view_options->losses = NULL;
    fw_tracker_destroy(loop.tracker);
    free(loop.links);
    return error;
}
