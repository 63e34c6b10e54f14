// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace support {

/// An endless sequence of bytes without a period. Each byte depends on its position, so a receiver can check the bytes
/// and their order without a copy of what was sent.
class byte_pattern {
public:
    explicit byte_pattern(std::uint64_t seed) noexcept : seed_(seed) {}

    [[nodiscard]] std::byte at(std::uint64_t place) const noexcept {
        return static_cast<std::byte>(word(place / 8) >> (place % 8 * 8));
    }
    void fill(std::uint64_t from, std::span<std::byte> into) const noexcept {
        for (auto& each : into) each = at(from++);
    }
    [[nodiscard]] std::vector<std::byte> make(std::uint64_t from, std::size_t size) const {
        std::vector<std::byte> made(size);
        fill(from, made);
        return made;
    }
    [[nodiscard]] bool matches(std::uint64_t from, std::span<const std::byte> got) const noexcept {
        for (const auto each : got) {
            if (each != at(from++)) return false;
        }
        return true;
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
