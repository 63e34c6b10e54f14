// SPDX-License-Identifier: MIT
#include <eddy/net/unix_binding.hpp>

#include <eddy/net/unix_datagram.hpp>
#include <eddy/net/unix_listener.hpp>

#include "net/failed.hpp"
#include "reactor/current_io.hpp"

namespace eddy::net {

template <class Self>
any_result<Self> unix_binding<Self>::bind_for(const result<unix_addr>& at, const core_handle& handle,
                                              std::source_location where) {
    const auto reactor = handle.reactor(where);
    if (!at) return failed("bind to", std::string("a Unix socket"), at.error());
    if (!reactor) return failed("bind to", *at, reactor.error());
    auto bound = Self::bind_now(*at);
    if (!bound) return failed("bind to", *at, bound.error());
    bound->socket_.bind_to(*reactor);
    return *std::move(bound);
}

template <class Self>
task<any_result<Self>> unix_binding<Self>::bind_here(result<unix_addr> at, std::source_location where) {
    // Only checks that there is an event loop. The socket is registered when an operation has to wait.
    auto io = detail::current_io(where);
    if (!at) co_return failed("bind to", std::string("a Unix socket"), at.error());
    if (!io) co_return failed("bind to", *at, io.error());
    auto bound = Self::bind_now(*at);
    if (!bound) co_return failed("bind to", *at, bound.error());
    co_return *std::move(bound);
}

template <class Self>
any_result<Self> unix_binding<Self>::bind(const unix_addr& at, const core_handle& handle, std::source_location where) {
    return bind_for(at, handle, where);
}

template <class Self>
any_result<Self> unix_binding<Self>::bind(std::string_view path, const core_handle& handle,
                                          std::source_location where) {
    return bind_for(unix_addr::path(path), handle, where);
}

template <class Self>
task<any_result<Self>> unix_binding<Self>::bind(const unix_addr& at, std::source_location where) {
    return bind_here(at, where);
}

template <class Self>
task<any_result<Self>> unix_binding<Self>::bind(std::string_view path, std::source_location where) {
    return bind_here(unix_addr::path(path), where);
}

template class unix_binding<unix_datagram>;
template class unix_binding<unix_listener>;

}  // namespace eddy::net
