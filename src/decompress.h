/*
 * Compressed captures: gzip (RFC 1952), zstd (RFC 8878) and the LZ4 frame format, as streams of
 * several members or frames. No I/O.
 */
#ifndef DECOMPRESS_H
#define DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_LZ4 };

/* By the first bytes of a file. */
enum compression compression_detect(const uint8_t *first, size_t count);
const char *compression_name(enum compression compression);
/* Was the program built with the library for it? */
bool compression_is_built_in(enum compression compression);

struct decompressor;

/* NULL: out of memory, or not built in. */
struct decompressor *decompressor_create(enum compression compression);
void decompressor_destroy(struct decompressor *decompressor);

/* What to read from and write to; decompressor_run() moves `in` and `out`. */
struct decompress_step {
    const uint8_t *in, *in_end;
    uint8_t *out, *out_end;
};

/* Goes on as far as either side allows. Returns NULL, or static words for what is wrong with the
 * input; what came before that was written. */
const char *decompressor_run(struct decompressor *decompressor, struct decompress_step *step);

/* May the input end here, that is between two members or frames? */
bool decompressor_may_end(const struct decompressor *decompressor);

/* Bytes after the last member that are no member (gzip(1) ignores them as well). */
uint64_t decompressor_ignored_bytes(const struct decompressor *decompressor);

#endif
