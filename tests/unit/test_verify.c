#include "verify.h"

#include "addr.h"
#include "unit.h"

#include <string.h>

static void fail_test(void *context, const char *error)
{
    (void)context;
    ck_abort_msg("%s", error);
}

static struct expectations *expectations;
static struct verify *verify;

static void begin(const char *text, bool live)
{
    expectations = expectations_parse(text, fail_test, NULL);
    const struct verify_options options = { .expectations = expectations,
                                            .records = true,
                                            .live = live };
    verify = verify_create(&options);
    ck_assert_ptr_nonnull(verify);
}

static void finish(void)
{
    verify_destroy(verify);
    expectations_destroy(expectations);
}

static struct fw_connection connection(uint64_t id, enum fw_open open)
{
    struct fw_connection of = { .identity.id = id, .open = open, .handshake_ns = -1 };

    ck_assert(endpoint_parse("10.0.0.1:80", 11, &of.identity.server));
    return of;
}

/* So many connections that pass `handshake complete`, and so many that do not. */
static void judge(const char *text, unsigned passing, unsigned failing)
{
    begin(text, false);
    for (unsigned i = 0; i < passing + failing; i++) {
        const struct fw_connection of =
            connection(i + 1, i < passing ? FW_OPEN_COMPLETE : FW_OPEN_REFUSED);
        ck_assert(verify_end(verify, &of, 0));
    }
}

static const struct {
    const char *text;
    bool holds[5]; /* nothing; 1 passes; 1 fails; 2 pass; 1 passes and 1 fails */
} rows[] = {
    { "all : handshake complete", { false, true, false, true, false } },
    { "any : handshake complete", { false, true, false, true, true } },
    { "none : handshake complete", { true, false, true, false, false } },
    { "one : handshake complete", { false, true, false, false, true } },
    { "exactly 2 : handshake complete", { false, false, false, true, false } },
    { "exactly 0 : handshake complete", { true, false, true, false, false } },
    { "at-least 1 : handshake complete", { false, true, false, true, true } },
    { "at-least 2 : handshake complete", { false, false, false, true, false } },
    { "all dport = :443 : handshake complete", { false, false, false, false, false } },
    { "none dport = :443 : handshake complete", { true, true, true, true, true } },
};

START_TEST(quantifiers_count_who_passes)
{
    static const unsigned passing[] = { 0, 1, 0, 2, 1 }, failing[] = { 0, 0, 1, 0, 1 };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t j = 0; j < 5; j++) {
            judge(rows[i].text, passing[j], failing[j]);
            ck_assert_msg(verdict_holds(verify_verdict(verify, 0)) == rows[i].holds[j],
                          "%s: %u pass, %u fail", rows[i].text, passing[j], failing[j]);
            finish();
        }
    }
}
END_TEST

START_TEST(only_a_few_failures_are_kept)
{
    size_t count;

    judge("all : handshake complete", 0, 1000);
    const struct kept *shown = verdict_shown(verify_verdict(verify, 0), &count);
    ck_assert_uint_eq(count, VERIFY_KEPT);
    ck_assert_uint_eq(shown[0].connection.identity.id, 1);
    ck_assert_uint_eq(shown[0].failing, 1);
    finish();
    judge("none : handshake complete", 1000, 0);
    shown = verdict_shown(verify_verdict(verify, 0), &count);
    ck_assert_uint_eq(count, VERIFY_KEPT);
    ck_assert_uint_eq(shown[0].failing, 0);
    finish();
}
END_TEST

START_TEST(a_verdict_stands_when_nothing_can_change_it)
{
    judge("all : handshake complete", 5, 0);
    ck_assert(!verify_is_decided(verify));
    finish();
    judge("all : handshake complete\nnone : handshake complete", 1, 1);
    ck_assert(verify_is_decided(verify));
    finish();
    judge("any : handshake complete\nall : handshake complete", 1, 0);
    ck_assert(!verify_is_decided(verify));
    finish();
    judge("one : handshake complete", 2, 0);
    ck_assert(verify_is_decided(verify));
    finish();
}
END_TEST

/* ------------------------------------------------------------------------------------- packets --
 */

static void pass_by(uint64_t id, enum fw_side from, uint16_t flags)
{
    static uint64_t frame;
    const struct fw_identity identity = { .id = id };
    const struct fw_segment segment = { .flags = flags };
    const struct fw_transition transition = { .to = FW_SYN_SENT };
    const struct fw_step step = {
        .identity = &identity,
        .segment = &segment,
        .frame = ++frame,
        .from = from,
        .transitions = &transition,
        .count = 1,
    };

    verify_segment(verify, &step);
}

static bool packets_hold(const char *text)
{
    const struct fw_connection of = connection(7, FW_OPEN_COMPLETE);

    begin(text, false);
    pass_by(7, FW_CLIENT, FW_SYN);
    pass_by(8, FW_SERVER, FW_RST);
    pass_by(7, FW_SERVER, FW_SYN | FW_ACK);
    pass_by(7, FW_SERVER, FW_SYN | FW_ACK);
    pass_by(7, FW_CLIENT, FW_ACK);
    ck_assert(verify_end(verify, &of, 0));
    const bool result = verdict_holds(verify_verdict(verify, 0));
    finish();
    return result;
}

START_TEST(packets_follow_each_other_with_others_between)
{
    ck_assert(packets_hold("all : packets > S < S. > ."));
    ck_assert(packets_hold("all : packets > S > ."));
    ck_assert(packets_hold("all : packets > S < S. < S. > ."));
    ck_assert(!packets_hold("all : packets < S. > S"));
    ck_assert(!packets_hold("all : packets < R")); /* of another connection */
    ck_assert(!packets_hold("all : packets > S < S. > . > ."));
}
END_TEST

START_TEST(the_frames_of_a_failure_are_kept)
{
    const struct fw_connection of = connection(3, FW_OPEN_REFUSED);
    size_t count;

    begin("all : handshake complete\nall : refused", false);
    for (int i = 0; i < 40; i++)
        pass_by(3, FW_CLIENT, FW_SYN);
    pass_by(3, FW_SERVER, FW_RST);
    ck_assert(verify_end(verify, &of, 0));
    const struct kept *shown = verdict_shown(verify_verdict(verify, 0), &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(trail_count(shown[0].trail), TRAIL_FIRST + TRAIL_LAST);
    for (size_t i = 1; i < trail_count(shown[0].trail); i++)
        ck_assert_uint_gt(trail_frame(shown[0].trail, i)->frame,
                          trail_frame(shown[0].trail, i - 1)->frame);
    ck_assert_uint_eq(trail_frame(shown[0].trail, TRAIL_FIRST + TRAIL_LAST - 1)->flags, FW_RST);
    finish();
}
END_TEST

START_TEST(a_second_reading_records_what_is_wanted_only)
{
    struct evidence *evidence = evidence_create();
    const struct fw_identity one = { .id = 65536 }, other = { .id = 131072 };
    const struct fw_segment segment = { .flags = FW_SYN };
    struct fw_step step = { .identity = &one, .segment = &segment, .frame = 5 };

    ck_assert(evidence_want(evidence, 131072, 9));
    ck_assert(evidence_want(evidence, 65536, 5));
    ck_assert(evidence_want(evidence, 65536, 5));
    evidence_take(evidence, &step);
    ck_assert(!evidence_is_done(evidence));
    step.identity = &other;
    step.frame = 9;
    evidence_take(evidence, &step);
    ck_assert(evidence_is_done(evidence));
    for (uint64_t id = 65536; id <= 131072; id += 65536) {
        struct trail *trail = evidence_take_trail(evidence, id);
        ck_assert_uint_eq(trail_count(trail), 1);
        free(trail);
    }
    ck_assert_ptr_null(evidence_take_trail(evidence, 1));
    evidence_destroy(evidence);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        quantifiers_count_who_passes,
        only_a_few_failures_are_kept,
        a_verdict_stands_when_nothing_can_change_it,
        packets_follow_each_other_with_others_between,
        the_frames_of_a_failure_are_kept,
        a_second_reading_records_what_is_wanted_only,
    };
    return UNIT_RUN("verify", tests);
}
