/*
 * finwait: packets in, the RFC 9293 state of both TCP endpoints out.
 *
 * The header follows the data: a packet (captured bytes) is decoded to a segment (what TCP said), a
 * tracker finds the segment's connection and moves the states of its two endpoints, and hooks are
 * told of each transition and, once, of each connection.
 *
 *     packet --fw_decode--> segment --fw_tracker_feed--> step (transitions), connection
 *
 * Nothing here prints, exits, reads a clock, or keeps global state. Times are capture times. Unless
 * a comment says otherwise, a pointer handed to a hook is lent until the hook returns.
 */
#ifndef FINWAIT_FINWAIT_H
#define FINWAIT_FINWAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------ packet -- */

/* Capture time: nanoseconds since 1970-01-01T00:00:00Z. */
typedef int64_t fw_time;

#define FW_SECOND      INT64_C(1000000000)
#define FW_MILLISECOND INT64_C(1000000)

/* One captured packet. `data` is lent by the source until its next batch. */
struct fw_packet {
    fw_time time;
    uint64_t frame; /* 1-based, over all input; what Wireshark calls the frame number */
    const uint8_t *data;
    uint32_t captured_bytes; /* readable at `data` */
    uint32_t sent_bytes;     /* length on the wire; >= captured_bytes for a sane capture */
    uint16_t link_type;      /* LINKTYPE_ value of the pcap registry (tcpdump.org/linktypes.html) */
    uint16_t file;           /* which -r it came from, 0-based; live: which -i */
    uint32_t interface;      /* pcapng interface number within its section, else 0 */
};

/* ----------------------------------------------------------------------------------- segment -- */

enum fw_family { FW_IPV4 = 4, FW_IPV6 = 6 };

/* An address and a port. An IPv4 address is in the first four bytes, the others are zero. */
struct fw_endpoint {
    uint8_t addr[16];
    uint16_t port;   /* host order */
    uint16_t family; /* enum fw_family */
};

/* Tunnels whose inner connection is followed. */
enum fw_tunnel {
    FW_TUNNEL_NONE,
    FW_TUNNEL_GRE,    /* RFC 2784, 2890; id = key, 0 without one. PPTP (RFC 2637): 0 */
    FW_TUNNEL_IPIP,   /* IPv4 in IPv4 (RFC 2003), IPv4 in IPv6, IPv6 in IPv6 (RFC 2473); id 0 */
    FW_TUNNEL_6IN4,   /* RFC 4213; id 0 */
    FW_TUNNEL_VXLAN,  /* RFC 7348; id = VNI */
    FW_TUNNEL_GENEVE, /* RFC 8926; id = VNI */
    FW_TUNNEL_GTP,    /* 3GPP TS 29.281, user data; id 0: each direction has its own */
    FW_TUNNEL_TEREDO, /* RFC 4380; id 0 */
    FW_TUNNEL_ERSPAN, /* mirrored Ethernet in GRE; id = session */
};

/* Where an address means what it means: part of a connection's identity. */
struct fw_scope {
    uint32_t tunnel_id; /* of the outermost tunnel */
    uint16_t vlan;      /* outermost VLAN id; 0: untagged, or priority-tagged */
    uint16_t tunnel;    /* enum fw_tunnel, the outermost */
};

/* TCP flags as they stand in bytes 12 and 13 of the header (RFC 9293 section 3.1, RFC 3168,
 * AccECN). */
enum {
    FW_FIN = 0x001,
    FW_SYN = 0x002,
    FW_RST = 0x004,
    FW_PSH = 0x008,
    FW_ACK = 0x010,
    FW_URG = 0x020,
    FW_ECE = 0x040,
    FW_CWR = 0x080,
    FW_AE = 0x100,
};

/* TCP options that a segment carried (`options`). */
enum {
    FW_OPT_MSS = 0x01,
    FW_OPT_WINDOW_SCALE = 0x02,
    FW_OPT_SACK_PERMITTED = 0x04,
    FW_OPT_SACK = 0x08,
    FW_OPT_TIMESTAMPS = 0x10,
    FW_OPT_FAST_OPEN = 0x20, /* RFC 7413, kind 34 or experimental 254 with magic 0xF989 */
    FW_OPT_MPTCP = 0x40,     /* RFC 8684, noted only */
};

/* Why an ICMP error says that a segment did not arrive (RFC 792, RFC 4443). */
enum fw_icmp {
    FW_ICMP_NONE,
    FW_ICMP_NET_UNREACHABLE,
    FW_ICMP_HOST_UNREACHABLE,
    FW_ICMP_PROTOCOL_UNREACHABLE,
    FW_ICMP_PORT_UNREACHABLE,
    FW_ICMP_PROHIBITED,
    FW_ICMP_FRAGMENTATION_NEEDED, /* IPv6: packet too big. A soft error: it ends nothing */
    FW_ICMP_TIME_EXCEEDED,
    FW_ICMP_OTHER,
};

enum fw_checksum { FW_CHECKSUM_UNCHECKED, FW_CHECKSUM_GOOD, FW_CHECKSUM_BAD };

/* What one packet said at the TCP level. Filled by fw_decode(); a plain value. For an ICMP error it
 * is the quoted header: `from` is the endpoint whose segment did not arrive; `seq` is always there,
 * `ack` and `flags` are 0 unless they are quoted too. IPv6: `from` is the home address of a mobile
 * sender and `to` the end of a source route, as TCP knows them. */
struct fw_segment {
    fw_time time;
    uint64_t frame;
    struct fw_endpoint from, to;
    struct fw_scope scope;
    uint32_t seq, ack;
    uint32_t payload_bytes;  /* from the IP header, not from what was captured (states.md 32);
                                of a first fragment: what is in that fragment */
    uint32_t ts_val, ts_ecr; /* with FW_OPT_TIMESTAMPS */
    uint16_t flags;          /* FW_FIN ... FW_AE */
    uint16_t window_raw;     /* before scaling */
    uint16_t urgent;
    uint16_t mss;            /* with FW_OPT_MSS */
    uint16_t checksum_raw;   /* as sent; with ip_id it tells an exact duplicate */
    uint16_t ip_id;          /* IPv4 identification; IPv6: 0 */
    uint8_t window_scale;    /* with FW_OPT_WINDOW_SCALE; at most 14 */
    uint8_t options;         /* FW_OPT_ bits */
    uint8_t fast_open_bytes; /* length of the cookie; 0: a request for one */
    uint8_t checksum;        /* enum fw_checksum */
    uint8_t icmp;            /* enum fw_icmp; FW_ICMP_NONE in a real segment */
    uint8_t ttl;             /* IPv4 TTL or IPv6 hop limit of the header next to TCP */
    bool fragmented;         /* the first fragment of an IP datagram */
};

/* What decoding a packet came to. Odd input is counted, never an error. */
enum fw_verdict {
    FW_VERDICT_SEGMENT,        /* a TCP segment */
    FW_VERDICT_ICMP_ERROR,     /* an ICMP error that quotes a TCP segment */
    FW_VERDICT_NOT_TCP,        /* another protocol */
    FW_VERDICT_FRAGMENT,       /* an IP fragment without a whole TCP header */
    FW_VERDICT_TRUNCATED,      /* captured too short to hold the TCP header (snaplen) */
    FW_VERDICT_MALFORMED,      /* a header contradicts itself or the packet's length */
    FW_VERDICT_UNKNOWN_LINK,   /* a link type that is not decoded */
    FW_VERDICT_UNKNOWN_TUNNEL, /* a tunnel that is not decoded; see fw_segment_unknown() */
    FW_VERDICT_COUNT
};

/* Tunnels that are recognised but not decoded, for the summary. */
enum fw_undecoded {
    FW_UNDECODED_NONE,
    FW_UNDECODED_ESP,    /* IP protocol 50 */
    FW_UNDECODED_IPCOMP, /* IP protocol 108: compressed */
    FW_UNDECODED_L2TP,   /* IP protocol 115, UDP port 1701 */
    FW_UNDECODED_GTP,    /* UDP port 2152 */
    FW_UNDECODED_TEREDO, /* UDP port 3544 */
    FW_UNDECODED_GENEVE, /* UDP port 6081 */
    FW_UNDECODED_GRE,    /* GRE with a payload that is not decoded */
    FW_UNDECODED_OTHER,  /* deeper nesting than is followed */
    FW_UNDECODED_COUNT
};

struct fw_decode_options {
    bool verify_checksums; /* fill segment->checksum for whole packets */
};

/* Decodes one packet. Pure: no state, no allocation. *segment is written fully for
 * FW_VERDICT_SEGMENT and FW_VERDICT_ICMP_ERROR; for FW_VERDICT_UNKNOWN_TUNNEL *undecoded says
 * which. For other verdicts its content is not to be used. `undecoded` may be NULL. */
enum fw_verdict fw_decode(const struct fw_packet *packet, const struct fw_decode_options *options,
                          struct fw_segment *segment, enum fw_undecoded *undecoded);

/* Name of a link type ("Ethernet", "USB"...) for messages, or NULL if unknown; and whether
 * fw_decode() follows it. */
const char *fw_link_name(uint16_t link_type);
bool fw_link_is_decoded(uint16_t link_type);

/* Name of a tunnel: "gre", "ipip", "6in4", "vxlan", "geneve", "gtp", "teredo", "erspan"; "" for
 * none. */
const char *fw_tunnel_name(enum fw_tunnel tunnel);
const char *fw_undecoded_name(enum fw_undecoded undecoded);

/* ------------------------------------------------------------------------------------- state -- */

/* States of RFC 9293 section 3.3.2, and UNKNOWN: nothing was ever heard from this endpoint. */
enum fw_state {
    FW_UNKNOWN,
    FW_CLOSED,
    FW_LISTEN,
    FW_SYN_SENT,
    FW_SYN_RECEIVED,
    FW_ESTABLISHED,
    FW_FIN_WAIT_1,
    FW_FIN_WAIT_2,
    FW_CLOSE_WAIT,
    FW_CLOSING,
    FW_LAST_ACK,
    FW_TIME_WAIT,
    FW_STATE_COUNT
};

enum fw_side { FW_CLIENT, FW_SERVER };

/* What a transition rests on. */
enum fw_proof {
    FW_PROOF_SEGMENT,  /* the frame that proved it */
    FW_PROOF_TIMER,    /* our clock; shown with ~ */
    FW_PROOF_INFERRED, /* not witnessed: mid-stream start, a frame the capture missed; shown with ?
                        */
};

/* How the roles were told. */
enum fw_dir_by { FW_DIR_SYN, FW_DIR_SYNACK, FW_DIR_PORT };

/* How a connection opened (the `open` key). */
enum fw_open {
    FW_OPEN_NO_ANSWER, /* also while it is still being opened */
    FW_OPEN_COMPLETE,
    FW_OPEN_REFUSED,
    FW_OPEN_UNREACHABLE,
    FW_OPEN_BAD_SYNACK,
    FW_OPEN_NO_FINAL_ACK,
    FW_OPEN_ABANDONED,
    FW_OPEN_MIDSTREAM,
    FW_OPEN_COUNT
};

/* How it ended (the `end` key). */
enum fw_end {
    FW_END_OPEN, /* it did not: the input ended first */
    FW_END_FIN,
    FW_END_RST,
    FW_END_TIMER,
    FW_END_EVICTED,
    FW_END_REUSED,
    FW_END_COUNT
};

/* Who sent the first FIN or RST (the `closed_by` key). */
enum fw_closed_by {
    FW_CLOSED_BY_NONE,
    FW_CLOSED_BY_CLIENT,
    FW_CLOSED_BY_SERVER,
    FW_CLOSED_BY_BOTH
};

/* ------------------------------------------------------------------------------------- event -- */

/* Who talks to whom. */
struct fw_identity {
    uint64_t id; /* 1-based, in order of first packet */
    struct fw_endpoint client, server;
    struct fw_scope scope;
};

/* One arrow of RFC 9293 figure 5 (or the reset rule), taken by one endpoint. */
struct fw_transition {
    enum fw_side endpoint;
    enum fw_state from, to;
    enum fw_proof proof;
    bool corrected;                           /* a proof was taken back */
    const char *cause;                        /* words, static: "sent FIN" */
    int64_t in_state_ns;                      /* time spent in `from`; -1: unknown */
    enum fw_state client_state, server_state; /* both, after it */
};

/* What a segment was, for timelines. The first that applies, in this order of interest. */
enum fw_note {
    FW_NOTE_NONE,
    FW_NOTE_DUPLICATE,      /* exact duplicate (mirrored twice): never acted on */
    FW_NOTE_BAD_CHECKSUM,   /* dropped under --checksum */
    FW_NOTE_OUT_OF_WINDOW,  /* the receiver drops it */
    FW_NOTE_PAWS,           /* the receiver drops it: timestamp older than RFC 7323 allows */
    FW_NOTE_NO_ACK,         /* no ACK bit in a synchronised state: dropped */
    FW_NOTE_BAD_ACK,        /* acknowledges what was never sent: dropped */
    FW_NOTE_BAD_SYNACK,     /* SYN+ACK that acknowledges another SYN */
    FW_NOTE_RST_IGNORED,    /* RST outside the window */
    FW_NOTE_RST_CHALLENGED, /* RST in the window but not exact: a challenge ACK is expected */
    FW_NOTE_RST_FORGED,     /* its supposed sender went on sending (set on what shows it) */
    FW_NOTE_SYN_IN_WINDOW,  /* SYN inside a synchronised connection */
    FW_NOTE_ODD_FLAGS,      /* SYN+FIN and the like */
    FW_NOTE_RETRANSMISSION,
    FW_NOTE_OUT_OF_ORDER, /* fills a hole before what was already seen, sooner than a round trip */
    FW_NOTE_KEEP_ALIVE,
    FW_NOTE_ZERO_WINDOW,
    FW_NOTE_ZERO_WINDOW_PROBE,
    FW_NOTE_WINDOW_UPDATE,
    FW_NOTE_DUPLICATE_ACK,
    FW_NOTE_CHALLENGE_ACK, /* answers what its sender could not accept */
    FW_NOTE_GAP,           /* acknowledges or follows data that the capture missed */
    FW_NOTE_ICMP,          /* an ICMP error about this connection */
    FW_NOTE_STRAY,         /* to or from an endpoint that is closed */
    FW_NOTE_COUNT
};

/* Everything known of one connection: at its end, or, from fw_step_connection() and
 * fw_tracker_each(), as of now. A plain value. Keys of the `connection` record, docs/events.md. */
struct fw_connection {
    struct fw_identity identity;
    enum fw_state client_state, server_state;
    enum fw_state client_told, server_told; /* by the last transition: another only where an end
                                               has left for a new connection */
    bool client_inferred, server_inferred;  /* the state is shown with ? */
    bool client_timed, server_timed;        /* a timer of ours gave the state: shown with ~ */
    uint64_t client_path, server_path;      /* see fw_path_text() */
    fw_time first_time, last_time;          /* of its packets */
    uint64_t first_frame, last_frame;
    fw_time client_since, server_since; /* when the present states were entered; INT64_MIN: the
                                           end has made no transition */
    fw_time timer_due;                  /* when 2MSL (or the timer of a half-open attempt, or of
                                           an orphan) ends its states; 0: none runs */
    enum fw_open open;
    enum fw_end end;
    enum fw_closed_by closed_by;
    enum fw_dir_by dir_by;
    const char *cause;                                  /* words, static; NULL: nothing to say */
    int64_t handshake_ns, rtt_client_ns, rtt_server_ns; /* -1: unknown */
    fw_time established_time;                           /* when both ends were; INT64_MIN: never */
    bool midstream, one_sided, lossy;
    uint16_t mss[2]; /* by enum fw_side; 0: not announced */
    uint64_t packets[2];
    uint64_t bytes[2]; /* sequence space without SYN and FIN, counted once */
    uint32_t syns[2];  /* SYN without ACK */
    uint32_t synacks[2];
    uint32_t fins[2];
    uint32_t rsts[2];
    uint64_t data_packets[2];
    uint32_t retransmits[2];
    char zeek_conn_state[8]; /* empty unless fw_tracker_options.interop */
    char zeek_history[40];
    char conntrack_state[16];
    int completeness; /* tshark's tcp.completeness; -1: not followed */
};

/* The transitions that one frame (or one timer) caused in one connection: at least one. */
struct fw_step {
    const struct fw_identity *identity;
    const struct fw_segment *segment; /* NULL: a timer */
    fw_time time;
    uint64_t frame;    /* 0: a timer */
    enum fw_side from; /* who sent the segment */
    enum fw_note note;
    enum fw_state client_state, server_state; /* after it */
    bool client_inferred, server_inferred, client_timed, server_timed;
    const struct fw_transition *transitions;
    size_t count;         /* 0 only in the `segment` hook */
    const void *internal; /* for fw_step_connection() */
};

/* Fills *connection with what is known as of this step. */
void fw_step_connection(const struct fw_step *step, struct fw_connection *connection);

/* What a connection came to, for those who only count. */
struct fw_ending {
    enum fw_state client_state, server_state; /* as in its record */
    enum fw_open open;
    enum fw_end end;
    bool finned; /* an end sent a FIN */
    bool one_sided, lossy;
    const void *internal; /* for fw_ending_connection() */
};

/* Fills *connection with the record, which takes ten times as long. */
void fw_ending_connection(const struct fw_ending *ending, struct fw_connection *connection);

/* The hooks of a listener. A missing hook is NULL: nothing to say. */
struct fw_hooks {
    /* Transitions of one frame or timer, in the order in which RFC 9293 section 3.10.7 takes them.
     */
    void (*step)(void *context, const struct fw_step *step);
    /* Every segment of every connection, after its transitions (count may be 0). Costs time. */
    void (*segment)(void *context, const struct fw_step *step);
    /* A connection is forgotten, or the input ended. Exactly once each. */
    void (*end)(void *context, const struct fw_connection *connection);
    /* The same in brief, if `end` is NULL. */
    void (*ended)(void *context, const struct fw_ending *ending);
};

/* ----------------------------------------------------------------------------------- tracker -- */

struct fw_tracker;

struct fw_tracker_options {
    int64_t time_wait_ns;      /* 2MSL; 240 s by RFC 9293 */
    int64_t fin_wait_2_ns;     /* orphaned FIN_WAIT_2; 0: never */
    int64_t syn_timeout_ns;    /* half-open attempt without an answer; 75 s */
    int64_t idle_ns;           /* a connection without traffic; 0: never */
    uint64_t max_connections;  /* 0: no limit */
    uint64_t max_memory_bytes; /* of the tracker itself; 0: no limit */
    bool drop_bad_checksums;   /* --checksum */
    bool interop;              /* follow zeek_*, conntrack_state and completeness too */
    uint8_t hash_key[16];      /* secret and random (getrandom(2)) where input is not trusted */
};

/* Fills *options with the defaults above (no limits, zero key). */
void fw_tracker_defaults(struct fw_tracker_options *options);

/* Creates a tracker; NULL without memory. `hooks` and `context` are kept, not copied. */
struct fw_tracker *fw_tracker_create(const struct fw_tracker_options *options,
                                     const struct fw_hooks *hooks, void *context);
void fw_tracker_destroy(struct fw_tracker *tracker);

/* So many connections are likely: makes room ahead, so that the table need not grow step by step.
 * Has an effect while it holds none. */
void fw_tracker_expect(struct fw_tracker *tracker, uint64_t connections);

/* Feeds segments in capture order: FW_VERDICT_SEGMENT and FW_VERDICT_ICMP_ERROR (segment->icmp is
 * set). Time passes first: what a timer ends by segment->time is ended before the segment is taken.
 * Returns 0 or -ENOMEM. */
int fw_tracker_feed(struct fw_tracker *tracker, const struct fw_segment *segments, size_t count);

/* What a segment is looked up by. Opaque, a plain value. */
struct fw_lookup {
    uint64_t opaque[3];
};

/* The first part of fw_tracker_feed(), which one other thread may do ahead while this one feeds
 * what came before: what `count` segments are looked up by goes to lookups[], and memory that the
 * tracker is about to need is touched. Not beside fw_tracker_finish() and fw_tracker_destroy(). */
void fw_tracker_prepare(struct fw_tracker *tracker, const struct fw_segment *segments, size_t count,
                        struct fw_lookup *lookups);

/* fw_tracker_feed() of segments that were prepared; lookups[] is used up. */
int fw_tracker_feed_prepared(struct fw_tracker *tracker, const struct fw_segment *segments,
                             struct fw_lookup *lookups, size_t count);

/* Lets time pass without a segment (live: an idle interface). */
void fw_tracker_advance(struct fw_tracker *tracker, fw_time now);

/* The input ended: tells the `end` hook (or `ended`) of every connection that is left, by id. */
void fw_tracker_finish(struct fw_tracker *tracker);

/* Lends every connection in order of id: for live views. Stops when `each` returns false. */
void fw_tracker_each(struct fw_tracker *tracker,
                     bool (*each)(void *context, const struct fw_connection *connection),
                     void *context);

/* Fills *connection with what is known now of the connection with this identity. False: it is no
 * longer held. For live views that look at a few of many; not for the hooks that
 * fw_tracker_finish() calls. */
bool fw_tracker_find(const struct fw_tracker *tracker, const struct fw_identity *identity,
                     struct fw_connection *connection);

/* A server endpoint that answered a SYN with SYN+ACK: it was in LISTEN. */
struct fw_listener {
    struct fw_endpoint endpoint;
    struct fw_scope scope;
    uint64_t synacks; /* connections that it answered */
};

/* Lends the listeners, most answers first, then by address and port. */
void fw_tracker_each_listener(struct fw_tracker *tracker,
                              bool (*each)(void *context, const struct fw_listener *listener),
                              void *context);

/* Counters since creation. */
struct fw_tracker_counts {
    uint64_t segments;
    uint64_t icmp_errors;
    uint64_t connections;
    uint64_t transitions;
    uint64_t notes[FW_NOTE_COUNT];
    uint64_t lone_rsts; /* a RST that belongs to no connection */
    uint64_t icmp_unmatched;
    uint64_t time_backwards; /* segments older than the one before */
    uint64_t one_sided;      /* connections seen in one direction only, of those that ended */
    uint64_t evicted_closed, evicted_half_open, evicted_idle; /* memory cap, by what it was */
    uint64_t live;                                            /* connections held now */
    uint64_t live_peak;
    uint64_t bucket_peak; /* the most steps that a search in the hash tables ever took */
    uint64_t memory_bytes, memory_peak_bytes;
};
void fw_tracker_counts(const struct fw_tracker *tracker, struct fw_tracker_counts *counts);

/* ------------------------------------------------------------------------------------- names -- */

enum fw_names { FW_NAMES_RFC, FW_NAMES_KB, FW_NAMES_SS, FW_NAMES_NETSTAT };

/* Spelling of a state: RFC 9293, Microsoft KB Q137984, ss(8), netstat(8). "UNKNOWN" for FW_UNKNOWN.
 */
const char *fw_state_name(enum fw_state state, enum fw_names names);

/* Reads any of the four spellings, either case, `-` the same as `_`. Returns false if it is none.
 */
bool fw_state_parse(const char *text, size_t length, enum fw_state *state);

/* A path as states joined by ">" (RFC names), without leading CLOSED, LISTEN, UNKNOWN and without a
 * final CLOSED that only a timer gave. Writes at most `size` bytes with the final NUL; returns the
 * length it needs. A path is 4 bits a state, first state lowest. */
size_t fw_path_text(uint64_t path, char *text, size_t size);

/* Words for an enumerator, as the records have them. */
const char *fw_open_name(enum fw_open open);
const char *fw_end_name(enum fw_end end);
const char *fw_closed_by_name(enum fw_closed_by closed_by);
const char *fw_dir_by_name(enum fw_dir_by dir_by);
const char *fw_proof_name(enum fw_proof proof);
const char *fw_note_name(enum fw_note note);
const char *fw_side_name(enum fw_side side);
const char *fw_icmp_name(enum fw_icmp icmp);

/* tcpdump's letters of flags: "S", "S.", "F.", "." ... Writes at most 12 bytes, NUL included. */
void fw_flags_text(uint16_t flags, char text[12]);

/* Text of an address ("10.0.0.1", "2001:db8::1") and of an endpoint ("10.0.0.1:80",
 * "[2001:db8::1]:80"). At most 46 and 54 bytes with the NUL. Returns the length. */
size_t fw_addr_text(const struct fw_endpoint *endpoint, char text[46]);
size_t fw_endpoint_text(const struct fw_endpoint *endpoint, char text[54]);

#ifdef __cplusplus
}
#endif

#endif
