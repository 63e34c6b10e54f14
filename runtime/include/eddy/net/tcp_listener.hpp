// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/net/detail/accept_pause.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/ip_binding.hpp>
#include <eddy/net/listener.hpp>
#include <eddy/net/released.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// An accepted TCP connection, `stream`, and the address of its peer, `peer`.
/// Thread safety: same as its parts.
struct accepted : basic_accepted<tcp_stream, socket_addr> {
    using basic_accepted::basic_accepted;
};

class tcp_listener;
/// The future of tcp_listener::accept(), and the stream of tcp_listener::incoming().
using accept_future = basic_accept_future<tcp_listener>;
using incoming_stream = basic_incoming_stream<tcp_listener>;

/// A socket that accepts TCP connections. bind() sets SO_REUSEADDR and listens with a backlog of 1,024 connections. For
/// other options, make a tcp_socket, which has them, and call its listen().
/// Thread safety: one accept may be pending at a time. A second one, of another task, throws `misuse`.
/// Lifetime: the listener must outlive its futures and streams, and must not move while one of them waits. The
/// destructor closes the socket, and resets connections that were not accepted.
class EDDY_API tcp_listener : public ip_binding<tcp_listener> {
public:
    /// The type of an accepted connection.
    using accepted_type = accepted;

    /// Takes ownership of a listening socket, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a TCP socket;
    /// bad_file_descriptor; invalid_argument if it does not listen.
    [[nodiscard]] static result<tcp_listener> from_native(int fd) noexcept;
    /// Releases the ownership of the descriptor and returns the descriptor. This is a future, because a driver may have
    /// accepted connections already: see released::connections.
    /// Errors: errc::runtime_shutdown.
    /// Cancel safety: not safe. If the future is destroyed before it is ready, the socket is closed and these
    /// connections are lost.
    task<result<released>> into_native() &&;
    eddy::detail::broken_future into_native(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    /// Returns the descriptor, which this object still owns.
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    /// Accepts a connection. Skips connections that fail before they are accepted.
    /// Errors: too_many_files_open and other errors for a lack of descriptors or memory are returned once. The next
    /// accept then first waits 50 ms, so that a loop over accept() does not spin.
    /// Cancel safety: safe. No connection is lost.
    /// Lifetime: the future borrows the listener.
    /// Cost: one system call if a connection is pending, otherwise two.
    [[nodiscard]] accept_future accept() noexcept { return accept_future(*this); }

    /// Returns all connections as a stream of `result<accepted>`. for_each() ends at the first error. A loop over
    /// next() may continue after an error.
    /// Cancel safety: safe. No connection is lost.
    /// Lifetime: the stream borrows the listener.
    [[nodiscard]] incoming_stream incoming() & noexcept { return incoming_stream(*this); }
    incoming_stream incoming() && = delete;  // the stream would dangle: give the listener a name

    /// Same as accept(), as a poll function. Only the last task that polled is woken.
    poll_result<result<accepted>> poll_accept(context& cx);

    /// Accepts no more connections, and returns those that the driver has accepted and no accept has taken. With epoll
    /// there are none; io_uring may have accepted one in advance, which the destructor would reset. Destroy the
    /// listener afterwards. net::serve() calls it at a shutdown: another process may have the socket, and the client is
    /// served.
    poll_result<std::vector<accepted>> poll_rest(context& cx);

    /// Returns the address that the socket is bound to.
    /// Errors: see getsockname(2).
    [[nodiscard]] result<socket_addr> local_addr() const;
    /// Returns the pending error of the socket, if any, and clears it (SO_ERROR).
    /// Errors: see getsockopt(2).
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const;
    /// The time-to-live of packets that are sent (IP_TTL; for IPv6, the hop limit).
    /// Errors: see getsockopt(2) and setsockopt(2).
    [[nodiscard]] result<std::uint32_t> ttl() const;
    result<void> set_ttl(std::uint32_t hops) const;

    static constexpr auto wait_shape(auto) {
        return inspect::awaits_member(inspect::wait::readable, &tcp_listener::socket_);
    }

private:
    friend ip_binding<tcp_listener>;
    friend accept_future;
    friend incoming_stream;
    friend class tcp_socket;
    explicit tcp_listener(int fd) noexcept : socket_(fd, detail::descriptor_kind::listener) {}

    static result<tcp_listener> bind_now(const socket_addr& at) noexcept;
    poll_result<result<accepted>> poll_accept(context& cx, const detail::wait_record* future);
    /// Removes the waker that `future` stored.
    void leave(const detail::wait_record* future) noexcept {
        socket_.leave(detail::direction::read, future);
        pause_.leave(future);
    }

    detail::io_socket socket_;
    detail::accept_pause pause_;
};

}  // namespace eddy::net
