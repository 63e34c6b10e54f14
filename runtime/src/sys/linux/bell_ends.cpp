// SPDX-License-Identifier: MIT
#include "sys/bell_ends.hpp"

#include "sys/linux/event_fds.hpp"

namespace eddy::sys {

result<bell_ends> make_bell_ends() noexcept {
    auto made = make_eventfd();
    if (!made) return std::unexpected(made.error());
    return bell_ends{std::move(*made), unique_fd()};
}

}  // namespace eddy::sys
