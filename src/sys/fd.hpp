// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <utility>

namespace eddy::sys {

/// Owns a file descriptor and closes it.
class unique_fd {
public:
    unique_fd() noexcept = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        reset(other.release());
        return *this;
    }
    ~unique_fd() { reset(); }

    /// The descriptor; -1 if there is none.
    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

    /// Gives the descriptor up without closing it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    /// Closes the descriptor and owns `fd` from now on.
    void reset(int fd = -1) noexcept {
        // Not repeated after EINTR: on Linux the descriptor is closed by then, and its number may be somebody else's.
        if (const int old = std::exchange(fd_, fd); old >= 0) ::close(old);
    }

private:
    int fd_ = -1;
};

/// `fd`, or in its place a copy with a number above those of standard input, output and error. Where a program has
/// closed one of these, the system gives its number to what is opened next, and what the program prints would go into a
/// loop or a socket. -1 if `fd` is, or if there is no further number; errno says why.
[[nodiscard]] int above_standard(int fd) noexcept;

}  // namespace eddy::sys
