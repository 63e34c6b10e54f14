// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/frame_pool.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "reactor/ring/ring_connection.hpp"
#include "sys/sockaddr.hpp"

namespace eddy::detail {

/// The registration of a listener whose connections the ring accepts. The kernel writes the peer's address into this
/// object. The accept operation holds a reference, which keeps the object alive.
class listener_source final : public ring_connection {
public:
    explicit listener_source(int fd) noexcept : ring_connection(fd, brings::connections) {}

    /// SAFETY: the caller has checked is_listener().
    [[nodiscard]] static listener_source& of(scheduled_io& source) noexcept {
        return static_cast<listener_source&>(source);
    }

    /// Returns the memory for the peer's address of the next accept. Called by the ring's owner, for one accept at
    /// a time.
    [[nodiscard]] sys::native_addr& peer_buffer() noexcept {
        peer_.size = sizeof peer_.storage;
        return peer_;
    }
    /// Returns the peer's address after an accept has completed. Called by the ring's owner.
    [[nodiscard]] result<net::socket_addr> peer() const noexcept { return sys::from_native(peer_.get(), peer_.size); }

private:
    void destroy() noexcept override { pool_delete(this); }

    sys::native_addr peer_;
};

}  // namespace eddy::detail
