// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/core_handle.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/net/basic_stream.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

/// A TCP connection.
///
/// Errors: values, with the system's code: connection_reset, broken_pipe, timed_out and what else recv(2) and send(2)
/// report; errc::runtime_shutdown, if the loop that the stream is registered with is gone; errc::io_disabled. SIGPIPE
/// is never raised. An operation that must wait where no loop runs on the thread throws `misuse`. Thread safety: one
/// operation may be pending in each direction at the same time, on different threads; of two reads (or writes) at the
/// same time only the last to be polled is woken. Lifetime: the stream must outlive its futures, and must not move
/// while one of them waits. Destroying it closes the connection. With io_uring what a full socket has not taken then
/// has 30 s, and no longer than its loop, before the connection is reset: await shutdown() or flush() where the loop is
/// about to end. Cost: registers with the loop at the first operation that would block, so a stream that never waits
/// costs nothing.
class EDDY_API tcp_stream : public basic_stream<tcp_stream> {
public:
    /// Connects: nothing happens before the future is polled. Where to is what is `to_socket_addrs` (an address, text
    /// such as "127.0.0.1:80" or "localhost:80", several addresses), or a host and a port. Names are resolved off the
    /// loop, as lookup_host() does it. Each address is tried in turn, and the last error is the one reported. Errors:
    /// connection_refused, timed_out, ..., as connect(2); errc::no_address for an empty list; else as lookup_host(). On
    /// an error no descriptor is left behind. Cancel safety: safe; the attempt is given up and its socket closed.
    [[nodiscard]] static task<result<tcp_stream>> connect(lookup_request to,
                                                          std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<tcp_stream>> connect(std::string_view host, std::uint16_t port,
                                                          std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<tcp_stream>> connect(const ip_addr& host, std::uint16_t port,
                                                          std::source_location where = std::source_location::current());
    /// The same, registered with the loop behind `handle`.
    [[nodiscard]] static task<result<tcp_stream>> connect(lookup_request to, const core_handle& handle,
                                                          std::source_location where = std::source_location::current());

    /// Adopts a connected socket. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no TCP socket;
    /// bad_file_descriptor.
    [[nodiscard]] static result<tcp_stream> from_native(int fd) noexcept;

    // ---- The socket ----

    [[nodiscard]] result<socket_addr> local_addr() const noexcept;
    [[nodiscard]] result<socket_addr> peer_addr() const noexcept;

    /// Sends small writes at once (TCP_NODELAY). Off by default.
    [[nodiscard]] result<bool> nodelay() const noexcept;
    result<void> set_nodelay(bool on) const noexcept;
    /// How long a close waits for what is unsent (SO_LINGER); zero resets the connection.
    [[nodiscard]] result<std::optional<std::chrono::seconds>> linger() const noexcept;
    result<void> set_linger(std::optional<std::chrono::seconds> limit) const noexcept;
    /// The close resets the connection: what is unsent is dropped, and the peer reads connection_reset and not an end.
    result<void> set_zero_linger() const noexcept { return set_linger(std::chrono::seconds::zero()); }
    /// Acknowledges what is received at once (TCP_QUICKACK). The kernel goes back to its own choice before long.
    [[nodiscard]] result<bool> quickack() const noexcept;
    result<void> set_quickack(bool on) const noexcept;
    /// The time-to-live of packets sent (IP_TTL; the hop limit on IPv6).
    [[nodiscard]] result<std::uint32_t> ttl() const noexcept;
    result<void> set_ttl(std::uint32_t hops) const noexcept;

private:
    friend class tcp_listener;
    friend class tcp_socket;
    explicit tcp_stream(int fd) noexcept : basic_stream(detail::io_socket(fd)) {}
    explicit tcp_stream(detail::io_socket&& socket) noexcept : basic_stream(std::move(socket)) {}

    static task<result<tcp_stream>> connect_to(lookup_request to, result<std::optional<reactor_handle>> home,
                                               std::source_location where);
};

}  // namespace eddy::net
