// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/net/released.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::detail {

struct socket_access;

/// The task behind into_native().
[[nodiscard]] EDDY_API task<result<net::released>> release_socket(io_socket socket);

}  // namespace eddy::detail

namespace eddy::net {

/// What streams, ends of pipes, sockets for datagrams and listeners have in common: they own a descriptor, which can be
/// given up. One that was moved from is empty: to read, to write, to accept or to wait with it throws `misuse`, and
/// what asks for an address or an option gives bad_file_descriptor. It may be assigned to.
class socket_owner {
public:
    /// Gives the descriptor up: a future, since a driver may have fetched bytes that belong to it. Of all but TCP it
    /// never waits. Errors: errc::runtime_shutdown and the like, if what was written cannot be handed to the system;
    /// what a peer has done to the connection is no error of this, but in `released::error`. Cancel safety: not safe.
    /// If the future is destroyed before it is ready, the descriptor is closed.
    [[nodiscard]] task<result<released>> into_native() && { return detail::release_socket(std::move(socket_)); }
    // Only to say in a short error what to write.
    template <class... A>
    auto into_native(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    /// The descriptor; it stays the property of this object. For options and the like: with io_uring a TCP connection's
    /// bytes may have been fetched from it already, and what was written may not be in it before flush().
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

protected:
    explicit socket_owner(detail::io_socket&& socket) noexcept : socket_(std::move(socket)) {}
    socket_owner(int fd, detail::descriptor_kind kind) noexcept : socket_(fd, kind) {}
    socket_owner(socket_owner&&) noexcept = default;
    socket_owner& operator=(socket_owner&&) noexcept = default;
    ~socket_owner() = default;

    friend detail::socket_access;
    detail::io_socket& socket() noexcept { return socket_; }

    detail::io_socket socket_;
};

}  // namespace eddy::net
