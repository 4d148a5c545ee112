#include "segments.h"

#include <string.h>

/* One end of one connection, as far as what was sent tells. */
struct end {
    uint32_t iss, nxt, fin, acked, last, window, old_iss, old_nxt;
    uint16_t mark; /* IP id and checksum of its last segment */
    uint8_t window_scale;
    bool has_window_scale;
};

enum { SENT = 16 };

struct writer {
    struct script *script;
    struct end ends[SCRIPT_SCOPES][SCRIPT_TUPLES][2];
    struct fw_segment sent[SENT];
    size_t sent_count;
    uint32_t flooded; /* connections of floods so far */
    uint64_t frame;
    uint16_t mark;
    fw_time now;
};

/* One row, named. */
struct row {
    uint8_t who, flags, bases, seq_offset, ack_offset, payload, window, options, ts, step;
    uint16_t number;
};

int32_t script_offset(uint8_t byte)
{
    const int32_t offset = (int8_t)byte;

    if (offset > 99)
        return (offset - 99) * 1460;
    return offset < -99 ? (offset + 99) * 1460 : offset;
}

uint32_t script_payload(uint8_t byte)
{
    return byte < 128 ? byte : (byte - 127u) * (byte - 127u) * 4; /* up to 65 536 */
}

int64_t script_step_ns(uint8_t byte)
{
    static const int64_t steps[16] = {
        0,
        1000,
        10 * 1000,
        100 * 1000,
        FW_MILLISECOND,
        10 * FW_MILLISECOND,
        100 * FW_MILLISECOND,
        500 * FW_MILLISECOND,
        FW_SECOND,
        FW_SECOND - 1,
        3 * FW_SECOND,
        60 * FW_SECOND,
        75 * FW_SECOND,
        240 * FW_SECOND,
        3600 * FW_SECOND,
        5 * 86400 * FW_SECOND,
    };
    return steps[byte & 15] * (1 + (byte >> 4 & 3));
}

static fw_time moved(fw_time time, int64_t by)
{
    fw_time sum;

    if (!__builtin_add_overflow(time, by, &sum))
        return sum;
    return by > 0 ? INT64_MAX : INT64_MIN + 1;
}

/* Bit 6: for this row only. Bit 7: back. */
static fw_time pass_time(struct writer *writer, uint8_t step)
{
    const int64_t ns = script_step_ns(step);
    const fw_time time = moved(writer->now, step & 0x80 ? -ns : ns);

    if (!(step & 0x40))
        writer->now = time;
    return time;
}

static void add(struct writer *writer, const struct script_item *item)
{
    if (writer->script->count < SCRIPT_ITEMS)
        writer->script->items[writer->script->count++] = *item;
}

static void add_segment(struct writer *writer, struct fw_segment *segment)
{
    segment->frame = ++writer->frame;
    add(writer, &(struct script_item){ .kind = ITEM_SEGMENT, .segment = *segment });
}

/* ------------------------------------------------------------------------------- a segment -- */

static struct fw_endpoint endpoint(unsigned tuple, unsigned scope, int side)
{
    const bool six = scope == SCRIPT_SCOPES - 1;
    struct fw_endpoint endpoint = { .family = six ? FW_IPV6 : FW_IPV4, .addr = { 10, 0, 0 } };

    endpoint.addr[six ? 15 : 3] = (uint8_t)(tuple == 7 ? 1 : 1 + side);
    endpoint.addr[2] = (uint8_t)tuple;
    /* Some have one port at both ends, one has one address and port at both. */
    endpoint.port = tuple % 3 == 1 ? 179 : side ? 80 : (uint16_t)(40000 + tuple);
    return endpoint;
}

static struct fw_scope scope_of(unsigned scope)
{
    switch (scope) {
    case 1:
        return (struct fw_scope){ .vlan = 7 };
    case 2:
        return (struct fw_scope){ .tunnel = FW_TUNNEL_VXLAN, .tunnel_id = 7 };
    default:
        return (struct fw_scope){ 0 };
    }
}

/* A number in the sequence space of `of`, whose segments go to `to`. */
static uint32_t number_in(const struct end *of, const struct end *to, unsigned base,
                          uint16_t literal)
{
    switch ((enum script_base)base) {
    case BASE_ISS:
        return of->iss;
    case BASE_FIN:
        return of->fin;
    case BASE_ACKED:
        return to->acked;
    case BASE_LAST:
        return of->last;
    case BASE_WINDOW:
        return to->acked + to->window;
    case BASE_FAR:
        return of->nxt + 0x80000000u;
    case BASE_OLD_ISS:
        return of->old_iss;
    case BASE_OLD_NXT:
        return of->old_nxt;
    case BASE_LITERAL:
        return literal * 0x10001u;
    case BASE_HIGH:
        return (uint32_t)literal << 16;
    case BASE_MINUS:
        return 0u - literal;
    case BASE_NXT:
    case BASE_COUNT:
        break;
    }
    return of->nxt;
}

static void remember(struct end *from, const struct fw_segment *segment)
{
    const bool syn = segment->flags & FW_SYN, fin = segment->flags & FW_FIN;
    const uint32_t nxt = segment->seq + segment->payload_bytes + syn + fin;

    if (segment->flags & FW_RST)
        return;
    if (syn && segment->seq != from->iss) {
        from->old_iss = from->iss;
        from->old_nxt = from->nxt;
        from->iss = segment->seq;
    }
    if (syn || segment->seq == from->nxt || nxt - from->nxt < 1u << 20)
        from->nxt = nxt;
    if (fin)
        from->fin = nxt - 1;
    if (segment->flags & FW_ACK)
        from->acked = segment->ack;
    if (syn) {
        from->has_window_scale = segment->options & FW_OPT_WINDOW_SCALE;
        from->window_scale = segment->window_scale;
    }
    from->window = segment->window_raw;
    if (!syn && from->has_window_scale)
        from->window <<= from->window_scale;
    from->last = segment->seq;
}

static void put_options(const struct writer *writer, const struct row *row,
                        struct fw_segment *segment)
{
    segment->options = row->options & 0x1f;
    if (segment->options & FW_OPT_MSS)
        segment->mss = row->number;
    if (segment->options & FW_OPT_WINDOW_SCALE)
        segment->window_scale = (uint8_t)((row->number & 15) > 14 ? 14 : row->number & 15);
    if (segment->options & FW_OPT_TIMESTAMPS)
        segment->ts_val =
            (uint32_t)(writer->now / FW_MILLISECOND) + (uint32_t)script_offset(row->ts);
    if ((row->options & 0x20) && (segment->flags & FW_SYN)) {
        segment->options |= FW_OPT_FAST_OPEN;
        segment->fast_open_bytes = row->number & 16 ? 8 : 0;
    }
    segment->checksum = row->options & 0x40 ? FW_CHECKSUM_BAD : FW_CHECKSUM_UNCHECKED;
}

static void write_segment(struct writer *writer, const struct row *row)
{
    const unsigned tuple = (row->who & 7u) % writer->script->tuples, scope = row->who >> 4 & 3;
    const int side = row->who >> 3 & 1;
    struct end *from = &writer->ends[scope][tuple][side];
    struct end *to = &writer->ends[scope][tuple][!side];
    struct fw_segment segment = {
        .time = pass_time(writer, row->step),
        .from = endpoint(tuple, scope, side),
        .to = endpoint(tuple, scope, !side),
        .scope = scope_of(scope),
        .flags = row->flags,
        .payload_bytes = script_payload(row->payload),
        .window_raw = (uint16_t)(row->window * 257u),
        .ttl = 64,
    };

    segment.seq = number_in(from, to, row->bases & 15, row->number) +
                  (uint32_t)script_offset(row->seq_offset);
    segment.ack = number_in(to, from, row->bases >> 4, row->number) +
                  (uint32_t)script_offset(row->ack_offset);
    if (!(segment.flags & FW_ACK) && row->bases >> 4 == BASE_NXT)
        segment.ack = 0;
    put_options(writer, row, &segment);
    if (!(row->options & 0x80))
        from->mark = ++writer->mark;
    segment.ip_id = segment.checksum_raw = from->mark;
    remember(from, &segment);
    writer->sent[writer->sent_count++ % SENT] = segment;
    add_segment(writer, &segment);
}

/* ---------------------------------------------------------------------------- other things -- */

/* What was sent before, once more: the same packet, another with the same content, turned round, or
 * quoted by an ICMP error. */
static void write_repeat(struct writer *writer, const struct row *row)
{
    const size_t known = writer->sent_count < SENT ? writer->sent_count : SENT;

    if (known == 0)
        return;
    struct fw_segment segment = writer->sent[(writer->sent_count - 1 - row->number % known) % SENT];
    segment.time = pass_time(writer, row->step);
    if (row->options & 1)
        segment.ip_id = segment.checksum_raw = ++writer->mark;
    if (row->options & 2) {
        const struct fw_endpoint from = segment.from;
        segment.from = segment.to;
        segment.to = from;
    }
    if (row->options & 4)
        segment.icmp = (uint8_t)(FW_ICMP_NET_UNREACHABLE + row->flags % 8);
    add_segment(writer, &segment);
}

/* How far each connection of a flood gets. */
static const uint16_t flood_steps[][5] = {
    { FW_SYN },
    { FW_SYN | FW_ACK },
    { FW_ACK },
    { FW_SYN, FW_SYN | FW_ACK },
    { FW_SYN, FW_SYN | FW_ACK, FW_ACK },
    { FW_SYN, FW_SYN | FW_ACK, FW_ACK, FW_FIN | FW_ACK, FW_RST | FW_ACK },
    { FW_SYN, FW_RST | FW_ACK },
    { FW_SYN, FW_SYN, FW_SYN, FW_SYN, FW_SYN }, /* another attempt each time */
};

static void write_flood(struct writer *writer, const struct row *row, unsigned most)
{
    const size_t kinds = sizeof(flood_steps) / sizeof(flood_steps[0]);
    const uint16_t *steps = flood_steps[row->payload % kinds];
    const bool attempts = row->payload % kinds == kinds - 1;

    pass_time(writer, row->step);
    for (unsigned i = 0; i <= row->number % most; i++) {
        const uint32_t number = writer->flooded++;
        for (unsigned step = 0; step < 5 && steps[step]; step++) {
            const bool back = step == 1 && !attempts;
            const bool acks = steps[step] & FW_ACK;
            struct fw_segment segment = {
                .time = writer->now = moved(writer->now, 1000),
                .from = { .family = FW_IPV4,
                          .addr = { 172, 16, (uint8_t)(number >> 8), (uint8_t)number },
                          .port = (uint16_t)(1024 + (number >> 16)) },
                .to = endpoint(0, 0, 1),
                .flags = steps[step],
                .seq = step > 0 ? 1u : 0u,
                .ack = acks ? 1u : 0u,
                .window_raw = 1000,
            };
            segment.ip_id = segment.checksum_raw = ++writer->mark;
            if (step < 2)
                segment.seq = attempts ? step * 100000u : 0;
            if (back) {
                const struct fw_endpoint from = segment.from;
                segment.from = segment.to;
                segment.to = from;
            }
            add_segment(writer, &segment);
        }
    }
}

static void write_other(struct writer *writer, const struct row *row)
{
    switch (row->flags % 8) {
    case 0: /* most of the time that a script takes is this */
        write_flood(writer, row, 256);
        break;
    case 1:
    case 2:
        write_flood(writer, row, 8);
        break;
    case 3:
    case 4:
        add(writer,
            &(struct script_item){ .kind = ITEM_ADVANCE, .now = pass_time(writer, row->step) });
        break;
    default:
        add(writer, &(struct script_item){ .kind = ITEM_EACH });
        break;
    }
}

/* ------------------------------------------------------------------------------ the script -- */

static const fw_time starts[] = {
    1000 * FW_SECOND, 0, -5 * FW_SECOND, INT64_MIN + 1, INT64_MAX - 3600 * FW_SECOND, INT64_MAX,
};

static fw_time read_header(struct script *script, const uint8_t *header)
{
    struct fw_tracker_options *options = &script->options;

    fw_tracker_defaults(options);
    script->tuples = 1 + header[0] % SCRIPT_TUPLES;
    if (header[1] & 1)
        options->time_wait_ns = options->fin_wait_2_ns = 60 * FW_SECOND;
    if (header[1] & 2)
        options->idle_ns = 30 * FW_SECOND;
    options->interop = header[1] & 4;
    options->drop_bad_checksums = header[1] & 8;
    script->expected_connections = header[1] & 16 ? 1000 : 0;
    options->max_connections = header[2] & 8 ? 1 + header[2] % 8 : 0;
    options->max_memory_bytes = header[3] & 4 ? UINT64_C(512) * 1024 << (header[3] & 3) : 0;
    script->batch = 1 + header[4] % 200u;
    for (size_t i = 0; i < sizeof(script->hash_key); i++)
        script->hash_key[i] = (uint8_t)(header[5] * (i + 1) + i);
    return starts[header[6] % (sizeof(starts) / sizeof(starts[0]))];
}

void script_read(struct script *script, const uint8_t *data, size_t size)
{
    uint8_t header[SCRIPT_HEADER_BYTES] = { 0 };
    struct writer writer = { .script = script };

    memcpy(header, data, size < sizeof(header) ? size : sizeof(header));
    script->count = 0;
    writer.now = read_header(script, header);
    for (size_t at = sizeof(header); at + SCRIPT_ROW_BYTES <= size; at += SCRIPT_ROW_BYTES) {
        const uint8_t *byte = data + at;
        const struct row row = {
            .who = byte[0],
            .flags = byte[1],
            .bases = byte[2],
            .seq_offset = byte[3],
            .ack_offset = byte[4],
            .payload = byte[5],
            .window = byte[6],
            .options = byte[7],
            .ts = byte[8],
            .step = byte[9],
            .number = (uint16_t)(byte[10] | byte[11] << 8),
        };
        switch ((enum script_kind)(row.who >> 6)) {
        case SCRIPT_SEGMENT:
        case SCRIPT_SEGMENT_TOO:
            write_segment(&writer, &row);
            break;
        case SCRIPT_REPEAT:
            write_repeat(&writer, &row);
            break;
        case SCRIPT_OTHER:
            write_other(&writer, &row);
            break;
        }
    }
}
