// SPDX-License-Identifier: MIT
#include <eddy/net/unix_binding.hpp>

#include <eddy/net/unix_datagram.hpp>
#include <eddy/net/unix_listener.hpp>

#include "reactor/current_io.hpp"

namespace eddy::net {

template <class Self>
result<Self> unix_binding<Self>::bind_for(const result<unix_addr>& at, const core_handle& handle,
                                          std::source_location where) {
    const auto reactor = handle.reactor(where);
    if (!reactor) return std::unexpected(reactor.error());
    if (!at) return std::unexpected(at.error());
    auto bound = Self::bind_now(*at);
    if (bound) bound->socket_.bind_to(*reactor);
    return bound;
}

template <class Self>
task<result<Self>> unix_binding<Self>::bind_here(result<unix_addr> at, std::source_location where) {
    // Only checks that there is an event loop. The socket is registered when an operation has to wait.
    if (auto io = detail::current_io(where); !io) co_return std::unexpected(io.error());
    if (!at) co_return std::unexpected(at.error());
    co_return Self::bind_now(*at);
}

template <class Self>
result<Self> unix_binding<Self>::bind(const unix_addr& at, const core_handle& handle, std::source_location where) {
    return bind_for(at, handle, where);
}

template <class Self>
result<Self> unix_binding<Self>::bind(std::string_view path, const core_handle& handle, std::source_location where) {
    return bind_for(unix_addr::path(path), handle, where);
}

template <class Self>
task<result<Self>> unix_binding<Self>::bind(const unix_addr& at, std::source_location where) {
    return bind_here(at, where);
}

template <class Self>
task<result<Self>> unix_binding<Self>::bind(std::string_view path, std::source_location where) {
    return bind_here(unix_addr::path(path), where);
}

template class unix_binding<unix_datagram>;
template class unix_binding<unix_listener>;

}  // namespace eddy::net
