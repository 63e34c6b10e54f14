// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/async_io.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_readiness.hpp>

namespace eddy::net {

/// What takes any call on its descriptor, one that the library does not have: sockets, and the ends of a pipe.
///     auto sent = co_await socket.async_io(interest::writable, [&] { return
///     send_with_descriptors(socket.native_handle()); });
/// `operation` returns a `result`, and operation_would_block while it has to wait.
/// On a TCP connection that is registered with a loop on io_uring (from its first read, write or wait on, and if
/// connect() made it, from the start) `wanted` has to be writable alone: what was written before is sent first. Its
/// bytes to be read may be in the ring, so that a call would find others first, or none. Errors, of both: those of
/// `operation`; errc::runtime_shutdown; operation_not_supported as said above, and there also what a write has met
/// after it had ended.
template <class Self>
class any_call {
public:
    /// Calls it once. If it would block, the socket counts as not ready for what is `wanted` until it is told
    /// otherwise.
    template <class Operation>
    auto try_io(io::interest wanted, Operation&& operation) {
        if constexpr (detail::check_operation<Operation>()) {
            return detail::socket_access::get(static_cast<Self&>(*this)).try_io(wanted, operation);
        }
    }
    /// Calls it until it does not say that it would block, and waits in between.
    /// Cancel safety: safe, if a call that would block has done nothing. Any number of tasks may wait.
    template <class Operation>
    [[nodiscard]] auto async_io(io::interest wanted, Operation&& operation) {
        if constexpr (detail::check_operation<Operation>()) {
            using future = io::async_io_future<detail::io_socket, socket_readiness, std::decay_t<Operation>,
                                               detail::is_fragile<Operation>>;
            return future(detail::socket_access::get(static_cast<Self&>(*this)), wanted,
                          std::forward<Operation>(operation));
        } else {
            return detail::broken_future();
        }
    }
};

}  // namespace eddy::net
