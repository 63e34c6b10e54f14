// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/error/any_error.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// The bind() functions of unix_listener and unix_datagram.
/// Thread safety: it has no state.
template <class Self>
class EDDY_API unix_binding {
public:
    /// Binds immediately to a path or another address. The socket belongs to the event loop behind `handle`. A datagram
    /// socket that is bound to the unnamed address gets a unique abstract name from the system, so that peers can
    /// answer it.
    /// Errors: address_in_use, also if the path is a file of any kind; permission_denied and the other errors of
    /// bind(2); the errors of unix_addr::path(); errc::io_disabled; errc::runtime_shutdown. For a listener with the
    /// unnamed address, which no client could find, invalid_argument. Throws `wrong_thread` on another thread than that
    /// of the event loop.
    [[nodiscard]] static any_result<Self> bind(const unix_addr& at, const core_handle& handle,
                                               std::source_location where = std::source_location::current());
    [[nodiscard]] static any_result<Self> bind(std::string_view path, const core_handle& handle,
                                               std::source_location where = std::source_location::current());
    /// Binds on the event loop that polls the future. Never waits.
    /// Errors: same as bind() above. Throws `misuse` if the thread has no event loop.
    static task<any_result<Self>> bind(const unix_addr& at,
                                       std::source_location where = std::source_location::current());
    static task<any_result<Self>> bind(std::string_view path,
                                       std::source_location where = std::source_location::current());

private:
    static any_result<Self> bind_for(const result<unix_addr>& at, const core_handle& handle,
                                     std::source_location where);
    static task<any_result<Self>> bind_here(result<unix_addr> at, std::source_location where);
};

}  // namespace eddy::net
