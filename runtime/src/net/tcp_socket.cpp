// SPDX-License-Identifier: MIT
#include <eddy/net/tcp_socket.hpp>

#include "net/adopt.hpp"
#include "net/failed.hpp"
#include "net/socket_options.hpp"
#include "net/tcp_connect.hpp"
#include "sys/bound_device.hpp"
#include "sys/linger.hpp"
#include "sys/socket_option.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

result<tcp_socket> tcp_socket::v4() noexcept {
    auto fd = sys::tcp_socket(sys::ip_version::v4);
    if (!fd) return std::unexpected(fd.error());
    return tcp_socket(fd->release());
}

result<tcp_socket> tcp_socket::v6() noexcept {
    auto fd = sys::tcp_socket(sys::ip_version::v6);
    if (!fd) return std::unexpected(fd.error());
    return tcp_socket(fd->release());
}

result<tcp_socket> tcp_socket::from_native(int fd) noexcept {
    auto owned = adopt_socket(fd, sys::socket_kind::tcp);
    if (!owned) return std::unexpected(owned.error());
    return tcp_socket(owned->release());
}

result<void> tcp_socket::bind(const socket_addr& at) const { return sys::bind(socket_.open_fd(), at); }
result<socket_addr> tcp_socket::local_addr() const { return sys::local_addr(socket_.open_fd()); }

result<tcp_listener> tcp_socket::listen(int backlog) && {
    if (auto done = sys::listen(socket_.open_fd(), backlog); !done) return std::unexpected(done.error());
    return tcp_listener(socket_.release());
}

result<tcp_listener> tcp_socket::listen(int backlog, const core_handle& handle, std::source_location where) && {
    const auto reactor = handle.reactor(where);
    if (!reactor) return std::unexpected(reactor.error());
    auto listener = std::move(*this).listen(backlog);
    if (listener) listener->socket_.bind_to(*reactor);
    return listener;
}

task<any_result<tcp_stream>> tcp_socket::connect(const socket_addr& to, std::source_location where) && {
    return connect_this(std::move(socket_), to, where);
}

task<any_result<tcp_stream>> tcp_socket::connect_this(eddy::detail::io_socket socket, socket_addr to,
                                                      std::source_location where) {
    auto made = co_await connect_socket(std::move(socket), to, where);
    if (!made) co_return failed("connect to", to, made.error());
    co_return tcp_stream(*std::move(made));
}

result<bool> tcp_socket::reuse_addr() const { return sys::get_flag(socket_.open_fd(), sys::option::reuse_addr); }
result<void> tcp_socket::set_reuse_addr(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::reuse_addr, on);
}
result<bool> tcp_socket::reuse_port() const { return sys::get_flag(socket_.open_fd(), sys::option::reuse_port); }
result<void> tcp_socket::set_reuse_port(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::reuse_port, on);
}
result<bool> tcp_socket::only_v6() const { return sys::get_flag(socket_.open_fd(), sys::option::only_v6); }
result<void> tcp_socket::set_only_v6(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::only_v6, on);
}
result<std::uint32_t> tcp_socket::fastopen() const { return sys::get_number(socket_.open_fd(), sys::option::fastopen); }
result<void> tcp_socket::set_fastopen(std::uint32_t connections) const {
    return sys::set_number(socket_.open_fd(), sys::option::fastopen, connections);
}
result<bool> tcp_socket::fastopen_connect() const {
    return sys::get_flag(socket_.open_fd(), sys::option::fastopen_connect);
}
result<void> tcp_socket::set_fastopen_connect(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::fastopen_connect, on);
}
result<bool> tcp_socket::nodelay() const { return sys::get_flag(socket_.open_fd(), sys::option::nodelay); }
result<void> tcp_socket::set_nodelay(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::nodelay, on);
}
result<std::uint32_t> tcp_socket::send_buffer_size() const {
    return sys::get_number(socket_.open_fd(), sys::option::send_buffer_size);
}
result<void> tcp_socket::set_send_buffer_size(std::uint32_t bytes) const {
    return sys::set_number(socket_.open_fd(), sys::option::send_buffer_size, bytes);
}
result<std::uint32_t> tcp_socket::recv_buffer_size() const {
    return sys::get_number(socket_.open_fd(), sys::option::recv_buffer_size);
}
result<void> tcp_socket::set_recv_buffer_size(std::uint32_t bytes) const {
    return sys::set_number(socket_.open_fd(), sys::option::recv_buffer_size, bytes);
}
result<std::optional<std::chrono::seconds>> tcp_socket::linger() const { return sys::get_linger(socket_.open_fd()); }
result<void> tcp_socket::set_linger(std::optional<std::chrono::seconds> limit) const {
    return sys::set_linger(socket_.open_fd(), limit);
}
result<std::uint32_t> tcp_socket::tos() const { return get_tos(socket_.open_fd()); }
result<void> tcp_socket::set_tos(std::uint32_t tos) const { return net::set_tos(socket_.open_fd(), tos); }
result<std::optional<std::string>> tcp_socket::device() const { return sys::bound_device(socket_.open_fd()); }
result<void> tcp_socket::bind_device(std::optional<std::string_view> interface) const {
    return sys::bind_device(socket_.open_fd(), interface);
}
result<std::optional<std::error_code>> tcp_socket::take_error() const { return sys::take_error(socket_.open_fd()); }

}  // namespace eddy::net
