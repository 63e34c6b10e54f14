// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <eddy/error.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

/// Takes ownership of a user's descriptor. Closes it if it is refused.
/// Errors: errc::blocking_descriptor; bad_file_descriptor.
inline result<sys::unique_fd> adopt_nonblocking(int fd) noexcept {
    sys::unique_fd owned(fd);
    const auto nonblocking = sys::is_nonblocking(fd);
    if (!nonblocking) {
        static_cast<void>(owned.release());  // not an open descriptor
        return std::unexpected(nonblocking.error());
    }
    if (!*nonblocking) return std::unexpected(make_error_code(errc::blocking_descriptor));
    return owned;
}

/// Checks that the socket option `name` (SO_PROTOCOL, SO_TYPE, SO_DOMAIN) has the value `wanted`.
/// Errors: `otherwise`; what getsockopt(2) reports.
inline result<void> check_socket(int fd, int name, int wanted,
                                 std::errc otherwise = std::errc::wrong_protocol_type) noexcept {
    const auto is = sys::get_option<int>(fd, SOL_SOCKET, name);
    if (!is) return std::unexpected(is.error());
    if (*is != wanted) return std::unexpected(std::make_error_code(otherwise));
    return ok();
}

/// Checks that the socket is a listener.
inline result<void> check_listens(int fd) noexcept {
    return check_socket(fd, SO_ACCEPTCONN, 1, std::errc::invalid_argument);
}

/// Like adopt_nonblocking(), and checks the protocol of the socket.
inline result<sys::unique_fd> adopt_protocol(int fd, int protocol) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return owned;
    if (const auto fits = check_socket(fd, SO_PROTOCOL, protocol); !fits) return std::unexpected(fits.error());
    return owned;
}

/// Takes ownership of a TCP socket. Other sockets are refused: only for TCP does a short read mean that the socket is
/// drained, so they would lose wake-ups.
inline result<sys::unique_fd> adopt(int fd) noexcept { return adopt_protocol(fd, IPPROTO_TCP); }

/// Takes ownership of a Unix socket of this type (SOCK_STREAM, SOCK_DGRAM).
inline result<sys::unique_fd> adopt_unix(int fd, int type) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return owned;
    if (const auto fits = check_socket(fd, SO_DOMAIN, AF_UNIX); !fits) return std::unexpected(fits.error());
    if (const auto fits = check_socket(fd, SO_TYPE, type); !fits) return std::unexpected(fits.error());
    return owned;
}

}  // namespace eddy::net
