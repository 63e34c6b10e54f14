// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

/// Lets other tasks run: `co_await yield_now()`. The task goes to the end of the run queue and is polled again without
/// waiting for anything. It does not make the loop look at its sockets and timers: while tasks are queued, that is done
/// after some 60 polls (runtime_builder::event_interval). A task that computes in pieces of 5 ms lets them wait for 0.3
/// s. Cancel safety: safe. Cost: one trip through the run queue; no system call while other tasks are runnable.
class [[nodiscard("co_await it")]] yield_now : public future_ops<yield_now> {
public:
    using output_type = void;
    static constexpr bool ends_when_woken = true;  // an await need not poll it a second time

    yield_now() noexcept = default;

    poll_result<void> poll(context& cx) {
        if (has_yielded_) return poll_result<void>::ready();
        has_yielded_ = true;
        cx.waker().wake_by_ref();
        return not_ready;
    }

private:
    bool has_yielded_ = false;
};

}  // namespace eddy
