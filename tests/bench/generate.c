/*
 * Writes a capture for the benchmark, and beside it (FILE.json) an account of what is in it, which
 * finwait's answer must equal. The same arguments give the same bytes. How the connections of a
 * capture go is in workload.c; here they are interleaved: each packet is the next one of a
 * connection drawn from those that are being worked on.
 */
#include "capture_file.h"
#include "frame.h"
#include "workload.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MICROSECOND INT64_C(1000)
#define SECOND      INT64_C(1000000000)

enum { EXIT_USAGE = 2, SCRIPTS_MAX = 16, SERVERS_MAX = 4096 };

static const int64_t FIRST_TIME_NS = 1767225600 * SECOND; /* 2026-01-01T00:00:00Z */
static const int64_t SYN_TIMEOUT_NS = 75 * SECOND;        /* docs/states.md, "Timers" */

struct options {
    const struct workload *workload;
    const char *file;
    double scale;
    uint64_t seed;
    uint32_t connections; /* 0: as the scale says */
    uint32_t repeats;     /* 0: as the scale says */
    int64_t gap_ns;       /* 0: the workload's */
};

/* What is left to send of one connection. Numbers are by enum side. */
struct connection {
    uint32_t number;
    uint32_t repeats_left;
    uint32_t seq[2]; /* the next to be sent: SND.NXT */
    uint32_t ts[2];  /* the last TSval */
    uint16_t ip_id[2];
    uint8_t script;
    uint8_t at; /* in its segments */
};

struct account {
    uint64_t packets, captured_bytes, sent_bytes;
    int64_t first_time_us, last_time_us;
    uint64_t scripts[SCRIPTS_MAX]; /* connections by script */
    bool answered[2][SERVERS_MAX]; /* servers, by IPv6, that sent a SYN+ACK */
    int64_t *unanswered_us;        /* when SYNs that nobody answers were sent */
    size_t unanswered;
};

struct generator {
    const struct options *options;
    const struct workload *workload;
    uint32_t connections, repeats;
    uint64_t random;
    int64_t time_ns, gap_ns;
    struct capture_file *file;
    struct payloads payloads;
    struct account account;
};

/* --------------------------------------------------------------------------------- randomness --
 */

/* splitmix64 (Steele, Lea, Flood 2014): a sequence, and its mixing as a hash. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint64_t next_random(struct generator *generator)
{
    generator->random += UINT64_C(0x9e3779b97f4a7c15);
    return mix(generator->random);
}

static uint32_t below(uint32_t random, uint32_t limit)
{
    return (uint32_t)((uint64_t)random * limit >> 32);
}

/* What is fixed for a connection is drawn from its number, so that it need not be kept. */
enum draw { DRAW_SCRIPT, DRAW_SERVER, DRAW_SEQ, DRAW_TS, DRAW_IP_ID, DRAW_PORT, DRAW_CLIENT };

static uint64_t draw(const struct generator *generator, uint32_t number, enum draw what)
{
    return mix(mix(generator->options->seed ^ (uint64_t)what << 32) + number);
}

/* ---------------------------------------------------------------------------------- endpoints --
 */

/* A permutation of the numbers of 32 bits. */
static uint32_t permute(uint32_t value)
{
    value = (value ^ value >> 16) * UINT32_C(0x85ebca6b);
    value = (value ^ value >> 13) * UINT32_C(0xc2b2ae35);
    return value ^ value >> 16;
}

static bool is_public(uint32_t addr)
{
    const uint32_t net = addr >> 24;
    return net >= 1 && net <= 223 && net != 10 && net != 127 && addr >> 17 != 0xc612 >> 1;
}

/* Walking along the permutation until an address will do is a permutation of those that will do. */
static uint32_t spoofed_address(uint32_t number)
{
    uint32_t addr = UINT32_C(0x01000000) + number;

    do
        addr = permute(addr);
    while (!is_public(addr));
    return addr;
}

static void set_ipv4(uint8_t addr[16], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        addr[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void set_ipv6(uint8_t addr[16], uint8_t net, uint64_t interface)
{
    static const uint8_t documentation[4] = { 0x20, 0x01, 0x0d, 0xb8 };

    memset(addr, 0, 16);
    memcpy(addr, documentation, sizeof documentation);
    addr[5] = net;
    for (int i = 0; i < 8; i++)
        addr[8 + i] = (uint8_t)(interface >> (56 - 8 * i));
}

static uint32_t server_of(const struct generator *generator, uint32_t number, bool *ipv6)
{
    const uint64_t random = draw(generator, number, DRAW_SERVER);

    *ipv6 = below((uint32_t)random, 100) < generator->workload->ipv6_percent;
    return below((uint32_t)(random >> 32), generator->workload->servers);
}

/* No two connections have the same: 65 536 clients take their turns, in another order each time,
 * and go up by one port at each turn. */
static void tuple_of(const struct generator *generator, uint32_t number, struct tuple *tuple)
{
    const uint32_t turn = number >> 16;
    const uint32_t client =
        (number * 40503 ^ (uint32_t)draw(generator, turn, DRAW_CLIENT)) & 0xffff;
    const uint32_t server = server_of(generator, number, &tuple->ipv6);
    const bool spoofed = generator->workload->any_client;

    tuple->port[SERVER] = 80;
    tuple->port[CLIENT] = (uint16_t)(32768 + turn);
    if (spoofed)
        tuple->port[CLIENT] =
            (uint16_t)(1024 + below((uint32_t)draw(generator, number, DRAW_PORT), 64512));
    if (tuple->ipv6) {
        set_ipv6(tuple->addr[SERVER], 2, server + 1);
        set_ipv6(tuple->addr[CLIENT], 1, mix(spoofed ? number : client));
    } else {
        set_ipv4(tuple->addr[SERVER], UINT32_C(0xc6120000) + server + 1); /* 198.18.0.0/15 */
        set_ipv4(tuple->addr[CLIENT],
                 spoofed ? spoofed_address(number) : UINT32_C(0x0a010000) + client);
    }
}

/* ------------------------------------------------------------------------------- a connection --
 */

static uint8_t choose_script(const struct generator *generator, uint32_t number)
{
    const struct workload *workload = generator->workload;
    uint32_t total = 0, ticket;
    uint8_t script = 0;

    for (size_t i = 0; i < workload->script_count; i++)
        total += workload->scripts[i].weight;
    ticket = below((uint32_t)draw(generator, number, DRAW_SCRIPT), total);
    while (ticket >= workload->scripts[script].weight)
        ticket -= workload->scripts[script++].weight;
    return script;
}

static void begin(struct generator *generator, struct connection *connection, uint32_t number)
{
    const uint64_t seq = draw(generator, number, DRAW_SEQ);
    const uint64_t ip_id = draw(generator, number, DRAW_IP_ID);

    *connection = (struct connection){
        .number = number,
        .repeats_left = generator->repeats,
        .seq = { (uint32_t)seq, (uint32_t)(seq >> 32) },
        .ip_id = { (uint16_t)ip_id, (uint16_t)(ip_id >> 16) },
        .script = choose_script(generator, number),
    };
    generator->account.scripts[connection->script]++;
}

/* Passes parentheses; '\0' at the end. */
static char letter_of(struct connection *connection, const char *segments)
{
    while (segments[connection->at] == '(' || segments[connection->at] == ')') {
        if (segments[connection->at] == ')' && --connection->repeats_left > 0)
            connection->at = (uint8_t)(strchr(segments, '(') - segments);
        connection->at++;
    }
    return segments[connection->at];
}

static uint16_t flags_of(char letter)
{
    switch (letter) {
    case 'S':
        return SYN;
    case 's':
        return SYN | ACK;
    case 'D':
    case 'd':
        return PSH | ACK;
    case 'F':
    case 'f':
        return FIN | ACK;
    case 'R':
    case 'r':
        return RST | ACK;
    default:
        return ACK;
    }
}

static uint16_t payload_bytes(struct generator *generator, bool ipv6, bool more_follows)
{
    const uint16_t full = ipv6 ? FRAME_PAYLOAD_BYTES_IPV6 : FRAME_PAYLOAD_BYTES;

    if (more_follows)
        return full;
    return (uint16_t)(100 + below((uint32_t)next_random(generator), 1000));
}

static void set_payload(struct generator *generator, const char *letter, enum side from, bool ipv6,
                        struct segment *segment)
{
    const bool more_follows = letter[1] == letter[0];

    segment->payload_bytes = payload_bytes(
        generator, ipv6, more_follows || (generator->workload->full_segments && from == SERVER));
    if (more_follows)
        segment->flags &= (uint16_t)~PSH;
    if (from == CLIENT)
        segment->payload = PAYLOAD_REQUEST;
    else if (letter[-1] == 'D' || letter[-1] == 'a')
        segment->payload = PAYLOAD_RESPONSE;
    else
        segment->payload = PAYLOAD_MORE;
}

/* Writes the connection's next segment. False: it was the last. */
static bool step(struct generator *generator, struct connection *connection)
{
    const char *const segments = generator->workload->scripts[connection->script].segments;
    const char letter = letter_of(connection, segments);
    const enum side from = letter >= 'a' ? SERVER : CLIENT;
    const uint64_t ts = draw(generator, connection->number, DRAW_TS) >> (from == SERVER ? 32 : 0);
    const int64_t time_us = generator->time_ns / MICROSECOND;
    struct account *account = &generator->account;
    struct tuple tuple;

    tuple_of(generator, connection->number, &tuple);
    connection->ts[from] =
        (uint32_t)ts + (uint32_t)((generator->time_ns - FIRST_TIME_NS) / (1000 * MICROSECOND));

    struct segment segment = {
        .seq = connection->seq[from],
        .ack = letter == 'S' ? 0 : connection->seq[!from],
        .ts_val = connection->ts[from],
        .ts_ecr = connection->ts[!from],
        .flags = flags_of(letter),
        .ip_id = connection->ip_id[from]++,
    };
    if (letter == 'D' || letter == 'd')
        set_payload(generator, segments + connection->at, from, tuple.ipv6, &segment);
    if (letter == 'r') { /* nobody listens: from no connection */
        segment.seq = 0;
        segment.plain = true;
    }
    connection->seq[from] +=
        segment.payload_bytes + (segment.flags & SYN ? 1u : 0u) + (segment.flags & FIN ? 1u : 0u);

    uint8_t *frame =
        capture_file_reserve(generator->file, FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES);
    uint32_t captured;
    const uint32_t sent = frame_write(frame, generator->workload->snaplen, &tuple, from, &segment,
                                      &generator->payloads, &captured);
    capture_file_add(generator->file, time_us, captured, sent);

    if (account->packets++ == 0)
        account->first_time_us = time_us;
    account->last_time_us = time_us;
    account->captured_bytes += captured;
    account->sent_bytes += sent;
    if (letter == 's') {
        bool ipv6;
        const uint32_t server = server_of(generator, connection->number, &ipv6);
        account->answered[ipv6][server] = true;
    }
    if (letter == 'S' && segments[1] == '\0')
        account->unanswered_us[account->unanswered++] = time_us;

    connection->at++;
    return letter_of(connection, segments) != '\0';
}

/* -------------------------------------------------------------------------------- the capture --
 */

static double segments_of(const struct script *script, uint32_t repeats)
{
    double count = 0;
    bool repeated = false;

    for (const char *at = script->segments; *at; at++) {
        if (*at == '(' || *at == ')')
            repeated = *at == '(';
        else
            count += repeated ? repeats : 1;
    }
    return count;
}

static double expected_packets(const struct generator *generator)
{
    const struct workload *workload = generator->workload;
    double packets = 0, weights = 0;

    for (size_t i = 0; i < workload->script_count; i++) {
        const struct script *script = &workload->scripts[i];
        packets += script->weight * segments_of(script, generator->repeats);
        weights += script->weight;
    }
    return packets / weights * generator->connections;
}

static uint32_t scaled(uint32_t count, double scale)
{
    const double result = count * scale + 0.5;
    return result < 1 ? 1 : (uint32_t)result;
}

static void set_sizes(struct generator *generator)
{
    const struct workload *workload = generator->workload;
    const struct options *options = generator->options;
    double gap_ns;

    generator->connections =
        scaled(workload->connections, workload->scale_repeats ? 1 : options->scale);
    generator->repeats = scaled(workload->repeats, workload->scale_repeats ? options->scale : 1);
    if (options->connections)
        generator->connections = options->connections;
    if (options->repeats)
        generator->repeats = options->repeats;

    gap_ns = (double)workload->longest_ns / expected_packets(generator);
    generator->gap_ns = gap_ns < (double)workload->gap_ns ? (int64_t)gap_ns : workload->gap_ns;
    if (options->gap_ns)
        generator->gap_ns = options->gap_ns;
    generator->time_ns = FIRST_TIME_NS;
    generator->random = mix(options->seed);
}

static void interleave(struct generator *generator, struct connection *open, uint32_t open_count)
{
    uint32_t begun = 0;

    while (begun < open_count) {
        begin(generator, &open[begun], begun);
        begun++;
    }
    while (open_count > 0) {
        const uint64_t random = next_random(generator);
        struct connection *connection = &open[below((uint32_t)random, open_count)];

        if (step(generator, connection)) {
            /* it has more to send */
        } else if (begun < generator->connections) {
            begin(generator, connection, begun++);
        } else {
            *connection = open[--open_count];
        }
        generator->time_ns += below((uint32_t)(random >> 32), 2 * (uint32_t)generator->gap_ns + 1);
    }
}

/* ------------------------------------------------------------------------------------ account --
 */

struct totals {
    uint64_t connections, transitions, outcomes[OUTCOMES], listeners, timed_out;
};

/* SYNs that nobody answered until the timer of half-open connections ended them. */
static uint64_t count_timed_out(const struct account *account)
{
    uint64_t count = 0;

    for (size_t i = 0; i < account->unanswered; i++)
        if (account->last_time_us - account->unanswered_us[i] >= SYN_TIMEOUT_NS / MICROSECOND)
            count++;
    return count;
}

static struct totals count_totals(const struct generator *generator)
{
    const struct account *account = &generator->account;
    struct totals totals = { .timed_out = count_timed_out(account) };

    for (size_t i = 0; i < generator->workload->script_count; i++) {
        const struct script *script = &generator->workload->scripts[i];
        totals.connections += account->scripts[i];
        totals.transitions += account->scripts[i] * script->transitions;
        totals.outcomes[script->outcome] += account->scripts[i];
    }
    totals.transitions += totals.timed_out;
    for (size_t i = 0; i < SERVERS_MAX; i++)
        totals.listeners += (uint64_t)account->answered[0][i] + account->answered[1][i];
    return totals;
}

static void print_end(FILE *out, const char *separator, const struct script *script,
                      const char *client_state, uint64_t connections)
{
    fprintf(out,
            "%s\n  {\"client_state\": \"%s\", \"server_state\": \"%s\", \"client_path\": \"%s\", "
            "\"server_path\": \"%s\", \"connections\": %llu}",
            separator, client_state, script->server_state, script->client_path, script->server_path,
            (unsigned long long)connections);
}

static void print_ends(FILE *out, const struct generator *generator, uint64_t timed_out)
{
    const char *separator = "";

    fprintf(out, " \"ends\": [");
    for (size_t i = 0; i < generator->workload->script_count; i++) {
        const struct script *script = &generator->workload->scripts[i];
        const uint64_t connections = generator->account.scripts[i];
        const uint64_t timed = script->segments[1] == '\0' ? timed_out : 0;

        if (connections > timed) {
            print_end(out, separator, script, script->client_state, connections - timed);
            separator = ",";
        }
        if (timed > 0) {
            print_end(out, separator, script, "CLOSED", timed);
            separator = ",";
        }
    }
    fprintf(out, "]");
}

static void print_account(FILE *out, const struct generator *generator)
{
    const struct options *options = generator->options;
    const struct account *account = &generator->account;
    const struct totals totals = count_totals(generator);

    fprintf(out, "{\"workload\": \"%s\", \"scale\": %g, \"seed\": %llu,\n",
            generator->workload->name, options->scale, (unsigned long long)options->seed);
    fprintf(out, " \"packets\": %llu, \"captured_bytes\": %llu, \"sent_bytes\": %llu,\n",
            (unsigned long long)account->packets, (unsigned long long)account->captured_bytes,
            (unsigned long long)account->sent_bytes);
    fprintf(out, " \"duration_ns\": %lld,\n",
            (long long)((account->last_time_us - account->first_time_us) * MICROSECOND));
    fprintf(out, " \"connections\": %llu, \"transitions\": %llu, \"listeners\": %llu,\n",
            (unsigned long long)totals.connections, (unsigned long long)totals.transitions,
            (unsigned long long)totals.listeners);
    for (enum outcome i = 0; i < OUTCOMES; i++)
        fprintf(out, " \"%s\": %llu,\n", outcome_name(i), (unsigned long long)totals.outcomes[i]);
    print_ends(out, generator, totals.timed_out);
    fprintf(out, "}\n");
}

/* ------------------------------------------------------------------------------------ program --
 */

_Noreturn static void fail(int status, const char *format, ...)
{
    va_list arguments;

    fputs("generate: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

static void print_help(void)
{
    puts("usage: generate [OPTIONS] WORKLOAD FILE\n"
         "Writes a capture, and FILE.json, the account of what finwait must make of it.\n"
         "FILE ends with .pcap, .pcapng, .pcap.zst or .pcapng.zst.\n"
         "  --scale S        size of the workload, over 0, up to 2 (default: 1)\n"
         "  --seed N         of what is drawn (default: 1)\n"
         "  --connections N  instead of the workload's\n"
         "  --repeats N      of the data in each connection (many, bulk), instead of the "
         "workload's");
    fputs("workloads:", stdout);
    for (size_t i = 0; i < workload_count; i++)
        printf(" %s", workloads[i].name);
    putchar('\n');
}

static uint64_t parse_number(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;

    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < least || value > most)
        fail(EXIT_USAGE, "%s %s: a number from %llu to %llu is expected", option, text,
             (unsigned long long)least, (unsigned long long)most);
    return value;
}

static double parse_scale(const char *text)
{
    char *end;
    const double scale = strtod(text, &end);

    if (end == text || *end || !(scale > 0 && scale <= 2))
        fail(EXIT_USAGE, "--scale %s: a number over 0, up to 2 is expected", text);
    return scale;
}

static void parse(int argc, char **argv, struct options *options)
{
    static const struct option rows[] = {
        { "scale", required_argument, NULL, 's' },
        { "seed", required_argument, NULL, 'r' },
        { "connections", required_argument, NULL, 'c' },
        { "repeats", required_argument, NULL, 'n' },
        { "gap", required_argument, NULL, 'g' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int option;

    *options = (struct options){ .scale = 1, .seed = 1 };
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", rows, NULL)) >= 0) {
        switch (option) {
        case 's':
            options->scale = parse_scale(optarg);
            break;
        case 'r':
            options->seed = parse_number("--seed", optarg, 0, UINT64_MAX);
            break;
        case 'c':
            options->connections = (uint32_t)parse_number("--connections", optarg, 1, 100000000);
            break;
        case 'n':
            options->repeats = (uint32_t)parse_number("--repeats", optarg, 1, 100000000);
            break;
        case 'g':
            options->gap_ns = (int64_t)parse_number("--gap", optarg, 1, 1000000000);
            break;
        case 'h':
            print_help();
            exit(0);
        case ':':
            fail(EXIT_USAGE, "%s needs a value", argv[optind - 1]);
        default:
            fail(EXIT_USAGE, "%s is no option (--help tells more)", argv[optind - 1]);
        }
    }
    if (argc - optind != 2)
        fail(EXIT_USAGE, "a workload and a file are expected (--help tells more)");
    options->workload = workload_find(argv[optind]);
    if (!options->workload)
        fail(EXIT_USAGE, "%s is no workload (--help lists them)", argv[optind]);
    options->file = argv[optind + 1];
}

static void write_capture(struct generator *generator)
{
    const struct workload *workload = generator->workload;
    const uint32_t at_once =
        workload->at_once < generator->connections ? workload->at_once : generator->connections;
    struct connection *open = calloc(at_once, sizeof *open);
    const char *error;

    generator->account.unanswered_us = calloc(generator->connections, sizeof(int64_t));
    if (!open || !generator->account.unanswered_us)
        fail(EXIT_FAILURE, "out of memory");
    payloads_init(&generator->payloads);
    generator->file = capture_file_create(generator->options->file, workload->snaplen, &error);
    if (!generator->file)
        fail(EXIT_FAILURE, "%s: %s", generator->options->file, error);
    interleave(generator, open, at_once);
    if (!capture_file_close(generator->file))
        fail(EXIT_FAILURE, "%s: %s", generator->options->file, strerror(errno));
    free(open);
}

static void write_account(const struct generator *generator)
{
    char name[4096];
    FILE *out;

    if (snprintf(name, sizeof name, "%s.json", generator->options->file) >= (int)sizeof name)
        fail(EXIT_FAILURE, "%s: name too long", generator->options->file);
    out = fopen(name, "w");
    if (!out)
        fail(EXIT_FAILURE, "%s: %s", name, strerror(errno));
    print_account(out, generator);
    if (ferror(out) | fclose(out))
        fail(EXIT_FAILURE, "%s: %s", name, strerror(errno));
}

int main(int argc, char **argv)
{
    struct options options;
    struct generator *generator = calloc(1, sizeof *generator);

    parse(argc, argv, &options);
    if (!generator)
        fail(EXIT_FAILURE, "out of memory");
    generator->options = &options;
    generator->workload = options.workload;
    set_sizes(generator);
    write_capture(generator);
    write_account(generator);
    free(generator->account.unanswered_us);
    free(generator);
    return 0;
}
