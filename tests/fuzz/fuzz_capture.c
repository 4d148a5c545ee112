/* Any bytes as a capture, read in one window, in a window that grows by what the reader asks for,
 * and by libpcap: the same packets. */
#include "capture_format.h"
#include "harness.h"
#include "peer_reader.h"

#include <stdio.h>
#include <stdlib.h>

enum { PACKETS = 512, LENT = 16, BESIDE = 1 << 20 /* headers and options around a packet */ };

/* What one packet came to. */
struct read_packet {
    uint64_t digest;
    fw_time time;
};

struct reading {
    struct read_packet packets[PACKETS];
    size_t count;
    bool damaged;
};

static uint64_t digest_of(const struct fw_packet *packet)
{
    uint64_t digest = packet->captured_bytes * UINT64_C(0x9e3779b97f4a7c15) ^ packet->sent_bytes ^
                      (uint64_t)packet->link_type << 40 ^ (uint64_t)packet->interface << 20;

    for (uint32_t i = 0; i < packet->captured_bytes; i++)
        digest = (digest ^ packet->data[i]) * UINT64_C(0x100000001b3);
    return digest;
}

static void keep(struct reading *reading, const struct fw_packet *packets, int count)
{
    for (int i = 0; i < count && reading->count < PACKETS; i++)
        reading->packets[reading->count++] =
            (struct read_packet){ .digest = digest_of(&packets[i]), .time = packets[i].time };
}

static const struct capture_format *format_of(const uint8_t *data, size_t size)
{
    if (size < 4)
        return NULL;
    return pcap_format.recognise(data)     ? &pcap_format
           : pcapng_format.recognise(data) ? &pcapng_format
                                           : NULL;
}

/* The bytes from `at` that a window of `held` bytes holds, in memory of exactly that size. */
static uint8_t *window_at(const uint8_t *at, size_t held, struct capture_window *window)
{
    uint8_t *bytes = malloc(held > 0 ? held : 1);

    if (bytes)
        memcpy(bytes, at, held);
    *window = (struct capture_window){ .at = bytes, .end = bytes ? bytes + held : NULL };
    return bytes;
}

/* False: memory ran out. The window holds `piece` bytes more each time; 0: all at once. */
static bool read_all(const uint8_t *data, size_t size, size_t piece, struct reading *reading)
{
    const struct capture_format *format = format_of(data, size);
    struct capture_reader *reader = format->create();
    const uint8_t *at = data;
    size_t held = piece == 0 || piece > size ? size : piece;
    bool begun = false;
    char text[200];

    reading->count = 0;
    reading->damaged = false;
    while (reader && reading->count < PACKETS) {
        const size_t left = (size_t)(data + size - at);
        struct fw_packet packets[LENT];
        struct capture_window window;
        uint8_t *bytes = window_at(at, held < left ? held : left, &window);
        if (!bytes)
            break;
        const int result =
            begun ? format->next(reader, &window, packets, LENT) : format->begin(reader, &window);
        FUZZ_CHECK(window.at >= bytes && window.at <= window.end && result <= LENT);
        if (begun && result > 0)
            keep(reading, packets, result);
        const size_t used = (size_t)(window.at - bytes), still = (size_t)(window.end - window.at);
        const bool ended = (size_t)(data + size - at) == used + still;
        at += used;
        if (result == CAPTURE_MORE && ended)
            format->cut_short(reader, &window, text, sizeof(text));
        free(bytes);
        begun |= result > 0;
        reading->damaged = result == CAPTURE_DAMAGED;
        FUZZ_CHECK(!reading->damaged || *reader->damage || fuzz_memory_ran_out());
        if (reading->damaged || (result == CAPTURE_MORE && ended))
            break;
        if (result == CAPTURE_MORE) {
            FUZZ_CHECK(window.wanted_bytes > still &&
                       window.wanted_bytes <= CAPTURE_PACKET_LIMIT + BESIDE);
            held = window.wanted_bytes > still + piece ? window.wanted_bytes : still + piece;
        } else if (held < still) {
            held = still;
        }
    }
    if (reader)
        format->destroy(reader);
    return reader && !fuzz_memory_ran_out();
}

static void compare_readings(const struct reading *one, const struct reading *other)
{
    FUZZ_CHECK(one->count == other->count);
    FUZZ_CHECK(one->damaged == other->damaged || one->count == PACKETS);
    for (size_t i = 0; i < one->count; i++) {
        FUZZ_CHECK(one->packets[i].digest == other->packets[i].digest);
        FUZZ_CHECK(one->packets[i].time == other->packets[i].time);
    }
}

/* As far as libpcap goes on. */
static void compare_with_libpcap(const uint8_t *data, size_t size)
{
    char why[PCAP_ERRBUF_SIZE];
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    pcap_t *pcap =
        file ? pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why)
             : NULL;
    const struct capture_format *format = format_of(data, size);
    struct capture_reader *reader = format->create();
    struct capture_window window = { .at = data, .end = data + size };
    struct pcap_pkthdr *header;
    const u_char *bytes;
    struct fw_packet packet;

    if (pcap && reader && format->begin(reader, &window) == 1)
        for (size_t i = 0; i < PACKETS && format->next(reader, &window, &packet, 1) == 1; i++) {
            if (pcap_next_ex(pcap, &header, &bytes) != 1)
                break;
            const char *differs = peer_differs(&packet, pcap, header, bytes);
            FUZZ_CHECK_SAYS(!differs, differs);
        }
    if (reader)
        format->destroy(reader);
    if (pcap)
        pcap_close(pcap);
    else if (file)
        fclose(file);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static struct reading whole, pieces;

    if (!format_of(data, size) || !read_all(data, size, 0, &whole))
        return;
    if (read_all(data, size, 1 + size % 7, &pieces))
        compare_readings(&whole, &pieces);
    if (!fuzz_is_starved())
        compare_with_libpcap(data, size);
}
