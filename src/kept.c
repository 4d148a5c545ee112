#include "kept.h"

#include <stdlib.h>
#include <string.h>

/* A packet of this size takes as much of the bytes as of the index. */
enum { USUAL_BYTES = 96 };

/* `place` counts bytes since the start; the packet is at place % bytes of the ring, in one piece.
 */
struct entry {
    uint64_t id; /* of the connection; 0: of none */
    uint64_t place;
    struct fw_packet packet; /* but `data` */
};

/* Entries from `oldest` to `next` (both count up) are there. */
struct ring {
    uint8_t *bytes;
    size_t byte_count;
    uint64_t place; /* where the next packet goes, if it fits there */
    struct entry *entries;
    size_t entry_room;
    uint64_t oldest, next;
};

struct kept {
    struct ring latest;
    struct ring telling; /* headers only */
};

/* ---------------------------------------------------------------------------------------- ring --
 */

static struct entry *entry_at(const struct ring *ring, uint64_t number)
{
    return &ring->entries[number % ring->entry_room];
}

static bool ring_init(struct ring *ring, size_t bytes)
{
    ring->byte_count = bytes;
    ring->bytes = malloc(bytes);
    ring->entry_room = bytes / USUAL_BYTES + 1;
    ring->entries = calloc(ring->entry_room, sizeof *ring->entries);
    return ring->bytes && ring->entries;
}

static void ring_finish(struct ring *ring)
{
    free(ring->bytes);
    free(ring->entries);
}

/* The place for so many bytes in one piece; what lies there goes. */
static uint64_t make_room(struct ring *ring, size_t bytes)
{
    const size_t at = ring->place % ring->byte_count;

    if (bytes > ring->byte_count - at)
        ring->place += ring->byte_count - at;
    if (ring->next - ring->oldest == ring->entry_room)
        ring->oldest++;
    while (ring->oldest < ring->next &&
           entry_at(ring, ring->oldest)->place + ring->byte_count < ring->place + bytes)
        ring->oldest++;
    return ring->place;
}

static void ring_add(struct ring *ring, const struct fw_packet *packet, uint64_t id, size_t most)
{
    const size_t bytes = packet->captured_bytes < most ? packet->captured_bytes : most;

    if (bytes > ring->byte_count)
        return;
    const uint64_t place = make_room(ring, bytes);
    struct entry *entry = entry_at(ring, ring->next++);
    *entry = (struct entry){ .id = id, .place = place, .packet = *packet };
    entry->packet.captured_bytes = (uint32_t)bytes;
    memcpy(ring->bytes + place % ring->byte_count, packet->data, bytes);
    ring->place = place + bytes;
}

/* Where it is if all frames were kept since, as they nearly always were. */
static struct entry *guess(const struct ring *ring, uint64_t frame)
{
    const uint64_t newest =
        ring->next > ring->oldest ? entry_at(ring, ring->next - 1)->packet.frame : 0;

    if (frame > newest || newest - frame >= ring->next - ring->oldest)
        return NULL;
    struct entry *entry = entry_at(ring, ring->next - 1 - (newest - frame));
    return entry->packet.frame == frame ? entry : NULL;
}

/* NULL: it has gone, or was never there. Only for a ring in order of frame. */
static struct entry *ring_find(const struct ring *ring, uint64_t frame)
{
    uint64_t low = ring->oldest, high = ring->next;
    struct entry *guessed = guess(ring, frame);

    if (guessed)
        return guessed;

    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (entry_at(ring, middle)->packet.frame < frame)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ring->next && entry_at(ring, low)->packet.frame == frame ? entry_at(ring, low)
                                                                          : NULL;
}

/* Appends the packets of a connection to `list`, which has room; NULL: counts them. */
static size_t ring_collect(const struct ring *ring, uint64_t id, struct fw_packet *list)
{
    size_t count = 0;

    for (uint64_t number = ring->oldest; number < ring->next; number++) {
        const struct entry *entry = entry_at(ring, number);
        if (entry->id != id)
            continue;
        if (list) {
            list[count] = entry->packet;
            list[count].data = ring->bytes + entry->place % ring->byte_count;
        }
        count++;
    }
    return count;
}

/* ---------------------------------------------------------------------------------------- kept --
 */

struct kept *kept_create(size_t ring_bytes)
{
    struct kept *kept = calloc(1, sizeof *kept);

    if (kept && ring_init(&kept->latest, ring_bytes) && ring_init(&kept->telling, ring_bytes))
        return kept;
    kept_destroy(kept);
    return NULL;
}

void kept_destroy(struct kept *kept)
{
    if (!kept)
        return;
    ring_finish(&kept->latest);
    ring_finish(&kept->telling);
    free(kept);
}

void kept_add(struct kept *kept, const struct fw_packet *packets, int count)
{
    for (int i = 0; i < count; i++)
        ring_add(&kept->latest, &packets[i], 0, packets[i].captured_bytes);
}

void kept_claim(struct kept *kept, uint64_t frame, uint64_t id, bool tells)
{
    struct entry *entry = ring_find(&kept->latest, frame);

    if (!entry)
        return;
    entry->id = id;
    if (!tells)
        return;
    struct fw_packet packet = entry->packet;
    packet.data = kept->latest.bytes + entry->place % kept->latest.byte_count;
    ring_add(&kept->telling, &packet, id, KEPT_HEADER_BYTES);
}

/* Whole packets before their headers alone. */
static int by_frame(const void *left, const void *right)
{
    const struct fw_packet *a = left, *b = right;

    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    return (a->captured_bytes < b->captured_bytes) - (a->captured_bytes > b->captured_bytes);
}

/* All packets of a connection, once each; to be freed. */
static struct fw_packet *collect(const struct kept *kept, uint64_t id, size_t *count)
{
    const size_t latest = ring_collect(&kept->latest, id, NULL);
    const size_t both = latest + ring_collect(&kept->telling, id, NULL);
    struct fw_packet *list = calloc(both + 1, sizeof *list);

    *count = 0;
    if (!list)
        return NULL;
    ring_collect(&kept->latest, id, list);
    ring_collect(&kept->telling, id, list + latest);
    qsort(list, both, sizeof *list, by_frame);
    for (size_t i = 0; i < both; i++)
        if (*count == 0 || list[*count - 1].frame != list[i].frame)
            list[(*count)++] = list[i];
    return list;
}

size_t kept_count(const struct kept *kept, uint64_t id)
{
    size_t count;

    free(collect(kept, id, &count));
    return count;
}

bool kept_each(const struct kept *kept, uint64_t id,
               bool (*each)(void *context, const struct fw_packet *packet), void *context)
{
    size_t count;
    struct fw_packet *list = collect(kept, id, &count);

    for (size_t i = 0; list && i < count; i++)
        if (!each(context, &list[i]))
            break;
    free(list);
    return list;
}
