// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <source_location>
#include <span>  // also for the concepts of std::ranges: <ranges> itself is slow to compile
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>

// The arguments of functions that read and write bytes. They accept text and bytes in all usual containers.

namespace eddy::detail {

/// Whether objects of this type are bytes of text or of data.
template <class T>
inline constexpr bool is_byte =
    std::is_same_v<T, std::byte> || std::is_same_v<T, char> || std::is_same_v<T, unsigned char> ||
    std::is_same_v<T, signed char> || std::is_same_v<T, char8_t>;

/// A container or a view of bytes, for example std::string, std::span<char> and std::vector<unsigned char>.
template <class T>
concept byte_range = std::ranges::contiguous_range<T> && std::ranges::sized_range<T> &&
                     is_byte<std::remove_cv_t<std::ranges::range_value_t<T>>>;

/// An array of characters: a string literal if it is const.
template <class T>
concept char_array = std::is_array_v<T> && (std::is_same_v<std::remove_cv_t<std::remove_extent_t<T>>, char> ||
                                            std::is_same_v<std::remove_cv_t<std::remove_extent_t<T>>, char8_t>);
template <class T>
concept char_literal = char_array<T> && std::is_const_v<std::remove_extent_t<T>>;

/// A type whose bytes can be passed to a write.
template <class T>
concept byte_source =
    char_literal<T> || (!char_array<T> && (std::is_convertible_v<T&, std::span<const std::byte>> || byte_range<T> ||
                                           std::is_convertible_v<T&, std::string_view>));

/// Returns the bytes of a string, a literal (without its terminating NUL), a container, or a view.
template <byte_source T>
std::span<const std::byte> source_bytes(T& from) noexcept {
    if constexpr (char_literal<T>) {
        constexpr std::size_t size = std::extent_v<T>;
        const bool is_terminated = from[size - 1] == 0;
        return std::as_bytes(std::span(from).first(is_terminated ? size - 1 : size));
    } else if constexpr (std::is_convertible_v<T&, std::span<const std::byte>>) {
        return from;
    } else if constexpr (byte_range<T>) {
        return std::as_bytes(std::span(std::ranges::data(from), std::ranges::size(from)));
    } else {
        return std::as_bytes(std::span(std::string_view(from)));
    }
}

/// An rvalue that owns its bytes, deduced as `T` from a `T&&` parameter: it does not outlive the statement.
template <class T>
concept owned_bytes = !std::is_reference_v<T> && !std::is_const_v<T> && std::is_class_v<T> && byte_source<T> &&
                      !std::ranges::borrowed_range<T> && std::is_move_constructible_v<T>;

/// A container of bytes whose size can change, such as std::string. If it is empty, there is no room to read into.
template <class T>
concept growing_bytes = byte_range<T> && !std::is_const_v<T> && requires(T& into) {
    into.resize(std::size_t(1));
    { into.empty() } -> std::convertible_to<bool>;
};

/// The messages of room_of(), for reads and for receives of datagrams.
inline constexpr std::string_view no_room_to_read =
    "this reads into an empty container, which has no room: resize() it first, or use io::read_to_end() or "
    "io::read_to_string(), which append to it";
inline constexpr std::string_view no_room_to_receive =
    "this receives into an empty container, which has no room, so the datagram would be lost: resize() it first, or "
    "use recv_buf() or recv_buf_from(), which append to it";

/// Throws `misuse` with this text if a container has no room for bytes.
template <growing_bytes T>
std::span<std::byte> room_of(T& into, std::string_view text, std::source_location where) {
    if (into.empty()) throw misuse(text, where);
    return std::as_writable_bytes(std::span(std::ranges::data(into), std::ranges::size(into)));
}

}  // namespace eddy::detail

namespace eddy::io {

/// The bytes that an operation writes, as a parameter. It is made from a std::string, a std::string_view, a string
/// literal (without its terminating NUL), and from arrays, vectors and spans of char, unsigned char or std::byte.
///
///     co_await try_(stream.write_all("GET / HTTP/1.0\r\n\r\n"));
/// Thread safety: a plain value.
/// Lifetime: does not own the bytes.
class const_buffer {
public:
    /// Refers to no bytes, or to the bytes of `from`.
    const_buffer() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    template <class T>
        requires(!std::same_as<std::remove_cvref_t<T>, const_buffer>)
    const_buffer(T&& from) noexcept {
        using plain = std::remove_reference_t<T>;
        constexpr bool is_text_or_array = !detail::char_array<plain> || detail::char_literal<plain>;
        static_assert(is_text_or_array,
                      "eddy: this array may contain text or bytes: pass std::string_view(x) up to its NUL, or "
                      "std::span(x) for all of it");
        constexpr bool fits = !is_text_or_array || detail::byte_source<plain>;
        static_assert(fits,
                      "eddy: this writes bytes: pass a string, or a container or span of char, unsigned char or "
                      "std::byte; for other types std::as_bytes(std::span(x)), or io::write_u32() and similar");
        if constexpr (is_text_or_array && fits) bytes_ = detail::source_bytes(from);
    }

    /// Returns the bytes.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
    operator std::span<const std::byte>() const noexcept { return bytes_; }

private:
    std::span<const std::byte> bytes_;
};

/// The room that an operation reads into, as a parameter. It is made from a std::string, from arrays, vectors and spans
/// of char, unsigned char or std::byte. All of the container is the room: its size does not change.
///
///     std::array<char, 512> room;
///     const std::size_t count = co_await try_(stream.read(room));
///     use(std::string_view(room.data(), count));
/// Thread safety: a plain value.
/// Lifetime: does not own the bytes.
class mutable_buffer {
public:
    /// Refers to no bytes, or to the bytes of `into`.
    mutable_buffer() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    template <class T>
        requires(!std::same_as<std::remove_cvref_t<T>, mutable_buffer>)
    mutable_buffer(T&& into) noexcept {
        using plain = std::remove_reference_t<T>;
        constexpr bool is_span = std::is_convertible_v<T, std::span<std::byte>>;
        constexpr bool is_range = detail::byte_range<plain>;
        static_assert(is_span || is_range,
                      "eddy: this reads bytes: pass a string, or a container or span of char, unsigned char or "
                      "std::byte; for other types std::as_writable_bytes(std::span(x)), or io::read_u32() and similar");
        constexpr bool stays = is_span || !is_range || std::is_lvalue_reference_v<T> || std::ranges::borrowed_range<T>;
        static_assert(stays, "eddy: this reads into a temporary, so the bytes would be lost: store it in a variable");
        if constexpr (is_span) {
            bytes_ = std::span<std::byte>(std::forward<T>(into));
        } else if constexpr (is_range && stays) {
            constexpr bool is_writable =
                !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<plain>>>;
            static_assert(is_writable, "eddy: this reads into its argument, which is const");
            if constexpr (is_writable)
                bytes_ = std::as_writable_bytes(std::span(std::ranges::data(into), std::ranges::size(into)));
        }
    }

    /// Returns the room.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    operator std::span<std::byte>() const noexcept { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

}  // namespace eddy::io
