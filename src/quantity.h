/* Quantities with units as people write them. Level 0: pure. */
#ifndef QUANTITY_H
#define QUANTITY_H

#include "finwait/finwait.h"

/* Seconds, or with a unit (ns us ms s m h d), fractions allowed: "1.5", "200ms", "2m". At most 9e9
 * seconds, almost three centuries. */
bool quantity_duration(const char *text, int64_t *ns);

/* A count above 0 with an optional K, M, G or T of `unit` (1000 or 1024): "2M". */
bool quantity_size(const char *text, uint64_t unit, uint64_t *value);

/* RFC 3339, in UTC, shorter forms too: "2024-01-31", "2024-01-31T12:00", "2024-01-31T12:00:00.5Z".
 */
bool quantity_time(const char *text, fw_time *time);

#endif
