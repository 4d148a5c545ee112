/*
 * One interface that is captured on, through libpcap: opened, drained without blocking, asked what
 * was lost. What several of them make together is source_live.c's.
 */
#ifndef SOURCE_DEVICE_H
#define SOURCE_DEVICE_H

#include <pcap/pcap.h>

#include "source.h"

enum device_state {
    DEVICE_UP,
    DEVICE_DOWN,    /* taken down: nothing comes, it may be taken up again */
    DEVICE_LEAVING, /* it is gone; the kernel may still hold packets of it */
    DEVICE_ENDED,   /* gone, or broken: device->why */
};

struct device {
    pcap_t *pcap;
    char *name;
    int fd;         /* to poll */
    unsigned index; /* of the interface; 0: "any", or none */
    uint16_t link_type;
    uint32_t snaplen;
    int64_t tick_ns;
    enum device_state state;
    char why[160]; /* DEVICE_ENDED: words after the name */

    /* Since it was opened. */
    uint64_t packets;  /* handed on */
    uint64_t accepted; /* by the kernel: handed on, still in its buffer, or of no interest here */
    uint64_t dropped_kernel, dropped_interface;

    uint32_t last_received, last_dropped, last_missed; /* libpcap's counters, which wrap */
    int missed_files[2];       /* of the interface's own counters, kept open; -1: none */
    uint64_t missed_before[2]; /* what they said when it was opened */
};

/* False with *fault filled; device_close() is due in either case. A warning of libpcap's is put
 * into `warning`, which may stay empty. */
bool device_open(struct device *device, const char *name, const struct live_options *options,
                 int wait_ms, struct source_fault *fault, char *warning, size_t warning_bytes);
void device_close(struct device *device);

/* Hands what there is, at most `max` packets, to `take`. Returns how many; never waits. May leave
 * the device ended. */
int device_take(struct device *device, int max, pcap_handler take, void *context);

/* What poll(2) has said of its descriptor: an error is looked at, so that it is not said again. */
void device_polled(struct device *device, short events);

/* To be called a while after it was polled: whether an interface that is down is still there; ends
 * the device if it is not. */
void device_look_after(struct device *device);

/* Brings the counters up to date. */
void device_count(struct device *device);

/* The same of `accepted` alone, and fast. False where the system counts otherwise. */
bool device_count_accepted(struct device *device);

#endif
