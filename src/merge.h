/*
 * Several inputs of packets become one, in order of time. Equal times keep the order of the inputs.
 * An input whose own time runs backwards is followed as it is: its next packet has its turn when it
 * is the earliest of what the inputs offer.
 */
#ifndef MERGE_H
#define MERGE_H

#include "finwait/finwait.h"

/* Lends up to `max` packets until it is called again; 0: it has ended. */
struct merge_input {
    int (*next)(void *context, struct fw_packet *packets, int max);
    void *context;
};

struct merge;

/* Copies the array. NULL: out of memory. */
struct merge *merge_create(const struct merge_input *inputs, size_t count);
void merge_destroy(struct merge *merge);

/* Lends up to `max` packets until the next call; 0: all inputs have ended. */
int merge_next(struct merge *merge, struct fw_packet *packets, int max);

#endif
