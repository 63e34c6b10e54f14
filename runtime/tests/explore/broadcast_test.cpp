// SPDX-License-Identifier: MIT
// A broadcast channel: waiting receivers are woken, each receiver reads complete values, and a value is destroyed once,
// by its last reader.
// covers: P110
#include <eddy/sync/detail/broadcast_state.hpp>

#include <gtest/gtest.h>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::broadcast_item;
using eddy::detail::broadcast_state;
using eddy::detail::broadcast_waiter;
using eddy::detail::notify_waiter;
using explore::cell;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;
using kinds = broadcast_state::kinds;

struct message : broadcast_item {
    explicit message(int given) : broadcast_item(1), value(given) {}
    cell<int> value;
};

void drop(broadcast_item* item, std::uint32_t shares) {
    // SAFETY: send() allocates every item of a channel as a message. drop() has returned true for the last share.
    if (item != nullptr && item->drop(shares)) delete static_cast<message*>(item);
}

std::uint32_t send(broadcast_state& to, int value) {
    auto* const item = new message(value);
    const auto done = to.send(*item);
    if (done.receivers == 0) {
        drop(item, 1);
    } else {
        drop(done.overwritten, done.shares);
    }
    return done.receivers;
}

int read(broadcast_item* item) {
    // SAFETY: send() allocates every item of a channel as a message. The caller has a share of the item.
    auto& one = *static_cast<message*>(item);
    const int value = one.value.read();
    if (one.is_alone()) one.value.write(0);  // the last reader may move the value out
    drop(item, 1);
    return value;
}

/// Returns the next value, or the number of missed values as a negative number, or 0 if the channel is closed.
int receive(broadcast_state& from, broadcast_state::position& next, sleeping_task& task) {
    broadcast_waiter one;
    const eddy::waker waker = task.waker();
    for (;;) {
        const auto found = from.poll(next, one, waker);
        switch (found.kind) {
        case kinds::item: return read(found.item);
        case kinds::lagged: return -static_cast<int>(found.missed);
        case kinds::closed: return 0;
        case kinds::empty: task.sleep();
        }
    }
}

void leave(broadcast_state& from, broadcast_state::position next) {
    const auto until = from.drop_receiver();
    while (next < until) drop(from.take(next).item, 1);
}

TEST(ExploreBroadcast, SenderSeesWritesOfDroppedReceivers) {
    EXPECT_TRUE(holds([] {
        broadcast_state channel(1);
        static_cast<void>(channel.add_receiver());
        cell<int> one;
        cell<int> another;
        sleeping_task task(false);
        explore::thread receiving([&] {
            one.write(1);
            leave(channel, 0);
        });
        explore::thread also_receiving([&] {
            another.write(1);
            leave(channel, 0);
        });
        notify_waiter entry;
        const eddy::waker waker = task.waker();
        while (!channel.poll_receivers_gone(entry, waker)) task.sleep();
        check(one.read() + another.read() == 2, "the writes of both receivers are visible");
    }));
}

TEST(ExploreBroadcast, TwoWaitingReceiversGetValue) {
    EXPECT_TRUE(holds([] {
        broadcast_state channel(1);
        broadcast_state::position second = channel.add_receiver();
        sleeping_task one(false);
        sleeping_task two(false);
        explore::thread sending([&] { check(send(channel, 7) == 2, "both receivers get the value"); });
        explore::thread receiving([&] { check(receive(channel, second, two) == 7, "the value arrives"); });
        broadcast_state::position first = 0;
        check(receive(channel, first, one) == 7, "the value arrives");
    }));
}

// covers: P082
TEST(ExploreBroadcast, LaggedReceiverLearnsCountAndContinues) {
    EXPECT_TRUE(holds([] {
        broadcast_state channel(1);
        sleeping_task task(false);
        explore::thread sending([&] {
            static_cast<void>(send(channel, 1));
            static_cast<void>(send(channel, 2));
            channel.drop_sender();
        });
        broadcast_state::position next = 0;
        int received = 0;
        int missed = 0;
        for (;;) {
            const int answer = receive(channel, next, task);
            if (answer == 0) break;
            if (answer < 0) {
                missed -= answer;
            } else {
                check(answer == received + missed + 1, "values arrive in order and once");
                ++received;
            }
        }
        check(received + missed == 2, "each value is received or counted as missed");
    }));
}

TEST(ExploreBroadcast, DroppedReceiverReleasesUnreadValues) {
    EXPECT_TRUE(holds([] {
        broadcast_state channel(1);
        const broadcast_state::position second = channel.add_receiver();
        explore::thread sending([&] {
            static_cast<void>(send(channel, 1));
            static_cast<void>(send(channel, 2));
        });
        explore::thread leaving([&] { leave(channel, second); });
        leave(channel, 0);
        // A value that is not released is reported as a leak.
    }));
}

TEST(ExploreBroadcast, DroppedWaitLeavesWaiterList) {
    EXPECT_TRUE(holds([] {
        broadcast_state channel(1);
        sleeping_task task(false);
        explore::thread sending([&] { static_cast<void>(send(channel, 1)); });
        broadcast_state::position next = 0;
        {
            broadcast_waiter one;
            const eddy::waker waker = task.waker();
            const auto found = channel.poll(next, one, waker);
            if (found.kind == kinds::item) check(read(found.item) == 1, "the value arrives");
            channel.stop_waiting(one);
        }
        leave(channel, next);
    }));
}

TEST(ExploreBroadcast, DropOfLastReceiverWakesSender) {
    EXPECT_TRUE(holds([] {
        broadcast_state channel(1);
        sleeping_task task(false);
        explore::thread leaving([&] { leave(channel, 0); });
        notify_waiter one;
        const eddy::waker waker = task.waker();
        while (!channel.poll_receivers_gone(one, waker)) task.sleep();
        check(send(channel, 1) == 0, "there are no receivers");
    }));
}

// ---- Copies with one mistake each fail: the reference count of a value ----

template <std::memory_order Order, bool TakesUnderTheLock>
void two_read() {
    struct item {
        eddy::detail::atomic<int> shares{2};
        cell<int> value;
    };
    auto* const shared = new item;
    eddy::detail::spin_lock lock;
    item* slot = shared;
    int unread = 2;
    const auto read = [&] {
        item* mine = nullptr;
        {
            if (TakesUnderTheLock) lock.lock();
            mine = slot;
            if (--unread == 0) slot = nullptr;
            if (TakesUnderTheLock) lock.unlock();
        }
        static_cast<void>(mine->value.read());
        if (mine->shares.fetch_sub(1, Order) == 1) delete mine;
    };
    explore::thread other(read);
    read();
}

TEST(ExploreBroadcast, BrokenReferenceCountsFail) {
    EXPECT_TRUE(holds(two_read<std::memory_order_acq_rel, true>));
    EXPECT_TRUE(fails(two_read<std::memory_order_relaxed, true>, "race"));
    EXPECT_TRUE(fails(two_read<std::memory_order_acq_rel, false>, "race"));
}

}  // namespace
