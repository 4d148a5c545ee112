#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum fate { UNDECIDED, WANTED, UNWANTED };

/* A held line: this header, then the text. */
struct held {
    uint64_t connection;
    size_t length;
};

enum { FIRST_SWEEP_BYTES = 1 << 20 };

struct lines {
    struct out *out;
    bool held;
    char scratch[LINES_ROOM];
    char *log; /* held lines, oldest first */
    size_t used, size;
    size_t sweep_at; /* when so much is used, drop what is decided */
    uint8_t *fates;  /* by connection id */
    uint64_t fate_count;
};

struct lines *lines_create(struct out *out, bool held)
{
    struct lines *lines = calloc(1, sizeof *lines);

    if (lines) {
        lines->out = out;
        lines->held = held;
        lines->sweep_at = FIRST_SWEEP_BYTES;
    }
    return lines;
}

void lines_destroy(struct lines *lines)
{
    if (!lines)
        return;
    free(lines->log);
    free(lines->fates);
    free(lines);
}

char *lines_begin(struct lines *lines)
{
    return lines->held ? lines->scratch : out_reserve(lines->out, LINES_ROOM);
}

static enum fate fate_of(const struct lines *lines, uint64_t connection)
{
    return connection < lines->fate_count ? (enum fate)lines->fates[connection] : UNDECIDED;
}

/* Writes the wanted lines before the first undecided one, drops the unwanted, keeps the rest: so
 * the log is never much longer than the lines of the connections that are still open, and what
 * waits behind the oldest of them. */
static void sweep(struct lines *lines)
{
    bool in_order = true;
    size_t kept = 0;

    for (size_t at = 0; at < lines->used;) {
        struct held head;
        memcpy(&head, lines->log + at, sizeof head);
        const size_t whole = sizeof head + head.length;
        const enum fate fate = fate_of(lines, head.connection);
        if (fate == UNDECIDED)
            in_order = false;
        if (fate == WANTED && in_order) {
            out_bytes(lines->out, lines->log + at + sizeof head, head.length);
        } else if (fate != UNWANTED) {
            memmove(lines->log + kept, lines->log + at, whole);
            kept += whole;
        }
        at += whole;
    }
    lines->used = kept;
    lines->sweep_at = 2 * kept > FIRST_SWEEP_BYTES ? 2 * kept : FIRST_SWEEP_BYTES;
}

/* At least `need` bytes at *block; false, and out->error set, without memory. */
static bool grow(struct lines *lines, void **block, size_t *size, size_t need)
{
    if (need <= *size)
        return true;
    const size_t wanted = need < 2 * *size ? 2 * *size : need + 4096;
    void *bigger = realloc(*block, wanted);
    if (!bigger) {
        lines->out->error = ENOMEM;
        return false;
    }
    *block = bigger;
    *size = wanted;
    return true;
}

void lines_end(struct lines *lines, uint64_t connection, const char *end)
{
    if (!lines->held) {
        out_commit(lines->out, end);
        return;
    }
    if (lines->used >= lines->sweep_at)
        sweep(lines);

    const struct held head = { connection, (size_t)(end - lines->scratch) };
    void *log = lines->log;
    if (!grow(lines, &log, &lines->size, lines->used + sizeof head + head.length))
        return;
    lines->log = log;
    memcpy(lines->log + lines->used, &head, sizeof head);
    memcpy(lines->log + lines->used + sizeof head, lines->scratch, head.length);
    lines->used += sizeof head + head.length;
}

void lines_decide(struct lines *lines, uint64_t connection, bool wanted)
{
    if (!lines->held)
        return;
    void *fates = lines->fates;
    size_t size = (size_t)lines->fate_count;
    if (!grow(lines, &fates, &size, (size_t)connection + 1))
        return;
    lines->fates = fates;
    memset(lines->fates + lines->fate_count, UNDECIDED, size - (size_t)lines->fate_count);
    lines->fate_count = size;
    lines->fates[connection] = wanted ? WANTED : UNWANTED;
}

void lines_finish(struct lines *lines)
{
    for (size_t at = 0; at < lines->used;) {
        struct held head;
        memcpy(&head, lines->log + at, sizeof head);
        if (fate_of(lines, head.connection) == WANTED)
            out_bytes(lines->out, lines->log + at + sizeof head, head.length);
        at += sizeof head + head.length;
    }
    lines->used = 0;
}
