// SPDX-License-Identifier: MIT
#include <eddy/net/unix_datagram.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include <eddy/time/sleep.hpp>

#include "io/current_io.hpp"
#include "net/adopt.hpp"
#include "net/datagram_calls.hpp"
#include "net/socket_options.hpp"
#include "net/unix_calls.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

using detail::direction;

// ---- Making one ----

result<unix_datagram> unix_datagram::bind_now(const result<unix_addr>& at) noexcept {
    if (!at) return std::unexpected(at.error());
    auto made = unbound();
    if (!made || at->is_unnamed()) return made;
    if (auto bound = sys::bind(made->native_handle(), sys::to_native(*at)); !bound) {
        return std::unexpected(bound.error());
    }
    return made;
}

result<unix_datagram> unix_datagram::bind_for(const result<unix_addr>& at, const core_handle& handle,
                                              std::source_location where) {
    const auto home = handle.reactor(where);
    if (!home) return std::unexpected(home.error());
    auto bound = bind_now(at);
    if (bound) bound->socket_.bind_to(*home);
    return bound;
}

task<result<unix_datagram>> unix_datagram::bind_here(result<unix_addr> at, std::source_location where) {
    // Only checked: the socket is registered when something has to wait.
    if (auto io = detail::current_io(where); !io) co_return std::unexpected(io.error());
    co_return bind_now(at);
}

result<unix_datagram> unix_datagram::bind(const unix_addr& at, const core_handle& handle, std::source_location where) {
    return bind_for(at, handle, where);
}

result<unix_datagram> unix_datagram::bind(std::string_view path, const core_handle& handle,
                                          std::source_location where) {
    return bind_for(unix_addr::path(path), handle, where);
}

task<result<unix_datagram>> unix_datagram::bind(const unix_addr& at, std::source_location where) {
    return bind_here(at, where);
}

task<result<unix_datagram>> unix_datagram::bind(std::string_view path, std::source_location where) {
    return bind_here(unix_addr::path(path), where);
}

result<unix_datagram> unix_datagram::unbound() noexcept {
    auto fd = sys::unix_socket(SOCK_DGRAM);
    if (!fd) return std::unexpected(fd.error());
    return unix_datagram(fd->release());
}

result<unix_datagram_pair> unix_datagram::pair() noexcept {
    auto fds = sys::unix_pair(SOCK_DGRAM);
    if (!fds) return std::unexpected(fds.error());
    return unix_datagram_pair(unix_datagram(fds->first.release()), unix_datagram(fds->second.release()));
}

result<unix_datagram> unix_datagram::from_native(int fd) noexcept {
    auto owned = adopt_unix(fd, SOCK_DGRAM);
    if (!owned) return std::unexpected(owned.error());
    return unix_datagram(owned->release());
}

task<result<released>> unix_datagram::into_native() && {
    return [](detail::io_socket socket) -> task<result<released>> {
        co_return released(socket.release());
    }(std::move(socket_));
}

result<void> unix_datagram::connect(const unix_addr& to) const noexcept {
    if (const std::error_code error = sys::connect(socket_.fd(), sys::to_native(to))) return std::unexpected(error);
    return ok();
}

result<void> unix_datagram::connect(std::string_view path) const noexcept {
    const auto to = unix_addr::path(path);
    if (!to) return std::unexpected(to.error());
    return connect(*to);
}

// ---- Sending ----

detail::io_operation<datagram_send_op> unix_datagram::send(std::span<const std::byte> from) noexcept {
    return detail::io_operation<datagram_send_op>(socket_, from);
}

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

task<result<std::size_t>> unix_datagram::send_to(std::span<const std::byte> from, const unix_addr& to) {
    return send_again(socket_, from, to);
}

task<result<std::size_t>> unix_datagram::send_to(std::span<const std::byte> from, std::string_view path) {
    return send_again(socket_, from, unix_addr::path(path));
}

result<std::size_t> unix_datagram::try_send(std::span<const std::byte> from) { return socket_.try_write(from); }

result<std::size_t> unix_datagram::try_send_to(std::span<const std::byte> from, const unix_addr& to) {
    return socket_.try_call(direction::write, [&] { return sys::send_to(socket_.fd(), from, sys::to_native(to)); });
}

poll_result<result<std::size_t>> unix_datagram::poll_send(context& cx, std::span<const std::byte> from) {
    return socket_.poll_write(cx, nullptr, from);
}

// ---- Receiving ----

detail::io_operation<datagram_recv_op> unix_datagram::recv(std::span<std::byte> into) noexcept {
    return detail::io_operation<datagram_recv_op>(socket_, into);
}

detail::io_operation<recv_from_op<unix_addr>> unix_datagram::recv_from(std::span<std::byte> into) noexcept {
    return detail::io_operation<recv_from_op<unix_addr>>(socket_, into, takes_it::yes);
}

template <>
poll_result<result<unix_recv_info>> recv_from_op<unix_addr>::poll(detail::io_socket& socket, context& cx,
                                                                  const void* future) {
    return net::poll_recv_from<unix_addr>(socket, cx, future, into_, takes_);
}

detail::io_operation<datagram_peek_op> unix_datagram::peek(std::span<std::byte> into) noexcept {
    return detail::io_operation<datagram_peek_op>(socket_, into);
}

detail::io_operation<recv_from_op<unix_addr>> unix_datagram::peek_from(std::span<std::byte> into) noexcept {
    return detail::io_operation<recv_from_op<unix_addr>>(socket_, into, takes_it::no);
}

result<std::size_t> unix_datagram::try_recv(std::span<std::byte> into) { return socket_.try_read(into); }

result<unix_recv_info> unix_datagram::try_recv_from(std::span<std::byte> into) {
    return net::try_recv_from<unix_addr>(socket_, into, takes_it::yes);
}

result<std::size_t> unix_datagram::try_peek(std::span<std::byte> into) { return net::try_peek(socket_, into); }

result<unix_recv_info> unix_datagram::try_peek_from(std::span<std::byte> into) {
    return net::try_recv_from<unix_addr>(socket_, into, takes_it::no);
}

poll_result<result<std::size_t>> unix_datagram::poll_recv(context& cx, std::span<std::byte> into) {
    return socket_.poll_read(cx, nullptr, into);
}

poll_result<result<unix_recv_info>> unix_datagram::poll_recv_from(context& cx, std::span<std::byte> into) {
    return net::poll_recv_from<unix_addr>(socket_, cx, nullptr, into, takes_it::yes);
}

// ---- The socket ----

result<void> unix_datagram::shutdown(shutdown_side which) const noexcept {
    switch (which) {
    case shutdown_side::receiving: return sys::shutdown(socket_.fd(), SHUT_RD);
    case shutdown_side::sending: return sys::shutdown(socket_.fd(), SHUT_WR);
    case shutdown_side::both: break;
    }
    return sys::shutdown(socket_.fd(), SHUT_RDWR);
}

result<unix_addr> unix_datagram::local_addr() const noexcept { return unix_local_addr(socket_.fd()); }
result<unix_addr> unix_datagram::peer_addr() const noexcept { return unix_peer_addr(socket_.fd()); }
result<std::optional<std::error_code>> unix_datagram::take_error() const noexcept {
    return sys::take_error(socket_.fd());
}
result<std::uint32_t> unix_datagram::send_buffer_size() const noexcept {
    return get_number(socket_.fd(), SOL_SOCKET, SO_SNDBUF);
}
result<void> unix_datagram::set_send_buffer_size(std::uint32_t bytes) const noexcept {
    return set_number(socket_.fd(), SOL_SOCKET, SO_SNDBUF, bytes);
}

}  // namespace eddy::net
