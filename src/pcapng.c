#include "finwait/finwait.h"
