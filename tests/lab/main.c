#include "lab.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 16, CANNOT = 77 };

static const struct scenario *const groups[] = { openings, closings,  aborts,
                                                 reuses,   forgeries, captures };

static const struct scenario *scenario_at(size_t index)
{
    for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++)
        for (const struct scenario *scenario = groups[group]; scenario->name; scenario++)
            if (index-- == 0)
                return scenario;
    return NULL;
}

static size_t scenario_count(void)
{
    size_t count = 0;
    while (scenario_at(count))
        count++;
    return count;
}

/* Runs one scenario between two fresh kernels.  Returns an exit status. */
static int run_scenario(const struct scenario *scenario, int family, FILE *pcap, FILE *truth)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    const char *why = "";
    if (!lab)
        return 3;
    const int error = kernels_create(lab->kernels, family, &why);
    if (error < 0) {
        printf("lab: skipped: %s: %s\n", why, strerror(-error));
        return CANNOT;
    }
    lab->family = family;
    lab->pcap = pcap;
    lab->truth = truth;
    lab->port[CLIENT] = 40001;
    lab->port[SERVER] = 80;
    lab->listener = lab->fd[CLIENT] = lab->fd[SERVER] = -1;
    lab->fault = scenario->fault;
    lab->fault_at = scenario->fault_at;
    tap_begin(pcap);
    scenario->run(lab);
    wire_finish(lab);
    kernels_destroy(lab->kernels);
    free(lab);
    return 0;
}

static int record(const struct scenario *scenario, int family, const char *directory)
{
    char path[512];
    const char *suffix = family == AF_INET6 ? "-6" : "";
    snprintf(path, sizeof(path), "%s/%s%s.pcap", directory, scenario->name, suffix);
    FILE *pcap = fopen(path, "w");
    snprintf(path, sizeof(path), "%s/%s%s.truth.jsonl", directory, scenario->name, suffix);
    FILE *truth = fopen(path, "w");
    if (!pcap || !truth) {
        perror(path);
        return 3;
    }
    const int status = run_scenario(scenario, family, pcap, truth);
    return fclose(pcap) || fclose(truth) ? 3 : status;
}

static int wait_one(void)
{
    int status = 0;
    return wait(&status) < 0 ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

static bool chosen(const struct scenario *scenario, char **names)
{
    if (!*names)
        return true;
    for (; *names; names++)
        if (strcmp(*names, scenario->name) == 0)
            return true;
    return false;
}

static int record_all(const char *directory, char **names)
{
    int running = 0, worst = 0;
    for (size_t i = 0; i < scenario_count() * 2; i++) {
        const struct scenario *scenario = scenario_at(i / 2);
        if (!chosen(scenario, names))
            continue;
        if (running++ >= JOBS)
            worst |= wait_one();
        fflush(NULL);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            exit(record(scenario, i & 1 ? AF_INET6 : AF_INET, directory));
        }
    }
    while (running--)
        worst |= wait_one();
    return worst;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "record") == 0)
        return record_all(argv[2], argv + 3);
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < scenario_count(); i++)
            printf("%-28s %s\n", scenario_at(i)->name, scenario_at(i)->about);
        return 0;
    }
    fputs("usage: lab list | lab record DIRECTORY [SCENARIO...]\n", stderr);
    return 2;
}
