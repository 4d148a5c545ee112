#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"
#include "source_input.h"

enum {
    PACKED_BYTES = 128 * 1024,      /* compressed bytes read at a time */
    PIPE_BYTES = 1024 * 1024,       /* as large as an ordinary user may make one */
    DRAIN_BYTES = 64 * 1024 * 1024, /* of a file that is followed: if more is left, none of it */
    WAIT_MS = 200, /* looks for an interrupt that came just before poll(2) this often */
};

/* A signal sets it in one thread, reading may look at it in another. */
static atomic_bool interrupted;

void source_interrupt(void)
{
    interrupted = true;
}

void source_interrupt_clear(void)
{
    interrupted = false;
}

bool source_interrupted(void)
{
    return interrupted;
}

/* ------------------------------------------------------------------------------------ read -- */

static void fail(struct input *input, const char *error)
{
    input->state = INPUT_FAILED;
    input->error = error;
}

/* False: interrupted. */
static bool wait_for_bytes(const struct input *input)
{
    struct pollfd fd = { .fd = input->fd, .events = POLLIN };

    while (!source_interrupted()) {
        const int ready = poll(&fd, 1, WAIT_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true; /* read(2) has the better words for an error */
    }
    return false;
}

/* Follows a pipe: false if there is nothing at the moment. */
static bool has_bytes(const struct input *input)
{
    struct pollfd fd = { .fd = input->fd, .events = POLLIN };

    return !input->waits || poll(&fd, 1, 0) != 0;
}

/* After an interrupt: what a pipe held at that moment is still read, and no more. */
static size_t room_when_interrupted(struct input *input, size_t room)
{
    int held = 0;

    if (!input->draining) {
        input->draining = true;
        if ((input->waits || input->follows) && ioctl(input->fd, FIONREAD, &held) == 0 &&
            held > 0 && (input->waits || held <= DRAIN_BYTES))
            input->drain_bytes = (size_t)held;
    }
    if (room > input->drain_bytes)
        room = input->drain_bytes;
    input->drain_bytes -= room;
    return room;
}

/* read(2), as far as one call goes. 0: the end, or input->state says why not. */
static size_t read_some(struct input *input, uint8_t *to, size_t room)
{
    while (input->state == INPUT_OPEN && !input->fd_ended && !input->idle) {
        const bool waits = input->waits && !input->follows;

        if ((waits && !wait_for_bytes(input)) || source_interrupted())
            room = room_when_interrupted(input, room);
        if (room == 0) {
            input->state = INPUT_INTERRUPTED;
            break;
        }
        if (input->follows && !has_bytes(input)) {
            input->idle = true;
            break;
        }
        const ssize_t got = read(input->fd, to, room);
        if (got > 0) {
            input->read_bytes += (uint64_t)got;
            return (size_t)got;
        }
        if (got == 0 && input->follows && !input->waits)
            input->idle = true;
        else if (got == 0)
            input->fd_ended = true;
        else if (errno == EAGAIN)
            input->waits = true;
        else if (errno != EINTR)
            fail(input, strerror(errno));
    }
    return 0;
}

/* ------------------------------------------------------------------------------ decompress -- */

/* Unpacks into `to`. 0: input->state says why. */
static size_t unpack_some(struct input *input, uint8_t *to, size_t room)
{
    while (input->state == INPUT_OPEN) {
        if (input->packed_at == input->packed_end) {
            input->packed_at = 0;
            input->packed_end = read_some(input, input->packed, PACKED_BYTES);
            if (input->state != INPUT_OPEN || input->idle)
                break;
        }
        const bool last = input->packed_at == input->packed_end;
        struct decompress_step step = {
            .in = input->packed + input->packed_at,
            .in_end = input->packed + input->packed_end,
            .out = to,
            .out_end = to + room,
        };
        const char *error = decompressor_run(input->decompressor, &step);
        input->packed_at = (size_t)(step.in - input->packed);
        if (error) {
            input->state = INPUT_DAMAGED;
            input->error = error;
        }
        if (step.out > to)
            return (size_t)(step.out - to);
        if (!error && last)
            input->state = decompressor_may_end(input->decompressor) ? INPUT_ENDED : INPUT_CUT;
    }
    return 0;
}

/* The first block turned out to be compressed: it becomes what is unpacked. */
static void start_unpacking(struct input *input)
{
    const size_t count = (size_t)(input->window.end - input->window.at);

    input->window.end = input->window.at;
    input->packed = malloc(input->buffer_bytes > PACKED_BYTES ? input->buffer_bytes : PACKED_BYTES);
    input->decompressor = decompressor_create(input->compression);
    if (!input->packed || !input->decompressor) {
        fail(input, "out of memory");
        return;
    }
    memcpy(input->packed, input->window.at, count);
    input->packed_end = count;
}

/* ------------------------------------------------------------------------------------ fill -- */

static bool grow(struct input *input)
{
    const size_t bytes = input->buffer_bytes * 2;
    uint8_t *buffer = realloc(input->buffer, bytes);

    if (!buffer) {
        fail(input, "out of memory");
        return false;
    }
    input->buffer = buffer;
    input->buffer_bytes = bytes;
    return true;
}

bool input_fill(struct input *input, size_t wanted_bytes)
{
    size_t there = (size_t)(input->window.end - input->window.at);

    if (!input->buffer) /* it failed when it was made */
        return false;
    if (there > 0)
        memmove(input->buffer, input->window.at, there);
    input->idle = false;
    while (there < wanted_bytes && input->state == INPUT_OPEN && !input->idle) {
        /* By and by: a block that only claims to be long costs no memory. */
        if (there == input->buffer_bytes && !grow(input))
            break;
        uint8_t *to = input->buffer + there;
        const size_t room = input->buffer_bytes - there;
        if (input->decompressor) {
            there += unpack_some(input, to, room);
        } else {
            const size_t got = read_some(input, to, room);
            if (got == 0 && input->state == INPUT_OPEN && !input->idle)
                input->state = INPUT_ENDED;
            there += got;
        }
    }
    input->window.at = input->buffer;
    input->window.end = input->buffer + there;
    return there >= wanted_bytes;
}

void input_init(struct input *input, int fd, size_t buffer_bytes, bool follows)
{
    struct stat status;

    *input =
        (struct input){ .fd = fd, .waits = true, .follows = follows, .buffer_bytes = buffer_bytes };
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        input->waits = false;
        input->total_bytes = follows ? 0 : (uint64_t)status.st_size;
        posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    } else {
        (void)fcntl(fd, F_SETPIPE_SZ,
                    PIPE_BYTES); /* the two ends wait for one another less often */
    }
    input->buffer = malloc(buffer_bytes);
    if (!input->buffer) {
        fail(input, "out of memory");
        return;
    }
    input->window.at = input->window.end = input->buffer;
}

bool input_begin(struct input *input)
{
    if (input->begun)
        return true;
    if (!input_fill(input, 4) && input->idle)
        return false;
    input->begun = true;
    input->compression =
        compression_detect(input->window.at, (size_t)(input->window.end - input->window.at));
    if (input->compression == COMPRESSION_NONE)
        return true;
    if (!compression_is_built_in(input->compression)) {
        input->window.end = input->window.at;
        return true;
    }
    if (input->state == INPUT_ENDED)
        input->state = INPUT_OPEN; /* of the file: what it unpacks to is still to come */
    start_unpacking(input);
    input_fill(input, 4);
    return true;
}

void input_finish(struct input *input)
{
    decompressor_destroy(input->decompressor);
    free(input->packed);
    free(input->buffer);
    if (input->fd > STDIN_FILENO)
        close(input->fd);
    *input = (struct input){ .fd = -1 };
}
