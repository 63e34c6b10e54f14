// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "messages.hpp"

namespace bench {

/// The messages of an echo server: windows of one table. Messages are not built, and one memcmp checks each.
///
/// All words of the table differ (splitmix64 is a bijection), so two messages of 8 bytes or more are equal only if they
/// begin at the same word. Each message of a connection begins one word after the previous one, and connections begin
/// at scattered words. An answer to another request of the same connection is always detected within 131,072 requests,
/// an answer for another connection almost always.
class pattern final : public messages {
public:
    explicit pattern(std::size_t message_size)
        : size_(message_size), words_(starts + message_size / sizeof(std::uint64_t) + 1) {
        for (std::uint64_t i = 0; auto& word : words_) word = splitmix64(++i);
    }

    [[nodiscard]] std::size_t request_size() const noexcept override { return size_; }
    [[nodiscard]] std::size_t answer_size() const noexcept override { return size_; }
    [[nodiscard]] const std::byte* request(unsigned connection, std::uint64_t sequence) const noexcept override {
        const auto start = (connection * std::uint64_t{0x9E3779B1} + sequence) % starts;
        // SAFETY: std::byte may alias any object. The table outlives the message and is never changed.
        return reinterpret_cast<const std::byte*>(words_.data() + start);
    }
    [[nodiscard]] bool is_answer(unsigned connection, std::uint64_t sequence, std::size_t offset,
                                 std::span<const std::byte> bytes) const noexcept override {
        return std::memcmp(bytes.data(), request(connection, sequence) + offset, bytes.size()) == 0;
    }

private:
    static constexpr std::size_t starts = 1 << 17;  // a power of two, for a cheap %; the table has 1 MiB

    static std::uint64_t splitmix64(std::uint64_t x) noexcept {
        x *= 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    std::size_t size_;
    std::vector<std::uint64_t> words_;
};

}  // namespace bench
