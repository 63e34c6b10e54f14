// SPDX-License-Identifier: MIT
#include "http/body_timer.hpp"

#include <algorithm>

namespace eddy::inline v0_1::detail {

void body_timer::receive(std::size_t count) noexcept {
    received_ += count;
    if (!waits_since_) return;
    waited_ += time::clock::now() - *waits_since_;
    waits_since_.reset();
}

bool body_timer::poll_late(context& cx, bool in_trailers) {
    if (!waits_since_) waits_since_ = time::clock::now();
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
    auto next = time::time_point::max();
    if (rate_ != 0) {
        constexpr std::uint64_t most_seconds = 1U << 30;
        const auto earned = std::chrono::seconds(std::min(received_ / rate_, most_seconds));
        next = time::saturating_add(time::saturating_add(*waits_since_, grace_), earned - waited_);
    }
    if (trailers_since_) next = std::min(next, time::saturating_add(*trailers_since_, trailer_limit_));
    return next;
}

}  // namespace eddy::detail
