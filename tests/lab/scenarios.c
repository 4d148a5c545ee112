#include "lab.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- ordinary lives ---------------------------------------------------------------------------
 */

static void talk(struct lab *lab)
{
    app_send(lab, CLIENT, 100);
    settle_all(lab);
    app_read(lab, SERVER);
    app_send(lab, SERVER, 200);
    settle_all(lab);
    app_read(lab, CLIENT);
}

static void client_closes_first(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    settle_all(lab);
    app_accept(lab);
    talk(lab);
    app_close(lab, CLIENT);
    settle_all(lab);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void server_closes_first(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    settle_all(lab);
    app_accept(lab);
    talk(lab);
    app_close(lab, SERVER);
    settle_all(lab);
    app_close(lab, CLIENT);
    settle_all(lab);
}

static void three_way_close(struct lab *lab)
{
    open_connection(lab);
    talk(lab);
    app_close(lab, CLIENT);
    pass(lab, CLIENT);
    struct frame *ack = wire_next(lab, SERVER, 10);
    if (ack) /* acknowledged at once: lost, so that the FIN carries the ACK */
        wire_lose_before_tap(lab, ack);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void crossed_fins(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    app_shutdown(lab, SERVER);
    settle_all(lab);
}

static void crossed_fins_with_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    app_send(lab, SERVER, 100);
    app_shutdown(lab, SERVER);
    settle_all(lab);
    app_close(lab, CLIENT);
    app_close(lab, SERVER);
    settle(lab);
}

static void half_close_with_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    settle(lab);
    app_read(lab, SERVER);
    for (int i = 0; i < 5; i++) {
        app_send(lab, SERVER, 1000);
        settle(lab);
        app_read(lab, CLIENT);
    }
    app_close(lab, SERVER);
    settle(lab);
}

static void close_wait_leak(struct lab *lab)
{
    open_connection(lab);
    talk(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    settle_for(lab, 1000);
}

/* ---- openings ---------------------------------------------------------------------------------
 */

static void simultaneous_open(struct lab *lab)
{
    lab->fd[CLIENT] = app_connect_from(lab, CLIENT, lab->port[CLIENT], lab->port[SERVER]);
    lab->fd[SERVER] = app_connect_from(lab, SERVER, lab->port[SERVER], lab->port[CLIENT]);
    settle_all(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void refused(struct lab *lab)
{
    app_connect(lab);
    settle(lab);
}

static void unanswered(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_syn_retries", "2");
    app_listen(lab, 8);
    app_connect(lab);
    blackout(lab, 2300, true);
    truth_record_quiet(lab);
    blackout(lab, 2500, true);
    truth_record_quiet(lab);
}

static void syn_cookies(struct lab *lab)
{
    set(lab, SERVER, "ipv4/tcp_syncookies", "2");
    client_closes_first(lab);
}

static void full_accept_queue(struct lab *lab)
{
    set(lab, SERVER, "ipv4/tcp_syncookies", "0");
    app_listen(lab, 1); /* Linux takes one more than it is told: room for two */
    const int first = app_connect_from(lab, CLIENT, 40010, lab->port[SERVER]);
    settle(lab);
    const int second = app_connect_from(lab, CLIENT, 40011, lab->port[SERVER]);
    app_connect(lab);
    settle(lab);
    settle_for(lab, 1300); /* the SYN+ACK comes again, and its answer is ignored again */
    app_accept(lab);
    settle_for(lab, 2300); /* and again; now the answer is taken */
    app_accept(lab);
    app_accept(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
    close(first);
    close(second);
}

static void deferred_accept(struct lab *lab)
{
    const int seconds = 5;
    app_listen(lab, 8);
    setsockopt(lab->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
    say(lab, "TCP_DEFER_ACCEPT is set");
    app_connect(lab);
    settle(lab);
    settle_for(lab, 500);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_accept(lab);
    app_read(lab, SERVER);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void fast_open(struct lab *lab)
{
    const int one = 1, queue = 8;
    set(lab, CLIENT, "ipv4/tcp_fastopen", "3");
    set(lab, SERVER, "ipv4/tcp_fastopen", "3");
    app_listen(lab, 8);
    setsockopt(lab->listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue));
    for (int i = 0; i < 2; i++) {
        struct sockaddr_storage name;
        socklen_t size = sizeof(name);
        getsockname(lab->listener, (struct sockaddr *)&name, &size);
        lab->fd[CLIENT] = app_socket(lab, CLIENT);
        setsockopt(lab->fd[CLIENT], IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one));
        say(lab, "client connects with TCP_FASTOPEN_CONNECT");
        connect(lab->fd[CLIENT], (struct sockaddr *)&name, size);
        app_send(lab, CLIENT, 100);
        if (i == 0) { /* it asks for a cookie; the data waits for the handshake */
            settle(lab);
            app_accept(lab);
            app_send(lab, CLIENT, 100);
        } else { /* data on the SYN; the server answers before the handshake is over */
            pass(lab, CLIENT);
            app_accept(lab);
            app_send(lab, SERVER, 300);
            settle(lab);
        }
        settle(lab);
        app_read(lab, SERVER);
        app_read(lab, CLIENT);
        app_close(lab, CLIENT);
        settle(lab);
        app_close(lab, SERVER);
        settle(lab);
    }
}

static void close_in_syn_sent(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    app_close(lab, CLIENT);
    settle(lab); /* the SYN+ACK meets no socket */
}

static void listener_gone_in_syn_received(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    app_unlisten(lab);
    settle(lab);
}

static void unreachable(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    struct frame *syn = wire_next(lab, CLIENT, WAIT_MS);
    if (!syn)
        return;
    struct frame copy = *syn;
    wire_lose_after_tap(lab, syn);
    forge_unreachable(lab, &copy);
    settle(lab);
}

/* ---- aborts -----------------------------------------------------------------------------------
 */

static void abort_established(struct lab *lab)
{
    open_connection(lab);
    talk(lab);
    app_abort(lab, CLIENT);
    settle(lab);
}

static void abort_by_server(struct lab *lab)
{
    open_connection(lab);
    talk(lab);
    app_abort(lab, SERVER);
    settle(lab);
}

static void unread_data_at_close(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void data_to_closed_peer(struct lab *lab)
{
    open_connection(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
}

/* ---- faults -----------------------------------------------------------------------------------
 */

static void fin_ahead_of_missing_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    lose_unseen(lab, CLIENT);
    settle(lab);
    settle_all(lab);
    app_read(lab, SERVER);
    app_close(lab, SERVER);
    settle_all(lab);
}

#define EACH_FRAME(prefix, about, fault, run)                                                      \
    { prefix "-1", about " (frame 1)", run, fault, 1 },                                            \
        { prefix "-2", about " (frame 2)", run, fault, 2 },                                        \
        { prefix "-3", about " (frame 3)", run, fault, 3 },                                        \
        { prefix "-4", about " (frame 4)", run, fault, 4 },                                        \
        { prefix "-5", about " (frame 5)", run, fault, 5 },                                        \
        { prefix "-6", about " (frame 6)", run, fault, 6 },                                        \
        { prefix "-7", about " (frame 7)", run, fault, 7 },                                        \
        { prefix "-8", about " (frame 8)", run, fault, 8 },                                        \
        { prefix "-9", about " (frame 9)", run, fault, 9 },                                        \
        { prefix "-10", about " (frame 10)", run, fault, 10 },                                     \
    {                                                                                              \
        prefix "-11", about " (frame 11)", run, fault, 11                                          \
    }

/* clang-format off */
const struct scenario scenarios[] = {
    { "client-closes-first", "Handshake, data both ways, the client closes first.", client_closes_first, NULL, 0 },
    { "server-closes-first", "The same, the server closes first.", server_closes_first, NULL, 0 },
    { "three-way-close", "FIN, FIN+ACK, ACK.", three_way_close, NULL, 0 },
    { "crossed-fins", "Both sides send their FIN before they have the other's.", crossed_fins, NULL, 0 },
    { "crossed-fins-with-data", "The same, each FIN with data.", crossed_fins_with_data, NULL, 0 },
    { "half-close-with-data", "The client has closed; the server goes on sending, then closes.", half_close_with_data, NULL, 0 },
    { "close-wait-leak", "The server never closes.", close_wait_leak, NULL, 0 },
    { "simultaneous-open", "Both sides connect to each other.", simultaneous_open, NULL, 0 },
    { "refused", "Nobody listens.", refused, NULL, 0 },
    { "unanswered", "Every SYN is lost after the tap.", unanswered, NULL, 0 },
    { "unreachable", "A router answers the SYN with an ICMP error.", unreachable, NULL, 0 },
    { "syn-cookies", "The server answers with SYN cookies.", syn_cookies, NULL, 0 },
    { "full-accept-queue", "Two clients, room for one: the server ignores the second's ACK.", full_accept_queue, NULL, 0 },
    { "deferred-accept", "TCP_DEFER_ACCEPT: the server waits for data.", deferred_accept, NULL, 0 },
    { "fast-open", "Fast open: a cookie is asked for, then data on the SYN.", fast_open, NULL, 0 },
    { "close-in-syn-sent", "The client closes while it waits for the SYN+ACK.", close_in_syn_sent, NULL, 0 },
    { "listener-gone", "The listener is closed while the server is in SYN_RECEIVED.", listener_gone_in_syn_received, NULL, 0 },
    { "abort-client", "The client aborts.", abort_established, NULL, 0 },
    { "abort-server", "The server aborts.", abort_by_server, NULL, 0 },
    { "unread-data-at-close", "The server closes with data unread: RST instead of FIN.", unread_data_at_close, NULL, 0 },
    { "data-to-closed-peer", "The server sends to a client that has closed completely.", data_to_closed_peer, NULL, 0 },
    { "fin-ahead-of-missing-data", "The data before the FIN is lost.", fin_ahead_of_missing_data, NULL, 0 },
    EACH_FRAME("lost-after-tap", "One frame is captured and lost", wire_lose_after_tap, client_closes_first),
    EACH_FRAME("lost-before-tap", "One frame is lost before the capture", wire_lose_before_tap, client_closes_first),
    EACH_FRAME("missed", "The capture misses one frame that arrives", wire_hide, client_closes_first),
};
/* clang-format on */

const size_t scenario_count = sizeof(scenarios) / sizeof(scenarios[0]);
