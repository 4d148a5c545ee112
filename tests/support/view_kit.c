#include "view_kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interop.h"
#include "select.h"

const fw_time kit_epoch = INT64_C(1706702400) * FW_SECOND;
const char kit_selection;
bool (*kit_wanted)(const struct fw_connection *connection);
bool kit_fixed;

bool selection_match(const struct selection *selection, const struct fw_connection *connection)
{
    return !selection || !kit_wanted || kit_wanted(connection);
}

bool selection_is_fixed(const struct selection *selection)
{
    return !selection || kit_fixed;
}

void fw_step_connection(const struct fw_step *step, struct fw_connection *connection)
{
    *connection = *(const struct fw_connection *)step->internal;
}

void interop_community_id(const struct fw_identity *identity, char text[32])
{
    (void)identity;
    memcpy(text, "1:of the test", 14);
}

static struct fw_endpoint endpoint_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct fw_endpoint){ .addr = { a, b, c, d }, .port = port, .family = FW_IPV4 };
}

void kit_connection(struct kit *kit, uint64_t id)
{
    kit->connection = (struct fw_connection){
        .identity = { .id = id,
                      .client = endpoint_of(192, 168, 1, 10, (uint16_t)(50000 + id)),
                      .server = endpoint_of(10, 0, 0, 1, 80) },
        .first_time = kit_epoch,
        .last_time = kit_epoch,
        .client_since = kit_epoch,
        .server_since = kit_epoch,
        .handshake_ns = -1,
        .rtt_client_ns = -1,
        .rtt_server_ns = -1,
        .established_time = INT64_MIN,
        .completeness = -1,
    };
}

void kit_begin(struct kit *kit, const struct view_ops *ops)
{
    memset(kit, 0, sizeof *kit);
    kit->ops = ops;
    kit->options = (struct view_options){ .utf8 = true, .first_time = kit_epoch };
    kit->summary = (struct summary){
        .first_time = kit_epoch,
        .last_time = kit_epoch,
        .why_ended = "end of input",
    };
    kit_connection(kit, 1);
    kit_wanted = NULL;
    kit_fixed = false;
    if (out_init(&kit->out, memfd_create("view", 0), 1 << 16) < 0)
        abort();
}

static void start(struct kit *kit)
{
    if (!kit->view)
        kit->view = kit->ops->create(&kit->options, &kit->out);
    if (!kit->view)
        abort();
}

static uint16_t flags_of(const char *text)
{
    static const char letters[] = "FSRP.UEW";
    uint16_t flags = 0;

    for (; *text; text++)
        flags |= (uint16_t)(1u << (strchr(letters, *text) - letters));
    return flags;
}

static void apply(struct fw_connection *connection, const struct fw_transition *transition,
                  fw_time time)
{
    const bool inferred = transition->proof == FW_PROOF_INFERRED;
    const bool timed = transition->proof == FW_PROOF_TIMER;

    if (transition->endpoint == FW_CLIENT) {
        connection->client_state = transition->to;
        connection->client_inferred = inferred;
        connection->client_timed = timed;
        connection->client_since = time;
    } else {
        connection->server_state = transition->to;
        connection->server_inferred = inferred;
        connection->server_timed = timed;
        connection->server_since = time;
    }
}

static size_t make_transitions(struct kit *kit, const struct kit_move *moves, fw_time time,
                               struct fw_transition transitions[4])
{
    struct fw_connection *connection = &kit->connection;
    size_t count = 0;

    for (; moves && count < 4 && moves[count].from != moves[count].to; count++) {
        const struct kit_move *move = &moves[count];
        transitions[count] = (struct fw_transition){
            .endpoint = move->endpoint,
            .from = move->from,
            .to = move->to,
            .proof = move->proof,
            .corrected = move->corrected,
            .cause = "of the test",
            .in_state_ns = move->in_state_ms < 0 ? -1 : move->in_state_ms * FW_MILLISECOND,
        };
        apply(connection, &transitions[count], time);
        transitions[count].client_state = connection->client_state;
        transitions[count].server_state = connection->server_state;
    }
    return count;
}

static void count_packet(struct kit *kit, enum fw_side from, fw_time time)
{
    struct fw_connection *connection = &kit->connection;

    if (connection->first_frame == 0) {
        connection->first_frame = kit->frame;
        connection->first_time = time;
    }
    connection->last_time = time;
    connection->last_frame = kit->frame;
    connection->packets[from]++;
    kit->summary.packets++;
    kit->summary.verdicts[FW_VERDICT_SEGMENT]++;
    kit->summary.tracker.segments++;
}

/* Both hooks, as the tracker calls them. */
static void tell(struct kit *kit, fw_time time, enum fw_side from, const struct fw_segment *segment,
                 enum fw_note note, const struct kit_move *moves)
{
    const struct fw_connection *connection = &kit->connection;
    struct fw_transition transitions[4];
    const size_t count = make_transitions(kit, moves, time, transitions);

    if (segment)
        count_packet(kit, from, time);
    if (time > kit->summary.last_time)
        kit->summary.last_time = time;
    const struct fw_step step = {
        .identity = &connection->identity,
        .segment = segment,
        .time = time,
        .frame = segment ? kit->frame : 0,
        .from = from,
        .note = note,
        .client_state = connection->client_state,
        .server_state = connection->server_state,
        .client_inferred = connection->client_inferred,
        .server_inferred = connection->server_inferred,
        .client_timed = connection->client_timed,
        .server_timed = connection->server_timed,
        .transitions = transitions,
        .count = count,
        .internal = connection,
    };
    kit->summary.tracker.transitions += count;
    if (kit->ops->hooks.step && count > 0)
        kit->ops->hooks.step(kit->view, &step);
    if (kit->ops->hooks.segment && segment)
        kit->ops->hooks.segment(kit->view, &step);
}

void kit_segment(struct kit *kit, double ms, enum fw_side from, struct fw_segment segment,
                 enum fw_note note, const struct kit_move *moves)
{
    const struct fw_identity *identity = &kit->connection.identity;

    start(kit);
    segment.time = kit_epoch + (fw_time)(ms * 1e6);
    segment.frame = ++kit->frame;
    segment.from = from == FW_CLIENT ? identity->client : identity->server;
    segment.to = from == FW_CLIENT ? identity->server : identity->client;
    tell(kit, segment.time, from, &segment, note, moves);
}

void kit_step(struct kit *kit, double ms, enum fw_side from, const char *flags,
              const struct kit_move *moves)
{
    start(kit);
    if (flags)
        kit_segment(kit, ms, from, (struct fw_segment){ .flags = flags_of(flags) }, FW_NOTE_NONE,
                    moves);
    else
        tell(kit, kit_epoch + (fw_time)(ms * 1e6), from, NULL, FW_NOTE_NONE, moves);
}

void kit_end(struct kit *kit)
{
    start(kit);
    kit->summary.tracker.connections++;
    if (selection_match(kit->options.selection, &kit->connection))
        kit->summary.outcomes[outcome_of(&kit->connection)]++;
    if (kit->ops->hooks.end)
        kit->ops->hooks.end(kit->view, &kit->connection);
}

char *kit_finish(struct kit *kit)
{
    start(kit);
    if (kit->ops->finish)
        kit->ops->finish(kit->view, &kit->summary);
    kit->ops->destroy(kit->view);
    const int fd = kit->out.fd;
    out_finish(&kit->out);

    const off_t length = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)length + 1);
    if (!text || pread(fd, text, (size_t)length, 0) != length)
        abort();
    close(fd);
    return text;
}

void kit_play_ordinary(struct kit *kit)
{
    struct fw_connection *connection = &kit->connection;

    kit_step(kit, 0, FW_CLIENT, "S", MOVES(CLIENT_MOVES(CLOSED, SYN_SENT, -1)));
    kit_step(kit, 20, FW_SERVER, "S.", MOVES(SERVER_MOVES(LISTEN, SYN_RECEIVED, -1)));
    connection->open = FW_OPEN_COMPLETE;
    connection->handshake_ns = 21 * FW_MILLISECOND;
    connection->established_time = kit_epoch + 21 * FW_MILLISECOND;
    connection->rtt_server_ns = 20 * FW_MILLISECOND;
    connection->rtt_client_ns = 1 * FW_MILLISECOND;
    kit_step(
        kit, 21, FW_CLIENT, ".",
        MOVES(SERVER_MOVES(SYN_RECEIVED, ESTABLISHED, 1), CLIENT_MOVES(SYN_SENT, ESTABLISHED, 21)));
    connection->bytes[FW_CLIENT] = 18;
    connection->bytes[FW_SERVER] = 22;
    connection->closed_by = FW_CLOSED_BY_CLIENT;
    kit_step(kit, 104, FW_CLIENT, "F.", MOVES(CLIENT_MOVES(ESTABLISHED, FIN_WAIT_1, 83)));
    kit_step(
        kit, 105, FW_SERVER, ".",
        MOVES(SERVER_MOVES(ESTABLISHED, CLOSE_WAIT, 84), CLIENT_MOVES(FIN_WAIT_1, FIN_WAIT_2, 1)));
    kit_step(kit, 505, FW_SERVER, "F.", MOVES(SERVER_MOVES(CLOSE_WAIT, LAST_ACK, 400)));
    connection->end = FW_END_FIN;
    connection->fins[FW_CLIENT] = connection->fins[FW_SERVER] = 1;
    connection->syns[FW_CLIENT] = connection->synacks[FW_SERVER] = 1;
    kit_step(kit, 506, FW_CLIENT, ".",
             MOVES(SERVER_MOVES(LAST_ACK, CLOSED, 1), CLIENT_MOVES(FIN_WAIT_2, TIME_WAIT, 401)));
}
