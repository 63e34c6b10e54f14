// SPDX-License-Identifier: MIT
// covers: I20.3.6
// runs: asan, plain
#include <eddy/drop.hpp>

#include <eddy/future/ready.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "support/scripted.hpp"

namespace {

// covers: P017
TEST(Drop, LastSenderClosesTheChannel) {
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(1);
    auto other = tx;
    eddy::drop(std::move(tx));
    EXPECT_FALSE(rx.is_closed());
    eddy::drop(std::move(other));
    EXPECT_EQ(eddy::wait(rx.recv()), std::nullopt);
}

TEST(Drop, ReceiverOfAOneshotClosesTheChannel) {
    auto [tx, rx] = eddy::sync::oneshot<int>::channel();
    eddy::drop(std::move(rx));
    EXPECT_TRUE(tx.is_closed());
}

TEST(Drop, DroppedGuardUnlocks) {
    eddy::sync::mutex<int> numbers(1);
    auto guard = eddy::wait(numbers.lock());
    EXPECT_FALSE(numbers.try_lock().has_value());
    eddy::drop(std::move(guard));
    EXPECT_TRUE(numbers.try_lock().has_value());
}

TEST(Drop, TemporaryIsDestroyed) {
    support::script s;
    eddy::drop(support::scripted(s));
    EXPECT_FALSE(s.alive);
    auto owner = std::make_shared<int>(1);
    eddy::drop(std::shared_ptr<int>(owner));
    EXPECT_EQ(owner.use_count(), 1);
}

}  // namespace
