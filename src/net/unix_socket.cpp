// SPDX-License-Identifier: MIT
#include <eddy/net/unix_socket.hpp>

#include <sys/socket.h>

#include "net/adopt.hpp"
#include "net/socket_options.hpp"
#include "net/unix_calls.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {
namespace {

result<void> check_type(int fd, int type) noexcept { return check_socket(fd, SO_TYPE, type); }

}  // namespace

result<unix_socket> unix_socket::stream() noexcept {
    auto fd = sys::unix_socket(SOCK_STREAM);
    if (!fd) return std::unexpected(fd.error());
    return unix_socket(fd->release());
}

result<unix_socket> unix_socket::datagram() noexcept {
    auto fd = sys::unix_socket(SOCK_DGRAM);
    if (!fd) return std::unexpected(fd.error());
    return unix_socket(fd->release());
}

result<unix_socket> unix_socket::from_native(int fd) noexcept {
    auto owned = adopt_nonblocking(fd);
    if (!owned) return std::unexpected(owned.error());
    if (const auto fits = check_socket(fd, SO_DOMAIN, AF_UNIX); !fits) return std::unexpected(fits.error());
    if (!check_type(fd, SOCK_STREAM)) {
        if (const auto fits = check_type(fd, SOCK_DGRAM); !fits) return std::unexpected(fits.error());
    }
    return unix_socket(owned->release());
}

result<void> unix_socket::bind(const unix_addr& at) const noexcept {
    return sys::bind(socket_.fd(), sys::to_native(at));
}

result<void> unix_socket::bind(std::string_view path) const noexcept {
    const auto at = unix_addr::path(path);
    if (!at) return std::unexpected(at.error());
    return bind(*at);
}

result<unix_addr> unix_socket::local_addr() const noexcept { return unix_local_addr(socket_.fd()); }

result<unix_listener> unix_socket::listen(int backlog) && noexcept {
    if (const auto fits = check_type(socket_.fd(), SOCK_STREAM); !fits) return std::unexpected(fits.error());
    if (auto done = sys::listen(socket_.fd(), backlog); !done) return std::unexpected(done.error());
    return unix_listener(socket_.release());
}

task<result<unix_stream>> unix_socket::connect(const unix_addr& to, std::source_location where) && {
    return connect_this(std::move(socket_), to, where);
}

task<result<unix_stream>> unix_socket::connect(std::string_view path, std::source_location where) && {
    return connect_this(std::move(socket_), unix_addr::path(path), where);
}

task<result<unix_stream>> unix_socket::connect_this(detail::io_socket socket, result<unix_addr> to,
                                                    std::source_location where) {
    co_await try_(check_type(socket.fd(), SOCK_STREAM));
    co_return co_await unix_stream::connect_this(std::move(socket), std::move(to), where);
}

result<unix_datagram> unix_socket::into_datagram() && noexcept {
    if (const auto fits = check_type(socket_.fd(), SOCK_DGRAM); !fits) return std::unexpected(fits.error());
    return unix_datagram(socket_.release());
}

result<std::uint32_t> unix_socket::send_buffer_size() const noexcept {
    return get_number(socket_.fd(), SOL_SOCKET, SO_SNDBUF);
}
result<void> unix_socket::set_send_buffer_size(std::uint32_t bytes) const noexcept {
    return set_number(socket_.fd(), SOL_SOCKET, SO_SNDBUF, bytes);
}
result<std::optional<std::error_code>> unix_socket::take_error() const noexcept {
    return sys::take_error(socket_.fd());
}

}  // namespace eddy::net
