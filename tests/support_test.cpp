// SPDX-License-Identifier: MIT
// Tests of what the other tests stand on.
#include "support/stress.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace {

TEST(SupportRounds, RoundsAreAShareOfTheFullNumber) {
    ::setenv("EDDY_STRESS", "2", 1);
    EXPECT_EQ(support::rounds(100'000), 2'000u);
    EXPECT_EQ(support::rounds(150), 3u);
    ::setenv("EDDY_STRESS", "100", 1);
    EXPECT_EQ(support::rounds(12'345), 12'345u);
}

TEST(SupportRounds, ThereIsAtLeastOneRound) {
    ::setenv("EDDY_STRESS", "2", 1);
    EXPECT_EQ(support::rounds(10), 1u);
}

TEST(SupportRounds, TwoPercentIsTheDefault) {
    ::unsetenv("EDDY_STRESS");
    EXPECT_EQ(support::rounds(1'000), 20u);
    ::setenv("EDDY_STRESS", "many", 1);
    EXPECT_EQ(support::rounds(1'000), 20u);
}

TEST(SupportSeed, ComesFromTheEnvironmentAndStays) {
    ::setenv("EDDY_TEST_SEED", "7", 1);
    EXPECT_EQ(support::seed(), 7u);
    ::setenv("EDDY_TEST_SEED", "8", 1);
    EXPECT_EQ(support::seed(), 7u);
}

}  // namespace
