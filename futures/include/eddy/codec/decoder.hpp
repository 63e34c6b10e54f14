// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/error.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// The parts of the result type of decode().
template <class Answer>
struct decoded {
    static constexpr bool fits = false;
    // A placeholder for a missing decode(), so that only one error message appears.
    using item_type = result<bytes_mut>;
    using error_type = std::error_code;
};
template <class T, class E>
struct decoded<std::expected<std::optional<T>, E>> {
    static constexpr bool fits = std::constructible_from<E, std::error_code>;
    using item_type = std::expected<T, E>;
    using error_type = E;
};

template <class C>
struct decoder_answer {
    using type = void;
};
template <class C>
    requires requires(C& codec, bytes_mut& from) { codec.decode(from); }
struct decoder_answer<C> {
    using type = decltype(std::declval<C&>().decode(std::declval<bytes_mut&>()));
};
template <class C>
using decoded_by = decoded<typename decoder_answer<C>::type>;

}  // namespace eddy::detail

namespace eddy::codec {

/// A type that extracts frames from bytes. It has these members:
///
/// - decode(from) removes the next frame from the front of `from`, a `bytes_mut`, and returns it as
///   `result<std::optional<T>>`. It returns nothing while the frame is incomplete, and is called again when there are
///   more bytes.
/// - decode_eof(from) does the same when there will be no more bytes. It is called until it returns nothing. Optional;
///   the default calls decode(), and reports errc::bytes_remaining if bytes are left.
/// - can_continue_after(e) returns whether decoding can continue after the error `e`. Optional; the default is false.
///   Without a decode_eof(), decoding does not continue after an error at the end of the bytes if decode() removed no
///   bytes: the same error would be repeated endlessly.
///
///     struct number_codec {
///         result<std::optional<std::uint32_t>> decode(bytes_mut& from) {
///             if (from.size() < 4) return std::optional<std::uint32_t>();  // not yet
///             return std::optional(from.get_u32());
///         }
///         result<void> encode(std::uint32_t number, bytes_mut& into) {
///             into.put_u32(number);
///             return {};
///         }
///     };
///
/// decode() must remove bytes when it returns a frame, or an error after which decoding continues; otherwise it returns
/// the same result endlessly. An exception of decode() is thrown by next(); the following next() calls decode() again
/// with the remaining bytes. udp_framed discards the datagram instead.
/// A frame must own its data: the next read overwrites the bytes that a `std::string_view` of `from` refers to.
/// `from.split_to(n).freeze()` shares the bytes without a copy. A codec serves a single connection, so it may store the
/// state of an incomplete frame. The error may be any type that is constructible from std::error_code.
template <class C>
concept decoder = detail::decoded_by<C>::fits;

}  // namespace eddy::codec

namespace eddy::detail {

template <class C>
concept has_decode_eof = requires(C& codec, bytes_mut& from) { codec.decode_eof(from); };

template <class C>
typename decoder_answer<C>::type decode_eof(C& codec, bytes_mut& from) {
    if constexpr (has_decode_eof<C>) {
        return codec.decode_eof(from);
    } else {
        auto frame = codec.decode(from);
        if (!frame || *frame || from.empty()) return frame;
        using error = typename decoded_by<C>::error_type;
        return typename decoder_answer<C>::type(std::unexpect, error(make_error_code(errc::bytes_remaining)));
    }
}

/// Whether a decoder of exactly this type has find() and find_eof(). They correspond to decode() and decode_eof(), but
/// return a found frame instead of the frame: an object that can be converted to the frame once. The conversion removes
/// the frame from the buffer. So the frame is constructed in place instead of moved. Such a decoder also has reset(),
/// which discards the state of an incomplete frame.
template <class C>
inline constexpr bool finds_frames = false;

/// Calls find(), find_eof() and reset() of a decoder that has them, else decode() and decode_eof(). Returns the next
/// frame, or an object that converts to it. A decoder may keep these functions private and befriend this class.
struct frame_finder {
    template <class C>
    [[gnu::always_inline]] static auto find(C& codec, bytes_mut& from) {
        if constexpr (finds_frames<C>) {
            return codec.find(from);
        } else {
            return codec.decode(from);
        }
    }
    template <class C>
    static auto find_eof(C& codec, bytes_mut& from) {
        if constexpr (finds_frames<C>) {
            return codec.find_eof(from);
        } else {
            return detail::decode_eof(codec, from);
        }
    }
    /// Discards the state of an incomplete frame: the next bytes are unrelated to the previous ones.
    template <class C>
    static void reset(C& codec) noexcept {
        if constexpr (finds_frames<C>) codec.reset();
    }
};

/// Converts the result of find() to the result type of decode().
template <class T, class Found>
result<std::optional<T>> made_frame(result<std::optional<Found>> found) {
    using answer = result<std::optional<T>>;
    if (!found) return answer(std::unexpect, found.error());
    if (!*found) return answer(std::in_place);
    return answer(std::in_place, std::in_place, **std::move(found));
}

/// Returns whether decoding can continue after `error`.
template <class C, class E>
bool can_continue_after(C& codec, const E& error) {
    if constexpr (requires { codec.can_continue_after(error); }) {
        return codec.can_continue_after(error);
    } else {
        return false;
    }
}

/// Same as can_continue_after(), at the end of the bytes. The buffer had `size_before` bytes before the call of the
/// codec, and has `size_now` bytes after it.
template <class C, class E>
bool can_continue_at_end(C& codec, const E& error, std::size_t size_before, std::size_t size_now) {
    return (has_decode_eof<C> || size_now < size_before) && detail::can_continue_after(codec, error);
}

/// Whether `C` has a member named decode_eof, of any kind.
template <class C>
concept names_decode_eof = requires { &C::decode_eof; };
template <class C>
concept names_can_continue_after = requires { &C::can_continue_after; };

/// Checks that `C` is a decoder, with an error message that says what is missing.
template <class C>
constexpr bool check_decoder() {
    constexpr bool decodes = !std::is_void_v<typename decoder_answer<C>::type>;
    constexpr bool fits = codec::decoder<C>;
    static_assert(fits || decodes,
                  "eddy: this codec decodes nothing: it needs result<std::optional<T>> decode(bytes_mut&)");
    static_assert(fits || !decodes,
                  "eddy: this codec's decode() must return result<std::optional<T>>, or a std::expected of that whose "
                  "error can be made of a std::error_code");
    if constexpr (fits) {
        static_assert(!names_decode_eof<C> || has_decode_eof<C>,
                      "eddy: this codec's decode_eof cannot be called: it must take a bytes_mut&, as decode does");
        using error = typename decoded_by<C>::error_type;
        static_assert(
            !names_can_continue_after<C> || requires(C& codec, const error& e) { codec.can_continue_after(e); },
            "eddy: this codec's can_continue_after cannot be called: it must take the error of decode()");
    }
    return fits;
}

}  // namespace eddy::detail
