#include "helper.h"

#include "unit.h"

#include <signal.h>
#include <string.h>

struct sum {
    int begun;
};

static bool begin(void *context)
{
    ((struct sum *)context)->begun = 1000;
    return true;
}

/* A number doubled, and what begin() left; a negative number ends it. */
static bool serve(void *context, const void *request, int to)
{
    const struct sum *sum = context;
    int number;

    memcpy(&number, request, sizeof number);
    const int answer = 2 * number + sum->begun;
    return number >= 0 && helper_write(to, &answer, sizeof answer);
}

static const struct helper_service doubling = {
    .request_bytes = sizeof(int),
    .begin = begin,
    .serve = serve,
};

static struct helper *start(const struct helper_service *service, struct sum *sum)
{
    const struct sandbox_plan plan = { .mode = SANDBOX_OFF, .role = SANDBOX_NAMES };
    char error[512], hint[512];

    return helper_start(service, sum, &plan, error, hint);
}

START_TEST(it_answers_as_often_as_it_is_asked)
{
    struct sum sum = { 0 };
    struct helper *helper = start(&doubling, &sum);

    ck_assert_ptr_nonnull(helper);
    for (int number = 0; number < 100; number++) {
        int answer = -1;

        ck_assert(helper_ask(helper, &number));
        ck_assert(helper_read(helper, &answer, sizeof answer));
        ck_assert_int_eq(answer, 2 * number + 1000);
    }
    ck_assert_int_eq(sum.begun, 0); /* the child has its own */
    helper_stop(helper);
    helper_stop(NULL);
}
END_TEST

START_TEST(one_that_has_ended_is_no_answer)
{
    struct sum sum = { 0 };
    struct helper *helper = start(&doubling, &sum);
    int number = -1, answer;

    ck_assert(helper_ask(helper, &number));
    ck_assert(!helper_read(helper, &answer, sizeof answer));
    ck_assert(!helper_ask(helper, &number));
    helper_stop(helper);
}
END_TEST

static bool cannot_begin(void *context)
{
    (void)context;
    return false;
}

START_TEST(one_that_cannot_begin_is_none)
{
    const struct helper_service service = { .request_bytes = sizeof(int), .begin = cannot_begin };
    struct sum sum = { 0 };

    ck_assert_ptr_null(start(&service, &sum));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        it_answers_as_often_as_it_is_asked,
        one_that_has_ended_is_no_answer,
        one_that_cannot_begin_is_none,
    };
    signal(SIGPIPE, SIG_IGN);
    return UNIT_RUN("helper", tests);
}
