// SPDX-License-Identifier: MIT
#include "reactor/drivers/tick_error.hpp"

#include <eddy/error.hpp>

namespace eddy::detail {

const char* tick_failed(std::optional<driver_kind> kind, const std::error_code& error) noexcept {
    if (error == errc::runtime_shutdown) {
        return "the event queue is closed (a forked child has none: create a core or a runtime there)";
    }
    if (kind == driver_kind::io_uring) {
        return "io_uring_enter(2) or epoll_wait(2) failed, although it worked before (if a seccomp filter now forbids "
               "io_uring, start the program with EDDY_DRIVER=epoll)";
    }
    if (kind == driver_kind::poll) return "poll(2) failed, although it worked before";
    if (kind == driver_kind::afd) return "GetQueuedCompletionStatusEx() failed, although it worked before";
    if (kind == driver_kind::kqueue) return "kevent(2) failed, although it worked before";
    return "epoll_wait(2) failed, although it worked before";
}

void end_without_events(std::optional<driver_kind> kind, const std::error_code& error) noexcept {
    // If there is no memory for the text, the exception also ends the program.
    const std::system_error whole(error, tick_failed(kind, error));
    fatal_error(whole.what());
}

}  // namespace eddy::detail
