// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/datagram.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// What udp_socket and unix_datagram have in common: sending to where they are connected, and receiving from anywhere.
template <class Addr>
class EDDY_API datagram_socket : public socket_owner {
public:
    using recv_info_type = basic_recv_info<Addr>;

    // ---- Sending. All are safe to cancel: a future that is destroyed before it is ready has sent nothing. ----

    /// Sends a datagram, which may be empty, to where the socket is connected, and returns its size.
    /// Errors: destination_address_required or, of a Unix socket, not_connected; message_size.
    /// Cost: one system call if there is room, else one more after the wait.
    [[nodiscard]] detail::io_operation<datagram_send_op> send(std::span<const std::byte> from) noexcept {
        return detail::io_operation<datagram_send_op>(socket_, from);
    }
    /// Without waiting. Errors: operation_would_block if there is no room.
    result<std::size_t> try_send(std::span<const std::byte> from) { return socket_.try_write(from); }
    /// In the form of a poll.
    poll_result<result<std::size_t>> poll_send(context& cx, std::span<const std::byte> from) {
        return socket_.poll_write(cx, nullptr, from);
    }

    // ---- Receiving. All are safe to cancel: no datagram is lost with a future that is destroyed before it is ready.
    // ----

    /// Receives a datagram, and returns how much of it has been put into `into`; 0 may be an empty datagram. The rest
    /// of one that is larger is lost: see recv_from(), which says so, and may be used if the socket is connected, too.
    /// Cost: one system call if one is there, else one more after the wait.
    [[nodiscard]] detail::io_operation<datagram_recv_op> recv(std::span<std::byte> into) noexcept {
        return detail::io_operation<datagram_recv_op>(socket_, into);
    }
    /// The same, and says where it has come from, and whether it was larger.
    [[nodiscard]] detail::io_operation<recv_from_op<Addr>> recv_from(std::span<std::byte> into) noexcept {
        return detail::io_operation<recv_from_op<Addr>>(socket_, into, takes_it::yes);
    }
    /// As recv() and recv_from(), but the datagram stays where it is, and is the next one to be received.
    [[nodiscard]] detail::io_operation<datagram_peek_op> peek(std::span<std::byte> into) noexcept {
        return detail::io_operation<datagram_peek_op>(socket_, into);
    }
    [[nodiscard]] detail::io_operation<recv_from_op<Addr>> peek_from(std::span<std::byte> into) noexcept {
        return detail::io_operation<recv_from_op<Addr>>(socket_, into, takes_it::no);
    }
    /// Without waiting. Errors: operation_would_block if none is there.
    result<std::size_t> try_recv(std::span<std::byte> into) { return socket_.try_read(into); }
    result<recv_info_type> try_recv_from(std::span<std::byte> into);
    result<std::size_t> try_peek(std::span<std::byte> into);
    result<recv_info_type> try_peek_from(std::span<std::byte> into);
    /// In the form of polls.
    poll_result<result<std::size_t>> poll_recv(context& cx, std::span<std::byte> into) {
        return socket_.poll_read(cx, nullptr, into);
    }
    poll_result<result<recv_info_type>> poll_recv_from(context& cx, std::span<std::byte> into) {
        return recv_from_op<Addr>(into, takes_it::yes).poll(socket_, cx, nullptr);
    }
    poll_result<result<std::size_t>> poll_peek(context& cx, std::span<std::byte> into) {
        return socket_.poll_peek(cx, nullptr, into);
    }
    poll_result<result<recv_info_type>> poll_peek_from(context& cx, std::span<std::byte> into) {
        return recv_from_op<Addr>(into, takes_it::no).poll(socket_, cx, nullptr);
    }

    // ---- Readiness ----

    /// Waits until a receive (a send) is worth trying, and says for what the socket is ready. Any number of tasks may
    /// wait. Cancel safety: safe. Errors: errc::runtime_shutdown.
    [[nodiscard]] socket_readiness readable() noexcept { return {socket_, io::interest::readable}; }
    [[nodiscard]] socket_readiness writable() noexcept { return {socket_, io::interest::writable}; }
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }

    // ---- The socket. Errors: what getsockopt(2) and setsockopt(2) report. ----

    /// The error that waits in the socket, if any; it is cleared by asking.
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const noexcept;
    /// In bytes; the kernel answers twice what was set, since it counts its own bookkeeping.
    [[nodiscard]] result<std::uint32_t> send_buffer_size() const noexcept;
    result<void> set_send_buffer_size(std::uint32_t bytes) const noexcept;

protected:
    explicit datagram_socket(int fd) noexcept : socket_owner(fd, detail::descriptor_kind::datagram) {}
};

}  // namespace eddy::net
