// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/bytes_mut.hpp>
#include <eddy/error.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// What decode() answers, taken apart.
template <class Answer>
struct decoded {
    static constexpr bool fits = false;
    using item_type = result<bytes_mut>;  // stands for what is missing, so that one sentence says so
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

/// What makes frames of bytes.
///
///     decode(from)       takes the next frame off the front of `from`, a `bytes_mut`, and answers it as
///     `result<std::optional<T>>`;
///                        nothing while it is not complete: it is called again when more bytes have come
///     decode_eof(from)   the same when no more will come, until it answers nothing. If there is none: what decode()
///     does, and
///                        errc::bytes_remaining if bytes are left.
///     goes_on_after(e)   whether there are frames to be had after its error `e`. If there is none: no. Without a
///     decode_eof(), an
///                        error at the end that took no bytes off is the last one: it would come again and again
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
/// A frame that takes no bytes off is answered again, without end, and so is an error after which it goes on. What
/// decode() throws comes out of next(), which calls it again with what is left; udp_framed drops the datagram. A frame
/// owns what it has: a `std::string_view` of `from` is written over by the next read. `from.split_to(n).freeze()`
/// shares the bytes without copying them. One codec serves one connection: what it has to know of a frame that has come
/// in part may be kept in it. In place of std::error_code the error may be any type that can be made of one.
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

/// Whether a decoder, of this very type, has find() and find_eof(): they answer as decode() and decode_eof() do, but in
/// place of the frame something that converts to it, once, and takes it off the buffer then. So the frame is made where
/// it is wanted, and not moved there. And begin_anew(), which forgets what it has of a frame that has come in part.
template <class C>
inline constexpr bool finds_frames = false;

/// The next frame, or what converts to it. Through this a decoder's functions may be private.
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
    /// What has come before has nothing to do with what comes next.
    template <class C>
    static void begin_anew(C& codec) noexcept {
        if constexpr (finds_frames<C>) codec.begin_anew();
    }
};

/// The frame that find() has found.
template <class T, class Found>
result<std::optional<T>> made_frame(result<std::optional<Found>> found) {
    using answer = result<std::optional<T>>;
    if (!found) return answer(std::unexpect, found.error());
    if (!*found) return answer(std::in_place);
    return answer(std::in_place, std::in_place, **std::move(found));
}

template <class C, class E>
bool goes_on_after(C& codec, const E& error) {
    if constexpr (requires { codec.goes_on_after(error); }) {
        return codec.goes_on_after(error);
    } else {
        return false;
    }
}

/// The same at the end of the bytes, of which `size_before` were there when the codec was asked, and `size_now` are
/// left.
template <class C, class E>
bool goes_on_at_end(C& codec, const E& error, std::size_t size_before, std::size_t size_now) {
    return (has_decode_eof<C> || size_now < size_before) && detail::goes_on_after(codec, error);
}

/// Whether a member of this name is there, of whatever kind.
template <class C>
concept names_decode_eof = requires { &C::decode_eof; };
template <class C>
concept names_goes_on_after = requires { &C::goes_on_after; };

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
            !names_goes_on_after<C> || requires(C& codec, const error& e) { codec.goes_on_after(e); },
            "eddy: this codec's goes_on_after cannot be called: it must take the error of decode()");
    }
    return fits;
}

}  // namespace eddy::detail
