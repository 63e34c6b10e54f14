// SPDX-License-Identifier: MIT
#pragma once

#include <optional>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// Waits for the readiness of a socket. Registers the socket first, if that is necessary.
/// Errors: errc::runtime_shutdown; errc::io_disabled. Throws `misuse` if the thread has no event loop.
/// Thread safety: one thread at a time. Any number of futures may wait for the same socket.
/// Lifetime: the socket must outlive the future. Neither may move while the future waits.
class [[nodiscard("co_await it")]] EDDY_API socket_readiness : public future_ops<socket_readiness> {
public:
    using output_type = result<io::ready>;

    /// Waits until `socket` is ready for `wanted`.
    socket_readiness(detail::io_socket& socket, io::interest wanted) noexcept : socket_(&socket), wanted_(wanted) {}

    poll_result<result<io::ready>> poll(context& cx);

    static constexpr auto wait_shape() { return inspect::waits_as(&socket_readiness::readiness_); }

private:
    detail::io_socket* socket_;
    io::interest wanted_;
    std::optional<io::readiness_future> readiness_;
};

}  // namespace eddy::net
