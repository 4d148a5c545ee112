/*
 * `FIELD CMP VALUE` of the filter language: FIELD is a key of the connection record, VALUE is read
 * as what the key holds: `handshake_ns > 50ms`, `client_bytes >= 2MB`, `open = no-answer`,
 * `client_state = close-wait`, `first_ts < 2024-01-31T12:00`, `cause = null`. What counts segments
 * compares with a share of all packets of that side, too: `client_retransmits <= 1%`. Level 4.
 */
#ifndef SELECT_FIELD_H
#define SELECT_FIELD_H

#include "finwait/finwait.h"
#include "record.h"

enum comparison { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE };

struct field_condition {
    const struct record_field *field;
    enum comparison comparison;
    bool is_null;   /* VALUE is null: unknown */
    int64_t number; /* VALUE, but for text */
    char *text;     /* VALUE, for text; owned */
    /* VALUE is a share in percent: of this key's value; `number` is in millionths. NULL: it is not.
     */
    const struct record_field *share_of;
};

/* Reads VALUE for condition->field; false with words in `error`. */
bool field_condition_parse(struct field_condition *condition, const char *value, bool quoted,
                           char *error, size_t error_size);

/* A key that is not known matches only `= null`, and every != but that. */
bool field_condition_match(const struct field_condition *condition,
                           const struct fw_connection *connection);

/* Whether the key is followed only with fw_tracker_options.interop. */
bool field_is_foreign(const struct record_field *field);

/* Whether the key only says which connection it is: known from its first packet on. */
bool field_is_of_identity(const struct record_field *field);

bool compare_numbers(enum comparison comparison, int64_t value, int64_t than);

#endif
