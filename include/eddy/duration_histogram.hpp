// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/export.hpp>

namespace eddy {

/// How many durations were how long. Each power of two of nanoseconds is divided into four buckets, so the width of a
/// bucket is at most a quarter of what is in it (the layout of HdrHistogram, by Gil Tene, with two significant bits).
/// What is shorter than 128 ns is in the first bucket, what is 68.7 s (2^36 ns) or longer in the last.
/// Thread safety: a plain value.
class EDDY_API duration_histogram {
public:
    static constexpr std::size_t buckets = 118;

    duration_histogram() noexcept = default;

    [[nodiscard]] static std::size_t bucket_of(std::chrono::nanoseconds duration) noexcept {
        const auto ns = static_cast<std::uint64_t>(std::max<std::chrono::nanoseconds::rep>(duration.count(), 0));
        if (ns < (std::uint64_t{1} << first_power)) return 0;
        const auto power = static_cast<unsigned>(std::bit_width(ns)) - 1;
        const auto quarter = static_cast<std::size_t>(ns >> (power - 2)) & 3;
        return std::min(1 + (power - first_power) * std::size_t{4} + quarter, buckets - 1);
    }
    /// The shortest duration that belongs into the bucket.
    [[nodiscard]] static std::chrono::nanoseconds begin_of(std::size_t bucket) noexcept {
        if (bucket == 0) return std::chrono::nanoseconds::zero();
        const std::uint64_t power = first_power + (bucket - 1) / 4;
        const std::uint64_t quarter = (bucket - 1) % 4;
        return std::chrono::nanoseconds((std::uint64_t{1} << power) + (quarter << (power - 2)));
    }

    [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_.at(bucket); }
    [[nodiscard]] std::uint64_t total() const noexcept;
    /// The least end of a bucket that at least `share` (0 to 1) of all do not reach; of the last bucket, which is open,
    /// its begin. Zero if there are none.
    [[nodiscard]] std::chrono::nanoseconds quantile(double share) const noexcept;

    void add(std::size_t bucket, std::uint64_t count) { counts_.at(bucket) += count; }
    duration_histogram& operator+=(const duration_histogram& other) noexcept {
        for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
        return *this;
    }

private:
    static constexpr unsigned first_power = 7;

    std::array<std::uint64_t, buckets> counts_{};
};

}  // namespace eddy
