/*
 * A body as few bytes: what is closed is kept for minutes, and seldom looked at.
 *
 * Most fields of a body follow from others, or nearly: the peer's RCV.NXT from one's own SND.NXT,
 * one time from another. So each is written as its difference from what is expected of it, and of
 * the 32-bit words of the image that this gives only those that are not zero: a bit for each word,
 * the lengths of those that are there (2 bits each), then their bytes.
 */
#include "flow.h"

#include <endian.h>
#include <string.h>

enum {
    IMAGE_START = offsetof(struct flow_body, first_frame), /* before it: what is not packed */
    IMAGE_WORDS = (sizeof(struct flow_body) - IMAGE_START) / 4,
    MASKS = (IMAGE_WORDS + 63) / 64,
    ID_BYTES = 6,
};
_Static_assert(FLOW_PACKED_MOST == ID_BYTES + 8 * MASKS + (IMAGE_WORDS + 3) / 4 + 4 * IMAGE_WORDS,
               "FLOW_PACKED_MOST is not the most");

/* What is expected of a field, given those of `b` that come before it here or are not here. */
#define EXPECTED_OF_END(X, i, peer)                                                                \
    X(tcp.end[i].last_time, b->tcp.last_time)                                                      \
    X(tcp.end[i].since, b->tcp.end[i].last_time)                                                   \
    X(tcp.end[i].rcv, b->tcp.end[peer].nxt)                                                        \
    X(tcp.end[i].last_seq, b->tcp.end[i].nxt)                                                      \
    X(tcp.end[i].last_ack, b->tcp.end[i].rcv)                                                      \
    X(tcp.end[i].iss, b->tcp.end[i].nxt - (uint32_t)b->tcp.end[i].bytes - 2)                       \
    X(tcp.end[i].fin_seq, b->tcp.end[i].nxt - 1)                                                   \
    X(tcp.end[i].ack_fin_seq, b->tcp.end[i].nxt)                                                   \
    X(tcp.end[i].ts_recent, b->tcp.end[i].ts_last)

#define EXPECTED(X)                                                                                \
    X(last_frame, b->first_frame)                                                                  \
    X(tcp.last_time, b->tcp.first_time)                                                            \
    X(tcp.syn_time, b->tcp.first_time)                                                             \
    X(tcp.first_syn_time, b->tcp.syn_time)                                                         \
    X(tcp.synack_time, b->tcp.syn_time)                                                            \
    X(tcp.established_time, b->tcp.synack_time)                                                    \
    EXPECTED_OF_END(X, 0, 1)                                                                       \
    EXPECTED_OF_END(X, 1, 0)

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

static void relate(const struct flow_body *b, struct flow_body *image)
{
    *image = *b;
#define RELATE(field, expected)                                                                    \
    image->field = (__typeof__(image->field))fold((uint64_t)b->field - (uint64_t)(expected),       \
                                                  sizeof(b->field));
    EXPECTED(RELATE)
#undef RELATE
    relate_acks(&image->tcp.end[FW_CLIENT], b->tcp.end[FW_CLIENT].last_ack);
    relate_acks(&image->tcp.end[FW_SERVER], b->tcp.end[FW_SERVER].last_ack);
    if (!b->tcp.in_doubt) /* what is left of an earlier one */
        memset(&image->tcp.doubt, 0, sizeof(image->tcp.doubt));
}

static void restore(struct flow_body *b)
{
#define RESTORE(field, expected)                                                                   \
    b->field = (__typeof__(b->field))(unfold((uint64_t)b->field) + (uint64_t)(expected));
    EXPECTED(RESTORE)
#undef RESTORE
    restore_acks(&b->tcp.end[FW_CLIENT]);
    restore_acks(&b->tcp.end[FW_SERVER]);
}

size_t flow_pack(const struct flow_body *body, uint8_t to[FLOW_PACKED_MOST])
{
    struct flow_body image;
    relate(body, &image);

    uint64_t masks[MASKS] = { 0 };
    uint32_t words[IMAGE_WORDS];
    size_t count = 0;
    for (size_t i = 0; i < IMAGE_WORDS; i++) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)&image + IMAGE_START + 4 * i, sizeof(word));
        if (word == 0)
            continue;
        masks[i / 64] |= UINT64_C(1) << i % 64;
        words[count++] = word;
    }
    const uint64_t id = htole64(body->id);
    memcpy(to, &id, ID_BYTES);
    memcpy(to + ID_BYTES, masks, sizeof(masks));
    uint8_t *lengths = to + ID_BYTES + sizeof(masks);
    uint8_t *at = lengths + (count + 3) / 4;
    memset(lengths, 0, (count + 3) / 4);
    for (size_t i = 0; i < count; i++) {
        const unsigned bytes = (39u - (unsigned)__builtin_clz(words[i])) / 8;
        const uint32_t word = htole32(words[i]);
        lengths[i / 4] |= (uint8_t)((bytes - 1) << 2 * (i % 4));
        memcpy(at, &word, sizeof(word)); /* more than `bytes`: the next goes over it */
        at += bytes;
    }
    return (size_t)(at - to);
}

uint64_t flow_packed_id(const uint8_t *packed)
{
    uint64_t id = 0;
    memcpy(&id, packed, ID_BYTES);
    return le64toh(id);
}

void flow_unpack(const uint8_t *from, size_t bytes, struct flow_body *body)
{
    struct flow_body image = { .held = body->held, .interop = body->interop };
    uint8_t padded[FLOW_PACKED_MOST + 3]; /* words are read whole */
    uint64_t masks[MASKS];
    memcpy(padded, from, bytes);
    memcpy(masks, padded + ID_BYTES, sizeof(masks));
    size_t count = 0, next = 0;
    for (size_t i = 0; i < MASKS; i++)
        count += (size_t)__builtin_popcountll(masks[i]);
    const uint8_t *lengths = padded + ID_BYTES + sizeof(masks);
    const uint8_t *at = lengths + (count + 3) / 4;
    for (size_t i = 0; i < MASKS; i++) {
        for (uint64_t mask = masks[i]; mask; mask &= mask - 1, next++) {
            const size_t place = 64 * i + (size_t)__builtin_ctzll(mask);
            const unsigned length = (lengths[next / 4] >> 2 * (next % 4) & 3) + 1;
            uint32_t word;
            memcpy(&word, at, sizeof(word));
            word = le32toh(word) & UINT32_MAX >> (32 - 8 * length);
            memcpy((uint8_t *)&image + IMAGE_START + 4 * place, &word, sizeof(word));
            at += length;
        }
    }
    restore(&image);
    image.id = flow_packed_id(from);
    *body = image;
}
