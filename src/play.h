/*
 * A source in front of a source. Captures are played: packets are lent when their time has come, as
 * struct top_play wishes, and the input does not end until it is interrupted. Live packets pass.
 * What passes is kept. Level 5.
 */
#ifndef PLAY_H
#define PLAY_H

#include "source.h"
#include "top.h"

struct play_options {
    struct source *source; /* taken */
    struct kept *kept;     /* lent */
    struct top_play *play; /* lent; NULL: live */
    int pipe;              /* what the source reads, if that may make it wait; -1: nothing */
    void *context;
    int64_t (*clock)(void *context);
    /* Waits so long, or until a key is pressed. */
    void (*wait)(void *context, int64_t ns);
};

/* NULL without memory; the source is destroyed all the same. */
struct source *play_create(const struct play_options *options);

#endif
