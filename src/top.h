/*
 * What finwait top shares with the program that runs it. Level 4.
 */
#ifndef TOP_H
#define TOP_H

#include "finwait/finwait.h"

#include "kept.h"

/* How a capture is played: the view says what is wished, the source says where it is. */
struct top_play {
    double speed; /* seconds of the capture in a second; 0: as fast as it can be read */
    bool paused;
    unsigned steps; /* packets to go on by although it is paused */
    bool at_end;
    fw_time now;  /* the capture's time that has come */
    fw_time next; /* of the next packet, unless at_end */
};

/* What was lost, since the start. */
struct top_losses {
    bool known; /* an interface */
    uint64_t kernel, interface;
};

struct top_screen; /* top_screen.h */

struct top_host {
    struct top_screen *screen;
    struct kept *kept;
    struct top_play *play; /* NULL: live */
    const char *input;     /* "eth0", "lab.pcap" */
    const char *filter;    /* of -Y, which is there at first; NULL: none */
    const struct fw_tracker_options *tracking;

    /* The last of what the user should know, and how many there were. */
    char notice[384];
    unsigned notices;

    void *context;
    int64_t (*clock)(void *context); /* ns, from wherever; never goes back */
    struct top_losses (*losses)(void *context);
    /* Saves the packets of a connection that are kept; *said is what came of it. */
    void (*save)(void *context, const struct fw_identity *identity, uint64_t packets, char *said,
                 size_t size);
};

#endif
