// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_datagram.hpp>
#include <eddy/net/unix_listener.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// A Unix socket that is neither connected nor listening. Use it to set options before connect() or listen(), to choose
/// the backlog, or to bind a client to a name.
///     auto socket = unix_socket::stream().value();
///     socket.bind("/run/client.sock").value();
///     auto stream = co_await try_(std::move(socket).connect("/run/server.sock"));
/// Errors: see socket(2), setsockopt(2), bind(2) and listen(2).
class EDDY_API unix_socket {
public:
    /// Makes a socket for a stream or a listener, or one for datagrams.
    [[nodiscard]] static result<unix_socket> stream() noexcept;
    [[nodiscard]] static result<unix_socket> datagram() noexcept;
    /// Takes ownership of a socket, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a Unix socket for
    /// streams or datagrams; bad_file_descriptor.
    [[nodiscard]] static result<unix_socket> from_native(int fd) noexcept;
    /// Returns the descriptor, which this object still owns.
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    /// Binds to a path or another address. The unnamed address selects a unique abstract name: see local_addr().
    /// Errors: address_in_use, also if the path is a file of any kind; the errors of unix_addr::path().
    result<void> bind(const unix_addr& at) const;
    result<void> bind(std::string_view path) const;
    /// Returns the address that the socket is bound to.
    [[nodiscard]] result<unix_addr> local_addr() const;

    /// Makes a listener. It belongs to the event loop that first polls an accept.
    /// Errors: wrong_protocol_type if this is a datagram socket; invalid_argument if it is not bound.
    [[nodiscard]] result<unix_listener> listen(int backlog) &&;
    /// Connects to a path or to any address.
    /// Errors, cancel safety: same as unix_stream::connect(); wrong_protocol_type if this is a datagram socket.
    task<any_result<unix_stream>> connect(const unix_addr& to,
                                          std::source_location where = std::source_location::current()) &&;
    task<any_result<unix_stream>> connect(std::string_view path,
                                          std::source_location where = std::source_location::current()) &&;
    /// Makes a datagram socket, which may be bound and connected later.
    /// Errors: wrong_protocol_type if this is a stream socket.
    [[nodiscard]] result<unix_datagram> into_datagram() &&;
    eddy::detail::broken_future listen(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    eddy::detail::broken_future connect(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    eddy::detail::broken_future into_datagram(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    /// The size of the send buffer in bytes (SO_SNDBUF), which also limits the size of a datagram. The kernel doubles
    /// the value that is set, for its own overhead, and reports the doubled value.
    [[nodiscard]] result<std::uint32_t> send_buffer_size() const;
    result<void> set_send_buffer_size(std::uint32_t bytes) const;
    /// Returns the pending error of the socket, if any, and clears it (SO_ERROR).
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const;

private:
    explicit unix_socket(int fd) noexcept : socket_(fd, detail::descriptor_kind::socket) {}

    static task<any_result<unix_stream>> connect_this(detail::io_socket socket, result<unix_addr> to,
                                                      std::source_location where);

    detail::io_socket socket_;
};

}  // namespace eddy::net
