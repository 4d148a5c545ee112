/* How connections open, and how they fail to. */
#include "lab.h"

#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_both(struct lab *lab)
{
    app_read(lab, SERVER);
    app_read(lab, CLIENT);
    app_close(lab, CLIENT);
    settle_all(lab);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void open_and_close(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
    close_both(lab);
}

static void crossed_connect(struct lab *lab)
{
    lab->fd[CLIENT] = app_connect_from(lab, CLIENT, lab->port[CLIENT], lab->port[SERVER]);
    lab->fd[SERVER] = app_connect_from(lab, SERVER, lab->port[SERVER], lab->port[CLIENT]);
}

static void simultaneous_open(struct lab *lab)
{
    crossed_connect(lab);
    settle_all(lab);
    close_both(lab);
}

/* The second SYN is sent after the first has gone by, before it has arrived. */
static void simultaneous_open_late(struct lab *lab)
{
    lab->fd[CLIENT] = app_connect_from(lab, CLIENT, lab->port[CLIENT], lab->port[SERVER]);
    struct frame *syn = wire_next(lab, CLIENT, WAIT_MS);
    wire_tap(lab, syn);
    lab->fd[SERVER] = app_connect_from(lab, SERVER, lab->port[SERVER], lab->port[CLIENT]);
    wire_deliver(lab, syn);
    settle_all(lab);
    close_both(lab);
}

static void refused(struct lab *lab)
{
    app_connect(lab);
    settle(lab);
}

static void unanswered(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_syn_retries", "1");
    set(lab, CLIENT, "ipv4/tcp_syn_linear_timeouts", "0");
    app_listen(lab, 8);
    app_connect(lab);
    blackout(lab, 1300, true);
    truth_record_quiet(lab);
    blackout(lab, 2200, true);
    truth_record_quiet(lab);
}

static void unreachable(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    struct frame *syn = wire_next(lab, CLIENT, WAIT_MS);
    const struct frame copy = *syn;
    wire_lose_after_tap(lab, syn);
    forge_unreachable(lab, &copy);
    settle(lab);
}

static void ecn(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_ecn", "1");
    set(lab, SERVER, "ipv4/tcp_ecn", "1");
    open_and_close(lab);
}

static void no_options(struct lab *lab)
{
    for (enum host host = CLIENT; host <= SERVER; host++) {
        set(lab, host, "ipv4/tcp_timestamps", "0");
        set(lab, host, "ipv4/tcp_sack", "0");
        set(lab, host, "ipv4/tcp_window_scaling", "0");
    }
    open_and_close(lab);
}

/* Both sequence spaces cannot be chosen, but the client's can: TCP_REPAIR sets the ISN. */
static void sequence_wrap(struct lab *lab)
{
    const uint32_t isn = 0xffffffce; /* 50 before the wrap */
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);
    app_listen(lab, 8);
    getsockname(lab->listener, (struct sockaddr *)&name, &size);
    const int fd = lab->fd[CLIENT] = app_socket(lab, CLIENT);
    app_option(lab, fd, IPPROTO_TCP, TCP_REPAIR, 1);
    app_option(lab, fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE);
    app_option(lab, fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)isn);
    app_option(lab, fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
    say(lab, "client connects with an ISN 50 before the wrap");
    connect(fd, (struct sockaddr *)&name, size);
    settle(lab);
    app_accept(lab);
    app_send(lab, CLIENT, 30);
    settle(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    lose(lab, CLIENT);
    settle_all(lab);
    close_both(lab);
}

static void syn_cookies(struct lab *lab)
{
    set(lab, SERVER, "ipv4/tcp_syncookies", "2");
    open_and_close(lab);
}

/* A cookie is not sent twice: the server does not know that it waits for an ACK. */
static void syn_cookie_ack_lost(struct lab *lab)
{
    set(lab, SERVER, "ipv4/tcp_syncookies", "2");
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    pass(lab, SERVER);
    lose(lab, CLIENT);
    settle_for(lab, 1300);
    app_send(lab, CLIENT, 100);
    settle_all(lab);
    app_accept(lab);
    close_both(lab);
}

static void fill_accept_queue(struct lab *lab, int extra[2])
{
    set(lab, SERVER, "ipv4/tcp_syncookies", "0");
    app_listen(lab, 1); /* Linux takes one more than it is told: room for two */
    extra[0] = app_connect_from(lab, CLIENT, 40010, lab->port[SERVER]);
    settle(lab);
    extra[1] = app_connect_from(lab, CLIENT, 40011, lab->port[SERVER]);
    app_connect(lab);
    settle(lab);
}

static void full_accept_queue(struct lab *lab)
{
    int extra[2];
    fill_accept_queue(lab, extra);
    settle_for(lab, 1300); /* the SYN+ACK comes again, and its answer is ignored again */
    app_accept(lab);
    close(lab->fd[SERVER]);
    settle_for(lab, 2300); /* and again; now the answer is taken */
    app_accept(lab);
    close(lab->fd[SERVER]);
    app_accept(lab);
    close_both(lab);
    close(extra[0]);
    close(extra[1]);
}

static void full_accept_queue_data(struct lab *lab)
{
    int extra[2];
    fill_accept_queue(lab, extra);
    app_send(lab, CLIENT, 100);
    settle_for(lab, 1300);
    app_close(lab, CLIENT);
    settle_for(lab, 500);
    close(extra[0]);
    close(extra[1]);
}

static void full_accept_queue_reset(struct lab *lab)
{
    int extra[2];
    set(lab, SERVER, "ipv4/tcp_abort_on_overflow", "1");
    fill_accept_queue(lab, extra);
    settle(lab);
    close(extra[0]);
    close(extra[1]);
}

static void listener_gone_before_accept(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    settle(lab);
    app_unlisten(lab);
    settle(lab);
}

static void listener_gone_in_syn_received(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    app_unlisten(lab);
    settle(lab);
}

static void deferred_accept(struct lab *lab)
{
    app_listen(lab, 8);
    app_option(lab, lab->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    say(lab, "server sets TCP_DEFER_ACCEPT");
    app_connect(lab);
    settle(lab);
    settle_for(lab, 500);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_accept(lab);
    close_both(lab);
}

static void deferred_accept_fin(struct lab *lab)
{
    app_listen(lab, 8);
    app_option(lab, lab->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    say(lab, "server sets TCP_DEFER_ACCEPT");
    app_connect(lab);
    settle(lab);
    app_shutdown(lab, CLIENT);
    settle_all(lab);
    app_accept(lab);
    app_close(lab, SERVER);
    settle(lab);
}

/* ---- fast open --------------------------------------------------------------------------------
 */

static void allow_fast_open(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_fastopen", "3");
    set(lab, SERVER, "ipv4/tcp_fastopen", "3");
    app_listen(lab, 8);
    app_option(lab, lab->listener, IPPROTO_TCP, TCP_FASTOPEN, 8);
}

static void fast_connect(struct lab *lab, size_t bytes)
{
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);
    getsockname(lab->listener, (struct sockaddr *)&name, &size);
    lab->fd[CLIENT] = app_socket(lab, CLIENT);
    app_option(lab, lab->fd[CLIENT], IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    say(lab, "client connects with TCP_FASTOPEN_CONNECT");
    connect(lab->fd[CLIENT], (struct sockaddr *)&name, size);
    app_send(lab, CLIENT, bytes);
}

static void learn_cookie(struct lab *lab)
{
    allow_fast_open(lab);
    fast_connect(lab, 100);
    settle(lab);
    app_accept(lab);
    app_send(lab, CLIENT, 100); /* the first send was refused: it asked for the cookie */
    settle(lab);
    close_both(lab);
}

static void fast_open(struct lab *lab)
{
    learn_cookie(lab);
    fast_connect(lab, 100);
    pass(lab, CLIENT);
    app_accept(lab);
    app_send(lab, SERVER, 300); /* in SYN_RECEIVED */
    settle(lab);
    close_both(lab);
}

static void fast_open_server_closes_at_once(struct lab *lab)
{
    learn_cookie(lab);
    fast_connect(lab, 100);
    pass(lab, CLIENT);
    app_accept(lab);
    app_read(lab, SERVER);
    app_send(lab, SERVER, 300);
    app_close(lab, SERVER); /* in SYN_RECEIVED: straight to FIN_WAIT_1 */
    settle_all(lab);
    app_read(lab, CLIENT);
    app_close(lab, CLIENT);
    settle_all(lab);
}

static void fast_open_syn_lost(struct lab *lab)
{
    learn_cookie(lab);
    fast_connect(lab, 100);
    lose(lab, CLIENT); /* the next SYN goes without data */
    settle_all(lab);
    app_accept(lab);
    close_both(lab);
}

static void fast_open_ack_lost(struct lab *lab)
{
    learn_cookie(lab);
    fast_connect(lab, 100);
    pass(lab, CLIENT);
    app_accept(lab);
    pass(lab, SERVER);
    lose(lab, CLIENT);
    settle_all(lab);
    close_both(lab);
}

/* ---- openings that stop -----------------------------------------------------------------------
 */

static void close_in_syn_sent(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    app_close(lab, CLIENT);
    settle(lab); /* the SYN+ACK meets no socket */
}

static void close_in_syn_sent_unanswered(struct lab *lab)
{
    app_connect(lab);
    lose(lab, CLIENT);
    app_close(lab, CLIENT);
    settle(lab);
}

/* The same port again while the first attempt is unanswered: another ISN. */
static void abandoned_attempt(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    lose(lab, CLIENT);
    app_close(lab, CLIENT);
    app_connect(lab);
    settle(lab);
    app_accept(lab);
    close_both(lab);
}

/* The same, but the server has the first SYN and answers that. */
static void abandoned_attempt_answered(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    struct frame *syn = wire_next(lab, CLIENT, WAIT_MS);
    wire_tap(lab, syn);
    app_close(lab, CLIENT);
    app_connect(lab);
    wire_deliver(lab, syn);
    settle_all(lab);
    app_accept(lab);
    close_both(lab);
}

static void syn_received_gives_up(struct lab *lab)
{
    set(lab, SERVER, "ipv4/tcp_synack_retries", "1");
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    pass(lab, SERVER);
    blackout(lab, 3500, true);
    truth_record_quiet(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
}

static void syn_twice(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    twice(lab, CLIENT);
    settle(lab);
    app_accept(lab);
    close_both(lab);
}

/* The ACK of the handshake is lost and data follows at once: no SYN+ACK is sent again. */
static void data_completes_handshake(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    pass(lab, SERVER);
    lose_unseen(lab, CLIENT);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_accept(lab);
    close_both(lab);
}

/* The same with a FIN: the server goes through ESTABLISHED to CLOSE_WAIT in one step. */
static void fin_completes_handshake(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    pass(lab, SERVER);
    lose_unseen(lab, CLIENT);
    app_shutdown(lab, CLIENT);
    settle_all(lab);
    app_accept(lab);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void syn_ack_after_the_ack(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    twice(lab, SERVER);
    settle(lab);
    app_accept(lab);
    close_both(lab);
}

/* clang-format off */
const struct scenario openings[] = {
    { "ordinary", "Handshake, data, the client closes first.", open_and_close, NULL, 0 },
    { "ecn", "The same with ECN bits on the SYN.", ecn, NULL, 0 },
    { "no-options", "The same without timestamps, SACK and window scaling.", no_options, NULL, 0 },
    { "sequence-wrap", "The client's sequence numbers pass zero, with a loss on the way.", sequence_wrap, NULL, 0 },
    { "simultaneous-open", "Both sides connect to each other.", simultaneous_open, NULL, 0 },
    { "simultaneous-open-late", "The same; the second SYN is sent after the first was captured.", simultaneous_open_late, NULL, 0 },
    { "simultaneous-open-lost-1", "The same; the first frame is lost after the tap.", simultaneous_open, wire_lose_after_tap, 1 },
    { "simultaneous-open-lost-2", "The same; the second frame is lost after the tap.", simultaneous_open, wire_lose_after_tap, 2 },
    { "simultaneous-open-lost-3", "The same; the third frame is lost after the tap.", simultaneous_open, wire_lose_after_tap, 3 },
    { "simultaneous-open-lost-4", "The same; the fourth frame is lost after the tap.", simultaneous_open, wire_lose_after_tap, 4 },
    { "refused", "Nobody listens.", refused, NULL, 0 },
    { "unanswered", "Every SYN is lost after the tap; the client gives up.", unanswered, NULL, 0 },
    { "unreachable", "A router answers the SYN with an ICMP error.", unreachable, NULL, 0 },
    { "syn-cookies", "The server answers with SYN cookies and keeps no socket.", syn_cookies, NULL, 0 },
    { "syn-cookie-ack-lost", "The same; the client's ACK is lost and no SYN+ACK comes again.", syn_cookie_ack_lost, NULL, 0 },
    { "full-accept-queue", "Three clients, room for two: the server ignores the third's ACK.", full_accept_queue, NULL, 0 },
    { "full-accept-queue-data", "The same; the third client sends data and closes.", full_accept_queue_data, NULL, 0 },
    { "full-accept-queue-reset", "The same with tcp_abort_on_overflow: the server resets.", full_accept_queue_reset, NULL, 0 },
    { "deferred-accept", "TCP_DEFER_ACCEPT: the server waits for data.", deferred_accept, NULL, 0 },
    { "deferred-accept-fin", "TCP_DEFER_ACCEPT: a FIN comes instead.", deferred_accept_fin, NULL, 0 },
    { "fast-open", "Fast open: a cookie is asked for, then data on the SYN, answered in SYN_RECEIVED.", fast_open, NULL, 0 },
    { "fast-open-server-closes", "Fast open: the server answers and closes in SYN_RECEIVED.", fast_open_server_closes_at_once, NULL, 0 },
    { "fast-open-syn-lost", "Fast open: the SYN with data is lost.", fast_open_syn_lost, NULL, 0 },
    { "fast-open-ack-lost", "Fast open: the client's ACK is lost.", fast_open_ack_lost, NULL, 0 },
    { "close-in-syn-sent", "The client closes while it waits for the SYN+ACK.", close_in_syn_sent, NULL, 0 },
    { "close-in-syn-sent-unanswered", "The same, and no answer ever comes.", close_in_syn_sent_unanswered, NULL, 0 },
    { "abandoned-attempt", "A SYN unanswered, then another connect from the same port.", abandoned_attempt, NULL, 0 },
    { "abandoned-attempt-answered", "The same; the server answers the first SYN.", abandoned_attempt_answered, NULL, 0 },
    { "listener-gone", "The listener is closed while the server is in SYN_RECEIVED.", listener_gone_in_syn_received, NULL, 0 },
    { "listener-gone-before-accept", "The listener is closed before it accepted.", listener_gone_before_accept, NULL, 0 },
    { "syn-received-gives-up", "No ACK ever comes; the server forgets, then the client sends.", syn_received_gives_up, NULL, 0 },
    { "syn-twice", "The SYN arrives twice.", syn_twice, NULL, 0 },
    { "syn-ack-twice", "The SYN+ACK arrives twice.", syn_ack_after_the_ack, NULL, 0 },
    { "data-completes-handshake", "The ACK is lost before the tap; data carries it.", data_completes_handshake, NULL, 0 },
    { "fin-completes-handshake", "The ACK is lost before the tap; a FIN carries it.", fin_completes_handshake, NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
