// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/stream.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::time {

/// What an interval does when a tick is taken late: when the next one is.
///
///     period 50 ms, the second tick is taken at 120 ms      burst: 100, 150, 200    delay: 170, 220    skip: 150, 200
enum class missed_tick_behavior : std::uint8_t {
    burst,  ///< the ticks that were missed follow at once, until the schedule is caught up
    delay,  ///< a full period after the late tick was taken; the schedule starts anew from there
    skip,   ///< at the next multiple of the period, counted from the start; those that were missed are left out
};

/// When the tick after the one that was due at `scheduled` and taken at `now` is due. Saturates.
/// For `delay` a tick is late by more than 5 ms, or by a period: less is the loop's own delay, and would add up.
/// Preconditions: scheduled <= now, and period is above zero.
[[nodiscard]] EDDY_API time_point next_tick(missed_tick_behavior behavior, time_point scheduled, time_point now,
                                            duration period) noexcept;

class interval_stream;

/// Waits for the next tick. Made by interval_stream::tick().
class [[nodiscard("a tick does nothing until it is awaited")]] tick_future : public future_ops<tick_future> {
public:
    using output_type = time_point;

    explicit tick_future(interval_stream& of) noexcept : of_(&of) {}

    poll_result<time_point> poll(context& cx);

private:
    interval_stream* of_;
};

/// A tick every period, for ever. It is a stream, too, of the instants at which the ticks were due.
/// Made by interval() and interval_at().
/// Cancel safety: safe. A tick() that is dropped before it is ready has taken no tick.
/// Thread safety: as any stream; one tick() at a time.
/// Lifetime: it must outlive its tick()s, and must not be moved while one of them waits.
/// Cost: that of a sleep; one that is due already costs no registration.
class EDDY_API interval_stream : public stream_ops<interval_stream> {
public:
    using item_type = time_point;

    /// Errors: throws misuse if `period` is zero or less.
    interval_stream(time_point start, duration period, std::source_location where = std::source_location::current());
    // The timer stays where it is, and the next poll sets another: an adaptor around this, such as merge(), may have an
    // item while this waits, and be moved then.
    interval_stream(interval_stream&& other) noexcept
        : wait_(other.wait_.deadline(), other.where_),
          where_(other.where_),
          period_(other.period_),
          behavior_(other.behavior_) {}
    interval_stream& operator=(interval_stream&&) = delete;
    ~interval_stream() = default;

    /// The next tick: its value is the instant at which it was due.
    [[nodiscard]] tick_future tick() noexcept { return tick_future(*this); }

    poll_result<time_point> poll_tick(context& cx);
    poll_result<std::optional<time_point>> poll_next(context& cx);

    [[nodiscard]] duration period() const noexcept { return period_; }

    [[nodiscard]] time::missed_tick_behavior missed_tick_behavior() const noexcept { return behavior_; }
    void set_missed_tick_behavior(time::missed_tick_behavior behavior) noexcept { behavior_ = behavior; }

    /// The next tick is a period from now.
    void reset() noexcept { reset_at(deadline_after(period_)); }
    /// The next tick is now.
    void reset_immediately() noexcept { reset_at(clock::now()); }
    /// The next tick is `d` from now.
    template <class Rep, class Period>
    void reset_after(std::chrono::duration<Rep, Period> d) noexcept {
        reset_at(deadline_after(d));
    }
    /// The next tick is at `next`; the others follow from there.
    void reset_at(time_point next) noexcept { wait_.reset(next); }

private:
    sleep_future wait_;
    std::source_location where_;
    duration period_;
    time::missed_tick_behavior behavior_ = time::missed_tick_behavior::burst;
};

/// Ticks now, and then every `period`.
/// Errors: throws misuse if `period` is zero or less.
///     auto every = eddy::time::interval(1s);
///     for (;;) { co_await every.tick(); report(); }
template <class Rep, class Period>
[[nodiscard]] interval_stream interval(std::chrono::duration<Rep, Period> period,
                                       std::source_location where = std::source_location::current()) {
    return interval_stream(clock::now(), round_up(period), where);
}

/// Ticks at `start`, and then every `period`.
/// Errors: throws misuse if `period` is zero or less.
template <class Rep, class Period>
[[nodiscard]] interval_stream interval_at(time_point start, std::chrono::duration<Rep, Period> period,
                                          std::source_location where = std::source_location::current()) {
    return interval_stream(start, round_up(period), where);
}

// ---- Implementation ----

inline poll_result<time_point> tick_future::poll(context& cx) { return of_->poll_tick(cx); }

}  // namespace eddy::time
