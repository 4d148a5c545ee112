/*
 * lab list                          the scenarios
 * lab record DIRECTORY [NAME...]    records them there: NAME.pcap, NAME-6.pcap and their truth
 * lab check [NAME...]               records them in memory and judges finwait on them
 * lab random SEED COUNT             the same with random runs, from SEED on
 *
 * Options before the command: --finwait PROGRAM (default: finwait), --keep DIRECTORY (writes the
 * recordings there on which finwait disagrees), --late MS (each packet is delivered so much later,
 * as on a busy machine: what the kernels send meanwhile crosses it).
 *
 * Every run is a child of its own with two network namespaces of its own, which die with it; the
 * children die with this process, whatever ends it.
 */
#include "judging.h"
#include "lab.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    JOBS = 16,
    WRONG = 1,
    USAGE = 2,
    FAILED = 3,
    CANNOT = 77,
    NAME_ROOM = 64,
    ACCOUNT_ROOM = 16384
};

struct options {
    const char *finwait, *keep, *record;
    int late_ms;
};

/* One run: a scenario, or a seed. */
struct run {
    const struct scenario *scenario;
    uint64_t seed;
    int family, late_ms;
    char name[NAME_ROOM];
};

/* What the children tell their parent, in shared memory. */
struct outcome {
    struct figures figures;
    char why_not[160];
    char account[ACCOUNT_ROOM];
};

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

/* ---- one run ----------------------------------------------------------------------------------
 */

static void prepare(struct lab *lab, const struct run *run, FILE *pcap, FILE *truth)
{
    lab->family = run->family;
    lab->late_ms = run->late_ms;
    lab->pcap = pcap;
    lab->truth = truth;
    lab->port[CLIENT] = 40001;
    lab->port[SERVER] = 80;
    lab->listener = lab->fd[CLIENT] = lab->fd[SERVER] = -1;
    if (run->scenario) {
        lab->fault = run->scenario->fault;
        lab->fault_at = run->scenario->fault_at;
    }
}

/* Plays a run between two fresh kernels.  Returns an exit status. */
static int play(const struct run *run, FILE *pcap, FILE *truth, struct outcome *outcome)
{
    const char *why = "";
    struct lab *lab = calloc(1, sizeof(*lab));
    if (!lab)
        return FAILED;
    const int error = kernels_create(lab->kernels, run->family, &why);
    if (error < 0) {
        snprintf(outcome->why_not, sizeof(outcome->why_not), "%s: %s", why, strerror(-error));
    } else {
        prepare(lab, run, pcap, truth);
        tap_begin(pcap);
        if (run->scenario)
            run->scenario->run(lab);
        else
            random_run(lab, run->seed);
        wire_finish(lab);
        fflush(NULL);
    }
    kernels_destroy(lab->kernels);
    free(lab);
    return error < 0 ? CANNOT : 0;
}

static FILE *memory_file(const char *name)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? NULL : fdopen(fd, "w+");
}

static int copy_to(FILE *from, const char *directory, const char *name, const char *suffix)
{
    char path[1024], data[4096];
    size_t got;
    snprintf(path, sizeof(path), "%s/%s%s", directory, name, suffix);
    FILE *to = fopen(path, "w");
    if (!to) {
        perror(path);
        return FAILED;
    }
    rewind(from);
    while ((got = fread(data, 1, sizeof(data), from)) > 0)
        fwrite(data, 1, got, to);
    return fclose(to) ? FAILED : 0;
}

static int keep(const struct run *run, const char *directory, FILE *pcap, FILE *truth)
{
    return copy_to(pcap, directory, run->name, ".pcap") |
           copy_to(truth, directory, run->name, ".truth.jsonl");
}

static int judge_run(const struct run *run, const struct options *options, FILE *pcap, FILE *truth,
                     struct outcome *outcome)
{
    FILE *account = fmemopen(outcome->account, sizeof(outcome->account), "w");
    FILE *events = account ? run_finwait(options->finwait, fileno(pcap), account) : NULL;
    int status = FAILED;
    if (events) {
        rewind(pcap);
        rewind(truth);
        status =
            judge_recording(run->name, pcap, truth, events, account, &outcome->figures) ? WRONG : 0;
        fclose(events);
    }
    if (status && options->keep)
        keep(run, options->keep, pcap, truth);
    if (account)
        fclose(account);
    return status;
}

static int do_run(const struct run *run, const struct options *options, struct outcome *outcome)
{
    FILE *pcap = memory_file("pcap"), *truth = memory_file("truth");
    if (!pcap || !truth)
        return FAILED;
    int status = play(run, pcap, truth, outcome);
    if (status == 0)
        status = options->record ? keep(run, options->record, pcap, truth)
                                 : judge_run(run, options, pcap, truth, outcome);
    fclose(pcap);
    fclose(truth);
    return status;
}

/* ---- many runs --------------------------------------------------------------------------------
 */

static void add(struct figures *sum, const struct figures *more)
{
    sum->frames += more->frames;
    sum->quiet += more->quiet;
    sum->judged += more->judged;
    sum->agreed += more->agreed;
    sum->hidden += more->hidden;
    sum->rfc += more->rfc;
    sum->recordings += more->recordings;
    sum->right += more->right;
}

static int wait_one(void)
{
    int status = 0;
    return wait(&status) < 0 ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

static void start(const struct run *run, const struct options *options, struct outcome *outcome)
{
    const pid_t parent = getpid();
    fflush(NULL);
    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        exit(do_run(run, options, outcome));
    _exit(FAILED);
}

static int sum_up(const struct outcome *outcomes, size_t count, int worst,
                  const struct options *options)
{
    struct figures figures = { 0 };
    const char *why_not = NULL;
    for (size_t i = 0; i < count; i++) {
        add(&figures, &outcomes[i].figures);
        fputs(outcomes[i].account, stdout);
        if (outcomes[i].why_not[0])
            why_not = outcomes[i].why_not;
    }
    if (why_not)
        printf("lab: %s: %s\n", figures.recordings ? "not all could run" : "skipped", why_not);
    if (why_not)
        return figures.recordings ? FAILED : CANNOT;
    if (!options->record) {
        fputs("lab: ", stdout);
        figures_print(&figures, stdout);
    }
    return worst;
}

static int run_all(const struct run *runs, size_t count, const struct options *options)
{
    const size_t size = (count + 1) * sizeof(struct outcome);
    struct outcome *outcomes =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int worst = 0;
    if (outcomes == MAP_FAILED)
        return FAILED;
    for (size_t i = 0; i < count + JOBS; i++) {
        if (i >= JOBS && i - JOBS < count) { /* as many ends as starts */
            const int status = wait_one();
            worst = status > worst ? status : worst;
        }
        if (i < count)
            start(&runs[i], options, &outcomes[i]);
    }
    worst = sum_up(outcomes, count, worst, options);
    munmap(outcomes, size);
    return worst;
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

static int run_scenarios(char **names, const struct options *options)
{
    size_t count = 0, total = 0;
    while (scenario_at(total))
        total++;
    struct run *runs = calloc(total * 2, sizeof(*runs));
    for (size_t i = 0; runs && i < total * 2; i++) {
        const struct scenario *scenario = scenario_at(i / 2);
        if (!chosen(scenario, names))
            continue;
        runs[count] = (struct run){ .scenario = scenario,
                                    .family = i & 1 ? AF_INET6 : AF_INET,
                                    .late_ms = options->late_ms };
        snprintf(runs[count++].name, NAME_ROOM, "%s%s", scenario->name, i & 1 ? "-6" : "");
    }
    const int status = count ? run_all(runs, count, options) : USAGE;
    if (!count)
        fputs("lab: no such scenario; see lab list\n", stderr);
    free(runs);
    return status;
}

static int run_random(uint64_t seed, size_t count, const struct options *options)
{
    struct run *runs = calloc(count + 1, sizeof(*runs));
    for (size_t i = 0; runs && i < count; i++) {
        runs[i] = (struct run){ .seed = seed + i,
                                .family = (seed + i) & 1 ? AF_INET : AF_INET6,
                                .late_ms = options->late_ms };
        snprintf(runs[i].name, NAME_ROOM, "random-%llu", (unsigned long long)(seed + i));
    }
    const int status = runs ? run_all(runs, count, options) : FAILED;
    free(runs);
    return status;
}

static int list(void)
{
    for (size_t i = 0; scenario_at(i); i++)
        printf("%-28s %s\n", scenario_at(i)->name, scenario_at(i)->about);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = { .finwait = "finwait" };
    for (argv++, argc--; argc >= 2 && strncmp(*argv, "--", 2) == 0; argv += 2, argc -= 2) {
        if (strcmp(argv[0], "--finwait") == 0)
            options.finwait = argv[1];
        else if (strcmp(argv[0], "--keep") == 0)
            options.keep = argv[1];
        else if (strcmp(argv[0], "--late") == 0)
            options.late_ms = atoi(argv[1]);
    }
    if (argc == 1 && strcmp(*argv, "list") == 0)
        return list();
    if (argc >= 2 && strcmp(*argv, "record") == 0) {
        options.record = argv[1];
        return run_scenarios(argv + 2, &options);
    }
    if (argc >= 1 && strcmp(*argv, "check") == 0)
        return run_scenarios(argv + 1, &options);
    if (argc == 3 && strcmp(*argv, "random") == 0)
        return run_random(strtoull(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), &options);
    fputs("usage: lab [--finwait PROGRAM] [--keep DIRECTORY] [--late MS] "
          "list | record DIRECTORY [NAME...] | check [NAME...] | random SEED COUNT\n",
          stderr);
    return USAGE;
}
