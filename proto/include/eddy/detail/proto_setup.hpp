// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/codec/framed.hpp>
#include <eddy/detail/proto_connection.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/try_timeout.hpp>

namespace eddy::proto {

/// Selects a pipelined protocol: tcp_server<pipeline>(codec).
/// Thread safety: it has no state.
struct pipeline {};
/// Selects a multiplexed protocol: tcp_server<multiplex>(codec).
/// Thread safety: it has no state.
struct multiplex {};

}  // namespace eddy::proto

namespace eddy::detail {

/// Whether the protocol is multiplexed: `Kind` is `multiplex`, or it is void and the frames are `numbered`.
template <class Kind, class Frame>
inline constexpr bool is_multiplexed = std::is_same_v<Kind, proto::multiplex>;
template <class T>
inline constexpr bool is_multiplexed<void, proto::numbered<T>> = true;

template <class Codec>
using decoded_frame_t = typename decoded_by<Codec>::item_type::value_type;

/// A connection needs no set-up.
struct no_setup {};

/// The set-up of a connection, and its time limit.
/// Thread safety: any thread, if the function may be called on any thread.
template <class Fn>
struct connection_setup {
    connection_setup(Fn function, time::duration time) : fn(std::move(function)), limit(time) {}
    Fn fn;
    time::duration limit;
};
template <>
struct connection_setup<no_setup> {};

/// Returns the connection that is ready for messages: what the set-up has returned, or a codec::framed around it.
template <class Codec, class Io>
auto with_codec(Io&& io, const Codec& codec) {
    if constexpr (stream<Io>) {
        return std::forward<Io>(io);
    } else {
        return codec::framed(std::forward<Io>(io), codec);
    }
}

/// The connection that is ready for messages, if the set-up `Fn` is called with a stream of the type `Io`.
template <class Fn, class Codec, class Io>
using set_up_connection =
    decltype(with_codec(std::declval<typename output_t<std::invoke_result_t<const Fn&, Io&&>>::value_type>(),
                        std::declval<const Codec&>()));

/// Runs the set-up of a new connection.
/// Errors: any error of the set-up; errc::timed_out.
template <class Fn, class Codec, class Io>
task<result<set_up_connection<Fn, Codec, Io>>> set_up(const connection_setup<Fn>& setup, const Codec& codec, Io io) {
    auto limited = time::try_timeout(setup.limit, std::invoke(setup.fn, std::move(io)));
    auto ready = co_await std::move(limited);
    if (!ready) co_return std::unexpected(ready.error());
    co_return with_codec(*std::move(ready), codec);
}
template <class Codec, class Io>
task<result<codec::framed<Io, Codec>>> set_up(const connection_setup<no_setup>&, const Codec& codec, Io io) {
    co_return codec::framed(std::move(io), codec);
}

}  // namespace eddy::detail
