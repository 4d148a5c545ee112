/*
 * Sends SYNs of many sources into a wire that a test made, so many and so fast, and says how many
 * the kernel took.
 *
 *     flood INTERFACE COUNT RATE ADDRESS PORT [BYTES]     RATE 0: as fast as it goes
 *
 * Sources are 198.18.0.0/15 (RFC 2544), all different up to 2^17 * 2^15 of them; frames have BYTES
 * bytes (default 60) and no valid checksum.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, FRAME_MAX = 1514, FRAME_MIN = 60 };

struct frames {
    uint8_t bytes[BATCH][FRAME_MAX];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
};

static int fail(const char *what)
{
    fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
    return 1;
}

static void put_be16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put_be32(uint8_t *at, uint32_t value)
{
    put_be16(at, value >> 16);
    put_be16(at + 2, value & 0xffff);
}

/* A SYN to ADDRESS:PORT; who it is from is filled in later. */
static void make_frame(uint8_t *frame, uint32_t address, unsigned port, size_t bytes)
{
    uint8_t *ip = frame + 14, *tcp = ip + 20;

    memset(frame, 0, FRAME_MAX);
    memset(frame, 0x02, 12); /* nobody's: what it is sent to only captures it */
    frame[5] = 0x03;
    put_be16(frame + 12, 0x0800);
    ip[0] = 0x45;
    put_be16(ip + 2, (unsigned)bytes - 14);
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 16, &address, 4);
    put_be16(tcp + 2, port);
    tcp[12] = 5 << 4;
    tcp[13] = 0x02;
    put_be16(tcp + 14, 1000);
}

static void set_source(uint8_t *frame, uint64_t number)
{
    put_be32(frame + 26, 0xc6120000u + (uint32_t)(number & 0x1ffff));
    put_be16(frame + 34, 1024 + (unsigned)(number >> 17) % 32768);
    put_be32(frame + 38, (uint32_t)number * 2654435761u);
}

static int open_wire(const char *interface)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = 0 };
    const int wire = socket(AF_PACKET, SOCK_RAW, 0);
    const int room = 4 * 1024 * 1024;

    address.sll_ifindex = (int)if_nametoindex(interface);
    setsockopt(wire, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (wire < 0 || !address.sll_ifindex ||
        bind(wire, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return wire;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void keep_rate(double started, uint64_t sent, double rate)
{
    const double early = rate > 0 ? started + (double)sent / rate - seconds() : 0;
    const struct timespec pause = { 0, (long)(early < 0.5 ? early * 1e9 : 5e8) };

    if (early > 50e-6)
        nanosleep(&pause, NULL);
}

static uint64_t flood(int wire, struct frames *frames, uint64_t count, double rate)
{
    const double started = seconds();
    uint64_t sent = 0;

    while (sent < count) {
        const unsigned batch = count - sent < BATCH ? (unsigned)(count - sent) : BATCH;

        for (unsigned i = 0; i < batch; i++)
            set_source(frames->bytes[i], sent + i);
        const int taken = sendmmsg(wire, frames->messages, batch, 0);
        if (taken > 0)
            sent += (uint64_t)taken;
        else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
            break;
        keep_rate(started, sent, rate);
    }
    return sent;
}

int main(int argc, char **argv)
{
    static struct frames frames;
    struct in_addr address;

    if (argc < 6 || inet_pton(AF_INET, argv[4], &address) != 1) {
        fprintf(stderr, "usage: flood INTERFACE COUNT RATE ADDRESS PORT [BYTES]\n");
        return 2;
    }
    size_t bytes = argc > 6 ? strtoul(argv[6], NULL, 10) : FRAME_MIN;
    if (bytes < FRAME_MIN || bytes > FRAME_MAX)
        bytes = FRAME_MIN;
    const uint64_t count = strtoull(argv[2], NULL, 10);
    const int wire = open_wire(argv[1]);
    if (wire < 0)
        return fail(argv[1]);
    for (unsigned i = 0; i < BATCH; i++) {
        make_frame(frames.bytes[i], address.s_addr, (unsigned)strtoul(argv[5], NULL, 10), bytes);
        frames.parts[i] = (struct iovec){ frames.bytes[i], bytes };
        frames.messages[i].msg_hdr.msg_iov = &frames.parts[i];
        frames.messages[i].msg_hdr.msg_iovlen = 1;
    }
    const double started = seconds();
    const uint64_t sent = flood(wire, &frames, count, strtod(argv[3], NULL));
    printf("{\"sent\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent, seconds() - started);
    close(wire);
    return sent == count ? 0 : fail("send");
}
