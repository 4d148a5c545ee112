/* What a failure says of a connection: what was there instead, and why. Level 4. */
#ifndef VERIFY_WORDS_H
#define VERIFY_WORDS_H

#include "verify.h"

enum { VERIFY_WORDS_BYTES = 768 };

/* "handshake complete after 120 ms", "CLOSE_WAIT for 529 ms". Nothing is longer than the room. */
void verify_got(const struct verdict *verdict, const struct kept *kept, size_t check,
                char text[VERIFY_WORDS_BYTES]);

/* The cause in a sentence; empty where nothing more is known. */
void verify_why(const struct verdict *verdict, const struct kept *kept, size_t check,
                char text[VERIFY_WORDS_BYTES]);

/* Which of its frames show it: indexes into the trail, in order. Returns how many; at most
 * VERIFY_FRAMES. */
enum { VERIFY_FRAMES = 6 };
size_t verify_frames(const struct verdict *verdict, const struct kept *kept,
                     size_t indexes[VERIFY_FRAMES]);

#endif
