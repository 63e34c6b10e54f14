// SPDX-License-Identifier: MIT
#pragma once

#include <liburing.h>

// The only file that includes liburing. The oldest supported version is 2.3 (Debian 12). This file defines the newer
// parts of the kernel's interface that eddy uses. Whether a kernel supports them is checked at run time.

// Linux 6.10: an accept checks for a connection before it allocates a descriptor, and its completion has
// F_SOCK_NONEMPTY if more connections are waiting. No feature bit announces these two; IORING_FEAT_RECVSEND_BUNDLE
// appeared in the same kernel.
#ifndef IORING_ACCEPT_POLL_FIRST
#define IORING_ACCEPT_POLL_FIRST (1U << 2)
#endif
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14)
#endif

// Linux 6.15: a thread that waits in io_uring_enter(2) counts as idle, and not as waiting for a disk.
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7)
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17)
#endif
