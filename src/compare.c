#include "compare.h"

#include "addr.h"
#include "digits.h"
#include "text.h"

#include <string.h>

/* The kernel's clocks fire late, never early; ours reads the packet that began them. */
static const int64_t slack_ns = 500 * FW_MILLISECOND;

static const int64_t time_wait_ns = 60 * FW_SECOND; /* TCP_TIMEWAIT_LEN */
static const int64_t least_rto_ns = 200 * FW_MILLISECOND;

int kernel_socket_compare(const void *left, const void *right)
{
    const struct kernel_socket *a = left, *b = right;
    int order = endpoint_compare(&a->local, &b->local);

    if (order == 0)
        order = endpoint_compare(&a->peer, &b->peer);
    if (order == 0)
        order = (a->state == FW_TIME_WAIT) - (b->state == FW_TIME_WAIT);
    return order;
}

const char *kernel_timer_name(enum kernel_timer timer)
{
    switch (timer) {
    case KERNEL_TIMER_RETRANSMIT:
        return "retransmit";
    case KERNEL_TIMER_KEEPALIVE:
        return "keepalive";
    case KERNEL_TIMER_TIME_WAIT:
        return "time-wait";
    case KERNEL_TIMER_PROBE:
        return "probe";
    case KERNEL_TIMER_NONE:
    case KERNEL_TIMER_COUNT:
        break;
    }
    return NULL;
}

static const char *retransmission_sysctl(const struct kernel_socket *socket)
{
    if (socket->state == FW_SYN_SENT)
        return "net.ipv4.tcp_syn_retries";
    if (socket->state == FW_SYN_RECEIVED)
        return "net.ipv4.tcp_synack_retries";
    return socket->inode || socket->state == FW_ESTABLISHED || socket->state == FW_CLOSE_WAIT
               ? "net.ipv4.tcp_retries2"
               : "net.ipv4.tcp_orphan_retries";
}

const char *kernel_timer_sysctl(const struct kernel_socket *socket)
{
    switch ((enum kernel_timer)socket->timer) {
    case KERNEL_TIMER_RETRANSMIT:
        return retransmission_sysctl(socket);
    case KERNEL_TIMER_KEEPALIVE:
        if (socket->state == FW_FIN_WAIT_2 && !socket->inode)
            return "net.ipv4.tcp_fin_timeout";
        if (socket->state == FW_SYN_RECEIVED)
            return "net.ipv4.tcp_synack_retries";
        return socket->retransmits ? "net.ipv4.tcp_keepalive_intvl" : "net.ipv4.tcp_keepalive_time";
    case KERNEL_TIMER_TIME_WAIT:
        return socket->state == FW_FIN_WAIT_2 ? "net.ipv4.tcp_fin_timeout" : COMPARE_TIME_WAIT;
    case KERNEL_TIMER_PROBE:
        return "net.ipv4.tcp_retries2";
    case KERNEL_TIMER_NONE:
    case KERNEL_TIMER_COUNT:
        break;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------- judge -- */

enum fw_state compare_kernel_state(const struct compare_row *row)
{
    return row->has_socket ? (enum fw_state)row->socket.state : FW_CLOSED;
}

/* An endpoint that was never heard from has done nothing: no socket, or one that listens. */
static enum fw_state wire_state(const struct compare_row *row)
{
    return row->wire == FW_UNKNOWN || row->wire == FW_LISTEN ? FW_CLOSED : row->wire;
}

bool compare_is_equal(const struct compare_row *row)
{
    return row->seen && wire_state(row) == compare_kernel_state(row);
}

bool compare_is_over(const struct compare_row *row)
{
    return !row->has_socket && wire_state(row) == FW_CLOSED;
}

static void decide(struct compare_row *row, enum compare_verdict verdict, const char *sysctl,
                   const char *cause)
{
    row->verdict = verdict;
    row->sysctl = sysctl;
    row->cause = cause;
}

/* How far the life of a connection has gone. */
static int progress_of(enum fw_state state)
{
    switch (state) {
    case FW_UNKNOWN:
    case FW_LISTEN:
        return 0;
    case FW_SYN_SENT:
    case FW_SYN_RECEIVED:
        return 1;
    case FW_ESTABLISHED:
        return 2;
    case FW_FIN_WAIT_1:
    case FW_CLOSE_WAIT:
        return 3;
    case FW_FIN_WAIT_2:
    case FW_CLOSING:
    case FW_LAST_ACK:
        return 4;
    case FW_TIME_WAIT:
        return 5;
    case FW_CLOSED:
    case FW_STATE_COUNT:
        break;
    }
    return 6;
}

static void decide_missed(struct compare_row *row, enum compare_ahead ahead, const char *cause)
{
    decide(row, COMPARE_MISSED, NULL, cause);
    row->ahead = ahead;
}

static void decide_by_progress(struct compare_row *row)
{
    if (row->wire != FW_UNKNOWN && progress_of(row->wire) > progress_of(compare_kernel_state(row)))
        decide_missed(row, COMPARE_WIRE,
                      "the kernel has not taken what the wire shows: dropped after it was "
                      "captured, or not acceptable");
    else if (row->midstream)
        decide_missed(row, COMPARE_KERNEL_SIDE, "it happened before finwait began");
    else
        decide_missed(row, COMPARE_KERNEL_SIDE, "the capture missed a packet");
}

/* Until the kernel gives up what it has sent `retries` times more (retransmits_timed_out(),
 * net/ipv4/tcp_timer.c): at least so long, by a first time-out of `rto`. */
static int64_t give_up_ns(int32_t retries, int64_t rto_ns)
{
    const int doublings = retries < 9 ? retries : 9; /* then two minutes each */
    int64_t ns = ((INT64_C(2) << doublings) - 1) * rto_ns;

    if (retries > doublings)
        ns += (retries - doublings) * 120 * FW_SECOND;
    return ns;
}

static bool has_lasted(const struct compare_row *row, int64_t ns)
{
    return row->now - row->since >= ns - slack_ns;
}

/* A computed time-out rests on the round trip: a tenth less is near enough. */
static bool has_given_up(const struct compare_row *row, int32_t retries, int64_t rto_ns)
{
    return retries >= 0 && has_lasted(row, give_up_ns(retries, rto_ns) / 10 * 9);
}

static void judge_forgotten_close(struct compare_row *row, const struct kernel_limits *limits)
{
    /* tcp_orphan_retries(): 0 stands for 8 while the peer may be alive */
    const int32_t retries = limits->orphan_retries == 0 ? 8 : limits->orphan_retries;

    if (has_given_up(row, retries, least_rto_ns))
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_orphan_retries",
               "the kernel gave up an orphan whose FIN nobody acknowledged");
    else
        decide_missed(row, COMPARE_KERNEL_SIDE,
                      "the kernel has no socket any more: a packet was missed, or it was killed");
}

static void judge_forgotten_opening(struct compare_row *row, const struct kernel_limits *limits)
{
    if (row->wire == FW_SYN_SENT) {
        if (has_given_up(row, limits->syn_retries, FW_SECOND))
            decide(row, COMPARE_KERNEL, "net.ipv4.tcp_syn_retries",
                   "the kernel gave up: nobody answered its SYNs");
        else
            decide(row, COMPARE_APPLICATION, NULL,
                   "the program gave up before an answer; no packet says so");
    } else if (has_given_up(row, limits->synack_retries, FW_SECOND)) {
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_synack_retries",
               "the kernel gave up: nobody acknowledged its SYN+ACK");
    } else {
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_syncookies",
               "the kernel keeps no request: a SYN cookie, or it was dropped");
    }
}

static void judge_forgotten_data(struct compare_row *row, const struct kernel_limits *limits)
{
    if (row->repeats && has_given_up(row, limits->retries2, least_rto_ns))
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_retries2",
               "the kernel gave up: nobody acknowledged what it repeated");
    else
        decide_missed(row, COMPARE_KERNEL_SIDE,
                      "the kernel has no socket any more: a packet was missed, or it was killed");
}

/* An orphan in FIN_WAIT_2 takes one of these places, too (tcp_time_wait(),
 * net/ipv4/tcp_minisocks.c). */
static bool has_no_place(const struct kernel_limits *limits)
{
    return limits->max_tw_buckets >= 0 && limits->time_wait_sockets >= limits->max_tw_buckets;
}

static void judge_forgotten_fin_wait_2(struct compare_row *row, const struct kernel_limits *limits)
{
    if (limits->fin_timeout_s >= 0 && has_lasted(row, limits->fin_timeout_s * FW_SECOND))
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_fin_timeout",
               "the kernel has forgotten an orphan that waited for the peer's FIN");
    else if (has_no_place(limits))
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_max_tw_buckets",
               "the kernel keeps no more orphans that wait for the peer's FIN");
    else
        decide_missed(row, COMPARE_KERNEL_SIDE,
                      "the kernel has no socket any more, earlier than tcp_fin_timeout: "
                      "TCP_LINGER2, tcp_max_orphans, or a reset was missed");
}

static void judge_forgotten_time_wait(struct compare_row *row, const struct kernel_limits *limits)
{
    if (has_lasted(row, time_wait_ns))
        decide(row, COMPARE_KERNEL, COMPARE_TIME_WAIT,
               "the kernel's TIME_WAIT is over: 60 s, which no setting changes");
    else if (has_no_place(limits))
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_max_tw_buckets",
               "the kernel keeps no more sockets in TIME_WAIT");
    else
        decide_missed(row, COMPARE_KERNEL_SIDE,
                      "the kernel has left TIME_WAIT early: a reset was missed, or it was killed");
}

/* The wire says more than the kernel, which has no socket. */
static void judge_forgotten(struct compare_row *row, const struct kernel_limits *limits)
{
    switch (row->wire) {
    case FW_SYN_SENT:
    case FW_SYN_RECEIVED:
        judge_forgotten_opening(row, limits);
        return;
    case FW_ESTABLISHED:
    case FW_CLOSE_WAIT:
        judge_forgotten_data(row, limits);
        return;
    case FW_FIN_WAIT_1:
    case FW_CLOSING:
    case FW_LAST_ACK:
        judge_forgotten_close(row, limits);
        return;
    case FW_FIN_WAIT_2:
        judge_forgotten_fin_wait_2(row, limits);
        return;
    case FW_TIME_WAIT:
        judge_forgotten_time_wait(row, limits);
        return;
    case FW_UNKNOWN:
    case FW_CLOSED:
    case FW_LISTEN:
    case FW_STATE_COUNT:
        break;
    }
    decide(row, COMPARE_AGREE, NULL, "nothing is left of it");
}

/* The wire says CLOSED, the kernel has a socket still. */
static void judge_left_over(struct compare_row *row, const struct kernel_limits *limits)
{
    if (row->timed)
        decide(row, COMPARE_KERNEL, kernel_timer_sysctl(&row->socket),
               "a timer of finwait's has ended it (--timers, --msl); the kernel's still runs");
    else if (row->socket.state == FW_TIME_WAIT && row->reset && limits->rfc1337 > 0)
        decide(row, COMPARE_KERNEL, "net.ipv4.tcp_rfc1337",
               "the kernel ignores a reset in "
               "TIME_WAIT");
    else
        decide_by_progress(row);
}

static const char queue_is_full[] =
    "the listening program does not accept: its queue is full, the kernel drops the final ACK";

/* sk_acceptq_is_full(), include/net/sock.h */
static bool is_kept_waiting(const struct compare_row *row)
{
    return row->socket.state == FW_SYN_RECEIVED && row->has_listener && row->waiting > row->backlog;
}

/* FIN_WAIT_1 or LAST_ACK in the kernel, and no FIN on the wire as yet. */
static bool fin_is_queued(const struct compare_row *row)
{
    const uint8_t kernel = row->socket.state;

    return ((kernel == FW_FIN_WAIT_1 && row->wire == FW_ESTABLISHED) ||
            (kernel == FW_LAST_ACK && row->wire == FW_CLOSE_WAIT)) &&
           (row->socket.send_queue > 1 || row->socket.timer == KERNEL_TIMER_PROBE);
}

static void judge_different(struct compare_row *row, const struct kernel_limits *limits)
{
    if (!row->has_socket)
        judge_forgotten(row, limits);
    else if (wire_state(row) == FW_CLOSED && row->wire == FW_CLOSED)
        judge_left_over(row, limits);
    else if (fin_is_queued(row))
        decide(row, COMPARE_QUEUED, kernel_timer_sysctl(&row->socket),
               "the program has closed; its FIN waits behind data that the peer has not taken");
    else if (row->wire == FW_ESTABLISHED && is_kept_waiting(row))
        decide(row, COMPARE_APPLICATION, NULL, queue_is_full);
    else
        decide_by_progress(row);
}

static void judge_equal(struct compare_row *row)
{
    const enum fw_state state = compare_kernel_state(row);

    if (is_kept_waiting(row))
        decide(row, COMPARE_APPLICATION, NULL, queue_is_full);
    else if (row->owner.known == OWNER_NOT_ACCEPTED &&
             (state == FW_CLOSE_WAIT || state == FW_ESTABLISHED))
        decide(row, state == FW_CLOSE_WAIT ? COMPARE_APPLICATION : COMPARE_AGREE, NULL,
               "no program has accepted it: it waits in the listener's queue");
    else if (state == FW_CLOSE_WAIT)
        decide(row, COMPARE_APPLICATION, NULL,
               "the peer has finished; the program has not closed the socket");
    else
        decide(row, COMPARE_AGREE, row->has_socket ? kernel_timer_sysctl(&row->socket) : NULL,
               "wire and kernel agree");
}

void compare_judge(struct compare_row *row, const struct kernel_limits *limits)
{
    row->ahead = COMPARE_NEITHER;
    if (!row->seen && row->socket.state == FW_CLOSE_WAIT)
        judge_equal(row);
    else if (!row->seen)
        decide(row, COMPARE_UNSEEN, kernel_timer_sysctl(&row->socket),
               "no packet seen since finwait began");
    else if (compare_is_equal(row))
        judge_equal(row);
    else if (row->moving)
        decide(row, COMPARE_IN_FLIGHT, NULL, "packets came while it was compared");
    else
        judge_different(row, limits);
}

int compare_order(const void *left, const void *right)
{
    const struct compare_row *a = left, *b = right;
    int order = (a->verdict > b->verdict) - (a->verdict < b->verdict);

    if (order == 0)
        order = (int)b->seen - (int)a->seen;
    if (order == 0)
        order = (a->identity.id > b->identity.id) - (a->identity.id < b->identity.id);
    if (order == 0)
        order = endpoint_compare(&a->identity.server, &b->identity.server);
    if (order == 0)
        order = endpoint_compare(&a->identity.client, &b->identity.client);
    return order ? order : (a->side > b->side) - (a->side < b->side);
}

/* ------------------------------------------------------------------------------------- words -- */

const char *compare_verdict_name(enum compare_verdict verdict)
{
    static const char *const names[COMPARE_COUNT] = {
        [COMPARE_APPLICATION] = "application",
        [COMPARE_MISSED] = "missed",
        [COMPARE_QUEUED] = "queued",
        [COMPARE_KERNEL] = "kernel",
        [COMPARE_IN_FLIGHT] = "in flight",
        [COMPARE_UNSEEN] = "unseen",
        [COMPARE_AGREE] = "agree",
    };

    return names[verdict];
}

const char *compare_ahead_name(enum compare_ahead ahead)
{
    switch (ahead) {
    case COMPARE_WIRE:
        return "wire";
    case COMPARE_KERNEL_SIDE:
        return "kernel";
    case COMPARE_NEITHER:
        break;
    }
    return NULL;
}

const char *owner_why(const struct owner *owner)
{
    switch ((enum owner_known)owner->known) {
    case OWNER_UNASKED:
        return "not looked for yet";
    case OWNER_GONE:
        return "every program has closed it";
    case OWNER_NOT_ACCEPTED:
        return "no program has accepted it yet";
    case OWNER_HIDDEN:
        return "another user's: it takes root to see whose";
    case OWNER_ELSEWHERE:
        return "no process seen here has it open";
    case OWNER_FOUND:
    case OWNER_COUNT:
        break;
    }
    return NULL;
}

char *compare_owner_text(char *at, const struct owner *owner)
{
    if (owner->known != OWNER_FOUND && !owner->earlier)
        return at;
    if (owner->earlier)
        at = TEXT_LITERAL(at, "was ");
    at = text_foreign(at, sizeof owner->name, owner->name, false);
    *at++ = '[';
    at = digits_u64(at, (uint64_t)owner->pid);
    at = TEXT_LITERAL(at, "] fd ");
    at = digits_u64(at, (uint64_t)owner->fd);
    if (owner->holders > 1) {
        at = TEXT_LITERAL(at, " +");
        at = digits_u64(at, owner->holders - 1);
    }
    return at;
}

/* "tcp_fin_timeout" of "net.ipv4.tcp_fin_timeout" */
static const char *short_name(const char *sysctl)
{
    const char *dot = strrchr(sysctl, '.');

    return dot ? dot + 1 : sysctl;
}

char *compare_timer_text(char *at, const struct kernel_socket *socket)
{
    const char *sysctl = kernel_timer_sysctl(socket);

    if (!sysctl)
        return at;
    at = text_put(at, kernel_timer_name((enum kernel_timer)socket->timer));
    at = TEXT_LITERAL(at, " ");
    at = text_duration(at, socket->timer_left_ms * FW_MILLISECOND);
    at = TEXT_LITERAL(at, " left (");
    at = text_put(at, short_name(sysctl));
    *at++ = ')';
    if (socket->retransmits) {
        at = TEXT_LITERAL(at, ", fired ");
        at = digits_u64(at, socket->retransmits);
        at = TEXT_LITERAL(at, " times");
    }
    return at;
}

static char *put_age(char *at, const struct compare_row *row)
{
    if (row->seen) {
        at = TEXT_LITERAL(at, " for ");
        return text_duration(at, row->now > row->since ? row->now - row->since : 0);
    }
    if (!row->socket.has_info || row->socket.last_ack_ms == 0)
        return at;
    at = TEXT_LITERAL(at, " for ");
    return text_duration(at, row->socket.last_ack_ms * FW_MILLISECOND);
}

/* Who is to close it. */
static char *put_holder(char *at, const struct compare_row *row)
{
    const struct owner *owner = &row->owner;

    if (owner->known == OWNER_FOUND) {
        at = text_foreign(at, sizeof owner->name, owner->name, false);
        at = TEXT_LITERAL(at, " (pid ");
        at = digits_u64(at, (uint64_t)owner->pid);
        at = TEXT_LITERAL(at, ") has not closed descriptor ");
        at = digits_u64(at, (uint64_t)owner->fd);
        at = put_age(at, row);
        if (owner->holders > 1) {
            at = TEXT_LITERAL(at, "; ");
            at = text_count(at, owner->holders - 1, "more process has it open",
                            "more processes have it open");
        }
        return at;
    }
    if (owner->known == OWNER_NOT_ACCEPTED && row->has_listener) {
        if (row->listener.known == OWNER_FOUND) {
            at = text_foreign(at, sizeof row->listener.name, row->listener.name, false);
            at = TEXT_LITERAL(at, " (pid ");
            at = digits_u64(at, (uint64_t)row->listener.pid);
            at = TEXT_LITERAL(at, ", listens on descriptor ");
            at = digits_u64(at, (uint64_t)row->listener.fd);
            *at++ = ')';
        } else {
            at = TEXT_LITERAL(at, "the program that listens");
        }
        at = TEXT_LITERAL(at, " has not accepted it");
        at = put_age(at, row);
        at = TEXT_LITERAL(at, "; ");
        at = digits_u64(at, row->waiting);
        at = TEXT_LITERAL(at, " of at most ");
        at = digits_u64(at, row->backlog);
        return TEXT_LITERAL(at, " wait");
    }
    at = TEXT_LITERAL(at, "a program has not closed it");
    at = put_age(at, row);
    at = TEXT_LITERAL(at, "; which is unknown: ");
    return text_put(at, owner_why(owner));
}

static char *put_limit(char *at, const char *sysctl, const struct kernel_limits *limits)
{
    const struct {
        const char *sysctl;
        int32_t value;
        const char *unit;
    } rows[] = {
        { "net.ipv4.tcp_fin_timeout", limits->fin_timeout_s, " s" },
        { "net.ipv4.tcp_syn_retries", limits->syn_retries, "" },
        { "net.ipv4.tcp_synack_retries", limits->synack_retries, "" },
        { "net.ipv4.tcp_orphan_retries", limits->orphan_retries, "" },
        { "net.ipv4.tcp_retries2", limits->retries2, "" },
        { "net.ipv4.tcp_keepalive_time", limits->keepalive_time_s, " s" },
        { "net.ipv4.tcp_max_tw_buckets", limits->max_tw_buckets, "" },
        { "net.ipv4.tcp_rfc1337", limits->rfc1337, "" },
    };

    at = text_put(at, short_name(sysctl));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].sysctl, sysctl) != 0 || rows[i].value < 0)
            continue;
        at = TEXT_LITERAL(at, " = ");
        at = digits_u64(at, (uint64_t)rows[i].value);
        at = text_put(at, rows[i].unit);
    }
    return at;
}

static char *put_queues(char *at, const struct kernel_socket *socket)
{
    if (socket->receive_queue) {
        at = TEXT_LITERAL(at, "; Recv-Q ");
        at = digits_u64(at, socket->receive_queue);
    }
    if (socket->send_queue) {
        at = TEXT_LITERAL(at, "; Send-Q ");
        at = digits_u64(at, socket->send_queue);
    }
    return at;
}

static char *put_ahead(char *at, const struct compare_row *row)
{
    if (row->ahead == COMPARE_WIRE)
        return TEXT_LITERAL(at, "the wire is ahead: ");
    if (row->ahead == COMPARE_KERNEL_SIDE)
        return TEXT_LITERAL(at, "the kernel is ahead: ");
    return at;
}

char *compare_words(char *at, const struct compare_row *row, const struct kernel_limits *limits)
{
    char *const start = at;

    if (row->verdict == COMPARE_APPLICATION && row->has_socket &&
        row->socket.state == FW_CLOSE_WAIT) {
        at = put_holder(at, row);
        if (!row->seen)
            at = TEXT_LITERAL(at, "; no packet seen since finwait began");
    } else if (row->verdict != COMPARE_AGREE || row->owner.known == OWNER_NOT_ACCEPTED) {
        at = put_ahead(at, row);
        at = text_put(at, row->cause);
        if (row->verdict == COMPARE_KERNEL && row->sysctl &&
            strcmp(row->sysctl, COMPARE_TIME_WAIT) != 0) {
            at = TEXT_LITERAL(at, " (");
            at = put_limit(at, row->sysctl, limits);
            *at++ = ')';
        }
        if (row->verdict == COMPARE_MISSED && row->lossy)
            at = TEXT_LITERAL(at, "; packets of it were lost to the capture");
    }
    if (!row->has_socket)
        return at;
    if (row->socket.timer != KERNEL_TIMER_NONE) {
        if (at > start)
            at = TEXT_LITERAL(at, "; ");
        at = compare_timer_text(at, &row->socket);
    }
    char *const queues = at;
    at = put_queues(at, &row->socket);
    if (queues == start && at > start) { /* nothing stands before the "; " */
        memmove(start, start + 2, (size_t)(at - start - 2));
        at -= 2;
    }
    return at;
}
