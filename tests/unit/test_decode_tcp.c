#include "decoded.h"

#include "unit.h"

#include <string.h>

static struct packet packet_with(const struct tcp *tcp)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_ipv4(&packet, "10.0.0.1", "10.0.0.2");
    packet_tcp(&packet, tcp);
    packet_finish(&packet);
    return packet;
}

enum { TCP_AT = 14 + 20 }; /* where the TCP header of packet_with() starts */

START_TEST(every_field_of_the_header_arrives)
{
    const struct packet packet = packet_with(&(struct tcp){ .from = 50001,
                                                            .to = 443,
                                                            .seq = 0xfffffffe,
                                                            .ack = 0x80000001,
                                                            .flags = FW_PSH | FW_ACK | FW_URG,
                                                            .window = 65535,
                                                            .urgent = 7,
                                                            .payload_bytes = 11 });
    const struct decoded decoded = decoded_whole(&packet);
    const struct fw_segment *segment = &decoded.segment;
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_str_eq(endpoint_text(&segment->from), "10.0.0.1:50001");
    ck_assert_str_eq(endpoint_text(&segment->to), "10.0.0.2:443");
    ck_assert_uint_eq(segment->seq, 0xfffffffe);
    ck_assert_uint_eq(segment->ack, 0x80000001);
    ck_assert_uint_eq(segment->flags, FW_PSH | FW_ACK | FW_URG);
    ck_assert_uint_eq(segment->window_raw, 65535);
    ck_assert_uint_eq(segment->urgent, 7);
    ck_assert_uint_eq(segment->payload_bytes, 11);
    ck_assert_uint_eq(segment->options, 0);
    ck_assert_uint_eq(segment->ttl, 64);
    ck_assert_uint_eq(segment->ip_id, 0x1234);
    ck_assert_uint_eq(segment->checksum_raw,
                      packet.bytes[TCP_AT + 16] << 8 | packet.bytes[TCP_AT + 17]);
    ck_assert_uint_eq(segment->icmp, FW_ICMP_NONE);
    ck_assert_uint_eq(segment->checksum, FW_CHECKSUM_UNCHECKED);
    ck_assert(!segment->fragmented);
    ck_assert_uint_eq(segment->frame, 1);
    ck_assert_int_eq(segment->time, FW_SECOND);
    ck_assert_uint_eq(segment->scope.vlan, 0);
    ck_assert_uint_eq(segment->scope.tunnel, FW_TUNNEL_NONE);
    ck_assert_uint_eq(segment->scope.tunnel_id, 0);
}
END_TEST

START_TEST(all_nine_flags_arrive_and_reserved_bits_do_not)
{
    for (unsigned flags = 0; flags <= 0xfff; flags++) {
        const struct packet packet = packet_with(&(struct tcp){ .flags = (uint16_t)flags });
        const struct decoded decoded = decoded_whole(&packet);
        ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
        ck_assert_uint_eq(decoded.segment.flags, flags & 0x1ff);
    }
}
END_TEST

#define LINUX_SYN "\x02\x04\x05\xb4\x04\x02\x08\x0a\x01\x02\x03\x04\x05\x06\x07\x08\x01\x03\x03\x0f"

/* As Linux sends them, and in a longer list, which is read one by one. */
START_TEST(options_of_a_linux_syn_arrive)
{
    const struct packet usual =
        packet_with(&(struct tcp){ .flags = FW_SYN, TCP_OPTIONS(LINUX_SYN) });
    const struct packet longer =
        packet_with(&(struct tcp){ .flags = FW_SYN, TCP_OPTIONS(LINUX_SYN "\x01\x01\x01\x01") });
    const struct packet *const both[] = { &usual, &longer };
    for (size_t i = 0; i < 2; i++) {
        const struct decoded decoded = decoded_whole(both[i]);
        ck_assert_uint_eq(decoded.segment.options, FW_OPT_MSS | FW_OPT_WINDOW_SCALE |
                                                       FW_OPT_SACK_PERMITTED | FW_OPT_TIMESTAMPS);
        ck_assert_uint_eq(decoded.segment.mss, 1460);
        ck_assert_uint_eq(decoded.segment.window_scale, 14); /* at most: RFC 7323 section 2.3 */
        ck_assert_uint_eq(decoded.segment.ts_val, 0x01020304);
        ck_assert_uint_eq(decoded.segment.ts_ecr, 0x05060708);
        ck_assert_uint_eq(decoded.segment.payload_bytes, 0);
    }
}
END_TEST

START_TEST(timestamps_arrive_wherever_they_stand)
{
    const struct packet usual = packet_with(&(struct tcp){
        .flags = FW_ACK, TCP_OPTIONS("\x01\x01\x08\x0a\xff\xff\xff\xff\x00\x00\x00\x00") });
    const struct packet other = packet_with(&(struct tcp){
        .flags = FW_ACK, TCP_OPTIONS("\x08\x0a\xff\xff\xff\xff\x00\x00\x00\x00\x01\x01") });
    const struct packet with_sack = packet_with(
        &(struct tcp){ .flags = FW_ACK,
                       TCP_OPTIONS("\x01\x01\x08\x0a\xff\xff\xff\xff\x00\x00\x00\x00"
                                   "\x01\x01\x05\x0a\x00\x00\x00\x01\x00\x00\x00\x02") });
    const struct packet *const all[] = { &usual, &other, &with_sack };
    for (size_t i = 0; i < 3; i++) {
        const struct decoded decoded = decoded_whole(all[i]);
        ck_assert_uint_eq(decoded.segment.options,
                          i == 2 ? FW_OPT_TIMESTAMPS | FW_OPT_SACK : FW_OPT_TIMESTAMPS);
        ck_assert_uint_eq(decoded.segment.ts_val, 0xffffffff);
        ck_assert_uint_eq(decoded.segment.ts_ecr, 0);
    }
}
END_TEST

START_TEST(a_window_scale_is_at_most_14)
{
    const struct packet packet =
        packet_with(&(struct tcp){ .flags = FW_SYN, TCP_OPTIONS("\x03\x03\xff") });
    const struct decoded decoded = decoded_whole(&packet);
    ck_assert_uint_eq(decoded.segment.options, FW_OPT_WINDOW_SCALE);
    ck_assert_uint_eq(decoded.segment.window_scale, 14);
}
END_TEST

START_TEST(fast_open_is_seen_in_both_its_forms)
{
    const struct packet request =
        packet_with(&(struct tcp){ .flags = FW_SYN, TCP_OPTIONS("\x22\x02") });
    const struct packet cookie = packet_with(
        &(struct tcp){ .flags = FW_SYN, TCP_OPTIONS("\x22\x0a\x01\x02\x03\x04\x05\x06\x07\x08") });
    const struct packet experimental = packet_with(
        &(struct tcp){ .flags = FW_SYN, TCP_OPTIONS("\xfe\x0a\xf9\x89\x01\x02\x03\x04\x05\x06") });
    const struct packet other =
        packet_with(&(struct tcp){ .flags = FW_SYN, TCP_OPTIONS("\xfe\x04\xf9\x88\xfe\x02") });
    struct decoded decoded = decoded_whole(&request);
    ck_assert_uint_eq(decoded.segment.options, FW_OPT_FAST_OPEN);
    ck_assert_uint_eq(decoded.segment.fast_open_bytes, 0);
    decoded = decoded_whole(&cookie);
    ck_assert_uint_eq(decoded.segment.options, FW_OPT_FAST_OPEN);
    ck_assert_uint_eq(decoded.segment.fast_open_bytes, 8);
    decoded = decoded_whole(&experimental);
    ck_assert_uint_eq(decoded.segment.options, FW_OPT_FAST_OPEN);
    ck_assert_uint_eq(decoded.segment.fast_open_bytes, 6);
    decoded = decoded_whole(&other);
    ck_assert_uint_eq(decoded.segment.options, 0);
}
END_TEST

START_TEST(multipath_is_noted)
{
    const struct packet packet = packet_with(
        &(struct tcp){ .flags = FW_SYN, TCP_OPTIONS("\x1e\x04\x01\x01\x02\x04\x05\xb4") });
    ck_assert_uint_eq(decoded_whole(&packet).segment.options, FW_OPT_MPTCP | FW_OPT_MSS);
}
END_TEST

static uint8_t options_of(const char *options, size_t count)
{
    const struct packet packet = packet_with(
        &(struct tcp){ .flags = FW_SYN, .options = options, .options_bytes = count, .seq = 5 });
    const struct decoded decoded = decoded_whole(&packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_uint_eq(decoded.segment.seq, 5);
    return decoded.segment.options;
}

#define OPTIONS_OF(literal) options_of(literal, sizeof(literal) - 1)

START_TEST(an_impossible_option_ends_the_list_but_not_the_segment)
{
    /* length 0, length 1, longer than the header, end of list; after an MSS and before another */
    ck_assert_uint_eq(OPTIONS_OF("\x02\x04\x05\xb4\x08\x00\x04\x02"), FW_OPT_MSS);
    ck_assert_uint_eq(OPTIONS_OF("\x02\x04\x05\xb4\x08\x01\x04\x02"), FW_OPT_MSS);
    ck_assert_uint_eq(OPTIONS_OF("\x02\x04\x05\xb4\x08\x0a\x04\x02"), FW_OPT_MSS);
    ck_assert_uint_eq(OPTIONS_OF("\x02\x04\x05\xb4\x00\x00\x04\x02"), FW_OPT_MSS);
    ck_assert_uint_eq(OPTIONS_OF("\x01\x01\x01\x08"), 0); /* a kind without a length */
}
END_TEST

START_TEST(an_option_of_a_foreign_length_is_passed_over)
{
    ck_assert_uint_eq(OPTIONS_OF("\x02\x03\x05\x04\x02\x00"), FW_OPT_SACK_PERMITTED);
    ck_assert_uint_eq(OPTIONS_OF("\x03\x04\x05\x05\x04\x02"), FW_OPT_SACK_PERMITTED);
    ck_assert_uint_eq(OPTIONS_OF("\x08\x04\x05\x05\x04\x02"), FW_OPT_SACK_PERMITTED);
    ck_assert_uint_eq(OPTIONS_OF("\x04\x03\x05\x02\x04\x05\xb4"), FW_OPT_MSS);
    ck_assert_uint_eq(OPTIONS_OF("\x05\x03\x05\x02\x04\x05\xb4"), FW_OPT_MSS);
    ck_assert_uint_eq(OPTIONS_OF("\x13\x04\x05\x05\x02\x04\x05\xb4"), FW_OPT_MSS);
}
END_TEST

START_TEST(a_header_shorter_than_20_bytes_is_malformed)
{
    for (unsigned words = 0; words < 5; words++) {
        struct packet packet = packet_with(&(struct tcp){ .payload_bytes = 40 });
        packet.bytes[TCP_AT + 12] = (uint8_t)(words << 4);
        ck_assert_int_eq(decoded_whole(&packet).verdict, FW_VERDICT_MALFORMED);
    }
}
END_TEST

START_TEST(a_header_longer_than_the_segment_is_malformed)
{
    struct packet packet = packet_with(&(struct tcp){ .payload_bytes = 4 });
    packet.bytes[TCP_AT + 12] = 6 << 4;
    ck_assert_int_eq(decoded_whole(&packet).verdict, FW_VERDICT_SEGMENT);
    packet.bytes[TCP_AT + 12] = 7 << 4;
    ck_assert_int_eq(decoded_whole(&packet).verdict, FW_VERDICT_MALFORMED);
}
END_TEST

START_TEST(a_snaplen_may_cut_the_payload_and_the_options)
{
    const struct packet packet = packet_with(&(struct tcp){
        .seq = 9,
        TCP_OPTIONS("\x02\x04\x05\xb4\x04\x02\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x02"),
        .payload_bytes = 100 });
    struct decoded decoded = decoded_snapped(&packet, TCP_AT + 40);
    ck_assert_uint_eq(decoded.segment.options,
                      FW_OPT_MSS | FW_OPT_SACK_PERMITTED | FW_OPT_TIMESTAMPS);
    ck_assert_uint_eq(decoded.segment.payload_bytes, 100);

    decoded = decoded_snapped(&packet, TCP_AT + 30); /* within the timestamps */
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_uint_eq(decoded.segment.options, FW_OPT_MSS | FW_OPT_SACK_PERMITTED);
    ck_assert_uint_eq(decoded.segment.payload_bytes, 100);

    decoded = decoded_snapped(&packet, TCP_AT + 20);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_uint_eq(decoded.segment.options, 0);
    ck_assert_uint_eq(decoded.segment.seq, 9);
    ck_assert_uint_eq(decoded.segment.payload_bytes, 100);

    ck_assert_int_eq(decoded_snapped(&packet, TCP_AT + 19).verdict, FW_VERDICT_TRUNCATED);
}
END_TEST

START_TEST(a_wrong_checksum_is_found_only_where_it_is_looked_for)
{
    struct packet packet = packet_with(&(struct tcp){ .flags = FW_SYN, .payload_bytes = 3 });
    ck_assert_uint_eq(decoded_checked(&packet).segment.checksum, FW_CHECKSUM_GOOD);
    packet.bytes[packet.count - 1] ^= 1;
    ck_assert_uint_eq(decoded_checked(&packet).segment.checksum, FW_CHECKSUM_BAD);
    ck_assert_uint_eq(decoded_whole(&packet).segment.checksum, FW_CHECKSUM_UNCHECKED);
}
END_TEST

START_TEST(every_length_of_payload_has_its_checksum)
{
    for (size_t count = 0; count < 40; count++) {
        const struct packet packet = packet_with(&(struct tcp){ .payload_bytes = count });
        const struct decoded decoded = decoded_checked(&packet);
        ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
        ck_assert_uint_eq(decoded.segment.payload_bytes, count);
    }
}
END_TEST

START_TEST(what_was_not_captured_whole_is_not_checked)
{
    const struct packet packet = packet_with(&(struct tcp){ .payload_bytes = 9 });
    struct fw_packet view = packet_view(&packet);
    view.captured_bytes--;
    ck_assert_uint_eq(decoded_view(&view, true).segment.checksum, FW_CHECKSUM_UNCHECKED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_field_of_the_header_arrives,
        all_nine_flags_arrive_and_reserved_bits_do_not,
        options_of_a_linux_syn_arrive,
        timestamps_arrive_wherever_they_stand,
        a_window_scale_is_at_most_14,
        fast_open_is_seen_in_both_its_forms,
        multipath_is_noted,
        an_impossible_option_ends_the_list_but_not_the_segment,
        an_option_of_a_foreign_length_is_passed_over,
        a_header_shorter_than_20_bytes_is_malformed,
        a_header_longer_than_the_segment_is_malformed,
        a_snaplen_may_cut_the_payload_and_the_options,
        a_wrong_checksum_is_found_only_where_it_is_looked_for,
        every_length_of_payload_has_its_checksum,
        what_was_not_captured_whole_is_not_checked,
    };
    return UNIT_RUN("decode_tcp", tests);
}
