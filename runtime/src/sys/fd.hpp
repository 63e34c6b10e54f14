// SPDX-License-Identifier: MIT
#pragma once

#if !defined(_WIN32)
#include <unistd.h>
#endif

#include <utility>

#include <eddy/detail/export.hpp>

namespace eddy::sys {

/// Closes a descriptor. Does nothing if `fd` is -1.
#if defined(_WIN32)
void close(int fd) noexcept;
#else
inline void close(int fd) noexcept {
    // The call is not repeated after EINTR: on Linux the descriptor is already closed, and its number may belong to
    // another file.
    if (fd >= 0) ::close(fd);
}
#endif

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

    /// Returns the descriptor; -1 if there is none.
    [[nodiscard]] int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

    /// Returns the descriptor without closing it. This object is empty afterwards.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    /// Closes the descriptor and takes ownership of `fd`.
    void reset(int fd = -1) noexcept { sys::close(std::exchange(fd_, fd)); }

private:
    int fd_ = -1;
};

/// Returns `fd`, or a copy with a number above 2 that replaces it. If a program has closed standard input, output, or
/// error, the kernel reuses that number for the next descriptor, and the program would print into an event queue or a
/// socket. Returns -1, and leaves errno, if `fd` is -1 or if no descriptor is available.
[[nodiscard]] EDDY_API int above_standard(int fd) noexcept;  // also for the other libraries of eddy

}  // namespace eddy::sys
