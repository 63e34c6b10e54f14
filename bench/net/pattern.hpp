// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/// The text of all messages: windows into one table, so that none is ever built and each is checked by one memcmp.
///
/// No two of the table's words are alike (splitmix64 is a bijection), so two messages of 8 bytes or more are the same
/// only if they begin at the same word. A connection's messages begin one word further each, and those of different
/// connections are scattered: the answer to another request, or another client's answer, is always noticed among
/// 131,072 requests of a connection, and almost always between connections.
class pattern {
public:
    explicit pattern(std::size_t message_size) : words_(starts + message_size / sizeof(std::uint64_t) + 1) {
        for (std::uint64_t i = 0; auto& word : words_) word = splitmix64(++i);
    }

    [[nodiscard]] const std::byte* message(unsigned connection, std::uint64_t sequence) const noexcept {
        const auto start = (connection * std::uint64_t{0x9E3779B1} + sequence) % starts;
        return reinterpret_cast<const std::byte*>(words_.data() + start);
    }

private:
    static constexpr std::size_t starts = 1 << 17;  // a power of two: % is cheap, and a table of 1 MiB

    static std::uint64_t splitmix64(std::uint64_t x) noexcept {
        x *= 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    std::vector<std::uint64_t> words_;
};

}  // namespace bench
