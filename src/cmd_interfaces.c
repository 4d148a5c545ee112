/* finwait interfaces, -D: what -i can capture on. */
#include "commands.h"
#include "source.h"

#include <stdio.h>
#include <string.h>

struct listing {
    struct out *out;
    unsigned count;
};

static bool print_interface(void *context, const struct source_interface *interface)
{
    struct listing *listing = context;

    listing->count++;
    out_printf(listing->out, "%-15s %-5s %s%s%s%s%s\n", interface->name, interface->state,
               interface->addresses ? interface->addresses : "",
               interface->addresses && *interface->addresses && interface->description ? "  " : "",
               interface->description ? "(" : "",
               interface->description ? interface->description : "",
               interface->description ? ")" : "");
    return !listing->out->closed;
}

int cmd_interfaces(const struct command *command, const struct options *options,
                   const struct surroundings *surroundings, struct out *out)
{
    struct listing listing = { .out = out };
    struct source_fault fault = { 0 };

    (void)command;
    (void)options;
    (void)surroundings;
    if (!source_each_interface(print_interface, &listing, &fault)) {
        complain(fault.hint, "%s", fault.text);
        return EXIT_UNREADABLE;
    }
    if (listing.count == 0) {
        complain("without privileges there may be none to see: sudo finwait interfaces",
                 "no interface to capture on");
        return EXIT_UNREADABLE;
    }
    return EXIT_DONE;
}
