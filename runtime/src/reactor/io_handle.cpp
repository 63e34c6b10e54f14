// SPDX-License-Identifier: MIT
#include "reactor/io_handle.hpp"

#include <new>
#include <utility>

#include <eddy/error.hpp>

#include "reactor/ring/ring_reactor.hpp"

namespace eddy::detail {

result<io_handle*> io_handle::make(driver_kind kind, std::size_t max_events) noexcept try {
    auto driver = readiness_driver::make(kind, max_events);
    if (!driver) return std::unexpected(driver.error());
    std::unique_ptr<io_handle, releasing> made(new io_handle(std::move(*driver)));
    if (kind == driver_kind::io_uring) {
        made->ring_ = std::make_unique<ring_reactor>(*made);
        if (auto created = made->ring_->create_ring(); !created) return std::unexpected(created.error());
    }
    return made.release();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

io_handle::~io_handle() = default;

void io_handle::check_other_loop(const context& cx) const {
    if (loop_thread_ != this_thread_mark() || !this_thread.stops_other_loops) return;
    throw misuse(
        "a socket or descriptor belongs to another event loop of this thread, in which it was awaited first or was "
        "made. That loop does not run while this thread waits here, so the wait would never end: use the socket in one "
        "event loop only, or run the other loop on a thread of its own (core_thread)",
        cx.where());
}

// ---- Ticks ----

result<std::size_t> io_handle::tick(max_wait timeout, max_wait alarm) noexcept {
    if (is_in_child()) return std::unexpected(make_error_code(errc::runtime_shutdown));
    switch (driver_lock_.lock()) {
    case driver_lock::outcome::locked: break;
    case driver_lock::outcome::is_closed: return std::unexpected(make_error_code(errc::runtime_shutdown));
    case driver_lock::outcome::is_held_here:
        return std::unexpected(std::make_error_code(std::errc::resource_deadlock_would_occur));
    case driver_lock::outcome::is_busy:
        return std::unexpected(std::make_error_code(std::errc::device_or_resource_busy));
    }
    driver_lock_.become_owner();
    if (has_pending_wake_) timeout = std::chrono::nanoseconds::zero();
    if (alarm) set_alarm(*alarm);
    auto count = ring_ != nullptr ? ring_->wait(timeout) : poll_events(timeout);
    has_pending_wake_ = false;
    unlock_driver();
    return count;
}

// ---- The ring ----

void io_handle::flush_ring() noexcept {
    if (ring_ == nullptr || ring_->own_ring() == nullptr) return;
    if (driver_lock_.lock() != driver_lock::outcome::locked) return;
    ring_->flush();
    unlock_driver();
}

void io_handle::retire_ring() noexcept {
    if (ring_ != nullptr) ring_->retire();
}

/// Retires the ring: from now on, all connections use the epoll. Deferred work of a ring (IORING_SETUP_DEFER_TASKRUN)
/// makes the ring's descriptor readable, but does not wake a thread that is already in poll(2) (Linux 6.18). So another
/// event loop cannot wait for a ring.
bool io_handle::may_wait_outside() noexcept {
    if (ring_ != nullptr && !ring_->is_given_up() && !is_in_child()) {
        ring_->retire();
        if (driver_lock_.lock() == driver_lock::outcome::locked) {
            ring_->give_up();
            unlock_driver();
        }
    }
    return !has_pending_wake_ && (ring_ == nullptr || ring_->is_idle());
}

std::optional<std::chrono::steady_clock::time_point> io_handle::linger_deadline() const noexcept {
    return ring_ != nullptr ? ring_->linger_deadline() : std::nullopt;
}

// ---- Shutdown ----

void io_handle::shut_down() noexcept {
    retire_ring();
    if (!mark_shut_down()) return;
    close_driver();
    shut_down_sources();
    if (ring_ != nullptr) ring_->end();
    release_pending();
}

}  // namespace eddy::detail
