// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/detail/time_driver.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::time {

/// Is ready once a deadline has been reached, never before. Made by sleep() and sleep_until().
///
/// The first poll puts it into the timer wheel of the loop that polls it. If that loop goes away first, the sleep is
/// woken, and the loop that polls it next takes it over. The waker of the last poll is the one that is woken.
/// Errors: poll throws `misuse`, with the place where the sleep was made, if it needs a loop and there is none on this
/// thread, or if that one has shut down.
/// Cancel safety: safe. Destroying it takes it out of the wheel.
/// Thread safety: as any future; it may be polled and destroyed on other threads than the one where it waits.
/// Lifetime: it must not be moved while it waits: from the first poll that is not ready until it is ready or reset.
/// Cost: no allocation; arming and dropping it are O(1), under an uncontended lock.
class [[nodiscard("a sleep does nothing until it is awaited")]] EDDY_API sleep_future
    : public future_ops<sleep_future> {
public:
    using output_type = void;

    explicit sleep_future(time_point deadline, std::source_location where = std::source_location::current()) noexcept
        : deadline_(deadline), where_(where) {}
    sleep_future(sleep_future&& other) noexcept
        : deadline_(other.deadline_), where_(other.where_), is_ahead_(other.is_ahead_) {
        if (other.entry_.is_armed())
            detail::fatal_misuse("a sleep was moved while it waits: move it before its first poll");
    }
    sleep_future& operator=(sleep_future&&) = delete;
    ~sleep_future() = default;

    /// A sleep that ends `d` from now.
    [[nodiscard]] static sleep_future after(duration d, std::source_location where) noexcept;

    poll_result<void> poll(context& cx);

    [[nodiscard]] time_point deadline() const noexcept { return deadline_; }

    /// Whether the deadline has been reached: whether a poll would be ready.
    [[nodiscard]] bool is_elapsed() const noexcept;

    /// Sleeps until `deadline` instead, also if it had ended already. If somebody waits for it, he goes on waiting: in
    /// the wheel of the loop on this thread, if there is one.
    void reset(time_point deadline) noexcept;

private:
    [[nodiscard]] bool poll_deadline(const waker& wake);

    detail::timer_entry entry_;
    time_point deadline_;
    std::source_location where_;
    // Computed from the loop's clock to be ahead: the first poll need not read the clock again, which costs as much as
    // all the rest. Should it have passed all the same, the loop's next turn fires it.
    bool is_ahead_ = false;
};

/// Waits for `d`, counted from this call and not from the first poll. Zero and less are ready at the first poll; a
/// duration that is too long for the clock never ends.
///     co_await eddy::time::sleep(100ms);
template <class Rep, class Period>
[[nodiscard]] sleep_future sleep(std::chrono::duration<Rep, Period> d,
                                 std::source_location where = std::source_location::current()) noexcept {
    return sleep_future::after(round_up(d), where);
}

/// Waits until `deadline`. One that has passed is ready at the first poll; time_point::max() never is.
[[nodiscard]] inline sleep_future sleep_until(time_point deadline,
                                              std::source_location where = std::source_location::current()) noexcept {
    return sleep_future(deadline, where);
}

}  // namespace eddy::time
