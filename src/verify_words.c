#include "verify_words.h"

#include "record.h"
#include "select_field.h"
#include "text.h"
#include "words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct prose {
    char *text;
    size_t used;
    const struct fw_connection *connection;
    const struct trail *trail;
    fw_time until;
};

__attribute__((format(printf, 2, 3))) static void say(struct prose *prose, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int count =
        vsnprintf(prose->text + prose->used, VERIFY_WORDS_BYTES - prose->used, format, arguments);
    va_end(arguments);
    prose->used += count > 0 ? (size_t)count : 0;
    if (prose->used >= VERIFY_WORDS_BYTES)
        prose->used = VERIFY_WORDS_BYTES - 1;
}

static void say_time(struct prose *prose, const char *before, int64_t ns, const char *after)
{
    char time[TEXT_NUMBER_BYTES];

    *text_duration(time, ns > 0 ? ns : 0) = '\0';
    say(prose, "%s%s%s", before, time, after);
}

static struct prose begin(const struct kept *kept, char *text)
{
    text[0] = '\0';
    return (struct prose){ text, 0, &kept->connection, kept->trail, kept->until };
}

/* -------------------------------------------------------------------------------------- frames --
 */

/* The first frame from a side with all of the flags and none of the others among S F R . */
static const struct evidence_frame *find_frame(const struct trail *trail, enum fw_side from,
                                               uint16_t flags, uint16_t without)
{
    for (size_t i = 0; i < trail_count(trail); i++) {
        const struct evidence_frame *frame = trail_frame(trail, i);

        if (frame->from == from && frame->icmp == FW_ICMP_NONE && (frame->flags & flags) == flags &&
            (frame->flags & without) == 0)
            return frame;
    }
    return NULL;
}

static const struct evidence_frame *last_frame_with(const struct trail *trail, uint16_t flags)
{
    for (size_t i = trail_count(trail); i-- > 0;)
        if (trail_frame(trail, i)->flags & flags && trail_frame(trail, i)->icmp == FW_ICMP_NONE)
            return trail_frame(trail, i);
    return NULL;
}

/* ------------------------------------------------------------------------------------- opening --
 */

static void say_count(struct prose *prose, uint64_t count, const char *what)
{
    say(prose, "%" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
}

static void why_bad_synack(struct prose *prose)
{
    const struct evidence_frame *syn = find_frame(prose->trail, FW_CLIENT, FW_SYN, FW_ACK);
    const struct evidence_frame *synack =
        find_frame(prose->trail, FW_SERVER, FW_SYN | FW_ACK, FW_RST);

    if (syn && synack && synack->ack != syn->seq + 1)
        say(prose,
            "the SYN+ACK acknowledges %" PRIu32 ", the client had sent %" PRIu32
            ": an old connection, a middlebox or a SYN proxy",
            synack->ack, syn->seq);
    else
        say(prose, "the SYN+ACK acknowledges another SYN: an old connection, a middlebox or a SYN "
                   "proxy");
}

static void why_refused(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;

    if (connection->cause && strcmp(connection->cause, "refused") != 0 &&
        strncmp(connection->cause, "reset", 5) != 0)
        say(prose, "the server answered with RST: %s", connection->cause);
    else
        say(prose,
            "the server answered the SYN with RST: nothing listens on port %u there, or a firewall "
            "rejects it",
            connection->identity.server.port);
}

static void why_no_answer(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;
    const bool heard = connection->packets[FW_SERVER] > 0;

    if (connection->syns[FW_CLIENT] == 0) {
        say(prose, "the capture has no SYN of the client");
        return;
    }
    say(prose, "the client sent ");
    say_count(prose, connection->syns[FW_CLIENT], "SYN");
    say_time(prose, " in ", stamp_since(connection->last_time, connection->first_time), ", ");
    say(prose, heard ? "and nothing that came back answers it"
                     : "and nothing came back: a firewall drops it, or no such host is there, or "
                       "the capture sees one direction only");
}

static void why_no_final_ack(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;

    if (connection->cause && strcmp(connection->cause, "accept queue full") == 0)
        say(prose, "the server sent its SYN+ACK again after the client's ACK: its accept queue is "
                   "full, its program does not accept");
    else if (connection->rsts[FW_CLIENT])
        say(prose, "the client answered the SYN+ACK with RST: it had given up, or only probed the "
                   "port");
    else {
        say(prose, "the server sent its SYN+ACK ");
        say_count(prose, connection->synacks[FW_SERVER], "time");
        say(prose, ", and no ACK of the client followed: the SYN+ACK or the ACK was lost, or the "
                   "client's address was forged");
    }
}

/* Why there was no complete handshake. */
static void why_not_opened(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;

    switch (connection->open) {
    case FW_OPEN_NO_ANSWER:
        why_no_answer(prose);
        return;
    case FW_OPEN_REFUSED:
        why_refused(prose);
        return;
    case FW_OPEN_UNREACHABLE:
        say(prose, "a router answered the SYN with an ICMP error: %s",
            connection->cause ? connection->cause : "unreachable");
        return;
    case FW_OPEN_BAD_SYNACK:
        why_bad_synack(prose);
        return;
    case FW_OPEN_NO_FINAL_ACK:
        why_no_final_ack(prose);
        return;
    case FW_OPEN_ABANDONED:
        say(prose, "the client gave this attempt up: its next SYN has another sequence number");
        return;
    case FW_OPEN_MIDSTREAM:
        say(prose, "the capture begins in the middle of the connection: its handshake was before");
        return;
    case FW_OPEN_COMPLETE:
    case FW_OPEN_COUNT:
        return;
    }
}

/* Where the time of a slow handshake went. */
static void why_slow(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;
    const int64_t server = connection->rtt_server_ns, client = connection->rtt_client_ns;

    if (connection->syns[FW_CLIENT] > 1) {
        say(prose,
            "the SYN was sent %" PRIu32 " times: the first was lost, or dropped by a full "
            "queue or a firewall",
            connection->syns[FW_CLIENT]);
        return;
    }
    if (connection->synacks[FW_SERVER] > 1) {
        say(prose, "the SYN+ACK was sent %" PRIu32 " times: it or the client's ACK was lost",
            connection->synacks[FW_SERVER]);
        return;
    }
    if (server < 0 || client < 0)
        return;
    say_time(prose, "", server > client ? server : client,
             server > client ? " of it passed between the SYN and the SYN+ACK: the server's side"
                             : " of it passed between the SYN+ACK and the ACK: the client's side");
}

static void got_opening(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;

    switch (connection->open) {
    case FW_OPEN_COMPLETE:
        say(prose, "handshake complete");
        if (connection->handshake_ns >= 0)
            say_time(prose, " after ", connection->handshake_ns, "");
        return;
    case FW_OPEN_MIDSTREAM:
        say(prose, "no handshake in the capture");
        return;
    case FW_OPEN_NO_ANSWER:
    case FW_OPEN_REFUSED:
    case FW_OPEN_UNREACHABLE:
    case FW_OPEN_BAD_SYNACK:
    case FW_OPEN_NO_FINAL_ACK:
    case FW_OPEN_ABANDONED:
    case FW_OPEN_COUNT:
        say(prose, "handshake not complete: %s", fw_open_name(connection->open));
        return;
    }
}

/* It was to be refused, or not answered. */
static void why_answered(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;

    if (connection->open == FW_OPEN_COMPLETE)
        say(prose, "the server answered with SYN+ACK: something listens on port %u there",
            connection->identity.server.port);
    else
        why_not_opened(prose);
}

/* ------------------------------------------------------------------------------------- closing --
 */

static void say_cause(struct prose *prose)
{
    const char *cause = prose->connection->cause;

    if (cause && strncmp(cause, "reset by ", 9) != 0)
        say(prose, ": %s", cause);
}

static void why_reset(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;
    const struct evidence_frame *rst = last_frame_with(prose->trail, FW_RST);
    const bool client = connection->rsts[FW_CLIENT] > 0, server = connection->rsts[FW_SERVER] > 0;

    if (connection->open == FW_OPEN_REFUSED) {
        why_refused(prose);
        return;
    }
    say(prose, "%s sent RST",
        client && server ? "both ends"
        : client         ? "the client"
        : server         ? "the server"
                         : "nobody");
    if (rst)
        say(prose, " (frame %" PRIu64 ")", rst->frame);
    say_cause(prose);
}

static void why_half_closed(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;
    const bool server = connection->server_state == FW_CLOSE_WAIT;
    const bool client = connection->client_state == FW_CLOSE_WAIT;

    if (server || client) {
        const int64_t ns =
            stamp_since(prose->until, server ? connection->server_since : connection->client_since);

        say(prose, "the %s has acknowledged the other's FIN", server ? "server" : "client");
        if (ns > 0)
            say_time(prose, ", ", ns, " before the end,");
        say(prose, " and sent none of its own: its program has not called close()");
        return;
    }
    char words[WORDS_BYTES];
    *words_of_connection(words, connection, prose->until) = '\0';
    say(prose, "%s", words);
}

static void why_not_closed(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;

    switch (outcome_of(connection)) {
    case OUTCOME_NEVER_OPENED:
        why_not_opened(prose);
        return;
    case OUTCOME_RESET:
        why_reset(prose);
        return;
    case OUTCOME_HALF_CLOSED:
        why_half_closed(prose);
        return;
    case OUTCOME_OPEN:
        if (connection->end == FW_END_EVICTED)
            say(prose, "it was evicted under the memory limit before it ended");
        else
            say_time(prose, "neither end has sent a FIN or RST; the last packet passed ",
                     stamp_since(prose->until, connection->last_time), " before the end");
        return;
    case OUTCOME_CLOSED:
        switch (connection->closed_by) {
        case FW_CLOSED_BY_CLIENT:
        case FW_CLOSED_BY_SERVER:
            say(prose, "the %s sent the first FIN", fw_closed_by_name(connection->closed_by));
            return;
        case FW_CLOSED_BY_BOTH:
            say(prose, "both sent their FIN before they had the other's: the FINs crossed");
            return;
        case FW_CLOSED_BY_NONE:
            return;
        }
        return;
    case OUTCOME_COUNT:
        return;
    }
}

static void got_closing(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;

    switch (outcome_of(connection)) {
    case OUTCOME_CLOSED:
    case OUTCOME_RESET:
        say(prose, "closed by %s with %s", fw_closed_by_name(connection->closed_by),
            outcome_of(connection) == OUTCOME_RESET ? "rst" : "fin");
        return;
    case OUTCOME_NEVER_OPENED:
        say(prose, "never opened: %s", fw_open_name(connection->open));
        return;
    case OUTCOME_HALF_CLOSED:
    case OUTCOME_OPEN:
        say(prose, "%s: client %s, server %s",
            outcome_of(connection) == OUTCOME_OPEN ? "still open" : "half closed",
            fw_state_name(connection->client_state, FW_NAMES_RFC),
            fw_state_name(connection->server_state, FW_NAMES_RFC));
        return;
    case OUTCOME_COUNT:
        return;
    }
}

/* ----------------------------------------------------------------------------- paths and states --
 */

static size_t state_length(const char *path)
{
    return strcspn(path, ">");
}

/* Where two paths part. */
static void why_path(struct prose *prose, const struct check *check)
{
    char path[EXPECT_PATH_BYTES];
    const char *wanted = check->path, *got = path;
    const char *before = NULL;
    size_t before_length = 0;

    check_path_text(prose->connection, check->side, path);
    while (*got && *wanted && state_length(got) == state_length(wanted) &&
           memcmp(got, wanted, state_length(got)) == 0) {
        before = got;
        before_length = state_length(got);
        got += state_length(got) + (got[state_length(got)] == '>');
        wanted += state_length(wanted) + (wanted[state_length(wanted)] == '>');
    }
    if (!*path) {
        say(prose, "nothing was ever heard from the %s", fw_side_name(check->side));
        return;
    }
    if (before)
        say(prose, "after %.*s ", (int)before_length, before);
    if (!*got)
        say(prose, "the %s did not come to %.*s; ", fw_side_name(check->side),
            (int)state_length(wanted), wanted);
    else if (!*wanted)
        say(prose, "the %s went on to %.*s; ", fw_side_name(check->side), (int)state_length(got),
            got);
    else
        say(prose, "the %s came to %.*s, not %.*s; ", fw_side_name(check->side),
            (int)state_length(got), got, (int)state_length(wanted), wanted);
    why_not_closed(prose);
}

static void got_state(struct prose *prose, enum fw_side side)
{
    const struct fw_connection *connection = prose->connection;
    const bool client = side == FW_CLIENT;
    char state[TEXT_STATE_BYTES];

    *text_state(state, client ? connection->client_state : connection->server_state,
                client ? connection->client_inferred : connection->server_inferred,
                client ? connection->client_timed : connection->server_timed, FW_NAMES_RFC) = '\0';
    say(prose, "%s %s", fw_side_name(side), state);
}

static void got_stay(struct prose *prose, const struct expectation *expectation)
{
    const struct fw_connection *connection = prose->connection;
    const uint32_t states = expectation->states;

    if (states & (UINT32_C(1) << connection->client_state))
        got_state(prose, FW_CLIENT);
    if (states & (UINT32_C(1) << connection->server_state)) {
        if (prose->used)
            say(prose, ", ");
        got_state(prose, FW_SERVER);
    }
    if (!prose->used) {
        got_state(prose, FW_CLIENT);
        say(prose, ", ");
        got_state(prose, FW_SERVER);
    }
    say_time(prose, ", for ", check_stay_ns(expectation, connection, prose->until), "");
}

/* ------------------------------------------------------------------------------------- packets --
 */

static void say_packet(struct prose *prose, const struct expected_packet *packet)
{
    char flags[12];

    fw_flags_text(packet->flags, flags);
    say(prose, "%s %s", packet->from == FW_CLIENT ? ">" : "<", flags);
}

static void got_packets(struct prose *prose, const struct check *check, size_t seen)
{
    say(prose, "%zu of %zu", seen, check->packet_count);
    if (seen >= check->packet_count)
        return;
    say(prose, ": ");
    say_packet(prose, &check->packets[seen]);
    say(prose, seen ? " did not follow " : " was not seen");
    if (seen)
        say_packet(prose, &check->packets[seen - 1]);
}

/* --------------------------------------------------------------------------------------- fields --
 */

static void got_field(struct prose *prose, const struct check *check)
{
    const struct record_field *field = selection_field(check->condition)->field;
    struct record_value value = { .kind = RECORD_NULL };
    struct stamp_cache cache = { 0 };
    char text[sizeof value.room + STAMP_BYTES];

    field->get(prose->connection, 0, &value);
    if (value.kind == RECORD_NULL) {
        say(prose, "%s is not known (null)", field->name);
        return;
    }
    if (value.kind == RECORD_INTEGER && strcmp(field->unit, "ns") == 0) {
        say(prose, "%s = ", field->name);
        say_time(prose, "", value.number, "");
        return;
    }
    *record_value_text(&cache, text, &value) = '\0';
    say(prose, "%s = %s", field->name, text);
    const struct record_field *whole = selection_field(check->condition)->share_of;
    if (whole) {
        const int64_t part = value.number;

        whole->get(prose->connection, 0, &value);
        say(prose, " of %" PRId64 " packets (%.2f%%)", value.number,
            value.number ? 100.0 * (double)part / (double)value.number : 0.0);
    }
}

/* A sentence on the connection as a whole, where the key says nothing of its own. */
static void why_whole(struct prose *prose)
{
    const struct fw_connection *connection = prose->connection;
    const enum outcome outcome = outcome_of(connection);

    if (outcome == OUTCOME_NEVER_OPENED)
        why_not_opened(prose);
    else if (words_is_failure(outcome))
        why_not_closed(prose);
}

static void why_field(struct prose *prose, const struct check *check)
{
    const char *name = selection_field(check->condition)->field->name;
    const struct fw_connection *connection = prose->connection;

    if (strcmp(name, "handshake_ns") == 0 && connection->open == FW_OPEN_COMPLETE)
        why_slow(prose);
    else if (strcmp(name, "open") == 0)
        why_answered(prose);
    else if (strstr(name, "_syns") || strstr(name, "_synacks") || strcmp(name, "handshake_ns") == 0)
        connection->open == FW_OPEN_COMPLETE ? why_slow(prose) : why_not_opened(prose);
    else if (strcmp(name, "end") == 0 || strcmp(name, "closed_by") == 0)
        why_not_closed(prose);
    else
        why_whole(prose);
}

/* ----------------------------------------------------------------------------------------- all --
 */

void verify_got(const struct verdict *verdict, const struct kept *kept, size_t index,
                char text[VERIFY_WORDS_BYTES])
{
    const struct check *check = &verdict->expectation->checks[index];
    struct prose prose = begin(kept, text);
    char path[EXPECT_PATH_BYTES];

    switch (check->kind) {
    case CHECK_HANDSHAKE:
    case CHECK_REFUSED:
    case CHECK_NO_ANSWER:
        got_opening(&prose);
        return;
    case CHECK_CLOSED:
        got_closing(&prose);
        return;
    case CHECK_FOR:
        got_stay(&prose, verdict->expectation);
        return;
    case CHECK_PATH:
        check_path_text(&kept->connection, check->side, path);
        for (char *at = path; *at; at++)
            if (*at == '>')
                *at = ' ';
        say(&prose, "path %s %s", fw_side_name(check->side), *path ? path : "UNKNOWN");
        return;
    case CHECK_STATE:
        say(&prose, "state ");
        got_state(&prose, check->side);
        return;
    case CHECK_PACKETS:
        got_packets(&prose, check, kept->packets_seen[index]);
        return;
    case CHECK_NO_RESET:
        say_count(&prose, kept->connection.rsts[FW_CLIENT], "RST");
        say(&prose, " from the client, %" PRIu32 " from the server",
            kept->connection.rsts[FW_SERVER]);
        return;
    case CHECK_FIELD:
        got_field(&prose, check);
        return;
    }
}

void verify_why(const struct verdict *verdict, const struct kept *kept, size_t index,
                char text[VERIFY_WORDS_BYTES])
{
    const struct check *check = &verdict->expectation->checks[index];
    struct prose prose = begin(kept, text);

    switch (check->kind) {
    case CHECK_HANDSHAKE:
        if (kept->connection.open == FW_OPEN_COMPLETE)
            why_slow(&prose);
        else
            why_not_opened(&prose);
        return;
    case CHECK_REFUSED:
    case CHECK_NO_ANSWER:
        why_answered(&prose);
        return;
    case CHECK_CLOSED:
    case CHECK_STATE:
    case CHECK_FOR:
        why_not_closed(&prose);
        return;
    case CHECK_PATH:
        why_path(&prose, check);
        return;
    case CHECK_PACKETS:
        why_whole(&prose);
        return;
    case CHECK_NO_RESET:
        why_reset(&prose);
        return;
    case CHECK_FIELD:
        why_field(&prose, check);
        return;
    }
}

/* Whether the beginning of the connection shows it, not its end. */
static bool is_of_opening(const struct verdict *verdict, const struct kept *kept)
{
    for (size_t i = 0; i < verdict->expectation->check_count; i++) {
        const enum check_kind kind = verdict->expectation->checks[i].kind;

        if ((kept->failing & (UINT32_C(1) << i)) &&
            (kind == CHECK_HANDSHAKE || kind == CHECK_REFUSED || kind == CHECK_NO_ANSWER ||
             kind == CHECK_PACKETS))
            return true;
    }
    return false;
}

/* Where the RST is that was not to be; beyond all frames where that was not asked. */
static size_t rst_index(const struct verdict *verdict, const struct kept *kept)
{
    bool asked = false;

    for (size_t i = 0; i < verdict->expectation->check_count; i++)
        asked |= (kept->failing & (UINT32_C(1) << i)) &&
                 verdict->expectation->checks[i].kind == CHECK_NO_RESET;
    for (size_t i = 0; asked && i < trail_count(kept->trail); i++)
        if (trail_frame(kept->trail, i)->flags & FW_RST)
            return i;
    return SIZE_MAX;
}

size_t verify_frames(const struct verdict *verdict, const struct kept *kept,
                     size_t indexes[VERIFY_FRAMES])
{
    const size_t count = trail_count(kept->trail);
    const size_t shown = count < VERIFY_FRAMES ? count : VERIFY_FRAMES;
    const size_t rst = rst_index(verdict, kept);
    size_t from = is_of_opening(verdict, kept) ? 0 : count - shown;

    if (rst < from) /* what matters is before the end */
        from = rst > 0 ? rst - 1 : 0;
    for (size_t i = 0; i < shown; i++)
        indexes[i] = from + i;
    return shown;
}
