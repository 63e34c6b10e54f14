// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/processes.hpp"

namespace eddy::sys {

/// A set of processes: an epoll of pidfds on Linux, waits of the system's thread pool that post to an I/O completion
/// port on Windows, else a kqueue.
/// Thread safety: any thread may add one while another thread waits.
class exit_queue {
public:
    [[nodiscard]] static result<exit_queue> make() noexcept;

    /// Returns whether the set can have this process. On Linux, it needs a pidfd.
    [[nodiscard]] static bool can_watch(const started_process& process) noexcept;
    /// Adds a process, which was not reaped. wait() returns `key` when it has ended: on Linux each time until remove(),
    /// on other systems once. Processes that have ended before are also returned.
    [[nodiscard]] result<void> add(const started_process& process, void* key) noexcept;
    void remove(const started_process& process) noexcept;

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
