// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

namespace eddy {

/// Destroys an object now, and not at the end of its scope: `eddy::drop(std::move(tx));`. Use it to close the end of a
/// channel, to release a guard or a permit, or to cancel a future or a stream. The variable is moved-from afterwards.
///
/// It destroys this one object. A channel with other senders stays open.
/// Errors: any error of the move constructor.
template <class T>
void drop(T&& object) noexcept(std::is_nothrow_move_constructible_v<std::remove_cvref_t<T>>) {
    constexpr bool is_given = !std::is_lvalue_reference_v<T> && !std::is_const_v<T>;
    static_assert(is_given,
                  "eddy: drop takes ownership of its object: write eddy::drop(std::move(x)), with x not const");
    if constexpr (is_given) {
        constexpr bool has_effect = !std::is_trivially_destructible_v<T>;
        static_assert(has_effect,
                      "eddy: drop has no effect on this type: it owns nothing (a reference, a view, a number)");
        constexpr bool moves = std::is_move_constructible_v<T>;
        static_assert(moves, "eddy: drop moves its object, and this type cannot be moved: use a scope, { ... }");
        if constexpr (moves) [[maybe_unused]]
            const T gone(std::forward<T>(object));
    }
}

}  // namespace eddy
