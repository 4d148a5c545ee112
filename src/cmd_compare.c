/*
 * finwait compare: the wire beside this host's kernel. The wire is followed as ever; now and then
 * the kernel is asked (kernel.h), the packets that it had seen by then are taken, and each endpoint
 * of this host is judged (compare.h). What differs is asked for again until it agrees, or stays as
 * it is while no packet comes: the two views are never of the same moment by themselves.
 */
#include "commands.h"

#include "addr.h"
#include "compare_report.h"
#include "kernel.h"
#include "pipeline.h"
#include "select.h"
#include "source.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TEXT_BYTES = 512,
    LOOKS_MAX = 5,          /* at the kernel, for one comparison */
    HANDOVER_MS = 60,       /* the kernel hands packets over so much later at most */
    LEAST_LOOK_GAP_MS = 50, /* between looks for processes */
    LOOK_SHARE = 10,        /* and ten times what the last one took */
    REMEMBER_S = 600,       /* whose a socket was, after the kernel has forgotten it */
    RAW_IP = 101,           /* LINKTYPE_RAW */
};

/* Who had a socket when it was last seen: of orphans the kernel does not know it any more. */
struct memory {
    struct kernel_socket *sockets; /* sorted, with their owners */
    fw_time *times;
    size_t count;
};

struct rows {
    struct compare_row *list;
    size_t count, room;
};

struct host_comparison {
    const struct options *options;
    struct kernel *kernel;
    const struct comparison_run *run;
    struct pipeline *pipeline;
    struct fw_tracker *tracker;

    struct memory memory;
    struct kernel_look look; /* the last one */
    struct rows rows;        /* of the last comparison */
    struct compare_report report;
    bool *matched;               /* sockets of the look that have a row */
    uint32_t *numbers;           /* of the interfaces */
    char interfaces[TEXT_BYTES]; /* their names, joined */

    enum batch_end end;
    uint64_t packets, segments, newest_id;
    fw_time newest; /* time of the latest packet */
    /* Processes are looked for when a connection is new, and again when it may have been accepted.
     */
    unsigned looks_left;
    fw_time look_due;
    int64_t look_gap_ns;
    bool no_memory, unreadable, partial;
    char error[TEXT_BYTES];
};

static volatile sig_atomic_t interrupted;

/* Not run_interrupt(): the source goes on until the last comparison is made. */
static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

static fw_time wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * FW_SECOND + now.tv_nsec;
}

/* -------------------------------------------------------------------------------------- packets --
 */

static void on_step(void *context, const struct fw_step *step)
{
    struct host_comparison *comparison = context;

    if (step->identity->id <= comparison->newest_id)
        return;
    comparison->newest_id = step->identity->id;
    comparison->looks_left = 4;
    comparison->look_due = 0;
}

static void take_faults(struct host_comparison *comparison, const struct batch *batch)
{
    for (size_t i = 0; i < batch->fault_count; i++) {
        const struct source_fault *fault = &batch->faults[i].fault;

        out_flush(comparison->run->out);
        complain(fault->hint, "%s", fault->text);
        comparison->unreadable |= fault->kind == SOURCE_FAULT_UNREADABLE;
        comparison->partial |= fault->kind == SOURCE_FAULT_PARTIAL;
    }
}

/* What there is, or a moment's wait for it. */
static void take_packets(struct host_comparison *comparison)
{
    const struct batch *batch = pipeline_next(comparison->pipeline);
    struct view_options *options = comparison->run->view_options;

    comparison->end = batch->end;
    take_faults(comparison, batch);
    if (batch->packets) {
        if (comparison->packets == 0)
            options->first_time = batch->first_time;
        if (batch->latest_time > comparison->newest)
            comparison->newest = batch->latest_time;
    }
    comparison->packets += batch->packets;
    comparison->segments += batch->segment_count;
    comparison->no_memory |=
        batch->end == BATCH_NO_MEMORY ||
        fw_tracker_feed(comparison->tracker, batch->segments, batch->segment_count) < 0;
}

static bool goes_on(const struct host_comparison *comparison)
{
    return comparison->end != BATCH_LAST && !comparison->no_memory &&
           !comparison->run->out->closed && !comparison->run->out->error;
}

/* All packets that the host had seen by `time`: a later one has come, or enough time has passed. */
static void take_packets_until(struct host_comparison *comparison, fw_time time)
{
    while (goes_on(comparison) && comparison->newest <= time) {
        const fw_time now = wall_clock();

        take_packets(comparison);
        if (comparison->end == BATCH_IDLE && now > time + HANDOVER_MS * FW_MILLISECOND)
            return;
    }
}

static void pass_time(struct host_comparison *comparison, int64_t ns)
{
    const fw_time until = wall_clock() + ns;

    while (goes_on(comparison) && wall_clock() < until)
        take_packets(comparison);
}

/* --------------------------------------------------------------------------------------- memory --
 */

static size_t memory_find(const struct memory *memory, const struct kernel_socket *socket)
{
    size_t low = 0, high = memory->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct kernel_socket *at = &memory->sockets[middle];
        int order = endpoint_compare(&at->local, &socket->local);

        if (order == 0)
            order = endpoint_compare(&at->peer, &socket->peer);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* NULL: whose it was is not known. */
static const struct owner *memory_owner(const struct memory *memory,
                                        const struct fw_endpoint *local,
                                        const struct fw_endpoint *peer)
{
    const struct kernel_socket key = { .local = *local, .peer = *peer };
    const size_t at = memory_find(memory, &key);

    if (at == memory->count || endpoint_compare(&memory->sockets[at].local, local) != 0 ||
        endpoint_compare(&memory->sockets[at].peer, peer) != 0)
        return NULL;
    return &memory->sockets[at].owner;
}

static void memory_add(struct memory *memory, const struct kernel_socket *socket, fw_time time)
{
    memory->sockets[memory->count] = *socket;
    memory->times[memory->count++] = time;
}

static bool has_same_ends(const struct kernel_socket *a, const struct kernel_socket *b)
{
    return endpoint_compare(&a->local, &b->local) == 0 && endpoint_compare(&a->peer, &b->peer) == 0;
}

/* Merges what a look has found into what is known; both are sorted. Without memory nothing is. */
static void memory_merge(struct memory *memory, const struct kernel_look *look)
{
    const size_t room = memory->count + look->socket_count + 1;
    struct memory merged = {
        .sockets = malloc(room * sizeof *merged.sockets),
        .times = malloc(room * sizeof *merged.times),
    };
    size_t old = 0;

    for (size_t i = 0; merged.sockets && merged.times && i < look->socket_count; i++) {
        const struct kernel_socket *socket = &look->sockets[i];

        if (socket->owner.known != OWNER_FOUND || socket->state == FW_LISTEN)
            continue;
        for (; old < memory->count && (kernel_socket_compare(&memory->sockets[old], socket) < 0 ||
                                       has_same_ends(&memory->sockets[old], socket));
             old++)
            if (!has_same_ends(&memory->sockets[old], socket) &&
                look->ended - memory->times[old] < REMEMBER_S * FW_SECOND)
                memory_add(&merged, &memory->sockets[old], memory->times[old]);
        memory_add(&merged, socket, look->ended);
    }
    for (; merged.sockets && merged.times && old < memory->count; old++)
        if (look->ended - memory->times[old] < REMEMBER_S * FW_SECOND)
            memory_add(&merged, &memory->sockets[old], memory->times[old]);
    free(memory->sockets);
    free(memory->times);
    *memory = merged;
}

/* Asks the kernel, and keeps in mind whose sockets are whose. */
static bool look(struct host_comparison *comparison, bool fresh)
{
    const fw_time begun = wall_clock();

    if (!kernel_ask(comparison->kernel, fresh, &comparison->look, comparison->error))
        return false;
    memory_merge(&comparison->memory, &comparison->look);
    const fw_time now = wall_clock();
    comparison->look_gap_ns = LOOK_SHARE * (now - begun);
    if (comparison->look_gap_ns < LEAST_LOOK_GAP_MS * FW_MILLISECOND)
        comparison->look_gap_ns = LEAST_LOOK_GAP_MS * FW_MILLISECOND;
    /* Each later one waits twice as long: a program may take its time to accept. */
    if (comparison->looks_left)
        comparison->looks_left--;
    comparison->look_due = now + (comparison->look_gap_ns << (3 - comparison->looks_left % 4));
    return true;
}

/* ----------------------------------------------------------------------------------------- rows --
 */

static struct compare_row *add_row(struct host_comparison *comparison)
{
    struct rows *rows = &comparison->rows;

    if (rows->count == rows->room) {
        const size_t room = rows->room ? 2 * rows->room : 64;
        struct compare_row *list = realloc(rows->list, room * sizeof *list);

        if (!list) {
            comparison->no_memory = true;
            return NULL;
        }
        rows->list = list;
        rows->room = room;
    }
    rows->list[rows->count] = (struct compare_row){ .now = comparison->look.ended };
    return &rows->list[rows->count++];
}

static void set_kernel_side(const struct host_comparison *comparison, struct compare_row *row)
{
    const bool client = row->side == FW_CLIENT;
    const struct fw_endpoint *local = client ? &row->identity.client : &row->identity.server;
    const struct fw_endpoint *peer = client ? &row->identity.server : &row->identity.client;
    const struct kernel_socket *socket = kernel_find(&comparison->look, local, peer);
    const struct kernel_socket *listener = kernel_find_listener(&comparison->look, local);

    if (socket) {
        row->has_socket = true;
        row->socket = *socket;
        row->owner = socket->owner;
        comparison->matched[socket - comparison->look.sockets] = true;
    } else {
        row->owner.known = OWNER_GONE;
    }
    if (listener) {
        row->has_listener = true;
        row->waiting = listener->receive_queue;
        row->backlog = listener->send_queue;
        row->listener = listener->owner;
    }
    const struct owner *had = memory_owner(&comparison->memory, local, peer);
    if (had && row->owner.known != OWNER_FOUND) {
        const uint8_t known = row->owner.known;

        row->owner = *had;
        row->owner.known = known;
        row->owner.earlier = true;
    }
}

static void set_wire_side(struct compare_row *row, const struct fw_connection *connection,
                          enum fw_side side)
{
    const bool client = side == FW_CLIENT;

    row->seen = true;
    row->identity = connection->identity;
    row->side = side;
    row->wire = client ? connection->client_state : connection->server_state;
    row->peer = client ? connection->server_state : connection->client_state;
    row->inferred = client ? connection->client_inferred : connection->server_inferred;
    row->timed = client ? connection->client_timed : connection->server_timed;
    row->since = client ? connection->client_since : connection->server_since;
    row->midstream = connection->midstream;
    row->lossy = connection->lossy;
    row->reset = connection->rsts[FW_CLIENT] || connection->rsts[FW_SERVER];
    row->repeats = connection->retransmits[side] > 0;
    row->first_time = connection->first_time;
    row->last_time = connection->last_time;
    row->last_frame = connection->last_frame;
}

/* Either view may match a selection by states. */
static bool is_selected(const struct host_comparison *comparison, const struct compare_row *row,
                        const struct fw_connection *connection)
{
    const struct selection *selection = comparison->run->view_options->selection;
    struct fw_connection by_kernel = *connection;

    if (selection_match(selection, connection))
        return true;
    if (!row->has_socket)
        return false;
    if (row->side == FW_CLIENT)
        by_kernel.client_state = (enum fw_state)row->socket.state;
    else
        by_kernel.server_state = (enum fw_state)row->socket.state;
    return selection_match(selection, &by_kernel);
}

static void add_end(struct host_comparison *comparison, const struct fw_connection *connection,
                    enum fw_side side)
{
    struct compare_row *row = add_row(comparison);

    if (!row)
        return;
    set_wire_side(row, connection, side);
    set_kernel_side(comparison, row);
    if (compare_is_over(row))
        comparison->report.over++;
    if (compare_is_over(row) || !is_selected(comparison, row, connection))
        comparison->rows.count--;
}

static bool is_of_this_host(const struct host_comparison *comparison,
                            const struct fw_endpoint *local, const struct fw_endpoint *peer)
{
    return kernel_has_address(&comparison->look, local) ||
           kernel_find(&comparison->look, local, peer);
}

static bool add_connection(void *context, const struct fw_connection *connection)
{
    struct host_comparison *comparison = context;
    const struct fw_identity *identity = &connection->identity;
    bool any = false;

    if (identity->scope.tunnel == FW_TUNNEL_NONE) {
        if (is_of_this_host(comparison, &identity->client, &identity->server)) {
            add_end(comparison, connection, FW_CLIENT);
            any = true;
        }
        if (is_of_this_host(comparison, &identity->server, &identity->client)) {
            add_end(comparison, connection, FW_SERVER);
            any = true;
        }
    }
    comparison->report.others += !any;
    return !comparison->no_memory;
}

/* ---------------------------------------------------------------- sockets without any packet -- */

/* The head of a packet between two endpoints, as the BPF filter sees it. Returns its length. */
static uint32_t build_packet(uint8_t packet[60], const struct fw_endpoint *from,
                             const struct fw_endpoint *to)
{
    const uint32_t address_bytes = from->family == FW_IPV4 ? 4 : 16;
    const uint32_t header_bytes = from->family == FW_IPV4 ? 20 : 40;

    memset(packet, 0, 60);
    if (from->family == FW_IPV4) {
        packet[0] = 0x45;
        packet[3] = 40; /* total length */
        packet[8] = 64; /* TTL */
        packet[9] = 6;  /* TCP */
    } else {
        packet[0] = 0x60;
        packet[5] = 20; /* payload length */
        packet[6] = 6;
        packet[7] = 64;
    }
    memcpy(packet + header_bytes - 2 * (size_t)address_bytes, from->addr, address_bytes);
    memcpy(packet + header_bytes - address_bytes, to->addr, address_bytes);
    uint8_t *tcp = packet + header_bytes;
    tcp[0] = (uint8_t)(from->port >> 8);
    tcp[1] = (uint8_t)from->port;
    tcp[2] = (uint8_t)(to->port >> 8);
    tcp[3] = (uint8_t)to->port;
    tcp[12] = 5 << 4;
    tcp[13] = FW_ACK;
    return header_bytes + 20;
}

static bool passes_filter(const struct host_comparison *comparison,
                          const struct kernel_socket *socket)
{
    uint8_t bytes[60];

    if (!comparison->run->filter)
        return true;
    for (int direction = 0; direction < 2; direction++) {
        const struct fw_endpoint *from = direction ? &socket->peer : &socket->local;
        const struct fw_endpoint *to = direction ? &socket->local : &socket->peer;
        const uint32_t length = build_packet(bytes, from, to);
        const struct fw_packet packet = {
            .data = bytes, .captured_bytes = length, .sent_bytes = length, .link_type = RAW_IP
        };

        if (filter_match(comparison->run->filter, &packet))
            return true;
    }
    return false;
}

/* Who is the server where no packet says so: the one that listens, else the lower port. */
static bool is_server(const struct host_comparison *comparison, const struct kernel_socket *socket)
{
    return kernel_find_listener(&comparison->look, &socket->local) ||
           (!kernel_find_listener(&comparison->look, &socket->peer) &&
            socket->local.port < socket->peer.port);
}

static void add_unseen(struct host_comparison *comparison, const struct kernel_socket *socket)
{
    const bool server = is_server(comparison, socket);
    struct fw_connection connection = {
        .identity = { .client = server ? socket->peer : socket->local,
                      .server = server ? socket->local : socket->peer },
        .client_state = server ? FW_UNKNOWN : (enum fw_state)socket->state,
        .server_state = server ? (enum fw_state)socket->state : FW_UNKNOWN,
        .completeness = -1,
    };
    struct compare_row *row = add_row(comparison);

    if (!row)
        return;
    row->identity = connection.identity;
    row->side = server ? FW_SERVER : FW_CLIENT;
    set_kernel_side(comparison, row);
    if (!is_selected(comparison, row, &connection))
        comparison->rows.count--;
}

/* "any" has no number of its own, 0. */
static bool is_captured(const struct host_comparison *comparison,
                        const struct kernel_socket *socket)
{
    const struct options *options = comparison->options;

    for (size_t i = 0; i < options->interface_count; i++)
        if (kernel_is_on(&comparison->look, socket, comparison->numbers[i],
                         strcmp(options->interfaces[i], "lo") == 0))
            return true;
    return false;
}

static void add_unseen_sockets(struct host_comparison *comparison)
{
    for (size_t i = 0; i < comparison->look.socket_count; i++) {
        const struct kernel_socket *socket = &comparison->look.sockets[i];

        if (comparison->matched[i] || socket->state == FW_LISTEN || socket->state == FW_CLOSED)
            continue;
        if (!is_captured(comparison, socket))
            comparison->report.elsewhere++;
        else if (passes_filter(comparison, socket))
            add_unseen(comparison, socket);
    }
}

static bool build_rows(struct host_comparison *comparison)
{
    struct source_stats stats;

    source_stats(comparison->run->source, &stats);
    comparison->report = (struct compare_report){
        .interface = comparison->interfaces,
        .now = comparison->look.ended,
        .dropped = stats.dropped_kernel + stats.dropped_interface,
        .limits = comparison->look.limits,
    };
    free(comparison->matched);
    comparison->matched = calloc(comparison->look.socket_count + 1, sizeof *comparison->matched);
    comparison->rows.count = 0;
    if (!comparison->matched)
        return false;
    fw_tracker_each(comparison->tracker, add_connection, comparison);
    add_unseen_sockets(comparison);
    return !comparison->no_memory;
}

/* ------------------------------------------------------------------------------------ comparing --
 */

/* Rows are made in the order of connections, then of sockets. */
static int row_order(const struct compare_row *a, const struct compare_row *b)
{
    int order = (int)b->seen - (int)a->seen;

    if (order == 0)
        order = (a->identity.id > b->identity.id) - (a->identity.id < b->identity.id);
    return order ? order : (a->side > b->side) - (a->side < b->side);
}

static bool has_moved(const struct compare_row *before, const struct compare_row *row)
{
    return before->wire != row->wire || before->last_frame != row->last_frame ||
           compare_kernel_state(before) != compare_kernel_state(row);
}

/* Marks the rows that differ and have not been the same in the look before. True: there are some.
 */
static bool mark_moving(struct rows *rows, const struct rows *before)
{
    bool any = false;

    for (size_t i = 0, at = 0; i < rows->count; i++) {
        struct compare_row *row = &rows->list[i];

        if (!row->seen || compare_is_equal(row))
            continue;
        while (at < before->count && row_order(&before->list[at], row) < 0)
            at++;
        row->moving = at == before->count || row_order(&before->list[at], row) != 0 ||
                      has_moved(&before->list[at], row);
        any |= row->moving;
    }
    return any;
}

/* Both views as of one moment, as near as can be. False: out of memory, or the kernel is silent. */
static bool compare_views(struct host_comparison *comparison)
{
    static const int pauses_ms[LOOKS_MAX] = { 0, 20, 60, 150, 300 };
    const uint64_t segments = comparison->segments;
    struct rows before = { 0 };
    bool good = true, again = true;
    unsigned looks = 0;

    for (; good && again && looks < LOOKS_MAX; looks++) {
        pass_time(comparison, pauses_ms[looks] * FW_MILLISECOND);
        free(before.list);
        before = comparison->rows;
        comparison->rows = (struct rows){ 0 };
        if (looks == 0)
            before.count = 0;
        good = look(comparison, true);
        if (good)
            take_packets_until(comparison, comparison->look.ended);
        good = good && build_rows(comparison);
        again = good && mark_moving(&comparison->rows, &before);
    }
    free(before.list);
    comparison->report.quiet = comparison->segments == segments;
    comparison->report.looks = looks;
    for (size_t i = 0; i < comparison->rows.count; i++)
        compare_judge(&comparison->rows.list[i], &comparison->look.limits);
    if (comparison->rows.count)
        qsort(comparison->rows.list, comparison->rows.count, sizeof *comparison->rows.list,
              compare_order);
    comparison->report.rows = comparison->rows.list;
    comparison->report.count = comparison->rows.count;
    return good;
}

static bool show(struct host_comparison *comparison, bool first)
{
    const struct comparison_run *run = comparison->run;
    const bool json = comparison->options->format == FORMAT_JSON;

    if (!compare_views(comparison))
        return false;
    if (!first && !json)
        out_char(run->out, '\n');
    (json ? view_compare_json : view_compare_text)(run->out, run->view_options,
                                                   &comparison->report);
    out_flush(run->out);
    comparison->partial |= comparison->report.dropped > 0;
    return true;
}

/* -------------------------------------------------------------------------------------- command --
 */

/* A name of no interface is told when it is opened. */
static void note_interfaces(struct host_comparison *comparison)
{
    const struct options *options = comparison->options;
    char *names = comparison->interfaces;

    for (size_t i = 0; i < options->interface_count; i++) {
        const size_t used = strlen(names);

        comparison->numbers[i] = if_nametoindex(options->interfaces[i]);
        snprintf(names + used, TEXT_BYTES - used, "%s%s", used ? "," : "", options->interfaces[i]);
    }
}

int comparison_open(const struct options *options, struct host_comparison **opened)
{
    struct host_comparison *comparison = calloc(1, sizeof *comparison);
    char error[TEXT_BYTES], hint[TEXT_BYTES];

    *opened = comparison;
    if (!comparison) {
        complain(NULL, "out of memory");
        return EXIT_UNREADABLE;
    }
    comparison->options = options;
    comparison->numbers = calloc(options->interface_count + 1, sizeof *comparison->numbers);
    if (!comparison->numbers) {
        complain(NULL, "out of memory");
        return EXIT_UNREADABLE;
    }
    note_interfaces(comparison);
    comparison->kernel = kernel_open(options->sandbox, options->user, error, hint);
    if (comparison->kernel)
        return EXIT_DONE;
    complain(hint, "compare: %s", error);
    return EXIT_UNREADABLE;
}

void comparison_close(struct host_comparison *comparison)
{
    if (!comparison)
        return;
    kernel_close(comparison->kernel);
    free(comparison->memory.sockets);
    free(comparison->memory.times);
    free(comparison->rows.list);
    free(comparison->matched);
    free(comparison->numbers);
    free(comparison);
}

static bool create_parts(struct host_comparison *comparison)
{
    static const struct fw_hooks hooks = { .step = on_step };
    const struct pipeline_options pipeline = {
        .source = comparison->run->source,
        .threads = 1,
        .verify_checksums = comparison->options->checksum,
        .live = true,
    };

    comparison->tracker = fw_tracker_create(&comparison->run->tracker, &hooks, comparison);
    comparison->pipeline = pipeline_create(&pipeline);
    return comparison->tracker && comparison->pipeline;
}

static void destroy_parts(struct host_comparison *comparison)
{
    pipeline_destroy(comparison->pipeline);
    fw_tracker_destroy(comparison->tracker);
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Until Ctrl-C, --for, or the end of the interface; the last comparison is made in any case. */
static bool follow_wire(struct host_comparison *comparison)
{
    const struct options *options = comparison->options;
    const fw_time begun = wall_clock();
    const fw_time until = options->for_ns ? begun + options->for_ns : INT64_MAX;
    fw_time next = options->every_ns ? begun + options->every_ns : INT64_MAX;
    bool first = true, good = true;

    while (good && goes_on(comparison) && !interrupted) {
        const fw_time now = wall_clock();

        if (now >= until)
            break;
        take_packets(comparison);
        if (comparison->end == BATCH_IDLE && comparison->packets)
            fw_tracker_advance(comparison->tracker, now - HANDOVER_MS * FW_MILLISECOND);
        if (comparison->looks_left && now >= comparison->look_due)
            good = look(comparison, false);
        if (good && now >= next) {
            good = show(comparison, first);
            first = false;
            next = now + options->every_ns;
        }
    }
    return good && !comparison->no_memory && show(comparison, first);
}

int comparison_run(struct host_comparison *comparison, const struct comparison_run *run)
{
    bool good = false;

    comparison->run = run;
    catch_signals();
    comparison->no_memory = !create_parts(comparison);
    if (!comparison->no_memory)
        good = follow_wire(comparison);
    destroy_parts(comparison);
    if (!good) {
        out_flush(run->out);
        complain(NULL, "compare: %s", comparison->no_memory ? "out of memory" : comparison->error);
        return EXIT_UNREADABLE;
    }
    if (comparison->unreadable)
        return EXIT_UNREADABLE;
    return comparison->partial && !comparison->options->allow_partial ? EXIT_PARTIAL : EXIT_DONE;
}
