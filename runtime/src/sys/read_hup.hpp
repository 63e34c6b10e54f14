// SPDX-License-Identifier: MIT
#pragma once

#include <poll.h>

namespace eddy::sys {

/// The event of poll(2) which reports that the peer sends no more data; 0 if the system does not have it.
#if defined(POLLRDHUP)
inline constexpr short read_hup = POLLRDHUP;
#else
inline constexpr short read_hup = 0;
#endif

}  // namespace eddy::sys
