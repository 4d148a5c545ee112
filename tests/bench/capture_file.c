#include "capture_file.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if HAVE_ZSTD
#include <zstd.h>
#endif

enum {
    BLOCK_BYTES = 1024 * 1024,
    LINK_ETHERNET = 1,
    PCAP_RECORD_BYTES = 16,
    PCAPNG_PACKET_BYTES = 28, /* before the frame of an enhanced packet block */
    PCAPNG_TRAILER_BYTES = 8, /* after it: padding, length */
};

struct capture_file {
    int fd;
    int error; /* errno of the first write that failed */
    bool pcapng;
    uint32_t used;
    uint8_t block[BLOCK_BYTES];
#if HAVE_ZSTD
    ZSTD_CCtx *zstd; /* NULL: plain */
    uint8_t packed[BLOCK_BYTES];
#endif
};

/* ------------------------------------------------------------------------------------- output --
 */

static void write_all(struct capture_file *file, const uint8_t *bytes, size_t count)
{
    while (count > 0 && !file->error) {
        const ssize_t written = write(file->fd, bytes, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            file->error = errno;
            return;
        }
        bytes += written;
        count -= (size_t)written;
    }
}

#if HAVE_ZSTD
static void pack(struct capture_file *file, bool last)
{
    ZSTD_inBuffer in = { file->block, file->used, 0 };
    size_t left;

    do {
        ZSTD_outBuffer out = { file->packed, sizeof file->packed, 0 };
        left = ZSTD_compressStream2(file->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            file->error = ENOMEM;
            return;
        }
        write_all(file, file->packed, out.pos);
    } while (last ? left > 0 : in.pos < in.size);
}
#endif

static void flush(struct capture_file *file, bool last)
{
#if HAVE_ZSTD
    if (file->zstd)
        pack(file, last);
    else
#endif
        write_all(file, file->block, file->used);
    (void)last;
    file->used = 0;
}

/* Files are little-endian, whatever the machine. */
static uint8_t *put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value), value >> 16);
}

/* ------------------------------------------------------------------------------------ formats --
 */

/* draft-ietf-opsawg-pcap: file header. */
static uint8_t *put_pcap_header(uint8_t *at, uint32_t snaplen)
{
    at = put32(at, 0xa1b2c3d4); /* microseconds */
    at = put16(at, 2);
    at = put16(at, 4);
    at = put32(at, 0);
    at = put32(at, 0);
    at = put32(at, snaplen);
    return put32(at, LINK_ETHERNET);
}

/* draft-ietf-opsawg-pcapng: section header block, interface description block. */
static uint8_t *put_pcapng_header(uint8_t *at, uint32_t snaplen)
{
    at = put32(at, 0x0a0d0d0a);
    at = put32(at, 28);
    at = put32(at, 0x1a2b3c4d);
    at = put16(at, 1);
    at = put16(at, 0);
    at = put32(at, UINT32_MAX); /* length of the section: not said */
    at = put32(at, UINT32_MAX);
    at = put32(at, 28);

    at = put32(at, 1);
    at = put32(at, 20);
    at = put16(at, LINK_ETHERNET);
    at = put16(at, 0);
    at = put32(at, snaplen);
    return put32(at, 20);
}

uint8_t *capture_file_reserve(struct capture_file *file, uint32_t bytes)
{
    const uint32_t before = file->pcapng ? PCAPNG_PACKET_BYTES : PCAP_RECORD_BYTES;

    if (file->used + before + bytes + PCAPNG_TRAILER_BYTES > BLOCK_BYTES)
        flush(file, false);
    return file->block + file->used + before;
}

static void add_pcap(struct capture_file *file, int64_t time_us, uint32_t captured, uint32_t sent)
{
    uint8_t *at = file->block + file->used;

    at = put32(at, (uint32_t)(time_us / 1000000));
    at = put32(at, (uint32_t)(time_us % 1000000));
    at = put32(at, captured);
    at = put32(at, sent);
    file->used = (uint32_t)(at + captured - file->block);
}

static void add_pcapng(struct capture_file *file, int64_t time_us, uint32_t captured, uint32_t sent)
{
    const uint32_t padding = -captured & 3;
    const uint32_t length = PCAPNG_PACKET_BYTES + captured + padding + 4;
    uint8_t *at = file->block + file->used;

    at = put32(at, 6); /* enhanced packet block */
    at = put32(at, length);
    at = put32(at, 0); /* interface */
    at = put32(at, (uint32_t)((uint64_t)time_us >> 32));
    at = put32(at, (uint32_t)time_us);
    at = put32(at, captured);
    at = put32(at, sent) + captured;
    memset(at, 0, padding);
    at = put32(at + padding, length);
    file->used = (uint32_t)(at - file->block);
}

void capture_file_add(struct capture_file *file, int64_t time_us, uint32_t captured, uint32_t sent)
{
    if (file->pcapng)
        add_pcapng(file, time_us, captured, sent);
    else
        add_pcap(file, time_us, captured, sent);
}

/* ------------------------------------------------------------------------------ open and close --
 */

static bool ends_with(const char *name, size_t length, const char *end)
{
    return length > strlen(end) && memcmp(name + length - strlen(end), end, strlen(end)) == 0;
}

/* By the name: .pcap or .pcapng, then perhaps .zst. Returns what is wrong, or NULL. */
static const char *choose_format(struct capture_file *file, const char *name)
{
    size_t length = strlen(name);

    if (ends_with(name, length, ".zst")) {
        length -= strlen(".zst");
#if HAVE_ZSTD
        file->zstd = ZSTD_createCCtx();
        if (!file->zstd)
            return "out of memory";
#else
        return "built without zstd";
#endif
    }
    file->pcapng = ends_with(name, length, ".pcapng");
    if (!file->pcapng && !ends_with(name, length, ".pcap"))
        return "a name ends with .pcap, .pcapng, .pcap.zst or .pcapng.zst";
    return NULL;
}

static void destroy(struct capture_file *file)
{
#if HAVE_ZSTD
    ZSTD_freeCCtx(file->zstd);
#endif
    free(file);
}

struct capture_file *capture_file_create(const char *name, uint32_t snaplen, const char **error)
{
    struct capture_file *file = calloc(1, sizeof *file);

    if (!file) {
        *error = "out of memory";
        return NULL;
    }
    *error = choose_format(file, name);
    if (!*error) {
        file->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (file->fd < 0)
            *error = strerror(errno);
    }
    if (*error) {
        destroy(file);
        return NULL;
    }
    const uint8_t *end = file->pcapng ? put_pcapng_header(file->block, snaplen)
                                      : put_pcap_header(file->block, snaplen);
    file->used = (uint32_t)(end - file->block);
    return file;
}

bool capture_file_close(struct capture_file *file)
{
    flush(file, true);
    if (close(file->fd) < 0 && !file->error)
        file->error = errno;
    const int error = file->error;
    destroy(file);
    errno = error;
    return error == 0;
}
