#include "ladder.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observer.h"
#include "picture.h"

/* How a picture is run. */
struct variant {
    char name[64];
    bool exchanged; /* addresses and ports */
    bool opened_by_b;
    bool ipv6;
    bool doubled;
    uint32_t isn[2];
};

enum { LANES = 4 };

/* What is expected of the connection in one VLAN. */
struct lane {
    bool used;
    uint16_t vlan;
    uint64_t id;                      /* of its connection */
    struct picture_state expected[2]; /* by enum picture_end */
};

struct run {
    struct picture *picture;
    const struct variant *variant;
    struct fw_tracker *tracker;
    struct observer observer;
    bool same_address, same_port;
    fw_time now;
    uint64_t frame;
    uint16_t next_mark; /* IP id and checksum of the next segment */
    uint16_t last_mark[2];
    const struct picture_line *line;
    struct lane lanes[LANES];

    /* Of the present line. */
    uint64_t id; /* of the connection that the last event was about */
    bool a_is_client;
    uint16_t vlan;
    struct fw_transition transitions[64];
    bool transition_of_a[64];
    size_t transition_count;
    enum fw_note note;
};

/* ------------------------------------------------------------------------------ failures -- */

static void finish_run(struct run *run)
{
    fw_tracker_destroy(run->tracker);
    observer_finish(&run->observer);
}

/* Fails the test with the picture, and the line that is wrong in it. */
__attribute__((format(printf, 2, 3), noreturn)) static void disagree(struct run *run,
                                                                     const char *format, ...)
{
    static char message[PICTURE_BYTES * 2];
    const char *text = run->picture->text;
    size_t used = (size_t)snprintf(message, sizeof(message), "%s\n", run->variant->name);

    while (*text != '\0') {
        const size_t bytes = strcspn(text, "\n");
        const bool failed = run->line && text == run->line->source;
        used += (size_t)snprintf(message + used, sizeof(message) - used, "  %s %.*s\n",
                                 failed ? ">>" : "  ", (int)bytes, text);
        text += bytes + (text[bytes] == '\n');
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + used, sizeof(message) - used, format, arguments);
    va_end(arguments);
    finish_run(run);
    free(run->picture);
    ck_abort_msg("%s", message);
    abort(); /* not reached; ck_abort_msg() is not declared so */
}

static const char *state_text(enum fw_state state, char mark, char text[24])
{
    snprintf(text, 24, "%s%.*s", state == FW_UNKNOWN ? "-" : fw_state_name(state, FW_NAMES_RFC),
             mark != ' ', &mark);
    return text;
}

/* ----------------------------------------------------------------------------- listening -- */

static struct fw_endpoint endpoint_of(const struct run *run, enum picture_end end)
{
    const bool first = (end == END_A) != run->variant->exchanged;
    const uint8_t host = first || run->same_address ? 1 : 2;
    struct fw_endpoint endpoint = { .port = first ? 50001 : 80, .family = FW_IPV4 };

    if (run->same_port)
        endpoint.port = 179;
    if (run->variant->ipv6) {
        endpoint.family = FW_IPV6;
        endpoint.addr[0] = 0xfd;
        endpoint.addr[15] = host;
    } else {
        endpoint.addr[0] = 10;
        endpoint.addr[3] = host;
    }
    return endpoint;
}

static bool is_end(const struct run *run, const struct fw_endpoint *endpoint, enum picture_end end)
{
    const struct fw_endpoint own = endpoint_of(run, end);
    return endpoint->port == own.port && memcmp(endpoint->addr, own.addr, sizeof(own.addr)) == 0;
}

static void hear(struct run *run, const struct fw_step *step)
{
    run->id = step->identity->id;
    run->a_is_client = is_end(run, &step->identity->client, END_A);
    run->vlan = step->identity->scope.vlan;
}

static void hear_step(void *context, const struct fw_step *step)
{
    struct run *run = context;

    observer_hooks.step(&run->observer, step);
    hear(run, step);
    for (size_t i = 0; i < step->count && run->transition_count < 64; i++) {
        run->transition_of_a[run->transition_count] =
            (step->transitions[i].endpoint == FW_CLIENT) == run->a_is_client;
        run->transitions[run->transition_count++] = step->transitions[i];
    }
}

static void hear_segment(void *context, const struct fw_step *step)
{
    struct run *run = context;

    observer_hooks.segment(&run->observer, step);
    hear(run, step);
    run->note = step->note;
}

static void hear_end(void *context, const struct fw_connection *connection)
{
    observer_hooks.end(&((struct run *)context)->observer, connection);
}

static const struct fw_hooks hooks = { .step = hear_step,
                                       .segment = hear_segment,
                                       .end = hear_end };

/* ----------------------------------------------------------------------------- a segment -- */

static uint32_t absolute(const struct picture_number *number, uint32_t isn)
{
    return (uint32_t)number->value + (number->absolute ? 0 : isn);
}

static enum picture_end sender_of(const struct run *run, const struct picture_line *line)
{
    return line->prelude && run->variant->opened_by_b ? (enum picture_end) !line->from : line->from;
}

static struct fw_segment build_segment(struct run *run, const struct picture_line *line)
{
    const enum picture_end from = sender_of(run, line);
    const uint16_t mark = line->is_duplicate ? run->last_mark[from] : run->next_mark++;
    struct fw_segment segment = line->segment;

    run->last_mark[from] = mark;
    segment.from = endpoint_of(run, from);
    segment.to = endpoint_of(run, (enum picture_end) !from);
    segment.seq = absolute(&line->seq, run->variant->isn[from]);
    segment.ack = absolute(&line->ack, run->variant->isn[!from]);
    segment.ip_id = run->variant->ipv6 ? 0 : mark;
    segment.checksum_raw = (uint16_t)(mark * 40503u);
    segment.ttl = 64;
    segment.time = run->now;
    segment.frame = ++run->frame;
    return segment;
}

static void feed(struct run *run, const struct fw_segment *segment)
{
    if (fw_tracker_feed(run->tracker, segment, 1) < 0)
        disagree(run, "fw_tracker_feed: out of memory");
}

/* -------------------------------------------------------------------------- after a line -- */

static struct lane *lane_of(struct run *run, uint16_t vlan)
{
    for (struct lane *lane = run->lanes; lane < run->lanes + LANES; lane++) {
        if (!lane->used)
            *lane = (struct lane){ .used = true,
                                   .vlan = vlan,
                                   .expected = { { .mark = ' ' }, { .mark = ' ' } } };
        if (lane->vlan == vlan)
            return lane;
    }
    abort();
}

/* What the line says of an endpoint; `established` may be opened by the other one. */
static const struct picture_state *state_after(const struct run *run,
                                               const struct picture_line *line, int end)
{
    return &line->after[line->prelude && run->variant->opened_by_b ? !end : end];
}

static void check_corrected(struct run *run, int end, bool expected)
{
    bool corrected = false;

    for (size_t i = 0; i < run->transition_count; i++)
        corrected |= run->transition_of_a[i] == (end == END_A) && run->transitions[i].corrected;
    if (corrected != expected)
        disagree(run, "  expected  %s %s\n  got       %s", end == END_A ? "A" : "B",
                 expected ? "corrected" : "not corrected",
                 corrected ? "corrected" : "not corrected");
}

/* The old connection's record comes before the new one's first event. */
static void check_succession(struct run *run, struct lane *lane)
{
    if (lane->id != 0 && lane->id != run->id && !run->observer.connections[lane->id - 1].ended)
        disagree(run, "  expected  the record of #%" PRIu64 " before #%" PRIu64 " begins", lane->id,
                 run->id);
    lane->id = run->id;
}

static void check_states(struct run *run, const struct picture_line *line)
{
    struct lane *lane = lane_of(run, run->vlan);
    check_succession(run, lane);
    const struct observed *observed = &run->observer.connections[run->id - 1];
    char want[2][24], got[2][24];
    bool same = true;

    for (int end = END_A; end <= END_B; end++) {
        const enum fw_side side = (end == END_A) == run->a_is_client ? FW_CLIENT : FW_SERVER;
        const struct picture_state *given = state_after(run, line, end);
        struct picture_state *expected = &lane->expected[end];
        if (given->given)
            *expected = *given;
        if (expected->any)
            expected->state = observed->state[side];
        if (expected->any || expected->mark == '*')
            expected->mark = observed->mark[side];
        expected->any = false;
        same = same && observed->state[side] == expected->state &&
               observed->mark[side] == expected->mark;
        state_text(expected->state, expected->mark, want[end]);
        state_text(observed->state[side], observed->mark[side], got[end]);
    }
    if (!same)
        disagree(run, "  expected  A %-16s B %s\n  got       A %-16s B %s", want[END_A],
                 want[END_B], got[END_A], got[END_B]);
    for (int end = END_A; end <= END_B; end++)
        if (!state_after(run, line, end)->any)
            check_corrected(run, end, state_after(run, line, end)->corrected);
}

static void check_cause(struct run *run, const char *cause)
{
    char got[1024] = "";

    for (size_t i = 0; i < run->transition_count; i++) {
        if (strcmp(run->transitions[i].cause, cause) == 0)
            return;
        snprintf(got + strlen(got), sizeof(got) - strlen(got), " '%s'", run->transitions[i].cause);
    }
    disagree(run, "  expected  cause '%s'\n  got      %s", cause, got);
}

static void check_after(struct run *run, const struct picture_line *line)
{
    if (run->id > 0)
        check_states(run, line);
    else if (line->after[END_A].given || line->after[END_B].given)
        disagree(run, "  expected  states\n  got       no connection");
    if (line->cause)
        check_cause(run, line->cause);
    if (line->note && strcmp(line->note, fw_note_name(run->note)) != 0)
        disagree(run, "  expected  note '%s'\n  got       '%s'", line->note,
                 fw_note_name(run->note));
    if (line->silent && run->transition_count > 0)
        disagree(run, "  expected  no transition\n  got       '%s'", run->transitions[0].cause);
    if (run->observer.fault[0] != '\0')
        disagree(run, "  broken rule: %s", run->observer.fault);
}

/* The exact duplicate: nothing moves. */
static void feed_again(struct run *run, const struct picture_line *line, struct fw_segment *segment)
{
    struct picture_line again = *line;

    segment->frame = ++run->frame;
    segment->time += FW_MILLISECOND / 1000;
    run->transition_count = 0;
    feed(run, segment);
    again.after[END_A].corrected = again.after[END_B].corrected = false;
    again.cause = again.note = NULL;
    if (run->id > 0)
        check_states(run, &again);
    if (run->transition_count > 0)
        disagree(run, "  doubled   it has a transition: '%s'", run->transitions[0].cause);
}

/* The connection of the line's VLAN, until an event says otherwise: held segments say nothing. */
static void run_segment(struct run *run, const struct picture_line *line)
{
    run->now += line->delay_ns;
    struct fw_segment segment = build_segment(run, line);
    run->transition_count = 0;
    run->note = FW_NOTE_NONE;
    feed(run, &segment);
    check_after(run, line);
    if (run->variant->doubled && segment.icmp == FW_ICMP_NONE)
        feed_again(run, line, &segment);
}

static void run_after(struct run *run, const struct picture_line *line)
{
    run->now += line->delay_ns;
    run->transition_count = 0;
    fw_tracker_advance(run->tracker, run->now);
    check_after(run, line);
}

/* ---------------------------------------------------------------------------- at the end -- */

static enum fw_side side_of(const struct run *run, const struct fw_connection *record,
                            enum picture_end end)
{
    return is_end(run, &record->identity.client, end) ? FW_CLIENT : FW_SERVER;
}

static const char *closed_by_text(const struct run *run, const struct fw_connection *record)
{
    switch (record->closed_by) {
    case FW_CLOSED_BY_NONE:
        return "none";
    case FW_CLOSED_BY_BOTH:
        return "both";
    case FW_CLOSED_BY_CLIENT:
    case FW_CLOSED_BY_SERVER:
        break;
    }
    const bool a =
        (record->closed_by == FW_CLOSED_BY_CLIENT) == (side_of(run, record, END_A) == FW_CLIENT);
    return a ? "A" : "B";
}

/* `closed by A` in the words of the record, where the cause names a role. */
static const char *cause_text(const struct run *run, const struct fw_connection *record)
{
    static char text[128];
    const char *cause = record->cause ? record->cause : "-";
    const char *by = strstr(cause, "by client");

    by = by ? by : strstr(cause, "by server");
    if (!by)
        return cause;
    const bool client = by[3] == 'c';
    const bool a = client == (side_of(run, record, END_A) == FW_CLIENT);
    snprintf(text, sizeof(text), "%.*sby %s%s", (int)(by - cause), cause, a ? "A" : "B", by + 9);
    return text;
}

static const char *number_text(uint64_t number)
{
    static char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    return text;
}

/* The value of a key of one endpoint, NULL if there is no such key. Segments count twice where
 * every segment is doubled: `scale`. */
static const char *end_value(const struct fw_connection *record, enum fw_side side, const char *key,
                             unsigned scale)
{
    static char text[256];
    const bool client = side == FW_CLIENT;
    const struct {
        const char *key;
        uint64_t value;
        bool counts_segments;
    } numbers[] = {
        { "packets", record->packets[side], true },
        { "syns", record->syns[side], true },
        { "synacks", record->synacks[side], true },
        { "fins", record->fins[side], true },
        { "rsts", record->rsts[side], true },
        { "data_packets", record->data_packets[side], true },
        { "bytes", record->bytes[side], false },
        { "retransmits", record->retransmits[side], false },
        { "mss", record->mss[side], false },
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(numbers[i].key, key) == 0)
            return number_text(numbers[i].value / (numbers[i].counts_segments ? scale : 1));
    if (strcmp(key, "path") == 0) {
        fw_path_text(client ? record->client_path : record->server_path, text, sizeof(text));
        return text;
    }
    if (strcmp(key, "state") == 0) {
        const bool inferred = client ? record->client_inferred : record->server_inferred;
        const bool timed = client ? record->client_timed : record->server_timed;
        return state_text(client ? record->client_state : record->server_state,
                          inferred ? '?'
                          : timed  ? '~'
                                   : ' ',
                          text);
    }
    return NULL;
}

static const char *record_value(const struct run *run, const struct fw_connection *record,
                                const char *key)
{
    const struct {
        const char *key;
        const char *value;
    } values[] = {
        { "open", fw_open_name(record->open) },
        { "end", fw_end_name(record->end) },
        { "closed_by", closed_by_text(run, record) },
        { "dir_by", fw_dir_by_name(record->dir_by) },
        { "cause", cause_text(run, record) },
        { "client", side_of(run, record, END_A) == FW_CLIENT ? "A" : "B" },
        { "midstream", record->midstream ? "yes" : "no" },
        { "one_sided", record->one_sided ? "yes" : "no" },
        { "lossy", record->lossy ? "yes" : "no" },
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (strcmp(values[i].key, key) == 0)
            return values[i].value;
    return NULL;
}

/* `*` at the begin or the end of `want` stands for anything. */
static bool matches(const char *got, const char *want)
{
    const size_t length = strlen(want);

    if (length > 0 && want[length - 1] == '*')
        return strncmp(got, want, length - 1) == 0;
    if (*want == '*')
        return strlen(got) + 1 >= length && strcmp(got + strlen(got) + 1 - length, want + 1) == 0;
    return strcmp(got, want) == 0;
}

static void check_record(struct run *run, const struct picture_line *line)
{
    size_t word = 0;
    size_t number = 1;

    if (line->word_count > 0 && line->words[0][0] >= '1' && line->words[0][0] <= '9')
        number = (size_t)atoi(line->words[word++]);
    if (number > run->observer.count || !run->observer.connections[number - 1].ended)
        disagree(run, "  expected  a record %zu\n  got       none", number);
    const struct fw_connection *record = &run->observer.connections[number - 1].record;
    while (word < line->word_count) {
        const char *key = line->words[word++];
        const char *end = word < line->word_count ? line->words[word] : "";
        const unsigned scale = run->variant->doubled ? 2 : 1;
        const char *got = record_value(run, record, key);
        if (strcmp(key, "all_packets") == 0)
            got = number_text((record->packets[0] + record->packets[1]) / scale);
        if (!got && (strcmp(end, "A") == 0 || strcmp(end, "B") == 0) && ++word)
            got = end_value(record, side_of(run, record, *end == 'A' ? END_A : END_B), key, scale);
        else
            end = "";
        const char *want = word < line->word_count ? line->words[word++] : "";
        if (!got)
            disagree(run, "  the ladder itself: no such key: %s", key);
        if (!matches(got, want))
            disagree(run, "  expected  %s %s '%s'\n  got       '%s'", key, end, want, got);
    }
}

static uint64_t counter(struct run *run, const char *name)
{
    struct fw_tracker_counts counts;
    fw_tracker_counts(run->tracker, &counts);
    const unsigned scale = run->variant->doubled ? 2 : 1;

    if (strcmp(name, "connections") == 0)
        return counts.connections;
    if (strcmp(name, "lone_rsts") == 0)
        return counts.lone_rsts / scale;
    if (strcmp(name, "icmp_unmatched") == 0)
        return counts.icmp_unmatched;
    if (strcmp(name, "time_backwards") == 0)
        return counts.time_backwards / scale;
    if (strcmp(name, "bad_checksum") == 0)
        return counts.notes[FW_NOTE_BAD_CHECKSUM] / scale;
    if (strcmp(name, "odd_flags") == 0)
        return counts.notes[FW_NOTE_ODD_FLAGS];
    disagree(run, "  the ladder itself: no such counter: %s", name);
}

static void check_counts(struct run *run)
{
    uint64_t connections = 0;
    bool told = false;

    for (size_t i = 0; i < LANES; i++)
        connections += run->lanes[i].used;
    for (size_t i = 0; i < run->picture->line_count; i++) {
        const struct picture_line *line = &run->picture->lines[i];
        if (line->kind != LINE_COUNT)
            continue;
        run->line = line;
        told = told || strcmp(line->words[0], "connections") == 0;
        const uint64_t want = strtoull(line->words[1], NULL, 10);
        const uint64_t got = counter(run, line->words[0]);
        if (want != got)
            disagree(run, "  expected  %s %" PRIu64 "\n  got       %" PRIu64, line->words[0], want,
                     got);
    }
    run->line = NULL;
    if (!told && counter(run, "connections") != connections)
        disagree(run, "  expected  %" PRIu64 " connections\n  got       %" PRIu64, connections,
                 counter(run, "connections"));
}

/* Every segment is in exactly one record, but for a RST that belongs to none. */
static void check_sums(struct run *run)
{
    struct fw_tracker_counts counts;

    fw_tracker_counts(run->tracker, &counts);
    const uint64_t expected = counts.segments - counts.lone_rsts;
    if (observer_packets(&run->observer) != expected)
        disagree(run, "  expected  %" PRIu64 " packets in all records\n  got       %" PRIu64,
                 expected, observer_packets(&run->observer));
    if (run->observer.end_count != counts.connections)
        disagree(run, "  expected  %" PRIu64 " records\n  got       %" PRIu64, counts.connections,
                 run->observer.end_count);
    if (run->observer.fault[0] != '\0')
        disagree(run, "  broken rule: %s", run->observer.fault);
}

/* --------------------------------------------------------------------------------- a run -- */

static void read_option(struct run *run, const struct picture_line *line,
                        struct fw_tracker_options *options)
{
    const char *name = line->word_count > 0 ? line->words[0] : "";
    const char *value = line->word_count > 1 ? line->words[1] : "";

    if (strcmp(name, "timers") == 0 && strcmp(value, "linux") == 0) {
        options->time_wait_ns = 60 * FW_SECOND;
        options->fin_wait_2_ns = 60 * FW_SECOND;
    } else if (strcmp(name, "idle") == 0) {
        options->idle_ns = picture_duration(value);
    } else if (strcmp(name, "max_connections") == 0) {
        options->max_connections = strtoull(value, NULL, 10);
    } else if (strcmp(name, "checksum") == 0) {
        options->drop_bad_checksums = true;
    } else if (strcmp(name, "same") == 0) {
        run->same_address = strcmp(value, "address") == 0;
        run->same_port = strcmp(value, "port") == 0;
    } else {
        disagree(run, "  the ladder itself: no such option: %s %s", name, value);
    }
}

static void run_variant(struct picture *picture, const struct variant *variant)
{
    struct fw_tracker_options options;
    struct run run = {
        .picture = picture, .variant = variant, .now = 1000 * FW_SECOND, .next_mark = 1
    };

    fw_tracker_defaults(&options);
    for (size_t i = 0; i < picture->line_count; i++)
        if (picture->lines[i].kind == LINE_WITH)
            read_option(&run, &picture->lines[i], &options);
    observer_init(&run.observer);
    run.tracker = fw_tracker_create(&options, &hooks, &run);
    ck_assert_ptr_nonnull(run.tracker);

    for (size_t i = 0; i < picture->line_count; i++) {
        run.line = &picture->lines[i];
        if (run.line->kind == LINE_SEGMENT)
            run_segment(&run, run.line);
        else if (run.line->kind == LINE_AFTER)
            run_after(&run, run.line);
    }
    run.line = NULL;
    fw_tracker_finish(run.tracker);
    check_counts(&run);
    check_sums(&run);
    for (size_t i = 0; i < picture->line_count; i++) {
        run.line = &picture->lines[i];
        if (run.line->kind == LINE_RECORD)
            check_record(&run, run.line);
    }
    finish_run(&run);
}

/* ------------------------------------------------------------------------------ variants -- */

static bool is_left_out(const struct picture *picture, const char *name, bool print)
{
    for (size_t i = 0; i < picture->line_count; i++) {
        const struct picture_line *line = &picture->lines[i];
        if (line->kind != LINE_NOT || strcmp(line->words[0], name) != 0)
            continue;
        ck_assert_msg(line->word_count == 2, "ladder: no reason why not %s", name);
        if (print)
            printf("not %s: %s\n", name, line->words[1]);
        return true;
    }
    return false;
}

static bool has_prelude(const struct picture *picture)
{
    for (size_t i = 0; i < picture->line_count; i++)
        if (picture->lines[i].prelude)
            return true;
    return false;
}

enum { NUMBERS = 64 };

static void add_number(int64_t *numbers, size_t *count, int64_t number)
{
    for (size_t i = 0; i < *count; i++)
        if (numbers[i] == number)
            return;
    if (*count < NUMBERS)
        numbers[(*count)++] = number;
}

/* The relative numbers of one end that a picture shows. */
static size_t numbers_of(const struct picture *picture, enum picture_end end, int64_t *numbers)
{
    size_t count = 0;

    for (size_t i = 0; i < picture->line_count; i++) {
        const struct picture_line *line = &picture->lines[i];
        if (line->kind != LINE_SEGMENT)
            continue;
        if (line->prelude || (line->from == end && !line->seq.absolute)) {
            add_number(numbers, &count, line->seq.value);
            add_number(numbers, &count, line->seq.value + line->segment.payload_bytes);
        }
        if (!line->prelude && line->from != end && !line->ack.absolute)
            add_number(numbers, &count, line->ack.value);
    }
    add_number(numbers, &count, 1);
    return count;
}

static void run_wrapped(struct picture *picture, struct variant variant, const char *name)
{
    int64_t numbers[2][NUMBERS];
    const size_t counts[] = { numbers_of(picture, END_A, numbers[END_A]),
                              numbers_of(picture, END_B, numbers[END_B]) };

    for (size_t i = 0; i < counts[END_A] || i < counts[END_B]; i++) {
        const int64_t a = numbers[END_A][i % counts[END_A]];
        const int64_t b = numbers[END_B][i % counts[END_B]];
        variant.isn[END_A] = (uint32_t)-a;
        variant.isn[END_B] = (uint32_t)-b;
        snprintf(variant.name, sizeof(variant.name),
                 "%s: A's %" PRId64 " and B's %" PRId64 " are 0", name, a, b);
        run_variant(picture, &variant);
    }
}

void ladder_check(const char *text)
{
    struct picture *picture = malloc(sizeof(*picture));
    ck_assert_ptr_nonnull(picture);
    picture_read(picture, text);
    const bool swapped = !is_left_out(picture, "swapped", true);
    const bool wrapped = !is_left_out(picture, "wrapped", true);
    const bool ipv6 = !is_left_out(picture, "ipv6", true);
    const bool doubled = !is_left_out(picture, "doubled", true);
    const struct variant plain = { .name = "as it is", .isn = { 1000000, 3000000000u } };
    struct variant variant = plain;

    run_variant(picture, &variant);
    if (swapped) {
        variant =
            (struct variant){ .name = "addresses exchanged", .exchanged = true, .isn = { 7, 8 } };
        run_variant(picture, &variant);
    }
    if (swapped && has_prelude(picture)) {
        variant = (struct variant){ .name = "opened by B", .opened_by_b = true, .isn = { 7, 8 } };
        run_variant(picture, &variant);
    }
    if (wrapped) {
        variant = (struct variant){ .name = "ISN 0" };
        run_variant(picture, &variant);
        run_wrapped(picture, plain, "near wrap");
    }
    if (ipv6) {
        variant = plain;
        variant.ipv6 = true;
        strcpy(variant.name, "IPv6");
        run_variant(picture, &variant);
    }
    if (doubled) {
        variant = plain;
        variant.doubled = true;
        strcpy(variant.name, "doubled");
        run_variant(picture, &variant);
    }
    variant = plain;
    variant.exchanged = swapped;
    variant.opened_by_b = swapped && has_prelude(picture);
    variant.ipv6 = ipv6;
    variant.doubled = doubled;
    strcpy(variant.name, "all at once");
    if (wrapped)
        run_wrapped(picture, variant, "all at once");
    else
        run_variant(picture, &variant);
    free(picture);
}
