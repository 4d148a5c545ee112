#include "source_device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/if_packet.h>
#endif

#include "capture_format.h"
#include "source_fault.h"
#include "suggest.h"

enum {
    DEFAULT_SNAPLEN = 192,
    DEFAULT_BUFFER_KIB = 64 * 1024,
    LARGEST_BUFFER_KIB = INT_MAX / 1024,
    /* libpcap makes blocks of 256 KiB where packets come in batches: while the only one is read,
     * all that comes is dropped. */
    SMALLEST_BUFFER_KIB = 1024,
};

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

static void fault_not_activated(const struct device *device, int error, struct source_fault *fault)
{
    char hint[128] = "";
    const char *name = device->name, *said = pcap_geterr(device->pcap);

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

static void set_options(struct device *device, const struct live_options *options, int wait_ms)
{
    uint32_t buffer_kib = options->buffer_kib ? options->buffer_kib : DEFAULT_BUFFER_KIB;
    pcap_t *pcap = device->pcap;

    device->snaplen = options->snaplen ? options->snaplen : DEFAULT_SNAPLEN;
    if (buffer_kib > LARGEST_BUFFER_KIB)
        buffer_kib = LARGEST_BUFFER_KIB;
    if (buffer_kib < SMALLEST_BUFFER_KIB && !options->immediate)
        buffer_kib = SMALLEST_BUFFER_KIB;
    pcap_set_snaplen(pcap, device->snaplen > INT_MAX ? INT_MAX : (int)device->snaplen);
    pcap_set_buffer_size(pcap, (int)buffer_kib * 1024);
    pcap_set_promisc(pcap, !options->no_promiscuous && strcmp(device->name, "any") != 0);
    pcap_set_immediate_mode(pcap, options->immediate);
    pcap_set_timeout(pcap, wait_ms);
    pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO); /* what is not offered stays */
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

/* Of a link type that is not decoded nothing could ever be told. */
static bool choose_link_type(struct device *device, const char *name, struct source_fault *fault)
{
    char offered[128], hint[192];

    if (name) {
        const int link_type = pcap_datalink_name_to_val(name);
        if (link_type < 0 || pcap_set_datalink(device->pcap, link_type) < 0) {
            list_link_types(device->pcap, offered, sizeof offered);
            snprintf(hint, sizeof hint, "it has: %s", offered);
            source_fault_set(fault, SOURCE_FAULT_UNREADABLE, hint, "%s: has no link type \"%.32s\"",
                             device->name, name);
            return false;
        }
    }
    const int link_type = pcap_datalink(device->pcap);
    device->link_type = capture_link_type((uint32_t)link_type);
    if (fw_link_is_decoded(device->link_type))
        return true;
    const char *known = fw_link_name(device->link_type);
    if (!known)
        known = pcap_datalink_val_to_name(link_type);
    list_link_types(device->pcap, offered, sizeof offered);
    snprintf(hint, sizeof hint, "-y chooses another, where there is one; it has: %s", offered);
    source_fault_set(fault, SOURCE_FAULT_UNREADABLE, hint,
                     "%s: link type %u (%s) is not decoded: there is no TCP to be seen on it",
                     device->name, device->link_type, known ? known : "unknown");
    return false;
}

static bool set_filter(struct device *device, const char *expression, struct source_fault *fault)
{
    struct bpf_program program;

    if (!expression || !expression[strspn(expression, " \t\r\n")])
        return true;
    struct filter *checked = filter_create(expression, fault); /* for its words and hints */
    if (!checked)
        return false;
    filter_destroy(checked);
    if (pcap_compile(device->pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "bad filter \"%.128s\" for %s: %.128s",
                         expression, device->name, pcap_geterr(device->pcap));
        return false;
    }
    const bool set = pcap_setfilter(device->pcap, &program) == 0;
    pcap_freecode(&program);
    if (!set)
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: the filter cannot be set: %s",
                         device->name, pcap_geterr(device->pcap));
    return set;
}

static bool set_direction(struct device *device, enum live_direction direction,
                          struct source_fault *fault)
{
    static const pcap_direction_t directions[] = {
        [LIVE_BOTH] = PCAP_D_INOUT,
        [LIVE_IN] = PCAP_D_IN,
        [LIVE_OUT] = PCAP_D_OUT,
    };

    if (direction == LIVE_BOTH || pcap_setdirection(device->pcap, directions[direction]) == 0)
        return true;
    source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: --direction: %s", device->name,
                     pcap_geterr(device->pcap));
    return false;
}

static bool is_loopback(const struct device *device)
{
    struct ifreq request = { 0 };

    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device->name);
    return ioctl(device->fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_LOOPBACK;
}

/* What is sent on the loopback is seen once more when it is received, and libpcap skips the first;
 * with --direction=in it skips all that is sent. The kernel need not hand that over at all; one
 * that cannot leaves it to libpcap. */
static void ignore_outgoing(const struct device *device, enum live_direction direction)
{
#ifdef PACKET_IGNORE_OUTGOING
    if (direction == LIVE_IN || (direction == LIVE_BOTH && device->index && is_loopback(device)))
        setsockopt(device->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int){ 1 }, sizeof(int));
#else
    (void)is_loopback;
    (void)device;
    (void)direction;
#endif
}

/* A blocking pcap_dispatch() would never come back from an idle link. */
static bool stop_blocking(struct device *device, struct source_fault *fault)
{
    char why[PCAP_ERRBUF_SIZE] = "cannot be waited for";

    if (pcap_setnonblock(device->pcap, 1, why) == 0)
        device->fd = pcap_get_selectable_fd(device->pcap);
    if (device->fd < 0)
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: %s", device->name, why);
    return device->fd >= 0;
}

/* What the interface itself had no room for. Opened now: later no file may be. */
static void open_missed_files(struct device *device)
{
    static const char *const counters[] = { "rx_missed_errors", "rx_fifo_errors" };
    char path[128];

    for (size_t i = 0; device->index && i < 2; i++) {
        snprintf(path, sizeof path, "/sys/class/net/%.32s/statistics/%s", device->name,
                 counters[i]);
        device->missed_files[i] = open(path, O_RDONLY | O_CLOEXEC);
    }
}

static uint64_t read_missed(int file)
{
    char text[24];
    const ssize_t bytes = file < 0 ? 0 : pread(file, text, sizeof text - 1, 0);

    if (bytes <= 0)
        return 0;
    text[bytes] = '\0';
    return strtoull(text, NULL, 10);
}

bool device_open(struct device *device, const char *name, const struct live_options *options,
                 int wait_ms, struct source_fault *fault, char *warning, size_t warning_bytes)
{
    char why[PCAP_ERRBUF_SIZE] = "";

    *device = (struct device){ .fd = -1, .missed_files = { -1, -1 } };
    device->name = strdup(name);
    device->pcap = pcap_create(name, why);
    if (!device->name || !device->pcap) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "%s: %s", name,
                         why[0] ? why : "out of memory");
        return false;
    }
    set_options(device, options, wait_ms);
    const int result = pcap_activate(device->pcap);
    if (result < 0) {
        fault_not_activated(device, result, fault);
        return false;
    }
    if (result > 0) {
        const char *said = pcap_geterr(device->pcap);
        snprintf(warning, warning_bytes, "%s", said[0] ? said : pcap_statustostr(result));
    }
    if (!choose_link_type(device, options->link_type, fault) ||
        !set_filter(device, options->filter, fault) ||
        !set_direction(device, options->direction, fault) || !stop_blocking(device, fault))
        return false;
    const bool nanoseconds = pcap_get_tstamp_precision(device->pcap) == PCAP_TSTAMP_PRECISION_NANO;
    device->tick_ns = nanoseconds ? 1 : 1000;
    device->index = if_nametoindex(name);
    ignore_outgoing(device, options->direction);
    open_missed_files(device);
    for (size_t i = 0; i < 2; i++)
        device->missed_before[i] = read_missed(device->missed_files[i]);
    device_count(device); /* what came before the filter was set is nobody's */
    device->accepted = device->dropped_kernel = device->dropped_interface = 0;
    return true;
}

void device_close(struct device *device)
{
    if (device->pcap)
        pcap_close(device->pcap);
    for (size_t i = 0; i < 2; i++)
        if (device->missed_files[i] >= 0)
            close(device->missed_files[i]);
    free(device->name);
    *device = (struct device){ .fd = -1, .missed_files = { -1, -1 } };
}

/* ----------------------------------------------------------------------------------- packets -- */

__attribute__((format(printf, 2, 3))) static void end(struct device *device, const char *format,
                                                      ...)
{
    va_list arguments;

    device->state = DEVICE_ENDED;
    va_start(arguments, format);
    vsnprintf(device->why, sizeof device->why, format, arguments);
    va_end(arguments);
}

/* Through the descriptor that is there: with privileges gone, no other may be had. */
static bool is_there(const struct device *device)
{
    struct ifreq request = { .ifr_ifindex = (int)device->index };

    return !device->index || ioctl(device->fd, SIOCGIFNAME, &request) == 0 || errno != ENODEV;
}

static void note_error(struct device *device, const char *words)
{
    if (!is_there(device))
        device->state = DEVICE_LEAVING;
    else if (words)
        end(device, "the capture stopped (%s)", words);
    else
        device->state = DEVICE_DOWN;
}

int device_take(struct device *device, int max, pcap_handler take, void *context)
{
    if (device->state == DEVICE_ENDED)
        return 0;
    const uint64_t before = device->packets;
    const int result = pcap_dispatch(device->pcap, max, take, (u_char *)context);
    const int count = (int)(device->packets - before);

    if (result == PCAP_ERROR_BREAK)
        end(device, "the capture stopped (out of memory)");
    else if (result < 0 && device->state != DEVICE_LEAVING)
        note_error(device, pcap_geterr(device->pcap));
    else if (count > 0 && device->state == DEVICE_DOWN)
        device->state = DEVICE_UP;
    return count;
}

void device_polled(struct device *device, short events)
{
    int error = 0;
    socklen_t bytes = sizeof error;

    if (device->state == DEVICE_ENDED || !(events & (POLLERR | POLLHUP | POLLNVAL)))
        return;
    if (events & POLLNVAL || getsockopt(device->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
        note_error(device, strerror(events & POLLNVAL ? EBADF : errno));
    else if (error == ENETDOWN || error == ENODEV || error == ENXIO)
        note_error(device, NULL);
    else if (error || events & POLLHUP)
        note_error(device, error ? strerror(error) : "hung up");
}

void device_look_after(struct device *device)
{
    if (device->state == DEVICE_LEAVING || (device->state == DEVICE_DOWN && !is_there(device)))
        end(device, "the interface is gone");
}

/* ---------------------------------------------------------------------------------- counters -- */

/* libpcap's counters have 32 bits, and it opens files to fill some of them; a packet socket is
 * asked itself, which resets what it says. */
bool device_count_accepted(struct device *device)
{
#ifdef __linux__
    struct tpacket_stats_v3 stats = { 0 };
    socklen_t bytes = sizeof stats;

    if (getsockopt(pcap_fileno(device->pcap), SOL_PACKET, PACKET_STATISTICS, &stats, &bytes) < 0)
        return false;
    device->accepted += stats.tp_packets - stats.tp_drops;
    device->dropped_kernel += stats.tp_drops;
    if (device->accepted < device->packets) /* some came before the count began */
        device->accepted = device->packets;
    return true;
#else
    (void)device;
    return false;
#endif
}

static void ask_libpcap(struct device *device)
{
    struct pcap_stat stat;

    if (pcap_stats(device->pcap, &stat) < 0)
        return;
    const uint32_t received = stat.ps_recv - device->last_received;
    const uint32_t dropped = stat.ps_drop - device->last_dropped;
    if (device->missed_files[0] < 0)
        device->dropped_interface += stat.ps_ifdrop - device->last_missed;
    device->last_received = stat.ps_recv;
    device->last_dropped = stat.ps_drop;
    device->last_missed = stat.ps_ifdrop;
    device->accepted += received > dropped ? received - dropped : 0;
    device->dropped_kernel += dropped;
}

void device_count(struct device *device)
{
    uint64_t missed = 0;

    if (!device->pcap)
        return;
    if (!device_count_accepted(device))
        ask_libpcap(device);
    for (size_t i = 0; i < 2; i++) {
        const uint64_t now = read_missed(device->missed_files[i]);
        missed += now > device->missed_before[i] ? now - device->missed_before[i] : 0;
    }
    if (missed > device->dropped_interface)
        device->dropped_interface = missed;
}
