#include "out.h"
