/*
 * How other tools would label a connection, followed packet by packet beside our own state.
 * Level 1: knows finwait.h only. One small struct per connection, no allocation.
 *
 * The labels are those of the peer's first record of the connection. Where a peer forgets sooner
 * than finwait does (Zeek removes a connection 5 s after its close, 5 min after its last packet),
 * what follows would be the peer's next record and no longer changes the label.
 */
#ifndef INTEROP_H
#define INTEROP_H

#include "finwait/finwait.h"

/* ------------------------------------------------------------------------------------- Zeek -- */

/* What Zeek 7 knows of one endpoint (its src/analyzer/protocol/tcp/TCP_Endpoint.h). */
struct zeek_end {
    uint32_t start;     /* its initial sequence number, or as if there had been a SYN */
    uint32_t last;      /* one beyond the highest number that it sent */
    uint32_t acked;     /* highest number that the peer acknowledged */
    uint32_t delivered; /* in order up to here; relative to `start`, as are the next three */
    uint32_t ahead_from, ahead_to; /* data beyond a hole; equal: none */
    uint32_t fin_end;              /* where the last FIN stands */
    uint16_t rst_seq;              /* of the last RST, low half */
    uint16_t retransmits;
    uint8_t zero_windows, gaps;
    uint16_t state : 3, previous : 3; /* enum zeek_state */
    uint16_t seen : 7;                /* letters of the history that were already given */
    uint16_t fin : 1, closing : 1, closed : 1;
};

/* Letters of the history that are kept: more than one for each kind of event from each side. */
enum { ZEEK_HISTORY_LETTERS = 26 };

struct zeek {
    struct zeek_end ends[2];            /* originator, responder */
    uint32_t deadline_ms;               /* when it may be removed */
    char history[ZEEK_HISTORY_LETTERS]; /* NUL-padded, not terminated when full */
    uint8_t bad_checksums[2];
    uint16_t started : 1, originator_is_client : 1, removed : 1;
    uint16_t attempting : 1, ending : 1; /* what the deadline is for */
    uint16_t established : 1;            /* the longer idle timer runs */
    uint16_t login_port : 1;             /* the much longer one */
    uint16_t partial : 1, spoke : 2;
};

/* -------------------------------------------------------------------------------- conntrack -- */

/* What Linux keeps of a connection (its net/netfilter/nf_conntrack_proto_tcp.c, 6.1). */
struct conntrack {
    uint32_t highest_ack[2]; /* that the original, the replying side sent */
    uint32_t last_end;       /* end of the segment that `last` tells of */
    uint16_t state : 4, last : 3, last_reply : 1, original_is_client : 1;
    uint16_t acked : 2; /* whose highest_ack is known: 1 the original's, 2 the replying side's */
    uint16_t close_started : 1, simultaneous : 1;
    uint8_t completeness; /* of tshark: here because there is room */
};

/* ----------------------------------------------------------------------------------- interop -- */

/* Zeroed before the first segment. */
struct interop {
    struct zeek zeek;
    struct conntrack conntrack;
    uint32_t last_ms; /* capture time of the last segment; milliseconds, modulo 2^32 */
};

/* One segment of the connection, in capture order; from_client: it comes from the side that the
 * connection record calls the client. Under --checksum also those with a bad checksum. */
void interop_step(struct interop *interop, bool from_client, const struct fw_segment *segment);

/* Fills zeek_conn_state, zeek_history, conntrack_state and completeness of *connection, of which
 * everything else is filled already. */
void interop_fill(const struct interop *interop, struct fw_connection *connection);

/* Community ID version 1, seed 0 ("1:..."), of the connection's tuple. */
void interop_community_id(const struct fw_identity *identity, char text[32]);

/* The parts of the above, one file each. Times are milliseconds modulo 2^32; `idle_ms` is since the
 * segment before, 0 for the first. */
void zeek_step(struct zeek *zeek, bool from_client, const struct fw_segment *segment,
               uint32_t now_ms, uint32_t idle_ms);
const char *zeek_conn_state(const struct zeek *zeek);
void conntrack_step(struct conntrack *conntrack, bool from_client, const struct fw_segment *segment,
                    uint32_t idle_ms);
const char *conntrack_state_name(const struct conntrack *conntrack); /* "": no entry */

#endif
