// SPDX-License-Identifier: MIT
#include <eddy/detail/utf8.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace eddy::detail {
namespace {

/// For a first byte: the number of bytes that follow, and the range of the second byte (Unicode 15, table 3-7). The
/// second byte alone identifies overlong forms, surrogates, and values that are too large.
struct sequence {
    std::size_t following;
    unsigned char least;
    unsigned char most;
};

constexpr sequence sequence_of(unsigned char first) noexcept {
    if (first >= 0xc2 && first <= 0xdf) return {1, 0x80, 0xbf};
    if (first == 0xe0) return {2, 0xa0, 0xbf};
    if (first == 0xed) return {2, 0x80, 0x9f};
    if (first >= 0xe1 && first <= 0xef) return {2, 0x80, 0xbf};
    if (first == 0xf0) return {3, 0x90, 0xbf};
    if (first >= 0xf1 && first <= 0xf3) return {3, 0x80, 0xbf};
    if (first == 0xf4) return {3, 0x80, 0x8f};
    return {0, 0, 0};
}

/// Returns the length of the sequence at the start of `text`; 0 if it is not valid.
/// Preconditions: `text` is not empty.
std::size_t length_of_first(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (byte(0) < 0x80) return 1;
    const auto [following, least, most] = sequence_of(byte(0));
    if (following == 0 || text.size() <= following || byte(1) < least || byte(1) > most) return 0;
    for (std::size_t i = 2; i <= following; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    return following + 1;
}

std::uint64_t eight_at(const char* from) noexcept {
    std::uint64_t eight = 0;
    std::memcpy(&eight, from, sizeof(eight));
    return eight;
}

constexpr std::uint64_t high_bits = 0x8080808080808080;

std::uint64_t sixteen_at(const char* from) noexcept { return eight_at(from) | eight_at(from + 8); }
std::uint64_t thirty_two_at(const char* from) noexcept { return sixteen_at(from) | sixteen_at(from + 16); }

/// Checks all bytes without an early exit, which would need a branch per step. The last step overlaps the one before,
/// so a single loop is enough. (A processor usually mispredicts the end of each loop.)
bool is_ascii(std::string_view text) noexcept {
    const char* at = text.data();
    const std::size_t size = text.size();
    std::uint64_t seen = 0;
    if (size >= 32) {
        const char* const last = at + size - 32;
        for (; at < last; at += 32) seen |= thirty_two_at(at);
        seen |= thirty_two_at(last);
    } else if (size >= 16) {
        seen = sixteen_at(at) | sixteen_at(at + size - 16);
    } else if (size >= 8) {
        seen = eight_at(at) | eight_at(at + size - 8);
    } else {
        for (const char each : text) seen |= static_cast<unsigned char>(each);
    }
    return (seen & high_bits) == 0;
}

/// Returns whether text that is not only ASCII is valid UTF-8.
[[gnu::noinline]] bool has_good_sequences(std::string_view text) noexcept {
    while (!text.empty()) {
        constexpr std::size_t step = 8;
        if (text.size() >= step && (eight_at(&text.front()) & high_bits) == 0) {
            text.remove_prefix(step);
            continue;
        }
        const std::size_t length = length_of_first(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept { return is_ascii(text) || has_good_sequences(text); }

}  // namespace eddy::detail
