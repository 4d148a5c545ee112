#include "pcapng_write.h"

#include "source.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct fw_packet packets[] = {
    { .time = INT64_C(1706702400123456789),
      .data = (const uint8_t *)"abcde",
      .captured_bytes = 5,
      .sent_bytes = 1500,
      .link_type = 1 },
    { .time = INT64_C(1706702400123456790),
      .data = (const uint8_t *)"",
      .captured_bytes = 0,
      .sent_bytes = 60,
      .link_type = 101 },
    { .time = 0,
      .data = (const uint8_t *)"12345678",
      .captured_bytes = 8,
      .sent_bytes = 8,
      .link_type = 1 },
};
enum { COUNT = sizeof packets / sizeof packets[0] };

/* What is written is what our reader reads. */
START_TEST(what_is_written_can_be_read)
{
    const struct pcapng_counts counts = { 3, 4, 5 };
    struct pcapng_blocks blocks = { .used = 0 };
    struct source_fault fault = { .kind = SOURCE_FAULT_NONE };
    struct fw_packet read[COUNT + 1];
    char path[64];
    const int fd = memfd_create("pcapng", 0);

    ck_assert(pcapng_section(&blocks));
    ck_assert(pcapng_interface(&blocks, 1, 192, "eth0"));
    ck_assert(pcapng_interface(&blocks, 101, 0, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        const size_t at = blocks.used;
        ck_assert(pcapng_packet(&blocks, packets[i].link_type == 101, &packets[i]));
        ck_assert_uint_eq(pcapng_type(blocks.bytes + at), PCAPNG_PACKET);
        ck_assert_uint_eq(pcapng_bytes(blocks.bytes + at), blocks.used - at);
    }
    ck_assert(pcapng_statistics(&blocks, 0, packets[0].time, &counts));
    ck_assert_int_eq(write(fd, blocks.bytes, blocks.used), (ssize_t)blocks.used);
    pcapng_finish(&blocks);

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *const paths[] = { path };
    struct source *source = source_open_files(paths, 1, NULL, 0, &fault);
    ck_assert_msg(source != NULL, "%s", fault.text);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_int_eq(source_next(source, read, 1), 1);
        ck_assert_int_eq(read[0].time, packets[i].time);
        ck_assert_uint_eq(read[0].link_type, packets[i].link_type);
        ck_assert_uint_eq(read[0].sent_bytes, packets[i].sent_bytes);
        ck_assert_uint_eq(read[0].captured_bytes, packets[i].captured_bytes);
        ck_assert_int_eq(memcmp(read[0].data, packets[i].data, packets[i].captured_bytes), 0);
    }
    ck_assert_int_eq(source_next(source, read, 1), SOURCE_END);
    ck_assert(!source_fault(source, 0, &fault));
    source_destroy(source);
    close(fd);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_written_can_be_read,
    };
    return UNIT_RUN("pcapng_write", tests);
}
