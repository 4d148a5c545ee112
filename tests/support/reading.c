#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reading.h"

enum { LARGEST_BATCH = 64 };

static void keep(struct reading *reading, const struct fw_packet *packet, size_t *room)
{
    if (reading->count == *room) {
        *room = *room ? *room * 2 : 64;
        reading->packets = realloc(reading->packets, *room * sizeof *packet);
        assert(reading->packets);
    }
    uint8_t *copy = malloc(packet->captured_bytes + 1u);
    assert(copy);
    memcpy(copy, packet->data, packet->captured_bytes);
    reading->packets[reading->count] = *packet;
    reading->packets[reading->count++].data = copy;
}

void reading_of_files(struct reading *reading, const char *const *paths, size_t count,
                      struct filter *filter, uint64_t max_packets, int batch)
{
    struct fw_packet packets[LARGEST_BATCH];
    size_t room = 0;
    int lent;

    assert(batch <= LARGEST_BATCH);
    *reading = (struct reading){ 0 };
    struct source *source = source_open_files(paths, count, filter, max_packets, &reading->refused);
    reading->opened = source != NULL;
    if (!source)
        return;
    while ((lent = source_next(source, packets, batch)) > 0) {
        for (int i = 0; i < lent; i++)
            keep(reading, &packets[i], &room);
    }
    assert(lent == SOURCE_END && source_next(source, packets, batch) == SOURCE_END);
    while (reading->fault_count < sizeof reading->faults / sizeof reading->faults[0] &&
           source_fault(source, reading->fault_count, &reading->faults[reading->fault_count]))
        reading->fault_count++;
    source_stats(source, &reading->stats);
    source_destroy(source);
}

void reading_of(struct reading *reading, const char *path)
{
    reading_of_files(reading, &path, 1, NULL, 0, LARGEST_BATCH);
}

void reading_finish(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        free((void *)(uintptr_t)reading->packets[i].data);
    free(reading->packets);
    *reading = (struct reading){ 0 };
}

enum source_fault_kind reading_fault_kind(const struct reading *reading)
{
    if (!reading->opened)
        return reading->refused.kind;
    return reading->fault_count ? reading->faults[0].kind : SOURCE_FAULT_NONE;
}

const char *reading_fault_text(const struct reading *reading)
{
    if (!reading->opened)
        return reading->refused.text;
    return reading->fault_count ? reading->faults[0].text : "";
}
