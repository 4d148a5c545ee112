#include "judging.h"

#include "segment.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATE_ROOM = 16, SINCE_ROOM = 512, TEXT_ROOM = 1024, LINE_ROOM = 16384, AROUND = 5 };

/* One packet of the capture. */
struct packet {
    struct segment segment;
    double time; /* seconds since the first */
};

/* One transition that finwait reported. */
struct event {
    int frame, conn;
    double time;
    struct endpoint end[2];
    char state[2][STATE_ROOM];
};

struct side {
    struct endpoint end;
    char state[STATE_ROOM]; /* the kernel's */
    char since[SINCE_ROOM]; /* all it was in since its newest captured frame, that one last */
    bool unheard;
    char hidden[TEXT_ROOM], rfc[TEXT_ROOM];
    char shown[STATE_ROOM]; /* finwait's */
    bool wrong;
};

struct record {
    int frame;
    bool quiet;
    char from[STATE_ROOM], fate[64], did[TEXT_ROOM];
    struct side side[2];
};

struct recording {
    const char *name;
    struct packet *packets;
    struct event *events;
    struct record *records;
    int packet_count, event_count, record_count;
};

static const char *const side_names[] = { "client", "server" };

/* ---- flat JSON --------------------------------------------------------------------------------
 */

static const char *skip_string(const char *at, char *out, size_t room)
{
    size_t n = 0;
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
        if (n + 1 < room)
            out[n++] = *at;
    }
    out[n] = '\0';
    return *at ? at + 1 : at;
}

static const char *skip_scalar(const char *at, char *out, size_t room)
{
    size_t n = 0;
    if (*at == '"')
        return skip_string(at, out, room);
    for (; *at && !strchr(",} \n", *at); at++)
        if (n + 1 < room)
            out[n++] = *at;
    out[n] = '\0';
    return at;
}

/* The value of KEY in a flat object; false (and "") if it is absent or null. */
static bool json_text(const char *line, const char *key, char *out, size_t room)
{
    char found[64];
    const char *at = strchr(line, '{');
    *out = '\0';
    while (at && (at = strchr(at, '"'))) {
        at = skip_string(at, found, sizeof(found));
        at += strspn(at, ": ");
        char scratch[8];
        const bool hit = strcmp(found, key) == 0;
        at = skip_scalar(at, hit ? out : scratch, hit ? room : sizeof(scratch));
        if (hit && strcmp(out, "null") == 0)
            *out = '\0';
        if (hit)
            return *out;
    }
    return false;
}

static double json_number(const char *line, const char *key)
{
    char text[64];
    return json_text(line, key, text, sizeof(text)) ? strtod(text, NULL) : 0;
}

static bool json_flag(const char *line, const char *key)
{
    char text[8];
    return json_text(line, key, text, sizeof(text)) && strcmp(text, "true") == 0;
}

static bool json_endpoint(const char *line, const char *side, struct endpoint *end)
{
    char key[32], addr[ADDR_TEXT];
    snprintf(key, sizeof(key), "%s_addr", side);
    if (!json_text(line, key, addr, sizeof(addr)))
        return false;
    snprintf(key, sizeof(key), "%s_port", side);
    return endpoint_from_text(addr, (uint16_t)json_number(line, key), end);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* Makes room for one more in a growing array. */
#define GROW(array, count)                                                                         \
    do {                                                                                           \
        if (((count) & ((count)-1)) == 0) {                                                        \
            const size_t room = (count) ? (size_t)(count)*2 : 1;                                   \
            void *bigger = realloc(array, room * sizeof(*(array)));                                \
            if (!bigger)                                                                           \
                abort();                                                                           \
            (array) = bigger;                                                                      \
        }                                                                                          \
    } while (0)

static bool read_packets(struct recording *recording, FILE *pcap)
{
    uint32_t file_header[6], header[4];
    uint8_t bytes[PACKET_ROOM];
    double first = 0;
    if (fread(file_header, sizeof(file_header), 1, pcap) != 1 || file_header[0] != 0xa1b23c4d)
        return false;
    while (fread(header, sizeof(header), 1, pcap) == 1) {
        if (header[2] > sizeof(bytes) || fread(bytes, header[2], 1, pcap) != 1)
            return false;
        const double time = header[0] + header[1] / 1e9;
        if (recording->packet_count == 0)
            first = time;
        GROW(recording->packets, recording->packet_count);
        struct packet *packet = &recording->packets[recording->packet_count++];
        segment_parse(bytes, header[2], &packet->segment);
        packet->time = time - first;
    }
    return true;
}

static void read_side(const char *line, const char *name, struct side *side)
{
    char key[32];
    memset(side, 0, sizeof(*side));
    json_endpoint(line, name, &side->end);
    json_text(line, name, side->state, sizeof(side->state));
    snprintf(key, sizeof(key), "%s_since", name);
    if (!json_text(line, key, side->since, sizeof(side->since)))
        json_text(line, name, side->since, sizeof(side->since));
    snprintf(key, sizeof(key), "%s_unheard", name);
    side->unheard = json_flag(line, key);
    snprintf(key, sizeof(key), "%s_hidden", name);
    json_text(line, key, side->hidden, sizeof(side->hidden));
    snprintf(key, sizeof(key), "%s_rfc", name);
    json_text(line, key, side->rfc, sizeof(side->rfc));
}

static void read_truth(struct recording *recording, FILE *truth)
{
    char line[LINE_ROOM];
    while (fgets(line, sizeof(line), truth)) {
        GROW(recording->records, recording->record_count);
        struct record *record = &recording->records[recording->record_count++];
        memset(record, 0, sizeof(*record));
        record->frame = (int)json_number(line, "frame");
        record->quiet = json_flag(line, "quiet");
        json_text(line, "from", record->from, sizeof(record->from));
        json_text(line, "fate", record->fate, sizeof(record->fate));
        json_text(line, "did", record->did, sizeof(record->did));
        for (int i = 0; i < 2; i++)
            read_side(line, side_names[i], &record->side[i]);
    }
}

static void read_events(struct recording *recording, FILE *events)
{
    char line[LINE_ROOM], type[32];
    while (fgets(line, sizeof(line), events)) {
        if (!json_text(line, "type", type, sizeof(type)) || strcmp(type, "transition") != 0)
            continue;
        GROW(recording->events, recording->event_count);
        struct event *event = &recording->events[recording->event_count++];
        memset(event, 0, sizeof(*event));
        event->frame = (int)json_number(line, "frame");
        event->conn = (int)json_number(line, "conn");
        event->time = json_number(line, "t");
        json_endpoint(line, "client", &event->end[0]);
        json_endpoint(line, "server", &event->end[1]);
        json_text(line, "client_state", event->state[0], sizeof(event->state[0]));
        json_text(line, "server_state", event->state[1], sizeof(event->state[1]));
    }
}

/* ---- judging ----------------------------------------------------------------------------------
 */

static bool contains(const char *list, const char *state)
{
    const size_t length = strlen(state);
    for (const char *at = list; length && (at = strstr(at, state)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static bool is_unknown(const char *state)
{
    return strcmp(state, "UNKNOWN") == 0;
}

/* The index of END in EVENT, if EVENT is of the connection END-PEER; else -1. */
static int index_in(const struct event *event, const struct endpoint *end,
                    const struct endpoint *peer)
{
    for (int i = 0; i < 2; i++)
        if (endpoint_equal(&event->end[i], end) && endpoint_equal(&event->end[!i], peer))
            return i;
    return -1;
}

/*
 * What finwait shows for END after COUNT events, by its newest connection of that tuple below the
 * number BELOW.  Returns that connection's number, 0 for none.
 */
static int find_shown(const struct recording *recording, int count, int below,
                      const struct endpoint *end, const struct endpoint *peer,
                      char shown[static STATE_ROOM])
{
    int newest = 0;
    for (int i = 0; i < count; i++) {
        const struct event *event = &recording->events[i];
        const int index = index_in(event, end, peer);
        if (index < 0 || event->conn < newest || event->conn >= below)
            continue;
        newest = event->conn;
        memcpy(shown, event->state[index], STATE_ROOM);
    }
    return newest;
}

static bool side_agrees(const struct recording *recording, int count, struct side *side,
                        const struct endpoint *peer)
{
    char older[STATE_ROOM];
    int conn = find_shown(recording, count, 1 << 30, &side->end, peer, side->shown);
    if (conn == 0) { /* no connection is CLOSED, as in netstat */
        snprintf(side->shown, sizeof(side->shown), "none");
        return side->unheard || contains(side->since, "CLOSED") || contains(side->since, "LISTEN");
    }
    if (!is_unknown(side->shown))
        return contains(side->since, side->shown);
    if (side->unheard)
        return true;
    /* Not heard of in the new connection: the old one is what stands. */
    while ((conn = find_shown(recording, count, conn, &side->end, peer, older)))
        if (!is_unknown(older)) {
            memcpy(side->shown, older, sizeof(older));
            return contains(side->since, older);
        }
    return false;
}

static bool side_is_rfc(const struct side *side)
{
    const size_t length = strcspn(side->rfc, ",");
    return length && strlen(side->shown) == length && strncmp(side->rfc, side->shown, length) == 0;
}

static void judge_side(const struct recording *recording, int count, struct side *side,
                       const struct endpoint *peer, struct figures *figures)
{
    const bool agrees = side_agrees(recording, count, side, peer);
    if (side->hidden[0]) {
        figures->hidden++;
    } else if (!agrees && side_is_rfc(side)) {
        figures->rfc++;
    } else {
        figures->judged++;
        figures->agreed += agrees;
        side->wrong = !agrees;
    }
}

/* How many events had happened by then: those of the frames so far, and of timers before them. */
static int events_until(const struct recording *recording, const struct record *record, int from)
{
    const double now = record->frame <= recording->packet_count && record->frame > 0
                           ? recording->packets[record->frame - 1].time
                           : 0;
    for (; from < recording->event_count; from++) {
        const struct event *event = &recording->events[from];
        if (event->frame > record->frame || (event->frame == 0 && event->time > now))
            break;
    }
    return from;
}

/* ---- the account ------------------------------------------------------------------------------
 */

/* Sequence numbers as tcpdump shows them: from the first one seen of that end. */
static uint32_t first_seq(const struct recording *recording, const struct endpoint *from,
                          const struct endpoint *to)
{
    for (int i = 0; i < recording->packet_count; i++) {
        const struct segment *segment = &recording->packets[i].segment;
        if (segment->icmp)
            continue;
        if (endpoint_equal(&segment->from, from) && endpoint_equal(&segment->to, to) &&
            !(segment->flags & TCP_RST))
            return segment->seq;
        if (endpoint_equal(&segment->from, to) && endpoint_equal(&segment->to, from) &&
            (segment->flags & TCP_ACK))
            return segment->ack - 1;
    }
    return 0;
}

static void print_packet(const struct recording *recording, const struct record *record, FILE *out)
{
    if (record->quiet || record->frame > recording->packet_count) {
        fprintf(out, "  %3d  (quiet)%36s", record->frame, "");
        return;
    }
    const struct segment *segment = &recording->packets[record->frame - 1].segment;
    char flags[8], text[80];
    flags_text(segment->flags, flags);
    const uint32_t seq = segment->seq - first_seq(recording, &segment->from, &segment->to);
    const uint32_t ack = segment->ack - first_seq(recording, &segment->to, &segment->from);
    int n = snprintf(text, sizeof(text), "%s %s seq %d", record->from,
                     segment->icmp ? "ICMP" : flags, (int)seq);
    if (segment->payload_bytes && n > 0)
        n += snprintf(text + n, sizeof(text) - (size_t)n, ":%d",
                      (int)(seq + segment->payload_bytes));
    if ((segment->flags & TCP_ACK) && n > 0)
        snprintf(text + n, sizeof(text) - (size_t)n, " ack %d", (int)ack);
    fprintf(out, "  %3d  %-44s", record->frame, text);
}

static void print_record(const struct recording *recording, const struct record *record, FILE *out)
{
    const struct side *client = &record->side[0], *server = &record->side[1];
    if (record->did[0])
        fprintf(out, "       # %s\n", record->did);
    print_packet(recording, record, out);
    fprintf(out, " kernel %s / %s  finwait %s%s / %s%s%s%s\n", client->since, server->since,
            client->shown, client->wrong ? " (!)" : "", server->shown, server->wrong ? " (!)" : "",
            record->fate[0] ? "  " : "", record->fate);
    for (int i = 0; i < 2; i++)
        if (record->side[i].hidden[0])
            fprintf(out, "       (%s: %s)\n", side_names[i], record->side[i].hidden);
}

static bool same_connection(const struct record *a, const struct record *b)
{
    for (int i = 0; i < 2; i++)
        if (endpoint_equal(&a->side[0].end, &b->side[i].end) &&
            endpoint_equal(&a->side[1].end, &b->side[!i].end))
            return true;
    return false;
}

static void tell(const struct recording *recording, int wrong, FILE *out)
{
    const struct record *record = &recording->records[wrong];
    for (int i = 0; i < 2; i++)
        if (record->side[i].wrong)
            fprintf(out, "%s: %s %d: the %s's kernel was in %s, finwait shows %s\n",
                    recording->name, record->quiet ? "quiet after frame" : "frame", record->frame,
                    side_names[i], record->side[i].since, record->side[i].shown);
    for (int i = wrong > AROUND ? wrong - AROUND : 0; i <= wrong + 2 && i < recording->record_count;
         i++)
        if (same_connection(record, &recording->records[i]))
            print_record(recording, &recording->records[i], out);
}

static int judge(struct recording *recording, FILE *account, struct figures *figures)
{
    int count = 0, disagreements = 0, told = 0;
    for (int i = 0; i < recording->record_count; i++) {
        struct record *record = &recording->records[i];
        count = events_until(recording, record, count);
        *(record->quiet ? &figures->quiet : &figures->frames) += 1;
        for (int side = 0; side < 2; side++) {
            judge_side(recording, count, &record->side[side], &record->side[!side].end, figures);
            disagreements += record->side[side].wrong;
        }
    }
    for (int i = 0; i < recording->record_count && told < 3; i++) {
        if (!recording->records[i].side[0].wrong && !recording->records[i].side[1].wrong)
            continue;
        tell(recording, i, account);
        told++;
    }
    if (disagreements > told && told == 3)
        fprintf(account, "%s: %d sides disagree; the first 3 records are told\n", recording->name,
                disagreements);
    return disagreements;
}

int judge_recording(const char *name, FILE *pcap, FILE *truth, FILE *events, FILE *account,
                    struct figures *figures)
{
    struct recording recording = { .name = name };
    int disagreements = -1;
    if (read_packets(&recording, pcap)) {
        read_truth(&recording, truth);
        read_events(&recording, events);
        int last = 0;
        for (int i = 0; i < recording.record_count; i++)
            last = recording.records[i].frame;
        if (last == recording.packet_count)
            disagreements = judge(&recording, account, figures);
    }
    if (disagreements < 0)
        fprintf(account, "%s: the capture and its truth do not belong together\n", name);
    figures->recordings++;
    figures->right += disagreements == 0;
    free(recording.packets);
    free(recording.events);
    free(recording.records);
    return disagreements;
}

/* ---- finwait ----------------------------------------------------------------------------------
 */

static void become_finwait(const char *finwait, int pcap_fd, int out_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    lseek(pcap_fd, 0, SEEK_SET);
    dup2(pcap_fd, STDIN_FILENO);
    dup2(out_fd, STDOUT_FILENO);
    execlp(finwait, finwait, "--json", "-r", "-", (char *)NULL);
    fprintf(stderr, "%s: %s\n", finwait, strerror(errno));
    _exit(127);
}

FILE *run_finwait(const char *finwait, int pcap_fd, FILE *account)
{
    FILE *events = tmpfile(); /* nameless: nothing to clean up */
    int status = 0;
    if (!events)
        return NULL;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        become_finwait(finwait, pcap_fd, fileno(events));
    if (child < 0 || waitpid(child, &status, 0) < 0)
        status = -1;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code != 0 && code != 4) { /* 4: partial, such as a capture without TCP */
        fprintf(account, "%s failed with status %d\n", finwait, code);
        fclose(events);
        return NULL;
    }
    rewind(events);
    return events;
}

void figures_print(const struct figures *figures, FILE *out)
{
    const double percent = figures->judged ? 100.0 * figures->agreed / figures->judged : 100.0;
    fprintf(out,
            "%d frames and %d quiet moments: %d states judged, %d agree (%.2f %%); "
            "%d hidden, %d by the RFC; %d of %d recordings wholly right\n",
            figures->frames, figures->quiet, figures->judged, figures->agreed, percent,
            figures->hidden, figures->rfc, figures->right, figures->recordings);
}
