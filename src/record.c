#include "record.h"

#include <string.h>

#include "digits.h"
#include "interop.h"
#include "json.h"

static void set_text(struct record_value *value, const char *text)
{
    value->kind = text && text[0] ? RECORD_TEXT : RECORD_NULL;
    value->number = 0;
    value->text = text;
    value->length = text ? strlen(text) : 0;
}

static void set_integer(struct record_value *value, uint64_t number)
{
    value->kind = RECORD_INTEGER;
    value->number = (int64_t)number;
}

static void set_positive(struct record_value *value, uint64_t number)
{
    set_integer(value, number);
    if (number == 0)
        value->kind = RECORD_NULL;
}

static void set_duration(struct record_value *value, int64_t ns)
{
    value->kind = ns < 0 ? RECORD_NULL : RECORD_INTEGER;
    value->number = ns;
}

static void set_boolean(struct record_value *value, bool truth)
{
    value->kind = RECORD_BOOLEAN;
    value->number = truth;
}

static void set_seconds(struct record_value *value, int64_t ns)
{
    value->kind = RECORD_SECONDS;
    value->number = ns;
}

static void set_time(struct record_value *value, fw_time time)
{
    value->kind = RECORD_TIME;
    value->number = time;
}

static void set_addr(struct record_value *value, const struct fw_endpoint *endpoint)
{
    fw_addr_text(endpoint, value->room);
    set_text(value, value->room);
}

static void set_state(struct record_value *value, enum fw_state state)
{
    set_text(value, fw_state_name(state, FW_NAMES_RFC));
}

static void set_path(struct record_value *value, uint64_t path)
{
    value->kind = RECORD_TEXT; /* an empty path is known to be empty */
    value->text = value->room;
    value->length = fw_path_text(path, value->room, sizeof value->room);
}

static void set_tunnel(struct record_value *value, const struct fw_scope *scope)
{
    set_text(value, record_tunnel_text(scope, value->room));
}

static void set_community_id(struct record_value *value, const struct fw_identity *identity)
{
    interop_community_id(identity, value->room);
    set_text(value, value->room);
}

/* The time of a record of a connection is that of its last packet.
 * FIELD(name, kind, unit, stability, how to set `v` from the connection `c` and the time `origin`)
 */
#define RECORD_FIELDS(FIELD)                                                                       \
    FIELD(v, INTEGER, "", STABLE, set_integer(v, 1))                                               \
    FIELD(type, TEXT, "", STABLE, set_text(v, "connection"))                                       \
    FIELD(ts, TIME, "", STABLE, set_time(v, c->last_time))                                         \
    FIELD(t, SECONDS, "s", STABLE, set_seconds(v, stamp_since(c->last_time, origin)))              \
    FIELD(frame, INTEGER, "", STABLE, set_integer(v, c->last_frame))                               \
    FIELD(conn, INTEGER, "", STABLE, set_integer(v, c->identity.id))                               \
    FIELD(client_addr, TEXT, "", STABLE, set_addr(v, &c->identity.client))                         \
    FIELD(client_port, INTEGER, "", STABLE, set_integer(v, c->identity.client.port))               \
    FIELD(server_addr, TEXT, "", STABLE, set_addr(v, &c->identity.server))                         \
    FIELD(server_port, INTEGER, "", STABLE, set_integer(v, c->identity.server.port))               \
    FIELD(client_state, TEXT, "", STABLE, set_state(v, c->client_state))                           \
    FIELD(server_state, TEXT, "", STABLE, set_state(v, c->server_state))                           \
    FIELD(client_path, TEXT, "", STABLE, set_path(v, c->client_path))                              \
    FIELD(server_path, TEXT, "", STABLE, set_path(v, c->server_path))                              \
    FIELD(first_ts, TIME, "", STABLE, set_time(v, c->first_time))                                  \
    FIELD(last_ts, TIME, "", STABLE, set_time(v, c->last_time))                                    \
    FIELD(duration_ns, INTEGER, "ns", STABLE,                                                      \
          set_duration(v, stamp_since(c->last_time, c->first_time)))                               \
    FIELD(open, TEXT, "", STABLE, set_text(v, fw_open_name(c->open)))                              \
    FIELD(handshake_ns, INTEGER, "ns", STABLE, set_duration(v, c->handshake_ns))                   \
    FIELD(rtt_client_ns, INTEGER, "ns", STABLE, set_duration(v, c->rtt_client_ns))                 \
    FIELD(rtt_server_ns, INTEGER, "ns", STABLE, set_duration(v, c->rtt_server_ns))                 \
    FIELD(closed_by, TEXT, "", STABLE, set_text(v, fw_closed_by_name(c->closed_by)))               \
    FIELD(end, TEXT, "", STABLE, set_text(v, fw_end_name(c->end)))                                 \
    FIELD(cause, TEXT, "", WORDS, set_text(v, c->cause))                                           \
    FIELD(dir_by, TEXT, "", STABLE, set_text(v, fw_dir_by_name(c->dir_by)))                        \
    FIELD(midstream, BOOLEAN, "", STABLE, set_boolean(v, c->midstream))                            \
    FIELD(one_sided, BOOLEAN, "", STABLE, set_boolean(v, c->one_sided))                            \
    FIELD(lossy, BOOLEAN, "", STABLE, set_boolean(v, c->lossy))                                    \
    FIELD(client_packets, INTEGER, "packets", STABLE, set_integer(v, c->packets[FW_CLIENT]))       \
    FIELD(server_packets, INTEGER, "packets", STABLE, set_integer(v, c->packets[FW_SERVER]))       \
    FIELD(client_bytes, INTEGER, "bytes", STABLE, set_integer(v, c->bytes[FW_CLIENT]))             \
    FIELD(server_bytes, INTEGER, "bytes", STABLE, set_integer(v, c->bytes[FW_SERVER]))             \
    FIELD(client_syns, INTEGER, "segments", STABLE, set_integer(v, c->syns[FW_CLIENT]))            \
    FIELD(server_syns, INTEGER, "segments", STABLE, set_integer(v, c->syns[FW_SERVER]))            \
    FIELD(client_synacks, INTEGER, "segments", STABLE, set_integer(v, c->synacks[FW_CLIENT]))      \
    FIELD(server_synacks, INTEGER, "segments", STABLE, set_integer(v, c->synacks[FW_SERVER]))      \
    FIELD(client_fins, INTEGER, "segments", STABLE, set_integer(v, c->fins[FW_CLIENT]))            \
    FIELD(server_fins, INTEGER, "segments", STABLE, set_integer(v, c->fins[FW_SERVER]))            \
    FIELD(client_rsts, INTEGER, "segments", STABLE, set_integer(v, c->rsts[FW_CLIENT]))            \
    FIELD(server_rsts, INTEGER, "segments", STABLE, set_integer(v, c->rsts[FW_SERVER]))            \
    FIELD(client_data_packets, INTEGER, "packets", STABLE,                                         \
          set_integer(v, c->data_packets[FW_CLIENT]))                                              \
    FIELD(server_data_packets, INTEGER, "packets", STABLE,                                         \
          set_integer(v, c->data_packets[FW_SERVER]))                                              \
    FIELD(client_retransmits, INTEGER, "segments", STABLE,                                         \
          set_integer(v, c->retransmits[FW_CLIENT]))                                               \
    FIELD(server_retransmits, INTEGER, "segments", STABLE,                                         \
          set_integer(v, c->retransmits[FW_SERVER]))                                               \
    FIELD(mss_client, INTEGER, "bytes", STABLE, set_positive(v, c->mss[FW_CLIENT]))                \
    FIELD(mss_server, INTEGER, "bytes", STABLE, set_positive(v, c->mss[FW_SERVER]))                \
    FIELD(tunnel, TEXT, "", STABLE, set_tunnel(v, &c->identity.scope))                             \
    FIELD(vlan, INTEGER, "", STABLE, set_positive(v, c->identity.scope.vlan))                      \
    FIELD(community_id, TEXT, "", STABLE, set_community_id(v, &c->identity))                       \
    FIELD(zeek_conn_state, TEXT, "", FOREIGN, set_text(v, c->zeek_conn_state))                     \
    FIELD(zeek_history, TEXT, "", FOREIGN, set_text(v, c->zeek_history))                           \
    FIELD(conntrack_state, TEXT, "", FOREIGN, set_text(v, c->conntrack_state))                     \
    FIELD(completeness, INTEGER, "", FOREIGN, set_duration(v, c->completeness))

#define DEFINE_GET(name, kind, unit, stability, how)                                               \
    static void get_##name(const struct fw_connection *c, fw_time origin, struct record_value *v)  \
    {                                                                                              \
        (void)c;                                                                                   \
        (void)origin;                                                                              \
        how;                                                                                       \
    }
RECORD_FIELDS(DEFINE_GET)

#define DEFINE_ROW(name, kind, unit, stability, how)                                               \
    { #name, sizeof #name - 1, RECORD_##kind, unit, RECORD_##stability, get_##name },
const struct record_field record_fields[] = { RECORD_FIELDS(DEFINE_ROW) };
const size_t record_field_count = sizeof record_fields / sizeof record_fields[0];

const struct record_field *record_find(const char *name, size_t length)
{
    for (size_t i = 0; i < record_field_count; i++)
        if (record_fields[i].name_length == length &&
            memcmp(record_fields[i].name, name, length) == 0)
            return &record_fields[i];
    return NULL;
}

const char *record_kind_name(enum record_kind kind)
{
    switch (kind) {
    case RECORD_NULL:
        return "null";
    case RECORD_TEXT:
        return "string";
    case RECORD_INTEGER:
        return "integer";
    case RECORD_BOOLEAN:
        return "boolean";
    case RECORD_SECONDS:
        return "number";
    case RECORD_TIME:
        return "time";
    }
    return "";
}

char *record_value_text(struct stamp_cache *cache, char *at, const struct record_value *value)
{
    switch (value->kind) {
    case RECORD_NULL:
        return at;
    case RECORD_TEXT:
        memcpy(at, value->text, value->length);
        return at + value->length;
    case RECORD_INTEGER:
        return digits_i64(at, value->number);
    case RECORD_BOOLEAN: {
        const char *word = value->number ? "true" : "false";
        const size_t length = strlen(word);
        memcpy(at, word, length);
        return at + length;
    }
    case RECORD_SECONDS:
        return stamp_seconds(at, value->number);
    case RECORD_TIME:
        return stamp_rfc3339(cache, at, value->number);
    }
    return at;
}

/* ---------------------------------------------------------------------------- a whole record -- */

/* One copy of this code for all numbers. */
static __attribute__((noinline)) char *put_digits(char *at, int64_t number)
{
    return digits_i64(at, number);
}

/* Most of them are a single digit. */
static inline char *put_integer(char *at, int64_t number)
{
    if (number < 0 || number > 9)
        return put_digits(at, number);
    *at++ = (char)('0' + number);
    return at;
}

/* Stable text is names, numbers and addresses of ours: no quotes, no controls, no separators. */
#define IS_STABLE(stability) (strcmp(RECORD_##stability, RECORD_STABLE) == 0)

static inline char *put_json(struct stamp_cache *cache, char *at, const struct record_value *value,
                             bool stable)
{
    switch (value->kind) {
    case RECORD_NULL:
        return json_null(at);
    case RECORD_TEXT:
        return stable ? json_plain(at, value->text, value->length)
                      : json_string(at, value->text, value->length);
    case RECORD_BOOLEAN:
        return json_bool(at, value->number != 0);
    case RECORD_TIME:
        return json_time(cache, at, value->number);
    case RECORD_INTEGER:
        return put_integer(at, value->number);
    case RECORD_SECONDS:
        return stamp_seconds(at, value->number);
    }
    return at;
}

#define PUT_JSON(name, kind_of, unit, stability, how)                                              \
    {                                                                                              \
        struct record_value value, *const v = &value;                                              \
        how;                                                                                       \
        at = JSON_LITERAL(at, ",\"" #name "\":");                                                  \
        at = put_json(cache, at, v, IS_STABLE(stability));                                         \
    }

char *record_json(struct stamp_cache *cache, char *at, const struct fw_connection *c,
                  fw_time origin)
{
    char *const start = at;
    RECORD_FIELDS(PUT_JSON)
    *start = '{'; /* where the first comma is */
    *at++ = '}';
    return at;
}

static inline char *put_cell(struct stamp_cache *cache, char *at, const struct record_value *value,
                             bool stable,
                             char *(*put_text)(char *at, const char *text, size_t length))
{
    switch (value->kind) {
    case RECORD_NULL:
        return at;
    case RECORD_TEXT:
        if (!stable)
            return put_text(at, value->text, value->length);
        memcpy(at, value->text, value->length);
        return at + value->length;
    case RECORD_BOOLEAN:
        return json_bool(at, value->number != 0);
    case RECORD_TIME:
        return stamp_rfc3339(cache, at, value->number);
    case RECORD_INTEGER:
        return put_integer(at, value->number);
    case RECORD_SECONDS:
        return stamp_seconds(at, value->number);
    }
    return at;
}

#define PUT_CELL(name, kind_of, unit, stability, how)                                              \
    if (row++ >= first) {                                                                          \
        struct record_value value, *const v = &value;                                              \
        how;                                                                                       \
        at = put_cell(cache, at, v, IS_STABLE(stability), put_text);                               \
        *at++ = separator;                                                                         \
    }

char *record_cells(struct stamp_cache *cache, char *at, const struct fw_connection *c,
                   fw_time origin, size_t first, char separator,
                   char *(*put_text)(char *at, const char *text, size_t length))
{
    size_t row = 0;
    RECORD_FIELDS(PUT_CELL)
    return at - 1; /* no separator behind the last */
}

/* -------------------------------------------------------------------------------- parts of it --
 */

const char *record_tunnel_text(const struct fw_scope *scope, char text[32])
{
    if (scope->tunnel == FW_TUNNEL_NONE)
        return NULL;
    const char *name = fw_tunnel_name((enum fw_tunnel)scope->tunnel);
    const size_t length = strnlen(name, 16);
    char *end = text + length;
    memcpy(text, name, length);
    if (scope->tunnel == FW_TUNNEL_VXLAN || scope->tunnel_id != 0) {
        *end++ = ':';
        end = digits_u64(end, scope->tunnel_id);
    }
    *end = '\0';
    return text;
}
