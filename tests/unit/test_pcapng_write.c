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
    struct pcapng_writer writer;
    struct source_fault fault = { .kind = SOURCE_FAULT_NONE };
    struct fw_packet read[COUNT + 1];
    struct out out;
    char path[64];
    const int fd = memfd_create("pcapng", 0);

    ck_assert_int_eq(out_init(&out, fd, 0), 0);
    pcapng_write_begin(&writer, &out);
    for (size_t i = 0; i < COUNT; i++)
        ck_assert(pcapng_write_packet(&writer, &packets[i]));
    out_finish(&out);

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

START_TEST(more_link_types_than_there_is_room_for_are_left_out)
{
    struct pcapng_writer writer;
    struct fw_packet packet = packets[0];
    struct out out;

    ck_assert_int_eq(out_init(&out, -1, 0), 0);
    pcapng_write_begin(&writer, &out);
    for (uint16_t i = 0; i < PCAPNG_LINK_TYPES; i++) {
        packet.link_type = i;
        ck_assert(pcapng_write_packet(&writer, &packet));
    }
    packet.link_type = PCAPNG_LINK_TYPES;
    ck_assert(!pcapng_write_packet(&writer, &packet));
    packet.link_type = 0;
    ck_assert(pcapng_write_packet(&writer, &packet));
    out_finish(&out);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_is_written_can_be_read,
        more_link_types_than_there_is_room_for_are_left_out,
    };
    return UNIT_RUN("pcapng_write", tests);
}
