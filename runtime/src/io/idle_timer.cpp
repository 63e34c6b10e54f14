// SPDX-License-Identifier: MIT
#include <eddy/io/detail/idle_timer.hpp>

#include <eddy/time/sleep.hpp>

namespace eddy::detail {

idle_timer::idle_timer(std::chrono::nanoseconds limit, std::source_location where) noexcept
    : limit_(time::round_up(limit)), where_(where) {}
idle_timer::idle_timer(idle_timer&& other) noexcept : idle_timer(other.limit_, other.where_) { take(other); }
idle_timer& idle_timer::operator=(idle_timer&& other) noexcept {
    limit_ = other.limit_;
    where_ = other.where_;
    timers_[read].reset();
    timers_[write].reset();
    take(other);
    return *this;
}
idle_timer::~idle_timer() = default;

bool idle_timer::poll_late(context& cx, direction waiting) {
    if (!waits_[waiting]) {
        waits_[waiting] = true;
        if (!waits_[1 - waiting]) last_ = time::clock::now();
    }
    auto& timer = timers_[waiting];
    for (;;) {
        const auto deadline = time::saturating_add(last_, limit_);
        if (!timer) timer.reset(pool_new<time::sleep_future>(deadline, where_));
        if (!timer->poll(cx)) return false;
        const bool is_late = timer->deadline() >= deadline;
        timer.reset();
        if (is_late) return true;
    }
}

void idle_timer::take(const idle_timer& other) noexcept {
    last_ = other.last_;
    waits_[read] = other.waits_[read];
    waits_[write] = other.waits_[write];
}

}  // namespace eddy::detail
