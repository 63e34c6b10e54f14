// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

/// A lock between two tasks, held while one of them polls what they share. Who finds it held is woken when it is left,
/// and polls again; no thread waits. (futures-rs calls this a BiLock.)
///
///     free <── poll_lock(), unlock() ──> held <── poll_lock() by the other ──> held, and its waker is kept
///
/// Since there are two, at most one waits, and one place for a waker is enough. That of a task which does not come
/// again is woken for nothing, or replaced.
class EDDY_API two_way_lock {
public:
    two_way_lock() noexcept = default;
    two_way_lock(const two_way_lock&) = delete;
    two_way_lock& operator=(const two_way_lock&) = delete;

    /// True if the caller has it now; else `wake` is woken when it is free.
    [[nodiscard]] bool poll_lock(const waker& wake);

    /// Precondition: the caller has it.
    void unlock() noexcept;

private:
    [[nodiscard]] bool take() noexcept;

    spin_lock access_;  // guards the other two
    bool is_held_ = false;
    waker waits_;
};

}  // namespace eddy::detail
