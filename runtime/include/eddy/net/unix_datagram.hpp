// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/datagram.hpp>
#include <eddy/net/datagram_socket.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/net/unix_binding.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// The result of unix_datagram::recv_from().
using unix_recv_info = basic_recv_info<unix_addr>;
struct unix_datagram_pair;

/// The directions that unix_datagram::shutdown() ends.
enum class shutdown_side : unsigned char {
    receiving,  ///< ends receiving
    sending,    ///< ends sending
    both        ///< ends both
};

/// A Unix datagram socket.
///
/// Datagrams are not lost or reordered: a sender waits while the receiver's queue is full. A datagram is received as a
/// whole. The part that does not fit into the buffer is lost, and recv_from() reports the loss.
///     auto service = co_await try_(unix_datagram::bind(co_await try_(unix_addr::abstract("my-service"))));
///     auto question = co_await try_(service.recv_from(buffer));
///     if (!question.from.is_unnamed()) co_await try_(service.send_to(answer, question.from));
/// To receive answers, bind to a name, or to unix_addr(), for which the system chooses a unique name.
///
/// Errors: connection_refused if no socket has the address any more; no_such_file_or_directory; invalid_argument for
/// the unnamed address; message_size for a datagram that is too large. The system may return other errors, with its
/// code. errc::runtime_shutdown; errc::io_disabled. An operation that must wait throws `misuse` if the thread has no
/// event loop.
/// Thread safety: one operation may be pending in each direction at the same time, on different threads. Of two
/// operations in the same direction, the second one throws `misuse` if it is of another task. Any number of tasks may
/// await readable() and writable().
/// Lifetime: the socket must outlive its futures, and must not move while one of them waits. The destructor closes the
/// socket, and does not remove the file of its path.
class EDDY_API unix_datagram : public datagram_socket<unix_addr>,
                               public unix_binding<unix_datagram>,
                               public detail::any_call<unix_datagram> {
public:
    /// Makes an unnamed socket. It can send. It receives nothing before it is connected or bound.
    /// Errors: see socket(2).
    [[nodiscard]] static result<unix_datagram> unbound() noexcept;
    /// Makes two unnamed sockets that are connected to each other.
    /// Errors: see socketpair(2).
    [[nodiscard]] static result<unix_datagram_pair> pair() noexcept;

    /// Takes ownership of a socket, also on error.
    /// Errors: errc::blocking_descriptor if O_NONBLOCK is not set; wrong_protocol_type if it is not a Unix datagram
    /// socket; bad_file_descriptor.
    [[nodiscard]] static result<unix_datagram> from_native(int fd) noexcept;

    /// Connects to a peer: send() sends to it, and only its datagrams are received. A second call changes the peer.
    /// Errors: no_such_file_or_directory, connection_refused and the other errors of connect(2); the errors of
    /// unix_addr::path().
    result<void> connect(const unix_addr& to) const;
    result<void> connect(std::string_view path) const;

    /// Sends a datagram to an address and returns its size in bytes. The system does not report when the queue of a
    /// receiver has capacity, unless the sockets are connected. While the queue is full, this function sends again
    /// after 1 ms, 2 ms, and so on, up to every 16 ms.
    /// Errors: same as send() and unix_addr::path().
    /// Cancel safety: safe. If the future is destroyed before it is ready, nothing was sent.
    /// Lifetime: as for send(): a temporary container is moved into the future, everything else is borrowed.
    /// Cost: same as send(), and one allocation, or two for a temporary container.
    task<result<std::size_t>> send_to(io::const_buffer from, const unix_addr& to);
    task<result<std::size_t>> send_to(io::const_buffer from, std::string_view path);
    template <detail::owned_bytes T>
    task<result<std::size_t>> send_to(T&& from, const unix_addr& to) {
        return send_moved(socket_, std::forward<T>(from), to);
    }
    template <detail::owned_bytes T>
    task<result<std::size_t>> send_to(T&& from, std::string_view path) {
        return send_moved(socket_, std::forward<T>(from), unix_addr::path(path));
    }
    /// Sends without waiting.
    /// Errors: operation_would_block if the receiver's queue is full.
    result<std::size_t> try_send_to(io::const_buffer from, const unix_addr& to);

    /// Ends receiving, sending, or both. Sends then fail with broken_pipe, and so do sends of peers to a socket that no
    /// longer receives. Datagrams that arrived before can still be received. A receive that finds no datagram waits as
    /// before, because Linux reports the shutdown only to blocking calls.
    /// Errors: see shutdown(2).
    result<void> shutdown(shutdown_side which) const;
    /// Returns the address that the socket is bound to.
    /// Errors: see getsockname(2).
    [[nodiscard]] result<unix_addr> local_addr() const;
    /// Returns the address of the connected peer.
    /// Errors: not_connected.
    [[nodiscard]] result<unix_addr> peer_addr() const;

private:
    friend class unix_socket;
    friend unix_binding<unix_datagram>;
    using datagram_socket::datagram_socket;

    static result<unix_datagram> bind_now(const unix_addr& at) noexcept;
    static task<result<std::size_t>> send_again(detail::io_socket& socket, std::span<const std::byte> from,
                                                result<unix_addr> to);
    template <class T>
    static task<result<std::size_t>> send_moved(detail::io_socket& socket, T from, result<unix_addr> to) {
        co_return co_await send_again(socket, detail::source_bytes(from), std::move(to));
    }
};

/// The two sockets of unix_datagram::pair().
/// Thread safety: same as its parts.
struct unix_datagram_pair {
    /// The two sockets. Each is connected to the other.
    unix_datagram first;
    unix_datagram second;

    /// Takes ownership of both sockets.
    unix_datagram_pair(unix_datagram&& one, unix_datagram&& other) noexcept
        : first(std::move(one)), second(std::move(other)) {}
};

}  // namespace eddy::net
