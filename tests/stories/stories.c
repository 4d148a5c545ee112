/* The stories of pcaps/stories.pcapng. What finwait must say of each is in stories.tsv. */
#include "finwait/finwait.h"

#include "story.h"

#define HANDSHAKE                                                                                  \
    "0  C S\n"                                                                                     \
    "20 S S.\n"                                                                                    \
    "1  C .\n"
#define REQUEST                                                                                    \
    "2  C P. 190\n"                                                                                \
    "20 S .\n"                                                                                     \
    "6  S P. 1180\n"                                                                               \
    "1  C .\n"
#define CLIENT_CLOSES                                                                              \
    "80 C F.\n"                                                                                    \
    "20 S .\n"                                                                                     \
    "40 S F.\n"                                                                                    \
    "1  C .\n"
#define SERVER_CLOSES                                                                              \
    "60 S F.\n"                                                                                    \
    "1  C .\n"                                                                                     \
    "15 C F.\n"                                                                                    \
    "20 S .\n"

/* clang-format off */
const struct story stories[] = {
    /* -------------------------------------------------------------------- as it should be -- */
    { "client-closes-first", "The client asks, is answered, and closes; the server follows.",
      "192.168.1.10", "10.0.0.1", 50001, 80, .script =
      HANDSHAKE REQUEST CLIENT_CLOSES },
    { "server-closes-first", "The server closes when it has answered; TIME_WAIT is on its side.",
      "192.168.1.10", "10.0.0.2", 50002, 80, .script =
      HANDSHAKE REQUEST SERVER_CLOSES },
    { "three-way-close", "The server's FIN also acknowledges the client's: three segments.",
      "192.168.1.10", "10.0.0.1", 50003, 80, .script =
      HANDSHAKE REQUEST
      "80 C F.\n"
      "20 S F.\n"
      "1  C .\n" },
    { "simultaneous-close", "Both close at the same moment; the FINs cross.",
      "192.168.1.11", "10.0.0.179", 50004, 179, .script =
      HANDSHAKE REQUEST
      "80 C F.\n"
      "8  S F. crossed\n"
      "1  C .\n"
      "11 S .\n" },
    { "half-close-in-use", "The client has sent all that it has; the server goes on for minutes.",
      "192.168.1.12", "10.0.0.1", 50005, 8080, .script =
      HANDSHAKE
      "2     C P. 190\n"
      "0     C F.\n"
      "20    S .\n"
      "500   S P. 1200\n" "1 C .\n"
      "9000  S P. 1200\n" "1 C .\n"
      "11000 S P. 1200\n" "1 C .\n"
      "10000 S P. 1200\n" "1 C .\n"
      "12000 S P. 1200\n" "1 C .\n"
      "9000  S P. 1200\n" "1 C .\n"
      "10000 S P. 1200\n" "1 C .\n"
      "11000 S P. 1200\n" "1 C .\n"
      "10000 S P. 1200\n" "1 C .\n"
      "9000  S P. 1200\n" "1 C .\n"
      "10000 S P. 1200\n" "1 C .\n"
      "12000 S P. 1200\n" "1 C .\n"
      "11000 S P. 1200\n" "1 C .\n" },
    { "simultaneous-open", "Both connect to each other from known ports; the SYNs cross.",
      "192.168.1.11", "10.0.0.180", 50006, 50006, .script =
      "0  C S\n"
      "6  S S crossed\n"
      "1  C S. again\n"
      "13 S S. again\n"
      REQUEST CLIENT_CLOSES },
    { "fast-open", "Data on the SYN, with a cookie; the server answers before the handshake is done.",
      "192.168.1.13", "10.0.0.7", 50007, 443, .script =
      "0  C S 190 cookie\n"
      "20 S S.\n"
      "2  S P. 1180\n"
      "1  C .\n"
      CLIENT_CLOSES },
    { "ipv6", "An ordinary connection over IPv6; the server closes first.",
      "2001:db8:1::10", "2001:db8:2::443", 50008, 443, .script =
      HANDSHAKE REQUEST SERVER_CLOSES },
    { "vlan-tagged", "An ordinary connection in VLAN 42.",
      "192.168.42.10", "10.0.0.1", 50009, 80, .vlan = 42, .script =
      HANDSHAKE REQUEST CLIENT_CLOSES },

    /* ----------------------------------------------------------------- who did not close? -- */
    { "server-leaks", "The client has closed; the server's program never does.",
      "192.168.1.10", "10.0.0.5", 50010, 8080, .script =
      HANDSHAKE REQUEST
      "80 C F.\n"
      "20 S .\n" },
    { "client-leaks", "The server has closed an idle connection; the client's program never does.",
      "192.168.1.14", "10.0.0.6", 50011, 5432, .script =
      HANDSHAKE REQUEST
      "5000 S F.\n"
      "1    C .\n" },

    /* -------------------------------------------------------------------- it did not open -- */
    { "refused", "Nobody listens: RST.",
      "192.168.1.10", "10.0.0.1", 50012, 81, .script =
      "0  C S\n"
      "20 S R.\n" },
    { "no-answer", "Every SYN is lost, or dropped by a firewall that says nothing.",
      "192.168.1.10", "10.0.0.9", 50013, 80, .script =
      "0    C S lost\n"
      "1000 C S again lost\n"
      "2000 C S again lost\n"
      "4000 C S again lost\n"
      "8000 C S again lost\n" },
    { "retried-then-answered", "The first SYN is lost; the second is answered.",
      "192.168.1.10", "10.0.0.1", 50014, 80, .script =
      "0    C S lost\n"
      "1000 C S again\n"
      "20   S S.\n"
      "1    C .\n"
      REQUEST CLIENT_CLOSES },
    { "host-unreachable", "The router has no answer from that host: ICMP.",
      "192.168.1.10", "10.0.0.10", 50015, 80, .script =
      "0    C S lost\n"
      "3040 R 3 1 192.168.1.1\n" },
    { "port-unreachable", "A packet filter of the host rejects with ICMP, not with a RST.",
      "192.168.1.10", "10.0.0.11", 50016, 3306, .script =
      "0  C S lost\n"
      "20 R 3 3 10.0.0.11\n" },
    { "admin-prohibited", "A firewall on the way rejects, and says so.",
      "192.168.1.10", "10.0.0.12", 50017, 22, .script =
      "0  C S lost\n"
      "12 R 3 13 10.0.0.254\n" },
    { "wrong-ack-in-synack", "Something answers each SYN with the numbers of another connection.",
      "192.168.1.15", "10.0.0.13", 50018, 443, .script =
      "0    C S\n"
      "20   S S. ack+31337 lost\n"
      "1    C R\n"
      "1000 C S again\n"
      "20   S S. again ack+31337 lost\n"
      "1    C R\n"
      "2000 C S again\n"
      "20   S S. again ack+31337 lost\n"
      "1    C R\n" },
    { "final-ack-lost", "The SYN+ACK goes out again and again; the client's ACK never comes.",
      "192.168.1.16", "10.0.0.1", 50019, 80, .script =
      "0     C S\n"
      "20    S S. lost\n"
      "1000  S S. again lost\n"
      "2000  S S. again lost\n"
      "4000  S S. again lost\n"
      "8000  S S. again lost\n"
      "16000 S S. again lost\n" },
    { "accept-queue-full", "The ACK arrives, and the server sends its SYN+ACK again: no room.",
      "192.168.1.10", "10.0.0.14", 50020, 8080, .script =
      "0    C S\n"
      "20   S S.\n"
      "1    C . lost\n"
      "2    C P. 190 lost\n"
      "220  C P. 190 again lost\n"
      "450  C P. 190 again lost\n"
      "330  S S. again\n"
      "1    C . lost\n"
      "560  C P. 190 again lost\n"
      "1450 S S. again\n"
      "1    C . lost\n"
      "300  C P. 190 again lost\n"
      "3700 S S. again\n"
      "1    C . lost\n" },

    /* --------------------------------------------------------------------------- it was reset -- */
    { "reset-by-client-in-handshake", "The client has given up before the SYN+ACK comes.",
      "192.168.1.10", "10.0.0.15", 50021, 80, .script =
      "0   C S\n"
      "450 S S.\n"
      "1   C R\n" },
    { "reset-by-server-in-handshake", "The client's ACK never comes; the server gives up with RST.",
      "192.168.1.17", "10.0.0.16", 50022, 3389, .plain = true, .script =
      "0    C S\n"
      "20   S S. lost\n"
      "3000 S S. again lost\n"
      "6000 S S. again lost\n"
      "9000 S R.\n" },
    { "reset-by-client", "The client has its answer and aborts instead of closing.",
      "192.168.1.10", "10.0.0.1", 50023, 80, .script =
      HANDSHAKE REQUEST
      "300 C R.\n" },
    { "reset-by-server", "The server aborts in the middle of its answer.",
      "192.168.1.10", "10.0.0.1", 50024, 80, .script =
      HANDSHAKE REQUEST
      "40 S P. 1400\n"
      "1  C .\n"
      "90 S R.\n" },
    { "data-after-close", "The client closes without reading the answer, which draws a RST.",
      "192.168.1.10", "10.0.0.1", 50025, 80, .script =
      HANDSHAKE
      "2   C P. 190\n"
      "20  S .\n"
      "80  C F.\n"
      "20  S .\n"
      "900 S P. 1180\n"
      "1   C R\n" },
    { "unread-data-at-close", "The server closes with the request unread: RST instead of FIN.",
      "192.168.1.10", "10.0.0.17", 50026, 8080, .script =
      HANDSHAKE
      "2  C P. 1400\n"
      "20 S .\n"
      "1  C P. 900\n"
      "20 S R.\n" },
    { "forged-rst-ignored", "A RST in the window, not exact: challenged; the connection goes on.",
      "192.168.1.18", "10.0.0.179", 50027, 179, .script =
      HANDSHAKE REQUEST
      "500 C R seq+5000 forged\n"
      "20  S .\n"
      "700 C P. 60\n"
      "20  S P. 60\n"
      "1   C .\n"
      SERVER_CLOSES },

    /* ---------------------------------------------------------------------------- it hangs -- */
    { "zero-window-stall", "The client has stopped reading; the server probes its closed window.",
      "192.168.1.19", "10.0.0.1", 50028, 80, .script =
      HANDSHAKE
      "2     C P. 190\n"
      "20    S .\n"
      "6     S P. 1448\n"
      "0     S P. 1448\n"
      "1     C . win=8\n"
      "20    S P. 1000\n"
      "1     C . win=0\n"
      "220   S . seq-1\n" "1 C .\n"
      "450   S . seq-1\n" "1 C .\n"
      "900   S . seq-1\n" "1 C .\n"
      "1800  S . seq-1\n" "1 C .\n"
      "3600  S . seq-1\n" "1 C .\n"
      "7200  S . seq-1\n" "1 C .\n"
      "14400 S . seq-1\n" "1 C .\n"
      "28800 S . seq-1\n" "1 C .\n" },
    { "dead-peer", "Keep-alive probes that nobody answers; the client gives up.",
      "192.168.1.20", "10.0.0.18", 50029, 5432, .script =
      HANDSHAKE REQUEST
      "20000 C . seq-1\n" "20 S .\n"
      "20000 C . seq-1 lost\n"
      "5000  C . seq-1 lost\n"
      "5000  C . seq-1 lost\n"
      "5000  C . seq-1 lost\n"
      "5000  C . seq-1 lost\n"
      "5000  C R. lost\n" },

    /* ----------------------------------------------------------------------- a port twice -- */
    { "time-wait-reuse-old", "An ordinary connection; its port is used again out of TIME_WAIT.",
      "192.168.1.21", "10.0.0.1", 50030, 80, .script =
      HANDSHAKE REQUEST CLIENT_CLOSES
      "9000 C new\n"
      "0 S new\n"
      "0 name time-wait-reuse-new\n"
      HANDSHAKE REQUEST SERVER_CLOSES },
    { "early-reuse-old", "The server is in TIME_WAIT; the SYN has an old number and is not taken.",
      "192.168.1.22", "10.0.0.1", 50031, 80, .plain = true, .script =
      HANDSHAKE REQUEST SERVER_CLOSES
      "2000 C lower\n"
      "0    C S lost\n"
      "20   S .\n"
      "1    C R\n"
      "0    S new\n"
      "0    name early-reuse-new\n"
      "1000 C S again\n"
      "20   S S.\n"
      "1    C .\n"
      REQUEST CLIENT_CLOSES },

    /* --------------------------------------------------------- what the capture does to it -- */
    { "midstream", "The connection is older than the capture.",
      "192.168.1.23", "10.0.0.1", 50032, 443, .script =
      "0  C S unseen\n"
      "20 S S. unseen\n"
      "1  C . unseen\n"
      "1500 C P. 300\n"
      "20 S .\n"
      "6  S P. 900\n"
      "1  C .\n"
      CLIENT_CLOSES },
    { "one-direction", "The answers take another way: the capture has the client only.",
      "192.168.1.24", "10.0.0.19", 50033, 443, .script =
      "0  C S\n"
      "20 S S. unseen\n"
      "1  C .\n"
      "2  C P. 190\n"
      "20 S . unseen\n"
      "6  S P. 1180 unseen\n"
      "1  C .\n"
      "80 C F.\n"
      "20 S . unseen\n" },
    { "capture-gap", "The capture has lost packets that arrived.",
      "192.168.1.25", "10.0.0.1", 50034, 80, .script =
      HANDSHAKE
      "2  C P. 190\n"
      "20 S .\n"
      "6  S P. 1448\n"
      "0  S P. 1448 unseen\n"
      "0  S P. 1448 unseen\n"
      "0  S P. 700\n"
      "1  C .\n"
      CLIENT_CLOSES },

    /* ---------------------------------------------------------------- a scan: one source port -- */
    { "scan-21", "A scanner knocks at closed ports: one SYN each, from one port.",
      "192.168.1.66", "10.0.0.20", 54321, 21, .plain = true, .script =
      "0 C S\n" "20 S R.\n" },
    { "scan-23", "The next port.",
      "192.168.1.66", "10.0.0.20", 54321, 23, .plain = true, .script =
      "0 C S\n" "20 S R.\n" },
    { "scan-25", "The next port.",
      "192.168.1.66", "10.0.0.20", 54321, 25, .plain = true, .script =
      "0 C S\n" "20 S R.\n" },
    { "scan-110", "The next port.",
      "192.168.1.66", "10.0.0.20", 54321, 110, .plain = true, .script =
      "0 C S\n" "20 S R.\n" },
};
/* clang-format on */

const size_t story_count = sizeof stories / sizeof stories[0];
