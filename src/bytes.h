/*
 * Bounds-checked reading of big-endian bytes.
 *
 * A cursor never reads beyond its end. A read that would sets `short_read`, which stays set, and
 * gives zeros from there on: a parser reads a whole header and checks once, at its end.
 */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const uint8_t *at, *end;
    bool short_read;
};

static inline uint16_t load_be16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t load_be24(const uint8_t *at)
{
    return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static inline uint32_t load_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint32_t load_le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline struct bytes bytes_of(const uint8_t *data, size_t count)
{
    return (struct bytes){ .at = data, .end = data + count };
}

static inline size_t bytes_left(const struct bytes *bytes)
{
    return (size_t)(bytes->end - bytes->at);
}

/* Lends the next `count` bytes and moves past them; NULL if there are not so many. */
static inline const uint8_t *bytes_take(struct bytes *bytes, size_t count)
{
    const uint8_t *taken = bytes->at;
    if (bytes_left(bytes) < count) {
        bytes->short_read = true;
        bytes->at = bytes->end;
        return NULL;
    }
    bytes->at += count;
    return taken;
}

static inline void bytes_skip(struct bytes *bytes, size_t count)
{
    (void)bytes_take(bytes, count);
}

/* Forgets what lies more than `count` bytes ahead. */
static inline void bytes_limit(struct bytes *bytes, size_t count)
{
    if (bytes_left(bytes) > count)
        bytes->end = bytes->at + count;
}

static inline uint8_t bytes_u8(struct bytes *bytes)
{
    const uint8_t *at = bytes_take(bytes, 1);
    return at == NULL ? 0 : at[0];
}

static inline uint16_t bytes_be16(struct bytes *bytes)
{
    const uint8_t *at = bytes_take(bytes, 2);
    return at == NULL ? 0 : load_be16(at);
}

static inline uint32_t bytes_be32(struct bytes *bytes)
{
    const uint8_t *at = bytes_take(bytes, 4);
    return at == NULL ? 0 : load_be32(at);
}

#endif
