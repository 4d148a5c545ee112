#include "commands.h"

#include "config.h"
#include "sandbox.h"
#include "suggest.h"

#include <stdio.h>
#include <string.h>

const struct command commands[] = {
    { .takes_filter = true,
      .view = &view_transitions,
      .summary = "each transition, with the packet that proved it; a summary",
      .help =
          "One line per transition of one endpoint's state: time, connection, flags and direction\n"
          "of the packet that proved it, both states after it. The changed side is bold.\n"
          "  -       never heard from       STATE?  inferred, not witnessed\n"
          "  STATE~  left or entered by a timer of ours (--timers, --msl)\n" },
    { .name = "table",
      .takes_filter = true,
      .view = &view_table,
      .summary = "one line per connection, failures first",
      .help = "  --listeners    the servers that answered, as LISTEN, too\n"
              "  --every SEC    the table again and again, with -i\n" },
    { .name = "top",
      .takes_filter = true,
      .view = &view_top,
      .summary = "full screen: both ends of every connection, as they move",
      .help =
          "Failures and stuck connections first; what has closed goes after 10 s. Keys: ? lists\n"
          "them; / filters, s sorts, enter shows the timeline, d diagnoses, e explains, w saves.\n"
          "  --speed N|max  a file: so many times as fast as it was captured (1)\n" },
    { .name = "show",
      .operands = "ID|TUPLE",
      .operands_min = 1,
      .operands_max = 1,
      .takes_filter = true,
      .view = &view_show,
      .summary = "timeline of one connection (--ladder: as a picture)",
      .help =
          "ID is the number in the CONN column: 2 or '#2'. TUPLE is one endpoint, 10.0.0.1:80 or\n"
          "[2001:db8::1]:80, or two, 192.168.1.10:50001-10.0.0.1:80, in either order.\n"
          "  --ladder       the segments between both ends as a picture\n"
          "  --explain      under each packet that moves a state, what it means\n" },
    { .name = "diagnose",
      .takes_filter = true,
      .view = &view_diagnose,
      .summary = "findings by cause, worst first, with the frames",
      .help =
          "Each finding: who, evidence, meaning, what to look at, and when it is no fault.\n"
          "  --only KIND,KIND    these alone     --min-count N  of so many connections\n"
          "  --exit-code         1 if there is a finding     --checksum  wrong checksums too\n"
          "kinds, worst first: syn-flood accept-queue not-closing no-answer unreachable refused\n"
          "  bad-synack no-final-ack dead-peer reset-in-handshake reset data-after-close\n"
          "  reset-after-fin zero-window forged-rst ignored-rst time-wait scan port-reuse\n"
          "  final-ack-lost simultaneous-open simultaneous-close one-sided capture-loss\n"
          "  bad-checksums\n" },
    { .name = "verify",
      .operands = "EXPECTATIONS",
      .operands_min = 1,
      .operands_max = 1,
      .takes_filter = true,
      .view = &view_verify,
      .summary = "tests of a capture; exit 1 if one fails (--golden FILE)",
      .help = "EXPECTATIONS is a file, one line a test:  quantifier FILTER : check; check\n"
              "  all  dst 10.0.0.1   : handshake within 50ms; no reset\n"
              "  none state close-wait : for > 60s\n"
              "quantifier  all any none one, exactly N, at-least N;  FILTER as after -Y\n"
              "check  handshake complete, handshake within D, refused, no-answer, for CMP D,\n"
              "       closed [by SIDE] [with fin|rst], path SIDE STATE..., state SIDE STATE,\n"
              "       packets > S < S. ..., no reset, KEY CMP VALUE\n"
              "name WORDS names the next line, # is a comment.\n"
              "  --golden FILE  all connections must be as in FILE; --update writes it\n"
              "  --format human|tap|junit|json;  with -i: --for 30s\n" },
    { .name = "compare",
      .takes_filter = true,
      .view = &view_compare,
      .summary = "the wire beside this host's kernel: who has the socket open",
      .help =
          "For each endpoint of this host: its state on the wire, the kernel's, the process that\n"
          "has the socket open, and a verdict. One table at the end (Ctrl-C, --for 10s), or\n"
          "  --every SEC   again and again        --json  records        -v  timers of all\n"
          "verdicts, what needs somebody first:\n"
          "  application   a program is to close it (CLOSE_WAIT), or to accept it\n"
          "  missed        one side does not know what the other knows; which is said\n"
          "  queued        the program has closed, its FIN waits behind data\n"
          "  kernel        a timer or setting of the kernel, which is named\n"
          "  in flight     it moved while it was compared\n"
          "  unseen        no packet of it was seen since finwait began\n"
          "  agree         both say the same\n" },
    { .name = "explain",
      .operands = "STATE",
      .operands_min = 0,
      .operands_max = 16,
      .run = cmd_explain,
      .summary = "what a state means, who waits for what, what to look at",
      .help =
          "STATE in any spelling: CLOSE_WAIT, close-wait, FIN-WAIT-2, TIMED_WAIT. Without one, all "
          "states.\n" },
    { .name = "interfaces",
      .run = cmd_interfaces,
      .summary = "what -i can capture on (also -D)",
      .help = "" },
    { .name = "help",
      .operands = "COMMAND",
      .operands_max = 1,
      .run = cmd_help,
      .summary = "the help of a command (also COMMAND --help)",
      .help = "" },

    /* Not in this version yet: named so that they are not taken for filters. */
    { .name = "annotate" },
    { .name = "report" },
};
const size_t command_count = sizeof commands / sizeof commands[0];

const struct command *command_find(const char *name)
{
    for (size_t i = 1; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Within 80 columns. */
static const char input_help[] =
    "input    -r FILE  pcap, pcapng, plain or packed; repeatable; - is standard input\n"
    "                  --follow: it grows, or others that match 'trace*.pcap' come\n"
    "         -i IF    live; repeatable; any; -p -Q -s -B -y as tcpdump has them\n"
    "         -c N     so many packets; --for 30s; a BPF filter last, or -F FILE\n";
static const char select_help[] =
    "select   -Y EXPR  ss's language: 'state close-wait and dport = :443'\n"
    "         --state close-wait,fin-wait-2\n";
static const char tracking_help[] =
    "tracking --timers=rfc|linux --msl SEC --idle SEC --checksum --max-conns N\n"
    "         --max-mem SIZE --threads N  --sandbox=auto|strict|off --user NAME\n"
    "keep     -w FILE the packets, as pcapng; --metrics FILE for Prometheus\n";
static const char output_help[] =
    "output   --json --format json|csv|tsv|zeek  -q summary only  -N names  -v more\n"
    "         --names=rfc|kb|ss|netstat  --color=auto|always|never\n"
    "         -t no time, -tt epoch, -ttt delta, -tttt date, -ttttt nanoseconds\n";
static const char exit_help[] =
    "exit     0 done, 1 findings or a failed test, 2 usage, 3 unreadable, 4 partial\n";

void command_help(const struct command *command, struct out *out)
{
    out_printf(out, "usage: finwait%s%s%s%s%s%s%s\n", command->name ? " " : "",
               command->name ? command->name : "", command->operands ? " " : "",
               command->operands && !command->operands_min ? "[" : "",
               command->operands ? command->operands : "",
               command->operands && !command->operands_min ? "]" : "",
               command->view ? " {-r FILE... | -i IF} [OPTIONS] [BPF FILTER]" : "");
    out_printf(out, "%s\n%s%s", command->summary, *command->help ? "\n" : "", command->help);
    if (command->view) {
        out_char(out, '\n');
        out_text(out, input_help);
        out_text(out, select_help);
        out_text(out, tracking_help);
        out_text(out, output_help);
        out_text(out, exit_help);
    }
}

void command_help_all(struct out *out)
{
    out_text(out, "usage: finwait [COMMAND] {-r FILE... | -i IF} [OPTIONS] [BPF FILTER]\n"
                  "The RFC 9293 state of both ends of every TCP connection, from the wire.\n");
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        char words[32];

        if (!command->summary)
            continue;
        snprintf(words, sizeof words, "%s%s%s", command->name ? command->name : "(none)",
                 command->operands ? " " : "", command->operands ? command->operands : "");
        out_printf(out, "  %-15s %s\n", words, command->summary);
    }
    out_text(out, input_help);
    out_text(out, select_help);
    out_text(out, tracking_help);
    out_text(out, output_help);
    out_text(out, exit_help);
}

int cmd_help(const struct command *command, const struct options *options,
             const struct surroundings *surroundings, struct out *out)
{
    const char *name = options->operand_count ? options->operands[0] : NULL;
    const struct command *about = name ? command_find(name) : NULL;
    struct suggestion suggestion;
    char hint[96];

    (void)command;
    (void)surroundings;
    if (about && about->summary)
        command_help(about, out);
    else if (!name)
        command_help_all(out);
    else if (about) {
        complain(NULL, "%s: not in this version yet", name);
        return EXIT_USAGE;
    } else {
        suggestion_init(&suggestion, name);
        for (size_t i = 1; i < command_count; i++)
            suggestion_offer(&suggestion, commands[i].name);
        complain(NULL, "there is no command \"%s\"%s", name,
                 suggestion_text(&suggestion, hint, sizeof hint));
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

void command_version(bool verbose, struct out *out)
{
    char sandbox[256];

    out_text(out, "finwait " FINWAIT_VERSION "\n");
    if (!verbose)
        return;
    sandbox_describe(sandbox, sizeof sandbox);
    out_text(out, "libraries: " FINWAIT_LIBRARIES "\n"
                  "captures: pcap, pcapng" FINWAIT_COMPRESSION "; live by libpcap\n");
    out_printf(out, "sandbox: %s\n", sandbox);
}
