#include "decompress.h"

enum compression compression_detect(const uint8_t *first, size_t count)
{
    (void)first;
    (void)count;
    return COMPRESSION_NONE;
}
const char *compression_name(enum compression compression)
{
    (void)compression;
    return "";
}
bool compression_is_built_in(enum compression compression)
{
    (void)compression;
    return false;
}
struct decompressor *decompressor_create(enum compression compression)
{
    (void)compression;
    return NULL;
}
void decompressor_destroy(struct decompressor *decompressor)
{
    (void)decompressor;
}
const char *decompressor_run(struct decompressor *decompressor, struct decompress_step *step)
{
    (void)decompressor;
    (void)step;
    return "not built in";
}
bool decompressor_may_end(const struct decompressor *decompressor)
{
    (void)decompressor;
    return true;
}
uint64_t decompressor_ignored_bytes(const struct decompressor *decompressor)
{
    (void)decompressor;
    return 0;
}
