// SPDX-License-Identifier: MIT
// A value that is set once: one initializer runs at a time, all waiters see the value, and when an initializer fails or
// is dropped, another one takes over.
// covers: P110
#include <eddy/sync/once_cell.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>

#include <eddy/future/poll_fn.hpp>
#include <eddy/sync/detail/notify_state.hpp>
#include <eddy/sync/detail/once_value.hpp>
#include <eddy/sync/set_once.hpp>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::notify_waiter;
using eddy::detail::once_state;
using eddy::sync::once_cell;
using eddy::sync::set_once;
using explore::cell;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

template <class F>
auto run(F future, sleeping_task& task) {
    const eddy::waker waker = task.waker();
    for (;;) {
        eddy::context cx(waker);
        if (auto answer = future.poll(cx); answer.is_ready()) return *std::move(answer);
        task.sleep();
    }
}

// covers: P089
TEST(ExploreOnce, WaitersSeeValueAndEarlierWrites) {
    EXPECT_TRUE(holds([] {
        const auto value = std::make_unique<set_once<int>>();
        cell<int> told;
        sleeping_task one(false);
        sleeping_task another(false);
        explore::thread setting([&] {
            told.write(1);
            check(value->set(7).has_value(), "no other thread sets the value");
        });
        explore::thread waiting([&] { check(*run(value->wait(), another) == 7, "the value is 7"); });
        check(*run(value->wait(), one) == 7, "the value is 7");
        check(told.read() == 1, "writes before set() are visible");
    }));
}

/// The first two initializers return an error.
// covers: P089
TEST(ExploreOnce, FailedInitializerLeavesCellToNextCaller) {
    EXPECT_TRUE(holds([] {
        const auto value = std::make_unique<once_cell<int>>();
        cell<int> tries;
        sleeping_task tasks[3]{sleeping_task(false), sleeping_task(false), sleeping_task(false)};
        const auto make = [&] {
            return eddy::poll_fn([&](eddy::context&) -> eddy::poll_result<std::expected<int, int>> {
                tries.write(tries.read() + 1);  // one initializer at a time, each after the previous one
                if (tries.read() < 3) return std::expected<int, int>(std::unexpect, 0);
                return std::expected<int, int>(7);
            });
        };
        const auto use = [&](sleeping_task& task) {
            const auto got = run(value->get_or_try_init(make), task);
            if (got) check(**got == 7, "the value is 7");
        };
        explore::thread first([&] { use(tasks[1]); });
        explore::thread second([&] { use(tasks[2]); });
        use(tasks[0]);
    }));
}

/// The first initializer may be dropped before it completes, while other tasks wait.
// covers: P089
TEST(ExploreOnce, DroppedInitializerLeavesCellToNextCaller) {
    EXPECT_TRUE(holds([] {
        const auto value = std::make_unique<once_cell<int>>();
        sleeping_task tasks[3]{sleeping_task(false), sleeping_task(false), sleeping_task(false)};
        const auto never = [] {
            return eddy::poll_fn([](eddy::context&) -> eddy::poll_result<int> { return eddy::not_ready; });
        };
        const auto at_once = [] { return eddy::poll_fn([](eddy::context&) -> eddy::poll_result<int> { return 7; }); };
        explore::thread dropped([&] {
            auto future = value->get_or_init(never);
            const eddy::waker waker = tasks[1].waker();
            eddy::context cx(waker);
            static_cast<void>(future.poll(cx));
        });
        explore::thread second([&] { check(*run(value->get_or_init(at_once), tasks[2]) == 7, "the value is 7"); });
        check(*run(value->get_or_init(at_once), tasks[0]) == 7, "the value is 7");
    }));
}

// ---- The state of a once_cell ----

/// Sets the value to 7, or waits until the other thread has set it. If `gives_up`, this thread's first attempt fails.
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
    check(value.read() == 7, "the value is visible");
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

// covers: P089
TEST(ExploreOnce, StateIsClaimedAgainAfterGiveUp) { EXPECT_TRUE(holds(two_make<once_state>)); }

/// A copy of the state, with a parameter for each mistake.
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

/// One thread fails and does not try again, so the other thread must set the value.
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

TEST(ExploreOnce, BrokenStatesFail) {
    EXPECT_TRUE(holds(two_make<changed_once<std::memory_order_release, true>>));
    EXPECT_TRUE(holds(one_gives_up<changed_once<std::memory_order_release, true>>));
    EXPECT_TRUE(fails(two_make<changed_once<std::memory_order_relaxed, true>>, "race"));
    EXPECT_TRUE(fails(one_gives_up<changed_once<std::memory_order_release, false>>, "lost wake-up"));
}

}  // namespace
