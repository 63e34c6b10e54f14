// SPDX-License-Identifier: MIT
// A pool of leased buffers: a buffer is leased again only after its previous holder has stopped using it, and the last
// buffer that is returned after close() frees the pool.

#include <gtest/gtest.h>

#include <cstddef>

#include <eddy/detail/runtime_context.hpp>

#include "explore/explore.hpp"
#include "io/buffer_pool.hpp"

namespace {

using eddy::detail::buffer_pool;
using explore::holds;

class ExploreBufferPool : public testing::Test {
protected:
    static void SetUpTestSuite() { eddy::detail::explored_threads_differ = true; }
    static void TearDownTestSuite() { eddy::detail::explored_threads_differ = false; }
};

/// Another thread writes to a buffer and returns it. The owner leases it again.
TEST_F(ExploreBufferPool, ReturnedBufferIsNotUsedByPreviousHolder) {
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

/// Two buffers are returned while the owner closes the pool. The pool is neither leaked nor freed twice.
TEST_F(ExploreBufferPool, LastReturnedBufferFreesClosedPool) {
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

/// The owner returns a buffer after close().
TEST_F(ExploreBufferPool, OwnerMayReturnBufferAfterClose) {
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
