// SPDX-License-Identifier: MIT
// Objects that are destroyed while a task waits for them: the message contains the location of the co_await.
// runs: tsan
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace {

using eddy::task;
namespace sync = eddy::sync;

/// Expects that the program ends with a message that contains `text` and `file:line` if an object is destroyed while
/// `wait(object)` waits.
template <class Object, class Wait>
void expect_location(std::unique_ptr<Object> object, Wait wait, const std::string& text, unsigned line) {
    const auto destroy = [&]() -> task<void> {
        auto waits = eddy::spawn(wait(*object));
        co_await eddy::yield_now();
        object.reset();
    };
    EXPECT_DEATH(eddy::core().run(destroy()),
                 text + ".*The co_await is .at .*sync_destroyed_test.cpp:" + std::to_string(line));
}

// covers: P086 P087 P088
TEST(SyncDestroyedDeathTest, MessageHasLocationOfAwait) {
    const std::string text = "was destroyed while a task waits for it";
    const auto acquire = [](sync::semaphore& of) -> task<void> { static_cast<void>(co_await of.acquire()); };
    expect_location(std::make_unique<sync::semaphore>(0), acquire, text, __LINE__ - 1);
    const auto notified = [](sync::notify& of) -> task<void> { co_await of.notified(); };
    expect_location(std::make_unique<sync::notify>(), notified, text, __LINE__ - 1);
    const auto arrive = [](sync::barrier& of) -> task<void> { static_cast<void>(co_await of.wait()); };
    expect_location(std::make_unique<sync::barrier>(2), arrive, text, __LINE__ - 1);
    const auto get = [](sync::set_once<int>& of) -> task<void> { static_cast<void>(co_await of.wait()); };
    expect_location(std::make_unique<sync::set_once<int>>(), get, text, __LINE__ - 1);
    const auto cancelled = [](sync::cancellation_token& of) -> task<void> { co_await of.cancelled(); };
    expect_location(std::make_unique<sync::cancellation_token>(), cancelled, text, __LINE__ - 1);
}

// covers: P084
TEST(SyncDestroyedDeathTest, LockedMutexHasLocationOfWaiter) {
    const auto lock_twice = [](sync::mutex<>& of) -> task<void> {
        const auto held = co_await of.lock();
        const auto never = co_await of.lock();
    };
    expect_location(std::make_unique<sync::mutex<>>(), lock_twice, "a sync::mutex was destroyed while it is locked",
                    __LINE__ - 3);
}

#if EDDY_CHECKS
TEST(SyncDestroyedDeathTest, HeldLockHasLocationOfItsHolder) {
    const auto acquired_at = [](unsigned line) {
        return ".*last co_await that acquired a lock or permit at its address is .at .*sync_destroyed_test.cpp:" +
               std::to_string(line);
    };
    const auto hold_permit = []() -> task<void> {
        auto permits = std::make_unique<sync::semaphore>(1);
        const auto held = co_await permits->acquire();
        permits.reset();
    };
    const unsigned permit_line = __LINE__ - 3;
    EXPECT_DEATH(eddy::core().run(hold_permit()), "while permits are in use" + acquired_at(permit_line));
    const auto hold_lock = []() -> task<void> {
        auto lock = std::make_unique<sync::mutex<>>();
        const auto held = co_await lock->lock();
        lock.reset();
    };
    const unsigned lock_line = __LINE__ - 3;
    EXPECT_DEATH(eddy::core().run(hold_lock()), "while it is locked" + acquired_at(lock_line));
}
#endif

}  // namespace
