// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#include <sys/ioctl.h>

#if defined(__FreeBSD__) || defined(__NetBSD__)
#include <sys/filio.h>
#define SIOCOUTQ FIONWRITE
#else
// No request of ioctl(2) returns this number. The type of this one selects an overload that asks for a socket option.
enum send_queue : int { SIOCOUTQ };
int ioctl(int fd, send_queue, int* bytes);
#endif
