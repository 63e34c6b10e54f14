// SPDX-License-Identifier: MIT
#include <eddy/net/tcp_stream.hpp>

#include <eddy/future/poll_fn.hpp>

#include "net/adopt.hpp"
#include "net/resolver.hpp"
#include "net/socket_options.hpp"
#include "net/tcp_connect.hpp"
#include "reactor/current_io.hpp"
#include "sys/linger.hpp"
#include "sys/socket_option.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

// ---- Connecting ----

task<result<detail::io_socket>> connect_socket(detail::io_socket socket, socket_addr to, std::source_location where) {
    socket.check_not_empty(where);
    // A connect that completes immediately needs no event loop. Check nevertheless, so that the correctness of a
    // program does not depend on timing.
    if (auto io = detail::current_io(where); !io) co_return std::unexpected(io.error());
    if (const std::error_code error = sys::connect(socket.fd(), to)) {
        if (error != std::errc::operation_in_progress) co_return std::unexpected(error);
        auto connected = poll_fn([&socket](context& cx) { return socket.poll_connected(cx, nullptr); });
        co_await try_(connected);
    }
    co_return std::move(socket);
}

namespace {

/// Tries the addresses in order. If all fail, returns the last error.
task<result<detail::io_socket>> connect_each(std::span<const socket_addr> to, std::optional<reactor_handle> reactor,
                                             std::source_location where) {
    std::error_code last = make_error_code(errc::no_address);
    for (const socket_addr& addr : to) {
        auto fd = sys::tcp_socket(sys::version_of(addr));
        if (!fd) {
            last = fd.error();
            continue;
        }
        detail::io_socket socket(fd->release());
        if (reactor) socket.bind_to(*reactor);
        auto connected = co_await connect_socket(std::move(socket), addr, where);
        if (connected) co_return std::move(*connected);
        last = connected.error();
    }
    co_return std::unexpected(last);
}

}  // namespace

task<result<tcp_stream>> tcp_stream::connect_to(lookup_request to, result<std::optional<reactor_handle>> reactor,
                                                std::source_location where) {
    auto loop = co_await try_(std::move(reactor));
    if (to.is_name()) {
        auto found = co_await try_(resolve_here(std::move(to), where));
        to = std::move(found);
    }
    const auto addrs = co_await try_(to.addrs());
    auto socket = co_await try_(connect_each(addrs, std::move(loop), where));
    co_return tcp_stream(std::move(socket));
}

task<result<tcp_stream>> tcp_stream::connect(lookup_request to, std::source_location where) {
    return connect_to(std::move(to), std::nullopt, where);
}

task<result<tcp_stream>> tcp_stream::connect(std::string_view host, std::uint16_t port, std::source_location where) {
    return connect_to(lookup_request(host, port), std::nullopt, where);
}

task<result<tcp_stream>> tcp_stream::connect(const ip_addr& host, std::uint16_t port, std::source_location where) {
    return connect_to(lookup_request(host, port), std::nullopt, where);
}

task<result<tcp_stream>> tcp_stream::connect(lookup_request to, const core_handle& handle, std::source_location where) {
    return connect_to(std::move(to), handle.reactor(where), where);
}

result<tcp_stream> tcp_stream::from_native(int fd) noexcept {
    auto owned = adopt_socket(fd, sys::socket_kind::tcp);
    if (!owned) return std::unexpected(owned.error());
    return tcp_stream(owned->release());
}

// ---- The socket ----

result<socket_addr> tcp_stream::local_addr() const { return sys::local_addr(socket_.open_fd()); }
result<socket_addr> tcp_stream::peer_addr() const { return sys::peer_addr(socket_.open_fd()); }
result<bool> tcp_stream::nodelay() const { return sys::get_flag(socket_.open_fd(), sys::option::nodelay); }
result<void> tcp_stream::set_nodelay(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::nodelay, on);
}
result<std::uint32_t> tcp_stream::ttl() const { return get_ttl(socket_.open_fd()); }
result<void> tcp_stream::set_ttl(std::uint32_t hops) const { return net::set_ttl(socket_.open_fd(), hops); }

result<std::optional<std::chrono::seconds>> tcp_stream::linger() const { return sys::get_linger(socket_.open_fd()); }
result<void> tcp_stream::set_linger(std::optional<std::chrono::seconds> limit) const {
    return sys::set_linger(socket_.open_fd(), limit);
}

result<bool> tcp_stream::quickack() const { return sys::get_flag(socket_.open_fd(), sys::option::quickack); }
result<void> tcp_stream::set_quickack(bool on) const {
    return sys::set_flag(socket_.open_fd(), sys::option::quickack, on);
}

}  // namespace eddy::net
