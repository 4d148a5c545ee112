/* Segments that neither end sent. */
#include "lab.h"

enum { OUTSIDE = 0x10000000, INSIDE = 10 };

static void finish(struct lab *lab)
{
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_send(lab, SERVER, 100);
    settle_all(lab);
    app_read(lab, CLIENT);
    app_read(lab, SERVER);
    app_close(lab, CLIENT);
    settle_all(lab);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void forge_then_finish(struct lab *lab, enum host from, uint8_t flags, int32_t seq,
                              int32_t ack, int payload)
{
    open_connection(lab);
    forge(lab, from, flags, seq, ack, payload);
    settle(lab);
    finish(lab);
}

static void rst_outside_window(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_RST, OUTSIDE, 0, 0);
}

static void rst_below_window(struct lab *lab)
{
    forge_then_finish(lab, SERVER, TCP_RST, -1000, 0, 0);
}

static void rst_inside_window(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_RST, INSIDE, 0, 0);
}

static void rst_exact(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_RST, 0, 0, 0);
}

static void rst_exact_to_client(struct lab *lab)
{
    forge_then_finish(lab, SERVER, TCP_RST | TCP_ACK, 0, 0, 0);
}

static void syn_into_connection(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_SYN, 5000, 0, 0);
}

static void syn_exact_into_connection(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_SYN, 0, 0, 0);
}

static void syn_into_connection_to_client(struct lab *lab)
{
    forge_then_finish(lab, SERVER, TCP_SYN, 5000, 0, 0);
}

static void syn_ack_into_connection(struct lab *lab)
{
    forge_then_finish(lab, SERVER, TCP_SYN | TCP_ACK, 5000, 0, 0);
}

static void fin_exact(struct lab *lab)
{
    open_connection(lab);
    forge(lab, CLIENT, TCP_FIN | TCP_ACK, 0, 0, 0);
    settle(lab);
    finish(lab);
}

static void fin_outside_window(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_FIN | TCP_ACK, OUTSIDE, 0, 0);
}

static void fin_without_ack(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_FIN, 0, 0, 0);
}

static void fin_with_ack_of_the_future(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_FIN | TCP_ACK, 0, 50000, 0);
}

static void fin_beyond_a_hole(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_FIN | TCP_ACK, INSIDE, 0, 0);
}

static void data_without_ack(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_PSH, 0, 0, 20);
}

static void no_flags(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, 0, 0, 0, 0);
}

static void ack_of_the_future(struct lab *lab)
{
    forge_then_finish(lab, CLIENT, TCP_ACK, 0, 50000, 0);
}

static void old_data(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
    forge(lab, CLIENT, TCP_ACK | TCP_PSH, -100, 0, 100);
    settle(lab);
    finish(lab);
}

/* ---- half open --------------------------------------------------------------------------------
 */

static void in_syn_sent(struct lab *lab, uint8_t flags, int32_t ack)
{
    app_listen(lab, 8);
    app_connect(lab);
    struct frame *syn = wire_next(lab, CLIENT, WAIT_MS);
    wire_tap(lab, syn);
    forge(lab, SERVER, flags, 1000, ack, 0);
    wire_deliver(lab, syn);
    settle_all(lab);
    if (!app_accept(lab))
        return;
    finish(lab);
}

static void rst_in_syn_sent(struct lab *lab)
{
    in_syn_sent(lab, TCP_RST | TCP_ACK, 0);
}

static void rst_in_syn_sent_wrong_ack(struct lab *lab)
{
    in_syn_sent(lab, TCP_RST | TCP_ACK, 1000);
}

static void rst_in_syn_sent_no_ack(struct lab *lab)
{
    in_syn_sent(lab, TCP_RST, 0);
}

static void syn_ack_wrong_ack(struct lab *lab)
{
    in_syn_sent(lab, TCP_SYN | TCP_ACK, 1000);
}

static void ack_in_syn_sent(struct lab *lab)
{
    in_syn_sent(lab, TCP_ACK, 0);
}

/* Nobody answers but a forger, with a bare SYN: a split handshake. */
static void split_handshake(struct lab *lab)
{
    app_connect(lab);
    lose(lab, CLIENT);
    forge(lab, SERVER, TCP_SYN, 1000, 0, 0);
    settle(lab); /* the client's SYN+ACK reaches a kernel that knows nothing and resets */
}

static void in_syn_received(struct lab *lab, uint8_t flags, int32_t seq)
{
    app_listen(lab, 8);
    app_connect(lab);
    pass(lab, CLIENT);
    forge(lab, CLIENT, flags, seq, 0, 0);
    settle_all(lab);
    if (!app_accept(lab))
        return;
    finish(lab);
}

static void rst_in_syn_received(struct lab *lab)
{
    in_syn_received(lab, TCP_RST, 0);
}

static void rst_in_syn_received_inside(struct lab *lab)
{
    in_syn_received(lab, TCP_RST, INSIDE);
}

static void rst_in_syn_received_outside(struct lab *lab)
{
    in_syn_received(lab, TCP_RST, OUTSIDE);
}

static void syn_in_syn_received(struct lab *lab)
{
    in_syn_received(lab, TCP_SYN, 5000);
}

static void fin_in_syn_received(struct lab *lab)
{
    in_syn_received(lab, TCP_FIN | TCP_ACK, 0);
}

static void to_listener(struct lab *lab, uint8_t flags)
{
    struct segment segment = { .flags = flags, .seq = 12345, .ack = 54321, .window = 1000 };
    segment.from = (struct endpoint){ lab->kernels[CLIENT].addr, lab->port[CLIENT] };
    segment.to = (struct endpoint){ lab->kernels[SERVER].addr, lab->port[SERVER] };
    app_listen(lab, 8);
    say(lab, "a frame is forged in the client's name");
    forge_raw(lab, CLIENT, &segment);
    settle(lab);
    app_connect(lab);
    settle(lab);
    app_accept(lab);
    finish(lab);
}

static void syn_fin_to_listener(struct lab *lab)
{
    to_listener(lab, TCP_SYN | TCP_FIN);
}

static void ack_to_listener(struct lab *lab)
{
    to_listener(lab, TCP_ACK);
}

static void rst_to_listener(struct lab *lab)
{
    to_listener(lab, TCP_RST);
}

static void fin_to_listener(struct lab *lab)
{
    to_listener(lab, TCP_FIN);
}

/* ---- at the end -------------------------------------------------------------------------------
 */

static void closed_by_client(struct lab *lab)
{
    open_connection(lab);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
}

static void assassination(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
    app_read(lab, CLIENT);
    app_close(lab, CLIENT);
    settle(lab);
    app_close(lab, SERVER);
    settle(lab);
    forge(lab, SERVER, TCP_ACK, -51, 0, 50); /* an old duplicate; -1 is the FIN */
    settle(lab);
}

static void fin_to_time_wait(struct lab *lab)
{
    closed_by_client(lab);
    forge(lab, SERVER, TCP_FIN | TCP_ACK, -1, 0, 0);
    settle(lab);
}

static void rst_to_time_wait(struct lab *lab)
{
    closed_by_client(lab);
    forge(lab, SERVER, TCP_RST, 0, 0, 0);
    settle(lab);
}

static void rst_to_time_wait_inside(struct lab *lab)
{
    closed_by_client(lab);
    forge(lab, SERVER, TCP_RST, INSIDE, 0, 0);
    settle(lab);
}

static void rst_to_time_wait_fin_number(struct lab *lab)
{
    closed_by_client(lab);
    forge(lab, SERVER, TCP_RST, -1, 0, 0);
    settle(lab);
}

static void data_to_closed(struct lab *lab)
{
    closed_by_client(lab);
    forge(lab, CLIENT, TCP_ACK, 0, 0, 50);
    settle(lab);
}

static void rst_in_close_wait(struct lab *lab, int32_t seq)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    forge(lab, CLIENT, TCP_RST, seq, 0, 0);
    settle(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void rst_in_close_wait_exact(struct lab *lab)
{
    rst_in_close_wait(lab, 0);
}

/* Linux takes RCV.NXT - 1, the number of the FIN, too. */
static void rst_in_close_wait_fin_number(struct lab *lab)
{
    rst_in_close_wait(lab, -1);
}

static void rst_in_last_ack_fin_number(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    app_shutdown(lab, SERVER);
    lose(lab, SERVER);
    forge(lab, CLIENT, TCP_RST, -1, 0, 0);
    settle_all(lab);
}

static void rst_in_fin_wait_2(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    forge(lab, SERVER, TCP_RST, 0, 0, 0);
    settle(lab);
    app_send(lab, SERVER, 100);
    settle(lab);
}

static void rst_inside_to_fin_wait_2(struct lab *lab)
{
    open_connection(lab);
    app_shutdown(lab, CLIENT);
    settle(lab);
    forge(lab, SERVER, TCP_RST, INSIDE, 0, 0);
    settle(lab);
    app_close(lab, SERVER);
    settle_all(lab);
}

static void rst_to_orphaned_fin_wait_2(struct lab *lab)
{
    open_connection(lab);
    app_close(lab, CLIENT);
    settle(lab);
    forge(lab, SERVER, TCP_RST, INSIDE, 0, 0);
    settle(lab);
    app_close(lab, SERVER);
    settle_all(lab);
}

/* clang-format off */
const struct scenario forgeries[] = {
    { "rst-outside-window", "A forged RST beyond the window.", rst_outside_window, NULL, 0 },
    { "rst-below-window", "A forged RST with an old number.", rst_below_window, NULL, 0 },
    { "rst-inside-window", "A forged RST in the window: challenge ACK.", rst_inside_window, NULL, 0 },
    { "rst-exact", "A forged RST with the exact number, to the server.", rst_exact, NULL, 0 },
    { "rst-exact-to-client", "A forged RST with the exact number, to the client.", rst_exact_to_client, NULL, 0 },
    { "syn-into-connection", "A SYN forged into a connection.", syn_into_connection, NULL, 0 },
    { "syn-exact-into-connection", "The same with the exact number.", syn_exact_into_connection, NULL, 0 },
    { "syn-into-connection-to-client", "The same in the server's name.", syn_into_connection_to_client, NULL, 0 },
    { "syn-ack-into-connection", "A SYN+ACK forged into a connection.", syn_ack_into_connection, NULL, 0 },
    { "fin-forged", "A forged FIN with the exact number.", fin_exact, NULL, 0 },
    { "fin-outside-window", "A forged FIN beyond the window.", fin_outside_window, NULL, 0 },
    { "fin-without-ack", "A forged FIN without ACK.", fin_without_ack, NULL, 0 },
    { "fin-with-ack-of-the-future", "A forged FIN that acknowledges what was never sent.", fin_with_ack_of_the_future, NULL, 0 },
    { "fin-beyond-a-hole", "A forged FIN in the window with a hole before it.", fin_beyond_a_hole, NULL, 0 },
    { "data-without-ack", "Forged data without ACK.", data_without_ack, NULL, 0 },
    { "no-flags", "A forged segment without any flag.", no_flags, NULL, 0 },
    { "ack-of-the-future", "A forged ACK of what was never sent.", ack_of_the_future, NULL, 0 },
    { "old-data", "Old data again, in the client's name.", old_data, NULL, 0 },
    { "rst-in-syn-sent", "A forged RST that acknowledges the SYN.", rst_in_syn_sent, NULL, 0 },
    { "rst-in-syn-sent-wrong-ack", "The same with another ACK number.", rst_in_syn_sent_wrong_ack, NULL, 0 },
    { "rst-in-syn-sent-no-ack", "The same without ACK.", rst_in_syn_sent_no_ack, NULL, 0 },
    { "syn-ack-wrong-ack", "A forged SYN+ACK with a wrong ACK number: the client resets it and goes on waiting.", syn_ack_wrong_ack, NULL, 0 },
    { "ack-in-syn-sent", "A forged ACK to a client in SYN_SENT.", ack_in_syn_sent, NULL, 0 },
    { "split-handshake", "The client's SYN is answered with a forged SYN.", split_handshake, NULL, 0 },
    { "rst-in-syn-received", "A forged RST to the server in SYN_RECEIVED, exact.", rst_in_syn_received, NULL, 0 },
    { "rst-in-syn-received-inside", "The same, in the window: Linux takes it.", rst_in_syn_received_inside, NULL, 0 },
    { "rst-in-syn-received-outside", "The same, beyond the window.", rst_in_syn_received_outside, NULL, 0 },
    { "syn-in-syn-received", "A forged SYN with another number to the server in SYN_RECEIVED.", syn_in_syn_received, NULL, 0 },
    { "fin-in-syn-received", "A forged FIN completes the handshake.", fin_in_syn_received, NULL, 0 },
    { "syn-fin-to-listener", "A SYN+FIN to a listener.", syn_fin_to_listener, NULL, 0 },
    { "ack-to-listener", "An ACK to a listener.", ack_to_listener, NULL, 0 },
    { "rst-to-listener", "A RST to a listener.", rst_to_listener, NULL, 0 },
    { "fin-to-listener", "A FIN to a listener.", fin_to_listener, NULL, 0 },
    { "time-wait-assassination", "Old data draws an ACK, the ACK a RST, the RST ends TIME_WAIT (RFC 1337).", assassination, NULL, 0 },
    { "fin-to-time-wait", "The FIN again, long after its ACK.", fin_to_time_wait, NULL, 0 },
    { "rst-to-time-wait", "A RST with the exact number to TIME_WAIT.", rst_to_time_wait, NULL, 0 },
    { "rst-to-time-wait-inside", "A RST in the window to TIME_WAIT.", rst_to_time_wait_inside, NULL, 0 },
    { "rst-to-time-wait-fin-number", "A RST with the number of the FIN to TIME_WAIT.", rst_to_time_wait_fin_number, NULL, 0 },
    { "data-to-closed", "Forged data to an end that is CLOSED.", data_to_closed, NULL, 0 },
    { "rst-in-close-wait", "A forged RST, exact, to a server in CLOSE_WAIT.", rst_in_close_wait_exact, NULL, 0 },
    { "rst-in-close-wait-fin-number", "The same with the number of the FIN.", rst_in_close_wait_fin_number, NULL, 0 },
    { "rst-in-last-ack-fin-number", "The same in LAST_ACK.", rst_in_last_ack_fin_number, NULL, 0 },
    { "rst-in-fin-wait-2", "A forged RST, exact, to a client in FIN_WAIT_2.", rst_in_fin_wait_2, NULL, 0 },
    { "rst-inside-fin-wait-2", "The same, in the window.", rst_inside_to_fin_wait_2, NULL, 0 },
    { "rst-inside-orphan", "The same to an orphan in FIN_WAIT_2, a socket no more.", rst_to_orphaned_fin_wait_2, NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
