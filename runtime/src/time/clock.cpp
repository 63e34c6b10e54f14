// SPDX-License-Identifier: MIT
#include <eddy/time/clock.hpp>

#include <eddy/detail/runtime_context.hpp>

#include "time/time_driver.hpp"

namespace eddy::time {

time_point clock::now() noexcept {
    const detail::time_driver* const driver = detail::this_thread.executor.time;
    return driver != nullptr ? driver->now() : std::chrono::steady_clock::now();
}

}  // namespace eddy::time
