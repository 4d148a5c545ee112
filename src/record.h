/*
 * The `connection` record: one row per key, in the order of the output. JSON, CSV and TSV are
 * driven from it, and so is whoever asks for the value of a key by its name. docs/events.md
 * describes each key; a test compares the two. Level 4: knows finwait.h and interop.h.
 */
#ifndef RECORD_H
#define RECORD_H

#include "finwait/finwait.h"

#include "stamp.h"

enum record_kind {
    RECORD_NULL, /* unknown */
    RECORD_TEXT,
    RECORD_INTEGER,
    RECORD_BOOLEAN,
    RECORD_SECONDS, /* a number with nine decimals; `number` is in ns */
    RECORD_TIME,    /* RFC 3339, UTC, ns; `number` is a fw_time */
};

struct record_value {
    enum record_kind kind;
    int64_t number;   /* all but NULL and TEXT */
    const char *text; /* TEXT: static, or `room`, or of the connection */
    size_t length;    /* of the text */
    char room[256];
};

struct record_field {
    const char *name;
    size_t name_length;
    enum record_kind kind; /* of a value that is known */
    const char *unit;      /* "ns", "bytes", "packets"...; "" for none */
    const char *stability; /* RECORD_STABLE... */
    /* `origin` is the time of the capture's first packet. */
    void (*get)(const struct fw_connection *connection, fw_time origin, struct record_value *value);
};

/* What later versions may do to a key. */
#define RECORD_STABLE  "stable"  /* name, type and meaning stay */
#define RECORD_WORDS   "words"   /* for people: the words may change */
#define RECORD_FOREIGN "foreign" /* follows the tool that it imitates */

extern const struct record_field record_fields[];
extern const size_t record_field_count;

/* The first rows stand in every record. */
enum { RECORD_COMMON_COUNT = 10 };

/* By name; NULL if there is none. */
const struct record_field *record_find(const char *name, size_t length);

/* "string", "integer", "boolean", "number", "time": the word for a kind, as the documentation has
 * it. */
const char *record_kind_name(enum record_kind kind);

/* The value as text, without quotes, nothing for NULL: what CSV has. At most sizeof value->room, no
 * NUL. Returns the end. */
char *record_value_text(struct stamp_cache *cache, char *at, const struct record_value *value);

/* The whole record at once, several times faster than value by value. At most RECORD_ROOM bytes.
 *   record_json   an object: {"v":1,...}
 *   record_cells  the values as text from the row `first` on, between separators; `put_text` copies
 *                 text that may need an escape */
enum { RECORD_ROOM = 8192 };
char *record_json(struct stamp_cache *cache, char *at, const struct fw_connection *connection,
                  fw_time origin);
char *record_cells(struct stamp_cache *cache, char *at, const struct fw_connection *connection,
                   fw_time origin, size_t first, char separator,
                   char *(*put_text)(char *at, const char *text, size_t length));

/* "vxlan:42" or, where there is no number, "ipip"; NULL without a tunnel. `text` lends the room. */
const char *record_tunnel_text(const struct fw_scope *scope, char text[32]);

#endif
