/*
 * Scalars of JSON (RFC 8259), by hand. Each function writes at `at`, without a NUL, and returns the
 * end; the caller has the room that the comment names. Level 1: knows digits.h and stamp.h only.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "digits.h"
#include "stamp.h"

/* A literal whose length the compiler knows. */
#define JSON_LITERAL(at, text) ((char *)memcpy((at), (text), sizeof(text) - 1) + sizeof(text) - 1)

/* With quotes. What is not UTF-8 becomes U+FFFD, so that each line is valid. At most 6 * length
 * + 2. */
char *json_string(char *at, const char *text, size_t length);

/* null for NULL. At most 6 * strlen(text) + 4. */
char *json_text(char *at, const char *text);

/* Text of ours that needs no escape (names of states, addresses). At most length + 2. */
static inline char *json_plain(char *at, const char *text, size_t length)
{
    *at++ = '"';
    memcpy(at, text, length);
    at += length;
    *at++ = '"';
    return at;
}

/* A short word of ours with its quotes, of at most 13 bytes: copied in one move of fixed size. */
struct json_word {
    char text[15];
    uint8_t length;
};

static inline struct json_word json_word(const char *text)
{
    struct json_word word = { .length = (uint8_t)(strlen(text) + 2) };
    json_plain(word.text, text, strlen(text));
    return word;
}

/* Writes 16 bytes, whatever it needs. */
static inline char *json_put_word(char *at, const struct json_word *word)
{
    memcpy(at, word, sizeof *word);
    return at + word->length;
}

static inline char *json_bool(char *at, bool value)
{
    return value ? JSON_LITERAL(at, "true") : JSON_LITERAL(at, "false");
}

static inline char *json_null(char *at)
{
    return JSON_LITERAL(at, "null");
}

/* null where negative. At most 20. */
static inline char *json_duration(char *at, int64_t ns)
{
    return ns < 0 ? json_null(at) : digits_i64(at, ns);
}

/* "2024-01-31T12:00:00.000000000Z", with quotes. At most STAMP_BYTES + 2. */
static inline char *json_time(struct stamp_cache *cache, char *at, fw_time time)
{
    *at++ = '"';
    at = stamp_rfc3339(cache, at, time);
    *at++ = '"';
    return at;
}

#endif
