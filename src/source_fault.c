#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "source_fault.h"

void source_fault_set(struct source_fault *fault, enum source_fault_kind kind, const char *hint,
                      const char *format, ...)
{
    va_list arguments;

    fault->kind = kind;
    snprintf(fault->hint, sizeof fault->hint, "%s", hint);
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
}

/* Without memory for one more, the last is overwritten: the latest trouble is the one to tell. */
struct source_fault *fault_list_add(struct fault_list *list)
{
    static struct source_fault nowhere;
    struct source_fault *grown = realloc(list->faults, (list->count + 1) * sizeof *grown);

    if (grown) {
        list->faults = grown;
        return &list->faults[list->count++];
    }
    return list->count ? &list->faults[list->count - 1] : &nowhere;
}

bool fault_list_find(const struct fault_list *list, size_t index, struct source_fault *fault)
{
    if (index >= list->count)
        return false;
    *fault = list->faults[index];
    return true;
}

void fault_list_finish(struct fault_list *list)
{
    free(list->faults);
    *list = (struct fault_list){ 0 };
}
