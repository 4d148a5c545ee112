#include "golden.h"

#include "record.h"
#include "select.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char heading[] = "finwait golden ";
enum { GOLDEN_VERSION = 1 };

/* ------------------------------------------------------------------------------------- writing --
 */

struct note {
    char *text;
    size_t used, size;
    unsigned steps;
    bool wanted; /* it has ended, and the selection matches */
    char *head;  /* the connection and its keys */
};

struct golden {
    const struct selection *selection;
    struct note *notes; /* by number of the connection */
    size_t room;
    uint64_t count;
};

struct golden *golden_create(const struct selection *selection)
{
    struct golden *golden = calloc(1, sizeof *golden);

    if (golden)
        golden->selection = selection;
    return golden;
}

void golden_destroy(struct golden *golden)
{
    for (size_t i = 0; golden && i < golden->room; i++) {
        free(golden->notes[i].text);
        free(golden->notes[i].head);
    }
    if (golden)
        free(golden->notes);
    free(golden);
}

static struct note *note_of(struct golden *golden, uint64_t id)
{
    if (id >= golden->room) {
        const size_t room = 2 * (size_t)id + 64;
        struct note *notes = realloc(golden->notes, room * sizeof *notes);

        if (!notes)
            return NULL;
        memset(notes + golden->room, 0, (room - golden->room) * sizeof *notes);
        golden->notes = notes;
        golden->room = room;
    }
    return &golden->notes[id];
}

static char *put_step(char *at, unsigned number, const struct fw_step *step)
{
    char flags[12] = "timer";
    const char *arrow = " ";

    if (step->segment && step->segment->icmp != FW_ICMP_NONE)
        memcpy(flags, "icmp", 5);
    else if (step->segment) {
        fw_flags_text(step->segment->flags, flags);
        arrow = step->from == FW_CLIENT ? ">" : "<";
    }
    at += sprintf(at, "  step %u  %s %-5s ", number, arrow, flags);
    char *const client = at;
    at =
        text_state(at, step->client_state, step->client_inferred, step->client_timed, FW_NAMES_RFC);
    at = text_pad(at, (size_t)(at - client), 14);
    at =
        text_state(at, step->server_state, step->server_inferred, step->server_timed, FW_NAMES_RFC);
    *at++ = '\n';
    return at;
}

bool golden_step(struct golden *golden, const struct fw_step *step)
{
    enum { LINE = 128 };
    struct note *note = note_of(golden, step->identity->id);

    if (!note)
        return false;
    if (note->size - note->used < LINE) {
        const size_t size = 2 * note->size + 4 * LINE;
        char *text = realloc(note->text, size);

        if (!text)
            return false;
        note->text = text;
        note->size = size;
    }
    const char *end = put_step(note->text + note->used, ++note->steps, step);
    note->used = (size_t)(end - note->text);
    return true;
}

/* Keys that say when, or what number something has, or that are other tools'. */
static bool is_left_out(const struct record_field *field)
{
    static const char *const names[] = { "v",
                                         "type",
                                         "ts",
                                         "t",
                                         "frame",
                                         "conn",
                                         "client_addr",
                                         "client_port",
                                         "server_addr",
                                         "server_port",
                                         "first_ts",
                                         "last_ts",
                                         "duration_ns",
                                         "handshake_ns",
                                         "rtt_client_ns",
                                         "rtt_server_ns",
                                         "community_id" };

    if (strcmp(field->stability, RECORD_FOREIGN) == 0)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], field->name) == 0)
            return true;
    return false;
}

static bool is_nothing(const struct record_value *value)
{
    if (value->kind == RECORD_TEXT)
        return value->length == 0;
    return value->kind == RECORD_NULL || value->number == 0;
}

/* NULL without memory. */
static char *head_of(const struct fw_connection *connection)
{
    char *const head = malloc(RECORD_ROOM);
    struct stamp_cache cache = { 0 };
    struct record_value value;
    char *at = head;

    if (!head)
        return NULL;
    at += fw_endpoint_text(&connection->identity.client, at);
    at = TEXT_LITERAL(at, " > ");
    at += fw_endpoint_text(&connection->identity.server, at);
    *at++ = '\n';
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];

        if (is_left_out(field))
            continue;
        value.kind = RECORD_NULL;
        field->get(connection, 0, &value);
        if (is_nothing(&value))
            continue;
        at = TEXT_LITERAL(at, "  ");
        at = text_put(at, field->name);
        *at++ = ' ';
        at = record_value_text(&cache, at, &value);
        *at++ = '\n';
    }
    *at++ = '\0';
    char *const shorter = realloc(head, (size_t)(at - head));
    return shorter ? shorter : head;
}

bool golden_end(struct golden *golden, const struct fw_connection *connection)
{
    struct note *note = note_of(golden, connection->identity.id);

    if (!note)
        return false;
    if (!selection_match(golden->selection, connection)) {
        free(note->text);
        *note = (struct note){ .steps = 0 };
        return true;
    }
    note->head = head_of(connection);
    note->wanted = note->head != NULL;
    golden->count += note->wanted;
    return note->wanted;
}

uint64_t golden_count(const struct golden *golden)
{
    return golden->count;
}

char *golden_text(const struct golden *golden)
{
    size_t bytes = sizeof heading + 16;

    for (size_t i = 0; i < golden->room; i++)
        if (golden->notes[i].wanted)
            bytes += 1 + strlen(golden->notes[i].head) + golden->notes[i].used;
    char *const text = malloc(bytes);
    if (!text)
        return NULL;
    char *at = text + sprintf(text, "%s%d\n", heading, GOLDEN_VERSION);
    for (size_t i = 0; i < golden->room; i++) {
        const struct note *note = &golden->notes[i];

        if (!note->wanted)
            continue;
        *at++ = '\n';
        at = text_put(at, note->head);
        if (note->used)
            memcpy(at, note->text, note->used);
        at += note->used;
    }
    *at = '\0';
    return text;
}

/* ----------------------------------------------------------------------------------- comparing --
 */

bool golden_is_readable(const char *text, char *error, size_t error_size)
{
    const size_t length = strcspn(text, "\r\n");
    char version[16];

    snprintf(version, sizeof version, "%d", GOLDEN_VERSION);
    if (strncmp(text, heading, strlen(heading)) != 0) {
        snprintf(error, error_size, "not a golden file (it begins with \"%.*s\")",
                 length < 40 ? (int)length : 40, text);
        return false;
    }
    const char *found = text + strlen(heading);
    const size_t found_length = length - strlen(heading);
    if (found_length == strlen(version) && memcmp(found, version, found_length) == 0)
        return true;
    snprintf(error, error_size, "golden file of version %.*s; this finwait compares version %s",
             found_length < 20 ? (int)found_length : 20, found, version);
    return false;
}

struct line {
    const char *key, *value;
};

/* A connection of a file: its first line and those below it, which are cut apart in a copy. */
struct block {
    char *connection;
    struct line *lines;
    size_t line_count;
    size_t order;
    unsigned nth; /* of those with this first line */
};

struct book {
    char *text;
    struct block *blocks;
    struct line *lines;
    size_t count;
};

static void close_book(struct book *book)
{
    free(book->text);
    free(book->blocks);
    free(book->lines);
}

/* The key ends at a space, that of a step behind its number. */
static struct line cut_line(char *line)
{
    char *space = strchr(line, ' ');

    if (space && strncmp(line, "step ", 5) == 0)
        space = strchr(space + 1, ' ');
    if (!space)
        return (struct line){ line, "" };
    *space = '\0';
    return (struct line){ line, space + 1 + strspn(space + 1, " ") };
}

static int by_connection(const void *a, const void *b)
{
    const struct block *one = a, *other = b;
    const int order = strcmp(one->connection, other->connection);

    if (order)
        return order;
    return one->order < other->order ? -1 : one->order > other->order;
}

static bool open_book(struct book *book, const char *text)
{
    size_t lines = 1;
    char *next = NULL;

    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    *book = (struct book){
        .text = calloc(1, strlen(text) + 1),
        .blocks = calloc(lines, sizeof *book->blocks),
        .lines = calloc(lines, sizeof *book->lines),
    };
    if (!book->text || !book->blocks || !book->lines)
        return false;
    strcpy(book->text, text);
    size_t used = 0;
    char *line = book->text + strcspn(book->text, "\n");
    line += *line == '\n';
    for (; *line; line = next) {
        const size_t length = strcspn(line, "\n");

        next = line + length + (line[length] == '\n');
        line[length] = '\0';
        if (length > 0 && line[length - 1] == '\r')
            line[length - 1] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        if (*line != ' ') {
            book->blocks[book->count] = (struct block){ .connection = line,
                                                        .lines = &book->lines[used],
                                                        .order = book->count };
            book->count++;
        } else if (book->count > 0) {
            struct block *block = &book->blocks[book->count - 1];

            line += strspn(line, " ");
            block->lines[block->line_count++] = cut_line(line);
            used++;
        }
    }
    qsort(book->blocks, book->count, sizeof *book->blocks, by_connection);
    for (size_t i = 1; i < book->count; i++)
        if (strcmp(book->blocks[i].connection, book->blocks[i - 1].connection) == 0)
            book->blocks[i].nth = book->blocks[i - 1].nth + 1;
    return true;
}

struct comparison_of {
    void (*tell)(void *context, const struct golden_difference *difference);
    void *context;
};

static void name_of(const struct block *block, char *text, size_t size)
{
    if (block->nth)
        snprintf(text, size, "%.120s (%u)", block->connection, block->nth + 1);
    else
        snprintf(text, size, "%.120s", block->connection);
}

static void tell_whole(const struct comparison_of *comparison, const struct block *block,
                       enum golden_kind kind)
{
    char name[160];

    name_of(block, name, sizeof name);
    comparison->tell(comparison->context, &(struct golden_difference){
                                              .kind = kind,
                                              .connection = name,
                                              .key = "",
                                              .expected = "",
                                              .got = "",
                                          });
}

static const char *find_value(const struct block *block, const char *key, size_t hint)
{
    if (hint < block->line_count && strcmp(block->lines[hint].key, key) == 0)
        return block->lines[hint].value;
    for (size_t i = 0; i < block->line_count; i++)
        if (strcmp(block->lines[i].key, key) == 0)
            return block->lines[i].value;
    return "";
}

/* Of the steps only the first that differs is told: those behind it follow from it. */
static bool compare_blocks(const struct comparison_of *comparison, const struct block *expected,
                           const struct block *got)
{
    const struct block *const sides[] = { expected, got };
    bool differs = false, step_told = false;
    char name[160];

    name_of(expected, name, sizeof name);
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < sides[side]->line_count; i++) {
            const char *key = sides[side]->lines[i].key;
            const char *one = find_value(expected, key, i), *other = find_value(got, key, i);
            const bool is_step = strncmp(key, "step ", 5) == 0;

            if (strcmp(one, other) == 0 || (is_step && step_told))
                continue;
            if (side == 1 && *one) /* told with the first side */
                continue;
            differs = true;
            step_told |= is_step;
            comparison->tell(comparison->context, &(struct golden_difference){
                                                      .kind = GOLDEN_FIELD,
                                                      .connection = name,
                                                      .key = key,
                                                      .expected = one,
                                                      .got = other,
                                                  });
        }
    }
    return differs;
}

size_t golden_compare(const char *expected, const char *got,
                      void (*tell)(void *context, const struct golden_difference *difference),
                      void *context)
{
    const struct comparison_of comparison = { tell, context };
    struct book one = { NULL, NULL, NULL, 0 }, other = { NULL, NULL, NULL, 0 };
    size_t differ = SIZE_MAX, i = 0, j = 0;

    if (open_book(&one, expected) && open_book(&other, got)) {
        differ = 0;
        while (i < one.count || j < other.count) {
            const int order = i == one.count ? 1
                              : j == other.count
                                  ? -1
                                  : strcmp(one.blocks[i].connection, other.blocks[j].connection);

            if (order == 0)
                differ += compare_blocks(&comparison, &one.blocks[i++], &other.blocks[j++]);
            else if (order < 0) {
                tell_whole(&comparison, &one.blocks[i++], GOLDEN_MISSING);
                differ++;
            } else {
                tell_whole(&comparison, &other.blocks[j++], GOLDEN_EXTRA);
                differ++;
            }
        }
    }
    close_book(&one);
    close_book(&other);
    return differ;
}
