#include "suggest.h"
#include "unit.h"

START_TEST(distance_counts_changed_added_left_out_and_exchanged_letters)
{
    ck_assert_uint_eq(suggestion_distance("port", "port"), 0);
    ck_assert_uint_eq(suggestion_distance("prt", "port"), 1);
    ck_assert_uint_eq(suggestion_distance("porrt", "port"), 1);
    ck_assert_uint_eq(suggestion_distance("part", "port"), 1);
    ck_assert_uint_eq(suggestion_distance("eht0", "eth0"), 1);
    ck_assert_uint_eq(suggestion_distance("", "eth0"), 4);
    ck_assert_uint_eq(suggestion_distance("kitten", "sitting"), 3);
}
END_TEST

START_TEST(nearest_word_wins_in_any_order)
{
    static const char *const words[] = { "eth1", "lo", "eth0", "wlan0" };

    for (size_t turn = 0; turn < 4; turn++) {
        struct suggestion suggestion;
        suggestion_init(&suggestion, "eth");
        for (size_t i = 0; i < 4; i++)
            suggestion_offer(&suggestion, words[(turn + i) % 4]);
        ck_assert_str_eq(suggestion.best, "eth0");
    }
}
END_TEST

START_TEST(another_word_is_not_suggested)
{
    struct suggestion suggestion;

    suggestion_init(&suggestion, "frobnicate");
    suggestion_offer(&suggestion, "port");
    ck_assert_str_eq(suggestion.best, "");
    suggestion_init(&suggestion, "x");
    suggestion_offer(&suggestion, "y");
    ck_assert_str_eq(suggestion.best, "");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        distance_counts_changed_added_left_out_and_exchanged_letters,
        nearest_word_wins_in_any_order,
        another_word_is_not_suggested,
    };
    return UNIT_RUN("suggest", tests);
}
