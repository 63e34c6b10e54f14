// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <eddy/detail/proto_multiplexed.hpp>
#include <eddy/detail/proto_pipelined.hpp>
#include <eddy/detail/proto_streamed.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/message.hpp>

namespace eddy::detail {

/// Whether the items of a connection are frames of messages with streamed bodies.
template <class Io>
constexpr bool has_frames() {
    if constexpr (requires { typename std::remove_reference_t<Io>::item_type::value_type; }) {
        return framed_message<typename std::remove_reference_t<Io>::item_type::value_type>::is_streamed;
    } else {
        return false;
    }
}

/// A connection as its owner uses it: a stream and a sink of messages. It is `Io` itself, unless `Io` has frames.
/// `Out` is the type of the messages that the owner sends, without their numbers.
template <class Io, class Out, bool Numbered, proto_side Side, bool HasFrames = has_frames<Io>()>
struct message_connection : std::type_identity<Io> {
    using sent = std::conditional_t<Numbered, proto::numbered<Out>, Out>;
    static constexpr bool is_streamed = false;
    static constexpr bool writes = sink<std::remove_reference_t<Io>, sent>;

    template <class F>
    static F&& make(F&& io, std::size_t) {
        return std::forward<F>(io);
    }
};
template <class Io, class Out, bool Numbered, proto_side Side>
struct message_connection<Io, Out, Numbered, Side, true>
    : std::conditional<Numbered, multiplexed_messages<Io, Out, Side>, pipelined_messages<Io, Out, Side>> {
    using adapter =
        std::conditional_t<Numbered, multiplexed_messages<Io, Out, Side>, pipelined_messages<Io, Out, Side>>;
    using sent = typename adapter::sent;
    static constexpr bool is_streamed = true;
    static constexpr bool writes = sink<std::remove_reference_t<Io>, typename adapter::out_frame>;

    template <class F>
    static adapter make(F&& io, std::size_t limit) {
        if constexpr (std::is_lvalue_reference_v<Io>) {
            return adapter(static_cast<Io>(io), limit);
        } else {
            return adapter(Io(std::forward<F>(io)), limit);
        }
    }
};

/// Whether a client may send requests of the type `Request` on a connection.
template <class Io, class Request, bool Numbered>
concept sends =
    (has_frames<Io>() == is_message<Request>) && message_connection<Io, Request, Numbered, proto_side::client>::writes;

/// Lets a connection move the bodies of messages. The owner of a connection calls this in each of its polls.
template <class Io>
void drive_bodies(Io& io, context& cx) {
    if constexpr (requires { io.drive(cx); }) io.drive(cx);
}

}  // namespace eddy::detail
