// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

namespace eddy::sys {

/// Creates an eventfd(2) with the counter 0.
[[nodiscard]] result<unique_fd> make_eventfd() noexcept;

/// Creates a disarmed timerfd(2) of the monotonic clock.
[[nodiscard]] result<unique_fd> make_timerfd() noexcept;

/// Makes the timer expire once, after `delay`. A delay of 0 disarms it.
void set_timerfd(int fd, std::chrono::nanoseconds delay) noexcept;

}  // namespace eddy::sys
