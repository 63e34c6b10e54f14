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

    // A word at a time: otherwise this would take most of the processor time of the tests, which are compiled without
    // optimization.
    void fill(std::uint64_t from, std::span<std::byte> into) const noexcept {
        while (!into.empty()) {
            const auto bytes = std::bit_cast<std::array<std::byte, 8>>(word(from / 8));
            const auto skipped = static_cast<std::size_t>(from % 8);
            const auto count = std::min(into.size(), 8 - skipped);
            std::memcpy(into.data(), bytes.data() + skipped, count);
            from += count;
            into = into.subspan(count);
        }
    }
    [[nodiscard]] std::vector<std::byte> make(std::uint64_t from, std::size_t size) const {
        std::vector<std::byte> made(size);
        fill(from, made);
        return made;
    }
    [[nodiscard]] bool matches(std::uint64_t from, std::span<const std::byte> got) const {
        return got.empty() || std::memcmp(make(from, got.size()).data(), got.data(), got.size()) == 0;
    }

private:
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
