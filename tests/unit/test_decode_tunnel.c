#include "decoded.h"

#include "unit.h"

#include <string.h>

static void start(struct packet *packet)
{
    packet_start(packet, LINK_ETHERNET);
    packet_ethernet(packet);
    packet_ipv4(packet, "192.0.2.1", "192.0.2.2");
}

static void finish(struct packet *packet)
{
    packet_ipv4(packet, "10.0.0.1", "10.0.0.2");
    packet_tcp(packet, &(struct tcp){ .from = 1000, .to = 80, .seq = 7, .payload_bytes = 5 });
    packet_finish(packet);
}

/* The inner connection, in the tunnel and with the id it should be in. */
static void check_inner(const struct packet *packet, enum fw_tunnel tunnel, uint32_t id)
{
    const struct decoded decoded = decoded_checked(packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_str_eq(endpoint_text(&decoded.segment.from), "10.0.0.1:1000");
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), "10.0.0.2:80");
    ck_assert_uint_eq(decoded.segment.payload_bytes, 5);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
    ck_assert_uint_eq(decoded.segment.scope.tunnel, tunnel);
    ck_assert_uint_eq(decoded.segment.scope.tunnel_id, id);
}

static void check_undecoded(const struct packet *packet, enum fw_undecoded undecoded)
{
    const struct decoded decoded = decoded_whole(packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_UNKNOWN_TUNNEL);
    ck_assert_int_eq(decoded.undecoded, undecoded);
}

static void check_not_tcp(const struct packet *packet)
{
    ck_assert_int_eq(decoded_whole(packet).verdict, FW_VERDICT_NOT_TCP);
}

/* ---------------------------------------------------------------------------------- IP in IP -- */

START_TEST(ip_in_ip_in_all_four_combinations)
{
    struct packet packet;
    start(&packet);
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_IPIP, 0);

    packet_start(&packet, LINK_RAW);
    packet_ipv6(&packet, "2001:db8::1", "2001:db8::2");
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_IPIP, 0);

    for (int outer_ipv6 = 0; outer_ipv6 < 2; outer_ipv6++) {
        packet_start(&packet, LINK_RAW);
        if (outer_ipv6)
            packet_ipv6(&packet, "2001:db8::1", "2001:db8::2");
        else
            packet_ipv4(&packet, "192.0.2.1", "192.0.2.2");
        packet_ipv6(&packet, "fd00::1", "fd00::2");
        packet_tcp(&packet, &(struct tcp){ .from = 1, .to = 2 });
        packet_finish(&packet);
        const struct decoded decoded = decoded_checked(&packet);
        ck_assert_str_eq(endpoint_text(&decoded.segment.from), "[fd00::1]:1");
        ck_assert_uint_eq(decoded.segment.scope.tunnel,
                          outer_ipv6 ? FW_TUNNEL_IPIP : FW_TUNNEL_6IN4);
        ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
    }
}
END_TEST

START_TEST(an_inner_packet_longer_than_its_tunnel_is_malformed)
{
    struct packet packet;
    start(&packet);
    finish(&packet);
    packet.bytes[34 + 3] += 1; /* total length of the inner header */
    ck_assert_int_eq(decoded_whole(&packet).verdict, FW_VERDICT_MALFORMED);
}
END_TEST

START_TEST(the_first_fragment_of_a_tunnel_shows_its_segment)
{
    struct packet packet;
    start(&packet);
    packet_fragment(&packet, 0, true);
    finish(&packet);
    packet.bytes[34 + 2] = 0x05; /* the inner packet goes on in later fragments */
    packet.bytes[34 + 3] = 0xdc;
    const struct decoded decoded = decoded_whole(&packet);
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert(decoded.segment.fragmented);
    ck_assert_uint_eq(decoded.segment.payload_bytes, 1500 - 40);
    packet.bytes[14 + 6] = 0x20; /* a later one */
    packet.bytes[14 + 7] = 0xb9;
    ck_assert_int_eq(decoded_whole(&packet).verdict, FW_VERDICT_FRAGMENT);
}
END_TEST

START_TEST(the_outermost_tunnel_counts)
{
    struct packet packet;
    start(&packet);
    packet_gre(&packet, false, true, 77, false);
    packet_ipv4(&packet, "172.16.0.1", "172.16.0.2");
    packet_udp(&packet, 50000, 4789);
    packet_vxlan(&packet, 5);
    packet_ethernet(&packet);
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_GRE, 77);
}
END_TEST

START_TEST(eight_tunnels_are_followed_and_nine_are_not)
{
    for (int count = 8; count <= 9; count++) {
        struct packet packet;
        packet_start(&packet, LINK_RAW);
        for (int i = 0; i < count; i++)
            packet_ipv4(&packet, "192.0.2.1", "192.0.2.2");
        finish(&packet);
        if (count == 8)
            check_inner(&packet, FW_TUNNEL_IPIP, 0);
        else
            check_undecoded(&packet, FW_UNDECODED_OTHER);
    }
}
END_TEST

START_TEST(an_outer_tcp_connection_is_itself)
{
    struct packet packet;
    start(&packet);
    packet_tcp(&packet, &(struct tcp){ .from = 1, .to = 4789, .payload_bytes = 50 });
    packet_finish(&packet);
    const struct decoded decoded = decoded_whole(&packet);
    ck_assert_str_eq(endpoint_text(&decoded.segment.from), "192.0.2.1:1");
    ck_assert_uint_eq(decoded.segment.scope.tunnel, FW_TUNNEL_NONE);
}
END_TEST

/* --------------------------------------------------------------------------------------- GRE -- */

START_TEST(gre_has_optional_fields_and_its_key_is_the_id)
{
    for (int fields = 0; fields < 8; fields++) {
        struct packet packet;
        start(&packet);
        packet_gre(&packet, fields & 1, fields & 2, 0xdeadbeef, fields & 4);
        finish(&packet);
        check_inner(&packet, FW_TUNNEL_GRE, fields & 2 ? 0xdeadbeef : 0);
    }
}
END_TEST

START_TEST(gre_carries_ethernet)
{
    struct packet packet;
    start(&packet);
    packet_gre(&packet, false, false, 0, false);
    packet_ethernet(&packet);
    packet_vlan(&packet, 0x8100, 8);
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_GRE, 0);
    ck_assert_uint_eq(decoded_whole(&packet).segment.scope.vlan, 8);
}
END_TEST

START_TEST(gre_carries_ppp_as_pptp_does)
{
    struct packet packet;
    start(&packet);
    packet_gre(&packet, false, true, 0x00350007, true); /* length, call id */
    packet_ppp(&packet, true);
    finish(&packet);
    packet.bytes[34 + 1] = 1; /* version */
    check_inner(&packet, FW_TUNNEL_GRE, 0);

    memcpy(packet.bytes + 34 + 14, "\x00\xfd", 2); /* compressed or encrypted */
    check_undecoded(&packet, FW_UNDECODED_GRE);
}
END_TEST

START_TEST(erspan_carries_mirrored_frames)
{
    struct packet packet;
    start(&packet); /* type II */
    packet_gre(&packet, false, false, 0, true);
    packet_next(&packet, 0x88be);
    packet_bytes(&packet, "\x10\x05\x04\x2a\x00\x00\x00\x00", 8);
    packet_ethernet(&packet);
    finish(&packet);
    memcpy(packet.bytes + 36, "\x88\xbe", 2);
    check_inner(&packet, FW_TUNNEL_ERSPAN, 42);

    start(&packet); /* type I */
    packet_gre(&packet, false, false, 0, false);
    packet_ethernet(&packet);
    finish(&packet);
    memcpy(packet.bytes + 36, "\x88\xbe", 2);
    check_inner(&packet, FW_TUNNEL_ERSPAN, 0);

    start(&packet); /* type III, with a platform header */
    packet_gre(&packet, false, false, 0, true);
    packet_bytes(&packet,
                 "\x20\x05\x00\x07\0\0\0\0\0\0\0\x01"
                 "12345678",
                 20);
    packet_ethernet(&packet);
    finish(&packet);
    memcpy(packet.bytes + 36, "\x22\xeb", 2);
    check_inner(&packet, FW_TUNNEL_ERSPAN, 7);
}
END_TEST

START_TEST(wccp_redirects_with_a_header_and_without)
{
    struct packet packet;
    start(&packet);
    packet_gre(&packet, false, false, 0, false);
    finish(&packet);
    memcpy(packet.bytes + 36, "\x88\x3e", 2);
    check_inner(&packet, FW_TUNNEL_GRE, 0);

    start(&packet);
    packet_gre(&packet, false, false, 0, false);
    packet_bytes(&packet, "\x05\x59\x00\x48", 4);
    finish(&packet);
    memcpy(packet.bytes + 36, "\x88\x3e", 2);
    check_inner(&packet, FW_TUNNEL_GRE, 0);
}
END_TEST

START_TEST(gre_that_is_not_decoded_is_named)
{
    struct packet packet;
    start(&packet);
    packet_gre(&packet, false, false, 0, false);
    packet_next(&packet, 0x2001);
    packet_bytes(&packet, NULL, 40);
    packet_finish(&packet);
    check_undecoded(&packet, FW_UNDECODED_GRE);

    start(&packet);
    packet_gre(&packet, false, false, 0, false);
    finish(&packet);
    packet.bytes[34] = 0x40; /* with a source route */
    check_undecoded(&packet, FW_UNDECODED_GRE);
}
END_TEST

/* --------------------------------------------------------------------------------------- UDP -- */

static struct packet vxlan_packet(uint16_t port)
{
    struct packet packet;
    start(&packet);
    packet_udp(&packet, 50000, port);
    packet_vxlan(&packet, 0xabcdef);
    packet_ethernet(&packet);
    finish(&packet);
    return packet;
}

START_TEST(vxlan_is_found_on_its_new_and_its_old_port)
{
    struct packet packet = vxlan_packet(4789);
    check_inner(&packet, FW_TUNNEL_VXLAN, 0xabcdef);
    packet = vxlan_packet(8472);
    check_inner(&packet, FW_TUNNEL_VXLAN, 0xabcdef);
    packet = vxlan_packet(4790);
    check_not_tcp(&packet);
}
END_TEST

START_TEST(what_is_reserved_in_vxlan_is_ignored)
{
    struct packet packet = vxlan_packet(4789);
    packet.bytes[42] = 0xff;
    packet.bytes[43] = 0x01;
    packet.bytes[49] = 0x0b;
    check_inner(&packet, FW_TUNNEL_VXLAN, 0xabcdef);
}
END_TEST

START_TEST(a_port_alone_makes_no_tunnel)
{
    static const uint16_t ports[] = { 1701, 2152, 3544, 4500, 4789, 6081, 8472 };
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        static const char zeros[60] = { 0 };
        struct packet packet;
        start(&packet);
        packet_udp(&packet, 50000, ports[i]);
        packet_bytes(&packet, zeros, ports[i] == 6081 ? 7 : sizeof(zeros));
        packet_finish(&packet);
        if (ports[i] != 1701)
            check_not_tcp(&packet);
    }
    struct packet packet = vxlan_packet(4789);
    packet.bytes[42] = 0x00; /* no network id */
    check_not_tcp(&packet);
}
END_TEST

START_TEST(a_broken_packet_behind_a_port_is_not_tcp)
{
    struct packet packet = vxlan_packet(4789);
    packet.bytes[64] = 0x42; /* length of the inner IPv4 header */
    check_not_tcp(&packet);
    packet = vxlan_packet(4789);
    packet.bytes[64 + 20 + 12] = 0x10; /* length of the inner TCP header */
    check_not_tcp(&packet);
}
END_TEST

START_TEST(geneve_has_options_and_an_ethertype)
{
    struct packet packet;
    start(&packet);
    packet_udp(&packet, 50000, 6081);
    packet_bytes(&packet,
                 "\x01\x00\x65\x58\x00\x00\x11\x00"
                 "\x01\x02\x03\x00",
                 12);
    packet_ethernet(&packet);
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_GENEVE, 17);

    start(&packet);
    packet_udp(&packet, 50000, 6081);
    packet_bytes(&packet, "\x00\x00\x08\x00\x00\x00\x11\x00", 8);
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_GENEVE, 17);
    packet.bytes[45] = 0x01; /* no protocol that is known */
    check_undecoded(&packet, FW_UNDECODED_GENEVE);
    packet.bytes[42] = 0x40; /* version */
    check_not_tcp(&packet);
}
END_TEST

START_TEST(gtp_user_data_has_extension_headers)
{
    struct packet packet;
    start(&packet);
    packet_udp(&packet, 2152, 2152);
    packet_bytes(&packet, "\x30\xff\x00\x2d\x00\x00\x00\x09", 8);
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_GTP, 0);
    packet.bytes[43] = 1; /* echo request */
    check_not_tcp(&packet);

    start(&packet);
    packet_udp(&packet, 2152, 2152);
    packet_bytes(&packet,
                 "\x34\xff\x00\x35\x00\x00\x00\x09"
                 "\0\0\0\x85"
                 "\x01\x10\x09\x00",
                 16);
    finish(&packet);
    check_inner(&packet, FW_TUNNEL_GTP, 0);
    packet.bytes[54] = 0; /* an extension without length */
    check_not_tcp(&packet);
}
END_TEST

START_TEST(teredo_has_indications_before_its_packet)
{
    static const char *const indications[] = { "", "\0\0\x12\x34\x01\x02\x03\x04",
                                               "\0\1\0\0"
                                               "12345678"
                                               "\0" };
    static const size_t counts[] = { 0, 8, 13 };
    for (size_t i = 0; i < 3; i++) {
        struct packet packet;
        start(&packet);
        packet_udp(&packet, 3544, 50000);
        packet_bytes(&packet, indications[i], counts[i]);
        packet_ipv6(&packet, "2001::1", "2001:db8::2");
        packet_tcp(&packet, &(struct tcp){ .from = 1, .to = 2 });
        packet_finish(&packet);
        const struct decoded decoded = decoded_checked(&packet);
        ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
        ck_assert_uint_eq(decoded.segment.scope.tunnel, FW_TUNNEL_TEREDO);
        ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
    }
}
END_TEST

START_TEST(encrypted_and_compressed_packets_are_named)
{
    static const struct {
        uint8_t protocol;
        enum fw_undecoded name;
    } rows[] = { { 50, FW_UNDECODED_ESP },
                 { 108, FW_UNDECODED_IPCOMP },
                 { 115, FW_UNDECODED_L2TP } };
    for (size_t i = 0; i < 3; i++) {
        struct packet packet;
        start(&packet);
        packet_next(&packet, rows[i].protocol);
        packet_bytes(&packet, NULL, 40);
        packet_finish(&packet);
        check_undecoded(&packet, rows[i].name);
    }
}
END_TEST

START_TEST(ipsec_in_udp_is_told_from_its_key_exchange)
{
    struct packet packet;
    start(&packet);
    packet_udp(&packet, 4500, 4500);
    packet_bytes(&packet, "\x12\x34\x56\x78\x00\x00\x00\x01", 8);
    packet_bytes(&packet, NULL, 40);
    packet_finish(&packet);
    check_undecoded(&packet, FW_UNDECODED_ESP);
    memset(packet.bytes + 42, 0, 4);
    check_not_tcp(&packet);

    start(&packet);
    packet_udp(&packet, 4500, 4500);
    packet_bytes(&packet, "\xff", 1);
    packet_finish(&packet);
    check_not_tcp(&packet);
}
END_TEST

START_TEST(l2tp_data_is_told_from_its_control)
{
    struct packet packet;
    start(&packet);
    packet_udp(&packet, 1701, 1701);
    packet_bytes(&packet, "\x00\x02\x00\x01\x00\x01\xff\x03\x00\x21", 10);
    packet_finish(&packet);
    check_undecoded(&packet, FW_UNDECODED_L2TP);
    packet.bytes[42] = 0xc8;
    check_not_tcp(&packet);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        ip_in_ip_in_all_four_combinations,
        an_inner_packet_longer_than_its_tunnel_is_malformed,
        the_first_fragment_of_a_tunnel_shows_its_segment,
        the_outermost_tunnel_counts,
        eight_tunnels_are_followed_and_nine_are_not,
        an_outer_tcp_connection_is_itself,
        gre_has_optional_fields_and_its_key_is_the_id,
        gre_carries_ethernet,
        gre_carries_ppp_as_pptp_does,
        erspan_carries_mirrored_frames,
        wccp_redirects_with_a_header_and_without,
        gre_that_is_not_decoded_is_named,
        vxlan_is_found_on_its_new_and_its_old_port,
        what_is_reserved_in_vxlan_is_ignored,
        a_port_alone_makes_no_tunnel,
        a_broken_packet_behind_a_port_is_not_tcp,
        geneve_has_options_and_an_ethertype,
        gtp_user_data_has_extension_headers,
        teredo_has_indications_before_its_packet,
        encrypted_and_compressed_packets_are_named,
        ipsec_in_udp_is_told_from_its_key_exchange,
        l2tp_data_is_told_from_its_control,
    };
    return UNIT_RUN("decode_tunnel", tests);
}
