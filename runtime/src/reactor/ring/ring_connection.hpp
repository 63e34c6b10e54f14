// SPDX-License-Identifier: MIT
#pragma once

#include "reactor/ring/receiving_half.hpp"

namespace eddy::detail {

/// The registration of a ring connection: a TCP connection or listener whose data io_uring moves. Waiters use it as a
/// scheduled_io. It has four parts, each a class that derives from the one before:
///
///     ring_source       the end of the connection
///     sending_half      the writing direction: a send buffer
///     receiving_half    the reading direction: received chunks
///     ring_connection   what concerns both directions: the close, requests to the ring's owner, events of the epoll
///
/// They are bases and not members, so that all of their fields fit into the memory block of a source.
///
/// Lifetime: the socket, the list of the ring_reactor, a receive or accept in flight, and a queued send buffer have one
/// reference each.
class ring_connection : public receiving_half {
public:
    explicit ring_connection(int fd, brings what = brings::bytes) noexcept;

    /// SAFETY: ring_reactor::add() has created the source.
    [[nodiscard]] static ring_connection& of(scheduled_io& source) noexcept {
        return static_cast<ring_connection&>(source);
    }

    /// Returns the error that the next read, or else the next write, would have reported.
    /// Preconditions: nothing is in flight.
    [[nodiscard]] std::error_code take_error() noexcept;

    // ---- Closing ----

    /// The next step of the caller of end(): close the descriptor; cancel the receive first; or wait for a send.
    enum class end_action { close, cancel_first, wait_for_send };
    /// Prepares the stream for its destruction: drops the wakers and the received data, and sends bytes that are
    /// queued for the next tick. `close` means that no operation is in flight, or that the operations belong to
    /// the parent process (`is_copy_in_child`: this is a forked child).
    [[nodiscard]] end_action end(bool is_copy_in_child) noexcept;
    /// Leaves the descriptor to the driver, which closes it later. Call this after end(). Returns true if nothing is in
    /// flight anymore: then the caller must close the descriptor.
    [[nodiscard]] bool leave_to_driver(ring_reactor& owner) noexcept;

    // ---- The driver ----

    /// The requests of a posted stream.
    struct wanted {
        bool receive = false;
        bool itself = false;  ///< reads without the ring
        bool stop = false;
        bool close = false;
    };
    /// Takes the requests for which the stream was posted. The request of a receive remains until begin_receive() or
    /// read_itself().
    [[nodiscard]] wanted take_wanted() noexcept;
    /// Ends the operations of a ring that was destroyed without reporting their completions. The references of accepts
    /// and sends remain, because the kernel may still use the memory.
    /// Preconditions: the caller has a reference.
    void lose_ring(const ring_reactor& owner) noexcept;
    /// Processes events of the epoll.
    void report(io::ready what) noexcept override;

private:
    [[nodiscard]] end_action end_transfers() noexcept;
    void destroy() noexcept override;
};

// SAFETY: only a ring_connection is made of these parts.
inline ring_connection& ring_source::whole() noexcept { return static_cast<ring_connection&>(*this); }

#ifndef EDDY_EXPLORE
static_assert(sizeof(ring_connection) == 128);
#endif

}  // namespace eddy::detail
