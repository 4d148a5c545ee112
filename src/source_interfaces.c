/* The interfaces that can be captured on, as libpcap lists them. */
#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "source_fault.h"

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
