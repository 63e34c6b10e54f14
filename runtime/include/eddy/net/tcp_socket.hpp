// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_options.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// A TCP socket that is neither connected nor listening, for options that must be set before connect() or listen().
///     auto socket = tcp_socket::v4().value();
///     socket.set_reuse_port(true).value();
///     socket.bind(addr).value();
///     auto listener = std::move(socket).listen(1024).value();
/// Errors: see socket(2), setsockopt(2), bind(2) and listen(2).
class EDDY_API tcp_socket : public tcp_options<tcp_socket> {
public:
    /// Makes a socket for IPv4 or for IPv6.
    [[nodiscard]] static result<tcp_socket> v4() noexcept;
    [[nodiscard]] static result<tcp_socket> v6() noexcept;
    /// Takes ownership of a socket, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a TCP socket;
    /// bad_file_descriptor.
    [[nodiscard]] static result<tcp_socket> from_native(int fd) noexcept;
    /// Returns the descriptor, which this object still owns.
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    /// Binds to an address. Port 0 selects a free port: see local_addr().
    result<void> bind(const socket_addr& at) const;
    /// Returns the address that the socket is bound to.
    [[nodiscard]] result<socket_addr> local_addr() const;

    /// Makes a listener. It belongs to the event loop that first polls an accept, or to the one behind `handle`.
    /// Errors: see listen(2). With `handle` also errc::io_disabled and errc::runtime_shutdown; throws
    /// `wrong_thread` on another thread than that of the event loop.
    [[nodiscard]] result<tcp_listener> listen(int backlog) &&;
    [[nodiscard]] result<tcp_listener> listen(int backlog, const core_handle& handle,
                                              std::source_location where = std::source_location::current()) &&;
    /// Connects to a peer.
    /// Errors, cancel safety: same as tcp_stream::connect().
    task<any_result<tcp_stream>> connect(const socket_addr& to,
                                         std::source_location where = std::source_location::current()) &&;
    eddy::detail::broken_future listen(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    eddy::detail::broken_future connect(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    /// Gets or sets whether bind() may reuse an address that connections in TIME_WAIT still use (SO_REUSEADDR).
    [[nodiscard]] result<bool> reuse_addr() const;
    result<void> set_reuse_addr(bool on) const;
    /// Gets or sets whether several sockets may bind to the same address (SO_REUSEPORT).
    [[nodiscard]] result<bool> reuse_port() const;
    result<void> set_reuse_port(bool on) const;
    /// Gets or sets whether an IPv6 socket that is bound to the unspecified address receives no IPv4 connections
    /// (IPV6_V6ONLY). Set it before bind(). By default the system decides: net.ipv6.bindv6only.
    [[nodiscard]] result<bool> only_v6() const;
    result<void> set_only_v6(bool on) const;
    /// The number of connections with data in their first packet that a listener keeps until they are accepted
    /// (TCP_FASTOPEN). 0 is off, the default. The system must permit it: net.ipv4.tcp_fastopen.
    [[nodiscard]] result<std::uint32_t> fastopen() const;
    result<void> set_fastopen(std::uint32_t connections) const;
    /// Gets or sets whether connect() may wait for the first write and send its data in the first packet
    /// (TCP_FASTOPEN_CONNECT). Off by default. If it is on, connect() may succeed although no peer answers; the first
    /// operation then reports the error. Use it only if this side writes first.
    [[nodiscard]] result<bool> fastopen_connect() const;
    result<void> set_fastopen_connect(bool on) const;
    /// Gets or sets whether small writes are sent immediately (TCP_NODELAY).
    [[nodiscard]] result<bool> nodelay() const;
    result<void> set_nodelay(bool on) const;
    /// The sizes of the send buffer and the receive buffer in bytes (SO_SNDBUF, SO_RCVBUF). The kernel doubles the
    /// value that is set, for its own overhead, and reports the doubled value.
    [[nodiscard]] result<std::uint32_t> send_buffer_size() const;
    result<void> set_send_buffer_size(std::uint32_t bytes) const;
    [[nodiscard]] result<std::uint32_t> recv_buffer_size() const;
    result<void> set_recv_buffer_size(std::uint32_t bytes) const;
    /// Same as the functions of tcp_stream. If the socket becomes a listener, its connections inherit the option.
    [[nodiscard]] result<std::optional<std::chrono::seconds>> linger() const;
    result<void> set_linger(std::optional<std::chrono::seconds> limit) const;
    result<void> set_zero_linger() const { return set_linger(std::chrono::seconds::zero()); }
    /// The type of service of packets that are sent (IP_TOS; for IPv6, the traffic class).
    [[nodiscard]] result<std::uint32_t> tos() const;
    result<void> set_tos(std::uint32_t tos) const;
    /// Returns the name of the interface that the socket is bound to, or nullopt (SO_BINDTODEVICE).
    [[nodiscard]] result<std::optional<std::string>> device() const;
    /// Binds to an interface. nullopt removes the binding.
    /// Errors: invalid_argument for a name that is empty or too long; no_such_device; operation_not_permitted;
    /// not_supported except on Linux.
    result<void> bind_device(std::optional<std::string_view> interface) const;
    /// Returns the pending error of the socket, if any, and clears it (SO_ERROR).
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const;

private:
    friend tcp_options<tcp_socket>;
    explicit tcp_socket(int fd) noexcept : socket_(fd) {}

    static task<any_result<tcp_stream>> connect_this(eddy::detail::io_socket socket, socket_addr to,
                                                     std::source_location where);

    eddy::detail::io_socket socket_;
};

}  // namespace eddy::net
