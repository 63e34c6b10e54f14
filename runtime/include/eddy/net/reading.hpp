// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>
#include <span>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_future.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// The future of read().
/// Cancel safety: safe. If it is destroyed before it is ready, no byte was taken from the stream.
class [[nodiscard("an operation does nothing until it is awaited")]] read_future
    : public detail::buffer_future<read_future, &detail::io_socket::poll_read, detail::direction::read,
                                   std::span<std::byte>, detail::if_empty::nothing> {
public:
    using buffer_future::buffer_future;
};

/// The future of read_vectored().
/// Cancel safety: safe. If it is destroyed before it is ready, no byte was taken from the stream.
class [[nodiscard("an operation does nothing until it is awaited")]] read_vectored_future
    : public detail::buffer_future<read_vectored_future, &detail::io_socket::poll_read_vectored,
                                   detail::direction::read, std::span<const std::span<std::byte>>,
                                   detail::if_empty::call> {
public:
    using buffer_future::buffer_future;
};

/// The future of peek().
class [[nodiscard("an operation does nothing until it is awaited")]] peek_future
    : public detail::buffer_future<peek_future, &detail::io_socket::poll_peek, detail::direction::read,
                                   std::span<std::byte>, detail::if_empty::nothing> {
public:
    using buffer_future::buffer_future;
};

/// The future of read_exact().
/// Cancel safety: not safe. Bytes already read are lost.
class [[nodiscard("an operation does nothing until it is awaited")]] read_exact_future
    : public detail::socket_future<read_exact_future, void, detail::direction::read> {
public:
    read_exact_future(detail::io_socket& socket, std::span<std::byte> into) noexcept
        : socket_future(socket), left_(into) {}

private:
    friend socket_future;
    poll_result<result<void>> poll_socket(detail::io_socket& socket, context& cx, const detail::wait_record* future) {
        return detail::poll_all(errc::unexpected_eof, left_,
                                [&](std::span<std::byte> some) { return socket.poll_read(cx, future, some); });
    }

    std::span<std::byte> left_;
};

/// The future of receive().
/// Cancel safety: safe. No byte is lost.
class [[nodiscard("an operation does nothing until it is awaited")]] receive_future
    : public detail::socket_future<receive_future, io::leased_buffer, detail::direction::read> {
public:
    explicit receive_future(detail::io_socket& socket) noexcept : socket_future(socket) {}

private:
    friend socket_future;
    static poll_result<result<io::leased_buffer>> poll_socket(detail::io_socket& socket, context& cx,
                                                              const detail::wait_record* future) {
        return socket.poll_receive(cx, future);
    }
};

/// The reading functions of streams, reading halves and receivers of pipes: a mixin, with the derived class as `Self`.
/// The futures borrow the object and the buffers. They do not allocate.
/// Thread safety: one read may be pending at a time. A second one, of another task, throws `misuse`.
template <class Self>
class reading {
public:
    /// Reads at least one byte into `into` and returns the count. Returns 0 at end of stream, or if `into` is empty.
    /// `into` is a string, or a container or span of char, unsigned char or std::byte; see io::mutable_buffer.
    /// Errors: connection_reset and the other errors of recv(2) or read(2); errc::runtime_shutdown; errc::io_disabled.
    /// Throws `misuse` for an empty std::string or std::vector, which has no room: resize() it first.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no byte was taken from the stream.
    /// Cost: one system call if bytes are available, otherwise two; no allocation.
    [[nodiscard]] read_future read(io::mutable_buffer into) noexcept {
        return read_future(socket_of_self(), into.bytes());
    }
    template <detail::growing_bytes C>
    [[nodiscard]] read_future read(C& into, std::source_location where = std::source_location::current()) {
        return read_future(socket_of_self(), detail::room_of(into, detail::no_room_to_read, where));
    }
    template <class T>
    detail::broken_future read(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    template <class T>
    detail::broken_future read_exact(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    /// Reads into several buffers in order. Otherwise same as read().
    [[nodiscard]] read_vectored_future read_vectored(std::span<const std::span<std::byte>> into) noexcept {
        return read_vectored_future(socket_of_self(), into);
    }
    /// Fills all of `into`, which may be of any type that read() accepts.
    /// Errors: errc::unexpected_eof if the stream ends first; the errors of read().
    /// Cancel safety: not safe. Bytes already read are lost; loop over read().
    [[nodiscard]] read_exact_future read_exact(io::mutable_buffer into) noexcept {
        return read_exact_future(socket_of_self(), into.bytes());
    }
    /// Waits for bytes without holding a buffer, and returns them in a buffer that is leased from the event loop. Empty
    /// at end of stream.
    /// Errors: same as read(); throws std::bad_alloc if there is no memory for the buffer.
    /// Cancel safety: safe. No byte is lost.
    /// Cost: same as read(). The buffer belongs to a pool.
    [[nodiscard]] receive_future receive() noexcept { return receive_future(socket_of_self()); }
    /// Reads without waiting.
    /// Errors: operation_would_block if there are no bytes; the errors of read().
    result<std::size_t> try_read(io::mutable_buffer into) { return socket_of_self().try_read(into.bytes()); }
    /// Same as try_read(), into several buffers in order.
    result<std::size_t> try_read_vectored(std::span<const std::span<std::byte>> into) {
        return socket_of_self().try_read_vectored(into);
    }
    /// Implements async_read, for user-defined readers. Only the last task that polled is woken.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (into.empty()) return ok(std::size_t{0});
        return socket_of_self().poll_read(cx, nullptr, into);
    }
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into) {
        return socket_of_self().poll_read_vectored(cx, nullptr, into);
    }
    /// Waits until a read is worth trying. Returns the readiness of the stream.
    /// Errors: any error of socket_readiness.
    /// Thread safety: any number of tasks may wait.
    [[nodiscard]] socket_readiness readable() noexcept { return {socket_of_self(), io::interest::readable}; }
    /// Same as readable(), as a poll function. Only the last task that polled for reading, with this function or
    /// poll_read(), is woken.
    poll_result<result<io::ready>> poll_read_ready(context& cx) {
        return socket_of_self().poll_ready(detail::direction::read, cx);
    }

private:
    // SAFETY: Self derives from this mixin, so *this is the base of a Self.
    detail::io_socket& socket_of_self() noexcept { return detail::socket_access::get(static_cast<Self&>(*this)); }
};

/// The functions of streams and their reading halves that read bytes and leave them in the socket: a mixin, with the
/// derived class as `Self`.
/// Thread safety: counts as a read. See reading.
template <class Self>
class peeking {
public:
    /// Same as read(), but the bytes stay in the stream. The next read returns them.
    [[nodiscard]] peek_future peek(io::mutable_buffer into) noexcept {
        return peek_future(socket_of_self(), into.bytes());
    }
    /// Same as peek(), as a poll function.
    poll_result<result<std::size_t>> poll_peek(context& cx, std::span<std::byte> into) {
        if (into.empty()) return ok(std::size_t{0});
        return socket_of_self().poll_peek(cx, nullptr, into);
    }

private:
    // SAFETY: Self derives from this mixin, so *this is the base of a Self.
    detail::io_socket& socket_of_self() noexcept { return detail::socket_access::get(static_cast<Self&>(*this)); }
};

}  // namespace eddy::net
