// SPDX-License-Identifier: MIT
#pragma once

// EDDY_HAS_KQUEUE: the system has kqueue(2), or the tests emulate it (tests/support/kqueue).
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(EDDY_KQUEUE_EMULATION)
#define EDDY_HAS_KQUEUE 1
#else
#define EDDY_HAS_KQUEUE 0
#endif
