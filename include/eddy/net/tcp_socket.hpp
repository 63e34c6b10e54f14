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

#include <eddy/core_handle.hpp>
#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

/// A TCP socket that is neither connected nor listening yet: for options that must be set before.
///     auto socket = tcp_socket::v4().value();
///     socket.set_reuse_port(true).value();
///     socket.bind(addr).value();
///     auto listener = std::move(socket).listen(1024).value();
/// Errors: what socket(2), setsockopt(2), bind(2) and listen(2) report.
class EDDY_API tcp_socket {
public:
    [[nodiscard]] static result<tcp_socket> v4() noexcept;
    [[nodiscard]] static result<tcp_socket> v6() noexcept;
    /// Adopts a socket. It is owned from here on, also if this fails. Errors: errc::blocking_descriptor.
    [[nodiscard]] static result<tcp_socket> from_native(int fd) noexcept;
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    result<void> bind(const socket_addr& at) const noexcept;
    [[nodiscard]] result<socket_addr> local_addr() const noexcept;

    /// Turns it into a listener: of the loop that accepts first, or of the one behind `handle`.
    [[nodiscard]] result<tcp_listener> listen(int backlog) && noexcept;
    [[nodiscard]] result<tcp_listener> listen(int backlog, const core_handle& handle,
                                              std::source_location where = std::source_location::current()) &&;
    /// Connects, as tcp_stream::connect().
    [[nodiscard]] task<result<tcp_stream>> connect(const socket_addr& to,
                                                   std::source_location where = std::source_location::current()) &&;
    // Only to say in a short error what to write.
    template <class... A>
    auto listen(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    template <class... A>
    auto connect(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }

    [[nodiscard]] result<bool> reuse_addr() const noexcept;
    result<void> set_reuse_addr(bool on) const noexcept;
    [[nodiscard]] result<bool> reuse_port() const noexcept;
    result<void> set_reuse_port(bool on) const noexcept;
    [[nodiscard]] result<bool> keepalive() const noexcept;
    result<void> set_keepalive(bool on) const noexcept;
    [[nodiscard]] result<bool> nodelay() const noexcept;
    result<void> set_nodelay(bool on) const noexcept;
    /// In bytes; the kernel answers twice what was set, since it counts its own bookkeeping.
    [[nodiscard]] result<std::uint32_t> send_buffer_size() const noexcept;
    result<void> set_send_buffer_size(std::uint32_t bytes) const noexcept;
    [[nodiscard]] result<std::uint32_t> recv_buffer_size() const noexcept;
    result<void> set_recv_buffer_size(std::uint32_t bytes) const noexcept;
    /// As those of tcp_stream. Also of the connections that are accepted, when it has become a listener.
    [[nodiscard]] result<std::optional<std::chrono::seconds>> linger() const noexcept;
    result<void> set_linger(std::optional<std::chrono::seconds> limit) const noexcept;
    result<void> set_zero_linger() const noexcept { return set_linger(std::chrono::seconds::zero()); }
    /// The type of service of what is sent (IP_TOS; the traffic class on IPv6).
    [[nodiscard]] result<std::uint32_t> tos() const noexcept;
    result<void> set_tos(std::uint32_t tos) const noexcept;
    /// The interface that it is bound to, by its name, if it is bound to one (SO_BINDTODEVICE).
    [[nodiscard]] result<std::optional<std::string>> device() const;
    /// Nothing: to none any more. Errors: invalid_argument for a name that is too long; no_such_device;
    /// operation_not_permitted.
    result<void> bind_device(std::optional<std::string_view> interface) const noexcept;
    /// Takes the error that waits in the socket, if any (SO_ERROR).
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const noexcept;

private:
    explicit tcp_socket(int fd) noexcept : socket_(fd) {}

    static task<result<tcp_stream>> connect_this(eddy::detail::io_socket socket, socket_addr to,
                                                 std::source_location where);

    eddy::detail::io_socket socket_;
};

}  // namespace eddy::net
