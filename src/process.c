#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LEAST_PAUSE_MS = 50, /* between two walks */
    PAUSE_FACTOR = 10,   /* and ten times what a walk takes: at most a tenth of a processor */
};

/* A socket that was looked for, and what was found. */
struct entry {
    uint64_t inode;
    struct owner owner;
    int32_t last_pid; /* of its holders */
};

struct process_table {
    int proc;              /* /proc */
    struct entry *entries; /* by inode */
    size_t count;
    bool hidden; /* there was a process that may not be looked into */
    int64_t next_ns;
};

struct process_table *process_table_open(void)
{
    struct process_table *table = calloc(1, sizeof *table);

    if (!table)
        return NULL;
    table->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (table->proc >= 0)
        return table;
    free(table);
    return NULL;
}

void process_table_close(struct process_table *table)
{
    if (!table)
        return;
    close(table->proc);
    free(table->entries);
    free(table);
}

/* -------------------------------------------------------------------------------------- table --
 */

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    return (a->inode > b->inode) - (a->inode < b->inode);
}

static struct entry *find_entry(const struct process_table *table, uint64_t inode)
{
    const struct entry key = { .inode = inode };

    return table->count ? bsearch(&key, table->entries, table->count, sizeof key, compare_entries)
                        : NULL;
}

static bool has_new(const struct process_table *table, const struct kernel_socket *sockets,
                    size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sockets[i].inode && !find_entry(table, sockets[i].inode))
            return true;
    return false;
}

/* The sockets that there are now; whose they are is forgotten. */
static bool start_anew(struct process_table *table, const struct kernel_socket *sockets,
                       size_t count)
{
    struct entry *entries = calloc(count + 1, sizeof *entries);
    size_t used = 0;

    if (!entries)
        return false;
    for (size_t i = 0; i < count; i++)
        if (sockets[i].inode)
            entries[used++].inode = sockets[i].inode;
    if (used)
        qsort(entries, used, sizeof *entries, compare_entries);
    free(table->entries);
    table->entries = entries;
    table->count = used;
    table->hidden = false;
    return true;
}

/* --------------------------------------------------------------------------------------- walk --
 */

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* A folder below another; NULL with errno. */
static DIR *open_folder(int parent, const char *name)
{
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !folder)
        close(fd);
    return folder;
}

static void read_name(int proc, const char *pid, char name[16])
{
    char path[32];

    name[0] = '\0';
    snprintf(path, sizeof path, "%.16s/comm", pid);
    const int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    const ssize_t bytes = read(fd, name, 15);
    close(fd);
    name[bytes > 0 ? bytes : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
}

/* The inode of "socket:[4026]"; 0: it is something else. */
static uint64_t socket_inode(int folder, const char *fd)
{
    static const char start[] = "socket:[";
    char target[64];
    const ssize_t bytes = readlinkat(folder, fd, target, sizeof target - 1);

    if (bytes <= 0)
        return 0;
    target[bytes] = '\0';
    return strncmp(target, start, sizeof start - 1) == 0
               ? strtoull(target + sizeof start - 1, NULL, 10)
               : 0;
}

/* /proc lists processes by rising pid: the first is told, the others are counted. */
static void found(struct entry *entry, int proc, const char *pid, const char *fd)
{
    const int32_t number = (int32_t)strtol(pid, NULL, 10);
    const bool is_first = entry->owner.known != OWNER_FOUND;

    /* Two descriptors of one process are one holder. */
    entry->owner.holders += !is_first && entry->last_pid != number;
    entry->last_pid = number;
    if (!is_first)
        return;
    entry->owner = (struct owner){
        .known = OWNER_FOUND,
        .holders = 1,
        .pid = number,
        .fd = (int32_t)strtol(fd, NULL, 10),
    };
    read_name(proc, pid, entry->owner.name);
}

static void walk_process(struct process_table *table, const char *pid)
{
    const struct dirent *entry;
    char path[32];

    snprintf(path, sizeof path, "%.16s/fd", pid);
    DIR *folder = open_folder(table->proc, path);
    if (!folder) {
        table->hidden |= errno == EACCES || errno == EPERM;
        return;
    }
    while ((entry = readdir(folder))) {
        if (!is_number(entry->d_name))
            continue;
        errno = 0;
        const uint64_t inode = socket_inode(dirfd(folder), entry->d_name);
        table->hidden |= errno == EACCES || errno == EPERM;
        struct entry *wanted = inode ? find_entry(table, inode) : NULL;
        if (wanted)
            found(wanted, table->proc, pid, entry->d_name);
    }
    closedir(folder);
}

static void walk(struct process_table *table)
{
    const struct dirent *entry;
    DIR *folder = open_folder(table->proc, ".");

    while (folder && (entry = readdir(folder)))
        if (is_number(entry->d_name))
            walk_process(table, entry->d_name);
    if (folder)
        closedir(folder);
    for (size_t i = 0; i < table->count; i++) {
        struct owner *owner = &table->entries[i].owner;

        if (owner->known == OWNER_UNASKED)
            owner->known = table->hidden ? OWNER_HIDDEN : OWNER_ELSEWHERE;
    }
}

bool process_table_find(struct process_table *table, struct kernel_socket *sockets, size_t count,
                        bool fresh, int64_t (*clock)(void))
{
    const int64_t begun = clock();

    /* A table that is to be shown now does not wait for who is new in it. */
    const bool is_new = has_new(table, sockets, count);
    if ((fresh && is_new) || (begun >= table->next_ns && (fresh || is_new))) {
        if (!start_anew(table, sockets, count))
            return false;
        walk(table);
        const int64_t ended = clock();
        const int64_t pause = PAUSE_FACTOR * (ended - begun);
        table->next_ns =
            ended +
            (pause > LEAST_PAUSE_MS * FW_MILLISECOND ? pause : LEAST_PAUSE_MS * FW_MILLISECOND);
    }
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = sockets[i].inode ? find_entry(table, sockets[i].inode) : NULL;

        if (entry)
            sockets[i].owner = entry->owner;
    }
    return true;
}
