// SPDX-License-Identifier: MIT
#include <eddy/detail/utf8.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace eddy::detail {
namespace {

/// Of a first byte: how many follow, and the least and the largest second one (Unicode 15, table 3-7: by the second byte alone
/// overlong forms, surrogates and what is too large are told).
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

/// How many bytes the sequence at the front of `text` has; 0 if it is none. `text` is not empty.
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

/// All of it in one go: a loop that ends at the first other byte would ask after each step.
bool is_ascii(std::string_view text) noexcept {
    constexpr std::uint64_t high_bits = 0x8080808080808080;
    std::uint64_t seen = 0;
    if (text.size() < sizeof(seen)) {
        for (const char each : text) seen |= static_cast<unsigned char>(each);
        return (seen & high_bits) == 0;
    }
    const char* const last = text.data() + text.size() - sizeof(seen);
    const char* at = text.data();
    for (; last - at > 24; at += 32) seen |= eight_at(at) | eight_at(at + 8) | eight_at(at + 16) | eight_at(at + 24);
    for (; at < last; at += sizeof(seen)) seen |= eight_at(at);
    return ((seen | eight_at(last)) & high_bits) == 0;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    if (is_ascii(text)) return true;  // as most text is
    while (!text.empty()) {
        constexpr std::size_t step = 8;
        if (text.size() >= step && is_ascii(text.substr(0, step))) {
            text.remove_prefix(step);
            continue;
        }
        const std::size_t length = length_of_first(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace eddy::detail
