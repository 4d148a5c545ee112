#include "losses.h"

#include "unit.h"

static struct losses losses;

static struct fw_connection lived(int64_t from_s, int64_t until_s, enum fw_state client,
                                  enum fw_state server)
{
    return (struct fw_connection){
        .client_state = client,
        .server_state = server,
        .first_time = from_s * FW_SECOND,
        .last_time = until_s * FW_SECOND,
        .client_since = until_s * FW_SECOND,
        .server_since = until_s * FW_SECOND,
    };
}

static void lose(int64_t from_s, int64_t until_s)
{
    losses_add(&losses, from_s * FW_SECOND, until_s * FW_SECOND);
}

static bool is_touched(struct fw_connection connection)
{
    return losses_touch(&losses, &connection);
}

START_TEST(what_was_over_before_or_began_after_is_not_touched)
{
    losses.count = 0;
    ck_assert(!is_touched(lived(1, 100, FW_ESTABLISHED, FW_ESTABLISHED)));
    lose(10, 11);
    ck_assert(!is_touched(lived(1, 9, FW_TIME_WAIT, FW_CLOSED)));
    ck_assert(!is_touched(lived(12, 20, FW_TIME_WAIT, FW_CLOSED)));
    ck_assert(is_touched(lived(1, 10, FW_TIME_WAIT, FW_CLOSED)));
    ck_assert(is_touched(lived(11, 20, FW_TIME_WAIT, FW_CLOSED)));
    ck_assert(is_touched(lived(1, 20, FW_CLOSED, FW_TIME_WAIT)));
}
END_TEST

START_TEST(what_is_not_over_may_have_ended_in_what_was_lost)
{
    losses.count = 0;
    lose(10, 11);
    ck_assert(is_touched(lived(1, 2, FW_ESTABLISHED, FW_ESTABLISHED)));
    ck_assert(is_touched(lived(1, 2, FW_FIN_WAIT_2, FW_CLOSE_WAIT)));
    ck_assert(is_touched(lived(1, 2, FW_SYN_SENT, FW_UNKNOWN)));

    /* a timer of ours gave it up at 76 s: until then an answer could have come */
    struct fw_connection given_up = lived(1, 1, FW_CLOSED, FW_CLOSED);
    ck_assert(!is_touched(given_up));
    given_up.client_timed = true;
    given_up.client_since = 76 * FW_SECOND;
    ck_assert(is_touched(given_up));
}
END_TEST

START_TEST(many_losses_mark_rather_too_much)
{
    losses.count = 0;
    for (int64_t i = 1; i <= 1000; i++)
        lose(10 * i, 10 * i + 1);
    ck_assert_uint_le(losses.count, LOSSES_MAX);
    for (int64_t i = 1; i <= 1000; i++)
        ck_assert(is_touched(lived(10 * i, 10 * i, FW_TIME_WAIT, FW_CLOSED)));
    ck_assert(!is_touched(lived(1, 9, FW_TIME_WAIT, FW_CLOSED)));
    ck_assert(!is_touched(lived(10002, 10003, FW_TIME_WAIT, FW_CLOSED)));
}
END_TEST

START_TEST(a_mark_stays_and_needs_no_losses)
{
    struct fw_connection touched = lived(1, 2, FW_ESTABLISHED, FW_ESTABLISHED);

    losses_mark(NULL, &touched);
    ck_assert(!touched.lossy);
    losses.count = 0;
    lose(10, 11);
    losses_mark(&losses, &touched);
    ck_assert(touched.lossy);
    losses.count = 0;
    losses_mark(&losses, &touched);
    ck_assert(touched.lossy);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_was_over_before_or_began_after_is_not_touched,
        what_is_not_over_may_have_ended_in_what_was_lost,
        many_losses_mark_rather_too_much,
        a_mark_stays_and_needs_no_losses,
    };

    return UNIT_RUN("losses", tests);
}
