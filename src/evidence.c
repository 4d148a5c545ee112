#include "evidence.h"

#include <stdlib.h>
#include <string.h>

/* One slot for each number modulo SLOTS: who comes while it is taken is not recorded. */
enum { SLOTS = 65536 };

struct evidence {
    struct trail *slots[SLOTS];
    bool chosen; /* only those in `wanted` */
    uint64_t *wanted;
    size_t count, room;
    uint64_t last_frame, seen_frame;
};

struct evidence *evidence_create(void)
{
    return calloc(1, sizeof(struct evidence));
}

void evidence_destroy(struct evidence *evidence)
{
    for (size_t i = 0; evidence && i < SLOTS; i++)
        free(evidence->slots[i]);
    if (evidence)
        free(evidence->wanted);
    free(evidence);
}

/* Where the connection is among the wanted ones, or belongs. */
static size_t place_of(const struct evidence *evidence, uint64_t id)
{
    size_t low = 0, high = evidence->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (evidence->wanted[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool evidence_want(struct evidence *evidence, uint64_t id, uint64_t last_frame)
{
    evidence->chosen = true;
    if (last_frame > evidence->last_frame)
        evidence->last_frame = last_frame;
    const size_t place = place_of(evidence, id);
    if (place < evidence->count && evidence->wanted[place] == id)
        return true;
    if (evidence->count == evidence->room) {
        const size_t room = evidence->room ? 2 * evidence->room : 64;
        uint64_t *wanted = realloc(evidence->wanted, room * sizeof *wanted);

        if (!wanted)
            return false;
        evidence->wanted = wanted;
        evidence->room = room;
    }
    memmove(&evidence->wanted[place + 1], &evidence->wanted[place],
            (evidence->count - place) * sizeof *evidence->wanted);
    evidence->wanted[place] = id;
    evidence->count++;
    return true;
}

bool evidence_is_done(const struct evidence *evidence)
{
    return evidence->chosen && evidence->seen_frame >= evidence->last_frame;
}

bool evidence_tells(const struct fw_step *step)
{
    return step->count > 0 || (step->segment->flags & (FW_SYN | FW_FIN | FW_RST)) ||
           step->segment->icmp != FW_ICMP_NONE ||
           (step->note != FW_NOTE_NONE && step->note != FW_NOTE_WINDOW_UPDATE &&
            step->note != FW_NOTE_DUPLICATE_ACK);
}

/* NULL: not wanted, or never recorded. */
static struct trail **slot_of(struct evidence *evidence, uint64_t id)
{
    if (!evidence->chosen)
        return &evidence->slots[id % SLOTS];
    const size_t place = place_of(evidence, id);
    return place < evidence->count && place < SLOTS && evidence->wanted[place] == id
               ? &evidence->slots[place]
               : NULL;
}

static struct trail *trail_of(struct evidence *evidence, uint64_t id)
{
    struct trail **slot = slot_of(evidence, id);

    if (!slot)
        return NULL;
    if (!*slot) {
        *slot = calloc(1, sizeof **slot);
        if (*slot)
            (*slot)->id = id;
    }
    return *slot && (*slot)->id == id ? *slot : NULL;
}

void evidence_take(struct evidence *evidence, const struct fw_step *step)
{
    if (!step->segment)
        return;
    if (step->frame > evidence->seen_frame)
        evidence->seen_frame = step->frame;
    if (!evidence_tells(step))
        return;
    struct trail *trail = trail_of(evidence, step->identity->id);
    if (!trail)
        return;
    const struct fw_segment *segment = step->segment;
    const struct evidence_frame frame = {
        .time = step->time,
        .frame = step->frame,
        .seq = segment->seq,
        .ack = segment->ack,
        .payload_bytes = segment->payload_bytes,
        .flags = segment->flags,
        .from = (uint8_t)step->from,
        .note = (uint8_t)step->note,
        .icmp = segment->icmp,
        .client_state = (uint8_t)step->client_state,
        .server_state = (uint8_t)step->server_state,
        .moved = step->count > 0,
    };
    if (trail->count < TRAIL_FIRST)
        trail->first[trail->count] = frame;
    trail->last[trail->count % TRAIL_LAST] = frame;
    trail->count++;
}

struct trail *evidence_take_trail(struct evidence *evidence, uint64_t id)
{
    struct trail **slot = slot_of(evidence, id);
    struct trail *trail = slot ? *slot : NULL;

    if (!trail || trail->id != id)
        return NULL;
    *slot = NULL;
    return trail;
}

size_t trail_count(const struct trail *trail)
{
    if (!trail)
        return 0;
    return trail->count > TRAIL_FIRST + TRAIL_LAST ? TRAIL_FIRST + TRAIL_LAST
                                                   : (size_t)trail->count;
}

const struct evidence_frame *trail_frame(const struct trail *trail, size_t index)
{
    if (index < TRAIL_FIRST)
        return &trail->first[index];
    const uint64_t left_out =
        trail->count > TRAIL_FIRST + TRAIL_LAST ? trail->count - TRAIL_FIRST - TRAIL_LAST : 0;
    return &trail->last[(index + left_out) % TRAIL_LAST];
}
