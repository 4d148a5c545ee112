#include "lab.h"

#include <time.h>

/* https://datatracker.ietf.org/doc/html/draft-ietf-opsawg-pcap: nanoseconds, native order, raw IP
 */
void tap_begin(FILE *pcap)
{
    const struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, accuracy, snap_bytes, link_type;
    } header = { 0xa1b23c4d, 2, 4, 0, 0, 65535, 101 };
    fwrite(&header, sizeof(header), 1, pcap);
}

void tap_write(FILE *pcap, const uint8_t *packet, size_t size)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint32_t header[4] = { (uint32_t)now.tv_sec, (uint32_t)now.tv_nsec, (uint32_t)size,
                                 (uint32_t)size };
    fwrite(header, sizeof(header), 1, pcap);
    fwrite(packet, size, 1, pcap);
}
