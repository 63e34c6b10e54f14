// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>

namespace eddy::detail {

/// What `f` makes of a number that is known at run time only: `f(std::integral_constant<std::size_t, which>)`. What it
/// returns is made where the caller wants it, not moved there. Preconditions: `which` is less than `Count`.
template <std::size_t Count, std::size_t I = 0, class Fn>
decltype(auto) with_index(std::size_t which, Fn&& f) {
    if constexpr (I + 1 < Count) {
        if (which != I) return with_index<Count, I + 1>(which, f);
    }
    return f(std::integral_constant<std::size_t, I>());
}

}  // namespace eddy::detail
