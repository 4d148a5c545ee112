/* Live capture through libpcap. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture_format.h"
#include "source_fault.h"
#include "suggest.h"

enum {
    DEFAULT_SNAPLEN = 192,
    DEFAULT_BUFFER_KIB = 64 * 1024,
    LARGEST_BUFFER_KIB = INT_MAX / 1024,
    /* Keeps latency low without immediate mode, which costs eight times the processor. */
    WAIT_MS = 10,
};

struct live_source {
    struct source source;
    pcap_t *pcap;
    char *interface;
    int fd;
    uint16_t link_type;
    int64_t tick_ns;
    uint64_t packets;
    uint64_t max_packets;
    struct fault_list faults;
    struct pcap_stat stat;
    bool ended;
    bool stopping;       /* interrupted: only what the kernel already has is still taken */
    uint64_t stop_after; /* packets, when stopping */

    /* libpcap lends a packet until its callback returns; a batch lives here until the next. */
    uint8_t *bytes;
    size_t bytes_used, bytes_room;
    struct fw_packet *batch; /* during pcap_dispatch() */
    int batch_count;
};

/* ------------------------------------------------------------------------------ interfaces -- */

static bool is_up(const pcap_if_t *interface)
{
    return interface->flags & PCAP_IF_UP;
}

static void join_addresses(const pcap_if_t *interface, char *text, size_t text_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (const pcap_addr_t *at = interface->addresses; at; at = at->next) {
        char address[INET6_ADDRSTRLEN] = "";
        if (at->addr && at->addr->sa_family == AF_INET)
            inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at->addr)->sin_addr,
                      address, sizeof address);
        else if (at->addr && at->addr->sa_family == AF_INET6)
            inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)at->addr)->sin6_addr,
                      address, sizeof address);
        if (address[0] && used + strlen(address) + 3 < text_bytes)
            used +=
                (size_t)snprintf(text + used, text_bytes - used, "%s%s", used ? ", " : "", address);
    }
}

bool source_each_interface(bool (*each)(void *context, const struct source_interface *interface),
                           void *context, struct source_fault *fault)
{
    char why[PCAP_ERRBUF_SIZE], addresses[1024];
    pcap_if_t *all;

    if (pcap_findalldevs(&all, why) < 0) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "the interfaces cannot be listed: %s",
                         why);
        return false;
    }
    for (const pcap_if_t *at = all; at; at = at->next) {
        join_addresses(at, addresses, sizeof addresses);
        const struct source_interface interface = {
            .name = at->name,
            .description = at->description,
            .addresses = addresses,
            .state = is_up(at) ? "up" : "down",
            .loopback = at->flags & PCAP_IF_LOOPBACK,
        };
        if (!each(context, &interface))
            break;
    }
    pcap_freealldevs(all);
    return true;
}

/* ----------------------------------------------------------------------------------- errors -- */

static void fault_no_interface(const char *name, struct source_fault *fault)
{
    char why[PCAP_ERRBUF_SIZE], list[200] = "";
    struct suggestion suggestion;
    pcap_if_t *all = NULL;
    size_t used = 0;

    suggestion_init(&suggestion, name);
    if (pcap_findalldevs(&all, why) < 0)
        all = NULL;
    for (const pcap_if_t *at = all; at; at = at->next) {
        if (if_nametoindex(at->name) == 0)
            continue; /* "any", "nflog" and the like: right, but not what was mistyped */
        suggestion_offer(&suggestion, at->name);
        if (used + strlen(at->name) + 8 < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "  (",
                                     at->name);
    }
    if (used)
        snprintf(list + used, sizeof list - used, ")");
    if (all)
        pcap_freealldevs(all);

    if (suggestion.best[0])
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "",
                         "no interface \"%.32s\"; did you mean %s?%s", name, suggestion.best, list);
    else
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "no interface \"%.32s\"%s", name,
                         list);
}

static void fault_no_permission(const char *name, struct source_fault *fault)
{
    char program[128];
    const ssize_t bytes = readlink("/proc/self/exe", program, sizeof program - 1);

    source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: no permission to capture", name);
    if (bytes > 0 && bytes < (ssize_t)sizeof program - 1)
        program[bytes] = '\0';
    else
        snprintf(program, sizeof program, "$(which finwait)");
    snprintf(fault->hint, sizeof fault->hint,
             "try: sudo setcap cap_net_raw+ep %s     or: dumpcap -i %.24s -w - | finwait -r -",
             program, name);
}

static bool interface_exists(const char *name)
{
    return if_nametoindex(name) != 0 || strcmp(name, "any") == 0;
}

static void fault_not_activated(const char *name, int error, pcap_t *pcap,
                                struct source_fault *fault)
{
    char hint[128] = "";
    const char *said = pcap_geterr(pcap);

    switch (error) {
    case PCAP_ERROR_NO_SUCH_DEVICE:
        fault_no_interface(name, fault);
        return;
    case PCAP_ERROR_PERM_DENIED: /* libpcap notices this first, even of what does not exist */
        if (interface_exists(name))
            fault_no_permission(name, fault);
        else
            fault_no_interface(name, fault);
        return;
    case PCAP_ERROR_PROMISC_PERM_DENIED:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "try: -p",
                         "%s: no permission to capture in promiscuous mode", name);
        return;
    case PCAP_ERROR_IFACE_NOT_UP:
        snprintf(hint, sizeof hint, "try: sudo ip link set %.32s up", name);
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, hint, "%s: the interface is down", name);
        return;
    default:
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: %s", name,
                         said[0] ? said : pcap_statustostr(error));
        return;
    }
}

/* ------------------------------------------------------------------------------------ open -- */

static void set_options(pcap_t *pcap, const struct live_options *options)
{
    const uint32_t snaplen = options->snaplen ? options->snaplen : DEFAULT_SNAPLEN;
    uint32_t buffer_kib = options->buffer_kib ? options->buffer_kib : DEFAULT_BUFFER_KIB;

    if (buffer_kib > LARGEST_BUFFER_KIB)
        buffer_kib = LARGEST_BUFFER_KIB;
    pcap_set_snaplen(pcap, snaplen > INT_MAX ? INT_MAX : (int)snaplen);
    pcap_set_buffer_size(pcap, (int)buffer_kib * 1024);
    pcap_set_promisc(pcap, !options->no_promiscuous && strcmp(options->interface, "any") != 0);
    pcap_set_immediate_mode(pcap, options->immediate);
    pcap_set_timeout(pcap, WAIT_MS);
    pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO); /* what is not offered stays */
}

static bool activate(struct live_source *live, struct source_fault *fault)
{
    const int result = pcap_activate(live->pcap);

    if (result < 0) {
        fault_not_activated(live->interface, result, live->pcap, fault);
        return false;
    }
    if (result > 0) {
        const char *said = pcap_geterr(live->pcap);
        source_fault_set(fault_list_add(&live->faults), SOURCE_FAULT_NOTICE, "", "%s: %s",
                         live->interface, said[0] ? said : pcap_statustostr(result));
    }
    return true;
}

static void list_link_types(pcap_t *pcap, char *text, size_t text_bytes)
{
    int *offered;
    const int count = pcap_list_datalinks(pcap, &offered);
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < count && used + 32 < text_bytes; i++) {
        const char *name = pcap_datalink_val_to_name(offered[i]);
        if (name)
            used +=
                (size_t)snprintf(text + used, text_bytes - used, "%s%s", used ? ", " : "", name);
    }
    if (count >= 0)
        pcap_free_datalinks(offered);
}

static bool choose_link_type(struct live_source *live, const char *name, struct source_fault *fault)
{
    char offered[128], hint[160];

    if (name) {
        const int link_type = pcap_datalink_name_to_val(name);
        if (link_type < 0 || pcap_set_datalink(live->pcap, link_type) < 0) {
            list_link_types(live->pcap, offered, sizeof offered);
            snprintf(hint, sizeof hint, "it has: %s", offered);
            source_fault_set(fault, SOURCE_FAULT_UNREADABLE, hint, "%s: has no link type \"%.32s\"",
                             live->interface, name);
            return false;
        }
    }
    live->link_type = capture_link_type((uint32_t)pcap_datalink(live->pcap));
    return true;
}

static bool set_filter(struct live_source *live, const char *expression, struct source_fault *fault)
{
    struct bpf_program program;

    if (!expression || !expression[strspn(expression, " \t\r\n")])
        return true;
    struct filter *checked = filter_create(expression, fault); /* for its words and hints */
    if (!checked)
        return false;
    filter_destroy(checked);
    if (pcap_compile(live->pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "bad filter \"%.128s\" for %s: %.128s",
                         expression, live->interface, pcap_geterr(live->pcap));
        return false;
    }
    const bool set = pcap_setfilter(live->pcap, &program) == 0;
    pcap_freecode(&program);
    if (!set)
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: the filter cannot be set: %s",
                         live->interface, pcap_geterr(live->pcap));
    return set;
}

/* A blocking pcap_dispatch() would never come back from an idle link. */
static bool stop_blocking(struct live_source *live, struct source_fault *fault)
{
    char why[PCAP_ERRBUF_SIZE] = "cannot be waited for";

    live->fd = -1;
    if (pcap_setnonblock(live->pcap, 1, why) == 0)
        live->fd = pcap_get_selectable_fd(live->pcap);
    if (live->fd < 0)
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: %s", live->interface, why);
    return live->fd >= 0;
}

static bool open_interface(struct live_source *live, const struct live_options *options,
                           struct source_fault *fault)
{
    char why[PCAP_ERRBUF_SIZE] = "";

    live->interface = strdup(options->interface);
    live->pcap = pcap_create(options->interface, why);
    if (!live->interface || !live->pcap) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: %s", options->interface,
                         why[0] ? why : "out of memory");
        return false;
    }
    set_options(live->pcap, options);
    if (!activate(live, fault) || !choose_link_type(live, options->link_type, fault) ||
        !set_filter(live, options->filter, fault) || !stop_blocking(live, fault))
        return false;
    const bool nanoseconds = pcap_get_tstamp_precision(live->pcap) == PCAP_TSTAMP_PRECISION_NANO;
    live->tick_ns = nanoseconds ? 1 : 1000;
    live->max_packets = options->max_packets;
    return true;
}

/* ----------------------------------------------------------------------------------- packets -- */

static bool make_room(struct live_source *live, size_t bytes)
{
    size_t room = live->bytes_room ? live->bytes_room : 64 * 1024;

    while (room - live->bytes_used < bytes)
        room *= 2;
    if (room == live->bytes_room)
        return true;
    uint8_t *grown = realloc(live->bytes, room);
    if (!grown)
        return false;
    live->bytes = grown;
    live->bytes_room = room;
    return true;
}

static void copy_packet(u_char *context, const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct live_source *live = (struct live_source *)(void *)context;

    if (!make_room(live, header->caplen)) {
        pcap_breakloop(live->pcap);
        return;
    }
    memcpy(live->bytes + live->bytes_used, bytes, header->caplen);
    live->bytes_used += header->caplen;
    live->batch[live->batch_count++] = (struct fw_packet){
        .time = (fw_time)header->ts.tv_sec * FW_SECOND + header->ts.tv_usec * live->tick_ns,
        .frame = ++live->packets,
        .captured_bytes = header->caplen,
        .sent_bytes = header->len,
        .link_type = live->link_type,
    };
}

/* What libpcap has now; 0: nothing, or the capture has ended with a fault. */
static int take_packets(struct live_source *live, struct fw_packet *packets, int max)
{
    live->bytes_used = 0;
    live->batch = packets;
    live->batch_count = 0;
    const int result = pcap_dispatch(live->pcap, max, copy_packet, (u_char *)live);

    const uint8_t *at = live->bytes; /* only now: it may have moved while it grew */
    for (int i = 0; i < live->batch_count; i++) {
        packets[i].data = at;
        at += packets[i].captured_bytes;
    }
    if (result < 0) {
        live->ended = true;
        source_fault_set(fault_list_add(&live->faults), SOURCE_FAULT_PARTIAL, "",
                         "%s: the capture stopped (%s); everything before it was used",
                         live->interface,
                         result == PCAP_ERROR_BREAK ? "out of memory" : pcap_geterr(live->pcap));
    }
    return live->batch_count;
}

/* Waits until there may be packets, at most WAIT_MS. False: there is nothing to wait for any more.
 */
static bool wait_for_packets(const struct live_source *live)
{
    struct pollfd fd = { .fd = live->fd, .events = POLLIN };

    return poll(&fd, 1, WAIT_MS) <= 0 || (fd.revents & POLLIN);
}

static void update_stat(struct live_source *live)
{
    struct pcap_stat stat;

    if (pcap_stats(live->pcap, &stat) == 0)
        live->stat = stat;
}

/* What arrived before the interrupt is in the kernel's buffer, and is still told. */
static void begin_to_stop(struct live_source *live)
{
    update_stat(live);
    live->stopping = true;
    live->stop_after = (uint64_t)live->stat.ps_recv - live->stat.ps_drop;
}

static bool is_done(const struct live_source *live)
{
    return live->ended || (live->max_packets && live->packets >= live->max_packets) ||
           (live->stopping && live->packets >= live->stop_after);
}

static int live_next(struct source *source, struct fw_packet *packets, int max)
{
    struct live_source *live = (struct live_source *)source;

    if (source_interrupted() && !live->stopping)
        begin_to_stop(live);
    if (is_done(live))
        return SOURCE_END;
    if (live->max_packets && live->max_packets - live->packets < (uint64_t)max)
        max = (int)(live->max_packets - live->packets);

    int count = take_packets(live, packets, max);
    if (count > 0)
        return count;
    const bool alive = live->ended || wait_for_packets(live);
    if (!alive) /* the kernel hands over what it has when its own time-out has passed */
        poll(NULL, 0, 3 * WAIT_MS);
    if (!live->ended)
        count = take_packets(live, packets, max);
    if (count > 0)
        return count;
    if (!alive && !live->ended) { /* never spin on a descriptor that only says "error" */
        live->ended = true;
        source_fault_set(fault_list_add(&live->faults), SOURCE_FAULT_PARTIAL, "",
                         "%s: the interface is gone; everything before it was used",
                         live->interface);
    }
    return live->ended || live->stopping ? SOURCE_END : SOURCE_AGAIN;
}

/* ---------------------------------------------------------------------------------- source -- */

static bool live_fault(struct source *source, size_t index, struct source_fault *fault)
{
    return fault_list_find(&((const struct live_source *)source)->faults, index, fault);
}

static void live_stats(struct source *source, struct source_stats *stats)
{
    struct live_source *live = (struct live_source *)source;

    update_stat(live);
    *stats = (struct source_stats){
        .packets = live->packets,
        .dropped_kernel = live->stat.ps_drop,
        .dropped_interface = live->stat.ps_ifdrop,
    };
}

static void live_destroy(struct source *source)
{
    struct live_source *live = (struct live_source *)source;

    if (live->pcap)
        pcap_close(live->pcap);
    fault_list_finish(&live->faults);
    free(live->bytes);
    free(live->interface);
    free(live);
}

static const struct source_ops live_ops = {
    .next = live_next,
    .fault = live_fault,
    .stats = live_stats,
    .destroy = live_destroy,
};

struct source *source_open_live(const struct live_options *options, struct source_fault *fault)
{
    struct live_source *live = calloc(1, sizeof *live);

    if (!live) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
        return NULL;
    }
    live->source.ops = &live_ops;
    if (!open_interface(live, options, fault)) {
        live_destroy(&live->source);
        return NULL;
    }
    return &live->source;
}
