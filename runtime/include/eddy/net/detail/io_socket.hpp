// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/io/detail/io_waiter.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/io/ready_event.hpp>
#include <eddy/net/detail/socket_registration.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// The operations of a socket or pipe. Each is tried first, by the socket's transport; if it would block, the socket is
/// registered and the operation waits. With io_uring, a TCP socket is registered by its first operation.
/// Thread safety: one operation per direction at a time; the two directions may be used on different threads.
class EDDY_API io_socket : public socket_registration {
public:
    io_socket() noexcept = default;
    explicit io_socket(int fd, descriptor_kind kind = descriptor_kind::tcp) noexcept : socket_registration(fd, kind) {}

    // ---- Operations that wait ----
    // `future` is the record of the caller, so that leave() can remove its waker. Null without such a call.
    poll_result<result<std::size_t>> poll_read(context& cx, const wait_record* future, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, const wait_record* future,
                                                        std::span<const std::span<std::byte>> into);
    /// Receives into a leased buffer.
    poll_result<result<io::leased_buffer>> poll_receive(context& cx, const wait_record* future);
    poll_result<result<std::size_t>> poll_peek(context& cx, const wait_record* future, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_write(context& cx, const wait_record* future,
                                                std::span<const std::byte> from);
    /// Writes `from`, a part of the leased buffer. If that saves a copy, it takes over `lease`, which is empty then.
    poll_result<result<std::size_t>> poll_write_leased(context& cx, const wait_record* future, io::leased_buffer& lease,
                                                       std::span<const std::byte> from);
    poll_result<result<std::size_t>> poll_write_vectored(context& cx, const wait_record* future,
                                                         std::span<const std::span<const std::byte>> from);
    /// Waits for the end of a connect(2) in progress: until the socket is writable, has no error, and has a peer.
    poll_result<result<void>> poll_connected(context& cx, const wait_record* future);
    /// Accepts a connection. Returns its descriptor, which the caller owns, and the peer's address.
    poll_result<result<std::pair<int, net::socket_addr>>> poll_accept(context& cx, const wait_record* future);

    /// Waits until all written data has been passed to the kernel.
    poll_result<result<void>> poll_flush(context& cx, const wait_record* future) {
        if (!is_registered()) return ok();
        return poll_flush_registered(cx, future);
    }
    /// Same as poll_flush(), then ends the writing side. Has no effect on a terminal.
    poll_result<result<void>> poll_shutdown(context& cx, const wait_record* future);
    /// Shuts down the writing side as soon as all written data has been passed to the kernel. Does not wait.
    void shut_down_soon() noexcept;

    // The next five functions are for callers that will release() the descriptor.

    /// Same as poll_flush(), but leaves an error of the connection for take_connection_error().
    poll_result<result<void>> poll_sent(context& cx, const wait_record* future);
    /// Waits until the driver has stopped receiving. Then take_received() and take_connections() return the rest.
    poll_result<result<void>> poll_stopped(context& cx, const wait_record* future);
    /// Returns the data that the driver has received and no operation has taken.
    [[nodiscard]] std::vector<std::byte> take_received();
    /// Returns the connection's error that no operation has reported. Call it after poll_sent() and poll_stopped().
    [[nodiscard]] std::error_code take_connection_error() noexcept;
    /// Returns the descriptors of connections that the driver has accepted and no operation has taken.
    [[nodiscard]] std::vector<int> take_connections();

    /// Registers the socket if needed, and makes the driver report readiness for `wanted`.
    /// Thread safety: if two threads, one per direction, call it concurrently, one registers and the other waits.
    result<void> ensure_ready_for(const context& cx, io::interest wanted);
    /// Returns ready when an operation in the direction is worth trying. Registers the socket if needed.
    poll_result<result<io::ready>> poll_ready(direction way, context& cx);
    /// Returns whether its bytes are moved by system calls on its descriptor, and not by a ring. Registers the socket
    /// if its first operation would.
    [[nodiscard]] bool uses_system_calls(const context& cx);

    /// Starts to watch a socket for writability that was assumed to be writable until now.
    [[nodiscard]] result<void> watch_writing() const;
    /// Makes `future` the owner of the waker that a poll function without a record has left here: `mine`.
    void own(direction way, const waker& mine, const wait_record* future) const noexcept;
    /// Removes the waker that a future has left here.
    void leave(direction way, const wait_record* future) const noexcept;

    // ---- Operations that do not wait ----
    result<std::size_t> try_read(std::span<std::byte> into);
    result<std::size_t> try_write(std::span<const std::byte> from);
    result<std::size_t> try_read_vectored(std::span<const std::span<std::byte>> into);
    result<std::size_t> try_write_vectored(std::span<const std::span<const std::byte>> from);

    /// Runs a user-provided operation once: see tcp_stream::try_io().
    template <class Operation>
    std::invoke_result_t<Operation&> try_io(io::interest wanted, Operation& operation) const {
        if (!is_registered()) return operation();
        const io::ready_event seen = look(wanted);
        if (seen.is_shutdown) return std::unexpected(make_error_code(errc::runtime_shutdown));
        const auto prepared = prepare_call(wanted);
        auto answer = prepared ? operation() : std::invoke_result_t<Operation&>(std::unexpect, prepared.error());
        if (!answer && answer.error() == std::errc::operation_would_block) static_cast<void>(forget(seen));
        return answer;
    }

    // ---- Any other call that returns a result: see sockets/io_socket.hpp ----
    // The closures are passed by reference: GCC would copy them as a block just after their members were written, which
    // stalls (by_parts.hpp).
    template <class Call, class IsDrained>
    auto poll_call(direction way, context& cx, const wait_record* future, const Call& call, const IsDrained& is_drained)
        -> poll_result<decltype(call())>;
    template <class Call>
    auto try_call(direction way, const Call& call) -> decltype(call());

private:
    /// Returns the present readiness for `wanted`.
    [[nodiscard]] io::ready_event look(io::interest wanted) const noexcept;
    /// Prepares a user-provided operation.
    /// Errors: operation_not_supported; operation_would_block if written data is still unsent.
    [[nodiscard]] result<void> prepare_call(io::interest wanted) const;
    /// Clears the readiness `seen` before a call that would block.
    /// Errors: the driver cannot be made to report writability. Then the readiness is not cleared, because no event
    /// would set it again.
    [[nodiscard]] result<void> forget(const io::ready_event& seen) const;

    poll_result<result<void>> poll_flush_registered(context& cx, const wait_record* future);
    result<void> shut_down_now() const noexcept;
    template <class Call>
    auto poll_transfer(direction way, context& cx, const wait_record* future, std::size_t room, const Call& call);
    template <class Call>
    auto try_transfer(direction way, const Call& call);
};

/// The base of the futures of sockets. `Self` provides `poll_socket(io_socket&, context&, future)`, which makes the
/// call, and waits in direction `Way`.
/// Cancel safety: safe. If it is destroyed before it is ready, no data was transferred and no waker is left behind.
/// Lifetime: the socket must outlive it. It must not move after its first poll.
/// Cost: small, because it stays in the coroutine frame of a waiting task.
template <class Self, class T, direction Way>
class socket_future : public future_ops<Self> {
public:
    using output_type = result<T>;

    static constexpr bool writes_to_object = Way == direction::write;
    friend const socket_part<Way>* awaited_object(const socket_future& me) noexcept {
        return socket_part_of<Way>(*me.socket_);
    }

    poll_result<output_type> poll(context& cx) {
        if (record_.has_ended()) throw_has_ended("an I/O operation", cx.where());
        // SAFETY: Self derives from socket_future<Self>, so *this is the base of a Self.
        auto answer = static_cast<Self&>(*this).poll_socket(*socket_, cx, &record_);
        if (answer.is_ready()) {
            record_.end();
        } else {
            record_.wait(cx);
        }
        return answer;
    }

    static constexpr auto wait_shape() {
        return inspect::awaits(Way == direction::read ? wait_kind::readable : wait_kind::writable,
                               &socket_future::socket_);
    }

protected:
    explicit socket_future(io_socket& socket) noexcept : socket_(&socket) {}
    socket_future(socket_future&& other) noexcept : socket_(other.socket_) {
        if (other.record_.is_waiting()) {
            fatal_moved(Way == direction::read ? "a read or receive operation of a socket or pipe"
                                               : "a write or send operation of a socket or pipe",
                        other.record_.polled_at());
        }
    }
    socket_future& operator=(socket_future&&) = delete;
    ~socket_future() {
        if (record_.has_waited()) socket_->leave(Way, &record_);
    }

private:
    io_socket* socket_;
    wait_record record_;  // if it has waited, the socket may hold its waker
};

/// The effect of an operation with an empty buffer: it does nothing, or it makes its call. Datagram sockets make the
/// call, because an empty datagram is valid.
enum class if_empty : bool { nothing, call };

/// The base of the futures that make one call, with a buffer or a list of buffers.
template <class Self, auto Call, direction Way, class Buffer, if_empty Empty>
class buffer_future : public socket_future<Self, std::size_t, Way> {
public:
    buffer_future(io_socket& socket, Buffer buffer) noexcept : buffer_future::socket_future(socket), buffer_(buffer) {}

private:
    friend socket_future<Self, std::size_t, Way>;
    poll_result<result<std::size_t>> poll_socket(io_socket& socket, context& cx, const wait_record* future) {
        if (Empty == if_empty::nothing && buffer_.empty()) return ok(std::size_t{0});
        return (socket.*Call)(cx, future, buffer_);
    }

    Buffer buffer_;
};

}  // namespace eddy::detail
