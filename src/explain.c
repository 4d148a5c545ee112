#include "explain.h"

#include <string.h>

#include "text.h"

/* RFC 9293 sections 3.3.2, 3.5, 3.6; Linux figures from Documentation/networking/ip-sysctl.rst and
 * tcp(7). Code that stands at the start of a line of `look` is a command; lines do not wrap. */
const struct explanation explanations[] = {
    {
        .state = FW_LISTEN,
        .line = "a server waits for connections",
        .meaning = "A program accepts connections on this address and port.",
        .waits = "The server waits for a client's SYN.",
        .entered = "By a server, with listen(): the passive OPEN. Nothing is sent.",
        .left =
            "The listening socket stays. Each SYN makes a connection of its own, which begins in "
            "SYN_RECEIVED.",
        .wire =
            "Nothing, until it answers: a SYN+ACK proves that its sender was in LISTEN. A RST in "
            "answer to a SYN says that nobody listens there.",
        .look = "ss -tlnp                             who listens, and the queue\n"
                "nstat -az TcpExtListenOverflows      accept queue was full\n"
                "sysctl net.core.somaxconn            longest accept queue\n",
        .normal = "Always.",
        .note =
            "LISTEN: the server is ready to accept. Its netstat did not show such sockets, which "
            "it calls a limitation; finwait lists the listeners that answered.",
    },
    {
        .state = FW_SYN_SENT,
        .line = "a client has asked and has no answer yet",
        .meaning = "The client has sent its SYN and has heard nothing yet.",
        .waits = "The client waits for the server's SYN+ACK.",
        .entered = "By the client, with connect(): the active OPEN.",
        .left =
            "SYN+ACK arrives: it sends the ACK and is ESTABLISHED. RST: CLOSED, \"connection "
            "refused\". The peer's SYN (both connect at once): SYN_RECEIVED. No answer: CLOSED, "
            "\"timed out\".",
        .wire = "A SYN, sent again with growing pauses; Linux gives up after about two minutes. No "
                "answer at all: a firewall that drops, no route back, no such host.",
        .look = "ss -tno state syn-sent               attempts, with their timers\n"
                "finwait -i IF host SERVER            on the server: does it arrive?\n"
                "sysctl net.ipv4.tcp_syn_retries      how often it is sent again\n",
        .normal = "For one round trip. For seconds: the answer does not arrive, or is not sent.",
        .note = "SYN_SEND: indicates active open.",
    },
    {
        .state = FW_SYN_RECEIVED,
        .line = "a server has answered and waits for the last ACK",
        .meaning = "The server has answered the SYN with its own, SYN+ACK.",
        .waits = "The server waits for the ACK that completes the handshake.",
        .entered =
            "By the server when a SYN reaches LISTEN. By either end when both connect at once.",
        .left = "ACK arrives: ESTABLISHED. RST: gone. It closes first: FIN_WAIT_1. No ACK: gone, "
                "after 63 s in Linux.",
        .wire = "SYN+ACK, sent again after 1, 3, 7, 15 and 31 s. Sent again although the ACK went "
                "by: the ACK was lost, or the accept queue is full and the server drops it.",
        .look = "ss -tn state syn-recv                half-open connections\n"
                "nstat -az TcpExtListenOverflows      accept queue was full\n"
                "sysctl net.ipv4.tcp_syncookies net.ipv4.tcp_max_syn_backlog\n",
        .normal = "For one round trip. Many at once from many addresses: a SYN flood.",
        .note = "SYN_RECEIVED: server just received SYN from the client.",
    },
    {
        .state = FW_ESTABLISHED,
        .line = "open: data flows in both directions",
        .meaning = "The handshake is complete; data can be sent in both directions.",
        .waits = "Nobody waits, or both for data. Neither end has closed.",
        .entered =
            "By the client when it has the SYN+ACK, by the server when it has the ACK: for a "
            "moment only one of them is.",
        .left =
            "It closes first: sends a FIN, FIN_WAIT_1. The peer closes first: acknowledges that "
            "FIN, CLOSE_WAIT. RST: CLOSED.",
        .wire =
            "Data and ACKs; nothing at all while both are silent. A peer that crashed or was cut "
            "off looks the same: without keep-alive this can last for ever.",
        .look = "ss -tnoi state established           timers, RTT, retransmissions\n"
                "sysctl net.ipv4.tcp_keepalive_time   until the first probe, if asked\n",
        .normal = "As long as the programs want. Firewalls and NAT forget it sooner, often after "
                  "minutes of silence.",
        .note = "ESTABLISHED: client received server's SYN and session is established.",
    },
    {
        .state = FW_FIN_WAIT_1,
        .line = "closed first, the FIN is not acknowledged yet",
        .meaning = "This end has closed: its FIN is sent and not yet acknowledged.",
        .waits = "It waits for the peer's ACK of its FIN.",
        .entered = "By whoever closes first, with close() or shutdown(): the active close.",
        .left =
            "ACK of the FIN arrives: FIN_WAIT_2. The peer's FIN without it: CLOSING. Both in one "
            "segment: TIME_WAIT.",
        .wire = "A FIN; sent again with growing pauses if its ACK does not come.",
        .look = "ss -tno state fin-wait-1             timers, what is left to send\n"
                "sysctl net.ipv4.tcp_orphan_retries net.ipv4.tcp_max_orphans\n",
        .normal = "For one round trip. For longer: the peer is gone, the path is cut, or the peer "
                  "reads nothing and data before the FIN is stuck (then the FIN is not on the wire "
                  "yet, and finwait still says ESTABLISHED).",
        .note = "FIN_WAIT_1: indicates active close.",
    },
    {
        .state = FW_FIN_WAIT_2,
        .line = "closed first, waits for the peer to close",
        .meaning = "This end has closed and the peer knows; the peer has not closed.",
        .waits = "It waits for the peer's FIN: for the peer's program to close.",
        .entered = "By whoever closed first, when the ACK covers its FIN.",
        .left = "The peer's FIN arrives: it acknowledges it, TIME_WAIT. Linux forgets one that no "
                "program holds any more after 60 s; one that was only shut down waits for ever.",
        .wire = "Nothing from this end. The peer may go on sending data: a half close.",
        .look = "ss -tnp state close-wait             on the peer: who does not close\n"
                "sysctl net.ipv4.tcp_fin_timeout      how long an orphan waits\n",
        .normal = "While the peer finishes its work. Its counterpart is CLOSE_WAIT: if that stays, "
                  "the peer's program leaks.",
        .note = "FIN_WAIT_2: client just received acknowledgment of its first FIN from the server.",
    },
    {
        .state = FW_CLOSE_WAIT,
        .line = "the peer has closed, this end's program has not",
        .meaning =
            "The peer has closed; this end's kernel knows and has acknowledged it, its program "
            "has not called close().",
        .waits = "The kernel waits for its own program to close. No timer ends this.",
        .entered = "By the end that did not close first: the passive close.",
        .left = "The program closes: a FIN is sent, LAST_ACK. The program ends: the same. A RST: "
                "CLOSED.",
        .wire = "The peer's FIN and the ACK of it, then no FIN from this end. Data that this end "
                "still sends is a half close, or draws a RST if nobody reads it.",
        .look = "ss -tnp state close-wait             the program that holds it\n"
                "ls -l /proc/PID/fd | grep -c socket  its descriptors\n",
        .normal =
            "For as long as the program needs to notice end of file: milliseconds. For minutes: "
            "the program leaks descriptors. No setting of the kernel repairs that.",
        .note =
            "CLOSE_WAIT: indicates passive close; server just received first FIN from a client. "
            "Its example: the application has ended, netstat still says CLOSE_WAIT: one "
            "instance of the server's socket is still open.",
    },
    {
        .state = FW_CLOSING,
        .line = "both closed at once, the FIN is not acknowledged yet",
        .meaning = "Both ends have closed at the same time: the FINs crossed.",
        .waits = "It waits for the peer's ACK of its FIN.",
        .entered = "By both ends, from FIN_WAIT_1, when the peer's FIN arrives before the ACK of "
                   "their own.",
        .left = "ACK of the FIN arrives: TIME_WAIT, at both ends.",
        .wire = "Two FINs, neither of which acknowledges the other, then two ACKs.",
        .look = "ss -tno state closing\n",
        .normal = "Rare, and over after half a round trip. For longer: the ACKs are lost.",
        .note = "The note leaves it out.",
    },
    {
        .state = FW_LAST_ACK,
        .line = "closed second, waits for the ACK of its FIN",
        .meaning = "The end that closed second has sent its FIN too.",
        .waits = "It waits for the ACK of its FIN, the last packet of the connection.",
        .entered = "By the passive closer, from CLOSE_WAIT, when its program closes.",
        .left = "The ACK arrives: CLOSED.",
        .wire = "A FIN; sent again if the ACK does not come. A firewall that forgot the connection "
                "at the first FIN drops it.",
        .look = "ss -tno state last-ack               timers\n"
                "sysctl net.ipv4.tcp_orphan_retries   how often the FIN is sent again\n",
        .normal = "For one round trip. For longer: the peer is gone, or its ACK does not arrive.",
        .note = "LAST_ACK: server is in this state when it sends its own FIN.",
    },
    {
        .state = FW_TIME_WAIT,
        .line = "closed first, all is done; waits for late packets",
        .meaning =
            "Both ends have closed. The one that closed first keeps the ports for a while, so "
            "that late packets meet nothing new, and to repeat its last ACK.",
        .waits = "It waits for time to pass: 2MSL, twice the longest life of a packet.",
        .entered = "By whoever closed first; by both ends if the FINs crossed.",
        .left =
            "2MSL passes: CLOSED. 4 minutes by RFC 9293, 60 s in Linux (fixed). A new SYN with a "
            "higher sequence number or newer timestamp may take the ports earlier.",
        .wire =
            "Nothing, or an ACK for a FIN that is sent again. finwait counts the time left with "
            "--timers or --msl.",
        .look = "ss -tan state time-wait | wc -l      how many\n"
                "sysctl net.ipv4.ip_local_port_range  each held for 60 s\n"
                "sysctl net.ipv4.tcp_tw_reuse         for clients that run out\n",
        .normal = "Always, and it costs next to nothing. A fault only where a client runs out of "
                  "ports: reuse connections, or let the server close first. tcp_fin_timeout does "
                  "not shorten it.",
        .note = "TIMED_WAIT: client enters this state after active close. A long one is normal: "
                "twice the MSL, which RFC 793 sets to 2 minutes.",
    },
    {
        .state = FW_CLOSED,
        .line = "no connection",
        .meaning = "There is no connection (any more).",
        .waits = "Nobody waits.",
        .entered =
            "LAST_ACK has its ACK; 2MSL has passed; a RST arrived or was sent; an attempt was "
            "given up.",
        .left = "A client connects: SYN_SENT. A server listens: LISTEN.",
        .wire =
            "A segment to it draws a RST: \"connection refused\", \"connection reset by peer\".",
        .look = "nstat -az TcpEstabResets TcpOutRsts TcpAttemptFails\n",
        .normal =
            "At the end. Before the FINs: who sent the RST, and why? Unread data, SO_LINGER 0, "
            "a firewall, or data for a program that had closed.",
        .note = "CLOSED: server received ACK from client and connection is closed.",
    },
    { .state = FW_UNKNOWN },
};

/* --------------------------------------------------------------------------------------- layout --
 */

enum { LABEL_WIDTH = 11, LINE_LEAST = 60, LINE_MOST = 96, DEFAULT_WIDTH = 80 };

static size_t line_width(const struct explain_options *options)
{
    const unsigned width = options->width ? options->width : DEFAULT_WIDTH;

    return width < LINE_LEAST ? LINE_LEAST : width > LINE_MOST ? LINE_MOST : width;
}

static void print_styled(struct out *out, const struct explain_options *options,
                         enum text_style style, const char *text)
{
    char *at = out_reserve(out, 1024);

    at = text_begin(at, style, options->color);
    at = text_put(at, text);
    out_commit(out, text_end(at, style, options->color));
}

static void print_label(struct out *out, const struct explain_options *options, const char *label)
{
    print_styled(out, options, TEXT_BOLD, label);
    out_pad(out, ' ', LABEL_WIDTH - strlen(label));
}

/* Text broken between words, beside its label. */
static void print_paragraph(struct out *out, const struct explain_options *options,
                            const char *label, const char *text)
{
    const size_t width = line_width(options) - LABEL_WIDTH - 1;

    print_label(out, options, label);
    while (*text) {
        size_t part = strlen(text);
        if (part > width) {
            part = width;
            while (part > 0 && text[part] != ' ')
                part--;
        }
        out_bytes(out, text, part);
        out_char(out, '\n');
        text += part + strspn(text + part, " ");
        if (*text)
            out_pad(out, ' ', LABEL_WIDTH);
    }
}

static void print_lines(struct out *out, const struct explain_options *options, const char *label,
                        const char *text)
{
    print_label(out, options, label);
    while (*text) {
        const size_t length = strcspn(text, "\n") + 1;
        out_bytes(out, text, length);
        text += length;
        if (*text)
            out_pad(out, ' ', LABEL_WIDTH);
    }
}

static void print_names(struct out *out, const struct explain_options *options, enum fw_state state)
{
    static const struct {
        enum fw_names names;
        const char *words;
    } rows[] = {
        { FW_NAMES_RFC, "RFC 9293" },
        { FW_NAMES_SS, "ss" },
        { FW_NAMES_NETSTAT, "netstat" },
        { FW_NAMES_KB, "KB Q137984" },
    };
    const char *shown = fw_state_name(state, options->names);
    bool any = false;

    print_styled(out, options, TEXT_BOLD, shown);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *name = fw_state_name(state, rows[i].names);
        if (strcmp(name, shown) == 0)
            continue;
        out_printf(out, "%s%s: %s", any ? ", " : "   (", rows[i].words, name);
        any = true;
    }
    out_text(out, any ? ")\n" : "\n");
}

static const struct explanation *find(enum fw_state state)
{
    const struct explanation *row = explanations;

    while (row->line && row->state != state)
        row++;
    return row;
}

const char *explain_line(enum fw_state state)
{
    return find(state)->line;
}

void explain_state(struct out *out, const struct explain_options *options, enum fw_state state)
{
    const struct explanation *row = find(state);

    if (!row->line)
        return;
    print_names(out, options, state);
    print_paragraph(out, options, "meaning", row->meaning);
    print_paragraph(out, options, "waits", row->waits);
    print_paragraph(out, options, "entered", row->entered);
    print_paragraph(out, options, "left", row->left);
    print_paragraph(out, options, "wire", row->wire);
    print_lines(out, options, "look at", row->look);
    print_paragraph(out, options, "normal", row->normal);
    print_paragraph(out, options, "1996 note", row->note);
}

/* ------------------------------------------------------------------------------------------ all --
 */

/* Figure 5 of RFC 9293 along time, without what sends nothing. > is a line's end. */
static const char figure[] =
    "opening  client  CLOSED ~SYN~> SYN_SENT ~~~~~~~~~ACK~> ESTABLISHED\n"
    "         server  LISTEN ~SYN,ACK~> SYN_RECEIVED ~~~~~> ESTABLISHED\n"
    "closing  first   ESTABLISHED ~FIN~> FIN_WAIT_1 ~> FIN_WAIT_2 ~ACK~> TIME_WAIT\n"
    "         second  ESTABLISHED ~ACK~> CLOSE_WAIT ~FIN~> LAST_ACK ~~~> CLOSED\n"
    "         both    ESTABLISHED ~FIN~> FIN_WAIT_1 ~ACK~> CLOSING ~~~~> TIME_WAIT\n"
    "         after   TIME_WAIT ~2MSL~> CLOSED\n";

static void print_figure(struct out *out, const struct explain_options *options)
{
    for (const char *at = figure; *at; at++) {
        const bool line = *at == '~', end = *at == '>';
        if (line)
            out_text(out, options->utf8 ? "─" : "-");
        else if (end)
            out_text(out, options->utf8 ? "▶" : ">");
        else
            out_char(out, *at);
    }
}

void explain_all(struct out *out, const struct explain_options *options)
{
    for (const struct explanation *row = explanations; row->line; row++) {
        const char *name = fw_state_name(row->state, options->names);
        print_styled(out, options, TEXT_BOLD, name);
        out_pad(out, ' ', 14 - strlen(name));
        out_text(out, row->line);
        out_char(out, '\n');
    }
    out_char(out, '\n');
    print_figure(out, options);
    out_text(out, "\nOn the arrows: what that end sends. finwait explain CLOSE_WAIT says more.\n");
}
