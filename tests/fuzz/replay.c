/* Runs a fuzzer over files and folders of files, where there is no fuzzing engine. Each input is
 * tried as it is, and with each of its first allocations failing. */
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STARVED = 40 }; /* allocations of an input that fail in their turn */

static size_t tried;

/* Returns the file's bytes in a buffer of exactly their size; NULL if it cannot be read. */
static uint8_t *read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    uint8_t *data = NULL;
    if (file == NULL)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        const long end = ftell(file);
        rewind(file);
        *size = end > 0 ? (size_t)end : 0;
        data = malloc(*size > 0 ? *size : 1);
        if (data != NULL && fread(data, 1, *size, file) != *size) {
            free(data);
            data = NULL;
        }
    }
    fclose(file);
    return data;
}

static bool try_file(const char *name)
{
    size_t size;
    uint8_t *data = read_file(name, &size);
    if (data == NULL) {
        perror(name);
        return false;
    }
    /* What crashes is the last that was named. */
    if (getenv("FUZZ_VERBOSE"))
        fprintf(stderr, "%s\n", name);
    LLVMFuzzerTestOneInput(data, size);
    fuzz_starve(data, size, STARVED);
    free(data);
    tried++;
    return true;
}

static bool try_folder(const char *folder)
{
    struct dirent **entries;
    const int count = scandir(folder, &entries, NULL, alphasort);
    bool readable = count >= 0;
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            readable = try_file(name) && readable;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return readable;
}

int main(int argc, char **argv)
{
    bool readable = true;
    for (int i = 1; i < argc; i++) {
        struct stat status;
        const bool folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        readable = (folder ? try_folder(argv[i]) : try_file(argv[i])) && readable;
    }
    printf("%s %s: %zu inputs, each also with each of its first %d allocations failing\n",
           readable && tried > 0 ? "ok" : "not ok", argv[0], tried, STARVED);
    return readable && tried > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
