// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/error.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/new_fd.hpp"
#include "sys/socket_kind.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

/// Takes ownership of a user's descriptor. Closes the descriptor if it is refused.
/// Errors: errc::blocking_descriptor; bad_file_descriptor.
inline result<sys::unique_fd> adopt_nonblocking(int fd) noexcept {
    sys::unique_fd owned(fd);
    const auto nonblocking = sys::is_nonblocking(fd);
    if (!nonblocking) {
        // No descriptor has this number now. Another thread may open one that gets it.
        if (nonblocking.error() == std::errc::bad_file_descriptor) static_cast<void>(owned.release());
        return std::unexpected(nonblocking.error());
    }
    if (!*nonblocking) return std::unexpected(make_error_code(errc::blocking_descriptor));
    sys::prevent_sigpipe(fd);
    return owned;
}

/// Checks that the socket is of this kind.
/// Errors: wrong_protocol_type; not_a_socket; what else getsockopt(2) reports.
inline result<void> check_kind(int fd, sys::socket_kind wanted) noexcept {
    const auto is = sys::kind_of_socket(fd);
    if (!is) return std::unexpected(is.error());
    if (*is != wanted) return std::unexpected(std::make_error_code(std::errc::wrong_protocol_type));
    return ok();
}

/// Checks that the socket is a listener.
/// Errors: invalid_argument; what getsockopt(2) reports.
inline result<void> check_listens(int fd) noexcept {
    const auto listens = sys::is_listener(fd);
    if (!listens) return std::unexpected(listens.error());
    if (!*listens) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return ok();
}

/// Like adopt_nonblocking(), for a socket of this kind. Refuses other sockets. A TCP stream treats a short read as the
/// sign of a drained socket. For other kinds of sockets this is wrong, and wake-ups would be lost.
inline result<sys::unique_fd> adopt_socket(int fd, sys::socket_kind kind) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return owned;
    if (const auto fits = check_kind(fd, kind); !fits) return std::unexpected(fits.error());
    return owned;
}

}  // namespace eddy::net
