/* BPF filters of offline packets: libpcap compiles the expression for each link type that comes up.
 */
#include <ctype.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source_fault.h"
#include "suggest.h"

enum {
    SNAPLEN = 262144,
    WORD_BYTES = 32,         /* longest word of the language, and more */
    NAMED_LINK_TYPES = 8,    /* so many that cannot be filtered get a line each */
    HIGHEST_LINK_TYPE = 299, /* that may be decoded */
};

/* The expression for one link type. */
struct program {
    struct bpf_program code;
    uint64_t left_out; /* packets, if it could not be compiled */
    uint16_t link_type;
    bool compiled;
    char why[160]; /* libpcap's words */
};

struct filter {
    char *expression;         /* NULL: matches all */
    struct program *programs; /* of link types that have come up, in that order */
    size_t count;
    struct program *prepared; /* compiled ahead; moves to `programs` when it comes up */
    size_t prepared_count;
    bool out_of_memory;
    uint32_t program_of[UINT16_MAX + 1]; /* by link type: index + 1 */
};

/* The DLT_ value of this system for a LINKTYPE_ value: the inverse of capture_link_type(). */
static int dlt_of(uint16_t link_type)
{
    switch (link_type) {
    case 100:
        return DLT_ATM_RFC1483;
    case 101:
        return DLT_RAW;
    case 102:
        return DLT_SLIP_BSDOS;
    case 103:
        return DLT_PPP_BSDOS;
    case 106:
        return DLT_ATM_CLIP;
    case 246:
        return DLT_PFSYNC;
    default:
        return link_type;
    }
}

static bool compile(const char *expression, int dlt, struct bpf_program *code, char *why,
                    size_t why_bytes)
{
    pcap_t *dead = pcap_open_dead(dlt, SNAPLEN);
    bool compiled = false;

    if (dead) {
        compiled = pcap_compile(dead, code, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
        snprintf(why, why_bytes, "%s", compiled ? "" : pcap_geterr(dead));
        pcap_close(dead);
    } else {
        snprintf(why, why_bytes, "out of memory");
    }
    return compiled;
}

/* Some expressions make sense on some link types only ("wlan type mgt"). */
static bool compiles_somewhere(const char *expression, char *why, size_t why_bytes)
{
    static const int others[] = { DLT_RAW,        DLT_LINUX_SLL, DLT_IEEE802_11, DLT_NULL,
                                  DLT_LINUX_SLL2, DLT_PFLOG,     DLT_MTP2,       DLT_SUNATM };
    char other_why[PCAP_ERRBUF_SIZE];
    struct bpf_program code;
    bool compiled = compile(expression, DLT_EN10MB, &code, why, why_bytes);

    for (size_t i = 0; !compiled && i < sizeof others / sizeof others[0]; i++)
        compiled = compile(expression, others[i], &code, other_why, sizeof other_why);
    if (compiled)
        pcap_freecode(&code);
    return compiled;
}

/* ----------------------------------------------------------------------------------- errors -- */

/* Words of pcap-filter(7). */
static const char *const keywords[] = {
    "aarp",     "ah",      "and",   "arp",       "atalk",   "broadcast", "clns",    "decnet",
    "dst",      "esis",    "esp",   "ether",     "fddi",    "gateway",   "geneve",  "greater",
    "host",     "icmp",    "icmp6", "igmp",      "igrp",    "inbound",   "ip",      "ip6",
    "ipx",      "isis",    "iso",   "lat",       "len",     "less",      "link",    "mask",
    "moprc",    "mopdl",   "mpls",  "multicast", "net",     "netbeui",   "not",     "or",
    "outbound", "pim",     "port",  "portrange", "pppoed",  "pppoes",    "proto",   "protochain",
    "rarp",     "sctp",    "src",   "stp",       "tcp",     "tr",        "type",    "udp",
    "vlan",     "vrrp",    "wlan",  "tcp-syn",   "tcp-fin", "tcp-rst",   "tcp-ack", "tcp-push",
    "tcpflags", "tcp-urg",
};

static bool is_keyword(const char *word)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (strcmp(word, keywords[i]) == 0)
            return true;
    }
    return false;
}

/* The expression with the first misspelt word put right, if libpcap then accepts it. */
static bool correct_spelling(const char *expression, char *corrected, size_t corrected_bytes)
{
    for (const char *at = expression; *at;) {
        const size_t bytes = strcspn(at, " \t\n()!&|=<>[]");
        char word[WORD_BYTES], why[PCAP_ERRBUF_SIZE];
        struct suggestion suggestion;

        if (bytes == 0 || bytes >= sizeof word || !isalpha((unsigned char)*at)) {
            at += bytes ? bytes : 1;
            continue;
        }
        snprintf(word, sizeof word, "%.*s", (int)bytes, at);
        suggestion_init(&suggestion, word);
        for (size_t i = 0; i < sizeof keywords / sizeof keywords[0] && !is_keyword(word); i++)
            suggestion_offer(&suggestion, keywords[i]);
        if (suggestion.best[0]) {
            snprintf(corrected, corrected_bytes, "%.*s%s%s", (int)(at - expression), expression,
                     suggestion.best, at + bytes);
            if (compiles_somewhere(corrected, why, sizeof why))
                return true;
        }
        at += bytes;
    }
    return false;
}

static bool is_wireshark_language(const char *expression)
{
    return strstr(expression, "==") || strstr(expression, "tcp.") || strstr(expression, "ip.");
}

static bool is_ss_language(const char *expression)
{
    return strstr(expression, "= :") || strstr(expression, "dport") ||
           strstr(expression, "sport") || strncmp(expression, "state ", 6) == 0;
}

static void hint_at_error(const char *expression, char *hint, size_t hint_bytes)
{
    char corrected[128];

    if (is_ss_language(expression))
        snprintf(hint, hint_bytes,
                 "conditions such as: state close-wait and dport = :443   go "
                 "after -Y; here packets are chosen: tcp port 443");
    else if (is_wireshark_language(expression))
        snprintf(hint, hint_bytes,
                 "that looks like Wireshark's display filters; here it is "
                 "tcpdump's language: tcp port 80 and host 10.0.0.1");
    else if (strlen(expression) < sizeof corrected - WORD_BYTES &&
             correct_spelling(expression, corrected, sizeof corrected))
        snprintf(hint, hint_bytes, "did you mean \"%s\"?", corrected);
    else
        snprintf(hint, hint_bytes,
                 "man 7 pcap-filter has the language; for example: "
                 "tcp port 443 and host 10.0.0.1");
}

/* "can't parse filter expression: syntax error" says the same twice. */
static const char *short_error(const char *error)
{
    static const char *const openings[] = { "can't parse filter expression: ",
                                            "syntax error in filter expression: " };

    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        if (strncmp(error, openings[i], strlen(openings[i])) == 0)
            return error + strlen(openings[i]);
    }
    return error;
}

/* "finwait lab.pcap" instead of "finwait -r lab.pcap"; libpcap would ask the DNS for it. */
static bool is_file_name(const char *expression)
{
    return strpbrk(expression, "./") && access(expression, F_OK) == 0;
}

static bool check_expression(const char *expression, struct source_fault *fault)
{
    char why[PCAP_ERRBUF_SIZE];

    if (is_file_name(expression)) {
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "",
                         "bad filter \"%.200s\": that is a file", expression);
        snprintf(fault->hint, sizeof fault->hint, "to read it: finwait -r %.200s", expression);
        return false;
    }
    if (compiles_somewhere(expression, why, sizeof why))
        return true;
    source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "bad filter \"%.200s\": %.128s",
                     expression, short_error(why));
    hint_at_error(expression, fault->hint, sizeof fault->hint);
    return false;
}

/* ---------------------------------------------------------------------------------- filter -- */

static bool is_blank(const char *expression)
{
    return !expression || expression[strspn(expression, " \t\r\n")] == '\0';
}

struct filter *filter_create(const char *expression, struct source_fault *fault)
{
    if (!is_blank(expression) && !check_expression(expression, fault))
        return NULL;

    struct filter *filter = calloc(1, sizeof *filter);
    if (filter && !is_blank(expression))
        filter->expression = strdup(expression);
    if (!filter || (!filter->expression && !is_blank(expression))) {
        free(filter);
        source_fault_set(fault, SOURCE_FAULT_UNREADABLE, "", "out of memory");
        return NULL;
    }
    return filter;
}

static void free_programs(struct program *programs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (programs[i].compiled)
            pcap_freecode(&programs[i].code);
    }
    free(programs);
}

void filter_destroy(struct filter *filter)
{
    if (!filter)
        return;
    free_programs(filter->programs, filter->count);
    free_programs(filter->prepared, filter->prepared_count);
    free(filter->expression);
    free(filter);
}

static void compile_program(const struct filter *filter, uint16_t link_type,
                            struct program *program)
{
    *program = (struct program){ .link_type = link_type };
    program->compiled = compile(filter->expression, dlt_of(link_type), &program->code, program->why,
                                sizeof program->why);
}

static struct program *add_program(struct filter *filter, uint16_t link_type)
{
    struct program *grown =
        realloc(filter->programs, (filter->count + 1) * sizeof *filter->programs);

    if (!grown) {
        filter->out_of_memory = true;
        return NULL;
    }
    filter->programs = grown;
    struct program *program = &filter->programs[filter->count++];
    filter->program_of[link_type] = (uint32_t)filter->count;
    for (size_t i = 0; i < filter->prepared_count; i++) {
        struct program *prepared = &filter->prepared[i];

        if (prepared->link_type != link_type)
            continue;
        *program = *prepared;
        prepared->compiled = false; /* its code has moved */
        return program;
    }
    compile_program(filter, link_type, program);
    return program;
}

/* Whether a word has letters and is not the language's: libpcap may ask the system for it. */
static bool has_names(const char *expression)
{
    for (const char *at = expression; *at;) {
        const size_t bytes = strcspn(at, " \t\n()!&|=<>[]");
        char word[WORD_BYTES];

        snprintf(word, sizeof word, "%.*s", (int)bytes, at);
        if (strpbrk(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
            (bytes >= sizeof word || !is_keyword(word)))
            return true;
        at += bytes ? bytes : 1;
    }
    return false;
}

void filter_prepare(struct filter *filter)
{
    if (!filter || !filter->expression || filter->prepared || !has_names(filter->expression))
        return;
    filter->prepared = calloc(HIGHEST_LINK_TYPE + 1, sizeof *filter->prepared);
    for (uint16_t type = 0; filter->prepared && type <= HIGHEST_LINK_TYPE; type++)
        if (fw_link_is_decoded(type))
            compile_program(filter, type, &filter->prepared[filter->prepared_count++]);
}

static struct program *find_program(struct filter *filter, uint16_t link_type)
{
    const uint32_t number = filter->program_of[link_type];

    return number ? &filter->programs[number - 1] : add_program(filter, link_type);
}

bool filter_match(struct filter *filter, const struct fw_packet *packet)
{
    if (!filter->expression)
        return true;
    struct program *program = find_program(filter, packet->link_type);
    if (!program)
        return false;
    if (!program->compiled) {
        program->left_out++;
        return false;
    }
    const struct pcap_pkthdr header = { .caplen = packet->captured_bytes,
                                        .len = packet->sent_bytes };
    return pcap_offline_filter(&program->code, &header, packet->data) != 0;
}

static void describe_left_out(const struct program *program, struct source_fault *fault)
{
    const char *name = pcap_datalink_val_to_name(dlt_of(program->link_type));

    source_fault_set(fault, SOURCE_FAULT_NOTICE, "",
                     "the filter cannot be applied to link type %u (%s): left out %" PRIu64
                     " packet%s; %s",
                     program->link_type, name ? name : "unknown", program->left_out,
                     program->left_out == 1 ? "" : "s", program->why);
}

bool filter_fault(const struct filter *filter, size_t index, struct source_fault *fault)
{
    size_t refused = 0;

    if (filter->out_of_memory && index-- == 0) {
        source_fault_set(fault, SOURCE_FAULT_PARTIAL, "",
                         "out of memory for the filter: packets were left out");
        return true;
    }
    for (size_t i = 0; i < filter->count; i++) {
        if (filter->programs[i].compiled || refused++ != index || index >= NAMED_LINK_TYPES)
            continue;
        describe_left_out(&filter->programs[i], fault);
        return true;
    }
    if (index != NAMED_LINK_TYPES || refused <= index)
        return false;
    source_fault_set(fault, SOURCE_FAULT_NOTICE, "",
                     "the filter cannot be applied to %zu more link types: left out their packets",
                     refused - index);
    return true;
}
