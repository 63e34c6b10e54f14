// SPDX-License-Identifier: MIT
#pragma once

// EDDY_HAS_EPOLL: the system has epoll(7), and may have io_uring(7).
#if defined(__linux__)
#define EDDY_HAS_EPOLL 1
#else
#define EDDY_HAS_EPOLL 0
#endif

// EDDY_HAS_KQUEUE: the system has kqueue(2), or the tests emulate it: by tests/support/kqueue, or by libkqueue.
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(EDDY_KQUEUE_EMULATION) || defined(EDDY_LIBKQUEUE)
#define EDDY_HAS_KQUEUE 1
#else
#define EDDY_HAS_KQUEUE 0
#endif

// EDDY_HAS_AFD: the system is Windows, with I/O completion ports. EDDY_HAS_POLL: a system with poll(2) and pipe(2).
#if defined(_WIN32)
#define EDDY_HAS_AFD 1
#define EDDY_HAS_POLL 0
#else
#define EDDY_HAS_AFD 0
#define EDDY_HAS_POLL 1
#endif
