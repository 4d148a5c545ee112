/* Random calls by both applications over a random bad link, the same for the same seed as far as
 * the kernels' own timers allow. */
#include "lab.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEPS = 120, FRAME_LIMIT = 400 };

/* Chances in percent; the rest of the frames pass in order. */
struct weather {
    uint64_t state;
    unsigned lost_before, lost_after, twice, delayed, reordered, missed;
};

/* splitmix64, public domain (Sebastiano Vigna) */
static uint64_t draw(struct weather *weather)
{
    uint64_t z = weather->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned below(struct weather *weather, unsigned limit)
{
    return (unsigned)(draw(weather) % limit);
}

static bool chance(struct weather *weather, unsigned percent)
{
    return below(weather, 100) < percent;
}

static enum host any_host(struct weather *weather)
{
    return chance(weather, 50) ? CLIENT : SERVER;
}

static struct weather make_weather(uint64_t seed)
{
    struct weather weather = { .state = seed };
    const unsigned badness = below(&weather, 4) * 5; /* one in four links is good */
    weather.lost_before = below(&weather, badness + 1);
    weather.lost_after = below(&weather, badness + 1);
    weather.twice = below(&weather, badness + 1);
    weather.delayed = below(&weather, badness + 1);
    weather.reordered = below(&weather, badness * 2 + 1);
    weather.missed = chance(&weather, 20) ? below(&weather, 8) : 0;
    return weather;
}

/* ---- the link ---------------------------------------------------------------------------------
 */

static void move_one(struct lab *lab, struct weather *weather)
{
    if (lab->flight_count == 0)
        return;
    const unsigned any = below(weather, (unsigned)lab->flight_count);
    struct frame *frame = lab->flight[chance(weather, weather->reordered) ? any : 0];
    if (chance(weather, weather->lost_after))
        wire_lose_after_tap(lab, frame);
    else if (frame->tapped)
        wire_deliver(lab, frame);
    else if (chance(weather, weather->lost_before))
        wire_lose_before_tap(lab, frame);
    else if (chance(weather, weather->missed))
        wire_hide(lab, frame);
    else if (chance(weather, weather->twice))
        wire_twice(lab, frame);
    else if (chance(weather, weather->delayed))
        wire_tap(lab, frame);
    else
        wire_pass(lab, frame);
}

static void move_some(struct lab *lab, struct weather *weather)
{
    for (unsigned i = 1 + below(weather, 6); i > 0; i--)
        move_one(lab, weather);
}

/* ---- the applications -------------------------------------------------------------------------
 */

static void do_open(struct lab *lab, struct weather *weather)
{
    if (lab->fd[CLIENT] < 0)
        app_connect(lab);
    else if (lab->fd[SERVER] < 0 && lab->listener >= 0)
        app_accept(lab);
    else
        move_some(lab, weather);
}

static void do_send(struct lab *lab, struct weather *weather)
{
    const enum host host = any_host(weather);
    const unsigned bytes = chance(weather, 80) ? 1 + below(weather, 500) : below(weather, 6000);
    if (lab->fd[host] >= 0)
        app_send(lab, host, bytes);
}

static void do_read(struct lab *lab, struct weather *weather)
{
    const enum host host = any_host(weather);
    if (lab->fd[host] >= 0)
        app_read(lab, host);
}

static void do_shutdown(struct lab *lab, struct weather *weather)
{
    const enum host host = any_host(weather);
    if (lab->fd[host] >= 0)
        app_shutdown(lab, host);
}

static void do_close(struct lab *lab, struct weather *weather)
{
    const enum host host = any_host(weather);
    if (lab->fd[host] >= 0 && chance(weather, 80))
        app_read(lab, host);
    app_close(lab, host);
}

static void do_abort(struct lab *lab, struct weather *weather)
{
    const enum host host = any_host(weather);
    if (lab->fd[host] >= 0)
        app_abort(lab, host);
}

static void do_wait(struct lab *lab, struct weather *weather)
{
    wire_wait(lab, chance(weather, 70) ? 20 : 250);
}

static void do_settle(struct lab *lab, struct weather *weather)
{
    (void)weather;
    settle(lab);
}

static void do_unlisten(struct lab *lab, struct weather *weather)
{
    (void)weather;
    if (lab->listener >= 0)
        app_unlisten(lab);
    else
        app_listen(lab, 4);
}

static void act(struct lab *lab, struct weather *weather)
{
    static const struct {
        unsigned weight;
        void (*act)(struct lab *lab, struct weather *weather);
    } acts[] = { { 16, do_open },    { 14, do_send },  { 8, do_read }, { 6, do_shutdown },
                 { 6, do_close },    { 2, do_abort },  { 8, do_wait }, { 3, do_settle },
                 { 1, do_unlisten }, { 36, move_some } };
    unsigned at = below(weather, 100);
    size_t i = 0;
    while (at >= acts[i].weight)
        at -= acts[i++].weight;
    acts[i].act(lab, weather);
}

/* ---- a run ------------------------------------------------------------------------------------
 */

static void choose_settings(struct lab *lab, struct weather *weather)
{
    static const char *const settings[][2] = {
        { "ipv4/tcp_timestamps", "0" },
        { "ipv4/tcp_sack", "0" },
        { "ipv4/tcp_window_scaling", "0" },
        { "ipv4/tcp_syncookies", "2" },
        { "ipv4/tcp_tw_reuse", "1" },
        { "ipv4/tcp_abort_on_overflow", "1" },
        { "ipv4/tcp_ecn", "1" },
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        for (enum host host = CLIENT; host <= SERVER; host++)
            if (chance(weather, 15))
                set(lab, host, settings[i][0], settings[i][1]);
}

static void start(struct lab *lab, struct weather *weather)
{
    choose_settings(lab, weather);
    if (chance(weather, 15)) { /* both connect, nobody listens */
        app_connect(lab);
        if (chance(weather, 50))
            move_one(lab, weather);
        lab->fd[SERVER] = app_connect_from(lab, SERVER, lab->port[SERVER], lab->port[CLIENT]);
        return;
    }
    app_listen(lab, chance(weather, 80) ? 4 : 0);
    if (chance(weather, 10))
        app_option(lab, lab->listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
    if (chance(weather, 20))
        app_option(lab, lab->listener, SOL_SOCKET, SO_RCVBUF, 2048);
    app_connect(lab);
}

void random_run(struct lab *lab, uint64_t seed)
{
    struct weather weather = make_weather(seed);
    start(lab, &weather);
    for (int step = 0; step < STEPS && lab->frame_count < FRAME_LIMIT; step++)
        act(lab, &weather);
    settle_all(lab);
    do_close(lab, &weather);
    settle_all(lab);
}
