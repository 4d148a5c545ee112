#include "peer_reader.h"

#include <string.h>

#include "capture_format.h"

/* libpcap reads both halves of a pcap file's time as signed, and gives simple packets the time 0
 * and their interface's offset, which is in seconds. */
static bool same_time(fw_time ours, const struct timeval *theirs)
{
    const fw_time wrap = INT64_C(1) << 32;
    fw_time ns;

    if (__builtin_mul_overflow((fw_time)theirs->tv_sec, FW_SECOND, &ns) ||
        __builtin_add_overflow(ns, (fw_time)theirs->tv_usec, &ns))
        return true; /* it keeps seconds of 64 bits, we nanoseconds */
    if (theirs->tv_sec < 0 && theirs->tv_sec >= INT32_MIN)
        ns += wrap * FW_SECOND;
    return ours == ns || theirs->tv_usec == 0 ||
           (theirs->tv_usec < 0 && (ours == ns + wrap || ours == ns + wrap * 1000));
}

const char *peer_differs(const struct fw_packet *ours, pcap_t *pcap,
                         const struct pcap_pkthdr *header, const u_char *bytes)
{
    uint32_t captured = ours->captured_bytes;

    if (captured > (uint32_t)pcap_snapshot(pcap))
        captured = (uint32_t)pcap_snapshot(pcap); /* libpcap cuts what is longer than promised */
    if (!same_time(ours->time, &header->ts))
        return "time";
    if (captured != header->caplen)
        return "captured bytes";
    if (captured > 0 && memcmp(ours->data, bytes, captured) != 0)
        return "content";
    if (ours->sent_bytes != header->len)
        return "sent bytes";
    if (ours->link_type != capture_link_type((uint32_t)pcap_datalink(pcap)))
        return "link type";
    return NULL;
}
