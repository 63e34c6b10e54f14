// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <eddy/error.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

/// Takes over a TCP socket that a user hands in; it is closed if it is refused.
inline result<sys::unique_fd> adopt(int fd) noexcept {
    sys::unique_fd owned(fd);
    const auto nonblocking = sys::is_nonblocking(fd);
    if (!nonblocking) {
        static_cast<void>(owned.release());  // not a descriptor at all
        return std::unexpected(nonblocking.error());
    }
    if (!*nonblocking) return std::unexpected(make_error_code(errc::blocking_descriptor));
    // Only of TCP is a short read the end of what is there: another kind of socket would lose wake-ups.
    const auto protocol = sys::get_option<int>(fd, SOL_SOCKET, SO_PROTOCOL);
    if (!protocol) return std::unexpected(protocol.error());
    if (*protocol != IPPROTO_TCP) return std::unexpected(std::make_error_code(std::errc::wrong_protocol_type));
    return owned;
}

}  // namespace eddy::net
