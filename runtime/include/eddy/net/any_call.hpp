// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/io/async_io.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_readiness.hpp>

namespace eddy::detail {

/// Allows any system call on the descriptor: a mixin for sockets and the ends of pipes, with the derived class as
/// `Self`.
///     auto sent = co_await socket.async_io(interest::writable, [&] {
///         return send_with_descriptors(socket.native_handle());
///     });
/// `operation` returns a `result`. The error operation_would_block means that it has to wait.
///
/// On a ring connection (TCP with io_uring), `wanted` must be writable alone. Received bytes may be in the ring
/// already, so a call that reads would return later bytes or none. Bytes that were written before are sent first. A
/// connection becomes a ring connection at its first read, write or wait on such an event loop; connect() registers it
/// immediately.
/// Errors: any error of `operation`; errc::runtime_shutdown. On a ring connection also operation_not_supported for
/// another `wanted`, and the error of an earlier write that failed after it had returned.
/// Thread safety: same as the socket.
template <class Self>
class any_call {
public:
    // SAFETY of the casts below: Self derives from this mixin, so *this is the base of a Self.

    /// Calls `operation` once. If it would block, the socket counts as not ready for `wanted` until the next event.
    template <class Operation>
    auto try_io(io::interest wanted, Operation&& operation) {
        if constexpr (check_operation<Operation>()) {
            return socket_access::get(static_cast<Self&>(*this)).try_io(wanted, operation);
        }
    }
    /// Calls `operation` until its error is not operation_would_block. Waits for readiness between calls.
    /// Cancel safety: safe, if a call that would block has no effect.
    /// Thread safety: any number of tasks may wait.
    /// Lifetime: the future borrows the socket.
    template <class Operation>
    [[nodiscard]] auto async_io(io::interest wanted, Operation&& operation) {
        return make_if<check_operation<Operation>(),
                       io::async_io_future<io_socket, net::socket_readiness, kept_fn_t<Operation>>>(
            socket_access::get(static_cast<Self&>(*this)), wanted, std::forward<Operation>(operation));
    }
};

}  // namespace eddy::detail
