// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>
#include <type_traits>

#include <eddy/detail/error_access.hpp>
#include <eddy/error.hpp>

namespace eddy::sync {

/// The error of a receiver that gets no more values: the senders are gone, or the receiver was closed. `try_` converts
/// it to `errc::channel_closed`.
/// Thread safety: a value type; concurrent reads are safe.
class recv_error {
public:
    /// Constructs the error.
    recv_error() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate, for GCC 12

    /// Returns errc::channel_closed.
    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::channel_closed; }

    friend bool operator==(recv_error, recv_error) noexcept { return true; }
};

/// The reason why a `try_recv` got no value. It converts to std::error_code, also in `try_`:
/// `std::errc::resource_unavailable_try_again` or `errc::channel_closed`.
enum class try_recv_error {
    empty,   ///< no value is available yet
    closed,  ///< there will be no more values
};

/// Returns errc::channel_closed or std::errc::resource_unavailable_try_again.
[[nodiscard]] inline std::error_code make_error_code(try_recv_error error) noexcept {
    if (error == try_recv_error::closed) return errc::channel_closed;
    return std::make_error_code(std::errc::resource_unavailable_try_again);
}

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::sync

namespace eddy::detail {

template <>
struct explains_access<eddy::sync::recv_error> : std::true_type {};
template <>
struct explains_access<eddy::sync::try_recv_error> : std::true_type {};

}  // namespace eddy::detail

/// Lets the compiler convert a try_recv_error to std::error_code.
template <>
struct std::is_error_code_enum<eddy::sync::try_recv_error> : std::true_type {};
