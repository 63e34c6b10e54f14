// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace support {

/// While an instance exists, standard input is closed, and the process may open only its number and `more` further
/// descriptors.
class closed_input {
public:
    explicit closed_input(rlim_t more) : copy_(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) {
        if (copy_ < 0) throw std::runtime_error("standard input is closed already");
        // UBSan opens a pipe when it checks an object with a vtable for the first time; see descriptor_limit.
        if (std::make_error_code(std::errc::io_error) != std::errc::io_error) throw std::logic_error("unequal");
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int lowest = ::fcntl(copy_, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        ::close(lowest);
        ::close(STDIN_FILENO);
        const rlim_t highest = more == 0 ? STDERR_FILENO : static_cast<rlim_t>(lowest) + more - 1;
        const rlimit few{highest + 1, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    closed_input(const closed_input&) = delete;
    closed_input& operator=(const closed_input&) = delete;
    ~closed_input() {
        ::setrlimit(RLIMIT_NOFILE, &before_);
        ::dup2(copy_, STDIN_FILENO);
        ::close(copy_);
    }

    /// Returns whether the number of standard input is free.
    [[nodiscard]] static bool is_free() noexcept { return ::fcntl(STDIN_FILENO, F_GETFD) < 0 && errno == EBADF; }

private:
    rlimit before_{};
    int copy_;
};

}  // namespace support
