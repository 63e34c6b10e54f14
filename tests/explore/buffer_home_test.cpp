// SPDX-License-Identifier: MIT
// Buffers that are lent: who gives one back on another thread has done with it before it is lent again, and the last one that comes
// back after the end frees what is left.
#include <eddy/detail/buffer_pool.hpp>

#include <gtest/gtest.h>

#include <cstddef>

#include "core/this_thread.hpp"
#include "explore/explore.hpp"

namespace {

using eddy::detail::buffer_pool;
using explore::holds;

class ExploreBufferHome : public testing::Test {
protected:
    static void SetUpTestSuite() { eddy::detail::explored_threads_differ = true; }
    static void TearDownTestSuite() { eddy::detail::explored_threads_differ = false; }
};

/// The owner lends a buffer again that another thread has written to.
TEST_F(ExploreBufferHome, WhatIsLentAgainNobodyElseHas) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        auto* const pool = new buffer_pool;
        std::byte* const lent = pool->take();
        {
            explore::thread other([&] {
                lent[64] = std::byte{1};
                pool->give_back(lent);
            });
            std::byte* const next = pool->take();
            next[64] = std::byte{2};
            pool->give_back(next);
            std::byte* const last = pool->take();
            last[64] = std::byte{3};
            pool->give_back(last);
        }
        pool->close();
    }));
}

/// Two come back while the owner closes: nothing is leaked, and nothing freed twice.
TEST_F(ExploreBufferHome, TheLastOneOutFreesIt) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        auto* const pool = new buffer_pool;
        std::byte* const first = pool->take();
        std::byte* const second = pool->take();
        explore::thread one([&, pool] {
            first[64] = std::byte{1};
            pool->give_back(first);
        });
        explore::thread other([&, pool] {
            second[64] = std::byte{1};
            pool->give_back(second);
        });
        pool->close();
    }));
}

/// The owner itself comes late.
TEST_F(ExploreBufferHome, TheOwnerMayGiveBackWhatItHasAfterTheEnd) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        auto* const pool = new buffer_pool;
        std::byte* const first = pool->take();
        std::byte* const second = pool->take();
        explore::thread other([&, pool] { pool->give_back(second); });
        pool->close();
        pool->give_back(first);
    }));
}

}  // namespace
