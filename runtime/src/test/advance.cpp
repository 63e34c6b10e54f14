// SPDX-License-Identifier: MIT
#include <eddy/test/advance.hpp>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "time/time_driver.hpp"

namespace eddy::test {
namespace {

detail::time_driver& require_driver(const std::source_location& where) {
    detail::time_driver* const driver = detail::this_thread.executor.time;
    if (driver == nullptr) {
        throw misuse("there is no clock to pause or move: it belongs to an event loop, so call this inside core::run()",
                     where);
    }
    return *driver;
}

detail::time_driver& require_paused(const std::source_location& where) {
    detail::time_driver& driver = require_driver(where);
    if (!driver.is_paused()) throw misuse("the clock is not paused: call eddy::test::pause() first", where);
    return driver;
}

}  // namespace

void pause(std::source_location where) {
    detail::time_driver& driver = require_driver(where);
    if (driver.is_paused()) throw misuse("the clock is paused already", where);
    driver.pause();
}

void resume(std::source_location where) { require_paused(where).resume(); }

poll_result<void> advance_future::poll(context& cx) {
    if (advanced_) return poll_result<void>::ready();
    detail::time_driver& driver = require_paused(where_);
    driver.advance(by_);
    advanced_ = true;
    // Fires the timers here and not in the next driver tick, so that the woken tasks are queued before this task.
    driver.fire();
    cx.waker().wake_by_ref();
    return not_ready;
}

}  // namespace eddy::test
