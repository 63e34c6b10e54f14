// SPDX-License-Identifier: MIT
#pragma once

#include <liburing.h>

// The one place that includes liburing. Its oldest version that serves is 2.3, Debian 12's, and what the kernel's interface has
// got since, as far as eddy uses it, is defined here: whether a kernel has it is asked at run time.
