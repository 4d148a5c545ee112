#include "commands.h"
#include "options.h"

#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct options options;
static char error[512], hint[512];
static char words_copy[2048];

/* Parses a line of words separated by spaces; 'single quotes' hold one together. */
static bool parse(const char *line)
{
    char *argv[64] = { NULL }, *at = words_copy;
    int argc = 0;

    options_finish(&options);
    ck_assert_uint_lt(strlen(line), sizeof words_copy);
    strcpy(words_copy, line);
    argv[argc++] = (char[]){ "finwait" };
    while (*(at += strspn(at, " "))) {
        const char *end = *at == '\'' ? "'" : " ";

        at += *at == '\'';
        argv[argc++] = at;
        at += strcspn(at, end);
        if (*at)
            *at++ = '\0';
    }
    return options_parse(&options, argc, argv, error, sizeof error, hint, sizeof hint);
}

static void accepts(const char *line)
{
    ck_assert_msg(parse(line), "%s: %s", line, error);
}

static void refuses(const char *line, const char *why)
{
    ck_assert_msg(!parse(line), "%s: accepted", line);
    ck_assert_str_eq(error, why);
}

START_TEST(the_default_command_reads_files_and_a_filter)
{
    accepts("-r a.pcap -r b.pcap -r - port 80 and host 10.0.0.1");
    ck_assert_ptr_eq(options.command, &commands[0]);
    ck_assert_uint_eq(options.file_count, 3);
    ck_assert_str_eq(options.files[0], "a.pcap");
    ck_assert_str_eq(options.files[2], "-");
    ck_assert_str_eq(options.filter, "port 80 and host 10.0.0.1");
    ck_assert_int_eq(options.msl_ns, -1);
    ck_assert_int_eq(options.idle_ns, -1);
}
END_TEST

START_TEST(options_may_stand_before_and_after_the_command)
{
    accepts("-nr a.pcap table --names=ss port 80 -q");
    ck_assert_str_eq(options.command->name, "table");
    ck_assert_str_eq(options.files[0], "a.pcap");
    ck_assert_int_eq(options.names, FW_NAMES_SS);
    ck_assert_str_eq(options.filter, "port 80");
    ck_assert(options.quiet);
}
END_TEST

START_TEST(only_the_first_word_is_a_command)
{
    accepts("-r a.pcap host table");
    ck_assert_ptr_eq(options.command, &commands[0]);
    ck_assert_str_eq(options.filter, "host table");
    accepts("-r a.pcap -- table");
    ck_assert_ptr_eq(options.command, &commands[0]);
    ck_assert_str_eq(options.filter, "table");
    accepts("-r a.pcap table -- -x");
    ck_assert_str_eq(options.command->name, "table");
    ck_assert_str_eq(options.filter, "-x");
}
END_TEST

START_TEST(values_may_be_attached_or_apart)
{
    accepts("-ra.pcap -c5");
    ck_assert_str_eq(options.files[0], "a.pcap");
    ck_assert_uint_eq(options.max_packets, 5);
    accepts("-r a.pcap --threads 2");
    ck_assert_uint_eq(options.threads, 2);
    refuses("-r a.pcap --threads 0", "--threads 0: not a number from 1 to 1024");
    accepts("-r a.pcap --format csv");
    ck_assert_int_eq(options.format, FORMAT_CSV);
    accepts("-r a.pcap --format=tsv");
    ck_assert_int_eq(options.format, FORMAT_TSV);
    accepts("-r a.pcap --json --format json");
    ck_assert_int_eq(options.format, FORMAT_JSON);
    accepts("-r a.pcap --color");
    ck_assert_int_eq(options.color, COLOR_ALWAYS);
    accepts("-r a.pcap --color=never");
    ck_assert_int_eq(options.color, COLOR_NEVER);
}
END_TEST

START_TEST(tcpdumps_letters_mean_what_they_mean_there)
{
    accepts("-i eth0 -pN -s 128 -B 4096 -y LINUX_SLL2 -F file");
    ck_assert_uint_eq(options.interface_count, 1);
    ck_assert_str_eq(options.interfaces[0], "eth0");
    ck_assert(options.no_promiscuous);
    ck_assert(options.resolve);
    ck_assert_uint_eq(options.snaplen, 128);
    ck_assert_uint_eq(options.buffer_kib, 4096);
    ck_assert_str_eq(options.link_type, "LINUX_SLL2");
    ck_assert_str_eq(options.filter_file, "file");
    accepts("-r a -s 0");
    ck_assert_uint_eq(options.snaplen, 262144);
    accepts("-D");
    ck_assert_str_eq(options.command->name, "interfaces");
}
END_TEST

START_TEST(each_further_t_is_another_style_of_time)
{
    static const struct {
        const char *line;
        enum time_style style;
    } lines[] = {
        { "-r a", TIME_RELATIVE },   { "-r a -t", TIME_NONE },
        { "-r a -tt", TIME_EPOCH },  { "-r a -t -tt", TIME_DELTA },
        { "-r a -tttt", TIME_DATE }, { "-r a -ttttt", TIME_RELATIVE_NANO },
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        accepts(lines[i].line);
        ck_assert_int_eq(options.time_style, lines[i].style);
    }
    refuses("-r a -tttttt", "-t: at most five of them (-ttttt)");
}
END_TEST

START_TEST(show_takes_a_connection_and_then_a_filter)
{
    accepts("show #2 -r a.pcap tcp port 80");
    ck_assert_uint_eq(options.operand_count, 1);
    ck_assert_str_eq(options.operands[0], "#2");
    ck_assert_str_eq(options.filter, "tcp port 80");
    refuses("show -r a.pcap", "show: ID|TUPLE is missing");
}
END_TEST

START_TEST(explain_and_interfaces_need_no_input)
{
    accepts("explain CLOSE_WAIT fin-wait-2");
    ck_assert_uint_eq(options.operand_count, 2);
    accepts("explain");
    accepts("interfaces");
    refuses("interfaces eth0", "interfaces: \"eth0\" is one word too many");
}
END_TEST

START_TEST(without_input_there_is_a_usage_hint)
{
    refuses("", "no input: neither -r nor -i says what to read");
    ck_assert_str_eq(hint,
                     "try: finwait -r FILE, or finwait -i INTERFACE; finwait --help tells more");
    refuses("table", "no input: neither -r nor -i says what to read");
    ck_assert_str_eq(
        hint, "try: finwait table -r FILE, or finwait table -i INTERFACE; finwait --help tells "
              "more");
    refuses("trace.pcap", "no input: to read the file trace.pcap, put -r before it");
    ck_assert_str_eq(hint, "try: finwait -r trace.pcap");
    refuses("tabel", "there is no command \"tabel\"; did you mean table?");
    refuses("port 80",
            "no input: \"port 80\" is taken for a filter, and neither -r nor -i says what to read");
}
END_TEST

START_TEST(compare_is_live_and_has_records_but_no_tables_of_others)
{
    ck_assert(parse("compare -i eth0 --for 10s --every 2 --json -Y dport=:80 tcp port 80"));
    ck_assert_str_eq(options.command->name, "compare");
    ck_assert_str_eq(options.filter, "tcp port 80");
    refuses("compare -r a.pcap", "compare: -r a.pcap: a capture has no kernel to be compared with");
    ck_assert_ptr_nonnull(strstr(hint, "finwait diagnose -r a.pcap"));
    refuses("compare -i eth0 --format csv", "compare: --format is text or json, not csv");
    refuses("compare -i eth0 --ladder", "--ladder belongs to finwait show");
    refuses("compare", "no input: neither -r nor -i says what to read");
}
END_TEST

START_TEST(privileges_are_words)
{
    ck_assert(parse("-r a"));
    ck_assert_int_eq(options.sandbox, SANDBOX_AUTO);
    ck_assert(parse("-r a --sandbox=strict -Z nobody"));
    ck_assert_int_eq(options.sandbox, SANDBOX_STRICT);
    ck_assert_str_eq(options.user, "nobody");
    ck_assert(parse("-r a --sandbox off --relinquish-privileges=nobody"));
    ck_assert_int_eq(options.sandbox, SANDBOX_OFF);
    refuses("-r a --sandbox=of", "--sandbox of: unknown; did you mean off? (auto, strict, off)");
    refuses("-r a -Z x --user y", "--user is given twice (x, y)");
}
END_TEST

START_TEST(a_file_is_played_at_a_speed)
{
    accepts("top -r a.pcap");
    ck_assert(!options.speed_given);
    accepts("top -r a.pcap --speed 0.5");
    ck_assert(options.speed_given);
    ck_assert_double_eq(options.speed, 0.5);
    accepts("top -r a.pcap --speed max");
    ck_assert(options.speed_given);
    ck_assert_double_eq(options.speed, 0);
    refuses("top -r a --speed fast", "--speed fast: not a number from 0.001 to 1000000, nor max");
    refuses("top -r a --speed 0", "--speed 0: not a number from 0.001 to 1000000, nor max");
    refuses("top -r a --speed -1", "--speed -1: not a number from 0.001 to 1000000, nor max");
    refuses("top -r a --speed inf", "--speed inf: not a number from 0.001 to 1000000, nor max");
    refuses("top -i eth0 --speed 2", "--speed plays a file: finwait top -r FILE --speed N|max");
    refuses("table -r a --speed 2", "--speed plays a file: finwait top -r FILE --speed N|max");
    refuses("top -r a --json", "top is a screen: it cannot be --format json");
    refuses("top -r a -q", "top is a screen: -q leaves nothing of it");
}
END_TEST

START_TEST(commands_of_later_versions_say_so)
{
    static const char *const later[] = { "annotate", "report" };

    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        char line[64];

        snprintf(line, sizeof line, "%s -r a.pcap", later[i]);
        ck_assert(!parse(line));
        ck_assert_ptr_nonnull(strstr(error, "not in this version yet"));
        snprintf(line, sizeof line, "%s --help", later[i]);
        ck_assert(!parse(line));
    }
}
END_TEST

START_TEST(unknown_options_suggest_the_nearest)
{
    refuses("--jsn -r a", "unknown option --jsn; did you mean --json?");
    refuses("--max-con=3", "unknown option --max-con; did you mean --max-conns?");
    refuses("--frobnicate", "unknown option --frobnicate");
    refuses("-W", "unknown option -W");
    refuses("-json -r a", "unknown option -j");
    ck_assert_str_eq(hint, "long options have two dashes: --json");
    refuses("-r a --format jsn",
            "--format jsn: unknown; did you mean json? (text, json, csv, tsv, zeek, "
            "human, tap, junit)");
    refuses("-r a --names=bsd", "--names bsd: unknown (rfc, kb, ss, netstat)");
    refuses("-r a --timers=linus", "--timers linus: unknown; did you mean linux? (rfc, linux)");
}
END_TEST

START_TEST(values_that_are_missing_or_wrong_are_named)
{
    refuses("-r", "-r needs a value");
    refuses("-r ''", "-r: its value is empty");
    refuses("-r a --msl", "--msl needs a value");
    refuses("-r a --json=1", "--json takes no value");
    refuses("-r a -c 0", "-c 0: not a number above 0 (K, M, G may follow)");
    refuses("-r a -c x", "-c x: not a number above 0 (K, M, G may follow)");
    refuses("-r a --msl -1", "--msl -1: not a number of seconds (such as 30, 1.5, 200ms, 2m)");
    refuses("-r a --msl 0", "--msl 0: must be more than 0");
    refuses("-i a -s 300000", "-s 300000: not a number from 1 to 262144");
    refuses("-i a -i a", "-i is given twice (a)");
    refuses("-i ''", "-i: its value is empty");
    refuses("-i a -Q sideways", "-Q sideways: unknown (inout, in, out)");
    refuses("-r a -w b -w c", "-w is given twice (b, c)");
}
END_TEST

START_TEST(what_cannot_stand_together_is_refused)
{
    refuses("-r a -i b", "-r and -i: read files or an interface, not both at once");
    refuses("-r a --json --format csv", "--json and --format contradict each other");
    refuses("-r a -F f port 80", "two filters: -F f and \"port 80\"");
    refuses("-r a -y EN10MB", "-y chooses a link type of an interface: it needs -i");
    refuses("table -r a --every 1",
            "--every repeats the table of an interface: finwait table -i IF --every SEC");
    refuses("-r a --ladder", "--ladder belongs to finwait show");
    refuses("-r a --listeners", "--listeners belongs to finwait table");
    refuses("show 1 -r a --ladder --json", "--ladder is text: it cannot be --format json");
    refuses("-r a -q --format csv", "-q prints the summary only, and --format csv has none");
    accepts("table -i a --every 0.5");
    ck_assert_int_eq(options.every_ns, 500000000);
}
END_TEST

START_TEST(several_interfaces_are_captured_on_at_once)
{
    accepts("-i a -i b --direction=in -w kept.pcapng --metrics m.prom");
    ck_assert_uint_eq(options.interface_count, 2);
    ck_assert_str_eq(options.interfaces[0], "a");
    ck_assert_str_eq(options.interfaces[1], "b");
    ck_assert_int_eq(options.direction, LIVE_IN);
    ck_assert_str_eq(options.write_file, "kept.pcapng");
    ck_assert_str_eq(options.metrics_file, "m.prom");
    refuses("-i a -i any", "-i any captures on all interfaces: the others are among them");
    refuses("-r a -Q in", "--direction chooses packets of an interface: it needs -i");
}
END_TEST

START_TEST(a_growing_file_is_followed_alone)
{
    accepts("table -r a --follow --every 5 --for 1m");
    ck_assert(options.follow);
    refuses("-i a --follow", "--follow is for files that grow: -i never ends anyway");
    refuses("-r a -r b --follow",
            "--follow reads one file, or those that match one pattern: -r 'trace*.pcap'");
    refuses("-r a --for 1m", "--for ends a live capture: it needs -i or --follow");
}
END_TEST

START_TEST(standard_output_is_not_for_packets)
{
    refuses("-r a -w -", "-w -: standard output has finwait's own lines");
    refuses("-r a --metrics -", "--metrics -: it replaces a file by another, again and again");
}
END_TEST

START_TEST(help_and_version_need_nothing_else)
{
    accepts("--help");
    ck_assert(options.help);
    accepts("show --help");
    ck_assert(options.help);
    ck_assert_str_eq(options.command->name, "show");
    accepts("--version -v");
    ck_assert(options.version);
    ck_assert_uint_eq(options.verbose, 1);
    accepts("-h table");
    ck_assert_str_eq(options.command->name, "table");
}
END_TEST

START_TEST(the_short_help_fits_a_terminal)
{
    struct out out;
    char path[] = "/tmp/finwait-help-XXXXXX", line[256];
    const int fd = mkstemp(path);
    unsigned lines = 0;
    FILE *file;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(out_init(&out, fd, 4096), 0);
    command_help_all(&out);
    out_finish(&out);
    file = fopen(path, "r");
    while (fgets(line, sizeof line, file)) {
        lines++;
        ck_assert_uint_le(strlen(line), 101);
    }
    fclose(file);
    remove(path);
    ck_assert_uint_ge(lines, 10);
    ck_assert_uint_le(lines, 25);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_default_command_reads_files_and_a_filter,
        options_may_stand_before_and_after_the_command,
        only_the_first_word_is_a_command,
        values_may_be_attached_or_apart,
        tcpdumps_letters_mean_what_they_mean_there,
        each_further_t_is_another_style_of_time,
        show_takes_a_connection_and_then_a_filter,
        explain_and_interfaces_need_no_input,
        without_input_there_is_a_usage_hint,
        compare_is_live_and_has_records_but_no_tables_of_others,
        privileges_are_words,
        a_file_is_played_at_a_speed,
        commands_of_later_versions_say_so,
        unknown_options_suggest_the_nearest,
        values_that_are_missing_or_wrong_are_named,
        what_cannot_stand_together_is_refused,
        several_interfaces_are_captured_on_at_once,
        a_growing_file_is_followed_alone,
        standard_output_is_not_for_packets,
        help_and_version_need_nothing_else,
        the_short_help_fits_a_terminal,
    };
    return UNIT_RUN("options", tests);
}
