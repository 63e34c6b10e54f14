// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace eddy::sys {

/// The native stack of a thread: `size` bytes from `low`. `size` is 0 if the range is unknown.
struct stack_range {
    std::uintptr_t low = 0;
    std::size_t size = 0;
};

/// Returns the native stack of the calling thread, without its guard pages.
[[nodiscard]] stack_range stack_of_this_thread() noexcept;

}  // namespace eddy::sys
