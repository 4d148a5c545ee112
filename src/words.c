#include "words.h"

#include "text.h"

/* ------------------------------------------------------------------------------------ clauses --
 */

struct clauses {
    char *start, *at;
    const struct fw_step *step;
    enum fw_names names;
    bool known;                      /* `connection` is filled */
    struct fw_connection connection; /* costs time: only where a clause needs it */
};

/* The end of the text, after a separator where one is due. */
static char *next_clause(struct clauses *clauses)
{
    if (clauses->at > clauses->start)
        clauses->at = TEXT_LITERAL(clauses->at, ", ");
    return clauses->at;
}

static void say(struct clauses *clauses, const char *words)
{
    clauses->at = text_put(next_clause(clauses), words);
}

static void say_side(struct clauses *clauses, enum fw_side side, const char *words)
{
    clauses->at = text_put(next_clause(clauses), fw_side_name(side));
    clauses->at = text_put(clauses->at, words);
}

static void add_duration(struct clauses *clauses, const char *words, int64_t ns)
{
    clauses->at = text_put(clauses->at, words);
    clauses->at = text_duration(clauses->at, ns);
}

static const struct fw_connection *connection_of(struct clauses *clauses)
{
    if (!clauses->known)
        fw_step_connection(clauses->step, &clauses->connection);
    clauses->known = true;
    return &clauses->connection;
}

static enum fw_state state_of(const struct fw_step *step, enum fw_side side)
{
    return side == FW_CLIENT ? step->client_state : step->server_state;
}

static enum fw_side other(enum fw_side side)
{
    return side == FW_CLIENT ? FW_SERVER : FW_CLIENT;
}

static bool passed(const struct fw_step *step, enum fw_side side, enum fw_state from,
                   enum fw_state to)
{
    for (size_t i = 0; i < step->count; i++) {
        const struct fw_transition *transition = &step->transitions[i];
        if (transition->endpoint == side && transition->from == from && transition->to == to)
            return true;
    }
    return false;
}

static bool entered(const struct fw_step *step, enum fw_state to)
{
    for (size_t i = 0; i < step->count; i++)
        if (step->transitions[i].to == to)
            return true;
    return false;
}

static bool is_reset(const struct fw_step *step)
{
    return step->segment && (step->segment->flags & FW_RST) && !step->segment->icmp &&
           entered(step, FW_CLOSED);
}

/* ---------------------------------------------------------------------------- what is said when --
 */

/* A proof was taken back (states.md). */
static bool say_correction(struct clauses *clauses)
{
    const struct fw_step *step = clauses->step;

    for (size_t i = 0; i < step->count; i++) {
        const struct fw_transition *transition = &step->transitions[i];
        if (!transition->corrected)
            continue;
        if (step->note == FW_NOTE_RST_FORGED)
            say_side(clauses, transition->endpoint, " goes on sending: the reset was not its own");
        else if (transition->to == FW_SYN_RECEIVED)
            say(clauses, "retransmission proves that the ACK did not arrive");
        else if (transition->to == FW_LAST_ACK || transition->to == FW_FIN_WAIT_1 ||
                 transition->to == FW_CLOSING)
            say(clauses, "retransmission proves that the ACK of the FIN did not arrive");
        else if (transition->to == FW_SYN_SENT)
            say(clauses, "sent again: the attempt goes on");
        else
            say(clauses, transition->cause ? transition->cause : "taken back");
        return true;
    }
    return false;
}

static void say_handshake(struct clauses *clauses)
{
    const struct fw_step *step = clauses->step;
    bool inferred = false;

    for (size_t i = 0; i < step->count; i++)
        inferred |= step->transitions[i].from == FW_UNKNOWN &&
                    step->transitions[i].proof == FW_PROOF_INFERRED;
    if (inferred) {
        say(clauses, "seen from the middle");
        return;
    }
    if (!entered(step, FW_ESTABLISHED) || step->client_state != FW_ESTABLISHED ||
        step->server_state != FW_ESTABLISHED)
        return;
    if (connection_of(clauses)->handshake_ns >= 0 &&
        connection_of(clauses)->established_time == step->time) {
        next_clause(clauses);
        add_duration(clauses, "handshake ", connection_of(clauses)->handshake_ns);
    }
}

/* The first FIN, or one that crosses it. */
static void say_first_fin(struct clauses *clauses, const struct fw_transition *transition)
{
    const enum fw_state peer = state_of(clauses->step, other(transition->endpoint));

    if (peer == FW_FIN_WAIT_1 || peer == FW_CLOSING) {
        say_side(clauses, transition->endpoint, " closes too, FINs crossed");
        return;
    }
    say_side(clauses, transition->endpoint, " closes first");
    if (transition->from == FW_ESTABLISHED && transition->in_state_ns >= 0)
        add_duration(clauses, ", after ", transition->in_state_ns);
}

static void say_close(struct clauses *clauses)
{
    const struct fw_step *step = clauses->step;

    for (size_t i = 0; i < step->count; i++) {
        const struct fw_transition *transition = &step->transitions[i];
        if (transition->to == FW_FIN_WAIT_1)
            say_first_fin(clauses, transition);
        if (transition->to != FW_LAST_ACK || transition->from != FW_CLOSE_WAIT)
            continue;
        if (passed(step, transition->endpoint, FW_ESTABLISHED, FW_CLOSE_WAIT)) {
            say_side(clauses, transition->endpoint, " closes at once");
        } else if (transition->in_state_ns >= 0) {
            say_side(clauses, transition->endpoint, " took ");
            add_duration(clauses, "", transition->in_state_ns);
            clauses->at = TEXT_LITERAL(clauses->at, " to close");
        }
    }
}

/* "reset by server" says no more than who sent the RST. */
static const char *cause_beyond_reset(const struct fw_connection *connection)
{
    const char *cause = connection->cause;

    return cause && strncmp(cause, "reset by ", 9) != 0 ? cause : NULL;
}

static void say_reset(struct clauses *clauses)
{
    const struct fw_step *step = clauses->step;

    if (!is_reset(step))
        return;
    const struct fw_connection *connection = connection_of(clauses);
    if (connection->open == FW_OPEN_REFUSED) {
        say(clauses, "refused");
        if (connection->cause && strcmp(connection->cause, "refused") != 0)
            clauses->at = text_put(TEXT_LITERAL(clauses->at, ": "), connection->cause);
        return;
    }
    say_side(clauses, step->from, " resets");
    if (cause_beyond_reset(connection))
        clauses->at = text_put(TEXT_LITERAL(clauses->at, ": "), connection->cause);
}

static void say_icmp(struct clauses *clauses)
{
    const struct fw_segment *segment = clauses->step->segment;

    if (segment && segment->icmp != FW_ICMP_NONE)
        say(clauses, fw_icmp_name((enum fw_icmp)segment->icmp));
}

/* A timer of ours moved it. */
static void say_timer(struct clauses *clauses)
{
    const struct fw_step *step = clauses->step;

    for (size_t i = 0; i < step->count; i++) {
        const struct fw_transition *transition = &step->transitions[i];
        if (transition->proof != FW_PROOF_TIMER)
            continue;
        if (transition->from == FW_TIME_WAIT)
            say(clauses, "2MSL is over");
        else if (transition->from == FW_SYN_SENT)
            say(clauses, "no answer");
        else if (transition->cause)
            say(clauses, transition->cause);
        if (transition->from != FW_TIME_WAIT && transition->in_state_ns > 0)
            add_duration(clauses, " for ", transition->in_state_ns);
        return;
    }
}

/* States that an endpoint went through in this one packet. */
static void say_passed(struct clauses *clauses)
{
    const struct fw_step *step = clauses->step;

    for (enum fw_side side = FW_CLIENT; side <= FW_SERVER; side++) {
        bool any = false;
        for (size_t i = 0; i + 1 < step->count; i++) {
            const struct fw_transition *transition = &step->transitions[i];
            bool more = false;
            for (size_t j = i + 1; j < step->count; j++)
                more |= step->transitions[j].endpoint == side;
            if (transition->endpoint != side || !more)
                continue;
            if (any)
                clauses->at = TEXT_LITERAL(clauses->at, " and ");
            else
                say_side(clauses, side, " through ");
            clauses->at = text_put(clauses->at, fw_state_name(transition->to, clauses->names));
            any = true;
        }
    }
}

static bool is_over(enum fw_state state)
{
    return state == FW_CLOSED || state == FW_TIME_WAIT;
}

/* The packet that ends the connection at both ends, not those that come later. */
static bool ends_both(const struct fw_step *step)
{
    bool any = false;

    for (size_t i = 0; i < step->count; i++)
        any |= !is_over(step->transitions[i].from);
    return any && step->segment && is_over(step->client_state) && is_over(step->server_state);
}

static void say_totals(struct clauses *clauses)
{
    if (!ends_both(clauses->step))
        return;
    const struct fw_connection *connection = connection_of(clauses);
    if (connection->open != FW_OPEN_COMPLETE && connection->open != FW_OPEN_MIDSTREAM)
        return;
    clauses->at = text_bytes(next_clause(clauses), connection->bytes[FW_CLIENT]);
    clauses->at = TEXT_LITERAL(clauses->at, " up, ");
    clauses->at = text_bytes(clauses->at, connection->bytes[FW_SERVER]);
    clauses->at = TEXT_LITERAL(clauses->at, " down");
}

static void say_note(struct clauses *clauses)
{
    switch (clauses->step->note) {
    case FW_NOTE_NONE:
    case FW_NOTE_ICMP:
    case FW_NOTE_RST_FORGED:
    case FW_NOTE_GAP: /* the ? at the state says it */
    case FW_NOTE_WINDOW_UPDATE:
    case FW_NOTE_DUPLICATE_ACK:
    case FW_NOTE_STRAY:
    case FW_NOTE_COUNT:
        return;
    case FW_NOTE_DUPLICATE:
    case FW_NOTE_BAD_CHECKSUM:
    case FW_NOTE_OUT_OF_WINDOW:
    case FW_NOTE_PAWS:
    case FW_NOTE_NO_ACK:
    case FW_NOTE_BAD_ACK:
    case FW_NOTE_BAD_SYNACK:
    case FW_NOTE_RST_IGNORED:
    case FW_NOTE_RST_CHALLENGED:
    case FW_NOTE_SYN_IN_WINDOW:
    case FW_NOTE_ODD_FLAGS:
    case FW_NOTE_RETRANSMISSION:
    case FW_NOTE_OUT_OF_ORDER:
    case FW_NOTE_KEEP_ALIVE:
    case FW_NOTE_ZERO_WINDOW:
    case FW_NOTE_ZERO_WINDOW_PROBE:
    case FW_NOTE_CHALLENGE_ACK:
        say(clauses, words_of_note(clauses->step->note));
        return;
    }
}

char *words_of_step(char *at, const struct fw_step *step, const struct view_options *options)
{
    struct clauses clauses;

    /* Not an initialiser: it would zero the connection for every line. */
    clauses.start = clauses.at = at;
    clauses.step = step;
    clauses.names = options->names;
    clauses.known = false;

    const bool corrected = say_correction(&clauses);
    say_handshake(&clauses);
    say_close(&clauses);
    say_reset(&clauses);
    say_icmp(&clauses);
    say_timer(&clauses);
    say_passed(&clauses);
    say_totals(&clauses);
    if (!corrected)
        say_note(&clauses);
    return clauses.at;
}

const char *words_of_note(enum fw_note note)
{
    switch (note) {
    case FW_NOTE_NONE:
    case FW_NOTE_COUNT:
        return NULL;
    case FW_NOTE_DUPLICATE:
        return "exact duplicate, not counted";
    case FW_NOTE_BAD_CHECKSUM:
        return "bad checksum: dropped";
    case FW_NOTE_OUT_OF_WINDOW:
        return "out of the window: dropped";
    case FW_NOTE_PAWS:
        return "timestamp too old (PAWS): dropped";
    case FW_NOTE_NO_ACK:
        return "no ACK bit: dropped";
    case FW_NOTE_BAD_ACK:
        return "acknowledges what was never sent: dropped";
    case FW_NOTE_BAD_SYNACK:
        return "acknowledges another SYN";
    case FW_NOTE_RST_IGNORED:
        return "reset out of the window: ignored";
    case FW_NOTE_RST_CHALLENGED:
        return "reset not exact: a challenge ACK is due";
    case FW_NOTE_RST_FORGED:
        return "goes on sending: the reset was not its own";
    case FW_NOTE_SYN_IN_WINDOW:
        return "SYN in a synchronised connection";
    case FW_NOTE_ODD_FLAGS:
        return "odd flags";
    case FW_NOTE_RETRANSMISSION:
        return "retransmission";
    case FW_NOTE_OUT_OF_ORDER:
        return "out of order: fills a hole";
    case FW_NOTE_KEEP_ALIVE:
        return "keep-alive";
    case FW_NOTE_ZERO_WINDOW:
        return "window is closed";
    case FW_NOTE_ZERO_WINDOW_PROBE:
        return "probe of a closed window";
    case FW_NOTE_WINDOW_UPDATE:
        return "window update";
    case FW_NOTE_DUPLICATE_ACK:
        return "duplicate ACK";
    case FW_NOTE_CHALLENGE_ACK:
        return "challenge ACK";
    case FW_NOTE_GAP:
        return "data before it is missing in the capture";
    case FW_NOTE_ICMP:
        return "ICMP error";
    case FW_NOTE_STRAY:
        return "after the end";
    }
    return NULL;
}

/* --------------------------------------------------------------------------------- connections --
 */

/* "for 118.9 s: the server has not closed"; where no time has passed, only the latter. */
static char *put_duration(char *at, const char *before, int64_t ns, const char *after)
{
    if (ns <= 0)
        return text_put(at, after + (strncmp(after, ": ", 2) == 0 ? 2 : 0));
    at = text_put(at, before);
    at = text_duration(at, ns);
    return text_put(at, after);
}

static char *put_half_closed(char *at, const struct fw_connection *connection, fw_time now)
{
    const bool client_waits = connection->client_state == FW_CLOSE_WAIT;
    const bool server_waits = connection->server_state == FW_CLOSE_WAIT;
    const bool client_finished =
        connection->client_state == FW_FIN_WAIT_1 || connection->client_state == FW_FIN_WAIT_2;
    const bool of_server = server_waits || (!client_waits && !client_finished);
    const fw_time since = of_server ? connection->server_since : connection->client_since;

    return put_duration(at, "for ", stamp_since(now, since),
                        server_waits      ? ": the server has not closed"
                        : client_waits    ? ": the client has not closed"
                        : client_finished ? ": no ACK of the client's FIN"
                                          : ": no ACK of the server's FIN");
}

static char *put_closed(char *at, const struct fw_connection *connection, fw_time now)
{
    const bool waits =
        connection->client_state == FW_TIME_WAIT || connection->server_state == FW_TIME_WAIT;

    if (waits && connection->timer_due > now)
        return put_duration(at, "", stamp_since(connection->timer_due, now), " left: 2MSL");
    switch (connection->closed_by) {
    case FW_CLOSED_BY_CLIENT:
        return TEXT_LITERAL(at, "by client");
    case FW_CLOSED_BY_SERVER:
        return TEXT_LITERAL(at, "by server");
    case FW_CLOSED_BY_BOTH:
        return TEXT_LITERAL(at, "by both: FINs crossed");
    case FW_CLOSED_BY_NONE:
        return at;
    }
    return at;
}

static char *put_cause(char *at, const char *cause)
{
    return cause ? text_put(TEXT_LITERAL(at, ": "), cause) : at;
}

static char *put_reset(char *at, const struct fw_connection *connection)
{
    const bool client = connection->rsts[FW_CLIENT] > 0;
    const bool server = connection->rsts[FW_SERVER] > 0;

    at = TEXT_LITERAL(at, "RST");
    if (client != server)
        at = text_put(at, client ? " by client" : " by server");
    return put_cause(at, cause_beyond_reset(connection));
}

static char *put_never_opened(char *at, const struct fw_connection *connection)
{
    const char *open = fw_open_name(connection->open);
    const char *cause = connection->cause;

    at = text_put(at, open);
    return put_cause(at, cause && strcmp(cause, open) != 0 ? cause : NULL);
}

static char *put_open(char *at, const struct fw_connection *connection, fw_time now)
{
    switch (connection->end) {
    case FW_END_EVICTED:
        return TEXT_LITERAL(at, "evicted: memory cap");
    case FW_END_TIMER:
        return TEXT_LITERAL(at, "idle: forgotten");
    case FW_END_OPEN:
    case FW_END_FIN:
    case FW_END_RST:
    case FW_END_REUSED:
    case FW_END_COUNT:
        break;
    }
    return put_duration(at, "silent ", stamp_since(now, connection->last_time), ": open");
}

static char *put_outcome(char *at, const struct fw_connection *connection, fw_time now)
{
    switch (outcome_of(connection)) {
    case OUTCOME_CLOSED:
        return put_closed(at, connection, now);
    case OUTCOME_NEVER_OPENED:
        return put_never_opened(at, connection);
    case OUTCOME_RESET:
        return put_reset(at, connection);
    case OUTCOME_HALF_CLOSED:
        return put_half_closed(at, connection, now);
    case OUTCOME_OPEN:
        return put_open(at, connection, now);
    case OUTCOME_COUNT:
        break;
    }
    return at;
}

char *words_of_connection(char *at, const struct fw_connection *connection, fw_time now)
{
    const char *const before = at;

    at = put_outcome(at, connection, now);
    if (!connection->lossy)
        return at;
    if (at > before)
        at = TEXT_LITERAL(at, "; ");
    return TEXT_LITERAL(at, WORDS_LOSSY);
}

bool words_is_failure(enum outcome outcome)
{
    return outcome == OUTCOME_NEVER_OPENED || outcome == OUTCOME_RESET ||
           outcome == OUTCOME_HALF_CLOSED;
}
