#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture_builder.h"
#include "reading.h"
#include "unit.h"

static bool matches(struct filter *filter, const uint8_t *data, uint32_t bytes, uint16_t link_type)
{
    return filter_match(filter, &(struct fw_packet){ .data = data,
                                                     .captured_bytes = bytes,
                                                     .sent_bytes = bytes,
                                                     .link_type = link_type });
}

START_TEST(an_expression_chooses_packets)
{
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES];

    build_tcp(frame, 50001, 80, 1, 0, FW_SYN);
    struct filter *filter = filter_create("tcp port 80 and host 10.0.0.2", &fault);
    ck_assert_ptr_nonnull(filter);
    ck_assert(matches(filter, frame, sizeof frame, 1));
    build_tcp(frame, 50001, 81, 1, 0, FW_SYN);
    ck_assert(!matches(filter, frame, sizeof frame, 1));
    filter_destroy(filter);
}
END_TEST

START_TEST(it_is_compiled_for_each_link_type)
{
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES];

    build_tcp(frame, 50001, 80, 1, 0, FW_SYN);
    struct filter *filter = filter_create("tcp dst port 80", &fault);
    for (int i = 0; i < 3; i++) {
        ck_assert(matches(filter, frame, sizeof frame, 1));
        ck_assert(matches(filter, frame + 14, sizeof frame - 14, 101)); /* LINKTYPE_RAW */
        ck_assert(!matches(filter, frame, sizeof frame, 101));
    }
    ck_assert(!filter_fault(filter, 0, &fault));
    filter_destroy(filter);
}
END_TEST

/* The names of an expression are looked up before there is a sandbox. */
START_TEST(it_may_be_compiled_ahead)
{
    static const char *const expressions[] = { "tcp dst port http", "tcp dst port 80" };
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES];

    build_tcp(frame, 50001, 80, 1, 0, FW_SYN);
    for (size_t i = 0; i < 2; i++) {
        struct filter *filter = filter_create(expressions[i], &fault);
        if (!filter)
            continue; /* no /etc/services here */
        filter_prepare(filter);
        filter_prepare(filter);
        ck_assert(!filter_fault(filter, 0, &fault)); /* no link type has come up yet */
        ck_assert(matches(filter, frame, sizeof frame, 1));
        ck_assert(matches(filter, frame + 14, sizeof frame - 14, 101)); /* LINKTYPE_RAW */
        ck_assert(!matches(filter, frame, sizeof frame, 101));
        filter_destroy(filter);
    }
    filter_prepare(NULL);
}
END_TEST

START_TEST(a_packet_captured_too_short_to_tell_does_not_match)
{
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES];

    build_tcp(frame, 50001, 80, 1, 0, FW_SYN);
    struct filter *filter = filter_create("tcp port 80", &fault);
    for (uint32_t bytes = 0; bytes < 38; bytes++)
        ck_assert(!matches(filter, frame, bytes, 1));
    ck_assert(matches(filter, frame, 38, 1));
    filter_destroy(filter);
}
END_TEST

START_TEST(no_expression_matches_all)
{
    static const char *const nothing[] = { NULL, "", "  \t\n" };
    struct source_fault fault;

    for (int i = 0; i < 3; i++) {
        struct filter *filter = filter_create(nothing[i], &fault);
        ck_assert_ptr_nonnull(filter);
        ck_assert(matches(filter, NULL, 0, 65000));
        ck_assert(!filter_fault(filter, 0, &fault));
        filter_destroy(filter);
    }
}
END_TEST

START_TEST(a_link_type_that_cannot_be_filtered_is_named)
{
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES] = { 0 };

    struct filter *filter = filter_create("tcp port 80", &fault);
    for (int i = 0; i < 310; i++)
        ck_assert(!matches(filter, frame, sizeof frame, 189));
    ck_assert(filter_fault(filter, 0, &fault));
    ck_assert_int_eq(fault.kind, SOURCE_FAULT_NOTICE);
    ck_assert_ptr_nonnull(strstr(fault.text, "link type 189 (USB_LINUX): left out 310 packets; "));
    ck_assert(!filter_fault(filter, 1, &fault));
    filter_destroy(filter);
}
END_TEST

START_TEST(very_many_link_types_are_named_together)
{
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES] = { 0 };
    size_t faults = 0;

    struct filter *filter = filter_create("tcp port 80", &fault);
    for (uint16_t link_type = 60000; link_type < 60500; link_type++)
        ck_assert(!matches(filter, frame, sizeof frame, link_type));
    while (filter_fault(filter, faults, &fault))
        faults++;
    ck_assert_uint_eq(faults, 9);
    filter_fault(filter, 8, &fault);
    ck_assert_str_eq(fault.text,
                     "the filter cannot be applied to 492 more link types: left out their packets");
    filter_destroy(filter);
}
END_TEST

START_TEST(an_expression_for_other_link_types_only_is_no_error)
{
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES] = { 0 };
    struct filter *filter = filter_create("wlan type mgt", &fault);

    ck_assert_ptr_nonnull(filter);
    ck_assert(!matches(filter, frame, sizeof frame, 1));
    ck_assert(filter_fault(filter, 0, &fault));
    filter_destroy(filter);
}
END_TEST

START_TEST(a_bad_expression_is_refused_with_a_hint)
{
    static const struct {
        const char *expression, *text, *hint;
    } cases[] = {
        { "tcp prt 80", "bad filter \"tcp prt 80\": syntax error",
          "did you mean \"tcp port 80\"?" },
        { "tpc port 80", "bad filter \"tpc port 80\": syntax error",
          "did you mean \"tcp port 80\"?" },
        { "host 10.0.0.1 adn port 80", "bad filter \"host 10.0.0.1 adn port 80\": syntax error",
          "did you mean \"host 10.0.0.1 and port 80\"?" },
        { "tcp.port == 80",
          "bad filter \"tcp.port == 80\": ", "that looks like Wireshark's display filters" },
        { "state close-wait", "bad filter \"state close-wait\": ", "go after -Y" },
        { "dport = :443", "bad filter \"dport = :443\": ", "go after -Y" },
        { "((", "bad filter \"((\": syntax error", "man 7 pcap-filter" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct source_fault fault;
        ck_assert_ptr_null(filter_create(cases[i].expression, &fault));
        ck_assert_msg(strncmp(fault.text, cases[i].text, strlen(cases[i].text)) == 0, "\"%s\"",
                      fault.text);
        ck_assert_msg(strstr(fault.hint, cases[i].hint) != NULL, "\"%s\"", fault.hint);
    }
}
END_TEST

START_TEST(a_file_without_r_is_recognised)
{
    struct builder builder = { 0 };
    struct source_fault fault;
    char hint[300];

    const char *path = build_save(&builder, "lab.pcap");
    ck_assert_ptr_null(filter_create(path, &fault));
    ck_assert_ptr_nonnull(strstr(fault.text, "that is a file"));
    snprintf(hint, sizeof hint, "to read it: finwait -r %s", path);
    ck_assert_str_eq(fault.hint, hint);
    build_finish(&builder);
}
END_TEST

/* Frames keep the numbers they had before the filter; -c counts what matched. */
START_TEST(a_source_filters_after_numbering)
{
    struct builder builder = { 0 };
    struct reading reading;
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES];

    build_pcap(&builder, &(struct pcap_variant){ .link_type = 1, .snaplen = 65535 });
    for (uint16_t i = 0; i < 1000; i++) {
        build_tcp(frame, (uint16_t)(i + 1), i % 10 == 9 ? 80 : 81, 1, 0, FW_SYN);
        build_pcap_packet(&builder, i, frame, sizeof frame, sizeof frame);
    }
    const char *path = build_save(&builder, "filter.pcap");
    struct filter *filter = filter_create("dst port 80", &fault);
    reading_of_files(&reading, &path, 1, filter, 0, 64);
    ck_assert_uint_eq(reading.count, 100);
    ck_assert_uint_eq(reading.stats.packets, 100);
    ck_assert_uint_eq(reading.stats.filtered, 900);
    for (size_t i = 0; i < reading.count; i++)
        ck_assert_uint_eq(reading.packets[i].frame, (i + 1) * 10);
    reading_finish(&reading);

    reading_of_files(&reading, &path, 1, filter, 7, 64);
    ck_assert_uint_eq(reading.count, 7);
    ck_assert_uint_eq(reading.packets[6].frame, 70);
    reading_finish(&reading);
    filter_destroy(filter);
    build_finish(&builder);
}
END_TEST

START_TEST(what_a_source_could_not_filter_is_its_fault)
{
    struct builder builder = { 0 };
    struct reading reading;
    struct source_fault fault;
    uint8_t frame[BUILD_TCP_BYTES];

    build_tcp(frame, 1, 80, 1, 0, FW_SYN);
    build_section(&builder, false);
    build_interface(&builder, &(struct interface_variant){ .link_type = 1 });
    build_interface(&builder, &(struct interface_variant){ .link_type = 189 });
    for (uint32_t i = 0; i < 10; i++)
        build_enhanced(&builder, i % 2, i, frame, sizeof frame, sizeof frame);
    const char *path = build_save(&builder, "mixed.pcapng");
    struct filter *filter = filter_create("dst port 80", &fault);
    reading_of_files(&reading, &path, 1, filter, 0, 64);
    ck_assert_uint_eq(reading.count, 5);
    ck_assert_uint_eq(reading.fault_count, 1);
    ck_assert_int_eq(reading_fault_kind(&reading), SOURCE_FAULT_NOTICE);
    reading_finish(&reading);
    filter_destroy(filter);
    build_finish(&builder);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_expression_chooses_packets,
        it_is_compiled_for_each_link_type,
        it_may_be_compiled_ahead,
        a_packet_captured_too_short_to_tell_does_not_match,
        no_expression_matches_all,
        a_link_type_that_cannot_be_filtered_is_named,
        very_many_link_types_are_named_together,
        an_expression_for_other_link_types_only_is_no_error,
        a_bad_expression_is_refused_with_a_hint,
        a_file_without_r_is_recognised,
        a_source_filters_after_numbering,
        what_a_source_could_not_filter_is_its_fault,
    };
    return UNIT_RUN("filter", tests);
}
