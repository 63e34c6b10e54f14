// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

/// The number of frames in the block that the codec cases read repeatedly.
inline constexpr std::uint64_t frames_in_block = 1000;

/// Frame sizes from 8 to 120 bytes, in an order that a branch predictor does not learn.
constexpr std::size_t size_of_frame(std::uint64_t i) { return 8 + i * 37 % 113; }

}  // namespace bench
