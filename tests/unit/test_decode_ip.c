#include "decoded.h"

#include "unit.h"

#include <arpa/inet.h>
#include <string.h>

static const struct tcp syn = {
    .from = 1000, .to = 80, .seq = 0x01020304, .flags = FW_SYN, .window = 4096
};

static struct packet ipv4_packet(size_t payload_bytes)
{
    struct packet packet;
    struct tcp tcp = syn;
    tcp.payload_bytes = payload_bytes;
    packet_start(&packet, LINK_RAW);
    packet_ipv4(&packet, "10.0.0.1", "10.0.0.2");
    packet_tcp(&packet, &tcp);
    packet_finish(&packet);
    return packet;
}

static void start_ipv6(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv6(packet, "2001:db8::1", "2001:db8::2");
}

static struct decoded finish_segment(struct packet *packet)
{
    packet_tcp(packet, &syn);
    packet_finish(packet);
    return decoded_checked(packet);
}

static enum fw_verdict verdict(const struct packet *packet)
{
    return decoded_whole(packet).verdict;
}

/* -------------------------------------------------------------------------------------- IPv4 -- */

START_TEST(ipv4_options_are_passed_over)
{
    for (size_t count = 0; count <= 40; count += 4) {
        struct packet packet;
        packet_start(&packet, LINK_RAW);
        packet_ipv4(&packet, "10.0.0.1", "10.0.0.2");
        packet_ipv4_options(&packet, count);
        const struct decoded decoded = finish_segment(&packet);
        ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
        ck_assert_uint_eq(decoded.segment.seq, syn.seq);
        ck_assert_uint_eq(decoded.segment.payload_bytes, 0);
        ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
    }
}
END_TEST

START_TEST(total_length_zero_takes_the_frames_length)
{
    struct packet packet = ipv4_packet(1000);
    packet.bytes[2] = packet.bytes[3] = 0;
    ck_assert_uint_eq(decoded_whole(&packet).segment.payload_bytes, 1000);

    struct fw_packet view = packet_view(&packet);
    view.sent_bytes = 70000;
    ck_assert_uint_eq(decoded_view(&view, false).segment.payload_bytes, 70000 - 40);
}
END_TEST

START_TEST(a_total_length_beyond_the_frame_is_believed)
{
    struct packet packet = ipv4_packet(10);
    packet.bytes[2] = 0x05;
    packet.bytes[3] = 0xdc;
    const struct decoded decoded = decoded_checked(&packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_uint_eq(decoded.segment.payload_bytes, 1500 - 40);
}
END_TEST

START_TEST(ipv4_headers_that_contradict_themselves_are_malformed)
{
    struct packet packet = ipv4_packet(10);
    packet.bytes[0] = 0x44;
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_MALFORMED);
    packet = ipv4_packet(10);
    packet.bytes[2] = 0;
    packet.bytes[3] = 19;
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_MALFORMED);
    packet = ipv4_packet(10);
    packet.bytes[3] = 39; /* no room for a TCP header */
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_MALFORMED);
}
END_TEST

START_TEST(a_wrong_ipv4_checksum_spoils_the_segment_where_it_is_looked_for)
{
    struct packet packet = ipv4_packet(10);
    packet.bytes[8] ^= 1; /* TTL */
    ck_assert_uint_eq(decoded_checked(&packet).segment.checksum, FW_CHECKSUM_BAD);
    ck_assert_uint_eq(decoded_whole(&packet).segment.checksum, FW_CHECKSUM_UNCHECKED);
}
END_TEST

START_TEST(other_protocols_of_ip_are_not_tcp)
{
    static const uint8_t others[] = { 2, 17, 58, 89, 103, 112, 132, 255 };
    for (size_t i = 0; i < sizeof(others); i++) {
        struct packet packet = ipv4_packet(30);
        packet.bytes[9] = others[i];
        ck_assert_int_eq(verdict(&packet), FW_VERDICT_NOT_TCP);
    }
}
END_TEST

START_TEST(the_first_fragment_gives_a_segment)
{
    struct packet packet;
    packet_start(&packet, LINK_RAW);
    packet_ipv4(&packet, "10.0.0.1", "10.0.0.2");
    packet_fragment(&packet, 0, true);
    const struct decoded decoded = finish_segment(&packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert(decoded.segment.fragmented);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_UNCHECKED);
}
END_TEST

START_TEST(later_fragments_are_fragments)
{
    struct packet packet;
    packet_start(&packet, LINK_RAW);
    packet_ipv4(&packet, "10.0.0.1", "10.0.0.2");
    packet_fragment(&packet, 8, true);
    ck_assert_int_eq(finish_segment(&packet).verdict, FW_VERDICT_FRAGMENT);
    packet.bytes[6] = 0; /* the last one */
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_FRAGMENT);
    packet.bytes[9] = 17;
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_NOT_TCP);

    start_ipv6(&packet);
    packet_fragment(&packet, 16, false);
    ck_assert_int_eq(finish_segment(&packet).verdict, FW_VERDICT_FRAGMENT);
}
END_TEST

START_TEST(a_first_fragment_that_cuts_the_tcp_header_is_a_fragment)
{
    struct packet packet = ipv4_packet(0);
    packet.bytes[6] = 0x20;
    packet.bytes[3] = 20 + 16; /* the header itself */
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_FRAGMENT);

    packet = ipv4_packet(4);
    packet.bytes[6] = 0x20;
    packet.bytes[20 + 12] = 10 << 4; /* its options */
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_FRAGMENT);
}
END_TEST

START_TEST(what_an_authentication_header_protects_is_read)
{
    static const uint8_t content[22] = { 0 };
    struct packet packet;
    packet_start(&packet, LINK_RAW);
    packet_ipv4(&packet, "10.0.0.1", "10.0.0.2");
    packet_extension(&packet, 51, content, sizeof(content));
    ck_assert_uint_eq(finish_segment(&packet).segment.checksum, FW_CHECKSUM_GOOD);

    start_ipv6(&packet);
    packet_extension(&packet, 51, content, sizeof(content));
    ck_assert_uint_eq(finish_segment(&packet).segment.checksum, FW_CHECKSUM_GOOD);
    packet.bytes[40 + 1] = 0xff;
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_MALFORMED);
}
END_TEST

/* -------------------------------------------------------------------------------------- IPv6 -- */

START_TEST(every_extension_header_is_passed_over)
{
    static const uint8_t kinds[] = { 0, 43, 60, 135, 139, 140, 253, 254 };
    static const uint8_t content[30] = { 1, 0 }; /* as options: padding */
    struct packet packet;
    for (size_t i = 0; i < sizeof(kinds); i++) {
        start_ipv6(&packet);
        packet_extension(&packet, kinds[i], content, 6);
        packet_extension(&packet, kinds[i], content, 22);
        const struct decoded decoded = finish_segment(&packet);
        ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
        ck_assert_uint_eq(decoded.segment.seq, syn.seq);
        ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
        ck_assert_uint_eq(decoded.segment.ip_id, 0);
    }
    start_ipv6(&packet);
    for (size_t i = 0; i < sizeof(kinds); i++)
        packet_extension(&packet, kinds[i], content, 14);
    packet_fragment(&packet, 0, false); /* an atomic fragment is none */
    const struct decoded decoded = finish_segment(&packet);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
    ck_assert(!decoded.segment.fragmented);
}
END_TEST

START_TEST(the_first_ipv6_fragment_gives_a_segment)
{
    struct packet packet;
    start_ipv6(&packet);
    packet_fragment(&packet, 0, true);
    const struct decoded decoded = finish_segment(&packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert(decoded.segment.fragmented);
}
END_TEST

START_TEST(no_next_header_is_not_tcp)
{
    struct packet packet;
    start_ipv6(&packet);
    packet_bytes(&packet, NULL, 40);
    packet_finish(&packet);
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_NOT_TCP);
}
END_TEST

START_TEST(an_extension_header_beyond_the_packet_is_malformed)
{
    struct packet packet;
    start_ipv6(&packet);
    packet_extension(&packet, 60, "\x01\x04\0\0\0\0", 6);
    finish_segment(&packet);
    packet.bytes[41] = 200;
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_MALFORMED);
}
END_TEST

START_TEST(a_jumbogram_says_its_length_in_an_option)
{
    struct packet packet;
    start_ipv6(&packet);
    packet_extension(&packet, 0, "\xc2\x04\x00\x01\x11\x70", 6); /* 70000 */
    finish_segment(&packet);
    packet.bytes[4] = packet.bytes[5] = 0;
    struct fw_packet view = packet_view(&packet);
    view.sent_bytes = 40 + 70000 + 5; /* five of padding */
    const struct decoded decoded = decoded_view(&view, false);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_uint_eq(decoded.segment.payload_bytes, 70000 - 8 - 20);
}
END_TEST

START_TEST(payload_length_zero_takes_the_frames_length)
{
    struct packet packet;
    start_ipv6(&packet);
    finish_segment(&packet);
    packet.bytes[4] = packet.bytes[5] = 0;
    struct fw_packet view = packet_view(&packet);
    view.sent_bytes = 40 + 20 + 90000;
    ck_assert_uint_eq(decoded_view(&view, false).segment.payload_bytes, 90000);
}
END_TEST

/* A routing header of `type` with `left` segments; `content` follows these. */
static struct decoded routed(uint8_t type, uint8_t left, const uint8_t *content, size_t count,
                             const char *final_destination)
{
    struct packet packet;
    uint8_t header[64] = { type, left };
    memcpy(header + 2, content, count);
    start_ipv6(&packet);
    packet_extension(&packet, 43, header, 2 + count);
    packet_checksum_addresses(&packet, NULL, final_destination);
    return finish_segment(&packet);
}

static void put_addr(uint8_t *at, const char *text)
{
    ck_assert_int_eq(inet_pton(AF_INET6, text, at), 1);
}

START_TEST(the_end_of_a_source_route_is_the_destination)
{
    uint8_t list[4 + 32] = { 0 };
    put_addr(list + 4, "2001:db8::8");
    put_addr(list + 20, "2001:db8::9");
    struct decoded decoded = routed(0, 2, list, 36, "2001:db8::9");
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), "[2001:db8::9]:80");
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);

    decoded = routed(2, 1, list, 20, "2001:db8::8"); /* mobility: home address */
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), "[2001:db8::8]:80");
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);

    decoded = routed(4, 1, list, 36, "2001:db8::8"); /* segment routing: the list is reversed */
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), "[2001:db8::8]:80");
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);

    decoded = routed(0, 0, list, 36, NULL); /* at its end */
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), "[2001:db8::2]:80");
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
}
END_TEST

START_TEST(a_compressed_source_route_is_expanded)
{
    /* RFC 6554: 15 bytes shared at both ends, one address of one byte, seven of padding */
    static const uint8_t content[] = { 0xff, 0x70, 0, 0, 0x77, 0, 0, 0, 0, 0, 0, 0 };
    const struct decoded decoded = routed(3, 1, content, sizeof(content), "2001:db8::77");
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), "[2001:db8::77]:80");
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
}
END_TEST

START_TEST(an_unknown_source_route_leaves_the_checksum_unchecked)
{
    static const uint8_t content[12] = { 0 };
    const struct decoded decoded = routed(77, 1, content, sizeof(content), "2001:db8::9");
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_UNCHECKED);
}
END_TEST

START_TEST(a_mobile_sender_is_known_by_its_home_address)
{
    uint8_t option[22] = { 1, 2, 0, 0, 0xc9, 16 };
    struct packet packet;
    put_addr(option + 6, "2001:db8::abcd");
    start_ipv6(&packet);
    packet_extension(&packet, 60, option, sizeof(option));
    packet_checksum_addresses(&packet, "2001:db8::abcd", NULL);
    const struct decoded decoded = finish_segment(&packet);
    ck_assert_str_eq(endpoint_text(&decoded.segment.from), "[2001:db8::abcd]:1000");
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
}
END_TEST

/* -------------------------------------------------------------------------------------- ICMP -- */

static struct packet icmp_packet(uint8_t type, uint8_t code, size_t tcp_bytes)
{
    struct packet packet;
    const struct packet quoted = ipv4_packet(100);
    packet_start(&packet, LINK_RAW);
    packet_ipv4(&packet, "192.0.2.1", "10.0.0.1");
    packet_icmp(&packet, type, code);
    packet_bytes(&packet, quoted.bytes, 20 + tcp_bytes);
    packet_finish(&packet);
    return packet;
}

static struct packet icmpv6_packet(uint8_t type, uint8_t code)
{
    struct packet packet, quoted;
    start_ipv6(&quoted);
    packet_extension(&quoted, 60, "\x01\x04\0\0\0\0", 6);
    finish_segment(&quoted);
    packet_start(&packet, LINK_RAW);
    packet_ipv6(&packet, "2001:db8::ffff", "2001:db8::1");
    packet_icmpv6(&packet, type, code);
    packet_bytes(&packet, quoted.bytes, quoted.count);
    packet_finish(&packet);
    return packet;
}

START_TEST(an_icmp_error_names_the_segment_that_did_not_arrive)
{
    const struct packet packet = icmp_packet(3, 1, 8);
    const struct decoded decoded = decoded_checked(&packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_ICMP_ERROR);
    ck_assert_str_eq(endpoint_text(&decoded.segment.from), "10.0.0.1:1000");
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), "10.0.0.2:80");
    ck_assert_uint_eq(decoded.segment.seq, syn.seq);
    ck_assert_uint_eq(decoded.segment.icmp, FW_ICMP_HOST_UNREACHABLE);
    ck_assert_uint_eq(decoded.segment.flags, 0); /* not quoted */
    ck_assert_uint_eq(decoded.segment.payload_bytes, 0);
    ck_assert_uint_eq(decoded.segment.options, 0);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
    ck_assert_uint_eq(decoded.segment.frame, 1);
}
END_TEST

START_TEST(an_icmp_error_gives_the_flags_if_it_quotes_them)
{
    const struct packet ipv4 = icmp_packet(11, 0, 20);
    struct decoded decoded = decoded_checked(&ipv4);
    ck_assert_uint_eq(decoded.segment.flags, FW_SYN);
    ck_assert_uint_eq(decoded.segment.icmp, FW_ICMP_TIME_EXCEEDED);

    const struct packet ipv6 = icmpv6_packet(1, 4);
    decoded = decoded_checked(&ipv6);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_ICMP_ERROR);
    ck_assert_str_eq(endpoint_text(&decoded.segment.from), "[2001:db8::1]:1000");
    ck_assert_uint_eq(decoded.segment.icmp, FW_ICMP_PORT_UNREACHABLE);
    ck_assert_uint_eq(decoded.segment.flags, FW_SYN);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
}
END_TEST

START_TEST(each_icmp_error_has_its_cause)
{
    static const struct {
        uint8_t type, code;
        enum fw_icmp cause;
    } ipv4[] = {
        { 3, 0, FW_ICMP_NET_UNREACHABLE },       { 3, 1, FW_ICMP_HOST_UNREACHABLE },
        { 3, 2, FW_ICMP_PROTOCOL_UNREACHABLE },  { 3, 3, FW_ICMP_PORT_UNREACHABLE },
        { 3, 4, FW_ICMP_FRAGMENTATION_NEEDED },  { 3, 5, FW_ICMP_OTHER },
        { 3, 6, FW_ICMP_NET_UNREACHABLE },       { 3, 7, FW_ICMP_HOST_UNREACHABLE },
        { 3, 9, FW_ICMP_PROHIBITED },            { 3, 10, FW_ICMP_PROHIBITED },
        { 3, 13, FW_ICMP_PROHIBITED },           { 11, 0, FW_ICMP_TIME_EXCEEDED },
        { 12, 0, FW_ICMP_OTHER },
    }, ipv6[] = {
        { 1, 0, FW_ICMP_NET_UNREACHABLE },       { 1, 1, FW_ICMP_PROHIBITED },
        { 1, 2, FW_ICMP_OTHER },                 { 1, 3, FW_ICMP_HOST_UNREACHABLE },
        { 1, 4, FW_ICMP_PORT_UNREACHABLE },      { 1, 5, FW_ICMP_PROHIBITED },
        { 1, 6, FW_ICMP_PROHIBITED },            { 2, 0, FW_ICMP_FRAGMENTATION_NEEDED },
        { 3, 0, FW_ICMP_TIME_EXCEEDED },         { 4, 1, FW_ICMP_PROTOCOL_UNREACHABLE },
        { 4, 0, FW_ICMP_OTHER },
    };
    for (size_t i = 0; i < sizeof(ipv4) / sizeof(ipv4[0]); i++) {
        const struct packet packet = icmp_packet(ipv4[i].type, ipv4[i].code, 8);
        ck_assert_uint_eq(decoded_whole(&packet).segment.icmp, ipv4[i].cause);
    }
    for (size_t i = 0; i < sizeof(ipv6) / sizeof(ipv6[0]); i++) {
        const struct packet packet = icmpv6_packet(ipv6[i].type, ipv6[i].code);
        ck_assert_uint_eq(decoded_whole(&packet).segment.icmp, ipv6[i].cause);
    }
}
END_TEST

START_TEST(other_icmp_is_not_tcp)
{
    static const uint8_t others[] = { 0, 4, 5, 8, 13 }, others_v6[] = { 0, 5, 128, 135, 137 };
    for (size_t i = 0; i < 5; i++) {
        const struct packet ipv4 = icmp_packet(others[i], 0, 20);
        ck_assert_int_eq(verdict(&ipv4), FW_VERDICT_NOT_TCP);
        const struct packet ipv6 = icmpv6_packet(others_v6[i], 0);
        ck_assert_int_eq(verdict(&ipv6), FW_VERDICT_NOT_TCP);
    }
}
END_TEST

START_TEST(an_icmp_error_about_something_else_is_not_tcp)
{
    struct packet packet = icmp_packet(3, 3, 8);
    packet.bytes[28 + 9] = 17;
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_NOT_TCP);
    packet = icmp_packet(3, 3, 8);
    packet.bytes[28 + 7] = 1; /* a later fragment */
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_NOT_TCP);
    packet = icmp_packet(3, 3, 7); /* less than RFC 792 wants */
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_NOT_TCP);
    packet = icmpv6_packet(1, 0);
    packet.bytes[48 + 40] = 50; /* ESP after the quoted destination options */
    ck_assert_int_eq(verdict(&packet), FW_VERDICT_NOT_TCP);
}
END_TEST

START_TEST(an_icmp_error_with_a_wrong_checksum_is_marked)
{
    struct packet packet = icmp_packet(3, 3, 8);
    packet.bytes[packet.count - 1] ^= 1;
    ck_assert_uint_eq(decoded_checked(&packet).segment.checksum, FW_CHECKSUM_BAD);
}
END_TEST

START_TEST(an_icmp_error_cut_by_the_snaplen_is_truncated)
{
    const struct packet packet = icmp_packet(3, 3, 8);
    ck_assert_int_eq(decoded_snapped(&packet, packet.count - 1).verdict, FW_VERDICT_TRUNCATED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        ipv4_options_are_passed_over,
        total_length_zero_takes_the_frames_length,
        a_total_length_beyond_the_frame_is_believed,
        ipv4_headers_that_contradict_themselves_are_malformed,
        a_wrong_ipv4_checksum_spoils_the_segment_where_it_is_looked_for,
        other_protocols_of_ip_are_not_tcp,
        the_first_fragment_gives_a_segment,
        later_fragments_are_fragments,
        a_first_fragment_that_cuts_the_tcp_header_is_a_fragment,
        what_an_authentication_header_protects_is_read,
        every_extension_header_is_passed_over,
        the_first_ipv6_fragment_gives_a_segment,
        no_next_header_is_not_tcp,
        an_extension_header_beyond_the_packet_is_malformed,
        a_jumbogram_says_its_length_in_an_option,
        payload_length_zero_takes_the_frames_length,
        the_end_of_a_source_route_is_the_destination,
        a_compressed_source_route_is_expanded,
        an_unknown_source_route_leaves_the_checksum_unchecked,
        a_mobile_sender_is_known_by_its_home_address,
        an_icmp_error_names_the_segment_that_did_not_arrive,
        an_icmp_error_gives_the_flags_if_it_quotes_them,
        each_icmp_error_has_its_cause,
        other_icmp_is_not_tcp,
        an_icmp_error_about_something_else_is_not_tcp,
        an_icmp_error_with_a_wrong_checksum_is_marked,
        an_icmp_error_cut_by_the_snaplen_is_truncated,
    };
    return UNIT_RUN("decode_ip", tests);
}
