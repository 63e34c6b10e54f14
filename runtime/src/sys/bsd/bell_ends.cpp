// SPDX-License-Identifier: MIT
#include "sys/bell_ends.hpp"

#include "sys/syscall.hpp"

namespace eddy::sys {

result<bell_ends> make_bell_ends() noexcept {
    auto ends = make_pipe();
    if (!ends) return std::unexpected(ends.error());
    return bell_ends{std::move(ends->first), std::move(ends->second)};
}

}  // namespace eddy::sys
