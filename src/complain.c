/* The lines on stderr. */
#include "commands.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

/* Names and words in it are somebody else's: they end no line and steer no terminal. */
static void put_line(const char *before, const char *text)
{
    char line[LINE_BYTES];
    const char *const end = text_foreign(line, sizeof line, text, true);

    fprintf(stderr, "%s%.*s\n", before, (int)(end - line), line);
}

void complain(const char *hint, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_line("finwait: ", text);
    if (hint && *hint)
        put_line("  ", hint);
}
