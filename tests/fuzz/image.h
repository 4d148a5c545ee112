/* The whole program over a capture that is in memory: what main() does, but for the terminal. */
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct image_result {
    int status;      /* exit status */
    uint64_t bytes;  /* of output */
    uint64_t digest; /* of it */
};

/* Ways to call it; each is tried by its number, below image_way_count. */
extern const size_t image_way_count;

/* Runs the program in that way over these bytes. `threads`: 1 or 2. */
void image_run(const uint8_t *bytes, size_t size, size_t way, unsigned threads,
               struct image_result *result);

#endif
