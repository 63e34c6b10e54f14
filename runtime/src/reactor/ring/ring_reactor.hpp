// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

#include "reactor/drivers/source_set.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_host.hpp"
#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

/// The ring of an io_handle: a ring beside its epoll, and the connections whose bytes the ring moves.
/// The ring belongs to one thread: the first one that calls wait() while the ring has no owner (ring_host.hpp).
///
///     caller                                  may call
///     any thread                              add(), close(), finish_closing(), request_service(), linger_deadline()
///     holder of the driver lock               wait(), flush(), give_up(), is_idle()
///     any thread, with effect on the owner    retire()
///
/// Lifetime: part of the io_handle. A connection that close() leaves to the driver has a reference to the io_handle.
/// Cost: no operation that moves bytes accesses this object, unless it must wait or ends the connection.
class ring_reactor : immovable {
public:
    /// The time for which a destroyed connection is kept, to send written data that the peer does not accept yet. Tests
    /// use less.
    static inline std::chrono::milliseconds linger_time{30'000};

    explicit ring_reactor(source_set& sources) noexcept : sources_(sources) {}

    /// Creates the ring. Without this call, wait() creates it. See ring_host::create().
    [[nodiscard]] result<void> create_ring() noexcept { return host_.create(*this); }
    /// Returns the ring if this thread owns it, else null.
    [[nodiscard]] uring* own_ring() const noexcept {
        uring* const ring = host_.own();
        return ring == nullptr || sources_.is_in_child() ? nullptr : ring;
    }
    [[nodiscard]] source_set& sources() const noexcept { return sources_; }

    // ---- Connections ----

    /// Registers a TCP connection or listener. The caller gets a reference. Makes no system call before the first
    /// operation.
    /// Errors: runtime_shutdown; not_enough_memory.
    [[nodiscard]] result<ring_connection*> add(int fd, ring_connection::brings what) noexcept;
    /// Releases the caller's reference and closes the descriptor: immediately, or when its operations have ended
    /// and the written data was sent.
    void close(ring_connection& stream) noexcept;
    /// Closes a connection that close() has left to the driver, and that has no operation in flight.
    void finish_closing(ring_connection& stream) noexcept;
    /// Posts the connection: asks the thread that runs the ticks to serve its requests. Does nothing after a shutdown.
    void request_service(scheduled_io& stream) noexcept;

    // ---- The hook of the io_handle ----

    /// The wait of a driver tick, in place of driver_ticks::poll_events().
    result<std::size_t> wait(max_wait timeout) noexcept;
    /// Submits the queued sends without waiting.
    /// Preconditions: this thread owns the ring.
    void flush() noexcept;
    /// Submits the queued sends and destroys the ring, if this thread owns it.
    void retire() noexcept;
    /// Makes all connections use the epoll from now on.
    /// Preconditions: the ring has no owner.
    void give_up() noexcept;
    [[nodiscard]] bool is_given_up() const noexcept { return host_.is_given_up(); }
    /// Returns whether no connection is posted.
    [[nodiscard]] bool is_idle() const noexcept {
        // relaxed: a thread that posts a connection wakes the driver, unless it is this thread.
        return !has_posted_.load(std::memory_order_relaxed);
    }
    /// Returns the time at which wait() must give up unsent data, if there is any.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> linger_deadline() const noexcept;
    /// Shuts all connections down. Call it when no tick can run anymore.
    void end() noexcept;

private:
    using time_point = std::chrono::steady_clock::time_point;

    void close_gone(ring_connection& stream) noexcept;
    void acquire_ring() noexcept;
    void route_wake_ups(bool by_ring) noexcept;
    result<std::size_t> tick(uring& ring, max_wait timeout) noexcept;
    [[nodiscard]] bool serve_posted() noexcept;
    [[nodiscard]] bool serve(ring_connection& stream) noexcept;
    [[nodiscard]] bool read_by_epoll(ring_connection& stream, bool in_large_transfer_mode) noexcept;
    void linger(ring_connection& stream) noexcept;
    void wait_for_lingering(max_wait& timeout) const noexcept;
    void give_up_lingering() noexcept;

    source_set& sources_;
    ring_host host_;
    bool wakes_by_ring_ = false;  // guarded by the driver lock
    // Each connection is in one of these lists, which has a reference to it. Guarded by the lock of sources_.
    source_list connections_;
    source_list posted_;              // those that wait for serve_posted()
    atomic<bool> has_posted_{false};  // written under that lock
    // The time at which the first destroyed connection with unsent data is given up. Written under that lock.
    atomic<time_point> linger_until_{time_point::max()};
};

}  // namespace eddy::detail
