/* Reading UTF-8 (RFC 3629) that someone else wrote. Level 0. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes the character that begins at `text`, of which `length` > 0 bytes are left. Returns how many
 * bytes it has, at least 1; *code is UINT32_MAX where the first byte begins no valid character. */
static inline size_t utf8_next(const char *text, size_t length, uint32_t *code)
{
    const uint8_t *byte = (const uint8_t *)text;
    const size_t size = byte[0] < 0x80                      ? 1
                        : byte[0] >= 0xc2 && byte[0] < 0xe0 ? 2
                        : byte[0] >= 0xe0 && byte[0] < 0xf0 ? 3
                        : byte[0] >= 0xf0 && byte[0] < 0xf5 ? 4
                                                            : 0;

    *code = UINT32_MAX;
    if (size == 0 || size > length)
        return 1;
    uint32_t value = size == 1 ? byte[0] : byte[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (byte[i] & 0x3fu);
    }
    const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    const bool surrogate = value >= 0xd800 && value < 0xe000;
    if (overlong || surrogate || value > 0x10ffff)
        return 1;
    *code = value;
    return size;
}

#endif
