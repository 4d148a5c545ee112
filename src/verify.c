#include "verify.h"

#include "select.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_COUNT = 3 };

struct verify {
    struct verify_options options;
    struct verdict *verdicts;
    size_t count;
    uint64_t connections;
    struct fw_identity first[FIRST_COUNT];

    /* Of each connection, by number, of each check for packets: how many of them have gone by. */
    uint8_t *seen;
    size_t seen_room; /* connections */
    size_t slots;
    bool out_of_memory;
    struct evidence *evidence; /* NULL: the input is read again */
};

struct verify *verify_create(const struct verify_options *options)
{
    struct verify *verify = calloc(1, sizeof *verify);
    const struct expectations *expectations = options->expectations;

    if (!verify)
        return NULL;
    verify->options = *options;
    verify->count = expectations ? expectations->count : 0;
    verify->slots = expectations ? expectations->packet_checks : 0;
    verify->verdicts = calloc(verify->count + 1, sizeof *verify->verdicts);
    if (options->records && verify->count)
        verify->evidence = evidence_create();
    if (!verify->verdicts || (options->records && verify->count && !verify->evidence)) {
        verify_destroy(verify);
        return NULL;
    }
    for (size_t i = 0; i < verify->count; i++)
        verify->verdicts[i].expectation = &expectations->list[i];
    return verify;
}

static void free_kept(struct kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(kept[i].trail);
    free(kept);
}

void verify_destroy(struct verify *verify)
{
    if (!verify)
        return;
    for (size_t i = 0; verify->verdicts && i < verify->count; i++) {
        free_kept(verify->verdicts[i].failed, verify->verdicts[i].failed_count);
        free_kept(verify->verdicts[i].fitting, verify->verdicts[i].fitting_count);
    }
    free(verify->verdicts);
    free(verify->seen);
    evidence_destroy(verify->evidence);
    free(verify);
}

bool verify_wants_segments(const struct verify *verify)
{
    return verify->slots > 0 || verify->evidence != NULL;
}

/* ----------------------------------------------------------------------------------- packets -- */

/* NULL without memory. */
static uint8_t *seen_of(struct verify *verify, uint64_t id)
{
    if (id >= verify->seen_room) {
        const size_t room = 2 * (size_t)id + 1024;
        uint8_t *seen = realloc(verify->seen, room * verify->slots);

        if (!seen) {
            verify->out_of_memory = true;
            return NULL;
        }
        memset(seen + verify->seen_room * verify->slots, 0,
               (room - verify->seen_room) * verify->slots);
        verify->seen = seen;
        verify->seen_room = room;
    }
    return verify->seen + id * verify->slots;
}

static void follow_packets(struct verify *verify, const struct fw_step *step)
{
    uint8_t *seen = seen_of(verify, step->identity->id);

    for (size_t i = 0; seen && i < verify->count; i++) {
        const struct expectation *expectation = verify->verdicts[i].expectation;

        for (size_t j = 0; j < expectation->check_count; j++) {
            const struct check *check = &expectation->checks[j];

            if (check->kind == CHECK_PACKETS && seen[check->slot] < check->packet_count &&
                check_packet_fits(&check->packets[seen[check->slot]], step))
                seen[check->slot]++;
        }
    }
}

static size_t packets_seen(const struct verify *verify, const struct check *check, uint64_t id)
{
    return check->kind == CHECK_PACKETS && id < verify->seen_room
               ? verify->seen[id * verify->slots + check->slot]
               : 0;
}

/* ------------------------------------------------------------------------------------- verdicts --
 */

/* The checks that do not hold. */
static uint32_t failing_checks(const struct verify *verify, const struct expectation *expectation,
                               const struct fw_connection *connection, fw_time until)
{
    uint32_t failing = 0;

    for (size_t i = 0; i < expectation->check_count; i++) {
        const struct check *check = &expectation->checks[i];

        if (!check_holds(check, expectation, connection, until,
                         packets_seen(verify, check, connection->identity.id)))
            failing |= UINT32_C(1) << i;
    }
    return failing;
}

static bool keep(struct verify *verify, struct kept **list, size_t *count,
                 const struct expectation *expectation, const struct kept *kept)
{
    if (*count == VERIFY_KEPT)
        return true;
    if (!*list)
        *list = calloc(VERIFY_KEPT, sizeof **list);
    if (!*list)
        return false;
    (*list)[*count] = *kept;
    for (size_t i = 0; i < expectation->check_count; i++)
        (*list)[*count].packets_seen[i] =
            (uint8_t)packets_seen(verify, &expectation->checks[i], kept->connection.identity.id);
    ++*count;
    return true;
}

/* Whether connections that pass can make it fail. */
static bool has_upper_limit(enum quantifier quantifier)
{
    return quantifier == QUANTIFIER_NONE || quantifier == QUANTIFIER_ONE ||
           quantifier == QUANTIFIER_EXACTLY;
}

static bool judge(struct verify *verify, struct verdict *verdict,
                  const struct fw_connection *connection, fw_time until)
{
    const struct expectation *expectation = verdict->expectation;

    if (!selection_match(expectation->selection, connection))
        return true;
    const uint32_t failing = failing_checks(verify, expectation, connection, until);
    const bool shows_passed = has_upper_limit(expectation->quantifier);

    verdict->selected++;
    verdict->passed += failing == 0;
    if (failing == 0 ? !shows_passed || verdict->fitting_count == VERIFY_KEPT
                     : verdict->failed_count == VERIFY_KEPT)
        return true;
    const struct kept kept = { .connection = *connection, .until = until, .failing = failing };
    return failing == 0
               ? keep(verify, &verdict->fitting, &verdict->fitting_count, expectation, &kept)
               : keep(verify, &verdict->failed, &verdict->failed_count, expectation, &kept);
}

/* The frames of a connection that has ended go to whoever shows it. */
static bool hand_over(struct verify *verify, uint64_t id, struct trail *trail)
{
    bool good = true;

    for (size_t i = 0; i < verify->count; i++) {
        struct verdict *verdict = &verify->verdicts[i];
        struct kept *const lists[] = { verdict->failed, verdict->fitting };
        const size_t counts[] = { verdict->failed_count, verdict->fitting_count };

        for (size_t list = 0; list < 2; list++) {
            for (size_t j = 0; j < counts[list]; j++) {
                struct kept *kept = &lists[list][j];

                if (kept->connection.identity.id != id || kept->trail)
                    continue;
                kept->trail = malloc(sizeof *kept->trail);
                if (kept->trail)
                    *kept->trail = *trail;
                good &= kept->trail != NULL;
            }
        }
    }
    return good;
}

bool verify_end(struct verify *verify, const struct fw_connection *connection, fw_time until)
{
    bool good = !verify->out_of_memory;

    if (verify->count && selection_match(verify->options.selection, connection)) {
        if (verify->connections < FIRST_COUNT)
            verify->first[verify->connections] = connection->identity;
        verify->connections++;
        for (size_t i = 0; i < verify->count; i++)
            good &= judge(verify, &verify->verdicts[i], connection, until);
    }
    if (!verify->evidence)
        return good;
    struct trail *trail = evidence_take_trail(verify->evidence, connection->identity.id);
    if (trail)
        good &= hand_over(verify, connection->identity.id, trail);
    free(trail);
    return good;
}

/* -------------------------------------------------------------------------------------- early --
 */

/* Connections that pass now and will pass at their end decide what asks for so many of them. */
static bool can_pass_early(const struct expectation *expectation)
{
    if (expectation->quantifier != QUANTIFIER_ANY && expectation->quantifier != QUANTIFIER_AT_LEAST)
        return false;
    if (expectation->count > sizeof((struct verdict *)NULL)->early / sizeof(uint64_t) ||
        !selection_is_fixed(expectation->selection))
        return false;
    for (size_t i = 0; i < expectation->check_count; i++)
        if (!check_is_lasting(&expectation->checks[i]))
            return false;
    return true;
}

static bool is_among(const uint64_t *ids, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static void judge_early(struct verify *verify, const struct fw_step *step)
{
    struct fw_connection connection;
    const uint64_t id = step->identity->id;
    bool known = false;

    for (size_t i = 0; i < verify->count; i++) {
        struct verdict *verdict = &verify->verdicts[i];
        const struct expectation *expectation = verdict->expectation;

        if (!can_pass_early(expectation) || verdict->early_count >= expectation->count ||
            is_among(verdict->early, verdict->early_count, id))
            continue;
        if (!known)
            fw_step_connection(step, &connection);
        known = true;
        if (selection_match(verify->options.selection, &connection) &&
            selection_match(expectation->selection, &connection) &&
            failing_checks(verify, expectation, &connection, step->time) == 0)
            verdict->early[verdict->early_count++] = id;
    }
}

void verify_segment(struct verify *verify, const struct fw_step *step)
{
    if (verify->slots)
        follow_packets(verify, step);
    if (verify->evidence)
        evidence_take(verify->evidence, step);
    if (verify->options.live && selection_is_fixed(verify->options.selection))
        judge_early(verify, step);
}

static bool is_decided(const struct verdict *verdict)
{
    const struct expectation *expectation = verdict->expectation;

    switch (expectation->quantifier) {
    case QUANTIFIER_ALL:
        return verdict->passed < verdict->selected;
    case QUANTIFIER_NONE:
        return verdict->passed > 0;
    case QUANTIFIER_ONE:
    case QUANTIFIER_EXACTLY:
        return verdict->passed > expectation->count;
    case QUANTIFIER_ANY:
    case QUANTIFIER_AT_LEAST:
        return verdict->passed >= expectation->count || verdict->early_count >= expectation->count;
    }
    return false;
}

bool verify_is_decided(const struct verify *verify)
{
    for (size_t i = 0; i < verify->count; i++)
        if (!is_decided(&verify->verdicts[i]))
            return false;
    return verify->count > 0;
}

/* ----------------------------------------------------------------------------------- afterwards --
 */

size_t verify_count(const struct verify *verify)
{
    return verify->count;
}

const struct verdict *verify_verdict(const struct verify *verify, size_t index)
{
    return &verify->verdicts[index];
}

bool verdict_holds(const struct verdict *verdict)
{
    const uint64_t count = verdict->expectation->count;

    switch (verdict->expectation->quantifier) {
    case QUANTIFIER_ALL:
        return verdict->selected > 0 && verdict->passed == verdict->selected;
    case QUANTIFIER_NONE:
        return verdict->passed == 0;
    case QUANTIFIER_ONE:
    case QUANTIFIER_EXACTLY:
        return verdict->passed == count;
    case QUANTIFIER_ANY:
    case QUANTIFIER_AT_LEAST:
        return verdict->passed >= count;
    }
    return false;
}

const struct kept *verdict_shown(const struct verdict *verdict, size_t *count)
{
    const struct expectation *expectation = verdict->expectation;
    const uint64_t most = expectation->quantifier == QUANTIFIER_NONE ? 0 : expectation->count;
    const bool too_many = has_upper_limit(expectation->quantifier) && verdict->passed > most;

    *count = too_many ? verdict->fitting_count : verdict->failed_count;
    return too_many ? verdict->fitting : verdict->failed;
}

uint64_t verify_connections(const struct verify *verify)
{
    return verify->connections;
}

const struct fw_identity *verify_first(const struct verify *verify, size_t index)
{
    return index < FIRST_COUNT && index < verify->connections ? &verify->first[index] : NULL;
}

bool verify_want_evidence(const struct verify *verify, struct evidence *evidence, bool *any)
{
    *any = false;
    for (size_t i = 0; i < verify->count; i++) {
        size_t count;
        const struct kept *shown = verdict_shown(&verify->verdicts[i], &count);

        if (verdict_holds(&verify->verdicts[i]))
            continue;
        for (size_t j = 0; j < count; j++) {
            if (shown[j].trail)
                continue;
            *any = true;
            if (!evidence_want(evidence, shown[j].connection.identity.id,
                               shown[j].connection.last_frame))
                return false;
        }
    }
    return true;
}

void verify_take_evidence(struct verify *verify, struct evidence *evidence)
{
    for (size_t i = 0; i < verify->count; i++) {
        size_t count;
        const struct kept *shown = verdict_shown(&verify->verdicts[i], &count);

        for (size_t j = 0; j < count; j++) {
            const uint64_t id = shown[j].connection.identity.id;
            struct trail *trail = evidence_take_trail(evidence, id);

            if (trail)
                hand_over(verify, id, trail);
            free(trail);
        }
    }
}
