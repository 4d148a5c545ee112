/*
 * Names of TCP ports, as /etc/services has them: a table of our own, so that a filter means the
 * same on every machine. Level 0.
 */
#ifndef SERVICES_H
#define SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool service_find(const char *name, size_t length, uint16_t *port);

/* The index-th name, NULL after the last: to suggest one. */
const char *service_name(size_t index);

#endif
