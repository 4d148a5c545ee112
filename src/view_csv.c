#include "finwait/finwait.h"
#include "view.h"
const struct view_ops view_table, view_show, view_csv, view_tsv, view_zeek;
