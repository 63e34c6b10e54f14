// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <string_view>

#include <eddy/core_handle.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::net {

/// How a unix_listener and a unix_datagram are bound.
template <class Self>
class EDDY_API unix_binding {
public:
    /// Binds to a path, or to another address. It belongs to the loop behind `handle`, on whose thread this is.
    /// Errors: address_in_use, also if the path is that of a file of any kind; permission_denied, ..., as bind(2); as
    /// unix_addr::path(); errc::io_disabled; errc::runtime_shutdown. Of a listener, invalid_argument for the address
    /// without a name: nobody would know it. A datagram socket is given an abstract name that nobody else has, so that
    /// it can be answered.
    [[nodiscard]] static result<Self> bind(const unix_addr& at, const core_handle& handle,
                                           std::source_location where = std::source_location::current());
    [[nodiscard]] static result<Self> bind(std::string_view path, const core_handle& handle,
                                           std::source_location where = std::source_location::current());
    /// The same as a future, on the loop that polls it. It never waits.
    [[nodiscard]] static task<result<Self>> bind(const unix_addr& at,
                                                 std::source_location where = std::source_location::current());
    [[nodiscard]] static task<result<Self>> bind(std::string_view path,
                                                 std::source_location where = std::source_location::current());

private:
    static result<Self> bind_for(const result<unix_addr>& at, const core_handle& handle, std::source_location where);
    static task<result<Self>> bind_here(result<unix_addr> at, std::source_location where);
};

}  // namespace eddy::net
