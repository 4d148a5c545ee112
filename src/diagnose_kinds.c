/* What is said of findings and of the frames that show them: text as data. docs/diagnose.md has an
 * example of each. */
#include <string.h>

#include "diagnose.h"

const char *mark_words(enum mark_what what)
{
    switch (what) {
    case MARK_SYN:
        return "{from} asks for a connection (SYN)";
    case MARK_SYN_AGAIN:
        return "{from} asks again";
    case MARK_SYNACK:
        return "{from} agrees (SYN+ACK)";
    case MARK_BAD_SYNACK:
        return "{from} acknowledges another SYN: {number}";
    case MARK_ACK_OF_SYN:
        return "{from} completes the handshake (ACK)";
    case MARK_SYNACK_AGAIN:
        return "{from} had no room: SYN+ACK again";
    case MARK_SYN_INSIDE:
        return "a SYN on ports that are still in use";
    case MARK_ANSWER_INSIDE:
        return "{from} answers with the old numbers";
    case MARK_FIN:
        return "{from} closes (FIN{seq})";
    case MARK_ACK_OF_FIN:
        return "{from} acknowledges the FIN{ack}";
    case MARK_DATA_AFTER_FIN:
        return "{from} sends data after that FIN";
    case MARK_UNANSWERED:
        return "{from} repeats itself in vain";
    case MARK_KEEP_ALIVE:
        return "{from} probes (keep-alive) in vain";
    case MARK_ZERO_WINDOW:
        return "{from} has no room left: window 0";
    case MARK_PROBE:
        return "{from} asks whether there is room";
    case MARK_WINDOW_OPENS:
        return "{from} has room again";
    case MARK_RST:
        return "{from} resets (RST)";
    case MARK_RST_IGNORED:
        return "a RST in the name of the {from}: not the number due";
    case MARK_RST_FORGED:
        return "{from} goes on sending: that RST was not its own";
    case MARK_GAP:
        return "{from} acknowledges what the capture does not have";
    case MARK_BAD_CHECKSUM:
        return "{from} sends a wrong checksum";
    case MARK_ICMP:
        return "ICMP error: {icmp}";
    case MARK_COUNT:
        break;
    }
    return "";
}

const struct finding_about finding_kinds[FINDING_KIND_COUNT] = {
    [FINDING_SYN_FLOOD] = {
        .name = "syn-flood",
        .title = "SYN flood: many attempts left half-open",
        .tag = "SYN_RECEIVED",
        .meaning = "Many sources began connections to this one port and did not complete them. "
                   "Each holds a place in the queue of half-open connections until its SYN+ACK has "
                   "been sent in vain often enough. Counted are attempts, not SYNs.",
        .look = "on {server}:  nstat -az TcpExtListenDrops 'TcpExtTCPReqQFull*'\n"
                "on {server}:  sysctl net.ipv4.tcp_syncookies\n",
        .fault_not = "A load test, or clients that lost their way back all at once: a link that "
                     "went down, a capture that sees one direction.",
    },
    [FINDING_ACCEPT_QUEUE] = {
        .name = "accept-queue",
        .title = "accept queue is full: ACKs of the handshake ignored",
        .tag = "SYN_RECEIVED",
        .meaning = "The client has completed the handshake, the server sends its SYN+ACK again: its "
                   "kernel dropped the ACK for want of room. The program does not call accept() "
                   "fast enough, or its backlog is small. The client believes it is connected.",
        .look = "on {server}:  ss -ltn sport = :{port}     Recv-Q against Send-Q\n"
                "on {server}:  nstat -az TcpExtListenOverflows TcpExtListenDrops\n"
                "on {server}:  sysctl net.core.somaxconn\n",
        .fault_not = "Where the ACKs are lost on the way. Then it comes and goes with other loss, "
                     "and ListenOverflows stays as it is.",
    },
    [FINDING_NOT_CLOSING] = {
        .name = "not-closing",
        .title = "{side} does not close its side",
        .tag = "CLOSE_WAIT",
        .of_side = true,
        .meaning = "The {peer} has finished. The {side}'s kernel knows; its program has not called "
                   "close(). One descriptor stays in use per connection until it does. No timer "
                   "ends this.",
        .look = "on {host}:  ss -tnp state close-wait '( {filter} )'\n"
                "on {host}:  ls /proc/PID/fd | wc -l     is it growing?\n",
        .fault_not = "A pool that closes what it finds closed when it next looks; a program that "
                     "still works on what it was sent and then answers.",
    },
    [FINDING_NO_ANSWER] = {
        .name = "no-answer",
        .title = "no answer to the SYN: dropped in silence",
        .tag = "SYN_SENT",
        .meaning = "Nobody said no, nobody said yes. A firewall that drops, a host that is off or "
                   "has another address, a route that leads nowhere, or a queue that is full.",
        .look = "on the client:  ping {server}; ip route get {server}\n"
                "on {server}:  tcpdump -ni any tcp port {port}     does it arrive?\n"
                "on {server}:  nft list ruleset; nstat -az TcpExtListenDrops\n",
        .fault_not = "A capture that does not see the answers: taken at one of two paths.",
    },
    [FINDING_UNREACHABLE] = {
        .name = "unreachable",
        .title = "unreachable: {detail}",
        .tag = "SYN_SENT",
        .meaning = "A router, a firewall or the host itself sent an ICMP error about the SYN. "
                   "\"Prohibited\" is a rule of a firewall; \"host\" and \"net\" a route or a "
                   "neighbour that does not answer; \"port\" a firewall that rejects. finwait keeps "
                   "no address of who sent it: look at the frame.",
        .look = "on the client:  ip route get {server}; tracepath -n {server}\n"
                "in the capture:  tcpdump -nr FILE 'icmp or icmp6'\n",
        .fault_not = "Where that rule is meant to be.",
    },
    [FINDING_REFUSED] = {
        .name = "refused",
        .title = "refused: nobody listens",
        .tag = "SYN_SENT",
        .meaning = "The host is there and answers the SYN with a RST: no program listens on this "
                   "port at this address. Or a firewall rejects with a RST.",
        .look = "on {server}:  ss -ltnp sport = :{port}     only 127.0.0.1?\n"
                "on {server}:  systemctl list-units --failed\n",
        .fault_not = "A client that tries several addresses or waits for a service to come up.",
    },
    [FINDING_BAD_SYNACK] = {
        .name = "bad-synack",
        .title = "SYN+ACK rejected: it acknowledges another SYN",
        .tag = "SYN_SENT",
        .meaning = "The answer is to a SYN that this client has not sent now. The client resets it "
                   "and goes on waiting. The server holds an older connection on these ports, a "
                   "middlebox or SYN proxy rewrites numbers, or the answer is forged.",
        .look = "on {server}:  ss -tno sport = :{port}     an older one?\n"
                "capture at both ends, and compare the numbers of the SYNs\n",
        .fault_not = "An old SYN that was delayed: it happens once, and the next try succeeds "
                     "(RFC 9293, figure 8).",
    },
    [FINDING_NO_FINAL_ACK] = {
        .name = "no-final-ack",
        .title = "handshake is not completed: final ACK missing",
        .tag = "SYN_RECEIVED",
        .meaning = "The server answered, the client did not acknowledge. The answer does not reach "
                   "the client, or the client does not exist (a forged source), or a firewall on "
                   "its side drops it.",
        .look = "on the client:  tcpdump -ni any tcp port {port}     does it arrive?\n"
                "on {server}:  ss -tno state syn-recv\n",
        .fault_not = "A client that was switched off; a scan that never completes.",
    },
    [FINDING_DEAD_PEER] = {
        .name = "dead-peer",
        .title = "{side} no longer answers",
        .tag = "",
        .of_side = true,
        .meaning = "The {peer} repeats itself and hears nothing: the {side}'s host is gone, the "
                   "path is cut, or a firewall or NAT has forgotten the connection and drops what "
                   "it does not know.",
        .look = "on the {peer}:  ss -tno dst {host}     timers and retransmissions\n"
                "between them:  idle timeouts of firewalls, NAT and load balancers\n"
                "sysctl net.ipv4.tcp_keepalive_time     shorter than theirs?\n",
        .fault_not = "A laptop that sleeps. Or the capture misses the answers: look for one-sided.",
    },
    [FINDING_RESET_IN_HANDSHAKE] = {
        .name = "reset-in-handshake",
        .title = "{side} resets in the handshake",
        .tag = "",
        .of_side = true,
        .meaning = "The {side} began or took part in the handshake and then reset it. A client "
                   "that gave up before the answer came, that never sent that SYN, or that only "
                   "wanted to know whether the port is open; a server whose program went away.",
        .look = "from SYN to SYN+ACK:  longer than the client's timeout?\n"
                "on {host}:  the program's log at that time\n",
        .fault_not = "Health checks of load balancers do this on purpose; so does nmap -sS.",
    },
    [FINDING_RESET] = {
        .name = "reset",
        .title = "{side} resets the connection",
        .tag = "",
        .of_side = true,
        .meaning = "The {side} did not close (FIN) but abort (RST): its program exited or crashed "
                   "with data unread, closed with SO_LINGER 0, had no such connection any more, or "
                   "gave up after retransmissions. The {peer} sees \"connection reset by peer\". "
                   "Before any data: the program or a filter turned the client away, or the accept "
                   "queue overflowed with tcp_abort_on_overflow.",
        .look = "on {host}:  nstat -az 'TcpExtTCPAbort*'\n"
                "on {host}:  the program's log at that time\n"
                "is it its own?  the RST's TTL against that of other packets\n",
        .fault_not = "Programs that close by reset on purpose, to be spared TIME_WAIT.",
    },
    [FINDING_DATA_AFTER_CLOSE] = {
        .name = "data-after-close",
        .title = "{side} sends data to a peer that has closed",
        .tag = "",
        .of_side = true,
        .meaning = "The {peer}'s program has closed, not only shut down its side: there is nobody "
                   "to read what still comes, so its kernel answers with a RST. The {side}'s data "
                   "is lost; its next write fails.",
        .look = "the program:  does it look for end of file before it writes?\n"
                "the protocol:  who is to close first?\n",
        .fault_not = "A {peer} that has all it wanted and does not care: browsers do this.",
    },
    [FINDING_RESET_AFTER_FIN] = {
        .name = "reset-after-fin",
        .title = "{side} ends the close with a reset",
        .tag = "",
        .of_side = true,
        .meaning = "One side had closed (FIN), and the {side} then reset instead of finishing the "
                   "close: it closed with data unread, aborts on purpose, or had waited long "
                   "enough for the {peer}.",
        .look = "on {host}:  nstat -az 'TcpExtTCPAbort*'\n"
                "sysctl net.ipv4.tcp_fin_timeout     how long an orphan waits\n",
        .fault_not = "After all data was acknowledged nothing is lost. TLS clients often do this.",
    },
    [FINDING_ZERO_WINDOW] = {
        .name = "zero-window",
        .title = "{side} does not read: its window is closed",
        .tag = "",
        .of_side = true,
        .meaning = "The {side}'s receive buffer is full: its program does not read as fast as the "
                   "{peer} sends. The network is not at fault. The {peer} probes until there is "
                   "room.",
        .look = "on {host}:  ss -tnmp '( {filter} )'     Recv-Q\n"
                "on {host}:  sysctl net.ipv4.tcp_rmem\n",
        .fault_not = "Back-pressure that is meant to be: a player that is paused, a slow disk.",
    },
    [FINDING_FORGED_RST] = {
        .name = "forged-rst",
        .title = "RST in the {side}'s name was not its own",
        .tag = "",
        .of_side = true,
        .meaning = "After the RST its supposed sender goes on as if nothing had happened: a third "
                   "party sent it. A firewall or filter that ends connections, a censor, or an "
                   "attack.",
        .look = "in the capture:  its TTL and IP id against the sender's others\n"
                "between them:  intrusion prevention, session timeouts of firewalls\n",
        .fault_not = "A pair of machines that share an address (failover).",
    },
    [FINDING_IGNORED_RST] = {
        .name = "ignored-rst",
        .title = "RST in the {side}'s name was ignored",
        .tag = "",
        .of_side = true,
        .meaning = "Its number is not the one that the receiver expects (RFC 9293, 3.10.7.4; RFC "
                   "5961), so nothing was reset. A blind attack, a middlebox that is behind, or an "
                   "old packet.",
        .look = "in the capture:  its TTL and IP id against the sender's others\n"
                "on the receiver:  nstat -az TcpExtTCPChallengeACK\n",
        .fault_not = "One that was late: the sender aborted and more was under way.",
    },
    [FINDING_TIME_WAIT] = {
        .name = "time-wait",
        .title = "TIME_WAIT piles up at the {side}",
        .tag = "TIME_WAIT",
        .of_side = true,
        .meaning = "The {side} closes first, so the {side} pays: each connection keeps its ports "
                   "for 60 s (Linux; 2MSL by RFC 9293 is 240 s). Between one client, one server "
                   "and one port there are 28232 ephemeral ports (32768 to 60999).",
        .look = "on {host}:  ss -tan state time-wait | wc -l\n"
                "sysctl net.ipv4.ip_local_port_range net.ipv4.tcp_tw_reuse\n"
                "better:  keep connections open and reuse them\n",
        .fault_not = "TIME_WAIT itself costs next to nothing. It is a fault where a client runs out "
                     "of ports (\"cannot assign requested address\").",
    },
    [FINDING_SCAN] = {
        .name = "scan",
        .title = "scan: one source tries many ports or hosts",
        .tag = "",
        .meaning = "Its attempts are refused, unanswered or given up as soon as they are answered.",
        .look = "who is it?  getent hosts {client}\n"
                "what did it find?  finwait table -Y 'src {client}' -r FILE\n",
        .fault_not = "A monitor or inventory of your own; a client with a list of dead servers.",
    },
    [FINDING_PORT_REUSE] = {
        .name = "port-reuse",
        .title = "ports used again while they still hold a connection",
        .tag = "TIME_WAIT",
        .meaning = "A SYN came on the ports of a connection that one end had not let go of. "
                   "TIME_WAIT accepts a later number or timestamp (RFC 6191); anything else is "
                   "answered with the old numbers, and the client has to reset and try again.",
        .look = "sysctl net.ipv4.tcp_tw_reuse net.ipv4.ip_local_port_range\n"
                "between them:  NAT that gives its ports away again too early\n",
        .fault_not = "Where the SYN is accepted: Linux does it on purpose. A single SYN that nobody "
                     "sent again may be forged or late.",
    },
    [FINDING_FINAL_ACK_LOST] = {
        .name = "final-ack-lost",
        .title = "final ACK of the handshake did not arrive",
        .tag = "SYN_RECEIVED",
        .meaning = "The server sends its SYN+ACK again although the client has acknowledged it. "
                   "Once, the ACK was lost on the way behind the capture, or the accept queue was "
                   "full for a moment.",
        .look = "on {server}:  nstat -az TcpExtListenOverflows     does it grow?\n",
        .fault_not = "Now and then, on a path with loss.",
    },
    [FINDING_SIMULTANEOUS_OPEN] = {
        .name = "simultaneous-open",
        .title = "both ends opened at once",
        .tag = "SYN_RECEIVED",
        .meaning = "The SYNs crossed (RFC 9293, figure 7): one connection, two clients.",
        .look = "who is the server?  hole punching does this, and peers that connect\n",
        .fault_not = "Where it is meant: BGP speakers, peer-to-peer programs.",
    },
    [FINDING_SIMULTANEOUS_CLOSE] = {
        .name = "simultaneous-close",
        .title = "both ends closed at once",
        .tag = "CLOSING",
        .meaning = "The FINs crossed: both ends pass through CLOSING and both wait in TIME_WAIT.",
        .look = "timers:  do both ends close after the same time of silence?\n",
        .fault_not = "Nearly always harmless. A request that was sent just then is lost.",
    },
    [FINDING_ONE_SIDED] = {
        .name = "one-sided",
        .title = "only the {side}'s packets were captured",
        .tag = "",
        .of_side = true,
        .meaning = "The other direction takes another path, or the capture or its filter leaves it "
                   "out. What is known of the other end is what these packets acknowledge; nothing "
                   "else is said of these connections.",
        .look = "the tap:  both directions of the mirror port or bond\n"
                "the filter:  host, port and net match both, src and dst one\n",
        .fault_not = "Of the network it is none: asymmetric routes are ordinary.",
    },
    [FINDING_CAPTURE_LOSS] = {
        .name = "capture-loss",
        .title = "capture misses packets that arrived",
        .tag = "",
        .meaning = "They were acknowledged, so they were there; the capture lost them. States may "
                   "be behind the truth: no leak is claimed for these connections.",
        .look = "tcpdump -B 65536, a shorter -s, a narrower filter\n"
                "ethtool -S IF | grep -i drop     and the mirror port's counters\n",
        .fault_not = "Of the network it is none.",
    },
    [FINDING_BAD_CHECKSUMS] = {
        .name = "bad-checksums",
        .title = "wrong checksums from the {side}",
        .tag = "",
        .of_side = true,
        .meaning = "From one side only, and in most of its packets: captured on that host, before "
                   "its network card fills the checksum in (offload). Else they are damaged on the "
                   "way, and their receiver drops them.",
        .look = "on {host}:  ethtool -k IF | grep tx-checksum\n"
                "on the other side:  nstat -az TcpInCsumErrors\n",
        .fault_not = "With offload: always.",
    },
};

bool finding_kind_find(const char *name, size_t length, enum finding_kind *kind)
{
    for (size_t i = 0; i < FINDING_KIND_COUNT; i++)
        if (strlen(finding_kinds[i].name) == length &&
            memcmp(finding_kinds[i].name, name, length) == 0) {
            *kind = (enum finding_kind)i;
            return true;
        }
    return false;
}
