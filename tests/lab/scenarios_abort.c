/* Aborts, in every state that has one. */
#include "lab.h"

static void abort_in_syn_sent(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    app_abort(lab, CLIENT);
    settle(lab);
}

/* The client's kernel is ESTABLISHED and aborts before the server knows. */
static void abort_in_syn_received(struct lab *lab)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    pass(lab, SERVER);
    lose_unseen(lab, CLIENT);
    app_abort(lab, CLIENT);
    settle(lab);
}

/* A real socket in SYN_RECEIVED: that of a simultaneous open. */
static void abort_in_own_syn_received(struct lab *lab)
{
    lab->fd[CLIENT] = app_connect_from(lab, CLIENT, lab->port[CLIENT], lab->port[SERVER]);
    lab->fd[SERVER] = app_connect_from(lab, SERVER, lab->port[SERVER], lab->port[CLIENT]);
    pass(lab, CLIENT);
    app_abort(lab, SERVER);
    settle(lab);
}

static void close_in_own_syn_received(struct lab *lab)
{
    lab->fd[CLIENT] = app_connect_from(lab, CLIENT, lab->port[CLIENT], lab->port[SERVER]);
    lab->fd[SERVER] = app_connect_from(lab, SERVER, lab->port[SERVER], lab->port[CLIENT]);
    pass(lab, CLIENT);
    app_close(lab, SERVER);
    settle_all(lab);
    app_close(lab, CLIENT);
    settle_all(lab);
}

static void abort_established(struct lab *lab)
{
    open_connection(lab);
    app_abort(lab, CLIENT);
    settle(lab);
}

static void abort_by_server(struct lab *lab)
{
    open_connection(lab);
    app_abort(lab, SERVER);
    settle(lab);
}

static void abort_lost(struct lab *lab)
{
    open_connection(lab);
    app_abort(lab, CLIENT);
    lose(lab, CLIENT);
    settle(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
}

static void abort_unseen(struct lab *lab)
{
    open_connection(lab);
    app_abort(lab, CLIENT);
    lose_unseen(lab, CLIENT);
    settle(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
}

static void abort_missed(struct lab *lab)
{
    open_connection(lab);
    app_abort(lab, CLIENT);
    hide(lab, CLIENT);
    settle(lab);
}

/* Data is under way to the one that aborts: its RST carries an older ACK number than the answer. */
static void abort_crosses_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, SERVER, 100);
    app_abort(lab, CLIENT);
    wire_pass(lab, wire_nth(lab, SERVER, 0));
    settle(lab);
}

/* Unsent data is thrown away: the RST's sequence number is SND.NXT, not the end of the queue. */
static void abort_with_lost_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    lose_unseen(lab, CLIENT);
    app_abort(lab, CLIENT);
    settle(lab);
}

static void abort_in_fin_wait_1(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    lose(lab, CLIENT);
    app_abort(lab, CLIENT);
    settle(lab);
}

static void abort_behind_fin(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    app_abort(lab, CLIENT);
    settle(lab);
}

static void abort_in_fin_wait_2(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    app_abort(lab, CLIENT);
    settle(lab);
}

static void abort_in_close_wait(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    app_abort(lab, SERVER);
    settle(lab);
}

static void abort_in_closing(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    app_shutdown(lab, SERVER);
    pass(lab, CLIENT);
    pass(lab, SERVER);
    app_abort(lab, CLIENT);
    settle_all(lab);
}

static void abort_in_last_ack(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    app_shutdown(lab, SERVER);
    app_abort(lab, SERVER);
    settle_all(lab);
}

static void unread_data_at_close(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void unread_data_in_close_wait(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    app_shutdown(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void killed(struct lab *lab)
{
    open_connection(lab);
    app_kill_socket(lab, CLIENT);
    settle(lab);
}

/* Its kernel forgets everything and its RST never reaches the wire: as if it had lost power. */
static void crashed_client_restarts(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_kill_socket(lab, CLIENT);
    lose_unseen(lab, CLIENT);
    app_close(lab, CLIENT);
    app_connect(lab);
    settle_for(lab, 1500); /* SYN, challenge ACK, RST, and the SYN again */
    app_accept(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void crashed_client_is_spoken_to(struct lab *lab)
{
    open_connection(lab);
    app_kill_socket(lab, CLIENT);
    lose_unseen(lab, CLIENT);
    app_send(lab, SERVER, 100);
    settle(lab);
}

static void crashed_server_restarts(struct lab *lab)
{
    open_connection(lab);
    app_kill_socket(lab, SERVER);
    lose_unseen(lab, SERVER);
    app_close(lab, SERVER);
    app_send(lab, CLIENT, 100); /* meets only the listener */
    settle(lab);
}

/* clang-format off */
const struct scenario aborts[] = {
    { "abort-in-syn-sent", "The client aborts in SYN_SENT: silence, then a RST to the SYN+ACK.", abort_in_syn_sent, NULL, 0 },
    { "abort-in-syn-received", "The client aborts while the server is in SYN_RECEIVED.", abort_in_syn_received, NULL, 0 },
    { "abort-in-own-syn-received", "A simultaneous opener aborts in SYN_RECEIVED.", abort_in_own_syn_received, NULL, 0 },
    { "close-in-own-syn-received", "A simultaneous opener closes in SYN_RECEIVED.", close_in_own_syn_received, NULL, 0 },
    { "abort-established", "The client aborts.", abort_established, NULL, 0 },
    { "abort-by-server", "The server aborts.", abort_by_server, NULL, 0 },
    { "abort-lost", "The RST is lost after the tap.", abort_lost, NULL, 0 },
    { "abort-unseen", "The RST is lost before the tap.", abort_unseen, NULL, 0 },
    { "abort-missed", "The capture misses the RST.", abort_missed, NULL, 0 },
    { "abort-crosses-data", "The client aborts while data is on its way to it.", abort_crosses_data, NULL, 0 },
    { "abort-with-lost-data", "The client aborts after its data was lost before the tap.", abort_with_lost_data, NULL, 0 },
    { "abort-in-fin-wait-1", "The client's FIN is lost; it aborts.", abort_in_fin_wait_1, NULL, 0 },
    { "abort-behind-fin", "A FIN and a RST right behind it.", abort_behind_fin, NULL, 0 },
    { "abort-in-fin-wait-2", "The client aborts in FIN_WAIT_2.", abort_in_fin_wait_2, NULL, 0 },
    { "abort-in-close-wait", "The server aborts in CLOSE_WAIT.", abort_in_close_wait, NULL, 0 },
    { "abort-in-closing", "The client aborts in CLOSING.", abort_in_closing, NULL, 0 },
    { "abort-in-last-ack", "The server aborts in LAST_ACK.", abort_in_last_ack, NULL, 0 },
    { "unread-data-at-close", "The server closes with data unread: RST instead of FIN.", unread_data_at_close, NULL, 0 },
    { "unread-data-in-close-wait", "The same in CLOSE_WAIT.", unread_data_in_close_wait, NULL, 0 },
    { "killed", "The client's socket is destroyed from outside (ss -K).", killed, NULL, 0 },
    { "crashed-client-restarts", "A crashed client connects from the same port.", crashed_client_restarts, NULL, 0 },
    { "crashed-client", "The server sends to a crashed client.", crashed_client_is_spoken_to, NULL, 0 },
    { "crashed-server", "The client sends to a crashed server.", crashed_server_restarts, NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
