// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/time/clock.hpp>

// A clock that tests stop and move: the one of the event loop on this thread, which time::clock::now() shows.
//
// While it stands, a loop in which nothing can run moves it to the next deadline at once. So sleeps take no time, and
// the same test sees the same instants in each run.

namespace eddy::test {

/// Stops the clock.
/// Errors: throws misuse without a loop on this thread, or if the clock stands already.
EDDY_API void pause(std::source_location where = std::source_location::current());

/// Lets the clock go on from where it stands.
/// Errors: throws misuse without a loop on this thread, or if the clock is not paused.
EDDY_API void resume(std::source_location where = std::source_location::current());

/// Moves the clock, fires what is due, and lets the tasks that this wakes run. Made by advance().
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

/// Moves the paused clock forward by `d`, in one jump: everything that is due by then fires at the same instant. Ready
/// when the tasks that this woke have had a turn; what they begin is not waited for (await a sleep for that).
/// Errors: throws misuse, when awaited, without a loop on this thread, or if the clock is not paused.
template <class Rep, class Period>
[[nodiscard]] advance_future advance(std::chrono::duration<Rep, Period> d,
                                     std::source_location where = std::source_location::current()) noexcept {
    return advance_future(time::round_up(d), where);
}

}  // namespace eddy::test
