/* judge (--finwait PROGRAM | --events FILE) RECORDING...: a recording is NAME.pcap beside
 * NAME.truth.jsonl, or a directory of them. */
#include "judging.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct how {
    const char *finwait, *events;
    struct figures figures;
    int failures;
};

static FILE *open_events(struct how *how, FILE *pcap)
{
    return how->events ? fopen(how->events, "r") : run_finwait(how->finwait, fileno(pcap), stdout);
}

static void judge_file(struct how *how, const char *path)
{
    char truth_path[1024];
    const int stem = (int)strlen(path) - (int)strlen(".pcap");
    snprintf(truth_path, sizeof(truth_path), "%.*s.truth.jsonl", stem, path);
    FILE *pcap = fopen(path, "r"), *truth = fopen(truth_path, "r");
    FILE *events = pcap && truth ? open_events(how, pcap) : NULL;
    if (!events) {
        printf("%s: cannot be judged\n", path);
        how->failures++;
    } else {
        rewind(pcap);
        how->failures += judge_recording(path, pcap, truth, events, stdout, &how->figures) != 0;
        fclose(events);
    }
    if (pcap)
        fclose(pcap);
    if (truth)
        fclose(truth);
}

static int is_capture(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end && strcmp(end, ".pcap") == 0;
}

static void judge_directory(struct how *how, const char *directory)
{
    struct dirent **entries = NULL;
    const int count = scandir(directory, &entries, is_capture, alphasort);
    for (int i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        judge_file(how, path);
        free(entries[i]);
    }
    free(entries);
    if (count <= 0) {
        printf("%s: no recording there\n", directory);
        how->failures++;
    }
}

int main(int argc, char **argv)
{
    struct how how = { 0 };
    if (argc >= 4 && strcmp(argv[1], "--finwait") == 0)
        how.finwait = argv[2];
    else if (argc >= 4 && strcmp(argv[1], "--events") == 0)
        how.events = argv[2];
    else {
        fputs("usage: judge (--finwait PROGRAM | --events FILE) RECORDING...\n", stderr);
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        struct stat status;
        const bool is_directory = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        (is_directory ? judge_directory : judge_file)(&how, argv[i]);
    }
    fputs("judge: ", stdout);
    figures_print(&how.figures, stdout);
    return how.failures ? 1 : 0;
}
