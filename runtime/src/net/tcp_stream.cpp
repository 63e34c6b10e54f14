// SPDX-License-Identifier: MIT
#include <eddy/net/tcp_stream.hpp>

#include <eddy/future/poll_fn.hpp>

#include "net/adopt.hpp"
#include "net/connect_to_any.hpp"
#include "net/failed.hpp"
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

task<result<detail::io_socket>> connect_to_addr(socket_addr to, std::optional<reactor_handle> reactor,
                                                std::source_location where) {
    auto fd = co_await try_(sys::tcp_socket(sys::version_of(to)));
    detail::io_socket socket(fd.release());
    if (reactor) socket.bind_to(*reactor);
    co_return co_await connect_socket(std::move(socket), to, where);
}

}  // namespace

task<any_result<tcp_stream>> tcp_stream::connect_to(lookup_request to, result<std::optional<reactor_handle>> reactor,
                                                    std::source_location where) {
    if (!reactor) co_return failed("connect to", to, reactor.error());
    const auto loop = *std::move(reactor);
    // The addresses of a list are tried in the order of the caller; the addresses of a name compete.
    std::optional<lookup_request> found;
    if (to.is_name()) {
        auto answer = co_await resolve_here(to, where);
        if (!answer) co_return failed("connect to", to, any_error(answer.error()).context("look up the name"));
        found = *std::move(answer);
    }
    const auto addrs = (found ? *found : to).addrs();
    if (!addrs) co_return failed("connect to", to, addrs.error());
    if (addrs->size() == 1) {
        auto made = co_await connect_to_addr(addrs->front(), loop, where);
        if (!made) co_return failed("connect to", to, failed_attempt(to, 1, addrs->front(), made.error()));
        co_return tcp_stream(*std::move(made));
    }
    std::vector<socket_addr> all(addrs->begin(), addrs->end());
    auto stagger = std::chrono::nanoseconds::max();
    if (found) {
        stagger = detail::connect_stagger;
        all = detail::in_turns(std::move(all));
    }
    const auto connect = [&loop, where](const socket_addr& addr) { return connect_to_addr(addr, loop, where); };
    socket_addr last = all.back();
    const auto note = [&last](const socket_addr& addr) { last = addr; };
    auto racing = detail::connect_to_any<detail::io_socket>(std::move(all), stagger, connect, note);
    auto made = co_await std::move(racing);
    if (!made) co_return failed("connect to", to, failed_attempt(to, addrs->size(), last, made.error()));
    co_return tcp_stream(*std::move(made));
}

task<any_result<tcp_stream>> tcp_stream::connect(lookup_request to, std::source_location where) {
    return connect_to(std::move(to), std::nullopt, where);
}

task<any_result<tcp_stream>> tcp_stream::connect(std::string_view host, std::uint16_t port,
                                                 std::source_location where) {
    return connect_to(lookup_request(host, port), std::nullopt, where);
}

task<any_result<tcp_stream>> tcp_stream::connect(const ip_addr& host, std::uint16_t port, std::source_location where) {
    return connect_to(lookup_request(host, port), std::nullopt, where);
}

task<any_result<tcp_stream>> tcp_stream::connect(lookup_request to, const core_handle& handle,
                                                 std::source_location where) {
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
