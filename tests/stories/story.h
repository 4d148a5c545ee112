/*
 * A story: one connection as an engineer may meet it, told line by line, and played into packets.
 *
 * A line is `MS WHO FLAGS [BYTES] [MODIFIER...]`: so many milliseconds after the line before, the
 * client (C) or the server (S) sends a segment with tcpdump's flags and so many bytes. Numbers,
 * timestamps and windows follow from what the end has sent and received.
 *
 *     20 S S.                        SYN+ACK, 20 ms after the SYN
 *     2 C P. 190                     190 bytes of request
 *     200 C P. 190 again             the same sequence numbers once more
 *
 * again     repeats the last segment of this end that took sequence space
 * lost      captured, and never delivered (or delivered and ignored)
 * unseen    delivered, and missed by the capture
 * crossed   sent before the last segment of the other end arrived
 * forged    somebody else sent it in this end's name; ignored
 * seq+N     with another sequence number; seq-N ack+N ack-N likewise
 * win=N     with this window from now on, unscaled on the wire
 * cookie    with a fast open cookie
 *
 * Other lines: `MS R TYPE CODE FROM`: a router tells the client with ICMP that its last segment did
 * not arrive; `MS C new`, `MS C lower`: the end begins again, with a higher or lower initial
 * sequence number; `MS name NAME`: what follows is another connection.
 */
#ifndef STORY_H
#define STORY_H

#include <stddef.h>
#include <stdint.h>

struct story {
    const char *name;
    const char *about; /* for the comment at its first packet */
    const char *client, *server;
    uint16_t client_port, server_port;
    uint16_t vlan; /* 0: untagged */
    bool plain;    /* a stack without timestamps, SACK and window scaling */
    const char *script;
};

extern const struct story stories[];
extern const size_t story_count;

#endif
