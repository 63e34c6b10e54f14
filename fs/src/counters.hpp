// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace eddy::fs::detail {

/// What fs::metrics() counts.
enum class counter : std::size_t { cached_reads, cold_reads, jobs };

/// Adds 1 to a counter of the process.
/// Cost: an atomic addition, which only threads of the same shard contend for.
void count(counter which) noexcept;

}  // namespace eddy::fs::detail
