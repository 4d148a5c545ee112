#include "siphash.h"
#include "unit.h"

#include <stdbool.h>

/* The algorithm of the paper (Aumasson, Bernstein 2012, section 2.2), byte by byte and for any
 * number of rounds, so that the paper's own vector for SipHash-2-4 vouches for it. */

struct plain {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void rounds(struct plain *state, int count)
{
    uint64_t *v = state->v;

    while (count-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13);
        v[3] = rotate(v[3], 16);
        v[1] ^= v[0];
        v[3] ^= v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17);
        v[3] = rotate(v[3], 21);
        v[1] ^= v[2];
        v[3] ^= v[0];
        v[2] = rotate(v[2], 32);
    }
}

static uint64_t little_endian(const uint8_t *bytes, size_t count)
{
    uint64_t word = 0;

    for (size_t i = count; i-- > 0;)
        word = word << 8 | bytes[i];
    return word;
}

static uint64_t plain_siphash(int c, int d, const uint8_t key[16], const uint8_t *data,
                              size_t bytes)
{
    const uint64_t k0 = little_endian(key, 8), k1 = little_endian(key + 8, 8);
    struct plain state = { { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                             k0 ^ UINT64_C(0x6c7967656e657261),
                             k1 ^ UINT64_C(0x7465646279746573) } };

    for (size_t at = 0; at <= bytes; at += 8) {
        const bool last = at + 8 > bytes;
        const uint64_t word = last ? little_endian(data + at, bytes - at) | (uint64_t)bytes << 56
                                   : little_endian(data + at, 8);
        state.v[3] ^= word;
        rounds(&state, c);
        state.v[0] ^= word;
    }
    state.v[2] ^= 0xff;
    rounds(&state, d);
    return state.v[0] ^ state.v[1] ^ state.v[2] ^ state.v[3];
}

static const uint8_t reference_key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* Appendix A of the paper. */
START_TEST(plain_algorithm_gives_the_vector_of_the_paper)
{
    ck_assert_uint_eq(plain_siphash(2, 4, reference_key, reference_key, 15),
                      UINT64_C(0xa129ca6149be45e5));
}
END_TEST

/* Of whole words: the length is in a word of its own. */
static uint64_t hash(const uint64_t key[2], const uint64_t *words, size_t count)
{
    uint64_t with_length[10];

    memcpy(with_length, words, count * sizeof(*words));
    with_length[count] = (uint64_t)(count * 8) << 56;
    return siphash13(key, with_length, count + 1);
}

/* Key 00 01 ... 0f, data 00 01 02 ... */
START_TEST(reference_vectors_of_siphash_1_3)
{
    static const uint64_t vectors[] = {
        UINT64_C(0xabac0158050fc4dc), UINT64_C(0x369095118d299a8e), UINT64_C(0xcc4fdd1a7d908b66),
        UINT64_C(0xf464aeb267349c8c), UINT64_C(0x81157b6c16a7b60d), UINT64_C(0xc1d2363299e41531),
        UINT64_C(0x9f3143f8df074c46), UINT64_C(0xb4bcc0db243c6d75),
    };
    uint64_t key[2], words[8];
    uint8_t bytes[64];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < 8; i++)
        words[i] = little_endian(bytes + 8 * i, 8);
    for (size_t i = 0; i < 2; i++)
        key[i] = little_endian(reference_key + 8 * i, 8);
    for (size_t count = 0; count < 8; count++)
        ck_assert_uint_eq(hash(key, words, count), vectors[count]);
}
END_TEST

START_TEST(agrees_with_the_plain_algorithm)
{
    uint8_t key[16], bytes[72];
    uint64_t words[9], keys[2];
    uint32_t random = 1;

    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        for (size_t i = 0; i < sizeof(key); i++)
            key[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        for (size_t i = 0; i < 9; i++)
            words[i] = little_endian(bytes + 8 * i, 8);
        for (size_t i = 0; i < 2; i++)
            keys[i] = little_endian(key + 8 * i, 8);
        for (size_t count = 0; count <= 9; count++)
            ck_assert_uint_eq(hash(keys, words, count), plain_siphash(1, 3, key, bytes, 8 * count));
    }
}
END_TEST

START_TEST(every_bit_of_key_and_data_matters)
{
    uint64_t key[2] = { 1, 2 }, words[6] = { 3, 4, 5, 6, 7, 8 };
    const uint64_t hash = siphash13(key, words, 6);

    for (unsigned bit = 0; bit < 6 * 64; bit++) {
        words[bit / 64] ^= UINT64_C(1) << bit % 64;
        ck_assert_uint_ne(siphash13(key, words, 6), hash);
        words[bit / 64] ^= UINT64_C(1) << bit % 64;
    }
    for (unsigned bit = 0; bit < 2 * 64; bit++) {
        key[bit / 64] ^= UINT64_C(1) << bit % 64;
        ck_assert_uint_ne(siphash13(key, words, 6), hash);
        key[bit / 64] ^= UINT64_C(1) << bit % 64;
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        plain_algorithm_gives_the_vector_of_the_paper,
        reference_vectors_of_siphash_1_3,
        agrees_with_the_plain_algorithm,
        every_bit_of_key_and_data_matters,
    };
    return UNIT_RUN("siphash", tests);
}
