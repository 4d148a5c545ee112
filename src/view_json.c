/*
 * One flat object per line: transition, connection, listener and summary records. docs/events.md
 * has every key. Transitions are formatted by hand (one in each packet of ordinary traffic),
 * connections from the table of record.h.
 */
#include <stdlib.h>

#include "json.h"
#include "lines.h"
#include "out.h"
#include "record.h"
#include "view.h"

enum { ARROW_BYTES = 192, FLAGS = 2 * FW_AE };

/* What a line says of an arrow: the same whenever it is taken, but for rare proofs and causes. */
struct arrow {
    struct fw_transition taken; /* how, the last time */
    size_t length;              /* 0: never */
    char text[ARROW_BYTES];
};

struct view {
    const struct view_options *options;
    struct out *out;
    struct lines *lines;
    struct stamp_cache stamp;
    struct json_word states[FW_STATE_COUNT];
    struct json_word flags[FLAGS];
    struct arrow arrows[2][FW_STATE_COUNT][FW_STATE_COUNT]; /* by endpoint, from, to */
};

static struct view *create(const struct view_options *options, struct out *out)
{
    struct view *view = calloc(1, sizeof *view);
    char flags[12];

    if (!view)
        return NULL;
    view->options = options;
    view->out = out;
    for (size_t i = 0; i < FW_STATE_COUNT; i++)
        view->states[i] = json_word(fw_state_name((enum fw_state)i, FW_NAMES_RFC));
    for (unsigned i = 0; i < FLAGS; i++) {
        fw_flags_text((uint16_t)i, flags);
        view->flags[i] = json_word(flags);
    }
    view->lines = lines_create(options, out);
    if (view->lines)
        return view;
    free(view);
    return NULL;
}

static void destroy(struct view *view)
{
    if (!view)
        return;
    lines_destroy(view->lines);
    free(view);
}

/* ---------------------------------------------------------------------------------- transition --
 */

static char *put_endpoint(char *at, const struct fw_endpoint *endpoint)
{
    *at++ = '"';
    at += fw_addr_text(endpoint, at);
    *at++ = '"';
    return at;
}

static char *put_word(char *at, const char *word)
{
    return json_plain(at, word, strlen(word));
}

static char *put_identity(char *at, const struct fw_identity *identity)
{
    at = JSON_LITERAL(at, ",\"conn\":");
    at = digits_u64(at, identity->id);
    at = JSON_LITERAL(at, ",\"client_addr\":");
    at = put_endpoint(at, &identity->client);
    at = JSON_LITERAL(at, ",\"client_port\":");
    at = digits_u64(at, identity->client.port);
    at = JSON_LITERAL(at, ",\"server_addr\":");
    at = put_endpoint(at, &identity->server);
    at = JSON_LITERAL(at, ",\"server_port\":");
    return digits_u64(at, identity->server.port);
}

static char *put_when(struct view *view, char *at, fw_time time, uint64_t frame)
{
    at = JSON_LITERAL(at, ",\"ts\":");
    at = json_time(&view->stamp, at, time);
    at = JSON_LITERAL(at, ",\"t\":");
    at = stamp_seconds(at, stamp_since(time, view->options->first_time));
    at = JSON_LITERAL(at, ",\"frame\":");
    return digits_u64(at, frame);
}

static char *put_flags(const struct view *view, char *at, const struct fw_segment *segment)
{
    if (!segment || segment->icmp != FW_ICMP_NONE)
        return json_null(at);
    return json_put_word(at, &view->flags[segment->flags % FLAGS]);
}

/* What the transitions of a step have in common. */
static char *put_step(struct view *view, char *at, const struct fw_step *step)
{
    at = JSON_LITERAL(at, "{\"v\":1,\"type\":\"transition\"");
    at = put_when(view, at, step->time, step->frame);
    return put_identity(at, step->identity);
}

static char *put_arrow(const struct view *view, char *at, const struct fw_transition *transition)
{
    at = JSON_LITERAL(at, ",\"endpoint\":");
    at = put_word(at, fw_side_name(transition->endpoint));
    at = JSON_LITERAL(at, ",\"from\":");
    at = json_put_word(at, &view->states[transition->from]);
    at = JSON_LITERAL(at, ",\"to\":");
    at = json_put_word(at, &view->states[transition->to]);
    at = JSON_LITERAL(at, ",\"proof\":");
    at = put_word(at, fw_proof_name(transition->proof));
    at = JSON_LITERAL(at, ",\"corrected\":");
    at = json_bool(at, transition->corrected);
    at = JSON_LITERAL(at, ",\"cause\":");
    return json_text(at, transition->cause);
}

static char *put_known_arrow(struct view *view, char *at, const struct fw_transition *transition)
{
    struct arrow *arrow = &view->arrows[transition->endpoint][transition->from][transition->to];

    if (arrow->length > 0 && arrow->taken.cause == transition->cause &&
        arrow->taken.proof == transition->proof &&
        arrow->taken.corrected == transition->corrected) {
        memcpy(at, arrow->text, ARROW_BYTES);
        return at + arrow->length;
    }
    char *const end = put_arrow(view, at, transition);
    if (end - at <= ARROW_BYTES) {
        arrow->taken = *transition;
        arrow->length = (size_t)(end - at);
        memcpy(arrow->text, at, arrow->length);
    }
    return end;
}

static char *put_transition(struct view *view, char *at, const struct fw_step *step,
                            const struct fw_transition *transition)
{
    at = put_known_arrow(view, at, transition);
    at = JSON_LITERAL(at, ",\"flags\":");
    at = put_flags(view, at, step->segment);
    at = JSON_LITERAL(at, ",\"client_state\":");
    at = json_put_word(at, &view->states[transition->client_state]);
    at = JSON_LITERAL(at, ",\"server_state\":");
    at = json_put_word(at, &view->states[transition->server_state]);
    at = JSON_LITERAL(at, ",\"in_state_ns\":");
    at = json_duration(at, transition->in_state_ns);
    return JSON_LITERAL(at, "}\n");
}

static void on_step(void *context, const struct fw_step *step)
{
    struct view *view = context;

    if (!lines_want(view->lines, step))
        return;
    char *const first = lines_begin(view->lines);
    char *at = put_step(view, first, step);
    const size_t common = (size_t)(at - first);
    for (size_t i = 0; i < step->count; i++) {
        if (i > 0) {
            memcpy(at, first, common);
            at += common;
        }
        at = put_transition(view, at, step, &step->transitions[i]);
    }
    lines_end(view->lines, step->identity->id, at);
}

/* ---------------------------------------------------------------------------------- connection --
 */

static void on_end(void *context, const struct fw_connection *connection)
{
    struct view *view = context;

    if (lines_decide(view->lines, connection)) {
        char *at = lines_begin(view->lines);
        at = record_json(&view->stamp, at, connection, view->options->first_time);
        *at++ = '\n';
        lines_end(view->lines, connection->identity.id, at);
    }
}

/* ------------------------------------------------------------------------------------- summary --
 */

static char *put_count(char *at, const char *key, uint64_t count)
{
    *at++ = ',';
    at = put_word(at, key);
    *at++ = ':';
    return digits_u64(at, count);
}

static void write_listener(struct view *view, const struct summary *summary,
                           const struct fw_listener *listener)
{
    char tunnel[32];
    char *at = out_reserve(view->out, LINES_ROOM);

    at = JSON_LITERAL(at, "{\"v\":1,\"type\":\"listener\"");
    at = put_when(view, at, summary->last_time, 0);
    at = JSON_LITERAL(at,
                      ",\"conn\":null,\"client_addr\":null,\"client_port\":null,\"server_addr\":");
    at = put_endpoint(at, &listener->endpoint);
    at = put_count(at, "server_port", listener->endpoint.port);
    at = JSON_LITERAL(at, ",\"state\":\"LISTEN\"");
    at = put_count(at, "answered", listener->synacks);
    at = JSON_LITERAL(at, ",\"tunnel\":");
    at = json_text(at, record_tunnel_text(&listener->scope, tunnel));
    at = JSON_LITERAL(at, ",\"vlan\":");
    at = listener->scope.vlan ? digits_u64(at, listener->scope.vlan) : json_null(at);
    at = JSON_LITERAL(at, "}\n");
    out_commit(view->out, at);
}

static char *put_span(struct view *view, char *at, const struct summary *summary)
{
    if (summary->packets == 0)
        return JSON_LITERAL(
            at, ",\"ts\":null,\"t\":null,\"frame\":0,\"conn\":null,\"client_addr\":null,"
                "\"client_port\":null,\"server_addr\":null,\"server_port\":null,"
                "\"first_ts\":null,\"last_ts\":null,\"duration_ns\":null");
    at = put_when(view, at, summary->last_time, 0);
    at = JSON_LITERAL(at, ",\"conn\":null,\"client_addr\":null,\"client_port\":null,"
                          "\"server_addr\":null,\"server_port\":null,\"first_ts\":");
    at = json_time(&view->stamp, at, summary->first_time);
    at = JSON_LITERAL(at, ",\"last_ts\":");
    at = json_time(&view->stamp, at, summary->last_time);
    at = JSON_LITERAL(at, ",\"duration_ns\":");
    return digits_i64(at, stamp_since(summary->last_time, summary->first_time));
}

static char *put_packets(char *at, const struct summary *summary)
{
    static const char *const verdicts[FW_VERDICT_COUNT] = {
        [FW_VERDICT_SEGMENT] = "segments",          [FW_VERDICT_ICMP_ERROR] = "icmp_errors",
        [FW_VERDICT_NOT_TCP] = "not_tcp",           [FW_VERDICT_FRAGMENT] = "fragments",
        [FW_VERDICT_TRUNCATED] = "truncated",       [FW_VERDICT_MALFORMED] = "malformed",
        [FW_VERDICT_UNKNOWN_LINK] = "unknown_link", [FW_VERDICT_UNKNOWN_TUNNEL] = "unknown_tunnel",
    };

    at = put_count(at, "packets", summary->packets);
    for (size_t i = 0; i < FW_VERDICT_COUNT; i++)
        at = put_count(at, verdicts[i], summary->verdicts[i]);
    at = put_count(at, "first_fragments", summary->fragments);
    at = put_count(at, "filtered", summary->filtered);
    at = put_count(at, "dropped_kernel", summary->dropped_kernel);
    return put_count(at, "dropped_interface", summary->dropped_interface);
}

static char *put_undecoded(char *at, const struct summary *summary)
{
    static const char *const keys[FW_UNDECODED_COUNT] = {
        [FW_UNDECODED_ESP] = "unknown_tunnel_esp",
        [FW_UNDECODED_L2TP] = "unknown_tunnel_l2tp",
        [FW_UNDECODED_GTP] = "unknown_tunnel_gtp",
        [FW_UNDECODED_TEREDO] = "unknown_tunnel_teredo",
        [FW_UNDECODED_GENEVE] = "unknown_tunnel_geneve",
        [FW_UNDECODED_GRE] = "unknown_tunnel_gre",
        [FW_UNDECODED_OTHER] = "unknown_tunnel_other",
    };

    for (size_t i = 0; i < FW_UNDECODED_COUNT; i++)
        if (keys[i])
            at = put_count(at, keys[i], summary->undecoded[i]);
    return at;
}

static char *put_outcomes(char *at, const struct summary *summary)
{
    static const char *const outcomes[OUTCOME_COUNT] = {
        [OUTCOME_CLOSED] = "closed", [OUTCOME_NEVER_OPENED] = "never_opened",
        [OUTCOME_RESET] = "reset",   [OUTCOME_HALF_CLOSED] = "half_closed",
        [OUTCOME_OPEN] = "open",
    };
    uint64_t total = 0;

    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        total += summary->outcomes[i];
    at = put_count(at, "connections", total);
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        at = put_count(at, outcomes[i], summary->outcomes[i]);
    if (summary->half_closed_id == 0)
        return JSON_LITERAL(at, ",\"oldest_half_closed\":null,\"oldest_half_closed_ns\":null");
    at = put_count(at, "oldest_half_closed", summary->half_closed_id);
    at = JSON_LITERAL(at, ",\"oldest_half_closed_ns\":");
    return json_duration(at, summary->half_closed_ns);
}

/* Keys of what fw_note_name() says of segments; the order is that of the enumeration. */
static char *put_notes(char *at, const struct fw_tracker_counts *counts)
{
    static const char *const keys[FW_NOTE_COUNT] = {
        [FW_NOTE_DUPLICATE] = "duplicates",
        [FW_NOTE_BAD_CHECKSUM] = "bad_checksums",
        [FW_NOTE_OUT_OF_WINDOW] = "out_of_window",
        [FW_NOTE_PAWS] = "paws_failures",
        [FW_NOTE_NO_ACK] = "without_ack",
        [FW_NOTE_BAD_ACK] = "bad_acks",
        [FW_NOTE_BAD_SYNACK] = "bad_synacks",
        [FW_NOTE_RST_IGNORED] = "rsts_ignored",
        [FW_NOTE_RST_CHALLENGED] = "rsts_challenged",
        [FW_NOTE_RST_FORGED] = "rsts_forged",
        [FW_NOTE_SYN_IN_WINDOW] = "syns_in_window",
        [FW_NOTE_ODD_FLAGS] = "odd_flags",
        [FW_NOTE_RETRANSMISSION] = "retransmissions",
        [FW_NOTE_OUT_OF_ORDER] = "out_of_order",
        [FW_NOTE_KEEP_ALIVE] = "keep_alives",
        [FW_NOTE_ZERO_WINDOW] = "zero_windows",
        [FW_NOTE_ZERO_WINDOW_PROBE] = "zero_window_probes",
        [FW_NOTE_WINDOW_UPDATE] = "window_updates",
        [FW_NOTE_DUPLICATE_ACK] = "duplicate_acks",
        [FW_NOTE_CHALLENGE_ACK] = "challenge_acks",
        [FW_NOTE_GAP] = "gaps",
        [FW_NOTE_ICMP] = "icmp_matched",
        [FW_NOTE_STRAY] = "strays",
    };

    for (size_t i = 0; i < FW_NOTE_COUNT; i++)
        if (keys[i])
            at = put_count(at, keys[i], counts->notes[i]);
    return at;
}

static char *put_tracker(char *at, const struct fw_tracker_counts *counts)
{
    at = put_count(at, "transitions", counts->transitions);
    at = put_count(at, "one_sided", counts->one_sided);
    at = put_count(at, "evicted",
                   counts->evicted_closed + counts->evicted_half_open + counts->evicted_idle);
    at = put_count(at, "evicted_closed", counts->evicted_closed);
    at = put_count(at, "evicted_half_open", counts->evicted_half_open);
    at = put_count(at, "evicted_idle", counts->evicted_idle);
    at = put_count(at, "lone_rsts", counts->lone_rsts);
    at = put_count(at, "icmp_unmatched", counts->icmp_unmatched);
    at = put_count(at, "time_backwards", counts->time_backwards);
    return put_notes(at, counts);
}

static void finish(struct view *view, const struct summary *summary)
{
    lines_finish(view->lines);
    for (size_t i = 0; i < summary->listener_count; i++)
        write_listener(view, summary, &summary->listeners[i]);

    char *at = out_reserve(view->out, LINES_ROOM);
    at = JSON_LITERAL(at, "{\"v\":1,\"type\":\"summary\"");
    at = put_span(view, at, summary);
    at = put_packets(at, summary);
    at = put_undecoded(at, summary);
    at = put_outcomes(at, summary);
    at = put_count(at, "listeners", summary->listener_count);
    at = put_tracker(at, &summary->tracker);
    at = JSON_LITERAL(at, ",\"partial\":");
    at = json_bool(at, summary->partial);
    at = JSON_LITERAL(at, ",\"why_ended\":");
    at = json_text(at, summary->why_ended);
    at = JSON_LITERAL(at, "}\n");
    out_commit(view->out, at);
}

const struct view_ops view_json = {
    .name = "json",
    .wants_interop = true,
    .create = create,
    .hooks = { .step = on_step, .end = on_end },
    .finish = finish,
    .destroy = destroy,
};

/* -q: only the end needs to be known. */
const struct view_ops view_json_quiet = {
    .name = "json",
    .create = create,
    .finish = finish,
    .destroy = destroy,
};
