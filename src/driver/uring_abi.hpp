// SPDX-License-Identifier: MIT
#pragma once

#include <liburing.h>

// The one place that includes liburing. Its oldest version that serves is 2.3, Debian 12's, and what the kernel's
// interface has got since, as far as eddy uses it, is defined here: whether a kernel has it is asked at run time.

// Linux 6.10: an accept looks whether anybody is there before it takes a descriptor, and its completion has
// F_SOCK_NONEMPTY if others are left. Nothing tells of these two; the feature came with the same kernel.
#ifndef IORING_ACCEPT_POLL_FIRST
#define IORING_ACCEPT_POLL_FIRST (1U << 2)
#endif
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14)
#endif

// Linux 6.6: the submission queue has no array of indices: the kernel takes the entries in the order in which they lie.
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
