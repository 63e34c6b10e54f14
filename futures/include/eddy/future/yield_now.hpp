// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy {

/// Yields to other tasks: `co_await yield_now()`. The task moves to the end of the run queue and is polled again
/// without waiting for an event. This does not run a driver tick: while tasks are queued, sockets and timers are
/// processed after about 60 polls (runtime_builder::event_interval). If a task yields every 5 ms, that is after 0.3 s.
/// Thread safety: same as any future; see eddy::future.
/// Cost: one pass through the run queue; no system call while other tasks are runnable.
class [[nodiscard("co_await it")]] yield_now : public future_ops<yield_now> {
public:
    using output_type = void;
    /// For the library: the future is ready after its wake-up, so an await need not poll it a second time.
    static constexpr bool ends_when_woken = true;

    /// Constructs the future.
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
