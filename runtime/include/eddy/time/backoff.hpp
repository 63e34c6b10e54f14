// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::time {

/// The delays between the attempts of an operation that failed. Each delay is the previous one times factor(), at most
/// max_delay(). A random part of it, jitter(), is subtracted, so that clients that failed together do not retry
/// together. eddy::retry() uses it; next() is for loops by hand.
///
///     time::backoff(100ms).max_retries(5)          // with jitter(0): 100, 200, 400, 800, 1600 ms
///     time::backoff(1s).max_delay(1min).max_retries(time::backoff::unlimited).max_elapsed(15min)
/// Thread safety: one thread at a time. A copy is independent.
/// Cost: no allocation.
class EDDY_API backoff {
public:
    /// The number of retries that means "no limit".
    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    /// Sets the first delay, without jitter. Less than zero is treated as zero.
    explicit backoff(duration first = std::chrono::milliseconds(100)) noexcept;
    template <class Rep, class Period>
    explicit backoff(std::chrono::duration<Rep, Period> first) noexcept : backoff(round_up(first)) {}

    /// Sets the factor by which each delay is longer than the previous delay. 2 by default.
    /// Errors: throws `misuse` if it is less than 1.
    backoff& factor(double by, std::source_location where = std::source_location::current());
    /// Sets the longest delay. 30 seconds by default.
    template <class Rep, class Period>
    backoff& max_delay(std::chrono::duration<Rep, Period> most) noexcept {
        max_delay_ = round_up(most);
        return *this;
    }
    /// Sets the random part of each delay: a delay `d` becomes a random one from `d * (1 - part)` to `d`. 0.5 by
    /// default. 0 is none; 1 is the "full jitter" of other libraries.
    /// Errors: throws `misuse` if it is not from 0 to 1.
    backoff& jitter(double part, std::source_location where = std::source_location::current());
    /// Sets how many delays there are, which is the number of attempts after the first one. 10 by default.
    backoff& max_retries(std::size_t most) noexcept {
        max_retries_ = most;
        return *this;
    }
    /// Sets how long after reset(), or after the first call of next(), a delay may end. No limit by default. To limit
    /// the attempts, too, use time::try_timeout() around the whole loop.
    template <class Rep, class Period>
    backoff& max_elapsed(std::chrono::duration<Rep, Period> limit) noexcept {
        max_elapsed_ = round_up(limit);
        return *this;
    }
    /// Sets the seed of the random numbers, for a run that can be repeated. By default they come from the generator of
    /// the thread, as for `select`.
    backoff& seed(std::uint64_t value) noexcept {
        own_random_.emplace(value);
        return *this;
    }

    /// Returns the delay before the next retry, or nullopt if a limit is reached.
    [[nodiscard]] std::optional<duration> next() noexcept;
    /// Starts again with the first delay, after a success. Time counts from now.
    void reset() noexcept;
    /// Returns how many delays next() has returned since the last reset().
    [[nodiscard]] std::size_t retries() const noexcept { return retries_; }

private:
    [[nodiscard]] double random_part() noexcept;

    duration first_;
    duration max_delay_ = std::chrono::seconds(30);
    duration max_elapsed_ = duration::max();
    double factor_ = 2;
    double jitter_ = 0.5;
    double delay_;  // the next delay without jitter, in the clock's unit
    std::size_t max_retries_ = 10;
    std::size_t retries_ = 0;
    std::optional<time_point> start_;
    std::optional<eddy::detail::random_numbers> own_random_;
};

}  // namespace eddy::time
