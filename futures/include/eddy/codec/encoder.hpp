// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>

namespace eddy::detail {

/// The error type of encode(): the codec's `error_type`, or else the error type of its decode(), or else
/// std::error_code.
template <class C>
struct codec_error : std::type_identity<typename decoded_by<C>::error_type> {};
template <class C>
    requires requires { typename C::error_type; }
struct codec_error<C> : std::type_identity<typename C::error_type> {};
template <class C>
using codec_error_t = typename codec_error<C>::type;

}  // namespace eddy::detail

namespace eddy::codec {

/// A type that converts frames of type `T` to bytes. It has this member:
///
/// - encode(frame, into) appends the frame to `into`, a `bytes_mut`, and returns a `result<void>`. After an error or an
///   exception, nothing of the frame is sent.
///
/// The error may be any type that is constructible from std::error_code. It is the codec's `error_type`, or else the
/// error type of its decode(). A codec may encode frames of several types. `sent_type` is the default item type of the
/// sink of framed::split().
template <class C, class T>
concept encoder =
    std::constructible_from<detail::codec_error_t<C>, std::error_code> && requires(C& c, T&& frame, bytes_mut& into) {
        { c.encode(std::forward<T>(frame), into) } -> std::same_as<std::expected<void, detail::codec_error_t<C>>>;
    };

}  // namespace eddy::codec

namespace eddy::detail {

/// Checks that `C` encodes `T`, with an error message that says what is missing.
template <class C, class T>
constexpr bool check_encoder() {
    constexpr bool fits = codec::encoder<C, T>;
    constexpr bool encodes = requires(C& c, T&& frame, bytes_mut& into) { c.encode(std::forward<T>(frame), into); };
    static_assert(fits || encodes,
                  "eddy: this codec does not encode that: it needs result<void> encode(T, bytes_mut&)");
    static_assert(fits || !encodes,
                  "eddy: this codec's encode() must return result<void>, or a std::expected<void, E> with the error "
                  "of its decode(), or its error_type; and that can be made of a std::error_code");
    return fits;
}

}  // namespace eddy::detail
