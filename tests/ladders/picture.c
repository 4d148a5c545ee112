#include "picture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words of a line, taken one after the other. */
struct words {
    const struct picture_line *line;
    char *word[PICTURE_WORDS];
    size_t count, next;
};

static void complain(const struct picture_line *line, const char *what, const char *word)
{
    ck_abort_msg("ladder: %s \"%s\" in: %.*s", what, word, (int)line->source_bytes, line->source);
}

static const char *peek(const struct words *words)
{
    return words->next < words->count ? words->word[words->next] : "";
}

static const char *take(struct words *words)
{
    if (words->next == words->count)
        complain(words->line, "a word is missing after", words->word[words->count - 1]);
    return words->word[words->next++];
}

static bool takes(struct words *words, const char *word)
{
    const bool same = strcmp(peek(words), word) == 0;
    words->next += same;
    return same;
}

static int64_t take_number(struct words *words)
{
    const char *word = take(words);
    char *end;
    const long long number = strtoll(word, &end, 10);
    if (end == word || *end != '\0')
        complain(words->line, "not a number:", word);
    return number;
}

int64_t picture_duration(const char *word)
{
    char *unit;
    const double number = strtod(word, &unit);
    const double scale = strcmp(unit, "s") == 0    ? 1e9
                         : strcmp(unit, "ms") == 0 ? 1e6
                         : strcmp(unit, "us") == 0 ? 1e3
                                                   : 0;
    ck_assert_msg(scale != 0 && unit != word, "ladder: not a duration: %s", word);
    return (int64_t)(number * scale);
}

/* ------------------------------------------------------------------------------ segments -- */

static uint16_t read_flags(const struct words *words, const char *letters)
{
    static const char known[] = "FSRP.UEWe"; /* tcpdump's, by bit */
    uint16_t flags = 0;

    if (strcmp(letters, "none") == 0)
        return 0;
    for (; *letters != '\0'; letters++) {
        const char *letter = strchr(known, *letters);
        if (!letter)
            complain(words->line, "no such flag:", letters);
        flags |= (uint16_t)(1u << (letter - known));
    }
    return flags;
}

static struct picture_number take_position(struct words *words, uint32_t *payload_bytes)
{
    const char *word = take(words);
    const bool absolute = *word == '=';
    char *rest;
    const long long begin = strtoll(word + absolute, &rest, 10);
    long long end = begin;

    if (payload_bytes) {
        if (*rest != ':')
            complain(words->line, "not SEQ:END:", word);
        end = strtoll(rest + 1, &rest, 10);
        *payload_bytes = (uint32_t)(end - begin);
    }
    if (*rest != '\0' || end < begin)
        complain(words->line, "not a position:", word);
    return (struct picture_number){ begin, absolute };
}

static uint8_t read_icmp(const struct words *words, const char *name)
{
    for (unsigned icmp = FW_ICMP_NET_UNREACHABLE; icmp <= FW_ICMP_OTHER; icmp++)
        if (strcmp(fw_icmp_name((enum fw_icmp)icmp), name) == 0)
            return (uint8_t)icmp;
    complain(words->line, "no such ICMP error:", name);
    return 0;
}

/* Takes one option; false if the next word is none. */
static bool take_option(struct words *words, struct picture_line *line)
{
    struct fw_segment *segment = &line->segment;

    if (takes(words, "ack"))
        line->ack = take_position(words, NULL);
    else if (takes(words, "win"))
        segment->window_raw = (uint16_t)take_number(words);
    else if (takes(words, "vlan"))
        segment->scope.vlan = (uint16_t)take_number(words);
    else if (takes(words, "delay"))
        line->delay_ns = picture_duration(take(words));
    else if (takes(words, "badsum"))
        segment->checksum = FW_CHECKSUM_BAD;
    else if (takes(words, "fragmented"))
        segment->fragmented = true;
    else if (takes(words, "duplicate"))
        line->is_duplicate = true;
    else if (takes(words, "icmp"))
        segment->icmp = read_icmp(words, take(words));
    else if (takes(words, "ecr"))
        segment->ts_ecr = (uint32_t)take_number(words);
    else if (takes(words, "ts")) {
        segment->ts_val = (uint32_t)take_number(words);
        segment->options |= FW_OPT_TIMESTAMPS;
    } else if (takes(words, "mss")) {
        segment->mss = (uint16_t)take_number(words);
        segment->options |= FW_OPT_MSS;
    } else if (takes(words, "wscale")) {
        segment->window_scale = (uint8_t)take_number(words);
        segment->options |= FW_OPT_WINDOW_SCALE;
    } else if (takes(words, "cookie")) {
        segment->fast_open_bytes = (uint8_t)take_number(words);
        segment->options |= FW_OPT_FAST_OPEN;
    } else {
        return false;
    }
    return true;
}

static struct picture_state take_state(struct words *words)
{
    struct picture_state expected = { .given = true, .mark = ' ' };
    const char *word = take(words);
    size_t length = strlen(word);

    if (length > 1 && strchr("?~*", word[length - 1]))
        expected.mark = word[--length];
    expected.any = strcmp(word, "any") == 0;
    if (!expected.any && strcmp(word, "-") != 0 && !fw_state_parse(word, length, &expected.state))
        complain(words->line, "no such state:", word);
    expected.corrected = takes(words, "corrected");
    return expected;
}

static bool take_after(struct words *words, struct picture_line *line)
{
    if (takes(words, "A"))
        line->after[END_A] = take_state(words);
    else if (takes(words, "B"))
        line->after[END_B] = take_state(words);
    else if (takes(words, "note"))
        line->note = take(words);
    else if (takes(words, "cause"))
        line->cause = take(words);
    else if (takes(words, "silent"))
        line->silent = true;
    else
        return false;
    return true;
}

static void read_segment(struct words *words, struct picture_line *line)
{
    line->kind = LINE_SEGMENT;
    line->from = strcmp(take(words), "A") == 0 ? END_A : END_B;
    line->segment.window_raw = 65535;
    line->delay_ns = FW_MILLISECOND;
    if (!takes(words, ">"))
        complain(words->line, "> is missing at", peek(words));
    line->segment.flags = read_flags(words, take(words));
    line->seq = take_position(words, &line->segment.payload_bytes);
    line->ack = (struct picture_number){ .absolute = true };
    while (words->next < words->count)
        if (!take_option(words, line) && !take_after(words, line))
            complain(words->line, "unknown word", peek(words));
}

static struct picture_line *add_line(struct picture *picture, const struct picture_line *like)
{
    ck_assert_uint_lt(picture->line_count, PICTURE_LINES);
    struct picture_line *line = &picture->lines[picture->line_count++];
    *line = *like;
    return line;
}

/* SYN, SYN+ACK, ACK with the same options; a timestamp counts on. */
static void read_established(struct picture *picture, struct words *words,
                             struct picture_line *like)
{
    static const uint16_t flags[] = { FW_SYN, FW_SYN | FW_ACK, FW_ACK };
    static const enum fw_state states[][2] = { { FW_SYN_SENT, FW_UNKNOWN },
                                               { FW_SYN_SENT, FW_SYN_RECEIVED },
                                               { FW_ESTABLISHED, FW_ESTABLISHED } };
    like->kind = LINE_SEGMENT;
    like->prelude = true;
    like->segment.window_raw = 65535;
    like->delay_ns = FW_MILLISECOND;
    while (words->next < words->count)
        if (!take_option(words, like))
            complain(words->line, "unknown word", peek(words));
    for (int i = 0; i < 3; i++) {
        struct picture_line *line = add_line(picture, like);
        line->from = i == 1 ? END_B : END_A;
        line->segment.flags = flags[i];
        line->segment.ts_val += (uint32_t)i;
        line->seq = (struct picture_number){ .value = i == 2 };
        line->ack = (struct picture_number){ .value = i > 0, .absolute = i == 0 };
        if (!(flags[i] & FW_SYN))
            line->segment.options &= FW_OPT_TIMESTAMPS;
        for (int end = END_A; end <= END_B; end++)
            line->after[end] =
                (struct picture_state){ .given = true, .state = states[i][end], .mark = ' ' };
    }
}

/* --------------------------------------------------------------------------------- lines -- */

static void read_plain(struct words *words, struct picture_line *line, enum picture_kind kind)
{
    line->kind = kind;
    while (words->next < words->count)
        line->words[line->word_count++] = take(words);
}

static void read_line(struct picture *picture, struct words *words, struct picture_line *line)
{
    if (strcmp(peek(words), "A") == 0 || strcmp(peek(words), "B") == 0) {
        read_segment(words, line);
    } else if (takes(words, "established")) {
        read_established(picture, words, line);
        return;
    } else if (takes(words, "after")) {
        line->kind = LINE_AFTER;
        line->delay_ns = picture_duration(take(words));
        while (words->next < words->count)
            if (!take_after(words, line))
                complain(line, "unknown word", peek(words));
    } else if (takes(words, "with")) {
        read_plain(words, line, LINE_WITH);
    } else if (takes(words, "not")) {
        read_plain(words, line, LINE_NOT);
    } else if (takes(words, "record")) {
        read_plain(words, line, LINE_RECORD);
    } else if (takes(words, "count")) {
        read_plain(words, line, LINE_COUNT);
    } else {
        complain(line, "unknown line", peek(words));
    }
    add_line(picture, line);
}

/* Cuts a line into words, in place. */
static void split(char *text, struct words *words)
{
    for (;;) {
        text += strspn(text, " ");
        if (*text == '\0' || *text == '#')
            return;
        const char *stop = *text == '\'' ? "'" : " ";
        text += *text == '\'';
        ck_assert_uint_lt(words->count, PICTURE_WORDS);
        words->word[words->count++] = text;
        text += strcspn(text, stop);
        if (*text == '\0')
            return;
        *text++ = '\0';
    }
}

void picture_read(struct picture *picture, const char *text)
{
    memset(picture, 0, sizeof(*picture));
    ck_assert_uint_lt(strlen(text), sizeof(picture->copy));
    picture->text = text;
    strcpy(picture->copy, text);
    char *rest;
    for (char *copy = strtok_r(picture->copy, "\n", &rest); copy;
         copy = strtok_r(NULL, "\n", &rest)) {
        struct picture_line line = { .source = text + (copy - picture->copy),
                                     .source_bytes = strlen(copy) };
        struct words words = { .line = &line };
        split(copy, &words);
        if (words.count > 0)
            read_line(picture, &words, &line);
    }
}
