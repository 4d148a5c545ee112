#include <stdio.h>
#include <string.h>

#include "capture_builder.h"
#include "merge.h"
#include "reading.h"
#include "unit.h"

/* An input that lends its times in batches of a given size; `interface` is their position in it. */
struct fake {
    const fw_time *times;
    int count, at, batch;
    uint16_t number;
};

static int fake_next(void *context, struct fw_packet *packets, int max)
{
    struct fake *fake = context;
    int lent = 0;

    while (lent < max && lent < fake->batch && fake->at < fake->count) {
        packets[lent++] = (struct fw_packet){
            .time = fake->times[fake->at],
            .file = fake->number,
            .interface = (uint32_t)fake->at,
        };
        fake->at++;
    }
    return lent;
}

/* "a0 b0 a1": which input and which of its packets, in merged order. */
static const char *merged(struct fake *fakes, size_t count, int max)
{
    static char text[512];
    struct merge_input inputs[8];
    struct fw_packet packets[64];
    size_t used = 0;
    int lent;

    for (size_t i = 0; i < count; i++) {
        fakes[i].number = (uint16_t)i;
        fakes[i].at = 0;
        inputs[i] = (struct merge_input){ .next = fake_next, .context = &fakes[i] };
    }
    text[0] = '\0';
    struct merge *merge = merge_create(inputs, count);
    while ((lent = merge_next(merge, packets, max)) > 0) {
        for (int i = 0; i < lent; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%u", used ? " " : "",
                                     'a' + packets[i].file, packets[i].interface);
    }
    ck_assert_int_eq(merge_next(merge, packets, max), 0);
    merge_destroy(merge);
    return text;
}

#define TIMES(...)                                                                                 \
    .times = (const fw_time[]){ __VA_ARGS__ },                                                     \
    .count = sizeof((const fw_time[]){ __VA_ARGS__ }) / sizeof(fw_time)

/* Whatever the batches of the inputs and of the reader are, the order is the same. */
static void check_order(struct fake *fakes, size_t count, const char *order)
{
    static const int batches[] = { 1, 2, 3, 64 };

    for (int i = 0; i < 4; i++) {
        for (int max = 1; max <= 64; max = max * 2 + 1) {
            for (size_t fake = 0; fake < count; fake++)
                fakes[fake].batch = batches[i];
            ck_assert_str_eq(merged(fakes, count, max), order);
        }
    }
}

START_TEST(packets_come_in_order_of_time)
{
    struct fake fakes[] = { { TIMES(1, 4, 7) }, { TIMES(2, 5, 8) }, { TIMES(3, 6, 9) } };

    check_order(fakes, 3, "a0 b0 c0 a1 b1 c1 a2 b2 c2");
}
END_TEST

START_TEST(equal_times_keep_the_order_of_the_inputs)
{
    struct fake fakes[] = { { TIMES(5, 5, 5) }, { TIMES(5, 5) }, { TIMES(5) }, { TIMES(4, 5) } };

    check_order(fakes, 4, "d0 a0 a1 a2 b0 b1 c0 d1");
}
END_TEST

START_TEST(time_that_runs_backwards_in_an_input_stops_nothing)
{
    struct fake fakes[] = { { TIMES(1, 9, 2, 3, 10) }, { TIMES(4, 5, 11) } };

    check_order(fakes, 2, "a0 b0 b1 a1 a2 a3 a4 b2");
}
END_TEST

START_TEST(empty_inputs_are_no_trouble)
{
    struct fake fakes[] = { { .count = 0 }, { TIMES(2, 3) }, { .count = 0 }, { TIMES(1) } };

    check_order(fakes, 4, "d0 b0 b1");
    check_order(fakes, 1, "");
}
END_TEST

START_TEST(the_ends_of_time_are_times)
{
    struct fake fakes[] = { { TIMES(INT64_MAX) }, { TIMES(INT64_MIN, INT64_MAX) } };

    check_order(fakes, 2, "b0 a0 b1");
}
END_TEST

static void save_steps(const char *name, fw_time first, fw_time step, uint32_t count, char *path)
{
    struct builder builder = { 0 };

    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .nanoseconds = true });
    for (uint32_t i = 0; i < count; i++)
        build_pcap_packet(&builder, first + i * step, &i, sizeof i, sizeof i);
    strcpy(path, build_save(&builder, name));
    build_finish(&builder);
}

/* Packets are lent from each file's own buffer: they must last until the batch was used. */
START_TEST(files_are_merged_and_frames_numbered_over_all)
{
    char paths[3][256];
    uint32_t next[3] = { 0 };
    struct reading reading;

    save_steps("a.pcap", 0, 3, 30000, paths[0]);
    save_steps("b.pcap", 1, 7, 20000, paths[1]);
    save_steps("c.pcap", 2, 1000, 10, paths[2]);
    const char *const names[] = { paths[0], paths[1], paths[2] };

    for (int batch = 1; batch <= 64; batch += 63) {
        memset(next, 0, sizeof next);
        reading_of_files(&reading, names, 3, NULL, 0, batch);
        ck_assert_uint_eq(reading.count, 50010);
        for (size_t i = 0; i < reading.count; i++) {
            const struct fw_packet *packet = &reading.packets[i];
            uint32_t number;
            ck_assert_uint_eq(packet->frame, i + 1);
            ck_assert(i == 0 || packet->time >= packet[-1].time);
            memcpy(&number, packet->data, sizeof number);
            ck_assert_uint_eq(number, next[packet->file]++);
        }
        reading_finish(&reading);
    }
}
END_TEST

START_TEST(a_damaged_file_does_not_end_the_others)
{
    char paths[2][256];
    struct reading reading;
    struct builder builder = { 0 };

    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    build_pcap_packet(&builder, FW_SECOND, "x", 1, 1);
    build_pcap_header(&builder, 2, 0, UINT32_MAX, 0);
    strcpy(paths[0], build_save(&builder, "damaged.pcap"));
    build_finish(&builder);
    save_steps("whole.pcap", 0, FW_SECOND, 100, paths[1]);

    const char *const names[] = { paths[0], paths[1] };
    reading_of_files(&reading, names, 2, NULL, 0, 64);
    ck_assert_uint_eq(reading.count, 101);
    ck_assert_uint_eq(reading.fault_count, 1);
    ck_assert_ptr_nonnull(
        strstr(reading_fault_text(&reading), "damaged.pcap: damaged at packet 2"));
    reading_finish(&reading);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        packets_come_in_order_of_time,
        equal_times_keep_the_order_of_the_inputs,
        time_that_runs_backwards_in_an_input_stops_nothing,
        empty_inputs_are_no_trouble,
        the_ends_of_time_are_times,
        files_are_merged_and_frames_numbered_over_all,
        a_damaged_file_does_not_end_the_others,
    };
    return UNIT_RUN("merge", tests);
}
