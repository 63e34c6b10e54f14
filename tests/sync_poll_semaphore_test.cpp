// SPDX-License-Identifier: MIT
#include <eddy/sync/poll_semaphore.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include <eddy/poll_fn.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/wait.hpp>

#include "support/polling.hpp"

namespace {

using eddy::sync::poll_semaphore;
using eddy::sync::semaphore;
using eddy::test::assert_pending;
using eddy::test::assert_ready;

TEST(SyncPollSemaphore, KeepsItsPlaceBetweenPolls) {
    auto shared = std::make_shared<semaphore>(0);
    poll_semaphore mine(shared);
    poll_semaphore other(shared);
    eddy::test::wake_counter first;
    eddy::test::wake_counter second;
    const auto mine_waker = first.waker();
    const auto other_waker = second.waker();
    eddy::context cx(mine_waker);
    eddy::context other_cx(other_waker);
    assert_pending(mine.poll_acquire(cx));
    assert_pending(other.poll_acquire(other_cx));
    assert_pending(mine.poll_acquire(cx));
    shared->add_permits(1);
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 0);
    {
        const auto permit = assert_ready(mine.poll_acquire(cx));
        EXPECT_EQ(permit.value().num_permits(), 1u);
        assert_pending(mine.poll_acquire(cx));
    }
    EXPECT_EQ(second.wakes(), 1u);  // before who came back
    mine.stop_waiting();
    EXPECT_EQ(first.wakers(), 1u);
}

TEST(SyncPollSemaphore, ChangedCountGoesToTheEndOfTheQueue) {
    auto shared = std::make_shared<semaphore>(1);
    poll_semaphore mine(shared);
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    assert_pending(mine.poll_acquire(cx, 2));
    const auto permit = assert_ready(mine.poll_acquire(cx, 1));
    EXPECT_TRUE(permit.has_value());
    EXPECT_EQ(mine.available_permits(), 0u);
}

TEST(SyncPollSemaphore, DestructorReturnsAGrantedPermit) {
    auto shared = std::make_shared<semaphore>(0);
    {
        poll_semaphore mine(shared);
        assert_pending(support::poll_with(*std::make_unique<eddy::next_future<poll_semaphore>>(mine), eddy::waker()));
        shared->add_permits(1);
        EXPECT_EQ(shared->available_permits(), 0u);
    }
    EXPECT_EQ(shared->available_permits(), 1u);
}

TEST(SyncPollSemaphore, StreamEndsWhenTheSemaphoreIsClosed) {
    auto work = []() -> eddy::task<int> {
        poll_semaphore limit(std::make_shared<semaphore>(1));
        int count = 0;
        while (auto permit = co_await limit.next()) {
            if (++count == 3) limit.close();
        }
        co_return count;
    };
    EXPECT_EQ(eddy::wait(work()), 3);
    EXPECT_THROW(poll_semaphore(nullptr), eddy::misuse);
}

}  // namespace
