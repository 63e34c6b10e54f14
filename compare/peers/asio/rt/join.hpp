// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "runtime.hpp"

namespace bench::peer {

/// Spawns `tasks` tasks, and joins each before it spawns the next.
[[nodiscard]] task<void> join_one_at_a_time(std::uint64_t tasks);

inline constexpr std::uint64_t join_batch = 1000;

/// Spawns `join_batch` tasks and joins them, `batches` times.
[[nodiscard]] task<void> join_in_batches(std::uint64_t batches);

}  // namespace bench::peer
