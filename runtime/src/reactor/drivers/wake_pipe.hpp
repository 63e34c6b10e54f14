// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <array>
#include <cstddef>
#include <utility>

#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/syscall.hpp"

namespace eddy::detail {

/// A pipe that ends a wait on another thread, for drivers whose system has no other means.
/// Thread safety: ring() on any thread; drain() on one thread at a time.
class wake_pipe {
public:
    /// An empty object.
    wake_pipe() noexcept = default;

    /// Creates the pipe.
    /// Errors: what pipe(2) reports.
    [[nodiscard]] static result<wake_pipe> make() noexcept {
        auto ends = sys::make_pipe();
        if (!ends) return std::unexpected(ends.error());
        wake_pipe made;
        made.from_ = std::move(ends->first);
        made.to_ = std::move(ends->second);
        return made;
    }

    explicit operator bool() const noexcept { return static_cast<bool>(from_); }
    /// Returns the descriptor that is readable after ring().
    [[nodiscard]] int read_end() const noexcept { return from_.get(); }

    /// Makes the read end readable. A full pipe is readable, too.
    void ring() const noexcept {
        static_cast<void>(sys::retry_interrupted([this] { return ::write(to_.get(), "", 1); }));
    }
    /// Empties the pipe.
    void drain() const noexcept {
        std::array<std::byte, 64> taken;
        while (sys::read(from_.get(), taken).value_or(0) == taken.size()) {
        }
    }
    void close() noexcept {
        from_.reset();
        to_.reset();
    }

private:
    sys::unique_fd from_;
    sys::unique_fd to_;
};

}  // namespace eddy::detail
