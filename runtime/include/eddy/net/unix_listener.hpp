// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/net/detail/accept_pause.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/listener.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_binding.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// An accepted connection, `stream`, and its address, `peer`.
/// Thread safety: same as its parts.
struct unix_accepted : basic_accepted<unix_stream, unix_addr> {
    using basic_accepted::basic_accepted;
};

class unix_listener;
/// The future of unix_listener::accept(), and the stream of unix_listener::incoming().
using unix_accept_future = basic_accept_future<unix_listener>;
using unix_incoming_stream = basic_incoming_stream<unix_listener>;

/// A Unix socket that accepts connections. bind() listens with a backlog of 1,024 connections.
///
/// The destructor does not remove the file of the path. Remove it after use, and remove the file of an earlier run
/// before bind(). An abstract name disappears with the socket.
/// Thread safety: one accept may be pending at a time. A second one, of another task, throws `misuse`.
/// Lifetime: the listener must outlive its futures and streams, and must not move while one of them waits. The
/// destructor closes the socket, and resets connections that were not accepted.
class EDDY_API unix_listener : public detail::socket_owner, public unix_binding<unix_listener> {
public:
    /// The type of an accepted connection.
    using accepted_type = unix_accepted;

    /// Takes ownership of a listening socket, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a Unix stream
    /// socket; bad_file_descriptor; invalid_argument if it does not listen.
    [[nodiscard]] static result<unix_listener> from_native(int fd) noexcept;

    /// Accepts a connection. Its peer is unnamed, unless the peer has bound a name. Skips connections that fail before
    /// they are accepted.
    /// Errors: too_many_files_open and other errors for a lack of descriptors or memory are returned once. The next
    /// accept then first waits 50 ms, so that a loop over accept() does not spin.
    /// Cancel safety: safe. No connection is lost.
    /// Lifetime: the future borrows the listener.
    /// Cost: one system call if a connection is pending, otherwise two.
    [[nodiscard]] unix_accept_future accept() noexcept { return unix_accept_future(*this); }
    /// Returns all connections as a stream of `result<unix_accepted>`. for_each() ends at the first error. A loop over
    /// next() may continue after an error.
    /// Cancel safety: safe. No connection is lost.
    /// Lifetime: the stream borrows the listener.
    [[nodiscard]] unix_incoming_stream incoming() & noexcept { return unix_incoming_stream(*this); }
    unix_incoming_stream incoming() && = delete;  // the stream would dangle: give the listener a name
    /// Same as accept(), as a poll function. Only the last task that polled is woken.
    poll_result<result<unix_accepted>> poll_accept(context& cx);

    /// Returns the address that the socket is bound to.
    /// Errors: see getsockname(2).
    [[nodiscard]] result<unix_addr> local_addr() const;
    /// Returns the pending error of the socket, if any, and clears it (SO_ERROR).
    /// Errors: see getsockopt(2).
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const;

private:
    friend unix_binding<unix_listener>;
    friend unix_accept_future;
    friend unix_incoming_stream;
    friend class unix_socket;
    explicit unix_listener(int fd) noexcept : socket_owner(fd, detail::descriptor_kind::socket) {}

    static result<unix_listener> bind_now(const unix_addr& at) noexcept;
    poll_result<result<unix_accepted>> poll_accept(context& cx, const detail::wait_record* future);
    /// Removes the waker that `future` stored.
    void leave(const detail::wait_record* future) noexcept {
        socket_.leave(detail::direction::read, future);
        pause_.leave(future);
    }

    detail::accept_pause pause_;
};

}  // namespace eddy::net
