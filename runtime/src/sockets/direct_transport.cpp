// SPDX-License-Identifier: MIT
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include "io/buffer_pool.hpp"
#include "reactor/io_handle.hpp"
#include "sockets/accept.hpp"
#include "sockets/socket_transport.hpp"
#include "sys/fd.hpp"
#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"
#include "sys/urgent_data.hpp"

namespace eddy::detail {
namespace {

// Includes PRI, since an urgent byte cuts a read short without a further edge. See may_cut_short().
constexpr io::interest all_but_writable = io::interest::readable | io::interest::priority;
constexpr io::interest everything = all_but_writable | io::interest::writable;

bool is_pipe(const io_socket& socket) noexcept { return socket.kind() == descriptor_kind::pipe; }
bool is_terminal(const io_socket& socket) noexcept { return socket.kind() == descriptor_kind::terminal; }

// A read from the master of a pseudo terminal reports EIO when no process has the terminal open any more. For the
// reader, that is the end of the stream.
result<std::size_t> end_if_closed(result<std::size_t> read) noexcept {
    if (!read && read.error() == std::errc::io_error) return 0;
    return read;
}

}  // namespace

/// The transport that makes the system calls itself.
class direct_transport final : public socket_transport {
public:
    result<std::size_t> read(const io_socket& socket, std::span<std::byte> into) const override {
        if (is_terminal(socket)) return end_if_closed(sys::read(socket.fd(), into));
        return is_pipe(socket) ? sys::read(socket.fd(), into) : sys::recv(socket.fd(), into);
    }
    result<std::size_t> read_vectored(const io_socket& socket, const iovec_list& into) const override {
        if (is_terminal(socket)) return end_if_closed(sys::read_vectored(socket.fd(), into.get()));
        return is_pipe(socket) ? sys::read_vectored(socket.fd(), into.get())
                               : sys::recv_vectored(socket.fd(), into.get());
    }
    result<io::leased_buffer> receive(const io_socket& socket) const override {
        buffer_pool* pool = current_buffer_pool();
        if (pool == nullptr) pool = &thread_buffer_pool();
        std::byte* const buffer = pool->take();
        const auto count = read(socket, {buffer, buffer_pool::buffer_size});
        if (count && *count != 0) return io::leased_buffer(*pool, buffer, {buffer, *count});
        pool->give_back(buffer);
        if (!count) return std::unexpected(count.error());
        return io::leased_buffer();
    }
    result<std::size_t> peek(const io_socket& socket, std::span<std::byte> into) const override {
        return sys::peek(socket.fd(), into);
    }
    result<std::size_t> write(const io_socket& socket, std::span<const std::byte> from) const override {
        return is_pipe(socket) || is_terminal(socket) ? sys::write_pipe(socket.fd(), from)
                                                      : sys::send(socket.fd(), from);
    }
    result<std::size_t> write_vectored(const io_socket& socket, const iovec_list& list,
                                       std::span<const std::span<const std::byte>>) const override {
        return is_pipe(socket) || is_terminal(socket) ? sys::write_pipe_vectored(socket.fd(), list.get())
                                                      : sys::send_vectored(socket.fd(), list.get());
    }
    result<std::size_t> write_leased(const io_socket& socket, io::leased_buffer&,
                                     std::span<const std::byte> from) const override {
        return write(socket, from);
    }
    result<accepted_peer> accept(const io_socket& socket) const override {
        auto accepted = accept_one(socket.fd());
        if (!accepted) return std::unexpected(accepted.error());
        const auto peer = sys::from_native(accepted->peer.get(), accepted->peer.size);
        if (!peer) return std::unexpected(peer.error());
        return accepted_peer(accepted->fd.release(), *peer);
    }
    /// A short read on a TCP socket means that it is drained, unless an urgent byte may have ended it. That saves the
    /// read that would only report EAGAIN. A short write means that the send buffer of the socket is full.
    bool has_drained(const io_socket& socket, direction way, io::ready seen) const override {
        return socket.kind() == descriptor_kind::tcp &&
               (way == direction::write || (sys::reports_urgent_data && !may_cut_short(seen)));
    }

    bool registers_first() const override { return false; }
    result<scheduled_io*> add(io_handle& io, int fd, descriptor_kind kind) const override {
        if (kind != descriptor_kind::datagram) return io.add_source(fd, everything);
        // A datagram socket is nearly always writable, and each sent datagram would be an event. So assume that it
        // is writable. Watch for it only after a send has blocked, or when a task waits for it.
        auto added = io.add_source(fd, all_but_writable);
        if (added) (*added)->report(io::ready::writable);
        return added;
    }
    void close(io_handle& io, scheduled_io& source) const noexcept override {
        // Deregister first: if a duplicate of the descriptor exists, the driver would continue to report events.
        const int fd = source.fd();
        static_cast<void>(io.remove_source(source));
        sys::close(fd);
    }

    result<void> prepare_wait(const io_socket& socket, io::interest wanted) const override {
        return socket.kind() == descriptor_kind::datagram && wanted.is_writable() ? socket.watch_writing() : ok();
    }
    result<void> prepare_call(const io_socket&, io::interest) const override { return ok(); }
    result<bool> flush(const io_socket&) const override { return true; }
    result<bool> finish_sending(const io_socket&) const override { return true; }
    bool end_writing(const io_socket&) const noexcept override { return true; }
    bool stop_receiving(const io_socket&) const override { return true; }
    std::vector<std::byte> take_received(const io_socket&) const override { return {}; }
    std::vector<int> take_connections(const io_socket&) const override { return {}; }
    std::error_code take_error(const io_socket&) const noexcept override { return {}; }
};

namespace {

constexpr direct_transport direct;

}  // namespace

constinit const socket_transport& by_system_calls = direct;

}  // namespace eddy::detail
