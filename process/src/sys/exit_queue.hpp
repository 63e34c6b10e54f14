// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

namespace eddy::sys {

/// A set of pidfds (epoll).
/// Thread safety: any thread may add one while another thread waits.
class exit_queue {
public:
    [[nodiscard]] static result<exit_queue> make() noexcept;

    /// Adds a pidfd. wait() returns `key` when its process has ended, until remove().
    [[nodiscard]] result<void> add(int pidfd, void* key) noexcept;
    void remove(int pidfd) noexcept;

    /// The keys that wait() returns at once.
    using keys = std::array<void*, 64>;
    /// Waits until a process has ended, or until the time has passed, if there is one. Returns the keys of those that
    /// have.
    [[nodiscard]] std::span<void* const> wait(keys& into, std::optional<std::chrono::milliseconds> most) noexcept;

private:
    explicit exit_queue(unique_fd queue) noexcept : queue_(std::move(queue)) {}

    unique_fd queue_;
};

}  // namespace eddy::sys
