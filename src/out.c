#include "out.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digits.h"

int out_init(struct out *out, int fd, size_t block_bytes)
{
    *out = (struct out){
        .fd = fd,
        .size = block_bytes < 2 * OUT_RESERVE_MAX ? 2 * OUT_RESERVE_MAX : block_bytes,
    };
    out->block = malloc(out->size);
    return out->block ? 0 : -ENOMEM;
}

void out_finish(struct out *out)
{
    out_flush(out);
    free(out->block);
    out->block = NULL;
    out->size = 0;
}

/* Standard output may share its file description with a terminal that someone made nonblocking. */
static void wait_until_writable(int fd)
{
    struct pollfd descriptor = { .fd = fd, .events = POLLOUT };
    (void)poll(&descriptor, 1, -1);
}

void out_flush(struct out *out)
{
    const char *at = out->block;
    size_t left = out->used;

    out->used = 0;
    while (left > 0 && !out->closed && out->error == 0) {
        const ssize_t written = write(out->fd, at, left);
        if (written >= 0) {
            at += written;
            left -= (size_t)written;
        } else if (errno == EAGAIN) {
            wait_until_writable(out->fd);
        } else if (errno == EPIPE) {
            out->closed = true;
        } else if (errno != EINTR) {
            out->error = errno;
        }
    }
}

void out_bytes(struct out *out, const char *bytes, size_t count)
{
    while (count > 0) {
        if (out->used == out->size)
            out_flush(out);
        const size_t room = out->size - out->used;
        const size_t part = count < room ? count : room;
        memcpy(out->block + out->used, bytes, part);
        out->used += part;
        bytes += part;
        count -= part;
    }
    out_commit(out, out->block + out->used);
}

void out_text(struct out *out, const char *text)
{
    out_bytes(out, text, strlen(text));
}

void out_char(struct out *out, char c)
{
    char *at = out_reserve(out, 1);
    *at = c;
    out_commit(out, at + 1);
}

void out_u64(struct out *out, uint64_t value)
{
    out_commit(out, digits_u64(out_reserve(out, 20), value));
}

void out_i64(struct out *out, int64_t value)
{
    out_commit(out, digits_i64(out_reserve(out, 20), value));
}

void out_pad(struct out *out, char c, size_t count)
{
    while (count-- > 0)
        out_char(out, c);
}

void out_printf(struct out *out, const char *format, ...)
{
    char *at = out_reserve(out, OUT_RESERVE_MAX);
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(at, OUT_RESERVE_MAX, format, arguments);
    va_end(arguments);
    if (length > 0)
        out_commit(out, at + (length < OUT_RESERVE_MAX ? length : OUT_RESERVE_MAX - 1));
}
