// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/error.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

/// Takes over a descriptor that a user hands in; it is closed if it is refused.
inline result<sys::unique_fd> adopt(int fd) noexcept {
    sys::unique_fd owned(fd);
    const auto nonblocking = sys::is_nonblocking(fd);
    if (!nonblocking) {
        static_cast<void>(owned.release());  // not a descriptor at all
        return std::unexpected(nonblocking.error());
    }
    if (!*nonblocking) return std::unexpected(make_error_code(errc::blocking_descriptor));
    return owned;
}

}  // namespace eddy::net
