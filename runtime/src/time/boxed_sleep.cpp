// SPDX-License-Identifier: MIT
#include <eddy/future/detail/boxed_sleep.hpp>

#include <eddy/time/sleep.hpp>

namespace eddy::detail {

boxed_sleep::boxed_sleep(std::chrono::nanoseconds limit, std::source_location where)
    : timer_(pool_new<time::sleep_future>(time::sleep(limit, where))) {
    deadline_ = timer_->deadline();
}
boxed_sleep::boxed_sleep(boxed_sleep&& other) noexcept = default;
boxed_sleep::~boxed_sleep() = default;

bool boxed_sleep::poll(context& cx) {
    if (cx.budget() != 0) return timer_->poll(cx).is_ready();
    context own(cx.waker());
    return timer_->poll(own).is_ready();
}

}  // namespace eddy::detail
