/* Every capture there is, read by us and by libpcap: the same packets. */
#include <ftw.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "capture_builder.h"
#include "peer_reader.h"
#include "source.h"
#include "unit.h"

static struct {
    unsigned files, packets;
    unsigned refused_by_libpcap; /* from its start */
    unsigned left_by_libpcap;    /* in its middle: mixed link types, damage */
    unsigned refused_by_both;
    unsigned differ;
} counts;

static const char *checked; /* path, for messages */

static void differ(const char *what, unsigned long long packet)
{
    printf("%s: packet %llu: libpcap has other %s\n", checked, packet, what);
    counts.differ++;
}

static void compare_packets(struct source *source, pcap_t *pcap)
{
    struct fw_packet packets[64];
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int lent, result = 1;

    while ((lent = source_next(source, packets, 64)) > 0) {
        for (int i = 0; i < lent; i++) {
            result = pcap_next_ex(pcap, &header, &bytes);
            if (result == PCAP_ERROR) { /* it gives up where we go on */
                counts.left_by_libpcap++;
                return;
            }
            if (result != 1) {
                differ("packets: it has no more", packets[i].frame);
                return;
            }
            counts.packets++;
            const char *differs = peer_differs(&packets[i], pcap, header, bytes);
            if (differs) {
                differ(differs, packets[i].frame);
                return;
            }
        }
    }
    if (pcap_next_ex(pcap, &header, &bytes) == 1)
        differ("packets: it has more", counts.packets);
}

/* libpcap reads no compressed files: only ours are read to the end. */
static void compare(const char *path)
{
    char why[PCAP_ERRBUF_SIZE];
    struct source_fault fault;

    checked = path;
    struct source *source = source_open_files(&path, 1, NULL, 0, &fault);
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
    counts.files++;
    if (!source && !pcap)
        counts.refused_by_both++;
    else if (!pcap)
        counts.refused_by_libpcap++;
    else if (!source)
        differ(fault.text, 0);
    else
        compare_packets(source, pcap);
    if (pcap)
        pcap_close(pcap);
    source_destroy(source);
}

static int compare_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)walk;
    const char *dot = strrchr(path, '.');

    if (type == FTW_F && dot &&
        (!strncmp(dot, ".pcap", 5) || !strcmp(dot, ".cap") || !strcmp(dot, ".gz")))
        compare(path);
    return 0;
}

static void compare_folder(const char *folder)
{
    memset(&counts, 0, sizeof counts);
    nftw(folder, compare_file, 16, FTW_PHYS);
    printf("%s: %u files, %u packets compared; libpcap refuses %u files and leaves %u in the "
           "middle; both refuse %u; %u differences\n",
           folder, counts.files, counts.packets, counts.refused_by_libpcap, counts.left_by_libpcap,
           counts.refused_by_both, counts.differ);
    ck_assert_uint_eq(counts.differ, 0);
}

START_TEST(on_captures_built_here)
{
    static const struct pcap_variant variants[] = {
        { .link_type = 1, .snaplen = 65535 },
        { .link_type = 1, .snaplen = 65535, .big_endian = true },
        { .link_type = 101, .snaplen = 0, .nanoseconds = true },
        { .link_type = 12, .snaplen = 65535, .nanoseconds = true, .big_endian = true },
        { .link_type = 1, .snaplen = 65535, .modified = true },
        { .link_type = 1, .snaplen = 32, .minor = 2 },
        { .link_type = 0xf4000001, .snaplen = 65535, .minor = 3 },
    };
    /* if_tsresol; beyond 2^-34 libpcap's arithmetic overflows */
    static const int resolutions[] = { 0,  3,         6,         9,         10,
                                       12, 0x80 | 10, 0x80 | 20, 0x80 | 32, 0x80 | 34 };
    uint8_t frame[BUILD_TCP_BYTES];
    struct builder builder = { 0 };
    char name[64];

    build_tcp(frame, 50001, 80, 1, 0, FW_SYN);
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        build_pcap(&builder, &variants[i]);
        for (uint32_t packet = 0; packet < 5000; packet++)
            build_pcap_packet(&builder, packet * INT64_C(1234567891), frame, packet % 55, 1500);
        snprintf(name, sizeof name, "variant%zu.pcap", i);
        build_save(&builder, name);
        build_finish(&builder);
    }
    for (size_t i = 0; i < sizeof resolutions / sizeof resolutions[0]; i++) {
        build_section(&builder, i % 2);
        build_interface(&builder, &(struct interface_variant){ .link_type = 1,
                                                               .snaplen = 65535,
                                                               .tsresol = resolutions[i],
                                                               .tsoffset = i % 2 ? 1000 : 0 });
        for (uint32_t packet = 0; packet < 5000; packet++) {
            const uint64_t ticks = packet * UINT64_C(1234567891);
            build_enhanced(&builder, 0, ticks, frame, packet % 55, 1500);
            build_block(&builder, 4, frame, packet % 55);
            if (packet % 5 == 0)
                build_obsolete(&builder, 0, ticks, frame, packet % 55, 1500);
            if (packet % 7 == 0 && i % 2 == 0) /* which libpcap would move by tsoffset */
                build_simple(&builder, frame, packet % 55, packet % 55);
        }
        snprintf(name, sizeof name, "resolution%zu.pcapng", i);
        build_save(&builder, name);
        build_finish(&builder);
    }
    compare_folder(build_folder());
    ck_assert_uint_eq(counts.files, 17);
    ck_assert_uint_ge(counts.packets, 80000);
}
END_TEST

START_TEST(on_captures_of_the_source_tree)
{
    const char *root = getenv("FINWAIT_SOURCE_ROOT");
    char folder[1024];

    snprintf(folder, sizeof folder, "%s/pcaps", root ? root : ".");
    compare_folder(folder);
}
END_TEST

START_TEST(on_foreign_captures)
{
    const char *folder = getenv("FINWAIT_CAPTURES");

    if (folder)
        compare_folder(folder);
    else
        printf("skipped: FINWAIT_CAPTURES is not set\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        on_captures_built_here,
        on_captures_of_the_source_tree,
        on_foreign_captures,
    };
    return UNIT_RUN("readers_agree", tests);
}
