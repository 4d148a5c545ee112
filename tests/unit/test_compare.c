#include "compare.h"

#include "addr.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const fw_time noon = INT64_C(1706702400) * FW_SECOND;

static const struct kernel_limits usual = {
    .fin_timeout_s = 60,
    .syn_retries = 6,
    .synack_retries = 5,
    .orphan_retries = 0,
    .retries2 = 15,
    .keepalive_time_s = 7200,
    .max_tw_buckets = 1000,
    .rfc1337 = 0,
    .time_wait_sockets = 3,
};

/* What the wire says of our end, for so many seconds; what the kernel says (CLOSED: no socket). */
static struct compare_row row_of(enum fw_state wire, double seconds, enum fw_state kernel)
{
    struct compare_row row = {
        .seen = true,
        .identity = { .id = 7 },
        .side = FW_SERVER,
        .wire = wire,
        .since = noon - (int64_t)(seconds * 1e9),
        .has_socket = kernel != FW_CLOSED,
        .socket = { .state = (uint8_t)kernel, .inode = 4026 },
        .now = noon,
    };

    if (row.has_socket)
        row.owner = (struct owner){
            .known = OWNER_FOUND, .holders = 1, .pid = 4242, .fd = 5, .name = "leaky"
        };
    else
        row.owner.known = OWNER_GONE;
    return row;
}

static void judge(struct compare_row *row)
{
    compare_judge(row, &usual);
}

static const char *words(const struct compare_row *row)
{
    static char text[COMPARE_WORDS_BYTES];

    *compare_words(text, row, &usual) = '\0';
    return text;
}

/* The verdict, and the setting that explains it (NULL: none). */
static void expect(struct compare_row row, enum compare_verdict verdict, const char *sysctl)
{
    judge(&row);
    ck_assert_msg(row.verdict == verdict, "%s for %s on the wire, %s in the kernel: %s",
                  compare_verdict_name(row.verdict), fw_state_name(row.wire, FW_NAMES_RFC),
                  fw_state_name(compare_kernel_state(&row), FW_NAMES_RFC), row.cause);
    if (sysctl)
        ck_assert_pstr_eq(row.sysctl, sysctl);
    ck_assert_ptr_nonnull(row.cause);
}

START_TEST(the_same_state_agrees_in_every_state)
{
    static const enum fw_state states[] = { FW_SYN_SENT,   FW_SYN_RECEIVED, FW_ESTABLISHED,
                                            FW_FIN_WAIT_1, FW_FIN_WAIT_2,   FW_CLOSING,
                                            FW_LAST_ACK,   FW_TIME_WAIT };

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        expect(row_of(states[i], 1, states[i]), COMPARE_AGREE, NULL);
}
END_TEST

START_TEST(close_wait_is_the_programs_and_names_it)
{
    struct compare_row row = row_of(FW_CLOSE_WAIT, 12.3, FW_CLOSE_WAIT);

    judge(&row);
    ck_assert_int_eq(row.verdict, COMPARE_APPLICATION);
    ck_assert_str_eq(words(&row), "leaky (pid 4242) has not closed descriptor 5 for 12.3 s");
    row.owner.holders = 3;
    row.socket.receive_queue = 18;
    ck_assert_str_eq(words(&row), "leaky (pid 4242) has not closed descriptor 5 for 12.3 s; 2 more "
                                  "processes have it open; Recv-Q 18");
}
END_TEST

START_TEST(an_unknown_process_is_not_guessed)
{
    struct compare_row row = row_of(FW_CLOSE_WAIT, 2, FW_CLOSE_WAIT);

    row.owner = (struct owner){ .known = OWNER_HIDDEN };
    judge(&row);
    ck_assert_int_eq(row.verdict, COMPARE_APPLICATION);
    ck_assert_ptr_nonnull(strstr(words(&row), "which is unknown: "));
    ck_assert_ptr_null(strstr(words(&row), "pid"));
}
END_TEST

START_TEST(what_nobody_accepted_is_the_listeners)
{
    struct compare_row row = row_of(FW_CLOSE_WAIT, 2, FW_CLOSE_WAIT);

    row.socket.inode = 0;
    row.owner = (struct owner){ .known = OWNER_NOT_ACCEPTED };
    row.has_listener = true;
    row.listener = (struct owner){ .known = OWNER_FOUND, .pid = 9, .fd = 3, .name = "lazy" };
    row.waiting = 2;
    row.backlog = 128;
    judge(&row);
    ck_assert_int_eq(row.verdict, COMPARE_APPLICATION);
    ck_assert_str_eq(words(&row), "lazy (pid 9, listens on descriptor 3) has not accepted it for "
                                  "2.0 s; 2 of at most 128 wait");
}
END_TEST

START_TEST(a_full_accept_queue_keeps_the_kernel_back)
{
    struct compare_row row = row_of(FW_ESTABLISHED, 2, FW_SYN_RECEIVED);

    row.has_listener = true;
    row.waiting = 2;
    row.backlog = 1;
    expect(row, COMPARE_APPLICATION, NULL);
    row.wire = FW_SYN_RECEIVED; /* it has sent its SYN+ACK again, which says so */
    expect(row, COMPARE_APPLICATION, NULL);
    row.wire = FW_ESTABLISHED;
    row.waiting = 1; /* not full: the ACK did not arrive for another reason */
    judge(&row);
    ck_assert_int_eq(row.verdict, COMPARE_MISSED);
    ck_assert_int_eq(row.ahead, COMPARE_WIRE);
}
END_TEST

START_TEST(time_ends_what_no_packet_ends)
{
    expect(row_of(FW_FIN_WAIT_2, 61, FW_CLOSED), COMPARE_KERNEL, "net.ipv4.tcp_fin_timeout");
    expect(row_of(FW_TIME_WAIT, 61, FW_CLOSED), COMPARE_KERNEL, COMPARE_TIME_WAIT);
    expect(row_of(FW_SYN_SENT, 128, FW_CLOSED), COMPARE_KERNEL, "net.ipv4.tcp_syn_retries");
    expect(row_of(FW_SYN_RECEIVED, 64, FW_CLOSED), COMPARE_KERNEL, "net.ipv4.tcp_synack_retries");
    expect(row_of(FW_FIN_WAIT_1, 103, FW_CLOSED), COMPARE_KERNEL, "net.ipv4.tcp_orphan_retries");
    expect(row_of(FW_LAST_ACK, 103, FW_CLOSED), COMPARE_KERNEL, "net.ipv4.tcp_orphan_retries");
    struct compare_row row = row_of(FW_ESTABLISHED, 930, FW_CLOSED);
    row.repeats = true;
    expect(row, COMPARE_KERNEL, "net.ipv4.tcp_retries2");
}
END_TEST

START_TEST(before_its_time_the_kernel_is_ahead)
{
    static const enum fw_state states[] = { FW_FIN_WAIT_2, FW_TIME_WAIT,   FW_FIN_WAIT_1,
                                            FW_LAST_ACK,   FW_ESTABLISHED, FW_CLOSE_WAIT };

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct compare_row row = row_of(states[i], 30, FW_CLOSED);

        judge(&row);
        ck_assert_int_eq(row.verdict, COMPARE_MISSED);
        ck_assert_int_eq(row.ahead, COMPARE_KERNEL_SIDE);
    }
}
END_TEST

START_TEST(a_shorter_setting_is_taken_at_its_word)
{
    struct kernel_limits limits = usual;
    struct compare_row row = row_of(FW_FIN_WAIT_2, 3, FW_CLOSED);

    limits.fin_timeout_s = 2;
    compare_judge(&row, &limits);
    ck_assert_int_eq(row.verdict, COMPARE_KERNEL);
    limits.fin_timeout_s = -1; /* unknown: nothing is claimed */
    compare_judge(&row, &limits);
    ck_assert_int_eq(row.verdict, COMPARE_MISSED);
}
END_TEST

START_TEST(too_many_in_time_wait_is_a_setting)
{
    struct kernel_limits limits = usual;
    struct compare_row row = row_of(FW_TIME_WAIT, 1, FW_CLOSED);

    limits.time_wait_sockets = limits.max_tw_buckets;
    compare_judge(&row, &limits);
    ck_assert_int_eq(row.verdict, COMPARE_KERNEL);
    ck_assert_str_eq(row.sysctl, "net.ipv4.tcp_max_tw_buckets");
    row.wire = FW_FIN_WAIT_2;
    compare_judge(&row, &limits);
    ck_assert_int_eq(row.verdict, COMPARE_KERNEL);
    ck_assert_str_eq(row.sysctl, "net.ipv4.tcp_max_tw_buckets");
}
END_TEST

START_TEST(a_connect_that_was_given_up_says_nothing_on_the_wire)
{
    expect(row_of(FW_SYN_SENT, 3, FW_CLOSED), COMPARE_APPLICATION, NULL);
    expect(row_of(FW_SYN_RECEIVED, 3, FW_CLOSED), COMPARE_KERNEL, "net.ipv4.tcp_syncookies");
}
END_TEST

START_TEST(a_fin_behind_data_is_queued_and_not_missed)
{
    struct compare_row row = row_of(FW_ESTABLISHED, 30, FW_FIN_WAIT_1);

    row.socket.send_queue = 70000;
    row.socket.timer = KERNEL_TIMER_PROBE;
    row.socket.timer_left_ms = 1500;
    judge(&row);
    ck_assert_int_eq(row.verdict, COMPARE_QUEUED);
    ck_assert_ptr_nonnull(strstr(words(&row), "probe 1.5 s left (tcp_retries2); Send-Q 70000"));
    row = row_of(FW_CLOSE_WAIT, 30, FW_LAST_ACK);
    row.socket.send_queue = 70000;
    expect(row, COMPARE_QUEUED, NULL);
    row.socket.send_queue = 1; /* the FIN alone: it was sent, and not seen */
    expect(row, COMPARE_MISSED, NULL);
}
END_TEST

START_TEST(who_is_ahead_is_told)
{
    struct compare_row row = row_of(FW_ESTABLISHED, 5, FW_CLOSE_WAIT);

    judge(&row);
    ck_assert_int_eq(row.ahead, COMPARE_KERNEL_SIDE);
    ck_assert_str_eq(words(&row), "the kernel is ahead: the capture missed a packet");
    row.lossy = true;
    ck_assert_ptr_nonnull(strstr(words(&row), "lost to the capture"));
    row = row_of(FW_ESTABLISHED, 5, FW_CLOSE_WAIT);
    row.midstream = true;
    judge(&row);
    ck_assert_ptr_nonnull(strstr(words(&row), "before finwait began"));
    row = row_of(FW_CLOSE_WAIT, 5, FW_ESTABLISHED);
    judge(&row);
    ck_assert_int_eq(row.ahead, COMPARE_WIRE);
    row = row_of(FW_CLOSED, 5, FW_ESTABLISHED); /* a reset that it did not take */
    judge(&row);
    ck_assert_int_eq(row.verdict, COMPARE_MISSED);
    ck_assert_int_eq(row.ahead, COMPARE_WIRE);
}
END_TEST

START_TEST(our_own_timers_are_not_the_kernels)
{
    struct compare_row row = row_of(FW_CLOSED, 5, FW_TIME_WAIT);

    row.timed = true;
    row.socket.timer = KERNEL_TIMER_TIME_WAIT;
    row.socket.timer_left_ms = 4000;
    expect(row, COMPARE_KERNEL, COMPARE_TIME_WAIT);
}
END_TEST

START_TEST(what_moves_is_in_flight)
{
    struct compare_row row = row_of(FW_ESTABLISHED, 5, FW_CLOSE_WAIT);

    row.moving = true;
    expect(row, COMPARE_IN_FLIGHT, NULL);
    row.socket.state = FW_ESTABLISHED; /* it agrees by now */
    expect(row, COMPARE_AGREE, NULL);
}
END_TEST

START_TEST(sockets_without_a_packet_are_told_too)
{
    struct compare_row row = row_of(FW_UNKNOWN, 0, FW_ESTABLISHED);

    row.seen = false;
    expect(row, COMPARE_UNSEEN, NULL);
    row.socket.state = FW_CLOSE_WAIT;
    row.socket.has_info = true;
    row.socket.last_ack_ms = 90000;
    judge(&row);
    ck_assert_int_eq(row.verdict, COMPARE_APPLICATION);
    ck_assert_str_eq(words(&row), "leaky (pid 4242) has not closed descriptor 5 for 90.0 s; no "
                                  "packet seen since finwait began");
}
END_TEST

START_TEST(nothing_left_is_no_row)
{
    struct compare_row row = row_of(FW_CLOSED, 5, FW_CLOSED);

    ck_assert(compare_is_over(&row));
    row = row_of(FW_UNKNOWN, 5, FW_CLOSED); /* a SYN that nobody answered */
    ck_assert(compare_is_over(&row));
    row = row_of(FW_TIME_WAIT, 5, FW_CLOSED);
    ck_assert(!compare_is_over(&row));
}
END_TEST

START_TEST(each_timer_has_its_setting)
{
    struct kernel_socket socket = { .state = FW_ESTABLISHED, .inode = 1 };
    char text[128];

    ck_assert_ptr_null(kernel_timer_sysctl(&socket));
    socket.timer = KERNEL_TIMER_KEEPALIVE;
    socket.timer_left_ms = 7140000;
    ck_assert_str_eq(kernel_timer_sysctl(&socket), "net.ipv4.tcp_keepalive_time");
    *compare_timer_text(text, &socket) = '\0';
    ck_assert_str_eq(text, "keepalive 2.0 h left (tcp_keepalive_time)");
    socket.retransmits = 2;
    ck_assert_str_eq(kernel_timer_sysctl(&socket), "net.ipv4.tcp_keepalive_intvl");
    socket.timer = KERNEL_TIMER_RETRANSMIT;
    ck_assert_str_eq(kernel_timer_sysctl(&socket), "net.ipv4.tcp_retries2");
    socket = (struct kernel_socket){ .state = FW_LAST_ACK, .timer = KERNEL_TIMER_RETRANSMIT };
    ck_assert_str_eq(kernel_timer_sysctl(&socket), "net.ipv4.tcp_orphan_retries");
    socket.state = FW_SYN_SENT;
    ck_assert_str_eq(kernel_timer_sysctl(&socket), "net.ipv4.tcp_syn_retries");
    socket = (struct kernel_socket){ .state = FW_FIN_WAIT_2, .timer = KERNEL_TIMER_TIME_WAIT };
    ck_assert_str_eq(kernel_timer_sysctl(&socket), "net.ipv4.tcp_fin_timeout");
    socket.state = FW_TIME_WAIT;
    ck_assert_str_eq(kernel_timer_sysctl(&socket), COMPARE_TIME_WAIT);
}
END_TEST

START_TEST(names_of_programs_cannot_speak_to_the_terminal)
{
    const struct owner owner = {
        .known = OWNER_FOUND, .holders = 1, .pid = 1, .name = "a\033[31mb"
    };
    char text[64];

    *compare_owner_text(text, &owner) = '\0';
    ck_assert_str_eq(text, "a?[31mb[1] fd 0");
}
END_TEST

START_TEST(what_needs_somebody_comes_first)
{
    struct compare_row rows[] = { row_of(FW_ESTABLISHED, 1, FW_ESTABLISHED),
                                  row_of(FW_CLOSE_WAIT, 1, FW_CLOSE_WAIT),
                                  row_of(FW_FIN_WAIT_2, 70, FW_CLOSED) };

    for (size_t i = 0; i < 3; i++)
        judge(&rows[i]);
    qsort(rows, 3, sizeof rows[0], compare_order);
    ck_assert_int_eq(rows[0].verdict, COMPARE_APPLICATION);
    ck_assert_int_eq(rows[1].verdict, COMPARE_KERNEL);
    ck_assert_int_eq(rows[2].verdict, COMPARE_AGREE);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_same_state_agrees_in_every_state,
        close_wait_is_the_programs_and_names_it,
        an_unknown_process_is_not_guessed,
        what_nobody_accepted_is_the_listeners,
        a_full_accept_queue_keeps_the_kernel_back,
        time_ends_what_no_packet_ends,
        before_its_time_the_kernel_is_ahead,
        a_shorter_setting_is_taken_at_its_word,
        too_many_in_time_wait_is_a_setting,
        a_connect_that_was_given_up_says_nothing_on_the_wire,
        a_fin_behind_data_is_queued_and_not_missed,
        who_is_ahead_is_told,
        our_own_timers_are_not_the_kernels,
        what_moves_is_in_flight,
        sockets_without_a_packet_are_told_too,
        nothing_left_is_no_row,
        each_timer_has_its_setting,
        names_of_programs_cannot_speak_to_the_terminal,
        what_needs_somebody_comes_first,
    };
    return UNIT_RUN("compare", tests);
}
