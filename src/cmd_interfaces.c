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

    const char *addresses = interface->addresses ? interface->addresses : "";

    listing->count++;
    out_printf(listing->out, "%-17s %s", interface->name, interface->state);
    if (*addresses)
        out_printf(listing->out, "%*s%s", 6 - (int)strlen(interface->state), "", addresses);
    if (interface->description)
        out_printf(listing->out, "  (%s)", interface->description);
    out_char(listing->out, '\n');
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
