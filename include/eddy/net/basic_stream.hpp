// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/io_socket.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/halves.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/released.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/writing.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::detail {

/// The task behind into_native() of streams.
[[nodiscard]] task<result<net::released>> release_stream(io_socket socket);

/// The error that waits in a socket.
[[nodiscard]] result<std::optional<std::error_code>> take_error_of(const io_socket& socket) noexcept;

}  // namespace eddy::detail

namespace eddy::net {

/// What tcp_stream and unix_stream have in common: reading and writing, in one piece or in halves.
template <class Self>
class basic_stream : public reading<Self>, public peeking<Self>, public writing<Self>, public any_call<Self> {
public:
    /// Gives the socket up: a future, since a driver may have fetched bytes that belong to it.
    [[nodiscard]] task<result<released>> into_native() && { return detail::release_stream(std::move(socket_)); }
    // Only to say in a short error what to write.
    template <class... A>
    auto into_native(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }
    [[nodiscard]] int native_handle() const noexcept { return socket_.fd(); }

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
    explicit basic_stream(detail::io_socket&& socket) noexcept : socket_(std::move(socket)) {}

    friend detail::socket_access;
    detail::io_socket& socket() noexcept { return socket_; }

    detail::io_socket socket_;
};

}  // namespace eddy::net
