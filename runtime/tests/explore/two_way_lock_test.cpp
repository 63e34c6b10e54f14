// SPDX-License-Identifier: MIT
// The lock of a split stream: it has one holder at a time, and a waiter is woken.
#include <eddy/stream/split_stream.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <utility>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::spin_lock;
using eddy::detail::two_way_lock;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

constexpr explore::options thorough{.preemptions = 4};

/// The state that both threads change. It is plain memory, so the explorer reports a race if both hold the lock.
template <class Lock>
struct shared {
    Lock lock;
    int count = 0;
};

template <class Lock>
void lock_and_count(shared<Lock>& with, sleeping_task& me) {
    for (;;) {
        const eddy::waker waker = me.waker();
        if (with.lock.poll_lock(waker)) break;
        me.sleep();
    }
    ++with.count;
    with.lock.unlock();
}

template <class Lock>
void two_count() {
    sleeping_task here(false);
    sleeping_task there(false);
    shared<Lock> both;
    {
        explore::thread other([&] { lock_and_count(both, there); });
        lock_and_count(both, here);
    }
    check(both.count == 2, "both threads have held the lock");
}

// covers: S91
TEST(ExploreTwoWayLock, UnlockWakesWaiterAndExcludesHolder) { EXPECT_TRUE(holds(thorough, two_count<two_way_lock>)); }

TEST(ExploreTwoWayLock, WaiterMayReturnWithAnotherWaker) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task here(false);
        sleeping_task there(false);
        sleeping_task later(false);
        shared<two_way_lock> both;
        {
            explore::thread other([&] { lock_and_count(both, there); });
            const eddy::waker early = here.waker();
            if (both.lock.poll_lock(early)) {
                both.lock.unlock();  // give up the lock without using it
            } else {
                lock_and_count(both, later);
            }
        }
        check(both.count >= 1, "the other thread has held the lock");
    }));
}

/// The mistakes of a broken_lock.
enum class mistake { looks_once, keeps_the_waker, frees_late };

template <mistake Made>
class broken_lock {
public:
    bool poll_lock(const eddy::waker& wake) {
        {
            const std::lock_guard guard(access_);
            if (!std::exchange(is_held_, true)) return true;
        }
        eddy::waker mine = wake;
        const std::lock_guard guard(access_);
        if (Made != mistake::looks_once && !std::exchange(is_held_, true)) return true;
        waits_.swap(mine);
        return false;
    }
    void unlock() {
        eddy::waker waits;
        if (Made == mistake::frees_late) {
            {
                const std::lock_guard guard(access_);
                waits_.swap(waits);
            }
            const std::lock_guard guard(access_);
            is_held_ = false;
        } else {
            const std::lock_guard guard(access_);
            is_held_ = false;
            if (Made != mistake::keeps_the_waker) waits_.swap(waits);
        }
        std::move(waits).wake();
    }

private:
    spin_lock access_;
    bool is_held_ = false;
    eddy::waker waits_;
};

TEST(ExploreTwoWayLock, BrokenLocksLoseWakeups) {
    EXPECT_TRUE(fails(thorough, two_count<broken_lock<mistake::looks_once>>, "a lost wake-up"));
    EXPECT_TRUE(fails(thorough, two_count<broken_lock<mistake::keeps_the_waker>>, "a lost wake-up"));
    EXPECT_TRUE(fails(thorough, two_count<broken_lock<mistake::frees_late>>, "a lost wake-up"));
}

}  // namespace
