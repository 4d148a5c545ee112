/* What came of the expectations, for people and for programs. Level 4. */
#ifndef VERIFY_REPORT_H
#define VERIFY_REPORT_H

#include "verify.h"

#include "out.h"
#include "view.h"

enum verify_format { VERIFY_HUMAN, VERIFY_TAP, VERIFY_JUNIT, VERIFY_JSON };

struct verify_report {
    enum verify_format format;
    const struct view_options *options;
    const char *file; /* of the expectations; NULL: there are none */
    const struct verify *verify;
    const char *golden_file;                  /* NULL: none */
    const char *golden_expected, *golden_got; /* their texts */
    bool no_connections;                      /* none was compared with the golden file */
    bool incomplete;                          /* the input was, and that is not allowed */
    const char *why_incomplete;
};

/* Writes all of it; returns whether everything holds. */
bool verify_report(struct out *out, const struct verify_report *report);

#endif
