// SPDX-License-Identifier: MIT
#include "sys/thread_count.hpp"

namespace eddy::sys {

std::optional<std::size_t> thread_count() noexcept { return std::nullopt; }

}  // namespace eddy::sys
