// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/halves.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/writing.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// The error that waits in a socket.
[[nodiscard]] EDDY_API result<std::optional<std::error_code>> take_error_of(const io_socket& socket) noexcept;

}  // namespace eddy::detail

namespace eddy::net {

/// What tcp_stream and unix_stream have in common: reading and writing, in one piece or in halves.
template <class Self>
class basic_stream : public reading<Self>,
                     public peeking<Self>,
                     public writing<Self>,
                     public any_call<Self>,
                     public socket_owner {
public:
    /// As readable() and writable(), for any interest.
    [[nodiscard]] socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }
    /// The error that waits in the socket, if any; it is cleared by asking.
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const noexcept {
        return detail::take_error_of(socket_);
    }

    /// Lends the two directions, for two tasks that end before the stream: `auto [reader, writer] = stream.split();`
    [[nodiscard]] halves<Self> split() & noexcept { return halves<Self>(static_cast<Self&>(*this)); }
    halves<Self> split() && = delete;  // they would borrow a stream that is gone: give it a name, or use into_split()
    /// Turns it into two halves that own it together: `auto [reader, writer] = std::move(stream).into_split();`
    /// reunite() makes a stream of them again.
    /// Cost: one allocation.
    [[nodiscard]] owned_halves<Self> into_split() && {
        return owned_halves<Self>(std::make_shared<Self>(std::move(static_cast<Self&>(*this))));
    }
    template <class... A>
    auto into_split(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }

protected:
    using socket_owner::socket_owner;
};

}  // namespace eddy::net
