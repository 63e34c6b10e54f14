// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#if defined(__APPLE__) || defined(__OpenBSD__)
#include "../../posix.hpp"
#else
#include_next <sys/eventfd.h>
#endif
