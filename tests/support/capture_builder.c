#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture_builder.h"
#include "config.h"

#if HAVE_LZ4
#include <lz4frame.h>
#endif
#if HAVE_ZLIB
#include <zlib.h>
#endif
#if HAVE_ZSTD
#include <zstd.h>
#endif

static void give_up(const char *what)
{
    perror(what);
    abort();
}

/* ----------------------------------------------------------------------------------- bytes -- */

void build_finish(struct builder *builder)
{
    free(builder->bytes);
    *builder = (struct builder){ 0 };
}

void build_bytes(struct builder *builder, const void *bytes, size_t count)
{
    if (builder->room - builder->count < count) {
        builder->room = (builder->room + count) * 2;
        builder->bytes = realloc(builder->bytes, builder->room);
        if (!builder->bytes)
            give_up("builder");
    }
    if (count)
        memcpy(builder->bytes + builder->count, bytes, count);
    builder->count += count;
}

static void put(uint8_t *to, uint64_t value, size_t count, bool big_endian)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (uint8_t)(value >> 8 * (big_endian ? count - 1 - i : i));
}

static void build_integer(struct builder *builder, uint64_t value, size_t count)
{
    uint8_t bytes[8];

    put(bytes, value, count, builder->big_endian);
    build_bytes(builder, bytes, count);
}

void build_u16(struct builder *builder, uint16_t value)
{
    build_integer(builder, value, 2);
}

void build_u32(struct builder *builder, uint32_t value)
{
    build_integer(builder, value, 4);
}

void build_u64(struct builder *builder, uint64_t value)
{
    build_integer(builder, value, 8);
}

void build_patch_u32(struct builder *builder, size_t offset, uint32_t value)
{
    if (offset + 4 > builder->count)
        give_up("build_patch_u32");
    put(builder->bytes + offset, value, 4, builder->big_endian);
}

static void pad(struct builder *builder)
{
    while (builder->count % 4)
        build_bytes(builder, "", 1);
}

/* ------------------------------------------------------------------------------------ pcap -- */

void build_pcap(struct builder *builder, const struct pcap_variant *variant)
{
    const uint16_t major = variant->major ? variant->major : 2;
    const uint16_t minor = variant->minor ? variant->minor : 4;

    builder->big_endian = variant->big_endian;
    builder->nanoseconds = variant->nanoseconds;
    builder->modified = variant->modified;
    builder->lengths_exchanged = major == 2 && minor < 3;
    build_u32(builder, variant->modified      ? 0xa1b2cd34
                       : variant->nanoseconds ? 0xa1b23c4d
                                              : 0xa1b2c3d4);
    build_u16(builder, major);
    build_u16(builder, minor);
    build_u32(builder, 0);
    build_u32(builder, 0);
    build_u32(builder, variant->snaplen);
    build_u32(builder, variant->link_type);
}

void build_pcap_header(struct builder *builder, uint32_t seconds, uint32_t ticks, uint32_t captured,
                       uint32_t sent)
{
    build_u32(builder, seconds);
    build_u32(builder, ticks);
    build_u32(builder, builder->lengths_exchanged ? sent : captured);
    build_u32(builder, builder->lengths_exchanged ? captured : sent);
    if (builder->modified)
        build_u64(builder, 0);
}

void build_pcap_packet(struct builder *builder, fw_time time, const void *data, uint32_t captured,
                       uint32_t sent)
{
    build_pcap_header(builder, (uint32_t)(time / FW_SECOND),
                      (uint32_t)(time % FW_SECOND / (builder->nanoseconds ? 1 : 1000)), captured,
                      sent);
    build_bytes(builder, data, captured);
}

/* ---------------------------------------------------------------------------------- pcapng -- */

size_t build_block_begin(struct builder *builder, uint32_t type)
{
    const size_t begin = builder->count;

    build_u32(builder, type);
    build_u32(builder, 0); /* build_block_end() knows the length */
    return begin;
}

void build_block_end(struct builder *builder, size_t begin)
{
    pad(builder);
    const uint32_t length = (uint32_t)(builder->count - begin + 4);
    build_u32(builder, length);
    build_patch_u32(builder, begin + 4, length);
}

void build_block(struct builder *builder, uint32_t type, const void *body, size_t body_bytes)
{
    const size_t begin = build_block_begin(builder, type);

    build_bytes(builder, body, body_bytes);
    build_block_end(builder, begin);
}

void build_option(struct builder *builder, uint16_t code, const void *value, uint16_t value_bytes)
{
    build_u16(builder, code);
    build_u16(builder, value_bytes);
    build_bytes(builder, value, value_bytes);
    pad(builder);
}

void build_section(struct builder *builder, bool big_endian)
{
    builder->big_endian = big_endian;
    const size_t begin = build_block_begin(builder, 0x0a0d0d0a);
    build_u32(builder, 0x1a2b3c4d);
    build_u16(builder, 1);
    build_u16(builder, 0);
    build_u64(builder, UINT64_MAX); /* section length not told */
    build_block_end(builder, begin);
}

void build_interface(struct builder *builder, const struct interface_variant *variant)
{
    const size_t begin = build_block_begin(builder, 1);
    const uint8_t tsresol = (uint8_t)variant->tsresol;
    uint8_t tsoffset[8];

    build_u16(builder, variant->link_type);
    build_u16(builder, 0);
    build_u32(builder, variant->snaplen);
    if (variant->name)
        build_option(builder, 2, variant->name, (uint16_t)strlen(variant->name));
    if (variant->tsresol)
        build_option(builder, 9, &tsresol, 1);
    if (variant->tsoffset) {
        put(tsoffset, (uint64_t)variant->tsoffset, 8, builder->big_endian);
        build_option(builder, 14, tsoffset, 8);
    }
    if (variant->name || variant->tsresol || variant->tsoffset)
        build_option(builder, 0, NULL, 0);
    build_block_end(builder, begin);
}

void build_enhanced_with_comment(struct builder *builder, uint32_t interface, uint64_t ticks,
                                 const void *data, uint32_t captured, uint32_t sent,
                                 const char *comment)
{
    const size_t begin = build_block_begin(builder, 6);

    build_u32(builder, interface);
    build_u32(builder, (uint32_t)(ticks >> 32));
    build_u32(builder, (uint32_t)ticks);
    build_u32(builder, captured);
    build_u32(builder, sent);
    build_bytes(builder, data, captured);
    pad(builder);
    if (comment) {
        build_option(builder, 1, comment, (uint16_t)strlen(comment));
        build_option(builder, 0, NULL, 0);
    }
    build_block_end(builder, begin);
}

void build_enhanced(struct builder *builder, uint32_t interface, uint64_t ticks, const void *data,
                    uint32_t captured, uint32_t sent)
{
    build_enhanced_with_comment(builder, interface, ticks, data, captured, sent, NULL);
}

void build_obsolete(struct builder *builder, uint16_t interface, uint64_t ticks, const void *data,
                    uint32_t captured, uint32_t sent)
{
    const size_t begin = build_block_begin(builder, 2);

    build_u16(builder, interface);
    build_u16(builder, 0); /* drops */
    build_u32(builder, (uint32_t)(ticks >> 32));
    build_u32(builder, (uint32_t)ticks);
    build_u32(builder, captured);
    build_u32(builder, sent);
    build_bytes(builder, data, captured);
    build_block_end(builder, begin);
}

void build_simple(struct builder *builder, const void *data, uint32_t captured, uint32_t sent)
{
    const size_t begin = build_block_begin(builder, 3);

    build_u32(builder, sent);
    build_bytes(builder, data, captured);
    build_block_end(builder, begin);
}

/* --------------------------------------------------------------------------------- packets -- */

void build_tcp(uint8_t frame[BUILD_TCP_BYTES], uint16_t from, uint16_t to, uint32_t seq,
               uint32_t ack, uint16_t flags)
{
    static const uint8_t headers[BUILD_TCP_BYTES] = {
        2,    0, 0, 0,  0, 2, 2,    0, 0,  0, 0,    1,    0x08, 0x00, /* Ethernet */
        0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0x26, 0xce, 10,   0,    0, 1, 10, 0, 0, 2, /* IPv4 */
    };
    uint8_t *tcp = frame + 34;

    memcpy(frame, headers, sizeof headers);
    put(tcp, from, 2, true);
    put(tcp + 2, to, 2, true);
    put(tcp + 4, seq, 4, true);
    put(tcp + 8, ack, 4, true);
    put(tcp + 12, 0x5000u | flags, 2, true);
    put(tcp + 14, 65535, 2, true);
}

/* -------------------------------------------------------------------------------- compress -- */

static size_t gzip_bytes(const struct builder *from, uint8_t *to, size_t room)
{
#if HAVE_ZLIB
    z_stream gzip = { .next_in = (z_const Bytef *)from->bytes,
                      .avail_in = (uInt)from->count,
                      .next_out = to,
                      .avail_out = (uInt)room };
    if (deflateInit2(&gzip, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&gzip, Z_FINISH) != Z_STREAM_END)
        give_up("gzip");
    deflateEnd(&gzip);
    return gzip.total_out;
#else
    (void)from, (void)to, (void)room;
    return 0;
#endif
}

static size_t zstd_bytes(const struct builder *from, uint8_t *to, size_t room)
{
#if HAVE_ZSTD
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    if (!zstd || ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)))
        give_up("zstd");
    const size_t count = ZSTD_compress2(zstd, to, room, from->bytes, from->count);
    if (ZSTD_isError(count))
        give_up("zstd");
    ZSTD_freeCCtx(zstd);
    return count;
#else
    (void)from, (void)to, (void)room;
    return 0;
#endif
}

static size_t lz4_bytes(const struct builder *from, uint8_t *to, size_t room)
{
#if HAVE_LZ4
    const LZ4F_preferences_t preferences = { .frameInfo = { .contentChecksumFlag =
                                                                LZ4F_contentChecksumEnabled } };
    const size_t count = LZ4F_compressFrame(to, room, from->bytes, from->count, &preferences);
    if (LZ4F_isError(count))
        give_up("lz4");
    return count;
#else
    (void)from, (void)to, (void)room;
    return 0;
#endif
}

bool build_compress(struct builder *builder, enum compression compression)
{
    const size_t room = builder->count + builder->count / 8 + 4096;
    uint8_t *to = malloc(room);
    size_t count = 0;

    if (!to)
        give_up("builder");
    switch (compression) {
    case COMPRESSION_NONE:
        free(to);
        return true;
    case COMPRESSION_GZIP:
        count = gzip_bytes(builder, to, room);
        break;
    case COMPRESSION_ZSTD:
        count = zstd_bytes(builder, to, room);
        break;
    case COMPRESSION_LZ4:
        count = lz4_bytes(builder, to, room);
        break;
    }
    if (count) {
        free(builder->bytes);
        builder->bytes = to;
        builder->room = room;
        builder->count = count;
    } else {
        free(to);
    }
    return count > 0;
}

/* ------------------------------------------------------------------------------------- use -- */

static char folder[64];
static pid_t folder_owner;

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void remove_folder(void)
{
    if (getpid() == folder_owner)
        nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *build_folder(void)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/finwait-test-XXXXXX");
        if (!mkdtemp(folder))
            give_up("mkdtemp");
        folder_owner = getpid();
        atexit(remove_folder);
    }
    return folder;
}

const char *build_save_part(const struct builder *builder, const char *name, size_t count)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", build_folder(), name);
    FILE *file = fopen(path, "wb");
    if (!file || (count > 0 && fwrite(builder->bytes, 1, count, file) != count) ||
        fclose(file) != 0)
        give_up(path);
    return path;
}

const char *build_save(const struct builder *builder, const char *name)
{
    return build_save_part(builder, name, builder->count);
}

int build_pipe(const struct builder *builder, size_t piece_bytes)
{
    int ends[2];

    if (pipe(ends) < 0)
        give_up("pipe");
    fflush(NULL);
    const pid_t writer = fork();
    if (writer < 0)
        give_up("fork");
    if (writer > 0) {
        close(ends[1]);
        return ends[0];
    }
    close(ends[0]);
    signal(SIGPIPE, SIG_DFL);
    for (size_t at = 0; at < builder->count;) {
        const size_t left = builder->count - at;
        const ssize_t put_bytes = write(ends[1], builder->bytes + at,
                                        piece_bytes && piece_bytes < left ? piece_bytes : left);
        if (put_bytes < 0)
            _exit(1);
        at += (size_t)put_bytes;
    }
    _exit(0);
}
