// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/ready.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/tcp_operations.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// How the mixins below come to the socket of what they are mixed into: by its private `socket()`.
struct socket_access {
    template <class S>
    static io_socket& get(S& self) noexcept {
        return self.socket();
    }
};

}  // namespace eddy::detail

namespace eddy::net {

/// What reads bytes: streams, their reading halves, the receiving end of a pipe. None of the futures allocates; each
/// borrows what makes it, and the bytes it is given.
template <class Self>
class reading {
public:
    /// Reads at least one byte into `into` and returns how many. 0 at the end of the stream, or if `into` is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no byte was taken from the stream.
    /// Cost: one system call if bytes are there, else one more after the wait; no allocation.
    [[nodiscard]] detail::io_operation<read_op> read(std::span<std::byte> into) noexcept {
        return detail::io_operation<read_op>(socket_of_self(), into);
    }
    /// Reads into several buffers, one after the other. Otherwise as read().
    [[nodiscard]] detail::io_operation<read_vectored_op> read_vectored(
        std::span<const std::span<std::byte>> into) noexcept {
        return detail::io_operation<read_vectored_op>(socket_of_self(), into);
    }
    /// Fills `into`. Errors: errc::unexpected_eof if the stream ends before.
    /// Cancel safety: not safe. Bytes already read are lost; loop over read().
    [[nodiscard]] detail::io_operation<read_exact_op> read_exact(std::span<std::byte> into) noexcept {
        return detail::io_operation<read_exact_op>(socket_of_self(), into);
    }
    /// Waits for bytes without holding a buffer, and gives them in a buffer of the loop's. Empty at the end of the
    /// stream. Cancel safety: safe. No byte is lost. Cost: as read(); the buffer comes from a pool.
    [[nodiscard]] detail::io_operation<receive_op> receive() noexcept {
        return detail::io_operation<receive_op>(socket_of_self());
    }
    /// Reads what is there, without waiting. Errors: operation_would_block if nothing is.
    result<std::size_t> try_read(std::span<std::byte> into) { return socket_of_self().try_read(into); }
    /// The same into several buffers, one after the other.
    result<std::size_t> try_read_vectored(std::span<const std::span<std::byte>> into) {
        return socket_of_self().try_read_vectored(into);
    }
    /// As read() and read_vectored(), in the form of a poll: for readers of one's own.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (into.empty()) return ok(std::size_t{0});
        return socket_of_self().poll_read(cx, nullptr, into);
    }
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into) {
        return socket_of_self().poll_read_vectored(cx, nullptr, into);
    }
    /// Waits until a read is worth trying, and says for what the stream is ready. Any number of tasks may wait.
    /// Cancel safety: safe. Errors: errc::runtime_shutdown.
    [[nodiscard]] socket_readiness readable() noexcept { return {socket_of_self(), io::interest::readable}; }

private:
    detail::io_socket& socket_of_self() noexcept { return detail::socket_access::get(static_cast<Self&>(*this)); }
};

/// What looks at bytes that it leaves where they are: what reads from a socket.
template <class Self>
class peeking {
public:
    /// As read(), but the bytes stay in the stream.
    [[nodiscard]] detail::io_operation<peek_op> peek(std::span<std::byte> into) noexcept {
        return detail::io_operation<peek_op>(socket_of_self(), into);
    }
    /// The same in the form of a poll.
    poll_result<result<std::size_t>> poll_peek(context& cx, std::span<std::byte> into) {
        if (into.empty()) return ok(std::size_t{0});
        return socket_of_self().poll_peek(cx, nullptr, into);
    }

private:
    detail::io_socket& socket_of_self() noexcept { return detail::socket_access::get(static_cast<Self&>(*this)); }
};

}  // namespace eddy::net
