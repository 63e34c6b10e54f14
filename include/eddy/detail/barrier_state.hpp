// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/active_notifiers.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/future/waker.hpp>

// The state of sync::barrier. The lock guards all of it.
//
//     rounds_   the number of completed rounds; a waiter stores the value at its arrival and is ready when it changes
//     arrived_  the number of tasks that wait in the current round
//
// The lock is released between two batches of wake-ups, and other tasks may arrive or leave in the meantime. The
// waiters of completed rounds are found again, because they are at the front of the list.

namespace eddy::detail {

/// The part of a barrier that lives in a wait() future.
/// Lifetime: must not move while it waits.
struct barrier_waiter : waiter {
    enum class stages : std::uint8_t { fresh, waiting, ended };

    std::uint64_t round = 0;       ///< guarded by the barrier's lock
    stages stage = stages::fresh;  ///< used by the owning future only, without the lock
};

/// The untyped part of sync::barrier.
/// Thread safety: any thread; each waiter on one thread at a time.
class EDDY_API barrier_state {
public:
    enum class answers : std::uint8_t { not_yet, complete, complete_as_leader };

    /// Creates a barrier for `count` tasks. 0 is treated as 1.
    explicit barrier_state(std::size_t count) noexcept : count_(count == 0 ? 1 : count) {}
    barrier_state(const barrier_state&) = delete;
    barrier_state& operator=(const barrier_state&) = delete;
    /// Waits for leaders on other threads that still send wake-ups. Returns false if tasks wait: destroying the barrier
    /// is misuse then, which the caller reports.
    [[nodiscard]] bool may_be_destroyed() noexcept;

    /// Counts `one` as arrived in its first call. Returns whether its round is complete, and whether `one` is the
    /// leader.
    [[nodiscard]] answers poll(barrier_waiter& one, const waker& wake) noexcept;
    /// Stops waiting. If the round of `one` is not complete, its arrival is undone, and leave() returns false.
    bool leave(barrier_waiter& one) noexcept;

private:
    answers arrive(barrier_waiter& one, const waker& wake) noexcept;
    template <class Guard>
    void wake_former_rounds(Guard& guard) noexcept;

    const std::size_t count_;
    spin_lock lock_;
    std::size_t arrived_ = 0;
    std::uint64_t rounds_ = 0;
    active_notifiers active_notifiers_;
    waiter_list<barrier_waiter> waiting_;
};

}  // namespace eddy::detail
