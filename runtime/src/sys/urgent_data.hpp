// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::sys {

/// Whether drivers report urgent data of TCP. The kqueue of FreeBSD, NetBSD and libkqueue has no filter
/// for it.
#if defined(__FreeBSD__) || defined(__NetBSD__) || defined(EDDY_LIBKQUEUE)
inline constexpr bool reports_urgent_data = false;
#else
inline constexpr bool reports_urgent_data = true;
#endif

}  // namespace eddy::sys
