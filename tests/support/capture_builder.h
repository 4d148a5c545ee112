/*
 * Captures made in memory: pcap and pcapng in every variant, well formed or not. What is built is
 * plain bytes: to look at, cut, patch, compress, save as a file or send through a pipe.
 *
 *     struct builder builder = { 0 };
 *     build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
 *     build_pcap_packet(&builder, 5 * FW_SECOND, packet, sizeof packet, sizeof packet);
 *     const char *path = build_save(&builder, "five.pcap");
 *     build_finish(&builder);
 */
#ifndef CAPTURE_BUILDER_H
#define CAPTURE_BUILDER_H

#include "finwait/finwait.h"

#include "decompress.h"

struct builder {
    uint8_t *bytes;
    size_t count, room;
    bool big_endian; /* of the integers written from here on */
    /* of the pcap file that was begun */
    bool nanoseconds, modified, lengths_exchanged;
};

/* Frees the bytes; the builder can be used again. */
void build_finish(struct builder *builder);

/* Bytes and integers in the builder's byte order. Out of memory ends the test program. */
void build_bytes(struct builder *builder, const void *bytes, size_t count);
void build_u16(struct builder *builder, uint16_t value);
void build_u32(struct builder *builder, uint32_t value);
void build_u64(struct builder *builder, uint64_t value);
/* Writes over four bytes that are there. */
void build_patch_u32(struct builder *builder, size_t offset, uint32_t value);

/* ------------------------------------------------------------------------------------ pcap -- */

struct pcap_variant {
    bool big_endian;
    bool nanoseconds; /* magic 0xa1b23c4d */
    bool modified;    /* magic 0xa1b2cd34: packet headers of 24 bytes */
    uint16_t minor;   /* 0: 4 */
    uint16_t major;   /* 0: 2 */
    uint32_t snaplen;
    uint32_t link_type; /* the whole field, FCS bits too */
};

/* The file header. */
void build_pcap(struct builder *builder, const struct pcap_variant *variant);
void build_pcap_packet(struct builder *builder, fw_time time, const void *data, uint32_t captured,
                       uint32_t sent);
/* Only a packet header, with whatever is told. */
void build_pcap_header(struct builder *builder, uint32_t seconds, uint32_t ticks, uint32_t captured,
                       uint32_t sent);

/* ---------------------------------------------------------------------------------- pcapng -- */

/* Section header; sets the byte order. */
void build_section(struct builder *builder, bool big_endian);

struct interface_variant {
    uint16_t link_type;
    uint32_t snaplen;
    int tsresol;      /* if_tsresol as it is written; 0: no such option (microseconds) */
    int64_t tsoffset; /* if_tsoffset; 0: no such option */
    const char *name; /* if_name; NULL: no such option */
};
void build_interface(struct builder *builder, const struct interface_variant *variant);

/* Packet blocks. `ticks` are units of the interface's resolution. */
void build_enhanced(struct builder *builder, uint32_t interface, uint64_t ticks, const void *data,
                    uint32_t captured, uint32_t sent);
void build_enhanced_with_comment(struct builder *builder, uint32_t interface, uint64_t ticks,
                                 const void *data, uint32_t captured, uint32_t sent,
                                 const char *comment);
void build_obsolete(struct builder *builder, uint16_t interface, uint64_t ticks, const void *data,
                    uint32_t captured, uint32_t sent);
void build_simple(struct builder *builder, const void *data, uint32_t captured, uint32_t sent);

/* Any block, its body padded to four bytes. */
void build_block(struct builder *builder, uint32_t type, const void *body, size_t body_bytes);
/* Any block in parts: returns where it begins, for build_block_end(). */
size_t build_block_begin(struct builder *builder, uint32_t type);
void build_block_end(struct builder *builder, size_t begin);
void build_option(struct builder *builder, uint16_t code, const void *value, uint16_t value_bytes);

/* --------------------------------------------------------------------------------- packets -- */

/* A small Ethernet frame with IPv4 and TCP, 10.0.0.1:from -> 10.0.0.2:to; flags FW_FIN... */
enum { BUILD_TCP_BYTES = 54 };
void build_tcp(uint8_t frame[BUILD_TCP_BYTES], uint16_t from, uint16_t to, uint32_t seq,
               uint32_t ack, uint16_t flags);

/* ------------------------------------------------------------------------------------- use -- */

/* Replaces the bytes by themselves compressed, in one member or frame with a checksum. False: not
 * built in. */
bool build_compress(struct builder *builder, enum compression compression);

/* Writes the first `count` bytes to a file of that name in a folder that is removed at exit.
 * Returns its path, lent until the next call. */
const char *build_save_part(const struct builder *builder, const char *name, size_t count);
const char *build_save(const struct builder *builder, const char *name);
/* The folder. */
const char *build_folder(void);

/* A descriptor from which the bytes can be read, `piece_bytes` at a time (0: as they come); a child
 * process writes them. Close it. */
int build_pipe(const struct builder *builder, size_t piece_bytes);

#endif
