// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <system_error>

#include <eddy/detail/accept_pause.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/net/listener.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_binding.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

/// A connection, `stream`, and where it came from, `peer`.
struct unix_accepted : basic_accepted<unix_stream, unix_addr> {
    using basic_accepted::basic_accepted;
};

class unix_listener;
using unix_accept_future = basic_accept_future<unix_listener>;
using unix_incoming_stream = basic_incoming_stream<unix_listener>;

/// A Unix socket that accepts connections: once it is bound, with a backlog of 1,024.
///
/// The file of its path stays when it is destroyed: who wants it gone removes it; who finds it there from an earlier
/// run removes it before binding. (An abstract name is gone with the socket.) Thread safety: one accept may be pending
/// at a time; the last to poll is woken. Lifetime: it must outlive its futures and streams, and must not move while one
/// waits. Destroying it closes the socket, and resets connections that nobody has accepted.
class EDDY_API unix_listener : public socket_owner, public unix_binding<unix_listener> {
public:
    using accepted_type = unix_accepted;

    /// Adopts a listening socket. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no Unix stream
    /// socket; bad_file_descriptor; invalid_argument if it does not listen.
    [[nodiscard]] static result<unix_listener> from_native(int fd) noexcept;

    /// Waits for a connection; its peer has no name, unless it has bound one.
    /// Errors: too_many_files_open and its like (no descriptors, no memory) are returned once; then the next accept
    /// waits a little before it tries again, so that a loop over accept() neither ends nor spins. Cancel safety: safe.
    /// No connection is lost. Cost: one system call if a connection is there, else one more after the wait.
    [[nodiscard]] unix_accept_future accept() noexcept { return unix_accept_future(*this); }
    /// All connections, one after the other, as a stream of `result<unix_accepted>`: for_each() ends at the first
    /// error; a loop over next() may go on. Borrows the listener.
    [[nodiscard]] unix_incoming_stream incoming() & noexcept { return unix_incoming_stream(*this); }
    unix_incoming_stream incoming() && = delete;  // it would borrow a listener that is gone: give the listener a name
    /// accept() in the form of a poll.
    poll_result<result<unix_accepted>> poll_accept(context& cx) { return poll_accept(cx, nullptr); }

    [[nodiscard]] result<unix_addr> local_addr() const noexcept;
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const noexcept;

private:
    friend unix_binding<unix_listener>;
    friend unix_accept_future;
    friend unix_incoming_stream;
    explicit unix_listener(int fd) noexcept : socket_owner(fd, detail::descriptor_kind::socket) {}

    static result<unix_listener> bind_now(const unix_addr& at) noexcept;
    poll_result<result<unix_accepted>> poll_accept(context& cx, const void* future);
    /// Takes out the waker that a future has left here.
    void leave(const void* future) noexcept {
        socket_.leave(detail::direction::read, future);
        pause_.leave(future);
    }

    detail::accept_pause pause_;
};

static_assert(listener<unix_listener>);

}  // namespace eddy::net
