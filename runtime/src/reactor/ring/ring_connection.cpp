// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_connection.hpp"

#include <cerrno>
#include <utility>

#include <eddy/detail/frame_pool.hpp>

#include "reactor/ring/ring_reactor.hpp"

namespace eddy::detail {

// ---- ring_source ----

bool ring_source::is_temporary(int error) noexcept {
    switch (error) {
    case EAGAIN:
    case EINTR:
    case ECANCELED:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC: return true;  // from epoll_ctl(2)
    default: return false;
    }
}

bool ring_source::mark_gone() noexcept {
    const std::lock_guard guard(lock_);
    if (is_gone_) return false;
    return is_gone_ = true;
}

bool ring_source::is_closing() noexcept {
    const std::lock_guard guard(lock_);
    return wants_close_;
}

// ---- ring_connection ----

// A new stream is readable and writable: the first read finds that there is no receive and requests one, and a write is
// possible.
ring_connection::ring_connection(int fd, brings what) noexcept : receiving_half(fd, what) {
    set_readiness(io::ready::readable | io::ready::writable);
}

void ring_connection::destroy() noexcept { pool_delete(this); }

std::error_code ring_connection::take_error() noexcept {
    const std::lock_guard guard(lock_);
    const int of_reading = take_read_error();
    const auto of_writing = take_send_error();
    return of_reading != 0 ? system_error(of_reading) : of_writing;
}

ring_connection::end_action ring_connection::end(bool is_copy_in_child) noexcept {
    std::unique_lock guard(lock_);
    const auto dropped = take_wakers();  // destroyed after the lock was released
    const auto action = is_copy_in_child ? end_action::close : end_transfers();
    if (action == end_action::close) is_gone_ = true;
    guard.unlock();
    return action;
}

/// Ends both directions. Returns the next step of the caller. The caller holds the lock.
ring_connection::end_action ring_connection::end_transfers() noexcept {
    is_closing_ = true;
    end_receiving();
    send_queued();
    drop_if_reset_at_close();
    if (has_unsent()) return end_action::wait_for_send;
    return receives_ ? end_action::cancel_first : end_action::close;
}

bool ring_connection::leave_to_driver(ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    if (!has_unsent() && !receives_) return true;
    wants_close_ = true;
    if (receives_) wants_stop_ = true;
    if (has_unsent()) await_slot();
    request_service(owner, std::move(guard));
    return false;
}

ring_connection::wanted ring_connection::take_wanted() noexcept {
    const std::lock_guard guard(lock_);
    const bool stops = wants_stop_ && receives_;
    wants_stop_ = false;
    return {wants_receive_, is_left_to_reader(), stops, is_over()};
}

void ring_connection::lose_ring(const ring_reactor& owner) noexcept {
    std::unique_lock guard(lock_);
    // A receive writes into buffers of the ring. An accept writes into the listener.
    const bool releases = receives_ && !is_listener();
    end_operation();
    lose_send(owner);
    guard.unlock();
    if (releases) release();
}

void ring_connection::report(io::ready what) noexcept {
    std::unique_lock guard(lock_);
    if (is_gone_) return;
    ring_reactor* const owner = owner_of_slot();
    what = send_blocked(without_received(what));
    const bool closes = owner != nullptr && owner_of_slot() == nullptr && is_over();
    if (!what.is_empty()) set_readiness(what);
    wake_unlocked(std::move(guard), what);
    if (closes) owner->finish_closing(*this);
}

}  // namespace eddy::detail
