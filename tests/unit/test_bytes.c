#include "bytes.h"

#include "unit.h"

START_TEST(numbers_are_big_endian)
{
    const uint8_t data[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07 };
    struct bytes bytes = bytes_of(data, sizeof(data));
    ck_assert_uint_eq(bytes_u8(&bytes), 0x01);
    ck_assert_uint_eq(bytes_be16(&bytes), 0x0203);
    ck_assert_uint_eq(bytes_be32(&bytes), 0x04050607);
    ck_assert_uint_eq(bytes_left(&bytes), 0);
    ck_assert(!bytes.short_read);
    ck_assert_uint_eq(load_be24(data + 1), 0x020304);
    ck_assert_uint_eq(load_be32((const uint8_t[]){ 0xff, 0xfe, 0xfd, 0xfc }), 0xfffefdfc);
}
END_TEST

START_TEST(a_short_read_gives_zeros_from_there_on)
{
    const uint8_t data[] = { 0xff, 0xff, 0xff };
    struct bytes bytes = bytes_of(data, sizeof(data));
    ck_assert_uint_eq(bytes_be32(&bytes), 0);
    ck_assert(bytes.short_read);
    ck_assert_uint_eq(bytes_u8(&bytes), 0); /* though one byte would have been there */
    ck_assert_uint_eq(bytes_be16(&bytes), 0);
    ck_assert(bytes.short_read);
}
END_TEST

START_TEST(bytes_are_taken_whole_or_not_at_all)
{
    const uint8_t data[] = { 1, 2, 3 };
    struct bytes bytes = bytes_of(data, sizeof(data));
    ck_assert_ptr_eq(bytes_take(&bytes, 2), data);
    ck_assert_ptr_null(bytes_take(&bytes, 2));
    ck_assert(bytes.short_read);
    bytes = bytes_of(data, sizeof(data));
    ck_assert_ptr_null(bytes_take(&bytes, SIZE_MAX));
    bytes = bytes_of(data, 0);
    ck_assert_ptr_eq(bytes_take(&bytes, 0), data);
    ck_assert(!bytes.short_read);
}
END_TEST

START_TEST(a_limit_shortens_but_never_lengthens)
{
    const uint8_t data[] = { 1, 2, 3, 4 };
    struct bytes bytes = bytes_of(data, sizeof(data));
    bytes_limit(&bytes, 9);
    ck_assert_uint_eq(bytes_left(&bytes), 4);
    bytes_limit(&bytes, 3);
    bytes_skip(&bytes, 2);
    ck_assert_uint_eq(bytes_left(&bytes), 1);
    ck_assert_uint_eq(bytes_u8(&bytes), 3);
    bytes_skip(&bytes, 1);
    ck_assert(bytes.short_read);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        numbers_are_big_endian,
        a_short_read_gives_zeros_from_there_on,
        bytes_are_taken_whole_or_not_at_all,
        a_limit_shortens_but_never_lengthens,
    };
    return UNIT_RUN("bytes", tests);
}
