// SPDX-License-Identifier: MIT
// The state of a oneshot channel: the value and each waker have one owner at a time, the storage is freed once, and a
// waiting task is woken.
// covers: P110
#include <eddy/sync/oneshot.hpp>

#include <gtest/gtest.h>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::detail::oneshot_state;
using explore::check;
using explore::holds;
using explore::sleeping_task;

constexpr explore::options thorough{.preemptions = 4};

/// Like sync::oneshot: the value is stored next to the state.
struct channel : oneshot_state {
    int value = 0;
};

void leave(channel* shared) {
    if (shared->leave()) delete shared;
}

void send(channel* shared, int value) {
    shared->value = value;
    if (shared->complete_and_leave()) return;
    if (!shared->complete()) check(shared->value == value, "the sender gets back a value that was not received");
    leave(shared);
}

TEST(ExploreOneshot, SendWakesReceiverWithValue) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task receiver(false);
        auto* const shared = new channel;
        explore::thread sender([=] { send(shared, 7); });
        for (;;) {
            const eddy::waker waker = receiver.waker();
            if (shared->poll_complete(waker)) break;
            receiver.sleep();
        }
        check(shared->is_complete() && shared->value == 7, "the value has arrived");
        leave(shared);
    }));
}

TEST(ExploreOneshot, ReceiverMayPollWithAnotherWaker) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task first(false);
        sleeping_task second(false);
        auto* const shared = new channel;
        explore::thread sender([=] { send(shared, 7); });
        const eddy::waker early = first.waker();
        if (!shared->poll_complete(early)) {
            const eddy::waker late = second.waker();
            while (!shared->poll_complete(late)) second.sleep();
        }
        check(shared->value == 7, "the value has arrived");
        leave(shared);
    }));
}

TEST(ExploreOneshot, CloseRacesWithSend) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task receiver(false);
        auto* const shared = new channel;
        explore::thread sender([=] { send(shared, 7); });
        const eddy::waker waker = receiver.waker();
        static_cast<void>(shared->poll_complete(waker));
        if (shared->close()) check(shared->value == 7, "the receiver owns a value sent before the close");
        leave(shared);
    }));
}

TEST(ExploreOneshot, CloseWakesSenderWaitingForIt) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task sending(false);
        auto* const shared = new channel;
        explore::thread receiver([=] {
            shared->value = 3;  // in this test the receiver writes the value: close() publishes it
            static_cast<void>(shared->close());
            leave(shared);
        });
        for (;;) {
            const eddy::waker waker = sending.waker();
            if (shared->poll_closed(waker)) break;
            sending.sleep();
        }
        check(shared->value == 3, "writes before the close are visible");
        check(!shared->complete(), "a closed channel accepts no value");
        leave(shared);
    }));
}

TEST(ExploreOneshot, BothEndsMayStopWaiting) {
    EXPECT_TRUE(holds({.preemptions = 3}, [] {
        sleeping_task sending(false);
        sleeping_task receiving(false);
        auto* const shared = new channel;
        explore::thread sender([&] {
            const eddy::waker waker = sending.waker();
            if (!shared->poll_closed(waker)) shared->stop_waiting_for_close();
            send(shared, 7);
        });
        const eddy::waker waker = receiving.waker();
        if (!shared->poll_complete(waker)) static_cast<void>(shared->close());
        leave(shared);
    }));
}

}  // namespace
