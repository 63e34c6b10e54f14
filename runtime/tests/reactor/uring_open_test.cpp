// SPDX-License-Identifier: MIT
// How rings and their buffers are made: failures of each step, and more rings than a thread can register.
// runs: once, asan, tsan, ring
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <vector>

#include <support/net.hpp>
#include <support/runtime.hpp>
#include <support/runtime/closed_input.hpp>
#include <support/runtime/ring_faults.hpp>
#include <support/runtime/uring_test.hpp>

#include "reactor/ring/ring.hpp"
#include "reactor/ring/ring_buffers.hpp"

namespace {

using eddy::detail::ring;
using eddy::detail::ring_buffers;
using support::connection;
using support::within;

constexpr ring::sizes small{.submissions = 4, .completions = 8};

class UringOpen : public support::uring_test {};

TEST_F(UringOpen, QueuesThatCannotBeMappedAreAnError) {
    faults().fail_to_map(ENOMEM);
    ring failed;
    EXPECT_EQ(failed.open(small), std::errc::not_enough_memory);
    begin({});
    EXPECT_FALSE(failed.open(small)) << "a later attempt may succeed";
}

TEST_F(UringOpen, BuffersThatCannotBeMappedAreAnError) {
    for (const int mappings : {0, 1}) {
        ring owner;
        ASSERT_FALSE(owner.open(small));
        faults().fail_to_map_buffers_after(mappings);
        std::error_code error;
        EXPECT_EQ(ring_buffers::make(owner.native(), error), nullptr);
        EXPECT_EQ(error, std::errc::not_enough_memory);
        begin({});
    }
}

// The ring must not keep the number of a standard stream, and no other number is free.
TEST_F(UringOpen, RingThatCannotLeaveStandardRangeIsAnError) {
    const support::closed_input no_input(0);
    ring failed;
    EXPECT_EQ(failed.open(small), std::errc::invalid_argument);
    EXPECT_TRUE(no_input.is_free());
}

TEST_F(UringOpen, SecondEnableIsAnError) {
    ring once;
    ASSERT_FALSE(once.open(small));
    EXPECT_FALSE(once.enable());
    EXPECT_EQ(once.enable().value(), EBADFD);
}

// A thread can register 16 rings. The others work, too.
TEST_F(UringOpen, OneThreadRunsTwentyLoops) {
    std::vector<eddy::core> loops;
    std::vector<connection> pairs(20);
    for (std::size_t i = 0; i < pairs.size(); ++i) loops.push_back(make_core());
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            pairs[i].peer.send("ping");
            std::array<std::byte, 4> into{};
            EXPECT_TRUE(within(loops[i], pairs[i].stream.read_exact(into)).has_value()) << i;
            EXPECT_EQ(support::text_of(into), "ping");
        }
    }
    EXPECT_EQ(faults().rings_alive(), pairs.size());
    pairs.clear();
}

}  // namespace
