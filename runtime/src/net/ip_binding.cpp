// SPDX-License-Identifier: MIT
#include <eddy/net/ip_binding.hpp>

#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/udp_socket.hpp>

#include "net/resolver.hpp"
#include "reactor/current_io.hpp"

namespace eddy::net {

template <class Self>
result<Self> ip_binding<Self>::bind(const socket_addr& at, const core_handle& handle, std::source_location where) {
    const auto reactor = handle.reactor(where);
    if (!reactor) return std::unexpected(reactor.error());
    auto bound = Self::bind_now(at);
    if (bound) bound->socket_.bind_to(*reactor);
    return bound;
}

template <class Self>
task<result<Self>> ip_binding<Self>::bind_here(lookup_request at, std::source_location where) {
    // Only checks that there is an event loop. The socket is registered when an operation has to wait.
    if (auto io = detail::current_io(where); !io) co_return std::unexpected(io.error());
    if (at.is_name()) {
        auto found = co_await try_(resolve_here(std::move(at), where));
        at = std::move(found);
    }
    const auto addrs = co_await try_(at.addrs());
    co_return first_of(addrs, Self::bind_now);
}

template <class Self>
task<result<Self>> ip_binding<Self>::bind(lookup_request at, std::source_location where) {
    return bind_here(std::move(at), where);
}

template <class Self>
task<result<Self>> ip_binding<Self>::bind(std::string_view host, std::uint16_t port, std::source_location where) {
    return bind_here(lookup_request(host, port), where);
}

template <class Self>
task<result<Self>> ip_binding<Self>::bind(const ip_addr& host, std::uint16_t port, std::source_location where) {
    return bind_here(lookup_request(host, port), where);
}

template class ip_binding<tcp_listener>;
template class ip_binding<udp_socket>;

}  // namespace eddy::net
