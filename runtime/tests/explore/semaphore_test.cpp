// SPDX-License-Identifier: MIT
// The core of semaphore, mutex, rwlock and the bounded channel: each permit has one holder at a time, the next holder
// sees the writes of the previous one, and a waiter is woken or leaves the list cleanly.
// covers: P110
#include <eddy/sync/detail/semaphore_state.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::acquired;
using eddy::detail::permit_state;
using eddy::detail::permit_waiter;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

/// Acquires `count` permits. While they are not available, blocks this thread until `task` is woken.
template <class State>
acquired acquire(State& state, std::size_t count, sleeping_task& task) {
    acquired answer = state.try_acquire(count);
    if (answer != acquired::not_yet) return answer;
    permit_waiter entry;
    {
        const eddy::waker waker = task.waker();
        answer = state.acquire_or_wait(count, entry, waker);
    }
    while (answer == acquired::not_yet) {
        task.sleep();
        const eddy::waker waker = task.waker();
        answer = state.poll_again(entry, waker);
    }
    return answer;
}

template <class State>
struct locked {
    explicit locked(std::size_t permits) : state(permits) {}

    /// Adds one to `value` while it holds a permit, as with a mutex. `task` is the calling thread's task.
    void add_one(sleeping_task& task) {
        check(acquire(state, 1, task) == acquired::yes, "the semaphore is open");
        value.write(value.read() + 1);
        static_cast<void>(state.release(1));
    }

    State state;
    explore::cell<int> value{0};
    // The wake-ups of these tasks do not order memory: the semaphore must do this.
    sleeping_task tasks[3]{sleeping_task(false), sleeping_task(false), sleeping_task(false)};
};

template <class State>
void two_that_lock() {
    const auto shared = std::make_unique<locked<State>>(1);
    {
        const explore::thread other([&] { shared->add_one(shared->tasks[1]); });
        shared->add_one(shared->tasks[0]);
    }
    check(shared->value.read() == 2, "no addition is lost");
    check(shared->state.available() == 1, "the permit is returned");
}

// covers: R066
TEST(ExploreSemaphore, TwoThreadsLockInTurn) { EXPECT_TRUE(holds({.preemptions = 3}, two_that_lock<permit_state>)); }

// covers: R065
TEST(ExploreSemaphore, ThreeThreadsLockInTurn) {
    EXPECT_TRUE(holds({.preemptions = 2}, [] {
        const auto shared = std::make_unique<locked<permit_state>>(1);
        {
            const explore::thread first([&] { shared->add_one(shared->tasks[1]); });
            const explore::thread second([&] { shared->add_one(shared->tasks[2]); });
            shared->add_one(shared->tasks[0]);
        }
        check(shared->value.read() == 3, "no addition is lost");
    }));
}

/// Broken: release() does not check for waiters.
struct never_wakes : permit_state {
    using permit_state::permit_state;
    bool release(std::size_t count) noexcept {
        word_.fetch_add(count * one, std::memory_order_release);
        return true;
    }
};

/// Broken: release() does not publish the holder's writes.
struct forgets_to_publish : permit_state {
    using permit_state::permit_state;
    bool release(std::size_t count) noexcept {
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & waiting) != 0) return permit_state::release(count);
        } while (!word_.compare_exchange_weak(now, now + count * one, std::memory_order_relaxed));
        return true;
    }
};

// covers: R065
TEST(ExploreSemaphore, ReleaseIgnoringWaitersFails) { EXPECT_TRUE(fails(two_that_lock<never_wakes>, "deadlock")); }

// covers: R066
TEST(ExploreSemaphore, ReleaseWithoutPublishingFails) { EXPECT_TRUE(fails(two_that_lock<forgets_to_publish>, "race")); }

// covers: R063
TEST(ExploreSemaphore, DroppedWaiterForwardsPermit) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<locked<permit_state>>(0);
        {
            const explore::thread dropped([&] {
                permit_waiter entry;
                const eddy::waker waker = shared->tasks[1].waker();
                if (shared->state.acquire_or_wait(1, entry, waker) == acquired::yes) {
                    static_cast<void>(shared->state.release(1));
                } else {
                    static_cast<void>(shared->state.leave(entry));
                }
            });
            const explore::thread releasing([&] {
                shared->value.write(1);
                static_cast<void>(shared->state.release(1));
            });
            check(acquire(shared->state, 1, shared->tasks[0]) == acquired::yes, "the permit is acquired");
            check(shared->value.read() == 1, "writes before the release are visible");
        }
        check(shared->state.available() == 0, "the only permit is held");
    }));
}

// covers: P086
TEST(ExploreSemaphore, LargeRequestGetsPermitsOfTwoReleases) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<locked<permit_state>>(0);
        explore::cell<int> other_value{0};
        const explore::thread first([&] {
            shared->value.write(1);
            static_cast<void>(shared->state.release(1));
        });
        const explore::thread second([&] {
            other_value.write(1);
            static_cast<void>(shared->state.release(1));
        });
        check(acquire(shared->state, 2, shared->tasks[0]) == acquired::yes, "the permits are acquired");
        check(shared->value.read() + other_value.read() == 2, "writes before both releases are visible");
    }));
}

// covers: P086
TEST(ExploreSemaphore, CloseEndsWaiter) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<locked<permit_state>>(0);
        const explore::thread closing([&] {
            shared->value.write(1);
            shared->state.close();
        });
        const explore::thread releasing([&] { static_cast<void>(shared->state.release(1)); });
        if (acquire(shared->state, 1, shared->tasks[0]) == acquired::closed) {
            check(shared->value.read() == 1, "writes before the close are visible");
        }
    }));
}

// covers: P084
TEST(ExploreSemaphore, NextHolderMayDestroySemaphore) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        auto state = std::make_unique<permit_state>(0);  // locked by the other thread
        sleeping_task task(false);
        const explore::thread unlocking([&state = *state] { static_cast<void>(state.release(1)); });
        {
            permit_waiter entry;  // may be in the list when release() looks for a waiter, and then leaves the list
            const eddy::waker waker = task.waker();
            if (state->acquire_or_wait(1, entry, waker) == acquired::yes) {
                static_cast<void>(state->release(1));
            } else {
                static_cast<void>(state->leave(entry));
            }
        }
        check(acquire(*state, 1, task) == acquired::yes, "the semaphore is unlocked");
        state.reset();
    }));
}

// covers: R070
TEST(ExploreSemaphore, ForgetRacesWithReleaseAndWaiter) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        const auto shared = std::make_unique<locked<permit_state>>(1);
        std::size_t forgotten = 0;
        {
            const explore::thread forgetting([&] { forgotten = shared->state.forget(1); });
            const explore::thread releasing([&] { static_cast<void>(shared->state.release(1)); });
            check(acquire(shared->state, 1, shared->tasks[0]) == acquired::yes, "a permit is left");
        }
        check(shared->state.available() + forgotten == 1, "of two permits, one is held");
    }));
}

}  // namespace
