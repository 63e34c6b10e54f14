// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_future.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// The tasks of flush() and shutdown(). They use the socket and not its descriptor number, which the system may reuse
/// after the stream was destroyed.
EDDY_API task<result<void>> flush_socket(io_socket& socket, std::source_location where);
EDDY_API task<result<void>> shut_down_socket(io_socket& socket, std::source_location where);

}  // namespace eddy::detail

namespace eddy::net {

/// The future of write().
/// Cancel safety: safe. If it is destroyed before it is ready, no byte was written.
class [[nodiscard("an operation does nothing until it is awaited")]] write_future
    : public detail::buffer_future<write_future, &detail::io_socket::poll_write, detail::direction::write,
                                   std::span<const std::byte>, detail::if_empty::nothing> {
public:
    using buffer_future::buffer_future;
};

/// The future of write_vectored().
/// Cancel safety: safe. If it is destroyed before it is ready, no byte was written.
class [[nodiscard("an operation does nothing until it is awaited")]] write_vectored_future
    : public detail::buffer_future<write_vectored_future, &detail::io_socket::poll_write_vectored,
                                   detail::direction::write, std::span<const std::span<const std::byte>>,
                                   detail::if_empty::call> {
public:
    using buffer_future::buffer_future;
};

/// The future of write_all().
/// Cancel safety: not safe. The number of bytes that were written is unknown.
class [[nodiscard("an operation does nothing until it is awaited")]] write_all_future
    : public detail::socket_future<write_all_future, void, detail::direction::write> {
public:
    write_all_future(detail::io_socket& socket, std::span<const std::byte> from) noexcept
        : socket_future(socket), left_(from) {}

private:
    friend socket_future;
    poll_result<result<void>> poll_socket(detail::io_socket& socket, context& cx, const detail::wait_record* future) {
        return detail::poll_all(errc::write_zero, left_,
                                [&](std::span<const std::byte> some) { return socket.poll_write(cx, future, some); });
    }

    std::span<const std::byte> left_;
};

/// The future of write_all() for a container that it owns.
/// Cancel safety: not safe. The number of bytes that were written is unknown.
template <class T>
class [[nodiscard("an operation does nothing until it is awaited")]] write_all_moved_future
    : public detail::socket_future<write_all_moved_future<T>, void, detail::direction::write> {
    using base = typename write_all_moved_future::socket_future;
    friend base;

public:
    write_all_moved_future(detail::io_socket& socket, T&& from) noexcept(std::is_nothrow_move_constructible_v<T>)
        : base(socket), from_(std::move(from)) {}

private:
    poll_result<result<void>> poll_socket(detail::io_socket& socket, context& cx, const detail::wait_record* future) {
        return detail::poll_all(
            errc::write_zero, [&] { return detail::source_bytes(from_).subspan(sent_); },
            [&](std::span<const std::byte> some) { return socket.poll_write(cx, future, some); },
            [&](std::size_t count) { sent_ += count; });
    }

    T from_;  // the bytes of a short string move with the future, so there is no span of them
    std::size_t sent_ = 0;
};

/// The future of write_owned().
/// Cancel safety: not safe. The number of bytes that were written is unknown, and the remaining bytes are lost.
class [[nodiscard("an operation does nothing until it is awaited")]] write_owned_future
    : public detail::socket_future<write_owned_future, void, detail::direction::write> {
public:
    write_owned_future(detail::io_socket& socket, io::leased_buffer&& from) noexcept
        : socket_future(socket), lease_(std::move(from)) {}

private:
    friend socket_future;
    poll_result<result<void>> poll_socket(detail::io_socket& socket, context& cx, const detail::wait_record* future) {
        std::span<const std::byte> left(lease_.data() + sent_, lease_.size() - sent_);
        auto done = detail::poll_all(errc::write_zero, left, [&](std::span<const std::byte> some) {
            return socket.poll_write_leased(cx, future, lease_, some);
        });
        if (left.empty()) {
            lease_ = io::leased_buffer();  // returns the buffer, unless the driver took ownership of it
            sent_ = 0;
        } else {
            sent_ = static_cast<std::uint32_t>(lease_.size() - left.size());
        }
        return done;
    }

    std::uint32_t sent_ = 0;
    io::leased_buffer lease_;
};

/// The writing functions of streams, writing halves and senders of pipes: a mixin, with the derived class as `Self`.
/// The futures borrow the object and the bytes. They do not allocate, except the futures of flush() and shutdown().
/// Thread safety: one write may be pending at a time. A second one, of another task, throws `misuse`.
template <class Self>
class writing {
public:
    /// Writes at least one byte of `from` and returns the count. Returns 0 only if `from` is empty. `from` is text, or
    /// a container or span of char, unsigned char or std::byte; see io::const_buffer.
    /// Errors: connection_reset, broken_pipe and the other errors of send(2) or write(2); errc::runtime_shutdown;
    /// errc::io_disabled.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no byte was written.
    /// Cost: one system call if the socket has capacity, otherwise two; no allocation. With io_uring, up to 1.9 KB for
    /// a TCP connection are only copied, and sent by the next driver tick: see flush().
    [[nodiscard]] write_future write(io::const_buffer from) noexcept {
        return write_future(socket_of_self(), from.bytes());
    }
    template <detail::owned_bytes T>
    detail::broken_future write(T&&) EDDY_DELETED(EDDY_NO_TEMPORARY);
    template <class T>
    detail::broken_future write(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    template <class T>
    detail::broken_future write_all(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    /// Writes from several buffers in order. Otherwise same as write().
    [[nodiscard]] write_vectored_future write_vectored(std::span<const std::span<const std::byte>> from) noexcept {
        return write_vectored_future(socket_of_self(), from);
    }
    /// Writes all of `from`, which is what write() accepts: `stream.write_all("hello")`.
    /// Errors: same as write().
    /// Cancel safety: not safe. The number of bytes that were written is unknown; loop over write().
    /// Lifetime: a temporary container (an rvalue std::string, for example) is moved into the future. Everything else
    /// is borrowed.
    [[nodiscard]] write_all_future write_all(io::const_buffer from) noexcept {
        return write_all_future(socket_of_self(), from.bytes());
    }
    template <detail::owned_bytes T>
    [[nodiscard]] write_all_moved_future<T> write_all(T&& from) {
        return write_all_moved_future<T>(socket_of_self(), std::forward<T>(from));
    }
    /// Writes all bytes of a buffer that this stream or another one received, and returns the buffer to its pool when
    /// the bytes were sent. With io_uring, 512 bytes to 8 KiB for a TCP connection are not copied. The buffer moves
    /// into the future immediately, so `from` is empty afterwards.
    /// Errors: same as write().
    /// Cancel safety: not safe. The number of bytes that were written is unknown, and the remaining bytes are lost.
    [[nodiscard]] write_owned_future write_owned(io::leased_buffer&& from) noexcept {
        return write_owned_future(socket_of_self(), std::move(from));
    }
    /// Writes without waiting.
    /// Errors: operation_would_block if there is no capacity; the errors of write().
    result<std::size_t> try_write(io::const_buffer from) { return socket_of_self().try_write(from.bytes()); }
    /// Same as try_write(), from several buffers in order.
    result<std::size_t> try_write_vectored(std::span<const std::span<const std::byte>> from) {
        return socket_of_self().try_write_vectored(from);
    }
    /// Hands the bytes that were written to the system, and waits until the system has taken them all. Use it in a task
    /// that writes and then computes. With io_uring, these bytes are otherwise sent by the next driver tick, and
    /// yield_now() alone does not cause one. With epoll, no bytes are held back, and flush() is ready immediately.
    /// Errors: the error of an earlier write that failed after it had returned.
    /// Cost: one allocation.
    task<result<void>> flush(std::source_location where = std::source_location::current()) {
        return detail::flush_socket(socket_of_self(), where);
    }
    /// Flushes, then ends the writing direction: the peer reads the bytes that were written, then the end of the
    /// stream. Succeeds even if the peer has closed the connection. A later write fails with broken_pipe. Does nothing
    /// on a terminal.
    /// Errors: same as flush(). On a pipe also too_many_files_open and the other errors of pipe(2).
    /// Cancel safety: safe. Call this function again to continue.
    /// Cost: one allocation.
    task<result<void>> shutdown(std::source_location where = std::source_location::current()) {
        return detail::shut_down_socket(socket_of_self(), where);
    }
    /// Implements async_write, for user-defined writers. Only the last task that polled is woken.
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        if (from.empty()) return ok(std::size_t{0});
        return socket_of_self().poll_write(cx, nullptr, from);
    }
    poll_result<result<std::size_t>> poll_write_vectored(context& cx,
                                                         std::span<const std::span<const std::byte>> from) {
        return socket_of_self().poll_write_vectored(cx, nullptr, from);
    }
    poll_result<result<void>> poll_flush(context& cx) { return socket_of_self().poll_flush(cx, nullptr); }
    poll_result<result<void>> poll_shutdown(context& cx) { return socket_of_self().poll_shutdown(cx, nullptr); }
    /// Waits until a write is worth trying. Returns the readiness of the stream.
    /// Errors: any error of socket_readiness.
    /// Thread safety: any number of tasks may wait.
    [[nodiscard]] socket_readiness writable() noexcept { return {socket_of_self(), io::interest::writable}; }
    /// Same as writable(), as a poll function. Only the last task that polled for writing, with this function or
    /// poll_write(), is woken.
    poll_result<result<io::ready>> poll_write_ready(context& cx) {
        return socket_of_self().poll_ready(detail::direction::write, cx);
    }

private:
    // SAFETY: Self derives from this mixin, so *this is the base of a Self.
    detail::io_socket& socket_of_self() noexcept { return detail::socket_access::get(static_cast<Self&>(*this)); }
};

}  // namespace eddy::net
