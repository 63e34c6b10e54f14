// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#include_next <netinet/tcp.h>

#ifndef TCP_QUICKACK
#define TCP_QUICKACK 0x7FF2  // no option: these systems acknowledge when they choose
#endif
