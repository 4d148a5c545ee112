#include <assert.h>
#include <stdlib.h>

#include "merge.h"

enum { LOOKAHEAD = 64 };

/* An input and the packets that it lent and that are not yet taken. */
struct lane {
    struct merge_input input;
    int at, end;
    struct fw_packet packets[LOOKAHEAD];
};

struct merge {
    size_t lane_count;
    size_t heap_count;
    struct lane **heap; /* the earliest packet first; every lane in it has one */
    struct lane *empty; /* the lane to ask before anything else is taken: it left the heap */
    bool started;
    struct lane lanes[];
};

struct merge *merge_create(const struct merge_input *inputs, size_t count)
{
    struct merge *merge = calloc(1, sizeof *merge + count * sizeof merge->lanes[0]);

    if (!merge)
        return NULL;
    merge->heap = calloc(count ? count : 1, sizeof(struct lane *));
    if (!merge->heap) {
        free(merge);
        return NULL;
    }
    merge->lane_count = count;
    for (size_t i = 0; i < count; i++)
        merge->lanes[i].input = inputs[i];
    return merge;
}

void merge_destroy(struct merge *merge)
{
    if (!merge)
        return;
    free(merge->heap);
    free(merge);
}

/* Lanes lie in the order of the inputs, so their addresses break ties. */
static bool is_before(const struct lane *a, const struct lane *b)
{
    const fw_time time_a = a->packets[a->at].time;
    const fw_time time_b = b->packets[b->at].time;

    return time_a < time_b || (time_a == time_b && a < b);
}

static void sink(struct merge *merge, size_t hole, struct lane *lane)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child + 1 < merge->heap_count && is_before(merge->heap[child + 1], merge->heap[child]))
            child++;
        if (child >= merge->heap_count || is_before(lane, merge->heap[child]))
            break;
        merge->heap[hole] = merge->heap[child];
        hole = child;
    }
    merge->heap[hole] = lane;
}

static void rise(struct merge *merge, struct lane *lane)
{
    size_t hole = merge->heap_count++;

    while (hole > 0 && is_before(lane, merge->heap[(hole - 1) / 2])) {
        merge->heap[hole] = merge->heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    merge->heap[hole] = lane;
}

/* Asks a lane whose packets are all taken for more; an ended one stays out of the heap. */
static void ask(struct merge *merge, struct lane *lane)
{
    lane->at = 0;
    lane->end = lane->input.next(lane->input.context, lane->packets, LOOKAHEAD);
    if (lane->end > 0)
        rise(merge, lane);
}

static void start(struct merge *merge)
{
    merge->started = true;
    for (size_t i = 0; i < merge->lane_count; i++)
        ask(merge, &merge->lanes[i]);
}

int merge_next(struct merge *merge, struct fw_packet *packets, int max)
{
    int count = 0;

    if (!merge->started)
        start(merge);
    if (merge->empty)
        ask(merge, merge->empty);
    merge->empty = NULL;

    while (count < max && merge->heap_count > 0) {
        struct lane *lane = merge->heap[0];
        packets[count++] = lane->packets[lane->at++];
        if (lane->at < lane->end) {
            sink(merge, 0, lane);
            continue;
        }
        /* Asking it now would end the lease of its packets that are in this batch. */
        merge->heap_count--;
        if (merge->heap_count > 0)
            sink(merge, 0, merge->heap[merge->heap_count]);
        merge->empty = lane;
        break;
    }
    return count;
}
