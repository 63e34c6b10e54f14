// SPDX-License-Identifier: MIT
#include <eddy/net/unix_datagram.hpp>

#include <algorithm>
#include <chrono>

#include <eddy/time/sleep.hpp>

#include "net/adopt.hpp"
#include "net/unix_calls.hpp"
#include "sockets/io_socket.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

using detail::direction;

// ---- Creation ----

result<unix_datagram> unix_datagram::bind_now(const unix_addr& at) noexcept {
    auto made = unbound();
    if (!made) return made;
    if (auto bound = sys::bind(made->native_handle(), sys::to_native(at)); !bound) {
        return std::unexpected(bound.error());
    }
    return made;
}

result<unix_datagram> unix_datagram::unbound() noexcept {
    auto fd = sys::unix_datagram_socket();
    if (!fd) return std::unexpected(fd.error());
    return unix_datagram(fd->release());
}

result<unix_datagram_pair> unix_datagram::pair() noexcept {
    auto fds = sys::unix_datagram_pair();
    if (!fds) return std::unexpected(fds.error());
    return unix_datagram_pair(unix_datagram(fds->first.release()), unix_datagram(fds->second.release()));
}

result<unix_datagram> unix_datagram::from_native(int fd) noexcept {
    auto owned = adopt_socket(fd, sys::socket_kind::unix_datagram);
    if (!owned) return std::unexpected(owned.error());
    return unix_datagram(owned->release());
}

result<void> unix_datagram::connect(const unix_addr& to) const {
    if (const std::error_code error = sys::connect(socket_.open_fd(), sys::to_native(to)))
        return std::unexpected(error);
    return ok();
}

result<void> unix_datagram::connect(std::string_view path) const {
    const auto to = unix_addr::path(path);
    if (!to) return std::unexpected(to.error());
    return connect(*to);
}

// ---- Sending ----

task<result<std::size_t>> unix_datagram::send_again(detail::io_socket& socket, std::span<const std::byte> from,
                                                    result<unix_addr> to) {
    const auto addr = co_await try_(std::move(to));
    const auto native = sys::to_native(addr);
    for (auto pause = std::chrono::milliseconds(1);; pause = std::min(pause * 2, std::chrono::milliseconds(16))) {
        const auto sent = socket.try_call(direction::write, [&] { return sys::send_to(socket.fd(), from, native); });
        if (sent || sent.error() != std::errc::operation_would_block) co_return sent;
        co_await time::sleep(pause);
    }
}

task<result<std::size_t>> unix_datagram::send_to(io::const_buffer from, const unix_addr& to) {
    return send_again(socket_, from, to);
}

task<result<std::size_t>> unix_datagram::send_to(io::const_buffer from, std::string_view path) {
    return send_again(socket_, from, unix_addr::path(path));
}

result<std::size_t> unix_datagram::try_send_to(io::const_buffer from, const unix_addr& to) {
    return socket_.try_call(direction::write, [&] { return sys::send_to(socket_.fd(), from, sys::to_native(to)); });
}

// ---- The socket ----

result<void> unix_datagram::shutdown(shutdown_side which) const {
    switch (which) {
    case shutdown_side::receiving: return sys::shutdown(socket_.open_fd(), sys::half::receiving);
    case shutdown_side::sending: return sys::shutdown(socket_.open_fd(), sys::half::sending);
    case shutdown_side::both: break;
    }
    return sys::shutdown(socket_.open_fd(), sys::half::both);
}

result<unix_addr> unix_datagram::local_addr() const { return unix_local_addr(socket_.open_fd()); }
result<unix_addr> unix_datagram::peer_addr() const { return unix_peer_addr(socket_.open_fd()); }

}  // namespace eddy::net
