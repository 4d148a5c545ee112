/* One ordinary connection, in which every frame in turn meets a fate. */
#include "lab.h"

static void talk_and_close(struct lab *lab, enum host first)
{
    app_listen(lab, 8);
    app_connect(lab);
    settle_all(lab);
    app_accept(lab);
    app_send(lab, CLIENT, 100);
    settle_all(lab);
    app_read(lab, SERVER);
    app_send(lab, SERVER, 200);
    settle_all(lab);
    app_read(lab, CLIENT);
    app_close(lab, first);
    settle_all(lab);
    app_close(lab, other(first));
    settle_all(lab);
}

static void client_first(struct lab *lab)
{
    talk_and_close(lab, CLIENT);
}

static void server_first(struct lab *lab)
{
    talk_and_close(lab, SERVER);
}

/* Crossed FINs, for the captures that miss one of them. */
static void crossed(struct lab *lab)
{
    open_connection(lab);
    app_send(lab, CLIENT, 100);
    settle(lab);
    app_shutdown(lab, CLIENT);
    app_shutdown(lab, SERVER);
    settle_all(lab);
}

static void only_from(struct lab *lab, struct frame *frame, enum host from)
{
    (frame->from == from ? wire_pass : wire_hide)(lab, frame);
}

static void only_client(struct lab *lab, struct frame *frame)
{
    only_from(lab, frame, CLIENT);
}

static void only_server(struct lab *lab, struct frame *frame)
{
    only_from(lab, frame, SERVER);
}

static void after(struct lab *lab, struct frame *frame, int missed)
{
    (lab->wire_count > missed ? wire_pass : wire_hide)(lab, frame);
}

static void after_handshake(struct lab *lab, struct frame *frame)
{
    after(lab, frame, 3);
}

static void after_data(struct lab *lab, struct frame *frame)
{
    after(lab, frame, 7);
}

static void after_first_fin(struct lab *lab, struct frame *frame)
{
    after(lab, frame, 8);
}

static void after_first_fin_and_ack(struct lab *lab, struct frame *frame)
{
    after(lab, frame, 9);
}

static void last_ack_only(struct lab *lab, struct frame *frame)
{
    after(lab, frame, 10);
}

static void everything_twice(struct lab *lab, struct frame *frame)
{
    wire_twice(lab, frame);
}

#define EACH_FRAME(prefix, about, fault, run)                                                      \
    { prefix "-1", about " (frame 1, the SYN).", run, fault, 1 },                                  \
        { prefix "-2", about " (frame 2, the SYN+ACK).", run, fault, 2 },                          \
        { prefix "-3", about " (frame 3, the ACK).", run, fault, 3 },                              \
        { prefix "-4", about " (frame 4, data).", run, fault, 4 },                                 \
        { prefix "-5", about " (frame 5, its ACK).", run, fault, 5 },                              \
        { prefix "-6", about " (frame 6, data back).", run, fault, 6 },                            \
        { prefix "-7", about " (frame 7, its ACK).", run, fault, 7 },                              \
        EACH_CLOSING_FRAME(prefix, about, fault, run)
#define EACH_CLOSING_FRAME(prefix, about, fault, run)                                              \
    { prefix "-8", about " (frame 8, the first FIN).", run, fault, 8 },                            \
        { prefix "-9", about " (frame 9, its ACK).", run, fault, 9 },                              \
        { prefix "-10", about " (frame 10, the second FIN).", run, fault, 10 },                    \
    {                                                                                              \
        prefix "-11", about " (frame 11, its ACK).", run, fault, 11                                \
    }
#define EACH_CROSSED_FRAME(prefix, about, fault)                                                   \
    { prefix "-6", about " (frame 6, a FIN).", crossed, fault, 6 },                                \
        { prefix "-7", about " (frame 7, the other FIN).", crossed, fault, 7 },                    \
        { prefix "-8", about " (frame 8, an ACK).", crossed, fault, 8 },                           \
    {                                                                                              \
        prefix "-9", about " (frame 9, the other ACK).", crossed, fault, 9                         \
    }

/* clang-format off */
const struct scenario captures[] = {
    { "client-closes-first", "Handshake, data both ways, the client closes first.", client_first, NULL, 0 },
    EACH_FRAME("lost-after-tap", "One frame is captured and lost", wire_lose_after_tap, client_first),
    EACH_FRAME("lost-before-tap", "One frame is lost before the tap", wire_lose_before_tap, client_first),
    EACH_FRAME("missed", "The capture misses one frame that arrives", wire_hide, client_first),
    EACH_FRAME("doubled", "One frame is captured and arrives twice", wire_twice, client_first),
    EACH_CLOSING_FRAME("server-first-lost-after-tap", "The server closes first; a frame is captured and lost", wire_lose_after_tap, server_first),
    EACH_CLOSING_FRAME("server-first-lost-before-tap", "The server closes first; a frame is lost before the tap", wire_lose_before_tap, server_first),
    EACH_CLOSING_FRAME("server-first-missed", "The server closes first; the capture misses a frame", wire_hide, server_first),
    EACH_CROSSED_FRAME("crossed-missed", "Crossed FINs; the capture misses a frame", wire_hide),
    { "everything-twice", "Every frame is captured and arrives twice.", client_first, everything_twice, EVERY_FRAME },
    { "only-client", "The capture sees only what the client sends.", client_first, only_client, EVERY_FRAME },
    { "only-server", "The capture sees only what the server sends.", client_first, only_server, EVERY_FRAME },
    { "starts-after-handshake", "The capture starts after the handshake.", client_first, after_handshake, EVERY_FRAME },
    { "starts-at-first-fin", "The capture starts with the first FIN.", client_first, after_data, EVERY_FRAME },
    { "starts-after-first-fin", "The capture starts with the ACK of the first FIN.", client_first, after_first_fin, EVERY_FRAME },
    { "starts-at-second-fin", "The capture starts with the second FIN.", client_first, after_first_fin_and_ack, EVERY_FRAME },
    { "last-ack-only", "The capture has nothing but the last ACK.", client_first, last_ack_only, EVERY_FRAME },
    { NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
