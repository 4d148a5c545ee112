/*
 * ss's filter language. The expression becomes a program for a small stack machine: conditions push
 * a truth, `and`, `or` and `not` combine what is on the stack. Matching never recurses, and parsing
 * only as deep as parentheses may nest.
 */
#include "select.h"

#include "addr.h"
#include "select_field.h"
#include "services.h"
#include "suggest.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NEST_MAX = 64,
    STACK_MAX = 3 * NEST_MAX + 8, /* a parenthesis holds back at most an `or` and an `and` */
};

enum operation { OP_STATE, OP_HOST, OP_PORT, OP_FIELD, OP_ID, OP_AND, OP_OR, OP_NOT };

struct host {
    bool any_addr, any_port;
    struct addr_prefix prefix;
    uint16_t port;
};

struct instruction {
    enum operation operation;
    enum comparison comparison;   /* OP_PORT */
    enum fw_side side;            /* OP_HOST, OP_PORT */
    uint32_t states;              /* OP_STATE: bit 1 << state */
    struct host host;             /* OP_HOST; OP_PORT: only the port */
    uint64_t id;                  /* OP_ID */
    struct field_condition field; /* OP_FIELD */
};

struct selection {
    struct instruction *code;
    size_t count, room;
    unsigned depth, depth_max; /* of the stack */
};

/* ------------------------------------------------------------------------------------- words -- */

enum token {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_COMPARISON,
};

struct parser {
    const char *text, *at; /* at: after the present token */
    const char *word;      /* the present token */
    size_t length;
    enum token token;
    enum comparison comparison;
    bool quoted; /* a word: it stood in quotes, which it is without */
    unsigned nesting;
    struct selection *selection;
    bool failed;
    size_t *column; /* where the error is; NULL: the text says it */
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static void fail(struct parser *parser, const char *format,
                                                       ...)
{
    va_list arguments;
    char text[256];

    if (parser->failed) /* the first one says it */
        return;
    parser->failed = true;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const size_t column = (size_t)(parser->word - parser->text) + 1;
    if (parser->column) {
        *parser->column = column;
        snprintf(parser->error, parser->error_size, "%s", text);
    } else
        snprintf(parser->error, parser->error_size, "column %zu: %s", column, text);
}

static bool word_is(const struct parser *parser, const char *word)
{
    return parser->length == strlen(word) && memcmp(parser->word, word, parser->length) == 0;
}

/* A word as a string; one that is too long to be near any is empty. */
static const char *bounded(char typed[64], const char *word, size_t length)
{
    snprintf(typed, 64, "%.*s", length < 64 ? (int)length : 0, word);
    return typed;
}

/* Signs and words that mean the same, as in ss. */
static const struct {
    const char *word;
    enum token token;
    enum comparison comparison;
} operators[] = {
    { "and", TOKEN_AND, CMP_EQ },
    { "or", TOKEN_OR, CMP_EQ },
    { "not", TOKEN_NOT, CMP_EQ },
    { "eq", TOKEN_COMPARISON, CMP_EQ },
    { "ne", TOKEN_COMPARISON, CMP_NE },
    { "neq", TOKEN_COMPARISON, CMP_NE },
    { "lt", TOKEN_COMPARISON, CMP_LT },
    { "le", TOKEN_COMPARISON, CMP_LE },
    { "gt", TOKEN_COMPARISON, CMP_GT },
    { "ge", TOKEN_COMPARISON, CMP_GE },
    /* signs, the longer first */
    { "&&", TOKEN_AND, CMP_EQ },
    { "&", TOKEN_AND, CMP_EQ },
    { "||", TOKEN_OR, CMP_EQ },
    { "|", TOKEN_OR, CMP_EQ },
    { "==", TOKEN_COMPARISON, CMP_EQ },
    { "=", TOKEN_COMPARISON, CMP_EQ },
    { "!=", TOKEN_COMPARISON, CMP_NE },
    { "!", TOKEN_NOT, CMP_EQ },
    { "<=", TOKEN_COMPARISON, CMP_LE },
    { "<", TOKEN_COMPARISON, CMP_LT },
    { ">=", TOKEN_COMPARISON, CMP_GE },
    { ">", TOKEN_COMPARISON, CMP_GT },
    { "(", TOKEN_OPEN, CMP_EQ },
    { ")", TOKEN_CLOSE, CMP_EQ },
};
enum { OPERATOR_WORDS = 10, OPERATOR_COUNT = sizeof operators / sizeof operators[0] };

static const char space[] = " \t\r\n\v\f";
static const char delimiters[] = " \t\r\n\v\f()!=<>&|";

static bool next_sign(struct parser *parser)
{
    for (size_t i = OPERATOR_WORDS; i < OPERATOR_COUNT; i++) {
        const size_t length = strlen(operators[i].word);

        if (strncmp(parser->word, operators[i].word, length) == 0) {
            parser->token = operators[i].token;
            parser->comparison = operators[i].comparison;
            parser->length = length;
            return true;
        }
    }
    return false;
}

/* "no answer", or with single quotes: a word that may hold anything but its quote. */
static void next_quoted(struct parser *parser)
{
    const char *close = strchr(parser->word + 1, *parser->word);

    if (!close) {
        fail(parser, "the quote is not closed");
        parser->token = TOKEN_END;
        return;
    }
    parser->quoted = true;
    parser->token = TOKEN_WORD;
    parser->word++;
    parser->length = (size_t)(close - parser->word);
    parser->at = close + 1;
}

static void next_token(struct parser *parser)
{
    parser->word = parser->at + strspn(parser->at, space);
    parser->length = strcspn(parser->word, delimiters);
    parser->quoted = false;
    if (*parser->word == '"' || *parser->word == '\'') {
        next_quoted(parser);
        return;
    }
    if (*parser->word == '\0')
        parser->token = TOKEN_END;
    else if (parser->length == 0)
        next_sign(parser);
    else {
        parser->token = TOKEN_WORD;
        for (size_t i = 0; i < OPERATOR_WORDS; i++) {
            if (word_is(parser, operators[i].word)) {
                parser->token = operators[i].token;
                parser->comparison = operators[i].comparison;
            }
        }
    }
    parser->at = parser->word + parser->length;
}

/* The present token for a message. */
static const char *shown(const struct parser *parser, char *text, size_t size)
{
    if (parser->token == TOKEN_END)
        snprintf(text, size, "the end");
    else
        snprintf(text, size, "\"%.*s\"", parser->length > 40 ? 40 : (int)parser->length,
                 parser->word);
    return text;
}

/* ----------------------------------------------------------------------------------- program -- */

static void emit(struct parser *parser, const struct instruction *instruction)
{
    struct selection *selection = parser->selection;

    if (parser->failed)
        return;
    if (selection->count == selection->room) {
        const size_t room = selection->room ? 2 * selection->room : 8;
        struct instruction *code = realloc(selection->code, room * sizeof *code);

        if (!code) {
            fail(parser, "out of memory");
            return;
        }
        selection->code = code;
        selection->room = room;
    }
    selection->code[selection->count++] = *instruction;

    if (instruction->operation == OP_AND || instruction->operation == OP_OR)
        selection->depth--;
    else if (instruction->operation != OP_NOT)
        selection->depth++;
    if (selection->depth > selection->depth_max)
        selection->depth_max = selection->depth;
    assert(selection->depth >= 1 && selection->depth_max <= STACK_MAX);
}

static void emit_operation(struct parser *parser, enum operation operation)
{
    emit(parser, &(struct instruction){ .operation = operation });
}

/* ------------------------------------------------------------------------------------ states -- */

#define BIT(state) (UINT32_C(1) << (state))

enum {
    EVERY_STATE = (1 << FW_STATE_COUNT) - 1,
    CONNECTED = EVERY_STATE & ~(1 << FW_UNKNOWN | 1 << FW_CLOSED | 1 << FW_LISTEN),
    BUCKET = 1 << FW_SYN_RECEIVED | 1 << FW_TIME_WAIT,
};

/* ss(8): groups, and its two names that are no spelling of a state elsewhere. */
static const struct {
    const char *name;
    uint32_t states;
} groups[] = {
    { "all", EVERY_STATE },
    { "connected", CONNECTED },
    { "synchronized", CONNECTED & ~(1 << FW_SYN_SENT) },
    { "bucket", BUCKET },
    { "big", EVERY_STATE & ~BUCKET },
    { "listening", 1 << FW_LISTEN },
    { "unconnected", 1 << FW_CLOSED },
};

static uint32_t parse_state(struct parser *parser, const char *word, size_t length)
{
    struct suggestion suggestion;
    char typed[64];
    enum fw_state state;
    char hint[96];

    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strlen(groups[i].name) == length && memcmp(groups[i].name, word, length) == 0)
            return groups[i].states;
    if (length && fw_state_parse(word, length, &state))
        return BIT(state);

    suggestion_init(&suggestion, bounded(typed, word, length));
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        suggestion_offer(&suggestion, groups[i].name);
    for (int i = 0; i < FW_STATE_COUNT; i++)
        suggestion_offer(&suggestion, fw_state_name((enum fw_state)i, FW_NAMES_RFC));
    for (int i = 0; i < FW_STATE_COUNT; i++)
        suggestion_offer(&suggestion, fw_state_name((enum fw_state)i, FW_NAMES_SS));
    fail(parser, "\"%.*s\": unknown state%s", length > 40 ? 40 : (int)length, word,
         suggestion_text(&suggestion, hint, sizeof hint));
    return 0;
}

/* close-wait,fin-wait-2 */
static uint32_t parse_state_list(struct parser *parser, const char *list, size_t length)
{
    const char *const end = list + length;
    uint32_t states = 0;

    while (!parser->failed) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        const size_t bytes = (size_t)((comma ? comma : end) - list);

        parser->word = list;
        states |= parse_state(parser, list, bytes);
        if (!comma)
            break;
        list = comma + 1;
    }
    return states;
}

/* ------------------------------------------------------------------------- hosts and ports -- */

static bool parse_port(struct parser *parser, const char *text, size_t length, struct host *host)
{
    struct suggestion suggestion;
    char typed[64], hint[96];

    host->any_port = length == 1 && *text == '*';
    if (host->any_port || port_parse(text, length, &host->port) ||
        service_find(text, length, &host->port))
        return true;
    if (length && strspn(text, "0123456789") >= length) {
        fail(parser, "\"%.*s\": not a port (0 to 65535)", length > 40 ? 40 : (int)length, text);
        return false;
    }
    suggestion_init(&suggestion, bounded(typed, text, length));
    for (size_t i = 0; service_name(i); i++)
        suggestion_offer(&suggestion, service_name(i));
    fail(parser, "\"%.*s\": neither a port nor a service that is known by name%s",
         length > 40 ? 40 : (int)length, text, suggestion_text(&suggestion, hint, sizeof hint));
    return false;
}

/* The colon before the port, or NULL: 10.0.0.1:80 [::1]:80 10.0.0.0/8:80 :80 *:80, but 2001:db8::1
 * is an address. */
static const char *port_colon(const char *text, size_t length)
{
    const char *first = memchr(text, ':', length);
    const char *last = memrchr(text, ':', length);
    const char *after = memrchr(text, ']', length);

    if (!after)
        after = memchr(text, '/', length);
    if (after)
        return last && last > after ? last : NULL;
    return first == last ? last : NULL;
}

/* "[2001:db8::]/32" without the brackets, which come around the address only. */
static bool parse_prefix(const char *text, size_t length, struct addr_prefix *prefix)
{
    const char *close = length && *text == '[' ? memchr(text, ']', length) : NULL;
    char plain[64];

    if (!close || (size_t)(close - text) + 1 == length)
        return addr_prefix_parse(text, length, prefix);
    const size_t address = (size_t)(close - text) - 1, rest = length - address - 2;

    if (length > sizeof plain || close[1] != '/' || !memchr(text, ':', length))
        return false;
    memcpy(plain, text + 1, address);
    memcpy(plain + address, close + 1, rest);
    return addr_prefix_parse(plain, address + rest, prefix);
}

static bool parse_host(struct parser *parser, const char *text, size_t length, struct host *host)
{
    const char *colon = port_colon(text, length);
    const size_t address = colon ? (size_t)(colon - text) : length;

    *host = (struct host){ .any_addr = true, .any_port = true };
    if (colon && !parse_port(parser, colon + 1, length - address - 1, host))
        return false;
    if ((address == 0 && colon) || (address == 1 && *text == '*'))
        return true;
    host->any_addr = false;
    if (parse_prefix(text, address, &host->prefix))
        return true;
    fail(parser,
         "\"%.*s\": not an address (10.0.0.1, 10.0.0.0/8, [2001:db8::1]:443, :443); names are "
         "not looked up here",
         length > 40 ? 40 : (int)length, text);
    return false;
}

/* -------------------------------------------------------------------------------- conditions -- */

/* An operand, after the token before it. False after failing if there is none. */
static bool expect_word(struct parser *parser, const char *what)
{
    char text[64];

    if (parser->token == TOKEN_WORD)
        return true;
    fail(parser, "%s is missing before %s", what, shown(parser, text, sizeof text));
    return false;
}

/* An optional sign: none is `=`. */
static enum comparison take_comparison(struct parser *parser)
{
    const enum comparison comparison = parser->comparison;

    if (parser->token != TOKEN_COMPARISON)
        return CMP_EQ;
    next_token(parser);
    return comparison;
}

static void parse_state_condition(struct parser *parser, bool exclude)
{
    struct instruction instruction = { .operation = OP_STATE };

    next_token(parser);
    if (take_comparison(parser) == CMP_NE)
        exclude = !exclude;
    if (!expect_word(parser, "a state"))
        return;
    instruction.states = parse_state_list(parser, parser->word, parser->length);
    emit(parser, &instruction);
    if (exclude)
        emit_operation(parser, OP_NOT);
    next_token(parser);
}

static void parse_host_condition(struct parser *parser, enum fw_side side)
{
    struct instruction instruction = { .operation = OP_HOST, .side = side };

    next_token(parser);
    if (parser->token == TOKEN_COMPARISON && parser->comparison != CMP_EQ &&
        parser->comparison != CMP_NE) {
        fail(parser, "addresses have no order: only = and !=");
        return;
    }
    const enum comparison comparison = take_comparison(parser);
    if (!expect_word(parser, "an address") ||
        !parse_host(parser, parser->word, parser->length, &instruction.host))
        return;
    emit(parser, &instruction);
    if (comparison == CMP_NE)
        emit_operation(parser, OP_NOT);
    next_token(parser);
}

static void parse_port_condition(struct parser *parser, enum fw_side side)
{
    struct instruction instruction = { .operation = OP_PORT, .side = side };
    const char *port;
    size_t length;

    next_token(parser);
    instruction.comparison = take_comparison(parser);
    if (!expect_word(parser, "a port"))
        return;
    port = parser->word;
    length = parser->length;
    if (length > 2 && memcmp(port, "*:", 2) == 0) {
        port += 2;
        length -= 2;
    } else if (*port == ':') {
        port++;
        length--;
    }
    if (!parse_port(parser, port, length, &instruction.host))
        return;
    emit(parser, &instruction);
    next_token(parser);
}

static void parse_field_condition(struct parser *parser, const struct record_field *field)
{
    struct instruction instruction = { .operation = OP_FIELD, .field = { .field = field } };
    char value[256], error[192], text[64];

    if (strcmp(field->name, "t") == 0) {
        fail(parser, "t counts from the first packet of all: compare ts instead");
        return;
    }
    next_token(parser);
    if (parser->token != TOKEN_COMPARISON) {
        fail(parser, "a comparison (= != < <= > >=) is missing before %s",
             shown(parser, text, sizeof text));
        return;
    }
    instruction.field.comparison = take_comparison(parser);
    if (!expect_word(parser, "a value"))
        return;
    if (parser->length >= sizeof value) {
        fail(parser, "longer than a value can be");
        return;
    }
    snprintf(value, sizeof value, "%.*s", (int)parser->length, parser->word);
    if (!field_condition_parse(&instruction.field, value, parser->quoted, error, sizeof error)) {
        fail(parser, "%s", error);
        return;
    }
    emit(parser, &instruction);
    if (parser->failed)
        free(instruction.field.text);
    next_token(parser);
}

static const char *const condition_words[] = { "state", "exclude", "src", "dst", "sport",
                                               "dport", "and",     "or",  "not" };

static void fail_unknown_word(struct parser *parser)
{
    struct suggestion suggestion;
    char typed[64];
    char hint[96], text[64];

    suggestion_init(&suggestion, bounded(typed, parser->word, parser->length));
    for (size_t i = 0; i < sizeof condition_words / sizeof condition_words[0]; i++)
        suggestion_offer(&suggestion, condition_words[i]);
    for (size_t i = 0; i < record_field_count; i++)
        suggestion_offer(&suggestion, record_fields[i].name);
    fail(parser, "%s: unknown word%s", shown(parser, text, sizeof text),
         suggestion_text(&suggestion, hint, sizeof hint));
}

static void parse_condition(struct parser *parser)
{
    const struct record_field *field = record_find(parser->word, parser->length);

    if (parser->quoted)
        fail(parser, "only a value can stand in quotes");
    else if (word_is(parser, "state"))
        parse_state_condition(parser, false);
    else if (word_is(parser, "exclude"))
        parse_state_condition(parser, true);
    else if (word_is(parser, "src"))
        parse_host_condition(parser, FW_CLIENT);
    else if (word_is(parser, "dst"))
        parse_host_condition(parser, FW_SERVER);
    else if (word_is(parser, "sport"))
        parse_port_condition(parser, FW_CLIENT);
    else if (word_is(parser, "dport"))
        parse_port_condition(parser, FW_SERVER);
    else if (field)
        parse_field_condition(parser, field);
    else
        fail_unknown_word(parser);
}

/* ------------------------------------------------------------------------------- expressions -- */

static void parse_or(struct parser *parser);

static void parse_parenthesis(struct parser *parser)
{
    char text[64];

    if (++parser->nesting > NEST_MAX) {
        fail(parser, "more than %d parentheses within one another", NEST_MAX);
        return;
    }
    next_token(parser);
    parse_or(parser);
    if (parser->token != TOKEN_CLOSE)
        fail(parser, "\")\" is missing before %s", shown(parser, text, sizeof text));
    parser->nesting--;
    next_token(parser);
}

static void parse_term(struct parser *parser)
{
    bool negated = false;
    char text[64];

    for (; parser->token == TOKEN_NOT; next_token(parser))
        negated = !negated;
    if (parser->token == TOKEN_OPEN)
        parse_parenthesis(parser);
    else if (parser->token == TOKEN_WORD)
        parse_condition(parser);
    else
        fail(parser, "a condition is missing before %s", shown(parser, text, sizeof text));
    if (negated && !parser->failed)
        emit_operation(parser, OP_NOT);
}

/* Conditions beside each other are meant together, as in ss. */
static void parse_and(struct parser *parser)
{
    parse_term(parser);
    while (!parser->failed && (parser->token == TOKEN_AND || parser->token == TOKEN_WORD ||
                               parser->token == TOKEN_OPEN || parser->token == TOKEN_NOT)) {
        if (parser->token == TOKEN_AND)
            next_token(parser);
        parse_term(parser);
        emit_operation(parser, OP_AND);
    }
}

static void parse_or(struct parser *parser)
{
    parse_and(parser);
    while (!parser->failed && parser->token == TOKEN_OR) {
        next_token(parser);
        parse_and(parser);
        emit_operation(parser, OP_OR);
    }
}

static bool start(struct parser *parser, const char *text, char *error, size_t error_size)
{
    *parser = (struct parser){
        .text = text,
        .at = text,
        .word = text,
        .selection = calloc(1, sizeof(struct selection)),
        .error = error,
        .error_size = error_size,
    };
    if (!parser->selection)
        snprintf(error, error_size, "out of memory");
    return parser->selection != NULL;
}

static struct selection *finish(struct parser *parser)
{
    if (!parser->failed)
        return parser->selection;
    selection_destroy(parser->selection);
    return NULL;
}

struct selection *selection_parse(const char *text, char *error, size_t error_size)
{
    return selection_parse_at(text, NULL, error, error_size);
}

struct selection *selection_parse_at(const char *text, size_t *column, char *error,
                                     size_t error_size)
{
    struct parser parser;
    char word[64];

    if (!start(&parser, text, error, error_size))
        return NULL;
    parser.column = column;
    if (column)
        *column = 1;
    next_token(&parser);
    parse_or(&parser);
    if (parser.token != TOKEN_END)
        fail(&parser, "%s: not expected here", shown(&parser, word, sizeof word));
    return finish(&parser);
}

struct selection *selection_parse_states(const char *list, char *error, size_t error_size)
{
    struct instruction instruction = { .operation = OP_STATE };
    struct parser parser;

    if (!start(&parser, list, error, error_size))
        return NULL;
    instruction.states = parse_state_list(&parser, list, strlen(list));
    emit(&parser, &instruction);
    return finish(&parser);
}

static void emit_host(struct parser *parser, enum fw_side side, const struct host *host)
{
    emit(parser, &(struct instruction){ .operation = OP_HOST, .side = side, .host = *host });
}

struct selection *selection_parse_tuple(const char *tuple, char *error, size_t error_size)
{
    const char *dash = strchr(tuple, '-');
    struct host one, other = { .any_addr = true, .any_port = true };
    struct parser parser;

    if (!start(&parser, tuple, error, error_size))
        return NULL;
    if (parse_host(&parser, tuple, dash ? (size_t)(dash - tuple) : strlen(tuple), &one) && dash) {
        parser.word = dash + 1;
        parse_host(&parser, dash + 1, strlen(dash + 1), &other);
    }
    if (!parser.failed) {
        emit_host(&parser, FW_CLIENT, &one);
        emit_host(&parser, FW_SERVER, &other);
        emit_operation(&parser, OP_AND);
        emit_host(&parser, FW_CLIENT, &other);
        emit_host(&parser, FW_SERVER, &one);
        emit_operation(&parser, OP_AND);
        emit_operation(&parser, OP_OR);
    }
    return finish(&parser);
}

struct selection *selection_create_id(uint64_t id)
{
    struct parser parser;
    char error[64];

    if (!start(&parser, "", error, sizeof error))
        return NULL;
    emit(&parser, &(struct instruction){ .operation = OP_ID, .id = id });
    return finish(&parser);
}

bool selection_and(struct selection **selection, struct selection *other)
{
    char error[64];
    struct parser parser = {
        .text = "",
        .word = "",
        .selection = *selection,
        .error = error,
        .error_size = sizeof error,
    };

    if (!*selection) {
        *selection = other;
        return true;
    }
    if (!other)
        return true;
    for (size_t i = 0; i < other->count; i++) {
        emit(&parser, &other->code[i]);
        if (!parser.failed)
            other->code[i].field.text = NULL; /* it has moved */
    }
    emit_operation(&parser, OP_AND);
    selection_destroy(other);
    return !parser.failed;
}

bool selection_wants_interop(const struct selection *selection)
{
    for (size_t i = 0; selection && i < selection->count; i++)
        if (selection->code[i].operation == OP_FIELD &&
            field_is_foreign(selection->code[i].field.field))
            return true;
    return false;
}

const struct field_condition *selection_field(const struct selection *selection)
{
    return selection->count == 1 && selection->code[0].operation == OP_FIELD
               ? &selection->code[0].field
               : NULL;
}

uint32_t selection_states(const struct selection *selection)
{
    uint32_t states = 0;

    for (size_t i = 0; selection && i < selection->count; i++) {
        const bool negated = i + 1 < selection->count && selection->code[i + 1].operation == OP_NOT;

        if (selection->code[i].operation == OP_STATE && !negated)
            states |= selection->code[i].states;
    }
    return states;
}

bool selection_is_fixed(const struct selection *selection)
{
    for (size_t i = 0; selection && i < selection->count; i++)
        if (selection->code[i].operation == OP_STATE ||
            (selection->code[i].operation == OP_FIELD &&
             !field_is_of_identity(selection->code[i].field.field)))
            return false;
    return true;
}

void selection_destroy(struct selection *selection)
{
    if (!selection)
        return;
    for (size_t i = 0; i < selection->count; i++)
        free(selection->code[i].field.text);
    free(selection->code);
    free(selection);
}

/* ------------------------------------------------------------------------------------- match -- */

static const struct fw_endpoint *endpoint_of(const struct fw_connection *connection,
                                             enum fw_side side)
{
    return side == FW_CLIENT ? &connection->identity.client : &connection->identity.server;
}

static bool match_host(const struct host *host, const struct fw_endpoint *endpoint)
{
    return (host->any_port || host->port == endpoint->port) &&
           (host->any_addr || addr_prefix_contains(&host->prefix, endpoint));
}

static bool match_port(const struct instruction *instruction, uint16_t port)
{
    if (instruction->host.any_port)
        return instruction->comparison == CMP_EQ;
    return compare_numbers(instruction->comparison, port, instruction->host.port);
}

bool selection_match(const struct selection *selection, const struct fw_connection *connection)
{
    bool stack[STACK_MAX];
    unsigned depth = 0;

    if (!selection)
        return true;
    for (size_t i = 0; i < selection->count; i++) {
        const struct instruction *instruction = &selection->code[i];
        const struct fw_endpoint *endpoint = endpoint_of(connection, instruction->side);

        switch (instruction->operation) {
        case OP_STATE:
            stack[depth++] = (instruction->states &
                              (BIT(connection->client_state) | BIT(connection->server_state))) != 0;
            break;
        case OP_HOST:
            stack[depth++] = match_host(&instruction->host, endpoint);
            break;
        case OP_PORT:
            stack[depth++] = match_port(instruction, endpoint->port);
            break;
        case OP_FIELD:
            stack[depth++] = field_condition_match(&instruction->field, connection);
            break;
        case OP_ID:
            stack[depth++] = connection->identity.id == instruction->id;
            break;
        case OP_AND:
            depth--;
            stack[depth - 1] &= stack[depth];
            break;
        case OP_OR:
            depth--;
            stack[depth - 1] |= stack[depth];
            break;
        case OP_NOT:
            stack[depth - 1] = !stack[depth - 1];
            break;
        }
    }
    return stack[0];
}
