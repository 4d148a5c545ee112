#include "text.h"

#include "digits.h"
#include "utf8.h"

/* ----------------------------------------------------------------------------------- numbers -- */

/* value / unit with one decimal (rounded half up), or without if it is at least `whole_from`. */
static char *put_scaled(char *at, uint64_t value, uint64_t unit, uint64_t whole_from)
{
    const uint64_t tenth = unit / 10;
    const uint64_t tenths = value / tenth + (value % tenth >= tenth / 2);

    if (tenths >= whole_from * 10)
        return digits_u64(at, value / unit + (value % unit >= unit / 2));
    at = digits_u64(at, tenths / 10);
    *at++ = '.';
    return digits_fixed(at, tenths % 10, 1);
}

char *text_duration(char *at, int64_t ns)
{
    static const struct {
        uint64_t below; /* of rounded values: 999.96 ms is 1.0 s */
        uint64_t unit, whole_from;
        const char *name;
    } rows[] = {
        { UINT64_C(9950), 1000, 10, " us" },
        { UINT64_C(999500), 1000, 0, " us" },
        { UINT64_C(9950000), 1000000, 10, " ms" },
        { UINT64_C(999500000), 1000000, 0, " ms" },
        { UINT64_C(999950000000), 1000000000, 1000, " s" },
        { UINT64_C(5997000000000), 60000000000, 100, " min" },
        { UINT64_C(359820000000000), 3600000000000, 100, " h" },
        { UINT64_MAX, 86400000000000, 1000, " d" },
    };
    uint64_t magnitude = (uint64_t)ns;
    size_t row = 0;

    if (ns < 0) {
        *at++ = '-';
        magnitude = 0 - magnitude;
    }
    if (magnitude < 1000) {
        at = digits_u64(at, magnitude);
        return TEXT_LITERAL(at, " ns");
    }
    while (magnitude >= rows[row].below)
        row++;
    at = put_scaled(at, magnitude, rows[row].unit, rows[row].whole_from);
    return text_put(at, rows[row].name);
}

char *text_bytes(char *at, uint64_t bytes)
{
    static const char *const names[] = { " kB", " MB", " GB", " TB", " PB", " EB" };
    uint64_t unit = 1000;
    size_t name = 0;

    if (bytes < 1000) {
        at = digits_u64(at, bytes);
        return TEXT_LITERAL(at, " B");
    }
    while (name < 5 && bytes >= unit * 1000 - unit / 2) {
        unit *= 1000;
        name++;
    }
    at = put_scaled(at, bytes, unit, 10);
    return text_put(at, names[name]);
}

char *text_count(char *at, uint64_t count, const char *one, const char *many)
{
    at = digits_u64(at, count);
    *at++ = ' ';
    return text_put(at, count == 1 ? one : many);
}

/* -------------------------------------------------------------------------------------- time -- */

unsigned text_time_width(enum time_style style, bool micros)
{
    switch (style) {
    case TIME_RELATIVE:
    case TIME_DELTA:
        return micros ? 10 : 7;
    case TIME_NONE:
        return 0;
    case TIME_EPOCH:
        return 17;
    case TIME_DATE:
        return 26;
    case TIME_RELATIVE_NANO:
        return 13;
    case TIME_CLOCK:
        return 15;
    }
    return 0;
}

/* Seconds with `decimals` decimals, cut like tcpdump's: a packet never seems later than it was. */
static char *put_seconds(char *at, int64_t ns, unsigned decimals)
{
    uint64_t magnitude = (uint64_t)ns;

    if (ns < 0) {
        *at++ = '-';
        magnitude = 0 - magnitude;
    }
    at = digits_u64(at, magnitude / (uint64_t)FW_SECOND);
    *at++ = '.';
    return digits_nine(at, (uint32_t)(magnitude % (uint64_t)FW_SECOND)) - 9 + decimals;
}

/* "2024-01-31 12:00:00.000000", of which TIME_CLOCK has the second word. */
static char *put_date(struct text_clock *clock, char *at, fw_time time)
{
    char whole[STAMP_BYTES];

    stamp_rfc3339(&clock->stamp, whole, time);
    whole[10] = ' ';
    const size_t from = clock->style == TIME_DATE ? 0 : 11;
    memcpy(at, whole + from, 26 - from);
    return at + 26 - from;
}

static char *put_time(struct text_clock *clock, char *at, fw_time time)
{
    const unsigned decimals = clock->micros ? 6 : 3;

    switch (clock->style) {
    case TIME_RELATIVE:
        return put_seconds(at, stamp_since(time, clock->first), decimals);
    case TIME_NONE:
        return at;
    case TIME_EPOCH:
        return put_seconds(at, time, 6);
    case TIME_DELTA:
        return put_seconds(at, clock->any ? stamp_since(time, clock->before) : 0, decimals);
    case TIME_DATE:
    case TIME_CLOCK:
        return put_date(clock, at, time);
    case TIME_RELATIVE_NANO:
        return put_seconds(at, stamp_since(time, clock->first), 9);
    }
    return at;
}

char *text_time(struct text_clock *clock, char *at, fw_time time)
{
    char text[TEXT_TIME_BYTES];
    const unsigned length = (unsigned)(put_time(clock, text, time) - text);

    clock->before = time;
    clock->any = true;
    if (clock->width < text_time_width(clock->style, clock->micros))
        clock->width = text_time_width(clock->style, clock->micros);
    if (clock->width < length)
        clock->width = length;
    memset(at, ' ', clock->width - length);
    memcpy(at + clock->width - length, text, length);
    return at + clock->width;
}

/* ------------------------------------------------------------------------------------- state -- */

char *text_state(char *at, enum fw_state state, bool inferred, bool timed, enum fw_names names)
{
    if (state == FW_UNKNOWN) {
        *at++ = '-';
        return at;
    }
    at = text_put(at, fw_state_name(state, names));
    if (inferred)
        *at++ = '?';
    else if (timed)
        *at++ = '~';
    return at;
}

/* ----------------------------------------------------------------------------------- columns -- */

/* Unicode TR 11 in rough: what a terminal shows in two columns, and what it puts over another. */
static unsigned code_columns(uint32_t code)
{
    static const struct {
        uint32_t first, last;
        unsigned columns;
    } ranges[] = {
        { 0x0300, 0x036f, 0 },   { 0x1100, 0x115f, 2 },   { 0x200b, 0x200f, 0 },
        { 0x20d0, 0x20ff, 0 },   { 0x2e80, 0x303e, 2 },   { 0x3041, 0xa4cf, 2 },
        { 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },   { 0xfe00, 0xfe0f, 0 },
        { 0xfe30, 0xfe6f, 2 },   { 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },
        { 0x1f300, 0x1f64f, 2 }, { 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
    };

    if (code < 0x300)
        return 1;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return ranges[i].columns;
    return 1;
}

size_t text_columns(const char *text, size_t length)
{
    size_t columns = 0;

    for (size_t at = 0; at < length;) {
        uint32_t code;
        at += utf8_next(text + at, length - at, &code);
        columns += code_columns(code == UINT32_MAX ? '?' : code);
    }
    return columns;
}

char *text_pad(char *at, size_t used, size_t width)
{
    const size_t count = used < width ? width - used : 1;
    memset(at, ' ', count);
    return at + count;
}

char *text_place(char *at, size_t used, size_t column, size_t under, size_t width, const char *note,
                 size_t length)
{
    enum { GAP = 2 };
    const size_t columns = width > 0 ? text_columns(note, length) : 0;

    if (length == 0)
        return at;
    if (width == 0 || column + columns <= width) {
        at = text_pad(at, used, column);
    } else if (used + GAP + columns <= width) {
        at = text_pad(at, used, width - columns);
    } else {
        const size_t most = columns < width ? width - columns : 1;
        *at++ = '\n';
        at = text_pad(at, 0, under < most ? under : most);
    }
    memcpy(at, note, length);
    return at + length;
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
           (code >= 0x202a && code <= 0x202e) || /* these turn the direction of what follows */
           (code >= 0x2066 && code <= 0x2069);
}

char *text_foreign(char *at, size_t room, const char *text, bool utf8)
{
    const char *const end = at + room;
    size_t left = strlen(text);

    while (left > 0) {
        uint32_t code;
        const size_t size = utf8_next(text, left, &code);
        const bool shown = code != UINT32_MAX && !is_control(code) && (utf8 || code < 0x80);
        if ((size_t)(end - at) < size)
            break;
        if (shown) {
            memcpy(at, text, size);
            at += size;
        } else {
            *at++ = '?';
        }
        text += size;
        left -= size;
    }
    return at;
}

/* The longest beginning of the text that has at most `width` columns, in bytes. */
static size_t head_bytes(const char *text, size_t length, size_t width)
{
    size_t at = 0, columns = 0;

    while (at < length) {
        uint32_t code;
        const size_t size = utf8_next(text + at, length - at, &code);
        columns += code_columns(code == UINT32_MAX ? '?' : code);
        if (columns > width)
            break;
        at += size;
    }
    return at;
}

/* The longest end of the text that has at most `width` columns, in bytes. */
static size_t tail_bytes(const char *text, size_t length, size_t width)
{
    size_t columns = text_columns(text, length);
    size_t at = 0;

    while (columns > width) {
        uint32_t code;
        at += utf8_next(text + at, length - at, &code);
        columns = text_columns(text + at, length - at);
    }
    return length - at;
}

size_t text_cut(char *text, size_t length, size_t width, bool in_the_middle, bool utf8)
{
    const char *ellipsis = utf8 ? "…" : width >= 8 ? ".." : "";
    const size_t ellipsis_columns = text_columns(ellipsis, strlen(ellipsis));

    if (text_columns(text, length) <= width)
        return length;
    if (width <= ellipsis_columns)
        return head_bytes(text, length, width);

    const size_t columns = width - ellipsis_columns;
    const size_t tail_columns = in_the_middle ? columns - columns / 2 : 0;
    const size_t head = head_bytes(text, length, columns - tail_columns);
    const size_t tail = tail_bytes(text, length, tail_columns);
    const size_t mark = strlen(ellipsis);
    memmove(text + head + mark, text + length - tail, tail);
    memcpy(text + head, ellipsis, mark);
    return head + mark + tail;
}

/* ------------------------------------------------------------------------------------ styles -- */

char *text_begin(char *at, enum text_style style, bool color)
{
    static const char *const codes[] = {
        [TEXT_BOLD] = "\033[1m",    [TEXT_DIM] = "\033[2m",    [TEXT_RED] = "\033[31m",
        [TEXT_YELLOW] = "\033[33m", [TEXT_GREEN] = "\033[32m",
    };

    return color && style != TEXT_PLAIN ? text_put(at, codes[style]) : at;
}

char *text_end(char *at, enum text_style style, bool color)
{
    return color && style != TEXT_PLAIN ? TEXT_LITERAL(at, "\033[0m") : at;
}

char *text_cell(char *at, const struct text_cell *cell, size_t *gap)
{
    const size_t columns = text_columns(cell->text, cell->length);
    const size_t left = cell->right ? cell->width - columns : 0;

    if (cell->length == 0) {
        *gap += cell->width + cell->between;
        return at;
    }
    memset(at, ' ', *gap + left);
    at = text_begin(at + *gap + left, cell->style, cell->color);
    memcpy(at, cell->text, cell->length);
    at = text_end(at + cell->length, cell->style, cell->color);
    *gap = cell->width - columns - left + cell->between;
    return at;
}

/* --------------------------------------------------------------------------------- endpoints -- */

char *text_endpoint(char *at, const struct fw_endpoint *endpoint,
                    const struct view_options *options)
{
    const char *name = NULL;

    if (options->resolve)
        name = options->resolve(options->resolve_context, endpoint);
    if (name)
        return text_foreign(at, TEXT_ENDPOINT_BYTES, name, options->utf8);
    return at + fw_endpoint_text(endpoint, at);
}

char *text_endpoints(char *at, const struct fw_identity *identity,
                     const struct view_options *options)
{
    at = text_endpoint(at, &identity->client, options);
    *at++ = ' ';
    at = text_arrow(at, true, options->utf8);
    *at++ = ' ';
    return text_endpoint(at, &identity->server, options);
}

char *text_arrow(char *at, bool rightwards, bool utf8)
{
    if (utf8)
        return rightwards ? TEXT_LITERAL(at, "→") : TEXT_LITERAL(at, "←");
    return rightwards ? TEXT_LITERAL(at, "->") : TEXT_LITERAL(at, "<-");
}
