#include "run.h"

#include "packet_builder.h"
#include "pipeline.h"
#include "select.h"
#include "unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------- a source that does what a test tells it --
 */

enum { SCRIPT_MAX = 1200, PACKET_MAX = 1100 };

/* What the source says next: so many packets, nothing at the moment, or a fault. */
struct script_step {
    int packets;
    const char *fault; /* text; kept from then on */
    enum source_fault_kind kind;
};

struct script {
    struct source source;
    struct packet packets[SCRIPT_MAX];
    fw_time times[SCRIPT_MAX];
    size_t packet_count, lent;
    struct script_step steps[SCRIPT_MAX];
    size_t step_count, step;
    struct source_fault faults[8];
    size_t fault_count;
    uint64_t dropped, filtered;
    int largest_batch;
};

static struct script script;

static int script_next(struct source *source, struct fw_packet *packets, int max)
{
    (void)source;
    if (script.step == script.step_count)
        return SOURCE_END;
    struct script_step *step = &script.steps[script.step];
    if (step->fault) {
        struct source_fault *fault = &script.faults[script.fault_count++];

        fault->kind = step->kind;
        snprintf(fault->text, sizeof fault->text, "%s", step->fault);
        script.step++;
        return script_next(source, packets, max);
    }
    if (step->packets == 0) {
        script.step++;
        return SOURCE_AGAIN;
    }
    const int count = step->packets < max ? step->packets : max;
    for (int i = 0; i < count; i++) {
        packets[i] = packet_view(&script.packets[script.lent]);
        packets[i].time = script.times[script.lent];
        packets[i].frame = ++script.lent;
    }
    step->packets -= count;
    script.step += step->packets == 0;
    if (count > script.largest_batch)
        script.largest_batch = count;
    return count;
}

static bool script_fault(struct source *source, size_t index, struct source_fault *fault)
{
    (void)source;
    if (index >= script.fault_count)
        return false;
    *fault = script.faults[index];
    return true;
}

static void script_stats(struct source *source, struct source_stats *stats)
{
    (void)source;
    *stats = (struct source_stats){
        .packets = script.lent,
        .dropped_kernel = script.dropped,
        .filtered = script.filtered,
    };
}

static bool script_device(struct source *source, size_t index, struct source_device *device)
{
    (void)source;
    *device = (struct source_device){ .name = "eth7", .dropped_kernel = script.dropped };
    return index == 0;
}

static const struct source_ops script_ops = {
    .next = script_next,
    .fault = script_fault,
    .stats = script_stats,
    .device = script_device,
};

static struct packet *add(double seconds, uint16_t link_type)
{
    struct packet *packet = &script.packets[script.packet_count];

    script.times[script.packet_count++] = (fw_time)(seconds * 1e9) + 1700000000 * FW_SECOND;
    packet_start(packet, link_type);
    return packet;
}

static void add_tcp(double seconds, bool from_client, uint16_t client_port, uint32_t seq,
                    uint32_t ack, uint16_t flags)
{
    struct packet *packet = add(seconds, LINK_IPV4);
    const uint16_t server_port = 80;

    packet_ipv4(packet, from_client ? "10.0.0.1" : "10.0.0.2",
                from_client ? "10.0.0.2" : "10.0.0.1");
    packet_tcp(packet, &(struct tcp){
                           .from = from_client ? client_port : server_port,
                           .to = from_client ? server_port : client_port,
                           .seq = seq,
                           .ack = ack,
                           .flags = flags,
                           .window = 1000,
                       });
    packet_finish(packet);
}

static void add_udp(double seconds)
{
    struct packet *packet = add(seconds, LINK_IPV4);

    packet_ipv4(packet, "10.0.0.1", "10.0.0.2");
    packet_udp(packet, 5000, 5001);
    packet_bytes(packet, NULL, 8);
    packet_finish(packet);
}

/* A link type that is not decoded: USB. */
static void add_usb(double seconds)
{
    struct packet *packet = add(seconds, 189);

    packet_bytes(packet, NULL, 40);
    packet_finish(packet);
}

static void add_handshake(double seconds, uint16_t port)
{
    add_tcp(seconds, true, port, 100, 0, FW_SYN);
    add_tcp(seconds + 0.01, false, port, 500, 101, FW_SYN | FW_ACK);
    add_tcp(seconds + 0.02, true, port, 101, 501, FW_ACK);
}

/* The client closes, the server does not. */
static void add_leak(double seconds, uint16_t port)
{
    add_handshake(seconds, port);
    add_tcp(seconds + 1, true, port, 101, 501, FW_FIN | FW_ACK);
    add_tcp(seconds + 1.5, false, port, 501, 102, FW_ACK);
}

static void play(int packets)
{
    script.steps[script.step_count++] = (struct script_step){ .packets = packets };
}

static void play_all(void)
{
    int played = 0;

    for (size_t i = 0; i < script.step_count; i++)
        played += script.steps[i].packets;
    play((int)script.packet_count - played);
}

static void play_fault(enum source_fault_kind kind, const char *text)
{
    script.steps[script.step_count++] = (struct script_step){ .fault = text, .kind = kind };
}

/* -------------------------------------------------------- a view that writes down what it hears */

static char heard[8192];
static struct out out;
static uint64_t most_summary_packets;

struct view {
    const struct view_options *options;
};

static struct view view;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
    const size_t used = strlen(heard);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(heard + used, sizeof heard - used, format, arguments);
    va_end(arguments);
}

static struct view *hear_create(const struct view_options *options, struct out *to)
{
    (void)to;
    view.options = options;
    return &view;
}

static void hear_step(void *context, const struct fw_step *step)
{
    ck_assert_ptr_eq(context, &view);
    ck_assert_int_eq(view.options->first_time, script.times[0]);
    note("%llu:%s/%s ", (unsigned long long)step->frame,
         fw_state_name(step->client_state, FW_NAMES_RFC),
         fw_state_name(step->server_state, FW_NAMES_RFC));
}

static void hear_end(void *context, const struct fw_connection *connection)
{
    ck_assert_ptr_eq(context, &view);
    note("end#%llu ", (unsigned long long)connection->identity.id);
}

static void hear_finish(struct view *of, const struct summary *summary)
{
    ck_assert_ptr_eq(of, &view);
    most_summary_packets = summary->packets;
    note("finish(%s) ", summary->why_ended);
}

static void hear_tick(struct view *of, fw_time now)
{
    (void)of;
    (void)now;
    note("tick ");
}

static void hear_destroy(struct view *of)
{
    (void)of;
}

static const struct view_ops hear = {
    .name = "hear",
    .create = hear_create,
    .hooks = { .step = hear_step, .end = hear_end },
    .tick = hear_tick,
    .finish = hear_finish,
    .destroy = hear_destroy,
};

/* ------------------------------------------------------------------------------------- a run -- */

static char complained[2048];
static fw_time clock_now;
static struct view_options view_options;
static unsigned threads; /* every test is run with one and with two */
static struct run_result result;
static const char *const inputs[] = { "trace.pcap" };

static void remember(void *context, const char *text, const char *hint)
{
    const size_t used = strlen(complained);

    (void)context;
    snprintf(complained + used, sizeof complained - used, "%s\n%s%s", text, hint ? hint : "",
             hint && *hint ? "\n" : "");
}

/* Each time it is asked, ten seconds have passed. */
static fw_time fake_now(void *context)
{
    (void)context;
    clock_now += 10 * FW_SECOND;
    return clock_now;
}

static struct run run_of_script(void)
{
    struct run run = {
        .source = &script.source,
        .inputs = inputs,
        .input_count = 1,
        .threads = threads,
        .view = &hear,
        .view_options = &view_options,
        .out = &out,
        .complain = remember,
        .now = fake_now,
    };

    fw_tracker_defaults(&run.tracker);
    return run;
}

static void begin(void)
{
    memset(&script, 0, sizeof script);
    script.source.ops = &script_ops;
    memset(&view_options, 0, sizeof view_options);
    heard[0] = complained[0] = '\0';
    if (!out.block)
        ck_assert_int_eq(out_init(&out, STDERR_FILENO, 65536), 0);
    out.closed = false;
}

static void run_all(void)
{
    const struct run run = run_of_script();

    play_all();
    ck_assert_int_eq(run_loop(&run, &result), 0);
}

START_TEST(the_view_hears_of_each_step_each_end_and_the_summary)
{
    begin();
    add_leak(0, 1001);
    run_all();
    ck_assert_str_eq(heard, "1:SYN_SENT/UNKNOWN 2:SYN_SENT/SYN_RECEIVED 3:ESTABLISHED/ESTABLISHED "
                            "4:FIN_WAIT_1/ESTABLISHED 5:FIN_WAIT_2/CLOSE_WAIT end#1 "
                            "finish(end of input) ");
    ck_assert_str_eq(complained, "");
    ck_assert(!result.partial);
    ck_assert(!result.unreadable);
}
END_TEST

START_TEST(the_summary_counts_packets_verdicts_outcomes_and_times)
{
    const struct summary *summary = &result.summary;

    begin();
    add_leak(0, 1001);
    add_handshake(2, 1002);
    add_udp(3);
    add_leak(4, 1003);
    add_udp(100);
    run_all();
    ck_assert_uint_eq(summary->packets, 15);
    ck_assert_uint_eq(summary->verdicts[FW_VERDICT_SEGMENT], 13);
    ck_assert_uint_eq(summary->verdicts[FW_VERDICT_NOT_TCP], 2);
    ck_assert_int_eq(summary->first_time, script.times[0]);
    ck_assert_int_eq(summary->last_time, script.times[14]);
    ck_assert_uint_eq(summary->outcomes[OUTCOME_HALF_CLOSED], 2);
    ck_assert_uint_eq(summary->outcomes[OUTCOME_OPEN], 1);
    /* the older leak: since its FIN was acknowledged at 1.5 s, until the last packet */
    ck_assert_uint_eq(summary->half_closed_id, 1);
    ck_assert_int_eq(summary->half_closed_ns, 98500 * FW_MILLISECOND);
}
END_TEST

START_TEST(only_selected_connections_count_as_outcomes)
{
    char error[128];
    struct selection *selection = selection_parse("sport = :1002", error, sizeof error);

    begin();
    add_leak(0, 1001);
    add_handshake(2, 1002);
    view_options.selection = selection;
    run_all();
    ck_assert_uint_eq(result.summary.outcomes[OUTCOME_HALF_CLOSED], 0);
    ck_assert_uint_eq(result.summary.outcomes[OUTCOME_OPEN], 1);
    ck_assert_uint_eq(result.summary.half_closed_id, 0);
    ck_assert_ptr_nonnull(strstr(heard, "end#1 end#2")); /* the view matches for itself */
    selection_destroy(selection);
}
END_TEST

START_TEST(packets_come_in_batches)
{
    begin();
    for (int i = 0; i < PACKET_MAX; i++)
        add_tcp(i, i % 2 == 0, 1001, 100, 100, FW_ACK);
    run_all();
    ck_assert_uint_eq(result.summary.packets, PACKET_MAX);
    ck_assert_uint_eq(most_summary_packets, PACKET_MAX);
    ck_assert_int_eq(script.largest_batch, PIPELINE_BATCH);
}
END_TEST

START_TEST(an_input_without_packets_says_so)
{
    begin();
    run_all();
    ck_assert_str_eq(complained, "trace.pcap: no packet in it\n");
    ck_assert(result.partial);
    begin();
    script.filtered = 12;
    run_all();
    ck_assert_str_eq(complained, "trace.pcap: none of the 12 packets matches the filter\n");
    ck_assert(result.partial);
}
END_TEST

START_TEST(an_input_without_tcp_says_what_it_has)
{
    begin();
    add_udp(0);
    add_udp(1);
    run_all();
    ck_assert_str_eq(complained, "trace.pcap: no TCP in it; 2 packets: 2 of another protocol\n");
    ck_assert(result.partial);
}
END_TEST

START_TEST(link_types_that_are_not_decoded_are_named)
{
    begin();
    add_handshake(0, 1001);
    add_usb(1);
    add_usb(2);
    run_all();
    ck_assert_str_eq(complained,
                     "trace.pcap: interface 0 has link type 189 (USB): skipped 2 packets; "
                     "3 raw IPv4 packets used\n");
    ck_assert(result.partial);
    begin();
    add_usb(1);
    run_all();
    ck_assert_str_eq(complained,
                     "trace.pcap: link type 189 (USB) is not decoded: skipped 1 packet; "
                     "there is no other in it\n");
}
END_TEST

START_TEST(faults_are_told_when_they_occur_and_nothing_before_is_lost)
{
    begin();
    add_handshake(0, 1001);
    play(2);
    play_fault(SOURCE_FAULT_NOTICE, "a notice");
    play(1);
    play_fault(SOURCE_FAULT_PARTIAL, "cut short");
    run_all();
    ck_assert_str_eq(complained, "a notice\ncut short\n");
    ck_assert(result.partial);
    ck_assert(!result.unreadable);
    ck_assert_ptr_nonnull(strstr(heard, "3:ESTABLISHED/ESTABLISHED end#1 finish(damaged)"));
}
END_TEST

START_TEST(a_notice_does_not_make_a_run_partial)
{
    begin();
    add_handshake(0, 1001);
    play_all();
    play_fault(SOURCE_FAULT_NOTICE, "a notice");
    run_all();
    ck_assert(!result.partial);
}
END_TEST

START_TEST(drops_make_a_run_partial)
{
    begin();
    add_handshake(0, 1001);
    script.dropped = 5;
    run_all();
    ck_assert(result.partial);
    ck_assert_ptr_nonnull(strstr(complained, "eth7: 5 packets dropped by the kernel"));
}
END_TEST

START_TEST(evictions_make_a_run_partial)
{
    struct run run = run_of_script();

    begin();
    for (uint16_t i = 0; i < 50; i++)
        add_tcp(i, true, 2000 + i, 100, 0, FW_SYN);
    play_all();
    run.tracker.max_connections = 10;
    ck_assert_int_eq(run_loop(&run, &result), 0);
    ck_assert(result.partial);
    ck_assert_ptr_nonnull(strstr(complained, "connections were evicted"));
}
END_TEST

START_TEST(one_direction_only_is_worth_a_line)
{
    begin();
    add_tcp(0, true, 1001, 100, 0, FW_SYN);
    add_tcp(1, true, 1001, 101, 501, FW_ACK);
    add_tcp(2, true, 1001, 101, 501, FW_FIN | FW_ACK);
    run_all();
    ck_assert_ptr_nonnull(strstr(complained, "one direction only"));
    ck_assert(!result.partial);
    begin();
    add_tcp(0, true, 1001, 100, 0, FW_SYN); /* nobody answered: that is another story */
    run_all();
    ck_assert_str_eq(complained, "");
}
END_TEST

START_TEST(a_reader_that_has_gone_ends_the_run)
{
    begin();
    add_handshake(0, 1001);
    out.closed = true;
    run_all();
    ck_assert_uint_eq(result.summary.packets, 0);
    ck_assert_str_eq(complained, "");
}
END_TEST

START_TEST(an_idle_interface_lets_time_pass)
{
    struct run run = run_of_script();

    begin();
    add_tcp(0, true, 1001, 100, 0, FW_SYN);
    play(1);
    for (int i = 0; i < 20; i++)
        play(0);
    clock_now = script.times[0];
    run.live = true;
    ck_assert_int_eq(run_loop(&run, &result), 0);
    /* 75 s after the SYN the clock of an idle interface ends the attempt */
    ck_assert_ptr_nonnull(strstr(heard, "0:CLOSED/UNKNOWN"));
    ck_assert_ptr_nonnull(strstr(heard, "tick"));
}
END_TEST

START_TEST(the_table_of_an_interface_is_made_anew_each_time)
{
    struct run run = run_of_script();

    begin();
    add_handshake(0, 1001);
    add_handshake(1, 1002);
    play(3);
    play(0);
    play(3);
    play(0);
    clock_now = script.times[0];
    run.live = true;
    run.every_ns = 10 * FW_SECOND;
    ck_assert_int_eq(run_loop(&run, &result), 0);
    ck_assert_str_eq(heard,
                     "end#1 finish(end of input) end#1 end#2 finish(end of input) end#1 end#2 "
                     "finish(end of input) end#1 end#2 finish(end of input) ");
    ck_assert_uint_eq(result.summary.outcomes[OUTCOME_OPEN], 2);
}
END_TEST

START_TEST(a_view_of_connections_hears_of_no_step)
{
    struct run run = run_of_script();

    begin();
    add_handshake(0, 1001);
    play_all();
    run.connections_only = true;
    ck_assert_int_eq(run_loop(&run, &result), 0);
    ck_assert_str_eq(heard, "end#1 finish(end of input) ");
}
END_TEST

START_TEST(the_summary_says_that_so_many_packets_were_asked_for)
{
    struct run run = run_of_script();

    begin();
    add_handshake(0, 1001);
    play_all();
    run.max_packets = 3;
    ck_assert_int_eq(run_loop(&run, &result), 0);
    ck_assert_ptr_nonnull(strstr(heard, "finish(-c)"));
    ck_assert(!result.partial);
}
END_TEST

/* The last one: an interrupt holds for the whole process. */
START_TEST(an_interrupt_ends_the_run_with_its_summary)
{
    begin();
    add_handshake(0, 1001);
    run_interrupt();
    run_all();
    ck_assert_ptr_nonnull(strstr(heard, "finish(interrupted)"));
    ck_assert_uint_eq(result.summary.packets, 3); /* what was there is still told */
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_view_hears_of_each_step_each_end_and_the_summary,
        the_summary_counts_packets_verdicts_outcomes_and_times,
        only_selected_connections_count_as_outcomes,
        packets_come_in_batches,
        an_input_without_packets_says_so,
        an_input_without_tcp_says_what_it_has,
        link_types_that_are_not_decoded_are_named,
        faults_are_told_when_they_occur_and_nothing_before_is_lost,
        a_notice_does_not_make_a_run_partial,
        drops_make_a_run_partial,
        evictions_make_a_run_partial,
        one_direction_only_is_worth_a_line,
        a_reader_that_has_gone_ends_the_run,
        an_idle_interface_lets_time_pass,
        the_table_of_an_interface_is_made_anew_each_time,
        a_view_of_connections_hears_of_no_step,
        the_summary_says_that_so_many_packets_were_asked_for,
    };
    const TTest *const last[] = { an_interrupt_ends_the_run_with_its_summary };
    int status = 0;

    for (threads = 1; threads <= 2; threads++)
        status |= UNIT_RUN("run", tests);
    status |= UNIT_RUN("run", last);
    out_finish(&out);
    return status;
}
