// SPDX-License-Identifier: MIT
// A watch channel: no change is missed, the value has one writer or any number of readers at a time, and the memory is
// freed once.
// covers: P110
#include <eddy/sync/detail/watch_state.hpp>

#include <gtest/gtest.h>

#include <mutex>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::notify_waiter;
using eddy::detail::value_lock;
using eddy::detail::watch_state;
using explore::cell;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

struct channel : watch_state {
    channel() : watch_state(0) {}
    cell<int> value;

    void send(int next) {
        {
            const std::lock_guard guard(lock());
            value.write(next);
            count_version();
        }
        tell_receivers();
    }
    int look() {
        lock().lock_shared();
        const int seen = value.read();
        lock().unlock_shared();
        return seen;
    }
};

watch_state::news wait(channel& of, watch_state::version_type& seen, sleeping_task& task) {
    notify_waiter one;
    const eddy::waker waker = task.waker();
    for (;;) {
        const auto answer = of.poll_news(seen, one, waker);
        if (answer != watch_state::news::none) return answer;
        task.sleep();
    }
}

TEST(ExploreWatch, WaiterSeesValueAndThenEnd) {
    EXPECT_TRUE(holds([] {
        auto* const of = new channel;
        sleeping_task task(false);
        explore::thread sending([=] {
            of->send(7);
            if (of->drop_sender()) delete of;
        });
        watch_state::version_type seen = 0;
        check(wait(*of, seen, task) == watch_state::news::value, "the value arrives before the end");
        check(of->look() == 7, "the value is visible");
        check(wait(*of, seen, task) == watch_state::news::closed, "then the channel is closed");
        if (of->drop_receiver()) delete of;
    }));
}

// covers: P083
TEST(ExploreWatch, ChangeBetweenTwoReadsIsNotMissed) {
    EXPECT_TRUE(holds([] {
        channel of;
        sleeping_task task(false);
        explore::thread sending([&] {
            of.send(1);
            of.send(2);
        });
        watch_state::version_type seen = 0;
        while (of.look() != 2) check(wait(of, seen, task) == watch_state::news::value, "the sender still exists");
    }));
}

TEST(ExploreWatch, DropOfLastReceiverWakesSender) {
    EXPECT_TRUE(holds([] {
        auto* const of = new channel;
        sleeping_task task(false);
        explore::thread receiving([=] {
            if (of->drop_receiver()) delete of;
        });
        {
            notify_waiter one;
            const eddy::waker waker = task.waker();
            while (!of->poll_receivers_gone(one, waker)) task.sleep();
        }
        if (of->drop_sender()) delete of;
    }));
}

TEST(ExploreWatch, SenderSeesWritesOfDroppedReceivers) {
    EXPECT_TRUE(holds([] {
        channel of;
        of.add_receiver();
        cell<int> one;
        cell<int> another;
        sleeping_task task(false);
        explore::thread receiving([&] {
            one.write(1);
            check(!of.drop_receiver(), "the sender still exists");
        });
        explore::thread also_receiving([&] {
            another.write(1);
            check(!of.drop_receiver(), "the sender still exists");
        });
        notify_waiter entry;
        const eddy::waker waker = task.waker();
        while (!of.poll_receivers_gone(entry, waker)) task.sleep();
        check(one.read() + another.read() == 2, "the writes of both receivers are visible");
    }));
}

TEST(ExploreWatch, TwoWritersAndReaderExcludeEachOther) {
    EXPECT_TRUE(holds([] {
        value_lock lock;
        cell<int> value;
        explore::thread writes([&] {
            const std::lock_guard guard(lock);
            value.write(value.read() + 1);
        });
        explore::thread also_writes([&] {
            const std::lock_guard guard(lock);
            value.write(value.read() + 1);
        });
        lock.lock_shared();
        check(value.read() <= 2, "the value is complete");
        lock.unlock_shared();
    }));
}

TEST(ExploreWatch, TwoReadersAndWriterExcludeEachOther) {
    EXPECT_TRUE(holds([] {
        value_lock lock;
        cell<int> value;
        const auto read = [&] {
            lock.lock_shared();
            lock.lock_shared();  // a recursive shared lock succeeds even if a writer waits
            check(value.read() <= 1, "the value is complete");
            lock.unlock_shared();
            lock.unlock_shared();
        };
        explore::thread first(read);
        explore::thread second(read);
        const std::lock_guard guard(lock);
        value.write(1);
    }));
}

// ---- Copies with one mistake each fail: the order in which a sender notifies and a receiver checks ----

template <bool CountsFirst, bool AsksFirst>
void one_change() {
    eddy::detail::atomic<int> version(0);
    eddy::detail::notify_state changes;
    sleeping_task task(false);
    explore::thread sending([&] {
        if (!CountsFirst) changes.notify_waiters();
        version.store(1, std::memory_order_release);
        if (CountsFirst) changes.notify_waiters();
    });
    const eddy::waker waker = task.waker();
    for (;;) {
        notify_waiter one;
        if (AsksFirst) changes.begin(one);
        if (version.load(std::memory_order_acquire) == 1) break;
        if (!AsksFirst) changes.begin(one);
        while (!changes.poll(one, &waker)) task.sleep();
    }
}

TEST(ExploreWatch, BrokenOrdersOfNotificationFail) {
    EXPECT_TRUE(holds(one_change<true, true>));
    EXPECT_TRUE(fails(one_change<false, true>, "lost wake-up"));
    EXPECT_TRUE(fails(one_change<true, false>, "lost wake-up"));
}

}  // namespace
