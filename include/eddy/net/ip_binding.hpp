// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

#include <eddy/core_handle.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

/// How a tcp_listener and a udp_socket are bound.
template <class Self>
class EDDY_API ip_binding {
public:
    /// Binds at once. It belongs to the loop behind `handle`, on whose thread this is. Port 0 takes a free one: see
    /// local_addr().
    /// Errors: address_in_use, permission_denied, ..., as bind(2); errc::io_disabled; errc::runtime_shutdown.
    [[nodiscard]] static result<Self> bind(const socket_addr& at, const core_handle& handle,
                                           std::source_location where = std::source_location::current());

    /// The same as a future, on the loop that polls it. `at` is what is `to_socket_addrs`, or a host and a port: of
    /// several addresses, and of those of a name, the first that can be bound is taken. Errors: besides, as
    /// lookup_host(). Of several errors the last is reported. Cancel safety: safe; only a look-up ever waits.
    [[nodiscard]] static task<result<Self>> bind(lookup_request at,
                                                 std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<Self>> bind(std::string_view host, std::uint16_t port,
                                                 std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<Self>> bind(const ip_addr& host, std::uint16_t port,
                                                 std::source_location where = std::source_location::current());

private:
    static task<result<Self>> bind_here(lookup_request at, std::source_location where);
};

}  // namespace eddy::net
