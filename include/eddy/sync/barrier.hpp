// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/detail/barrier_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy::sync {

/// What barrier::wait() gives.
class barrier_wait_result {
public:
    explicit barrier_wait_result(bool is_leader) noexcept : is_leader_(is_leader) {}

    /// True for one of those who have waited together: the one that came last.
    [[nodiscard]] bool is_leader() const noexcept { return is_leader_; }

private:
    bool is_leader_;
};

/// Lets tasks go on when as many of them have come as it was made for; then it begins anew.
/// It needs no runtime.
/// Thread safety: any thread.
/// Lifetime: it must outlive its wait() futures. It may be destroyed as soon as they are ready. Destroying it while one
/// waits ends the program.
/// Cost: no allocation; a lock for a few instructions for each poll.
class barrier {
public:
    class wait_future;

    /// For `count` tasks. 0 is as 1: nobody waits.
    explicit barrier(std::size_t count) noexcept : state_(count) {}
    barrier(const barrier&) = delete;
    barrier& operator=(const barrier&) = delete;
    ~barrier() {
        if (!state_.may_be_destroyed())
            eddy::detail::fatal_misuse(
                "a sync::barrier was destroyed while a task waits for it: keep it until its wait() "
                "futures are gone");
    }

    /// A future that ends when all have come. Its first poll counts as coming.
    /// Cancel safety: safe. A future that is dropped while it waits has not come, and another has to. (Tokio's goes on
    /// counting it.)
    [[nodiscard]] wait_future wait() noexcept;

private:
    eddy::detail::barrier_state state_;
};

/// What barrier::wait() returns.
class [[nodiscard("co_await it")]] barrier::wait_future : public future_ops<wait_future> {
public:
    using output_type = barrier_wait_result;

    wait_future(wait_future&& other) noexcept : of_(other.of_) {
        if (other.waiter_.stage != eddy::detail::barrier_waiter::stages::fresh)
            eddy::detail::fatal_misuse("a barrier's wait() was moved after its first poll");
    }
    wait_future& operator=(wait_future&&) = delete;
    ~wait_future() { of_->leave(waiter_); }

    poll_result<barrier_wait_result> poll(context& cx) {
        using answers = eddy::detail::barrier_state::answers;
        if (waiter_.stage == eddy::detail::barrier_waiter::stages::ended)
            eddy::detail::throw_has_ended("a barrier's wait()", cx.where());
        if (!cx.consume_budget()) return not_ready;
        const auto answer = of_->poll(waiter_, cx.waker());
        if (answer != answers::not_yet) return barrier_wait_result(answer == answers::all_here_and_leads);
        cx.refund_budget();
        return not_ready;
    }

private:
    friend barrier;
    explicit wait_future(eddy::detail::barrier_state& of) noexcept : of_(&of) {}

    eddy::detail::barrier_state* of_;
    eddy::detail::barrier_waiter waiter_;
};

// ---- Implementation ----

inline barrier::wait_future barrier::wait() noexcept { return wait_future(state_); }

}  // namespace eddy::sync
