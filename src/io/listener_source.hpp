// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "io/stream_source.hpp"
#include "sys/sockaddr.hpp"

namespace eddy::detail {

/// The registration of a listener whose connections a ring accepts. The kernel writes where a connection comes from;
/// the operation has a reference, so the place is there while it may.
class listener_source final : public stream_source {
public:
    explicit listener_source(int fd) noexcept : stream_source(fd, brings::connections) {}

    [[nodiscard]] static listener_source& of(scheduled_io& source) noexcept {
        return static_cast<listener_source&>(source);
    }

    /// The ring's owner: where the next accept is to write. There is one at a time.
    [[nodiscard]] sys::native_addr& room_for_peer() noexcept {
        peer_.size = sizeof peer_.storage;
        return peer_;
    }
    /// The ring's owner, when that has been done.
    [[nodiscard]] result<net::socket_addr> peer() const noexcept { return sys::from_native(peer_.get(), peer_.size); }

private:
    sys::native_addr peer_;
};

}  // namespace eddy::detail
