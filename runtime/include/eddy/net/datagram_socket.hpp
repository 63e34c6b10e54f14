// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/spare_bytes.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/datagram.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// The common base of udp_socket and unix_datagram: sends to the connected peer, and receives from any sender.
/// Thread safety: one operation may be pending in each direction, on different threads.
template <class Addr>
class EDDY_API datagram_socket : public detail::socket_owner {
public:
    /// The result of a receive that reports the sender.
    using recv_info_type = basic_recv_info<Addr>;

    // ---- Sending ----

    /// Sends a datagram to the connected peer and returns its size in bytes. The datagram may be empty. `from` is text,
    /// or a container or span of char, unsigned char or std::byte; see io::const_buffer.
    /// Errors: destination_address_required (UDP) or not_connected (Unix) if the socket is not connected; message_size.
    /// Cancel safety: safe. If the future is destroyed before it is ready, nothing was sent.
    /// Lifetime: a temporary container (an rvalue std::string, for example) is moved into the future. The socket, and
    /// everything else, is borrowed.
    /// Cost: one system call if the send buffer has capacity, otherwise two.
    [[nodiscard]] datagram_send_future send(io::const_buffer from) noexcept {
        return datagram_send_future(socket_, from.bytes());
    }
    template <detail::owned_bytes T>
    [[nodiscard]] datagram_send_moved_future<T> send(T&& from) {
        return datagram_send_moved_future<T>(socket_, std::forward<T>(from));
    }
    template <class T>
    detail::broken_future send(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    /// Sends without waiting.
    /// Errors: operation_would_block if the send buffer is full.
    result<std::size_t> try_send(io::const_buffer from) { return socket_.try_write(from.bytes()); }
    /// Same as send(), as a poll function. Only the last task that polled a direction is woken.
    poll_result<result<std::size_t>> poll_send(context& cx, std::span<const std::byte> from) {
        return socket_.poll_write(cx, nullptr, from);
    }

    // ---- Receiving ----

    /// Receives a datagram into `into` and returns the number of bytes, which is 0 for an empty datagram. The rest of a
    /// larger datagram is lost. recv_from() reports the loss, and works for a connected socket, too.
    /// Errors: see recv(2); errc::runtime_shutdown; errc::io_disabled. Throws `misuse` for an empty std::string or
    /// std::vector, which has no room: resize() it first.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no datagram was taken.
    /// Lifetime: the future borrows the socket and `into`.
    /// Cost: one system call if a datagram is available, otherwise two.
    [[nodiscard]] datagram_recv_future recv(io::mutable_buffer into) noexcept {
        return datagram_recv_future(socket_, into.bytes());
    }
    template <detail::growing_bytes C>
    [[nodiscard]] datagram_recv_future recv(C& into, std::source_location where = std::source_location::current()) {
        return recv(room_in(into, where));
    }
    template <class T>
    detail::broken_future recv(T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);
    /// Same as recv(), but also returns the sender, and whether the datagram was larger than `into`.
    [[nodiscard]] recv_from_future<Addr> recv_from(io::mutable_buffer into) noexcept {
        return recv_from_future<Addr>(socket_, into.bytes(), detail::takes_datagram::yes);
    }
    template <detail::growing_bytes C>
    [[nodiscard]] recv_from_future<Addr> recv_from(C& into,
                                                   std::source_location where = std::source_location::current()) {
        return recv_from(room_in(into, where));
    }
    /// Same as recv() and recv_from(), but the datagram stays in the socket. The next receive returns it.
    [[nodiscard]] datagram_peek_future peek(io::mutable_buffer into) noexcept {
        return datagram_peek_future(socket_, into.bytes());
    }
    template <detail::growing_bytes C>
    [[nodiscard]] datagram_peek_future peek(C& into, std::source_location where = std::source_location::current()) {
        return peek(room_in(into, where));
    }
    [[nodiscard]] recv_from_future<Addr> peek_from(io::mutable_buffer into) noexcept {
        return recv_from_future<Addr>(socket_, into.bytes(), detail::takes_datagram::no);
    }
    template <detail::growing_bytes C>
    [[nodiscard]] recv_from_future<Addr> peek_from(C& into,
                                                   std::source_location where = std::source_location::current()) {
        return peek_from(room_in(into, where));
    }
    /// Receives or peeks without waiting.
    /// Errors: operation_would_block if there is no datagram.
    result<std::size_t> try_recv(io::mutable_buffer into) { return socket_.try_read(into.bytes()); }
    result<recv_info_type> try_recv_from(io::mutable_buffer into);
    result<std::size_t> try_peek(io::mutable_buffer into);
    result<recv_info_type> try_peek_from(io::mutable_buffer into);
    /// Receives a datagram of any size and appends it to `into`: a std::string, std::vector<std::byte> or bytes_mut,
    /// which grows by the size of the datagram. Returns the size; recv_buf_from() also returns the sender.
    /// Errors: same as recv(). If the memory cannot be allocated, throws std::bad_alloc; the datagram stays in the
    /// socket.
    /// Cancel safety: safe. If the future is destroyed before it is ready, no datagram was taken, and `into` is as
    /// before.
    /// Lifetime: the future borrows the socket and `into`.
    /// Cost: two system calls if a datagram is available, one of them for its size; otherwise three.
    template <class B>
    [[nodiscard]] auto recv_buf(B& into) noexcept {
        return detail::make_if<detail::check_growing<B>(), recv_buf_future<Addr, B, std::size_t>>(socket_, into);
    }
    template <class B>
    [[nodiscard]] auto recv_buf_from(B& into) noexcept {
        return detail::make_if<detail::check_growing<B>(), recv_buf_future<Addr, B, recv_info_type>>(socket_, into);
    }
    /// Same as recv_buf() and recv_buf_from(), without waiting.
    /// Errors: operation_would_block if there is no datagram.
    template <class B>
    result<std::size_t> try_recv_buf(B& into) {
        const auto got = try_recv_buf_from(into);
        if (!got) return std::unexpected(got.error());
        return got->size;
    }
    template <class B>
    result<recv_info_type> try_recv_buf_from(B& into) {
        static_assert(detail::is_growing<B>, "eddy: this receives into a container that grows");
        const auto size = detail::try_datagram_size(socket_);
        if (!size) return std::unexpected(size.error());
        detail::spare_bytes<B> room(into, *size);
        auto got = try_recv_from(room.get());
        if (got) room.keep(got->size);
        return got;
    }
    /// Receives or peeks, as poll functions. Only the last task that polled a direction is woken.
    poll_result<result<std::size_t>> poll_recv(context& cx, std::span<std::byte> into) {
        return socket_.poll_read(cx, nullptr, into);
    }
    poll_result<result<recv_info_type>> poll_recv_from(context& cx, std::span<std::byte> into) {
        return detail::poll_recv_from<Addr>(socket_, cx, nullptr, into, detail::takes_datagram::yes);
    }
    poll_result<result<std::size_t>> poll_peek(context& cx, std::span<std::byte> into) {
        return socket_.poll_peek(cx, nullptr, into);
    }
    poll_result<result<recv_info_type>> poll_peek_from(context& cx, std::span<std::byte> into) {
        return detail::poll_recv_from<Addr>(socket_, cx, nullptr, into, detail::takes_datagram::no);
    }

    // ---- Readiness ----

    /// Waits until a receive, a send, or `wanted` is worth trying. Returns the readiness of the socket.
    /// Errors: any error of socket_readiness.
    /// Thread safety: any number of tasks may wait.
    /// Lifetime: the future borrows the socket.
    [[nodiscard]] socket_readiness readable() noexcept { return {socket_, io::interest::readable}; }
    [[nodiscard]] socket_readiness writable() noexcept { return {socket_, io::interest::writable}; }
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }
    /// Same as readable() and writable(), as poll functions. Only the last task that polled a direction, with any poll
    /// function, is woken.
    poll_result<result<io::ready>> poll_recv_ready(context& cx) {
        return socket_.poll_ready(detail::direction::read, cx);
    }
    poll_result<result<io::ready>> poll_send_ready(context& cx) {
        return socket_.poll_ready(detail::direction::write, cx);
    }

    // ---- The socket. Errors: see getsockopt(2) and setsockopt(2). ----

    /// Returns the pending error of the socket, if any, and clears it (SO_ERROR).
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const;
    /// The size of the send buffer in bytes (SO_SNDBUF). The kernel doubles the value that is set, for its own
    /// overhead, and reports the doubled value.
    [[nodiscard]] result<std::uint32_t> send_buffer_size() const;
    result<void> set_send_buffer_size(std::uint32_t bytes) const;

protected:
    explicit datagram_socket(int fd) noexcept : socket_owner(fd, detail::descriptor_kind::datagram) {}

private:
    template <class C>
    static io::mutable_buffer room_in(C& into, std::source_location where) {
        return detail::room_of(into, detail::no_room_to_receive, where);
    }
};

}  // namespace eddy::net
