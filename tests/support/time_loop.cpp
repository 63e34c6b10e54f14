// SPDX-License-Identifier: MIT
#include "support/time_loop.hpp"

#include <utility>

namespace {
thread_local eddy::detail::time_driver* current = nullptr;
}

namespace eddy::detail {
time_driver* current_time_driver() noexcept { return current; }
}  // namespace eddy::detail

namespace support {

time_loop::time_loop(clock how, eddy::waker unpark)
    : driver_(eddy::detail::time_driver::make(std::move(unpark))), outer_(std::exchange(current, driver_.get())) {
    if (how == clock::paused) driver_->pause();
}

time_loop::~time_loop() {
    if (driver_ != nullptr) end();
}

void time_loop::end() noexcept {
    current = outer_;
    driver_.reset();
}

inside::inside(eddy::detail::time_driver* driver) noexcept : outer_(std::exchange(current, driver)) {}
inside::~inside() { current = outer_; }

}  // namespace support
