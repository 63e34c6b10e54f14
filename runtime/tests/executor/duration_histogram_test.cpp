// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/runtime/duration_histogram.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>

namespace {

using namespace std::chrono_literals;
using eddy::duration_histogram;

TEST(DurationHistogram, BucketsAreContiguous) {
    for (std::size_t i = 1; i < duration_histogram::buckets; ++i) {
        const auto begin = duration_histogram::begin_of(i);
        EXPECT_EQ(duration_histogram::bucket_of(begin), i);
        EXPECT_EQ(duration_histogram::bucket_of(begin - 1ns), i - 1);
    }
}

TEST(DurationHistogram, BucketWidthIsAtMostAQuarterOfTheValue) {
    for (std::size_t i = 1; i + 1 < duration_histogram::buckets; ++i) {
        const auto begin = duration_histogram::begin_of(i);
        EXPECT_LE((duration_histogram::begin_of(i + 1) - begin) * 4, begin);
    }
}

TEST(DurationHistogram, FirstAndLastBucketTakeOutliers) {
    EXPECT_EQ(duration_histogram::bucket_of(-5ns), 0u);
    EXPECT_EQ(duration_histogram::bucket_of(0ns), 0u);
    EXPECT_EQ(duration_histogram::bucket_of(127ns), 0u);
    EXPECT_EQ(duration_histogram::bucket_of(128ns), 1u);
    EXPECT_EQ(duration_histogram::bucket_of(24h), duration_histogram::buckets - 1);
    EXPECT_EQ(duration_histogram::bucket_of(std::chrono::nanoseconds::max()), duration_histogram::buckets - 1);
    EXPECT_GE(duration_histogram::begin_of(duration_histogram::buckets - 1), 60s);
}

TEST(DurationHistogram, QuantilesAreRoundedUp) {
    duration_histogram times;
    EXPECT_EQ(times.quantile(0.5), 0ns);
    times.add(duration_histogram::bucket_of(1us), 90);
    times.add(duration_histogram::bucket_of(1ms), 9);
    times.add(duration_histogram::bucket_of(1s), 1);
    EXPECT_EQ(times.total(), 100u);
    const auto is_near = [](std::chrono::nanoseconds found, std::chrono::nanoseconds wanted) {
        return found > wanted && found <= wanted * 5 / 4 + 1ns;
    };
    EXPECT_TRUE(is_near(times.quantile(0), 1us)) << times.quantile(0).count();
    EXPECT_TRUE(is_near(times.quantile(0.9), 1us)) << times.quantile(0.9).count();
    EXPECT_TRUE(is_near(times.quantile(0.95), 1ms)) << times.quantile(0.95).count();
    // The rank is rounded up: 99.9% of 100 values are all 100, so the result is the maximum.
    EXPECT_TRUE(is_near(times.quantile(0.999), 1s)) << times.quantile(0.999).count();
    EXPECT_TRUE(is_near(times.quantile(1), 1s)) << times.quantile(1).count();
}

TEST(DurationHistogram, AdditionSumsTheCounts) {
    duration_histogram one;
    duration_histogram other;
    one.add(3, 2);
    other.add(3, 5);
    other.add(4, 1);
    one += other;
    EXPECT_EQ(one.count(3), 7u);
    EXPECT_EQ(one.count(4), 1u);
    EXPECT_EQ(one.total(), 8u);
}

}  // namespace
