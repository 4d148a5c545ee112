#include "closing.h"

#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 512 };

void run_say(const struct run *run, const char *hint, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    if (run->progress)
        progress_clear(run->progress);
    out_flush(run->out);
    run->complain(run->complain_context, text, hint);
}

static const char *input_name(const struct run *run, uint16_t file)
{
    if (file >= run->input_count)
        return "input";
    return strcmp(run->inputs[file], "-") == 0 ? "standard input" : run->inputs[file];
}

/* "trace.pcap", or "all files". */
static const char *all_inputs(const struct run *run)
{
    struct source_device device;

    if (run->input_count == 1)
        return input_name(run, 0);
    return source_device(run->source, 0, &device) ? "all interfaces" : "all files";
}

/* Why there is no TCP: "20 of another protocol, 3 malformed". */
static void reasons_text(const uint64_t *verdicts, char *text, size_t size)
{
    static const struct {
        enum fw_verdict verdict;
        const char *words;
    } reasons[] = {
        { FW_VERDICT_NOT_TCP, "of another protocol" },
        { FW_VERDICT_ICMP_ERROR, "ICMP errors" },
        { FW_VERDICT_FRAGMENT, "later IP fragments" },
        { FW_VERDICT_TRUNCATED, "captured too short" },
        { FW_VERDICT_MALFORMED, "malformed" },
        { FW_VERDICT_UNKNOWN_LINK, "of a link type that is not decoded" },
        { FW_VERDICT_UNKNOWN_TUNNEL, "in a tunnel that is not decoded" },
    };
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0] && used < size; i++)
        if (verdicts[reasons[i].verdict])
            used += (size_t)snprintf(text + used, size - used, "%s%" PRIu64 " %s", used ? ", " : "",
                                     verdicts[reasons[i].verdict], reasons[i].words);
}

static void tell_no_tcp(const struct closing *closing)
{
    const struct summary *summary = closing->summary;
    const char *name = all_inputs(closing->run);
    char reasons[TEXT_BYTES / 2];

    if (summary->verdicts[FW_VERDICT_SEGMENT])
        return;
    if (summary->packets == 0 && summary->filtered)
        run_say(closing->run, NULL, "%s: none of the %" PRIu64 " packets matches the filter", name,
                summary->filtered);
    else if (summary->packets == 0)
        run_say(closing->run, NULL, "%s: no packet in it", name);
    else {
        reasons_text(summary->verdicts, reasons, sizeof reasons);
        run_say(closing->run,
                summary->verdicts[FW_VERDICT_TRUNCATED]
                    ? "a larger snaplen (tcpdump -s 128) keeps the TCP header"
                    : NULL,
                "%s: no TCP in it; %" PRIu64 " packet%s: %s", name, summary->packets,
                summary->packets == 1 ? "" : "s", reasons);
    }
}

/* "100 Ethernet packets used", or that there was nothing else. */
static void used_text(const struct closing *closing, uint16_t file, char *text, size_t size)
{
    uint64_t packets = 0;
    const char *name = NULL;
    bool several = false;

    for (size_t i = 0; i < closing->link_count; i++) {
        const struct link_tally *link = &closing->links[i];

        if (link->file != file || !fw_link_is_decoded(link->link_type))
            continue;
        several |= name && name != fw_link_name(link->link_type);
        name = fw_link_name(link->link_type);
        packets += link->packets;
    }
    if (packets == 0)
        snprintf(text, size, "there is no other in it");
    else
        snprintf(text, size, "%" PRIu64 " %s packet%s used", packets,
                 several || !name ? "other" : name, packets == 1 ? "" : "s");
}

static bool has_one_interface(const struct closing *closing, uint16_t file)
{
    unsigned count = 0;

    for (size_t i = 0; i < closing->link_count; i++)
        count += closing->links[i].file == file;
    return count == 1;
}

/* "mixed.pcapng: interface 2 has link type 189 (USB): skipped 310 packets; 100 Ethernet packets
 * used" */
static void tell_skipped(const struct closing *closing)
{
    for (size_t i = 0; i < closing->link_count; i++) {
        const struct link_tally *link = &closing->links[i];
        const char *name = fw_link_name(link->link_type);
        char where[48] = "", used[96];

        if (fw_link_is_decoded(link->link_type))
            continue;
        if (link->interface || !has_one_interface(closing, link->file))
            snprintf(where, sizeof where, "interface %" PRIu32 " has ", link->interface);
        used_text(closing, link->file, used, sizeof used);
        run_say(closing->run, NULL, "%s: %slink type %u (%s)%s: skipped %" PRIu64 " packet%s; %s",
                input_name(closing->run, link->file), where, link->link_type,
                name ? name : "unknown", *where ? "" : " is not decoded", link->packets,
                link->packets == 1 ? "" : "s", used);
    }
}

static void tell_drops(const struct closing *closing)
{
    struct source_device device;

    for (size_t i = 0; source_device(closing->run->source, i, &device); i++)
        if (device.dropped_kernel || device.dropped_interface)
            run_say(closing->run, "a larger buffer (-B KIB), a narrower filter or -q may keep up",
                    "%s: %" PRIu64 " packets dropped by the kernel, %" PRIu64
                    " by the interface: states may be stale, what lived then is marked lossy",
                    device.name, device.dropped_kernel, device.dropped_interface);
}

static void tell_losses(const struct closing *closing)
{
    const struct summary *summary = closing->summary;
    const struct fw_tracker_counts *counts = &summary->tracker;

    tell_drops(closing);
    if (has_evicted(counts))
        run_say(closing->run, "--max-mem and --max-conns raise the limit",
                "memory limit: %" PRIu64 " connections were evicted before they ended (%" PRIu64
                " closed, %" PRIu64 " half-open, %" PRIu64 " idle)",
                counts->evicted_closed + counts->evicted_half_open + counts->evicted_idle,
                counts->evicted_closed, counts->evicted_half_open, counts->evicted_idle);
    /* states.md 29: warn once per capture. */
    if (closing->one_sided && closing->one_sided * 2 >= closing->told)
        run_say(
            closing->run,
            summary->filtered ? "the filter may hide one direction: host, port and net match both, "
                                "src and dst only one"
                              : NULL,
            "%s: %" PRIu64 " of %" PRIu64 " connections were seen in one direction only; the other "
            "end's state is what its peer's packets tell",
            all_inputs(closing->run), closing->one_sided, closing->told);
}

/* Nothing ends in silence: each reason for exit status 4 has its line. */
void closing_tell(const struct closing *closing)
{
    const struct summary *summary = closing->summary;
    const bool all_skipped =
        summary->packets && summary->verdicts[FW_VERDICT_UNKNOWN_LINK] == summary->packets;

    if (summary->packets == 0 && closing->any_fault) /* that was the line */
        return;
    if (!all_skipped)
        tell_no_tcp(closing);
    tell_skipped(closing);
    tell_losses(closing);
}
