/*
 * Writes packets as pcapng (draft-ietf-opsawg-pcapng), times in nanoseconds: a section, a
 * description for each link type when it is met, the packets. Level 5.
 */
#ifndef PCAPNG_WRITE_H
#define PCAPNG_WRITE_H

#include "finwait/finwait.h"

#include "out.h"

enum { PCAPNG_LINK_TYPES = 32 };

struct pcapng_writer {
    struct out *out;
    uint16_t link_types[PCAPNG_LINK_TYPES]; /* by the number of their description */
    uint32_t link_type_count;
};

void pcapng_write_begin(struct pcapng_writer *writer, struct out *out);

/* False: of more link types than there is room for; it is left out. */
bool pcapng_write_packet(struct pcapng_writer *writer, const struct fw_packet *packet);

#endif
