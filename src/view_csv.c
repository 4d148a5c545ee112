/*
 * The connection records as columns: CSV (RFC 4180), TSV, and Zeek's conn.log. Nothing else is
 * written: these are read by programs.
 */
#include <stdlib.h>

#include "digits.h"
#include "out.h"
#include "record.h"
#include "select.h"
#include "text.h"
#include "view.h"

struct view {
    const struct view_options *options;
    struct out *out;
    struct stamp_cache stamp;
    bool any;
    void (*header)(struct view *view);
    char *(*record)(struct view *view, char *at, const struct fw_connection *connection);
};

static struct view *
create(const struct view_options *options, struct out *out, void (*header)(struct view *view),
       char *(*record)(struct view *view, char *at, const struct fw_connection *connection))
{
    struct view *view = calloc(1, sizeof *view);

    if (view)
        *view = (struct view){ .options = options, .out = out, .header = header, .record = record };
    return view;
}

static void destroy(struct view *view)
{
    free(view);
}

static void begin(struct view *view)
{
    if (!view->any)
        view->header(view);
    view->any = true;
}

static void on_end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;

    if (view->options->quiet || !selection_match(view->options->selection, connection))
        return;
    begin(view);
    out_commit(view->out, view->record(view, out_reserve(view->out, RECORD_ROOM), connection));
}

static void finish(struct view *view, const struct summary *summary)
{
    (void)summary;
    begin(view);
}

/* ---------------------------------------------------------------------------------- CSV and TSV --
 */

/* The version and the type are the same in each line. */
enum { FIRST_FIELD = 2 };

static void names_header(struct view *view, char separator, const char *end)
{
    for (size_t i = FIRST_FIELD; i < record_field_count; i++) {
        if (i > FIRST_FIELD)
            out_char(view->out, separator);
        out_text(view->out, record_fields[i].name);
    }
    out_text(view->out, end);
}

/* RFC 4180 section 2: fields with a separator, a quote or a line break are quoted, quotes doubled.
 */
static char *put_csv(char *at, const char *text, size_t length)
{
    bool quoted = false;

    for (size_t i = 0; i < length; i++)
        quoted |= text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quoted) {
        memcpy(at, text, length);
        return at + length;
    }
    *at++ = '"';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            *at++ = '"';
        *at++ = text[i];
    }
    *at++ = '"';
    return at;
}

static char *put_tsv(char *at, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char *escapes = "\t\\t\n\\n\r\\r\\\\\\";
        const char *escape = NULL;
        for (const char *row = escapes; *row; row += 3)
            if (*row == text[i])
                escape = row + 1;
        if (escape) {
            *at++ = escape[0];
            *at++ = escape[1];
        } else {
            *at++ = text[i];
        }
    }
    return at;
}

static void csv_header(struct view *view)
{
    names_header(view, ',', "\r\n");
}

static char *csv_record(struct view *view, char *at, const struct fw_connection *connection)
{
    at = record_cells(&view->stamp, at, connection, view->options->first_time, FIRST_FIELD, ',',
                      put_csv);
    return TEXT_LITERAL(at, "\r\n");
}

static void tsv_header(struct view *view)
{
    names_header(view, '\t', "\n");
}

static char *tsv_record(struct view *view, char *at, const struct fw_connection *connection)
{
    at = record_cells(&view->stamp, at, connection, view->options->first_time, FIRST_FIELD, '\t',
                      put_tsv);
    return TEXT_LITERAL(at, "\n");
}

/* ----------------------------------------------------------------------------------------- Zeek --
 */

static const char zeek_columns[] =
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\t"
    "orig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\t"
    "orig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n"
    "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\t"
    "count\tcount\tstring\tbool\tbool\tcount\tstring\tcount\t"
    "count\tcount\tcount\tset[string]\n";

/* "#open\t2024-01-31-12-00-00\n": capture time, so that the same capture gives the same log. */
static void zeek_stamp(struct view *view, const char *word, fw_time time)
{
    const struct stamp stamp = stamp_of(time);

    out_printf(view->out, "#%s\t%04d-%02u-%02u-%02u-%02u-%02u\n", word, (int)stamp.year,
               stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second);
}

static void zeek_header(struct view *view)
{
    out_text(view->out, "#separator \\x09\n"
                        "#set_separator\t,\n"
                        "#empty_field\t(empty)\n"
                        "#unset_field\t-\n"
                        "#path\tconn\n");
    zeek_stamp(view, "open", view->options->first_time);
    out_text(view->out, zeek_columns);
}

/* FNV-1a, 64 bits. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t count)
{
    const uint8_t *byte = bytes;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    return hash;
}

/* "C" and 17 letters and digits, as Zeek's look; from the connection alone, so that they stay the
 * same from run to run. */
static char *put_uid(char *at, const struct fw_connection *connection)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const struct fw_identity *identity = &connection->identity;
    uint64_t hash = UINT64_C(14695981039346656037);
    char numbers[64], *end = numbers;

    end = digits_u64(end, identity->id);
    *end++ = ' ';
    end = digits_i64(end, connection->first_time);
    *end++ = ' ';
    end = digits_u64(end, identity->client.port);
    *end++ = ' ';
    end = digits_u64(end, identity->server.port);
    hash = mix(hash, identity->client.addr, sizeof identity->client.addr);
    hash = mix(hash, identity->server.addr, sizeof identity->server.addr);
    *at++ = 'C';
    for (int i = 0; i < 17; i++) {
        hash = mix(hash, numbers, (size_t)(end - numbers));
        *at++ = letters[(hash >> 32) % 62];
    }
    return at;
}

/* Seconds with six decimals. */
static char *put_micros(char *at, int64_t ns)
{
    uint64_t magnitude = (uint64_t)ns;

    if (ns < 0) {
        *at++ = '-';
        magnitude = 0 - magnitude;
    }
    at = digits_u64(at, magnitude / (uint64_t)FW_SECOND);
    *at++ = '.';
    return digits_nine(at, (uint32_t)(magnitude % (uint64_t)FW_SECOND)) - 3;
}

static char *put_endpoint(char *at, const struct fw_endpoint *endpoint)
{
    at += fw_addr_text(endpoint, at);
    *at++ = '\t';
    at = digits_u64(at, endpoint->port);
    *at++ = '\t';
    return at;
}

static char *put_or_unset(char *at, const char *text)
{
    return text_put(at, text[0] ? text : "-");
}

/* duration, orig_bytes and resp_bytes: Zeek leaves them unset for a single moment. */
static char *put_volume(char *at, const struct fw_connection *connection)
{
    const int64_t ns = stamp_since(connection->last_time, connection->first_time);

    if (ns <= 0)
        return TEXT_LITERAL(at, "-\t-\t-\t");
    at = put_micros(at, ns);
    *at++ = '\t';
    at = digits_u64(at, connection->bytes[FW_CLIENT]);
    *at++ = '\t';
    at = digits_u64(at, connection->bytes[FW_SERVER]);
    *at++ = '\t';
    return at;
}

static char *zeek_record(struct view *view, char *at, const struct fw_connection *connection)
{
    (void)view;
    at = put_micros(at, connection->first_time);
    *at++ = '\t';
    at = put_uid(at, connection);
    *at++ = '\t';
    at = put_endpoint(at, &connection->identity.client);
    at = put_endpoint(at, &connection->identity.server);
    at = TEXT_LITERAL(at, "tcp\t-\t");
    at = put_volume(at, connection);
    at = put_or_unset(at, connection->zeek_conn_state);
    at = TEXT_LITERAL(at, "\t-\t-\t-\t"); /* local_orig, local_resp, missed_bytes */
    at = put_or_unset(at, connection->zeek_history);
    *at++ = '\t';
    at = digits_u64(at, connection->packets[FW_CLIENT]);
    at = TEXT_LITERAL(at, "\t-\t"); /* orig_ip_bytes */
    at = digits_u64(at, connection->packets[FW_SERVER]);
    return TEXT_LITERAL(at, "\t-\t-\n"); /* resp_ip_bytes, tunnel_parents */
}

static void zeek_finish(struct view *view, const struct summary *summary)
{
    begin(view);
    zeek_stamp(view, "close", summary->packets ? summary->last_time : view->options->first_time);
}

/* ---------------------------------------------------------------------------------------- views --
 */

static struct view *csv_create(const struct view_options *options, struct out *out)
{
    return create(options, out, csv_header, csv_record);
}

static struct view *tsv_create(const struct view_options *options, struct out *out)
{
    return create(options, out, tsv_header, tsv_record);
}

static struct view *zeek_create(const struct view_options *options, struct out *out)
{
    return create(options, out, zeek_header, zeek_record);
}

const struct view_ops view_csv = {
    .name = "csv",
    .wants_interop = true,
    .create = csv_create,
    .hooks = { .end = on_end },
    .finish = finish,
    .destroy = destroy,
};

const struct view_ops view_tsv = {
    .name = "tsv",
    .wants_interop = true,
    .create = tsv_create,
    .hooks = { .end = on_end },
    .finish = finish,
    .destroy = destroy,
};

const struct view_ops view_zeek = {
    .name = "zeek",
    .wants_interop = true,
    .create = zeek_create,
    .hooks = { .end = on_end },
    .finish = zeek_finish,
    .destroy = destroy,
};
