// SPDX-License-Identifier: MIT
#include "support/time_loop.hpp"

#include <utility>

#include <eddy/detail/runtime_context.hpp>

namespace support {
namespace {

/// Sets the time driver of this thread, as an event loop does when it starts or stops running on a thread. Returns the
/// previous time driver.
eddy::detail::time_driver* exchange_current_time_driver(eddy::detail::time_driver* driver) noexcept {
    return std::exchange(eddy::detail::this_thread.executor.time, driver);
}

}  // namespace

time_loop::time_loop(clock how, eddy::waker unpark)
    : driver_(eddy::detail::time_driver::make(std::move(unpark))), outer_(exchange_current_time_driver(driver_.get())) {
    if (how == clock::paused) driver_->pause();
}

time_loop::~time_loop() {
    if (driver_ != nullptr) end();
}

void time_loop::end() noexcept {
    exchange_current_time_driver(outer_);
    driver_->shutdown();
    driver_.reset();
}

inside::inside(eddy::detail::time_driver* driver) noexcept : outer_(exchange_current_time_driver(driver)) {}
inside::~inside() { exchange_current_time_driver(outer_); }

}  // namespace support
