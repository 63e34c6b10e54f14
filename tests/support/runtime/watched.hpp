// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/io/registration.hpp>
#include <eddy/runtime/reactor.hpp>

namespace support {

/// Returns whether `fd` is registered with the reactor, on any driver: a second registration fails. (The function in
/// system.hpp reads the descriptors of an epoll.)
inline bool is_watched(const eddy::reactor& reactor, int fd) {
    const auto second =
        eddy::io::registration::attach(eddy::io::source_fd(fd), eddy::io::interest::readable, reactor.handle());
    return !second && second.error() == std::errc::file_exists;
}

}  // namespace support
