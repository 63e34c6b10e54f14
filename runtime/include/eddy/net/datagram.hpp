// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/spare_bytes.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/result.hpp>

// The futures of datagram_socket.hpp and their results. See there for the documentation.

namespace eddy::net {
template <class Addr>
struct basic_recv_info;
}  // namespace eddy::net

namespace eddy::detail {

/// Return the size of the next datagram, which stays in the socket. poll_datagram_size() waits for a datagram.
EDDY_API poll_result<result<std::size_t>> poll_datagram_size(io_socket& socket, context& cx, const wait_record* future);
EDDY_API result<std::size_t> try_datagram_size(io_socket& socket);

/// Whether a receive removes the datagram from the socket: recv_from() does, peek_from() does not.
enum class takes_datagram : bool { no, yes };

/// Receives a datagram into `into` and returns its size and its sender.
template <class Addr>
EDDY_API poll_result<result<net::basic_recv_info<Addr>>> poll_recv_from(io_socket& socket, context& cx,
                                                                        const wait_record* future,
                                                                        std::span<std::byte> into,
                                                                        takes_datagram takes);

}  // namespace eddy::detail

namespace eddy::net {

/// The result of recv_from(): the size of a datagram in bytes, and its sender.
/// Thread safety: a plain value.
template <class Addr>
struct basic_recv_info {
    std::size_t size = 0;       ///< in bytes
    Addr from;                  ///< the sender
    bool is_truncated = false;  ///< the datagram was larger than the buffer; the rest of it is lost

    /// Constructs a result from its parts.
    basic_recv_info(std::size_t count, const Addr& sender, bool truncated) noexcept
        : size(count), from(sender), is_truncated(truncated) {}
};

/// The future of send().
/// Cancel safety: safe. If it is destroyed before it is ready, nothing was sent.
class [[nodiscard("an operation does nothing until it is awaited")]] datagram_send_future
    : public detail::buffer_future<datagram_send_future, &detail::io_socket::poll_write, detail::direction::write,
                                   std::span<const std::byte>, detail::if_empty::call> {
public:
    using buffer_future::buffer_future;
};

/// The future of send() for a container that it owns.
/// Cancel safety: safe. If it is destroyed before it is ready, nothing was sent.
template <class T>
class [[nodiscard("an operation does nothing until it is awaited")]] datagram_send_moved_future
    : public detail::socket_future<datagram_send_moved_future<T>, std::size_t, detail::direction::write> {
    using base = typename datagram_send_moved_future::socket_future;
    friend base;

public:
    datagram_send_moved_future(detail::io_socket& socket, T&& from) noexcept(std::is_nothrow_move_constructible_v<T>)
        : base(socket), from_(std::move(from)) {}

private:
    poll_result<result<std::size_t>> poll_socket(detail::io_socket& socket, context& cx,
                                                 const detail::wait_record* future) {
        return socket.poll_write(cx, future, detail::source_bytes(from_));
    }

    T from_;
};

/// The future of recv().
/// Cancel safety: safe. If it is destroyed before it is ready, no datagram was taken.
class [[nodiscard("an operation does nothing until it is awaited")]] datagram_recv_future
    : public detail::buffer_future<datagram_recv_future, &detail::io_socket::poll_read, detail::direction::read,
                                   std::span<std::byte>, detail::if_empty::call> {
public:
    using buffer_future::buffer_future;
};

/// The future of peek().
class [[nodiscard("an operation does nothing until it is awaited")]] datagram_peek_future
    : public detail::buffer_future<datagram_peek_future, &detail::io_socket::poll_peek, detail::direction::read,
                                   std::span<std::byte>, detail::if_empty::call> {
public:
    using buffer_future::buffer_future;
};

/// The future of recv_from() and peek_from().
/// Cancel safety: safe. If it is destroyed before it is ready, no datagram was taken.
template <class Addr>
class [[nodiscard("an operation does nothing until it is awaited")]] recv_from_future
    : public detail::socket_future<recv_from_future<Addr>, basic_recv_info<Addr>, detail::direction::read> {
    using base = typename recv_from_future::socket_future;
    friend base;

public:
    recv_from_future(detail::io_socket& socket, std::span<std::byte> into, detail::takes_datagram takes) noexcept
        : base(socket), takes_(takes), into_(into) {}

private:
    poll_result<result<basic_recv_info<Addr>>> poll_socket(detail::io_socket& socket, context& cx,
                                                           const detail::wait_record* future) {
        return detail::poll_recv_from<Addr>(socket, cx, future, into_, takes_);
    }

    detail::takes_datagram takes_;
    std::span<std::byte> into_;
};

/// The future of recv_buf() and recv_buf_from(), with the output `Info`.
/// Cancel safety: safe. If it is destroyed before it is ready, no datagram was taken.
template <class Addr, class B, class Info>
class [[nodiscard("an operation does nothing until it is awaited")]] recv_buf_future
    : public detail::socket_future<recv_buf_future<Addr, B, Info>, Info, detail::direction::read> {
    using base = typename recv_buf_future::socket_future;
    friend base;

public:
    recv_buf_future(detail::io_socket& socket, B& into) noexcept : base(socket), into_(&into) {}

private:
    poll_result<result<Info>> poll_socket(detail::io_socket& socket, context& cx, const detail::wait_record* future) {
        const auto size = detail::poll_datagram_size(socket, cx, future);
        if (!size) return not_ready;
        if (!*size) return result<Info>(std::unexpect, size->error());
        detail::spare_bytes<B> room(*into_, **size);
        auto got = detail::poll_recv_from<Addr>(socket, cx, future, room.get(), detail::takes_datagram::yes);
        if (!got) return not_ready;
        if (!*got) return result<Info>(std::unexpect, got->error());
        room.keep((*got)->size);
        if constexpr (std::same_as<Info, std::size_t>) {
            return ok((*got)->size);
        } else {
            return ok(**got);
        }
    }

    B* into_;
};

/// A buffer that a datagram operation can own: a movable object with writable bytes.
template <class B>
concept dgram_buffer = std::movable<B> && requires(B& b) { std::as_writable_bytes(std::span(b)); };

/// The result of send_dgram(): returns the socket and the buffer in every case.
/// Thread safety: same as its parts.
template <class Socket, class B>
struct basic_dgram_sent {
    /// The socket and the buffer that the call took, and the result of the call.
    Socket sock;
    B buf;
    result<void> sent;

    /// Constructs a result from its parts.
    basic_dgram_sent(Socket&& socket, B&& buffer, const result<void>& outcome) noexcept
        : sock(std::move(socket)), buf(std::move(buffer)), sent(outcome) {}
};

/// The result of recv_dgram(): returns the socket and the buffer in every case. `n` is the number of bytes received.
/// Thread safety: same as its parts.
template <class Socket, class B, class Addr>
struct basic_dgram_received {
    /// The socket and the buffer that the call took, and the size of the datagram in bytes.
    Socket sock;
    B buf;
    result<std::size_t> n;
    Addr from;  ///< has no meaning if `n` is an error

    /// Constructs a result from its parts.
    basic_dgram_received(Socket&& socket, B&& buffer, const result<std::size_t>& count, const Addr& sender) noexcept
        : sock(std::move(socket)), buf(std::move(buffer)), n(count), from(sender) {}
};

}  // namespace eddy::net

namespace eddy::detail {

/// Converts the count of a send to a result without value. Reports io_error for a datagram that was sent in part,
/// although no known system does that.
[[nodiscard]] inline result<void> check_whole(const result<std::size_t>& sent, std::size_t size) noexcept {
    if (!sent) return std::unexpected(sent.error());
    if (*sent != size) return std::unexpected(std::make_error_code(std::errc::io_error));
    return ok();
}

}  // namespace eddy::detail
