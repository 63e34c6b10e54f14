// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>
#include <utility>

#include <eddy/error.hpp>

namespace eddy::sync {

/// The receiver of a channel is gone or closed; the value that was not sent comes back. `try_` makes
/// `errc::channel_closed` of it.
template <class T>
class send_error {
public:
    explicit send_error(T unsent) : value(std::move(unsent)) {}

    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::channel_closed; }

    T value;
};

/// Of what has no value to give back: `reserve`, say.
template <>
class send_error<void> {
public:
    send_error() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    [[nodiscard]] std::error_code to_error_code() const noexcept { return errc::channel_closed; }
};

/// Why a `try_send` sent nothing, or a `try_reserve` got nothing.
enum class try_send_reason {
    full,    ///< there is no room at this time, or others have waited for it longer
    closed,  ///< the receiver is gone or closed
};

template <class T>
class try_send_error {
public:
    try_send_error(try_send_reason why, T unsent) : reason(why), value(std::move(unsent)) {}

    [[nodiscard]] bool is_full() const noexcept { return reason == try_send_reason::full; }
    [[nodiscard]] bool is_closed() const noexcept { return reason == try_send_reason::closed; }

    try_send_reason reason;
    T value;
};

/// Why a `send_timeout` sent nothing: `try_` makes `errc::timed_out` or `errc::channel_closed` of it.
template <class T>
class send_timeout_error {
public:
    send_timeout_error(bool was_closed, T unsent) : is_closed(was_closed), value(std::move(unsent)) {}

    [[nodiscard]] bool is_elapsed() const noexcept { return !is_closed; }
    [[nodiscard]] std::error_code to_error_code() const noexcept {
        return is_closed ? errc::channel_closed : errc::timed_out;
    }

    bool is_closed;  ///< else there was no room until the deadline
    T value;
};

}  // namespace eddy::sync
