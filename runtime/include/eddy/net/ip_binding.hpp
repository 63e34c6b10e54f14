// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// The bind() functions of tcp_listener and udp_socket.
/// Thread safety: it has no state.
template <class Self>
class EDDY_API ip_binding {
public:
    /// Binds immediately. The socket belongs to the event loop behind `handle`. Port 0 selects a free port: see
    /// local_addr().
    /// Errors: address_in_use, permission_denied and the other errors of bind(2); errc::io_disabled;
    /// errc::runtime_shutdown. The text names the address: "bind to 127.0.0.1:80: Address already in use". Throws
    /// `wrong_thread` on any thread but that of the event loop.
    [[nodiscard]] static any_result<Self> bind(const socket_addr& at, const core_handle& handle,
                                               std::source_location where = std::source_location::current());

    /// Binds on the event loop that polls the future. `at` is any `to_socket_addrs`, or a host and a port. Tries
    /// several addresses in order, also if a name has them, and binds to the first one that can be bound.
    /// Errors: the errors of bind() above and of lookup_host(). If no address can be bound, returns the error of the
    /// last one.
    /// Cancel safety: safe. Only the look-up of a name waits.
    static task<any_result<Self>> bind(lookup_request at, std::source_location where = std::source_location::current());
    static task<any_result<Self>> bind(std::string_view host, std::uint16_t port,
                                       std::source_location where = std::source_location::current());
    static task<any_result<Self>> bind(const ip_addr& host, std::uint16_t port,
                                       std::source_location where = std::source_location::current());

private:
    static task<any_result<Self>> bind_here(lookup_request at, std::source_location where);
};

}  // namespace eddy::net
