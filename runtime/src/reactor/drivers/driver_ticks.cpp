// SPDX-License-Identifier: MIT
#include "reactor/drivers/driver_ticks.hpp"

#include <mutex>

#include <eddy/error.hpp>

namespace eddy::detail {

result<std::size_t> driver_ticks::poll_events(max_wait timeout) noexcept {
    // A thread that misses the flag is woken: see close_driver().
    if (is_shut_down()) return std::unexpected(make_error_code(errc::runtime_shutdown));
    release_pending();
    const auto ticked = driver_->tick(timeout);
    if (!ticked) return std::unexpected(ticked.error());
    if (ticked->was_woken) has_pending_wake_ = true;
    counters_.add_events(ticked->events);
    return ticked->events;
}

std::optional<result<std::size_t>> driver_ticks::tick_for_busy_owner() noexcept {
    if (!try_lock_driver()) return std::nullopt;
    auto count = poll_events(std::chrono::nanoseconds::zero());
    unlock_driver();
    return count;
}

bool driver_ticks::mark_shut_down() noexcept {
    const std::lock_guard guard(lock_);
    if (is_shut_down()) return false;
    // relaxed: see is_shut_down() and poll_events().
    is_shut_down_.store(true, std::memory_order_relaxed);
    return true;
}

void driver_ticks::close_driver() noexcept {
    // A forked child leaves the driver open until the io_handle is destroyed: the driver's own lock may have been
    // locked at the fork.
    if (is_in_child()) return driver_lock_.close_in_child();
    EDDY_ASSERT(!holds_driver_lock(), "a driver was shut down inside its own tick");
    if (!driver_lock_.try_close()) {
        // After this wake-up no tick sleeps:
        // - Until a tick has consumed the wake-up, each tick finds it pending and returns immediately.
        // - The thread whose tick consumes the wake-up sees is_shut_down_, which was set before.
        // - If tick_for_busy_owner() consumes the wake-up, the owner sees is_shut_down_ in its next tick.
        driver_->wake();
        while (!driver_lock_.try_close()) yield_thread();
    }
    // No tick is running, and registrations and removals hold the lock.
    const std::lock_guard guard(lock_);
    driver_->close();
    driver_is_closed_ = true;
}

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
