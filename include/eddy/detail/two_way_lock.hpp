// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

/// An asynchronous lock between two tasks. A task holds it while it polls the object that they share. A task that finds
/// it held is woken when it is released, and must poll again; no thread blocks. (futures-rs calls this a BiLock.)
///
///     free <── poll_lock(), unlock() ──> held <── poll_lock() by the other task ──> held, with the other's waker
///
/// At most one of two tasks waits, so one waker slot suffices. The waker of a task that does not poll again is woken
/// without effect, or replaced.
/// Thread safety: any thread.
class EDDY_API two_way_lock {
public:
    two_way_lock() noexcept = default;
    two_way_lock(const two_way_lock&) = delete;
    two_way_lock& operator=(const two_way_lock&) = delete;

    /// Returns true if the caller now holds the lock. Otherwise `wake` will be woken when it is free.
    [[nodiscard]] bool poll_lock(const waker& wake);

    /// Releases the lock and wakes the waiting task.
    /// Preconditions: the caller holds the lock.
    void unlock() noexcept;

private:
    [[nodiscard]] bool take() noexcept;

    spin_lock access_;  // guards the members below
    bool is_held_ = false;
    waker waits_;
};

}  // namespace eddy::detail
