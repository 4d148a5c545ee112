/*
 * tell OUT.pcapng: plays the stories into one capture, as a tap next to the clients would see it.
 * tell --names: the connections in order: name, client, server, separated by tabs.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_builder.h"
#include "packet_builder.h"
#include "story.h"

enum { ROUND_MS = 700, LINE_BYTES = 80, SCALE = 7 };

static const fw_time epoch = 1740992400 * FW_SECOND; /* 2025-03-03T09:00:00Z */

/* ---------------------------------------------------------------------------------- frames -- */

struct frame {
    fw_time time;
    size_t order;
    const char *name, *about; /* of the connection that begins here, else NULL */
    size_t bytes;
    uint8_t *data;
};

static struct frame *frames;
static size_t frame_count, frame_room;

static void demand(bool condition, const char *what, const char *where)
{
    if (condition)
        return;
    fprintf(stderr, "tell: %s: %s\n", what, where);
    exit(2);
}

static void keep(fw_time time, const struct packet *packet, const char *name, const char *about)
{
    if (frame_count == frame_room) {
        frame_room = frame_room * 2 + 64;
        frames = realloc(frames, frame_room * sizeof *frames);
        demand(frames != NULL, "no memory", "frames");
    }
    struct frame *frame = &frames[frame_count];
    *frame = (struct frame){ .time = time,
                             .order = frame_count++,
                             .name = name,
                             .about = about,
                             .bytes = packet->count,
                             .data = malloc(packet->count) };
    demand(frame->data != NULL, "no memory", "frame");
    memcpy(frame->data, packet->bytes, packet->count);
}

static int by_time(const void *left, const void *right)
{
    const struct frame *a = left, *b = right;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* ------------------------------------------------------------------------------------ ends -- */

/* What an end knows. */
struct end {
    const char *addr;
    uint16_t port;
    uint16_t window; /* as it is on the wire after the handshake */
    uint16_t ip_id;
    uint8_t ttl;
    uint32_t iss, nxt;             /* SND.NXT */
    uint32_t rcv, rcv_before;      /* RCV.NXT, and before the last segment that came */
    uint32_t ts_base;              /* its clock at the epoch, in milliseconds */
    uint32_t ts_recent, ts_before; /* of the other end, likewise */
    uint32_t last_seq;             /* of the segment to send again */
    uint32_t last_ack;             /* the number that it acknowledged last */
    bool opened, heard;            /* has sent, has received a SYN */
};

struct teller {
    const struct story *story;
    const char *script; /* a copy of the story's, cut into lines */
    struct end client, server;
    fw_time now;
    uint32_t random;
    const char *name, *about;     /* to be told with the next frame */
    struct packet sent_by_client; /* its last: what ICMP quotes */
};

struct line {
    char flags[8];
    uint32_t bytes;
    int64_t seq_offset, ack_offset;
    bool again, lost, unseen, crossed, forged, cookie;
};

static uint32_t draw(struct teller *teller)
{
    teller->random ^= teller->random << 13;
    teller->random ^= teller->random >> 17;
    teller->random ^= teller->random << 5;
    return teller->random;
}

static uint32_t clock_of(const struct teller *teller, const struct end *end)
{
    return end->ts_base + (uint32_t)((teller->now - epoch) / FW_MILLISECOND);
}

/* --------------------------------------------------------------------------------- packets -- */

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static bool is_ipv6(const struct story *story)
{
    return strchr(story->client, ':') != NULL;
}

/* The clients are on the wire of the tap, the servers behind a router. */
static void address_frame(struct packet *packet, const struct story *story, bool to_client)
{
    uint8_t client[16], macs[2][6] = { "\x02\x00\x00\x00\x00", "\x02\x00\x00\x00\x01" };
    demand(inet_pton(is_ipv6(story) ? AF_INET6 : AF_INET, story->client, client) == 1,
           "bad address", story->client);
    macs[0][5] = client[is_ipv6(story) ? 15 : 3];
    macs[1][5] = 1;
    memcpy(packet->bytes, macs[!to_client], 6);
    memcpy(packet->bytes + 6, macs[to_client], 6);
}

static void begin_frame(struct teller *teller, struct packet *packet, const char *from,
                        const char *to, uint16_t ip_id, uint8_t ttl)
{
    const struct story *story = teller->story;
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    address_frame(packet, story, strcmp(to, story->client) == 0);
    if (story->vlan)
        packet_vlan(packet, 0x8100, story->vlan);
    if (is_ipv6(story)) {
        packet_ipv6(packet, from, to);
    } else {
        packet_ipv4(packet, from, to);
        uint8_t *ip = packet->bytes + packet->layers[packet->layer_count - 1].at;
        put16(ip + 4, ip_id);
        put16(ip + 6, 0x4000); /* don't fragment */
    }
    uint8_t *ip = packet->bytes + packet->layers[packet->layer_count - 1].at;
    ip[is_ipv6(story) ? 7 : 8] = ttl;
}

/* What came over Ethernet is padded; what the tap's own host sends is not yet. */
static void end_frame(struct teller *teller, struct packet *packet, bool to_client)
{
    packet_finish(packet);
    if (to_client && packet->count < 60)
        packet->count = 60;
    keep(teller->now, packet, teller->name, teller->about);
    teller->name = teller->about = NULL;
}

/* Writes the options; returns their length. */
static size_t write_options(const struct teller *teller, const struct end *from,
                            const struct line *line, uint16_t flags, uint8_t options[40])
{
    const bool plain = teller->story->plain;
    const uint32_t echo = line->crossed ? from->ts_before : from->ts_recent;
    size_t count = 0;
    if (flags & FW_SYN) {
        memcpy(options, "\x02\x04", 2);
        put16(options + 2, is_ipv6(teller->story) ? 1440 : 1460);
        count = 4;
    }
    if (plain || line->forged || !from->opened)
        return count;
    if (!(flags & FW_SYN) && (flags & (FW_RST | FW_ACK)) == FW_RST)
        return 0; /* nobody's answer */
    memcpy(options + count, flags & FW_SYN ? "\x04\x02\x08\x0a" : "\x01\x01\x08\x0a", 4);
    put32(options + count + 4, clock_of(teller, from));
    put32(options + count + 8, from->heard ? echo : 0);
    count += 12;
    if (flags & FW_SYN) {
        memcpy(options + count, "\x01\x03\x03", 3);
        options[count + 3] = SCALE;
        count += 4;
    }
    if (line->cookie) {
        memcpy(options + count, "\x22\x0a\x5e\x0f\x1c\x93\x27\xb4\x68\xd1\x01\x01", 12);
        count += 12;
    }
    return count;
}

static void add_payload(const struct teller *teller, struct packet *packet, bool from_client,
                        uint32_t bytes)
{
    static const char request[] = "GET /report HTTP/1.1\r\nHost: example.net\r\nCookie: ";
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    const uint16_t port = teller->story->server_port;
    const char *head = port != 80 && port != 8080 ? "" : from_client ? request : response;
    const size_t head_bytes = strlen(head);
    const bool fits = head_bytes < bytes;
    packet_bytes(packet, head, fits ? head_bytes : 0);
    packet_bytes(packet, NULL, fits ? bytes - head_bytes : bytes);
    if (head == request && fits)
        memcpy(packet->bytes + packet->count - 4, "\r\n\r\n", 4);
}

/* -------------------------------------------------------------------------------- segments -- */

static uint16_t read_flags(const char *text)
{
    static const char letters[] = "FSRP.";
    uint16_t flags = 0;
    for (; *text; text++) {
        const char *letter = strchr(letters, *text);
        demand(letter != NULL, "unknown flags", text);
        flags |= (uint16_t)(1u << (letter - letters));
    }
    return flags;
}

static void deliver(struct teller *teller, const struct end *from, struct end *to, uint16_t flags,
                    uint32_t seq, uint32_t bytes)
{
    to->ts_before = to->ts_recent;
    to->ts_recent = clock_of(teller, from);
    to->rcv_before = to->rcv;
    if (flags & FW_SYN && !to->heard)
        to->rcv = seq + bytes;
    else if ((int32_t)(seq - to->rcv) <= 0 && (int32_t)(seq + bytes - to->rcv) > 0)
        to->rcv = seq + bytes;
    to->heard |= (flags & FW_SYN) != 0;
}

static void send_segment(struct teller *teller, bool from_client, const struct line *line)
{
    struct end *from = from_client ? &teller->client : &teller->server;
    struct end *to = from_client ? &teller->server : &teller->client;
    const uint16_t flags = read_flags(line->flags);
    const bool answers = (flags & (FW_RST | FW_ACK)) == FW_RST && !line->forged;
    const uint32_t bytes = line->bytes + !!(flags & FW_SYN) + !!(flags & FW_FIN);

    from->opened |= (flags & FW_SYN) != 0;
    uint32_t seq = line->again ? from->last_seq : from->nxt;
    if (answers)
        seq = to->last_ack;
    else if (!from->opened)
        seq = 0; /* a RST to a SYN */
    seq += (uint32_t)line->seq_offset;
    uint32_t ack = 0;
    if (flags & FW_ACK) {
        ack = (line->crossed ? from->rcv_before : from->rcv) + (uint32_t)line->ack_offset;
        from->last_ack = ack;
    }
    const bool from_socket = from->opened && !answers && !((flags & FW_SYN) && (flags & FW_ACK));
    const uint16_t ip_id = from_socket && !line->forged ? from->ip_id++ : 0;
    const uint16_t opening_window = teller->story->plain ? 64240 : from_client ? 64240 : 65160;
    const uint16_t window = flags & FW_SYN ? opening_window : flags & FW_RST ? 0 : from->window;

    struct packet packet;
    uint8_t options[40];
    begin_frame(teller, &packet, from->addr, to->addr, ip_id,
                (uint8_t)(line->forged ? 243 : from->ttl));
    packet_tcp(&packet,
               &(struct tcp){ .from = from->port,
                              .to = to->port,
                              .seq = seq,
                              .ack = ack,
                              .flags = flags,
                              .window = window,
                              .options_bytes = write_options(teller, from, line, flags, options),
                              .options = (const char *)options });
    add_payload(teller, &packet, from_client, line->bytes);
    if (!line->unseen)
        end_frame(teller, &packet, !from_client);
    if (from_client)
        teller->sent_by_client = packet;

    if (!line->again && !line->forged && !answers && line->seq_offset == 0 && bytes > 0) {
        from->last_seq = seq;
        from->nxt = seq + bytes;
    }
    if (!line->lost && !line->forged)
        deliver(teller, from, to, flags, seq, bytes);
}

/* A router quotes the client's last packet, from its IP header on. */
static void send_icmp(struct teller *teller, int type, int code, const char *router)
{
    const struct packet *quoted = &teller->sent_by_client;
    const size_t ip_at = teller->story->vlan ? 18 : 14;
    struct packet packet;
    begin_frame(teller, &packet, router, teller->story->client, (uint16_t)draw(teller), 254);
    packet_icmp(&packet, (uint8_t)type, (uint8_t)code);
    packet_bytes(&packet, quoted->bytes + ip_at, quoted->count - ip_at);
    end_frame(teller, &packet, true);
}

/* ---------------------------------------------------------------------------------- script -- */

static void open_anew(struct teller *teller, struct end *end, bool lower)
{
    end->iss = lower ? end->iss - 3000000 : end->nxt + 250000 + (draw(teller) & 0xffff);
    end->nxt = end->iss;
    end->opened = end->heard = false;
}

static void read_modifier(struct line *line, struct end *end, const char *word)
{
    const struct {
        const char *word;
        bool *value;
    } switches[] = {
        { "again", &line->again },     { "lost", &line->lost },     { "unseen", &line->unseen },
        { "crossed", &line->crossed }, { "forged", &line->forged }, { "cookie", &line->cookie },
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(word, switches[i].word) == 0) {
            *switches[i].value = true;
            return;
        }
    }
    if (strncmp(word, "seq", 3) == 0)
        line->seq_offset = strtoll(word + 3, NULL, 10);
    else if (strncmp(word, "ack", 3) == 0)
        line->ack_offset = strtoll(word + 3, NULL, 10);
    else if (strncmp(word, "win=", 4) == 0)
        end->window = (uint16_t)strtoul(word + 4, NULL, 10);
    else
        demand(word[0] >= '0' && word[0] <= '9', "unknown word", word);
    if (word[0] >= '0' && word[0] <= '9')
        line->bytes = (uint32_t)strtoul(word, NULL, 10);
}

static const char *next_word(char **rest, const char *text)
{
    const char *word = strtok_r(NULL, " ", rest);
    demand(word != NULL, "line too short", text);
    return word;
}

static void play_line(struct teller *teller, const char *text)
{
    char copy[LINE_BYTES], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", text);
    const long ms = strtol(strtok_r(copy, " ", &rest), NULL, 10);
    const char *who = next_word(&rest, text), *what = next_word(&rest, text);

    /* Nothing on a wire happens at the full millisecond. */
    teller->now += ms * FW_MILLISECOND + draw(teller) % 200000 + 11000;
    if (strcmp(who, "name") == 0) {
        teller->name = teller->story->script + (text - teller->script) + (what - copy);
        teller->about = "The same addresses and ports again.";
        return;
    }
    if (strcmp(who, "R") == 0) {
        const int code = atoi(next_word(&rest, text));
        send_icmp(teller, atoi(what), code, next_word(&rest, text));
        return;
    }
    demand(who[0] == 'C' || who[0] == 'S', "who?", text);
    struct end *end = who[0] == 'C' ? &teller->client : &teller->server;
    if (strcmp(what, "new") == 0 || strcmp(what, "lower") == 0) {
        open_anew(teller, end, what[0] == 'l');
        return;
    }
    struct line line = { 0 };
    snprintf(line.flags, sizeof line.flags, "%s", what);
    for (const char *word; (word = strtok_r(NULL, " ", &rest)) != NULL;)
        read_modifier(&line, end, word);
    send_segment(teller, who[0] == 'C', &line);
}

static void play(const struct story *story, size_t index)
{
    struct teller teller = {
        .story = story,
        .client = { story->client, story->client_port, 502, .ttl = 64 },
        .server = { story->server, story->server_port, 509, .ttl = 52 },
        .now = epoch + (fw_time)index * ROUND_MS * FW_MILLISECOND,
        .random = (uint32_t)(index + 1) * 2654435761u,
        .name = story->name,
        .about = story->about,
    };
    struct end *ends[] = { &teller.client, &teller.server };
    for (size_t i = 0; i < 2; i++) {
        draw(&teller);
        ends[i]->iss = ends[i]->nxt = draw(&teller);
        ends[i]->ts_base = draw(&teller) >> 4;
        ends[i]->ip_id = (uint16_t)draw(&teller);
        if (story->plain)
            ends[i]->window = 64240;
    }
    char *script = strdup(story->script), *rest = NULL;
    demand(script != NULL, "no memory", story->name);
    teller.script = script;
    for (char *line = strtok_r(script, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        demand(strlen(line) < LINE_BYTES, "line too long", line);
        play_line(&teller, line);
    }
    free(script);
}

/* ------------------------------------------------------------------------------------ main -- */

static int name_bytes(const struct frame *frame)
{
    return (int)strcspn(frame->name, "\n");
}

static void write_capture(const char *path)
{
    struct builder builder = { 0 };
    build_section(&builder, false);
    build_interface(&builder, &(struct interface_variant){ .link_type = LINK_ETHERNET,
                                                           .snaplen = 262144,
                                                           .tsresol = 9,
                                                           .name = "eth0" });
    for (size_t i = 0; i < frame_count; i++) {
        const struct frame *frame = &frames[i];
        char comment[256];
        if (frame->name)
            snprintf(comment, sizeof comment, "%.*s: %s", name_bytes(frame), frame->name,
                     frame->about);
        build_enhanced_with_comment(&builder, 0, (uint64_t)frame->time, frame->data,
                                    (uint32_t)frame->bytes, (uint32_t)frame->bytes,
                                    frame->name ? comment : NULL);
    }
    FILE *file = fopen(path, "wb");
    demand(file && fwrite(builder.bytes, 1, builder.count, file) == builder.count &&
               fclose(file) == 0,
           "cannot write", path);
    build_finish(&builder);
}

int main(int argc, char **argv)
{
    demand(argc == 2, "usage", "tell (OUT.pcapng | --names)");
    for (size_t i = 0; i < story_count; i++)
        play(&stories[i], i);
    qsort(frames, frame_count, sizeof *frames, by_time);
    if (strcmp(argv[1], "--names") != 0)
        write_capture(argv[1]);
    for (size_t i = 0; i < frame_count; i++) {
        if (frames[i].name && strcmp(argv[1], "--names") == 0)
            printf("%.*s\n", name_bytes(&frames[i]), frames[i].name);
        free(frames[i].data);
    }
    free(frames);
    return 0;
}
