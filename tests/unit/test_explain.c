#include "explain.h"

#include "unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char text[1 << 14];

static const char *explain(int state, struct explain_options options)
{
    struct out out;
    ck_assert_int_eq(out_init(&out, memfd_create("explain", 0), 0), 0);
    if (state < 0)
        explain_all(&out, &options);
    else
        explain_state(&out, &options, (enum fw_state)state);
    out_flush(&out);
    const ssize_t length = pread(out.fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    close(out.fd);
    out_finish(&out);
    return text;
}

static void check_fits(const char *name)
{
    size_t columns = 0, lines = 0;
    for (const char *c = text; *c; c++) {
        columns = *c == '\n' ? 0 : columns + ((*c & 0xc0) != 0x80);
        lines += *c == '\n';
        ck_assert_msg(columns < 80, "%s: line %zu", name, lines + 1);
    }
    ck_assert_msg(lines < 24, "%s", name);
}

START_TEST(all_eleven_states_are_explained_in_full)
{
    unsigned seen = 0;
    for (const struct explanation *row = explanations; row->line; row++) {
        const char *const parts[] = { row->line, row->meaning, row->waits,  row->entered, row->left,
                                      row->wire, row->look,    row->normal, row->note };
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            ck_assert_msg(parts[i] && parts[i][0], "%s: part %zu",
                          fw_state_name(row->state, FW_NAMES_RFC), i);
        seen |= 1u << row->state;
    }
    ck_assert_uint_eq(seen, (1u << FW_STATE_COUNT) - 2); /* all but UNKNOWN */
}
END_TEST

START_TEST(each_explanation_fits_a_screen)
{
    for (int state = FW_CLOSED; state < FW_STATE_COUNT; state++) {
        explain(state, (struct explain_options){ .width = 80, .utf8 = true });
        ck_assert_ptr_nonnull(strstr(text, "\n1996 note  "));
        check_fits(fw_state_name((enum fw_state)state, FW_NAMES_RFC));
    }
}
END_TEST

START_TEST(the_list_of_all_fits_a_screen)
{
    for (int names = FW_NAMES_RFC; names <= FW_NAMES_NETSTAT; names++) {
        explain(-1, (struct explain_options){ .names = (enum fw_names)names, .utf8 = names % 2 });
        for (int state = FW_CLOSED; state < FW_STATE_COUNT; state++)
            ck_assert_ptr_nonnull(
                strstr(text, fw_state_name((enum fw_state)state, (enum fw_names)names)));
        check_fits("all");
    }
}
END_TEST

START_TEST(other_spellings_are_named)
{
    explain(FW_TIME_WAIT, (struct explain_options){ .width = 80 });
    ck_assert_ptr_eq(strstr(text, "TIME_WAIT   (ss: TIME-WAIT, KB Q137984: TIMED_WAIT)\n"), text);
    explain(FW_TIME_WAIT, (struct explain_options){ .width = 80, .names = FW_NAMES_KB });
    ck_assert_ptr_eq(
        strstr(text, "TIMED_WAIT   (RFC 9293: TIME_WAIT, ss: TIME-WAIT, netstat: TIME_WAIT)\n"),
        text);
}
END_TEST

START_TEST(lines_break_between_words_at_any_width)
{
    for (unsigned width = 60; width < 200; width += 7)
        for (int state = FW_CLOSED; state < FW_STATE_COUNT; state++) {
            explain(state, (struct explain_options){ .width = width });
            ck_assert_ptr_null(strstr(text, " \n"));
        }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        all_eleven_states_are_explained_in_full, each_explanation_fits_a_screen,
        the_list_of_all_fits_a_screen,           other_spellings_are_named,
        lines_break_between_words_at_any_width,
    };
    return UNIT_RUN("explain", tests);
}
