// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

/// Measures the rate at which the bytes of a body arrive. Only the time in which a reader waits counts, so a slow
/// service does not use up the time of its client. In all, a reader waits for `grace`, and for the time that the
/// received bytes take at the minimum rate, and never for more than `whole`.
/// Thread safety: one thread at a time.
class body_rate {
public:
    /// No minimum rate.
    body_rate() noexcept = default;
    /// With a rate of 0, there is no minimum; with 0 as `whole`, no limit for all waits together.
    body_rate(std::uint64_t bytes_per_second, std::chrono::nanoseconds grace, std::chrono::nanoseconds whole) noexcept
        : minimum_(bytes_per_second), grace_(time::round_up(grace)), whole_(time::round_up(whole)) {}

    /// Called by a reader that waits. The time of its first call counts.
    void begin_wait() noexcept;
    void end_wait() noexcept;
    /// Records that bytes have arrived, and ends the wait.
    void receive(std::size_t count) noexcept;
    /// Returns the time at which a reader began to wait, or time_point::max() if no reader waits.
    [[nodiscard]] time::time_point waits_since() const noexcept { return waits_since_; }
    /// Returns the time at which the reader has waited for too long, or time_point::max().
    [[nodiscard]] time::time_point deadline() const noexcept;
    /// Returns whether a wait that begins now may last for less than `grace`.
    [[nodiscard]] bool is_slow() const noexcept { return most_wait() < grace_; }

private:
    /// Returns how long a wait that begins now may last.
    [[nodiscard]] time::duration most_wait() const noexcept;

    std::uint64_t minimum_ = 0;
    time::duration grace_{};
    time::duration whole_{};
    time::duration waited_{};  // by readers, without the current wait
    std::uint64_t received_ = 0;
    time::time_point waits_since_ = time::time_point::max();
};

/// Limits the time for which an HTTP/1.1 server waits for a body, although its client makes progress.
///
/// - The whole body: its rate, and its time `whole`; see body_rate.
/// - Its trailer section: `trailer_limit`, from the first wait for it.
///
/// A wait ends when bytes arrive, and not when the reader takes them. A read that was dropped also waits until then,
/// because the body is not told that its reader has gone.
/// Thread safety: one thread at a time.
class body_timer {
public:
    body_timer(const body_rate& rate, std::chrono::nanoseconds trailer_limit) noexcept
        : rate_(rate), trailer_limit_(time::round_up(trailer_limit)) {}

    /// Ends the current wait. Call it when bytes have arrived.
    void end_wait() noexcept { rate_.end_wait(); }
    /// Records that the reader has received bytes of the body, and ends the current wait.
    void receive(std::size_t count) noexcept { rate_.receive(count); }
    /// Called by a reader that waits. Returns whether a limit has passed. Otherwise wakes the task when one has passed.
    [[nodiscard]] bool poll_late(context& cx, bool in_trailers);
    /// Wakes no task any more.
    void stop() noexcept { timer_.reset(); }

private:
    [[nodiscard]] time::time_point deadline() const noexcept;

    body_rate rate_;
    time::duration trailer_limit_;
    std::optional<time::time_point> trailers_since_;
    pool_box<time::sleep_future> timer_;  // null until a reader waits. It may fire before the deadline
};

}  // namespace eddy::detail
