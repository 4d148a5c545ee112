/*
 * The bytes of one file or pipe, decompressed, in a window that moves over it. The only place that
 * reads files.
 */
#ifndef SOURCE_INPUT_H
#define SOURCE_INPUT_H

#include <sys/types.h>

#include "capture_format.h"
#include "decompress.h"

enum input_state {
    INPUT_OPEN,
    INPUT_ENDED,       /* as it should */
    INPUT_INTERRUPTED, /* by source_interrupt() */
    INPUT_CUT,         /* a compressed stream stops in its middle */
    INPUT_DAMAGED,     /* a compressed stream makes no sense; see input->error */
    INPUT_FAILED,      /* the system could not read, or had no memory; see input->error */
};

struct input {
    struct capture_window window; /* what is in memory and not yet used */
    enum input_state state;       /* why no more follows */
    const char *error;            /* static words for INPUT_DAMAGED and INPUT_FAILED */
    enum compression compression;
    uint64_t read_bytes;  /* as on disk */
    uint64_t total_bytes; /* 0: unknown */

    int fd;       /* owned, unless it is standard input */
    bool waits;   /* a pipe or a device: reading may block */
    bool follows; /* the end of a file is not its end, and nothing ever blocks: see `idle` */
    bool idle;    /* follows: there is no more at the moment */
    bool begun;   /* it is known whether it is compressed */
    bool fd_ended;
    bool draining; /* interrupted: only so many bytes are still read */
    size_t drain_bytes;
    uint8_t *buffer;
    size_t buffer_bytes;
    struct decompressor *decompressor;
    uint8_t *packed; /* compressed bytes not yet used */
    size_t packed_at, packed_end;
};

/* Takes the descriptor of an open file; reading begins with input_begin(). */
void input_init(struct input *input, int fd, size_t buffer_bytes, bool follows);

/* Reads the first block and sees whether it is compressed. The window is empty afterwards only if
 * the input is, or cannot be read (input->state). False: it follows, and there is nothing to see
 * yet; ask again. */
bool input_begin(struct input *input);
void input_finish(struct input *input);

/* Moves what the window holds to the front of the buffer and reads until it holds `wanted_bytes`;
 * what was lent from the window is gone. Returns false, with input->state set, if the input ends
 * before that; with input->idle, if it follows and there is no more yet. */
bool input_fill(struct input *input, size_t wanted_bytes);

#endif
