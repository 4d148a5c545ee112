/*
 * Judges finwait's account of a capture by the states that both kernels were really in.
 *
 * The rule (docs/states.md, "How it is judged"), for each side of each record of NAME.truth.jsonl:
 *
 *   the state shown must be one that the side's kernel was in since the side sent its newest
 * captured frame.  For the sender of a frame that is one state, unless the frame is stale; once the
 * link is quiet it is one state for both.  Never heard of, UNKNOWN will do.
 */
#ifndef LAB_JUDGING_H
#define LAB_JUDGING_H

#include <stdbool.h>
#include <stdio.h>

struct figures {
    int frames, quiet;  /* records */
    int judged, agreed; /* sides of records */
    int hidden, rfc;    /* sides left out: nobody can know; the kernel differs from the RFC */
    int recordings, right;
};

/*
 * EVENTS is what `finwait --json` wrote for PCAP.  Disagreements are told in ACCOUNT.  Returns the
 * number of sides that disagree, or -1 if an input makes no sense (said in ACCOUNT).
 */
int judge_recording(const char *name, FILE *pcap, FILE *truth, FILE *events, FILE *account,
                    struct figures *figures);

/* Runs FINWAIT on the capture in PCAP_FD.  Returns its output, or NULL (said in ACCOUNT). */
FILE *run_finwait(const char *finwait, int pcap_fd, FILE *account);

void figures_print(const struct figures *figures, FILE *out);

#endif
