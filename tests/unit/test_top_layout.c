#include "top_layout.h"

#include "text.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static struct top_row rows[200];
static struct top_list list;
static struct top_widths widths;
static struct view_options options;
static struct top_play play;
static struct out out;
static char plain[1 << 20];

static const fw_time now = INT64_C(1706702400) * FW_SECOND; /* 2024-01-31T12:00:00Z */

static struct top_row *add(enum fw_state client, enum fw_state server, int64_t seconds)
{
    struct top_row *row = &rows[list.count++];

    *row = (struct top_row){
        .brief = { .identity = { .id = list.count,
                                 .client = { .addr = { 192, 168, 1, 10 },
                                             .port = (uint16_t)(50000 + list.count),
                                             .family = FW_IPV4 },
                                 .server = { .addr = { 10, 0, 0, 2 },
                                             .port = 8080,
                                             .family = FW_IPV4 } },
                   .client_since = now - seconds * FW_SECOND,
                   .server_since = now - seconds * FW_SECOND,
                   .last_time = now,
                   .bytes = { 18, 2200 },
                   .client_state = (uint8_t)client,
                   .server_state = (uint8_t)server,
                   .open = FW_OPEN_COMPLETE },
        .data_time = INT64_MIN,
        .over_since = now - seconds * FW_SECOND,
        .over = client == FW_CLOSED || client == FW_TIME_WAIT,
    };
    list.rows = rows;
    list.eligible = list.count;
    list.states[FW_CLIENT][client]++;
    list.states[FW_SERVER][server]++;
    list.concerns[top_concern_of(row, now)]++;
    list.connections += !row->over;
    return row;
}

static struct top_look start(unsigned width, unsigned height)
{
    memset(&list, 0, sizeof list);
    memset(&widths, 0, sizeof widths);
    list.now = now;
    options = (struct view_options){ .utf8 = true };
    play = (struct top_play){ .speed = 4 };
    return (struct top_look){
        .options = &options,
        .width = width,
        .height = height,
        .input = "eth0",
        .list = &list,
        .widths = &widths,
        .losses = { .known = true },
    };
}

/* An ordinary list: what failed, what is stuck, what is open, what has closed. */
static void fill(void)
{
    struct top_row *row = add(FW_CLOSED, FW_CLOSED, 2);

    row->brief.open = FW_OPEN_REFUSED;
    row->brief.outcome = OUTCOME_NEVER_OPENED;
    list.concerns[TOP_CLOSED]--;
    list.concerns[TOP_FAILED]++;
    add(FW_FIN_WAIT_2, FW_CLOSE_WAIT, 119)->brief.any_fin = true;
    add(FW_SYN_SENT, FW_UNKNOWN, 1);
    add(FW_ESTABLISHED, FW_ESTABLISHED, 3600);
    add(FW_TIME_WAIT, FW_CLOSED, 3)->brief.any_fin = true;
}

/* Without styles; spaces at the end of lines go, as they do on a screen. */
static const char *text_of(void)
{
    char *to = plain;

    for (size_t i = 0; i < out.used; i++) {
        if (out.block[i] == '\033') {
            while (out.block[i] != 'm')
                i++;
            continue;
        }
        while (out.block[i] == '\n' && to > plain && to[-1] == ' ')
            to--;
        *to++ = out.block[i];
    }
    *to = '\0';
    return plain;
}

static const char *draw(const struct top_look *look, int *selected)
{
    out.used = 0;
    const int line = top_layout_list(&out, look);
    if (selected)
        *selected = line;
    return text_of();
}

START_TEST(eighty_columns_say_it_all)
{
    struct top_look look = start(80, 24);
    int selected;

    fill();
    look.cursor = 1;
    look.side = FW_SERVER;
    ck_assert_str_eq(
        draw(&look, &selected),
        "finwait top  eth0  3 connections  1 failed  1 stuck    dropped 0  live  12:00:00\n"
        "        SYN_     SYN_  ESTAB   FIN_   FIN_ CLOSE_         LAST_ TIME_\n"
        "        SENT RECEIVED LISHED WAIT_1 WAIT_2   WAIT CLOSING   ACK  WAIT CLOSED   -\n"
        "client     1        ·      1      ·      1      ·       ·     ·     1      1   ·\n"
        "server     ·        ·      1      ·      ·      1       ·     ·     ·      2   1\n"
        "sort what is wrong first\n"
        "   CLIENT      SERVER            FOR  CLIENT ADDRESS      SERVER ADDRESS\n"
        " ! CLOSED      CLOSED          2.0 s  192.168.1.10:50001  10.0.0.2:8080\n"
        ">* FIN_WAIT_2  CLOSE_WAIT    119.0 s  192.168.1.10:50002  10.0.0.2:8080\n"
        "   SYN_SENT    -               1.0 s  192.168.1.10:50003  10.0.0.2:8080\n"
        "   ESTABLISHED ESTABLISHED  60.0 min  192.168.1.10:50004  10.0.0.2:8080\n"
        " . TIME_WAIT   CLOSED          3.0 s  192.168.1.10:50005  10.0.0.2:8080\n"
        "\n\n\n\n\n\n\n\n\n\n"
        "#2  for 119.0 s: the server has not closed   18 B up, 2.2 kB down   server: the\n"
        "q quit  ? help  / filter  s sort  enter show  d diagnose  e explain  w save\n");
    ck_assert_int_eq(selected, 8);
}
END_TEST

START_TEST(twenty_columns_and_five_lines_are_enough)
{
    struct top_look look = start(20, 5);

    fill();
    ck_assert_str_eq(draw(&look, NULL), "3 conns    dropped 0\n"
                                        ">! CLOSED    CLOSED\n"
                                        " * FIN_WAIT2 CLOSEWA\n"
                                        "   SYN_SENT  -\n"
                                        "q quit  ? help\n");
}
END_TEST

START_TEST(wide_screens_have_names_whole_and_reasons)
{
    struct top_look look = start(150, 16);
    const char *text;

    fill();
    text = draw(&look, NULL);
    ck_assert_ptr_nonnull(strstr(text, " SYN_SENT SYN_RECEIVED ESTABLISHED FIN_WAIT_1 "));
    ck_assert_ptr_nonnull(strstr(text, "2.2 kB        #2  the server has not closed\n"));
    ck_assert_ptr_nonnull(strstr(text, "refused\n"));
}
END_TEST

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* Every size: as many lines as the screen has, none wider. */
static void check_size(struct top_look *look, unsigned width, unsigned height)
{
    unsigned lines = 0;

    look->width = width;
    look->height = height;
    widths = (struct top_widths){ 0 };
    const char *text = draw(look, NULL);
    ck_assert(options.utf8 || is_ascii(text));
    for (const char *at = text; *at; lines++) {
        const size_t length = strcspn(at, "\n");
        ck_assert_msg(text_columns(at, length) <= width, "%ux%u: %.*s", width, height, (int)length,
                      at);
        at += length + 1;
    }
    ck_assert_msg(lines == height, "%ux%u: %u lines", width, height, lines);
}

static void check_sizes(struct top_look *look)
{
    for (unsigned width = TOP_LEAST_WIDTH; width <= 300; width++)
        for (unsigned height = TOP_LEAST_HEIGHT; height <= 100; height += height < 30 ? 1 : 13)
            check_size(look, width, height);
}

START_TEST(every_size_is_filled_and_none_is_exceeded)
{
    struct top_look look = start(80, 24);

    fill();
    for (unsigned i = 0; i < 100; i++) {
        struct top_row *row = add(FW_ESTABLISHED, FW_SYN_RECEIVED, i);
        memcpy(row->brief.identity.client.addr, "\x20\x01\x0d\xb8\xff\xff\xff\xff\xff\xff\xff", 11);
        row->brief.identity.client.addr[15] = (uint8_t)i;
        row->brief.identity.client.family = FW_IPV6;
        row->brief.client_inferred = true;
    }
    list.states[FW_CLIENT][FW_ESTABLISHED] = 123456789;
    list.connections = UINT64_MAX;
    look.cursor = 3;
    check_sizes(&look);
    options.utf8 = false;
    look.filter = "state established and dst 10.0.0.0/8 and not sport = :50000";
    look.history = look.closed = look.reversed = look.paused = true;
    look.losses = (struct top_losses){ .known = true, .kernel = 100000, .interface = 1 };
    look.evicted = 7;
    check_sizes(&look);
    look.play = &play;
    look.typed = look.filter;
    look.typed_cursor = strlen(look.typed);
    look.typed_error = "\"stat\": unknown word; did you mean state?";
    look.typed_column = 7;
    check_sizes(&look);
    list.count = list.eligible = 0;
    check_sizes(&look);
}
END_TEST

START_TEST(addresses_keep_network_and_port_where_they_are_cut)
{
    struct top_look look = start(60, 8);
    struct top_row *row;

    row = add(FW_ESTABLISHED, FW_ESTABLISHED, 1);
    memcpy(row->brief.identity.server.addr, "\x20\x01\x0d\xb8\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12",
           13);
    row->brief.identity.server.family = FW_IPV6;
    row->brief.identity.server.port = 443;
    const char *text = draw(&look, NULL);
    ck_assert_ptr_nonnull(strstr(text, "[2001:"));
    ck_assert_ptr_nonnull(strstr(text, "]:443"));
}
END_TEST

START_TEST(drops_and_a_pause_are_always_seen)
{
    for (unsigned width = 26; width <= 120; width += 7) {
        struct top_look look = start(width, 10);
        fill();
        look.losses = (struct top_losses){ .known = true, .kernel = 12345 };
        ck_assert_ptr_nonnull(strstr(draw(&look, NULL), "DROPPED 12345"));
        if (width < 40)
            continue;
        look.paused = true;
        ck_assert_ptr_nonnull(strstr(draw(&look, NULL), "PAUSED"));
    }
}
END_TEST

START_TEST(a_filter_that_is_wrong_says_where)
{
    struct top_look look = start(80, 24);

    fill();
    look.typed = "state close-wait amd";
    look.typed_cursor = 20;
    look.typed_column = 18;
    look.typed_error = "\"amd\": unknown word; did you mean and?";
    const char *text = draw(&look, NULL);
    ck_assert_ptr_nonnull(strstr(
        text, "\ncolumn 18: \"amd\": unknown word; did you mean and?\n/state close-wait amd\n"));
    ck_assert_uint_eq(top_layout_cursor(&look), 21);
    ck_assert_ptr_nonnull(strstr(out.block, "/\033[0mstate close-wait \033[31mamd\033[0m"));
    look.width = 20; /* the end of what is typed stays in sight */
    draw(&look, NULL);
    ck_assert_uint_eq(top_layout_cursor(&look), 19);
    ck_assert_ptr_nonnull(strstr(plain, "\ntate close-wait amd\n"));
}
END_TEST

START_TEST(a_page_shows_the_part_that_was_scrolled_to)
{
    const char text[] = "one\n\033[1mtwo\033[0m and more\nthree\nfour\nfive\n";
    struct top_page page = { .title = "#2",
                             .text = text,
                             .length = strlen(text),
                             .lines = 5,
                             .first = 1,
                             .keys = "q back" };

    out.used = 0;
    top_layout_page(&out, &page, 22, 6, true);
    ck_assert_str_eq(text_of(), "#2\n"
                                "──────────────────────\n"
                                "two and more\nthree\nfour\n"
                                "q back        2-4 of 5\n");
    out.used = 0;
    page.skip = 4;
    top_layout_page(&out, &page, 22, 6, false);
    ck_assert_str_eq(text_of(), "#2\n"
                                "----------------------\n"
                                "and more\ne\n\n"
                                "q back        2-4 of 5\n");
}
END_TEST

START_TEST(a_terminal_that_is_too_small_says_so)
{
    out.used = 0;
    top_layout_small(&out, 12, 4);
    ck_assert_str_eq(text_of(), "terminal too\n small: 12x4\n, 20x5 is ne\neded; q quit\n");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        eighty_columns_say_it_all,
        twenty_columns_and_five_lines_are_enough,
        wide_screens_have_names_whole_and_reasons,
        every_size_is_filled_and_none_is_exceeded,
        addresses_keep_network_and_port_where_they_are_cut,
        drops_and_a_pause_are_always_seen,
        a_filter_that_is_wrong_says_where,
        a_page_shows_the_part_that_was_scrolled_to,
        a_terminal_that_is_too_small_says_so,
    };
    if (out_init(&out, -1, 0) < 0)
        return EXIT_FAILURE;
    const int status = UNIT_RUN("top_layout", tests);
    out_finish(&out);
    return status;
}
