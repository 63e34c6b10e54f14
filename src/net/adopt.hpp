// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <eddy/error.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

/// Takes over a descriptor that a user hands in, if it does not block; it is closed if it is refused.
inline result<sys::unique_fd> adopt_nonblocking(int fd) noexcept {
    sys::unique_fd owned(fd);
    const auto nonblocking = sys::is_nonblocking(fd);
    if (!nonblocking) {
        static_cast<void>(owned.release());  // not a descriptor at all
        return std::unexpected(nonblocking.error());
    }
    if (!*nonblocking) return std::unexpected(make_error_code(errc::blocking_descriptor));
    return owned;
}

/// Whether the socket's option `name` (SO_PROTOCOL, SO_TYPE, SO_DOMAIN) is `wanted`.
inline result<void> check_socket(int fd, int name, int wanted,
                                 std::errc otherwise = std::errc::wrong_protocol_type) noexcept {
    const auto is = sys::get_option<int>(fd, SOL_SOCKET, name);
    if (!is) return std::unexpected(is.error());
    if (*is != wanted) return std::unexpected(std::make_error_code(otherwise));
    return ok();
}

inline result<void> check_listens(int fd) noexcept {
    return check_socket(fd, SO_ACCEPTCONN, 1, std::errc::invalid_argument);
}

/// adopt_nonblocking(), if the socket is of this protocol.
inline result<sys::unique_fd> adopt_protocol(int fd, int protocol) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return owned;
    if (const auto fits = check_socket(fd, SO_PROTOCOL, protocol); !fits) return std::unexpected(fits.error());
    return owned;
}

/// Only of TCP is a short read the end of what is there: another kind of socket would lose wake-ups.
inline result<sys::unique_fd> adopt(int fd) noexcept { return adopt_protocol(fd, IPPROTO_TCP); }

/// A Unix socket of this type (SOCK_STREAM, SOCK_DGRAM).
inline result<sys::unique_fd> adopt_unix(int fd, int type) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return owned;
    if (const auto fits = check_socket(fd, SO_DOMAIN, AF_UNIX); !fits) return std::unexpected(fits.error());
    if (const auto fits = check_socket(fd, SO_TYPE, type); !fits) return std::unexpected(fits.error());
    return owned;
}

}  // namespace eddy::net
