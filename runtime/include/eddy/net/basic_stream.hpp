// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/halves.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/writing.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Returns the pending error of a socket and clears it (SO_ERROR).
[[nodiscard]] EDDY_API result<std::optional<std::error_code>> take_error_of(const io_socket& socket);

/// The common base of tcp_stream and unix_stream: reading and writing, with the whole stream or with two halves.
/// Thread safety: one operation may be pending in each direction, on different threads.
template <class Self>
class basic_stream : public net::reading<Self>,
                     public net::peeking<Self>,
                     public net::writing<Self>,
                     public any_call<Self>,
                     public socket_owner {
public:
    /// Waits until the stream is ready for `wanted`. Otherwise same as readable() and writable().
    /// Errors: errc::runtime_shutdown.
    [[nodiscard]] net::socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }
    /// Returns the pending error of the socket, if any, and clears it (SO_ERROR).
    [[nodiscard]] result<std::optional<std::error_code>> take_error() const { return take_error_of(socket_); }

    // SAFETY of the casts below: Self derives from basic_stream<Self>, so *this is the base of a Self.

    /// Returns two halves that borrow the stream, for two tasks: `auto [reader, writer] = stream.split();`
    /// Lifetime: the stream must outlive the halves, and must not move while they are in use.
    [[nodiscard]] net::halves<Self> split() & noexcept { return net::halves<Self>(static_cast<Self&>(*this)); }
    net::halves<Self> split() && = delete;  // the halves would dangle: give the stream a name, or use into_split()
    /// Returns two halves that own the stream together: `auto [reader, writer] = std::move(stream).into_split();`
    /// reunite() joins them to a stream again.
    /// Cost: one allocation.
    [[nodiscard]] net::owned_halves<Self> into_split() && {
        return net::owned_halves<Self>(std::make_shared<Self>(std::move(static_cast<Self&>(*this))));
    }
    broken_future into_split(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

protected:
    using socket_owner::socket_owner;
};

}  // namespace eddy::detail
