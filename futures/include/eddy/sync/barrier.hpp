// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sync/detail/active_notifiers.hpp>

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

    std::uint64_t round = 0;        ///< guarded by the barrier's lock
    stages stage = stages::fresh;   ///< used by the owning future only, without the lock
    call_site polled_at = nullptr;  ///< the await that polled last
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
    /// Waits for leaders on other threads that still send wake-ups. Returns false if tasks wait. Destroying the barrier
    /// is misuse then, which the caller reports.
    [[nodiscard]] bool may_be_destroyed() noexcept;
    /// Ends the program with the location of an await, after may_be_destroyed() has returned false.
    [[noreturn]] void destroyed_too_early() const noexcept;

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

namespace eddy::sync {

/// The output of barrier::wait().
/// Thread safety: a value type; concurrent reads are safe.
class barrier_wait_result {
public:
    /// Creates a result. For the barrier's own use.
    explicit barrier_wait_result(bool is_leader) noexcept : is_leader_(is_leader) {}

    /// Returns true for exactly one task of each round: the task that arrived last.
    [[nodiscard]] bool is_leader() const noexcept { return is_leader_; }

private:
    bool is_leader_;
};

/// Releases the waiting tasks once `count` of them have arrived, then resets for the next round.
/// Does not need a runtime.
/// Thread safety: all members may be called from any thread; only the destructor needs exclusive access.
/// Lifetime: the barrier must outlive its wait() futures. It may be destroyed as soon as they are ready. Destroying it
/// while a task waits terminates the program.
/// Cost: no allocation. Each poll takes a spin lock for a few instructions.
class barrier {
public:
    class wait_future;

    /// Creates a barrier for `count` tasks. 0 is treated as 1. With 1, wait() never waits.
    explicit barrier(std::size_t count) noexcept : state_(count) {}
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    ~barrier() {
        if (!state_.may_be_destroyed()) state_.destroyed_too_early();
    }

    /// Returns a future that is ready once `count` tasks have arrived. The first poll of the future counts as the
    /// arrival.
    /// Cancel safety: safe. Dropping a future that waits undoes its arrival: another task must arrive in its place.
    /// (Tokio's barrier still counts a dropped waiter.)
    /// Lifetime: the barrier must outlive the future.
    [[nodiscard]] wait_future wait() noexcept;

private:
    eddy::detail::barrier_state state_;
};

/// The future that barrier::wait() returns. Moving it after its first poll terminates the program.
/// Cancel safety: safe; see barrier::wait().
class [[nodiscard("co_await it")]] barrier::wait_future : public future_ops<wait_future> {
public:
    using output_type = barrier_wait_result;

    wait_future(wait_future&& other) noexcept : of_(other.of_) {
        if (other.waiter_.stage != eddy::detail::barrier_waiter::stages::fresh)
            eddy::detail::fatal_moved("a barrier's wait()", other.waiter_.polled_at);
    }
    wait_future& operator=(wait_future&&) = delete;
    ~wait_future() { of_->leave(waiter_); }

    poll_result<barrier_wait_result> poll(context& cx) {
        using answers = eddy::detail::barrier_state::answers;
        if (waiter_.stage == eddy::detail::barrier_waiter::stages::ended)
            eddy::detail::throw_has_ended("a barrier's wait()", cx.where());
        if (!cx.consume_budget()) return not_ready;
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        const auto answer = of_->poll(waiter_, cx.waker());
        if (answer != answers::not_yet) return barrier_wait_result(answer == answers::complete_as_leader);
        cx.refund_budget();
        return not_ready;
    }

    static constexpr auto wait_shape() { return inspect::awaits("a barrier", &wait_future::of_); }

private:
    friend barrier;
    explicit wait_future(eddy::detail::barrier_state& of) noexcept : of_(&of) {}

    eddy::detail::barrier_state* of_;
    eddy::detail::barrier_waiter waiter_;
};

// ---- Implementation ----

inline barrier::wait_future barrier::wait() noexcept { return wait_future(state_); }

}  // namespace eddy::sync
