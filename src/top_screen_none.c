/* Instead of top_screen.c where finwait is built without ncurses. */
#include "top_screen.h"

struct top_screen *top_screen_open(int in, int out, bool color, const char **why, const char **hint)
{
    (void)in;
    (void)out;
    (void)color;
    *why = "this finwait was built without ncurses";
    *hint = "with libncurses-dev installed, meson setup --reconfigure -Dncurses=enabled has it; "
            "finwait table --every 2 shows the same as lines";
    return NULL;
}

void top_screen_close(struct top_screen *screen)
{
    (void)screen;
}

void top_screen_destroy(struct top_screen *screen)
{
    (void)screen;
}

bool top_screen_is_open(const struct top_screen *screen)
{
    (void)screen;
    return false;
}

void top_screen_end_at(int signal)
{
    (void)signal;
}

unsigned top_screen_width(const struct top_screen *screen)
{
    (void)screen;
    return 0;
}

unsigned top_screen_height(const struct top_screen *screen)
{
    (void)screen;
    return 0;
}

int top_screen_key(struct top_screen *screen)
{
    (void)screen;
    return TOP_KEY_NONE;
}

bool top_screen_is_lost(const struct top_screen *screen)
{
    (void)screen;
    return false;
}

void top_screen_draw(struct top_screen *screen, const char *text, size_t length, int selected,
                     int cursor_line, int cursor_column)
{
    (void)screen;
    (void)text;
    (void)length;
    (void)selected;
    (void)cursor_line;
    (void)cursor_column;
}

void top_screen_redraw(struct top_screen *screen)
{
    (void)screen;
}
