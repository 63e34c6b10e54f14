// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/tcp_operations.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::detail {

/// The tasks behind flush() and shutdown(): by the socket, and not by its number, which is somebody else's after the
/// stream.
[[nodiscard]] EDDY_API task<result<void>> flush_socket(io_socket& socket);
[[nodiscard]] EDDY_API task<result<void>> shut_down_socket(io_socket& socket);

}  // namespace eddy::detail

namespace eddy::net {

/// What writes bytes: streams, their writing halves, the sending end of a pipe. None of the futures allocates, but
/// flush() and shutdown(); each borrows what makes it, and the bytes it is given.
template <class Self>
class writing {
public:
    /// Writes at least one byte of `from`, and returns how many. 0 only if `from` is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no byte was written.
    /// Cost: one system call if there is room, else one more after the wait; no allocation. With io_uring up to 1.9 KB
    /// for TCP are only copied, and sent at the end of the loop's turn: see flush().
    [[nodiscard]] detail::io_operation<write_op> write(std::span<const std::byte> from) noexcept {
        return detail::io_operation<write_op>(socket_of_self(), from);
    }
    /// Writes from several buffers, one after the other. Otherwise as write().
    [[nodiscard]] detail::io_operation<write_vectored_op> write_vectored(
        std::span<const std::span<const std::byte>> from) noexcept {
        return detail::io_operation<write_vectored_op>(socket_of_self(), from);
    }
    /// Writes all of `from`.
    /// Cancel safety: not safe. How much was written is not known; loop over write().
    [[nodiscard]] detail::io_operation<write_all_op> write_all(std::span<const std::byte> from) noexcept {
        return detail::io_operation<write_all_op>(socket_of_self(), from);
    }
    /// Writes all of what was received, here or by another stream, and gives the buffer back when it has been sent.
    /// With io_uring pieces of 512 bytes to 8 KiB are not copied, if this is TCP. The buffer is moved into the future
    /// at once: `from` is empty then. Cancel safety: as write_all().
    [[nodiscard]] detail::io_operation<write_owned_op> write_owned(io::leased_buffer&& from) noexcept {
        return detail::io_operation<write_owned_op>(socket_of_self(), std::move(from));
    }
    /// Writes what there is room for, without waiting. Errors: operation_would_block if there is none.
    result<std::size_t> try_write(std::span<const std::byte> from) { return socket_of_self().try_write(from); }
    /// The same of several buffers, one after the other.
    result<std::size_t> try_write_vectored(std::span<const std::span<const std::byte>> from) {
        return socket_of_self().try_write_vectored(from);
    }
    /// Hands what was written to the system now, and waits until it has taken all: for a task that writes and then
    /// computes. With io_uring it would be sent when the loop next turns, which yield_now() alone does not bring about;
    /// with epoll nothing is kept back, and this is done at once. Errors: what a write has met after it had ended.
    /// Cancel safety: safe.
    [[nodiscard]] task<result<void>> flush() { return detail::flush_socket(socket_of_self()); }
    /// Says that nothing more will be written: the peer reads what is on its way, and then the end of the stream.
    /// Succeeds also if the peer has closed the connection already.
    [[nodiscard]] task<result<void>> shutdown() { return detail::shut_down_socket(socket_of_self()); }
    /// The same in the form of polls: for writers of one's own.
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
    /// Waits until a write is worth trying, and says for what the stream is ready. Any number of tasks may wait.
    /// Cancel safety: safe. Errors: errc::runtime_shutdown.
    [[nodiscard]] socket_readiness writable() noexcept { return {socket_of_self(), io::interest::writable}; }

private:
    detail::io_socket& socket_of_self() noexcept { return detail::socket_access::get(static_cast<Self&>(*this)); }
};

}  // namespace eddy::net
