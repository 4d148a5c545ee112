/*
 * One capture file or pipe: told by its first bytes, unpacked, walked. Packets lie where they were
 * read and are lent from there. What is wrong with it is said in words.
 */
#ifndef SOURCE_CAPTURE_H
#define SOURCE_CAPTURE_H

#include "capture_format.h"
#include "source_fault.h"
#include "source_input.h"

struct capture {
    const char *name;          /* as the user knows it; lent */
    struct fault_list *faults; /* of the source that it is part of; lent */
    struct input input;
    struct capture_reader *reader;
    uint16_t number; /* of the file */
    bool begun;      /* its header was read */
    bool ended;
};

/* A very long path is called by its end, so that the rest of a fault's line has room; "-" is
 * standard input. */
const char *capture_name(const char *path);

/* A descriptor to read a capture from, or -1 with *fault filled. */
int capture_open_path(const char *path, struct source_fault *fault);

/* Takes the descriptor. capture_finish() is due. */
void capture_init(struct capture *capture, int fd, size_t buffer_bytes, bool follows);
void capture_finish(struct capture *capture);

/* Reads the file header. Returns 1, or 0 with *fault filled; SOURCE_AGAIN if it follows and there
 * is too little of it yet. */
int capture_begin(struct capture *capture, struct source_fault *fault);

/* Lends the next packets, after capture_begin(); 0: it has ended. SOURCE_AGAIN: it follows, and
 * there is none yet. `context` is the capture: a merge_input. */
int capture_next(void *context, struct fw_packet *packets, int max);

/* It follows, and nobody will write to it any more. */
void capture_end_here(struct capture *capture);

#endif
