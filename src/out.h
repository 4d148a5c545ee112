/* Buffered output: text is formatted by hand into one block, written with one write(2) per block. */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out {
    int fd;
    bool closed;      /* the reader has gone (EPIPE): everything more is dropped, exit 0 */
    int error;        /* errno of another failure to write, 0: none */
    bool line_buffered;
    size_t used, size;
    char *block;
};

/* Returns 0 or -ENOMEM. */
int out_init(struct out *out, int fd, size_t block_bytes);
void out_finish(struct out *out); /* flushes and frees */
void out_flush(struct out *out);
void out_text(struct out *out, const char *text);
void out_bytes(struct out *out, const char *bytes, size_t count);
void out_char(struct out *out, char c);
void out_u64(struct out *out, uint64_t value);
void out_i64(struct out *out, int64_t value);
void out_pad(struct out *out, char c, size_t count);
/* For what is not on a hot path. */
void out_printf(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
