/* finwait top: what the view needs of the machine, around the loop of cmd_follow(). */
#include "commands.h"
#include "config.h"
#include "kept.h"
#include "pcapng_write.h"
#include "play.h"
#include "run.h"
#include "text.h"
#include "top.h"
#include "top_screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    KEPT_BYTES = 32 * 1024 * 1024, /* of each of two rings */
    NAME_TRIES = 1000,
    COMPLAINTS = 64,
    TEXT_BYTES = 512,
};

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
enum { SIGNALS = sizeof signals / sizeof signals[0] };

struct complaint {
    char text[TEXT_BYTES], hint[TEXT_BYTES];
};

struct stage {
    struct top_host host;
    struct top_play play;
    struct source *source; /* lent: of the loop */
    struct sigaction before[SIGNALS];
    int keys;
    bool keys_are_ours;
    char input[TEXT_BYTES], filter[TEXT_BYTES];

    /* What was said while nobody could see it. */
    struct complaint complaints[COMPLAINTS];
    size_t complaint_count, complaints_lost;
};

/* --------------------------------------------------------------------------------------- signals
 * --
 */

/* The first ends the loop, the second the program; in either case the terminal is given back. */
static void on_signal(int signal)
{
    run_interrupt();
    top_screen_end_at(signal);
}

static void catch_signals(struct stage *stage)
{
    struct sigaction action = { .sa_handler = on_signal };

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &stage->before[i]);
}

static void restore_signals(const struct stage *stage)
{
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &stage->before[i], NULL);
}

/* ------------------------------------------------------------------------------------------ host
 * --
 */

static int64_t monotonic(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * FW_SECOND + now.tv_nsec;
}

static void wait_for_key(void *context, int64_t ns)
{
    const struct stage *stage = context;
    struct pollfd fd = { .fd = stage->keys, .events = POLLIN };

    poll(&fd, 1, (int)((ns + FW_MILLISECOND - 1) / FW_MILLISECOND));
}

static struct top_losses losses(void *context)
{
    const struct stage *stage = context;
    struct source_stats stats;

    if (stage->host.play)
        return (struct top_losses){ .known = false };
    source_stats(stage->source, &stats);
    return (struct top_losses){
        .known = true,
        .kernel = stats.dropped_kernel,
        .interface = stats.dropped_interface,
    };
}

/* Packets of one connection seldom have more than one link type. */
enum { LINK_TYPES = 8 };

struct saving {
    struct pcapng_blocks blocks;
    uint16_t link_types[LINK_TYPES]; /* by the number of their description */
    uint32_t link_type_count;
    uint64_t count;
};

/* False: there is no room for one more, or no memory. */
static bool find_link_type(struct saving *saving, uint16_t link_type, uint32_t *number)
{
    for (*number = 0; *number < saving->link_type_count; ++*number)
        if (saving->link_types[*number] == link_type)
            return true;
    if (*number == LINK_TYPES || !pcapng_interface(&saving->blocks, link_type, 0, NULL))
        return false;
    saving->link_types[saving->link_type_count++] = link_type;
    return true;
}

static bool save_packet(void *context, const struct fw_packet *packet)
{
    struct saving *saving = context;
    uint32_t interface;

    saving->count += find_link_type(saving, packet->link_type, &interface) &&
                     pcapng_packet(&saving->blocks, interface, packet);
    return true;
}

/* A file that is not there yet: finwait-57.pcapng, finwait-57-2.pcapng... */
static int create_file(uint64_t id, char *name, size_t size)
{
    int fd = -1;

    for (unsigned number = 1; fd < 0 && number <= NAME_TRIES; number++) {
        if (number == 1)
            snprintf(name, size, "finwait-%llu.pcapng", (unsigned long long)id);
        else
            snprintf(name, size, "finwait-%llu-%u.pcapng", (unsigned long long)id, number);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 && errno != EEXIST)
            return -1;
    }
    return fd;
}

static void save(void *context, const struct fw_identity *identity, uint64_t packets, char *said,
                 size_t size)
{
    const struct stage *stage = context;
    struct saving saving = { .count = 0 };
    char name[64];
    struct out out;

    if (kept_count(stage->host.kept, identity->id) == 0) {
        snprintf(said, size, "none of its packets are kept any more: nothing to save");
        return;
    }
    const int fd = create_file(identity->id, name, sizeof name);
    if (fd < 0 || out_init(&out, fd, 0) < 0) {
        snprintf(said, size, "%s cannot be written: %s", name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    if (pcapng_section(&saving.blocks))
        kept_each(stage->host.kept, identity->id, save_packet, &saving);
    out_bytes(&out, (const char *)saving.blocks.bytes, saving.blocks.used);
    pcapng_finish(&saving.blocks);
    out_finish(&out);
    const int error = out.error ? out.error : close(fd) < 0 ? errno : 0;
    if (error)
        snprintf(said, size, "%s: %s", name, strerror(error));
    else if (packets > saving.count)
        snprintf(said, size, "%llu of its %llu packets saved to %s: the others are not kept",
                 (unsigned long long)saving.count, (unsigned long long)packets, name);
    else
        snprintf(said, size, "all of its %llu packets saved to %s",
                 (unsigned long long)saving.count, name);
}

/* What others wrote steers no terminal. */
static void copy_foreign(char *to, size_t size, const char *text, bool utf8)
{
    *text_foreign(to, size - 1, text, utf8) = '\0';
}

void top_tell(void *context, const char *text, const char *hint)
{
    struct stage *stage = context;

    if (!top_screen_is_open(stage->host.screen)) {
        complain(hint, "%s", text);
        return;
    }
    copy_foreign(stage->host.notice, sizeof stage->host.notice, text, false);
    stage->host.notices++;
    if (stage->complaint_count == COMPLAINTS) {
        stage->complaints_lost++;
        return;
    }
    struct complaint *complaint = &stage->complaints[stage->complaint_count++];
    snprintf(complaint->text, sizeof complaint->text, "%s", text);
    snprintf(complaint->hint, sizeof complaint->hint, "%s", hint ? hint : "");
}

static void repeat_complaints(const struct stage *stage)
{
    for (size_t i = 0; i < stage->complaint_count; i++)
        complain(stage->complaints[i].hint, "%s", stage->complaints[i].text);
    if (stage->complaints_lost)
        complain(NULL, "and %zu more of the kind", stage->complaints_lost);
}

/* ------------------------------------------------------------------------------------------ open
 * --
 */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

static void name_input(struct stage *stage, const struct options *options, bool utf8)
{
    char name[TEXT_BYTES];

    if (options->interface_count > 1)
        snprintf(name, sizeof name, "%s and %zu more", options->interfaces[0],
                 options->interface_count - 1);
    else if (options->interface_count)
        snprintf(name, sizeof name, "%s", options->interfaces[0]);
    else if (options->file_count > 1)
        snprintf(name, sizeof name, "%s and %zu more", last_part(options->files[0]),
                 options->file_count - 1);
    else
        snprintf(name, sizeof name, "%s",
                 strcmp(options->files[0], "-") == 0 ? "standard input"
                                                     : last_part(options->files[0]));
    copy_foreign(stage->input, sizeof stage->input, name, utf8);
    stage->host.input = stage->input;
}

/* -Y and --state as one expression, which `/` begins with. */
static void name_filter(struct stage *stage, const struct options *options)
{
    char *text = stage->filter;
    const size_t size = sizeof stage->filter;
    const bool both = options->selection && options->states;
    size_t used = 0;

    if (options->selection)
        used += (size_t)snprintf(text, size, both ? "(%s) and (" : "%s", options->selection);
    for (const char *at = options->states; at && *at && used < size;) {
        const size_t length = strcspn(at, ",");
        used += (size_t)snprintf(text + used, size - used, "%sstate %.*s",
                                 at == options->states ? "" : " or ", (int)length, at);
        at += length + (at[length] == ',');
    }
    if (both && used < size)
        snprintf(text + used, size - used, ")");
    stage->host.filter = text;
}

/* Keys come from the terminal, also where standard input is the capture. */
static bool open_keys(struct stage *stage)
{
    stage->keys = STDIN_FILENO;
    if (isatty(STDIN_FILENO))
        return true;
    stage->keys = open("/dev/tty", O_RDONLY | O_CLOEXEC);
    stage->keys_are_ours = stage->keys >= 0;
    return stage->keys_are_ours;
}

static int open_screen(struct stage *stage, const struct surroundings *surroundings, bool color)
{
    const char *why = "no terminal to read keys from", *hint = NULL;

    if (!surroundings->stdout_is_terminal) {
        complain("finwait table shows the same as lines", "top: standard output is no terminal");
        return EXIT_USAGE;
    }
    catch_signals(stage);
    if (open_keys(stage))
        stage->host.screen = top_screen_open(stage->keys, STDOUT_FILENO, color, &why, &hint);
    if (stage->host.screen)
        return EXIT_DONE;
    restore_signals(stage);
    complain(hint, "top: %s", why);
    return EXIT_USAGE;
}

static struct stage *stage_create(const struct options *options, bool utf8,
                                  const struct fw_tracker_options *tracking)
{
    struct stage *stage = calloc(1, sizeof *stage);

    if (!stage)
        return NULL;
    stage->keys = -1;
    stage->play = (struct top_play){ .speed = options->speed_given ? options->speed : 1 };
    stage->host = (struct top_host){
        .kept = kept_create(KEPT_BYTES),
        .play = options_live(options) ? NULL : &stage->play,
        .tracking = tracking,
        .context = stage,
        .clock = monotonic,
        .losses = losses,
        .save = save,
    };
    name_input(stage, options, utf8);
    name_filter(stage, options);
    if (stage->host.kept)
        return stage;
    free(stage);
    return NULL;
}

int top_open(const struct options *options, const struct surroundings *surroundings, bool color,
             const struct fw_tracker_options *tracking, struct source **source,
             struct stage **opened)
{
    struct stage *stage = stage_create(options, surroundings->utf8, tracking);
    int status = EXIT_UNREADABLE;

    *opened = stage;
    if (!stage) {
        complain(NULL, "out of memory");
        return status;
    }
    const struct play_options play = {
        .source = *source,
        .kept = stage->host.kept,
        .play = stage->host.play,
        .pipe = options->file_count == 1 && strcmp(options->files[0], "-") == 0 ? STDIN_FILENO : -1,
        .context = stage,
        .clock = monotonic,
        .wait = wait_for_key,
    };
    *source = stage->source = play_create(&play);
    if (*source)
        status = open_screen(stage, surroundings, color);
    else
        complain(NULL, "out of memory");
    return status;
}

struct top_host *top_host_of(struct stage *stage)
{
    return stage ? &stage->host : NULL;
}

/* Live by the clock of the world; a capture by its own. */
fw_time top_now(void *context)
{
    const struct stage *stage = context;
    struct timespec now;

    if (stage->host.play)
        return stage->play.now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * FW_SECOND + now.tv_nsec;
}

void top_close(struct stage *stage)
{
    if (!stage)
        return;
    if (stage->host.screen) {
        top_screen_destroy(stage->host.screen);
        restore_signals(stage);
        repeat_complaints(stage);
    }
    if (stage->keys_are_ours)
        close(stage->keys);
    kept_destroy(stage->host.kept);
    free(stage);
}
