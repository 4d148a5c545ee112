#include "select_field.h"

#include "addr.h"
#include "quantity.h"
#include "suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool compare_numbers(enum comparison comparison, int64_t value, int64_t than)
{
    switch (comparison) {
    case CMP_EQ:
        return value == than;
    case CMP_NE:
        return value != than;
    case CMP_LT:
        return value < than;
    case CMP_LE:
        return value <= than;
    case CMP_GT:
        return value > than;
    case CMP_GE:
        return value >= than;
    }
    return false;
}

bool field_is_foreign(const struct record_field *field)
{
    return strcmp(field->stability, RECORD_FOREIGN) == 0;
}

bool field_is_of_identity(const struct record_field *field)
{
    static const char *const names[] = { "conn",        "client_addr", "client_port", "server_addr",
                                         "server_port", "tunnel",      "vlan" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(field->name, names[i]) == 0)
            return true;
    return false;
}

/* -------------------------------------------------------------------------------------- text -- */

/* The words of a key that has a fixed set of them; NULL after the last. */
static const char *word_of(const struct record_field *field, int index)
{
    if (strcmp(field->name, "open") == 0)
        return index < FW_OPEN_COUNT ? fw_open_name((enum fw_open)index) : NULL;
    if (strcmp(field->name, "end") == 0)
        return index < FW_END_COUNT ? fw_end_name((enum fw_end)index) : NULL;
    if (strcmp(field->name, "closed_by") == 0)
        return index <= FW_CLOSED_BY_BOTH ? fw_closed_by_name((enum fw_closed_by)index) : NULL;
    if (strcmp(field->name, "dir_by") == 0)
        return index <= FW_DIR_PORT ? fw_dir_by_name((enum fw_dir_by)index) : NULL;
    return NULL;
}

static int folded(char letter)
{
    return letter == '-' || letter == '_' ? ' ' : tolower((unsigned char)letter);
}

/* `no-answer` is "no answer". */
static bool same_word(const char *a, const char *b)
{
    for (; *a && folded(*a) == folded(*b); a++)
        b++;
    return !*a && !*b;
}

static bool parse_word(struct field_condition *condition, const char *value, char *error,
                       size_t error_size)
{
    struct suggestion suggestion;
    char hint[96];

    suggestion_init(&suggestion, value);
    for (int i = 0; word_of(condition->field, i); i++) {
        if (same_word(word_of(condition->field, i), value)) {
            condition->text = strdup(word_of(condition->field, i));
            return true;
        }
        suggestion_offer(&suggestion, word_of(condition->field, i));
    }
    snprintf(error, error_size, "\"%.40s\": %s is never that%s", value, condition->field->name,
             suggestion_text(&suggestion, hint, sizeof hint));
    return false;
}

static bool parse_state(struct field_condition *condition, const char *value, char *error,
                        size_t error_size)
{
    struct suggestion suggestion;
    enum fw_state state;
    char hint[96];

    if (fw_state_parse(value, strlen(value), &state)) {
        condition->text = strdup(fw_state_name(state, FW_NAMES_RFC));
        return true;
    }
    suggestion_init(&suggestion, value);
    for (int i = 0; i < FW_STATE_COUNT; i++)
        suggestion_offer(&suggestion, fw_state_name((enum fw_state)i, FW_NAMES_RFC));
    snprintf(error, error_size, "\"%.40s\": unknown state%s", value,
             suggestion_text(&suggestion, hint, sizeof hint));
    return false;
}

static bool parse_addr(struct field_condition *condition, const char *value, char *error,
                       size_t error_size)
{
    struct fw_endpoint endpoint;
    char text[46];

    if (!addr_parse(value, strlen(value), &endpoint)) {
        snprintf(error, error_size, "\"%.40s\": not an address", value);
        return false;
    }
    fw_addr_text(&endpoint, text);
    condition->text = strdup(text);
    return true;
}

static bool name_ends_in(const struct record_field *field, const char *ending)
{
    const size_t bytes = strlen(ending);

    return field->name_length >= bytes &&
           strcmp(field->name + field->name_length - bytes, ending) == 0;
}

static bool parse_text(struct field_condition *condition, const char *value, char *error,
                       size_t error_size)
{
    const struct record_field *field = condition->field;
    bool good = true;

    if (strcmp(field->name, "client_state") == 0 || strcmp(field->name, "server_state") == 0)
        good = parse_state(condition, value, error, error_size);
    else if (name_ends_in(field, "_addr"))
        good = parse_addr(condition, value, error, error_size);
    else if (word_of(field, 0))
        good = parse_word(condition, value, error, error_size);
    else
        condition->text = strdup(value);
    if (good && !condition->text)
        snprintf(error, error_size, "out of memory");
    return good && condition->text;
}

/* ----------------------------------------------------------------------------------- numbers -- */

/* A number in the key's own unit, or with another: 50ms where the key is in ns, 2MB or 2M (decimal,
 * as they are shown) elsewhere. */
static bool parse_integer(const struct record_field *field, const char *value, int64_t *number)
{
    const size_t digits = strspn(value, "0123456789");
    uint64_t count;
    char plain[32];

    if (strcmp(value, "0") == 0) {
        *number = 0;
        return true;
    }
    if (strcmp(field->unit, "ns") == 0 && value[digits])
        return quantity_duration(value, number);
    snprintf(plain, sizeof plain, "%s", value);
    if (strcmp(field->unit, "bytes") == 0 && digits && digits < sizeof plain - 2) {
        char *unit = plain + digits;

        if (strcmp(unit, "B") == 0)
            *unit = '\0';
        else if (unit[0] && strcmp(unit + 1, "B") == 0)
            unit[1] = '\0';
    }
    if (strlen(value) >= sizeof plain || !quantity_size(plain, 1000, &count) || count > INT64_MAX)
        return false;
    *number = (int64_t)count;
    return true;
}

/* The packets of the same side, of which a count of segments is a share; NULL where it is none. */
static const struct record_field *whole_of(const struct record_field *field)
{
    const bool counts = strcmp(field->unit, "segments") == 0 || strcmp(field->unit, "packets") == 0;

    if (!counts || strstr(field->name, "_packets") == field->name + strlen("client"))
        return NULL;
    if (strncmp(field->name, "client_", 7) == 0)
        return record_find("client_packets", 14);
    if (strncmp(field->name, "server_", 7) == 0)
        return record_find("server_packets", 14);
    return NULL;
}

/* "1%", "0.5%": in millionths. */
static bool parse_share(struct field_condition *condition, const char *value)
{
    const size_t digits = strspn(value, "0123456789.");
    char *rest;

    if (digits == 0 || digits > 8 || strcmp(value + digits, "%") != 0)
        return false;
    const double percent = strtod(value, &rest);
    if (rest != value + digits || percent > 100)
        return false;
    condition->share_of = whole_of(condition->field);
    condition->number = (int64_t)(percent * 1e4 + 0.5);
    return true;
}

static bool parse_number(struct field_condition *condition, const char *value, char *error,
                         size_t error_size)
{
    const struct record_field *field = condition->field;
    const char *what = "";
    bool good = false;

    if (parse_share(condition, value)) {
        if (!condition->share_of)
            snprintf(error, error_size, "\"%.40s\": %s is no share of packets", value, field->name);
        return condition->share_of != NULL;
    }
    switch (field->kind) {
    case RECORD_INTEGER:
        good = parse_integer(field, value, &condition->number);
        what = strcmp(field->unit, "ns") == 0      ? "a number of ns, or a time such as 50ms"
               : strcmp(field->unit, "bytes") == 0 ? "a number of bytes, such as 1500 or 2MB"
                                                   : "a number";
        break;
    case RECORD_BOOLEAN:
        condition->number = strcmp(value, "true") == 0;
        good = condition->number || strcmp(value, "false") == 0;
        what = "true or false";
        break;
    case RECORD_SECONDS:
        good = quantity_duration(value, &condition->number);
        what = "a time, such as 1.5 or 50ms";
        break;
    case RECORD_TIME:
        good = quantity_time(value, &condition->number);
        what = "a time, such as 2024-01-31T12:00:00Z";
        break;
    case RECORD_TEXT:
    case RECORD_NULL:
        break;
    }
    if (!good)
        snprintf(error, error_size, "\"%.40s\": %s is %s", value, field->name, what);
    return good;
}

bool field_condition_parse(struct field_condition *condition, const char *value, bool quoted,
                           char *error, size_t error_size)
{
    const enum record_kind kind = condition->field->kind;
    const bool ordered = kind != RECORD_TEXT && kind != RECORD_BOOLEAN;

    condition->is_null = !quoted && strcmp(value, "null") == 0;
    if ((!ordered || condition->is_null) && condition->comparison != CMP_EQ &&
        condition->comparison != CMP_NE) {
        snprintf(error, error_size, "%s has no order: only = and !=",
                 condition->is_null ? "null" : condition->field->name);
        return false;
    }
    if (condition->is_null)
        return true;
    if (kind == RECORD_TEXT)
        return parse_text(condition, value, error, error_size);
    return parse_number(condition, value, error, error_size);
}

bool field_condition_match(const struct field_condition *condition,
                           const struct fw_connection *connection)
{
    const bool unequal = condition->comparison == CMP_NE;
    struct record_value value = { .kind = RECORD_NULL };

    condition->field->get(connection, 0, &value);
    if (value.kind == RECORD_NULL || condition->is_null)
        return ((value.kind == RECORD_NULL) == condition->is_null) != unequal;
    if (value.kind == RECORD_TEXT)
        return (strcmp(value.text, condition->text) == 0) != unequal;
    if (condition->share_of) {
        struct record_value whole = { .kind = RECORD_NULL };

        condition->share_of->get(connection, 0, &whole);
        return compare_numbers(condition->comparison, value.number * 1000000,
                               condition->number * whole.number);
    }
    return compare_numbers(condition->comparison, value.number, condition->number);
}
