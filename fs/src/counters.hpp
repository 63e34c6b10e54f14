// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace eddy::fs::detail {

/// What fs::metrics() counts.
enum class counter : std::size_t { cached_reads, cold_reads, cached_writes, jobs, sent_bytes, copied_bytes };

/// Adds to a counter of the process.
/// Cost: an atomic addition, which only threads of the same shard contend for.
void count(counter which, std::uint64_t more = 1) noexcept;

}  // namespace eddy::fs::detail
