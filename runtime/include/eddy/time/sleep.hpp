// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/detail/timer_entry.hpp>

namespace eddy::time {

/// A future that is ready once a deadline has passed, and never before. Created by sleep() and sleep_until().
///
/// The first poll puts it into the timer wheel of the polling event loop. It moves when a `core` polls it, or when
/// another event loop polls it after a `core`. If the event loop ends first, the task is woken, and the sleep moves to
/// the event loop that polls it next. Only the waker of the latest poll is woken.
/// Errors: poll() throws `misuse`, with the call site of the sleep, if it needs an event loop and this thread has none,
/// or if that loop has shut down.
/// Cancel safety: safe. The destructor removes it from the timer wheel.
/// Thread safety: one thread at a time. It may be polled and destroyed on a different thread than the one whose timer
/// wheel contains it.
/// Lifetime: it must not be moved while it waits, that is, from the first poll that is not ready until it is ready.
/// reset() does not end the wait.
/// Cost: no allocation. Arming and dropping are O(1), under an uncontended lock.
class [[nodiscard("a sleep does nothing until it is awaited")]] EDDY_API sleep_future
    : public future_ops<sleep_future> {
public:
    using output_type = void;

    static constexpr const char* wakes_one_task = "a sleep";

    /// Creates a sleep until `deadline`. `where` is the call site for error messages.
    explicit sleep_future(time_point deadline, std::source_location where = std::source_location::current()) noexcept
        : deadline_(deadline), where_(where) {}
    sleep_future(sleep_future&& other) noexcept
        : deadline_(other.deadline_), where_(other.where_), is_ahead_(other.is_ahead_) {
        if (other.entry_.is_armed())
            detail::fatal_misuse(
                "a sleep was moved while it waits: move it before its first poll, or keep it where it is and pass it "
                "by std::ref. It was made",
                other.where_);
    }
    sleep_future& operator=(sleep_future&&) = delete;
    ~sleep_future() { detail::check_not_awaited(this, "a sleep"); }

    /// Returns a sleep that ends `d` from now; see sleep().
    [[nodiscard]] static sleep_future after(duration d, std::source_location where) noexcept;

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::timer, &sleep_future::deadline_); }

    friend const sleep_future* awaited_object(const sleep_future& me) noexcept { return &me; }

    poll_result<void> poll(context& cx);

    /// Returns the deadline.
    [[nodiscard]] time_point deadline() const noexcept { return deadline_; }

    /// Returns true if the deadline has passed, so that a poll would be ready.
    [[nodiscard]] bool is_elapsed() const noexcept;

    /// Sets a new deadline, even if the sleep was already ready. If a task waits for the sleep, it continues
    /// to wait. Its timer moves to the timer wheel of this thread's event loop. If this thread has no event loop, the
    /// timer stays in its current wheel.
    void reset(time_point deadline) noexcept;

private:
    [[nodiscard]] bool poll_deadline(const waker& wake);

    detail::timer_entry entry_;
    time_point deadline_;
    std::source_location where_;
    // The deadline was computed from the event loop's clock and was in the future. So the first poll does not read the
    // clock again, which would be the largest part of its cost. If the deadline has passed in the meantime, the next
    // driver tick fires the timer.
    bool is_ahead_ = false;
};

/// Returns a sleep for `d`, counted from this call and not from the first poll. A `d` of zero or less is ready at the
/// first poll. A `d` that exceeds the clock's range never ends.
///     co_await eddy::time::sleep(100ms);
/// Errors: poll() throws `misuse` if there is no event loop; see sleep_future.
template <class Rep, class Period>
[[nodiscard]] sleep_future sleep(std::chrono::duration<Rep, Period> d,
                                 std::source_location where = std::source_location::current()) noexcept {
    return sleep_future::after(round_up(d), where);
}

/// Returns a sleep until `deadline`. A deadline in the past is ready at the first poll; time_point::max() never is.
/// Errors: poll() throws `misuse` if there is no event loop; see sleep_future.
[[nodiscard]] inline sleep_future sleep_until(time_point deadline,
                                              std::source_location where = std::source_location::current()) noexcept {
    return sleep_future(deadline, where);
}

}  // namespace eddy::time
