/* TCP: RFC 9293 section 3.1, options of RFC 7323, 2018, 7413, 8684. */
#include "decode.h"

static uint8_t at_most(uint8_t value, uint8_t max)
{
    return value < max ? value : max;
}

/* One option whose length (`kind` and length byte included) was found to be sane. One of a length
 * that is not its own is passed over, as kernels do. */
static void decode_option(struct fw_segment *segment, uint8_t kind, uint8_t length,
                          const uint8_t *value)
{
    enum {
        MSS = 2,
        WINDOW_SCALE = 3,
        SACK_PERMITTED = 4,
        SACK = 5,
        TIMESTAMPS = 8,
        MPTCP = 30,
        FAST_OPEN = 34,
        EXPERIMENT_1 = 253,
        EXPERIMENT_2 = 254,
        FAST_OPEN_MAGIC = 0xf989
    };
    switch (kind) {
    case MSS:
        if (length == 4) {
            segment->options |= FW_OPT_MSS;
            segment->mss = load_be16(value);
        }
        break;
    case WINDOW_SCALE:
        if (length == 3) {
            segment->options |= FW_OPT_WINDOW_SCALE;
            segment->window_scale = at_most(value[0], 14); /* RFC 7323 section 2.3 */
        }
        break;
    case SACK_PERMITTED:
        if (length == 2)
            segment->options |= FW_OPT_SACK_PERMITTED;
        break;
    case SACK:
        if (length >= 10 && (length - 2) % 8 == 0)
            segment->options |= FW_OPT_SACK;
        break;
    case TIMESTAMPS:
        if (length == 10) {
            segment->options |= FW_OPT_TIMESTAMPS;
            segment->ts_val = load_be32(value);
            segment->ts_ecr = load_be32(value + 4);
        }
        break;
    case MPTCP:
        if (length >= 3)
            segment->options |= FW_OPT_MPTCP;
        break;
    case FAST_OPEN:
        segment->options |= FW_OPT_FAST_OPEN;
        segment->fast_open_bytes = length - 2;
        break;
    case EXPERIMENT_1:
    case EXPERIMENT_2:
        if (length >= 4 && load_be16(value) == FAST_OPEN_MAGIC) {
            segment->options |= FW_OPT_FAST_OPEN;
            segment->fast_open_bytes = length - 4;
        }
        break;
    default:
        break;
    }
}

/* An option that runs out of the header, or whose length cannot be, ends the list but does not
 * spoil the segment: kernels do the same. So does the end of what was captured. */
static void decode_options(struct fw_segment *segment, struct bytes options)
{
    enum { END = 0, NO_OPERATION = 1 };
    while (bytes_left(&options) > 0) {
        const uint8_t kind = bytes_u8(&options);
        if (kind == END)
            return;
        if (kind == NO_OPERATION)
            continue;
        const uint8_t length = bytes_u8(&options);
        if (length < 2)
            return;
        const uint8_t *value = bytes_take(&options, length - 2u);
        if (value == NULL)
            return;
        decode_option(segment, kind, length, value);
    }
}

/* Nothing but timestamps, as most segments have them; or what the SYNs of Linux carry. False: look
 * at one after the other. */
static bool decode_usual_options(struct fw_segment *segment, const uint8_t *options, uint32_t count)
{
    enum {
        NOP_NOP_TIMESTAMPS = 0x0101080a,
        MSS = 0x0204,
        SACK_PERMITTED_TIMESTAMPS = 0x0402080a,
        NOP_WINDOW_SCALE = 0x010303
    };
    if (count == 12 && load_be32(options) == NOP_NOP_TIMESTAMPS) {
        segment->options = FW_OPT_TIMESTAMPS;
        segment->ts_val = load_be32(options + 4);
        segment->ts_ecr = load_be32(options + 8);
        return true;
    }
    if (count == 20 && load_be16(options) == MSS &&
        load_be32(options + 4) == SACK_PERMITTED_TIMESTAMPS &&
        load_be32(options + 16) >> 8 == NOP_WINDOW_SCALE) {
        segment->options =
            FW_OPT_MSS | FW_OPT_SACK_PERMITTED | FW_OPT_TIMESTAMPS | FW_OPT_WINDOW_SCALE;
        segment->mss = load_be16(options + 2);
        segment->ts_val = load_be32(options + 8);
        segment->ts_ecr = load_be32(options + 12);
        segment->window_scale = at_most(options[19], 14);
        return true;
    }
    return false;
}

/* `tcp` is the segment from its header on. */
static enum fw_checksum verify_checksum(const struct decoder *decoder, struct bytes tcp,
                                        uint32_t sent_bytes)
{
    enum { PROTOCOL_TCP = 6 };
    if (decoder->ip_checksum_bad)
        return FW_CHECKSUM_BAD;
    if (bytes_left(&tcp) != sent_bytes || decoder->segment->fragmented || decoder->to_unknown)
        return FW_CHECKSUM_UNCHECKED;
    const uint64_t sum = checksum_pseudo_header(decoder->segment, PROTOCOL_TCP, sent_bytes);
    return checksum_good(checksum_add(sum, tcp.at, sent_bytes)) ? FW_CHECKSUM_GOOD
                                                                : FW_CHECKSUM_BAD;
}

/* All but options. */
static inline void take_fixed_part(struct fw_segment *segment, const uint8_t *header,
                                   uint32_t sent_bytes)
{
    segment->from.port = load_be16(header);
    segment->to.port = load_be16(header + 2);
    segment->seq = load_be32(header + 4);
    segment->ack = load_be32(header + 8);
    segment->flags = load_be16(header + 12) & 0x01ff;
    segment->window_raw = load_be16(header + 14);
    segment->checksum_raw = load_be16(header + 16);
    segment->urgent = load_be16(header + 18);
    segment->payload_bytes = sent_bytes - tcp_header_bytes(header);
    segment->icmp = FW_ICMP_NONE;
    segment->checksum = FW_CHECKSUM_UNCHECKED;
    segment->options = 0;
    segment->ts_val = segment->ts_ecr = 0;
    segment->mss = 0;
    segment->window_scale = 0;
    segment->fast_open_bytes = 0;
}

void decode_tcp_fields(struct fw_segment *segment, const uint8_t *header, uint32_t sent_bytes)
{
    const uint32_t options_bytes = tcp_header_bytes(header) - TCP_LEAST_BYTES;
    const uint8_t *options = header + TCP_LEAST_BYTES;
    take_fixed_part(segment, header, sent_bytes);
    if (options_bytes > 0 && !decode_usual_options(segment, options, options_bytes))
        decode_options(segment, bytes_of(options, options_bytes));
}

enum layer decode_tcp(struct decoder *decoder)
{
    struct fw_segment *segment = decoder->segment;
    const struct bytes tcp = decoder->captured;
    const uint32_t sent_bytes = decoder->sent_bytes;

    /* too small a first fragment is no worse than a later one (RFC 1858) */
    if (sent_bytes < TCP_LEAST_BYTES && segment->fragmented)
        return decode_end(decoder, FW_VERDICT_FRAGMENT);
    const uint8_t *header = decode_take(decoder, TCP_LEAST_BYTES);
    if (header == NULL)
        return LAYER_END;
    const uint32_t header_bytes = tcp_header_bytes(header);
    if (header_bytes > sent_bytes && segment->fragmented)
        return decode_end(decoder, FW_VERDICT_FRAGMENT);
    if (header_bytes < TCP_LEAST_BYTES || header_bytes > sent_bytes)
        return decode_end(decoder, FW_VERDICT_MALFORMED);

    if (bytes_left(&tcp) >= header_bytes) {
        decode_tcp_fields(segment, header, sent_bytes);
    } else {
        take_fixed_part(segment, header, sent_bytes);
        decode_options(segment, decoder->captured);
    }
    if (decoder->verify_checksums)
        segment->checksum = (uint8_t)verify_checksum(decoder, tcp, sent_bytes);
    return decode_end(decoder, FW_VERDICT_SEGMENT);
}
