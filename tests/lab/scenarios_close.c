/* How connections close, and how they are left open. */
#include "lab.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void talk(struct lab *lab)
{
    app_send(lab, CLIENT, 100);
    settle_all(lab);
    app_read(lab, SERVER);
    app_send(lab, SERVER, 200);
    settle_all(lab);
    app_read(lab, CLIENT);
}

static void server_closes_first(struct lab *lab)
{
    open_connection(lab);
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
    app_close(lab, SERVER); /* within the 40 ms for which Linux holds back its ACK */
    settle_all(lab);
}

static void crossed_fins(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    app_shutdown(lab, SERVER);
    settle_all(lab);
}

/* The server closes after the client's FIN has gone by, before it has arrived. */
static void crossed_fins_late(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    struct frame *fin = wire_next(lab, CLIENT, WAIT_MS);
    wire_tap(lab, fin);
    app_shutdown(lab, SERVER);
    wire_deliver(lab, fin);
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

/* Two clients have finished; the server closes one of the two connections only. */
static void leak_beside_clean_close(struct lab *lab)
{
    open_connection(lab);
    talk(lab);
    app_close(lab, CLIENT);
    settle(lab);
    const int leaked = lab->fd[SERVER];

    lab->port[CLIENT]++;
    app_connect(lab);
    settle_all(lab);
    app_accept(lab);
    talk(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle_all(lab);
    settle_for(lab, 1000);
    close(leaked);
}

static void fin_ahead_of_missing_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    lose_unseen(lab, CLIENT);
    settle_all(lab);
    app_read(lab, SERVER);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void fin_ahead_of_lost_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    lose(lab, CLIENT);
    settle_all(lab);
    app_read(lab, SERVER);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void fin_ahead_of_reordered_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    wire_pass(lab, wire_nth(lab, CLIENT, 1));
    settle_all(lab);
    app_read(lab, SERVER);
    app_close(lab, SERVER);
    settle_all(lab);
}

/* The data passes the tap first and arrives second. */
static void fin_overtakes_behind_tap(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    struct frame *data = wire_nth(lab, CLIENT, 0), *fin = wire_nth(lab, CLIENT, 1);
    wire_tap(lab, data);
    wire_pass(lab, fin);
    wire_deliver(lab, data);
    settle_all(lab);
    app_read(lab, SERVER);
    app_close(lab, SERVER);
    settle_all(lab);
}

/* The ACK of the client's FIN overtakes it on the way to the tap. */
static void last_frames_reordered(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    app_send(lab, SERVER, 100);
    app_close(lab, SERVER);
    wire_pass(lab, wire_nth(lab, SERVER, 1));
    settle_all(lab);
}

static void fin_twice(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    twice(lab, CLIENT);
    settle(lab);
    app_shutdown(lab, SERVER);
    twice(lab, SERVER);
    settle(lab);
}

static void small_window(struct lab *lab)
{
    app_listen(lab, 8);
    app_option(lab, lab->listener, SOL_SOCKET, SO_RCVBUF, 2048);
    say(lab, "server has a small receive buffer");
    app_connect(lab);
    settle(lab);
    app_accept(lab);
}

static void zero_window(struct lab *lab)
{
    small_window(lab);
    app_send(lab, CLIENT, 5000);
    settle_for(lab, 700); /* full; the client probes */
    for (int i = 0; i < 8; i++) {
        app_read(lab, SERVER);
        settle_for(lab, 300);
    }
    app_close(lab, CLIENT);
    settle_all(lab);
    app_read(lab, SERVER);
    app_close(lab, SERVER);
    settle_all(lab);
}

/* close() with data still unsent: the kernel is in FIN_WAIT_1, and nobody can see it. */
static void close_against_zero_window(struct lab *lab)
{
    small_window(lab);
    app_send(lab, CLIENT, 5000);
    settle_for(lab, 300);
    app_close(lab, CLIENT);
    settle_for(lab, 500);
    for (int i = 0; i < 8; i++) {
        app_read(lab, SERVER);
        settle_for(lab, 300);
    }
    app_close(lab, SERVER);
    settle_all(lab);
}

static void keep_alive_on_client(struct lab *lab)
{
    app_option(lab, lab->fd[CLIENT], SOL_SOCKET, SO_KEEPALIVE, 1);
    app_option(lab, lab->fd[CLIENT], IPPROTO_TCP, TCP_KEEPIDLE, 1);
    app_option(lab, lab->fd[CLIENT], IPPROTO_TCP, TCP_KEEPINTVL, 1);
    app_option(lab, lab->fd[CLIENT], IPPROTO_TCP, TCP_KEEPCNT, 2);
    say(lab, "client sets SO_KEEPALIVE, after 1 s, twice");
}

static void keep_alive(struct lab *lab)
{
    open_connection(lab);
    keep_alive_on_client(lab);
    settle_for(lab, 2500);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void keep_alive_dead_peer(struct lab *lab)
{
    open_connection(lab);
    keep_alive_on_client(lab);
    blackout(lab, 3500, true); /* its last word is a RST, lost like the rest */
    truth_record_quiet(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
}

static void orphaned_fin_wait_2(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_fin_timeout", "1");
    open_connection(lab);
    app_close(lab, CLIENT);
    settle(lab);
    settle_for(lab, 1500); /* the kernel forgets it; nothing says so */
    app_send(lab, SERVER, 100);
    settle(lab);
}

static void orphaned_fin_wait_2_fin(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_fin_timeout", "1");
    open_connection(lab);
    app_close(lab, CLIENT);
    settle(lab);
    settle_for(lab, 1500);
    app_close(lab, SERVER);
    settle(lab);
}

/* A FIN that nobody acknowledges: the kernel gives the orphan up without a word. */
static void orphan_gives_up(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_orphan_retries", "1");
    open_connection(lab);
    app_close(lab, CLIENT);
    blackout(lab, 2000, true);
    truth_record_quiet(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
}

static void sender_gives_up(struct lab *lab)
{
    open_connection(lab);
    app_option(lab, lab->fd[CLIENT], IPPROTO_TCP, TCP_USER_TIMEOUT, 500);
    say(lab, "client sets TCP_USER_TIMEOUT to 500 ms");
    app_send(lab, CLIENT, 100);
    blackout(lab, 1500, true);
    truth_record_quiet(lab);
    app_send(lab, SERVER, 100);
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

static void data_and_fin_to_closed_peer(struct lab *lab)
{
    open_connection(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_send(lab, SERVER, 100);
    app_close(lab, SERVER);
    settle(lab);
}

/* The data reaches the orphan while its FIN is still unacknowledged. */
static void data_crosses_close(struct lab *lab)
{
    open_connection(lab);
    app_close(lab, CLIENT);
    app_send(lab, SERVER, 100);
    wire_pass(lab, wire_nth(lab, SERVER, 0));
    settle_all(lab);
    app_close(lab, SERVER);
    settle(lab);
}

/* clang-format off */
const struct scenario closings[] = {
    { "server-closes-first", "Handshake, data both ways, the server closes first.", server_closes_first, NULL, 0 },
    { "three-way-close", "FIN, FIN+ACK, ACK.", three_way_close, NULL, 0 },
    { "crossed-fins", "Both sides send their FIN before they have the other's.", crossed_fins, NULL, 0 },
    { "crossed-fins-late", "The same; the second FIN is sent after the first was captured.", crossed_fins_late, NULL, 0 },
    { "crossed-fins-with-data", "The same, each FIN after data.", crossed_fins_with_data, NULL, 0 },
    { "crossed-fins-lost-4", "Crossed FINs; the first is lost after the tap.", crossed_fins, wire_lose_after_tap, 4 },
    { "crossed-fins-lost-5", "Crossed FINs; the second is lost after the tap.", crossed_fins, wire_lose_after_tap, 5 },
    { "crossed-fins-lost-6", "Crossed FINs; an ACK is lost after the tap.", crossed_fins, wire_lose_after_tap, 6 },
    { "crossed-fins-lost-7", "Crossed FINs; the other ACK is lost after the tap.", crossed_fins, wire_lose_after_tap, 7 },
    { "crossed-fins-unseen-4", "Crossed FINs; the first is lost before the tap.", crossed_fins, wire_lose_before_tap, 4 },
    { "crossed-fins-unseen-5", "Crossed FINs; the second is lost before the tap.", crossed_fins, wire_lose_before_tap, 5 },
    { "crossed-fins-unseen-6", "Crossed FINs; an ACK is lost before the tap.", crossed_fins, wire_lose_before_tap, 6 },
    { "crossed-fins-unseen-7", "Crossed FINs; the other ACK is lost before the tap.", crossed_fins, wire_lose_before_tap, 7 },
    { "half-close-with-data", "The client has closed; the server goes on sending, then closes.", half_close_with_data, NULL, 0 },
    { "close-wait-leak", "The server never closes.", close_wait_leak, NULL, 0 },
    { "leak-beside-clean-close", "The server closes one connection, and forgets the other.", leak_beside_clean_close, NULL, 0 },
    { "fin-ahead-of-missing-data", "The data before the FIN is lost before the tap.", fin_ahead_of_missing_data, NULL, 0 },
    { "fin-ahead-of-lost-data", "The data before the FIN is lost after the tap.", fin_ahead_of_lost_data, NULL, 0 },
    { "fin-ahead-of-reordered-data", "The FIN overtakes the data before the tap.", fin_ahead_of_reordered_data, NULL, 0 },
    { "fin-overtakes-behind-tap", "The FIN overtakes the data after the tap.", fin_overtakes_behind_tap, NULL, 0 },
    { "second-fin-overtakes-data", "The closing server's FIN overtakes its data.", last_frames_reordered, NULL, 0 },
    { "fin-twice", "Each FIN arrives twice.", fin_twice, NULL, 0 },
    { "zero-window", "The receiver does not read: window probes.", zero_window, NULL, 0 },
    { "close-against-zero-window", "close() while data waits for the window: its FIN is late.", close_against_zero_window, NULL, 0 },
    { "keep-alive", "Keep-alive with a living peer.", keep_alive, NULL, 0 },
    { "keep-alive-dead-peer", "Keep-alive with a peer that nothing reaches.", keep_alive_dead_peer, NULL, 0 },
    { "orphaned-fin-wait-2", "The kernel's FIN_WAIT_2 timer runs out; then the peer sends data.", orphaned_fin_wait_2, NULL, 0 },
    { "orphaned-fin-wait-2-fin", "The same; then the peer sends its FIN.", orphaned_fin_wait_2_fin, NULL, 0 },
    { "orphan-gives-up", "Nobody acknowledges the FIN of an orphan; its kernel gives up.", orphan_gives_up, NULL, 0 },
    { "sender-gives-up", "Nobody acknowledges data; the sender gives up.", sender_gives_up, NULL, 0 },
    { "data-to-closed-peer", "The server sends to a client that has closed completely.", data_to_closed_peer, NULL, 0 },
    { "data-and-fin-to-closed-peer", "The same, and closes.", data_and_fin_to_closed_peer, NULL, 0 },
    { "data-crosses-close", "Data reaches a client that has closed, before its FIN arrives.", data_crosses_close, NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
