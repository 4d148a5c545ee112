/* The lines on stderr. */
#include "commands.h"

#include <stdarg.h>
#include <stdio.h>

void complain(const char *hint, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("finwait: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    if (hint && *hint)
        fprintf(stderr, "  %s\n", hint);
}
