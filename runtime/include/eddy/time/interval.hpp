// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::time {

/// The policy for the ticks that follow a tick that was taken late.
///
///     period 50 ms, the second tick is taken at 120 ms      burst: 100, 150, 200    delay: 170, 220    skip: 150, 200
enum class missed_tick_behavior : std::uint8_t {
    burst,  ///< missed ticks follow immediately until the schedule is caught up
    delay,  ///< one full period after the late tick was taken; the schedule restarts from there
    skip,   ///< at the next multiple of the period since the start; missed ticks are omitted
};

/// Returns the due time of the tick after the one that was due at `scheduled` and taken at `now`. Saturates.
/// For `delay` a tick is late if it is taken more than 5 ms, or a period, after it was due. A smaller difference is the
/// event loop's own latency, which would otherwise accumulate.
/// Preconditions: scheduled <= now, and period is greater than zero.
[[nodiscard]] EDDY_API time_point next_tick(missed_tick_behavior behavior, time_point scheduled, time_point now,
                                            duration period) noexcept;

class interval_stream;

/// The future that interval_stream::tick() returns. Its output is the instant at which the tick was due.
/// Cancel safety: safe. A future that is dropped before it is ready has not taken a tick.
class [[nodiscard("a tick does nothing until it is awaited")]] tick_future : public future_ops<tick_future> {
public:
    using output_type = time_point;

    explicit tick_future(interval_stream& of) noexcept : of_(&of) {}

    friend const interval_stream* awaited_object(const tick_future& me) noexcept { return me.of_; }

    poll_result<time_point> poll(context& cx);

    // A template: Clang would otherwise read it here, where interval_stream is not complete.
    template <class Of = interval_stream>
    static constexpr auto wait_shape() {
        constexpr Of* tick_future::* of = &tick_future::of_;
        return inspect::waits_as(of);
    }

private:
    interval_stream* of_;
};

/// A stream that ticks once per period and never ends. Its items are the instants at which the ticks were due. Created
/// by interval() and interval_at().
/// Cancel safety: safe. A tick() that is dropped before it is ready has not taken a tick.
/// Thread safety: one thread at a time, with one tick() at a time.
/// Lifetime: it must outlive its tick() futures and must not be moved while one of them waits.
/// Cost: same as a sleep. A tick that is already due is not registered with the timer.
class EDDY_API interval_stream : public stream_ops<interval_stream> {
public:
    using item_type = time_point;

    static constexpr const char* wakes_one_task = "an interval";

    /// Creates an interval with the first tick at `start`. Prefer interval() and interval_at().
    /// Errors: throws misuse if `period` is zero or less.
    interval_stream(time_point start, duration period, std::source_location where = std::source_location::current());
    // The timer is not moved, and the next poll arms a new one. So this object may be moved after a poll that was not
    // ready: an adapter such as merge() may return an item of another stream and then be moved.
    interval_stream(interval_stream&& other) noexcept
        : wait_(other.wait_.deadline(), other.where_),
          where_(other.where_),
          period_(other.period_),
          behavior_(other.behavior_) {}
    interval_stream& operator=(interval_stream&&) = delete;
    ~interval_stream() { detail::check_not_awaited(this, "an interval"); }

    /// Returns a future of the next tick. Its output is the instant at which the tick was due.
    [[nodiscard]] tick_future tick() noexcept { return tick_future(*this); }

    /// Poll functions for tick() and for the stream. poll_next() never ends the stream.
    poll_result<time_point> poll_tick(context& cx);
    poll_result<std::optional<time_point>> poll_next(context& cx);

    /// Returns the period.
    [[nodiscard]] duration period() const noexcept { return period_; }

    /// Returns or sets the behavior after a late tick. The default is burst.
    [[nodiscard]] time::missed_tick_behavior missed_tick_behavior() const noexcept { return behavior_; }
    void set_missed_tick_behavior(time::missed_tick_behavior behavior) noexcept { behavior_ = behavior; }

    /// Sets the next tick to one period from now.
    void reset() noexcept { reset_at(deadline_after(period_)); }
    /// Sets the next tick to now.
    void reset_immediately() noexcept { reset_at(clock::now()); }
    /// Sets the next tick to `d` from now.
    template <class Rep, class Period>
    void reset_after(std::chrono::duration<Rep, Period> d) noexcept {
        reset_at(deadline_after(d));
    }
    /// Sets the next tick to `next`. Later ticks follow from there.
    void reset_at(time_point next) noexcept { wait_.reset(next); }

    static constexpr auto wait_shape() { return inspect::waits_as(&interval_stream::wait_); }

private:
    sleep_future wait_;
    std::source_location where_;
    duration period_;
    time::missed_tick_behavior behavior_ = time::missed_tick_behavior::burst;
};

/// Returns an interval that ticks now and then every `period`.
/// Errors: throws misuse if `period` is zero or less.
///     auto every = eddy::time::interval(1s);
///     for (;;) { co_await every.tick(); report(); }
template <class Rep, class Period>
[[nodiscard]] interval_stream interval(std::chrono::duration<Rep, Period> period,
                                       std::source_location where = std::source_location::current()) {
    return interval_stream(clock::now(), round_up(period), where);
}

template <class N>
    requires std::is_arithmetic_v<N>
eddy::detail::broken_future interval(N) EDDY_DELETED(EDDY_NEEDS_UNIT);

/// Returns an interval that ticks at `start` and then every `period`.
/// Errors: throws misuse if `period` is zero or less.
template <class Rep, class Period>
[[nodiscard]] interval_stream interval_at(time_point start, std::chrono::duration<Rep, Period> period,
                                          std::source_location where = std::source_location::current()) {
    return interval_stream(start, round_up(period), where);
}

// ---- Implementation ----

inline poll_result<time_point> tick_future::poll(context& cx) { return of_->poll_tick(cx); }

}  // namespace eddy::time
