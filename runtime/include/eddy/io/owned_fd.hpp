// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/export.hpp>

namespace eddy::io {

/// A descriptor that this object closes. The from_native() function of a class takes it: `file.release()`.
/// Thread safety: a plain value.
class EDDY_API owned_fd {
public:
    /// Constructs an object without a descriptor.
    owned_fd() noexcept = default;
    /// Takes ownership of `fd`.
    explicit owned_fd(int fd) noexcept : fd_(fd) {}
    owned_fd(owned_fd&& other) noexcept : fd_(other.release()) {}
    owned_fd& operator=(owned_fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    /// Closes the descriptor.
    ~owned_fd();

    /// Returns the descriptor, which this object still owns; -1 if there is none.
    [[nodiscard]] int native_handle() const noexcept { return fd_; }
    /// Returns the descriptor without closing it. This object has none afterwards.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

}  // namespace eddy::io
