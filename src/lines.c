#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "losses.h"
#include "select.h"

enum fate { UNDECIDED, WANTED, UNWANTED };

/* A held line: this header, then the text. */
struct held {
    uint64_t connection;
    size_t length;
};

enum { FIRST_SWEEP_BYTES = 1 << 20 };

struct lines {
    const struct view_options *options;
    struct out *out;
    bool held;     /* until the connection ends */
    bool asks_now; /* as each step finds it */
    bool fixed;    /* who the connection is between decides: need not be described */
    char scratch[LINES_ROOM];
    char *log; /* held lines, oldest first */
    size_t used, size;
    size_t sweep_at; /* when so much is used, drop what is decided */
    uint8_t *fates;  /* by connection id */
    uint64_t fate_count;
};

struct lines *lines_create(const struct view_options *options, struct out *out)
{
    struct lines *lines = calloc(1, sizeof *lines);

    if (!lines)
        return NULL;
    lines->options = options;
    lines->out = out;
    lines->fixed = options->selection && selection_is_fixed(options->selection);
    lines->asks_now = options->selection && (options->live || lines->fixed);
    lines->held = options->selection && !lines->asks_now;
    lines->sweep_at = FIRST_SWEEP_BYTES;
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

bool lines_want(const struct lines *lines, const struct fw_step *step)
{
    struct fw_connection connection;

    if (!lines->asks_now)
        return true;
    if (lines->fixed) {
        connection.identity = *step->identity;
    } else {
        fw_step_connection(step, &connection);
        losses_mark(lines->options->losses, &connection);
    }
    return selection_match(lines->options->selection, &connection);
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

static void remember(struct lines *lines, uint64_t connection, enum fate fate)
{
    void *fates = lines->fates;
    size_t size = (size_t)lines->fate_count;

    if (!grow(lines, &fates, &size, (size_t)connection + 1))
        return;
    lines->fates = fates;
    memset(lines->fates + lines->fate_count, UNDECIDED, size - (size_t)lines->fate_count);
    lines->fate_count = size;
    lines->fates[connection] = (uint8_t)fate;
}

bool lines_decide(struct lines *lines, const struct fw_connection *connection)
{
    const bool wanted = selection_match(lines->options->selection, connection);

    if (lines->held)
        remember(lines, connection->identity.id, wanted ? WANTED : UNWANTED);
    return wanted;
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
