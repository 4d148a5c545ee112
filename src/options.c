#include "options.h"

#include "commands.h"
#include "diagnose.h"
#include "quantity.h"
#include "suggest.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option {
    OPT_ALLOW_PARTIAL,
    OPT_BUFFER,
    OPT_CHECKSUM,
    OPT_COLOR,
    OPT_COUNT,
    OPT_DIRECTION,
    OPT_EVERY,
    OPT_EXIT_CODE,
    OPT_EXPLAIN,
    OPT_FILE,
    OPT_FILTER_FILE,
    OPT_FOLLOW,
    OPT_FOR,
    OPT_FORMAT,
    OPT_GOLDEN,
    OPT_HELP,
    OPT_IDLE,
    OPT_INTERFACE,
    OPT_JSON,
    OPT_LADDER,
    OPT_LINE_BUFFERED,
    OPT_LINK_TYPE,
    OPT_LISTENERS,
    OPT_LIST_INTERFACES,
    OPT_MAX_CONNS,
    OPT_MAX_MEM,
    OPT_METRICS,
    OPT_MIN_COUNT,
    OPT_MSL,
    OPT_NAMES,
    OPT_NO_PROMISCUOUS,
    OPT_NUMBERS,
    OPT_ONLY,
    OPT_QUIET,
    OPT_RESOLVE,
    OPT_SANDBOX,
    OPT_SELECT,
    OPT_SNAPLEN,
    OPT_SPEED,
    OPT_STATE,
    OPT_THREADS,
    OPT_TIME,
    OPT_TIMERS,
    OPT_UPDATE,
    OPT_USER,
    OPT_VERBOSE,
    OPT_VERSION,
    OPT_WRITE,
};

enum { WHOLE_PACKET = 262144 }; /* MAXIMUM_SNAPLEN of libpcap */

enum takes { NOTHING, A_VALUE, MAYBE_A_VALUE /* only as --name=value */ };

struct option_row {
    enum option option;
    char letter;      /* 0: none */
    const char *name; /* without the dashes; NULL: none */
    enum takes takes;
};

/* tcpdump's letters mean what they mean in tcpdump, and so do its long names. */
static const struct option_row rows[] = {
    { OPT_BUFFER, 'B', "buffer-size", A_VALUE },
    { OPT_COUNT, 'c', NULL, A_VALUE },
    { OPT_LIST_INTERFACES, 'D', "list-interfaces", NOTHING },
    { OPT_FILTER_FILE, 'F', NULL, A_VALUE },
    { OPT_HELP, 'h', "help", NOTHING },
    { OPT_INTERFACE, 'i', "interface", A_VALUE },
    { OPT_LINE_BUFFERED, 'l', NULL, NOTHING },
    { OPT_RESOLVE, 'N', NULL, NOTHING },
    { OPT_NUMBERS, 'n', NULL, NOTHING },
    { OPT_NO_PROMISCUOUS, 'p', "no-promiscuous-mode", NOTHING },
    { OPT_DIRECTION, 'Q', "direction", A_VALUE },
    { OPT_QUIET, 'q', NULL, NOTHING },
    { OPT_FILE, 'r', NULL, A_VALUE },
    { OPT_SNAPLEN, 's', "snapshot-length", A_VALUE },
    { OPT_TIME, 't', NULL, NOTHING },
    { OPT_VERBOSE, 'v', NULL, NOTHING },
    { OPT_WRITE, 'w', NULL, A_VALUE },
    { OPT_SELECT, 'Y', NULL, A_VALUE },
    { OPT_LINK_TYPE, 'y', "linktype", A_VALUE },
    { OPT_USER, 'Z', "relinquish-privileges", A_VALUE },
    { OPT_ALLOW_PARTIAL, 0, "allow-partial", NOTHING },
    { OPT_CHECKSUM, 0, "checksum", NOTHING },
    { OPT_COLOR, 0, "color", MAYBE_A_VALUE },
    { OPT_EVERY, 0, "every", A_VALUE },
    { OPT_EXIT_CODE, 0, "exit-code", NOTHING },
    { OPT_EXPLAIN, 0, "explain", NOTHING },
    { OPT_FOLLOW, 0, "follow", NOTHING },
    { OPT_FOR, 0, "for", A_VALUE },
    { OPT_FORMAT, 0, "format", A_VALUE },
    { OPT_GOLDEN, 0, "golden", A_VALUE },
    { OPT_IDLE, 0, "idle", A_VALUE },
    { OPT_JSON, 0, "json", NOTHING },
    { OPT_LADDER, 0, "ladder", NOTHING },
    { OPT_LISTENERS, 0, "listeners", NOTHING },
    { OPT_MAX_CONNS, 0, "max-conns", A_VALUE },
    { OPT_MAX_MEM, 0, "max-mem", A_VALUE },
    { OPT_METRICS, 0, "metrics", A_VALUE },
    { OPT_MIN_COUNT, 0, "min-count", A_VALUE },
    { OPT_MSL, 0, "msl", A_VALUE },
    { OPT_NAMES, 0, "names", A_VALUE },
    { OPT_ONLY, 0, "only", A_VALUE },
    { OPT_SANDBOX, 0, "sandbox", A_VALUE },
    { OPT_SPEED, 0, "speed", A_VALUE },
    { OPT_STATE, 0, "state", A_VALUE },
    { OPT_THREADS, 0, "threads", A_VALUE },
    { OPT_TIMERS, 0, "timers", A_VALUE },
    { OPT_UPDATE, 0, "update", NOTHING },
    { OPT_USER, 0, "user", A_VALUE },
    { OPT_VERSION, 0, "version", NOTHING },
};
static const size_t row_count = sizeof rows / sizeof rows[0];

/* Words of an option's value, in the order of their enum. */
static const char *const format_words[] = { "text",  "json", "csv",   "tsv", "zeek",
                                            "human", "tap",  "junit", NULL };
static const char *const names_words[] = { "rfc", "kb", "ss", "netstat", NULL };
static const char *const color_words[] = { "auto", "always", "never", NULL };
static const char *const direction_words[] = { "inout", "in", "out", NULL };
static const char *const timers_words[] = { "rfc", "linux", NULL };
static const char *const sandbox_words[] = { "auto", "strict", "off", NULL };

struct parser {
    struct options *options;
    const char **words; /* what is no option */
    size_t word_count;
    size_t forced_from; /* words from here on came after "--": never a command */
    unsigned time_count;
    bool format_given, list_interfaces;
    char *error, *hint;
    size_t error_size, hint_size;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct parser *parser, const char *format,
                                                         ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(parser->error, parser->error_size, format, arguments);
    va_end(arguments);
    return false;
}

__attribute__((format(printf, 2, 3))) static void advise(struct parser *parser, const char *format,
                                                         ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(parser->hint, parser->hint_size, format, arguments);
    va_end(arguments);
}

/* ------------------------------------------------------------------------------------ values -- */

static bool set_duration(struct parser *parser, const char *name, const char *text, bool zero,
                         int64_t *ns)
{
    if (!quantity_duration(text, ns))
        return refuse(parser, "%s %s: not a number of seconds (such as 30, 1.5, 200ms, 2m)", name,
                      text);
    if (*ns == 0 && !zero)
        return refuse(parser, "%s %s: must be more than 0", name, text);
    return true;
}

static bool set_size(struct parser *parser, const char *name, const char *text, uint64_t unit,
                     uint64_t *value)
{
    if (!quantity_size(text, unit, value))
        return refuse(parser, "%s %s: not a number above 0 (K, M, G may follow)", name, text);
    return true;
}

static bool set_u32(struct parser *parser, const char *name, const char *text, uint32_t most,
                    uint32_t *value)
{
    uint64_t number;

    if (!quantity_size(text, 1024, &number) || number > most)
        return refuse(parser, "%s %s: not a number from 1 to %u", name, text, most);
    *value = (uint32_t)number;
    return true;
}

/* "max", or how many times as fast as it was. */
static bool set_speed(struct parser *parser, const char *name, const char *text)
{
    const size_t length = strlen(text);
    char *end;

    parser->options->speed_given = true;
    parser->options->speed = 0;
    if (strcmp(text, "max") == 0)
        return true;
    parser->options->speed = strtod(text, &end);
    if (length == 0 || strspn(text, "0123456789.") != length || *end ||
        parser->options->speed < 0.001 || parser->options->speed > 1e6)
        return refuse(parser, "%s %s: not a number from 0.001 to 1000000, nor max", name, text);
    return true;
}

/* The index of `text` among `words`, or -1 after refusing it. */
static int choose(struct parser *parser, const char *name, const char *text,
                  const char *const *words)
{
    struct suggestion suggestion;
    char known[64] = "", mean[96];

    suggestion_init(&suggestion, text);
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
        suggestion_offer(&suggestion, words[i]);
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 words[i]);
    }
    refuse(parser, "%s %s: unknown%s (%s)", name, text,
           suggestion_text(&suggestion, mean, sizeof mean), known);
    return -1;
}

static bool set_format(struct parser *parser, enum output_format format)
{
    if (parser->format_given && parser->options->format != format)
        return refuse(parser, "--json and --format contradict each other");
    parser->format_given = true;
    parser->options->format = format;
    return true;
}

/* --only KIND[,KIND...], which may be repeated. */
static bool set_kinds(struct parser *parser, const char *name, const char *text)
{
    struct suggestion suggestion;
    char mean[96];

    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        enum finding_kind kind;
        char word[48];

        snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 47, at);
        if (!finding_kind_find(at, length, &kind)) {
            suggestion_init(&suggestion, word);
            for (size_t i = 0; i < FINDING_KIND_COUNT; i++)
                suggestion_offer(&suggestion, finding_kinds[i].name);
            advise(parser, "finwait diagnose --help lists the kinds");
            return refuse(parser, "%s: \"%s\" is no kind of finding%s", name, word,
                          suggestion_text(&suggestion, mean, sizeof mean));
        }
        parser->options->only_findings |= UINT64_C(1) << kind;
        at += length;
        if (*at == '\0')
            return true;
    }
}

/* ----------------------------------------------------------------------------------- options -- */

static bool set_once(struct parser *parser, const char *name, const char *value,
                     const char **target)
{
    if (*target)
        return refuse(parser, "%s is given twice (%s, %s)", name, *target, value);
    if (!*value)
        return refuse(parser, "%s: its value is empty", name);
    *target = value;
    return true;
}

static bool add_interface(struct parser *parser, const char *name, const char *value)
{
    struct options *options = parser->options;

    if (!*value)
        return refuse(parser, "%s: its value is empty", name);
    for (size_t i = 0; i < options->interface_count; i++)
        if (strcmp(options->interfaces[i], value) == 0)
            return refuse(parser, "%s is given twice (%s)", name, value);
    options->interfaces[options->interface_count++] = value;
    return true;
}

/* `name` is the option as the user wrote it. */
static bool set_option(struct parser *parser, enum option option, const char *name,
                       const char *value)
{
    struct options *options = parser->options;
    int choice;

    switch (option) {
    case OPT_ALLOW_PARTIAL:
        options->allow_partial = true;
        return true;
    case OPT_BUFFER:
        return set_u32(parser, name, value, UINT32_C(2097151), &options->buffer_kib);
    case OPT_CHECKSUM:
        options->checksum = true;
        return true;
    case OPT_COLOR:
        choice = value ? choose(parser, name, value, color_words) : COLOR_ALWAYS;
        options->color = choice < 0 ? COLOR_AUTO : (enum color_wish)choice;
        return choice >= 0;
    case OPT_COUNT:
        return set_size(parser, name, value, 1000, &options->max_packets);
    case OPT_DIRECTION:
        choice = choose(parser, name, value, direction_words);
        options->direction = choice < 0 ? LIVE_BOTH : (enum live_direction)choice;
        return choice >= 0;
    case OPT_EVERY:
        return set_duration(parser, name, value, false, &options->every_ns);
    case OPT_EXIT_CODE:
        options->exit_code = true;
        return true;
    case OPT_EXPLAIN:
        options->explain = true;
        return true;
    case OPT_FILE:
        if (!*value)
            return refuse(parser, "-r: its value is empty");
        options->files[options->file_count++] = value;
        return true;
    case OPT_FILTER_FILE:
        return set_once(parser, name, value, &options->filter_file);
    case OPT_FOLLOW:
        options->follow = true;
        return true;
    case OPT_FOR:
        return set_duration(parser, name, value, false, &options->for_ns);
    case OPT_GOLDEN:
        return set_once(parser, name, value, &options->golden);
    case OPT_FORMAT:
        choice = choose(parser, name, value, format_words);
        return choice >= 0 && set_format(parser, (enum output_format)choice);
    case OPT_HELP:
        options->help = true;
        return true;
    case OPT_IDLE:
        return set_duration(parser, name, value, true, &options->idle_ns);
    case OPT_INTERFACE:
        return add_interface(parser, name, value);
    case OPT_JSON:
        return set_format(parser, FORMAT_JSON);
    case OPT_LADDER:
        options->ladder = true;
        return true;
    case OPT_LINE_BUFFERED:
        options->line_buffered = true;
        return true;
    case OPT_LINK_TYPE:
        return set_once(parser, name, value, &options->link_type);
    case OPT_LISTENERS:
        options->listeners = true;
        return true;
    case OPT_LIST_INTERFACES:
        parser->list_interfaces = true;
        return true;
    case OPT_MAX_CONNS:
        return set_size(parser, name, value, 1000, &options->max_connections);
    case OPT_MAX_MEM:
        return set_size(parser, name, value, 1024, &options->max_memory_bytes);
    case OPT_METRICS:
        return set_once(parser, name, value, &options->metrics_file);
    case OPT_MIN_COUNT:
        return set_size(parser, name, value, 1000, &options->min_count);
    case OPT_MSL:
        return set_duration(parser, name, value, false, &options->msl_ns);
    case OPT_NAMES:
        choice = choose(parser, name, value, names_words);
        options->names = choice < 0 ? FW_NAMES_RFC : (enum fw_names)choice;
        return choice >= 0;
    case OPT_NO_PROMISCUOUS:
        options->no_promiscuous = true;
        return true;
    case OPT_NUMBERS: /* the default; -N is the opposite, the last one counts */
        options->resolve = false;
        return true;
    case OPT_ONLY:
        return set_kinds(parser, name, value);
    case OPT_QUIET:
        options->quiet = true;
        return true;
    case OPT_RESOLVE:
        options->resolve = true;
        return true;
    case OPT_SANDBOX:
        choice = choose(parser, name, value, sandbox_words);
        options->sandbox = choice < 0 ? SANDBOX_AUTO : (enum sandbox_mode)choice;
        return choice >= 0;
    case OPT_SELECT:
        return set_once(parser, name, value, &options->selection);
    case OPT_SNAPLEN: /* as tcpdump's: 0 is all of a packet */
        options->snaplen = WHOLE_PACKET;
        return strcmp(value, "0") == 0 ||
               set_u32(parser, name, value, WHOLE_PACKET, &options->snaplen);
    case OPT_SPEED:
        return set_speed(parser, name, value);
    case OPT_STATE:
        return set_once(parser, name, value, &options->states);
    case OPT_THREADS:
        return set_u32(parser, name, value, 1024, &options->threads);
    case OPT_TIME:
        parser->time_count++;
        return true;
    case OPT_TIMERS:
        choice = choose(parser, name, value, timers_words);
        options->timers = choice < 0 ? TIMERS_RFC : (enum timer_set)choice;
        return choice >= 0;
    case OPT_UPDATE:
        options->update = true;
        return true;
    case OPT_USER:
        return set_once(parser, name, value, &options->user);
    case OPT_VERBOSE:
        options->verbose++;
        return true;
    case OPT_VERSION:
        options->version = true;
        return true;
    case OPT_WRITE:
        return set_once(parser, name, value, &options->write_file);
    }
    return false;
}

/* Whether the word after an option without its value was used. */
static bool take_value(struct parser *parser, const char *name, int argc, char *const *argv,
                       int *at, const char **value)
{
    if (*at + 1 >= argc)
        return refuse(parser, "%s needs a value", name);
    *value = argv[++*at];
    return true;
}

static bool refuse_long(struct parser *parser, const char *name, size_t length)
{
    struct suggestion suggestion;
    char typed[64];

    snprintf(typed, sizeof typed, "%.*s", length < sizeof typed ? (int)length : 0, name);
    suggestion_init(&suggestion, typed);
    for (size_t i = 0; i < row_count; i++)
        if (rows[i].name)
            suggestion_offer(&suggestion, rows[i].name);
    if (suggestion.best[0])
        return refuse(parser, "unknown option --%.*s; did you mean --%s?", (int)length, name,
                      suggestion.best);
    return refuse(parser, "unknown option --%.*s", (int)length, name);
}

static bool parse_long(struct parser *parser, int argc, char *const *argv, int *at)
{
    const char *name = argv[*at] + 2;
    const size_t length = strcspn(name, "=");
    const char *value = name[length] ? name + length + 1 : NULL;
    char shown[48];

    for (size_t i = 0; i < row_count; i++) {
        const struct option_row *row = &rows[i];

        if (!row->name || strlen(row->name) != length || memcmp(row->name, name, length) != 0)
            continue;
        snprintf(shown, sizeof shown, "--%s", row->name);
        if (row->takes == NOTHING && value)
            return refuse(parser, "%s takes no value", shown);
        if (row->takes == A_VALUE && !value && !take_value(parser, shown, argc, argv, at, &value))
            return false;
        return set_option(parser, row->option, shown, value);
    }
    return refuse_long(parser, name, length);
}

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < row_count; i++)
        if (rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

/* -nr FILE, -rFILE, -tttt */
static bool parse_letters(struct parser *parser, int argc, char *const *argv, int *at)
{
    for (const char *letter = argv[*at] + 1; *letter; letter++) {
        const struct option_row *row = find_letter(*letter);
        const char *value = NULL;
        char shown[3] = { '-', *letter, '\0' };

        if (!row) {
            if (letter == argv[*at] + 1 && strlen(letter) > 2)
                advise(parser, "long options have two dashes: -%s", argv[*at]);
            return isprint((unsigned char)*letter)
                       ? refuse(parser, "unknown option -%c", *letter)
                       : refuse(parser, "unknown option (byte 0x%02x)", (unsigned char)*letter);
        }
        if (row->takes == A_VALUE) {
            if (letter[1])
                value = letter + 1;
            else if (!take_value(parser, shown, argc, argv, at, &value))
                return false;
            return set_option(parser, row->option, shown, value);
        }
        if (!set_option(parser, row->option, shown, NULL))
            return false;
    }
    return true;
}

static bool parse_words(struct parser *parser, int argc, char *const *argv)
{
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];

        if (parser->forced_from == SIZE_MAX && strcmp(word, "--") == 0)
            parser->forced_from = parser->word_count;
        else if (parser->forced_from != SIZE_MAX || word[0] != '-' || word[1] == '\0')
            parser->words[parser->word_count++] = word;
        else if (word[1] == '-') {
            if (!parse_long(parser, argc, argv, &at))
                return false;
        } else if (!parse_letters(parser, argc, argv, &at))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------------- command and words -- */

/* The first word is a command's name, or it begins a filter (tcpdump's habit). */
static size_t find_command(struct parser *parser)
{
    struct options *options = parser->options;

    if (parser->list_interfaces) {
        options->command = command_find("interfaces");
        return 0;
    }
    if (parser->word_count && parser->forced_from != 0)
        options->command = command_find(parser->words[0]);
    if (options->command)
        return 1;
    options->command = &commands[0];
    return 0;
}

static bool is_available(const struct command *command)
{
    return command->view || command->run;
}

static char *join(const char **words, size_t count)
{
    size_t bytes = 1;
    char *text;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(words[i]) + 1;
    text = calloc(1, bytes);
    for (size_t i = 0; text && i < count; i++) {
        strcat(text, words[i]);
        if (i + 1 < count)
            strcat(text, " ");
    }
    return text;
}

/* Splits the words that are left into the command's own and the filter. */
static bool assign_words(struct parser *parser, size_t first)
{
    struct options *options = parser->options;
    const struct command *command = options->command;
    const size_t left = parser->word_count - first;

    if (!is_available(command))
        return refuse(parser, "%s: not in this version yet", command->name);
    options->operands = parser->words + first;
    options->operand_count = left < command->operands_max ? left : command->operands_max;
    if (options->help || options->version)
        return true;
    if (left < command->operands_min && !options->golden) {
        advise(parser, "finwait %s --help tells more", command->name);
        return refuse(parser, "%s: %s is missing", command->name, command->operands);
    }
    if (left > options->operand_count) {
        const char **words = options->operands + options->operand_count;

        if (!command->takes_filter)
            return refuse(parser, "%s: \"%s\" is one word too many", command->name, words[0]);
        options->filter = join(words, left - options->operand_count);
        if (!options->filter)
            return refuse(parser, "out of memory");
    }
    return true;
}

/* Words that were meant for something else than a filter. */
static bool looks_like_file(const char *word)
{
    static const char *const endings[] = { ".pcap", ".pcapng", ".cap", ".gz", ".zst", ".lz4" };
    const size_t length = strlen(word);

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t bytes = strlen(endings[i]);

        if (length > bytes && strcmp(word + length - bytes, endings[i]) == 0)
            return true;
    }
    return strchr(word, '/') != NULL;
}

static bool refuse_no_input(struct parser *parser)
{
    const struct options *options = parser->options;
    const char *name = options->command->name;
    const char *before = name ? " " : "", *shown = name ? name : "";
    struct suggestion suggestion;

    advise(parser,
           "try: finwait%s%s -r FILE, or finwait%s%s -i INTERFACE; finwait --help tells more",
           before, shown, before, shown);
    if (!options->filter)
        return refuse(parser, "no input: neither -r nor -i says what to read");
    if (looks_like_file(options->filter)) {
        advise(parser, "try: finwait%s%s -r %s", before, shown, options->filter);
        return refuse(parser, "no input: to read the file %s, put -r before it", options->filter);
    }
    suggestion_init(&suggestion, options->filter);
    for (size_t i = 1; !name && i < command_count; i++)
        suggestion_offer(&suggestion, commands[i].name);
    if (suggestion.best[0])
        return refuse(parser, "there is no command \"%s\"; did you mean %s?", options->filter,
                      suggestion.best);
    return refuse(parser,
                  "no input: \"%s\" is taken for a filter, and neither -r nor -i says what to read",
                  options->filter);
}

static bool check_verify(struct parser *parser, bool is_verify)
{
    const struct options *options = parser->options;
    const enum output_format format = options->format;

    if (!is_verify && (format == FORMAT_HUMAN || format == FORMAT_TAP || format == FORMAT_JUNIT))
        return refuse(parser, "--format %s belongs to finwait verify", format_words[format]);
    if (!is_verify && options->golden)
        return refuse(parser, "--golden belongs to finwait verify");
    if (options->update && !options->golden)
        return refuse(parser, "--update writes a golden file: it needs --golden FILE");
    if (is_verify && (format == FORMAT_CSV || format == FORMAT_TSV || format == FORMAT_ZEEK))
        return refuse(parser, "verify: --format is human, tap, junit or json, not %s",
                      format_words[format]);
    return true;
}

static bool check_live(struct parser *parser)
{
    const struct options *options = parser->options;
    const bool live = options->interface_count > 0;

    if (options->file_count && live)
        return refuse(parser, "-r and -i: read files or an interface, not both at once");
    for (size_t i = 0; options->interface_count > 1 && i < options->interface_count; i++)
        if (strcmp(options->interfaces[i], "any") == 0)
            return refuse(parser, "-i any captures on all interfaces: the others are among them");
    if (options->link_type && !live)
        return refuse(parser, "-y chooses a link type of an interface: it needs -i");
    if (options->direction != LIVE_BOTH && !live)
        return refuse(parser, "--direction chooses packets of an interface: it needs -i");
    if (options->follow && live)
        return refuse(parser, "--follow is for files that grow: -i never ends anyway");
    if (options->follow && options->file_count > 1)
        return refuse(parser, "--follow reads one file, or those that match one pattern: "
                              "-r 'trace*.pcap'");
    if (options->for_ns && !live && !options->follow)
        return refuse(parser, "--for ends a live capture: it needs -i or --follow");
    if (options->write_file && strcmp(options->write_file, "-") == 0) {
        advise(parser, "try: -w FILE; or -w /dev/fd/3, where the shell has 3>&1 >/dev/null");
        return refuse(parser, "-w -: standard output has finwait's own lines");
    }
    if (options->metrics_file && strcmp(options->metrics_file, "-") == 0)
        return refuse(parser, "--metrics -: it replaces a file by another, again and again");
    return true;
}

static bool check_compare(struct parser *parser)
{
    const struct options *options = parser->options;

    if (options->file_count) {
        advise(parser, "try: finwait compare -i any; what a capture shows: finwait diagnose -r %s",
               options->files[0]);
        return refuse(parser, "compare: -r %s: a capture has no kernel to be compared with",
                      options->files[0]);
    }
    if (options->format != FORMAT_TEXT && options->format != FORMAT_JSON)
        return refuse(parser, "compare: --format is text or json, not %s",
                      format_words[options->format]);
    return true;
}

static bool check_top(struct parser *parser, bool is_top)
{
    const struct options *options = parser->options;

    if (options->speed_given && !(is_top && options->file_count))
        return refuse(parser, "--speed plays a file: finwait top -r FILE --speed N|max");
    if (is_top && options->format != FORMAT_TEXT)
        return refuse(parser, "top is a screen: it cannot be --format %s",
                      format_words[options->format]);
    if (is_top && options->quiet)
        return refuse(parser, "top is a screen: -q leaves nothing of it");
    return true;
}

/* What cannot stand together. */
static bool check_options(struct parser *parser)
{
    struct options *options = parser->options;
    const struct command *command = options->command;
    const bool is_table = command->name && strcmp(command->name, "table") == 0;
    const bool is_show = command->name && strcmp(command->name, "show") == 0;
    const bool is_diagnose = command->view == &view_diagnose;
    const bool is_verify = command->name && strcmp(command->name, "verify") == 0;
    const bool is_compare = command->view == &view_compare;

    static const enum time_style styles[] = { TIME_RELATIVE, TIME_NONE, TIME_EPOCH,
                                              TIME_DELTA,    TIME_DATE, TIME_RELATIVE_NANO };
    if (parser->time_count >= sizeof styles / sizeof styles[0])
        return refuse(parser, "-t: at most five of them (-ttttt)");
    options->time_style = styles[parser->time_count];

    if (!command->view)
        return true;
    if (!check_verify(parser, is_verify))
        return false;
    if (is_compare && !check_compare(parser))
        return false;
    if (!options->file_count && !options->interface_count)
        return refuse_no_input(parser);
    if (!check_live(parser))
        return false;
    if (options->filter && options->filter_file)
        return refuse(parser, "two filters: -F %s and \"%s\"", options->filter_file,
                      options->filter);
    if (options->every_ns &&
        !((is_table || is_compare) && (options->interface_count || options->follow)))
        return refuse(parser, "--every repeats the table of an interface: finwait table -i IF "
                              "--every SEC");
    if (!check_top(parser, command->view == &view_top))
        return false;
    if (options->listeners && !is_table)
        return refuse(parser, "--listeners belongs to finwait table");
    if (options->ladder && !is_show)
        return refuse(parser, "--ladder belongs to finwait show");
    if (options->explain && !is_show)
        return refuse(parser, "--explain belongs to finwait show");
    if (options->explain && options->format != FORMAT_TEXT)
        return refuse(parser, "--explain is text: it cannot be --format %s",
                      format_words[options->format]);
    if ((options->only_findings || options->min_count || options->exit_code) && !is_diagnose)
        return refuse(parser, "%s belongs to finwait diagnose",
                      options->only_findings ? "--only"
                      : options->min_count   ? "--min-count"
                                             : "--exit-code");
    if (is_diagnose && options->format != FORMAT_TEXT && options->format != FORMAT_JSON)
        return refuse(parser, "findings are text or --json: they cannot be --format %s",
                      format_words[options->format]);
    if (options->ladder && options->format != FORMAT_TEXT)
        return refuse(parser, "--ladder is text: it cannot be --format %s",
                      format_words[options->format]);
    if (options->quiet && options->format != FORMAT_TEXT && options->format != FORMAT_HUMAN &&
        options->format != FORMAT_JSON)
        return refuse(parser, "-q prints the summary only, and --format %s has none",
                      format_words[options->format]);
    return true;
}

bool options_parse(struct options *options, int argc, char *const *argv, char *error,
                   size_t error_size, char *hint, size_t hint_size)
{
    struct parser parser = {
        .options = options,
        .forced_from = SIZE_MAX,
        .error = error,
        .error_size = error_size,
        .hint = hint,
        .hint_size = hint_size,
    };

    *options = (struct options){ .msl_ns = -1, .idle_ns = -1 };
    error[0] = hint[0] = '\0';
    /* One array holds all: -r values from its start, -i values, words after the room for them. */
    options->files = calloc(3 * (size_t)argc + 1, sizeof *options->files);
    if (!options->files)
        return refuse(&parser, "out of memory");
    options->interfaces = options->files + argc;
    parser.words = options->files + 2 * argc;

    return parse_words(&parser, argc, argv) && assign_words(&parser, find_command(&parser)) &&
           (options->help || options->version || check_options(&parser));
}

void options_finish(struct options *options)
{
    free(options->files);
    free(options->filter);
    options->files = NULL;
    options->filter = NULL;
}
