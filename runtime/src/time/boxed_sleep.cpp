// SPDX-License-Identifier: MIT
#include <eddy/future/detail/boxed_sleep.hpp>

#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

boxed_sleep::boxed_sleep(std::chrono::nanoseconds limit, std::source_location where)
    : timer_(pool_new<time::sleep_future>(time::sleep(limit, where))) {
    deadline_ = timer_->deadline();
}
boxed_sleep::boxed_sleep(boxed_sleep&& other) noexcept = default;
boxed_sleep::~boxed_sleep() = default;

bool boxed_sleep::poll(context& cx) {
    return poll_with_budget(cx, [this](context& own) { return timer_->poll(own).is_ready(); });
}

}  // namespace eddy::detail
