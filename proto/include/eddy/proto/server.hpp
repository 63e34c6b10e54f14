// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <eddy/detail/proto_server.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/sync/cancellation_token.hpp>

// The server side of a connection: reads requests, calls a service, sends the responses.

namespace eddy::proto {

/// The options of pipelined() and multiplexed(): `connection_options().max_in_flight(100).shutdown(token)`.
class connection_options {
public:
    /// The default options.
    connection_options() noexcept = default;

    /// Sets how many calls of a connection may be in progress. At this limit, no further request is read. A multiplexed
    /// connection with streamed bodies reads on: see multiplexed(). 64 by default. 0 is treated as 1.
    connection_options& max_in_flight(std::size_t most) noexcept {
        most_ = most == 0 ? 1 : most;
        return *this;
    }
    /// Sets a token that ends the connection gracefully: no further request is read, and those that were read are
    /// answered. A multiplexed connection with streamed bodies refuses later requests with errc::overloaded.
    connection_options& shutdown(const sync::cancellation_token& token) {
        shutdown_ = token;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t max_in_flight() const noexcept { return most_; }
    [[nodiscard]] const std::optional<sync::cancellation_token>& shutdown() const noexcept { return shutdown_; }

private:
    std::size_t most_ = 64;
    std::optional<sync::cancellation_token> shutdown_;
};

/// Serves a connection of a pipelined protocol: reads requests, calls `service` for each, and sends the responses in
/// the order of the requests. Up to connection_options::max_in_flight() calls run concurrently, and further requests
/// are read meanwhile. The future is ready when the client has ended its side of the connection and all requests are
/// answered. Then the write side is closed, too.
///
///     auto service = answer | proto::timeout(1s) | proto::recover(error_response);
///     co_await try_(proto::pipelined(codec::framed(std::move(stream), my_codec()), service));
///
/// `connection` is a stream of requests and a sink of responses: a codec::framed. If its codec has frames, requests and
/// responses are messages with streamed bodies: see message. The calls run in the task that awaits
/// this future. Responses that are ready at the same time are sent with one flush. A client that does not read delays
/// only its own requests.
///
/// Errors: any error of the connection. An error of the stream ends the connection after the requests before it were
/// answered. An error of the service, or of the encoder of a response, cannot be sent. It ends the connection after the
/// responses before it, and drops the calls after it. Use recover() to turn errors into responses. With streamed
/// bodies, the client gets the error instead, and the connection continues. An exception of the service drops all calls
/// immediately, and passes through. An exception of a response's body ends only that body, with an error: see
/// pipelined_client. A frame that does not fit is std::errc::protocol_error, and the end of the connection within a
/// body is errc::unexpected_eof. If the service does not read the body of a request, up to max_discarded_chunks of its
/// chunks are discarded; more are std::errc::message_size.
/// Cancel safety: not safe. Calls in progress are dropped, or cancelled gracefully if the future is. Requests that were
/// read are lost. To stop without loss, use connection_options::shutdown().
/// Lifetime: the arguments are moved in. Pass std::ref(connection) to use the connection afterwards, for example to
/// call its close_gracefully(), as tcp_server() does: a client that is still sending may otherwise be reset before it
/// has read the last responses.
/// Cost: for each request, the future of the service and a block of the frame pool.
template <class F, class S, bool Checks = eddy::detail::has_checks>
[[nodiscard]] auto pipelined(F&& connection, S&& service, const connection_options& options = connection_options()) {
    return detail::serve_calls<false, Checks>(std::forward<F>(connection), std::forward<S>(service),
                                              options.max_in_flight(), options.shutdown());
}

/// Same as pipelined(), for a protocol whose messages have numbers. The connection is a stream of `numbered<Request>`
/// and a sink of `numbered<Response>`. A response is sent as soon as it is ready, in any order. An error of the service
/// ends the connection and drops all other calls, so use recover(). With streamed bodies, requests beyond twice the
/// limit of max_in_flight() are refused with errc::overloaded, because reading must not stop. A call that its client
/// cancels is dropped. The body of a request that the service does not read is cancelled, not discarded.
/// Cancel safety: same as pipelined().
template <class F, class S, bool Checks = eddy::detail::has_checks>
[[nodiscard]] auto multiplexed(F&& connection, S&& service, const connection_options& options = connection_options()) {
    return detail::serve_calls<true, Checks>(std::forward<F>(connection), std::forward<S>(service),
                                             options.max_in_flight(), options.shutdown());
}

}  // namespace eddy::proto
