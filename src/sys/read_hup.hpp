// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>

namespace eddy::sys {

/// The event of poll(2) that the peer sends no more data, or 0 in a system that does not have it.
#if defined(POLLRDHUP)
inline constexpr short read_hup = POLLRDHUP;
#else
inline constexpr short read_hup = 0;
#endif

}  // namespace eddy::sys
