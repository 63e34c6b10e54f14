// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <utility>

#include <eddy/detail/io_socket.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

#include "io/buffer_pool.hpp"
#include "reactor/source/scheduled_io.hpp"
#include "sockets/accept.hpp"
#include "sys/iovec_list.hpp"
#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"
#include "sys/urgent_data.hpp"

namespace eddy::detail {

/// An accepted descriptor, which the caller owns, and the address of the peer.
using accepted_peer = std::pair<int, net::socket_addr>;

/// The contract of a transport: the transfers of a socket, each tried once, without waiting. A socket picks its
/// transport when it is registered (io_socket::poll_transfer()):
///
///     transport          used by
///     direct_transport   all sockets that are not registered, or that the readiness driver watches
///     ring_transport     ring connections
///
/// Each call fails with operation_would_block if it must be tried again after the driver has reported the direction as
/// ready. A transport lives during one operation.
template <class T>
concept socket_transport =
    requires(T by, std::span<std::byte> into, std::span<const std::byte> from, const iovec_list& list,
             std::span<const std::span<const std::byte>> parts, io::leased_buffer& lease, io::ready seen) {
        { by.read(into) } -> std::same_as<result<std::size_t>>;
        { by.read_vectored(list) } -> std::same_as<result<std::size_t>>;
        { by.receive() } -> std::same_as<result<io::leased_buffer>>;
        { by.peek(into) } -> std::same_as<result<std::size_t>>;
        { by.write(from) } -> std::same_as<result<std::size_t>>;
        // `list` has the same bytes as `parts`.
        { by.write_vectored(list, parts) } -> std::same_as<result<std::size_t>>;
        // `from` is a part of `lease`. Takes over the lease if that saves a copy.
        { by.write_leased(lease, from) } -> std::same_as<result<std::size_t>>;
        { by.accept() } -> std::same_as<result<accepted_peer>>;
        // Whether the last transfer, which has moved the given number of bytes of at most `room`, shows that the next
        // one would block. `seen` is what the driver had reported. False if `room` is 0.
        { by.has_drained(direction{}, std::size_t{}, std::size_t{}, seen) } -> std::same_as<bool>;
    };

/// The transport that makes the system calls itself.
class direct_transport {
public:
    explicit direct_transport(const io_socket& socket) noexcept : socket_(socket) {}

    [[nodiscard]] result<std::size_t> read(std::span<std::byte> into) const noexcept {
        return is_pipe() ? sys::read(socket_.fd(), into) : sys::recv(socket_.fd(), into);
    }
    [[nodiscard]] result<std::size_t> read_vectored(const iovec_list& into) const noexcept {
        return is_pipe() ? sys::read_vectored(socket_.fd(), into.get()) : sys::recv_vectored(socket_.fd(), into.get());
    }
    [[nodiscard]] result<io::leased_buffer> receive() const {
        buffer_pool* pool = current_buffer_pool();
        if (pool == nullptr) pool = &thread_buffer_pool();
        std::byte* const buffer = pool->take();
        const auto count = read({buffer, buffer_pool::buffer_size});
        if (count && *count != 0) return io::leased_buffer(*pool, buffer, {buffer, *count});
        pool->give_back(buffer);
        if (!count) return std::unexpected(count.error());
        return io::leased_buffer();
    }
    [[nodiscard]] result<std::size_t> peek(std::span<std::byte> into) const noexcept {
        return sys::peek(socket_.fd(), into);
    }
    [[nodiscard]] result<std::size_t> write(std::span<const std::byte> from) const noexcept {
        return is_pipe() ? sys::write_pipe(socket_.fd(), from) : sys::send(socket_.fd(), from);
    }
    [[nodiscard]] result<std::size_t> write_vectored(const iovec_list& list,
                                                     std::span<const std::span<const std::byte>>) const noexcept {
        return is_pipe() ? sys::write_pipe_vectored(socket_.fd(), list.get())
                         : sys::send_vectored(socket_.fd(), list.get());
    }
    [[nodiscard]] result<std::size_t> write_leased(io::leased_buffer&, std::span<const std::byte> from) const noexcept {
        return write(from);
    }
    [[nodiscard]] result<accepted_peer> accept() const {
        auto accepted = accept_one(socket_.fd());
        if (!accepted) return std::unexpected(accepted.error());
        const auto peer = sys::from_native(accepted->peer.get(), accepted->peer.size);
        if (!peer) return std::unexpected(peer.error());
        return accepted_peer(accepted->fd.release(), *peer);
    }
    /// A short read on a TCP socket means that it is drained, unless an urgent byte may have ended it. That saves the
    /// read that would only report EAGAIN. A short write means that the send buffer of the socket is full.
    [[nodiscard]] bool has_drained(direction way, std::size_t moved, std::size_t room, io::ready seen) const noexcept {
        return moved < room && socket_.kind() == descriptor_kind::tcp &&
               (way == direction::write || (sys::reports_urgent_data && !may_cut_short(seen)));
    }

private:
    [[nodiscard]] bool is_pipe() const noexcept { return socket_.kind() == descriptor_kind::pipe; }

    const io_socket& socket_;
};

static_assert(socket_transport<direct_transport>);

}  // namespace eddy::detail
