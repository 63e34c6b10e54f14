// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/time/clock.hpp>

// A clock that tests can pause and move: the clock of the event loop on this thread, which time::clock::now() returns.
//
// While the clock is paused and no task can run, the event loop advances the clock to the next deadline. So sleeps take
// no real time, and a test sees the same times in each run. The loop does not do this while blocking work that its
// tasks have started is pending: spawn_blocking(), name lookups, standard input and output.

namespace eddy::test {

/// Pauses the clock.
/// Errors: throws misuse without an event loop on this thread, or if the clock is paused.
EDDY_API void pause(std::source_location where = std::source_location::current());

/// Continues the clock from its paused time.
/// Errors: throws misuse without an event loop on this thread, or if the clock is not paused.
EDDY_API void resume(std::source_location where = std::source_location::current());

/// Advances the clock, fires the timers that are due, and lets the woken tasks run. Made by advance().
/// Cancel safety: safe. If the future was polled, the clock has been advanced.
class [[nodiscard("advance does nothing until it is awaited")]] EDDY_API advance_future
    : public future_ops<advance_future> {
public:
    using output_type = void;

    advance_future(time::duration by, std::source_location where) noexcept : by_(by), where_(where) {}

    poll_result<void> poll(context& cx);

private:
    time::duration by_;
    std::source_location where_;
    bool advanced_ = false;
};

/// Advances the paused clock by `d` in one step: all timers that are due by then fire at the same time. The future is
/// ready when the tasks that these timers woke have been polled. It does not wait for work that these tasks start;
/// await a sleep for that.
/// Errors: when awaited, throws misuse without an event loop on this thread, or if the clock is not paused.
/// Cancel safety: safe. If the future was polled, the clock has been advanced.
template <class Rep, class Period>
[[nodiscard]] advance_future advance(std::chrono::duration<Rep, Period> d,
                                     std::source_location where = std::source_location::current()) noexcept {
    return advance_future(time::round_up(d), where);
}

}  // namespace eddy::test
