#include "progress.h"

#include "unit.h"

START_TEST(percent_rate_and_time_left_follow_from_bytes_and_time)
{
    char text[80];

    progress_text(text, sizeof text, 250000000, 1000000000, 2500000, INT64_C(2000000000));
    ck_assert_str_eq(text, " 25 %  125.0 MB/s  2.50 M packets  6 s left");
    progress_text(text, sizeof text, 0, 1000000000, 0, INT64_C(500000000));
    ck_assert_str_eq(text, "  0 %  0.0 MB/s  0.00 M packets  0 s left");
}
END_TEST

START_TEST(of_a_pipe_only_what_is_known_is_shown)
{
    char text[80];

    progress_text(text, sizeof text, 250000000, 0, 2500000, INT64_C(2000000000));
    ck_assert_str_eq(text, "250 MB, 125.0 MB/s, 2.50 M packets");
}
END_TEST

START_TEST(without_a_terminal_nothing_is_drawn)
{
    struct progress progress = { 0 };

    progress_update(&progress, 1, 2, 3);
    ck_assert(!progress.shown);
    ck_assert_int_eq(progress.started_ns, 0);
    progress_clear(&progress);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        percent_rate_and_time_left_follow_from_bytes_and_time,
        of_a_pipe_only_what_is_known_is_shown,
        without_a_terminal_nothing_is_drawn,
    };
    return UNIT_RUN("progress", tests);
}
