// SPDX-License-Identifier: MIT
#include <eddy/time/sleep.hpp>

#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/detail/boxed_sleep.hpp>
#include <eddy/future/detail/budget_guard.hpp>

#include "time/time_driver.hpp"

namespace eddy::time {

using detail::time_driver;

namespace {

time_driver& require_driver(const std::source_location& where) {
    time_driver* const driver = detail::this_thread.executor.time;
    if (driver == nullptr) {
        throw misuse(
            "a sleep needs an event loop on this thread: await it inside eddy::run(), core::run() or a runtime", where);
    }
    return *driver;
}

}  // namespace

sleep_future sleep_future::after(duration d, std::source_location where) noexcept {
    const time_driver* const driver = detail::this_thread.executor.time;
    const time_point now = driver != nullptr ? driver->now() : std::chrono::steady_clock::now();
    sleep_future made(saturating_add(now, d), where);
    made.is_ahead_ = driver != nullptr && d > duration::zero();
    return made;
}

poll_result<void> sleep_future::poll(context& cx) {
    if (!cx.consume_budget()) return not_ready;
    if (poll_deadline(cx.waker())) return poll_result<void>::ready();
    cx.refund_budget();
    return not_ready;
}

bool sleep_future::poll_deadline(const waker& wake) {
    if (entry_.is_fired()) return true;
    const detail::runtime_context& here = detail::this_thread;
    if (entry_.is_armed()) {
        // A core fires its timers only while it runs, and the one on which the sleep is armed may not run again. So the
        // sleep moves to the driver of this thread, from a core or to one. Workers of a pool process each other's
        // timers, so it need not move between them.
        const time_driver* const former = entry_.driver();
        const time_driver* const current = here.executor.time;
        if (current != nullptr && current != former && (current->is_of_core() || former->is_of_core())) {
            static_cast<void>(entry_.disarm());
        } else if (!time_driver::poll(entry_, wake)) {
            return false;
        } else if (entry_.is_fired()) {
            return true;
        }
    }
    time_driver& driver = require_driver(where_);
    const bool may_have_passed = !is_ahead_ || driver.is_paused();
    if (may_have_passed && deadline_ <= driver.now()) return true;
    driver.arm(entry_, deadline_, wake);
    if (!entry_.is_gone()) return false;
    // This is the rest of a poll after block_in_place(), and the runtime's timers have shut down meanwhile. The task is
    // cancelled when its poll ends, so the sleep only has to wait until then.
    if (here.is_in_rest_of_poll() && here.executor.runs == here.in_place_of) return false;
    throw misuse("a sleep was polled on an event loop that has shut down", where_);
}

bool sleep_future::is_elapsed() const noexcept { return entry_.is_fired() || deadline_ <= clock::now(); }

void sleep_future::reset(time_point deadline) noexcept {
    deadline_ = deadline;
    is_ahead_ = false;
    if (!entry_.is_armed()) {
        static_cast<void>(entry_.disarm());
        return;
    }
    // The reference keeps the driver alive until the entry is armed again. It may be the last one.
    time_driver* const former = entry_.driver();
    time_driver* const current = detail::this_thread.executor.time;
    former->add_reference();
    waker kept = entry_.disarm();
    time_driver* const driver = current != nullptr ? current : former;
    if (!kept.is_noop()) driver->arm(entry_, deadline, std::move(kept));
    former->release();
}

}  // namespace eddy::time

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
