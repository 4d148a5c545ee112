/* A packet as we read it, beside the same packet as libpcap reads it. */
#ifndef PEER_READER_H
#define PEER_READER_H

#include <pcap/pcap.h>

#include "finwait/finwait.h"

/* What differs ("time", "captured bytes"...); NULL: nothing. libpcap was opened with nanoseconds.
 * What it is known to read otherwise is no difference. */
const char *peer_differs(const struct fw_packet *ours, pcap_t *pcap,
                         const struct pcap_pkthdr *header, const u_char *bytes);

#endif
