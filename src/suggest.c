#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "suggest.h"

enum { WORD_BYTES = 64 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment, three rows at a time. */
size_t suggestion_distance(const char *a, const char *b)
{
    const size_t a_bytes = strlen(a), b_bytes = strlen(b);
    size_t rows[3][WORD_BYTES];

    if (a_bytes >= WORD_BYTES || b_bytes >= WORD_BYTES)
        return SIZE_MAX;
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_bytes; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_bytes; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            const size_t changed = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = smaller(changed, smaller(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_bytes];
}

void suggestion_init(struct suggestion *suggestion, const char *typed)
{
    *suggestion = (struct suggestion){ .typed = typed, .distance = SIZE_MAX };
}

void suggestion_offer(struct suggestion *suggestion, const char *known)
{
    const size_t distance = suggestion_distance(suggestion->typed, known);
    const size_t near = 1 + strlen(suggestion->typed) / 4; /* a third of a word is another word */

    if (distance > near || distance > suggestion->distance || distance >= strlen(known))
        return;
    if (distance == suggestion->distance && strcmp(known, suggestion->best) > 0)
        return; /* the same answer in whatever order they are offered */
    suggestion->distance = distance;
    snprintf(suggestion->best, sizeof suggestion->best, "%s", known);
}
