// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

#include "sys/fd.hpp"

namespace eddy::detail {

/// A pipe that ends a wait on another thread, for drivers whose system has no other means.
/// Thread safety: ring() on any thread; drain() on one thread at a time.
class wake_pipe {
public:
    /// An empty object.
    wake_pipe() noexcept = default;

    /// Creates the pipe.
    /// Errors: what pipe(2) reports.
    [[nodiscard]] static result<wake_pipe> make() noexcept;

    explicit operator bool() const noexcept { return static_cast<bool>(from_); }
    /// Returns the descriptor that is readable after ring().
    [[nodiscard]] int read_end() const noexcept { return from_.get(); }

    /// Makes the read end readable. A full pipe is readable, too.
    void ring() const noexcept;
    /// Empties the pipe.
    void drain() const noexcept;
    void close() noexcept {
        from_.reset();
        to_.reset();
    }

private:
    sys::unique_fd from_;
    sys::unique_fd to_;
};

}  // namespace eddy::detail
