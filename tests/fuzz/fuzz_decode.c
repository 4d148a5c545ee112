/* Any bytes as a packet: the first three choose link type, checksums and how much was cut off. */
#include "finwait/finwait.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static void check_segment(const struct fw_packet *packet, enum fw_verdict verdict,
                          const struct fw_segment *segment)
{
    char text[54];

    FUZZ_CHECK(fw_endpoint_text(&segment->from, text) < sizeof(text));
    FUZZ_CHECK(fw_endpoint_text(&segment->to, text) < sizeof(text));
    FUZZ_CHECK(segment->from.family == FW_IPV4 || segment->from.family == FW_IPV6);
    FUZZ_CHECK(segment->from.family == segment->to.family);
    FUZZ_CHECK(segment->window_scale <= 14);
    FUZZ_CHECK(segment->time == packet->time && segment->frame == packet->frame);
    FUZZ_CHECK((verdict == FW_VERDICT_ICMP_ERROR) == (segment->icmp != FW_ICMP_NONE));
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static const uint16_t link_types[] = { 1,   0,   9,   12,  14,  50,  51,  101, 104, 108,
                                           109, 113, 166, 204, 228, 229, 239, 276, 147 };
    const size_t links = sizeof(link_types) / sizeof(link_types[0]);
    if (size < 3)
        return;
    const struct fw_decode_options options = { .verify_checksums = (data[1] & 1) != 0 };
    const struct fw_packet packet = {
        .data = data + 3,
        .captured_bytes = (uint32_t)(size - 3),
        .sent_bytes = (uint32_t)(size - 3) + data[2],
        .time = 7,
        .frame = 9,
        .link_type = link_types[data[0] % links],
    };
    struct fw_segment segment;
    enum fw_undecoded undecoded;

    memset(&segment, 0xff, sizeof(segment));
    const enum fw_verdict verdict = fw_decode(&packet, &options, &segment, &undecoded);
    FUZZ_CHECK((unsigned)verdict < FW_VERDICT_COUNT);
    FUZZ_CHECK(verdict != FW_VERDICT_UNKNOWN_TUNNEL ||
               (undecoded != FW_UNDECODED_NONE && undecoded < FW_UNDECODED_COUNT));
    if (verdict == FW_VERDICT_SEGMENT || verdict == FW_VERDICT_ICMP_ERROR)
        check_segment(&packet, verdict, &segment);
}
