// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>
#include <utility>

#include <eddy/detail/error_access.hpp>
#include <eddy/error.hpp>

namespace eddy::sync {

/// The error of a send whose receiver is gone or closed. It contains the value that was not sent. `try_` converts it to
/// `errc::channel_closed`.
/// Thread safety: same as T; a value type.
template <class T>
class send_error {
public:
    /// Creates the error with the value that was not sent.
    explicit send_error(T unsent) : value(std::move(unsent)) {}

    /// Returns errc::channel_closed.
    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::channel_closed; }

    /// The value that was not sent.
    T value;
};

/// The error of operations that have no value to return, such as `reserve`.
template <>
class send_error<void> {
public:
    send_error() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate, for GCC 12

    /// Returns errc::channel_closed.
    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::channel_closed; }
};

/// The reason why a `try_send` sent nothing, or a `try_reserve` reserved nothing.
enum class try_send_reason {
    full,    ///< there is no capacity now, or other senders have waited for it longer
    closed,  ///< the receiver is gone or closed
};

/// The error of `try_send`: the reason and the value that was not sent. `try_` converts it to `errc::channel_closed` or
/// `std::errc::resource_unavailable_try_again`.
/// Thread safety: same as T; a value type.
template <class T>
class try_send_error {
public:
    /// Creates the error.
    try_send_error(try_send_reason why, T unsent) : reason(why), value(std::move(unsent)) {}

    /// is_full() returns true if the reason is try_send_reason::full, and is_closed() if it is try_send_reason::closed.
    [[nodiscard]] bool is_full() const noexcept { return reason == try_send_reason::full; }
    [[nodiscard]] bool is_closed() const noexcept { return reason == try_send_reason::closed; }
    /// Returns errc::channel_closed or std::errc::resource_unavailable_try_again.
    [[nodiscard]] std::error_code to_error_code() const noexcept {
        if (is_closed()) return errc::channel_closed;
        return std::make_error_code(std::errc::resource_unavailable_try_again);
    }

    /// The reason, and the value that was not sent.
    try_send_reason reason;
    T value;
};

/// The error of `send_timeout`, with the value that was not sent. `try_` converts it to `errc::timed_out` or
/// `errc::channel_closed`.
/// Thread safety: same as T; a value type.
template <class T>
class send_timeout_error {
public:
    /// Creates the error.
    send_timeout_error(bool was_closed, T unsent) : is_closed(was_closed), value(std::move(unsent)) {}

    /// Returns true if the time limit has passed.
    [[nodiscard]] bool is_elapsed() const noexcept { return !is_closed; }
    /// Returns errc::channel_closed or errc::timed_out.
    [[nodiscard]] std::error_code to_error_code() const noexcept {
        return is_closed ? errc::channel_closed : errc::timed_out;
    }

    bool is_closed;  ///< false: there was no capacity before the deadline
    /// The value that was not sent.
    T value;
};

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::sync

namespace eddy::detail {

template <class T>
struct explains_access<eddy::sync::send_error<T>> : std::true_type {};
template <class T>
struct explains_access<eddy::sync::try_send_error<T>> : std::true_type {};
template <class T>
struct explains_access<eddy::sync::send_timeout_error<T>> : std::true_type {};

}  // namespace eddy::detail
