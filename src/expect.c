/* The expectation language: lines, quantifiers, checks. What holds is decided in expect_check.c. */
#include "expect.h"

#include "quantity.h"
#include "record.h"
#include "suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES = 512, TOLD_MAX = 20 };

struct reader {
    const char *line; /* the present one, a copy with a NUL at its end */
    unsigned number;
    const char *at;   /* after the present word */
    const char *word; /* the present word */
    size_t length;    /* 0: the end of the check */
    bool failed;      /* this line */
    size_t told;
    void (*tell)(void *context, const char *error);
    void *context;
    struct expectations *result;
    size_t room;
    char *name; /* for the next line */
    unsigned name_line;
};

/* The first error of a line says it. */
__attribute__((format(printf, 3, 4))) static void fail_at(struct reader *reader, const char *where,
                                                          const char *format, ...)
{
    char text[ERROR_BYTES];
    va_list arguments;

    if (reader->failed)
        return;
    reader->failed = true;
    if (reader->told++ >= TOLD_MAX)
        return;
    int used =
        snprintf(text, sizeof text, "%u:%zu: ", reader->number, (size_t)(where - reader->line) + 1);
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    reader->tell(reader->context, text);
}

static bool is_space(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r';
}

static const char *skip_space(const char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

static char *copy(struct reader *reader, const char *text, size_t length)
{
    char *copied = strndup(text, length);

    if (!copied)
        fail_at(reader, reader->line, "out of memory");
    return copied;
}

/* -------------------------------------------------------------------------------------- words --
 */

static const char signs[] = "<>=!";

/* A run of signs, or of anything else. */
static void next_word(struct reader *reader)
{
    reader->word = skip_space(reader->at);
    reader->length = strspn(reader->word, signs);
    if (reader->length == 0)
        reader->length = strcspn(reader->word, " \t\r<>=!");
    reader->at = reader->word + reader->length;
}

static bool word_is(const struct reader *reader, const char *word)
{
    return reader->length == strlen(word) && memcmp(reader->word, word, reader->length) == 0;
}

/* The present word for a message. */
static const char *shown(const struct reader *reader, char text[64])
{
    if (reader->length == 0)
        snprintf(text, 64, "the end");
    else
        snprintf(text, 64, "\"%.*s\"", reader->length > 40 ? 40 : (int)reader->length,
                 reader->word);
    return text;
}

static void suggest_to(const struct reader *reader, struct suggestion *suggestion, char typed[64])
{
    snprintf(typed, 64, "%.*s", reader->length < 64 ? (int)reader->length : 0, reader->word);
    suggestion_init(suggestion, typed);
}

/* "WHAT is missing before the end" or `"wihtin": WHAT is expected here; did you mean within?` */
static void fail_expected(struct reader *reader, const char *what, const char *const *words)
{
    struct suggestion suggestion;
    char typed[64], text[64], hint[96];

    suggest_to(reader, &suggestion, typed);
    for (; words && *words; words++)
        suggestion_offer(&suggestion, *words);
    if (reader->length == 0)
        fail_at(reader, reader->word, "%s is missing", what);
    else
        fail_at(reader, reader->word, "%s: %s is expected here%s", shown(reader, text), what,
                suggestion_text(&suggestion, hint, sizeof hint));
}

static bool read_duration(struct reader *reader, int64_t *ns)
{
    char text[32];

    snprintf(text, sizeof text, "%.*s", reader->length < sizeof text ? (int)reader->length : 0,
             reader->word);
    if (quantity_duration(text, ns))
        return true;
    fail_expected(reader, "a time (such as 50ms, 1.5s, 2m)", NULL);
    return false;
}

static bool read_comparison(struct reader *reader, enum comparison *comparison)
{
    static const struct {
        const char *word;
        enum comparison comparison;
    } rows[] = {
        { "=", CMP_EQ },  { "==", CMP_EQ }, { "!=", CMP_NE }, { "<", CMP_LT },
        { "<=", CMP_LE }, { ">", CMP_GT },  { ">=", CMP_GE },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (word_is(reader, rows[i].word)) {
            *comparison = rows[i].comparison;
            return true;
        }
    }
    fail_expected(reader, "a comparison (= != < <= > >=)", NULL);
    return false;
}

static const char *const side_words[] = { "client", "server", NULL };

static bool read_side(struct reader *reader, enum fw_side *side)
{
    for (enum fw_side known = FW_CLIENT; known <= FW_SERVER; known++) {
        if (word_is(reader, fw_side_name(known))) {
            *side = known;
            return true;
        }
    }
    fail_expected(reader, "client or server", side_words);
    return false;
}

static bool read_state(struct reader *reader, enum fw_state *state)
{
    struct suggestion suggestion;
    char typed[64], text[64], hint[96];

    if (reader->length == 0) {
        fail_at(reader, reader->word, "a state is missing");
        return false;
    }
    if (fw_state_parse(reader->word, reader->length, state))
        return true;
    suggest_to(reader, &suggestion, typed);
    for (int i = 0; i < FW_STATE_COUNT; i++)
        for (enum fw_names names = FW_NAMES_RFC; names <= FW_NAMES_NETSTAT; names++)
            suggestion_offer(&suggestion, fw_state_name((enum fw_state)i, names));
    fail_at(reader, reader->word, "%s: unknown state%s", shown(reader, text),
            suggestion_text(&suggestion, hint, sizeof hint));
    return false;
}

/* ------------------------------------------------------------------------------------- checks --
 */

static void read_handshake(struct reader *reader, struct check *check)
{
    static const char *const words[] = { "complete", "within", NULL };

    check->kind = CHECK_HANDSHAKE;
    check->limit_ns = -1;
    next_word(reader);
    if (word_is(reader, "within")) {
        next_word(reader);
        read_duration(reader, &check->limit_ns);
    } else if (!word_is(reader, "complete"))
        fail_expected(reader, "complete or within", words);
    next_word(reader);
}

static void read_closed_by(struct reader *reader, struct check *check)
{
    static const char *const words[] = { "client", "server", "both", NULL };

    next_word(reader);
    check->by_given = true;
    if (word_is(reader, "both"))
        check->by = FW_CLOSED_BY_BOTH;
    else if (word_is(reader, "client"))
        check->by = FW_CLOSED_BY_CLIENT;
    else if (word_is(reader, "server"))
        check->by = FW_CLOSED_BY_SERVER;
    else
        fail_expected(reader, "client, server or both", words);
    next_word(reader);
}

static void read_closed_with(struct reader *reader, struct check *check)
{
    static const char *const words[] = { "fin", "rst", NULL };

    next_word(reader);
    if (word_is(reader, "fin") || word_is(reader, "FIN"))
        check->with = CLOSED_WITH_FIN;
    else if (word_is(reader, "rst") || word_is(reader, "RST"))
        check->with = CLOSED_WITH_RST;
    else
        fail_expected(reader, "fin or rst", words);
    next_word(reader);
}

static void read_closed(struct reader *reader, struct check *check)
{
    static const char *const words[] = { "by", "with", NULL };

    check->kind = CHECK_CLOSED;
    next_word(reader);
    if (word_is(reader, "by"))
        read_closed_by(reader, check);
    if (word_is(reader, "with"))
        read_closed_with(reader, check);
    if (reader->length > 0)
        fail_expected(reader, check->by_given ? "with, or the end of the check," : "by or with",
                      words);
}

static void read_for(struct reader *reader, struct check *check)
{
    check->kind = CHECK_FOR;
    next_word(reader);
    if (!read_comparison(reader, &check->comparison))
        return;
    next_word(reader);
    read_duration(reader, &check->limit_ns);
    next_word(reader);
}

/* A path as the records have it: what comes before the first sign of life is left out. */
static void read_path(struct reader *reader, struct check *check)
{
    enum { PATH_STATES = 16 };
    enum fw_state state;
    uint64_t path = 0;
    unsigned count = 0;

    check->kind = CHECK_PATH;
    next_word(reader);
    if (!read_side(reader, &check->side))
        return;
    for (next_word(reader); reader->length > 0; next_word(reader)) {
        if (word_is(reader, ">")) /* as the records write it */
            continue;
        if (!read_state(reader, &state))
            return;
        if (count == 0 && state <= FW_LISTEN)
            continue;
        if (count == PATH_STATES) {
            fail_at(reader, reader->word, "a path has at most %d states", PATH_STATES);
            return;
        }
        path |= (uint64_t)state << (4 * count++);
    }
    if (count == 0)
        fail_at(reader, reader->word, "a state is missing");
    fw_path_text(path, check->path, sizeof check->path);
}

static void read_state_check(struct reader *reader, struct check *check)
{
    check->kind = CHECK_STATE;
    next_word(reader);
    if (!read_side(reader, &check->side))
        return;
    next_word(reader);
    read_state(reader, &check->state);
    next_word(reader);
}

/* tcpdump's letters; "none" is a segment without any. */
static bool read_flags(struct reader *reader, uint16_t *flags)
{
    static const char letters[] = "FSRP.UEWe";
    char text[64];

    *flags = 0;
    if (reader->length == 0) {
        fail_at(reader, reader->word, "flags (such as S, S., F., R) are missing");
        return false;
    }
    if (word_is(reader, "none"))
        return true;
    for (size_t i = 0; i < reader->length; i++) {
        const char *letter = strchr(letters, reader->word[i]);

        if (!letter || *letter == '\0') {
            fail_at(reader, reader->word + i,
                    "%s: not flags; tcpdump's letters are F S R P . U E W e", shown(reader, text));
            return false;
        }
        *flags |= (uint16_t)(1u << (letter - letters));
    }
    return true;
}

static void read_packets(struct reader *reader, struct check *check)
{
    check->kind = CHECK_PACKETS;
    check->packets = calloc(EXPECT_PACKETS_MAX, sizeof *check->packets);
    check->slot = reader->result->packet_checks++;
    if (!check->packets) {
        fail_at(reader, reader->word, "out of memory");
        return;
    }
    for (next_word(reader); reader->length > 0 && !reader->failed; next_word(reader)) {
        struct expected_packet *packet = &check->packets[check->packet_count];

        if (check->packet_count == EXPECT_PACKETS_MAX) {
            fail_at(reader, reader->word, "at most %d packets", EXPECT_PACKETS_MAX);
            return;
        }
        if (!word_is(reader, ">") && !word_is(reader, "<")) {
            fail_expected(reader, "> (from the client) or < (from the server)", NULL);
            return;
        }
        packet->from = *reader->word == '>' ? FW_CLIENT : FW_SERVER;
        next_word(reader);
        if (!read_flags(reader, &packet->flags))
            return;
        check->packet_count++;
    }
    if (check->packet_count == 0)
        fail_at(reader, reader->word, "> or < and flags (such as > S < S. > .) are missing");
}

static void read_no(struct reader *reader, struct check *check)
{
    static const char *const words[] = { "reset", "answer", NULL };

    next_word(reader);
    if (word_is(reader, "reset"))
        check->kind = CHECK_NO_RESET;
    else if (word_is(reader, "answer"))
        check->kind = CHECK_NO_ANSWER;
    else
        fail_expected(reader, "reset or answer", words);
    next_word(reader);
}

/* FIELD CMP VALUE is a condition of the filter language, and read by it. */
static void read_field(struct reader *reader, struct check *check)
{
    char error[256];
    size_t column;

    check->kind = CHECK_FIELD;
    check->condition = selection_parse_at(check->text, &column, error, sizeof error);
    if (!check->condition)
        fail_at(reader, reader->word + column - 1, "%s", error);
    else if (!selection_field(check->condition))
        fail_at(reader, reader->word, "one comparison is a check; a semicolon separates checks");
    else
        reader->result->wants_interop |= selection_wants_interop(check->condition);
    reader->length = 0;
}

static const struct {
    const char *word;
    void (*read)(struct reader *reader, struct check *check);
} check_words[] = {
    { "handshake", read_handshake },
    { "refused", NULL },
    { "no-answer", NULL },
    { "closed", read_closed },
    { "for", read_for },
    { "path", read_path },
    { "state", read_state_check },
    { "packets", read_packets },
    { "no", read_no },
    { "no-reset", NULL },
};
enum { CHECK_WORDS = sizeof check_words / sizeof check_words[0] };

static void fail_unknown_check(struct reader *reader)
{
    struct suggestion suggestion;
    char typed[64], text[64], hint[96];

    suggest_to(reader, &suggestion, typed);
    for (size_t i = 0; i < CHECK_WORDS; i++)
        suggestion_offer(&suggestion, check_words[i].word);
    for (size_t i = 0; i < record_field_count; i++)
        suggestion_offer(&suggestion, record_fields[i].name);
    if (reader->length == 0)
        fail_at(reader, reader->word, "a check is missing");
    else
        fail_at(reader, reader->word, "%s: unknown check%s", shown(reader, text),
                suggestion_text(&suggestion, hint, sizeof hint));
}

/* A check between *from and its end, which the copy in check->text has too. */
static void read_check(struct reader *reader, struct check *check)
{
    char text[64];

    next_word(reader);
    if (reader->length && record_find(reader->word, reader->length)) {
        read_field(reader, check);
        return;
    }
    for (size_t i = 0; i < CHECK_WORDS; i++) {
        if (!word_is(reader, check_words[i].word))
            continue;
        if (check_words[i].read)
            check_words[i].read(reader, check);
        else {
            check->kind = word_is(reader, "refused")     ? CHECK_REFUSED
                          : word_is(reader, "no-answer") ? CHECK_NO_ANSWER
                                                         : CHECK_NO_RESET;
            next_word(reader);
        }
        if (!reader->failed && reader->length > 0)
            fail_at(reader, reader->word, "%s: not expected here; a semicolon separates checks",
                    shown(reader, text));
        return;
    }
    fail_unknown_check(reader);
}

/* --------------------------------------------------------------------------------------- lines --
 */

/* The first of a letter outside quotes, or the end. */
static const char *find_outside_quotes(const char *at, char letter)
{
    char quote = '\0';

    for (; *at; at++) {
        if (quote)
            quote = *at == quote ? '\0' : quote;
        else if (*at == '"' || *at == '\'')
            quote = *at;
        else if (*at == letter)
            return at;
    }
    return at;
}

/* The colon between filter and checks: it stands alone, or else at the end of a word. */
static const char *find_colon(const char *filter)
{
    const char *at_end_of_word = NULL;

    for (const char *at = find_outside_quotes(filter, ':'); *at;
         at = find_outside_quotes(at + 1, ':')) {
        const bool before = at == filter || is_space(at[-1]);
        const bool after = at[1] == '\0' || is_space(at[1]);

        if (before && after)
            return at;
        if (after && !at_end_of_word)
            at_end_of_word = at;
    }
    return at_end_of_word;
}

static void read_checks(struct reader *reader, struct expectation *expectation, char *from)
{
    expectation->checks = calloc(EXPECT_CHECKS_MAX, sizeof *expectation->checks);
    if (!expectation->checks) {
        fail_at(reader, from, "out of memory");
        return;
    }
    for (;;) {
        char *end = (char *)find_outside_quotes(from, ';');
        const bool last = *end == '\0';
        const char *start = skip_space(from);
        size_t length = (size_t)(end - start);
        struct check *check = &expectation->checks[expectation->check_count];

        if (expectation->check_count == EXPECT_CHECKS_MAX) {
            fail_at(reader, start, "at most %d checks in a line", EXPECT_CHECKS_MAX);
            return;
        }
        while (length > 0 && is_space(start[length - 1]))
            length--;
        if (length == 0 && last && expectation->check_count > 0) /* a semicolon at the end */
            return;
        expectation->check_count++;
        check->text = copy(reader, start, length);
        *end = '\0';
        reader->at = from;
        if (!reader->failed)
            read_check(reader, check);
        if (reader->failed || last)
            return;
        from = end + 1;
    }
}

static void read_filter(struct reader *reader, struct expectation *expectation, const char *from,
                        const char *end)
{
    char error[256];
    size_t column;

    from = skip_space(from);
    while (end > from && is_space(end[-1]))
        end--;
    expectation->filter = copy(reader, from, end > from ? (size_t)(end - from) : 0);
    if (!expectation->filter || !*expectation->filter)
        return;
    expectation->selection = selection_parse_at(expectation->filter, &column, error, sizeof error);
    if (!expectation->selection) {
        fail_at(reader, from + column - 1, "%s", error);
        return;
    }
    expectation->states = selection_states(expectation->selection);
    reader->result->wants_interop |= selection_wants_interop(expectation->selection);
}

static const char *const quantifier_words[] = {
    [QUANTIFIER_ALL] = "all", [QUANTIFIER_ANY] = "any",         [QUANTIFIER_NONE] = "none",
    [QUANTIFIER_ONE] = "one", [QUANTIFIER_EXACTLY] = "exactly", [QUANTIFIER_AT_LEAST] = "at-least",
};

static void read_count(struct reader *reader, struct expectation *expectation)
{
    const size_t digits = strspn(skip_space(reader->at), "0123456789");

    next_word(reader);
    const uint64_t count = strtoull(reader->word, NULL, 10);
    if (digits == 0 || digits > 18)
        fail_expected(reader, "a number", NULL);
    else if (count == 0 && expectation->quantifier == QUANTIFIER_AT_LEAST)
        fail_at(reader, reader->word, "at-least 0 holds always");
    expectation->count = count;
    reader->at = reader->word + digits; /* "2:" is a number and a colon */
}

static bool read_quantifier(struct reader *reader, struct expectation *expectation)
{
    struct suggestion suggestion;
    char typed[64], text[64], hint[96];

    reader->at = reader->line;
    reader->word = skip_space(reader->at);
    reader->length = strcspn(reader->word, " \t\r:");
    reader->at = reader->word + reader->length;
    expectation->count = 1;
    for (int i = QUANTIFIER_ALL; i <= QUANTIFIER_AT_LEAST; i++) {
        if (!word_is(reader, quantifier_words[i]))
            continue;
        expectation->quantifier = (enum quantifier)i;
        if (i >= QUANTIFIER_EXACTLY)
            read_count(reader, expectation);
        return !reader->failed;
    }
    suggest_to(reader, &suggestion, typed);
    for (int i = QUANTIFIER_ALL; i <= QUANTIFIER_AT_LEAST; i++)
        suggestion_offer(&suggestion, quantifier_words[i]);
    suggestion_offer(&suggestion, "name");
    fail_at(reader, reader->word,
            "%s: a line begins with all, any, none, one, exactly N, "
            "at-least N or name%s",
            shown(reader, text), suggestion_text(&suggestion, hint, sizeof hint));
    return false;
}

static struct expectation *add(struct reader *reader)
{
    struct expectations *result = reader->result;

    if (result->count == reader->room) {
        const size_t room = reader->room ? 2 * reader->room : 16;
        struct expectation *list = realloc(result->list, room * sizeof *list);

        if (!list) {
            fail_at(reader, reader->line, "out of memory");
            return NULL;
        }
        result->list = list;
        reader->room = room;
    }
    result->list[result->count] = (struct expectation){ .line = reader->number };
    return &result->list[result->count++];
}

static void read_expectation(struct reader *reader, char *line, size_t length)
{
    struct expectation *expectation = add(reader);

    if (!expectation)
        return;
    expectation->name = reader->name;
    reader->name = NULL;
    expectation->text = copy(reader, line, length);
    if (!expectation->text || !read_quantifier(reader, expectation))
        return;
    const char *filter = reader->at;
    char *colon = (char *)find_colon(filter);
    if (!colon) {
        fail_at(reader, line + length, "\" : \" and a check are missing");
        return;
    }
    read_filter(reader, expectation, filter, colon);
    if (!reader->failed)
        read_checks(reader, expectation, colon + 1);
}

static void read_name(struct reader *reader, const char *words)
{
    size_t length = strlen(words);

    while (length > 0 && is_space(words[length - 1]))
        length--;
    if (length == 0)
        fail_at(reader, words, "name: its words are missing");
    else if (reader->name)
        fail_at(reader, words, "the name of line %u has no expectation", reader->name_line);
    else
        reader->name = copy(reader, words, length);
    reader->name_line = reader->number;
}

static void read_line(struct reader *reader, char *line)
{
    char *start = (char *)skip_space(line);
    size_t length = strlen(start);

    while (length > 0 && is_space(start[length - 1]))
        length--;
    if (length == 0 || *start == '#')
        return;
    if (strncmp(start, "name", 4) == 0 && (is_space(start[4]) || start[4] == '\0')) {
        read_name(reader, skip_space(start + 4));
        return;
    }
    *(char *)find_outside_quotes(start, '#') = '\0';
    length = strlen(start);
    while (length > 0 && is_space(start[length - 1]))
        length--;
    read_expectation(reader, start, length);
}

static bool read_lines(struct reader *reader, const char *text)
{
    bool good = true;

    for (reader->number = 1; *text; reader->number++) {
        const size_t length = strcspn(text, "\n");
        char *line = strndup(text, length);

        reader->failed = false;
        reader->line = line ? line : "";
        if (line)
            read_line(reader, line);
        else
            fail_at(reader, reader->line, "out of memory");
        good &= !reader->failed;
        free(line);
        text += length + (text[length] == '\n');
    }
    reader->failed = false;
    reader->line = "";
    if (reader->name) {
        reader->number = reader->name_line;
        fail_at(reader, reader->line, "the name has no expectation after it");
    } else if (good && reader->result->count == 0) {
        reader->number = 1;
        fail_at(reader, reader->line, "no expectation in it");
    }
    return good && !reader->failed;
}

struct expectations *
expectations_parse(const char *text, void (*tell)(void *context, const char *error), void *context)
{
    struct reader reader = {
        .tell = tell,
        .context = context,
        .result = calloc(1, sizeof(struct expectations)),
    };
    char more[64];

    if (!reader.result) {
        tell(context, "1:1: out of memory");
        return NULL;
    }
    const bool good = read_lines(&reader, text);
    free(reader.name);
    if (reader.told > TOLD_MAX) {
        snprintf(more, sizeof more, "%u:1: %zu more lines are wrong", reader.number,
                 reader.told - TOLD_MAX);
        tell(context, more);
    }
    if (good)
        return reader.result;
    expectations_destroy(reader.result);
    return NULL;
}

static void finish_check(struct check *check)
{
    free(check->text);
    free(check->packets);
    selection_destroy(check->condition);
}

void expectations_destroy(struct expectations *expectations)
{
    for (size_t i = 0; expectations && i < expectations->count; i++) {
        struct expectation *expectation = &expectations->list[i];

        for (size_t j = 0; j < expectation->check_count; j++)
            finish_check(&expectation->checks[j]);
        free(expectation->checks);
        free(expectation->name);
        free(expectation->text);
        free(expectation->filter);
        selection_destroy(expectation->selection);
    }
    if (expectations)
        free(expectations->list);
    free(expectations);
}

size_t quantifier_text(const struct expectation *expectation, char *text, size_t size)
{
    const char *word = quantifier_words[expectation->quantifier];

    if (expectation->quantifier >= QUANTIFIER_EXACTLY)
        return (size_t)snprintf(text, size, "%s %llu", word,
                                (unsigned long long)expectation->count);
    return (size_t)snprintf(text, size, "%s", word);
}
