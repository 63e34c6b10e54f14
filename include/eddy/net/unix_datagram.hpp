// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/datagram.hpp>
#include <eddy/net/datagram_socket.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_binding.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

using unix_recv_info = basic_recv_info<unix_addr>;
struct unix_datagram_pair;

/// What unix_datagram::shutdown() ends.
enum class shutdown_side : unsigned char { receiving, sending, both };

/// A Unix socket for datagrams. None is lost and all are in order, so a sender waits while its receiver's queue is
/// full. A datagram is received as a whole: what does not fit into the buffer is lost, and recv_from() says so.
///     auto service = co_await try_(unix_datagram::bind(co_await try_(unix_addr::abstract("my-service"))));
///     auto question = co_await try_(service.recv_from(buffer));
///     if (!question.from.is_unnamed()) co_await try_(service.send_to(answer, question.from));
/// Who wants an answer binds to a name of its own, or to unix_addr(), and is given one.
///
/// Errors: values, with the system's code: connection_refused, if nobody has the address any more;
/// no_such_file_or_directory; invalid_argument, to the address without a name; message_size for a datagram that is too
/// large; errc::runtime_shutdown, errc::io_disabled. An operation that must wait where no loop runs on the thread
/// throws `misuse`. Thread safety: one operation may be pending in each direction at the same time, on different
/// threads; of two in the same direction only the last to be polled is woken. readable() and writable() may be awaited
/// by any number. Lifetime: the socket must outlive its futures, and must not move while one of them waits. Destroying
/// it closes it, and leaves the file of its path.
class EDDY_API unix_datagram : public datagram_socket<unix_addr>,
                               public unix_binding<unix_datagram>,
                               public any_call<unix_datagram> {
public:
    /// One without a name, which sends, and receives nothing before it is connected or bound.
    [[nodiscard]] static result<unix_datagram> unbound() noexcept;
    /// Two that are connected to each other, without a name.
    [[nodiscard]] static result<unix_datagram_pair> pair() noexcept;

    /// Adopts a socket. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no Unix datagram
    /// socket; bad_file_descriptor.
    [[nodiscard]] static result<unix_datagram> from_native(int fd) noexcept;

    /// From now on, send() goes there, and only what comes from there is received. Connecting once more changes the
    /// peer. Errors: no_such_file_or_directory, connection_refused, ..., as connect(2); as unix_addr::path().
    result<void> connect(const unix_addr& to) const noexcept;
    result<void> connect(std::string_view path) const noexcept;

    /// As send(), but to `to`. No system tells when the queue of a receiver that one is not connected to has room
    /// again: while it is full, it is asked again after 1 ms, 2 ms, ... 16 ms. Cancel safety: as send(). Cost: besides,
    /// an allocation.
    [[nodiscard]] task<result<std::size_t>> send_to(std::span<const std::byte> from, const unix_addr& to);
    [[nodiscard]] task<result<std::size_t>> send_to(std::span<const std::byte> from, std::string_view path);
    /// Without waiting. Errors: operation_would_block if there is no room.
    result<std::size_t> try_send_to(std::span<const std::byte> from, const unix_addr& to);

    /// Ends what is received, what is sent, or both. A send is broken_pipe then, and so is one to a socket that
    /// receives no more. What has come before can be received; a receive that finds nothing waits, as before: Linux
    /// tells only callers that block. Errors: what shutdown(2) reports.
    result<void> shutdown(shutdown_side which) const noexcept;
    [[nodiscard]] result<unix_addr> local_addr() const noexcept;
    /// Errors: not_connected.
    [[nodiscard]] result<unix_addr> peer_addr() const noexcept;

private:
    friend unix_binding<unix_datagram>;
    using datagram_socket::datagram_socket;

    static result<unix_datagram> bind_now(const unix_addr& at) noexcept;
    static task<result<std::size_t>> send_again(detail::io_socket& socket, std::span<const std::byte> from,
                                                result<unix_addr> to);
};

/// What unix_datagram::pair() gives.
struct unix_datagram_pair {
    unix_datagram first;
    unix_datagram second;

    unix_datagram_pair(unix_datagram&& one, unix_datagram&& other) noexcept
        : first(std::move(one)), second(std::move(other)) {}
};

}  // namespace eddy::net
