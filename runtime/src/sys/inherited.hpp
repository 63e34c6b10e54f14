// SPDX-License-Identifier: MIT
#pragma once

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#endif

#include <cstddef>
#include <string>
#include <string_view>

#include "sys/this_process.hpp"

// Descriptors that a process got from the one that started it. Numbers of descriptors and of processes do not tell:
// a program may execute itself, and the process that has started it may end, or start another one with its number.

namespace eddy::sys {

inline constexpr int first_inherited = 3;

/// Returns what a descriptor is: "DEVICE:INODE". Copies are equal, also in other processes. Returns "" if it is not
/// open.
[[nodiscard]] inline std::string identity_of([[maybe_unused]] int fd) {
#if !defined(_WIN32)
    struct stat about{};
    if (::fstat(fd, &about) == 0) return std::to_string(about.st_dev) + ':' + std::to_string(about.st_ino);
#endif
    return {};
}

/// Returns whether a descriptor is open, and may have come through execve(2). All that this library opens are
/// close-on-exec, so they have not.
[[nodiscard]] inline bool may_be_inherited([[maybe_unused]] int fd) noexcept {
#if defined(_WIN32)
    return false;
#else
    const int flags = ::fcntl(fd, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
#endif
}

/// Returns whether a descriptor is that which process::hand_over() has passed with this number: EDDY_INHERITED has the
/// identities of all of them, from first_inherited on, each with a space behind it.
[[nodiscard]] inline bool is_of_predecessor(int fd) {
    std::string_view identities = unchecked_environment("EDDY_INHERITED");
    for (int number = first_inherited; !identities.empty(); ++number) {
        const auto end = identities.find(' ');
        if (end == std::string_view::npos) return false;
        if (number == fd) return end != 0 && identities.substr(0, end) == identity_of(fd);
        identities.remove_prefix(end + 1);
    }
    return false;
}

}  // namespace eddy::sys
