// SPDX-License-Identifier: MIT
#include "message/hmac.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace eddy::detail {
namespace {

constexpr std::size_t block_size = 64;

using sha256_state = std::array<std::uint32_t, 8>;

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> sha256_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void add_block(sha256_state& state, std::string_view block) noexcept {
    std::array<std::uint32_t, 64> words{};
    for (std::size_t i = 0; i < 16; ++i)
        for (std::size_t k = 0; k < 4; ++k) words[i] = words[i] << 8u | static_cast<unsigned char>(block[4 * i + k]);
    for (std::size_t i = 16; i < 64; ++i) {
        const auto a = words[i - 15];
        const auto b = words[i - 2];
        words[i] = words[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3u) + words[i - 7] +
                   (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10u);
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t i = 0; i < 64; ++i) {
        const auto first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) +
                           sha256_constants[i] + words[i];
        const auto second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = std::exchange(g, std::exchange(f, std::exchange(e, d + first)));
        d = std::exchange(c, std::exchange(b, std::exchange(a, first + second)));
    }
    const sha256_state added{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state.size(); ++i) state[i] += added[i];
}

/// Appends an integer with the most significant byte first.
void append_integer(std::string& to, std::uint64_t number, unsigned bytes) {
    for (unsigned shift = 8 * bytes; shift != 0;) to += static_cast<char>(number >> (shift -= 8) & 0xffu);
}

std::string_view text_of(const sha256_bytes& hash) noexcept {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

}  // namespace

sha256_bytes sha256(std::string_view text) {
    std::string padded(text);
    padded += '\x80';
    padded.append((block_size + 56 - padded.size() % block_size) % block_size, '\0');
    append_integer(padded, std::uint64_t{text.size()} * 8, 8);
    sha256_state state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (std::size_t at = 0; at < padded.size(); at += block_size)
        add_block(state, std::string_view(padded).substr(at, block_size));
    std::string hash;
    for (const auto word : state) append_integer(hash, word, 4);
    sha256_bytes bytes{};
    std::ranges::copy(hash, bytes.begin());
    return bytes;
}

sha256_bytes hmac_sha256(std::string_view key, std::string_view text) {
    std::string block(key.size() > block_size ? text_of(sha256(key)) : key);
    block.resize(block_size);
    const auto mixed = [&](unsigned char with) {
        std::string result = block;
        for (char& c : result) c = static_cast<char>(static_cast<unsigned char>(c) ^ with);
        return result;
    };
    const auto inner = sha256(mixed(0x36) + std::string(text));
    return sha256(mixed(0x5c) + std::string(text_of(inner)));
}

}  // namespace eddy::detail
