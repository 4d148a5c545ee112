/*
 * Decimal digits by hand: twenty times faster than snprintf(), and the same in every locale. Each
 * function writes at `at`, without a NUL, and returns the end. It may write on behind the end, but
 * never more than DIGITS_ROOM bytes in all. Level 0.
 */
#ifndef DIGITS_H
#define DIGITS_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DIGITS_ROOM = 20 };

/* Eight digits of a value below 10^8, the first in the lowest byte, as numbers from 0 to 9. Halves,
 * quarters and digits are parted in one register: there is no loop to wait for and no branch to
 * mispredict. Quotient and remainder side by side, q | (value - q * unit) << bits, are
 * (value << bits) - q * ((unit << bits) - 1). */
static inline uint64_t digits_eight(uint32_t value)
{
    const uint64_t half = value / 10000;
    const uint64_t halves = ((uint64_t)value << 32) - half * ((UINT64_C(10000) << 32) - 1);
    const uint64_t quarter = (halves * 10486 >> 20) & UINT64_C(0x0000007f0000007f);
    const uint64_t quarters = (halves << 16) - quarter * ((100 << 16) - 1);
    const uint64_t ten = (quarters * 103 >> 10) & UINT64_C(0x000f000f000f000f);
    return (quarters << 8) - ten * ((10 << 8) - 1);
}

/* As text; the first `skipped` of them are left out. */
static inline char *digits_store(char *at, uint64_t eight, unsigned skipped)
{
    const uint64_t text = htole64((eight | UINT64_C(0x3030303030303030)) >> 8 * skipped);
    memcpy(at, &text, sizeof text);
    return at + 8 - skipped;
}

static inline char *digits_below_1e8(char *at, uint32_t value)
{
    const uint64_t eight = digits_eight(value);
    const uint64_t last = UINT64_C(1) << 56; /* 0 is one digit */
    return digits_store(at, eight, (unsigned)__builtin_ctzll(eight | last) / 8);
}

static inline char *digits_u64(char *at, uint64_t value)
{
    const uint64_t unit = 100000000;
    if (value < unit)
        return digits_below_1e8(at, (uint32_t)value);
    const uint64_t high = value / unit;
    if (high < unit) {
        at = digits_below_1e8(at, (uint32_t)high);
    } else {
        at = digits_below_1e8(at, (uint32_t)(high / unit));
        at = digits_store(at, digits_eight((uint32_t)(high % unit)), 0);
    }
    return digits_store(at, digits_eight((uint32_t)(value % unit)), 0);
}

static inline char *digits_i64(char *at, int64_t value)
{
    if (value < 0) {
        *at++ = '-';
        return digits_u64(at, 0 - (uint64_t)value);
    }
    return digits_u64(at, (uint64_t)value);
}

/* Exactly `width` digits, at most 8, with leading zeros; what does not fit is lost at the left. */
static inline char *digits_fixed(char *at, uint64_t value, unsigned width)
{
    return digits_store(at, digits_eight((uint32_t)(value % 100000000)), 8 - width);
}

/* Exactly nine, of a value below 10^9: nanoseconds. */
static inline char *digits_nine(char *at, uint32_t value)
{
    *at = (char)('0' + value / 100000000);
    return digits_store(at + 1, digits_eight(value % 100000000), 0);
}

#endif
