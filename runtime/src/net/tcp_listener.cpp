// SPDX-License-Identifier: MIT
#include <eddy/net/tcp_listener.hpp>

#include <eddy/future/poll_fn.hpp>

#include "net/adopt.hpp"
#include "net/resolver.hpp"
#include "net/socket_options.hpp"
#include "sys/socket_option.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

result<tcp_listener> tcp_listener::bind_now(const socket_addr& at) noexcept {
    auto fd = sys::tcp_socket(sys::version_of(at));
    if (!fd) return std::unexpected(fd.error());
    // Allows a server to be restarted while connections of the former process are in TIME_WAIT.
    if (auto set = sys::allow_rebind(fd->get()); !set) return std::unexpected(set.error());
    if (auto bound = sys::bind(fd->get(), at); !bound) return std::unexpected(bound.error());
    if (auto done = sys::listen(fd->get(), default_backlog); !done) return std::unexpected(done.error());
    return tcp_listener(fd->release());
}

result<tcp_listener> tcp_listener::from_native(int fd) noexcept {
    auto owned = adopt_socket(fd, sys::socket_kind::tcp);
    if (!owned) return std::unexpected(owned.error());
    if (const auto listens = check_listens(fd); !listens) return std::unexpected(listens.error());
    return tcp_listener(owned->release());
}

task<result<released>> tcp_listener::into_native() && {
    return [](detail::io_socket socket) -> task<result<released>> {
        auto stopped = poll_fn([&socket](context& cx) { return socket.poll_stopped(cx, nullptr); });
        co_await try_(stopped);
        auto connections = socket.take_connections();
        released parts(socket.release());
        parts.connections = std::move(connections);
        co_return parts;
    }(std::move(socket_));
}

static_assert(listener<tcp_listener>);

poll_result<result<accepted>> tcp_listener::poll_accept(context& cx) { return poll_accept(cx, nullptr); }

poll_result<result<accepted>> tcp_listener::poll_accept(context& cx, const detail::wait_record* future) {
    if (!pause_.poll(cx, future)) return not_ready;
    auto answer = socket_.poll_accept(cx, future);
    if (!answer) return not_ready;
    if (!*answer) {
        pause_.begin_if_exhausted(answer->error());
        return result<accepted>(std::unexpect, answer->error());
    }
    return result<accepted>(std::in_place, tcp_stream((*answer)->first), (*answer)->second);
}

poll_result<std::vector<accepted>> tcp_listener::poll_rest(context& cx) {
    if (!socket_.poll_stopped(cx, nullptr)) return not_ready;
    std::vector<accepted> rest;
    for (const int fd : socket_.take_connections()) {
        tcp_stream connection(fd);
        if (const auto peer = sys::peer_addr(fd)) rest.emplace_back(std::move(connection), *peer);
    }
    return rest;
}

result<socket_addr> tcp_listener::local_addr() const { return sys::local_addr(socket_.open_fd()); }
result<std::optional<std::error_code>> tcp_listener::take_error() const { return sys::take_error(socket_.open_fd()); }
result<std::uint32_t> tcp_listener::ttl() const { return get_ttl(socket_.open_fd()); }
result<void> tcp_listener::set_ttl(std::uint32_t hops) const { return net::set_ttl(socket_.open_fd(), hops); }

}  // namespace eddy::net
