// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#include_next <sys/resource.h>

#if defined(__OpenBSD__)
#define RLIMIT_AS RLIMIT_DATA  // it limits mapped memory, too
#endif
