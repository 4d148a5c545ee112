/*
 * A body as few bytes: what is closed is kept for minutes, and seldom looked at.
 *
 * Most fields of a body follow from others, or nearly: the peer's RCV.NXT from one's own SND.NXT,
 * one time from another. So each is written as its difference from what is expected of it, given
 * who closed first. Of the 32-bit words of the image that this gives only those are there in which
 * it differs from the usual one of a connection closed by that end: a bit for each word, of whose
 * bytes only those are there that have one (a bit each in the two bytes before them, beside one for
 * who closed, and one for times in microseconds), then a byte for every four of those words with
 * their lengths (2 bits each), then their bytes. Before all that there is what can be had without
 * unpacking: the id, and what it came to.
 */
#include "flow.h"

#include <endian.h>
#include <string.h>

#include "bytes.h"

enum {
    IMAGE_START = offsetof(struct flow_body, first_frame), /* before it: what is not packed */
    IMAGE_WORDS = (sizeof(struct flow_body) - IMAGE_START) / 4,
    MASKS = (IMAGE_WORDS + 63) / 64,
    MASK_BYTES = (IMAGE_WORDS + 7) / 8,
    ID_BYTES = FLOW_PACKED_ID_BITS / 8,
    HEAD_BYTES = ID_BYTES + sizeof(struct tcp_ending),
};
_Static_assert(MASK_BYTES <= 14, "no bits are left for who closed first, and for microseconds");
_Static_assert(FLOW_PACKED_MOST ==
                   HEAD_BYTES + 2 + MASK_BYTES + (IMAGE_WORDS + 3) / 4 + 4 * IMAGE_WORDS,
               "FLOW_PACKED_MOST is not the most");

static enum fw_side first_to_close(const struct flow_body *b)
{
    return b->tcp.closed_by == FW_CLOSED_BY_SERVER ? FW_SERVER : FW_CLIENT;
}

/* What is expected of a field, given those of `b` that come before it here or are not here,
 * `closer`, and `queued`. The other end's FIN is the last that it sends. */
#define EXPECTED_TIMES(X)                                                                          \
    X(tcp.last_time, queued)                                                                       \
    X(tcp.first_time, b->tcp.last_time)                                                            \
    X(tcp.syn_time, b->tcp.first_time)                                                             \
    X(tcp.first_syn_time, b->tcp.syn_time)                                                         \
    X(tcp.synack_time, b->tcp.syn_time)                                                            \
    X(tcp.established_time, b->tcp.synack_time)                                                    \
    X(tcp.end[0].last_time, b->tcp.last_time)                                                      \
    X(tcp.end[0].since, b->tcp.last_time)                                                          \
    X(tcp.end[1].last_time, b->tcp.last_time)                                                      \
    X(tcp.end[1].since, b->tcp.last_time)

#define EXPECTED_OF_END(X, i, peer)                                                                \
    X(tcp.end[i].rcv, b->tcp.end[peer].nxt)                                                        \
    X(tcp.end[i].last_seq, b->tcp.end[i].nxt - (closer != (i)))                                    \
    X(tcp.end[i].last_ack, b->tcp.end[i].rcv)                                                      \
    X(tcp.end[i].iss, b->tcp.end[i].nxt - (uint32_t)b->tcp.end[i].bytes - 2)                       \
    X(tcp.end[i].fin_seq, b->tcp.end[i].nxt - 1)                                                   \
    X(tcp.end[i].ack_fin_seq, b->tcp.end[i].nxt - (closer != (i)))                                 \
    X(tcp.end[i].ts_recent, b->tcp.end[i].ts_last)

#define EXPECTED(X)                                                                                \
    X(last_frame, b->first_frame)                                                                  \
    EXPECTED_OF_END(X, 0, 1)                                                                       \
    EXPECTED_OF_END(X, 1, 0)

/* Most captures tell microseconds. */
enum { NS_IN_US = 1000 };

/* Small differences of either sign become small numbers. */
static uint64_t fold(uint64_t difference, size_t bytes)
{
    return bytes == 8 ? difference << 1 ^ (uint64_t)((int64_t)difference >> 63)
                      : (uint32_t)difference << 1 ^ (uint32_t)((int32_t)difference >> 31);
}

static uint64_t unfold(uint64_t folded)
{
    return folded >> 1 ^ (0 - (folded & 1));
}

/* The ACK numbers that an end sent lately, each as the difference from the one before. */
static void relate_acks(struct tcp_end *end, uint32_t newer)
{
    for (size_t i = 0; i < TCP_RECENT_ACKS; i++) {
        const uint32_t ack = i < end->ack_count ? end->acks[i] : newer;
        end->acks[i] = newer - ack;
        newer = ack;
    }
}

static void restore_acks(struct tcp_end *end)
{
    uint32_t newer = end->last_ack;
    for (size_t i = 0; i < TCP_RECENT_ACKS; i++)
        newer = end->acks[i] = newer - end->acks[i];
}

/* The image of an end of a connection between two Linux that was opened and closed as most are.
 * Anything would do here. */
#define USUAL_END                                                                                  \
    .window = 64256, .window_scale = 7, .mss = 1460, .ack_count = 3, .path_length = 5, .fins = 1
#define USUAL_FACTS                                                                                \
    (END_SEEN | END_HAS_ISS | END_HAS_NXT | END_HAS_RCV | END_HAS_TS | END_SYN_OPTIONS |           \
     END_SCALES | END_ACKED_FIN)
#define USUAL_PROOFS                                                                               \
    (1 << SND_ACK_OF_SYN | 1 << RCV_ACK_OF_SYN | 1 << SND_FIN | 1 << SND_ACK_OF_FIN |              \
     1 << RCV_ACK_OF_FIN)
#define USUAL_CLIENT .proved = USUAL_PROOFS | 1 << SND_SYN, .syns = 1
#define USUAL_SERVER .proved = USUAL_PROOFS | 1 << SND_SYN_ACK, .synacks = 1
#define CLOSES_FIRST(syn_state)                                                                    \
    .facts = USUAL_FACTS | END_FIN_KEPT, .state = FW_TIME_WAIT, .last_flags = FW_ACK,              \
    .path = (syn_state) | FW_ESTABLISHED << 4 | FW_FIN_WAIT_1 << 8 | FW_FIN_WAIT_2 << 12 |         \
            FW_TIME_WAIT << 16
#define CLOSES_LATER(syn_state)                                                                    \
    .facts = USUAL_FACTS, .state = FW_CLOSED, .alive_state = FW_LAST_ACK,                          \
    .last_flags = FW_FIN | FW_ACK,                                                                 \
    .path = (syn_state) | FW_ESTABLISHED << 4 | FW_CLOSE_WAIT << 8 | FW_LAST_ACK << 12 |           \
            FW_CLOSED << 16

static const struct flow_body usual[] = { /* by first_to_close() */
    [FW_CLIENT].tcp = {
        .open = FW_OPEN_COMPLETE,
        .closed_by = FW_CLOSED_BY_CLIENT,
        .end[FW_CLIENT] = { USUAL_END, USUAL_CLIENT, CLOSES_FIRST(FW_SYN_SENT) },
        .end[FW_SERVER] = { USUAL_END, USUAL_SERVER, CLOSES_LATER(FW_SYN_RECEIVED) },
    },
    [FW_SERVER].tcp = {
        .open = FW_OPEN_COMPLETE,
        .closed_by = FW_CLOSED_BY_SERVER,
        .end[FW_CLIENT] = { USUAL_END, USUAL_CLIENT, CLOSES_LATER(FW_SYN_SENT) },
        .end[FW_SERVER] = { USUAL_END, USUAL_SERVER, CLOSES_FIRST(FW_SYN_RECEIVED) },
    },
};

/* Returns whether times are in microseconds. */
static bool relate(const struct flow_body *b, enum fw_side closer, fw_time queued,
                   struct flow_body *image)
{
    bool in_us = true;
    *image = *b;
#define RELATE(field, expected)                                                                    \
    image->field = (__typeof__(image->field))fold((uint64_t)b->field - (uint64_t)(expected),       \
                                                  sizeof(b->field));
#define IS_IN_US(field, expected)                                                                  \
    in_us &= (int64_t)((uint64_t)b->field - (uint64_t)(expected)) % NS_IN_US == 0;
#define RELATE_IN_US(field, expected)                                                              \
    image->field = (fw_time)fold(                                                                  \
        (uint64_t)((int64_t)((uint64_t)b->field - (uint64_t)(expected)) / NS_IN_US), 8);
    EXPECTED(RELATE)
    EXPECTED_TIMES(IS_IN_US)
    if (in_us) {
        EXPECTED_TIMES(RELATE_IN_US)
    } else {
        EXPECTED_TIMES(RELATE)
    }
#undef RELATE
#undef IS_IN_US
#undef RELATE_IN_US
    relate_acks(&image->tcp.end[FW_CLIENT], b->tcp.end[FW_CLIENT].last_ack);
    relate_acks(&image->tcp.end[FW_SERVER], b->tcp.end[FW_SERVER].last_ack);
    if (!b->tcp.in_doubt) /* what is left of an earlier one */
        memset(&image->tcp.doubt, 0, sizeof(image->tcp.doubt));
    return in_us;
}

static void restore(struct flow_body *b, enum fw_side closer, fw_time queued, bool in_us)
{
    const uint64_t unit = in_us ? NS_IN_US : 1;
#define RESTORE(field, expected)                                                                   \
    b->field = (__typeof__(b->field))(unfold((uint64_t)b->field) + (uint64_t)(expected));
#define RESTORE_TIME(field, expected)                                                              \
    b->field = (fw_time)(unfold((uint64_t)b->field) * unit + (uint64_t)(expected));
    EXPECTED_TIMES(RESTORE_TIME)
    EXPECTED(RESTORE)
#undef RESTORE
#undef RESTORE_TIME
    restore_acks(&b->tcp.end[FW_CLIENT]);
    restore_acks(&b->tcp.end[FW_SERVER]);
}

static void store_le32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)(value >> 16);
    at[3] = (uint8_t)(value >> 24);
}

/* Each word as it differs from the usual one, and those that do as bits. Compilers make it of whole
 * vectors: a byte for each word first, then eight of those to a byte. */
static void find_unusual(const struct flow_body *image, enum fw_side closer,
                         uint32_t words[IMAGE_WORDS], uint64_t masks[MASKS])
{
    uint8_t differs[64 * MASKS] = { 0 };
    uint32_t expected[IMAGE_WORDS];
    memcpy(words, (const uint8_t *)image + IMAGE_START, 4 * IMAGE_WORDS);
    memcpy(expected, (const uint8_t *)&usual[closer] + IMAGE_START, sizeof(expected));
    for (size_t i = 0; i < IMAGE_WORDS; i++) {
        words[i] ^= expected[i];
        differs[i] = words[i] != 0;
    }
    for (size_t i = 0; i < MASKS; i++) {
        masks[i] = 0;
        for (size_t eight = 0; eight < 8; eight++) {
            uint64_t bytes;
            memcpy(&bytes, differs + 64 * i + 8 * eight, sizeof(bytes));
            masks[i] |= le64toh(bytes) * UINT64_C(0x0102040810204080) >> 56 << 8 * eight;
        }
    }
}

/* Bytes of the lengths of all words that are there. */
static size_t lengths_bytes(const uint64_t masks[MASKS])
{
    int count = 0;
    for (size_t i = 0; i < MASKS; i++)
        count += __builtin_popcountll(masks[i]);
    return ((size_t)count + 3) / 4;
}

/* Returns what is behind them. */
static uint8_t *store_masks(uint8_t *at, const uint64_t masks[MASKS], unsigned there)
{
    uint8_t *byte = at + 2;
    for (size_t i = 0; i < MASK_BYTES; i++) {
        *byte = (uint8_t)(masks[i / 8] >> 8 * (i % 8)); /* the next goes over a zero */
        there |= (unsigned)(*byte != 0) << i;
        byte += *byte != 0;
    }
    at[0] = (uint8_t)there;
    at[1] = (uint8_t)(there >> 8);
    return byte;
}

static const uint8_t *load_masks(const uint8_t *at, uint64_t masks[MASKS], unsigned *bits)
{
    const unsigned there = *bits = at[0] | (unsigned)at[1] << 8;
    memset(masks, 0, MASKS * sizeof(*masks));
    at += 2;
    for (size_t i = 0; i < MASK_BYTES; i++)
        if (there >> i & 1)
            masks[i / 8] |= (uint64_t)*at++ << 8 * (i % 8);
    return at;
}

size_t flow_pack(const struct flow_body *body, fw_time queued, uint8_t to[FLOW_PACKED_MOST])
{
    struct flow_body image;
    uint32_t words[IMAGE_WORDS];
    uint64_t masks[MASKS], lengths = 0;
    const enum fw_side closer = first_to_close(body);
    const bool in_us = relate(body, closer, queued, &image);
    find_unusual(&image, closer, words, masks);

    uint8_t *lengths_at =
        store_masks(to + HEAD_BYTES, masks, (unsigned)closer << 15 | (unsigned)in_us << 14);
    uint8_t *at = lengths_at + lengths_bytes(masks);
    unsigned bit = 0;
    for (size_t i = 0; i < MASKS; i++) {
        for (uint64_t mask = masks[i]; mask; mask &= mask - 1) {
            const uint32_t word = words[64 * i + (size_t)__builtin_ctzll(mask)];
            const unsigned more_bytes = (31u - (unsigned)__builtin_clz(word)) / 8;
            store_le32(at, word); /* all of it: the next goes over the zeros */
            at += 1 + more_bytes;
            lengths |= (uint64_t)more_bytes << bit;
            bit += 2;
            if (bit == 64) {
                store_le32(lengths_at, (uint32_t)lengths);
                store_le32(lengths_at + 4, (uint32_t)(lengths >> 32));
                lengths_at += 8;
                lengths = bit = 0;
            }
        }
    }
    for (unsigned done = 0; done < bit; done += 8)
        *lengths_at++ = (uint8_t)(lengths >> done);
    const uint64_t id = htole64(body->id);
    const struct tcp_ending ending = tcp_sum_up(&body->tcp);
    memcpy(to, &id, ID_BYTES);
    memcpy(to + ID_BYTES, &ending, sizeof(ending));
    return (size_t)(at - to);
}

uint64_t flow_packed_id(const uint8_t *packed)
{
    uint64_t id = 0;
    memcpy(&id, packed, ID_BYTES);
    return le64toh(id);
}

struct tcp_ending flow_packed_ending(const uint8_t *packed)
{
    struct tcp_ending ending;
    memcpy(&ending, packed + ID_BYTES, sizeof(ending));
    return ending;
}

void flow_unpack(const uint8_t *from, size_t bytes, fw_time queued, struct flow_body *body)
{
    uint8_t padded[FLOW_PACKED_MOST + 3]; /* words are read whole */
    uint64_t masks[MASKS];
    memcpy(padded, from, bytes);
    unsigned bits;
    const uint8_t *lengths_at = load_masks(padded + HEAD_BYTES, masks, &bits);
    const enum fw_side closer = (enum fw_side)(bits >> 15);
    uint8_t *const image = (uint8_t *)body + IMAGE_START;
    memcpy(image, (const uint8_t *)&usual[closer] + IMAGE_START, 4 * IMAGE_WORDS);
    const uint8_t *at = lengths_at + lengths_bytes(masks);
    uint32_t lengths = 0;
    unsigned left = 0;
    for (size_t i = 0; i < MASKS; i++) {
        for (uint64_t mask = masks[i]; mask; mask &= mask - 1) {
            uint8_t *const place = image + 4 * (64 * i + (size_t)__builtin_ctzll(mask));
            if (left-- == 0) {
                lengths = load_le32(lengths_at);
                lengths_at += 4;
                left = 15;
            }
            const unsigned more_bytes = lengths & 3;
            const uint32_t unusual = load_le32(at) & UINT32_MAX >> (24 - 8 * more_bytes);
            uint32_t word;
            memcpy(&word, place, sizeof(word));
            word ^= unusual;
            memcpy(place, &word, sizeof(word));
            lengths >>= 2;
            at += 1 + more_bytes;
        }
    }
    restore(body, closer, queued, bits >> 14 & 1);
    body->id = flow_packed_id(from);
}
