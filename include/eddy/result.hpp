// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <system_error>
#include <type_traits>
#include <utility>

namespace eddy {

/// What every I/O operation answers with: a value, or the system's error. See `try_` for the shortest way to use one.
template <class T>
using result = std::expected<T, std::error_code>;

/// A `result<void>` without an error: `return eddy::ok();`
[[nodiscard]] inline result<void> ok() noexcept { return {}; }

/// A `result` that holds `value`: `return eddy::ok(42);`
template <class T>
[[nodiscard]] constexpr result<std::decay_t<T>> ok(T&& value) {
    return result<std::decay_t<T>>(std::in_place, std::forward<T>(value));
}

/// A `result<void>` that callers may ignore without a warning. (Since GCC 16 the class std::expected is [[nodiscard]].)
/// It converts to `result<void>`.
class discardable_result : public result<void> {
public:
    using result<void>::result;
};

namespace detail {

template <class T>
inline constexpr bool is_expected = false;
template <class T, class E>
inline constexpr bool is_expected<std::expected<T, E>> = true;
template <>
inline constexpr bool is_expected<discardable_result> = true;

}  // namespace detail
}  // namespace eddy
