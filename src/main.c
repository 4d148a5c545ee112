#include "finwait/finwait.h"

int main(void)
{
    return 0;
}
