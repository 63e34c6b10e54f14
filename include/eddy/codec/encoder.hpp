// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>

namespace eddy::detail {

/// The error of what a codec encodes: what it says, or else that of what it decodes, or std::error_code.
template <class C>
struct codec_error : std::type_identity<typename decoded_by<C>::error_type> {};
template <class C>
    requires requires { typename C::error_type; }
struct codec_error<C> : std::type_identity<typename C::error_type> {};
template <class C>
using codec_error_t = typename codec_error<C>::type;

}  // namespace eddy::detail

namespace eddy::codec {

/// What makes bytes of frames of type `T`.
///
///     encode(frame, into)   puts the frame to the end of `into`, a `bytes_mut`, and answers a `result<void>`. After an
///     error, or
///                           if it throws, nothing of it is sent.
///
/// In place of std::error_code the error may be any type that can be made of one: the one that its decode() has, or
/// that the codec names as `error_type`. A codec may encode frames of several types; the one that the sink of
/// framed::split() takes, if it is not told, is `sent_type`.
template <class C, class T>
concept encoder =
    std::constructible_from<detail::codec_error_t<C>, std::error_code> && requires(C& c, T&& frame, bytes_mut& into) {
        { c.encode(std::forward<T>(frame), into) } -> std::same_as<std::expected<void, detail::codec_error_t<C>>>;
    };

}  // namespace eddy::codec

namespace eddy::detail {

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
