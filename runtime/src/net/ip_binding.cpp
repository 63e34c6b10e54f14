// SPDX-License-Identifier: MIT
#include <eddy/net/ip_binding.hpp>

#include <optional>
#include <utility>

#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/udp_socket.hpp>

#include "net/failed.hpp"
#include "net/resolver.hpp"
#include "reactor/current_io.hpp"

namespace eddy::net {

template <class Self>
any_result<Self> ip_binding<Self>::bind(const socket_addr& at, const core_handle& handle, std::source_location where) {
    const auto reactor = handle.reactor(where);
    if (!reactor) return failed("bind to", at, reactor.error());
    auto bound = Self::bind_now(at);
    if (!bound) return failed("bind to", at, bound.error());
    bound->socket_.bind_to(*reactor);
    return *std::move(bound);
}

template <class Self>
task<any_result<Self>> ip_binding<Self>::bind_here(lookup_request at, std::source_location where) {
    // Only checks that there is an event loop. The socket is registered when an operation has to wait.
    if (auto io = detail::current_io(where); !io) co_return failed("bind to", at, io.error());
    std::optional<lookup_request> found;
    if (at.is_name()) {
        auto answer = co_await resolve_here(at, where);
        if (!answer) co_return failed("bind to", at, any_error(answer.error()).context("look up the name"));
        found = *std::move(answer);
    }
    const auto addrs = (found ? *found : at).addrs();
    if (!addrs) co_return failed("bind to", at, addrs.error());
    auto bound = first_of(*addrs, Self::bind_now);
    if (!bound) co_return failed("bind to", at, failed_attempt(at, addrs->size(), addrs->back(), bound.error()));
    co_return *std::move(bound);
}

template <class Self>
task<any_result<Self>> ip_binding<Self>::bind(lookup_request at, std::source_location where) {
    return bind_here(std::move(at), where);
}

template <class Self>
task<any_result<Self>> ip_binding<Self>::bind(std::string_view host, std::uint16_t port, std::source_location where) {
    return bind_here(lookup_request(host, port), where);
}

template <class Self>
task<any_result<Self>> ip_binding<Self>::bind(const ip_addr& host, std::uint16_t port, std::source_location where) {
    return bind_here(lookup_request(host, port), where);
}

template class ip_binding<tcp_listener>;
template class ip_binding<udp_socket>;

}  // namespace eddy::net
