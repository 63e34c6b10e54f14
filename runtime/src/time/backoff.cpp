// SPDX-License-Identifier: MIT
#include <eddy/time/backoff.hpp>

#include <algorithm>

#include <eddy/error.hpp>

namespace eddy::time {
namespace {

/// Returns the duration with this count, or the longest one if it does not fit.
duration to_duration(double count) noexcept {
    if (count >= static_cast<double>(duration::max().count())) return duration::max();
    return duration(static_cast<duration::rep>(count));
}

}  // namespace

backoff::backoff(duration first) noexcept
    : first_(std::max(first, duration::zero())), delay_(static_cast<double>(first_.count())) {}

backoff& backoff::factor(double by, std::source_location where) {
    if (!(by >= 1)) throw misuse("the factor of a backoff must be at least 1", where);  // also refuses NaN
    factor_ = by;
    return *this;
}

backoff& backoff::jitter(double part, std::source_location where) {
    if (!(part >= 0 && part <= 1)) throw misuse("the jitter of a backoff is a part of the delay, from 0 to 1", where);
    jitter_ = part;
    return *this;
}

std::optional<duration> backoff::next() noexcept {
    const time_point now = clock::now();
    if (!start_) start_ = now;
    if (retries_ >= max_retries_) return std::nullopt;
    // Compares floating-point numbers: after many retries the delay would exceed the range of `duration`.
    const double longest = std::clamp(static_cast<double>(max_delay_.count()), 0.0, delay_);
    const duration delay = to_duration(longest * (1 - jitter_ * random_part()));
    if (max_elapsed_ != duration::max() && saturating_add(now, delay) > saturating_add(*start_, max_elapsed_))
        return std::nullopt;
    ++retries_;
    delay_ = longest * factor_;
    return delay;
}

void backoff::reset() noexcept {
    retries_ = 0;
    delay_ = static_cast<double>(first_.count());
    start_ = clock::now();
}

double backoff::random_part() noexcept {
    constexpr std::size_t steps = std::size_t{1} << 24;
    eddy::detail::random_numbers& numbers = own_random_ ? *own_random_ : eddy::detail::random_here;
    return static_cast<double>(numbers.below(steps)) / static_cast<double>(steps);
}

}  // namespace eddy::time
