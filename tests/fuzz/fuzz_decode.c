/* Any bytes as a packet: the first three choose link type, checksums and how much was cut off. */
#include "finwait/finwait.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t link_types[] = { 1,   0,   9,   12,  14,  50,  51,  101, 104, 108,
                                           109, 113, 166, 204, 228, 229, 239, 276, 147 };
    const size_t links = sizeof(link_types) / sizeof(link_types[0]);
    if (size < 3)
        return 0;
    const struct fw_decode_options options = { .verify_checksums = (data[1] & 1) != 0 };
    const struct fw_packet packet = {
        .data = data + 3,
        .captured_bytes = (uint32_t)(size - 3),
        .sent_bytes = (uint32_t)(size - 3) + data[2],
        .link_type = link_types[data[0] % links],
    };
    struct fw_segment segment;
    enum fw_undecoded undecoded;

    memset(&segment, 0xff, sizeof(segment));
    const enum fw_verdict verdict = fw_decode(&packet, &options, &segment, &undecoded);
    if ((unsigned)verdict >= FW_VERDICT_COUNT)
        abort();
    if (verdict == FW_VERDICT_UNKNOWN_TUNNEL && undecoded == FW_UNDECODED_NONE)
        abort();
    if (verdict == FW_VERDICT_SEGMENT || verdict == FW_VERDICT_ICMP_ERROR) {
        char text[54];
        if (fw_endpoint_text(&segment.from, text) >= sizeof(text) ||
            fw_endpoint_text(&segment.to, text) >= sizeof(text) || segment.window_scale > 14)
            abort();
    }
    return 0;
}
