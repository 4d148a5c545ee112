/*
 * Runs a command and writes what it took as one object of JSON. A program of its own because the
 * peak of memory that wait4(2) tells is not less than that of the process that began the command:
 * this one is small.
 *
 *     measure REPORT SECONDS BYTES COMMAND [ARGUMENT...]
 *
 * SECONDS and BYTES (of address space; 0: any) are limits; what does not keep to them is killed.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child, stopped;

static void on_signal(int signal)
{
    stopped = signal;
    kill(-child, SIGKILL);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

_Noreturn static void begin(char **command, rlim_t bytes)
{
    const struct rlimit limit = { bytes, bytes };

    setpgid(0, 0);
    if (bytes > 0)
        setrlimit(RLIMIT_AS, &limit);
    execvp(command[0], command);
    _exit(127);
}

static void catch_signals(void)
{
    const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    struct rusage usage;
    int status;

    if (argc < 5) {
        fputs("usage: measure REPORT SECONDS BYTES COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    FILE *report = fopen(argv[1], "we");
    const int64_t began_ns = now_ns();
    const pid_t pid = fork();
    if (!report || pid < 0) {
        perror("measure");
        return 1;
    }
    if (pid == 0)
        begin(argv + 4, strtoull(argv[3], NULL, 10));
    setpgid(pid, pid); /* whoever of the two is first */
    child = pid;
    catch_signals();
    alarm((unsigned)strtoul(argv[2], NULL, 10));
    if (wait4(pid, &status, 0, &usage) < 0) {
        perror("measure");
        return 1;
    }
    fprintf(report,
            "{\"wall_s\": %.9f, \"user_s\": %.6f, \"system_s\": %.6f, \"peak_bytes\": %lld, "
            "\"end\": \"%s\"}\n",
            (double)(now_ns() - began_ns) / 1e9, seconds(&usage.ru_utime), seconds(&usage.ru_stime),
            usage.ru_maxrss * 1024LL,
            stopped       ? "late"
            : status != 0 ? "dies"
                          : "done");
    return fclose(report) != 0;
}
