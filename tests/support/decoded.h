/*
 * What fw_decode() makes of a built packet. The bytes are handed over in a buffer of exactly their
 * size, so that AddressSanitizer sees a read beyond it.
 */
#ifndef DECODED_H
#define DECODED_H

#include "finwait/finwait.h"
#include "packet_builder.h"

struct decoded {
    enum fw_verdict verdict;
    struct fw_segment segment;
    enum fw_undecoded undecoded;
};

struct decoded decoded_whole(const struct packet *packet);
struct decoded decoded_checked(const struct packet *packet); /* checksums verified */
/* Only `captured_bytes` of the packet were captured. */
struct decoded decoded_snapped(const struct packet *packet, size_t captured_bytes);
struct decoded decoded_view(const struct fw_packet *view, bool verify_checksums);

/* Text of the endpoint; lent until the eighth call from now. */
const char *endpoint_text(const struct fw_endpoint *endpoint);

#endif
