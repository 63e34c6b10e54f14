// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/released.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

struct socket_access;

/// The task of into_native(): releases the descriptor of `socket`.
EDDY_API task<result<net::released>> release_socket(io_socket socket);

/// The common base of streams, ends of pipes, datagram sockets and listeners: owns a descriptor. An object that was
/// moved from is empty. It may be assigned to, and its native_handle() is -1. All other operations throw `misuse`.
/// Thread safety: stated by the derived class.
class socket_owner {
public:
    /// Releases the ownership of the descriptor and returns the descriptor. This is a future, because a driver may have
    /// received bytes that belong to the descriptor. It waits only for a TCP connection.
    /// Errors: errc::runtime_shutdown or another error, if bytes that were written cannot be handed to the system. An
    /// error of the connection itself is not returned here, but as released::error.
    /// Cancel safety: not safe. If the future is destroyed before it is ready, the descriptor is closed.
    task<result<net::released>> into_native() && { return release_socket(std::move(socket_)); }
    broken_future into_native(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    /// Returns the descriptor, which this object still owns. Use it for socket options. With io_uring, the driver may
    /// have received bytes of a TCP connection already. Bytes that were written may not be in the socket before
    /// flush().
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    template <direction Way>
    static constexpr auto wait_shape(io_way<Way>) {
        constexpr bool reads = Way == direction::read;
        return inspect::awaits_member(reads ? wait_kind::readable : wait_kind::writable, &socket_owner::socket_);
    }

protected:
    explicit socket_owner(io_socket&& socket) noexcept : socket_(std::move(socket)) {}
    socket_owner(int fd, descriptor_kind kind) noexcept : socket_(fd, kind) {}
    socket_owner(socket_owner&&) noexcept = default;
    socket_owner& operator=(socket_owner&&) noexcept = default;
    ~socket_owner() = default;

    friend eddy::detail::socket_access;
    io_socket& socket() noexcept { return socket_; }

    io_socket socket_;
};

}  // namespace eddy::detail
