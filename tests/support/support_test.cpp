// SPDX-License-Identifier: MIT
// Tests of the helpers in tests/support.
// runs: once
#include "support/stress.hpp"

#include <gtest/gtest.h>

#include "support/environment.hpp"

namespace {

TEST(SupportRounds, RoundsAreAPercentageOfTheFullNumber) {
    const support::environment two("EDDY_STRESS", "2");
    EXPECT_EQ(support::rounds(100'000), 2'000u);
    EXPECT_EQ(support::rounds(150), 3u);
    const support::environment all("EDDY_STRESS", "100");
    EXPECT_EQ(support::rounds(12'345), 12'345u);
}

TEST(SupportRounds, ThereIsAtLeastOneRound) {
    const support::environment two("EDDY_STRESS", "2");
    EXPECT_EQ(support::rounds(10), 1u);
}

TEST(SupportRounds, OnePercentIsTheDefault) {
    const support::environment unset("EDDY_STRESS", nullptr);
    EXPECT_EQ(support::rounds(1'000), 10u);
    const support::environment no_number("EDDY_STRESS", "many");
    EXPECT_EQ(support::rounds(1'000), 10u);
}

// The first call of seed() determines the seed of its process.
TEST(SupportSeedOwnProcess, ComesFromTheEnvironmentAndStaysTheSame) {
    const support::environment seven("EDDY_TEST_SEED", "7");
    EXPECT_EQ(support::seed(), 7u);
    const support::environment eight("EDDY_TEST_SEED", "8");
    EXPECT_EQ(support::seed(), 7u);
}

}  // namespace
