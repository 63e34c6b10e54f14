// SPDX-License-Identifier: MIT
#include "sys/stack.hpp"

#include "sys/socket_api.hpp"

namespace eddy::sys {

stack_range stack_of_this_thread() noexcept {
    ULONG_PTR low = 0;
    ULONG_PTR high = 0;
    ::GetCurrentThreadStackLimits(&low, &high);
    // The lowest page is never mapped. The guard pages above it move down while the stack grows.
    constexpr ULONG_PTR guard = 4 * 4096;
    return {low + guard, static_cast<std::size_t>(high - low - guard)};
}

}  // namespace eddy::sys
