#include "decoded.h"

#include <stdlib.h>
#include <string.h>

struct decoded decoded_view(const struct fw_packet *view, bool verify_checksums)
{
    const struct fw_decode_options options = { .verify_checksums = verify_checksums };
    struct fw_packet packet = *view;
    struct decoded decoded;
    uint8_t *exact = malloc(packet.captured_bytes > 0 ? packet.captured_bytes : 1);
    if (exact == NULL)
        abort();

    if (packet.captured_bytes > 0)
        memcpy(exact, packet.data, packet.captured_bytes);
    packet.data = packet.captured_bytes > 0 ? exact : exact + 1;
    memset(&decoded, 0xa5, sizeof(decoded)); /* what is not written shows */
    decoded.verdict = fw_decode(&packet, &options, &decoded.segment, &decoded.undecoded);
    free(exact);
    return decoded;
}

struct decoded decoded_whole(const struct packet *packet)
{
    const struct fw_packet view = packet_view(packet);
    return decoded_view(&view, false);
}

struct decoded decoded_checked(const struct packet *packet)
{
    const struct fw_packet view = packet_view(packet);
    return decoded_view(&view, true);
}

struct decoded decoded_snapped(const struct packet *packet, size_t captured_bytes)
{
    struct fw_packet view = packet_view(packet);
    view.captured_bytes = (uint32_t)captured_bytes;
    return decoded_view(&view, false);
}

const char *endpoint_text(const struct fw_endpoint *endpoint)
{
    static char texts[8][54];
    static unsigned next;
    char *text = texts[next++ % 8];
    fw_endpoint_text(endpoint, text);
    return text;
}
