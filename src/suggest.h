/* "Did you mean ...?": the known word that is nearest to what was typed. */
#ifndef SUGGEST_H
#define SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *typed; /* lent */
    size_t distance;   /* of `best` */
    char best[64];     /* empty: nothing is near */
};

void suggestion_init(struct suggestion *suggestion, const char *typed);

/* Keeps `known` if it is nearer than what was offered before, and near at all. */
void suggestion_offer(struct suggestion *suggestion, const char *known);

/* How many letters must be changed, added, left out, or exchanged with their neighbour. Words
 * longer than 63 bytes are beyond any distance. */
size_t suggestion_distance(const char *a, const char *b);

#endif
