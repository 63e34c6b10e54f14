// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/export.hpp>
#include <eddy/detail/small_algorithms.hpp>

namespace eddy {

/// A histogram of durations. Each power of two of nanoseconds is divided into four buckets, so the width of a bucket is
/// at most a quarter of the values in it. Durations below 128 ns are in the first bucket; durations of 68.7 s (2^36 ns)
/// or more are in the last.
/// Algorithm: the layout of HdrHistogram by Gil Tene, with two significant bits.
/// Thread safety: a plain value; not synchronized.
/// Cost: adding and bucket_of() are O(1); the other functions are linear in the number of buckets. No allocation.
class EDDY_API duration_histogram {
public:
    /// The number of buckets.
    static constexpr std::size_t buckets = 118;

    /// Constructs an empty histogram.
    duration_histogram() noexcept = default;

    /// Returns the index of the bucket that contains `duration`. A negative duration counts as zero.
    [[nodiscard]] static std::size_t bucket_of(std::chrono::nanoseconds duration) noexcept {
        const auto ns = static_cast<std::uint64_t>(detail::greater<std::chrono::nanoseconds::rep>(duration.count(), 0));
        if (ns < (std::uint64_t{1} << first_power)) return 0;
        const auto power = static_cast<unsigned>(std::bit_width(ns)) - 1;
        const auto quarter = static_cast<std::size_t>(ns >> (power - 2)) & 3;
        return detail::lesser(1 + (power - first_power) * std::size_t{4} + quarter, buckets - 1);
    }
    /// Returns the shortest duration that belongs to the bucket.
    [[nodiscard]] static std::chrono::nanoseconds begin_of(std::size_t bucket) noexcept {
        if (bucket == 0) return std::chrono::nanoseconds::zero();
        const std::uint64_t power = first_power + (bucket - 1) / 4;
        const std::uint64_t quarter = (bucket - 1) % 4;
        return std::chrono::nanoseconds((std::uint64_t{1} << power) + (quarter << (power - 2)));
    }

    /// Returns the number of durations in a bucket, or in all buckets.
    /// Errors: count() throws std::out_of_range if there is no such bucket.
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_.at(bucket); }
    [[nodiscard]] std::uint64_t total() const noexcept;
    /// Returns the sum of all durations for which add() was told one.
    [[nodiscard]] std::chrono::nanoseconds sum() const noexcept { return sum_; }
    /// Returns an upper bound of a quantile. `share` is from 0 to 1: 0.99 for the 99th percentile. The result is the
    /// end of the first bucket such that at least `share` of all durations are below that end. The last bucket has no
    /// end; its begin is returned instead. Returns zero if the histogram is empty.
    [[nodiscard]] std::chrono::nanoseconds quantile(double share) const noexcept;

    /// Adds `count` durations to a bucket. `sum` is their sum, if it is known.
    /// Errors: throws std::out_of_range if there is no such bucket.
    void add(std::size_t bucket, std::uint64_t count, std::chrono::nanoseconds sum = std::chrono::nanoseconds::zero()) {
        counts_.at(bucket) += count;
        sum_ += sum;
    }
    /// Adds the counts of another histogram.
    duration_histogram& operator+=(const duration_histogram& other) noexcept {
        for (std::size_t i = 0; i < buckets; ++i) counts_[i] += other.counts_[i];
        sum_ += other.sum_;
        return *this;
    }

private:
    static constexpr unsigned first_power = 7;

    std::array<std::uint64_t, buckets> counts_{};
    std::chrono::nanoseconds sum_{0};
};

}  // namespace eddy
