#include <stdio.h>
#include <string.h>

#include "capture_builder.h"
#include "reading.h"
#include "unit.h"

static const uint8_t data[200] = "what a packet holds does not matter here";

static struct builder builder;
static struct reading reading;

static void read_built(void)
{
    reading_finish(&reading);
    reading_of(&reading, build_save(&builder, "test.pcapng"));
}

static void clean_up(void)
{
    reading_finish(&reading);
    build_finish(&builder);
}

static void check_packet(size_t index, fw_time time, uint32_t captured, uint32_t sent,
                         uint32_t interface, uint16_t link_type)
{
    ck_assert_uint_lt(index, reading.count);
    const struct fw_packet *packet = &reading.packets[index];
    ck_assert_int_eq(packet->time, time);
    ck_assert_uint_eq(packet->frame, index + 1);
    ck_assert_uint_eq(packet->captured_bytes, captured);
    ck_assert_uint_eq(packet->sent_bytes, sent);
    ck_assert_uint_eq(packet->interface, interface);
    ck_assert_uint_eq(packet->link_type, link_type);
    ck_assert_mem_eq(packet->data, data, captured);
}

/* The capture stopped with `count` packets and a fault that contains `words`. */
static void check_damaged(size_t count, const char *words)
{
    ck_assert(reading.opened);
    ck_assert_uint_eq(reading.count, count);
    ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_PARTIAL);
    ck_assert_msg(strstr(reading_fault_text(&reading), words) != NULL, "\"%s\" is not in \"%s\"",
                  words, reading_fault_text(&reading));
    ck_assert_ptr_nonnull(strstr(reading_fault_text(&reading), "; everything before it was used"));
}

static void begin(bool big_endian)
{
    build_section(&builder, big_endian);
    build_interface(&builder, &(struct interface_variant){ .link_type = 1, .snaplen = 65535 });
}

START_TEST(all_packet_blocks_are_read_in_both_byte_orders)
{
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        begin(big_endian);
        build_interface(&builder, &(struct interface_variant){ .link_type = 101, .name = "tun0" });
        build_enhanced(&builder, 0, 5000001, data, 60, 60);
        build_enhanced_with_comment(&builder, 1, 6000000, data, 61, 1500, "a comment");
        build_obsolete(&builder, 1, 7000000, data, 62, 99);
        build_simple(&builder, data, 63, 63);
        read_built();
        ck_assert_str_eq(reading_fault_text(&reading), "");
        ck_assert_uint_eq(reading.count, 4);
        check_packet(0, 5 * FW_SECOND + 1000, 60, 60, 0, 1);
        check_packet(1, 6 * FW_SECOND, 61, 1500, 1, 101);
        check_packet(2, 7 * FW_SECOND, 62, 99, 1, 101);
        check_packet(3, 7 * FW_SECOND, 63, 63, 0, 1); /* no earlier than the one before */
        clean_up();
    }
}
END_TEST

START_TEST(sections_have_their_own_interfaces_and_byte_order)
{
    begin(false);
    build_enhanced(&builder, 0, 1, data, 60, 60);
    build_section(&builder, true);
    build_interface(&builder, &(struct interface_variant){ .link_type = 113 });
    build_enhanced(&builder, 0, 2, data, 60, 60);
    build_section(&builder, false);
    build_interface(&builder, &(struct interface_variant){ .link_type = 12 });
    build_enhanced(&builder, 0, 3, data, 60, 60);
    build_section(&builder, false);
    read_built();
    ck_assert_uint_eq(reading.fault_count, 0);
    check_packet(0, 1000, 60, 60, 0, 1);
    check_packet(1, 2000, 60, 60, 0, 113);
    check_packet(2, 3000, 60, 60, 0, 101);
    clean_up();
}
END_TEST

START_TEST(an_interface_of_another_section_is_damage)
{
    begin(false);
    build_enhanced(&builder, 0, 1, data, 60, 60);
    build_section(&builder, false);
    build_enhanced(&builder, 0, 2, data, 60, 60);
    read_built();
    check_damaged(1, "damaged at packet 2 (it names interface 0, 0 described before it)");
    clean_up();
}
END_TEST

START_TEST(a_simple_packet_is_as_long_as_the_snaplen_lets_it)
{
    build_section(&builder, false);
    build_interface(&builder, &(struct interface_variant){ .link_type = 1, .snaplen = 50 });
    build_simple(&builder, data, 50, 1500);
    read_built();
    check_packet(0, 0, 50, 1500, 0, 1);
    clean_up();
}
END_TEST

/* if_tsresol and if_tsoffset (pcapng, section 4.2) */
START_TEST(ticks_become_nanoseconds_at_every_resolution)
{
    static const struct {
        int tsresol;
        int64_t tsoffset;
        uint64_t ticks;
        fw_time time;
        bool odd;
    } cases[] = {
        { 0, 0, 1500000, 1500000000, false },
        { 6, 0, 1500000, 1500000000, false },
        { 9, 0, 1500000001, 1500000001, false },
        { 3, 0, 1500, 1500000000, false },
        { 12, 0, 1500000001999, 1500000001, false },
        { 18, 0, UINT64_MAX, 18446744073, false },
        { 28, 0, UINT64_MAX, 1, false },
        { 29, 0, UINT64_MAX, 0, false },
        { 127, 0, UINT64_MAX, 0, false },
        { 0x80, 0, 7, 7 * FW_SECOND, false },
        { 0x80 | 10, 0, 1536, 1500000000, false },
        { 0x80 | 32, 0, UINT64_C(0x180000000), 1500000000, false },
        { 0x80 | 32, 0, UINT64_C(0x1ffffffff), 1999999999, false },
        { 0x80 | 63, 0, UINT64_C(3) << 62, 1500000000, false },
        { 0x80 | 64, 0, UINT64_C(1) << 63, 500000000, false },
        { 0x80 | 64, 0, UINT64_MAX, 999999999, false },
        { 0x80 | 94, 0, UINT64_MAX, 0, false },
        { 0x80 | 127, 0, UINT64_MAX, 0, false },
        { 6, 1000, 1500000, 1001500000000, false },
        { 6, -1, 1500000, 500000000, false },
        { 6, -2, 1500000, -500000000, false },
        { 0, 0, UINT64_MAX, INT64_MAX, true },
        { 9, 0, UINT64_MAX, INT64_MAX, true },
        { 9, 0, INT64_MAX, INT64_MAX, false },
        { 0x80, 0, UINT64_MAX, INT64_MAX, true },
        { 6, INT64_MAX, 1, INT64_MAX, true },
        { 6, INT64_MIN, 1, INT64_MIN + 1, true },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        build_section(&builder, i % 2);
        build_interface(&builder, &(struct interface_variant){ .link_type = 1,
                                                               .tsresol = cases[i].tsresol,
                                                               .tsoffset = cases[i].tsoffset });
        build_enhanced(&builder, 0, cases[i].ticks, data, 60, 60);
        read_built();
        ck_assert_uint_eq(reading.count, 1);
        ck_assert_msg(reading.packets[0].time == cases[i].time, "row %zu: %lld instead of %lld", i,
                      (long long)reading.packets[0].time, (long long)cases[i].time);
        ck_assert_int_eq(reading_fault_kind(&reading),
                         cases[i].odd ? SOURCE_FAULT_NOTICE : SOURCE_FAULT_NONE);
        clean_up();
    }
}
END_TEST

START_TEST(blocks_that_hold_no_packet_are_skipped)
{
    static const uint32_t types[] = { 4, 5, 7, 9, 10, 0x0bad, 0x40000bad, 0x7fffffff };
    static const uint8_t body[64];

    begin(false);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        build_block(&builder, types[i], body, i * 8);
        build_enhanced(&builder, 0, i, data, 60, 60);
    }
    read_built();
    ck_assert_uint_eq(reading.fault_count, 0);
    ck_assert_uint_eq(reading.count, sizeof types / sizeof types[0]);
    clean_up();
}
END_TEST

START_TEST(a_skipped_block_may_be_larger_than_the_buffer)
{
    static const uint8_t body[3 << 20];

    begin(false);
    build_block(&builder, 10, body, sizeof body);
    build_enhanced(&builder, 0, 7, data, 60, 60);
    build_block(&builder, 10, body, sizeof body);
    read_built();
    ck_assert_uint_eq(reading.fault_count, 0);
    check_packet(0, 7000, 60, 60, 0, 1);

    const size_t cut = builder.count - 100;
    reading_finish(&reading);
    reading_of(&reading, build_save_part(&builder, "cut.pcapng", cut));
    check_damaged(1, "cut short in a block after packet 1 (3145740 bytes promised, 3145640 there)");
    clean_up();
}
END_TEST

/* Every length of a file with a block of each kind. */
START_TEST(every_cut_keeps_the_packets_before_it)
{
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        size_t ends[16], blocks = 0;
        size_t packets_until[16] = { 0 };

        build_section(&builder, big_endian);
        ends[blocks++] = builder.count;
        build_interface(&builder, &(struct interface_variant){ .link_type = 1, .tsresol = 9 });
        ends[blocks++] = builder.count;
        build_enhanced(&builder, 0, 1, data, 13, 60);
        packets_until[blocks] = 1;
        ends[blocks++] = builder.count;
        build_block(&builder, 5, data, 20);
        packets_until[blocks] = 1;
        ends[blocks++] = builder.count;
        build_simple(&builder, data, 5, 5);
        packets_until[blocks] = 2;
        ends[blocks++] = builder.count;
        build_obsolete(&builder, 0, 2, data, 9, 60);
        packets_until[blocks] = 3;
        ends[blocks++] = builder.count;

        for (size_t cut = 0; cut <= builder.count; cut++) {
            reading_finish(&reading);
            reading_of(&reading, build_save_part(&builder, "cut.pcapng", cut));
            ck_assert_int_eq(reading.opened, cut >= ends[0]);
            if (cut < ends[0]) {
                ck_assert_int_eq(reading.refused.kind, SOURCE_FAULT_UNREADABLE);
                continue;
            }
            size_t whole = 0;
            while (whole + 1 < blocks && ends[whole + 1] <= cut)
                whole++;
            ck_assert_uint_eq(reading.count, packets_until[whole]);
            if (ends[whole] == cut)
                ck_assert_uint_eq(reading.fault_count, 0);
            else
                check_damaged(packets_until[whole], ": cut short in ");
        }
        clean_up();
    }
}
END_TEST

START_TEST(a_cut_packet_is_told_with_its_bytes)
{
    begin(false);
    build_enhanced(&builder, 0, 1, data, 60, 60);
    build_enhanced(&builder, 0, 2, data, 60, 60);
    reading_of(&reading, build_save_part(&builder, "cut.pcapng", builder.count - 10));
    check_damaged(1, "cut short in the block of packet 2 (92 bytes promised, 82 there)");
    clean_up();
}
END_TEST

/* Offsets within the last of the blocks: 28 of the section, 20 of the interface, 92 of a packet. */
START_TEST(lengths_that_lie_are_damage)
{
    enum { SECOND = 28 + 20 + 92 };
    static const struct {
        size_t offset;
        uint32_t value;
        const char *words;
    } cases[] = {
        { SECOND + 4, 0, "damaged at packet 2 (a block of 0 bytes)" },
        { SECOND + 4, 8, "damaged at packet 2 (a block of 8 bytes)" },
        { SECOND + 4, 93, "damaged at packet 2 (a block of 93 bytes)" },
        { SECOND + 4, 0xfffffffc, "damaged at packet 2 (a block of 4294967292 bytes)" },
        { SECOND + 4, 20, "damaged at packet 2 (a block of 20 bytes says" },
        { SECOND + 4, 96, "cut short in the block of packet 2 (96 bytes promised, 92 there)" },
        { SECOND + 88, 96, "(a block of 92 bytes says 96 at its end)" },
        { SECOND + 20, 61, "(61 captured bytes in a block of 92)" },
        { SECOND + 20, UINT32_MAX, "(4294967295 captured bytes in a block of 92)" },
        { SECOND + 8, 1, "(it names interface 1, 1 described before it)" },
        { SECOND + 8, UINT32_MAX, "(it names interface 4294967295, 1 described before it)" },
        { SECOND, 0x0a0d0d0a, "damaged at packet 2 (a section without byte order)" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(i % 2);
        build_enhanced(&builder, 0, 1, data, 60, 60);
        build_enhanced(&builder, 0, 2, data, 60, 60);
        build_patch_u32(&builder, cases[i].offset, cases[i].value);
        read_built();
        check_damaged(1, cases[i].words);
        clean_up();
    }
}
END_TEST

START_TEST(blocks_too_small_for_their_type_are_damage)
{
    static const uint32_t types[] = { 1, 2, 3, 6, 0x0a0d0d0a };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        begin(false);
        const size_t block = build_block_begin(&builder, types[i]);
        if (types[i] == 0x0a0d0d0a)
            build_u32(&builder, 0x1a2b3c4d);
        build_block_end(&builder, block);
        read_built();
        check_damaged(0, "damaged at packet 1 (a");
        clean_up();
    }
}
END_TEST

START_TEST(an_option_longer_than_its_block_is_damage)
{
    build_section(&builder, false);
    const size_t block = build_block_begin(&builder, 1);
    build_u16(&builder, 1);
    build_u16(&builder, 0);
    build_u32(&builder, 0);
    build_u16(&builder, 2);
    build_u16(&builder, 9000);
    build_block_end(&builder, block);
    read_built();
    check_damaged(0, "an option of interface 0 is longer than its block");
    clean_up();
}
END_TEST

START_TEST(an_unknown_version_is_told)
{
    begin(false);
    build_patch_u32(&builder, 12, 2); /* major 2, minor 0 */
    read_built();
    ck_assert(reading.opened);
    ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_PARTIAL);
    ck_assert_ptr_nonnull(
        strstr(reading_fault_text(&reading), ": version 2.0 of pcapng is not known"));
    clean_up();
}
END_TEST

START_TEST(a_million_interfaces_are_no_burden)
{
    enum { COUNT = 1000000 };

    build_section(&builder, false);
    for (uint32_t i = 0; i < COUNT; i++)
        build_interface(&builder, &(struct interface_variant){ .link_type = (uint16_t)(i & 0xff) });
    for (uint32_t i = 0; i < 1000; i++)
        build_enhanced(&builder, COUNT - 1 - i * 997, i, data, 20, 20);
    read_built();
    ck_assert_uint_eq(reading.fault_count, 0);
    ck_assert_uint_eq(reading.count, 1000);
    check_packet(999, 999000, 20, 20, COUNT - 1 - 999 * 997, (COUNT - 1 - 999 * 997) & 0xff);
    clean_up();
}
END_TEST

START_TEST(a_packet_larger_than_the_buffer_is_read)
{
    static uint8_t large[3 << 20];

    memset(large, 'x', sizeof large);
    begin(true);
    build_enhanced(&builder, 0, 1, large, sizeof large, sizeof large);
    build_enhanced(&builder, 0, 2, data, 60, 60);
    read_built();
    ck_assert_uint_eq(reading.count, 2);
    ck_assert_mem_eq(reading.packets[0].data, large, sizeof large);
    check_packet(1, 2000, 60, 60, 0, 1);
    clean_up();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        all_packet_blocks_are_read_in_both_byte_orders,
        sections_have_their_own_interfaces_and_byte_order,
        an_interface_of_another_section_is_damage,
        a_simple_packet_is_as_long_as_the_snaplen_lets_it,
        ticks_become_nanoseconds_at_every_resolution,
        blocks_that_hold_no_packet_are_skipped,
        a_skipped_block_may_be_larger_than_the_buffer,
        every_cut_keeps_the_packets_before_it,
        a_cut_packet_is_told_with_its_bytes,
        lengths_that_lie_are_damage,
        blocks_too_small_for_their_type_are_damage,
        an_option_longer_than_its_block_is_damage,
        an_unknown_version_is_told,
        a_million_interfaces_are_no_burden,
        a_packet_larger_than_the_buffer_is_read,
    };
    return UNIT_RUN("pcapng", tests);
}
