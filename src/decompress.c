#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "config.h"
#include "decompress.h"

#if HAVE_LZ4
#include <lz4frame.h>
#endif
#if HAVE_ZLIB
#include <zlib.h>
#endif
#if HAVE_ZSTD
#include <zstd.h>
#endif

/* What a library's stream does; a missing row: it was not built in. */
struct codec {
    void *(*create)(void);
    void (*destroy)(void *stream);
    const char *(*run)(struct decompressor *decompressor, struct decompress_step *step);
};

struct decompressor {
    const struct codec *codec;
    void *stream;
    bool may_end;       /* a member or frame has ended and the next has not begun */
    size_t begun_bytes; /* zstd: of a frame, up to ZSTD_HEADER_MOST */
    bool ignoring;      /* what is left is no member */
    uint64_t ignored_bytes;
};

/* ---------------------------------------------------------------------------- first bytes -- */

enum compression compression_detect(const uint8_t *first, size_t count)
{
    bool skippable = false;

    /* zstd and LZ4 share the magic of frames to skip (RFC 8878, 3.1.2): the next frame tells. */
    while (count >= 8 && (load_le32(first) & 0xfffffff0) == 0x184d2a50) {
        const size_t frame_bytes = 8 + (size_t)load_le32(first + 4);
        skippable = true;
        if (frame_bytes >= count)
            break;
        first += frame_bytes;
        count -= frame_bytes;
    }
    if (count >= 4 && load_le32(first) == 0x184d2204)
        return COMPRESSION_LZ4;
    if (skippable || (count >= 4 && load_le32(first) == 0xfd2fb528))
        return COMPRESSION_ZSTD;
    if (count >= 3 && first[0] == 0x1f && first[1] == 0x8b && first[2] == 8)
        return COMPRESSION_GZIP;
    return COMPRESSION_NONE;
}

const char *compression_name(enum compression compression)
{
    switch (compression) {
    case COMPRESSION_NONE:
        break;
    case COMPRESSION_GZIP:
        return "gzip";
    case COMPRESSION_ZSTD:
        return "zstd";
    case COMPRESSION_LZ4:
        return "lz4";
    }
    return "";
}

/* ------------------------------------------------------------------------------------ gzip -- */

#if HAVE_ZLIB
static void *gzip_create(void)
{
    z_stream *gzip = calloc(1, sizeof *gzip);

    if (gzip && inflateInit2(gzip, 16 + MAX_WBITS) != Z_OK) { /* 16: gzip, not zlib */
        free(gzip);
        return NULL;
    }
    return gzip;
}

static void gzip_destroy(void *stream)
{
    inflateEnd(stream);
    free(stream);
}

/* Like gzip(1): members follow one another; what else follows (padding of a tape) is ignored. */
static bool start_member(struct decompressor *decompressor, struct decompress_step *step)
{
    if (!decompressor->ignoring && *step->in == 0x1f) {
        decompressor->may_end = false;
        return inflateReset(decompressor->stream) == Z_OK;
    }
    decompressor->ignoring = true;
    decompressor->ignored_bytes += (uint64_t)(step->in_end - step->in);
    step->in = step->in_end;
    return false;
}

static const char *gzip_run(struct decompressor *decompressor, struct decompress_step *step)
{
    z_stream *gzip = decompressor->stream;
    int result = Z_OK;

    while (step->out < step->out_end && result != Z_BUF_ERROR) {
        if (decompressor->may_end && step->in == step->in_end)
            break;
        if (decompressor->may_end && !start_member(decompressor, step))
            break;
        gzip->next_in = (z_const Bytef *)step->in;
        gzip->avail_in = (uInt)(step->in_end - step->in);
        gzip->next_out = step->out;
        gzip->avail_out = (uInt)(step->out_end - step->out);
        result = inflate(gzip, Z_NO_FLUSH); /* without input: what it could not write before */
        step->in = gzip->next_in;
        step->out = gzip->next_out;
        if (result == Z_STREAM_END)
            decompressor->may_end = true;
        else if (result == Z_MEM_ERROR)
            return "out of memory";
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return gzip->msg ? gzip->msg : "a preset dictionary is needed";
    }
    return NULL;
}

static const struct codec gzip_codec = { gzip_create, gzip_destroy, gzip_run };
#endif

/* ------------------------------------------------------------------------------------ zstd -- */

#if HAVE_ZSTD
static void *zstd_create(void)
{
    return ZSTD_createDStream();
}

static void zstd_destroy(void *stream)
{
    ZSTD_freeDStream(stream);
}

/* What looks like a whole frame in the input libzstd takes at one blow when a header ends, and then
 * sees faults that it overlooks in a stream (a size that is promised, no block that has it); or it
 * takes for a frame, or for one of before 2016, what is the rest of a header that it has the
 * beginning of. What is wrong must not depend on how much is given at once: until a header must
 * have ended (RFC 8878 section 3.1.1.1), what goes in is shorter than the magic of a frame. */
enum { ZSTD_HEADER_MOST = 18, ZSTD_LESS_THAN_MAGIC = 3 };

static const char *zstd_run(struct decompressor *decompressor, struct decompress_step *step)
{
    const size_t in_bytes = (size_t)(step->in_end - step->in);
    ZSTD_inBuffer in = { step->in, 0, 0 };
    ZSTD_outBuffer out = { step->out, (size_t)(step->out_end - step->out), 0 };
    const char *error = NULL;

    do {
        const size_t in_before = in.pos, out_before = out.pos, left = in_bytes - in.pos;
        const bool in_header = decompressor->begun_bytes < ZSTD_HEADER_MOST;
        in.size = in.pos + (in_header && left > ZSTD_LESS_THAN_MAGIC ? ZSTD_LESS_THAN_MAGIC : left);
        const size_t result = ZSTD_decompressStream(decompressor->stream, &out, &in);
        if (ZSTD_isError(result)) {
            error = ZSTD_getErrorName(result);
        } else if (in.pos > in_before || out.pos > out_before) {
            decompressor->may_end = result == 0;
            if (decompressor->may_end)
                decompressor->begun_bytes = 0;
            else if (in_header)
                decompressor->begun_bytes += in.pos - in_before;
        } else {
            break;
        }
    } while (!error && in.pos < in_bytes && out.pos < out.size);
    step->in += in.pos;
    step->out += out.pos;
    return error;
}

static const struct codec zstd_codec = { zstd_create, zstd_destroy, zstd_run };
#endif

/* ------------------------------------------------------------------------------------- lz4 -- */

#if HAVE_LZ4
static void *lz4_create(void)
{
    LZ4F_dctx *context = NULL;

    return LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)) ? NULL : context;
}

static void lz4_destroy(void *stream)
{
    LZ4F_freeDecompressionContext(stream);
}

static const char *lz4_error(size_t result)
{
    const char *name = LZ4F_getErrorName(result); /* "ERROR_blockChecksum_invalid" */
    const char *words = strchr(name, '_');

    return words ? words + 1 : name;
}

static const char *lz4_run(struct decompressor *decompressor, struct decompress_step *step)
{
    size_t in_bytes, out_bytes;

    do {
        in_bytes = (size_t)(step->in_end - step->in);
        out_bytes = (size_t)(step->out_end - step->out);
        const size_t result =
            LZ4F_decompress(decompressor->stream, step->out, &out_bytes, step->in, &in_bytes, NULL);
        if (LZ4F_isError(result))
            return lz4_error(result);
        step->in += in_bytes;
        step->out += out_bytes;
        if (in_bytes + out_bytes > 0)
            decompressor->may_end = result == 0;
    } while (in_bytes + out_bytes > 0 && step->in < step->in_end && step->out < step->out_end);
    return NULL;
}

static const struct codec lz4_codec = { lz4_create, lz4_destroy, lz4_run };
#endif

/* ---------------------------------------------------------------------------------- common -- */

static const struct codec *find_codec(enum compression compression)
{
    switch (compression) {
    case COMPRESSION_NONE:
        break;
    case COMPRESSION_GZIP:
#if HAVE_ZLIB
        return &gzip_codec;
#else
        break;
#endif
    case COMPRESSION_ZSTD:
#if HAVE_ZSTD
        return &zstd_codec;
#else
        break;
#endif
    case COMPRESSION_LZ4:
#if HAVE_LZ4
        return &lz4_codec;
#else
        break;
#endif
    }
    return NULL;
}

bool compression_is_built_in(enum compression compression)
{
    return find_codec(compression) != NULL;
}

struct decompressor *decompressor_create(enum compression compression)
{
    const struct codec *codec = find_codec(compression);
    struct decompressor *decompressor = calloc(1, sizeof *decompressor);

    if (!codec || !decompressor) {
        free(decompressor);
        return NULL;
    }
    decompressor->codec = codec;
    decompressor->stream = codec->create();
    if (!decompressor->stream) {
        free(decompressor);
        return NULL;
    }
    return decompressor;
}

void decompressor_destroy(struct decompressor *decompressor)
{
    if (!decompressor)
        return;
    decompressor->codec->destroy(decompressor->stream);
    free(decompressor);
}

const char *decompressor_run(struct decompressor *decompressor, struct decompress_step *step)
{
    return decompressor->codec->run(decompressor, step);
}

bool decompressor_may_end(const struct decompressor *decompressor)
{
    return decompressor->may_end;
}

uint64_t decompressor_ignored_bytes(const struct decompressor *decompressor)
{
    return decompressor->ignored_bytes;
}
