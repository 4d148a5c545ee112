#include <stdio.h>
#include <string.h>

#include "capture_builder.h"
#include "decompress.h"
#include "reading.h"
#include "unit.h"

static const enum compression all[] = { COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_LZ4 };
enum { ALL = sizeof all / sizeof all[0] };

static struct builder builder;
static struct reading reading;

static void clean_up(void)
{
    reading_finish(&reading);
    build_finish(&builder);
}

enum { WORDS = 20 };

/* Packets that say their number and do not compress well. */
static void numbered_packet(uint32_t number, uint32_t packet[WORDS])
{
    uint32_t noise = number * 2654435761u;

    packet[0] = number;
    for (int word = 1; word < WORDS; word++)
        packet[word] = noise = noise * 1664525 + 1013904223;
}

static void build_numbered(uint32_t count)
{
    uint32_t packet[WORDS];

    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    for (uint32_t i = 0; i < count; i++) {
        numbered_packet(i, packet);
        build_pcap_packet(&builder, i * FW_MILLISECOND, packet, sizeof packet, sizeof packet);
    }
}

static void check_numbers(size_t count)
{
    uint32_t packet[WORDS];

    ck_assert_uint_eq(reading.count, count);
    for (uint32_t i = 0; i < count; i++) {
        numbered_packet(i, packet);
        ck_assert_uint_eq(reading.packets[i].captured_bytes, sizeof packet);
        ck_assert_mem_eq(reading.packets[i].data, packet, sizeof packet);
    }
}

static bool compress(enum compression compression)
{
    if (build_compress(&builder, compression))
        return true;
    printf("skipped: built without %s\n", compression_name(compression));
    clean_up();
    return false;
}

static void check_fault(const char *words)
{
    ck_assert_msg(strstr(reading_fault_text(&reading), words) != NULL, "\"%s\" is not in \"%s\"",
                  words, reading_fault_text(&reading));
}

START_TEST(compression_is_told_by_the_first_bytes)
{
    static const struct {
        const char *bytes;
        size_t count;
        enum compression is;
    } cases[] = {
        { "\x1f\x8b\x08\x00", 4, COMPRESSION_GZIP },
        { "\x1f\x8b\x07\x00", 4, COMPRESSION_NONE },
        { "\x28\xb5\x2f\xfd", 4, COMPRESSION_ZSTD },
        { "\x04\x22\x4d\x18", 4, COMPRESSION_LZ4 },
        { "\x50\x2a\x4d\x18\x01\x00\x00\x00x\x28\xb5\x2f\xfd", 13, COMPRESSION_ZSTD },
        { "\x5f\x2a\x4d\x18\x01\x00\x00\x00x\x04\x22\x4d\x18", 13, COMPRESSION_LZ4 },
        { "\x50\x2a\x4d\x18\xff\xff\xff\xff", 8, COMPRESSION_ZSTD },
        { "\xd4\xc3\xb2\xa1", 4, COMPRESSION_NONE },
        { "\x28\xb5\x2f", 3, COMPRESSION_NONE },
        { "", 0, COMPRESSION_NONE },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_int_eq(compression_detect((const uint8_t *)cases[i].bytes, cases[i].count),
                         cases[i].is);
}
END_TEST

START_TEST(compressed_captures_read_like_plain_ones)
{
    for (int i = 0; i < ALL; i++) {
        build_numbered(30000);
        if (!compress(all[i]))
            continue;
        reading_of(&reading, build_save(&builder, "big.pcap"));
        ck_assert_str_eq(reading_fault_text(&reading), "");
        check_numbers(30000);
        ck_assert_uint_eq(reading.stats.bytes_total, builder.count);
        ck_assert_uint_eq(reading.stats.bytes_read, builder.count);
        clean_up();
    }
}
END_TEST

/* What unpacks to much more than went in must not get stuck where a buffer is full. */
START_TEST(a_stream_of_almost_nothing_unpacks_to_all)
{
    static const uint8_t zeros[1000];

    for (int i = 0; i < ALL; i++) {
        build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
        for (int packet = 0; packet < 20000; packet++)
            build_pcap_packet(&builder, packet, zeros, sizeof zeros, sizeof zeros);
        if (!compress(all[i]))
            continue;
        reading_of(&reading, build_save(&builder, "zeros.pcap"));
        ck_assert_str_eq(reading_fault_text(&reading), "");
        ck_assert_uint_eq(reading.count, 20000);
        clean_up();
    }
}
END_TEST

/* The plain bytes cut anywhere, each part a member or frame of its own, some empty. */
START_TEST(members_and_frames_follow_one_another)
{
    for (int i = 0; i < ALL; i++) {
        struct builder parts = { 0 }, part = { 0 };

        build_numbered(50);
        for (size_t at = 0; at <= builder.count; at += 100) {
            const size_t left = builder.count - at;
            build_bytes(&part, builder.bytes + at, left < 100 ? left : 100);
            if (!build_compress(&part, all[i]))
                break;
            build_bytes(&parts, part.bytes, part.count);
            build_finish(&part);
            if (at == 300) /* an empty one */
                build_compress(&part, all[i]), build_bytes(&parts, part.bytes, part.count);
            build_finish(&part);
        }
        if (parts.count) {
            reading_of(&reading, build_save(&parts, "parts.pcap"));
            ck_assert_str_eq(reading_fault_text(&reading), "");
            check_numbers(50);
        }
        build_finish(&parts);
        clean_up();
    }
}
END_TEST

START_TEST(frames_to_skip_are_skipped)
{
    for (int i = 1; i < ALL; i++) {
        struct builder skipping = { 0 };

        build_numbered(10);
        if (!compress(all[i]))
            continue;
        build_u32(&skipping, 0x184d2a53);
        build_u32(&skipping, 5);
        build_bytes(&skipping, "hello", 5);
        build_bytes(&skipping, builder.bytes, builder.count);
        build_u32(&skipping, 0x184d2a50);
        build_u32(&skipping, 0);
        reading_of(&reading, build_save(&skipping, "skip.pcap"));
        ck_assert_str_eq(reading_fault_text(&reading), "");
        check_numbers(10);
        build_finish(&skipping);
        clean_up();
    }
}
END_TEST

/* At any length: packets from the front, without a gap, and a fault unless nothing is missing. */
START_TEST(every_cut_of_a_stream_is_told)
{
    for (int i = 0; i < ALL; i++) {
        size_t most = 0;

        build_numbered(30);
        if (!compress(all[i]))
            continue;
        for (size_t cut = 0; cut < builder.count; cut++) {
            reading_finish(&reading);
            reading_of(&reading, build_save_part(&builder, "cut.pcap", cut));
            if (!reading.opened) {
                ck_assert_int_eq(reading.refused.kind, SOURCE_FAULT_UNREADABLE);
                ck_assert_uint_eq(most, 0);
                continue;
            }
            ck_assert_uint_ge(reading.count, most);
            most = reading.count;
            check_numbers(most);
            ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_PARTIAL);
            ck_assert_uint_eq(reading.fault_count, 1);
            check_fault(" stream is cut short ");
            check_fault("; everything before it was used");
        }
        ck_assert_uint_le(most, 30);
        clean_up();
    }
}
END_TEST

/* One byte wrong, each in turn: never silence, unless all is there (some bits mean nothing). */
START_TEST(damage_anywhere_is_told_after_what_came_before)
{
    for (int i = 0; i < ALL; i++) {
        build_numbered(30);
        if (!compress(all[i]))
            continue;
        for (size_t at = 0; at < builder.count; at++) {
            builder.bytes[at] ^= 0x55;
            reading_finish(&reading);
            reading_of(&reading, build_save(&builder, "damaged.pcap"));
            builder.bytes[at] ^= 0x55;
            if (!reading_fault_text(&reading)[0])
                check_numbers(30);
        }
        clean_up();
    }
}
END_TEST

START_TEST(padding_after_gzip_is_a_notice)
{
    static const uint8_t zeros[512];

    build_numbered(10);
    if (!compress(COMPRESSION_GZIP))
        return;
    build_bytes(&builder, zeros, sizeof zeros);
    reading_of(&reading, build_save(&builder, "padded.pcap.gz"));
    check_numbers(10);
    ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_NOTICE);
    check_fault(": 512 bytes after the end of the gzip stream were ignored");
    clean_up();
}
END_TEST

START_TEST(compressed_text_is_called_so)
{
    for (int i = 0; i < ALL; i++) {
        char words[128];

        build_bytes(&builder, "# shopping\nmilk\n", 16);
        if (!compress(all[i]))
            continue;
        reading_of(&reading, build_save(&builder, "notes.txt.z"));
        ck_assert_int_eq(reading.refused.kind, SOURCE_FAULT_UNREADABLE);
        snprintf(words, sizeof words,
                 "notes.txt.z: %s, but what it unpacks to is not a capture file (starts with \"# "
                 "shopping\"); known: pcap, pcapng",
                 compression_name(all[i]));
        check_fault(words);
        clean_up();
    }
}
END_TEST

START_TEST(a_stream_of_nothing_is_empty)
{
    for (int i = 0; i < ALL; i++) {
        if (!compress(all[i]))
            continue;
        reading_of(&reading, build_save(&builder, "empty.pcap"));
        ck_assert_int_eq(reading.refused.kind, SOURCE_FAULT_UNREADABLE);
        check_fault("unpacks to nothing");
        clean_up();
    }
}
END_TEST

/* libzstd sees or does what it else does not, by how much of a stream it is given at once: where a
 * frame promises 256 bytes and has none; where a header, cut in two, goes on with what looks like a
 * frame to skip, or one of before 2016. */
START_TEST(what_is_wrong_does_not_depend_on_pieces)
{
    static const struct {
        const char *name;
        size_t count;
        uint8_t bytes[24];
        bool wrong;
    } frames[] = {
        { "false size", 11, { 0x28, 0xb5, 0x2f, 0xfd, 0x40, 0, 0, 0, 1, 0, 0 }, false },
        { "unknown dictionary",
          24,
          { 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0, 0x28, 0xb5, 0x2f, 0xfd, 0x52, 0x2a, 0x4d, 0x18 },
          true },
        { "reserved bit",
          18,
          { 0x28, 0xb5, 0x2f, 0xfd, 0x2f, 0xed, 0x27, 0xb5, 0x2f, 0xfd, 0, 0x65 },
          true },
    };

    if (!compression_is_built_in(COMPRESSION_ZSTD)) {
        printf("skipped: built without zstd\n");
        return;
    }
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        const uint8_t *const end = frames[i].bytes + frames[i].count;
        for (size_t piece = 1; piece <= frames[i].count; piece++) {
            struct decompressor *decompressor = decompressor_create(COMPRESSION_ZSTD);
            uint8_t out[1024];
            const char *wrong = NULL;

            for (const uint8_t *at = frames[i].bytes; at < end && !wrong;) {
                const size_t left = (size_t)(end - at);
                struct decompress_step step = {
                    .in = at,
                    .in_end = at + (piece < left ? piece : left),
                    .out = out,
                    .out_end = out + sizeof out,
                };
                wrong = decompressor_run(decompressor, &step);
                at = step.in;
            }
            ck_assert_msg((wrong != NULL) == frames[i].wrong, "%s, in pieces of %zu: %s",
                          frames[i].name, piece, wrong ? wrong : "nothing wrong");
            ck_assert_int_eq(decompressor_may_end(decompressor), !frames[i].wrong);
            decompressor_destroy(decompressor);
        }
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        compression_is_told_by_the_first_bytes,
        compressed_captures_read_like_plain_ones,
        a_stream_of_almost_nothing_unpacks_to_all,
        members_and_frames_follow_one_another,
        frames_to_skip_are_skipped,
        every_cut_of_a_stream_is_told,
        damage_anywhere_is_told_after_what_came_before,
        padding_after_gzip_is_a_notice,
        compressed_text_is_called_so,
        a_stream_of_nothing_is_empty,
        what_is_wrong_does_not_depend_on_pieces,
    };
    return UNIT_RUN("decompress", tests);
}
