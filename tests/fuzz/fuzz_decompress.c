/* Any bytes, unpacked at once and in pieces whose sizes the first two bytes choose: the same comes
 * out, and the same is wrong with it. */
#include "decompress.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 }; /* a bomb has no end: the reader, too, has a window */

struct unpacked {
    uint64_t digest;
    size_t count;
    bool wrong, may_end;
    uint64_t ignored;
};

static bool unpack(const uint8_t *data, size_t size, size_t in_piece, size_t out_piece,
                   struct unpacked *unpacked)
{
    struct decompressor *decompressor = decompressor_create(compression_detect(data, size));
    uint8_t *room = malloc(out_piece);
    const uint8_t *at = data, *end = data + size;
    bool moved = true;

    *unpacked = (struct unpacked){ 0 };
    while (decompressor && room && !unpacked->wrong && moved && unpacked->count < MOST) {
        const size_t left = (size_t)(end - at), piece = left < in_piece ? left : in_piece;
        /* Of exactly its size, so that a read beyond it is seen. */
        uint8_t *in = malloc(piece > 0 ? piece : 1);
        if (!in)
            break;
        memcpy(in, at, piece);
        struct decompress_step step = {
            .in = in, .in_end = in + piece, .out = room, .out_end = room + out_piece
        };
        unpacked->wrong = decompressor_run(decompressor, &step) != NULL;
        FUZZ_CHECK(step.in >= in && step.in <= step.in_end);
        FUZZ_CHECK(step.out >= room && step.out <= step.out_end);
        moved = step.in > in || step.out > room || (piece < left && step.in == step.in_end);
        at += step.in - in;
        for (const uint8_t *byte = room; byte < step.out && unpacked->count < MOST; byte++) {
            unpacked->digest = (unpacked->digest ^ *byte) * UINT64_C(0x100000001b3);
            unpacked->count++;
        }
        free(in);
    }
    const bool done = decompressor && room && !fuzz_memory_ran_out();
    if (done) {
        unpacked->may_end = decompressor_may_end(decompressor);
        unpacked->ignored = decompressor_ignored_bytes(decompressor);
    }
    decompressor_destroy(decompressor);
    free(room);
    return done;
}

void fuzz_one(const uint8_t *data, size_t size)
{
    struct unpacked whole, pieces;

    if (size < 6 || compression_detect(data + 2, size - 2) == COMPRESSION_NONE)
        return;
    const bool done = unpack(data + 2, size - 2, size, 65536, &whole);
    if (!unpack(data + 2, size - 2, 1u + data[0], 1u + data[1] * 16u, &pieces) || !done)
        return;
    if (whole.count == MOST || pieces.count == MOST)
        return;
    FUZZ_CHECK(whole.wrong == pieces.wrong);
    if (whole.wrong) /* how much comes before the fault is known is the library's affair */
        return;
    FUZZ_CHECK(whole.count == pieces.count && whole.digest == pieces.digest);
    FUZZ_CHECK(whole.may_end == pieces.may_end && whole.ignored == pieces.ignored);
}
