/* A tuple used again. */
#include "lab.h"

#include <sys/socket.h>
#include <unistd.h>

enum { REUSE_MS = 1200 }; /* Linux wants TIME_WAIT to be a second old */

static void close_in_order(struct lab *lab, enum host first)
{
    app_close(lab, first);
    settle(lab);
    app_close(lab, other(first));
    settle(lab);
}

static void again(struct lab *lab)
{
    app_connect(lab);
    settle_all(lab);
    app_accept(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_read(lab, SERVER);
    close_in_order(lab, CLIENT);
}

static void client_reuses_own_time_wait(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_tw_reuse", "1");
    open_connection(lab);
    close_in_order(lab, CLIENT);
    settle_for(lab, REUSE_MS);
    again(lab);
}

static void client_reuses_servers_time_wait(struct lab *lab)
{
    open_connection(lab);
    close_in_order(lab, SERVER);
    settle_for(lab, REUSE_MS);
    again(lab);
}

static void no_timestamps(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_timestamps", "0");
    set(lab, SERVER, "ipv4/tcp_timestamps", "0");
}

static void reuse_without_timestamps(struct lab *lab)
{
    no_timestamps(lab);
    client_reuses_servers_time_wait(lab);
}

/* The other way round: the server opens, to the port that the client had. */
static void swap_roles(struct lab *lab)
{
    app_unlisten(lab);
    lab->listener = app_listen_on(lab, CLIENT, lab->port[CLIENT], 8);
    lab->fd[SERVER] = app_connect_from(lab, SERVER, lab->port[SERVER], lab->port[CLIENT]);
    settle_all(lab);
    lab->fd[CLIENT] = accept4(lab->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    say(lab, "client accepts");
    app_send(lab, SERVER, 100);
    settle(lab);
    app_read(lab, CLIENT);
    close_in_order(lab, SERVER);
}

static void server_connects_to_time_wait(struct lab *lab)
{
    open_connection(lab);
    close_in_order(lab, CLIENT);
    settle_for(lab, REUSE_MS);
    swap_roles(lab);
}

static void server_connects_out_of_time_wait(struct lab *lab)
{
    set(lab, SERVER, "ipv4/tcp_tw_reuse", "1");
    open_connection(lab);
    close_in_order(lab, SERVER);
    settle_for(lab, REUSE_MS);
    swap_roles(lab);
}

static void reuse_after_reset(struct lab *lab)
{
    open_connection(lab);
    app_abort(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    again(lab);
}

static void reuse_after_refusal(struct lab *lab)
{
    app_connect(lab);
    settle(lab);
    app_close(lab, CLIENT);
    app_listen(lab, 8);
    again(lab);
}

/* The last ACK is lost; the client, from whose TIME_WAIT the port is taken, meets LAST_ACK. */
static void reuse_meets_last_ack(struct lab *lab)
{
    set(lab, CLIENT, "ipv4/tcp_tw_reuse", "1");
    open_connection(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    pass(lab, SERVER);
    lose(lab, CLIENT);
    blackout(lab, 1100, true);
    app_connect(lab);
    settle_for(lab, 1500);
    app_accept(lab);
    close_in_order(lab, CLIENT);
}

/* A SYN that TIME_WAIT must not take: an old number, no timestamp. */
static void old_syn_to_time_wait(struct lab *lab)
{
    open_connection(lab);
    close_in_order(lab, SERVER);
    forge(lab, CLIENT, TCP_SYN, -1000, 0, 0);
    settle(lab);
}

static void old_duplicate_syn(struct lab *lab)
{
    struct segment syn = { .flags = TCP_SYN, .seq = 12345, .window = 1000 };
    syn.from = (struct endpoint){ lab->kernels[CLIENT].addr, lab->port[CLIENT] };
    syn.to = (struct endpoint){ lab->kernels[SERVER].addr, lab->port[SERVER] };
    app_listen(lab, 8);
    say(lab, "an old SYN of the client's arrives");
    forge_raw(lab, CLIENT, &syn);
    settle(lab); /* SYN+ACK, and the RST of a client that knows nothing of it */
    again(lab);
}

/* RFC 9293 figure 8: the client is in SYN_SENT when the answer to the old SYN reaches it. */
static void old_duplicate_syn_first(struct lab *lab)
{
    struct segment syn = { .flags = TCP_SYN, .seq = 12345, .window = 1000 };
    syn.from = (struct endpoint){ lab->kernels[CLIENT].addr, lab->port[CLIENT] };
    syn.to = (struct endpoint){ lab->kernels[SERVER].addr, lab->port[SERVER] };
    app_listen(lab, 8);
    app_connect(lab);
    say(lab, "an old SYN of the client's arrives first");
    forge_raw(lab, CLIENT, &syn);
    settle_all(lab);
    app_accept(lab);
    close_in_order(lab, CLIENT);
}

/* clang-format off */
const struct scenario reuses[] = {
    { "reuse-own-time-wait", "The client closes first and takes its port out of TIME_WAIT.", client_reuses_own_time_wait, NULL, 0 },
    { "reuse-peers-time-wait", "The server closes first; the client's SYN meets its TIME_WAIT.", client_reuses_servers_time_wait, NULL, 0 },
    { "reuse-without-timestamps", "The same; only the sequence number speaks for the SYN.", reuse_without_timestamps, NULL, 0 },
    { "swap-into-time-wait", "The server connects to the client's port, which is in TIME_WAIT.", server_connects_to_time_wait, NULL, 0 },
    { "swap-out-of-time-wait", "The server connects from its port, which is in TIME_WAIT.", server_connects_out_of_time_wait, NULL, 0 },
    { "reuse-after-reset", "The same tuple again after a RST.", reuse_after_reset, NULL, 0 },
    { "reuse-after-refusal", "The same tuple again after a refusal.", reuse_after_refusal, NULL, 0 },
    { "reuse-meets-last-ack", "The client reuses its port; the server is still in LAST_ACK.", reuse_meets_last_ack, NULL, 0 },
    { "old-syn-to-time-wait", "A SYN with an old number meets TIME_WAIT.", old_syn_to_time_wait, NULL, 0 },
    { "old-duplicate-syn", "An old SYN opens half a connection; the client resets it.", old_duplicate_syn, NULL, 0 },
    { "old-duplicate-syn-first", "An old SYN arrives before the real one (RFC 9293, figure 8).", old_duplicate_syn_first, NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
