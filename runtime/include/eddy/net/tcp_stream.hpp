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

#include <eddy/detail/export.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/net/basic_stream.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_options.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// A TCP connection.
///
/// Errors: connection_reset, broken_pipe, timed_out and the other errors of recv(2) and send(2), with the system's
/// code. errc::runtime_shutdown if the event loop of the stream has ended; errc::io_disabled. SIGPIPE is never raised.
/// An operation that must wait throws `misuse` if the thread has no event loop.
/// Thread safety: one operation may be pending in each direction at the same time, on different threads. Of two
/// operations in the same direction, the second one throws `misuse` if it is of another task.
/// Lifetime: the stream must outlive its futures, and must not move while one of them waits. The destructor closes the
/// connection. With io_uring, unsent data is flushed for up to 30 s, or until the event loop ends; then the connection
/// is reset. Await shutdown() or flush() before the event loop ends.
/// Cost: registers with the event loop at the first operation that would block; with io_uring, at the first operation.
class EDDY_API tcp_stream : public detail::basic_stream<tcp_stream>, public tcp_options<tcp_stream> {
public:
    /// Connects to a peer. `to` is any `to_socket_addrs` (an address, text such as "127.0.0.1:80" or "localhost:80", or
    /// several addresses), or a host and a port. Does nothing before the future is polled.
    /// Looks up names as lookup_host() does, without blocking the event loop. The addresses of a name compete ("Happy
    /// Eyeballs", RFC 8305): IPv6 and IPv4 take turns, the next address is tried 250 ms after the previous one or when
    /// that has failed, and the first one that answers is taken. Several given addresses are tried in order, each when
    /// the previous one has failed. time::timeout() limits the whole.
    /// Errors: connection_refused, timed_out and the other errors of connect(2); errc::no_address for an empty list;
    /// the errors of lookup_host(). If no address can be connected to, returns the error of the last one. The text
    /// names the target: "connect to 127.0.0.1:80: Connection refused". No descriptor stays open after an error.
    /// Cancel safety: safe. The attempts are abandoned, and their sockets are closed.
    static task<any_result<tcp_stream>> connect(lookup_request to,
                                                std::source_location where = std::source_location::current());
    static task<any_result<tcp_stream>> connect(std::string_view host, std::uint16_t port,
                                                std::source_location where = std::source_location::current());
    static task<any_result<tcp_stream>> connect(const ip_addr& host, std::uint16_t port,
                                                std::source_location where = std::source_location::current());
    /// Same as above, registered with the event loop behind `handle`.
    /// Errors: those above; errc::io_disabled. Throws `wrong_thread` on another thread than that of the event loop.
    /// Cancel safety: safe. The attempt is abandoned, and its socket is closed.
    static task<any_result<tcp_stream>> connect(lookup_request to, const core_handle& handle,
                                                std::source_location where = std::source_location::current());

    /// Takes ownership of a connected socket, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a TCP socket;
    /// bad_file_descriptor.
    [[nodiscard]] static result<tcp_stream> from_native(int fd) noexcept;

    // ---- The socket. Errors: see getsockopt(2) and setsockopt(2). ----

    /// Returns the local address, or the address of the peer.
    [[nodiscard]] result<socket_addr> local_addr() const;
    [[nodiscard]] result<socket_addr> peer_addr() const;

    /// Gets or sets whether small writes are sent immediately (TCP_NODELAY). Off by default.
    [[nodiscard]] result<bool> nodelay() const;
    result<void> set_nodelay(bool on) const;
    /// The time that close(2) waits for unsent data (SO_LINGER). With zero, close(2) resets the connection. nullopt
    /// turns the option off.
    /// Errors: invalid_argument for less than 0 s or more than 32,767 s.
    [[nodiscard]] result<std::optional<std::chrono::seconds>> linger() const;
    result<void> set_linger(std::optional<std::chrono::seconds> limit) const;
    /// Makes the close reset the connection: unsent data is dropped, and the peer reads connection_reset instead of the
    /// end of the stream.
    result<void> set_zero_linger() const { return set_linger(std::chrono::seconds::zero()); }
    /// Gets or sets whether received data is acknowledged immediately (TCP_QUICKACK). The kernel soon returns to its
    /// own choice.
    [[nodiscard]] result<bool> quickack() const;
    result<void> set_quickack(bool on) const;
    /// The time-to-live of packets that are sent (IP_TTL; for IPv6, the hop limit).
    [[nodiscard]] result<std::uint32_t> ttl() const;
    result<void> set_ttl(std::uint32_t hops) const;

private:
    friend class tcp_listener;
    friend class tcp_socket;
    friend tcp_options<tcp_stream>;
    explicit tcp_stream(int fd) noexcept : basic_stream(detail::io_socket(fd)) {}
    explicit tcp_stream(detail::io_socket&& socket) noexcept : basic_stream(std::move(socket)) {}

    static task<any_result<tcp_stream>> connect_to(lookup_request to, result<std::optional<reactor_handle>> reactor,
                                                   std::source_location where);
};

}  // namespace eddy::net
