#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digits.h"

/* --------------------------------------------------------------------------------- one write --
 */

/* What came of writing. */
struct fate {
    bool closed;
    int error;
};

/* Standard output may share its file description with a terminal that someone made nonblocking. */
static void wait_until_writable(int fd)
{
    struct pollfd descriptor = { .fd = fd, .events = POLLOUT };
    (void)poll(&descriptor, 1, -1);
}

static void write_all(int fd, const char *at, size_t left, struct fate *fate)
{
    while (left > 0 && !fate->closed && fate->error == 0) {
        const ssize_t written = write(fd, at, left);
        if (written >= 0) {
            at += written;
            left -= (size_t)written;
        } else if (errno == EAGAIN) {
            wait_until_writable(fd);
        } else if (errno == EPIPE) {
            fate->closed = true;
        } else if (errno != EINTR) {
            fate->error = errno;
        }
    }
}

/* ----------------------------------------------------------------------------- written behind --
 */

enum { BLOCKS = 4 };

/* A ring of blocks: those from `written` to `filled` (both count up) are the thread's, the next one
 * is out->block. */
struct out_writer {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int fd;
    char *blocks[BLOCKS];
    size_t used[BLOCKS];
    uint64_t filled, written;
    struct fate fate;
    bool done;
};

static void *write_behind(void *argument)
{
    struct out_writer *writer = argument;

    pthread_mutex_lock(&writer->mutex);
    for (;;) {
        while (writer->written == writer->filled && !writer->done)
            pthread_cond_wait(&writer->changed, &writer->mutex);
        if (writer->written == writer->filled)
            break;
        const size_t block = writer->written % BLOCKS;
        struct fate fate = writer->fate;
        pthread_mutex_unlock(&writer->mutex);
        write_all(writer->fd, writer->blocks[block], writer->used[block], &fate);
        pthread_mutex_lock(&writer->mutex);
        writer->fate = fate;
        writer->written++;
        pthread_cond_signal(&writer->changed);
    }
    pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

/* Signals are for the thread that waits for packets. */
static int create_thread(struct out_writer *writer)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&writer->thread, NULL, write_behind, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void free_writer(struct out_writer *writer)
{
    for (size_t i = 1; i < BLOCKS; i++)
        free(writer->blocks[i]);
    free(writer);
}

/* Without memory or a thread: we write ourselves, as before. */
static void start_writer(struct out *out)
{
    struct out_writer *writer = calloc(1, sizeof *writer);
    bool complete = true;

    if (!writer)
        return;
    writer->fd = out->fd;
    writer->blocks[0] = out->block;
    for (size_t i = 1; i < BLOCKS; i++)
        complete &= (writer->blocks[i] = malloc(out->size)) != NULL;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->changed, NULL);
    if (complete && create_thread(writer) == 0)
        out->writer = writer;
    else
        free_writer(writer);
}

/* Hands the block over, and waits until at most `waiting` blocks are not written. */
static void hand_over(struct out *out, uint64_t waiting)
{
    struct out_writer *writer = out->writer;

    pthread_mutex_lock(&writer->mutex);
    if (out->used > 0) {
        writer->used[writer->filled++ % BLOCKS] = out->used;
        pthread_cond_signal(&writer->changed);
    }
    while (writer->filled - writer->written > waiting)
        pthread_cond_wait(&writer->changed, &writer->mutex);
    out->block = writer->blocks[writer->filled % BLOCKS];
    out->closed |= writer->fate.closed;
    if (out->error == 0)
        out->error = writer->fate.error;
    pthread_mutex_unlock(&writer->mutex);
    out->used = 0;
}

static void stop_writer(struct out *out)
{
    struct out_writer *writer = out->writer;

    pthread_mutex_lock(&writer->mutex);
    writer->done = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    out->block = writer->blocks[0];
    out->writer = NULL;
    free_writer(writer);
}

/* -------------------------------------------------------------------------------------- blocks --
 */

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
    if (out->writer)
        stop_writer(out);
    free(out->block);
    out->block = NULL;
    out->size = 0;
}

void out_flush(struct out *out)
{
    struct fate fate = { out->closed, out->error };

    if (out->fd < 0)
        return;
    if (out->writer) {
        hand_over(out, 0);
        return;
    }
    write_all(out->fd, out->block, out->used, &fate);
    out->closed = fate.closed;
    out->error = fate.error;
    out->used = 0;
}

/* A pipe that holds several blocks lets its reader run beside us. It is refused for what is none,
 * and above /proc/sys/fs/pipe-max-size. */
static void widen_pipe(int fd)
{
#ifdef F_SETPIPE_SZ
    (void)fcntl(fd, F_SETPIPE_SZ, 1 << 20);
#else
    (void)fd;
#endif
}

/* Text that is written nowhere: all of it is in the block. */
static void grow_block(struct out *out)
{
    char *grown = out->size < OUT_KEPT_MAX ? realloc(out->block, 2 * out->size) : NULL;

    if (!grown) {
        out->error = out->size < OUT_KEPT_MAX ? ENOMEM : EFBIG;
        out->used = 0;
        return;
    }
    out->block = grown;
    out->size *= 2;
}

void out_next_block(struct out *out)
{
    if (out->fd < 0) {
        grow_block(out);
        return;
    }
    if (!out->many) {
        out->many = true;
        widen_pipe(out->fd);
        if (out->behind)
            start_writer(out);
    }
    if (out->writer)
        hand_over(out, BLOCKS - 1);
    else
        out_flush(out);
}

/* ---------------------------------------------------------------------------------------- text --
 */

void out_bytes(struct out *out, const char *bytes, size_t count)
{
    while (count > 0) {
        if (out->used == out->size)
            out_next_block(out);
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
