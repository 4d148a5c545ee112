#include "decoded.h"

#include "unit.h"

#include <string.h>

/* The connection that every packet here is about. */
static void add_segment(struct packet *packet)
{
    packet_ipv4(packet, "10.0.0.1", "10.0.0.2");
    packet_tcp(packet, &(struct tcp){ .from = 1000, .to = 80, .seq = 7, .payload_bytes = 5 });
    packet_finish(packet);
}

static void add_ipv6_segment(struct packet *packet)
{
    packet_ipv6(packet, "2001:db8::1", "2001:db8::2");
    packet_tcp(packet, &(struct tcp){ .from = 1000, .to = 80, .seq = 7, .payload_bytes = 5 });
    packet_finish(packet);
}

/* Returns the VLAN. */
static unsigned check_segment(const struct packet *packet)
{
    const struct decoded decoded = decoded_checked(packet);
    const bool ipv4 = decoded.segment.from.family == FW_IPV4;
    ck_assert_int_eq(decoded.verdict, FW_VERDICT_SEGMENT);
    ck_assert_str_eq(endpoint_text(&decoded.segment.from),
                     ipv4 ? "10.0.0.1:1000" : "[2001:db8::1]:1000");
    ck_assert_str_eq(endpoint_text(&decoded.segment.to), ipv4 ? "10.0.0.2:80" : "[2001:db8::2]:80");
    ck_assert_uint_eq(decoded.segment.seq, 7);
    ck_assert_uint_eq(decoded.segment.payload_bytes, 5);
    ck_assert_uint_eq(decoded.segment.checksum, FW_CHECKSUM_GOOD);
    ck_assert_uint_eq(decoded.segment.scope.tunnel, FW_TUNNEL_NONE);
    return decoded.segment.scope.vlan;
}

static void check_verdict(const struct packet *packet, enum fw_verdict verdict)
{
    ck_assert_int_eq(decoded_whole(packet).verdict, verdict);
}

START_TEST(ethernet_carries_ipv4_and_ipv6)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    add_segment(&packet);
    ck_assert_uint_eq(check_segment(&packet), 0);

    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    add_ipv6_segment(&packet);
    ck_assert_uint_eq(check_segment(&packet), 0);
}
END_TEST

START_TEST(ethernet_padding_is_no_payload)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    add_segment(&packet);
    packet_bytes(&packet, NULL, 6);
    check_segment(&packet);
}
END_TEST

START_TEST(other_protocols_are_not_tcp)
{
    static const uint16_t types[] = { 0x0806, 0x8863, 0x88cc, 0x88e5, 0xffff, 0x0600 };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct packet packet;
        packet_start(&packet, LINK_ETHERNET);
        packet_ethernet(&packet);
        packet_next(&packet, types[i]);
        packet_bytes(&packet, NULL, 46);
        check_verdict(&packet, FW_VERDICT_NOT_TCP);
    }
}
END_TEST

START_TEST(the_outermost_vlan_counts)
{
    static const uint16_t types[] = { 0x8100, 0x88a8, 0x9100, 0x9200 };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct packet packet;
        packet_start(&packet, LINK_ETHERNET);
        packet_ethernet(&packet);
        packet_vlan(&packet, types[i], 0xe000 | 42); /* with a priority */
        packet_vlan(&packet, 0x8100, 7);
        add_segment(&packet);
        ck_assert_uint_eq(check_segment(&packet), 42);
    }
}
END_TEST

START_TEST(a_priority_tag_names_no_vlan)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_vlan(&packet, 0x8100, 0x6000);
    add_segment(&packet);
    ck_assert_uint_eq(check_segment(&packet), 0);
}
END_TEST

START_TEST(tags_of_port_extenders_and_backbones_are_passed_over)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_next(&packet, 0x8926);
    packet_bytes(&packet, "\x80\x01\x00\x02\x08\x00", 6);
    add_segment(&packet);
    /* the builder announced IPv4 where the tag's type stands */
    memcpy(packet.bytes + 12, "\x89\x26", 2);
    check_segment(&packet);

    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_bytes(&packet, "\x10\x00\x00\xd8\x00\x00\x08\x00", 8);
    add_segment(&packet);
    memcpy(packet.bytes + 12, "\x89\x3f", 2);
    check_segment(&packet);

    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_bytes(&packet, "\x00\x00\x00\x09", 4);
    packet_ethernet(&packet);
    add_segment(&packet);
    memcpy(packet.bytes + 12, "\x88\xe7", 2);
    check_segment(&packet);
}
END_TEST

START_TEST(llc_carries_ip_by_snap_and_directly)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_snap(&packet);
    add_segment(&packet);
    packet_bytes(&packet, NULL, 3); /* padding beyond the frame's length field */
    check_segment(&packet);

    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_bytes(&packet, "\x06\x06\x03", 3);
    add_segment(&packet);
    memcpy(packet.bytes + 12, "\x00\x30", 2);
    check_segment(&packet);
}
END_TEST

START_TEST(other_llc_is_not_tcp)
{
    static const char *const headers[] = {
        "\x42\x42\x03\x00\x00\x00\x08\x00", /* spanning tree */
        "\xaa\xaa\x03\x00\x00\x0c\x20\x00", /* Cisco discovery */
        "\xff\xff\x00\x00\x00\x00\x08\x00", /* Novell */
    };
    for (size_t i = 0; i < 3; i++) {
        struct packet packet;
        packet_start(&packet, LINK_ETHERNET);
        packet_ethernet(&packet);
        packet_next(&packet, 30);
        packet_bytes(&packet, headers[i], 8);
        packet_bytes(&packet, NULL, 38);
        check_verdict(&packet, FW_VERDICT_NOT_TCP);
    }
}
END_TEST

START_TEST(mpls_carries_ip_below_any_stack_of_labels)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_mpls(&packet, 16, false);
    packet_mpls(&packet, 0xfffff, false);
    packet_mpls(&packet, 17, true);
    add_segment(&packet);
    check_segment(&packet);

    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_mpls(&packet, 16, true);
    add_ipv6_segment(&packet);
    check_segment(&packet);
}
END_TEST

START_TEST(mpls_carries_ethernet_with_a_control_word_or_without)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_mpls(&packet, 16, true);
    packet_bytes(&packet, "\x00\x00\x00\x01", 4);
    packet_ethernet(&packet);
    packet_vlan(&packet, 0x8100, 9);
    add_segment(&packet);
    ck_assert_uint_eq(check_segment(&packet), 9);

    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_mpls(&packet, 16, true);
    packet_ethernet(&packet);
    add_segment(&packet);
    check_segment(&packet);
    packet.bytes[18] = 0x45; /* a hardware address that starts like an IPv4 header */
    packet.bytes[18 + 2] = packet.bytes[18 + 3] = 0xff;
    check_segment(&packet);
}
END_TEST

START_TEST(mpls_with_something_else_is_not_tcp)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_mpls(&packet, 16, true);
    packet_bytes(&packet, NULL, 60);
    check_verdict(&packet, FW_VERDICT_NOT_TCP);
}
END_TEST

START_TEST(pppoe_carries_ppp_and_its_length_excludes_padding)
{
    struct packet packet;
    packet_start(&packet, LINK_ETHERNET);
    packet_ethernet(&packet);
    packet_vlan(&packet, 0x8100, 7);
    packet_pppoe(&packet, 0x11);
    packet_ppp(&packet, false);
    add_ipv6_segment(&packet);
    packet_bytes(&packet, NULL, 4);
    ck_assert_uint_eq(check_segment(&packet), 7);

    packet_start(&packet, LINK_PPP_ETHER);
    packet_pppoe(&packet, 0x11);
    packet_ppp(&packet, false);
    add_segment(&packet);
    check_segment(&packet);
    packet.bytes[1] = 0x09; /* discovery */
    check_verdict(&packet, FW_VERDICT_NOT_TCP);
    packet.bytes[0] = 0x21;
    check_verdict(&packet, FW_VERDICT_MALFORMED);
}
END_TEST

START_TEST(ppp_may_leave_out_address_control_and_half_the_protocol)
{
    struct packet packet;
    packet_start(&packet, LINK_PPP);
    packet_ppp(&packet, true);
    add_segment(&packet);
    check_segment(&packet);

    packet_start(&packet, LINK_PPP);
    packet_ppp(&packet, false);
    add_ipv6_segment(&packet);
    check_segment(&packet);

    packet_start(&packet, LINK_PPP);
    packet_bytes(&packet, "\x21", 1);
    add_segment(&packet);
    check_segment(&packet);

    packet_start(&packet, LINK_PPP_HDLC);
    packet_ppp(&packet, true);
    add_segment(&packet);
    check_segment(&packet);

    packet_start(&packet, LINK_PPP);
    packet_bytes(&packet, "\xff\x03\xc0\x21\x01\x02\x03\x04", 8); /* link control */
    check_verdict(&packet, FW_VERDICT_NOT_TCP);
}
END_TEST

START_TEST(cisco_hdlc_carries_ethertypes)
{
    struct packet packet;
    packet_start(&packet, LINK_C_HDLC);
    packet_bytes(&packet, "\x0f\x00\x08\x00", 4);
    add_segment(&packet);
    check_segment(&packet);
    packet.link_type = LINK_PPP_HDLC; /* which may be either */
    check_segment(&packet);
}
END_TEST

START_TEST(linux_cooked_captures_carry_ethertypes)
{
    struct packet packet;
    packet_start(&packet, LINK_SLL);
    packet_sll(&packet);
    add_segment(&packet);
    check_segment(&packet);

    packet_start(&packet, LINK_SLL2);
    packet_sll2(&packet);
    add_ipv6_segment(&packet);
    check_segment(&packet);

    packet_start(&packet, LINK_SLL);
    packet_sll(&packet);
    packet_vlan(&packet, 0x8100, 5);
    add_segment(&packet);
    ck_assert_uint_eq(check_segment(&packet), 5);

    packet_start(&packet, LINK_SLL2);
    packet_sll2(&packet);
    packet_vlan(&packet, 0x88a8, 6);
    add_segment(&packet);
    ck_assert_uint_eq(check_segment(&packet), 6);
    memcpy(packet.bytes + 8, "\x03\x38", 2); /* netlink */
    check_verdict(&packet, FW_VERDICT_NOT_TCP);
}
END_TEST

START_TEST(loopback_families_come_in_both_byte_orders)
{
    static const struct {
        const char *header;
        bool ipv6;
    } rows[] = {
        { "\x02\x00\x00\x00", false }, { "\x00\x00\x00\x02", false }, { "\x18\x00\x00\x00", true },
        { "\x1c\x00\x00\x00", true },  { "\x1e\x00\x00\x00", true },  { "\x00\x00\x00\x18", true },
        { "\x00\x00\x00\x1c", true },  { "\x00\x00\x00\x1e", true },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct packet packet;
        packet_start(&packet, LINK_NULL);
        packet_bytes(&packet, rows[i].header, 4);
        if (rows[i].ipv6)
            add_ipv6_segment(&packet);
        else
            add_segment(&packet);
        check_segment(&packet);
        packet.link_type = LINK_LOOP;
        check_segment(&packet);
    }
    struct packet packet;
    packet_start(&packet, LINK_NULL);
    packet_bytes(&packet, "\x07\x00\x00\x00", 4);
    packet_bytes(&packet, NULL, 50);
    check_verdict(&packet, FW_VERDICT_NOT_TCP);
}
END_TEST

START_TEST(raw_ip_is_told_by_its_version)
{
    static const uint16_t links[] = { LINK_RAW, 12, 14 };
    for (size_t i = 0; i < 3; i++) {
        struct packet packet;
        packet_start(&packet, links[i]);
        add_segment(&packet);
        check_segment(&packet);
        packet.bytes[0] = 0x55;
        check_verdict(&packet, FW_VERDICT_MALFORMED);
        packet_start(&packet, links[i]);
        add_ipv6_segment(&packet);
        check_segment(&packet);
    }
}
END_TEST

START_TEST(raw_links_of_one_version_carry_no_other)
{
    struct packet packet;
    packet_start(&packet, LINK_IPV4);
    add_segment(&packet);
    check_segment(&packet);
    packet.link_type = LINK_IPV6;
    check_verdict(&packet, FW_VERDICT_MALFORMED);

    packet_start(&packet, LINK_IPV6);
    add_ipv6_segment(&packet);
    check_segment(&packet);
    packet.link_type = LINK_IPV4;
    check_verdict(&packet, FW_VERDICT_MALFORMED);
}
END_TEST

START_TEST(nflog_attributes_come_in_both_byte_orders)
{
    struct packet packet;
    packet_start(&packet, LINK_NFLOG);
    packet_bytes(&packet, "\x02\x00\x00\x01", 4);
    packet_bytes(&packet, "\x05\x00\x0a\x00x\0\0\0", 8); /* a prefix of one byte, padded */
    packet_bytes(&packet, "\x31\x00\x09\x00", 4);
    add_segment(&packet);
    packet_bytes(&packet, "\0\0\0", 3);
    check_segment(&packet);

    packet_start(&packet, LINK_NFLOG);
    packet_bytes(&packet, "\x02\x00\x00\x01", 4);
    packet_bytes(&packet, "\x00\x05\x00\x0ax\0\0\0", 8);
    packet_bytes(&packet, "\x00\x31\x00\x09", 4);
    add_segment(&packet);
    check_segment(&packet);
    packet.bytes[5] = 3; /* shorter than itself */
    check_verdict(&packet, FW_VERDICT_MALFORMED);
}
END_TEST

START_TEST(unknown_link_types_are_called_so)
{
    struct packet packet;
    packet_start(&packet, 189);
    packet_bytes(&packet, NULL, 64);
    check_verdict(&packet, FW_VERDICT_UNKNOWN_LINK);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        ethernet_carries_ipv4_and_ipv6,
        ethernet_padding_is_no_payload,
        other_protocols_are_not_tcp,
        the_outermost_vlan_counts,
        a_priority_tag_names_no_vlan,
        tags_of_port_extenders_and_backbones_are_passed_over,
        llc_carries_ip_by_snap_and_directly,
        other_llc_is_not_tcp,
        mpls_carries_ip_below_any_stack_of_labels,
        mpls_carries_ethernet_with_a_control_word_or_without,
        mpls_with_something_else_is_not_tcp,
        pppoe_carries_ppp_and_its_length_excludes_padding,
        ppp_may_leave_out_address_control_and_half_the_protocol,
        cisco_hdlc_carries_ethertypes,
        linux_cooked_captures_carry_ethertypes,
        loopback_families_come_in_both_byte_orders,
        raw_ip_is_told_by_its_version,
        raw_links_of_one_version_carry_no_other,
        nflog_attributes_come_in_both_byte_orders,
        unknown_link_types_are_called_so,
    };
    return UNIT_RUN("decode_link", tests);
}
