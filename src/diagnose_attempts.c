/*
 * Attempts that failed, each by itself until the end says what they have in common: one source that
 * tries many targets scans, many sources that leave one target half-open flood it. Where there are
 * too many to keep, the crowds among them are told apart at once, and what comes later is counted
 * with its crowd.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "diagnose.h"

/* Answers under way at the end of a capture of a busy server are no flood: FRESH_SOURCES. */
enum { FRESH_SOURCES = 1000 };
enum { MOST_ATTEMPTS = 8192, MOST_CROWDS = 64, SCAN_TARGETS = 15, FLOOD_SOURCES = 50 };
enum { SET_BYTES = 4096 };

struct crowd {
    struct finding finding;  /* a scan or a flood */
    uint8_t seen[SET_BYTES]; /* which targets or sources, by a sum: no more than there are */
};

struct attempts {
    struct finding_table table;
    struct crowd *crowds[MOST_CROWDS];
    size_t crowd_count;
};

/* By source, then by target: the port of the source does not matter. */
static int compare_source(const struct finding *a, const struct finding *b)
{
    struct fw_endpoint one = a->identity.client, two = b->identity.client;

    one.port = two.port = 0;
    return endpoint_compare(&one, &two);
}

static int compare_attempt(const struct finding *a, const struct finding *b)
{
    const int source = compare_source(a, b);
    const int target = source ? source : endpoint_compare(&a->identity.server, &b->identity.server);

    if (target)
        return target;
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : (int)a->side - (int)b->side;
}

static int by_attempt(const void *one, const void *two)
{
    return compare_attempt(*(struct finding *const *)one, *(struct finding *const *)two);
}

static int by_target(const void *one, const void *two)
{
    const struct finding *a = *(struct finding *const *)one, *b = *(struct finding *const *)two;
    const int target = endpoint_compare(&a->identity.server, &b->identity.server);

    return target ? target : compare_attempt(a, b);
}

struct attempts *attempts_create(void)
{
    struct attempts *attempts = calloc(1, sizeof *attempts);

    if (attempts)
        attempts->table =
            (struct finding_table){ .most = MOST_ATTEMPTS, .compare = compare_attempt };
    return attempts;
}

void attempts_destroy(struct attempts *attempts)
{
    if (!attempts)
        return;
    finding_table_finish(&attempts->table);
    for (size_t i = 0; i < attempts->crowd_count; i++)
        free(attempts->crowds[i]);
    free(attempts);
}

static bool is_half_open(const struct finding *attempt)
{
    return attempt->kind == FINDING_NO_ANSWER || attempt->kind == FINDING_NO_FINAL_ACK;
}

/* ------------------------------------------------------------------------------------- crowds --
 */

static bool belongs(const struct crowd *crowd, const struct finding *attempt)
{
    if (crowd->finding.kind == FINDING_SCAN)
        return compare_source(&crowd->finding, attempt) == 0;
    return is_half_open(attempt) &&
           endpoint_compare(&crowd->finding.identity.server, &attempt->identity.server) == 0;
}

/* FNV-1a. One who makes the input can make them fall together: then there seem to be fewer. */
static size_t place_of(const struct fw_endpoint *endpoint)
{
    uint32_t sum = 2166136261u;

    for (size_t i = 0; i < sizeof endpoint->addr; i++)
        sum = (sum ^ endpoint->addr[i]) * 16777619u;
    sum = (sum ^ (endpoint->port & 0xff)) * 16777619u;
    sum = (sum ^ (uint32_t)(endpoint->port >> 8)) * 16777619u;
    return (sum ^ sum >> 15) % (8 * SET_BYTES);
}

static void count_into(struct crowd *crowd, const struct finding *attempt)
{
    const bool scan = crowd->finding.kind == FINDING_SCAN;
    struct fw_endpoint who = scan ? attempt->identity.server : attempt->identity.client;

    if (!scan)
        who.port = 0;
    const size_t place = place_of(&who);
    const bool seen = crowd->seen[place / 8] & (1u << place % 8);
    crowd->seen[place / 8] |= (uint8_t)(1u << place % 8);
    uint64_t *different = scan ? &crowd->finding.targets : &crowd->finding.sources;
    *different += !seen;
    crowd->finding.number += attempt->kind == FINDING_NO_FINAL_ACK ? attempt->count : 0;
    if (crowd->finding.count == 0) {
        const enum finding_kind kind = crowd->finding.kind;
        const uint64_t sources = crowd->finding.sources, targets = crowd->finding.targets;
        const uint64_t number = crowd->finding.number;

        crowd->finding = *attempt;
        crowd->finding.kind = kind;
        crowd->finding.side = kind == FINDING_SCAN ? FW_CLIENT : FW_SERVER;
        crowd->finding.sources = sources;
        crowd->finding.targets = targets;
        crowd->finding.number = number;
        return;
    }
    const uint64_t number = crowd->finding.number;
    finding_join(&crowd->finding, attempt);
    crowd->finding.number = number;
}

/* A run of the list becomes a crowd; its attempts leave the list (NULL). */
static int make_crowd(struct attempts *attempts, enum finding_kind kind, size_t from, size_t to)
{
    struct finding **list = attempts->table.list;
    struct crowd *crowd = calloc(1, sizeof *crowd);

    if (!crowd)
        return -ENOMEM;
    crowd->finding.kind = kind;
    for (size_t i = from; i < to; i++) {
        if (!list[i] || (kind == FINDING_SYN_FLOOD && !is_half_open(list[i])))
            continue;
        count_into(crowd, list[i]);
        free(list[i]);
        list[i] = NULL;
    }
    attempts->crowds[attempts->crowd_count++] = crowd;
    return 0;
}

static void close_ranks(struct finding_table *table)
{
    size_t kept = 0;

    for (size_t i = 0; i < table->count; i++)
        if (table->list[i])
            table->list[kept++] = table->list[i];
    table->count = kept;
}

/* Whether the run from `from` on has so many different targets (of a source), or sources with a
 * half-open attempt (of a target), that it is a crowd; *to is where it ends. */
static bool is_crowd(const struct finding_table *table, bool by_source, size_t from, size_t *to)
{
    struct finding *const *list = table->list;
    const struct finding *before = NULL;
    size_t different = 0, fresh = 0, at = from;

    for (; at < table->count; at++) {
        if (by_source ? compare_source(list[from], list[at])
                      : endpoint_compare(&list[from]->identity.server, &list[at]->identity.server))
            break;
        if (!by_source && !is_half_open(list[at]))
            continue;
        different += !before || (by_source ? endpoint_compare(&before->identity.server,
                                                              &list[at]->identity.server) != 0
                                           : compare_source(before, list[at]) != 0);
        fresh += list[at]->fresh;
        before = list[at];
    }
    *to = at;
    if (by_source)
        return different >= SCAN_TARGETS + fresh;
    return different >= FRESH_SOURCES || different >= FLOOD_SOURCES + fresh;
}

static int find_crowds(struct attempts *attempts, bool by_source)
{
    struct finding_table *table = &attempts->table;
    size_t to;

    if (table->count == 0)
        return 0;
    qsort(table->list, table->count, sizeof *table->list, by_source ? by_attempt : by_target);
    for (size_t from = 0; from < table->count && attempts->crowd_count < MOST_CROWDS; from = to) {
        const bool crowded = is_crowd(table, by_source, from, &to);
        if (crowded &&
            make_crowd(attempts, by_source ? FINDING_SCAN : FINDING_SYN_FLOOD, from, to) < 0)
            return -ENOMEM;
    }
    close_ranks(table);
    return 0;
}

/* ---------------------------------------------------------------------------------------- whole --
 */

/* Hands on those that are in no crowd. */
static int settle_each(struct attempts *attempts,
                       int (*settle)(void *context, const struct finding *finding), void *context)
{
    struct finding_table *table = &attempts->table;
    int error = 0;

    for (size_t i = 0; i < table->count; i++) {
        if (error == 0)
            error = settle(context, table->list[i]);
        free(table->list[i]);
    }
    table->count = 0;
    return error;
}

/* There are too many: crowds first; what is left over is settled by itself. */
static int make_room(struct attempts *attempts,
                     int (*settle)(void *context, const struct finding *finding), void *context)
{
    int error = find_crowds(attempts, true);

    if (error == 0)
        error = find_crowds(attempts, false);
    if (error == 0 && attempts->table.count > MOST_ATTEMPTS / 2)
        error = settle_each(attempts, settle, context);
    if (attempts->table.count > 0)
        qsort(attempts->table.list, attempts->table.count, sizeof *attempts->table.list,
              by_attempt);
    return error;
}

int attempts_add(struct attempts *attempts, const struct finding *failed,
                 int (*settle)(void *context, const struct finding *finding), void *context)
{
    bool there;

    for (size_t i = 0; i < attempts->crowd_count; i++)
        if (belongs(attempts->crowds[i], failed)) {
            count_into(attempts->crowds[i], failed);
            return 0;
        }
    if (attempts->table.count == attempts->table.most) {
        const int error = make_room(attempts, settle, context);
        if (error < 0)
            return error;
        return attempts_add(attempts, failed, settle, context);
    }
    const size_t place = finding_table_place(&attempts->table, failed, &there);
    if (!there)
        return finding_table_insert(&attempts->table, place, failed);
    finding_join(attempts->table.list[place], failed);
    return 0;
}

int attempts_finish(struct attempts *attempts,
                    int (*settle)(void *context, const struct finding *finding), void *context)
{
    int error = find_crowds(attempts, true);

    if (error == 0)
        error = find_crowds(attempts, false);
    for (size_t i = 0; i < attempts->crowd_count && error == 0; i++) {
        attempts->crowds[i]->finding.at_least = true;
        attempts->crowds[i]->finding.fresh = false;
        error = settle(context, &attempts->crowds[i]->finding);
    }
    return error == 0 ? settle_each(attempts, settle, context) : error;
}
