// SPDX-License-Identifier: MIT
#pragma once

#include <type_traits>
#include <utility>

#include <eddy/codec/decoder.hpp>
#include <eddy/codec/encoder.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/stream/split_stream.hpp>

namespace eddy::codec {

/// The halves that split() of a `framed` or `udp_framed` returns: `auto [sink, stream] = std::move(frames).split();`.
/// streams::reunite(std::move(stream), std::move(sink)) restores the whole object.
/// Thread safety: the two halves may be used on different threads at the same time; each half, on one thread at a time.
template <class F, class T>
struct framed_halves {
    streams::sink_half<F, T> sink;   ///< the half that sends
    streams::stream_half<F> stream;  ///< the half that receives

    /// For use by split().
    explicit framed_halves(streams::halves<F, T>&& of) : sink(std::move(of.writer)), stream(std::move(of.reader)) {}
};

}  // namespace eddy::codec

namespace eddy::detail {

/// The default item type of a sink half: the `sent_type` of the codec, or else the type that it decodes.
template <class C>
struct sent_by : std::type_identity<typename decoded_by<C>::item_type::value_type> {};
template <class C>
    requires requires { typename C::sent_type; }
struct sent_by<C> : std::type_identity<typename C::sent_type> {};

/// `T`, or the default item type if `T` is void.
template <class T, class C>
using sent_or = typename std::conditional_t<std::is_void_v<T>, sent_by<C>, std::type_identity<T>>::type;

/// Checks that a codec encodes the item type of split<T>().
template <class T, class C>
constexpr bool check_sent() {
    if constexpr (std::is_void_v<T>) {
        constexpr bool fits = codec::encoder<C, sent_or<T, C>>;
        static_assert(fits, "eddy: this codec does not encode what it decodes: write split<T>(), with what it encodes");
        return fits;
    } else {
        return check_encoder<C, T>();
    }
}

/// The result of split() after a failed static_assert, so that the compiler reports no further errors.
struct broken_framed_halves {
    broken_stream sink;
    broken_stream stream;
};

}  // namespace eddy::detail
