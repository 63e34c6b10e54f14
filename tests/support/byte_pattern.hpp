// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace support {

/// An endless sequence of bytes without a period. Each byte depends on its position, so a receiver can check the bytes
/// and their order without a copy of what was sent.
class byte_pattern {
public:
    explicit byte_pattern(std::uint64_t seed) noexcept : seed_(seed) {}

    void fill(std::uint64_t from, std::span<std::byte> into) const noexcept {
        for_each_word(from, into.data(), into.size(), [](std::byte* to, const std::byte* bytes, std::size_t count) {
            std::memcpy(to, bytes, count);
            return true;
        });
    }
    [[nodiscard]] std::vector<std::byte> make(std::uint64_t from, std::size_t size) const {
        std::vector<std::byte> made(size);
        fill(from, made);
        return made;
    }
    [[nodiscard]] bool matches(std::uint64_t from, std::span<const std::byte> got) const noexcept {
        return for_each_word(from, got.data(), got.size(),
                             [](const std::byte* at, const std::byte* bytes, std::size_t count) {
                                 return std::memcmp(at, bytes, count) == 0;
                             });
    }

private:
    // Calls `f` for the parts of a buffer that one word covers each, until it returns false: a byte at a time would be
    // most of the processor time of the tests, which are compiled without optimization. Returns whether it never did.
    template <class Byte>
    bool for_each_word(std::uint64_t from, Byte* at, std::size_t left, auto f) const noexcept {
        while (left > 0) {
            const auto bytes = std::bit_cast<std::array<std::byte, 8>>(word(from / 8));
            const auto skipped = static_cast<std::size_t>(from % 8);
            const auto count = std::min(left, 8 - skipped);
            if (!f(at, bytes.data() + skipped, count)) return false;
            from += count;
            at += count;
            left -= count;
        }
        return true;
    }

    // splitmix64 (Steele, Lea and Flood, OOPSLA 2014), which computes any element directly.
    [[nodiscard]] std::uint64_t word(std::uint64_t index) const noexcept {
        std::uint64_t mixed = seed_ + (index + 1) * 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }

    std::uint64_t seed_;
};

}  // namespace support
