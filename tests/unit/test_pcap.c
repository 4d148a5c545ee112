#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture_builder.h"
#include "capture_format.h"
#include "reading.h"
#include "unit.h"

static const uint8_t data[200] = "what a packet holds does not matter here";

static struct builder builder;
static struct reading reading;

static void read_built(void)
{
    reading_finish(&reading);
    reading_of(&reading, build_save(&builder, "test.pcap"));
}

static void clean_up(void)
{
    reading_finish(&reading);
    build_finish(&builder);
}

static void check_packet(size_t index, fw_time time, uint32_t captured, uint32_t sent)
{
    ck_assert_uint_lt(index, reading.count);
    const struct fw_packet *packet = &reading.packets[index];
    ck_assert_int_eq(packet->time, time);
    ck_assert_uint_eq(packet->frame, index + 1);
    ck_assert_uint_eq(packet->captured_bytes, captured);
    ck_assert_uint_eq(packet->sent_bytes, sent);
    ck_assert_mem_eq(packet->data, data, captured);
    ck_assert_uint_eq(packet->interface, 0);
}

static const struct pcap_variant variants[] = {
    { .link_type = 1, .snaplen = 65535 },
    { .link_type = 1, .snaplen = 65535, .big_endian = true },
    { .link_type = 1, .snaplen = 65535, .nanoseconds = true },
    { .link_type = 1, .snaplen = 65535, .nanoseconds = true, .big_endian = true },
    { .link_type = 1, .snaplen = 65535, .modified = true },
    { .link_type = 1, .snaplen = 65535, .modified = true, .big_endian = true },
    { .link_type = 1, .snaplen = 65535, .minor = 2 },
    { .link_type = 1, .snaplen = 65535, .minor = 3 },
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

START_TEST(packets_come_back_as_they_were_written_in_every_variant)
{
    for (int i = 0; i < VARIANTS; i++) {
        build_pcap(&builder, &variants[i]);
        build_pcap_packet(&builder, 1700000000 * FW_SECOND + 123456000, data, 60, 60);
        build_pcap_packet(&builder, 1700000001 * FW_SECOND, data, 96, 1500);
        build_pcap_packet(&builder, 1700000001 * FW_SECOND + 999999000, data, 0, 40);
        read_built();
        ck_assert_str_eq(reading_fault_text(&reading), "");
        ck_assert_uint_eq(reading.count, 3);
        check_packet(0, 1700000000 * FW_SECOND + 123456000, 60, 60);
        check_packet(1, 1700000001 * FW_SECOND, 96, 1500);
        check_packet(2, 1700000001 * FW_SECOND + 999999000, 0, 40);
        ck_assert_uint_eq(reading.packets[0].link_type, 1);
        clean_up();
    }
}
END_TEST

START_TEST(nanoseconds_are_kept)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .nanoseconds = true });
    build_pcap_packet(&builder, 7 * FW_SECOND + 123456789, data, 60, 60);
    read_built();
    check_packet(0, 7 * FW_SECOND + 123456789, 60, 60);
    clean_up();
}
END_TEST

/* Every length of a file with three packets: what is whole is read, the rest is told. */
START_TEST(every_cut_keeps_the_packets_before_it)
{
    for (int i = 0; i < VARIANTS; i++) {
        size_t ends[4];
        char text[256];

        build_pcap(&builder, &variants[i]);
        ends[0] = builder.count;
        for (int packet = 0; packet < 3; packet++) {
            build_pcap_packet(&builder, packet * FW_SECOND, data, 10 + (uint32_t)packet, 60);
            ends[packet + 1] = builder.count;
        }
        const size_t header_bytes = variants[i].modified ? 24 : 16;
        for (size_t cut = 0; cut <= builder.count; cut++) {
            reading_finish(&reading);
            reading_of(&reading, build_save_part(&builder, "cut.pcap", cut));
            ck_assert_int_eq(reading.opened, cut >= 24);
            if (cut < 24) {
                ck_assert_int_eq(reading.refused.kind, SOURCE_FAULT_UNREADABLE);
                continue;
            }
            size_t whole = 0;
            while (whole < 3 && ends[whole + 1] <= cut)
                whole++;
            ck_assert_uint_eq(reading.count, whole);
            const size_t rest = cut - ends[whole];
            if (rest == 0) {
                ck_assert_str_eq(reading_fault_text(&reading), "");
                continue;
            }
            if (rest < header_bytes)
                snprintf(text, sizeof text,
                         "%s/cut.pcap: cut short in the header of packet %zu (%zu bytes promised, "
                         "%zu there); everything before it was used",
                         build_folder(), whole + 1, header_bytes, rest);
            else
                snprintf(text, sizeof text,
                         "%s/cut.pcap: cut short in packet %zu (%zu bytes promised, %zu there); "
                         "everything before it was used",
                         build_folder(), whole + 1, 10 + whole, rest - header_bytes);
            ck_assert_str_eq(reading_fault_text(&reading), text);
            ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_PARTIAL);
            ck_assert_uint_eq(reading.fault_count, 1);
        }
        clean_up();
    }
}
END_TEST

START_TEST(a_capture_without_packets_is_fine)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    read_built();
    ck_assert(reading.opened);
    ck_assert_uint_eq(reading.count, 0);
    ck_assert_uint_eq(reading.fault_count, 0);
    clean_up();
}
END_TEST

START_TEST(four_gigabytes_in_a_packet_are_damage)
{
    static const uint32_t lies[] = { UINT32_MAX, 0x80000000, CAPTURE_PACKET_LIMIT + 1, 262145 };

    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char text[128];
        build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
        build_pcap_packet(&builder, 0, data, 60, 60);
        build_pcap_header(&builder, 1, 0, lies[i], lies[i]);
        build_bytes(&builder, data, sizeof data);
        read_built();
        ck_assert_uint_eq(reading.count, 1);
        ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_PARTIAL);
        snprintf(text, sizeof text, ": damaged at packet 2 (it claims %" PRIu32 " captured bytes)",
                 lies[i]);
        ck_assert_ptr_nonnull(strstr(reading_fault_text(&reading), text));
        clean_up();
    }
}
END_TEST

START_TEST(a_length_beyond_the_file_is_a_cut)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 0 });
    build_pcap_header(&builder, 1, 0, 200000000, 200000000);
    build_bytes(&builder, data, sizeof data);
    read_built();
    ck_assert_uint_eq(reading.count, 0);
    ck_assert_ptr_nonnull(strstr(reading_fault_text(&reading),
                                 "cut short in packet 1 (200000000 bytes promised, 200 there)"));
    clean_up();
}
END_TEST

START_TEST(snaplen_is_no_authority)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 0 });
    build_pcap_packet(&builder, 0, data, 60, 60);
    read_built();
    ck_assert_uint_eq(reading.count, 1);
    clean_up();

    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 32 });
    build_pcap_packet(&builder, 0, data, 60, 60);
    read_built();
    check_packet(0, 0, 60, 60);
    clean_up();
}
END_TEST

START_TEST(an_original_length_below_the_captured_one_is_kept)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    build_pcap_packet(&builder, 0, data, 60, 40);
    read_built();
    check_packet(0, 0, 60, 40);
    ck_assert_uint_eq(reading.fault_count, 0);
    clean_up();
}
END_TEST

START_TEST(a_packet_larger_than_the_buffer_is_read)
{
    static uint8_t large[3 << 20];

    memset(large, 'x', sizeof large);
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = sizeof large });
    build_pcap_packet(&builder, 1, data, 60, 60);
    build_pcap_packet(&builder, 2000, large, sizeof large, sizeof large);
    build_pcap_packet(&builder, 3000, data, 60, 60);
    read_built();
    ck_assert_uint_eq(reading.count, 3);
    ck_assert_mem_eq(reading.packets[1].data, large, sizeof large);
    check_packet(2, 3000, 60, 60);
    clean_up();
}
END_TEST

/* More than one buffer full, with lengths that make packets straddle its end in every way. */
START_TEST(packets_across_blocks_are_whole)
{
    enum { COUNT = 40000 };
    uint8_t expected[160];

    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t packet[160];
        const uint32_t bytes = 4 + i * 7919 % 150;
        memset(packet, (int)(i & 0xff), sizeof packet);
        memcpy(packet, &i, 4);
        build_pcap_packet(&builder, i * INT64_C(1000), packet, bytes, bytes);
    }
    read_built();
    ck_assert_uint_eq(reading.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        const struct fw_packet *packet = &reading.packets[i];
        uint32_t number;
        memcpy(&number, packet->data, 4);
        ck_assert_uint_eq(number, i);
        ck_assert_uint_eq(packet->captured_bytes, 4 + i * 7919 % 150);
        memset(expected, (int)(i & 0xff), sizeof expected);
        ck_assert(memcmp(packet->data + 4, expected, packet->captured_bytes - 4) == 0);
    }
    clean_up();
}
END_TEST

START_TEST(times_out_of_range_are_counted_and_taken_at_their_word)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    build_pcap_header(&builder, 5, 1500000, 0, 0);
    build_pcap_header(&builder, UINT32_MAX, UINT32_MAX, 0, 0);
    build_pcap_header(&builder, 0x80000000, 999999, 0, 0); /* 2038: ordinary */
    read_built();
    check_packet(0, 6 * FW_SECOND + 500000000, 0, 0);
    check_packet(1, UINT32_MAX * FW_SECOND + UINT32_MAX * INT64_C(1000), 0, 0);
    check_packet(2, 0x80000000 * FW_SECOND + 999999000, 0, 0);
    ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_NOTICE);
    ck_assert_ptr_nonnull(
        strstr(reading_fault_text(&reading), ": 2 packets with a timestamp out of range"));
    clean_up();
}
END_TEST

START_TEST(an_unknown_version_is_told)
{
    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .major = 3, .minor = 1 });
    build_pcap_packet(&builder, 0, data, 60, 60);
    read_built();
    ck_assert(reading.opened);
    ck_assert_uint_eq(reading.count, 0);
    ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_PARTIAL);
    ck_assert_ptr_nonnull(
        strstr(reading_fault_text(&reading), ": version 3.1 of pcap is not known"));
    clean_up();
}
END_TEST

START_TEST(link_types_are_those_of_the_registry)
{
    static const struct {
        uint32_t written;
        uint16_t read;
    } cases[] = {
        { 0, 0 },
        { 1, 1 },
        { 9, 9 },
        { 11, 100 },
        { 12, 101 },
        { 14, 101 },
        { 101, 101 },
        { 108, 108 },
        { 113, 113 },
        { 228, 228 },
        { 0xf4000001, 1 }, /* frames end with a check sequence of 30 bytes */
        { 0x2400000c, 101 },
        { 65535, 65535 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        build_pcap(&builder, &(struct pcap_variant){ .link_type = cases[i].written });
        build_pcap_packet(&builder, 0, data, 60, 60);
        read_built();
        ck_assert_uint_eq(reading.count, 1);
        ck_assert_uint_eq(reading.packets[0].link_type, cases[i].read);
        clean_up();
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        packets_come_back_as_they_were_written_in_every_variant,
        nanoseconds_are_kept,
        every_cut_keeps_the_packets_before_it,
        a_capture_without_packets_is_fine,
        four_gigabytes_in_a_packet_are_damage,
        a_length_beyond_the_file_is_a_cut,
        snaplen_is_no_authority,
        an_original_length_below_the_captured_one_is_kept,
        a_packet_larger_than_the_buffer_is_read,
        packets_across_blocks_are_whole,
        times_out_of_range_are_counted_and_taken_at_their_word,
        an_unknown_version_is_told,
        link_types_are_those_of_the_registry,
    };
    return UNIT_RUN("pcap", tests);
}
