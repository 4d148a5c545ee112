/* A capture as a script for fuzz_tracker (segments.h), to begin from:  seed_tracker CAPTURE SCRIPT
 * Near enough: numbers that no row can tell are told as those that were due. */
#include "segments.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct end {
    struct fw_endpoint endpoint;
    uint32_t iss, nxt, acked;
    bool begun;
};

struct seeding {
    struct end ends[SCRIPT_TUPLES][2];
    unsigned tuples;
    fw_time last_time;
    FILE *file;
};

static bool same(const struct fw_endpoint *one, const struct fw_endpoint *other)
{
    return one->family == other->family && one->port == other->port &&
           memcmp(one->addr, other->addr, sizeof(one->addr)) == 0;
}

/* Which tuple, and which end of it sends; false: there are too many. */
static bool find(struct seeding *seeding, const struct fw_segment *segment, unsigned *tuple,
                 int *side)
{
    for (*tuple = 0; *tuple < seeding->tuples; ++*tuple)
        for (*side = 0; *side < 2; ++*side)
            if (same(&seeding->ends[*tuple][*side].endpoint, &segment->from) &&
                same(&seeding->ends[*tuple][!*side].endpoint, &segment->to))
                return true;
    if (seeding->tuples == SCRIPT_TUPLES)
        return false;
    seeding->tuples++;
    seeding->ends[*tuple][0].endpoint = segment->from;
    seeding->ends[*tuple][1].endpoint = segment->to;
    *side = 0;
    return true;
}

static bool offset_of(uint32_t number, uint32_t base, uint8_t *offset)
{
    for (unsigned byte = 0; byte < 256; byte++)
        if (number - base == (uint32_t)script_offset((uint8_t)byte)) {
            *offset = (uint8_t)byte;
            return true;
        }
    return false;
}

static uint8_t base_of(const struct end *of, const struct end *to, uint32_t number, uint8_t *offset)
{
    if (of->begun && offset_of(number, of->nxt, offset))
        return BASE_NXT;
    if (of->begun && offset_of(number, of->iss, offset))
        return BASE_ISS;
    if (offset_of(number, to->acked, offset))
        return BASE_ACKED;
    *offset = 0;
    return BASE_NXT;
}

static uint8_t nearest_payload(uint32_t bytes)
{
    unsigned byte = 0;

    while (byte < 255 && script_payload((uint8_t)byte) < bytes)
        byte++;
    return (uint8_t)byte;
}

static uint8_t nearest_step(int64_t ns)
{
    unsigned best = 0;

    for (unsigned byte = 0; byte < 64; byte++)
        if (llabs(script_step_ns((uint8_t)byte) - ns) < llabs(script_step_ns((uint8_t)best) - ns))
            best = byte;
    return (uint8_t)best;
}

static void write_row(struct seeding *seeding, const struct fw_segment *segment)
{
    unsigned tuple;
    int side;

    if (!find(seeding, segment, &tuple, &side))
        return;
    struct end *from = &seeding->ends[tuple][side], *to = &seeding->ends[tuple][!side];
    const bool syn = segment->flags & FW_SYN;
    uint8_t row[SCRIPT_ROW_BYTES] = { (uint8_t)(tuple | (unsigned)side << 3),
                                      (uint8_t)segment->flags };

    if (syn && segment->seq != from->iss) {
        row[2] = BASE_LITERAL;
        row[10] = (uint8_t)(segment->seq >> 8 & 0xf7);
        row[11] = (uint8_t)(segment->seq >> 16);
    } else {
        row[2] = base_of(from, to, segment->seq, &row[3]);
    }
    row[2] |= (uint8_t)(base_of(to, from, segment->ack, &row[4]) << 4);
    row[5] = nearest_payload(segment->payload_bytes);
    row[6] = (uint8_t)(segment->window_raw >> 8);
    row[7] = segment->options & 0x1f;
    if (segment->icmp != FW_ICMP_NONE) {
        row[0] = SCRIPT_REPEAT << 6;
        row[1] = (uint8_t)(segment->icmp - FW_ICMP_NET_UNREACHABLE);
        row[7] = 4;
    }
    row[9] = nearest_step(segment->time - seeding->last_time);
    fwrite(row, 1, sizeof(row), seeding->file);
    seeding->last_time = segment->time;
    if (segment->icmp != FW_ICMP_NONE)
        return;
    if (syn)
        from->iss = segment->seq;
    const uint32_t nxt =
        segment->seq + segment->payload_bytes + syn + ((segment->flags & FW_FIN) != 0);
    if (!(segment->flags & FW_RST) && (!from->begun || syn || (int32_t)(nxt - from->nxt) > 0))
        from->nxt = nxt;
    from->begun = true;
    if (segment->flags & FW_ACK)
        from->acked = segment->ack;
}

int main(int argc, char **argv)
{
    static const uint8_t header[SCRIPT_HEADER_BYTES] = { SCRIPT_TUPLES - 1, 4, 0, 0, 63, 7 };
    struct seeding seeding = { 0 };
    struct source_fault fault;
    struct fw_packet packet;

    if (argc != 3) {
        fputs("usage: seed_tracker CAPTURE SCRIPT\n", stderr);
        return EXIT_FAILURE;
    }
    struct source *source = source_open_files((const char *const *)&argv[1], 1, NULL, 0, &fault);
    seeding.file = source ? fopen(argv[2], "wb") : NULL;
    if (!seeding.file) {
        fprintf(stderr, "%s: %s\n", argv[source ? 2 : 1], source ? "cannot write" : fault.text);
        return EXIT_FAILURE;
    }
    fwrite(header, 1, sizeof(header), seeding.file);
    while (source_next(source, &packet, 1) == 1) {
        struct fw_segment segment;
        const enum fw_verdict verdict =
            fw_decode(&packet, &(struct fw_decode_options){ 0 }, &segment, NULL);
        if (seeding.last_time == 0)
            seeding.last_time = packet.time;
        if (verdict == FW_VERDICT_SEGMENT || verdict == FW_VERDICT_ICMP_ERROR)
            write_row(&seeding, &segment);
    }
    source_destroy(source);
    return fclose(seeding.file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
