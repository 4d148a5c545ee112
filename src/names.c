#include "finwait/finwait.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------------------------------ states -- */

/* clang-format off */
static const char *const state_names[FW_STATE_COUNT][4] = {
    /*                    rfc             kb              ss            netstat       */
    [FW_UNKNOWN]      = { "UNKNOWN",      "UNKNOWN",      "UNKNOWN",    "UNKNOWN"     },
    [FW_CLOSED]       = { "CLOSED",       "CLOSED",       "UNCONN",     "CLOSE"       },
    [FW_LISTEN]       = { "LISTEN",       "LISTEN",       "LISTEN",     "LISTEN"      },
    [FW_SYN_SENT]     = { "SYN_SENT",     "SYN_SEND",     "SYN-SENT",   "SYN_SENT"    },
    [FW_SYN_RECEIVED] = { "SYN_RECEIVED", "SYN_RECEIVED", "SYN-RECV",   "SYN_RECV"    },
    [FW_ESTABLISHED]  = { "ESTABLISHED",  "ESTABLISHED",  "ESTAB",      "ESTABLISHED" },
    [FW_FIN_WAIT_1]   = { "FIN_WAIT_1",   "FIN_WAIT_1",   "FIN-WAIT-1", "FIN_WAIT1"   },
    [FW_FIN_WAIT_2]   = { "FIN_WAIT_2",   "FIN_WAIT_2",   "FIN-WAIT-2", "FIN_WAIT2"   },
    [FW_CLOSE_WAIT]   = { "CLOSE_WAIT",   "CLOSE_WAIT",   "CLOSE-WAIT", "CLOSE_WAIT"  },
    [FW_CLOSING]      = { "CLOSING",      "CLOSING",      "CLOSING",    "CLOSING"     },
    [FW_LAST_ACK]     = { "LAST_ACK",     "LAST_ACK",     "LAST-ACK",   "LAST_ACK"    },
    [FW_TIME_WAIT]    = { "TIME_WAIT",    "TIMED_WAIT",   "TIME-WAIT",  "TIME_WAIT"   },
};
/* clang-format on */

/* ss prints UNCONN and LISTEN, but its filters say these. */
static const struct {
    const char *name;
    enum fw_state state;
} filter_words[] = {
    { "unconnected", FW_CLOSED },
    { "listening", FW_LISTEN },
};

const char *fw_state_name(enum fw_state state, enum fw_names names)
{
    return state_names[state][names];
}

/* Lower case to upper, "-" to "_". */
static char folded(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return c == '-' ? '_' : c;
}

static bool same_word(const char *text, size_t length, const char *word)
{
    for (size_t i = 0; i < length; i++) {
        if (word[i] == '\0' || folded(text[i]) != folded(word[i]))
            return false;
    }
    return word[length] == '\0';
}

bool fw_state_parse(const char *text, size_t length, enum fw_state *state)
{
    for (size_t row = 0; row < FW_STATE_COUNT; row++) {
        for (size_t names = 0; names < 4; names++) {
            if (same_word(text, length, state_names[row][names])) {
                *state = (enum fw_state)row;
                return true;
            }
        }
    }
    for (size_t i = 0; i < COUNT(filter_words); i++) {
        if (same_word(text, length, filter_words[i].name)) {
            *state = filter_words[i].state;
            return true;
        }
    }
    return false;
}

size_t fw_path_text(uint64_t path, char *text, size_t size)
{
    size_t length = 0;
    bool leading = true;

    for (; path != 0; path >>= 4) {
        const unsigned state = path & 15;
        if (leading && state <= FW_LISTEN)
            continue;
        const char *name = state < FW_STATE_COUNT ? state_names[state][FW_NAMES_RFC] : "UNKNOWN";
        if (!leading) {
            if (length + 1 < size)
                text[length] = '>';
            length++;
        }
        for (; *name != '\0'; name++) {
            if (length + 1 < size)
                text[length] = *name;
            length++;
        }
        leading = false;
    }
    if (size > 0)
        text[length < size ? length : size - 1] = '\0';
    return length;
}

/* ------------------------------------------------------------------------------- enumerators -- */

const char *fw_open_name(enum fw_open open)
{
    static const char *const names[FW_OPEN_COUNT] = {
        [FW_OPEN_NO_ANSWER] = "no answer",    [FW_OPEN_COMPLETE] = "complete",
        [FW_OPEN_REFUSED] = "refused",        [FW_OPEN_UNREACHABLE] = "unreachable",
        [FW_OPEN_BAD_SYNACK] = "bad SYN+ACK", [FW_OPEN_NO_FINAL_ACK] = "no final ACK",
        [FW_OPEN_ABANDONED] = "abandoned",    [FW_OPEN_MIDSTREAM] = "midstream",
    };
    return names[open];
}

const char *fw_end_name(enum fw_end end)
{
    static const char *const names[FW_END_COUNT] = {
        [FW_END_OPEN] = "open",   [FW_END_FIN] = "fin",         [FW_END_RST] = "rst",
        [FW_END_TIMER] = "timer", [FW_END_EVICTED] = "evicted", [FW_END_REUSED] = "reused",
    };
    return names[end];
}

const char *fw_closed_by_name(enum fw_closed_by closed_by)
{
    static const char *const names[] = {
        [FW_CLOSED_BY_NONE] = "none",
        [FW_CLOSED_BY_CLIENT] = "client",
        [FW_CLOSED_BY_SERVER] = "server",
        [FW_CLOSED_BY_BOTH] = "both",
    };
    return names[closed_by];
}

const char *fw_dir_by_name(enum fw_dir_by dir_by)
{
    static const char *const names[] = {
        [FW_DIR_SYN] = "syn",
        [FW_DIR_SYNACK] = "synack",
        [FW_DIR_PORT] = "port",
    };
    return names[dir_by];
}

const char *fw_proof_name(enum fw_proof proof)
{
    static const char *const names[] = {
        [FW_PROOF_SEGMENT] = "segment",
        [FW_PROOF_TIMER] = "timer",
        [FW_PROOF_INFERRED] = "inferred",
    };
    return names[proof];
}

const char *fw_note_name(enum fw_note note)
{
    static const char *const names[FW_NOTE_COUNT] = {
        [FW_NOTE_NONE] = "",
        [FW_NOTE_DUPLICATE] = "duplicate",
        [FW_NOTE_BAD_CHECKSUM] = "bad checksum",
        [FW_NOTE_OUT_OF_WINDOW] = "out of window",
        [FW_NOTE_PAWS] = "old timestamp",
        [FW_NOTE_NO_ACK] = "without ACK",
        [FW_NOTE_BAD_ACK] = "acknowledges what was not sent",
        [FW_NOTE_BAD_SYNACK] = "bad SYN+ACK",
        [FW_NOTE_RST_IGNORED] = "reset ignored",
        [FW_NOTE_RST_CHALLENGED] = "reset challenged",
        [FW_NOTE_RST_FORGED] = "reset was forged",
        [FW_NOTE_SYN_IN_WINDOW] = "SYN in connection",
        [FW_NOTE_ODD_FLAGS] = "odd flags",
        [FW_NOTE_RETRANSMISSION] = "retransmission",
        [FW_NOTE_OUT_OF_ORDER] = "out of order",
        [FW_NOTE_KEEP_ALIVE] = "keep-alive",
        [FW_NOTE_ZERO_WINDOW] = "zero window",
        [FW_NOTE_ZERO_WINDOW_PROBE] = "zero window probe",
        [FW_NOTE_WINDOW_UPDATE] = "window update",
        [FW_NOTE_DUPLICATE_ACK] = "duplicate ACK",
        [FW_NOTE_CHALLENGE_ACK] = "challenge ACK",
        [FW_NOTE_GAP] = "capture gap",
        [FW_NOTE_ICMP] = "ICMP error",
        [FW_NOTE_STRAY] = "stray",
    };
    return names[note];
}

const char *fw_side_name(enum fw_side side)
{
    return side == FW_CLIENT ? "client" : "server";
}

const char *fw_icmp_name(enum fw_icmp icmp)
{
    static const char *const names[] = {
        [FW_ICMP_NONE] = "",
        [FW_ICMP_NET_UNREACHABLE] = "network unreachable",
        [FW_ICMP_HOST_UNREACHABLE] = "host unreachable",
        [FW_ICMP_PROTOCOL_UNREACHABLE] = "protocol unreachable",
        [FW_ICMP_PORT_UNREACHABLE] = "port unreachable",
        [FW_ICMP_PROHIBITED] = "administratively prohibited",
        [FW_ICMP_FRAGMENTATION_NEEDED] = "fragmentation needed",
        [FW_ICMP_TIME_EXCEEDED] = "time exceeded",
        [FW_ICMP_OTHER] = "other ICMP error",
    };
    return names[icmp];
}

const char *fw_tunnel_name(enum fw_tunnel tunnel)
{
    static const char *const names[] = {
        [FW_TUNNEL_NONE] = "",     [FW_TUNNEL_GRE] = "gre",       [FW_TUNNEL_IPIP] = "ipip",
        [FW_TUNNEL_6IN4] = "6in4", [FW_TUNNEL_VXLAN] = "vxlan",   [FW_TUNNEL_GENEVE] = "geneve",
        [FW_TUNNEL_GTP] = "gtp",   [FW_TUNNEL_TEREDO] = "teredo", [FW_TUNNEL_ERSPAN] = "erspan",
    };
    return names[tunnel];
}

const char *fw_undecoded_name(enum fw_undecoded undecoded)
{
    static const char *const names[FW_UNDECODED_COUNT] = {
        [FW_UNDECODED_NONE] = "",
        [FW_UNDECODED_ESP] = "ESP",
        [FW_UNDECODED_IPCOMP] = "IPComp",
        [FW_UNDECODED_L2TP] = "L2TP",
        [FW_UNDECODED_GTP] = "GTP",
        [FW_UNDECODED_TEREDO] = "Teredo",
        [FW_UNDECODED_GENEVE] = "Geneve",
        [FW_UNDECODED_GRE] = "GRE",
        [FW_UNDECODED_OTHER] = "tunnels nested too deep",
    };
    return names[undecoded];
}

/* ------------------------------------------------------------------------------------- flags -- */

void fw_flags_text(uint16_t flags, char text[12])
{
    static const char letters[9] = "FSRP.UEWe"; /* from FW_FIN to FW_AE, tcpdump's order */
    char *end = text;
    for (unsigned bit = 0; bit < sizeof(letters); bit++) {
        if (flags & 1u << bit)
            *end++ = letters[bit];
    }
    if (end == text) {
        memcpy(text, "none", 5);
        return;
    }
    *end = '\0';
}

/* -------------------------------------------------------------------------------- link types -- */

struct link_name {
    uint16_t type;
    bool decoded;
    const char *name;
};

/* The registry of tcpdump.org/linktypes.html, in its order. */
static const struct link_name link_names[] = {
    { 0, true, "BSD loopback" },
    { 1, true, "Ethernet" },
    { 3, false, "AX.25" },
    { 6, false, "Token Ring" },
    { 7, false, "ARCNET" },
    { 8, false, "SLIP" },
    { 9, true, "PPP" },
    { 10, false, "FDDI" },
    { 12, true, "raw IP" },
    { 14, true, "raw IP" },
    { 50, true, "PPP in HDLC framing" },
    { 51, true, "PPPoE" },
    { 99, false, "Symantec Firewall" },
    { 100, false, "ATM RFC 1483" },
    { 101, true, "raw IP" },
    { 104, true, "Cisco HDLC" },
    { 105, false, "802.11" },
    { 107, false, "Frame Relay" },
    { 108, true, "OpenBSD loopback" },
    { 109, true, "OpenBSD encapsulation" },
    { 112, false, "Cisco HDLC" },
    { 113, true, "Linux cooked" },
    { 114, false, "LocalTalk" },
    { 117, false, "OpenBSD pflog" },
    { 119, false, "802.11 with Prism header" },
    { 122, false, "IP over Fibre Channel" },
    { 123, false, "SunATM" },
    { 127, false, "802.11 with radiotap" },
    { 129, false, "ARCNET, Linux" },
    { 138, false, "IP over IEEE 1394" },
    { 139, false, "SS7 MTP2 with pseudo-header" },
    { 140, false, "SS7 MTP2" },
    { 141, false, "SS7 MTP3" },
    { 142, false, "SS7 SCCP" },
    { 143, false, "DOCSIS" },
    { 144, false, "Linux IrDA" },
    { 147, false, "private use 0" },
    { 148, false, "private use 1" },
    { 149, false, "private use 2" },
    { 150, false, "private use 3" },
    { 151, false, "private use 4" },
    { 152, false, "private use 5" },
    { 153, false, "private use 6" },
    { 154, false, "private use 7" },
    { 155, false, "private use 8" },
    { 156, false, "private use 9" },
    { 157, false, "private use 10" },
    { 158, false, "private use 11" },
    { 159, false, "private use 12" },
    { 160, false, "private use 13" },
    { 161, false, "private use 14" },
    { 162, false, "private use 15" },
    { 163, false, "802.11 with AVS header" },
    { 165, false, "BACnet MS/TP" },
    { 166, true, "PPP, pppd" },
    { 169, false, "GPRS LLC" },
    { 170, false, "GFP-T" },
    { 171, false, "GFP-F" },
    { 177, false, "Linux LAPD" },
    { 178, false, "Juniper Ethernet" },
    { 179, false, "Juniper PPP" },
    { 180, false, "Juniper Frame Relay" },
    { 181, false, "Juniper C-HDLC" },
    { 182, false, "Juniper multilink Frame Relay" },
    { 187, false, "Bluetooth HCI H4" },
    { 188, false, "802.16 CPS" },
    { 189, false, "USB" },
    { 190, false, "CAN 2.0B" },
    { 191, false, "802.15.4, Linux" },
    { 192, false, "PPI" },
    { 195, false, "802.15.4" },
    { 196, false, "SITA" },
    { 197, false, "ERF" },
    { 199, false, "IPMB" },
    { 201, false, "Bluetooth HCI H4 with direction" },
    { 202, false, "AX.25 KISS" },
    { 203, false, "LAPD" },
    { 204, true, "PPP with direction" },
    { 205, false, "Cisco HDLC with direction" },
    { 206, false, "Frame Relay with direction" },
    { 209, false, "I2C, Linux" },
    { 210, false, "FlexRay" },
    { 211, false, "MOST" },
    { 212, false, "LIN" },
    { 215, false, "802.15.4 without PHY" },
    { 220, false, "USB, Linux, padded" },
    { 224, false, "Fibre Channel FC-2" },
    { 225, false, "Fibre Channel FC-2 with delimiters" },
    { 226, false, "Solaris ipnet" },
    { 227, false, "SocketCAN" },
    { 228, true, "raw IPv4" },
    { 229, true, "raw IPv6" },
    { 230, false, "802.15.4 without FCS" },
    { 231, false, "D-Bus" },
    { 235, false, "DVB-CI" },
    { 236, false, "27.010 multiplexing" },
    { 237, false, "STANAG 5066" },
    { 239, true, "Linux nflog" },
    { 240, false, "netANALYZER" },
    { 241, false, "netANALYZER, transparent" },
    { 242, false, "IP over InfiniBand" },
    { 243, false, "MPEG-2 transport stream" },
    { 244, false, "ng40" },
    { 245, false, "NFC LLCP" },
    { 247, false, "InfiniBand" },
    { 248, false, "SCTP" },
    { 249, false, "USBPcap" },
    { 250, false, "SEL RTAC serial" },
    { 251, false, "Bluetooth LE" },
    { 253, false, "Linux netlink" },
    { 254, false, "Bluetooth, Linux monitor" },
    { 255, false, "Bluetooth BR/EDR baseband" },
    { 256, false, "Bluetooth LE with PHY header" },
    { 257, false, "PROFIBUS" },
    { 258, false, "Apple PKTAP" },
    { 259, false, "EPON" },
    { 260, false, "IPMI HPM.2 trace" },
    { 261, false, "Z-Wave R1 and R2" },
    { 262, false, "Z-Wave R3" },
    { 263, false, "WattStopper DLM" },
    { 264, false, "ISO 14443" },
    { 265, false, "RDS" },
    { 266, false, "USB, Darwin" },
    { 268, false, "SDLC" },
    { 270, false, "LoRaTap" },
    { 271, false, "vsock" },
    { 272, false, "Nordic Bluetooth LE" },
    { 273, false, "DOCSIS 3.1 XRA31" },
    { 274, false, "802.3br mPackets" },
    { 275, false, "DisplayPort AUX" },
    { 276, true, "Linux cooked 2" },
    { 278, false, "OpenVizsla USB" },
    { 279, false, "EBHSCR" },
    { 280, false, "VPP dispatch trace" },
    { 281, false, "Broadcom switch tag" },
    { 282, false, "Broadcom switch tag, prepended" },
    { 283, false, "802.15.4 TAP" },
    { 284, false, "Marvell DSA" },
    { 285, false, "Marvell EDSA" },
    { 286, false, "ELEE lawful intercept" },
    { 287, false, "Z-Wave serial" },
    { 288, false, "USB 2.0" },
    { 289, false, "ATSC ALP" },
    { 290, false, "Event Tracing for Windows" },
    { 291, false, "netANALYZER NG" },
    { 292, false, "Z-Boss NCP" },
    { 293, false, "USB 2.0 low speed" },
    { 294, false, "USB 2.0 full speed" },
    { 295, false, "USB 2.0 high speed" },
};

static const struct link_name *find_link(uint16_t link_type)
{
    for (size_t i = 0; i < COUNT(link_names); i++) {
        if (link_names[i].type == link_type)
            return &link_names[i];
    }
    return NULL;
}

const char *fw_link_name(uint16_t link_type)
{
    const struct link_name *link = find_link(link_type);
    return link != NULL ? link->name : NULL;
}

bool fw_link_is_decoded(uint16_t link_type)
{
    const struct link_name *link = find_link(link_type);
    return link != NULL && link->decoded;
}
