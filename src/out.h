/*
 * Buffered output: text is formatted by hand into one block, and a block is one write(2). Where
 * `behind` allows it, a thread writes what is full while the next block is formatted: the kernel
 * needs as long to take a block as we to fill it. out_flush() returns when all is written.
 *
 * The reader of standard output may go away (EPIPE): that is not an error, what is left is dropped
 * and `closed` says so. SIGPIPE is to be ignored by the program.
 */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out_writer; /* out.c: the thread, from the first full block on */

struct out {
    int fd;
    bool behind;        /* set it before the first text, or not at all */
    bool many;          /* a block was full: worth a thread, and a larger pipe */
    bool closed;        /* the reader has gone (EPIPE): everything more is dropped, exit 0 */
    int error;          /* errno of another failure to write, 0: none; everything more is dropped */
    bool line_buffered; /* a block ends with each line */
    size_t used, size;
    char *block;
    struct out_writer *writer; /* NULL: none, or not yet */
};

/* What out_reserve() can promise. */
enum { OUT_RESERVE_MAX = 16384 };

/* The most that is kept in a block that is written nowhere. */
enum { OUT_KEPT_MAX = 64 * 1024 * 1024 };

/* Returns 0 or -ENOMEM. With fd -1 nothing is ever written: the block grows, and `block` and `used`
 * are the text; `error` says that it did not fit. */
int out_init(struct out *out, int fd, size_t block_bytes);
void out_finish(struct out *out); /* flushes and frees; the descriptor stays open */
void out_flush(struct out *out);
void out_next_block(struct out *out); /* this one is full */
void out_text(struct out *out, const char *text);
void out_bytes(struct out *out, const char *bytes, size_t count);
void out_char(struct out *out, char c);
void out_u64(struct out *out, uint64_t value);
void out_i64(struct out *out, int64_t value);
void out_pad(struct out *out, char c, size_t count);
/* For what is not on a hot path; at most OUT_RESERVE_MAX bytes. */
void out_printf(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for `bytes` (at most OUT_RESERVE_MAX) to format into; out_commit() says where the text ends.
 * Nothing else may be written between the two. */
static inline char *out_reserve(struct out *out, size_t bytes)
{
    if (out->size - out->used < bytes)
        out_next_block(out);
    return out->block + out->used;
}

static inline void out_commit(struct out *out, const char *end)
{
    out->used = (size_t)(end - out->block);
    if (out->line_buffered && out->used > 0 && end[-1] == '\n')
        out_flush(out);
}

#endif
