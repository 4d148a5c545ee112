/* How sources say what was wrong: one fault, and the list of those so far. */
#ifndef SOURCE_FAULT_H
#define SOURCE_FAULT_H

#include "source.h"

__attribute__((format(printf, 4, 5))) void source_fault_set(struct source_fault *fault,
                                                            enum source_fault_kind kind,
                                                            const char *hint, const char *format,
                                                            ...);

struct fault_list {
    struct source_fault *faults;
    size_t count;
};

/* Where to write the next fault; never NULL. */
struct source_fault *fault_list_add(struct fault_list *list);
bool fault_list_find(const struct fault_list *list, size_t index, struct source_fault *fault);
void fault_list_finish(struct fault_list *list);

#endif
