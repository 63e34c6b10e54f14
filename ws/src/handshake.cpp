// SPDX-License-Identifier: MIT
#include "handshake.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>

#include "message/syntax.hpp"

namespace eddy::detail {
namespace {

// ---- SHA-1 (RFC 3174) ----

// Implemented here, because a build without OpenSSL has WebSockets, too. The handshake uses SHA-1 as a checksum, not
// for security.

using sha1_state = std::array<std::uint32_t, 5>;

void add_block(sha1_state& state, const unsigned char* block) noexcept {
    std::array<std::uint32_t, 80> words{};
    for (std::size_t i = 0; i < 16; ++i) {
        const auto* const at = block + 4 * i;
        words[i] = std::uint32_t{at[0]} << 24u | std::uint32_t{at[1]} << 16u | std::uint32_t{at[2]} << 8u | at[3];
    }
    for (std::size_t i = 16; i < words.size(); ++i)
        words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    auto [a, b, c, d, e] = state;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::uint32_t mixed = 0;
        std::uint32_t constant = 0;
        if (i < 20) {
            mixed = (b & c) | (~b & d);
            constant = 0x5a827999;
        } else if (i < 40) {
            mixed = b ^ c ^ d;
            constant = 0x6ed9eba1;
        } else if (i < 60) {
            mixed = (b & c) | (b & d) | (c & d);
            constant = 0x8f1bbcdc;
        } else {
            mixed = b ^ c ^ d;
            constant = 0xca62c1d6;
        }
        const std::uint32_t next = std::rotl(a, 5) + mixed + e + constant + words[i];
        e = std::exchange(d, std::exchange(c, std::rotl(std::exchange(b, std::exchange(a, next)), 30)));
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

std::array<unsigned char, 20> sha1(std::string_view text) {
    std::string padded(text);
    padded += '\x80';
    while (padded.size() % 64 != 56) padded += '\0';
    const std::uint64_t bits = 8 * std::uint64_t{text.size()};
    for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>(bits >> shift & 0xffu);
    sha1_state state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    // SAFETY: bytes may be read as unsigned char.
    const auto* const bytes = reinterpret_cast<const unsigned char*>(padded.data());
    for (std::size_t i = 0; i < padded.size(); i += 64) add_block(state, bytes + i);
    std::array<unsigned char, 20> digest{};
    for (std::size_t i = 0; i < digest.size(); ++i)
        digest[i] = static_cast<unsigned char>(state[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

// ---- Extensions ----

/// The parameters of a permessage-deflate extension.
struct deflate_extension {
    bool server_no_context_takeover = false;
    bool client_no_context_takeover = false;
    bool has_client_max_window_bits = false;
    int server_max_window_bits = 0;  // 0: there is none

    deflate_extension() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Parses a number of window bits. Returns 8 to 15, or 0 for any other text.
int window_bits(std::string_view text) noexcept {
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
    if (text == "8") return 8;
    if (text == "9") return 9;
    if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') return 10 + (text[1] - '0');
    return 0;
}

/// Parses the parameters after the name. Returns nullopt if they are not valid (RFC 7692, section 7.1).
std::optional<deflate_extension> parse_parameters(std::string_view text) {
    deflate_extension found;
    const auto set = [](bool& flag, bool has_value) {
        return !std::exchange(flag, true) && !has_value;  // neither twice nor with a value
    };
    while (!text.empty()) {
        auto value = trim(take_part(text, ';'));
        const bool has_value = value.find('=') != std::string_view::npos;
        const auto name = trim(take_part(value, '='));
        bool is_valid = false;
        if (http::equal_names(name, "server_no_context_takeover")) {
            is_valid = set(found.server_no_context_takeover, has_value);
        } else if (http::equal_names(name, "client_no_context_takeover")) {
            is_valid = set(found.client_no_context_takeover, has_value);
        } else if (http::equal_names(name, "server_max_window_bits")) {
            is_valid = found.server_max_window_bits == 0;
            found.server_max_window_bits = window_bits(trim(value));
            is_valid = is_valid && found.server_max_window_bits != 0;
        } else if (http::equal_names(name, "client_max_window_bits")) {
            is_valid = set(found.has_client_max_window_bits, false) && (!has_value || window_bits(trim(value)) != 0);
        }
        if (!is_valid) return std::nullopt;
    }
    return found;
}

/// Calls `f(name, parameters)` for each extension in the headers, until it returns true.
template <class F>
void for_each_extension(const http::headers& in, F f) {
    for (const auto& [field, value] : in) {
        if (!http::equal_names(field, "Sec-WebSocket-Extensions")) continue;
        auto list = value;
        while (!list.empty()) {
            auto extension = trim(take_part(list, ','));
            const auto name = trim(take_part(extension, ';'));
            if (name.empty() && extension.empty()) continue;
            if (f(name, extension)) return;
        }
    }
}

}  // namespace

std::string ws_accept_key(std::string_view key) {
    return base64(sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

std::string ws_new_key() {
    std::random_device source;
    std::array<unsigned char, 16> bytes{};
    for (auto& each : bytes) each = static_cast<unsigned char>(source());
    return base64(bytes);
}

bool is_ws_key(std::string_view text) noexcept {
    // 16 bytes are 21 digits, one digit with four unused bits, and the padding.
    if (text.size() != 24 || !text.ends_with("==")) return false;
    text.remove_suffix(2);
    return std::ranges::all_of(text, [](char c) { return base64_digits.find(c) != std::string_view::npos; });
}

std::optional<deflate_agreement> accept_deflate(const http::headers& asked) {
    std::optional<deflate_agreement> made;
    for_each_extension(asked, [&](std::string_view name, std::string_view parameters) {
        if (!http::equal_names(name, "permessage-deflate")) return false;
        const auto offer = parse_parameters(parameters);
        // zlib has no window of 2^8 bytes for raw deflate.
        if (!offer || offer->server_max_window_bits == 8) return false;
        made.emplace();
        made->answer = deflate_offer;
        if (offer->server_no_context_takeover) {
            made->parameters.has_own_takeover = false;
            made->answer += "; server_no_context_takeover";
        }
        if (offer->client_no_context_takeover) {
            made->parameters.has_peer_takeover = false;
            made->answer += "; client_no_context_takeover";
        }
        if (offer->server_max_window_bits != 0) {
            made->parameters.own_window_bits = offer->server_max_window_bits;
            made->answer += "; server_max_window_bits=" + std::to_string(offer->server_max_window_bits);
        }
        return true;
    });
    return made;
}

accepted_extensions parse_accepted_extensions(const http::headers& answer, bool has_offered) {
    accepted_extensions found;
    for_each_extension(answer, [&](std::string_view name, std::string_view parameters) {
        const auto accepted = parse_parameters(parameters);
        found.is_valid = has_offered && !found.compression && http::equal_names(name, "permessage-deflate") &&
                         accepted && !accepted->has_client_max_window_bits;
        if (!found.is_valid) return true;
        found.compression.emplace();
        found.compression->has_own_takeover = !accepted->client_no_context_takeover;
        found.compression->has_peer_takeover = !accepted->server_no_context_takeover;
        return false;
    });
    return found;
}

}  // namespace eddy::detail
