// SPDX-License-Identifier: MIT
#include "counters.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/fs/metrics.hpp>

namespace eddy::fs {
namespace detail {
namespace {

// relaxed in this file: nothing is read through the counters, nor through the number of the next shard.
constexpr auto relaxed = std::memory_order_relaxed;

struct alignas(64) shard {
    std::array<eddy::detail::atomic<std::uint64_t>, 6> counts{};
};
constinit std::array<shard, 16> shards{};
constinit eddy::detail::atomic<unsigned> next_shard{0};

shard& shard_of_this_thread() noexcept {
    thread_local const std::size_t mine = next_shard.fetch_add(1, relaxed) % shards.size();
    return shards[mine];
}

std::uint64_t sum_of(counter which) noexcept {
    std::uint64_t sum = 0;
    for (const auto& each : shards) sum += each.counts[static_cast<std::size_t>(which)].load(relaxed);
    return sum;
}

}  // namespace

void count(counter which, std::uint64_t more) noexcept {
    shard_of_this_thread().counts[static_cast<std::size_t>(which)].fetch_add(more, relaxed);
}

}  // namespace detail

file_metrics metrics() noexcept {
    file_metrics all;
    all.cached_reads = detail::sum_of(detail::counter::cached_reads);
    all.cold_reads = detail::sum_of(detail::counter::cold_reads);
    all.cached_writes = detail::sum_of(detail::counter::cached_writes);
    all.jobs = detail::sum_of(detail::counter::jobs);
    all.sent_bytes = detail::sum_of(detail::counter::sent_bytes);
    all.copied_bytes = detail::sum_of(detail::counter::copied_bytes);
    return all;
}

}  // namespace eddy::fs
