// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/detail/accept_pause.hpp>
#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/net/ip_binding.hpp>
#include <eddy/net/listener.hpp>
#include <eddy/net/released.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

/// A connection, `stream`, and where it came from, `peer`.
struct accepted : basic_accepted<tcp_stream, socket_addr> {
    using basic_accepted::basic_accepted;
};

class tcp_listener;
using accept_future = basic_accept_future<tcp_listener>;
using incoming_stream = basic_incoming_stream<tcp_listener>;

/// A socket that accepts TCP connections: once it is bound, with SO_REUSEADDR and a backlog of 1,024.
///
/// Thread safety: one accept may be pending at a time; the last to poll is woken.
/// Lifetime: it must outlive its futures and streams, and must not move while one waits. Destroying it closes the
/// socket, and resets connections that nobody has accepted.
class EDDY_API tcp_listener : public ip_binding<tcp_listener> {
public:
    using accepted_type = accepted;

    /// Adopts a listening socket. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no TCP socket;
    /// bad_file_descriptor; invalid_argument if it does not
    /// listen.
    [[nodiscard]] static result<tcp_listener> from_native(int fd) noexcept;
    /// Gives the socket up: a future, since a driver may have accepted connections that belong to it.
    [[nodiscard]] task<result<released>> into_native() &&;
    // Only to say in a short error what to write.
    template <class... A>
    auto into_native(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    /// Waits for a connection. Connections that fail before they are accepted are passed over.
    /// Errors: too_many_files_open and its like (no descriptors, no memory) are returned once; then the next accept
    /// waits a little before it tries again, so that a loop over accept() neither ends nor spins. Cancel safety: safe.
    /// No connection is lost. Cost: one system call if a connection is there, else one more after the wait.
    [[nodiscard]] accept_future accept() noexcept { return accept_future(*this); }

    /// All connections, one after the other, as a stream of `result<accepted>`: for_each() ends at the first error; a
    /// loop over next() may go on. Borrows the listener.
    [[nodiscard]] incoming_stream incoming() & noexcept { return incoming_stream(*this); }
    incoming_stream incoming() && = delete;  // it would borrow a listener that is gone: give the listener a name

    /// accept() in the form of a poll.
    poll_result<result<accepted>> poll_accept(context& cx) { return poll_accept(cx, nullptr); }

    [[nodiscard]] result<socket_addr> local_addr() const noexcept;
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const noexcept;
    [[nodiscard]] result<std::uint32_t> ttl() const noexcept;
    result<void> set_ttl(std::uint32_t hops) const noexcept;

private:
    friend ip_binding<tcp_listener>;
    friend accept_future;
    friend incoming_stream;
    friend class tcp_socket;
    explicit tcp_listener(int fd) noexcept : socket_(fd) {}

    static result<tcp_listener> bind_now(const socket_addr& at) noexcept;
    poll_result<result<accepted>> poll_accept(context& cx, const void* future);
    /// Takes out the waker that a future has left here.
    void leave(const void* future) noexcept {
        socket_.leave(detail::direction::read, future);
        pause_.leave(future);
    }

    detail::io_socket socket_;
    detail::accept_pause pause_;
};

static_assert(listener<tcp_listener>);

}  // namespace eddy::net
