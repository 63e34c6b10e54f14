// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>

namespace eddy::detail {

/// Calls `f(std::integral_constant<std::size_t, which>)` for a number that is known only at run time. The result is
/// constructed in place, not moved.
/// Preconditions: `which` is less than `Count`.
template <std::size_t Count, std::size_t I = 0, class Fn>
decltype(auto) with_index(std::size_t which, Fn&& f) {
    if constexpr (I + 1 < Count) {
        if (which != I) return with_index<Count, I + 1>(which, f);
    }
    return f(std::integral_constant<std::size_t, I>());
}

}  // namespace eddy::detail
