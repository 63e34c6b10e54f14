// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <eddy/bytes/detail/byte_order.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/method.hpp>

#include "message/syntax.hpp"

// The fields of messages: their values, their limits, how they delimit the body, unchecked access, and what a trailer
// section may have.

namespace eddy::http {
class body;
}

namespace eddy::detail {

/// Returns whether requests with a method usually have a body, so that a Content-Length of 0 announces that there is
/// none (RFC 9110, section 8.6).
[[nodiscard]] constexpr bool anticipates_body(http::method what) noexcept {
    return what == http::method::post || what == http::method::put || what == http::method::patch ||
           what == http::method::query;
}

[[nodiscard]] constexpr bool is_value(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return value_characters.contains(c); });
}

/// Returns the first character in [at, end) that the value of a header field must not contain, or `end`.
[[nodiscard]] inline const char* find_end_of_value(const char* at, const char* end) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101;
    constexpr std::uint64_t high_bits = 0x80 * ones;
    while (end - at >= 8) {
        std::array<std::byte, 8> eight;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by memcpy
        std::memcpy(eight.data(), at, 8);
        const auto word = number_of<std::uint64_t, std::endian::little>(eight);
        // The lowest high bit that is set belongs to the first byte below 0x20, or equal to 0x7f. Bits above it may be
        // wrong, because the subtractions borrow. See "Bit Twiddling Hacks", "Determine if a word has a byte less than
        // n".
        const std::uint64_t without_delete = word ^ (0x7f * ones);
        const std::uint64_t controls =
            (((word - 0x20 * ones) & ~word) | ((without_delete - ones) & ~without_delete)) & high_bits;
        if (controls == 0) {
            at += 8;
            continue;
        }
        at += std::countr_zero(controls) / 8;
        if (*at != '\t') return at;
        ++at;
    }
    while (at != end && value_characters.contains(*at)) ++at;
    return at;
}

/// Limits of a head.
struct head_limits {
    std::size_t bytes = 16 * 1024;  // of the first line and all fields together
    std::size_t fields = 100;

    head_limits() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The bytes that each field adds to the size of a list of fields (RFC 9113, section 6.5.2).
constexpr std::size_t field_overhead = 32;

/// Gives the library access to the private functions of http::headers that store fields without checking them.
struct header_access {
    static void add_checked(http::headers& into, std::string_view name, std::string_view value) {
        into.add_checked(name, value);
    }
    static void keep_text(http::headers& into, std::string_view text, std::size_t fields) {
        into.keep_text(text, fields);
    }
    static void add_part(http::headers& into, std::string_view text, std::string_view name, std::string_view value) {
        into.add_part(text, name, value);
    }

    /// The memory of a list with one field. It is never changed or freed. It has no spare capacity, so the list copies
    /// it before it adds a field. The text is the line of the field: "Content-Type: text/plain\r\n".
    template <std::size_t NameSize, std::size_t ValueSize>
    struct constant_field {
        static constexpr std::size_t line_size = NameSize + 2 + ValueSize + 2;

        http::headers::field field;
        char line[line_size];

        consteval constant_field(std::string_view name, std::string_view value) noexcept
            : field{line_size, NameSize, ValueSize + 2, ValueSize}, line{} {
            char* at = line;
            for (const auto part : {name, std::string_view(": "), value, std::string_view("\r\n")})
                at += part.copy(at, part.size());
        }
    };
    template <std::size_t NameSize, std::size_t ValueSize>
    constant_field(const char (&)[NameSize], const char (&)[ValueSize]) -> constant_field<NameSize - 1, ValueSize - 1>;

    /// Makes an empty list refer to `memory`. That takes about 150 instructions less than add_checked().
    template <std::size_t NameSize, std::size_t ValueSize>
    static void refer_to(http::headers& into, const constant_field<NameSize, ValueSize>& memory) noexcept {
        constexpr auto size = constant_field<NameSize, ValueSize>::line_size;
        // SAFETY: nothing is written to the memory of a list that is constant and full.
        into.memory_ = const_cast<char*>(reinterpret_cast<const char*>(&memory));  // NOLINT
        into.capacity_ = sizeof(http::headers::field) + size;
        into.count_ = 1;
        into.text_size_ = size;
        into.is_constant_ = true;
    }
    /// Returns the line of the only field if a list refers to a constant_field, otherwise an empty view.
    static std::string_view constant_line(const http::headers& in) noexcept {
        if (!in.is_constant_ || in.count_ == 0) return {};
        return {in.memory_ + sizeof(http::headers::field), in.text_size_};
    }
};

/// Returns whether a response with this status, to this method, has no body, whatever its fields announce (RFC 9110,
/// section 6.4.1).
[[nodiscard]] bool has_no_body(int status, http::method asked) noexcept;

/// Adds the name of a request's field on which the response depends to the field Vary.
void add_vary(http::headers& into, std::string_view name);

/// The maximum number of bytes of the trailer fields of a received body.
inline constexpr std::size_t max_trailer_bytes = 8 * 1024;

/// Returns whether a field may be a trailer field. Fields that determine the framing, the routing, the authentication,
/// the handling or the type of a message are not permitted (RFC 9110, section 6.5.1). A receiver needs them before the
/// body, or has already acted without them.
[[nodiscard]] bool may_be_trailer(std::string_view name) noexcept;

/// Returns the trailer fields of a body that was read to its end, without those that are not permitted.
[[nodiscard]] http::headers trailers_to_send(http::body& of);

}  // namespace eddy::detail
