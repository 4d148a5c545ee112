/*
 * Where packets come from. A source lends batches of packets; what it is (a file, several files
 * merged by time, standard input, a live interface) is known only to the file that implements it.
 * Level 1: knows finwait.h and bytes.h, nothing else.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "finwait/finwait.h"

enum source_result {
    SOURCE_END = 0,    /* the input ended; source_fault() says whether as it should */
    SOURCE_AGAIN = -1, /* live, or follows: nothing at the moment, time may pass; ask again */
};

/* What was wrong with an input. Each is one line for the user, without the program's name, such as
 * "trace.pcap: cut short in packet 41287 (54 bytes promised, 46 there); everything before it was
 * used"; `hint` is a second line, or empty. */
enum source_fault_kind {
    SOURCE_FAULT_NONE,
    SOURCE_FAULT_UNREADABLE, /* exit status 3: nothing could be read or captured */
    SOURCE_FAULT_PARTIAL,    /* exit status 4: damaged or cut short; what came before was used */
    SOURCE_FAULT_NOTICE,     /* worth a line on stderr, no effect on the exit status */
};
struct source_fault {
    enum source_fault_kind kind;
    char text[384];
    char hint[256];
};

/* Progress and drops, for a progress line and the summary. */
struct source_stats {
    uint64_t packets;           /* lent so far (after the BPF filter) */
    uint64_t filtered;          /* read but not matched by the BPF filter */
    uint64_t bytes_read;        /* of the files as they are on disk (compressed) */
    uint64_t bytes_total;       /* 0: unknown (a pipe, a live interface) */
    uint64_t dropped_kernel;    /* live: ps_drop */
    uint64_t dropped_interface; /* live: ps_ifdrop */
};

/* One interface of a live source. */
struct source_device {
    const char *name; /* lent for the life of the source */
    uint16_t link_type;
    uint32_t snaplen; /* bytes */
    uint64_t packets;
    uint64_t dropped_kernel, dropped_interface;
};

struct source; /* each implementation begins with this */

struct source_ops {
    int (*next)(struct source *source, struct fw_packet *packets, int max);
    bool (*fault)(struct source *source, size_t index, struct source_fault *fault);
    void (*stats)(struct source *source, struct source_stats *stats);
    bool (*device)(struct source *source, size_t index, struct source_device *device); /* or NULL */
    bool (*begin)(struct source *source, struct source_fault *fault);                  /* or NULL */
    void (*destroy)(struct source *source);
};

struct source {
    const struct source_ops *ops;
};

/* Looks into what was opened: files are told by their first bytes. False with *fault filled when
 * any is no capture; one without packets is fine. Once, before anything else is asked. */
static inline bool source_begin(struct source *source, struct source_fault *fault)
{
    return !source->ops->begin || source->ops->begin(source, fault);
}

/* Lends up to `max` packets until the next call, in order of time per input. Returns how many (at
 * least one), or an enum source_result. Packets before a fault are always lent first. */
static inline int source_next(struct source *source, struct fw_packet *packets, int max)
{
    return source->ops->next(source, packets, max);
}

/* The index-th fault so far, in order of occurrence; false when there is none. May grow after each
 * source_next(). */
static inline bool source_fault(struct source *source, size_t index, struct source_fault *fault)
{
    return source->ops->fault(source, index, fault);
}

static inline void source_stats(struct source *source, struct source_stats *stats)
{
    source->ops->stats(source, stats);
}

/* The index-th interface that it captures on, with what was lost there; false: there is none (it
 * reads files, for example). */
static inline bool source_device(struct source *source, size_t index, struct source_device *device)
{
    return source->ops->device && source->ops->device(source, index, device);
}

static inline void source_destroy(struct source *source)
{
    if (source)
        source->ops->destroy(source);
}

/* A BPF filter for offline packets, compiled per link type when first met (filter.c). */
struct filter;

/* Checks the expression and keeps it; NULL with *fault filled if libpcap refuses it. An empty
 * expression gives a filter that matches all. */
struct filter *filter_create(const char *expression, struct source_fault *fault);
void filter_destroy(struct filter *filter);
/* Compiles ahead for every link type that fw_decode() follows, if the expression may have names
 * that only the system can look up (hosts, services, protocols): afterwards it needs neither files
 * nor sockets. */
void filter_prepare(struct filter *filter);
/* Packets of a link type that libpcap cannot filter do not match, and are a fault of the source. */
bool filter_match(struct filter *filter, const struct fw_packet *packet);
/* The index-th link type that could not be filtered so far, as a fault; false: there is none. */
bool filter_fault(const struct filter *filter, size_t index, struct source_fault *fault);

/* Opens files ("-" is standard input) and looks into none of them: a process that gives up its
 * right to open files does so before it reads what strangers wrote. source_begin() is due. They are
 * merged by time if several; frames are numbered 1.. over all input, before the filter. `filter`
 * may be NULL and is lent, and so are the paths. `max_packets` ends the input after so many matched
 * packets; 0: no limit. NULL with *fault filled when any file cannot be opened. */
struct source *source_prepare_files(const char *const *paths, size_t count, struct filter *filter,
                                    uint64_t max_packets, struct source_fault *fault);

/* The same, and begun. */
struct source *source_open_files(const char *const *paths, size_t count, struct filter *filter,
                                 uint64_t max_packets, struct source_fault *fault);

/* One file that is being written, or those that match a pattern, one after the other, or standard
 * input (source_follow.c). Ends only with a pipe, by an interrupt, or after `max_packets`;
 * SOURCE_AGAIN when there is nothing new. A file that is not there yet is waited for. */
struct source *source_open_follow(const char *pattern, struct filter *filter, uint64_t max_packets,
                                  struct source_fault *fault);

/* Live capture (source_live.c). Packets of several interfaces come in order of time; each waits for
 * earlier ones of the others. `packet.file` says which interface it was. */
enum live_direction { LIVE_BOTH, LIVE_IN, LIVE_OUT };
struct live_options {
    const char *const *interfaces; /* lent; "any" is all of them, as one */
    size_t interface_count;
    const char *filter;    /* BPF expression, may be NULL; see filter_create() for what is wrong */
    uint32_t snaplen;      /* bytes; 0: default (192) */
    uint32_t buffer_kib;   /* of each interface; 0: default (64 MiB) */
    const char *link_type; /* -y; NULL: the interface's own */
    enum live_direction direction;
    bool no_promiscuous;  /* -p */
    bool immediate;       /* lines are read by a person */
    uint64_t max_packets; /* 0: no limit */
    /* CLOCK_REALTIME, by which packets are stamped. */
    fw_time (*now)(void *context);
    void *now_context;
};
struct source *source_open_live(const struct live_options *options, struct source_fault *fault);

/* What `source` lends is also written to a file, as pcapng (source_keep.c). It takes `source`; NULL
 * with *fault filled if the file cannot be opened. A file that can no longer be written ends the
 * input: what is in it is whole. The path is lent. */
struct source *source_keep(struct source *source, const char *path, struct source_fault *fault);

/* Makes the next source_next() of a live source, or of a blocked pipe, return SOURCE_END after what
 * the kernel already has. Safe in a signal handler. */
void source_interrupt(void);
bool source_interrupted(void);
/* Forgets it: sources can be read again. */
void source_interrupt_clear(void);

/* Interfaces that can be captured on (finwait interfaces, -D), lent one by one. Returns false with
 * *fault filled if they cannot be listed. */
struct source_interface {
    const char *name;
    const char *description; /* or NULL */
    const char *addresses;   /* joined by ", "; may be empty */
    const char *state;       /* "up", "down" */
    bool loopback;
};
bool source_each_interface(bool (*each)(void *context, const struct source_interface *interface),
                           void *context, struct source_fault *fault);

#endif
