/* The whole program over any bytes as a capture. The first eight choose how it is called. One
 * thread and two say the same, and how it ends is one of the statuses that the manual names. */
#include "harness.h"
#include "image.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size)
{
    enum { HEADER = 8 };
    struct image_result one, two;

    if (size < HEADER)
        return;
    const size_t way = data[0] % image_way_count;
    image_run(data + HEADER, size - HEADER, way, 1, &one);
    FUZZ_CHECK(one.status >= 0 && one.status <= 4);
    if (fuzz_is_starved())
        return;
    FUZZ_CHECK(one.status != 2);
    image_run(data + HEADER, size - HEADER, way, 2, &two);
    FUZZ_CHECK(one.status == two.status && one.bytes == two.bytes && one.digest == two.digest);
}
