// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/core_handle.hpp>
#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/datagram.hpp>
#include <eddy/net/released.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

using unix_recv_info = basic_recv_info<unix_addr>;
struct unix_datagram_pair;

/// What unix_datagram::shutdown() ends.
enum class shutdown_side : unsigned char { receiving, sending, both };

/// A Unix socket for datagrams. None is lost and all are in order, so a sender waits while its receiver's queue is full. A datagram
/// is received as a whole: what does not fit into the buffer is lost, and recv_from() says so.
///
/// Errors: values, with the system's code: connection_refused, if nobody has the address any more; no_such_file_or_directory;
/// message_size for a datagram that is too large; errc::runtime_shutdown, errc::io_disabled. An operation that must wait where no
/// loop runs on the thread throws `misuse`.
/// Thread safety: one operation may be pending in each direction at the same time, on different threads; of two in the same
/// direction only the last to be polled is woken. readable() and writable() may be awaited by any number.
/// Lifetime: the socket must outlive its futures, and must not move while one of them waits. Destroying it closes it, and leaves
/// the file of its path.
class unix_datagram : public any_call<unix_datagram> {
public:
    /// Binds to a path, or to any address. It belongs to the loop behind `handle`, on whose thread this is.
    /// Errors: address_in_use, also if the path is that of a file of any kind; ..., as bind(2); as unix_addr::path();
    /// errc::io_disabled; errc::runtime_shutdown.
    [[nodiscard]] static result<unix_datagram> bind(const unix_addr& at, const core_handle& handle,
                                                    std::source_location where = std::source_location::current());
    [[nodiscard]] static result<unix_datagram> bind(std::string_view path, const core_handle& handle,
                                                    std::source_location where = std::source_location::current());
    /// The same as a future, on the loop that polls it. It never waits.
    [[nodiscard]] static task<result<unix_datagram>> bind(const unix_addr& at,
                                                          std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<unix_datagram>> bind(std::string_view path,
                                                          std::source_location where = std::source_location::current());
    /// One without a name, which sends, and receives nothing before it is connected or bound.
    [[nodiscard]] static result<unix_datagram> unbound() noexcept;
    /// Two that are connected to each other, without a name.
    [[nodiscard]] static result<unix_datagram_pair> pair() noexcept;

    /// Adopts a socket. It is owned from here on, also if this fails.
    /// Errors: errc::blocking_descriptor, if O_NONBLOCK is not set; wrong_protocol_type, if it is no Unix datagram socket;
    /// bad_file_descriptor.
    [[nodiscard]] static result<unix_datagram> from_native(int fd) noexcept;
    /// Gives the socket up. (A future, as of all sockets; this one never waits.)
    [[nodiscard]] task<result<released>> into_native() &&;
    // Only to say in a short error what to write.
    template <class... A>
    auto into_native(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

    /// From now on, send() goes there, and only what comes from there is received. Connecting once more changes the peer.
    /// Errors: no_such_file_or_directory, connection_refused, ..., as connect(2); as unix_addr::path().
    result<void> connect(const unix_addr& to) const noexcept;
    result<void> connect(std::string_view path) const noexcept;

    // ---- Sending ----

    /// Sends a datagram, which may be empty, to where the socket is connected, and returns its size.
    /// Cancel safety: safe. A future that is destroyed before it is ready has sent nothing.
    /// Errors: not_connected. Cost: one system call if there is room, else one more after the wait.
    [[nodiscard]] detail::io_operation<datagram_send_op> send(std::span<const std::byte> from) noexcept;
    /// The same to `to`. No system tells when the queue of a receiver that one is not connected to has room again: while it is full, it is
    /// asked again after 1 ms, 2 ms, ... 16 ms.
    /// Cancel safety: as send(). Cost: besides, an allocation.
    [[nodiscard]] task<result<std::size_t>> send_to(std::span<const std::byte> from, const unix_addr& to);
    [[nodiscard]] task<result<std::size_t>> send_to(std::span<const std::byte> from, std::string_view path);
    /// Without waiting. Errors: operation_would_block if there is no room.
    result<std::size_t> try_send(std::span<const std::byte> from);
    result<std::size_t> try_send_to(std::span<const std::byte> from, const unix_addr& to);
    poll_result<result<std::size_t>> poll_send(context& cx, std::span<const std::byte> from);

    // ---- Receiving. All are safe to cancel: no datagram is lost with a future that is destroyed before it is ready. ----

    /// Receives a datagram, and returns how much of it has been put into `into`; 0 may be an empty datagram. The rest of one
    /// that is larger is lost: see recv_from(), which says so.
    /// Cost: one system call if one is there, else one more after the wait.
    [[nodiscard]] detail::io_operation<datagram_recv_op> recv(std::span<std::byte> into) noexcept;
    /// The same, and says where it has come from, and whether it was larger.
    [[nodiscard]] detail::io_operation<recv_from_op<unix_addr>> recv_from(std::span<std::byte> into) noexcept;
    /// The same, but the datagram stays where it is, and is the next one to be received.
    [[nodiscard]] detail::io_operation<datagram_peek_op> peek(std::span<std::byte> into) noexcept;
    [[nodiscard]] detail::io_operation<recv_from_op<unix_addr>> peek_from(std::span<std::byte> into) noexcept;
    /// Without waiting. Errors: operation_would_block if none is there.
    result<std::size_t> try_recv(std::span<std::byte> into);
    result<unix_recv_info> try_recv_from(std::span<std::byte> into);
    result<std::size_t> try_peek(std::span<std::byte> into);
    result<unix_recv_info> try_peek_from(std::span<std::byte> into);
    /// In the form of polls.
    poll_result<result<std::size_t>> poll_recv(context& cx, std::span<std::byte> into);
    poll_result<result<unix_recv_info>> poll_recv_from(context& cx, std::span<std::byte> into);

    // ---- Readiness ----

    /// Waits until a receive (a send) is worth trying, and says for what the socket is ready. Any number of tasks may wait.
    /// Cancel safety: safe. Errors: errc::runtime_shutdown.
    [[nodiscard]] socket_readiness readable() noexcept { return {socket_, io::interest::readable}; }
    [[nodiscard]] socket_readiness writable() noexcept { return {socket_, io::interest::writable}; }
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }

    // ---- The socket ----

    /// Ends what is received, what is sent, or both. A send is broken_pipe then, and so is one to a socket that receives no more. What has
    /// come before can be received; a receive that finds nothing waits, as before: Linux tells only callers that block.
    /// Errors: what shutdown(2) reports.
    result<void> shutdown(shutdown_side which) const noexcept;
    [[nodiscard]] result<unix_addr> local_addr() const noexcept;
    /// Errors: not_connected.
    [[nodiscard]] result<unix_addr> peer_addr() const noexcept;
    /// The error that waits in the socket, if any; it is cleared by asking.
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const noexcept;
    /// In bytes; the kernel answers twice what was set, since it counts its own bookkeeping.
    [[nodiscard]] result<std::uint32_t> send_buffer_size() const noexcept;
    result<void> set_send_buffer_size(std::uint32_t bytes) const noexcept;

private:
    friend detail::socket_access;
    detail::io_socket& socket() noexcept { return socket_; }
    explicit unix_datagram(int fd) noexcept : socket_(fd, detail::descriptor_kind::socket) {}

    static result<unix_datagram> bind_now(const result<unix_addr>& at) noexcept;
    static result<unix_datagram> bind_for(const result<unix_addr>& at, const core_handle& handle,
                                          std::source_location where);
    static task<result<unix_datagram>> bind_here(result<unix_addr> at, std::source_location where);
    static task<result<std::size_t>> send_again(detail::io_socket& socket, std::span<const std::byte> from,
                                                result<unix_addr> to);

    detail::io_socket socket_;
};

/// What unix_datagram::pair() gives.
struct unix_datagram_pair {
    unix_datagram first;
    unix_datagram second;

    unix_datagram_pair(unix_datagram&& one, unix_datagram&& other) noexcept
        : first(std::move(one)), second(std::move(other)) {}
};

// ---- Implementation ----

template <>
poll_result<result<unix_recv_info>> recv_from_op<unix_addr>::poll(detail::io_socket& socket, context& cx,
                                                                  const void* future);

}  // namespace eddy::net
