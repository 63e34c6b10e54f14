// SPDX-License-Identifier: MIT
#include "message/body_timer.hpp"

#include <algorithm>

namespace eddy::detail {

void body_rate::begin_wait() noexcept {
    if (waits_since_ == time::time_point::max()) waits_since_ = time::clock::now();
}

void body_rate::end_wait() noexcept {
    if (waits_since_ == time::time_point::max()) return;
    waited_ += time::clock::now() - waits_since_;
    waits_since_ = time::time_point::max();
}

void body_rate::receive(std::size_t count) noexcept {
    received_ += count;
    end_wait();
}

time::time_point body_rate::deadline() const noexcept {
    constexpr auto never = time::time_point::max();
    return waits_since_ == never ? never : time::saturating_add(waits_since_, most_wait());
}

time::duration body_rate::most_wait() const noexcept {
    constexpr std::uint64_t most_seconds = 1U << 30;
    auto most = time::duration::max();
    if (minimum_ != 0) {
        const time::duration earned = std::chrono::seconds(std::min(received_ / minimum_, most_seconds));
        most = grace_ < time::duration::max() - earned ? grace_ + earned - waited_ : time::duration::max();
    }
    return whole_ != time::duration::zero() ? std::min(most, whole_ - waited_) : most;
}

bool body_timer::poll_late(context& cx, bool in_trailers) {
    rate_.begin_wait();
    if (in_trailers && !trailers_since_) trailers_since_ = time::clock::now();
    const auto limit = deadline();
    if (limit == time::time_point::max()) return false;
    if (timer_ && timer_->deadline() > limit) timer_.reset();
    for (;;) {
        if (!timer_) timer_.reset(pool_new<time::sleep_future>(limit));
        if (!timer_->poll(cx)) return false;
        const bool is_late = timer_->deadline() >= limit;
        timer_.reset();
        if (is_late) return true;
    }
}

time::time_point body_timer::deadline() const noexcept {
    const auto whole = rate_.deadline();
    return trailers_since_ ? std::min(whole, time::saturating_add(*trailers_since_, trailer_limit_)) : whole;
}

}  // namespace eddy::detail
