// SPDX-License-Identifier: MIT
#include "sys/linux/event_fds.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <ctime>

#include "sys/syscall.hpp"

namespace eddy::sys {

result<unique_fd> make_eventfd() noexcept { return own_or_error(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

result<unique_fd> make_timerfd() noexcept {
    return own_or_error(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
}

void set_timerfd(int fd, std::chrono::nanoseconds delay) noexcept {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(delay);
    itimerspec when{};
    when.it_value = {static_cast<std::time_t>(seconds.count()), static_cast<long>((delay - seconds).count())};
    ::timerfd_settime(fd, 0, &when, nullptr);
}

}  // namespace eddy::sys
