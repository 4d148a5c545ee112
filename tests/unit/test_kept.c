#include "kept.h"

#include "unit.h"

#include <string.h>

enum { RING_BYTES = 9600 };

static struct kept *kept;

/* A packet of `bytes` bytes, each of them the number of its frame. */
static void add(uint64_t frame, uint32_t bytes)
{
    static uint8_t data[2 * RING_BYTES];
    const struct fw_packet packet = { .time = (fw_time)frame * FW_SECOND,
                                      .frame = frame,
                                      .data = data,
                                      .captured_bytes = bytes,
                                      .sent_bytes = bytes };

    memset(data, (int)frame, bytes);
    kept_add(kept, &packet, 1);
}

struct seen {
    uint64_t frames[300];
    uint32_t bytes[300];
    size_t count;
};

static bool see(void *context, const struct fw_packet *packet)
{
    struct seen *seen = context;

    ck_assert_uint_lt(seen->count, 300);
    uint32_t own = 0;
    while (own < packet->captured_bytes && packet->data[own] == (packet->frame & 0xff))
        own++;
    ck_assert_uint_eq(own, packet->captured_bytes);
    seen->frames[seen->count] = packet->frame;
    seen->bytes[seen->count++] = packet->captured_bytes;
    return true;
}

static struct seen look(uint64_t id)
{
    struct seen seen = { .count = 0 };

    ck_assert(kept_each(kept, id, see, &seen));
    ck_assert_uint_eq(kept_count(kept, id), seen.count);
    return seen;
}

static void start(void)
{
    kept_destroy(kept);
    kept = kept_create(RING_BYTES);
    ck_assert_ptr_nonnull(kept);
}

START_TEST(packets_belong_to_the_connection_that_claims_them)
{
    start();
    for (uint64_t frame = 1; frame <= 6; frame++)
        add(frame, 60);
    kept_claim(kept, 2, 7, false);
    kept_claim(kept, 5, 7, false);
    kept_claim(kept, 3, 8, false);
    kept_claim(kept, 99, 7, true); /* was never there */
    const struct seen seen = look(7);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_eq(seen.frames[0], 2);
    ck_assert_uint_eq(seen.frames[1], 5);
    ck_assert_uint_eq(look(9).count, 0);
}
END_TEST

START_TEST(what_told_something_outlives_the_others)
{
    start();
    add(1, 1000);
    kept_claim(kept, 1, 7, true);
    ck_assert_uint_eq(look(7).bytes[0], 1000); /* once, and whole */
    for (uint64_t frame = 2; frame <= 250; frame++) {
        add(frame, 100);
        kept_claim(kept, frame, frame < 240 ? 8 : 7, false);
    }
    const struct seen seen = look(7);
    ck_assert_uint_eq(seen.count, 12);
    ck_assert_uint_eq(seen.frames[0], 1);
    ck_assert_uint_eq(seen.bytes[0], KEPT_HEADER_BYTES);
    ck_assert_uint_eq(seen.frames[1], 240);
}
END_TEST

START_TEST(the_oldest_go_whatever_the_sizes_are)
{
    static const uint32_t sizes[] = { 1, 1500, 60, 0, 2000, 4096, 90 };
    uint64_t frame = 0;

    start();
    for (int round = 0; round < 500; round++) {
        frame++;
        add(frame, sizes[frame % 7]);
        kept_claim(kept, frame, 7, frame % 5 == 0);
        const struct seen seen = look(7); /* no byte of one is another's */
        ck_assert_uint_eq(seen.frames[seen.count - 1], frame);
        size_t bytes = 0;
        for (size_t i = 0; i < seen.count; i++)
            bytes += seen.bytes[i];
        ck_assert_uint_le(bytes, 2 * RING_BYTES);
    }
}
END_TEST

START_TEST(small_packets_are_bounded_by_their_number)
{
    start();
    for (uint64_t frame = 1; frame <= 1000; frame++) {
        add(frame, 0);
        kept_claim(kept, frame, 7, false);
    }
    const struct seen seen = look(7);
    ck_assert_uint_eq(seen.count, RING_BYTES / 96 + 1);
    ck_assert_uint_eq(seen.frames[seen.count - 1], 1000);
}
END_TEST

START_TEST(a_packet_larger_than_all_is_left_out)
{
    start();
    add(1, 60);
    add(2, RING_BYTES + 1);
    add(3, 60);
    for (uint64_t frame = 1; frame <= 3; frame++)
        kept_claim(kept, frame, 7, false);
    const struct seen seen = look(7);
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_eq(seen.frames[1], 3);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        packets_belong_to_the_connection_that_claims_them,
        what_told_something_outlives_the_others,
        the_oldest_go_whatever_the_sizes_are,
        small_packets_are_bounded_by_their_number,
        a_packet_larger_than_all_is_left_out,
    };
    const int status = UNIT_RUN("kept", tests);
    kept_destroy(kept);
    return status;
}
