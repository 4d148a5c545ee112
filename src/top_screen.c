#include "top_screen.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

enum { ESCAPE_WAIT_MS = 25 };

enum { PAIR_RED = 1, PAIR_YELLOW, PAIR_GREEN, PAIR_DIM };

struct top_screen {
    SCREEN *screen;
    FILE *in, *out;
    int in_fd;
    bool open, color;
    attr_t dim;
};

/* For who ends us, or stops us, from outside. */
static struct termios before;
static int terminal = -1;
static volatile sig_atomic_t continued;

/* ------------------------------------------------------------------------------- rough endings --
 */

static const int fatal[] = { SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

/* What may be done in a handler: the modes of the line, the cursor, the screen as it was. */
static void on_fatal(int number)
{
    static const char leave[] = "\033[?1049l\033[?25h\033[0m\r\n";

    if (terminal >= 0) {
        tcsetattr(terminal, TCSANOW, &before);
        if (write(terminal, leave, sizeof leave - 1) < 0)
            terminal = -1;
    }
    raise(number); /* the handler is gone by now: SA_RESETHAND */
}

static void on_continue(int number)
{
    (void)number;
    continued = 1;
}

void top_screen_end_at(int signal)
{
    struct sigaction action = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND };

    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

static void watch_signals(void)
{
    struct sigaction action;

    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        top_screen_end_at(fatal[i]);
    action = (struct sigaction){ .sa_handler = on_continue, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(SIGCONT, &action, NULL);
}

static void forget_signals(void)
{
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        signal(fatal[i], SIG_DFL);
    signal(SIGCONT, SIG_DFL);
}

/* ---------------------------------------------------------------------------------------- open --
 */

/* Whether the terminal can do what we need, before it is touched. */
static bool is_able(int out, const char **why, const char **hint)
{
    int error = 0;

    *hint = "finwait table --every 2 shows the same as lines";
    if (setupterm(NULL, out, &error) != OK) {
        *why = "TERM is not set, or names a terminal that is not known here";
        *hint = "try: TERM=xterm finwait top ..., or TERM=vt100";
        return false;
    }
    const char *move_to = tigetstr("cup");
    const bool able = move_to && move_to != (char *)-1;
    del_curterm(cur_term);
    if (!able)
        *why = "this terminal (TERM) cannot put text where it is wanted";
    return able;
}

static void set_colors(struct top_screen *screen)
{
    screen->dim = A_DIM;
    if (!screen->color || !has_colors()) {
        screen->color = false;
        return;
    }
    start_color();
    use_default_colors();
    init_pair(PAIR_RED, COLOR_RED, -1);
    init_pair(PAIR_YELLOW, COLOR_YELLOW, -1);
    init_pair(PAIR_GREEN, COLOR_GREEN, -1);
    if (COLORS >= 256) { /* a grey that is seen on black and on white; few terminals have A_DIM */
        init_pair(PAIR_DIM, 244, -1);
        screen->dim = (attr_t)COLOR_PAIR(PAIR_DIM);
    }
}

/* A copy, so that closing the stream leaves the descriptor alone. */
static FILE *stream_of(int fd, const char *mode)
{
    const int copy = dup(fd);
    FILE *stream = copy >= 0 ? fdopen(copy, mode) : NULL;

    if (!stream && copy >= 0)
        close(copy);
    return stream;
}

/* Terminals send these whatever TERM says. */
static void know_keys(void)
{
    static const struct {
        const char *sent;
        int key;
    } rows[] = {
        { "\033[A", KEY_UP },     { "\033OA", KEY_UP },    { "\033[B", KEY_DOWN },
        { "\033OB", KEY_DOWN },   { "\033[C", KEY_RIGHT }, { "\033OC", KEY_RIGHT },
        { "\033[D", KEY_LEFT },   { "\033OD", KEY_LEFT },  { "\033[H", KEY_HOME },
        { "\033OH", KEY_HOME },   { "\033[1~", KEY_HOME }, { "\033[F", KEY_END },
        { "\033OF", KEY_END },    { "\033[4~", KEY_END },  { "\033[5~", KEY_PPAGE },
        { "\033[6~", KEY_NPAGE },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (key_defined(rows[i].sent) <= 0)
            define_key(rows[i].sent, rows[i].key);
}

static bool take_over(struct top_screen *screen, int out)
{
    if (tcgetattr(out, &before) == 0)
        terminal = out;
    screen->screen = newterm(NULL, screen->out, screen->in);
    if (!screen->screen)
        return false;
    screen->open = true;
    cbreak();
    noecho();
    nonl();
    set_escdelay(ESCAPE_WAIT_MS);
    keypad(stdscr, TRUE);
    know_keys();
    nodelay(stdscr, TRUE);
    intrflush(stdscr, FALSE);
    curs_set(0);
    set_colors(screen);
    watch_signals();
    return true;
}

struct top_screen *top_screen_open(int in, int out, bool color, const char **why, const char **hint)
{
    struct top_screen *screen;

    if (!is_able(out, why, hint))
        return NULL;
    *why = "the terminal cannot be used";
    screen = calloc(1, sizeof *screen);
    if (!screen)
        return NULL;
    screen->color = color;
    screen->in_fd = in;
    screen->in = stream_of(in, "r");
    screen->out = stream_of(out, "w");
    if (screen->in && screen->out && take_over(screen, out))
        return screen;
    top_screen_destroy(screen);
    return NULL;
}

void top_screen_close(struct top_screen *screen)
{
    if (!screen || !screen->open)
        return;
    screen->open = false;
    forget_signals();
    curs_set(1);
    endwin();
    terminal = -1;
}

void top_screen_destroy(struct top_screen *screen)
{
    if (!screen)
        return;
    top_screen_close(screen);
    if (screen->screen)
        delscreen(screen->screen);
    if (screen->in)
        fclose(screen->in);
    if (screen->out)
        fclose(screen->out);
    free(screen);
}

bool top_screen_is_open(const struct top_screen *screen)
{
    return screen->open;
}

unsigned top_screen_width(const struct top_screen *screen)
{
    (void)screen;
    return COLS > 0 ? (unsigned)COLS : 0;
}

unsigned top_screen_height(const struct top_screen *screen)
{
    (void)screen;
    return LINES > 0 ? (unsigned)LINES : 0;
}

/* ---------------------------------------------------------------------------------------- keys --
 */

bool top_screen_is_lost(const struct top_screen *screen)
{
    struct pollfd fd = { .fd = screen->in_fd, .events = POLLIN };

    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static int key_of(int code)
{
    switch (code) {
    case KEY_UP:
        return TOP_KEY_UP;
    case KEY_DOWN:
        return TOP_KEY_DOWN;
    case KEY_LEFT:
        return TOP_KEY_LEFT;
    case KEY_RIGHT:
        return TOP_KEY_RIGHT;
    case KEY_PPAGE:
        return TOP_KEY_PAGE_UP;
    case KEY_NPAGE:
        return TOP_KEY_PAGE_DOWN;
    case KEY_HOME:
        return TOP_KEY_HOME;
    case KEY_END:
        return TOP_KEY_END;
    case KEY_BACKSPACE:
    case 127:
    case '\b':
        return TOP_KEY_BACKSPACE;
    case KEY_ENTER:
    case '\r':
        return TOP_KEY_ENTER;
    case KEY_RESIZE:
        return TOP_KEY_RESIZED;
    default:
        return code > 0 && code < 127 ? code : TOP_KEY_OTHER;
    }
}

int top_screen_key(struct top_screen *screen)
{
    if (!screen->open)
        return TOP_KEY_NONE;
    if (continued) { /* who stopped us may have left the terminal in another mode */
        continued = 0;
        reset_prog_mode();
        top_screen_redraw(screen);
        return TOP_KEY_RESIZED;
    }
    const int code = getch();
    if (code != ERR)
        return key_of(code);
    return top_screen_is_lost(screen) ? TOP_KEY_LOST : TOP_KEY_NONE;
}

/* ---------------------------------------------------------------------------------------- draw --
 */

static attr_t colored(const struct top_screen *screen, attr_t style, short pair)
{
    return screen->color ? (style & ~(attr_t)A_COLOR) | (attr_t)COLOR_PAIR(pair) : style;
}

/* The style after a select graphic rendition of text_begin(). */
static attr_t styled(const struct top_screen *screen, attr_t style, int number)
{
    switch (number) {
    case 1:
        return style | A_BOLD;
    case 2:
        return style | screen->dim;
    case 31:
        return colored(screen, style, PAIR_RED);
    case 32:
        return colored(screen, style, PAIR_GREEN);
    case 33:
        return colored(screen, style, PAIR_YELLOW);
    default:
        return A_NORMAL;
    }
}

static void draw_line(const struct top_screen *screen, int line, const char *text, size_t length,
                      bool selected)
{
    const char *const end = text + length;
    const attr_t all = selected ? A_REVERSE : A_NORMAL;
    attr_t style = A_NORMAL;

    move(line, 0);
    attrset((int)all);
    clrtoeol();
    while (text < end) {
        const char *escape = memchr(text, '\033', (size_t)(end - text));
        const char *stop = escape ? escape : end;
        /* A terminal in reverse has no use for a second grey. */
        attrset((int)((selected ? style & ~(attr_t)A_COLOR & ~(attr_t)A_DIM : style) | all));
        addnstr(text, (int)(stop - text));
        text = stop;
        if (escape && end - escape > 2) {
            char *after;
            style = styled(screen, style, (int)strtol(escape + 2, &after, 10));
            text = after < end ? after + 1 : end;
        }
    }
    attrset((int)all);
    for (int y, x; selected;) { /* to the edge */
        getyx(stdscr, y, x);
        if (y != line || x + 1 >= COLS)
            break;
        addch(' ');
    }
}

void top_screen_draw(struct top_screen *screen, const char *text, size_t length, int selected,
                     int cursor_line, int cursor_column)
{
    int line = 0;

    if (!screen->open)
        return;
    while (length > 0 && line < LINES) {
        const char *end_of_line = memchr(text, '\n', length);
        const size_t bytes = end_of_line ? (size_t)(end_of_line - text) : length;
        draw_line(screen, line, text, bytes, line == selected);
        length -= end_of_line ? bytes + 1 : bytes;
        text += end_of_line ? bytes + 1 : bytes;
        line++;
    }
    attrset(A_NORMAL);
    if (line < LINES) {
        move(line, 0);
        clrtobot();
    }
    curs_set(cursor_line >= 0);
    if (cursor_line >= 0)
        move(cursor_line, cursor_column < COLS ? cursor_column : COLS - 1);
    refresh();
}

void top_screen_redraw(struct top_screen *screen)
{
    if (screen->open)
        clearok(curscr, TRUE);
}
