/* Capturing on the loopback needs root: without it those tests say that they are skipped. */
#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "source.h"
#include "unit.h"

static fw_time wall_clock(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * FW_SECOND + now.tv_nsec;
}

static bool may_capture(void)
{
    if (geteuid() == 0)
        return true;
    printf("skipped: only root captures\n");
    return false;
}

/* An UDP socket on the loopback that sends to itself. */
static int open_sender(struct sockaddr_in *address)
{
    socklen_t bytes = sizeof *address;
    const int sender = socket(AF_INET, SOCK_DGRAM, 0);

    *address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    ck_assert_int_eq(bind(sender, (struct sockaddr *)address, bytes), 0);
    ck_assert_int_eq(getsockname(sender, (struct sockaddr *)address, &bytes), 0);
    return sender;
}

static void send_numbers(int sender, const struct sockaddr_in *address, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(
            sendto(sender, &i, sizeof i, 0, (const struct sockaddr *)address, sizeof *address),
            sizeof i);
        recv(sender, &(uint32_t){ 0 }, sizeof(uint32_t), MSG_DONTWAIT);
    }
}

static struct source *open_loopback(const struct sockaddr_in *address, struct live_options options)
{
    static char filter[64];
    struct source_fault fault = { 0 };

    snprintf(filter, sizeof filter, "udp dst port %u", ntohs(address->sin_port));
    options.interfaces = (const char *const[]){ "lo", "lo" };
    options.interface_count = options.interface_count ? options.interface_count : 1;
    options.filter = filter;
    options.buffer_kib = 2048;
    options.now = wall_clock;
    struct source *source = source_open_live(&options, &fault);
    ck_assert_msg(source != NULL, "%s", fault.text);
    return source;
}

/* What is sent on the loopback is seen once, when it is received. */
static uint32_t take_numbers(struct source *source, int max)
{
    struct fw_packet packets[64];
    uint32_t next = 0, number;

    for (int silent = 0; silent < 200;) {
        const int lent = source_next(source, packets, max);
        if (lent == SOURCE_END)
            break;
        silent = lent == SOURCE_AGAIN ? silent + 1 : 0;
        for (int i = 0; i < lent; i++) {
            ck_assert_uint_eq(packets[i].link_type, 1);
            ck_assert_uint_eq(packets[i].captured_bytes, 14 + 20 + 8 + 4);
            ck_assert_uint_eq(packets[i].frame, next + 1);
            ck_assert_int_gt(packets[i].time, 1500000000 * FW_SECOND);
            memcpy(&number, packets[i].data + 42, sizeof number);
            ck_assert_uint_eq(number, next++);
        }
    }
    return next;
}

START_TEST(packets_of_the_loopback_are_captured_in_order)
{
    struct sockaddr_in address;
    struct source_stats stats;

    if (!may_capture())
        return;
    for (int max = 1; max <= 64; max += 63) {
        const int sender = open_sender(&address);
        struct source *source =
            open_loopback(&address, (struct live_options){ .max_packets = 500 });
        send_numbers(sender, &address, 600);
        ck_assert_uint_eq(take_numbers(source, max), 500);
        source_stats(source, &stats);
        ck_assert_uint_eq(stats.packets, 500);
        ck_assert_uint_eq(stats.dropped_kernel, 0);
        ck_assert_uint_eq(stats.bytes_total, 0);
        source_destroy(source);
        close(sender);
    }
}
END_TEST

START_TEST(a_silent_interface_says_again)
{
    struct sockaddr_in address;
    struct fw_packet packets[64];

    if (!may_capture())
        return;
    const int sender = open_sender(&address);
    struct source *source = open_loopback(&address, (struct live_options){ .immediate = true });
    ck_assert_int_eq(source_next(source, packets, 64), SOURCE_AGAIN);
    send_numbers(sender, &address, 1);
    int lent = SOURCE_AGAIN;
    for (int i = 0; i < 200 && lent == SOURCE_AGAIN; i++)
        lent = source_next(source, packets, 64);
    ck_assert_int_eq(lent, 1);
    source_destroy(source);
    close(sender);
}
END_TEST

START_TEST(an_interrupt_lets_what_was_captured_pass)
{
    struct sockaddr_in address;
    struct fw_packet packets[64];

    if (!may_capture())
        return;
    const int sender = open_sender(&address);
    struct source *source = open_loopback(&address, (struct live_options){ 0 });
    ck_assert_int_eq(source_next(source, packets, 64), SOURCE_AGAIN);
    send_numbers(sender, &address, 300);
    source_interrupt();
    ck_assert_uint_eq(take_numbers(source, 64), 300);
    ck_assert_int_eq(source_next(source, packets, 64), SOURCE_END);
    source_interrupt_clear();
    source_destroy(source);
    close(sender);
}
END_TEST

START_TEST(packets_of_two_interfaces_come_in_order_of_time)
{
    struct sockaddr_in address;
    struct fw_packet packets[64];
    struct fw_packet last = { .time = 0 };
    uint32_t counts[2] = { 0 };

    if (!may_capture())
        return;
    const int sender = open_sender(&address);
    struct source *source = open_loopback(&address, (struct live_options){ .interface_count = 2 });
    send_numbers(sender, &address, 1000);
    for (int lent; (lent = source_next(source, packets, 64)) != SOURCE_END;)
        for (int i = 0; i < lent; i++) {
            if (packets[i].file != last.file) /* in one interface the order is the kernel's */
                ck_assert_int_ge(packets[i].time, last.time);
            last = packets[i];
            if (++counts[packets[i].file] == 1000 && counts[0] == counts[1])
                source_interrupt();
        }
    ck_assert_uint_eq(counts[0], 1000);
    ck_assert_uint_eq(counts[1], 1000);
    source_interrupt_clear();
    source_destroy(source);
    close(sender);
}
END_TEST

START_TEST(an_interface_that_vanishes_ends_the_capture)
{
    struct source_fault fault = { 0 };
    struct fw_packet packets[64];
    int lent = SOURCE_AGAIN;

    if (!may_capture())
        return;
    /* In a network of its own, where this process stays: the last of the tests. */
    if (unshare(CLONE_NEWNET) != 0 ||
        system("ip link add fwtest0 type veth peer name fwtest1 && ip link set fwtest0 up") != 0) {
        printf("skipped: no interface can be made here\n");
        return;
    }
    const struct live_options options = { .interfaces = (const char *const[]){ "fwtest0" },
                                          .interface_count = 1,
                                          .buffer_kib = 2048,
                                          .now = wall_clock };
    struct source *source = source_open_live(&options, &fault);
    ck_assert_msg(source != NULL, "%s", fault.text);
    source_next(source, packets, 64);
    ck_assert_int_eq(system("ip link del fwtest0"), 0);
    for (int i = 0; i < 300 && lent != SOURCE_END; i++)
        lent = source_next(source, packets, 64);
    ck_assert_int_eq(lent, SOURCE_END);
    ck_assert(source_fault(source, 0, &fault));
    ck_assert_int_eq(fault.kind, SOURCE_FAULT_PARTIAL);
    ck_assert_ptr_nonnull(strstr(fault.text, "fwtest0: "));
    ck_assert_int_eq(source_next(source, packets, 64), SOURCE_END);
    source_destroy(source);
}
END_TEST

START_TEST(an_interface_that_does_not_exist_is_told_with_its_neighbours)
{
    struct source_fault fault = { 0 };

    ck_assert_ptr_null(
        source_open_live(&(struct live_options){ .interfaces = (const char *const[]){ "loo" },
                                                 .interface_count = 1 },
                         &fault));
    ck_assert_int_eq(fault.kind, SOURCE_FAULT_UNREADABLE);
    ck_assert_msg(strstr(fault.text, "no interface \"loo\"; did you mean lo?  (") == fault.text,
                  "\"%s\"", fault.text);

    ck_assert_ptr_null(source_open_live(
        &(struct live_options){ .interfaces = (const char *const[]){ "frobnicate7" },
                                .interface_count = 1 },
        &fault));
    ck_assert_msg(strstr(fault.text, "no interface \"frobnicate7\"  (") == fault.text, "\"%s\"",
                  fault.text);
}
END_TEST

START_TEST(without_permission_the_way_to_it_is_told)
{
    struct source_fault fault = { 0 };

    if (geteuid() == 0) {
        printf("skipped: root has permission\n");
        return;
    }
    struct source *source = source_open_live(
        &(struct live_options){ .interfaces = (const char *const[]){ "lo" }, .interface_count = 1 },
        &fault);
    if (source) {
        source_destroy(source);
        printf("skipped: this user has permission\n");
        return;
    }
    ck_assert_str_eq(fault.text, "lo: no permission to capture");
    ck_assert_ptr_nonnull(strstr(fault.hint, "try: sudo setcap cap_net_raw+ep /"));
    ck_assert_ptr_nonnull(strstr(fault.hint, "or: dumpcap -i lo -w - | finwait -r -"));
}
END_TEST

START_TEST(a_bad_filter_or_link_type_is_told)
{
    struct source_fault fault = { 0 };

    if (!may_capture())
        return;
    struct live_options options = { .interfaces = (const char *const[]){ "lo" },
                                    .interface_count = 1,
                                    .filter = "tcp prt 80" };
    ck_assert_ptr_null(source_open_live(&options, &fault));
    ck_assert_str_eq(fault.text, "bad filter \"tcp prt 80\": syntax error");
    ck_assert_str_eq(fault.hint, "did you mean \"tcp port 80\"?");

    options = (struct live_options){ .interfaces = (const char *const[]){ "lo" },
                                     .interface_count = 1,
                                     .link_type = "IEEE802_11" };
    ck_assert_ptr_null(source_open_live(&options, &fault));
    ck_assert_str_eq(fault.text, "lo: has no link type \"IEEE802_11\"");
    ck_assert_ptr_nonnull(strstr(fault.hint, "EN10MB"));

    options.link_type = "EN10MB";
    struct source *source = source_open_live(&options, &fault);
    ck_assert_ptr_nonnull(source);
    source_destroy(source);
}
END_TEST

static bool find_loopback(void *context, const struct source_interface *interface)
{
    bool *found = context;

    if (strcmp(interface->name, "lo") == 0) {
        *found = true;
        ck_assert(interface->loopback);
        ck_assert_str_eq(interface->state, "up");
        ck_assert_ptr_nonnull(strstr(interface->addresses, "127.0.0.1"));
    }
    return true;
}

static bool stop_at_once(void *context, const struct source_interface *interface)
{
    (void)interface;
    ++*(int *)context;
    return false;
}

START_TEST(interfaces_are_listed)
{
    struct source_fault fault;
    bool found = false;
    int asked = 0;

    ck_assert(source_each_interface(find_loopback, &found, &fault));
    ck_assert(found);
    ck_assert(source_each_interface(stop_at_once, &asked, &fault));
    ck_assert_int_eq(asked, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        packets_of_the_loopback_are_captured_in_order,
        a_silent_interface_says_again,
        an_interrupt_lets_what_was_captured_pass,
        packets_of_two_interfaces_come_in_order_of_time,
        an_interface_that_does_not_exist_is_told_with_its_neighbours,
        without_permission_the_way_to_it_is_told,
        a_bad_filter_or_link_type_is_told,
        interfaces_are_listed,
        an_interface_that_vanishes_ends_the_capture,
    };
    return UNIT_RUN("source_live", tests);
}
