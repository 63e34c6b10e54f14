// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>

#include <eddy/detail/call_site.hpp>

// Checks of the native stack. It grows towards lower addresses on all supported systems.

namespace eddy::detail {

/// The native stack of a thread: `size` bytes from `low`, of which the first `reserve` must remain unused.
struct known_stack {
    std::uintptr_t low = 0;
    std::uintptr_t reserve = std::numeric_limits<std::uintptr_t>::max();  // the first check determines the range
    std::uintptr_t size = 0;                                              // 0 if the range is unknown
};
inline constinit thread_local known_stack stack_here{};

/// Returns whether less than the reserve is left of the native stack, or its range is not known yet.
[[gnu::always_inline]] inline bool may_be_full(std::uintptr_t here) noexcept {
    // An address outside of the range, for example on the stack of a fiber, gives a large difference.
    return here - stack_here.low < stack_here.reserve;
}

[[gnu::always_inline]] inline std::uintptr_t native_stack_pointer() noexcept {
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

}  // namespace eddy::detail
