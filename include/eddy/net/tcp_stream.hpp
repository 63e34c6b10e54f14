// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/core_handle.hpp>
#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/io/ready.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

/// What into_native() gives: the descriptor, which is the caller's to close from now on, and what the driver had fetched
/// already and has not handed out.
struct released {
    int native_handle = -1;
    std::vector<std::byte> bytes;
    std::vector<int> connections;

    released() noexcept = default;
    explicit released(int fd) noexcept : native_handle(fd) {}
};

/// The futures that a tcp_stream makes. None allocates; each borrows the stream and the bytes it is given.
class read_op;
class read_vectored_op;
class read_exact_op;
class receive_op;
class peek_op;
class write_op;
class write_vectored_op;
class write_all_op;
class write_owned_op;
class socket_readiness;

/// A TCP connection.
///
/// Errors: values, with the system's code: connection_reset, broken_pipe, timed_out and what else recv(2) and send(2)
/// report; errc::runtime_shutdown, if the loop that the stream is registered with is gone; errc::io_disabled. SIGPIPE is
/// never raised. An operation that must wait where no loop runs on the thread throws `misuse`.
/// Thread safety: one operation may be pending in each direction at the same time, on different threads; of two reads
/// (or writes) at the same time only the last to be polled is woken.
/// Lifetime: the stream must outlive its futures, and must not move while one of them waits. Destroying it closes the
/// connection.
/// Cost: registers with the loop at the first operation that would block, so a stream that never waits costs nothing.
class tcp_stream {
public:
    /// Connects: nothing happens before the future is polled. Where to is what is `to_socket_addrs` (an address, text such as
    /// "127.0.0.1:80" or "localhost:80", several addresses), or a host and a port. Names are resolved off the loop, as
    /// lookup_host() does it. Each address is tried in turn, and the last error is the one reported.
    /// Errors: connection_refused, timed_out, ..., as connect(2); errc::no_address for an empty list; else as lookup_host().
    /// On an error no descriptor is left behind.
    /// Cancel safety: safe; the attempt is given up and its socket closed.
    [[nodiscard]] static task<result<tcp_stream>> connect(lookup_request to,
                                                          std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<tcp_stream>> connect(std::string_view host, std::uint16_t port,
                                                          std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<tcp_stream>> connect(const ip_addr& host, std::uint16_t port,
                                                          std::source_location where = std::source_location::current());
    /// The same, registered with the loop behind `handle`.
    [[nodiscard]] static task<result<tcp_stream>> connect(lookup_request to, const core_handle& handle,
                                                          std::source_location where = std::source_location::current());

    /// Adopts a connected socket. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no TCP socket;
    /// bad_file_descriptor.
    [[nodiscard]] static result<tcp_stream> from_native(int fd) noexcept;
    /// Gives the socket up: a future, since a driver may have fetched bytes that belong to it.
    [[nodiscard]] task<result<released>> into_native() &&;
    // Only to say in a short error what to write.
    template <class... A>
    auto into_native(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    // ---- Reading ----

    /// Reads at least one byte into `into` and returns how many. 0 at the end of the stream, or if `into` is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no byte was taken from the stream.
    /// Cost: one system call if bytes are there, else one more after the wait; no allocation.
    [[nodiscard]] detail::io_operation<read_op> read(std::span<std::byte> into) noexcept;
    /// Reads into several buffers, one after the other. Otherwise as read().
    [[nodiscard]] detail::io_operation<read_vectored_op> read_vectored(
        std::span<const std::span<std::byte>> into) noexcept;
    /// Fills `into`. Errors: errc::unexpected_eof if the stream ends before.
    /// Cancel safety: not safe. Bytes already read are lost; loop over read().
    [[nodiscard]] detail::io_operation<read_exact_op> read_exact(std::span<std::byte> into) noexcept;
    /// Waits for bytes without holding a buffer, and gives them in a buffer of the loop's. Empty at the end of the stream.
    /// Cancel safety: safe. No byte is lost.
    /// Cost: as read(); the buffer comes from a pool.
    [[nodiscard]] detail::io_operation<receive_op> receive() noexcept;
    /// As read(), but the bytes stay in the stream.
    [[nodiscard]] detail::io_operation<peek_op> peek(std::span<std::byte> into) noexcept;
    /// Reads what is there, without waiting. Errors: operation_would_block if nothing is.
    result<std::size_t> try_read(std::span<std::byte> into) { return socket_.try_read(into); }

    // ---- Writing ----

    /// Writes at least one byte of `from`, and returns how many. 0 only if `from` is empty.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no byte was written.
    /// Cost: one system call if there is room, else one more after the wait; no allocation.
    [[nodiscard]] detail::io_operation<write_op> write(std::span<const std::byte> from) noexcept;
    /// Writes from several buffers, one after the other. Otherwise as write().
    [[nodiscard]] detail::io_operation<write_vectored_op> write_vectored(
        std::span<const std::span<const std::byte>> from) noexcept;
    /// Writes all of `from`.
    /// Cancel safety: not safe. How much was written is not known; loop over write().
    [[nodiscard]] detail::io_operation<write_all_op> write_all(std::span<const std::byte> from) noexcept;
    /// Writes all of what was received, here or by another stream, and gives the buffer back when it has been sent. With io_uring
    /// pieces of 512 bytes to 8 KiB are not copied.
    /// Cancel safety: as write_all().
    [[nodiscard]] detail::io_operation<write_owned_op> write_owned(io::leased_buffer from) noexcept;
    /// Writes what there is room for, without waiting. Errors: operation_would_block if there is none.
    result<std::size_t> try_write(std::span<const std::byte> from) { return socket_.try_write(from); }
    /// Hands what was written to the system now, and waits until it has taken all: for a task that writes and then computes.
    /// With io_uring it would be sent when the task next waits; with epoll nothing is kept back, and this is done at once.
    /// Errors: what a write has met after it had ended. Cancel safety: safe.
    [[nodiscard]] task<result<void>> flush();
    /// Says that nothing more will be written: the peer reads what is on its way, and then the end of the stream.
    /// Succeeds also if the peer has closed the connection already.
    [[nodiscard]] task<result<void>> shutdown();

    // ---- Readiness ----

    /// Waits until a read (a write) is worth trying, and says for what the stream is ready. Any number of tasks may wait.
    /// Cancel safety: safe. Errors: errc::runtime_shutdown.
    [[nodiscard]] socket_readiness readable() noexcept;
    [[nodiscard]] socket_readiness writable() noexcept;
    /// The same for any interest.
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept;
    /// For readers and writers of one's own: as read() and write(), in the form of a poll.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into);
    poll_result<result<std::size_t>> poll_write_vectored(context& cx, std::span<const std::span<const std::byte>> from);
    poll_result<result<void>> poll_flush(context& cx);
    poll_result<result<void>> poll_shutdown(context& cx);

    // ---- The socket ----

    [[nodiscard]] result<socket_addr> local_addr() const noexcept;
    [[nodiscard]] result<socket_addr> peer_addr() const noexcept;
    /// The error that waits in the socket, if any; it is cleared by asking.
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const noexcept;

    /// Sends small writes at once (TCP_NODELAY). Off by default.
    [[nodiscard]] result<bool> nodelay() const noexcept;
    result<void> set_nodelay(bool on) const noexcept;
    /// How long a close waits for what is unsent (SO_LINGER); zero resets the connection.
    [[nodiscard]] result<std::optional<std::chrono::seconds>> linger() const noexcept;
    result<void> set_linger(std::optional<std::chrono::seconds> limit) const noexcept;
    /// The time-to-live of packets sent (IP_TTL; the hop limit on IPv6).
    [[nodiscard]] result<std::uint32_t> ttl() const noexcept;
    result<void> set_ttl(std::uint32_t hops) const noexcept;

private:
    friend class tcp_listener;
    friend class tcp_socket;
    explicit tcp_stream(int fd) noexcept : socket_(fd) {}
    explicit tcp_stream(detail::io_socket&& socket) noexcept : socket_(std::move(socket)) {}

    static task<result<tcp_stream>> connect_to(lookup_request to, result<std::optional<reactor_handle>> home,
                                               std::source_location where);

    detail::io_socket socket_;
};

}  // namespace eddy::net

#include <eddy/net/tcp_operations.hpp>  // IWYU pragma: keep
