/*
 * Live capture: packets of one interface or several, in order of time.
 *
 * libpcap lends a packet until its callback returns: each is copied to the queue of its lane. From
 * there the earliest is lent first. With several lanes it waits until each of them has handed over
 * what was captured before it: the kernel is asked how many packets that are.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source_device.h"
#include "source_fault.h"

enum {
    /* How long the kernel may keep a block that is not full. Low latency without immediate mode,
     * which costs eight times the processor; several interfaces wait for one another. */
    WAIT_MS = 10,
    WAIT_FOR_OTHERS_MS = 4,
    LOOK_AGAIN_MS = 1,   /* while packets wait for those of others */
    LOOK_AFTER_MS = 100, /* an interface that is down: whether it is still there */
    /* What the kernel has accepted and does not hand over in this time never comes: libpcap
     * withholds some, for the other direction, or for a filter that is too long for the kernel. */
    QUIET_MS = 100,
    /* Packets are usually stamped after they are counted; if somebody asks the kernel for times of
     * arrival, before, while they wait for a processor. */
    STAMPED_BEFORE_MS = 1,

    QUEUE_MAX = 4096,  /* packets; then those of the others have their turn */
    CHANGES_TOLD = 20, /* an interface that goes down and up all day is told no more */
};

struct queued {
    struct fw_packet packet; /* without data */
    size_t offset;           /* of its bytes in the lane's */
};

struct lane {
    struct device device;
    struct queued *queue;
    size_t at, end, room; /* of the queue; what is before `at` is lent, until the next call */
    uint8_t *bytes;
    size_t bytes_used, bytes_room;
    bool down_untold;       /* it has been taken down, which was not said yet */
    fw_time complete_to;    /* all that was captured until then has been taken */
    fw_time moved_at;       /* when the kernel last accepted a packet, or one was taken */
    uint64_t seen_accepted; /* of the device, then */
    uint64_t stop_after;    /* packets of the device, when stopping */
};

struct live_source {
    struct source source;
    struct fault_list faults;
    fw_time (*now)(void *context);
    void *now_context;
    uint64_t packets;
    uint64_t max_packets;
    unsigned changes_told;
    int down_ms;           /* since interfaces that are down were looked after */
    bool stopping;         /* interrupted: only what the kernel already has is still taken */
    fw_time stop_time;     /* what was captured later is not */
    fw_time asked_at;      /* the clock after the lanes were last asked */
    struct pollfd *polled; /* one for each lane */
    size_t lane_count;
    struct lane lanes[];
};

/* ------------------------------------------------------------------------------------- queue -- */

static bool make_room(struct lane *lane, size_t bytes)
{
    if (lane->end == lane->room) {
        const size_t room = lane->room ? 2 * lane->room : 512;
        struct queued *queue = realloc(lane->queue, room * sizeof *queue);

        if (!queue)
            return false;
        lane->queue = queue;
        lane->room = room;
    }
    size_t room = lane->bytes_room ? lane->bytes_room : 64 * 1024;
    while (room - lane->bytes_used < bytes)
        room *= 2;
    if (room == lane->bytes_room)
        return true;
    uint8_t *grown = realloc(lane->bytes, room);
    if (!grown)
        return false;
    lane->bytes = grown;
    lane->bytes_room = room;
    return true;
}

static void queue_packet(u_char *context, const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct lane *lane = (struct lane *)(void *)context;
    struct device *device = &lane->device;

    if (!make_room(lane, header->caplen)) {
        pcap_breakloop(device->pcap);
        return;
    }
    memcpy(lane->bytes + lane->bytes_used, bytes, header->caplen);
    lane->queue[lane->end++] = (struct queued){
        .packet = {
            .time = (fw_time)header->ts.tv_sec * FW_SECOND + header->ts.tv_usec * device->tick_ns,
            .captured_bytes = header->caplen,
            .sent_bytes = header->len,
            .link_type = device->link_type,
        },
        .offset = lane->bytes_used,
    };
    lane->bytes_used += header->caplen;
    device->packets++;
}

/* What was lent is given back. */
static void forget_lent(struct lane *lane)
{
    if (lane->at == 0)
        return;
    const size_t left = lane->end - lane->at;
    const size_t first = left ? lane->queue[lane->at].offset : lane->bytes_used;

    memmove(lane->queue, lane->queue + lane->at, left * sizeof *lane->queue);
    memmove(lane->bytes, lane->bytes + first, lane->bytes_used - first);
    for (size_t i = 0; i < left; i++)
        lane->queue[i].offset -= first;
    lane->bytes_used -= first;
    lane->at = 0;
    lane->end = left;
}

/* ----------------------------------------------------------------------------------- devices -- */

static void note_change(struct live_source *live, const char *name, const char *words)
{
    if (live->changes_told++ < CHANGES_TOLD)
        source_fault_set(fault_list_add(&live->faults), SOURCE_FAULT_NOTICE, "", "%s: %s", name,
                         words);
}

/* Says what has become of a device since it was as `before`. That it is down is said when it is
 * looked after: one that is deleted is down for a moment, too. */
static void note_state(struct live_source *live, struct lane *lane, enum device_state before)
{
    const struct device *device = &lane->device;

    if (device->state == before)
        return;
    switch (device->state) {
    case DEVICE_UP:
        if (!lane->down_untold)
            note_change(live, device->name, "the interface is up again");
        lane->down_untold = false;
        break;
    case DEVICE_DOWN:
        lane->down_untold = true;
        break;
    case DEVICE_LEAVING:
        break;
    case DEVICE_ENDED:
        source_fault_set(fault_list_add(&live->faults), SOURCE_FAULT_PARTIAL, "",
                         "%s: %s; everything before it was used", device->name, device->why);
        break;
    }
}

/* Those that wait for other lanes are as many as they may be. */
static bool is_full(const struct lane *lane)
{
    return lane->end - lane->at >= QUEUE_MAX;
}

static int take_packets(struct live_source *live, struct lane *lane, int max)
{
    const enum device_state before = lane->device.state;

    forget_lent(lane);
    const int count = device_take(&lane->device, max, queue_packet, lane);
    note_state(live, lane, before);
    return count;
}

static void look_after(struct live_source *live, int ms)
{
    live->down_ms += ms;
    if (live->down_ms < LOOK_AFTER_MS)
        return;
    live->down_ms = 0;
    for (size_t i = 0; i < live->lane_count; i++) {
        struct device *device = &live->lanes[i].device;
        const enum device_state before = device->state;

        device_look_after(device);
        note_state(live, &live->lanes[i], before);
        if (device->state == DEVICE_DOWN && live->lanes[i].down_untold) {
            live->lanes[i].down_untold = false;
            note_change(live, device->name, "the interface is down; waiting until it is up again");
        }
    }
}

/* Until there may be packets, or those that are held may go. An error of a descriptor is said once:
 * it is looked at, so that this never spins. */
static void wait_for_packets(struct live_source *live, int ms)
{
    for (size_t i = 0; i < live->lane_count; i++) {
        const struct device *device = &live->lanes[i].device;

        live->polled[i] = (struct pollfd){
            .fd = device->state == DEVICE_ENDED || is_full(&live->lanes[i]) ? -1 : device->fd,
            .events = POLLIN,
        };
    }
    const int ready = poll(live->polled, live->lane_count, ms);
    for (size_t i = 0; ready > 0 && i < live->lane_count; i++) {
        struct device *device = &live->lanes[i].device;
        const enum device_state before = device->state;

        if (live->polled[i].revents & POLLIN)
            continue; /* packets first; what else there is will be said again */
        device_polled(device, live->polled[i].revents);
        note_state(live, &live->lanes[i], before);
    }
    look_after(live, ready == 0 ? ms : 1);
}

static fw_time now(const struct live_source *live)
{
    return live->now(live->now_context);
}

static void advance(struct live_source *live, struct lane *lane, int max)
{
    struct device *device = &lane->device;
    const fw_time asked_at = now(live), quiet_since = asked_at - QUIET_MS * FW_MILLISECOND;
    const bool is_counted = device_count_accepted(device);
    if (lane->complete_to > asked_at) /* the clock was put back */
        lane->complete_to = 0;
    const int count = is_full(lane) ? max : take_packets(live, lane, max);
    const bool is_drained = count < max; /* what the kernel still has is not older than its block */

    if (device->accepted != lane->seen_accepted || count > 0)
        lane->moved_at = asked_at;
    lane->seen_accepted = device->accepted;
    fw_time complete_to = is_drained ? quiet_since : lane->complete_to;
    if (device->state == DEVICE_ENDED)
        complete_to = INT64_MAX;
    else if ((is_counted && device->packets >= device->accepted) ||
             (is_drained && lane->moved_at < quiet_since))
        complete_to = asked_at - STAMPED_BEFORE_MS * FW_MILLISECOND;
    else if (lane->at < lane->end && lane->queue[lane->end - 1].packet.time > complete_to)
        complete_to = lane->queue[lane->end - 1].packet.time;
    if (complete_to > lane->complete_to)
        lane->complete_to = complete_to;
}

static void take_all(struct live_source *live, int max)
{
    if (live->lane_count == 1 && !live->stopping) {
        take_packets(live, &live->lanes[0], max);
        return;
    }
    for (size_t i = 0; i < live->lane_count; i++)
        advance(live, &live->lanes[i], max);
    live->asked_at = now(live);
}

/* ------------------------------------------------------------------------------------- merge -- */

static bool is_waiting(const struct live_source *live)
{
    for (size_t i = 0; i < live->lane_count; i++)
        if (live->lanes[i].at < live->lanes[i].end)
            return true;
    return false;
}

/* A packet from the future: the clock was put back, and nothing may wait for it. */
static bool is_put_back(const struct live_source *live)
{
    for (size_t i = 0; i < live->lane_count; i++) {
        const struct lane *lane = &live->lanes[i];
        if (lane->at < lane->end && lane->queue[lane->at].packet.time > live->asked_at)
            return true;
    }
    return false;
}

/* Up to when each lane has handed over all that was captured. `done`: nothing more is taken. */
static fw_time horizon_of(const struct live_source *live, bool done)
{
    fw_time horizon = live->stopping ? live->stop_time : INT64_MAX;

    if (live->lane_count == 1 || is_put_back(live))
        return INT64_MAX;
    for (size_t i = 0; i < live->lane_count && !done; i++)
        if (live->lanes[i].complete_to < horizon)
            horizon = live->lanes[i].complete_to;
    return horizon;
}

static struct lane *earliest(struct live_source *live)
{
    struct lane *first = NULL;

    for (size_t i = 0; i < live->lane_count; i++) {
        struct lane *lane = &live->lanes[i];
        if (lane->at < lane->end &&
            (!first || lane->queue[lane->at].packet.time < first->queue[first->at].packet.time))
            first = lane;
    }
    return first;
}

static int lend(struct live_source *live, fw_time horizon, struct fw_packet *packets, int max)
{
    struct lane *lane;
    int count = 0;

    while (count < max && (lane = earliest(live)) && lane->queue[lane->at].packet.time <= horizon) {
        const struct queued *queued = &lane->queue[lane->at++];

        packets[count] = queued->packet;
        packets[count].data = lane->bytes + queued->offset;
        packets[count].file = (uint16_t)(lane - live->lanes);
        packets[count++].frame = ++live->packets;
    }
    return count;
}

/* -------------------------------------------------------------------------------------- ends -- */

/* What arrived before the interrupt is in the kernel's buffer, and is still told. */
static void begin_to_stop(struct live_source *live)
{
    live->stopping = true;
    live->stop_time = now(live);
    for (size_t i = 0; i < live->lane_count; i++) {
        struct lane *lane = &live->lanes[i];

        device_count_accepted(&lane->device);
        lane->stop_after = lane->device.accepted;
        lane->moved_at = live->stop_time;
    }
}

static bool has_all(const struct live_source *live, const struct lane *lane)
{
    if (lane->device.state == DEVICE_ENDED)
        return true;
    if (!live->stopping)
        return false;
    return lane->device.packets >= lane->stop_after || lane->complete_to >= live->stop_time;
}

/* Nothing more is to be taken; what is queued may still be. */
static bool is_done(const struct live_source *live)
{
    for (size_t i = 0; i < live->lane_count; i++)
        if (!has_all(live, &live->lanes[i]))
            return false;
    return true;
}

static int live_next(struct source *source, struct fw_packet *packets, int max)
{
    struct live_source *live = (struct live_source *)source;

    if (source_interrupted() && !live->stopping)
        begin_to_stop(live);
    if (live->max_packets && live->max_packets - live->packets < (uint64_t)max)
        max = (int)(live->max_packets - live->packets);
    if (max == 0)
        return SOURCE_END;

    for (int attempt = 0; attempt < 2; attempt++) {
        const bool done = is_done(live);

        if (!done)
            take_all(live, max);
        const int count = lend(live, horizon_of(live, done), packets, max);
        if (count > 0)
            return count;
        if (done)
            return SOURCE_END;
        if (attempt == 0)
            wait_for_packets(live, is_waiting(live) ? LOOK_AGAIN_MS : WAIT_MS);
    }
    return is_done(live) && !is_waiting(live) ? SOURCE_END : SOURCE_AGAIN;
}

/* ---------------------------------------------------------------------------------- source -- */

static bool live_fault(struct source *source, size_t index, struct source_fault *fault)
{
    return fault_list_find(&((const struct live_source *)source)->faults, index, fault);
}

static bool live_device(struct source *source, size_t index, struct source_device *device)
{
    const struct live_source *live = (const struct live_source *)source;

    if (index >= live->lane_count)
        return false;
    const struct device *from = &live->lanes[index].device;
    *device = (struct source_device){
        .name = from->name,
        .link_type = from->link_type,
        .snaplen = from->snaplen,
        .packets = from->packets,
        .dropped_kernel = from->dropped_kernel,
        .dropped_interface = from->dropped_interface,
    };
    return true;
}

static void live_stats(struct source *source, struct source_stats *stats)
{
    struct live_source *live = (struct live_source *)source;

    *stats = (struct source_stats){ .packets = live->packets };
    for (size_t i = 0; i < live->lane_count; i++) {
        struct device *device = &live->lanes[i].device;

        device_count(device);
        stats->dropped_kernel += device->dropped_kernel;
        stats->dropped_interface += device->dropped_interface;
    }
}

static void live_destroy(struct source *source)
{
    struct live_source *live = (struct live_source *)source;

    for (size_t i = 0; i < live->lane_count; i++) {
        device_close(&live->lanes[i].device);
        free(live->lanes[i].queue);
        free(live->lanes[i].bytes);
    }
    fault_list_finish(&live->faults);
    free(live->polled);
    free(live);
}

static const struct source_ops live_ops = {
    .next = live_next,
    .fault = live_fault,
    .stats = live_stats,
    .device = live_device,
    .destroy = live_destroy,
};

static bool open_lanes(struct live_source *live, const struct live_options *options,
                       struct source_fault *fault)
{
    const int wait_ms = options->interface_count > 1 ? WAIT_FOR_OTHERS_MS : WAIT_MS;
    char warning[PCAP_ERRBUF_SIZE];

    for (size_t i = 0; i < options->interface_count; i++) {
        const char *name = options->interfaces[i];

        warning[0] = '\0';
        live->lane_count++;
        if (!device_open(&live->lanes[i].device, name, options, wait_ms, fault, warning,
                         sizeof warning))
            return false;
        if (warning[0])
            source_fault_set(fault_list_add(&live->faults), SOURCE_FAULT_NOTICE, "", "%s: %s", name,
                             warning);
    }
    return true;
}

struct source *source_open_live(const struct live_options *options, struct source_fault *fault)
{
    const size_t count = options->interface_count;
    struct live_source *live = calloc(1, sizeof *live + count * sizeof live->lanes[0]);

    if (!live || !(live->polled = calloc(count, sizeof *live->polled))) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
        free(live);
        return NULL;
    }
    live->source.ops = &live_ops;
    live->max_packets = options->max_packets;
    live->now = options->now;
    live->now_context = options->now_context;
    if (!open_lanes(live, options, fault)) {
        live_destroy(&live->source);
        return NULL;
    }
    return &live->source;
}
