#include "finwait/finwait.h"

#include "unit.h"

#include <string.h>

static const char *parsed(const char *text)
{
    enum fw_state state;
    return fw_state_parse(text, strlen(text), &state) ? fw_state_name(state, FW_NAMES_RFC)
                                                      : "refused";
}

START_TEST(states_are_spelled_as_each_tool_spells_them)
{
    ck_assert_str_eq(fw_state_name(FW_SYN_RECEIVED, FW_NAMES_RFC), "SYN_RECEIVED");
    ck_assert_str_eq(fw_state_name(FW_SYN_SENT, FW_NAMES_KB), "SYN_SEND");
    ck_assert_str_eq(fw_state_name(FW_TIME_WAIT, FW_NAMES_KB), "TIMED_WAIT");
    ck_assert_str_eq(fw_state_name(FW_SYN_RECEIVED, FW_NAMES_SS), "SYN-RECV");
    ck_assert_str_eq(fw_state_name(FW_ESTABLISHED, FW_NAMES_SS), "ESTAB");
    ck_assert_str_eq(fw_state_name(FW_CLOSED, FW_NAMES_SS), "UNCONN");
    ck_assert_str_eq(fw_state_name(FW_FIN_WAIT_2, FW_NAMES_SS), "FIN-WAIT-2");
    ck_assert_str_eq(fw_state_name(FW_FIN_WAIT_1, FW_NAMES_NETSTAT), "FIN_WAIT1");
    ck_assert_str_eq(fw_state_name(FW_SYN_RECEIVED, FW_NAMES_NETSTAT), "SYN_RECV");
    ck_assert_str_eq(fw_state_name(FW_CLOSED, FW_NAMES_NETSTAT), "CLOSE");
}
END_TEST

START_TEST(every_spelling_reads_back_as_its_state)
{
    for (unsigned state = 0; state < FW_STATE_COUNT; state++) {
        for (unsigned names = FW_NAMES_RFC; names <= FW_NAMES_NETSTAT; names++) {
            const char *name = fw_state_name((enum fw_state)state, (enum fw_names)names);
            enum fw_state again;
            ck_assert_msg(fw_state_parse(name, strlen(name), &again), "%s", name);
            ck_assert_uint_eq(again, state);
        }
    }
}
END_TEST

START_TEST(case_and_kind_of_dash_do_not_matter)
{
    ck_assert_str_eq(parsed("close-wait"), "CLOSE_WAIT");
    ck_assert_str_eq(parsed("Fin_Wait-1"), "FIN_WAIT_1");
    ck_assert_str_eq(parsed("estab"), "ESTABLISHED");
    ck_assert_str_eq(parsed("syn-recv"), "SYN_RECEIVED");
    ck_assert_str_eq(parsed("timed-wait"), "TIME_WAIT");
    ck_assert_str_eq(parsed("closed"), "CLOSED");
    ck_assert_str_eq(parsed("unconnected"), "CLOSED");
    ck_assert_str_eq(parsed("listening"), "LISTEN");
}
END_TEST

START_TEST(nothing_looser_is_read)
{
    ck_assert_str_eq(parsed(""), "refused");
    ck_assert_str_eq(parsed("closewait"), "refused");
    ck_assert_str_eq(parsed("close wait"), "refused");
    ck_assert_str_eq(parsed("close"), "CLOSED"); /* netstat's word */
    ck_assert_str_eq(parsed("close-wai"), "refused");
    ck_assert_str_eq(parsed("close-wait "), "refused");
    ck_assert_str_eq(parsed("fin-wait"), "refused");
    enum fw_state state;
    ck_assert(fw_state_parse("listen,close-wait", 6, &state));
    ck_assert_uint_eq(state, FW_LISTEN);
}
END_TEST

static uint64_t path_of(const enum fw_state *states, unsigned count)
{
    uint64_t path = 0;
    for (unsigned i = 0; i < count; i++)
        path |= (uint64_t)states[i] << 4 * i;
    return path;
}

START_TEST(a_path_leaves_out_what_came_before_the_first_move)
{
    char text[256];
    const enum fw_state client[] = { FW_CLOSED,     FW_SYN_SENT,   FW_ESTABLISHED,
                                     FW_FIN_WAIT_1, FW_FIN_WAIT_2, FW_TIME_WAIT };
    const enum fw_state server[] = { FW_UNKNOWN, FW_LISTEN, FW_SYN_RECEIVED, FW_CLOSED };
    ck_assert_uint_eq(fw_path_text(path_of(client, 6), text, sizeof(text)), strlen(text));
    ck_assert_str_eq(text, "SYN_SENT>ESTABLISHED>FIN_WAIT_1>FIN_WAIT_2>TIME_WAIT");
    fw_path_text(path_of(server, 4), text, sizeof(text));
    ck_assert_str_eq(text, "SYN_RECEIVED>CLOSED");
    ck_assert_uint_eq(fw_path_text(0, text, sizeof(text)), 0);
    ck_assert_str_eq(text, "");
    ck_assert_uint_eq(fw_path_text(FW_CLOSED, text, sizeof(text)), 0);
}
END_TEST

START_TEST(a_path_is_cut_to_the_room_there_is)
{
    char text[9] = "";
    const enum fw_state states[] = { FW_SYN_SENT, FW_ESTABLISHED };
    ck_assert_uint_eq(fw_path_text(path_of(states, 2), text, sizeof(text)), 20);
    ck_assert_str_eq(text, "SYN_SENT");
    ck_assert_uint_eq(fw_path_text(path_of(states, 2), text, 4), 20);
    ck_assert_str_eq(text, "SYN");
    ck_assert_uint_eq(fw_path_text(path_of(states, 2), NULL, 0), 20);
}
END_TEST

START_TEST(sixteen_states_make_the_longest_path)
{
    char text[512];
    uint64_t path = 0;
    for (int i = 0; i < 16; i++)
        path = path << 4 | FW_SYN_RECEIVED;
    ck_assert_uint_eq(fw_path_text(path, text, sizeof(text)), 16 * 12 + 15);
    fw_path_text(UINT64_MAX, text, sizeof(text)); /* no such state: still text */
    ck_assert_uint_eq(strlen(text), 16 * 7 + 15);
}
END_TEST

static const char *flags_text(uint16_t flags)
{
    static char text[12];
    fw_flags_text(flags, text);
    return text;
}

START_TEST(flags_are_tcpdumps_letters_in_tcpdumps_order)
{
    ck_assert_str_eq(flags_text(FW_SYN), "S");
    ck_assert_str_eq(flags_text(FW_SYN | FW_ACK), "S.");
    ck_assert_str_eq(flags_text(FW_FIN | FW_ACK), "F.");
    ck_assert_str_eq(flags_text(FW_PSH | FW_ACK), "P.");
    ck_assert_str_eq(flags_text(FW_RST | FW_ACK), "R.");
    ck_assert_str_eq(flags_text(FW_SYN | FW_ECE | FW_CWR), "SEW");
    ck_assert_str_eq(flags_text(0x1ff), "FSRP.UEWe");
    ck_assert_str_eq(flags_text(0), "none");
    ck_assert_str_eq(flags_text(0xfe00), "none");
}
END_TEST

START_TEST(records_have_the_words_of_the_manual)
{
    ck_assert_str_eq(fw_open_name(FW_OPEN_NO_ANSWER), "no answer");
    ck_assert_str_eq(fw_open_name(FW_OPEN_BAD_SYNACK), "bad SYN+ACK");
    ck_assert_str_eq(fw_open_name(FW_OPEN_NO_FINAL_ACK), "no final ACK");
    ck_assert_str_eq(fw_end_name(FW_END_FIN), "fin");
    ck_assert_str_eq(fw_closed_by_name(FW_CLOSED_BY_BOTH), "both");
    ck_assert_str_eq(fw_dir_by_name(FW_DIR_SYNACK), "synack");
    ck_assert_str_eq(fw_proof_name(FW_PROOF_INFERRED), "inferred");
    ck_assert_str_eq(fw_side_name(FW_CLIENT), "client");
    ck_assert_str_eq(fw_side_name(FW_SERVER), "server");
    ck_assert_str_eq(fw_tunnel_name(FW_TUNNEL_NONE), "");
    ck_assert_str_eq(fw_tunnel_name(FW_TUNNEL_6IN4), "6in4");
}
END_TEST

START_TEST(every_enumerator_has_a_name)
{
    for (unsigned i = 0; i < FW_OPEN_COUNT; i++)
        ck_assert_ptr_nonnull(fw_open_name((enum fw_open)i));
    for (unsigned i = 0; i < FW_END_COUNT; i++)
        ck_assert_ptr_nonnull(fw_end_name((enum fw_end)i));
    for (unsigned i = 0; i < FW_NOTE_COUNT; i++)
        ck_assert_ptr_nonnull(fw_note_name((enum fw_note)i));
    for (unsigned i = 0; i < FW_UNDECODED_COUNT; i++)
        ck_assert_ptr_nonnull(fw_undecoded_name((enum fw_undecoded)i));
    for (unsigned i = FW_ICMP_NONE; i <= FW_ICMP_OTHER; i++)
        ck_assert_ptr_nonnull(fw_icmp_name((enum fw_icmp)i));
    for (unsigned i = FW_TUNNEL_NONE; i <= FW_TUNNEL_ERSPAN; i++)
        ck_assert_ptr_nonnull(fw_tunnel_name((enum fw_tunnel)i));
}
END_TEST

START_TEST(link_types_have_names)
{
    ck_assert_str_eq(fw_link_name(1), "Ethernet");
    ck_assert_str_eq(fw_link_name(189), "USB");
    ck_assert_ptr_null(fw_link_name(60000));
    ck_assert(fw_link_is_decoded(1));
    ck_assert(!fw_link_is_decoded(189));
    ck_assert(!fw_link_is_decoded(60000));
}
END_TEST

START_TEST(a_link_type_is_decoded_exactly_if_it_is_said_to_be)
{
    const uint8_t data[64] = { 0 };
    for (unsigned type = 0; type <= UINT16_MAX; type++) {
        const struct fw_packet packet = {
            .data = data,
            .captured_bytes = sizeof(data),
            .sent_bytes = sizeof(data),
            .link_type = (uint16_t)type,
        };
        struct fw_segment segment;
        const struct fw_decode_options options = { 0 };
        const enum fw_verdict verdict = fw_decode(&packet, &options, &segment, NULL);
        ck_assert_msg((verdict != FW_VERDICT_UNKNOWN_LINK) == fw_link_is_decoded((uint16_t)type),
                      "link type %u", type);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        states_are_spelled_as_each_tool_spells_them,
        every_spelling_reads_back_as_its_state,
        case_and_kind_of_dash_do_not_matter,
        nothing_looser_is_read,
        a_path_leaves_out_what_came_before_the_first_move,
        a_path_is_cut_to_the_room_there_is,
        sixteen_states_make_the_longest_path,
        flags_are_tcpdumps_letters_in_tcpdumps_order,
        records_have_the_words_of_the_manual,
        every_enumerator_has_a_name,
        link_types_have_names,
        a_link_type_is_decoded_exactly_if_it_is_said_to_be,
    };
    return UNIT_RUN("names", tests);
}
