/*
 * Which process has a socket open: /proc/PID/fd of all processes, walked once for all sockets that
 * are new, and not more often than a bounded share of the time. Level 5.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include "compare.h"

struct process_table;

/* Opens /proc; NULL with errno. */
struct process_table *process_table_open(void);
void process_table_close(struct process_table *table);

/* Fills the owner of each socket that has an inode. `fresh`, for a table that is shown: looks at
 * once if one is new, and again for all of them, unless the last walk is too near; else only if one
 * is new and it is not too near. `clock` is a monotonic one, in ns. False without memory. */
bool process_table_find(struct process_table *table, struct kernel_socket *sockets, size_t count,
                        bool fresh, int64_t (*clock)(void));

#endif
