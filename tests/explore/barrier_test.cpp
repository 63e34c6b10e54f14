// SPDX-License-Identifier: MIT
// A barrier, and a value that is made once: nobody waits for ever, one leads, one makes the value, and all see it.
#include <eddy/detail/barrier_state.hpp>
#include <eddy/detail/once_value.hpp>

#include <gtest/gtest.h>

#include <mutex>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::barrier_state;
using eddy::detail::barrier_waiter;
using eddy::detail::notify_waiter;
using eddy::detail::once_state;
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
        if (answer != answers::not_yet) return answer == answers::all_here_and_leads;
        task.sleep();
    }
}

TEST(ExploreBarrier, TwoMeetOneLeadsAndItMayGo) {
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
                check(first.read() == 1, "what the others did before is seen");
            });
            first.write(1);
            const bool leads = pass(*at, one);
            check(second.read() == 2, "what the others did before is seen");
            other.join();
            check(leads != other_leads, "one leads");
        }
        check(at->may_be_destroyed(), "nobody waits");
        delete at;
    }));
}

TEST(ExploreBarrier, WhoGivesUpHasNotCome) {
    EXPECT_TRUE(holds([] {
        barrier_state at(2);
        sleeping_task one(false);
        sleeping_task two(false);
        sleeping_task three(false);
        explore::thread gives_up([&] {
            barrier_waiter early;
            const eddy::waker waker = three.waker();
            static_cast<void>(at.poll(early, waker));
            // If it has met somebody, that one does not meet the other: one more comes.
            if (at.leave(early)) static_cast<void>(pass(at, three));
        });
        explore::thread other([&] { static_cast<void>(pass(at, two)); });
        static_cast<void>(pass(at, one));
    }));
}

/// Two threads at a barrier by hand: with rounds, or with a count alone that starts anew.
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

TEST(ExploreBarrier, AMistakeOfACopyIsFound) {
    EXPECT_TRUE(holds(meet_twice<true>));
    EXPECT_TRUE(fails(meet_twice<false>, ""));
}

/// Makes the value, unless it is there; `gives_up`: the first try comes to nothing.
template <class Once>
void make(Once& once, cell<int>& value, sleeping_task& task, bool gives_up) {
    notify_waiter one;
    const eddy::waker waker = task.waker();
    for (;;) {
        if (one.stage != notify_waiter::stages::waiting) once.changes.begin(one);
        if (once.is_set()) break;
        if (once.claim()) {
            once.changes.leave(one);
            value.write(gives_up ? 0 : 7);
            if (!gives_up) {
                once.set();
                return;
            }
            gives_up = false;
            once.give_up();
            continue;
        }
        if (!once.changes.poll(one, &waker)) task.sleep();
    }
    once.changes.leave(one);
    check(value.read() == 7, "the value is seen");
}

template <class Once>
void two_make() {
    Once once;
    cell<int> value;
    sleeping_task first(false);
    sleeping_task second(false);
    explore::thread other([&] { make(once, value, second, true); });
    make(once, value, first, false);
}

TEST(ExploreOnce, WhoGivesUpLeavesItToAnother) { EXPECT_TRUE(holds(two_make<once_state>)); }

/// The state with a place for each mistake.
template <std::memory_order Set, bool TellsWhenItGivesUp>
struct changed_once {
    [[nodiscard]] bool is_set() const { return state.load(std::memory_order_acquire) == 2; }
    [[nodiscard]] bool claim() {
        int now = 0;
        return state.compare_exchange_strong(now, 1, std::memory_order_acquire, std::memory_order_relaxed);
    }
    void give_up() {
        state.store(0, std::memory_order_release);
        if (TellsWhenItGivesUp) changes.notify_one();
    }
    void set() {
        state.store(2, Set);
        changes.notify_waiters();
    }
    eddy::detail::atomic<int> state{0};
    eddy::detail::notify_state changes;
};

/// One gives up for good, and the other has to make it.
template <class Once>
void one_gives_up() {
    Once once;
    cell<int> value;
    sleeping_task task(false);
    explore::thread other([&] {
        if (!once.claim()) return;
        value.write(0);
        once.give_up();
    });
    make(once, value, task, false);
}

TEST(ExploreOnce, MistakesOfACopyAreFound) {
    EXPECT_TRUE(holds(two_make<changed_once<std::memory_order_release, true>>));
    EXPECT_TRUE(holds(one_gives_up<changed_once<std::memory_order_release, true>>));
    EXPECT_TRUE(fails(two_make<changed_once<std::memory_order_relaxed, true>>, "race"));
    EXPECT_TRUE(fails(one_gives_up<changed_once<std::memory_order_release, false>>, "lost wake-up"));
}

}  // namespace
