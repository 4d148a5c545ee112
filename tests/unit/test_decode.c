/* Properties that hold for every packet: whatever is cut off or changed, there is a verdict. */
#include "decoded.h"

#include "unit.h"

#include <string.h>

static const struct tcp usual = { .from = 1000,
                                  .to = 80,
                                  .seq = 1,
                                  .ack = 2,
                                  .flags = FW_ACK,
                                  TCP_OPTIONS("\x01\x01\x08\x0a\0\0\0\1\0\0\0\2"),
                                  .payload_bytes = 6 };
static const struct tcp opening = { .from = 1000,
                                    .to = 80,
                                    .seq = 1,
                                    .flags = FW_SYN,
                                    TCP_OPTIONS("\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\1\0\0\0\0"
                                                "\x01\x03\x03\x07\x22\x06\1\2\3\4\x1e\x04\0\1") };

static void ipv4_and_tcp(struct packet *packet)
{
    packet_ipv4(packet, "10.0.0.1", "10.0.0.2");
    packet_tcp(packet, &usual);
}

static void ethernet(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    ipv4_and_tcp(packet);
}

static void ethernet_ipv6(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_ipv6(packet, "2001:db8::1", "2001:db8::2");
    packet_tcp(packet, &opening);
}

static void vlans(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_vlan(packet, 0x88a8, 1);
    packet_vlan(packet, 0x8100, 2);
    packet_ipv4(packet, "10.0.0.1", "10.0.0.2");
    packet_tcp(packet, &opening);
}

static void snap(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_snap(packet);
    ipv4_and_tcp(packet);
}

static void mpls(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_mpls(packet, 1, false);
    packet_mpls(packet, 2, true);
    ipv4_and_tcp(packet);
}

static void pseudowire(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_mpls(packet, 2, true);
    packet_bytes(packet, "\0\0\0\1", 4);
    packet_ethernet(packet);
    ipv4_and_tcp(packet);
}

static void pppoe(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_pppoe(packet, 1);
    packet_ppp(packet, false);
    ipv4_and_tcp(packet);
}

static void ppp(struct packet *packet)
{
    packet_start(packet, LINK_PPP);
    packet_ppp(packet, true);
    ipv4_and_tcp(packet);
}

static void sll(struct packet *packet)
{
    packet_start(packet, LINK_SLL);
    packet_sll(packet);
    ipv4_and_tcp(packet);
}

static void sll2(struct packet *packet)
{
    packet_start(packet, LINK_SLL2);
    packet_sll2(packet);
    ipv4_and_tcp(packet);
}

static void loopback(struct packet *packet)
{
    packet_start(packet, LINK_NULL);
    packet_bytes(packet, "\2\0\0\0", 4);
    ipv4_and_tcp(packet);
}

static void nflog(struct packet *packet)
{
    packet_start(packet, LINK_NFLOG);
    packet_bytes(packet, "\2\0\0\1\5\0\x0a\0x\0\0\0\x3e\0\x09\0", 16);
    ipv4_and_tcp(packet);
}

static void raw_with_options(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv4(packet, "10.0.0.1", "10.0.0.2");
    packet_ipv4_options(packet, 8);
    packet_tcp(packet, &opening);
}

static void fragment(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv4(packet, "10.0.0.1", "10.0.0.2");
    packet_fragment(packet, 0, true);
    packet_tcp(packet, &usual);
}

static void extensions(struct packet *packet)
{
    static const uint8_t route[22] = { 0, 1 }, options[14] = { 1, 0, 0xc2, 4 }, ah[22] = { 0 };
    packet_start(packet, LINK_RAW);
    packet_ipv6(packet, "2001:db8::1", "2001:db8::2");
    packet_extension(packet, 0, options, sizeof(options));
    packet_extension(packet, 43, route, sizeof(route));
    packet_checksum_addresses(packet, NULL, "::");
    packet_fragment(packet, 0, false);
    packet_extension(packet, 51, ah, sizeof(ah));
    packet_extension(packet, 60, "\1\4\0\0\0\0", 6);
    packet_tcp(packet, &usual);
}

static void ip_in_ip(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv4(packet, "192.0.2.1", "192.0.2.2");
    packet_ipv6(packet, "2001:db8::1", "2001:db8::2");
    ipv4_and_tcp(packet);
}

static void gre(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv4(packet, "192.0.2.1", "192.0.2.2");
    packet_gre(packet, true, true, 5, true);
    packet_ethernet(packet);
    ipv4_and_tcp(packet);
}

static void vxlan(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_ipv4(packet, "192.0.2.1", "192.0.2.2");
    packet_udp(packet, 5, 4789);
    packet_vxlan(packet, 7);
    packet_ethernet(packet);
    ipv4_and_tcp(packet);
}

static void gtp(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv4(packet, "192.0.2.1", "192.0.2.2");
    packet_udp(packet, 2152, 2152);
    packet_bytes(packet, "\x34\xff\x00\x42\0\0\0\x09\0\0\0\x85\x01\x10\x09\x00", 16);
    ipv4_and_tcp(packet);
}

static void geneve(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv4(packet, "192.0.2.1", "192.0.2.2");
    packet_udp(packet, 5, 6081);
    packet_bytes(packet, "\1\0\x65\x58\0\0\7\0\1\2\3\0", 12);
    packet_ethernet(packet);
    ipv4_and_tcp(packet);
}

static void teredo(struct packet *packet)
{
    packet_start(packet, LINK_RAW);
    packet_ipv4(packet, "192.0.2.1", "192.0.2.2");
    packet_udp(packet, 3544, 5);
    packet_bytes(packet,
                 "\0\1\0\0"
                 "12345678"
                 "\0\0\0\x12\x34\1\2\3\4",
                 21);
    packet_ipv6(packet, "2001::1", "2001:db8::2");
    packet_tcp(packet, &usual);
}

static void icmp(struct packet *packet)
{
    struct packet quoted;
    packet_start(&quoted, LINK_RAW);
    ipv4_and_tcp(&quoted);
    packet_finish(&quoted);
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_ipv4(packet, "192.0.2.1", "10.0.0.1");
    packet_icmp(packet, 3, 1);
    packet_bytes(packet, quoted.bytes, quoted.count);
}

static void icmpv6(struct packet *packet)
{
    struct packet quoted;
    packet_start(&quoted, LINK_RAW);
    packet_ipv6(&quoted, "2001:db8::1", "2001:db8::2");
    packet_extension(&quoted, 60, "\1\4\0\0\0\0", 6);
    packet_tcp(&quoted, &opening);
    packet_finish(&quoted);
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_ipv6(packet, "2001:db8::9", "2001:db8::1");
    packet_icmpv6(packet, 1, 0);
    packet_bytes(packet, quoted.bytes, quoted.count);
}

static void (*const good_packets[])(struct packet *) = {
    ethernet, ethernet_ipv6, vlans,  snap, mpls,   pseudowire,       pppoe,    ppp,        sll,
    sll2,     loopback,      nflog,  gre,  gtp,    raw_with_options, fragment, extensions, ip_in_ip,
    vxlan,    geneve,        teredo, icmp, icmpv6,
};

static const size_t good_count = sizeof(good_packets) / sizeof(good_packets[0]);

static struct packet good_packet(size_t i)
{
    struct packet packet;
    good_packets[i](&packet);
    packet_finish(&packet);
    return packet;
}

static bool is_segment(enum fw_verdict verdict)
{
    return verdict == FW_VERDICT_SEGMENT || verdict == FW_VERDICT_ICMP_ERROR;
}

/* Check's own assertions are too slow for millions of packets. */
static bool is_sane(const struct decoded *decoded)
{
    const struct fw_segment *segment = &decoded->segment;
    if ((unsigned)decoded->verdict >= FW_VERDICT_COUNT ||
        (unsigned)decoded->undecoded >= FW_UNDECODED_COUNT)
        return false;
    if (!is_segment(decoded->verdict))
        return true;
    return (segment->from.family == FW_IPV4 || segment->from.family == FW_IPV6) &&
           segment->from.family == segment->to.family && segment->window_scale <= 14 &&
           segment->flags <= 0x1ff && segment->scope.vlan <= 0xfff;
}

static void check_verdict(const struct decoded *decoded)
{
    if (!is_sane(decoded))
        ck_abort_msg("no sane verdict: %d", decoded->verdict);
}

START_TEST(every_good_packet_is_good)
{
    for (size_t i = 0; i < good_count; i++) {
        const struct packet packet = good_packet(i);
        const struct decoded decoded = decoded_checked(&packet);
        ck_assert_msg(is_segment(decoded.verdict), "packet %zu: verdict %d", i, decoded.verdict);
        check_verdict(&decoded);
        if (decoded.segment.fragmented)
            ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_UNCHECKED);
        else
            ck_assert_msg(decoded.segment.checksum == FW_CHECKSUM_GOOD, "packet %zu", i);
    }
}
END_TEST

/* Ethernet has a short cut; IP as a link type has not. Any one byte is any other. */
START_TEST(the_usual_packet_has_the_same_segment_as_its_layers)
{
    enum { FRAME_BYTES = 14, LIMIT = 96 };
    static void (*const usual_packets[])(struct packet *) = { ethernet, ethernet_ipv6 };
    static const uint16_t links[] = { LINK_IPV4, LINK_IPV6 };
    for (size_t i = 0; i < 2; i++) {
        struct packet packet;
        usual_packets[i](&packet);
        packet_finish(&packet);
        for (unsigned change = 0; change < LIMIT * 256; change++) {
            const size_t at = FRAME_BYTES + change / 256 % (packet.count - FRAME_BYTES);
            const uint8_t before = packet.bytes[at];
            packet.bytes[at] = (uint8_t)change;
            struct fw_packet view = packet_view(&packet);
            view.captured_bytes -= change % 7 == 0 ? change % 50 : 0; /* cut, now and then */
            const bool checked = change % 2 == 0;
            const struct decoded framed = decoded_view(&view, checked);
            view.link_type = links[i];
            view.data += FRAME_BYTES;
            view.captured_bytes -= FRAME_BYTES;
            view.sent_bytes -= FRAME_BYTES;
            const struct decoded layers = decoded_view(&view, checked);
            packet.bytes[at] = before;

            ck_assert_int_eq(framed.verdict, layers.verdict);
            if (is_segment(framed.verdict))
                ck_assert_mem_eq(&framed.segment, &layers.segment,
                                 offsetof(struct fw_segment, fragmented) + sizeof(bool));
        }
    }
}
END_TEST

START_TEST(a_segment_is_written_fully)
{
    const struct fw_decode_options options = { 0 };
    for (size_t i = 0; i < good_count; i++) {
        const struct packet packet = good_packet(i);
        const struct fw_packet view = packet_view(&packet);
        struct fw_segment first, second;
        memset(&first, 0x00, sizeof(first));
        memset(&second, 0xff, sizeof(second));
        fw_decode(&view, &options, &first, NULL);
        fw_decode(&view, &options, &second, NULL);
        /* `fragmented` is the last field; what follows is padding */
        ck_assert_mem_eq(&first, &second, offsetof(struct fw_segment, fragmented) + sizeof(bool));
    }
}
END_TEST

START_TEST(a_capture_cut_anywhere_is_truncated_or_tells_the_same)
{
    for (size_t i = 0; i < good_count; i++) {
        const struct packet packet = good_packet(i);
        const struct decoded whole = decoded_whole(&packet);
        for (size_t count = 0; count < packet.count; count++) {
            const struct decoded decoded = decoded_snapped(&packet, count);
            check_verdict(&decoded);
            ck_assert_msg(decoded.verdict == FW_VERDICT_TRUNCATED ||
                              decoded.verdict == whole.verdict,
                          "packet %zu cut to %zu: verdict %d", i, count, decoded.verdict);
            if (!is_segment(decoded.verdict))
                continue;
            ck_assert_str_eq(endpoint_text(&decoded.segment.from),
                             endpoint_text(&whole.segment.from));
            ck_assert_uint_eq(decoded.segment.seq, whole.segment.seq);
            ck_assert_uint_eq(decoded.segment.payload_bytes, whole.segment.payload_bytes);
            ck_assert_uint_eq(decoded.segment.options & ~whole.segment.options, 0);
        }
    }
}
END_TEST

START_TEST(a_frame_cut_anywhere_has_a_verdict)
{
    for (size_t i = 0; i < good_count; i++) {
        const struct packet packet = good_packet(i);
        for (size_t count = 0; count < packet.count; count++) {
            struct fw_packet view = packet_view(&packet);
            view.captured_bytes = view.sent_bytes = (uint32_t)count;
            const struct decoded decoded = decoded_view(&view, true);
            check_verdict(&decoded);
        }
    }
}
END_TEST

START_TEST(every_change_of_one_byte_has_a_verdict)
{
    for (size_t i = 0; i < good_count; i++) {
        struct packet packet = good_packet(i);
        for (size_t at = 0; at < packet.count; at++) {
            const uint8_t good = packet.bytes[at];
            for (unsigned value = 0; value < 256; value++) {
                packet.bytes[at] = (uint8_t)value;
                const struct decoded decoded = decoded_checked(&packet);
                check_verdict(&decoded);
            }
            packet.bytes[at] = good;
        }
    }
}
END_TEST

START_TEST(every_link_type_reads_every_packet_within_bounds)
{
    static const uint16_t links[] = { 0,   1,   9,   12,  14,  50,  51,  101, 104,
                                      108, 109, 113, 166, 204, 228, 229, 239, 276 };
    for (size_t i = 0; i < good_count; i++) {
        struct packet packet = good_packet(i);
        for (size_t link = 0; link < sizeof(links) / sizeof(links[0]); link++) {
            packet.link_type = links[link];
            for (size_t count = 0; count <= packet.count; count++) {
                const struct decoded decoded = decoded_snapped(&packet, count);
                check_verdict(&decoded);
            }
        }
    }
}
END_TEST

START_TEST(random_bytes_have_a_verdict)
{
    struct packet packet;
    uint32_t seed = 1;
    packet_start(&packet, LINK_RAW);
    for (int i = 0; i < 20000; i++) {
        packet.count = seed % 120;
        for (size_t at = 0; at < packet.count; at++) {
            seed = seed * 1664525 + 1013904223;
            packet.bytes[at] = (uint8_t)(seed >> 24);
        }
        packet.bytes[0] = i % 2 == 0 ? 0x45 : 0x60;
        const struct decoded decoded = decoded_checked(&packet);
        check_verdict(&decoded);
    }
}
END_TEST

START_TEST(a_sent_length_below_the_captured_one_is_not_believed)
{
    const struct packet packet = good_packet(0);
    struct fw_packet view = packet_view(&packet);
    view.sent_bytes = 0;
    const struct decoded decoded = decoded_view(&view, true);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
}
END_TEST

START_TEST(an_empty_packet_has_a_verdict)
{
    struct fw_packet empty = { .link_type = LINK_ETHERNET };
    ck_assert_int_eq(decoded_view(&empty, true).verdict, FW_VERDICT_MALFORMED);
    empty.sent_bytes = 60;
    ck_assert_int_eq(decoded_view(&empty, true).verdict, FW_VERDICT_TRUNCATED);
    empty.sent_bytes = UINT32_MAX;
    ck_assert_int_eq(decoded_view(&empty, true).verdict, FW_VERDICT_TRUNCATED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_good_packet_is_good,
        the_usual_packet_has_the_same_segment_as_its_layers,
        a_segment_is_written_fully,
        a_capture_cut_anywhere_is_truncated_or_tells_the_same,
        a_frame_cut_anywhere_has_a_verdict,
        every_change_of_one_byte_has_a_verdict,
        every_link_type_reads_every_packet_within_bounds,
        random_bytes_have_a_verdict,
        a_sent_length_below_the_captured_one_is_not_believed,
        an_empty_packet_has_a_verdict,
    };
    return UNIT_RUN("decode", tests);
}
