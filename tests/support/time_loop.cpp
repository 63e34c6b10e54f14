// SPDX-License-Identifier: MIT
#include "support/time_loop.hpp"

#include <utility>

using eddy::detail::exchange_current_time_driver;

namespace support {

time_loop::time_loop(clock how, eddy::waker unpark)
    : driver_(eddy::detail::time_driver::make(std::move(unpark))), outer_(exchange_current_time_driver(driver_.get())) {
    if (how == clock::paused) driver_->pause();
}

time_loop::~time_loop() {
    if (driver_ != nullptr) end();
}

void time_loop::end() noexcept {
    exchange_current_time_driver(outer_);
    driver_.reset();
}

inside::inside(eddy::detail::time_driver* driver) noexcept : outer_(exchange_current_time_driver(driver)) {}
inside::~inside() { exchange_current_time_driver(outer_); }

}  // namespace support
