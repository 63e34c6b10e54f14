// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>
#include <utility>

#include <eddy/codec/framed.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/proto_client.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

// The client side of a connection: a handle that many tasks call, and a task that owns the connection.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::proto {

/// The client side of a pipelined protocol: a service that many tasks may call. Copies use the same connection. Answers
/// are assigned to calls in the order of the calls.
///
///     proto::pipelined_client client(codec::framed(std::move(stream), my_codec()));
///     auto robust = client | proto::timeout(1s) | proto::retry(proto::retry_policy());
///
/// `client(request)` makes a call, and is_closed() returns whether the connection has ended. A background task owns the
/// connection. It sends requests that were made at the same time with one flush. It ends after the last copy is
/// destroyed and the last call has ended. The request type is the `sent_type` of the codec, or else the type that the
/// codec decodes. The response type is the type that the codec decodes. For other types, name both as template
/// arguments.
///
/// Errors: a call returns the error of the connection. If the peer or the runtime has ended the connection, that is
/// errc::connection_closed. If messages have streamed bodies, the end of the connection within one of them is
/// errc::unexpected_eof, and a call returns the error that the service has sent. If the peer has sent an answer without
/// a call, it is errc::unexpected_answer. If the codec or the stream throws std::bad_alloc, it is
/// std::errc::not_enough_memory. All waiting calls and all later ones return the same error. The service may have
/// executed a call that failed. An error of the encoder affects only its call. If the connection has no memory for a
/// call, this call alone fails, with std::errc::not_enough_memory. The constructor throws `misuse` if `max_in_flight`
/// is 0, or if spawn() is not possible on this thread. An exception of a body's stream ends that body with an error:
/// the code of a std::system_error, std::errc::not_enough_memory, or std::errc::io_error.
/// Cancel safety: a dropped call does not affect others. If its request was sent, its answer is discarded when it
/// arrives; until then the call counts as in flight. If the body of its request is being sent, the body ends with an
/// error at the server.
/// Thread safety: calls on any thread; assignment and destruction need exclusive access.
/// Cost: for each call, a coroutine frame and two blocks of the frame pool.
template <class Request, class Response>
class pipelined_client : public detail::client_handle<Request, Response, false> {
public:
    /// Takes ownership of the connection: a stream of responses and a sink of requests, such as a codec::framed. Up to
    /// `max_in_flight` calls may be without an answer; further calls wait, in the order of their arrival.
    template <class F>
        requires stream<F> && detail::sends<F, Request, false>
    explicit pipelined_client(F connection, std::size_t max_in_flight = 64,
                              std::source_location where = std::source_location::current())
        : detail::client_handle<Request, Response, false>(std::move(connection), max_in_flight, where) {}
};

/// Deduces the types from the codec.
template <class S, class C>
pipelined_client(codec::framed<S, C>, std::size_t = 0, std::source_location = {})
    -> pipelined_client<detail::framed_message_t<detail::sent_or<void, C>>,
                        detail::framed_message_t<typename detail::decoded_by<C>::item_type::value_type>>;

/// The client side of a multiplexed protocol. It is used like pipelined_client, but answers may arrive in any order.
/// The connection is a stream of `numbered<Response>` and a sink of `numbered<Request>`. The numbers are 1, 2 and so
/// on. A dropped call does not count as in flight; its answer is discarded. With streamed bodies, the server is told
/// that the call was dropped, or that the body of a response was. If the service responds before it has read the
/// request's body, the rest of that body is sent after the call, and does not count as in flight.
/// Cancel safety: a dropped call does not affect others.
/// Thread safety: same as pipelined_client.
template <class Request, class Response>
class multiplexed_client : public detail::client_handle<Request, Response, true> {
public:
    /// Takes ownership of the connection; see pipelined_client.
    template <class F>
        requires stream<F> && detail::sends<F, Request, true>
    explicit multiplexed_client(F connection, std::size_t max_in_flight = 64,
                                std::source_location where = std::source_location::current())
        : detail::client_handle<Request, Response, true>(std::move(connection), max_in_flight, where) {}
};

/// Deduces the types from the codec.
template <class S, class C>
multiplexed_client(codec::framed<S, C>, std::size_t = 0, std::source_location = {})
    -> multiplexed_client<detail::message_in_t<detail::sent_or<void, C>>,
                          detail::message_in_t<typename detail::decoded_by<C>::item_type::value_type>>;

}  // namespace eddy::proto
EDDY_END_FALSE_UNINITIALIZED
