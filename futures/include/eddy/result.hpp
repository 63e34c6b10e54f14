// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <system_error>
#include <type_traits>
#include <utility>

namespace eddy {

/// The output of an I/O operation: a value, or an error code. `try_` is the shortest way to use it.
template <class T>
using result = std::expected<T, std::error_code>;

/// Returns a `result<void>` without an error: `return eddy::ok();`
[[nodiscard]] inline result<void> ok() noexcept { return {}; }

/// Returns a `result` that contains `value`: `return eddy::ok(42);`
template <class T>
[[nodiscard]] constexpr result<std::decay_t<T>> ok(T&& value) {
    return result<std::decay_t<T>>(std::in_place, std::forward<T>(value));
}

/// A `result<void>` that the caller may ignore without a warning. (Since GCC 16 the class std::expected is
/// [[nodiscard]].) It converts to `result<void>`.
/// Thread safety: a plain value.
class discardable_result : public result<void> {
public:
    /// Has the constructors of `result<void>`.
    using result<void>::result;
};

namespace detail {

template <class T>
inline constexpr bool is_expected = false;
template <class T, class E>
inline constexpr bool is_expected<std::expected<T, E>> = true;
template <>
inline constexpr bool is_expected<discardable_result> = true;

/// Whether `T` is a `result`.
template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<std::expected<T, std::error_code>> = true;

}  // namespace detail
}  // namespace eddy
