#include "lab.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_MS = 10 };

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

static bool board(struct lab *lab, struct frame *frame)
{
    if (lab->flight_count == FLIGHT_ROOM)
        return false;
    frame->connection = truth_connection(lab, frame);
    if (!frame->connection)
        return false;
    lab->flight[lab->flight_count++] = frame;
    return true;
}

static void leave(struct lab *lab, const struct frame *frame)
{
    for (int i = 0; i < lab->flight_count; i++) {
        if (lab->flight[i] != frame)
            continue;
        lab->flight_count--;
        memmove(&lab->flight[i], &lab->flight[i + 1],
                (size_t)(lab->flight_count - i) * sizeof(lab->flight[0]));
        return;
    }
}

/* Reads one packet that FROM's kernel sent; NULL if there is none.  What is not TCP is not ours. */
static struct frame *read_frame(struct lab *lab, enum host from)
{
    struct frame *frame = calloc(1, sizeof(*frame));
    while (frame) {
        const ssize_t size = read(lab->kernels[from].tun_fd, frame->bytes, sizeof(frame->bytes));
        if (size <= 0)
            break;
        if (segment_parse(frame->bytes, (size_t)size, &frame->segment)) {
            frame->size = (size_t)size;
            frame->from = from;
            return frame;
        }
    }
    free(frame);
    return NULL;
}

void wire_collect(struct lab *lab, enum cause cause, const char *what)
{
    struct frame *frame;
    const int first = lab->flight_count;
    truth_begin(lab);
    for (enum host host = CLIENT; host <= SERVER; host++)
        while ((frame = read_frame(lab, host)))
            if (!board(lab, frame))
                free(frame);
    for (int i = first; i < lab->flight_count; i++)
        truth_sent(lab, lab->flight[i]);
    truth_observe(lab, cause, what);
    for (int i = first; i < lab->flight_count; i++)
        truth_placed(lab, lab->flight[i]);
}

static void collect_unasked(struct lab *lab)
{
    wire_collect(lab, BY_TIMER, "a timer of its kernel ran out; no packet says so");
}

/* Waits up to MS for either kernel to send. */
static bool has_sent(const struct lab *lab, int ms)
{
    struct pollfd fds[2] = { { lab->kernels[CLIENT].tun_fd, POLLIN, 0 },
                             { lab->kernels[SERVER].tun_fd, POLLIN, 0 } };
    return poll(fds, 2, ms) > 0;
}

/* Waits up to MS for either kernel to send.  Returns false if neither did. */
static bool await(struct lab *lab, int ms)
{
    const int before = lab->flight_count;
    has_sent(lab, ms);
    collect_unasked(lab);
    return lab->flight_count > before;
}

struct frame *wire_nth(struct lab *lab, enum host from, int n)
{
    for (int i = 0; i < lab->flight_count; i++)
        if (lab->flight[i]->from == from && n-- == 0)
            return lab->flight[i];
    return NULL;
}

struct frame *wire_next(struct lab *lab, enum host from, int ms)
{
    const long end = now_ms() + ms;
    struct frame *frame;
    while (!(frame = wire_nth(lab, from, 0)) && now_ms() < end)
        await(lab, SLICE_MS);
    return frame;
}

void wire_wait(struct lab *lab, int ms)
{
    const long end = now_ms() + ms;
    while (now_ms() < end)
        await(lab, SLICE_MS);
}

void wire_finish(struct lab *lab)
{
    while (lab->flight_count)
        free(lab->flight[--lab->flight_count]);
    for (enum host host = CLIENT; host <= SERVER; host++)
        if (lab->fd[host] >= 0)
            close(lab->fd[host]);
    if (lab->listener >= 0)
        close(lab->listener);
}

/* ---- what can happen to a frame ---------------------------------------------------------------
 */

static void tap(struct lab *lab, struct frame *frame)
{
    tap_write(lab->pcap, frame->bytes, frame->size);
    lab->frame_count++;
    lab->clock++;
    truth_tapped(lab, frame);
}

static void deliver(struct lab *lab, struct frame *frame)
{
    const int fd = lab->kernels[other(frame->from)].tun_fd;
    collect_unasked(lab);
    if (lab->late_ms)
        poll(NULL, 0, lab->late_ms);
    while (has_sent(lab, 0)) /* while the kernels were asked, or this process waited for its turn */
        collect_unasked(lab);
    truth_arriving(frame);
    if (write(fd, frame->bytes, frame->size) != (ssize_t)frame->size)
        perror("lab: writing to the TUN device");
    wire_collect(lab, frame->tapped ? BY_TAPPED_FRAME : BY_HIDDEN_FRAME, "");
    truth_arrived(lab, frame);
}

static void done(struct lab *lab, struct frame *frame)
{
    leave(lab, frame);
    free(frame);
}

void wire_pass(struct lab *lab, struct frame *frame)
{
    if (frame->tapped) {
        wire_deliver(lab, frame);
        return;
    }
    tap(lab, frame);
    deliver(lab, frame);
    truth_record(lab, frame, NULL);
    done(lab, frame);
}

void wire_lose_after_tap(struct lab *lab, struct frame *frame)
{
    const bool was_delayed = frame->tapped;
    if (!was_delayed)
        tap(lab, frame);
    truth_lost(lab, frame);
    if (!was_delayed)
        truth_record(lab, frame, "lost after the tap");
    done(lab, frame);
}

void wire_lose_before_tap(struct lab *lab, struct frame *frame)
{
    truth_lost(lab, frame);
    done(lab, frame);
}

void wire_hide(struct lab *lab, struct frame *frame)
{
    deliver(lab, frame);
    done(lab, frame);
}

void wire_twice(struct lab *lab, struct frame *frame)
{
    tap(lab, frame);
    deliver(lab, frame);
    truth_record(lab, frame, NULL);
    tap(lab, frame);
    deliver(lab, frame);
    truth_record(lab, frame, "delivered a second time");
    done(lab, frame);
}

void wire_tap(struct lab *lab, struct frame *frame)
{
    tap(lab, frame);
    truth_delayed(lab, frame);
    truth_record(lab, frame, "delayed after the tap");
}

void wire_deliver(struct lab *lab, struct frame *frame)
{
    deliver(lab, frame);
    done(lab, frame);
}

/* ---- in a scenario's words --------------------------------------------------------------------
 */

static struct frame *expect(struct lab *lab, enum host from)
{
    struct frame *frame = wire_next(lab, from, WAIT_MS);
    if (!frame)
        say(lab, "(no frame came from the %s)", from == CLIENT ? "client" : "server");
    return frame;
}

#define FOR_NEXT(what)                                                                             \
    struct frame *frame = expect(lab, from);                                                       \
    if (frame)                                                                                     \
    what(lab, frame)

void pass(struct lab *lab, enum host from)
{
    FOR_NEXT(wire_pass);
}

void lose(struct lab *lab, enum host from)
{
    FOR_NEXT(wire_lose_after_tap);
}

void lose_unseen(struct lab *lab, enum host from)
{
    FOR_NEXT(wire_lose_before_tap);
}

void hide(struct lab *lab, enum host from)
{
    FOR_NEXT(wire_hide);
}

void twice(struct lab *lab, enum host from)
{
    FOR_NEXT(wire_twice);
}

static void move_all(struct lab *lab)
{
    while (lab->flight_count) {
        struct frame *frame = lab->flight[0];
        if (++lab->wire_count == lab->fault_at || lab->fault_at == EVERY_FRAME)
            lab->fault(lab, frame);
        else
            wire_pass(lab, frame);
    }
}

static void move_until_quiet(struct lab *lab, int ms)
{
    long end = now_ms() + ms;
    do {
        if (lab->flight_count) {
            move_all(lab);
            if (end < now_ms() + QUIET_MS)
                end = now_ms() + QUIET_MS;
        }
        await(lab, SLICE_MS);
    } while (lab->flight_count || now_ms() < end);
}

void settle_for(struct lab *lab, int ms)
{
    move_until_quiet(lab, ms);
    for (int tries = 0; truth_answer_due(lab) && tries < 30; tries++) {
        await(lab, SLICE_MS);
        move_all(lab);
    }
    truth_record_quiet(lab);
}

void settle_all(struct lab *lab)
{
    const long end = now_ms() + WAIT_MS;
    do
        move_until_quiet(lab, QUIET_MS);
    while (!truth_all_acked(lab) && now_ms() < end);
    settle_for(lab, QUIET_MS);
}

void settle(struct lab *lab)
{
    settle_for(lab, QUIET_MS);
}

void blackout(struct lab *lab, int ms, bool seen)
{
    const long end = now_ms() + ms;
    while (now_ms() < end) {
        while (lab->flight_count)
            (seen ? wire_lose_after_tap : wire_lose_before_tap)(lab, lab->flight[0]);
        await(lab, SLICE_MS);
    }
}

/* ---- forgeries --------------------------------------------------------------------------------
 */

void forge_raw(struct lab *lab, enum host from, const struct segment *segment)
{
    struct frame *frame = calloc(1, sizeof(*frame));
    if (!frame)
        return;
    frame->from = from;
    frame->size = segment_build(segment, frame->bytes);
    segment_parse(frame->bytes, frame->size, &frame->segment);
    if (!board(lab, frame)) {
        free(frame);
        return;
    }
    truth_forged(lab, frame);
    wire_pass(lab, frame);
}

void forge(struct lab *lab, enum host from, uint8_t flags, int32_t seq, int32_t ack, int payload)
{
    const struct connection *connection = &lab->connections[0];
    const struct half *half = &connection->half[from];
    struct segment segment = { .from = connection->end[from], .to = connection->end[other(from)] };
    segment.flags = flags;
    segment.seq = half->numbers.snd_nxt + (uint32_t)seq;
    segment.ack =
        flags & TCP_ACK ? connection->half[other(from)].numbers.snd_nxt + (uint32_t)ack : 0;
    segment.window = 64;
    segment.payload_bytes = (uint32_t)payload;
    say(lab, "a frame is forged in the %s's name",
        from == connection->opener ? "client" : "server");
    forge_raw(lab, from, &segment);
}

void forge_unreachable(struct lab *lab, const struct frame *about)
{
    struct frame *frame = calloc(1, sizeof(*frame));
    if (!frame)
        return;
    frame->from = other(about->from);
    frame->size = segment_build_unreachable(about->bytes, about->size, frame->bytes);
    segment_parse(frame->bytes, frame->size, &frame->segment);
    if (!board(lab, frame)) {
        free(frame);
        return;
    }
    say(lab, "a router answers that the server cannot be reached");
    truth_forged(lab, frame);
    wire_pass(lab, frame);
}
