// SPDX-License-Identifier: MIT
#include <eddy/net/tcp_stream.hpp>

#include <sys/socket.h>

#include <cerrno>

#include <eddy/poll_fn.hpp>

#include "io/current_io.hpp"
#include "net/adopt.hpp"
#include "net/resolver.hpp"
#include "net/socket_options.hpp"
#include "net/tcp_connect.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

// ---- Connecting ----

task<result<detail::io_socket>> connect_socket(detail::io_socket socket, socket_addr to, std::source_location where) {
    // Where a connect is done at once it would need no loop; but that must not decide whether a program is right.
    if (auto io = detail::current_io(where); !io) co_return std::unexpected(io.error());
    if (const std::error_code error = sys::connect(socket.fd(), to)) {
        if (error != std::errc::operation_in_progress) co_return std::unexpected(error);
        auto connected = poll_fn([&socket](context& cx) { return socket.poll_connected(cx, nullptr); });
        co_await try_(connected);
    }
    co_return std::move(socket);
}

namespace {

/// Tries each address in turn; the last error is the one reported.
task<result<detail::io_socket>> connect_each(std::span<const socket_addr> to, std::optional<reactor_handle> home,
                                             std::source_location where) {
    std::error_code last = make_error_code(errc::no_address);
    for (const socket_addr& addr : to) {
        auto fd = sys::tcp_socket(addr.is_ipv6() ? AF_INET6 : AF_INET);
        if (!fd) {
            last = fd.error();
            continue;
        }
        detail::io_socket socket(fd->release());
        if (home) socket.bind_to(*home);
        auto connected = co_await connect_socket(std::move(socket), addr, where);
        if (connected) co_return std::move(*connected);
        last = connected.error();
    }
    co_return std::unexpected(last);
}

}  // namespace

task<result<tcp_stream>> tcp_stream::connect_to(lookup_request to, result<std::optional<reactor_handle>> home,
                                                std::source_location where) {
    auto loop = co_await try_(std::move(home));
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
    auto owned = adopt(fd);
    if (!owned) return std::unexpected(owned.error());
    return tcp_stream(owned->release());
}

task<result<released>> tcp_stream::into_native() && {
    return [](detail::io_socket socket) -> task<result<released>> {
        auto flushed = poll_fn([&socket](context& cx) { return socket.poll_flush(cx, nullptr); });
        co_await try_(flushed);
        auto stopped = poll_fn([&socket](context& cx) { return socket.poll_stopped(cx, nullptr); });
        co_await try_(stopped);
        auto bytes = socket.take_received();
        released parts(socket.release());
        parts.bytes = std::move(bytes);
        co_return parts;
    }(std::move(socket_));
}

// ---- Operations ----

detail::io_operation<read_op> tcp_stream::read(std::span<std::byte> into) noexcept {
    return detail::io_operation<read_op>(socket_, into);
}

detail::io_operation<read_vectored_op> tcp_stream::read_vectored(std::span<const std::span<std::byte>> into) noexcept {
    return detail::io_operation<read_vectored_op>(socket_, into);
}

detail::io_operation<read_exact_op> tcp_stream::read_exact(std::span<std::byte> into) noexcept {
    return detail::io_operation<read_exact_op>(socket_, into);
}

detail::io_operation<receive_op> tcp_stream::receive() noexcept { return detail::io_operation<receive_op>(socket_); }

detail::io_operation<peek_op> tcp_stream::peek(std::span<std::byte> into) noexcept {
    return detail::io_operation<peek_op>(socket_, into);
}

detail::io_operation<write_op> tcp_stream::write(std::span<const std::byte> from) noexcept {
    return detail::io_operation<write_op>(socket_, from);
}

detail::io_operation<write_vectored_op> tcp_stream::write_vectored(
    std::span<const std::span<const std::byte>> from) noexcept {
    return detail::io_operation<write_vectored_op>(socket_, from);
}

detail::io_operation<write_all_op> tcp_stream::write_all(std::span<const std::byte> from) noexcept {
    return detail::io_operation<write_all_op>(socket_, from);
}
detail::io_operation<write_owned_op> tcp_stream::write_owned(io::leased_buffer from) noexcept {
    return detail::io_operation<write_owned_op>(socket_, std::move(from));
}

task<result<void>> tcp_stream::shutdown() {
    // By the socket, and not by its number, which is somebody else's after the stream.
    return [](detail::io_socket& socket) -> task<result<void>> {
        auto flushed = poll_fn([&socket](context& cx) { return socket.poll_flush(cx, nullptr); });
        co_await try_(flushed);
        auto done = sys::shutdown(socket.fd(), SHUT_WR);
        if (!done && done.error() == std::errc::not_connected) co_return {};  // the peer was faster
        co_return done;
    }(socket_);
}

task<result<void>> tcp_stream::flush() {
    return [](detail::io_socket& socket) -> task<result<void>> {
        auto flushed = poll_fn([&socket](context& cx) { return socket.poll_flush(cx, nullptr); });
        co_return co_await flushed;
    }(socket_);
}

poll_result<result<std::size_t>> tcp_stream::poll_read(context& cx, std::span<std::byte> into) {
    if (into.empty()) return ok(std::size_t{0});
    return socket_.poll_read(cx, nullptr, into);
}

poll_result<result<std::size_t>> tcp_stream::poll_write(context& cx, std::span<const std::byte> from) {
    if (from.empty()) return ok(std::size_t{0});
    return socket_.poll_write(cx, nullptr, from);
}

// ---- Readiness ----

socket_readiness tcp_stream::readable() noexcept { return {socket_, io::interest::readable}; }
socket_readiness tcp_stream::writable() noexcept { return {socket_, io::interest::writable}; }
socket_readiness tcp_stream::ready(io::interest wanted) noexcept { return {socket_, wanted}; }

// ---- The socket ----

result<socket_addr> tcp_stream::local_addr() const noexcept { return sys::local_addr(socket_.fd()); }
result<socket_addr> tcp_stream::peer_addr() const noexcept { return sys::peer_addr(socket_.fd()); }
result<std::optional<std::error_code>> tcp_stream::take_error() const noexcept { return sys::take_error(socket_.fd()); }
result<bool> tcp_stream::nodelay() const noexcept { return get_flag(socket_.fd(), IPPROTO_TCP, TCP_NODELAY); }
result<void> tcp_stream::set_nodelay(bool on) const noexcept {
    return set_flag(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, on);
}
result<std::uint32_t> tcp_stream::ttl() const noexcept { return get_ttl(socket_.fd()); }
result<void> tcp_stream::set_ttl(std::uint32_t hops) const noexcept { return net::set_ttl(socket_.fd(), hops); }

result<std::optional<std::chrono::seconds>> tcp_stream::linger() const noexcept {
    const auto value = sys::get_option<::linger>(socket_.fd(), SOL_SOCKET, SO_LINGER);
    if (!value) return std::unexpected(value.error());
    if (value->l_onoff == 0) return std::nullopt;
    return std::chrono::seconds(value->l_linger);
}

result<void> tcp_stream::set_linger(std::optional<std::chrono::seconds> limit) const noexcept {
    ::linger value{};
    if (limit) {
        if (*limit < std::chrono::seconds::zero() || *limit > std::chrono::seconds(0x7fff)) {
            return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        }
        value.l_onoff = 1;
        value.l_linger = static_cast<int>(limit->count());
    }
    return sys::set_option(socket_.fd(), SOL_SOCKET, SO_LINGER, value);
}

}  // namespace eddy::net
