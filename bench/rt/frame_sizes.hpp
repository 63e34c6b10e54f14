// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

/// Of what the codecs' cases read, again and again.
inline constexpr std::uint64_t frames_in_block = 1000;

/// Of frames of 8 to 120 bytes, in an order without a pattern that a processor would learn.
constexpr std::size_t size_of_frame(std::uint64_t i) { return 8 + i * 37 % 113; }

}  // namespace bench
