// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/future.hpp>
#include <eddy/net/buffer_op.hpp>
#include <eddy/result.hpp>

// The futures of datagram_socket.hpp, where they are described, and what they give.

namespace eddy::net {

/// What recv_from() has received: how many bytes, and from where.
template <class Addr>
struct basic_recv_info {
    std::size_t size = 0;
    Addr from;
    bool is_truncated = false;  ///< the datagram was larger than the buffer, and what did not fit is lost

    basic_recv_info(std::size_t count, const Addr& sender, bool truncated) noexcept
        : size(count), from(sender), is_truncated(truncated) {}
};

using datagram_send_op =
    buffer_op<&detail::io_socket::poll_write, detail::direction::write, std::span<const std::byte>, if_empty::call>;
using datagram_recv_op =
    buffer_op<&detail::io_socket::poll_read, detail::direction::read, std::span<std::byte>, if_empty::call>;
using datagram_peek_op =
    buffer_op<&detail::io_socket::poll_peek, detail::direction::read, std::span<std::byte>, if_empty::call>;

enum class takes_it : bool { no, yes };

template <class Addr>
class EDDY_API recv_from_op {
public:
    using value_type = basic_recv_info<Addr>;
    static constexpr detail::direction way = detail::direction::read;

    recv_from_op(std::span<std::byte> into, takes_it takes) noexcept : into_(into), takes_(takes) {}

    poll_result<result<basic_recv_info<Addr>>> poll(detail::io_socket& socket, context& cx, const void* future);

private:
    std::span<std::byte> into_;
    takes_it takes_;
};

/// A buffer that is lent to a datagram operation by value: what has bytes to write into.
template <class B>
concept dgram_buffer = std::movable<B> && requires(B& b) { std::as_writable_bytes(std::span(b)); };

/// What send_dgram() gives: the socket and the buffer come back, whatever became of it.
template <class Socket, class B>
struct basic_dgram_sent {
    Socket sock;
    B buf;
    result<void> sent;

    basic_dgram_sent(Socket&& socket, B&& buffer, const result<void>& outcome) noexcept
        : sock(std::move(socket)), buf(std::move(buffer)), sent(outcome) {}
};

/// What recv_dgram() gives: the socket and the buffer come back, and in `n` stands how many bytes of that were filled.
template <class Socket, class B, class Addr>
struct basic_dgram_received {
    Socket sock;
    B buf;
    result<std::size_t> n;
    Addr from;  ///< not of a meaning if `n` is an error

    basic_dgram_received(Socket&& socket, B&& buffer, const result<std::size_t>& count, const Addr& sender) noexcept
        : sock(std::move(socket)), buf(std::move(buffer)), n(count), from(sender) {}
};

}  // namespace eddy::net

namespace eddy::detail {

/// A datagram goes as a whole or not at all: no system sends one in part, and if one did, it would be said.
[[nodiscard]] inline result<void> check_whole(const result<std::size_t>& sent, std::size_t size) noexcept {
    if (!sent) return std::unexpected(sent.error());
    if (*sent != size) return std::unexpected(std::make_error_code(std::errc::io_error));
    return ok();
}

}  // namespace eddy::detail
