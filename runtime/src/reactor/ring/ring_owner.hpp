// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

#include "reactor/ring/ring_host.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

class ring_connection;

/// What a ring and its connections need of the io_handle that they belong to.
/// Cost: no operation that moves bytes makes a virtual call, unless it must wait or ends the connection.
class ring_owner : immovable {
public:
    /// Adds or releases a reference to the io_handle. The last release() destroys it.
    virtual void retain() noexcept = 0;
    virtual void release() noexcept = 0;

    /// Returns the ring if this thread owns it, else null.
    [[nodiscard]] uring* own_ring() const noexcept {
        uring* const ring = ring_.own();
        return ring == nullptr || is_in_child() ? nullptr : ring;
    }
    /// Closes a stream that io_handle::close_stream() has left to the driver, and that has no operation in flight.
    virtual void finish_closing(ring_connection& stream) noexcept = 0;
    /// Adds `what` to the events that the driver reports for the stream. Returns whether that changed anything.
    /// Errors: runtime_shutdown; bad_file_descriptor after the stream was removed; what epoll_ctl(2) reports.
    virtual result<bool> watch_stream(ring_connection& stream, std::uint8_t what) noexcept = 0;
    /// Stops watching the stream for reading, after a ring has started to receive.
    virtual void unwatch_reading(ring_connection& stream) noexcept = 0;
    /// Posts the stream: asks the thread that runs the ticks to serve the requests of the stream. Takes over a
    /// reference.
    virtual void request_service(ring_connection& stream) noexcept = 0;
    /// Ends the tick in progress, or the next one. Does nothing in a forked child.
    virtual void wake() noexcept = 0;
    /// Sets the number of cancelled operations that the kernel has not ended yet. Called by the ring.
    void set_given_up(std::size_t now) noexcept {
        given_up_.store(now, std::memory_order_relaxed);  // statistics only: it publishes no other data
    }

    /// Returns whether this process is a fork of the one that created the driver. The epoll is then shared with the
    /// parent, and most operations are refused.
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_parent(); }

protected:
    ~ring_owner() = default;

    const sys::process_mark process_;
    ring_host ring_;
    atomic<std::uint64_t> given_up_{0};  // the current number, not a total; written by the ring's owner
};

}  // namespace eddy::detail
