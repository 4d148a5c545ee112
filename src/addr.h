/*
 * Addresses and endpoints as values: order, parse, prefixes. Their text is in the public header
 * (fw_addr_text(), fw_endpoint_text()). Level 0.
 */
#ifndef ADDR_H
#define ADDR_H

#include "finwait/finwait.h"

/* "10.0.0.0/8", "2001:db8::/32"; a plain address is a prefix of its full length. */
struct addr_prefix {
    struct fw_endpoint base; /* port 0; bits beyond the length are zero */
    unsigned bits;
};

/* Order: IPv4 before IPv6, then by address; endpoint_compare(): then by port. Like memcmp(). */
int addr_compare(const struct fw_endpoint *a, const struct fw_endpoint *b);
int endpoint_compare(const struct fw_endpoint *a, const struct fw_endpoint *b);

/* Read exactly `length` bytes of text; false, and the result untouched, if they are anything else.
 *   addr_parse      10.0.0.1   2001:db8::1   [2001:db8::1]    (sets port 0)
 *   port_parse      0 to 65535, decimal
 *   endpoint_parse  10.0.0.1:80   [2001:db8::1]:80
 *   addr_prefix_parse  10.0.0.0/8   2001:db8::/32   and what addr_parse() reads */
bool addr_parse(const char *text, size_t length, struct fw_endpoint *endpoint);
bool port_parse(const char *text, size_t length, uint16_t *port);
bool endpoint_parse(const char *text, size_t length, struct fw_endpoint *endpoint);
bool addr_prefix_parse(const char *text, size_t length, struct addr_prefix *prefix);

bool addr_prefix_contains(const struct addr_prefix *prefix, const struct fw_endpoint *endpoint);

#endif
