// SPDX-License-Identifier: MIT
#include <eddy/net/unix_socket.hpp>

#include "net/adopt.hpp"
#include "net/unix_calls.hpp"
#include "sys/socket_option.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {
result<unix_socket> unix_socket::stream() noexcept {
    auto fd = sys::unix_stream_socket();
    if (!fd) return std::unexpected(fd.error());
    return unix_socket(fd->release());
}

result<unix_socket> unix_socket::datagram() noexcept {
    auto fd = sys::unix_datagram_socket();
    if (!fd) return std::unexpected(fd.error());
    return unix_socket(fd->release());
}

result<unix_socket> unix_socket::from_native(int fd) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return std::unexpected(owned.error());
    if (!check_kind(fd, sys::socket_kind::unix_stream)) {
        const auto fits = check_kind(fd, sys::socket_kind::unix_datagram);
        if (!fits) return std::unexpected(fits.error());
    }
    return unix_socket(owned->release());
}

result<void> unix_socket::bind(const unix_addr& at) const { return sys::bind(socket_.open_fd(), sys::to_native(at)); }

result<void> unix_socket::bind(std::string_view path) const {
    const auto at = unix_addr::path(path);
    if (!at) return std::unexpected(at.error());
    return bind(*at);
}

result<unix_addr> unix_socket::local_addr() const { return unix_local_addr(socket_.open_fd()); }

result<unix_listener> unix_socket::listen(int backlog) && {
    if (const auto fits = check_kind(socket_.open_fd(), sys::socket_kind::unix_stream); !fits)
        return std::unexpected(fits.error());
    if (auto done = sys::listen(socket_.open_fd(), backlog); !done) return std::unexpected(done.error());
    return unix_listener(socket_.release());
}

task<any_result<unix_stream>> unix_socket::connect(const unix_addr& to, std::source_location where) && {
    return connect_this(std::move(socket_), to, where);
}

task<any_result<unix_stream>> unix_socket::connect(std::string_view path, std::source_location where) && {
    return connect_this(std::move(socket_), unix_addr::path(path), where);
}

task<any_result<unix_stream>> unix_socket::connect_this(detail::io_socket socket, result<unix_addr> to,
                                                        std::source_location where) {
    socket.check_not_empty(where);
    co_await try_(check_kind(socket.fd(), sys::socket_kind::unix_stream));
    co_return co_await unix_stream::connect_this(std::move(socket), std::move(to), where);
}

result<unix_datagram> unix_socket::into_datagram() && {
    if (const auto fits = check_kind(socket_.open_fd(), sys::socket_kind::unix_datagram); !fits)
        return std::unexpected(fits.error());
    return unix_datagram(socket_.release());
}

result<std::uint32_t> unix_socket::send_buffer_size() const {
    return sys::get_number(socket_.open_fd(), sys::option::send_buffer_size);
}
result<void> unix_socket::set_send_buffer_size(std::uint32_t bytes) const {
    return sys::set_number(socket_.open_fd(), sys::option::send_buffer_size, bytes);
}
result<std::optional<std::error_code>> unix_socket::take_error() const { return sys::take_error(socket_.open_fd()); }

}  // namespace eddy::net
