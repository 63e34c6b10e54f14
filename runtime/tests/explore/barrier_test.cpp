// SPDX-License-Identifier: MIT
// A barrier: all waiters are released, one of them leads, and a dropped waiter does not count as arrived.
#include <eddy/sync/barrier.hpp>

#include <gtest/gtest.h>

#include <mutex>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::barrier_state;
using eddy::detail::barrier_waiter;
using explore::cell;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

bool pass(barrier_state& at, sleeping_task& task) {
    using answers = barrier_state::answers;
    barrier_waiter one;
    const eddy::waker waker = task.waker();
    for (;;) {
        const auto answer = at.poll(one, waker);
        if (answer != answers::not_yet) return answer == answers::complete_as_leader;
        task.sleep();
    }
}

// covers: P088
TEST(ExploreBarrier, TwoWaitersMeetAndOneLeads) {
    EXPECT_TRUE(holds([] {
        auto* const at = new barrier_state(2);
        sleeping_task one(false);
        sleeping_task two(false);
        cell<int> first;
        cell<int> second;
        bool other_leads = false;
        {
            explore::thread other([&] {
                second.write(2);
                other_leads = pass(*at, two);
                check(first.read() == 1, "the other task's writes before the barrier are visible");
            });
            first.write(1);
            const bool leads = pass(*at, one);
            check(second.read() == 2, "the other task's writes before the barrier are visible");
            other.join();
            check(leads != other_leads, "exactly one task leads");
        }
        check(at->may_be_destroyed(), "there are no waiters");
        delete at;
    }));
}

TEST(ExploreBarrier, DroppedWaiterDoesNotCountAsArrived) {
    EXPECT_TRUE(holds([] {
        barrier_state at(2);
        sleeping_task one(false);
        sleeping_task two(false);
        sleeping_task three(false);
        explore::thread gives_up([&] {
            barrier_waiter early;
            const eddy::waker waker = three.waker();
            static_cast<void>(at.poll(early, waker));
            // If the dropped wait was released together with one of the other tasks, the remaining task needs a
            // partner.
            if (at.leave(early)) static_cast<void>(pass(at, three));
        });
        explore::thread other([&] { static_cast<void>(pass(at, two)); });
        static_cast<void>(pass(at, one));
    }));
}

/// Two threads meet twice at a hand-written barrier. If CountsRounds, a waiter compares the round number. Otherwise it
/// waits until the counter is 0, which is wrong: the other thread may start the next round first.
template <bool CountsRounds>
void meet_twice() {
    struct meeting {
        eddy::detail::spin_lock lock;
        int here = 0;
        int rounds = 0;
    };
    meeting at;
    const auto meet = [&] {
        int mine = 0;
        {
            const std::lock_guard guard(at.lock);
            mine = at.rounds;
            if (++at.here == 2) {
                at.here = 0;
                ++at.rounds;
                return;
            }
        }
        for (;;) {
            {
                const std::lock_guard guard(at.lock);
                if (CountsRounds ? at.rounds != mine : at.here == 0) return;
            }
            explore::yield();
        }
    };
    const auto twice = [&] {
        meet();
        meet();
    };
    explore::thread other(twice);
    twice();
}

TEST(ExploreBarrier, BarrierWithoutRoundsFails) {
    EXPECT_TRUE(holds(meet_twice<true>));
    EXPECT_TRUE(fails(meet_twice<false>, ""));
}

}  // namespace
