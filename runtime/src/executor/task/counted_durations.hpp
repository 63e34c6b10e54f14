// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/runtime/duration_histogram.hpp>

namespace eddy::detail {

/// Adds to a counter that one thread writes and any thread reads.
inline void add_to(atomic<std::uint64_t>& counter, std::uint64_t more) noexcept {
    // relaxed: readers use the numbers only. A load and a store instead of a read-modify-write: there is one writer.
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

/// A histogram that one thread writes and any thread reads.
class counted_durations {
public:
    void add(std::chrono::nanoseconds one) noexcept {
        add_to(counts_[duration_histogram::bucket_of(one)], 1);
        add_to(sum_ns_, static_cast<std::uint64_t>(one.count()));
    }
    [[nodiscard]] duration_histogram read() const noexcept {
        duration_histogram found;
        for (std::size_t i = 0; i < counts_.size(); ++i) found.add(i, counts_[i].load(std::memory_order_relaxed));
        found.add(0, 0, std::chrono::nanoseconds(sum_ns_.load(std::memory_order_relaxed)));
        return found;
    }

private:
    std::array<atomic<std::uint64_t>, duration_histogram::buckets> counts_{};
    atomic<std::uint64_t> sum_ns_{0};
};

/// How long the polls of a worker or event loop take, and how long tasks wait for them.
struct poll_durations {
    counted_durations poll_times;
    counted_durations schedule_latencies;
};

}  // namespace eddy::detail
