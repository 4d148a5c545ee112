/*
 * What finwait top knows: each connection in brief, how many are in which state, what has ended
 * lately. Told by the hooks of a tracker, asked for a list in some order; pure. Level 4.
 *
 * Telling costs the same however many connections there are. A list is a pass over all of them that
 * keeps the first few: whoever asks decides how often.
 */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include "finwait/finwait.h"

#include "brief.h"
#include "losses.h"
#include "select.h"
#include "stamp.h"

/* Connections that have ended are shown for so long. */
#define TOP_LINGER_NS (10 * FW_SECOND)

/* A handshake or a close that takes longer is stuck: the patience of finwait diagnose. */
#define TOP_STUCK_NS (5 * FW_SECOND)

/* So many that have ended are remembered. */
enum { TOP_HISTORY = 4096 };

/* What to look at first comes first. */
enum top_concern {
    TOP_FAILED, /* over: never opened, or reset */
    TOP_STUCK,
    TOP_MOVING, /* opens or closes */
    TOP_OPEN,
    TOP_CLOSED, /* over, or forgotten */
    TOP_CONCERN_COUNT
};

enum top_sort {
    TOP_BY_CONCERN,
    TOP_BY_TIME_IN_STATE, /* the longest first */
    TOP_BY_START,         /* the newest first */
    TOP_BY_SILENCE,       /* the longest first */
    TOP_BY_BYTES,         /* the most first */
    TOP_BY_STATE,
    TOP_BY_CLIENT,
    TOP_BY_SERVER,
    TOP_SORT_COUNT
};

/* "what is wrong first", "time in state"... */
const char *top_sort_name(enum top_sort sort);

struct top_row {
    struct brief brief;
    fw_time data_time;  /* of its last data; INT64_MIN: none */
    fw_time over_since; /* when `over` or `gone` */
    bool over;          /* both ends are done */
    bool gone;          /* the tracker has forgotten it */
    bool matches;       /* the selection */
};

enum top_concern top_concern_of(const struct top_row *row, fw_time now);

/* How long it has been as it is. */
int64_t top_in_state_ns(const struct top_row *row, fw_time now);

/* The end that the others wait for; the client where there is none. */
enum fw_side top_side_of(const struct top_row *row);

struct top_ask {
    enum top_sort sort;
    bool reversed;
    bool closed;  /* those that ended long ago too, as far as the tracker has them */
    bool history; /* those that have ended instead: the last first, or sorted */
    size_t most;
    fw_time now;
};

/* What was asked for, copied: it stays as it was. Zeroed at first. */
struct top_list {
    fw_time now;
    struct top_row *rows;
    size_t count, room;
    uint64_t eligible;    /* rows that the list is the beginning of */
    uint64_t connections; /* that are not over */
    uint64_t concerns[TOP_CONCERN_COUNT];
    uint64_t states[2][FW_STATE_COUNT]; /* by enum fw_side */
};

struct top_model;

/* NULL without memory. */
struct top_model *top_model_create(void);
void top_model_destroy(struct top_model *model);

/* The hooks of a tracker. */
void top_model_step(struct top_model *model, const struct fw_step *step);
void top_model_segment(struct top_model *model, const struct fw_step *step);
void top_model_end(struct top_model *model, const struct fw_connection *connection);

/* What was lost so far, lent: the connections that lived through it are lossy. May be NULL. */
void top_model_lost(struct top_model *model, const struct losses *losses);

/* Time passes: what has ended is dropped. */
void top_model_advance(struct top_model *model, fw_time now);

/* From now on only these are listed; lent, NULL: all. What there is has to be matched by
 * top_model_match(). */
void top_model_select(struct top_model *model, const struct selection *selection);

/* Matches at most `most` of the connections, in turn, so that what changes without a step counts
 * too. False: some have not been matched since top_model_select(). */
bool top_model_match(struct top_model *model, const struct fw_tracker *tracker, size_t most);

/* Fills *list. Returns 0 or -ENOMEM. */
int top_model_list(const struct top_model *model, const struct top_ask *ask, struct top_list *list);
void top_list_finish(struct top_list *list);

/* Memory ran out: some connections are missing. */
bool top_model_is_short(const struct top_model *model);

#endif
