// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/prelude.hpp>

namespace bench::rt {

/// Spawns `tasks` tasks and joins each before the next.
[[nodiscard]] eddy::task<void> join_one_at_a_time(std::uint64_t tasks);

inline constexpr std::uint64_t join_batch = 1000;

/// Spawns `join_batch` tasks and joins them in that order, so many times.
[[nodiscard]] eddy::task<void> join_in_batches(std::uint64_t batches);

}  // namespace bench::rt
